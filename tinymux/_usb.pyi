from typing import Any, Final

DEPTH: Final[int]

class Link:
    """A board behind an open usbfs node, which is the link's from here on.

    OSError: errno as usb_open (ext/usb/usb.h) has it; its second argument is the protocol version that the board's
    firmware named, 0 for none.
    """

    def __init__(self, fd: int, depth: int = ...) -> None: ...
    @property
    def transport(self) -> Any: ...
    @property
    def fault(self) -> int: ...
    def close(self) -> None: ...
    def counters(self) -> dict[str, int]: ...

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
    def fault(self) -> int:
        """Why the board is gone, a positive errno (ext/usb/usb.h); 0: it is not."""

    def close(self) -> None:
        """Give the board back; `transport` answers -ENODEV from now on. Again is harmless.

        An engine that serves it must have told that the board is gone, or have been stopped.
        """

    def counters(self) -> dict[str, int]:
        """What has passed, by the names of struct usb_counters."""

# cython: language_level=3, binding=True
"""The simulated board (ext/sim): one pump chip and sixteen tinies that run their real firmware files."""

cimport cython
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EAGAIN
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from collections.abc import Sequence
from typing import NamedTuple

from tinymux.errors import BoardError, check


class TinyState(NamedTuple):
    """One tiny at the board's time."""

    pc: int  # byte address
    registers: bytes  # r16 to r31
    sreg: int
    sp: int
    ram: bytes  # 32 bytes from 0x40
    flash: bytes  # 1,024 bytes
    cycles: int  # of its CPU clock, since the board was made
    illegal: int  # undefined opcodes executed
    in_reset: bool
    lane: str  # its PB0: "released", "pulled up", "low" or "high"
    user: str  # its PB2


class PumpState(NamedTuple):
    """The pump chip at the board's time."""

    pc: int  # byte address
    cycles: int
    illegal: int  # undefined opcodes executed
    unknown: int  # accesses to registers that the chip does not have
    misuse: int  # things done that the datasheet forbids
    resets: int  # by its watchdog


cdef dict PIN_NAMES = {TINY_RELEASED: "released", TINY_PULLED_UP: "pulled up", TINY_LOW: "low", TINY_HIGH: "high"}


cdef void release_owner(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


cdef void traced(void *context, unsigned signal, unsigned level, uint64_t ps) noexcept with gil:
    cdef Board self = <Board>context
    if self.tracer is None:
        return
    try:
        self.tracer(signal, level, ps)
    except BaseException as failure:
        self.tracer, self.failure = None, failure


cdef class Board:
    """A simulated board.

    pump: raw flash of the pump chip, at most 32,768 bytes. tinies: sixteen raw flash images of at most 1,024 bytes, or
    None for an erased chip; a shorter sequence leaves the rest erased.
    seed: RAM at power-on and all faults. rc_error: the tinies' oscillator errors in ppm, one for all or one each.
    lane_noise: probability that a lane's level is flipped, per plane, lane and way. byte_loss: that a byte's start bit is
    masked. serial: ten bytes of the pump chip's signature row. paced: board time follows the wall clock for the engine,
    else it runs as fast as it can. host_latency_us: 0-2,000, until the host's software learns of a packet.
    depth: OUT packets that the transport takes under way, 1-64. rise_ns: rise time of a released lane.
    connect: power up and enumerate; else the board is unplugged, at time 0.

    Raises tinymux.errors.BoardError, naming what failed.
    """

    cdef board *board
    cdef board_transport link
    cdef bint linked
    cdef object tracer, failure

    def __init__(
        self,
        pump: bytes,
        tinies: Sequence[bytes | None] = (),
        *,
        seed: int = 0,
        rc_error: int | Sequence[int] = 0,
        lane_noise: float = 0.0,
        byte_loss: float = 0.0,
        serial: bytes = b"SIMULATED0",
        paced: bool = False,
        host_latency_us: int = 125,
        depth: int = 8,
        rise_ns: int = 500,
        connect: bool = True,
    ):
        cdef board_config config
        cdef int result
        errors = [rc_error] * LANES if isinstance(rc_error, int) else list(rc_error)
        if len(errors) != LANES or not all(-500_000 <= e <= 500_000 for e in errors):
            raise BoardError("rc_error: one number or sixteen, from -500000 to 500000 ppm")
        if len(tinies) > LANES:
            raise BoardError(f"{len(tinies)} images for sixteen tinies")
        if len(serial) != 10:
            raise BoardError("serial: ten bytes")
        if not (0 <= lane_noise <= 1 and 0 <= byte_loss <= 1):
            raise BoardError("lane_noise and byte_loss are probabilities, 0 to 1")
        if not 0 <= host_latency_us <= 2000:
            raise BoardError("host_latency_us: 0 to 2000")
        if not 0 <= rise_ns <= 10_000:
            raise BoardError("rise_ns: 0 to 10000")
        config.seed = seed & 0xFFFFFFFFFFFFFFFF
        for lane in range(LANES):
            config.rc_error[lane] = errors[lane]
        config.lane_noise = lane_noise
        config.byte_loss = byte_loss
        memcpy(config.serial, <const uint8_t *>serial, 10)
        config.rise_ns = rise_ns
        config.host_latency_us = host_latency_us
        self.board = board_new(&config)
        if self.board == NULL:
            raise MemoryError
        check(board_load_pump(self.board, pump, len(pump)), "load the pump chip", BoardError)
        for lane, image in enumerate(tinies):
            if image is not None:
                check(board_load_tiny(self.board, lane, image, len(image)), f"load tiny {lane}", BoardError)
        check(board_transport_init(&self.link, self.board, paced, depth), "set up the board's transport", BoardError)
        self.linked = True
        if connect:
            self.enumerate()

    def __dealloc__(self):
        if self.linked:
            board_transport_free(&self.link)
        board_free(self.board)

    def load(self, lane: int, image: bytes) -> None:
        """Put an image into a tiny's flash as if somebody had programmed it meanwhile; what it does not reach is erased."""
        cdef int result
        cdef unsigned number = lane
        cdef const uint8_t *at = image
        cdef size_t length = len(image)
        with nogil:
            board_transport_lock(&self.link)
            result = board_load_tiny(self.board, number, at, length)
            board_transport_unlock(&self.link)
        check(result, f"load tiny {lane}", BoardError)

    def tune(self, lane: int, *, word_s: float | None = None, erase_s: float | None = None, config: int | None = None,
             lock: int | None = None, signature: bytes | None = None, supply_mv: int | None = None) -> None:
        """Change a tiny's NVM: seconds that a word and an erase take, configuration and lock byte, signature; its supply."""
        cdef tiny *t
        if not 0 <= lane < LANES:
            raise BoardError(f"no tiny {lane}: 0 to 15")
        with nogil:
            board_transport_lock(&self.link)
        t = <tiny *>board_tiny(self.board, lane)
        if word_s is not None:
            t.nvm.word_ps = int(word_s * 1e12)
        if erase_s is not None:
            t.nvm.erase_ps = int(erase_s * 1e12)
        if config is not None:
            t.nvm.config = config
        if lock is not None:
            t.nvm.lock = lock
        if signature is not None:
            memcpy(t.nvm.signature, <const uint8_t *>signature, min(3, len(signature)))
        if supply_mv is not None:
            t.vcc_mv = supply_mv
        board_transport_unlock(&self.link)

    def trace(self, tracer) -> None:
        """Call tracer(signal, level, picoseconds) at each change of a wire (ext/sim/board.h), or no more with None.

        What it raises ends the trace and is raised here when it is ended.
        """
        with nogil:
            board_transport_lock(&self.link)
        self.tracer = tracer
        if tracer is None:
            board_trace(self.board, NULL, NULL)
        else:
            board_trace(self.board, traced, <void *>self)
        board_transport_unlock(&self.link)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    # --- time and power ---

    @property
    def time(self) -> float:
        """Board time in seconds since power-on."""
        return board_time(self.board) * 1e-12

    def run(self, seconds: float) -> bool:
        """Let board time pass; stop early, and return True, when an IN packet has arrived."""
        cdef uint64_t until
        cdef int arrived
        with nogil:
            board_transport_lock(&self.link)
        until = board_time(self.board) + <uint64_t>(seconds * 1e12)
        with nogil:
            arrived = board_run(self.board, until)
            board_transport_unlock(&self.link)
        return arrived == 1

    def power_cycle(self) -> None:
        """All power off for 100 ms of board time and on again; then the host enumerates the board."""
        cdef int result
        with nogil:
            result = board_transport_connect(&self.link, True)
        check(result, "enumerate the board after its power cycle", BoardError)

    # --- for the engine ---

    @property
    def transport(self) -> object:
        """A capsule for the engine, named "tinymux.transport". It keeps the board alive."""
        capsule = PyCapsule_New(&self.link, TRANSPORT_CAPSULE, release_owner)
        Py_INCREF(self)
        PyCapsule_SetContext(capsule, <void *>self)
        return capsule

    @property
    def arrears(self) -> float:
        """Seconds that a paced board has given up because the machine was too slow for it."""
        return self.link.arrears_ns * 1e-9

    # --- the USB port ---

    def enumerate(self) -> None:
        """Plug in, reset, address and configure the board, as an operating system does."""
        cdef int result
        with nogil:
            result = board_transport_connect(&self.link, False)
        check(result, "enumerate the board", BoardError)

    def usb(self, what: str) -> None:
        """Do something to the port: "attach", "detach", "reset", "suspend" or "resume"."""
        cdef int n = ("attach", "detach", "reset", "suspend", "resume").index(what)
        with nogil:
            board_transport_lock(&self.link)
            if n == 0:
                board_usb_attach(self.board)
            elif n == 1:
                board_usb_detach(self.board)
            elif n == 2:
                board_usb_reset(self.board)
            elif n == 3:
                board_usb_suspend(self.board)
            else:
                board_usb_resume(self.board)
            board_transport_unlock(&self.link)

    @property
    def attached(self) -> bool:
        """Plugged in, and the firmware shows itself on the bus."""
        return board_usb_attached(self.board)

    def control(self, request_type: int, request: int, value: int = 0, index: int = 0, data: bytes | int = 0) -> bytes:
        """A control transfer. data: what to send, or how much to ask for. What the device sent.

        Raises BoardError: "Broken pipe" where the device stalls.
        """
        cdef uint8_t setup[8]
        cdef uint8_t buffer[4096]
        cdef int result
        cdef unsigned length
        length = data if isinstance(data, int) else len(data)
        if length > sizeof(buffer):
            raise BoardError(f"control transfer of {length} bytes: at most {sizeof(buffer)}")
        if not isinstance(data, int):
            memcpy(buffer, <const uint8_t *>data, length)
        for i, byte in enumerate((request_type, request, value & 255, value >> 8, index & 255, index >> 8, length & 255, length >> 8)):
            setup[i] = byte
        with nogil:
            board_transport_lock(&self.link)
            result = board_usb_control(self.board, setup, buffer, length)
            board_transport_unlock(&self.link)
        check(result, f"do control request {request_type:#04x} {request}", BoardError)
        return buffer[:result]

    def usb_out(self, endpoint: int, packet: bytes) -> bool:
        """Queue one packet of at most 64 bytes for a bulk OUT endpoint. False: 64 packets wait already."""
        cdef int result
        cdef uint8_t number = endpoint & 15
        cdef const uint8_t *at = packet
        cdef unsigned length = len(packet)
        with nogil:
            board_transport_lock(&self.link)
            result = board_usb_out(self.board, number, at, length)
            board_transport_unlock(&self.link)
        if result == -EAGAIN:
            return False
        check(result, f"send to endpoint {endpoint:#04x}", BoardError)
        return True

    def usb_out_waiting(self, endpoint: int) -> int:
        """Packets queued for a bulk OUT endpoint that have not gone."""
        return board_usb_out_waiting(self.board, endpoint & 15)

    def usb_credit(self, endpoint: int, packets: int) -> None:
        """Let the host ask a bulk IN endpoint for this many packets more."""
        with nogil:
            board_transport_lock(&self.link)
        board_usb_in_credit(self.board, endpoint & 15, packets)
        board_transport_unlock(&self.link)

    def usb_in(self, endpoint: int) -> bytes | None:
        """The next packet that arrived from a bulk IN endpoint, or None."""
        cdef uint8_t packet[64]
        cdef int result
        cdef uint8_t number = endpoint & 15
        with nogil:
            board_transport_lock(&self.link)
            result = board_usb_in(self.board, number, packet)
            board_transport_unlock(&self.link)
        if result == -EAGAIN:
            return None
        check(result, f"receive from endpoint {endpoint:#04x}", BoardError)
        return packet[:result]

    # --- to look at ---

    def tiny(self, lane: int) -> TinyState:
        """The state of one tiny."""
        cdef const tiny *t
        if not 0 <= lane < LANES:
            raise BoardError(f"no tiny {lane}: 0 to 15")
        with nogil:
            board_transport_lock(&self.link)
        try:
            t = board_tiny(self.board, lane)
            return TinyState(
                pc=t.avr.pc * 2,
                registers=(<const uint8_t *>t.avr.r)[16:32],
                sreg=t.avr.sreg,
                sp=t.avr.sp,
                ram=t.avr.ram[:TINY_RAM],
                flash=(<const uint8_t *>t.avr.flash)[:TINY_FLASH],
                cycles=t.avr.cycle,
                illegal=t.avr.illegal,
                in_reset=not (board_running(self.board) >> lane & 1),
                lane=PIN_NAMES[tiny_pin(t, 0, board_time(self.board))],
                user=PIN_NAMES[tiny_pin(t, 2, board_time(self.board))],
            )
        finally:
            board_transport_unlock(&self.link)

    @property
    def led(self) -> bool:
        """Whether the activity LED is lit."""
        return board_led(self.board)

    @property
    def pump(self) -> PumpState:
        """The state of the pump chip."""
        cdef const mega *m
        with nogil:
            board_transport_lock(&self.link)
        try:
            m = board_pump(self.board)
            return PumpState(m.avr.pc * 2, m.avr.cycle, m.avr.illegal, m.unknown, m.misuse, m.resets)
        finally:
            board_transport_unlock(&self.link)


include "_meter.pxi"
include "_debug.pxi"

# A debugger's hands on a tiny, and where its cycles go (ext/sim/tiny_debug.h), a part of _simulator.pyx.

from libc.stdlib cimport calloc, free

cdef extern from "tiny_profile.h" nogil:
    enum: PROFILE_WORDS, PROFILE_PATH
    cdef struct profile_label:
        uint64_t visits, cycles, waiting, worst, blind
    cdef struct profile_step:
        uint16_t label
        uint64_t cycles
    cdef struct profile_stretch:
        uint16_t from_label "from"
        uint16_t to
        uint64_t cycles
        unsigned length
        profile_step path[1]
    cdef struct tiny_profile:
        uint16_t label[1]
        profile_label labels[1]
        profile_stretch longest[1]
        unsigned stretches

cdef extern from "tiny_debug.h" nogil:
    enum: DEBUG_DATA, DEBUG_READ, DEBUG_WRITE
    cdef enum debug_why:
        DEBUG_STEPPED, DEBUG_BREAKPOINT, DEBUG_ACCESS
    cdef struct tiny_debug:
        tiny_profile profile
        bint halt_at[1]
        uint8_t halt_on[1]
        bint step
        void (*halt)(void *context, debug_why why, uint16_t address, unsigned access) noexcept
        void *context
    void debug_attach(tiny *, tiny_debug *)
    void debug_settle(tiny *)
    uint8_t debug_peek(tiny *, uint16_t address)
    void debug_poke(tiny *, uint16_t address, uint8_t value)
    void debug_program(tiny *, uint16_t address, uint8_t value)


class Spent(NamedTuple):
    """Cycles between one label and the next; ext/sim/tiny_profile.h says what each is."""

    visits: int
    cycles: int
    waiting: int
    worst: int
    blind: int


class Stretch(NamedTuple):
    """From one look at the pins to the next. Labels by number; the first 64 steps of its path, each with its cycles."""

    cycles: int
    start: int
    end: int
    path: tuple[tuple[int, int], ...]


class Halt(NamedTuple):
    """Why a tiny stands. address: of the instruction that is next, or of the byte of data memory."""

    why: str  # "step", "breakpoint", "read" or "write"
    address: int


cdef void halted(void *context, debug_why why, uint16_t address, unsigned access) noexcept with gil:
    cdef Debug self = <Debug>context
    if self.on_halt is None:
        return
    try:
        if why == DEBUG_ACCESS:
            self.on_halt(Halt("write" if access & DEBUG_WRITE else "read", address))
        else:
            self.on_halt(Halt("step" if why == DEBUG_STEPPED else "breakpoint", address))
    except BaseException as failure:
        self.failure = failure
        self.clear()


@cython.no_gc_clear  # letting go of the tiny needs the board
cdef class Debug:
    """Holds a tiny of this board, for as long as the object lives, or until `close`.

    labels: for each of the 512 words of flash a number below 512, for `spent`.
    on_halt: called with a Halt, from whatever runs the board, while board time stands; the tiny goes on when it
    returns. What it raises clears all halts and is raised by `check`.
    """

    cdef Board board
    cdef tiny *tiny
    cdef tiny_debug *debug
    cdef public object on_halt
    cdef object failure

    def __init__(self, board: Board, lane: int, labels: Sequence[int] = (), on_halt=None):
        if not 0 <= lane < LANES:
            raise BoardError(f"no tiny {lane}: 0 to 15")
        if len(labels) > PROFILE_WORDS or not all(0 <= label < PROFILE_WORDS for label in labels):
            raise BoardError(f"labels: at most {PROFILE_WORDS} numbers below {PROFILE_WORDS}")
        self.board, self.on_halt = board, on_halt
        self.debug = <tiny_debug *>calloc(1, sizeof(tiny_debug))
        if self.debug is NULL:
            raise MemoryError
        self.debug.halt = halted
        self.debug.context = <void *>self
        for word, label in enumerate(labels):
            self.debug.profile.label[word] = label
        self.tiny = <tiny *>board_tiny(board.board, lane)
        self.lock()
        debug_attach(self.tiny, self.debug)
        self.unlock()

    def __dealloc__(self):
        self.release()
        free(self.debug)

    def close(self) -> None:
        """Let go of the tiny; it runs at its full speed again. What was spent can still be read."""
        self.release()

    cdef void release(self):
        if self.tiny is NULL:
            return
        self.lock()
        if self.tiny.watcher == <void *>self.debug:
            debug_settle(self.tiny)
            debug_attach(self.tiny, NULL)
        self.unlock()
        self.tiny = NULL

    cdef void lock(self) noexcept:
        with nogil:
            board_transport_lock(&self.board.link)

    cdef void unlock(self) noexcept:
        board_transport_unlock(&self.board.link)

    cdef int held(self) except -1:
        """Lock the board, whose tiny must still be ours."""
        if self.tiny is NULL:
            raise BoardError("the tiny is not held any more")
        self.lock()
        return 0

    def check(self) -> None:
        """Raise what on_halt raised."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    # --- halting ---

    def halt_at(self, address: int, on: bool) -> None:
        """Halt before the instruction at this byte address, or no more."""
        if not 0 <= address < 2 * PROFILE_WORDS:
            raise BoardError(f"no flash at {address:#x}")
        self.debug.halt_at[<unsigned>address // 2] = on

    def halt_on(self, address: int, *, read: bool, write: bool) -> None:
        """Halt after this byte of I/O or RAM was read or written, or no more."""
        if not 0 <= address < DEBUG_DATA:
            raise BoardError(f"neither I/O nor RAM at {address:#x}")
        self.debug.halt_on[<unsigned>address] = read * DEBUG_READ | write * DEBUG_WRITE

    def step(self) -> None:
        """Halt before the next instruction."""
        self.debug.step = True

    def clear(self) -> None:
        """Halt nowhere."""
        for word in range(PROFILE_WORDS):
            self.debug.halt_at[<unsigned>word] = False
        for address in range(DEBUG_DATA):
            self.debug.halt_on[<unsigned>address] = 0
        self.debug.step = False

    # --- to look and to change ---

    def read(self, address: int, length: int) -> bytes:
        """Data memory as the CPU would read it; nothing changes by it. Addresses wrap at 64 KB."""
        self.held()
        try:
            return bytes([debug_peek(self.tiny, (address + i) & 0xFFFF) for i in range(length)])
        finally:
            self.unlock()

    def write(self, address: int, data: bytes) -> None:
        """Write data memory as the CPU would."""
        self.held()
        for i, byte in enumerate(data):
            debug_poke(self.tiny, (address + i) & 0xFFFF, byte)
        self.unlock()

    def program(self, address: int, data: bytes) -> None:
        """Change flash. BoardError beyond its end."""
        if not 0 <= address <= TINY_FLASH - len(data):
            raise BoardError(f"no flash at {address:#x}")
        self.held()
        for i, byte in enumerate(data):
            debug_program(self.tiny, address + i, byte)
        self.unlock()

    def set(self, name: str, value: int) -> None:
        """Set "pc" (bytes), "sp", "sreg", or "r16" to "r31"."""
        cdef unsigned number = 0
        if name not in ("pc", "sp", "sreg"):
            number = int(name[1:])
            if not 16 <= number < 32:
                raise BoardError(f"an ATtiny10 has no {name}")
        self.held()
        if name == "pc":
            self.tiny.avr.pc = value // 2 % PROFILE_WORDS
        elif name == "sp":
            self.tiny.avr.sp = value & 0xFFFF
        elif name == "sreg":
            self.tiny.avr.sreg = value & 0xFF
        else:
            self.tiny.avr.r[number] = value & 0xFF
        self.unlock()

    # --- where its cycles went ---

    def spent(self) -> list[Spent]:
        """By number of label, 512 of them."""
        cdef const profile_label *p
        self.settle()
        result = []
        for number in range(PROFILE_WORDS):
            p = &self.debug.profile.labels[<unsigned>number]
            result.append(Spent(p.visits, p.cycles, p.waiting, p.worst, p.blind))
        return result

    def longest(self) -> list[Stretch]:
        """The longest blind stretch for each pair of labels, the longest first."""
        cdef const profile_stretch *p
        self.settle()
        result = []
        for n in range(self.debug.profile.stretches):
            p = &self.debug.profile.longest[<unsigned>n]
            steps = min(p.length, <unsigned>PROFILE_PATH)
            path = tuple([(p.path[<unsigned>i].label, p.path[<unsigned>i].cycles) for i in range(steps)])
            result.append(Stretch(p.cycles, p.from_label, p.to, path))
        return sorted(result, reverse=True)

    cdef void settle(self):
        if self.tiny is not NULL:
            self.lock()
            if self.tiny.watcher == <void *>self.debug:
                debug_settle(self.tiny)
            self.unlock()

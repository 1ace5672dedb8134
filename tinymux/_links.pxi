# What an engine carries besides boards: serial ports, a loopback, and faults around any of them. Part of _engine.pyx.

cdef extern from "engine/tty.h" nogil:
    engine_link *ttys_new(const int *fds, unsigned count, int *error)

cdef extern from "engine/loopback.h" nogil:
    engine_link *loopback_new()

cdef extern from "engine/synthetic.h" nogil:
    transport *synthetic_new()
    void synthetic_free(transport *)

cdef extern from "engine/faults.h" nogil:
    cdef struct fault_rates:
        uint64_t delay_ns, seed
    engine_link *faults_around(engine_link *, const fault_rates *)
    const void *faults_counters(const engine_link *)

cdef extern from *:
    """
    static const char *fault_names[] = { FAULT_KINDS(NAME) NULL };
    static const char *fault_counter_names[] = { FAULT_KINDS(NAME) "overrun", NULL };
    """
    const char *fault_names[]
    const char *fault_counter_names[]


cdef fault_rates rates_of(dict given) except *:
    cdef fault_rates rates
    cdef double *values = <double *>&rates
    cdef Py_ssize_t i = 0
    left = dict(given)
    seed, delay_ms = left.pop("seed", 0), left.pop("delay_ms", 10)
    if seed != int(seed) or not 0 <= seed < 1 << 64:
        raise TinymuxError(f"fault seed: {seed} is no whole number from 0 to 2**64 - 1")
    if not 0 <= delay_ms <= 3_600_000:
        raise TinymuxError(f"fault delay_ms: {delay_ms} is not from 0 to an hour")
    rates.seed = int(seed)
    rates.delay_ns = int(delay_ms * 1e6)
    while fault_names[i] is not NULL:
        values[i] = left.pop(fault_names[i].decode(), 0.0)
        if not 0 <= values[i] <= 1:
            raise TinymuxError(f"fault {fault_names[i].decode()}: {values[i]} is no probability from 0 to 1")
        i += 1
    if left:
        raise TinymuxError(f"there is no fault {', '.join(left)}; see ext/engine/faults.h")
    return rates


cdef class Link:
    cdef engine_link *link

    def __dealloc__(self):
        if self.link is not NULL:
            self.link.ops.free(self.link)

    # For who takes it over.
    cdef engine_link *give(self) except NULL:
        link, self.link = self.link, NULL
        if link is NULL:
            raise BoardError("this link is in use already")
        return link


cdef class Ttys(Link):
    def __init__(self, fds):
        cdef int numbers[16]
        cdef int error
        if not 0 < len(fds) <= LANES:
            raise BoardError(f"{len(fds)} serial ports: from 1 to {LANES} make a link")
        for i, fd in enumerate(fds):
            numbers[i] = fd
        self.link = ttys_new(numbers, len(fds), &error)
        if self.link is NULL:
            check(error, "use the serial ports", BoardError)


cdef class Loopback(Link):
    def __init__(self):
        self.link = loopback_new()
        if self.link is NULL:
            raise MemoryError


cdef class SyntheticBoard:
    cdef transport *board

    def __cinit__(self):
        self.board = synthetic_new()
        if self.board is NULL:
            raise MemoryError

    def __dealloc__(self):
        synthetic_free(self.board)

    @property
    def transport(self):
        return PyCapsule_New(self.board, TRANSPORT_CAPSULE, NULL)

    @property
    def seconds(self):
        return self.board.board_ns / 1e9

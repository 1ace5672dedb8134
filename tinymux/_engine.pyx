# cython: language_level=3, binding=True
"""The engine (ext/engine): boards' lanes on tuns, on a thread of its own; and a wire to try a board by hand."""

cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.errno cimport EAGAIN, ENOENT, ERANGE
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from typing import NamedTuple

from tinymux.errors import BoardError, TinymuxError, check

cdef extern from "engine/transport.h" nogil:
    const char *TRANSPORT_CAPSULE
    cdef struct transport:
        uint64_t board_ns

cdef extern from "engine/options.h" nogil:
    enum: MTU_MAX
    ctypedef struct engine_options "struct options":
        uint32_t mtu
    const engine_options OPTIONS_DEFAULT
    int options_set(engine_options *, const char *name, int64_t value)

cdef extern from "engine/board_link.h" nogil:
    cdef struct board_link:
        transport *transport
        uint64_t heard

cdef extern from "engine/tpi.h" nogil:
    enum: TPI_STEPS, TPI_DATA
    cdef struct tpi_step:
        uint8_t kind, command
        uint16_t address, length, at
    cdef struct tpi_job:
        tpi_step steps[1]
        unsigned count
        uint8_t data[1]
    cdef struct tpi_report:
        uint8_t outcome, step
        uint16_t done
        uint32_t recoveries

cdef extern from "engine/programming.h" nogil:
    enum: PROGRAMMING_BEGIN, PROGRAMMING_RUN, PROGRAMMING_REPORTS, PROGRAMMING_DATA, PROGRAMMING_HOLD, PROGRAMMING_END
    cdef struct programming_call:
        int what
        uint16_t lanes
        unsigned lane
        const tpi_job *job
        tpi_report *reports
        uint8_t *data
    int programming_do(board_link *, void *call)

cdef extern from "engine/link.h" nogil:
    ctypedef struct engine_link "struct link":
        const link_ops *ops
        unsigned mtu
    cdef struct link_ops:
        void (*free)(engine_link *)
    engine_link *link_of_board(transport *, const engine_options *, int *error)

cdef extern from "engine/tty.h" nogil:
    engine_link *ttys_new(const int *fds, unsigned count, int *error)

cdef extern from "engine/loopback.h" nogil:
    engine_link *loopback_new()

cdef extern from "engine/faults.h" nogil:
    cdef struct fault_rates:
        uint64_t delay_ns, seed
    engine_link *faults_around(engine_link *, const fault_rates *)
    const void *faults_counters(const engine_link *)

cdef extern from "engine/capture.h" nogil:
    cdef struct capture:
        pass
    capture *capture_new(int fd, const char **names, unsigned count, int *error)
    int capture_free(capture *)
    uint64_t capture_written(const capture *)
    uint64_t capture_dropped(const capture *)
    int capture_error(const capture *)

cdef extern from "engine/engine.h" nogil:
    cdef struct engine:
        pass
    cdef struct engine_event:
        int kind, board, lane, error
    engine *engine_new(int *error)
    void engine_free(engine *)
    int engine_add_board(engine *, transport *, const engine_options *)
    int engine_add_link(engine *, engine_link *)
    int engine_replace_board(engine *, int board, transport *)
    int engine_capture(engine *, capture *)
    int engine_capture_lane(engine *, int board, int lane, int interface)
    int engine_attach(engine *, int board, int lane, int fd)
    int engine_detach(engine *, int board, int lane)
    int engine_reset(engine *, int board, int lane)
    int engine_control(engine *, int board, const uint8_t *setup, uint8_t *data, unsigned length)
    ctypedef int engine_link_fn(board_link *, void *context)
    int engine_on_link(engine *, int board, engine_link_fn *, void *context)
    int engine_start(engine *)
    void engine_stop(engine *)
    const void *engine_lane_counters(engine *, int board, int lane)
    const void *engine_board_counters(engine *, int board)
    int engine_events_fd(engine *)
    bint engine_next_event(engine *, engine_event *)
    uint64_t engine_events_lost(engine *)

cdef extern from "engine/wire.h" nogil:
    cdef struct wire:
        pass
    ctypedef void wire_packet_fn(void *context, unsigned lane, const uint8_t *packet, unsigned length) noexcept
    wire *wire_new(transport *, const engine_options *, uint16_t lanes, int *error)
    void wire_free(wire *)
    void wire_hook(wire *, wire_packet_fn *, void *context)
    int wire_send(wire *, unsigned lane, const uint8_t *packet, unsigned length)
    int wire_receive(wire *, unsigned *lane, uint8_t *packet)
    int wire_run(wire *, uint64_t planes, uint64_t ns, bint until_packet)
    const void *wire_lane_counters(wire *, unsigned lane)
    const void *wire_board_counters(wire *)
    board_link *wire_link(wire *)

cdef extern from *:
    """
    #define NAME(name) #name,
    static const char *lane_names[] = { LANE_COUNTERS(NAME) NULL };
    static const char *board_names[] = { BOARD_COUNTERS(NAME) NULL };
    static const char *event_names[] = { ENGINE_EVENTS(NAME) NULL };
    static const char *outcome_names[] = { TPI_OUTCOMES(NAME) NULL };
    static const char *fault_names[] = { FAULT_KINDS(NAME) NULL };
    static const char *fault_counter_names[] = { FAULT_KINDS(NAME) "overrun", NULL };
    #undef NAME
    """
    const char *lane_names[]
    const char *board_names[]
    const char *event_names[]
    const char *outcome_names[]
    const char *fault_names[]
    const char *fault_counter_names[]
    enum: LANES
    uint64_t COUNTED(uint64_t) nogil


class Event(NamedTuple):
    """Something for a policy to decide about; see `Engine.events`."""

    kind: str
    board: int
    lane: int
    error: int


cdef transport *transport_of(object capsule) except NULL:
    return <transport *>PyCapsule_GetPointer(capsule, TRANSPORT_CAPSULE)


cdef engine_options options_of(dict given) except *:
    cdef engine_options result = OPTIONS_DEFAULT
    for name, value in given.items():
        error = options_set(&result, name.encode(), value)
        if error == -ENOENT:
            raise TinymuxError(f"the engine has no option {name!r}; see ext/engine/options.h")
        if error == -ERANGE:
            raise TinymuxError(f"option {name}: {value} is out of its bounds; see ext/engine/options.h")
    return result


cdef fault_rates rates_of(dict given) except *:
    cdef fault_rates rates
    cdef double *values = <double *>&rates
    cdef Py_ssize_t i = 0
    left = dict(given)
    rates.seed = left.pop("seed", 0)
    rates.delay_ns = int(left.pop("delay_ms", 10) * 1e6)
    while fault_names[i] is not NULL:
        values[i] = left.pop(fault_names[i].decode(), 0.0)
        if not 0 <= values[i] <= 1:
            raise TinymuxError(f"fault {fault_names[i].decode()}: {values[i]} is no probability")
        i += 1
    if left:
        raise TinymuxError(f"there is no fault {', '.join(left)}; see ext/engine/faults.h")
    return rates


cdef dict counters_of(const void *counters, const char **names):
    cdef const uint64_t *values = <const uint64_t *>counters
    cdef Py_ssize_t i = 0
    result = {}
    while names[i] is not NULL:
        result[names[i].decode()] = COUNTED(values[i])
        i += 1
    return result


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


# Owners must outlive what is freed in __dealloc__, so the collector may not clear them before.
@cython.no_gc_clear
cdef class Engine:
    cdef engine *engine
    cdef capture *capture
    cdef list owners, faults

    def __cinit__(self):
        cdef int error
        self.owners, self.faults = [], []
        self.engine = engine_new(&error)
        if self.engine is NULL:
            check(error, "make an engine")

    def __dealloc__(self):
        with nogil:
            engine_free(self.engine)

    def add_board(self, transport, owner=None, faults=None, /, **options):
        cdef engine_options chosen = options_of(options)
        cdef fault_rates rates = rates_of(faults or {})
        cdef engine_link *link
        cdef engine_link *outer
        cdef int result
        if isinstance(transport, Link):
            link = (<Link>transport).give()
            link.mtu = chosen.mtu
        else:
            board = transport_of(transport)
            with nogil:
                link = link_of_board(board, &chosen, &result)
            if link is NULL:
                check(result, "add the board", BoardError)
        outer = faults_around(link, &rates) if faults else link
        if outer is NULL:
            link.ops.free(link)
            raise MemoryError
        with nogil:
            result = engine_add_link(self.engine, outer)
        if result < 0:
            outer.ops.free(outer)
        check(result, "add the board", BoardError)
        self.owners.append((transport, owner))
        self.faults.append(<uintptr_t>outer if faults else 0)
        return result

    def fault_counters(self, int board):
        if not (0 <= board < len(self.faults) and self.faults[board]):
            raise BoardError(f"board {board} has no faults")
        return counters_of(faults_counters(<engine_link *><uintptr_t>self.faults[board]), fault_counter_names)

    def replace_board(self, int board, transport, owner=None):
        cdef int result
        link = transport_of(transport)
        with nogil:
            result = engine_replace_board(self.engine, board, link)
        if 0 <= board < len(self.owners):
            self.owners[board] = (transport, owner)
        check(result, f"go on with board {board}", BoardError)

    def attach(self, int board, int lane, int fd):
        cdef int result
        with nogil:
            result = engine_attach(self.engine, board, lane, fd)
        check(result, f"put lane {lane} of board {board} on its interface", BoardError)

    def detach(self, int board, int lane):
        cdef int result
        with nogil:
            result = engine_detach(self.engine, board, lane)
        check(result, f"take lane {lane} of board {board} off its interface", BoardError)

    def reset(self, int board, int lane):
        cdef int result
        with nogil:
            result = engine_reset(self.engine, board, lane)
        check(result, f"reset lane {lane} of board {board}", BoardError)

    def control(self, int board, int request_type, int request, int value, int index, data_or_length=0):
        cdef int result
        reading = bool(request_type & 0x80)
        data = bytearray(data_or_length)
        cdef unsigned length = len(data)
        cdef bytes setup = b"".join(
            [bytes((request_type, request)), *(n.to_bytes(2, "little") for n in (value, index, len(data)))]
        )
        cdef const uint8_t *head = setup
        cdef uint8_t *body = data
        with nogil:
            result = engine_control(self.engine, board, head, body, length)
        check(result, f"make request {request} to board {board}", BoardError)
        return bytes(data[:result]) if reading else b""

    def programming(self, int board):
        cdef Programming lanes = Programming.__new__(Programming)
        lanes.owner, lanes.engine, lanes.board = self, self.engine, board
        return lanes

    def start(self):
        cdef int result
        with nogil:
            result = engine_start(self.engine)
        check(result, "start the engine")

    def stop(self):
        with nogil:
            engine_stop(self.engine)

    def counters(self, int board, int lane):
        found = engine_lane_counters(self.engine, board, lane)
        if found is NULL:
            raise BoardError(f"there is no lane {lane} of board {board}")
        return counters_of(found, lane_names)

    def board_counters(self, int board):
        found = engine_board_counters(self.engine, board)
        if found is NULL:
            raise BoardError(f"there is no board {board}")
        return counters_of(found, board_names)

    @property
    def events_fd(self):
        return engine_events_fd(self.engine)

    @property
    def events_lost(self):
        return engine_events_lost(self.engine)

    def events(self):
        cdef engine_event event
        result = []
        while engine_next_event(self.engine, &event):
            result.append(Event(event_names[event.kind].decode(), event.board, event.lane, event.error))
        return result


@cython.no_gc_clear
cdef class Capture:
    cdef capture *capture
    cdef Engine owner

    def __init__(self, Engine owner, int fd, lanes):
        cdef int error
        names = [name.encode() for name in lanes.values()]
        cdef const char **pointers = <const char **>calloc(len(names) + 1, sizeof(char *))
        if pointers is NULL:
            raise MemoryError
        for i, name in enumerate(names):
            pointers[i] = name
        self.capture = capture_new(fd, pointers, len(names), &error)
        free(pointers)
        if self.capture is NULL:
            check(error, "begin the capture")
        if owner.capture is not NULL:
            self.close()
            raise TinymuxError("this engine captures already")
        self.owner = owner
        owner.capture = self.capture
        self.attach(list(lanes))

    cdef attach(self, lanes):
        cdef int board, lane
        cdef int number = 0
        cdef int result = 0
        with nogil:
            engine_capture(self.owner.engine, self.capture)
        for board, lane in lanes:
            with nogil:
                result = engine_capture_lane(self.owner.engine, board, lane, number)
            number += 1
            if result < 0:
                self.close()
                check(result, f"capture lane {lane} of board {board}", BoardError)

    def __dealloc__(self):
        self.end()

    cdef int end(self) noexcept:
        cdef int result = 0
        if self.capture is NULL:
            return 0
        with nogil:
            if self.owner is not None:
                engine_capture(self.owner.engine, NULL)
                self.owner.capture = NULL
            result = capture_free(self.capture)
        self.capture = NULL
        return result

    def close(self):
        check(self.end(), "write the capture")

    @property
    def written(self):
        return 0 if self.capture is NULL else capture_written(self.capture)

    @property
    def dropped(self):
        return 0 if self.capture is NULL else capture_dropped(self.capture)

    @property
    def error(self):
        return 0 if self.capture is NULL else -capture_error(self.capture)


cdef void packet_came(void *context, unsigned lane, const uint8_t *packet, unsigned length) noexcept with gil:
    cdef Wire self = <Wire>context
    if self.failure is not None:
        return
    try:
        self.on_packet(lane, packet[:length])
    except BaseException as failure:
        self.failure = failure


@cython.no_gc_clear
cdef class Wire:
    cdef wire *wire
    cdef tuple owners
    cdef object on_packet, failure

    def __cinit__(self, transport, owner=None, *, lanes=range(16), on_packet=None, **options):
        cdef engine_options chosen = options_of(options)
        cdef int error
        cdef uint16_t mask = 0
        for lane in lanes:
            mask |= 1 << checked_lane(lane)
        self.owners = (transport, owner)
        self.wire = wire_new(transport_of(transport), &chosen, mask, &error)
        if self.wire is NULL:
            check(error, "start the board's tinies", BoardError)
        self.on_packet = on_packet
        if on_packet is not None:
            wire_hook(self.wire, packet_came, <void *>self)

    def __dealloc__(self):
        with nogil:
            wire_free(self.wire)

    def send(self, lane, const uint8_t[::1] packet):
        check(wire_send(self.wire, checked_lane(lane), &packet[0], packet.shape[0]), f"send on lane {lane}")

    def run(self, planes=None, *, seconds=None, until_packet=False):
        cdef uint64_t most = UINT64_MAX if planes is None else planes
        cdef uint64_t ns = UINT64_MAX if seconds is None else int(seconds * 1e9)
        cdef uint64_t before = wire_link(self.wire).heard
        cdef bint until = until_packet
        cdef int result
        with nogil:
            result = wire_run(self.wire, most, ns, until)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        check(result, "run the board", BoardError)
        return wire_link(self.wire).heard - before

    def receive(self):
        cdef uint8_t packet[MTU_MAX]
        cdef unsigned lane
        result = []
        while True:
            length = wire_receive(self.wire, &lane, packet)
            if length == -EAGAIN:
                return result
            result.append((lane, packet[:length]))

    @property
    def planes(self):
        return wire_link(self.wire).heard

    @property
    def seconds(self):
        return wire_link(self.wire).transport.board_ns / 1e9

    def programming(self):
        cdef Programming lanes = Programming.__new__(Programming)
        lanes.owner, lanes.link = self, wire_link(self.wire)
        return lanes

    def counters(self, lane):
        return counters_of(wire_lane_counters(self.wire, checked_lane(lane)), lane_names)

    def board_counters(self):
        return counters_of(wire_board_counters(self.wire), board_names)


include "_programming.pxi"


cdef unsigned checked_lane(lane) except? 255:
    if not 0 <= lane < LANES:
        raise BoardError(f"there is no lane {lane}: a board has lanes 0 to {LANES - 1}")
    return lane

# cython: language_level=3, binding=True
"""The engine (ext/engine): boards' lanes on tuns, on a thread of its own; and a wire to try a board by hand."""

cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.errno cimport EAGAIN, EBUSY, ENOENT, ERANGE
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
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

cdef extern from "engine/link.h" nogil:
    ctypedef struct engine_link "struct link":
        const link_ops *ops
        unsigned mtu
    cdef struct link_ops:
        void (*free)(engine_link *)
    engine_link *link_of_board(transport *, const engine_options *, int *error)

cdef extern from "engine/capture.h" nogil:
    cdef struct capture:
        pass
    capture *capture_new(int fd, const char **names, unsigned count, int *error)
    int capture_stop(capture *)
    void capture_free(capture *)
    uint64_t capture_written(const capture *)
    uint64_t capture_dropped(const capture *)
    int capture_error(const capture *)

cdef extern from "engine/engine.h" nogil:
    cdef struct engine:
        pass
    cdef struct engine_event:
        int kind, board, lane, error
    enum: ENGINE_THREADS
    engine *engine_new(int *error)
    int engine_use_threads(engine *, unsigned threads, bint pinned)
    void engine_spin(engine *, unsigned us)
    void engine_free(engine *)
    int engine_add_board(engine *, transport *, const engine_options *)
    int engine_add_link(engine *, engine_link *)
    int engine_replace_board(engine *, int board, transport *)
    int engine_capture(engine *, capture *)
    int engine_capture_lane(engine *, int board, int lane, int interface)
    int engine_attach(engine *, int board, int lane, int fd)
    int engine_detach(engine *, int board, int lane)
    int engine_reset(engine *, int board, int lane)
    int engine_replace_lane(engine *, int board, int lane, int fd)
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

cdef extern from *:
    """
    #define NAME(name) #name,
    static const char *lane_names[] = { LANE_COUNTERS(NAME) NULL };
    static const char *board_names[] = { BOARD_COUNTERS(NAME) NULL };
    static const char *event_names[] = { ENGINE_EVENTS(NAME) NULL };
    // NAME() makes the name lists of the parts, too.
    """
    const char *lane_names[]
    const char *board_names[]
    const char *event_names[]
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


cdef unsigned checked_lane(lane) except? 255:
    if not 0 <= lane < LANES:
        raise BoardError(f"there is no lane {lane}: a board has lanes 0 to {LANES - 1}")
    return lane


cdef engine_options options_of(dict given) except *:
    cdef engine_options result = OPTIONS_DEFAULT
    for name, value in given.items():
        error = options_set(&result, name.encode(), value)
        if error == -ENOENT:
            raise TinymuxError(f"the engine has no option {name!r}; see ext/engine/options.h")
        if error == -ERANGE:
            raise TinymuxError(f"option {name}: {value} is out of its bounds; see ext/engine/options.h")
    return result


cdef dict counters_of(const void *counters, const char **names):
    cdef const uint64_t *values = <const uint64_t *>counters
    cdef Py_ssize_t i = 0
    result = {}
    while names[i] is not NULL:
        result[names[i].decode()] = COUNTED(values[i])
        i += 1
    return result


include "_links.pxi"
include "_programming.pxi"


# Owners must outlive what is freed in __dealloc__, so the collector may not clear them before.
@cython.no_gc_clear
cdef class Engine:
    cdef engine *engine
    cdef capture *capture
    cdef list owners, faults

    def __cinit__(self, *, int threads=1, bint pinned=False, int spin_us=0):
        cdef int error
        self.owners, self.faults = [], []
        self.engine = engine_new(&error)
        if self.engine is NULL:
            check(error, "make an engine")
        if not 1 <= threads <= ENGINE_THREADS or not 0 <= spin_us <= 1000000:
            raise TinymuxError(f"an engine has 1 to {ENGINE_THREADS} threads, which spin for 0 to 1000000 us")
        check(engine_use_threads(self.engine, threads, pinned), "make an engine")
        engine_spin(self.engine, spin_us)

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

    def replace_lane(self, int board, int lane, int fd):
        cdef int result
        with nogil:
            result = engine_replace_lane(self.engine, board, lane, fd)
        check(result, f"go on with lane {lane} of board {board}", BoardError)

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


include "_capture.pxi"
include "_wire.pxi"

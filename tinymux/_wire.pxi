# A wire to try a board by hand, without tuns or threads (ext/engine/wire.h). Part of _engine.pyx.

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

# A meter on a tiny of the simulated board (ext/sim/tiny_meter.h), a part of _simulator.pyx.

cdef extern from "tiny_meter.h" nogil:
    cdef struct tiny_meter:
        int16_t lowest, highest
        uint16_t lowest_pc, in_byte_pc, between_pc
        uint32_t stored, pushed, eaten, in_byte, between, bytes, missed, shortest_plane_ps
        uint64_t looks
    void tiny_meter_attach(tiny *, tiny_meter *)


class Metered(NamedTuple):
    """What a tiny did while it was metered. Addresses are in bytes, RAM as addresses from 0x40."""

    stack: int  # bytes, at its deepest
    stack_at: int  # where it was pushed that deep
    underflow: bool  # returned, or popped, more than there was
    stored: frozenset[int]  # RAM that stores wrote
    pushed: frozenset[int]  # RAM that the stack wrote
    eaten: frozenset[int]  # RAM that was stored, then taken by the stack, then loaded as if it were still there
    looks: int  # reads of PINB
    bytes: int  # that came on its lane
    missed: int  # of them, with a plane that it did not look at
    in_byte: int  # tiny's cycles: the longest from look to look within a byte, either way
    in_byte_at: int  # where the look is that ends it
    between: int  # ... from the last look at a byte to the next, where another byte follows
    between_at: int
    plane_ps: int  # the shortest plane


# The board must outlive what __dealloc__ looks at, so the collector may not clear it before.
@cython.no_gc_clear
cdef class Meter:
    """Measures a tiny of this board from now on, for as long as the object lives; the newest of a tiny counts."""

    cdef Board board
    cdef tiny *tiny
    cdef tiny_meter meter

    def __init__(self, board: Board, lane: int):
        if not 0 <= lane < LANES:
            raise BoardError(f"no tiny {lane}: 0 to 15")
        self.board = board
        with nogil:
            board_transport_lock(&self.board.link)
        self.tiny = <tiny *>board_tiny(self.board.board, lane)
        tiny_meter_attach(self.tiny, &self.meter)
        board_transport_unlock(&self.board.link)

    def __dealloc__(self):
        if self.tiny is not NULL and self.tiny.watcher == <void *>&self.meter:
            tiny_meter_attach(self.tiny, NULL)

    def read(self) -> Metered:
        """What was measured so far."""
        cdef tiny_meter m
        with nogil:
            board_transport_lock(&self.board.link)
        m = self.meter
        board_transport_unlock(&self.board.link)
        return Metered(
            stack=RAM_END - m.lowest, stack_at=2 * m.lowest_pc, underflow=m.highest > RAM_END,
            stored=ram(m.stored), pushed=ram(m.pushed), eaten=ram(m.eaten), looks=m.looks, bytes=m.bytes, missed=m.missed,
            in_byte=m.in_byte, in_byte_at=2 * m.in_byte_pc, between=m.between, between_at=2 * m.between_pc,
            plane_ps=m.shortest_plane_ps,
        )


cdef int RAM_END = 0x5F


cdef frozenset ram(uint32_t bits):
    return frozenset([0x40 + i for i in range(TINY_RAM) if bits >> i & 1])

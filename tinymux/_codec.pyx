# cython: language_level=3, binding=True
"""SLIP and planes (ext/engine) for Python; see tinymux.slip and tinymux.planes."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef extern from "engine/slip.h" nogil:
    size_t SLIP_BOUND(size_t)
    size_t slip_encode(uint8_t *frame, const uint8_t *packet, size_t length)
    enum slip_event:
        SLIP_MORE, SLIP_PACKET, SLIP_OVERSIZE, SLIP_GARBLED
    struct slip_decoder:
        uint8_t *packet
        size_t capacity, length
        bint escape, complete
    size_t slip_decode(slip_decoder *, const uint8_t *, size_t, slip_event *)
    const char *const *slip_paths()
    int slip_use(const char *)

cdef extern from "engine/planes.h" nogil:
    void planes_to_lanes(uint64_t *lanes, const uint8_t *planes, size_t blocks)
    void lanes_to_planes(uint8_t *planes, const uint64_t *lanes, size_t blocks)
    const char *const *planes_paths()
    int planes_use(const char *)

cdef enum:
    SMALL = 4096  # bytes of a result that is made on the stack
    BLOCK = 128  # bytes of 64 planes, and of sixteen lanes' words

# Packets are short and calls many: buffers are taken by hand, a memoryview costs more than the work on them.


def slip_encode_packet(packet, /):
    """One packet as a frame: END, the bytes with END and ESC escaped, END."""
    cdef uint8_t small[SMALL]
    cdef uint8_t *frame = small
    cdef Py_buffer view
    PyObject_GetBuffer(packet, &view, PyBUF_SIMPLE)
    try:
        if SLIP_BOUND(view.len) > SMALL:
            frame = <uint8_t *>malloc(SLIP_BOUND(view.len))
            if frame is NULL:
                raise MemoryError
        return PyBytes_FromStringAndSize(<char *>frame, slip_encode(frame, <uint8_t *>view.buf, view.len))
    finally:
        if frame != small:
            free(frame)
        PyBuffer_Release(&view)


def slip_decode_frame(frame, /):
    """The packet of one whole frame, with or without its leading END.

    Raises ValueError where there is not exactly one good frame.
    """
    cdef uint8_t small[SMALL]
    cdef slip_decoder decoder
    cdef slip_event event
    cdef size_t at = 0, length = 0
    cdef Py_buffer view
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    try:
        memset(&decoder, 0, sizeof(decoder))
        decoder.packet = small
        decoder.capacity = view.len
        if view.len > SMALL:
            decoder.packet = <uint8_t *>malloc(view.len)
            if decoder.packet is NULL:
                raise MemoryError
        while at < <size_t>view.len:
            at += slip_decode(&decoder, <uint8_t *>view.buf + at, view.len - at, &event)
            if event == SLIP_PACKET and not length:
                length = decoder.length
            elif event != SLIP_MORE or decoder.escape or decoder.length and not decoder.complete:
                length = 0
                break
        if not length:
            raise ValueError("not one whole SLIP frame")
        return PyBytes_FromStringAndSize(<char *>decoder.packet, length)
    finally:
        if decoder.packet != small:
            free(decoder.packet)
        PyBuffer_Release(&view)


cdef class SlipDecoder:
    cdef slip_decoder decoder
    cdef readonly unsigned long long garbled, oversize

    def __cinit__(self, Py_ssize_t capacity=65535):
        if capacity < 1:
            raise ValueError("a decoder needs room for one byte at least")
        self.decoder.capacity = capacity
        self.decoder.packet = <uint8_t *>malloc(capacity)
        if self.decoder.packet is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.decoder.packet)

    def feed(self, data, /):
        cdef size_t at = 0
        cdef slip_event event
        cdef Py_buffer view
        cdef list packets = []
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            while at < <size_t>view.len:
                at += slip_decode(&self.decoder, <uint8_t *>view.buf + at, view.len - at, &event)
                if event == SLIP_PACKET:
                    packets.append(PyBytes_FromStringAndSize(<char *>self.decoder.packet, self.decoder.length))
                elif event == SLIP_GARBLED:
                    self.garbled += 1
                elif event == SLIP_OVERSIZE:
                    self.oversize += 1
        finally:
            PyBuffer_Release(&view)
        return packets

    @property
    def pending(self):
        return self.decoder.escape or (self.decoder.length > 0 and not self.decoder.complete)


def to_lanes(const uint8_t[::1] planes not None):
    cdef size_t n = planes.shape[0]
    if n % BLOCK:
        raise ValueError(f"{n} bytes are not blocks of 64 planes, {BLOCK} bytes each")
    lanes = PyBytes_FromStringAndSize(NULL, n)
    if n:
        planes_to_lanes(<uint64_t *>PyBytes_AS_STRING(lanes), &planes[0], n // BLOCK)
    return lanes


def to_planes(const uint8_t[::1] lanes not None):
    cdef size_t n = lanes.shape[0]
    if n % BLOCK:
        raise ValueError(f"{n} bytes are not blocks of sixteen 64-bit words, {BLOCK} bytes each")
    planes = PyBytes_FromStringAndSize(NULL, n)
    if n:
        lanes_to_planes(<uint8_t *>PyBytes_AS_STRING(planes), <const uint64_t *>&lanes[0], n // BLOCK)
    return planes


cdef list names(const char *const *paths):
    cdef Py_ssize_t i = 0
    found = []
    while paths[i] is not NULL:
        found.append(paths[i].decode())
        i += 1
    return found


def slip_path_names():
    return names(slip_paths())


def planes_path_names():
    return names(planes_paths())


def use_slip_path(str name not None):
    if slip_use(name.encode()) < 0:
        raise ValueError(f"this CPU has no {name!r}, but {', '.join(slip_path_names())}")


def use_planes_path(str name not None):
    if planes_use(name.encode()) < 0:
        raise ValueError(f"this CPU has no {name!r}, but {', '.join(planes_path_names())}")

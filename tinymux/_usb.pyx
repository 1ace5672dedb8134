"""The USB transport (ext/usb) for the engine: a thin layer, no logic."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint32_t, uint64_t

cdef extern from "transport.h" nogil:
    const char *TRANSPORT_CAPSULE
    struct transport:
        pass

cdef extern from "usb.h" nogil:
    enum: USB_DEPTH
    struct usb_counters:
        uint64_t packets_out, packets_in, transfers_out, transfers_in, recoveries, lost
        uint32_t flying
    int usb_open(int fd, unsigned depth, transport **, unsigned *version)
    void usb_close(transport *)
    void usb_free(transport *)
    void usb_count(const transport *, usb_counters *)
    int usb_fault(const transport *)

DEPTH = USB_DEPTH


cdef class Link:
    cdef transport *_link
    cdef readonly object transport

    def __cinit__(self, int fd, unsigned depth=USB_DEPTH):
        cdef unsigned version = 0
        cdef int error
        if not 0 < depth <= USB_DEPTH:
            raise ValueError(f"depth {depth} is not within 1 and {USB_DEPTH}")
        with nogil:
            error = usb_open(fd, depth, &self._link, &version)
        if error:
            raise OSError(-error, version)
        self.transport = PyCapsule_New(self._link, TRANSPORT_CAPSULE, NULL)

    def __dealloc__(self):
        if self._link is not NULL:
            with nogil:
                usb_free(self._link)

    def close(self):
        if self._link is not NULL:
            with nogil:
                usb_close(self._link)

    @property
    def fault(self):
        return -usb_fault(self._link)

    def counters(self):
        cdef usb_counters now
        usb_count(self._link, &now)
        return now

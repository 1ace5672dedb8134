# Packets into a pcapng file while the engine runs (ext/engine/capture.h). Part of _engine.pyx.

@cython.no_gc_clear
cdef class Capture:
    cdef capture *capture
    cdef Engine owner
    cdef bint ended

    def __init__(self, Engine owner, int fd, lanes):
        cdef int error
        if owner.capture is not NULL:
            raise TinymuxError("this engine captures already: one file at a time")
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
        if self.capture is not NULL:
            capture_free(self.capture)

    # What has been counted stays readable.
    cdef int end(self) noexcept:
        cdef int result = 0
        if self.capture is NULL or self.ended:
            return 0
        self.ended = True
        with nogil:
            if self.owner is not None:
                engine_capture(self.owner.engine, NULL)
                self.owner.capture = NULL
            result = capture_stop(self.capture)
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

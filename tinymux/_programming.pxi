# Lanes out of service for TPI (ext/engine/programming.h). Part of _engine.pyx.

cdef extern from "engine/tpi.h" nogil:
    enum: TPI_STEPS, TPI_DATA
    cdef struct tpi_step:
        uint8_t kind, command
        uint16_t address, length, at
    cdef struct tpi_job:
        tpi_step steps[1]
        unsigned count
        bint sure
        uint8_t data[1]
    cdef struct tpi_report:
        uint8_t outcome, step
        uint16_t done
        uint32_t recoveries

cdef extern from "engine/programming.h" nogil:
    enum: PROGRAMMING_BEGIN, PROGRAMMING_RUN, PROGRAMMING_REPORTS, PROGRAMMING_DATA, PROGRAMMING_PROGRAM
    enum: PROGRAMMING_HOLD, PROGRAMMING_END
    cdef struct programming_call:
        int what
        uint16_t lanes, taken
        unsigned lane, mtu
        bint stateless
        const tpi_job *job
        tpi_report *reports
        uint8_t *data
    int programming_do(board_link *, void *call)

cdef extern from *:
    """
    static const char *outcome_names[] = { TPI_OUTCOMES(NAME) NULL };
    """
    const char *outcome_names[]


class Report(NamedTuple):
    """How a lane's programming job stands."""

    outcome: str
    step: int
    done: int
    recoveries: int


cdef class Programming:
    cdef object owner
    cdef engine *engine
    cdef board_link *link
    cdef int board

    cdef int do(self, programming_call *call) noexcept nogil:
        if self.link is not NULL:
            return programming_do(self.link, call)
        return engine_on_link(self.engine, self.board, programming_do, call)

    cdef int change(self, int what, lanes, str doing) except -1:
        cdef programming_call call
        cdef int result
        call.what = what
        call.lanes = 0
        for lane in lanes:
            call.lanes |= 1 << checked_lane(lane)
        with nogil:
            result = self.do(&call)
        if result == -EBUSY and what == PROGRAMMING_BEGIN:
            busy = ", ".join([str(lane) for lane in range(LANES) if call.taken >> lane & 1])
            raise BoardError(f"busy: lane {busy} is being programmed already")
        check(result, doing, BoardError)
        return 0

    def begin(self, lanes):
        self.change(PROGRAMMING_BEGIN, lanes, "take the lanes for programming")

    def hold(self, lanes):
        self.change(PROGRAMMING_HOLD, lanes, "hold the lanes")

    def end(self, lanes):
        self.change(PROGRAMMING_END, lanes, "give the lanes back")

    def program(self, lane, mtu, stateless):
        cdef programming_call call
        cdef int result
        call.what = PROGRAMMING_PROGRAM
        call.lane, call.mtu, call.stateless = checked_lane(lane), mtu, stateless
        with nogil:
            result = self.do(&call)
        check(result, f"change what lane {lane} is for", BoardError)

    def run(self, lane, steps, sure=False):
        cdef tpi_job *job
        cdef programming_call call
        cdef const uint8_t[::1] given
        cdef unsigned at = 0, length
        cdef int result
        if len(steps) > TPI_STEPS:
            raise BoardError(f"a job has at most {TPI_STEPS} steps")
        call.what = PROGRAMMING_RUN
        call.lane = checked_lane(lane)
        call.job = job = <tpi_job *>calloc(1, sizeof(tpi_job))
        if job is NULL:
            raise MemoryError
        job.sure = sure
        try:
            for kind, address, content in steps:
                number = STEP_KINDS.index(kind)
                length = 0 if kind == "erase" else content if kind == "read" else len(content)
                if at + length > TPI_DATA:
                    raise BoardError(f"a job has at most {TPI_DATA} bytes")
                job.steps[job.count] = tpi_step(
                    number, content if kind == "erase" else 0, address, length, at
                )
                if kind == "write" and length:
                    given = content
                    memcpy(job.data + at, &given[0], length)
                at += length
                job.count += 1
            with nogil:
                result = self.do(&call)
        finally:
            free(job)
        check(result, f"program lane {lane}", BoardError)

    def reports(self):
        cdef programming_call call
        cdef tpi_report reports[16]
        cdef int result
        call.what = PROGRAMMING_REPORTS
        call.reports = reports
        with nogil:
            result = self.do(&call)
        check(result, "look at the lanes", BoardError)
        return [
            Report(outcome_names[reports[i].outcome].decode(), reports[i].step, reports[i].done, reports[i].recoveries)
            for i in range(LANES)
        ]

    def data(self, lane):
        cdef programming_call call
        cdef int result
        data = bytearray(TPI_DATA)
        call.what = PROGRAMMING_DATA
        call.lane = checked_lane(lane)
        call.data = data
        with nogil:
            result = self.do(&call)
        check(result, f"read lane {lane}", BoardError)
        return bytes(data)


cdef tuple STEP_KINDS = ("read", "write", "erase")  # enum tpi_kind

/* TPI frames and the job behind them: see tpi.h. */
#include "tpi.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Instructions (section 14.5) and registers. */
enum {
    SLD = 0x20, SST = 0x60, INCREMENT = 0x04, SSTPR_LOW = 0x68, SSTPR_HIGH = 0x69,
    SIN_NVMCSR = 0x72, SOUT_NVMCMD = 0xF3, SLDCS = 0x80, SSTCS = 0xC0, SKEY = 0xE0,
    TPISR = 0x0, TPIPCR = 0x2, TPIIR = 0xF,
    NVMEN = 0x02, NVMBSY = 0x80, IDENTIFICATION = 0x80, WORD_WRITE = 0x1D,
    CONFIGURATION = 0x3F40, RSTDISBL = 0x01,
};
static const uint8_t key[] = { 0xFF, 0x88, 0xD8, 0xCD, 0x45, 0xAB, 0x89, 0x12 }; /* NVM program enable */

enum {
    FRAME = 12,        /* planes: start, 8 data from the least significant, even parity, 2 stop */
    GUARD_CODE = 6,    /* TPIPCR: 2 guard bits */
    ANSWER = 2 + 2 + FRAME + 1, /* guard, idle, frame; it may begin one plane late */
    BREAK = FRAME + 1,
    SILENCE = 160,     /* outlasts an answer with the guard time of 128 */
    ENABLE = 20,       /* 16 clocks with the lane high enable TPI (section 14.3.1) */
    MARGIN = 8 * TPI_BOTH,         /* ticks that a word gets beyond what was measured */
    NVM_LIMIT = 60000 * TPI_BOTH,  /* ticks, 0.2 s: twenty times what programmers allow an erase */
    TRIES = 4,         /* line errors in a row, without a byte of progress in between */
    ENABLES = 16,
};

enum phase { ENTER, UNLOCK, LOOK, POLL, STEP, READ, WORD, NVM, WAIT };
enum { FOR_STEP, FOR_ERASE, FOR_WORD };                    /* what begins, or ends, when a poll says ready */
enum { BYTE, STARTS_NVM, ASK, BREAKS, PAUSE };             /* kinds of item */
enum { IDENTIFIES, ENABLED, READY, WORD_READY, DATA };     /* questions */

static const struct tpi_step *step_of(const struct tpi *tpi)
{
    return &tpi->job.steps[tpi->report.step];
}

int tpi_check(const struct tpi_job *job)
{
    if (job->count == 0 || job->count > TPI_STEPS)
        return -EINVAL;
    for (const struct tpi_step *step = job->steps; step < job->steps + job->count; step++) {
        bool erase = step->kind == TPI_ERASE, write = step->kind == TPI_WRITE;
        if (step->kind > TPI_ERASE || step->at + step->length > TPI_DATA || erase != !step->length)
            return -EINVAL;
        if (write && (step->address % 2 || step->length % 2))
            return -EINVAL;
        unsigned offset = CONFIGURATION - step->address; /* beyond length where it is not in there */
        if (write && offset < step->length && !(job->data[step->at + offset] & RSTDISBL))
            return -EPERM;
    }
    return 0;
}

void tpi_start(struct tpi *tpi, const struct tpi_job *job, uint64_t scheduled)
{
    memset(tpi, 0, offsetof(struct tpi, queue));
    tpi->items = tpi->questions = 0;
    tpi->job = *job;
    tpi->report.outcome = TPI_running;
    tpi->phase = ENTER;
    tpi->tries = TRIES;
    tpi->valid_from = scheduled;
}

void tpi_fail(struct tpi *tpi, enum tpi_outcome why) { tpi->report.outcome = (uint8_t)why; }

/* --- what is to be sent ------------------------------------------------------------------------------------------- */

static void put(struct tpi *tpi, uint8_t kind, uint8_t value, uint8_t question)
{
    assert(tpi->items < TPI_QUEUE);
    tpi->queue[(tpi->first_item + tpi->items++) % TPI_QUEUE] = (struct tpi_item){ kind, value, question, tpi->epoch };
}

static void byte(struct tpi *tpi, uint8_t value) { put(tpi, BYTE, value, 0); }
static void ask(struct tpi *tpi, uint8_t opcode, uint8_t question) { put(tpi, ASK, opcode, question); }

static void point(struct tpi *tpi, unsigned address)
{
    byte(tpi, SSTPR_LOW);
    byte(tpi, (uint8_t)address);
    byte(tpi, SSTPR_HIGH);
    byte(tpi, (uint8_t)(address >> 8));
}

static void command(struct tpi *tpi, uint8_t what)
{
    byte(tpi, SOUT_NVMCMD);
    byte(tpi, what);
}

/* The first word from `at` on that must be written, or the step's length. */
static uint16_t next_word(const struct tpi *tpi, uint16_t at)
{
    const struct tpi_step *step = step_of(tpi);
    const uint8_t *data = tpi->job.data + step->at;
    while (at < step->length && data[at] == 0xFF && data[at + 1] == 0xFF)
        at += 2;
    return at;
}

static void next_step(struct tpi *tpi)
{
    tpi->phase = STEP;
    if (tpi->report.step + 1u == tpi->job.count) {
        tpi->report.outcome = TPI_done;
        return;
    }
    tpi->report.step++;
    tpi->report.done = 0;
}

static void begin_step(struct tpi *tpi)
{
    const struct tpi_step *step = step_of(tpi);
    tpi->sent = tpi->report.done;
    switch ((enum tpi_kind)step->kind) {
    case TPI_READ:
        point(tpi, step->address + tpi->sent);
        tpi->phase = READ;
        break;
    case TPI_WRITE:
        tpi->sent = next_word(tpi, tpi->sent);
        if (tpi->sent == step->length) {
            next_step(tpi);
            break;
        }
        command(tpi, WORD_WRITE);
        point(tpi, step->address + tpi->sent);
        tpi->phase = WORD;
        break;
    case TPI_ERASE:
        command(tpi, step->command);
        point(tpi, step->address | 1); /* the high byte of a word starts it */
        byte(tpi, SST);
        put(tpi, STARTS_NVM, 0xFF, 0);
        tpi->polling_for = FOR_ERASE;
        tpi->phase = NVM;
        break;
    }
}

static void write_word(struct tpi *tpi)
{
    const struct tpi_step *step = step_of(tpi);
    uint16_t at = next_word(tpi, tpi->sent);
    if (at == step->length) {
        tpi->phase = WAIT;
        return;
    }
    if (at != tpi->sent)
        point(tpi, step->address + at);
    byte(tpi, SST | INCREMENT);
    byte(tpi, tpi->job.data[step->at + at]);
    byte(tpi, SST | INCREMENT);
    put(tpi, STARTS_NVM, tpi->job.data[step->at + at + 1], 0);
    tpi->sent = at + 2;
    tpi->polling_for = FOR_WORD;
    tpi->phase = NVM;
}

/* When the poll behind a word goes out: it is looked at when its opcode has arrived. */
static uint64_t due(const struct tpi *tpi)
{
    return tpi->busy_from + tpi->word_ticks - FRAME * TPI_BOTH;
}

static uint64_t time_at(const struct tpi_span *span, uint64_t plane)
{
    return span->time + (plane - span->first) * span->tick;
}

/* The NVM works: poll until it is ready, or, where its time is known, once at the end of it. */
static void await_nvm(struct tpi *tpi, const struct tpi_span *span, uint64_t now)
{
    uint64_t time = time_at(span, now);
    if (tpi->polling_for == FOR_ERASE || !tpi->word_ticks) {
        tpi->poll_from = tpi->busy_from;
        tpi->phase = POLL;
    } else if (time < due(tpi)) {
        tpi->resume = now + (due(tpi) - time + span->tick - 1) / span->tick;
        if (tpi->resume > span->first + span->n) /* the next run's planes may be longer */
            tpi->resume = span->first + span->n;
    } else {
        ask(tpi, SIN_NVMCSR, WORD_READY);
        tpi->phase = WORD;
    }
}

/* The queue is empty: what comes next, from plane `now` on. */
static void refill(struct tpi *tpi, const struct tpi_span *span, uint64_t now)
{
    switch ((enum phase)tpi->phase) {
    case ENTER: /* whatever the tiny was in the middle of */
        put(tpi, PAUSE, SILENCE, 0);
        put(tpi, BREAKS, 0, 0);
        put(tpi, PAUSE, 2, 0);
        put(tpi, BREAKS, 0, 0);
        put(tpi, PAUSE, ENABLE, 0);
        byte(tpi, SSTCS | TPIPCR);
        byte(tpi, GUARD_CODE);
        ask(tpi, SLDCS | TPIIR, IDENTIFIES);
        tpi->phase = WAIT;
        break;
    case UNLOCK:
        byte(tpi, SKEY);
        for (unsigned i = 0; i < sizeof key; i++)
            byte(tpi, key[i]);
        tpi->enables = 0;
        tpi->phase = LOOK;
        break;
    case LOOK:
        ask(tpi, SLDCS | TPISR, ENABLED);
        tpi->phase = WAIT;
        break;
    case POLL: ask(tpi, SIN_NVMCSR, READY); break;
    case STEP: begin_step(tpi); break;
    case READ:
        if (tpi->sent < step_of(tpi)->length) {
            ask(tpi, SLD | INCREMENT, DATA);
            tpi->sent++;
        }
        break;
    case WORD: write_word(tpi); break;
    case NVM: await_nvm(tpi, span, now); break;
    case WAIT: break; /* for an answer */
    }
}

/* Make the next thing to send the current one. False: there is none before an answer has come. */
static bool next(struct tpi *tpi, const struct tpi_span *span, uint64_t now)
{
    for (unsigned phases = 0; !tpi->items && tpi_runs(tpi) && phases < 3; phases++) /* some only pass on to another */
        refill(tpi, span, now);
    if (tpi->resume > now)
        return true;
    if (!tpi->items)
        return false;
    tpi->current = tpi->queue[tpi->first_item];
    tpi->first_item = (tpi->first_item + 1) % TPI_QUEUE;
    tpi->items--;
    uint8_t value = tpi->current.value;
    switch (tpi->current.kind) {
    case PAUSE:
        tpi->resume = now + value;
        break;
    case BREAKS:
        tpi->bits = 0;
        tpi->have = BREAK;
        break;
    default:
        tpi->bits = (uint16_t)(value << 1 | __builtin_parity(value) << 9 | 3 << 10);
        tpi->have = FRAME;
    }
    return true;
}

/* The current frame is out; `now` is the plane after it. */
static void finished(struct tpi *tpi, const struct tpi_span *span, uint64_t now)
{
    if (tpi->current.kind == STARTS_NVM)
        tpi->busy_from = time_at(span, now);
    if (tpi->current.kind != ASK)
        return;
    assert(tpi->questions < TPI_QUESTIONS); /* more than fit into the planes that can be under way */
    tpi->asked[(tpi->first_question + tpi->questions++) % TPI_QUESTIONS] =
        (struct tpi_question){ now, time_at(span, now), tpi->current.question, tpi->current.epoch };
    tpi->resume = now + ANSWER;
}

bool tpi_quiet(const struct tpi *tpi, const struct tpi_span *span)
{
    if (!tpi_runs(tpi))
        return true;
    if (tpi->have || tpi->items)
        return false;
    if (tpi->questions) { /* has the last answer had its planes, and one more, as samples are one late? */
        const struct tpi_question *last = &tpi->asked[(tpi->first_question + tpi->questions - 1) % TPI_QUESTIONS];
        if (last->from + ANSWER >= span->first)
            return false;
    }
    if (tpi->resume >= span->first + span->n || tpi->phase == WAIT)
        return true;
    bool waits = tpi->phase == NVM && tpi->polling_for == FOR_WORD && tpi->word_ticks;
    return waits && due(tpi) >= span->time + (uint64_t)span->n * TPI_BOTH;
}

uint64_t tpi_send(struct tpi *tpi, const struct tpi_span *span, uint64_t *driven)
{
    const uint64_t first = span->first;
    const unsigned n = span->n;
    uint64_t planes = bits_mask(n);
    *driven = 0;
    for (unsigned at = 0; at < n && tpi_runs(tpi);) {
        uint64_t now = first + at;
        if (tpi->have) {
            unsigned take = tpi->have < n - at ? tpi->have : n - at;
            planes &= ~((~(uint64_t)tpi->bits & bits_mask(take)) << at);
            *driven |= bits_mask(take) << at;
            tpi->bits = (uint16_t)(tpi->bits >> take);
            tpi->have = (uint16_t)(tpi->have - take);
            at += take;
            if (!tpi->have)
                finished(tpi, span, first + at);
        } else if (tpi->resume > now) {
            at = tpi->resume - first < n ? (unsigned)(tpi->resume - first) : n;
        } else if (!next(tpi, span, now)) {
            break;
        }
    }
    return planes;
}

/* --- what was heard ----------------------------------------------------------------------------------------------- */

/* Begin again from the last byte that is known to be good. */
static void line_error(struct tpi *tpi, enum tpi_outcome why, uint64_t scheduled)
{
    if (!--tpi->tries) {
        tpi_fail(tpi, why);
        return;
    }
    tpi->report.recoveries++;
    tpi->items = tpi->questions = 0;
    tpi->have = tpi->got = 0;
    tpi->resume = 0;
    tpi->epoch++;
    tpi->valid_from = scheduled;
    tpi->phase = ENTER;
}

static void poll_for(struct tpi *tpi, uint8_t what, uint64_t from)
{
    tpi->polling_for = what;
    tpi->poll_from = from;
    tpi->phase = POLL;
}

/* The oldest word that was sent and not yet confirmed is written. */
static void word_written(struct tpi *tpi)
{
    tpi->report.done = next_word(tpi, tpi->report.done) + 2;
    tpi->tries = TRIES;
    if (next_word(tpi, tpi->report.done) == step_of(tpi)->length)
        next_step(tpi);
}

static void ready(struct tpi *tpi, uint64_t asked)
{
    tpi->epoch++; /* more polls are under way */
    switch (tpi->polling_for) {
    case FOR_STEP: tpi->phase = STEP; break;
    case FOR_ERASE: next_step(tpi); break;
    default:
        if (!tpi->job.sure) {
            tpi->word_ticks = asked - tpi->busy_from + MARGIN;
            if (tpi->word_ticks < tpi->least_ticks)
                tpi->word_ticks = tpi->least_ticks;
        }
        tpi->phase = WORD;
        word_written(tpi);
    }
}

static void answered(struct tpi *tpi, const struct tpi_question *question, uint8_t value)
{
    if (question->epoch != tpi->epoch)
        return;
    switch (question->what) {
    case IDENTIFIES:
        tpi->phase = UNLOCK;
        if (value != IDENTIFICATION)
            tpi_fail(tpi, TPI_wrong_chip);
        break;
    case ENABLED:
        if (value & NVMEN)
            poll_for(tpi, FOR_STEP, question->time);
        else if (++tpi->enables == ENABLES)
            tpi_fail(tpi, TPI_key_refused);
        else
            tpi->phase = LOOK;
        break;
    case READY:
        if (!(value & NVMBSY))
            ready(tpi, question->time);
        else if (question->time - tpi->poll_from > NVM_LIMIT)
            tpi_fail(tpi, TPI_nvm_busy);
        break;
    case WORD_READY:
        if (!(value & NVMBSY)) {
            word_written(tpi);
        } else { /* the word after it was ignored */
            tpi->epoch++;
            tpi->least_ticks = tpi->word_ticks + tpi->word_ticks / 128 + MARGIN;
            tpi->word_ticks = 0;
            poll_for(tpi, FOR_STEP, question->time);
        }
        break;
    case DATA:
        tpi->job.data[step_of(tpi)->at + tpi->report.done++] = value;
        tpi->tries = TRIES;
        if (tpi->report.done == step_of(tpi)->length)
            next_step(tpi);
        break;
    }
}

/* One plane of the lane while an answer is due. */
static void sample(struct tpi *tpi, uint64_t plane, bool level, uint64_t scheduled)
{
    struct tpi_question question = tpi->asked[tpi->first_question];
    int64_t late = (int64_t)(plane - question.from); /* the very first sample is of plane -1 */
    if (late < 0)
        return;
    if (late >= ANSWER) {
        line_error(tpi, tpi->got ? TPI_frame : TPI_no_answer, scheduled);
        return;
    }
    if (!tpi->got && level)
        return;
    tpi->answer = (uint16_t)(tpi->got ? tpi->answer | level << tpi->got : level);
    if (++tpi->got < FRAME)
        return;
    tpi->got = 0;
    tpi->first_question = (tpi->first_question + 1) % TPI_QUESTIONS;
    tpi->questions--;
    if ((tpi->answer >> 10 & 3) != 3)
        line_error(tpi, TPI_frame, scheduled);
    else if (__builtin_parity(tpi->answer >> 1 & 0x1FF))
        line_error(tpi, TPI_parity, scheduled);
    else
        answered(tpi, &question, (uint8_t)(tpi->answer >> 1));
}

void tpi_hear(struct tpi *tpi, uint64_t first, unsigned n, uint64_t samples, uint64_t sent, uint64_t driven,
              uint64_t scheduled)
{
    if (first < tpi->valid_from) {
        uint64_t old = tpi->valid_from - first;
        driven = old < n ? driven & ~bits_mask((unsigned)old) : 0;
    }
    uint64_t wrong = (samples ^ sent) & driven;
    for (unsigned i = 0; i < n && tpi_runs(tpi) && (tpi->questions || wrong >> i); i++) {
        if (wrong >> i & 1) {
            line_error(tpi, TPI_contention, scheduled);
            return;
        }
        if (tpi->questions)
            sample(tpi, first + i, samples >> i & 1, scheduled);
    }
}

/* The Tiny Programming Interface on one lane: a job's bytes as planes, the tiny's answers out of planes (datasheet 8127H
 * sections 14 and 16). The tiny is in reset and its lane is nobody else's; neighbours do as they like.
 *
 * Time is counted in planes, as in lane.h: what is sent is the future, what is heard the past. An answer comes a fixed
 * number of planes after its question, so questions follow each other without waiting for the link:
 *
 *     opcode 12 | guard 2, idle 2 | answer 12, all of it within ANSWER planes | next opcode
 *
 * Likewise for the time a word takes to be written: the first one is measured by polling without a pause, and from
 * then on a word goes out behind a poll that is expected to say "ready". Where it says "busy" after all, the NVM has
 * ignored that word (section 16.4): it is sent again, and the time is measured anew. If the NVM got ready between the two
 * bytes of that very word, the word is spoilt, which reading back tells: then the chip is to be erased again, and a job
 * that is `sure` does without that. Planes of runs that only drive or only sample are shorter, so this time is counted in
 * ticks, which are a little less than a microsecond; time between runs is not seen.
 *
 * A line error (no answer, parity, frame, contention) is followed by two BREAKs and the key, and the step goes on from
 * the last byte that is known to be good. All that a job does may be done twice.
 */
#ifndef TINYMUX_TPI_H
#define TINYMUX_TPI_H
#include "bits.h"

enum { TPI_STEPS = 8, TPI_DATA = 2304 /* flash twice, and the small sections */, TPI_QUEUE = 16, TPI_QUESTIONS = 128 };

enum tpi_kind {
    TPI_READ,  /* `length` bytes from `address` into the job's data */
    TPI_WRITE, /* ... out of the job's data, both even; words of 0xFFFF are what an erased word is, and are left out */
    TPI_ERASE, /* NVM command `command` on the section of `address`; length 0 */
};

struct tpi_step {
    uint8_t kind, command;
    uint16_t address, length, at; /* at: its bytes in the job's data */
};

struct tpi_job {
    struct tpi_step steps[TPI_STEPS];
    unsigned count;
    bool sure; /* no word before the last one is known to be written: slower, and none is spoilt */
    uint8_t data[TPI_DATA];
};

/* How a job stands, or why it ended. X(name) */
#define TPI_OUTCOMES(X)                                                                     \
    X(none)        /* no job yet */                                                         \
    X(running)                                                                              \
    X(done)                                                                                 \
    X(no_answer)   /* nothing came where an answer had to be */                             \
    X(parity)      /* an answer with the wrong parity */                                    \
    X(frame)       /* an answer without its stop bits, or one that came late */             \
    X(contention)  /* the lane was not as we drove it: somebody else drives it */           \
    X(wrong_chip)  /* TPIIR is not that of this interface */                                \
    X(key_refused) /* the key was sent and NVMEN stays 0 */                                 \
    X(nvm_busy)    /* NVMBSY for longer than any erase or write can take */                 \
    X(board_gone)

#define TPI_OUTCOME(name) TPI_##name,
enum tpi_outcome { TPI_OUTCOMES(TPI_OUTCOME) };
#undef TPI_OUTCOME

struct tpi_report {
    uint8_t outcome; /* enum tpi_outcome */
    uint8_t step;    /* index of the step it is at */
    uint16_t done;   /* bytes of that step that are known to be good */
    uint32_t recoveries; /* line errors that were got over */
};

struct tpi_item { /* one thing to send */
    uint8_t kind, value, question, epoch;
};

struct tpi_question { /* an answer that must come */
    uint64_t from; /* first plane after the opcode */
    uint64_t time; /* of it, ticks */
    uint8_t what, epoch;
};

struct tpi {
    struct tpi_report report;
    uint8_t phase, polling_for, tries;
    uint8_t enables;      /* looks for NVMEN after the key */
    uint8_t epoch;        /* answers to questions of an older one are of no interest any more */
    uint16_t sent;        /* bytes of the step that are sent or asked for */
    uint16_t got, answer; /* bits of the frame that is coming in */
    uint16_t bits, have;  /* of the frame that is going out */
    uint64_t resume;      /* nothing is sent before this plane */
    uint64_t valid_from;  /* what was driven before this plane is given up */
    uint64_t busy_from;   /* ticks: when the NVM began to work */
    uint64_t poll_from;   /* ... as far as the limit of its time is concerned */
    uint64_t word_ticks;  /* time that a word takes; 0: not known yet */
    uint64_t least_ticks; /* what it is at least, as a shorter time was not enough */
    struct tpi_item current, queue[TPI_QUEUE];
    unsigned first_item, items, first_question, questions;
    struct tpi_question asked[TPI_QUESTIONS];
    struct tpi_job job;
};

/* 0; -EINVAL: steps that make no sense; -EPERM: it would program RSTDISBL, which no board here can undo. */
int tpi_check(const struct tpi_job *);

/* Take a checked job; planes before `scheduled` are built already. */
void tpi_start(struct tpi *, const struct tpi_job *, uint64_t scheduled);
/* End a job that runs. */
void tpi_fail(struct tpi *, enum tpi_outcome);

static inline bool tpi_runs(const struct tpi *tpi)
{
    return tpi->report.outcome == TPI_running;
}

/* Planes [first, first + n) of a run; the first begins at `time`, and each takes `tick` ticks: TPI_BOTH, or
 * TPI_ONE_WAY if the run only drives or only samples. */
enum { TPI_BOTH = 3, TPI_ONE_WAY = 2 };
struct tpi_span {
    uint64_t first, time;
    unsigned n, tick;
};

/* The lane neither drives nor listens in this span, whatever kind of run it is. */
bool tpi_quiet(const struct tpi *, const struct tpi_span *);

/* What the lane is driven to; *driven marks the planes that carry a frame. */
uint64_t tpi_send(struct tpi *, const struct tpi_span *, uint64_t *driven);

/* The same planes as they were heard: level of `samples` bit i is that of plane first + i. All planes before
 * `scheduled` are built. */
void tpi_hear(struct tpi *, uint64_t first, unsigned n, uint64_t samples, uint64_t sent, uint64_t driven,
              uint64_t scheduled);

#endif

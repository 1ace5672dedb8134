/* Lanes of a board taken out of service for TPI, while the others go on. Called on the thread of the link's owner. */
#ifndef TINYMUX_PROGRAMMING_H
#define TINYMUX_PROGRAMMING_H
#include "board_link.h"

/* Hold these tinies in reset, in TPI's initial state. -EBUSY: somebody has one of them already. -EINVAL: no lanes. */
int programming_begin(struct board_link *, uint16_t lanes);

/* Start a job on a lane that was taken. -EPERM: it is not taken, or the job would program RSTDISBL; -EBUSY: a job
 * runs; -EINVAL: the job makes no sense. */
int programming_run(struct board_link *, unsigned lane, const struct tpi_job *);

/* How the lane's last job stands; `data`, TPI_DATA bytes or NULL, gets what it has read. */
void programming_report(const struct board_link *, unsigned lane, struct tpi_report *, uint8_t *data);

/* Tinies of these lanes, which were taken, will not be started when they are given back. */
void programming_hold(struct board_link *, uint16_t lanes);

/* Give lanes back, whatever their jobs are at: those that were in service start again, the others stay in reset. */
int programming_end(struct board_link *, uint16_t lanes);

/* A lane's tiny has another program: packets of the board may be `mtu` bytes, if they were shorter; a stateless program
 * is spared bare ACKs (options.offload_acks). */
int programming_program(struct board_link *, unsigned lane, unsigned mtu, bool stateless);

/* All of the above as one function to be called on another thread. */
struct programming_call {
    enum { PROGRAMMING_BEGIN, PROGRAMMING_RUN, PROGRAMMING_REPORTS, PROGRAMMING_DATA, PROGRAMMING_PROGRAM,
           PROGRAMMING_HOLD, PROGRAMMING_END } what;
    uint16_t lanes, taken; /* taken: which of the lanes of PROGRAMMING_BEGIN somebody had already */
    unsigned lane, mtu;
    bool stateless;
    const struct tpi_job *job;
    struct tpi_report *reports; /* LANES of them */
    uint8_t *data;
};
int programming_do(struct board_link *, void *call);

#endif

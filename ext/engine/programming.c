/* Lanes in and out of TPI: see programming.h. */
#include "programming.h"
#include "link_runs.h"
#include <errno.h>
#include <string.h>

int programming_begin(struct board_link *link, uint16_t lanes)
{
    uint16_t served = link->open & lanes;
    if (!lanes)
        return -EINVAL;
    if (link->taken & lanes)
        return -EBUSY;
    /* Out of reset for a moment, if it was in: TPI forgets what somebody else may have left it in. No program starts in
     * that time, start-up takes 64 ms. */
    link->open |= lanes;
    int result = served == lanes ? 0 : board_link_write_resets(link);
    link->open &= (uint16_t)~lanes;
    link->starting &= (uint16_t)~lanes;
    for (unsigned lane = 0; lane < LANES; lane++)
        if (lanes >> lane & 1) {
            lane_close(&link->lanes[lane]);
            link_note(link, lane);
            link->tpi[lane].report = (struct tpi_report){ 0 };
            if (served >> lane & 1)
                COUNT(link->lanes[lane].counters.resets);
        }
    if (result == 0)
        result = board_link_write_resets(link);
    if (result < 0)
        return result;
    link->taken |= lanes;
    link->resume = (uint16_t)((link->resume & ~lanes) | served);
    return 0;
}

int programming_run(struct board_link *link, unsigned lane, const struct tpi_job *job)
{
    if (lane >= LANES)
        return -EINVAL;
    if (!(link->taken >> lane & 1))
        return -EPERM;
    if (link->programming >> lane & 1)
        return -EBUSY;
    int result = tpi_check(job);
    if (result < 0)
        return result;
    tpi_start(&link->tpi[lane], job, link->built);
    if (link->error)
        tpi_fail(&link->tpi[lane], TPI_board_gone);
    else
        link->programming |= (uint16_t)(1u << lane);
    return 0;
}

void programming_report(const struct board_link *link, unsigned lane, struct tpi_report *report, uint8_t *data)
{
    assert(lane < LANES);
    *report = link->tpi[lane].report;
    if (data)
        memcpy(data, link->tpi[lane].job.data, TPI_DATA);
}

int programming_program(struct board_link *link, unsigned lane, unsigned mtu, bool stateless)
{
    if (lane >= LANES || mtu > MTU_MAX)
        return -EINVAL;
    if (link->options.mtu < mtu)
        link->options.mtu = mtu;
    link->options.offload_acks = (link->options.offload_acks & ~(1u << lane)) | (uint32_t)stateless << lane;
    link->lanes[lane].stateless = stateless;
    return 0;
}

void programming_hold(struct board_link *link, uint16_t lanes)
{
    link->resume &= (uint16_t)~(lanes & link->taken);
}

int programming_end(struct board_link *link, uint16_t lanes)
{
    uint16_t start = link->resume & link->taken & lanes;
    link->taken &= (uint16_t)~lanes;
    link->resume &= (uint16_t)~lanes;
    link->programming &= (uint16_t)~lanes;
    if (link->error) { /* they start when the board is back */
        link->open |= start;
        return 0;
    }
    for (unsigned lane = 0; lane < LANES; lane++)
        if (start >> lane & 1) {
            int result = board_link_start_lane(link, lane);
            if (result < 0)
                return result;
        }
    return 0;
}

int programming_do(struct board_link *link, void *context)
{
    struct programming_call *call = context;
    struct tpi_report report;
    switch (call->what) {
    case PROGRAMMING_BEGIN:
        call->taken = link->taken & call->lanes;
        return programming_begin(link, call->lanes);
    case PROGRAMMING_RUN: return programming_run(link, call->lane, call->job);
    case PROGRAMMING_REPORTS:
        for (unsigned lane = 0; lane < LANES; lane++)
            programming_report(link, lane, &call->reports[lane], NULL);
        return 0;
    case PROGRAMMING_DATA:
        if (call->lane >= LANES)
            return -EINVAL;
        programming_report(link, call->lane, &report, call->data);
        return 0;
    case PROGRAMMING_PROGRAM: return programming_program(link, call->lane, call->mtu, call->stateless);
    case PROGRAMMING_HOLD: programming_hold(link, call->lanes); return 0;
    case PROGRAMMING_END: return programming_end(link, call->lanes);
    }
    return -EINVAL;
}

/* Runs of planes: what goes out to the board, what comes back, and what the lanes make of it. */
#include "link_runs.h"
#include "run_planes.h"
#include <string.h>

enum { IDLE_STARTING = 16 }; /* times 256 planes: some 13 ms */

int link_gone(struct board_link *link, int error)
{
    if (!link->error)
        link->error = error;
    link->under_way = 0;
    EACH_LANE(lane, link->programming)
        tpi_fail(&link->tpi[lane], TPI_board_gone);
    link->programming = 0;
    return error;
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

static enum link_class class_of(const struct lane *lane)
{
    if (lane->phase == LANE_SENDING && !lane_is_over(lane))
        return lane_is_at_end(lane) ? LINK_ENDING : LINK_SENDING;
    if (lane->phase >= LANE_SENDING && lane->phase <= LANE_HEARING)
        return LINK_HEARING;
    if (lane->phase == LANE_QUIET)
        return lane->loaded ? LINK_LOADED : LINK_RESTING;
    return LINK_OFF;
}

void link_note(struct board_link *link, unsigned lane)
{
    const enum link_class class = class_of(&link->lanes[lane]), was = link->class[lane];
    if (class == was && class != LINK_OFF)
        return;
    link->at[was] &= (uint16_t)~lane_bit(lane);
    link->at[class] |= lane_bit(lane);
    link->class[lane] = (uint8_t)class;
    link->busy = link->at[LINK_LOADED] | link->at[LINK_SENDING] | link->at[LINK_ENDING] | link->at[LINK_HEARING];
    link->stuck &= (uint16_t)~lane_bit(lane);
    link->stuck |= link->lanes[lane].phase == LANE_STUCK ? lane_bit(lane) : 0;
}

struct giving {
    struct board_link *link;
    unsigned lane;
};

static void give(void *context, const uint8_t *packet, unsigned length)
{
    const struct giving *to = context;
    to->link->client->give(to->link->context, to->lane, packet, length);
}

/* The lane is quiet: give it a packet if there is one. In doubt it stays where it is until the lane is known to be
 * good. */
static void load(struct board_link *link, unsigned lane)
{
    struct lane *state = &link->lanes[lane];
    uint8_t packet[MTU_MAX + 1];
    while (!state->loaded && !state->doubt && link->waiting & lane_bit(lane)) {
        int length = link->client->take(link->context, lane, packet, link->options.mtu + 1);
        if (length < 0)
            link->waiting &= (uint16_t)~lane_bit(lane);
        else
            lane_load(state, &link->options, packet, (unsigned)length);
    }
}

/* Lanes on which two blocks are not the same. */
static uint16_t differing(const uint8_t *a, const uint8_t *b)
{
    uint64_t x, y, all = 0;
    for (unsigned i = 0; i < LINK_BLOCK; i += sizeof x) {
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        all |= x ^ y;
    }
    all |= all >> 32;
    return (uint16_t)(all | all >> 16);
}

/* The planes of a lane that carry a frame, as they are sampled. */
static uint64_t driven_late(const struct link_run *run, unsigned lane)
{
    return (run->driven[lane] << 1 | (run->before >> lane & 1)) & bits_mask(run->planes);
}

/* All lanes have come this far; the block is what was sampled. Most lanes heard only themselves, or nothing, and do not
 * wait for anything: they are not looked at. */
static void hear(struct board_link *link, const struct link_run *run, const uint8_t *block)
{
    const uint64_t idle = bits_mask(run->planes);
    const uint16_t served = link->open & ~link->starting, differs = differing(block, run->expected);
    struct lane_past past = { .n = run->planes, .scheduled = link->built };
    uint64_t samples[LANES], sent[LANES];
    if (differs & served || link->programming)
        run_to_lanes(samples, block);
    if (differs & run->driving & served || link->programming)
        run_to_lanes(sent, run->expected);
    link->heard += run->planes;
    past.end = link->heard - 1;
    EACH_LANE(lane, served & (differs | link->at[LINK_HEARING] | link->stuck)) {
        const bool drove = differs & run->driving & lane_bit(lane);
        past.samples = differs & lane_bit(lane) ? samples[lane] & idle : idle;
        past.sent = drove ? sent[lane] & idle : idle;
        past.driven = drove ? driven_late(run, lane) : 0;
        struct giving to = { link, lane };
        enum lane_news news = lane_hear(&link->lanes[lane], &link->options, &past, give, &to);
        if (link->lanes[lane].phase == LANE_QUIET)
            load(link, lane); /* now that the caches have its tun */
        link_note(link, lane);
        if (news)
            link->client->news(link->context, lane, news);
    }
    EACH_LANE(lane, link->programming) {
        const bool drove = run->driving & lane_bit(lane);
        tpi_hear(&link->tpi[lane], link->heard - run->planes - 1, run->planes, samples[lane],
                 drove ? sent[lane] & idle : idle, drove ? driven_late(run, lane) : 0, link->built);
        if (!tpi_runs(&link->tpi[lane]))
            link->programming &= (uint16_t)~lane_bit(lane);
    }
}

/* An answer that is none: nobody knows what was driven. Who drove, tries again. */
static void hear_nothing(struct board_link *link, const struct link_run *run)
{
    uint8_t block[LINK_BLOCK];
    for (unsigned i = 0; i < LINK_BLOCK; i++)
        block[i] = run->expected[i] ^ (uint8_t)(i & 1 ? run->driving >> 8 : run->driving);
    COUNT(link->counters.bad_packets);
    hear(link, run, block);
}

void link_take_in(void *context, const uint8_t *packet, unsigned length)
{
    struct board_link *link = context;
    uint8_t block[LINK_BLOCK];
    COUNT(link->counters.packets_in);
    if (!link->under_way) {
        COUNT(link->counters.bad_packets);
        return;
    }
    const struct link_run *run = &link->runs[link->first];
    link->first = link->first + 1 == link->depth ? 0 : link->first + 1;
    link->under_way--;
    bool idle = run->opcode == OP_IDLE, sampled = idle || run->opcode == OP_BOTH || run->opcode == OP_RX;
    unsigned start = PACKET_HEADER + (idle ? 2 : 0), size = sampled ? 2u * run->planes : 0;
    if (length != start + size || packet[0] != run->opcode || packet[1] != run->planes) {
        hear_nothing(link, run);
    } else if (sampled) {
        memset(block, 0xFF, sizeof block);
        memcpy(block, packet + start, size);
        if (idle)
            COUNT_BY(link->counters.planes_idle, packet[2] | packet[3] << 8);
        hear(link, run, block);
    } else { /* nobody knows what these were like, and nobody has to */
        link->heard += run->planes;
    }
    link_fill(link);
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

/* Lanes with packets: they have something to say, or are waiting for something. */
static uint16_t talking(const struct board_link *link)
{
    return (link->busy | (link->waiting & ~link->stuck)) & link->open & ~link->starting;
}

uint16_t link_needy(const struct board_link *link)
{
    return talking(link) | link->programming;
}

/* It is the lane's turn: let it begin. */
static void feed(struct board_link *link, unsigned lane)
{
    struct lane *state = &link->lanes[lane];
    load(link, lane);
    if (state->loaded || (state->doubt && link->waiting & lane_bit(lane)))
        lane_begin(state, &link->options);
}

/* A frame would be cut within a byte. */
static bool within_a_byte(const struct board_link *link)
{
    EACH_LANE(lane, talking(link))
        if (link->lanes[lane].phase == LANE_SENDING && link->lanes[lane].out.have)
            return true;
    return false;
}

/* What the next run of n planes shall be: its opcode, and how far frames may go in it. */
static uint8_t choose(struct board_link *link, unsigned n, enum lane_limit *limit)
{
    EACH_LANE(lane, talking(link) & (link->at[LINK_RESTING] | link->at[LINK_LOADED]))
        if (lane_ready(&link->lanes[lane], link->built + n)) {
            feed(link, lane);
            link_note(link, lane);
        }
    *limit = LANE_ALL;
    /* TPI drives and hears when it must. Frames go on as if it was not there: they are not to fall out of step. */
    const struct tpi_span span = { link->built, link->ticks, n, TPI_BOTH };
    bool tpi = false;
    EACH_LANE(lane, link->programming)
        tpi = tpi || !tpi_quiet(&link->tpi[lane], &span);
    const uint16_t all = talking(link);
    if (!link->options.duplex || !all)
        return OP_BOTH;
    const struct duplex_tally tally = {
        .sending = (unsigned)__builtin_popcount(link->at[LINK_SENDING] & all),
        .ending = (unsigned)__builtin_popcount(link->at[LINK_ENDING] & all),
        .hearing = (unsigned)__builtin_popcount(link->at[LINK_HEARING] & all),
    };
    switch (duplex_choose(&link->duplex, &tally)) {
    case DUPLEX_BOTH:
        break;
    case DUPLEX_DRIVE:
        if (link->options.scan_ms) /* somebody may talk unasked */
            break;
        *limit = LANE_NO_END;
        return tpi ? OP_BOTH : OP_TX;
    case DUPLEX_SAMPLE:
        *limit = LANE_NO_BYTE;
        return tpi || within_a_byte(link) ? OP_BOTH : OP_RX;
    }
    return OP_BOTH;
}

/* What all lanes are driven to in the run's planes; in `run`, what of it comes back. */
static void schedule(struct board_link *link, struct link_run *run, uint8_t *planes, enum lane_limit limit)
{
    const unsigned n = run->planes, gap = run->opcode == OP_TX ? link->options.gap_tx : link->options.gap;
    const struct tpi_span span = { link->built, link->ticks, n, run->opcode == OP_BOTH ? TPI_BOTH : TPI_ONE_WAY };
    uint64_t words[LANES];
    const uint16_t begun = link->at[LINK_SENDING] | link->at[LINK_ENDING] | link->at[LINK_HEARING];
    uint16_t driving = 0, last_driven = 0, senders = run->opcode == OP_RX ? 0 : talking(link) & begun;
    memset(words, 0xFF, sizeof words);
    EACH_LANE(lane, link->last_driven)
        run->driven[lane] = 0;
    EACH_LANE(lane, link->programming)
        words[lane] = tpi_send(&link->tpi[lane], &span, &run->driven[lane]);
    link->ticks += n * span.tick;
    EACH_LANE(lane, senders)
        if (link->lanes[lane].phase == LANE_SENDING) {
            words[lane] = lane_send(&link->lanes[lane], &link->options, link->built, n, gap, limit, &run->driven[lane]);
            link_note(link, lane);
        } else {
            senders &= (uint16_t)~lane_bit(lane);
        }
    EACH_LANE(lane, senders | link->programming) {
        driving |= run->driven[lane] ? lane_bit(lane) : 0;
        last_driven |= run->driven[lane] >> (n - 1) & 1 ? lane_bit(lane) : 0;
    }
    run->before = link->last_driven;
    run->driving = driving | link->last_driven;
    link->last_driven = last_driven;
    run_to_planes(planes, words);
    memset(run->expected, 0xFF, sizeof run->expected);
    memcpy(run->expected, &link->last_sent, 2);
    memcpy(run->expected + 2, planes, 2 * n - 2);
    memcpy(&link->last_sent, planes + 2 * n - 2, 2);
}

static bool submit(struct board_link *link, const uint8_t *packet, unsigned length)
{
    int result = link->transport->ops->submit(link->transport, packet, length);
    if (result < 0) {
        link_gone(link, result);
        return false;
    }
    COUNT(link->counters.packets_out);
    link->under_way++;
    return true;
}

static struct link_run *next_run(struct board_link *link)
{
    const unsigned slot = link->first + link->under_way;
    return &link->runs[slot < link->depth ? slot : slot - link->depth];
}

/* Only the last plane of an idle run comes back, and only that one gets a number: nobody has to know how many there
 * were before it. */
bool link_submit_idle(struct board_link *link, uint8_t n)
{
    struct link_run *run = next_run(link);
    run->opcode = OP_IDLE;
    run->planes = 1;
    run->driving = 0;
    memset(run->expected, 0xFF, sizeof run->expected);
    link->built++;
    return submit(link, (const uint8_t[]){ OP_IDLE, n }, PACKET_HEADER);
}

static bool submit_planes(struct board_link *link)
{
    enum { N = PACKET_PLANES };
    uint8_t packet[PACKET_HEADER + LINK_BLOCK];
    enum lane_limit limit;
    struct link_run *run = next_run(link);
    run->opcode = choose(link, N, &limit);
    run->planes = N;
    if (!link_needy(link)) /* they had nothing to say after all */
        return false;
    schedule(link, run, packet + PACKET_HEADER, limit);
    link->built += N;
    packet[0] = run->opcode;
    packet[1] = N;
    if (run->opcode == OP_RX) {
        COUNT_BY(link->counters.planes_rx, N);
        return submit(link, packet, PACKET_HEADER);
    }
    if (run->opcode == OP_TX)
        COUNT_BY(link->counters.planes_tx, N);
    else
        COUNT_BY(link->counters.planes_both, N);
    return submit(link, packet, PACKET_HEADER + 2 * N);
}

void link_fill(struct board_link *link)
{
    if (!link->error && !link->under_way && link_needy(link))
        COUNT(link->counters.starts);
    while (!link->error && link->under_way < link->depth && link_needy(link) && submit_planes(link))
        ;
    if (!link->error && !link->under_way && link->starting)
        link_submit_idle(link, IDLE_STARTING); /* so that board time passes, whatever the board */
}

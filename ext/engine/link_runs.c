/* Runs of planes: what goes out to the board, what comes back, and what the lanes make of it. */
#include "link_runs.h"
#include "planes.h"
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

/* After anything that may have changed a lane's phase. */
static void note_phase(struct board_link *link, unsigned lane)
{
    const struct lane *state = &link->lanes[lane];
    link->busy = (uint16_t)(lane_rests(state) ? link->busy & ~lane_bit(lane) : link->busy | lane_bit(lane));
    bool mute = state->phase == LANE_STUCK;
    link->stuck = (uint16_t)(mute ? link->stuck | lane_bit(lane) : link->stuck & ~lane_bit(lane));
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

/* All lanes have come this far: `words` is what they were like. */
static void hear(struct board_link *link, const struct link_run *run, const uint64_t *words)
{
    struct lane_past past = { .n = run->planes, .scheduled = link->built };
    const uint64_t idle = bits_mask(run->planes);
    link->heard += run->planes;
    past.end = link->heard - 1;
    EACH_LANE(lane, link->open & ~link->starting) {
        bool drove = run->driving & lane_bit(lane);
        past.samples = words[lane] & idle;
        if (past.samples == idle && !((link->busy | link->stuck | run->driving) & lane_bit(lane)))
            continue;
        past.sent = drove ? run->sent[lane] : idle;
        past.driven = drove ? run->driven[lane] : 0;
        struct giving to = { link, lane };
        enum lane_news news = lane_hear(&link->lanes[lane], &link->options, &past, give, &to);
        note_phase(link, lane);
        if (news)
            link->client->news(link->context, lane, news);
    }
    EACH_LANE(lane, link->programming) {
        bool drove = run->driving & lane_bit(lane);
        tpi_hear(&link->tpi[lane], link->heard - run->planes - 1, run->planes, words[lane],
                 drove ? run->sent[lane] : idle, drove ? run->driven[lane] : 0, link->built);
        if (!tpi_runs(&link->tpi[lane]))
            link->programming &= (uint16_t)~lane_bit(lane);
    }
}

/* An answer that is none: nobody knows what was driven. Who drove, tries again. */
static void hear_nothing(struct board_link *link, const struct link_run *run)
{
    uint64_t words[LANES];
    memset(words, 0xFF, sizeof words);
    EACH_LANE(lane, run->driving)
        words[lane] = ~run->sent[lane];
    COUNT(link->counters.bad_packets);
    hear(link, run, words);
}

void link_take_in(void *context, const uint8_t *packet, unsigned length)
{
    struct board_link *link = context;
    uint8_t planes[2 * PLANES_BLOCK];
    uint64_t words[LANES];
    COUNT(link->counters.packets_in);
    if (!link->under_way) {
        COUNT(link->counters.bad_packets);
        return;
    }
    const struct link_run *run = &link->runs[link->first];
    link->first = (link->first + 1) % LINK_RUNS;
    link->under_way--;
    bool idle = run->opcode == OP_IDLE, sampled = idle || run->opcode == OP_BOTH || run->opcode == OP_RX;
    unsigned start = PACKET_HEADER + (idle ? 2 : 0), size = sampled ? 2u * run->planes : 0;
    if (length != start + size || packet[0] != run->opcode || packet[1] != run->planes) {
        hear_nothing(link, run);
    } else if (sampled) {
        memset(planes, 0xFF, sizeof planes);
        memcpy(planes, packet + start, size);
        planes_to_lanes(words, planes, 1);
        if (idle)
            COUNT_BY(link->counters.planes_idle, packet[2] | packet[3] << 8);
        hear(link, run, words);
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

/* It is the lane's turn: give it a packet if there is one, and let it begin. */
static void feed(struct board_link *link, unsigned lane)
{
    struct lane *state = &link->lanes[lane];
    uint8_t packet[MTU_MAX + 1];
    while (!state->loaded) {
        if (!(link->waiting & lane_bit(lane)))
            return;
        if (state->doubt) /* the packet stays where it is until the lane is known to be good */
            break;
        int length = link->client->take(link->context, lane, packet, link->options.mtu + 1);
        if (length < 0)
            link->waiting &= (uint16_t)~lane_bit(lane);
        else
            lane_load(state, &link->options, packet, (unsigned)length);
    }
    lane_begin(state, &link->options);
}

/* What the next run of n planes shall be: its opcode, and how far frames may go in it. */
static uint8_t choose(struct board_link *link, unsigned n, enum lane_limit *limit)
{
    struct duplex_tally tally = { 0 };
    bool split = false; /* a frame would be cut within a byte */
    EACH_LANE(lane, talking(link)) {
        struct lane *state = &link->lanes[lane];
        if (lane_ready(state, link->built + n))
            feed(link, lane);
        note_phase(link, lane);
        if (state->phase == LANE_LISTENING || state->phase == LANE_HEARING || lane_is_over(state))
            tally.hearing++;
        else if (state->phase == LANE_SENDING)
            (*(lane_is_at_end(state) ? &tally.ending : &tally.sending))++;
        split |= state->phase == LANE_SENDING && state->out.have;
    }
    *limit = LANE_ALL;
    const struct tpi_span span = { link->built, link->ticks, n, TPI_BOTH };
    EACH_LANE(lane, link->programming)
        if (!tpi_quiet(&link->tpi[lane], &span))
            return OP_BOTH;
    if (!link->options.duplex || !talking(link))
        return OP_BOTH;
    switch (duplex_choose(&link->duplex, &tally)) {
    case DUPLEX_BOTH:
        break;
    case DUPLEX_DRIVE:
        if (link->options.scan_ms) /* somebody may talk unasked */
            break;
        *limit = LANE_NO_END;
        return OP_TX;
    case DUPLEX_SAMPLE:
        *limit = LANE_NO_BYTE;
        return split ? OP_BOTH : OP_RX;
    }
    return OP_BOTH;
}

/* What the lanes are driven to in the run's planes; in `run`, what of it comes back, one plane late. */
static void schedule(struct board_link *link, struct link_run *run, uint64_t *words, enum lane_limit limit)
{
    const unsigned n = run->planes, gap = run->opcode == OP_TX ? link->options.gap_tx : link->options.gap;
    uint64_t driven[LANES] = { 0 };
    uint16_t driving = 0;
    memset(words, 0xFF, LANES * sizeof *words);
    const struct tpi_span span = { link->built, link->ticks, n, run->opcode == OP_BOTH ? TPI_BOTH : TPI_ONE_WAY };
    EACH_LANE(lane, link->programming)
        words[lane] = tpi_send(&link->tpi[lane], &span, &driven[lane]);
    link->ticks += n * span.tick;
    EACH_LANE(lane, talking(link))
        if (run->opcode != OP_RX && link->lanes[lane].phase == LANE_SENDING) {
            words[lane] = lane_send(&link->lanes[lane], &link->options, link->built, n, gap, limit, &driven[lane]);
            note_phase(link, lane);
        }
    for (unsigned lane = 0; lane < LANES; lane++)
        driving |= driven[lane] ? lane_bit(lane) : 0;
    run->driving = driving | link->last_driven;
    EACH_LANE(lane, run->driving) {
        run->sent[lane] = (words[lane] << 1 | (link->last_sent >> lane & 1)) & bits_mask(n);
        run->driven[lane] = (driven[lane] << 1 | (link->last_driven >> lane & 1)) & bits_mask(n);
    }
    link->last_sent = 0xFFFF;
    link->last_driven = 0;
    EACH_LANE(lane, driving) {
        if (!(words[lane] >> (n - 1) & 1))
            link->last_sent &= (uint16_t)~lane_bit(lane);
        if (driven[lane] >> (n - 1) & 1)
            link->last_driven |= lane_bit(lane);
    }
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
    return &link->runs[(link->first + link->under_way) % LINK_RUNS];
}

/* Only the last plane of an idle run comes back, and only that one gets a number: nobody has to know how many there
 * were before it. */
bool link_submit_idle(struct board_link *link, uint8_t n)
{
    *next_run(link) = (struct link_run){ .opcode = OP_IDLE, .planes = 1 };
    link->built++;
    return submit(link, (const uint8_t[]){ OP_IDLE, n }, PACKET_HEADER);
}

static bool submit_planes(struct board_link *link)
{
    enum { N = PACKET_PLANES };
    uint64_t words[LANES];
    uint8_t planes[2 * PLANES_BLOCK], packet[PACKET_HEADER + 2 * N];
    enum lane_limit limit;
    struct link_run *run = next_run(link);
    run->opcode = choose(link, N, &limit);
    run->planes = N;
    if (!link_needy(link)) /* they had nothing to say after all */
        return false;
    schedule(link, run, words, limit);
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
    lanes_to_planes(planes, words, 1);
    memcpy(packet + PACKET_HEADER, planes, 2 * N);
    return submit(link, packet, sizeof packet);
}

void link_fill(struct board_link *link)
{
    unsigned depth = link->options.depth < link->transport->depth ? link->options.depth : link->transport->depth;
    if (!link->error && !link->under_way && link_needy(link))
        COUNT(link->counters.starts);
    while (!link->error && link->under_way < depth && link_needy(link) && submit_planes(link))
        ;
    if (!link->error && !link->under_way && link->starting)
        link_submit_idle(link, IDLE_STARTING); /* so that board time passes, whatever the board */
}

/* The plane scheduler of one board: see board_link.h. */
#include "board_link.h"
#include "planes.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)

enum { IDLE_STARTING = 16 }; /* times 256 planes: some 13 ms */

static const uint8_t reset_bit[LANES] = { RESET_BITS };

static uint16_t bit(unsigned lane)
{
    return (uint16_t)(1u << lane);
}

/* Call `body` with `lane` for each lane in the mask. */
#define EACH_LANE(lane, mask) \
    for (unsigned left = (mask), lane; left && (lane = (unsigned)__builtin_ctz(left), true); left &= left - 1)

/* --- resets ------------------------------------------------------------------------------------------------------- */

static int gone(struct board_link *link, int error)
{
    if (!link->error)
        link->error = error;
    link->under_way = 0;
    EACH_LANE(lane, link->programming)
        tpi_fail(&link->tpi[lane], TPI_board_gone);
    link->programming = 0;
    return error;
}

static int control(struct board_link *link, bool in, uint8_t request, uint16_t value, uint8_t *data, uint16_t length)
{
    uint8_t setup[8] = { in ? 0xC0 : 0x40, request, (uint8_t)value, (uint8_t)(value >> 8), 0, 0,
                         (uint8_t)length, (uint8_t)(length >> 8) };
    return link->transport->ops->control(link->transport, setup, data, length);
}

int board_link_write_resets(struct board_link *link)
{
    uint16_t held = 0;
    EACH_LANE(lane, (uint16_t)~link->open)
        held |= bit(reset_bit[lane]);
    int result = control(link, false, REQUEST_RESETS, held, NULL, 0);
    return result < 0 ? result : 0;
}

int board_link_open(struct board_link *link, struct transport *transport, const struct link_client *client,
                    void *context)
{
    uint8_t version[4];
    link->transport = transport;
    link->client = client;
    link->context = context;
    link->last_sent = 0xFFFF;
    int result = control(link, true, REQUEST_VERSION, 0, version, sizeof version);
    if (result < 0)
        return result;
    if (result != sizeof version || version[0] != PROTOCOL_VERSION || version[1] != LANES)
        return -EPROTO;
    return board_link_write_resets(link);
}

int board_link_stop_lane(struct board_link *link, unsigned lane)
{
    if (link->open & bit(lane))
        COUNT(link->lanes[lane].counters.resets);
    link->resume &= (uint16_t)~bit(lane);
    link->open &= (uint16_t)~bit(lane);
    link->starting &= (uint16_t)~bit(lane);
    link->busy &= (uint16_t)~bit(lane);
    lane_close(&link->lanes[lane]);
    return board_link_write_resets(link);
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

/* After anything that may have changed a lane's phase. */
static void note_phase(struct board_link *link, unsigned lane)
{
    const struct lane *state = &link->lanes[lane];
    link->busy = (uint16_t)(lane_rests(state) ? link->busy & ~bit(lane) : link->busy | bit(lane));
    bool mute = state->phase == LANE_STUCK;
    link->stuck = (uint16_t)(mute ? link->stuck | bit(lane) : link->stuck & ~bit(lane));
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
        bool drove = run->driving & bit(lane);
        past.samples = words[lane] & idle;
        if (past.samples == idle && !((link->busy | link->stuck | run->driving) & bit(lane)))
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
        bool drove = run->driving & bit(lane);
        tpi_hear(&link->tpi[lane], link->heard - run->planes - 1, run->planes, words[lane], drove ? run->sent[lane] : idle,
                 drove ? run->driven[lane] : 0, link->built);
        if (!tpi_runs(&link->tpi[lane]))
            link->programming &= (uint16_t)~bit(lane);
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

static void fill(struct board_link *link);

static void take_in(void *context, const uint8_t *packet, unsigned length)
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
    } else { /* what was not sampled was as it was driven */
        memset(words, 0xFF, sizeof words);
        EACH_LANE(lane, run->driving)
            words[lane] = run->sent[lane];
        hear(link, run, words);
    }
    fill(link);
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

/* Lanes that have something to say, or are waiting for something. */
static uint16_t talking(const struct board_link *link)
{
    return (link->busy | (link->waiting & ~link->stuck)) & link->open & ~link->starting;
}

/* ... or are being programmed. */
static uint16_t needy(const struct board_link *link)
{
    return talking(link) | link->programming;
}

/* It is the lane's turn: give it a packet if there is one, and let it begin. */
static void feed(struct board_link *link, unsigned lane)
{
    struct lane *state = &link->lanes[lane];
    uint8_t packet[MTU_MAX + 1];
    while (!state->loaded) {
        if (!(link->waiting & bit(lane)))
            return;
        if (state->doubt) /* the packet stays where it is until the lane is known to be good */
            break;
        int length = link->client->take(link->context, lane, packet, link->options.mtu + 1);
        if (length < 0)
            link->waiting &= (uint16_t)~bit(lane);
        else
            lane_load(state, &link->options, packet, (unsigned)length);
    }
    lane_begin(state, &link->options);
}

/* What each lane is driven to in the next n planes; in `run`, what of it comes back, one plane late. True: some lane
 * is driven. */
static bool schedule(struct board_link *link, struct link_run *run, uint64_t *words, unsigned n)
{
    uint64_t driven[LANES] = { 0 };
    uint16_t driving = 0;
    memset(words, 0xFF, LANES * sizeof *words);
    EACH_LANE(lane, link->programming) {
        words[lane] = tpi_send(&link->tpi[lane], link->built, n, &driven[lane]);
        driving |= driven[lane] ? bit(lane) : 0;
    }
    EACH_LANE(lane, talking(link)) {
        struct lane *state = &link->lanes[lane];
        if (lane_ready(state, link->built + n))
            feed(link, lane);
        if (state->phase == LANE_SENDING) {
            words[lane] = lane_send(state, &link->options, link->built, n, &driven[lane]);
            driving |= bit(lane);
        }
        note_phase(link, lane);
    }
    run->driving = driving | link->last_driven;
    EACH_LANE(lane, run->driving) {
        run->sent[lane] = (words[lane] << 1 | (link->last_sent >> lane & 1)) & bits_mask(n);
        run->driven[lane] = (driven[lane] << 1 | (link->last_driven >> lane & 1)) & bits_mask(n);
    }
    link->last_sent = 0xFFFF;
    link->last_driven = 0;
    EACH_LANE(lane, driving) {
        if (!(words[lane] >> (n - 1) & 1))
            link->last_sent &= (uint16_t)~bit(lane);
        if (driven[lane] >> (n - 1) & 1)
            link->last_driven |= bit(lane);
    }
    return driving;
}

static bool submit(struct board_link *link, const uint8_t *packet, unsigned length)
{
    int result = link->transport->ops->submit(link->transport, packet, length);
    if (result < 0) {
        gone(link, result);
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

/* Let the clock run with all lanes released until somebody talks, for up to 256 * n planes. Only the last of them
 * comes back, and only that one gets a number: nobody has to know how many there were before it. */
static bool submit_idle(struct board_link *link, uint8_t n)
{
    *next_run(link) = (struct link_run){ .opcode = OP_IDLE, .planes = 1 };
    link->built++;
    return submit(link, (const uint8_t[]){ OP_IDLE, n }, PACKET_HEADER);
}

static bool submit_planes(struct board_link *link)
{
    enum { N = PACKET_PLANES };
    uint64_t words[LANES];
    uint8_t planes[2 * PLANES_BLOCK], packet[PACKET_HEADER + 2 * N] = { OP_BOTH, N };
    struct link_run *run = next_run(link);
    bool drives = schedule(link, run, words, N);
    if (!needy(link)) /* they had nothing to say after all */
        return false;
    if (link->options.duplex && !drives)
        packet[0] = OP_RX;
    run->opcode = packet[0];
    run->planes = N;
    link->built += N;
    if (run->opcode == OP_RX) {
        COUNT_BY(link->counters.planes_rx, N);
        return submit(link, packet, PACKET_HEADER);
    }
    COUNT_BY(link->counters.planes_both, N);
    lanes_to_planes(planes, words, 1);
    memcpy(packet + PACKET_HEADER, planes, 2 * N);
    return submit(link, packet, sizeof packet);
}

/* Keep the pump busy as long as there is something to do. */
static void fill(struct board_link *link)
{
    unsigned depth = link->options.depth < link->transport->depth ? link->options.depth : link->transport->depth;
    if (!link->error && !link->under_way && needy(link))
        COUNT(link->counters.starts);
    while (!link->error && link->under_way < depth && needy(link) && submit_planes(link))
        ;
    if (!link->error && !link->under_way && link->starting)
        submit_idle(link, IDLE_STARTING); /* so that board time passes, whatever the board */
}

/* --- the owner's side --------------------------------------------------------------------------------------------- */

int board_link_start_lane(struct board_link *link, unsigned lane)
{
    if (link->taken & bit(lane)) {
        link->resume |= bit(lane);
        return 0;
    }
    int result = board_link_stop_lane(link, lane);
    if (result < 0)
        return result;
    result = link->transport->ops->service(link->transport, take_in, link); /* brings board_ns up to date */
    if (result < 0)
        return gone(link, result);
    link->open |= bit(lane);
    link->starting |= bit(lane);
    link->ready_ns[lane] = link->transport->board_ns + link->options.startup_ms * NS_PER_MS;
    return board_link_write_resets(link);
}

int board_link_reopen(struct board_link *link, struct transport *transport)
{
    const uint16_t open = link->open;
    EACH_LANE(lane, open) {
        lane_close(&link->lanes[lane]);
        COUNT(link->lanes[lane].counters.resets);
    }
    link->open = link->starting = link->busy = link->stuck = 0;
    link->under_way = 0;
    link->heard = link->built;
    link->last_driven = 0;
    link->error = 0;
    int result = board_link_open(link, transport, link->client, link->context);
    link->open = link->starting = link->waiting = open;
    EACH_LANE(lane, open)
        link->ready_ns[lane] = transport->board_ns + link->options.startup_ms * NS_PER_MS;
    return result < 0 ? result : board_link_write_resets(link);
}

void board_link_close(struct board_link *link)
{
    enum { TRIES = 1000 };
    const struct timespec pause = { .tv_nsec = 1000000 };
    link->open = link->starting = 0;
    for (unsigned lane = 0; lane < LANES; lane++)
        lane_close(&link->lanes[lane]);
    EACH_LANE(lane, link->programming)
        tpi_fail(&link->tpi[lane], TPI_board_gone);
    link->programming = 0;
    for (unsigned i = 0; i < TRIES && !link->error && link->under_way; i++) {
        int handled = link->transport->ops->service(link->transport, take_in, link);
        if (handled < 0)
            gone(link, handled);
        else if (!handled)
            nanosleep(&pause, NULL);
    }
    if (!link->error)
        board_link_write_resets(link);
}

/* Tinies whose time to start has passed. */
static void finish_starts(struct board_link *link)
{
    EACH_LANE(lane, link->starting)
        if (link->transport->board_ns >= link->ready_ns[lane]) {
            link->starting &= (uint16_t)~bit(lane);
            lane_open(&link->lanes[lane], link->built + link->options.resync);
        }
}

static void scan(struct board_link *link, uint64_t now_ns)
{
    if (!link->options.scan_ms || !board_link_rests(link) || now_ns < link->scan_ns)
        return;
    link->scan_ns = now_ns + link->options.scan_ms * NS_PER_MS;
    COUNT(link->counters.scans);
    submit_idle(link, 1);
}

int board_link_run(struct board_link *link, uint64_t now_ns)
{
    if (link->error)
        return link->error;
    fill(link);
    int handled = link->transport->ops->service(link->transport, take_in, link);
    if (handled < 0)
        return gone(link, handled);
    finish_starts(link);
    fill(link);
    scan(link, now_ns);
    return link->error ? link->error : handled;
}

uint64_t board_link_deadline(struct board_link *link)
{
    if (link->error)
        return UINT64_MAX;
    if (!link->under_way && !board_link_rests(link))
        return 0;
    uint64_t when = link->transport->ops->deadline(link->transport);
    return link->options.scan_ms && link->scan_ns < when ? link->scan_ns : when;
}

bool board_link_rests(const struct board_link *link)
{
    return !link->under_way && !link->starting && !needy(link);
}

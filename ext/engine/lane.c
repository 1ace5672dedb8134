/* The lane's state machine: see lane.h. */
#include "lane.h"
#include <string.h>

static const uint8_t lone_end[] = { SLIP_END };

static void quiet(struct lane *lane, uint64_t when)
{
    lane->phase = LANE_QUIET;
    lane->when = when;
}

void lane_open(struct lane *lane, uint64_t when)
{
    lane_close(lane);
    lane->doubt = true;
    lane->silences = 0;
    quiet(lane, when);
}

void lane_close(struct lane *lane)
{
    lane->phase = LANE_OFF;
    lane->on_air = ON_AIR_NOTHING;
    lane->in = (struct bits_in){ 0 };
    lane->loaded = false;
    lane->hearing = 0;
}

bool lane_load(struct lane *lane, const struct options *options, const uint8_t *packet, unsigned length)
{
    assert(lane->phase == LANE_QUIET && !lane->loaded);
    if (length > options->mtu) {
        COUNT(lane->counters.drop_oversize);
        return false;
    }
    lane->answer = ip_check(packet, length) == IP_GOOD ? ip_answer(packet, length) : IP_MAY_ANSWER;
    if (lane->stateless && lane->answer == IP_BARE_ACK) {
        COUNT(lane->counters.acks_offloaded);
        return false;
    }
    lane->length = length;
    lane->framed = (uint32_t)slip_encode(lane->frame, packet, length);
    lane->tries = 0;
    lane->loaded = true;
    return true;
}

void lane_begin(struct lane *lane, const struct options *options)
{
    assert(lane->phase == LANE_QUIET);
    lane->phase = LANE_SENDING;
    lane->collided = lane->cut = false;
    if (lane->doubt) {
        lane->on_air = ON_AIR_PROBE;
        bits_start(&lane->out, lone_end, lone_end + 1);
    } else {
        lane->on_air = ON_AIR_FRAME;
        lane->tries++;
        bits_start(&lane->out, lane->frame + !options->leading_end, lane->frame + lane->framed);
    }
}

/* All that will be driven is scheduled before plane `end`: an answer may begin there. */
static void listen(struct lane *lane, const struct options *options, uint64_t end)
{
    lane->phase = LANE_LISTENING;
    lane->driven_to = end;
    lane->when = end + options->listen;
}

/* What is on the air has met something. Stop it where it can still be stopped, and hear what comes. */
static void collide(struct lane *lane, const struct options *options, uint64_t scheduled)
{
    lane->doubt = true;
    if (lane->on_air == ON_AIR_NOTHING) /* it is the tail of something that is given up or settled already */
        return;
    if (!lane->collided)
        COUNT(lane->counters.collisions);
    lane->collided = true;
    if (lane->phase == LANE_SENDING) {
        lane->cut = true;
        listen(lane, options, scheduled);
    }
}

/* A question that nobody answered. */
static enum lane_news unanswered(struct lane *lane, const struct options *options)
{
    lane->doubt = true;
    if (++lane->silences != options->suspect)
        return LANE_NO_NEWS;
    COUNT(lane->counters.suspect);
    return LANE_SUSPECT;
}

/* What is on the air has had its time: was it answered? */
static enum lane_news settle(struct lane *lane, const struct options *options, bool answered)
{
    enum lane_on_air what = lane->on_air;
    bool failed = lane->cut || (lane->collided && !answered);
    lane->on_air = ON_AIR_NOTHING;
    switch (what) {
    case ON_AIR_NOTHING:
        return LANE_NO_NEWS;
    case ON_AIR_PROBE:
        COUNT(lane->counters.resyncs);
        lane->doubt = lane->collided;
        return lane->collided ? unanswered(lane, options) : LANE_NO_NEWS;
    case ON_AIR_FRAME:
        break;
    }
    if (failed && lane->tries < options->tries)
        return LANE_NO_NEWS; /* stays loaded: once more, after a probe */
    lane->loaded = false;
    if (failed) {
        COUNT(lane->counters.drop_collision);
        return LANE_NO_NEWS;
    }
    COUNT(lane->counters.packets_out);
    COUNT_BY(lane->counters.bytes_out, lane->length);
    if (answered || lane->answer != IP_MUST_ANSWER)
        return LANE_NO_NEWS;
    COUNT(lane->counters.silences);
    return unanswered(lane, options);
}

/* The last plane before `end` is scheduled. */
static void sent(struct lane *lane, const struct options *options, uint64_t end)
{
    listen(lane, options, end);
    bool silent = lane->answer == IP_BARE_ACK || lane->answer == IP_WILL_NOT;
    if (lane->on_air == ON_AIR_FRAME && silent && !lane->collided) {
        /* The next packet need not wait for the news, only for the tiny. If it speaks all the same, they collide. */
        settle(lane, options, false);
        quiet(lane, end + options->turnaround);
    }
}

uint64_t lane_send(struct lane *lane, const struct options *options, uint64_t first, unsigned n, unsigned gap,
                   enum lane_limit limit, uint64_t *driven)
{
    struct bits_out *out = &lane->out;
    const uint8_t *until = out->end;
    if (limit != LANE_ALL && !lane_is_over(lane))
        until = limit == LANE_NO_END ? out->end - 1 : out->at;
    unsigned skip = lane->when > first ? (unsigned)(lane->when - first) : 0, made;
    assert(lane->phase == LANE_SENDING && skip < n);
    if (out->have && gap > lane->gap) /* the clock is faster now */
        bits_pause(out, gap - lane->gap);
    lane->gap = gap;
    uint64_t planes = bits_take(out, until, gap, n - skip, &made);
    *driven = bits_mask(made) << skip;
    if (bits_done(out))
        sent(lane, options, first + skip + made);
    return planes << skip | bits_mask(skip);
}

/* Why a frame is no good packet: the counter to move, or NULL; *length is the packet's. */
static uint64_t *decode(struct lane *lane, const struct options *options, uint8_t *packet, unsigned *length)
{
    struct lane_counters *counters = &lane->counters;
    struct slip_decoder decoder = { .packet = packet, .capacity = options->mtu };
    enum slip_event event;
    if (lane->hearing >= sizeof lane->heard)
        return &counters->drop_oversize;
    lane->heard[lane->hearing] = SLIP_END;
    slip_decode(&decoder, lane->heard, lane->hearing + 1, &event);
    if (event != SLIP_PACKET)
        return event == SLIP_OVERSIZE ? &counters->drop_oversize : &counters->drop_slip;
    *length = (unsigned)decoder.length;
    switch (ip_check(packet, *length)) {
    case IP_BAD_VERSION:
        return &counters->drop_version;
    case IP_BAD_LENGTH:
        return &counters->drop_length;
    case IP_BAD_CHECKSUM:
        return &counters->drop_checksum;
    case IP_GOOD:
        break;
    }
    return NULL;
}

/* An END ends a frame that is not empty. */
static void deliver(struct lane *lane, const struct options *options, lane_give_fn *give, void *context)
{
    uint8_t packet[MTU_MAX];
    unsigned length = 0;
    uint64_t *drop = decode(lane, options, packet, &length);
    lane->hearing = 0;
    if (drop) {
        COUNT(*drop);
        lane->doubt = true;
        return;
    }
    lane->silences = 0;
    COUNT(lane->counters.packets_in);
    COUNT_BY(lane->counters.bytes_in, length);
    give(context, packet, length);
}

/* A frame is coming in, or one or more have just ended: those that were not empty are `framed`. */
static enum lane_news hear_on(struct lane *lane, const struct options *options, uint64_t end, bool framed)
{
    if (lane->hearing > 2 * sizeof lane->heard) {
        COUNT(lane->counters.drop_oversize);
        COUNT(lane->counters.suspect);
        lane_close(lane);
        lane->phase = LANE_STUCK;
        return LANE_IS_STUCK;
    }
    if (lane->in.have || (lane->hearing && lane->in.idle < options->stall))
        return LANE_NO_NEWS;
    if (lane->hearing) {
        COUNT(lane->counters.drop_stalled);
        lane->hearing = 0;
        lane->doubt = framed = true;
    }
    if (!framed) { /* END END: the frame is still to come */
        lane->phase = LANE_LISTENING;
        lane->when = end + options->listen;
        return LANE_NO_NEWS;
    }
    uint64_t silent = end - lane->in.idle + options->turnaround, clean = lane->driven_to + options->resync;
    quiet(lane, silent > clean ? silent : clean);
    return settle(lane, options, true);
}

/* Bytes within a frame, all of them: they are kept. False: there is an END, or little room. */
static inline bool gather(struct lane *lane, const uint8_t *bytes, unsigned count)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t all;
    memcpy(&all, bytes, sizeof all);
    const uint64_t other = all ^ SLIP_END * ones, zeros = (other - ones) & ~other & ones << 7;
    if (lane->hearing > sizeof lane->heard - sizeof all || zeros << (64 - 8 * count))
        return false;
    memcpy(lane->heard + lane->hearing, &all, sizeof all);
    lane->hearing += count;
    return true;
}

/* Bytes one by one. Whether they ended a frame, or more, that was not empty. */
static bool take_bytes(struct lane *lane, const struct options *options, const uint8_t *bytes, unsigned count,
                       lane_give_fn *give, void *context, enum lane_news *news)
{
    bool framed = false;
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] != SLIP_END) {
            if (lane->hearing < sizeof lane->heard)
                lane->heard[lane->hearing] = bytes[i];
            lane->hearing++;
        } else if (lane->hearing) {
            *news = settle(lane, options, true); /* before it is given: who gets it may look at the counters */
            deliver(lane, options, give, context);
            framed = true;
        }
    }
    return framed;
}

enum lane_news lane_hear(struct lane *lane, const struct options *options, const struct lane_past *past,
                         lane_give_fn *give, void *context)
{
    uint8_t bytes[8] = { 0 };
    _Static_assert(sizeof bytes > BITS_MOST / BITS_PER_BYTE, "a call's bytes fit one word");
    bool framed = false;
    enum lane_news news = LANE_NO_NEWS;
    if (lane->phase == LANE_OFF)
        return LANE_NO_NEWS;
    if ((past->samples ^ past->sent) & past->driven)
        collide(lane, options, past->scheduled);
    unsigned count = bits_receive(&lane->in, past->samples | past->driven, past->n, bytes);
    bool silent = !count && !lane->in.have;
    if (lane->phase == LANE_STUCK) {
        if (silent && lane->in.idle >= options->resync) {
            lane->doubt = true;
            quiet(lane, past->end);
        }
        return LANE_NO_NEWS;
    }
    if (!silent) {
        if (lane->phase == LANE_SENDING) /* it talks as well */
            collide(lane, options, past->scheduled);
        lane->phase = LANE_HEARING;
    }
    if (count && !gather(lane, bytes, count))
        framed = take_bytes(lane, options, bytes, count, give, context, &news);
    if (lane->phase == LANE_HEARING) {
        enum lane_news more = hear_on(lane, options, past->end, framed);
        return more ? more : news;
    }
    if (lane->phase != LANE_LISTENING || past->end < lane->when)
        return LANE_NO_NEWS;
    news = settle(lane, options, false);
    quiet(lane, past->end + (lane->doubt ? options->resync : 0));
    return news;
}

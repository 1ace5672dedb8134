/* Faults around a link: see faults.h. It stands between the link and its owner: each takes it for the other. */
#include "faults.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HELD = 256, /* packets that can be late at the same time */
    BUDGET = 64, /* packets lost in a row before others have their turn */
};
#define REORDER_NS UINT64_C(20000000)

/* A packet that is late. */
struct held {
    bool used, out;
    bool overtaken;  /* waits for the next packet of its lane and direction */
    bool announced;  /* the link knows that it can be taken */
    uint8_t lane;
    uint16_t length;
    uint64_t due_ns, order;
    uint8_t packet[MTU_MAX];
};

struct faults {
    struct link link; /* the first member: they share their address */
    struct link *inner;
    struct fault_rates rates;
    struct fault_counters counters;
    uint64_t random[LANES][2]; /* of each lane and direction, so that lanes do not disturb each other's faults */
    uint64_t now_ns, orders;
    unsigned again; /* lanes whose budget was used up */
    unsigned count; /* of `held` in use */
    struct held held[HELD];
};

/* What a packet meets. */
struct fate {
#define FATE(name) bool name;
    FAULT_KINDS(FATE)
#undef FATE
};

static struct faults *faults_of(struct link *link)
{
    return (struct faults *)link;
}

/* SplitMix64. */
static uint64_t next_random(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static bool happens(uint64_t *random, double probability)
{
    return (double)(next_random(random) >> 11) * 0x1p-53 < probability;
}

static struct fate draw(struct faults *faults, uint64_t *random)
{
    struct fate fate;
#define DRAW(name) fate.name = happens(random, faults->rates.name);
    FAULT_KINDS(DRAW)
#undef DRAW
    if (fate.drop) /* nothing more can happen to it */
        fate = (struct fate){ .drop = true };
    fate.reorder &= !fate.delay;
#define TALLY(name) COUNT_BY(faults->counters.name, fate.name);
    FAULT_KINDS(TALLY)
#undef TALLY
    return fate;
}

/* Its new length. */
static unsigned damage(uint64_t *random, struct fate fate, uint8_t *packet, unsigned length)
{
    if (fate.corrupt && length) {
        uint64_t bit = next_random(random) % (8 * (uint64_t)length);
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    if (fate.byte_loss && length) {
        uint64_t at = next_random(random) % length;
        memmove(packet + at, packet + at + 1, length - 1 - at);
        length--;
    }
    return length;
}

/* --- what is late ------------------------------------------------------------------------------------------------- */

static void hold(struct faults *faults, bool out, unsigned lane, const uint8_t *packet, unsigned length, uint64_t ns,
                 bool overtaken)
{
    unsigned i = 0;
    while (i < HELD && faults->held[i].used)
        i++;
    if (i == HELD || length > MTU_MAX) {
        COUNT(faults->counters.overrun);
        return;
    }
    struct held *held = &faults->held[i];
    held->used = true;
    held->out = out;
    held->overtaken = overtaken;
    held->announced = false;
    held->lane = (uint8_t)lane;
    held->length = (uint16_t)length;
    held->due_ns = faults->now_ns + ns;
    held->order = faults->orders++;
    memcpy(held->packet, packet, length);
    faults->count++;
}

/* A packet passes: those that it was to overtake may follow. */
static void overtake(struct faults *faults, bool out, unsigned lane)
{
    for (unsigned i = 0, left = faults->count; i < HELD && left; i++) {
        struct held *held = &faults->held[i];
        left -= held->used;
        if (held->used && held->overtaken && held->out == out && held->lane == lane)
            held->due_ns = 0;
    }
}

/* The one that is due first, of those that are due; NULL: none. */
static struct held *first_due(struct faults *faults, bool out, unsigned lane)
{
    struct held *first = NULL;
    for (unsigned i = 0, left = faults->count; i < HELD && left; i++) {
        struct held *held = &faults->held[i];
        left -= held->used;
        if (held->used && held->out == out && held->lane == lane && held->due_ns <= faults->now_ns &&
            (!first || held->due_ns < first->due_ns || (held->due_ns == first->due_ns && held->order < first->order)))
            first = held;
    }
    return first;
}

static void release(struct faults *faults, struct held *held)
{
    held->used = false;
    faults->count--;
}

/* --- between the link and its owner ------------------------------------------------------------------------------- */

/* Whether the packet passes now, as it is. */
static bool passes(struct faults *faults, struct fate fate, bool out, unsigned lane, const uint8_t *packet,
                   unsigned length)
{
    if (fate.drop)
        return false;
    if (fate.duplicate)
        hold(faults, out, lane, packet, length, 0, false);
    if (fate.delay || fate.reorder) {
        hold(faults, out, lane, packet, length, fate.delay ? faults->rates.delay_ns : REORDER_NS, !fate.delay);
        return false;
    }
    overtake(faults, out, lane);
    return true;
}

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    struct faults *faults = context;
    struct held *late = first_due(faults, true, lane);
    if (late && late->length <= size) {
        memcpy(packet, late->packet, late->length);
        release(faults, late);
        return late->length;
    }
    uint64_t *random = &faults->random[lane][true];
    for (unsigned i = 0; i < BUDGET; i++) {
        int length = faults->link.owner->take(faults->link.context, lane, packet, size);
        if (length <= 0)
            return length;
        struct fate fate = draw(faults, random);
        unsigned left = damage(random, fate, packet, (unsigned)length);
        if (left && passes(faults, fate, true, lane, packet, left))
            return (int)left;
    }
    faults->again |= link_bit(lane);
    return -EAGAIN;
}

static void deliver(struct faults *faults, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct lane_counters *counters = faults->link.lanes[lane];
    switch (ip_check(packet, length)) {
    case IP_GOOD:
        faults->link.owner->give(faults->link.context, lane, packet, length);
        break;
    case IP_BAD_VERSION:
        COUNT(counters->drop_version);
        break;
    case IP_BAD_LENGTH:
        COUNT(counters->drop_length);
        break;
    case IP_BAD_CHECKSUM:
        COUNT(counters->drop_checksum);
        break;
    }
}

static void deliver_late(struct faults *faults, unsigned lane)
{
    for (struct held *late; (late = first_due(faults, false, lane));) {
        deliver(faults, lane, late->packet, late->length);
        release(faults, late);
    }
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct faults *faults = context;
    uint8_t copy[MTU_MAX];
    uint64_t *random = &faults->random[lane][false];
    struct fate fate = draw(faults, random);
    memcpy(copy, packet, length);
    length = damage(random, fate, copy, length);
    if (passes(faults, fate, false, lane, copy, length)) {
        deliver(faults, lane, copy, length);
        deliver_late(faults, lane);
    }
}

static void trouble(void *context, unsigned lane, enum link_trouble what, int error)
{
    struct faults *faults = context;
    faults->link.owner->trouble(faults->link.context, lane, what, error);
}

static const struct link_owner owner = { take, give, trouble };

/* --- the link ----------------------------------------------------------------------------------------------------- */

static void wake(struct link *link, unsigned lane)
{
    faults_of(link)->inner->ops->wake(faults_of(link)->inner, lane);
}

static int run(struct link *link, uint64_t now_ns)
{
    struct faults *faults = faults_of(link);
    faults->now_ns = now_ns;
    EACH_LANE_OF(lane, faults->again)
        wake(link, lane);
    faults->again = 0;
    for (unsigned i = 0, left = faults->count; i < HELD && left; i++) {
        struct held *held = &faults->held[i];
        left -= held->used;
        if (held->used && held->due_ns <= now_ns && held->out && !held->announced) {
            held->announced = true;
            wake(link, held->lane);
        }
    }
    for (unsigned lane = 0; lane < LANES && faults->count; lane++)
        deliver_late(faults, lane);
    return faults->inner->ops->run(faults->inner, now_ns);
}

static uint64_t deadline(struct link *link)
{
    struct faults *faults = faults_of(link);
    uint64_t when = faults->again ? 0 : faults->inner->ops->deadline(faults->inner);
    for (unsigned i = 0, left = faults->count; i < HELD && left; i++) {
        const struct held *held = &faults->held[i];
        left -= held->used;
        if (held->used && !held->announced && held->due_ns < when)
            when = held->due_ns;
    }
    return when;
}

static int open_lane(struct link *link, unsigned lane)
{
    return faults_of(link)->inner->ops->open_lane(faults_of(link)->inner, lane);
}

static int close_lane(struct link *link, unsigned lane)
{
    return faults_of(link)->inner->ops->close_lane(faults_of(link)->inner, lane);
}

static int reset_lane(struct link *link, unsigned lane)
{
    return faults_of(link)->inner->ops->reset_lane(faults_of(link)->inner, lane);
}

static int replace_lane(struct link *link, unsigned lane, int fd)
{
    struct link *inner = faults_of(link)->inner;
    return inner->ops->replace_lane ? inner->ops->replace_lane(inner, lane, fd) : -ENOTSUP;
}

static void close_link(struct link *link)
{
    faults_of(link)->inner->ops->close(faults_of(link)->inner);
}

static void free_link(struct link *link)
{
    faults_of(link)->inner->ops->free(faults_of(link)->inner);
    free(link);
}

static const struct link_ops ops = {
    .wake = wake,
    .run = run,
    .deadline = deadline,
    .open_lane = open_lane,
    .close_lane = close_lane,
    .reset_lane = reset_lane,
    .replace_lane = replace_lane,
    .close = close_link,
    .free = free_link,
};

struct link *faults_around(struct link *inner, const struct fault_rates *rates)
{
    struct faults *faults = calloc(1, sizeof *faults);
    if (!faults)
        return NULL;
    faults->link = *inner;
    faults->link.ops = &ops;
    faults->inner = inner;
    faults->rates = *rates;
    uint64_t seed = rates->seed;
    for (unsigned lane = 0; lane < LANES; lane++)
        for (unsigned out = 0; out < 2; out++)
            faults->random[lane][out] = next_random(&seed);
    inner->owner = &owner;
    inner->context = faults;
    return &faults->link;
}

const struct fault_counters *faults_counters(const struct link *link)
{
    return &((const struct faults *)link)->counters;
}

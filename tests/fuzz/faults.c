/* Faults: any rates, any packets both ways, any time that passes; nothing bad reaches the kernel, nothing is lost or
 * doubled but what is counted.
 *
 * Input: 8 bytes of rates; then commands, a byte each with what it takes. */
#include "faults.h"
#include "fuzz.h"
#include <errno.h>

enum { MOST = 64 };

static struct {
    struct link inner;
    struct link *outer;
    struct lane_counters lanes[LANES];
    uint64_t now, taken, fed, given, offered, waking, bad;
    unsigned waits[LANES]; /* packets in the tuns */
    struct input input;
} f;

static unsigned make_packet(uint8_t *packet)
{
    unsigned length = input_between(&f.input, 20, MTU_MAX), check = 0xFFFF - 0x4500 - length;
    memset(packet, 0, length);
    memcpy(packet, (uint8_t[]){ 0x45, 0, (uint8_t)(length >> 8), (uint8_t)length }, 4);
    packet[10] = (uint8_t)(check >> 8);
    packet[11] = (uint8_t)check;
    return length;
}

/* --- the kernel --------------------------------------------------------------------------------------------------- */

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    (void)context;
    CHECK(size == MTU_MAX + 1);
    if (!f.waits[lane])
        return -EAGAIN;
    f.waits[lane]--;
    f.fed++;
    return (int)make_packet(packet);
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    (void)context;
    CHECK(lane < LANES && length <= MTU_MAX && ip_check(packet, length) == IP_GOOD);
    f.given++;
}

static void trouble(void *context, unsigned lane, enum link_trouble what, int error)
{
    (void)context, (void)lane, (void)what, (void)error;
}

static const struct link_owner owner = { take, give, trouble };

/* --- the link that is to have faults ------------------------------------------------------------------------------ */

static void wake(struct link *link, unsigned lane)
{
    (void)link;
    f.waking |= 1u << lane;
}

static int run(struct link *link, uint64_t now_ns)
{
    CHECK(now_ns == f.now);
    for (unsigned lane = 0; lane < LANES; lane++)
        while (f.waking >> lane & 1) {
            uint8_t packet[MTU_MAX + 1];
            int length = link->owner->take(link->context, lane, packet, sizeof packet);
            CHECK(length == -EAGAIN || (length > 0 && length <= MTU_MAX));
            if (length < 0)
                f.waking &= ~(UINT64_C(1) << lane);
            else
                f.taken++;
        }
    return 0;
}

static uint64_t deadline(struct link *link)
{
    (void)link;
    return f.waking ? 0 : UINT64_MAX;
}

static void nothing(struct link *link)
{
    (void)link;
}

static const struct link_ops ops = { .wake = wake, .run = run, .deadline = deadline, .free = nothing };

/* --- what the input does ------------------------------------------------------------------------------------------ */

static void command(void)
{
    unsigned what = input_byte(&f.input), lane = what & 15;
    uint8_t packet[MTU_MAX];
    switch (what >> 4 & 3) {
    case 0: /* from the node */
        for (unsigned i = input_byte(&f.input) % MOST + 1; i; i--, f.offered++) {
            unsigned length = make_packet(packet);
            f.inner.owner->give(f.inner.context, lane, packet, length);
        }
        break;
    case 1: /* to the node */
        f.waits[lane] += input_byte(&f.input) % MOST + 1;
        f.outer->ops->wake(f.outer, lane);
        break;
    case 2: f.now += input_word(&f.input) * UINT64_C(10000); break;
    case 3: CHECK(f.outer->ops->run(f.outer, f.now) >= 0); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault_rates rates = { 0 };
    memset(&f, 0, sizeof f);
    f.input = (struct input){ data, data + size };
#define RATE(name) rates.name = input_byte(&f.input) % 101 / 100.0;
    FAULT_KINDS(RATE)
    rates.delay_ns = input_byte(&f.input) * UINT64_C(1000000);
    rates.seed = input_byte(&f.input);
    f.inner = (struct link){ .ops = &ops, .mtu = MTU_MAX, .fd = -1 };
    for (unsigned lane = 0; lane < LANES; lane++)
        f.inner.lanes[lane] = &f.lanes[lane];
    CHECK((f.outer = faults_around(&f.inner, &rates)));
    f.outer->owner = &owner;
    while (input_left(&f.input))
        command();
    for (unsigned i = 0; f.outer->ops->deadline(f.outer) != UINT64_MAX; i++) { /* whoever is late comes at last */
        CHECK(i < 10000);
        f.now += 1000000;
        CHECK(f.outer->ops->run(f.outer, f.now) >= 0);
    }
    const struct fault_counters *counters = faults_counters(f.outer);
    for (unsigned lane = 0; lane < LANES; lane++) {
        CHECK(!f.waits[lane]);
        f.bad += f.lanes[lane].drop_version + f.lanes[lane].drop_length + f.lanes[lane].drop_checksum;
    }
    CHECK(f.fed + f.offered + counters->duplicate - counters->drop - counters->overrun == f.taken + f.given + f.bad);
    f.outer->ops->free(f.outer);
    return 0;
}

/* The lane engine: a board that answers whatever it likes, tinies that say anything, any packets from tuns, lanes that
 * come, go and are programmed, all in any order.
 *
 * Input: 8 bytes of options, then commands, a byte each with what it takes. Whatever came before, a board that does its
 * work again and tinies that are silent bring the link to rest. */
#include "fuzz.h"
#include "link_runs.h"
#include "programming.h"
#include <errno.h>

enum {
    STEPS = 600,     /* commands at most */
    TO_REST = 40000, /* OUT packets: more than all jobs and packets can take */
    QUEUE = 64,
    SPEECH = 4096,
};
#define NS_PER_PLANE 3396

struct speech { /* what a tiny says, bytes from the first plane on */
    unsigned length, at, bit, pause;
    unsigned low, jabber; /* planes for which it holds its lane low, or sends bytes without an END, before all else */
    uint8_t bytes[SPEECH];
};

static struct {
    struct transport transport;
    struct board_link link;
    struct input input;
    struct {
        uint8_t bytes[64];
        unsigned length;
    } queue[QUEUE];
    unsigned first, count, given;
    uint16_t last;
    int fail;        /* what the transport's calls return, or 0 */
    bool bad_answer; /* the next one */
    bool quiet;      /* nothing is left of the input */
    struct speech speech[LANES];
    struct {
        unsigned length;
        uint8_t packet[MTU_MAX];
    } waits[LANES]; /* in the tuns, one each; length 0: none */
} b;

/* --- the board ---------------------------------------------------------------------------------------------------- */

static int submit(struct transport *transport, const uint8_t *packet, unsigned length)
{
    const unsigned op = packet[0], n = packet[1];
    if (b.fail)
        return b.fail;
    CHECK(b.count < transport->depth && b.count < b.link.options.depth);
    CHECK(op >= OP_BOTH && op <= OP_IDLE && n > 0 && (op == OP_IDLE || n <= PACKET_PLANES));
    CHECK(length == (op == OP_BOTH || op == OP_TX ? 2 + 2 * n : 2));
    for (unsigned i = 2; i < length; i += 2) { /* nobody else's lane is touched */
        uint16_t driven = (uint16_t)~(packet[i] | packet[i + 1] << 8);
        CHECK(!(driven & ~((b.link.open & ~b.link.starting) | b.link.programming)));
    }
    unsigned slot = (b.first + b.count++) % QUEUE;
    memcpy(b.queue[slot].bytes, packet, length);
    b.queue[slot].length = length;
    return 0;
}

static bool says(struct speech *speech)
{
    if (speech->low)
        return speech->low--, false;
    if (speech->jabber)
        return speech->jabber-- % 10 == 9;
    if (speech->at == speech->length)
        return true;
    if (speech->pause) {
        speech->pause--;
        return true;
    }
    bool level = speech->bit && speech->bytes[speech->at] >> (speech->bit - 1) & 1;
    if (++speech->bit == BITS_PER_BYTE) {
        speech->bit = 0;
        speech->at++;
        speech->pause = 1;
    }
    return level;
}

static uint16_t plane(uint16_t drive)
{
    uint16_t seen = b.last;
    b.last = drive;
    for (unsigned lane = 0; lane < LANES; lane++)
        if (!says(&b.speech[lane]))
            b.last &= (uint16_t)~(1u << lane);
    b.transport.board_ns += NS_PER_PLANE;
    return seen;
}

static unsigned answer(const uint8_t *out, uint8_t *in)
{
    const unsigned op = out[0], n = out[1];
    in[0] = (uint8_t)op;
    in[1] = (uint8_t)n;
    if (op == OP_IDLE) {
        unsigned ran = 0;
        uint16_t seen = 0xFFFF;
        while (ran < 256 * n && seen == 0xFFFF && (ran < 16 || !b.count)) {
            seen = plane(0xFFFF);
            ran++;
        }
        in[1] = 1;
        memcpy(in + 2, (uint8_t[]){ (uint8_t)ran, (uint8_t)(ran >> 8), (uint8_t)seen, (uint8_t)(seen >> 8) }, 4);
        return 6;
    }
    for (unsigned i = 0; i < n; i++) {
        uint16_t seen = plane(op == OP_RX ? 0xFFFF : (uint16_t)(out[2 + 2 * i] | out[3 + 2 * i] << 8));
        if (op != OP_TX)
            memcpy(in + 2 + 2 * i, (uint8_t[]){ (uint8_t)seen, (uint8_t)(seen >> 8) }, 2);
    }
    return op == OP_TX ? 2 : 2 + 2 * n;
}

static int service(struct transport *transport, transport_in_fn *take, void *context)
{
    (void)transport;
    if (b.fail)
        return b.fail;
    if (!b.count)
        return 0;
    uint8_t out[64], in[64] = { 0 };
    memcpy(out, b.queue[b.first].bytes, sizeof out);
    b.first = (b.first + 1) % QUEUE;
    b.count--;
    unsigned length = answer(out, in);
    if (b.bad_answer) {
        length = input_byte(&b.input) % 65;
        input_bytes(&b.input, in + input_byte(&b.input) % 3, 60);
        b.bad_answer = false;
    }
    uint8_t *handed = exactly(in, length);
    take(context, handed, length);
    free(handed);
    return 1;
}

static uint64_t deadline(struct transport *transport)
{
    (void)transport;
    return b.count ? 0 : UINT64_MAX;
}

static int control(struct transport *transport, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    (void)transport;
    if (b.fail)
        return b.fail;
    if (setup[1] != REQUEST_VERSION)
        return 0;
    CHECK(length == 4);
    memcpy(data, (uint8_t[]){ PROTOCOL_VERSION, LANES, 0, 1 }, 4);
    return 4;
}

static const struct transport_ops ops = { submit, service, deadline, control };

/* --- the link's owner --------------------------------------------------------------------------------------------- */

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    (void)context;
    unsigned length = b.waits[lane].length;
    CHECK(size == b.link.options.mtu + 1);
    if (!length)
        return -EAGAIN;
    length = length < size ? length : size;
    memcpy(packet, b.waits[lane].packet, length);
    b.waits[lane].length = 0;
    return (int)length;
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    (void)context;
    CHECK(lane < LANES && b.link.open >> lane & 1);
    CHECK(length <= b.link.options.mtu && ip_check(packet, length) == IP_GOOD);
    b.given++;
}

static void news(void *context, unsigned lane, enum lane_news what)
{
    (void)context;
    CHECK(lane < LANES && (what == LANE_SUSPECT || what == LANE_IS_STUCK));
}

static const struct link_client client = { take, give, news };

/* --- what the input does ------------------------------------------------------------------------------------------ */

/* An IPv4 packet with a good header: protocol, length and flags from the input, its payload zeros. */
static unsigned make_packet(uint8_t *packet, unsigned most)
{
    static const uint8_t protocols[] = { 1, 6, 17, 0 };
    unsigned length = input_between(&b.input, 20, most), how = input_byte(&b.input), sum = 0;
    memset(packet, 0, length);
    memcpy(packet, (uint8_t[]){ 0x45, 0, (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 0, 0, 64, protocols[how & 3] }, 10);
    for (unsigned i = 0; i < 20; i += 2)
        sum += (unsigned)packet[i] << 8 | packet[i + 1];
    sum = 0xFFFF - ((sum & 0xFFFF) + (sum >> 16));
    packet[10] = (uint8_t)(sum >> 8);
    packet[11] = (uint8_t)sum;
    if (length >= 40) {
        packet[20] = how & 4 ? 8 : 0;
        packet[32] = 5 << 4;
        packet[33] = (uint8_t)(how >> 3);
    }
    return length;
}

static void say(unsigned lane, bool good)
{
    struct speech *speech = &b.speech[lane];
    uint8_t packet[MTU_MAX];
    memmove(speech->bytes, speech->bytes + speech->at, speech->length -= speech->at);
    speech->at = speech->bit = 0;
    speech->pause = input_byte(&b.input);
    unsigned length = good ? make_packet(packet, 200) : 1 + input_byte(&b.input) % 64;
    if (speech->length + SLIP_BOUND(length) > SPEECH)
        return;
    if (good)
        speech->length += (unsigned)slip_encode(speech->bytes + speech->length, packet, length);
    else
        input_bytes(&b.input, speech->bytes + speech->length, length), speech->length += length;
}

static void program(unsigned lane, unsigned how)
{
    static struct tpi_job job;
    struct tpi_report report;
    memset(&job, 0, sizeof job);
    switch (how % 4) {
    case 0: programming_begin(&b.link, (uint16_t)(1u << lane)); break;
    case 1:
        job.count = input_byte(&b.input) % (TPI_STEPS + 2);
        for (unsigned i = 0; i < job.count && i < TPI_STEPS; i++) {
            uint8_t step[8];
            input_bytes(&b.input, step, sizeof step);
            memcpy(&job.steps[i], step, sizeof step);
            job.steps[i].length &= 0x0FFF;
            job.steps[i].at &= 0x0FFF;
        }
        programming_run(&b.link, lane, &job);
        break;
    case 2: programming_hold(&b.link, (uint16_t)(1u << lane)); break;
    case 3: programming_end(&b.link, (uint16_t)(1u << lane)); break;
    }
    programming_report(&b.link, lane, &report, NULL);
}

static void set_options(void)
{
    static const char *const names[] = { "gap", "gap_tx", "listen", "turnaround", "stall", "tries", "suspect", "depth" };
    struct options options = OPTIONS_DEFAULT;
    unsigned flags = input_byte(&b.input);
    options_set(&options, "duplex", flags & 1);
    options_set(&options, "leading_end", flags >> 1 & 1);
    options_set(&options, "offload_acks", flags & 4 ? 0x5555 : 0);
    options_set(&options, "scan_ms", flags & 8 ? 1 : 0);
    options_set(&options, "startup_ms", flags & 16 ? 1 : 0);
    options_set(&options, "mtu", flags & 32 ? 60 : MTU_MAX);
    for (unsigned i = 0, value; i < sizeof names / sizeof *names; i++)
        if ((value = input_byte(&b.input))) /* those out of bounds change nothing */
            options_set(&options, names[i], value);
    memset(&b.link, 0, sizeof b.link);
    b.link.options = options;
}

static void consistent(void)
{
    const struct board_link *link = &b.link;
    CHECK(link->heard <= link->built && link->under_way <= link->options.depth);
    CHECK(!(link->starting & ~link->open) && !(link->busy & ~link->open));
    CHECK(!(link->taken & link->open) && !(link->programming & ~link->taken));
    CHECK(link->error || b.count == link->under_way);
}

static void command(uint64_t *now)
{
    unsigned what = input_byte(&b.input), lane = what & 15;
    switch (what >> 4) {
    case 0: case 1: case 2:
        for (unsigned i = 0; i <= lane * lane; i++)
            board_link_run(&b.link, *now += 100000);
        break;
    case 3: say(lane, true); break;
    case 4: say(lane, false); break;
    case 5: case 6:
        b.waits[lane].length = make_packet(b.waits[lane].packet, MTU_MAX);
        board_link_wake(&b.link, lane);
        break;
    case 7: /* anything at all, as long as it is not empty */
        b.waits[lane].length = 1 + input_byte(&b.input) % 60;
        input_bytes(&b.input, b.waits[lane].packet, b.waits[lane].length);
        board_link_wake(&b.link, lane);
        break;
    case 8: b.bad_answer = true; break;
    case 9: board_link_start_lane(&b.link, lane); break;
    case 10: board_link_stop_lane(&b.link, lane); break;
    case 11: program(lane, input_byte(&b.input)); break;
    case 12: *(lane & 1 ? &b.speech[lane].low : &b.speech[lane].jabber) = input_word(&b.input); break;
    case 13: /* an answer to nothing */
        if (!b.count)
            link_take_in(&b.link, input_left(&b.input) ? b.input.at : (const uint8_t *)"", input_left(&b.input) % 65);
        break;
    case 14:
        b.fail = lane & 1 ? -ENODEV : -EAGAIN;
        board_link_run(&b.link, *now);
        b.fail = 0;
        break;
    case 15:
        b.count = 0;
        b.last = 0xFFFF;
        board_link_reopen(&b.link, &b.transport);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t now = 0;
    memset(&b, 0, sizeof b);
    b.input = (struct input){ data, data + size };
    b.transport = (struct transport){ .ops = &ops, .fd = -1, .depth = 48 };
    b.last = 0xFFFF;
    set_options();
    CHECK(board_link_open(&b.link, &b.transport, &client, NULL) == 0);
    for (unsigned lane = 0; lane < 4; lane++)
        CHECK(board_link_start_lane(&b.link, lane) == 0);
    for (unsigned i = 0; i < STEPS && input_left(&b.input); i++) {
        command(&now);
        consistent();
    }
    for (unsigned lane = 0; lane < LANES; lane++)
        b.speech[lane] = (struct speech){ 0 };
    b.bad_answer = false;
    if (b.link.error) {
        b.count = 0;
        CHECK(board_link_reopen(&b.link, &b.transport) == 0);
    }
    b.link.options.scan_ms = 0;
    for (unsigned i = 0; i < TO_REST && !board_link_rests(&b.link); i++)
        CHECK(board_link_run(&b.link, now += 100000) >= 0);
    CHECK(board_link_rests(&b.link));
    consistent();
    board_link_close(&b.link);
    return 0;
}

/* The synthetic board: see synthetic.h. Sixteen lanes at a time, a packet's planes at once. */
#include "synthetic.h"
#include "bits.h"
#include "ip.h"
#include "node.h"
#include "options.h"
#include "protocol.h"
#include "run_planes.h"
#include "slip.h"
#include "wiring.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH = 16,
    THINK = 33, /* planes from an END to the answer's first start bit */
    PAUSE = 1,  /* planes after each byte that a tiny sends */
};

/* Board time of a plane, ns: the firmware's own padding both ways, the host's (options.h) in the others. */
static const unsigned plane_ns[] = { [OP_BOTH] = 3397, [OP_TX] = 2201, [OP_RX] = 2082, [OP_IDLE] = 1400 };

struct tiny {
    struct bits_in in;
    unsigned length; /* of the frame that comes in; what is too long is not answered */
    unsigned wait;   /* planes before the answer, */
    unsigned at, end; /* which is in `line`: the next plane, and the one after the last */
    uint8_t frame[SLIP_BOUND(MTU_MAX)];
    uint64_t line[SLIP_BOUND(MTU_MAX) * (BITS_PER_BYTE + PAUSE) / 64 + 2]; /* 1: low */
};

struct synthetic {
    struct transport transport; /* the first member: they share their address */
    uint16_t resets;
    uint16_t held;   /* lanes whose tinies are in reset */
    uint16_t awake;  /* ... that think or talk */
    uint16_t within; /* ... that are within a byte */
    uint16_t last;   /* levels of the last plane */
    unsigned first, count;
    struct {
        uint8_t bytes[PACKET_HEADER + 2 * PACKET_PLANES], length;
    } queue[DEPTH];
    struct tiny tinies[LANES];
};

#define EACH_LANE(lane, mask) \
    for (unsigned left = (mask), lane; left && (lane = (unsigned)__builtin_ctz(left), true); left &= left - 1)

/* --- the tinies --------------------------------------------------------------------------------------------------- */

/* Bytes as planes, once for all. */
static void draw(struct tiny *tiny, const uint8_t *bytes, unsigned length)
{
    uint64_t word = 0, *line = tiny->line;
    unsigned have = 0;
    for (unsigned i = 0; i < length; i++) {
        const uint64_t slot = (uint64_t)(uint8_t)~bytes[i] << 1 | 1;
        word |= slot << have;
        have += BITS_PER_BYTE + PAUSE;
        if (have >= 64) {
            *line++ = word;
            have -= 64;
            word = have ? slot >> (BITS_PER_BYTE + PAUSE - have) : 0;
        }
    }
    line[0] = word;
    line[1] = 0;
    tiny->at = 0;
    tiny->end = length * (BITS_PER_BYTE + PAUSE);
}

/* An END came, `idle` planes ago: the answer to what was before it. Whether there is one. */
static bool answer(struct tiny *tiny, unsigned idle)
{
    uint8_t packet[MTU_MAX], frame[SLIP_BOUND(MTU_MAX)];
    struct slip_decoder decoder = { .packet = packet, .capacity = sizeof packet };
    enum slip_event event;
    unsigned length = tiny->length;
    tiny->length = 0;
    if (!length || length >= sizeof tiny->frame)
        return false;
    tiny->frame[length] = SLIP_END;
    slip_decode(&decoder, tiny->frame, length + 1, &event);
    if (event != SLIP_PACKET || ip_check(packet, (unsigned)decoder.length) != IP_GOOD || packet[0] >> 4 != 4)
        return false;
    node_answer(packet, (unsigned)decoder.length);
    length = (unsigned)slip_encode(frame, packet, decoder.length);
    draw(tiny, frame + 1, length - 1); /* without the leading END */
    tiny->wait = idle < THINK ? THINK - idle : 0;
    return true;
}

static void hear(struct synthetic *board, unsigned lane, uint64_t drive, unsigned n)
{
    struct tiny *tiny = &board->tinies[lane];
    const uint16_t bit = (uint16_t)(1u << lane);
    uint8_t bytes[BITS_MOST / BITS_PER_BYTE + 1];
    const unsigned count = bits_receive(&tiny->in, drive, n, bytes);
    board->within = (uint16_t)(tiny->in.have ? board->within | bit : board->within & ~bit);
    for (unsigned i = 0; i < count; i++)
        if (bytes[i] != SLIP_END) {
            tiny->frame[tiny->length] = bytes[i];
            tiny->length += tiny->length < sizeof tiny->frame - 1;
        } else if (answer(tiny, i + 1 == count ? tiny->in.idle : 0)) {
            tiny->in = (struct bits_in){ 0 };
            board->within &= (uint16_t)~bit;
            board->awake |= bit;
            return;
        }
}

/* Whether it is low, in n planes. */
static uint64_t talk(struct synthetic *board, unsigned lane, unsigned n)
{
    struct tiny *tiny = &board->tinies[lane];
    const unsigned wait = tiny->wait < n ? tiny->wait : n, shift = tiny->at % 64;
    const uint64_t *line = &tiny->line[tiny->at / 64];
    const uint64_t low = line[0] >> shift | line[1] << 1 << (63 - shift);
    tiny->wait -= wait;
    tiny->at += n - wait;
    if (tiny->at >= tiny->end)
        board->awake &= (uint16_t)~(1u << lane);
    return low << wait & bits_mask(n);
}

/* --- the pump ----------------------------------------------------------------------------------------------------- */

/* n planes; *drive has what the host drives, and then the levels. */
static void run(struct synthetic *board, uint64_t *drive, unsigned n, bool driven)
{
    const uint16_t awake = board->awake;
    uint16_t hearing = (uint16_t)~(awake | board->held);
    if (!driven)
        hearing &= board->within;
    EACH_LANE(lane, hearing)
        if (board->within >> lane & 1 || (~drive[lane] & bits_mask(n)))
            hear(board, lane, drive[lane] & bits_mask(n), n);
    EACH_LANE(lane, awake)
        drive[lane] &= ~talk(board, lane, n);
}

/* Planes until some lane is low, at most `most` of them, at least one. */
static unsigned idle(struct synthetic *board, unsigned most)
{
    unsigned ran = board->count ? 1 : most;
    if (board->last != 0xFFFF)
        ran = 1;
    EACH_LANE(lane, board->awake) {
        unsigned low = board->tinies[lane].at ? 1 : board->tinies[lane].wait + 2; /* seen one plane late */
        ran = low < ran ? low : ran;
    }
    return ran;
}

static void store16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static unsigned run_idle(struct synthetic *board, unsigned blocks, uint8_t *in)
{
    const unsigned ran = idle(board, 256 * blocks);
    uint16_t before = board->last;
    for (unsigned left = ran; left;) {
        unsigned n = left < PACKET_PLANES ? left : PACKET_PLANES;
        uint64_t words[LANES];
        memset(words, 0xFF, sizeof words);
        run(board, words, n, false);
        before = n > 1 ? 0 : board->last;
        board->last = 0;
        for (unsigned lane = 0; lane < LANES; lane++) {
            if (n > 1)
                before |= (uint16_t)((words[lane] >> (n - 2) & 1) << lane);
            board->last |= (uint16_t)((words[lane] >> (n - 1) & 1) << lane);
        }
        left -= n;
    }
    board->transport.board_ns += (uint64_t)ran * plane_ns[OP_IDLE];
    in[0] = OP_IDLE;
    in[1] = 1;
    store16(in + 2, ran);
    store16(in + 4, before);
    return PACKET_HEADER + 4;
}

/* What one OUT packet does; the length of the IN packet that answers it. */
static unsigned pump(struct synthetic *board, const uint8_t *out, unsigned length, uint8_t *in)
{
    const uint8_t opcode = out[0], n = out[1];
    const bool carries = opcode == OP_BOTH || opcode == OP_TX;
    uint8_t planes[2 * RUN_PLANES];
    uint64_t words[LANES];
    in[0] = in[1] = 0; /* OP_REFUSED */
    if (length < PACKET_HEADER || opcode < OP_BOTH || opcode > OP_IDLE || !n ||
        length != PACKET_HEADER + (carries ? 2u * n : 0) || (opcode != OP_IDLE && n > PACKET_PLANES))
        return PACKET_HEADER;
    if (opcode == OP_IDLE)
        return run_idle(board, n, in);
    if (carries) {
        memcpy(planes, out + PACKET_HEADER, 2 * PACKET_PLANES);
        run_to_lanes(words, planes);
    } else {
        memset(words, 0xFF, sizeof words);
    }
    run(board, words, n, carries);
    run_to_planes(planes, words);
    in[0] = opcode;
    in[1] = n;
    if (opcode != OP_TX) { /* each plane is sampled before it is driven */
        store16(in + PACKET_HEADER, board->last);
        memcpy(in + PACKET_HEADER + 2, planes, 2 * n - 2);
    }
    memcpy(&board->last, planes + 2 * n - 2, sizeof board->last);
    board->transport.board_ns += n * plane_ns[opcode];
    return PACKET_HEADER + (opcode == OP_TX ? 0 : 2 * n);
}

/* --- the transport ------------------------------------------------------------------------------------------------ */

static int submit(struct transport *transport, const uint8_t *packet, unsigned length)
{
    struct synthetic *board = (struct synthetic *)transport;
    if (board->count == DEPTH || length > sizeof board->queue->bytes)
        return -EAGAIN;
    unsigned slot = (board->first + board->count++) % DEPTH;
    memcpy(board->queue[slot].bytes, packet, length);
    board->queue[slot].length = (uint8_t)length;
    return 0;
}

static int service(struct transport *transport, transport_in_fn *in, void *context)
{
    struct synthetic *board = (struct synthetic *)transport;
    const unsigned under_way = board->count;
    for (unsigned i = 0; i < under_way; i++) {
        uint8_t answer[PACKET_HEADER + 2 * PACKET_PLANES];
        unsigned slot = board->first;
        board->first = (board->first + 1) % DEPTH;
        board->count--;
        in(context, answer, pump(board, board->queue[slot].bytes, board->queue[slot].length, answer));
    }
    return (int)under_way;
}

static uint64_t deadline(struct transport *transport)
{
    return ((struct synthetic *)transport)->count ? 0 : UINT64_MAX;
}

static void write_resets(struct synthetic *board, uint16_t resets)
{
    static const uint8_t bits[LANES] = { RESET_BITS };
    board->resets = resets;
    board->held = 0;
    for (unsigned lane = 0; lane < LANES; lane++)
        board->held |= (uint16_t)((resets >> bits[lane] & 1) << lane);
    EACH_LANE(lane, board->held) {
        board->tinies[lane].in = (struct bits_in){ 0 };
        board->tinies[lane].length = 0;
    }
    board->awake &= (uint16_t)~board->held;
    board->within &= (uint16_t)~board->held;
}

static int control(struct transport *transport, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    struct synthetic *board = (struct synthetic *)transport;
    switch (setup[0] << 8 | setup[1]) {
    case 0xC0 << 8 | REQUEST_VERSION:
        if (length < 4)
            return -EPIPE;
        memcpy(data, (const uint8_t[]){ PROTOCOL_VERSION, LANES, 0, 1 }, 4);
        return 4;
    case 0x40 << 8 | REQUEST_RESETS:
        write_resets(board, (uint16_t)(setup[2] | setup[3] << 8));
        return 0;
    case 0x40 << 8 | REQUEST_PADDING: /* its times are what they are */
        return 0;
    default:
        return -EPIPE;
    }
}

static const struct transport_ops ops = { submit, service, deadline, control };

struct transport *synthetic_new(void)
{
    struct synthetic *board = calloc(1, sizeof *board);
    if (!board)
        return NULL;
    board->transport = (struct transport){ .ops = &ops, .fd = -1, .depth = DEPTH };
    board->last = 0xFFFF;
    write_resets(board, 0xFFFF);
    return &board->transport;
}

void synthetic_free(struct transport *transport)
{
    free(transport);
}

/* The model board: see model_board.h. */
#include "model_board.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_PLANE = 3396 }; /* 294.5k planes/s */

/* --- a tiny, at each rising clock edge ------------------------------------------------------------------------- */

static unsigned sum(const uint8_t *bytes, unsigned n)
{
    unsigned total = 0;
    for (unsigned i = 0; i < n; i++)
        total += i & 1 ? bytes[i] : bytes[i] * 256u;
    while (total > 0xFFFF)
        total = (total & 0xFFFF) + (total >> 16);
    return total;
}

static bool good(const uint8_t *packet, unsigned length)
{
    return length >= 20 && packet[0] >> 4 == 4 && (packet[0] & 15) >= 5 && 4u * (packet[0] & 15) <= length &&
           packet[2] * 256u + packet[3] == length && sum(packet, 4u * (packet[0] & 15)) == 0xFFFF;
}

static void answer(struct model_tiny *tiny)
{
    uint8_t swap[4];
    memcpy(swap, tiny->packet + 12, 4);
    memcpy(tiny->packet + 12, tiny->packet + 16, 4);
    memcpy(tiny->packet + 16, swap, 4);
    unsigned n = 0;
    if (tiny->numbers[MODEL_leading_end])
        tiny->frame[n++] = 0xC0;
    for (unsigned i = 0; i < tiny->length; i++) {
        uint8_t byte = tiny->packet[i];
        if (byte == 0xC0 || byte == 0xDB) {
            tiny->frame[n++] = 0xDB;
            tiny->frame[n++] = byte == 0xC0 ? 0xDC : 0xDD;
        } else {
            tiny->frame[n++] = byte;
        }
    }
    tiny->frame[n++] = 0xC0;
    tiny->length = n;
    tiny->at = tiny->bits = 0;
    tiny->wait = (unsigned)tiny->numbers[MODEL_think];
    tiny->state = TINY_THINKS;
    tiny->numbers[MODEL_echoes]++;
}

static void byte_came(struct model_tiny *tiny, uint8_t byte)
{
    if (byte == 0xC0) {
        bool answers = !tiny->overrun && !tiny->escape && good(tiny->packet, tiny->length);
        tiny->numbers[MODEL_frames] += tiny->length > 0;
        if (tiny->length && !answers)
            tiny->numbers[MODEL_bad]++;
        tiny->escape = tiny->overrun = false;
        if (answers && !tiny->numbers[MODEL_mute])
            answer(tiny);
        else
            tiny->length = 0;
        return;
    }
    if (byte == 0xDB && !tiny->escape) {
        tiny->escape = true;
        return;
    }
    if (tiny->escape)
        byte = byte == 0xDC ? 0xC0 : byte == 0xDD ? 0xDB : byte;
    tiny->escape = false;
    if (tiny->length == MODEL_BUFFER / 2 - 1)
        tiny->overrun = true;
    else
        tiny->packet[tiny->length++] = byte;
}

static void hear(struct model_tiny *tiny, bool level)
{
    if (tiny->wait) {
        tiny->wait--;
        if (!level) {
            tiny->numbers[MODEL_lost]++;
            tiny->wait = 0;
        } else {
            return;
        }
    }
    if (!tiny->bits) {
        if (!level)
            tiny->bits = 1;
        return;
    }
    tiny->byte |= (unsigned)level << (tiny->bits - 1);
    if (++tiny->bits == 9) {
        uint8_t byte = (uint8_t)tiny->byte;
        tiny->bits = tiny->byte = 0;
        tiny->wait = (unsigned)tiny->numbers[MODEL_needs];
        byte_came(tiny, byte);
    }
}

static void talk(struct model_tiny *tiny)
{
    tiny->level = true;
    if (tiny->wait) {
        tiny->wait--;
        return;
    }
    if (tiny->at == tiny->length) {
        tiny->state = TINY_HEARS;
        tiny->length = tiny->bits = tiny->byte = 0;
        return;
    }
    tiny->level = tiny->bits && tiny->frame[tiny->at % MODEL_BUFFER] >> (tiny->bits - 1) & 1;
    if (++tiny->bits == 9) {
        tiny->bits = 0;
        tiny->at++;
        tiny->wait = (unsigned)tiny->numbers[MODEL_pause];
    }
}

/* The clock went low: the tiny may change its level. */
static void falling(struct model_tiny *tiny)
{
    if (tiny->numbers[MODEL_chatter] && !--tiny->numbers[MODEL_chatter] && tiny->state == TINY_HEARS) {
        static const uint8_t hello[] = { 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1 };
        memcpy(tiny->packet, hello, tiny->length = sizeof hello);
        unsigned check = ~sum(tiny->packet, 20) & 0xFFFF;
        tiny->packet[10] = (uint8_t)(check >> 8);
        tiny->packet[11] = (uint8_t)check;
        answer(tiny);
    }
    if (tiny->numbers[MODEL_jabber] && !--tiny->numbers[MODEL_jabber]) {
        memset(tiny->frame, 0x55, sizeof tiny->frame);
        tiny->length = UINT32_MAX; /* the last byte again and again */
        tiny->at = tiny->bits = tiny->wait = 0;
        tiny->state = TINY_TALKS;
    }
    if (tiny->state == TINY_THINKS) {
        if (tiny->wait)
            tiny->wait--;
        else
            tiny->state = TINY_TALKS;
    }
    if (tiny->state == TINY_TALKS)
        talk(tiny);
    else
        tiny->level = true;
    if (tiny->numbers[MODEL_stuck_low] && tiny->state != TINY_HELD)
        tiny->level = false;
}

/* --- the pump --------------------------------------------------------------------------------------------------- */

static unsigned flips(const struct model_board *board, unsigned lane)
{
    unsigned who = 0;
    for (unsigned i = 0; i < board->flip_count; i++)
        if (board->flips[i].plane == board->plane && board->flips[i].lane == lane)
            who |= board->flips[i].who;
    return who;
}

/* Run one plane; the levels that the pump will sample at its end. */
static uint16_t plane(struct model_board *board, uint16_t drive)
{
    uint16_t seen = 0;
    for (unsigned lane = 0; lane < LANES; lane++) {
        struct model_tiny *tiny = &board->tinies[lane];
        falling(tiny);
        tiny->numbers[MODEL_clashes] += !tiny->level && !(drive >> lane & 1);
        bool level = (drive >> lane & 1) && tiny->level;
        unsigned wrong = flips(board, lane);
        if (tiny->state == TINY_HEARS)
            hear(tiny, level ^ (bool)(wrong & FLIP_TINY));
        seen |= (uint16_t)((level ^ (bool)(wrong & FLIP_HOST)) << lane);
    }
    board->plane++;
    board->transport.board_ns += NS_PER_PLANE;
    return seen;
}

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static unsigned run(struct model_board *board, const uint8_t *out, unsigned length, uint8_t *in)
{
    unsigned op = length >= 2 ? out[0] : 0, n = length >= 2 ? out[1] : 0, ran = 0;
    bool carries = op == OP_BOTH || op == OP_TX;
    bool fits = n && (carries ? length == 2 + 2 * n : length == 2) && (op == OP_IDLE || n <= PACKET_PLANES);
    if (op < OP_BOTH || op > OP_IDLE || !fits || board->refuse_next) {
        board->refuse_next = false;
        in[0] = OP_REFUSED;
        in[1] = 0;
        return 2;
    }
    in[0] = (uint8_t)op;
    in[1] = (uint8_t)n;
    if (op == OP_IDLE) {
        uint16_t sample;
        do {
            sample = board->last;
            board->last = plane(board, 0xFFFF);
        } while (++ran < 256 * n && sample == 0xFFFF && !board->count);
        in[1] = 1;
        put16(in + 2, ran);
        put16(in + 4, sample);
        return 6;
    }
    for (unsigned i = 0; i < n; i++) {
        uint16_t drive = carries ? (uint16_t)(out[2 + 2 * i] | out[3 + 2 * i] << 8) : 0xFFFF;
        if (op != OP_TX)
            put16(in + 2 + 2 * i, board->last);
        board->last = plane(board, drive);
    }
    return op == OP_TX ? 2 : 2 + 2 * n;
}

/* --- the transport ------------------------------------------------------------------------------------------------ */

static int submit(struct transport *transport, const uint8_t *packet, unsigned length)
{
    struct model_board *board = (struct model_board *)transport;
    if (board->gone)
        return -ENODEV;
    if (board->count == transport->depth || length > 64)
        return -EAGAIN;
    unsigned slot = (board->first + board->count++) % 64;
    memcpy(board->queue[slot].bytes, packet, length);
    board->queue[slot].length = length;
    return 0;
}

static int service(struct transport *transport, transport_in_fn *in, void *context)
{
    struct model_board *board = (struct model_board *)transport;
    unsigned handed = 0;
    uint8_t answer[64], packet[64];
    for (; board->count && handed < board->burst && !board->gone; handed++) {
        unsigned length = board->queue[board->first].length;
        memcpy(packet, board->queue[board->first].bytes, length);
        board->first = (board->first + 1) % 64;
        board->count--;
        in(context, answer, run(board, packet, length, answer));
    }
    return board->gone ? -ENODEV : (int)handed;
}

static uint64_t deadline(struct transport *transport)
{
    struct model_board *board = (struct model_board *)transport;
    return board->count || board->gone ? 0 : UINT64_MAX;
}

static int control(struct transport *transport, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    static const uint8_t bits[LANES] = { RESET_BITS };
    struct model_board *board = (struct model_board *)transport;
    board->controls++;
    if (board->gone)
        return -ENODEV;
    if (setup[1] == REQUEST_VERSION && setup[0] == 0xC0 && length >= 4) {
        memcpy(data, (uint8_t[]){ PROTOCOL_VERSION, LANES, 0, 1 }, 4);
        return 4;
    }
    if (setup[1] == REQUEST_PADDING && setup[0] == 0x40)
        return setup[2] && setup[3] && setup[4] >= OP_BOTH && setup[4] <= OP_IDLE ? 0 : -EPIPE;
    if (setup[1] != REQUEST_RESETS || setup[0] != 0x40)
        return -EPIPE;
    board->resets = (uint16_t)(setup[2] | setup[3] << 8);
    for (unsigned lane = 0; lane < LANES; lane++) {
        struct model_tiny *tiny = &board->tinies[lane];
        bool held = board->resets >> bits[lane] & 1;
        if (held || tiny->state == TINY_HELD) {
            tiny->state = held ? TINY_HELD : TINY_HEARS;
            tiny->bits = tiny->byte = tiny->length = tiny->wait = 0;
            tiny->escape = tiny->overrun = false;
        }
    }
    return 0;
}

static const struct transport_ops ops = { submit, service, deadline, control };

struct model_board *model_new(unsigned depth)
{
    struct model_board *board = calloc(1, sizeof *board);
    if (!board)
        return NULL;
    board->transport = (struct transport){ .ops = &ops, .fd = -1, .depth = depth };
    board->last = board->resets = 0xFFFF;
    board->burst = 1;
    for (unsigned lane = 0; lane < LANES; lane++) {
        board->tinies[lane].numbers[MODEL_think] = 33;
        board->tinies[lane].numbers[MODEL_pause] = 1;
        board->tinies[lane].numbers[MODEL_needs] = 2;
        board->tinies[lane].level = true;
    }
    return board;
}

void model_flip(struct model_board *board, unsigned lane, uint64_t plane, unsigned who)
{
    unsigned i = board->flip_count++ % MODEL_FLIPS;
    board->flips[i].plane = plane;
    board->flips[i].lane = lane;
    board->flips[i].who = who;
    if (board->flip_count > MODEL_FLIPS)
        board->flip_count = MODEL_FLIPS;
}

uint64_t *model_number(struct model_board *board, unsigned lane, const char *name)
{
    static const char *const names[] = {
#define MODEL_STRING(name) #name,
        MODEL_TINY(MODEL_STRING)
    };
    for (unsigned i = 0; i < MODEL_NUMBERS; i++)
        if (!strcmp(names[i], name))
            return &board->tinies[lane].numbers[i];
    return NULL;
}

uint64_t model_plane(const struct model_board *board)
{
    return board->plane;
}

uint16_t model_resets(const struct model_board *board)
{
    return board->resets;
}

void model_unplug(struct model_board *board)
{
    board->gone = true;
}

void model_refuse_next(struct model_board *board)
{
    board->refuse_next = true;
}

void model_burst(struct model_board *board, unsigned packets)
{
    board->burst = packets;
}

/* The meter on a running tiny: see tiny_meter.h. */
#include "tiny_meter.h"
#include "avr_ops.h"
#include "tiny_parts.h"

enum { BYTE_PLANES = 9, MOST_GAP = 7 /* planes between two bytes of a frame, options.h */, SPL = 0x3d, LANE_AND_CLOCK = 3 };

/* --- stack and RAM --- */

static uint32_t ram_bit(const struct tiny *tiny, unsigned address)
{
    unsigned at = address - tiny->avr.chip->ram_start;
    return at < TINY_RAM ? 1u << at : 0;
}

/* What the instruction before has pushed. */
static void stack(struct tiny *tiny, struct tiny_meter *m)
{
    uint16_t sp = tiny->avr.sp;
    bool set = m->last_kind == OP_OUT && tiny->avr.code[m->last_pc].k == SPL;
    if (sp < m->last_sp && !set)
        for (unsigned at = sp + 1u; at <= m->last_sp; at++) {
            m->pushed |= ram_bit(tiny, at);
            m->taken |= m->stored & ram_bit(tiny, at);
        }
    if ((int16_t)sp < m->lowest) {
        m->lowest = (int16_t)sp;
        m->lowest_pc = m->last_pc;
    }
    if ((int16_t)sp > m->highest)
        m->highest = (int16_t)sp;
    m->last_sp = sp;
}

/* The address that an instruction is going to load from or store to; -1: none. */
static int address_of(const struct avr *avr, const struct avr_op *op)
{
    const uint8_t *r = avr->r;
    switch (op->kind) {
    case OP_LDS: case OP_POLL_LDS: case OP_STS: case OP_IN: case OP_POLL_IN: case OP_SBIC: case OP_SBIS:
    case OP_POLL_SBIC: case OP_POLL_SBIS:
        return op->k;
    case OP_LD: case OP_LD_INC: case OP_ST: case OP_ST_INC:
        return r[op->r] | r[op->r + 1] << 8;
    case OP_LD_DEC: case OP_ST_DEC:
        return (uint16_t)((r[op->r] | r[op->r + 1] << 8) - 1);
    default:
        return -1;
    }
}

static bool stores(uint8_t kind)
{
    return kind == OP_STS || kind == OP_ST || kind == OP_ST_INC || kind == OP_ST_DEC;
}

/* --- the lane --- */

/* It reads clock or lane, and not only other pins. */
static bool is_look(const struct avr_op *op, int address)
{
    bool one_bit = op->kind == OP_SBIC || op->kind == OP_SBIS || op->kind == OP_POLL_SBIC || op->kind == OP_POLL_SBIS;
    return address == PINB && !stores(op->kind) && (!one_bit || op->r & LANE_AND_CLOCK);
}

static void longest(uint32_t *most, uint16_t *most_pc, uint32_t cycles, uint16_t pc)
{
    if (cycles > *most) {
        *most = cycles;
        *most_pc = pc;
    }
}

/* The pump chip has put its plane onto the lane. */
static void rises(struct tiny *tiny, struct tiny_meter *m, uint64_t ps)
{
    m->looked = false;
    if (m->comes) {
        m->comes++;
    } else if (!m->goes) {
        m->lane_seen = wire_seen(&tiny->lane, m->lane_seen, ps);
        if (wire_level(&tiny->lane, m->lane_seen)) {
            m->silence += m->silence < UINT8_MAX;
            return;
        }
        m->comes = 1;
        m->bytes++;
        m->whole = true;
        if (m->silence <= MOST_GAP)
            longest(&m->between, &m->between_pc, m->pause, m->pause_pc);
        m->pause = 0;
    }
}

/* The plane is over; what the lane has is what the pump chip has sampled. */
static void falls(struct tiny *tiny, struct tiny_meter *m, uint64_t ps)
{
    if (m->comes) {
        m->whole &= m->looked;
        if (m->comes == BYTE_PLANES) {
            m->missed += !m->whole;
            m->comes = m->silence = 0;
        }
    } else if (m->goes || tiny_pin(tiny, 0, ps) == TINY_LOW) {
        m->goes = (uint8_t)((m->goes + 1) % BYTE_PLANES);
        m->pause = 0; /* an answer follows, and no byte */
    }
    if (m->fell_ps && ps - m->fell_ps < m->shortest_plane_ps)
        m->shortest_plane_ps = (uint32_t)(ps - m->fell_ps);
    m->fell_ps = ps;
}

/* Follow the wires to now. What went by in reset or asleep is lost. */
static void follow(struct tiny *tiny, struct tiny_meter *m)
{
    uint64_t now = tiny_ps(tiny, tiny->avr.cycle), at;
    if (tiny->clock->count - m->clock_seen > WIRE_EDGES || tiny->lane.count - m->lane_seen > WIRE_EDGES) {
        m->clock_seen = tiny->clock_seen;
        m->lane_seen = tiny->lane_seen;
        m->comes = m->goes = 0;
        m->fell_ps = m->pause = 0;
        m->look_place = OUTSIDE;
    }
    while ((at = wire_next(tiny->clock, m->clock_seen)) <= now) {
        if (wire_level(tiny->clock, ++m->clock_seen))
            rises(tiny, m, at);
        else
            falls(tiny, m, at);
    }
}

/* PINB is going to be read. */
static void look(struct tiny *tiny, struct tiny_meter *m)
{
    const uint16_t pc = tiny->avr.pc;
    uint32_t cycles = (uint32_t)(tiny->avr.cycle - m->look_cycle);
    bool high = wire_level(tiny->clock, m->clock_seen), last = m->comes == BYTE_PLANES && high;
    bool over = last && m->looked; /* nothing of this byte is left to be seen */
    bool inside = (m->comes || m->goes) && !over;
    if (inside && m->look_place == INSIDE)
        longest(&m->in_byte, &m->in_byte_pc, cycles, pc);
    if (m->look_place == LAST) {
        m->pause = cycles;
        m->pause_pc = pc;
    }
    if (m->comes && inside && m->pause) { /* it comes too late for the next byte */
        longest(&m->between, &m->between_pc, m->pause, m->pause_pc);
        m->pause = 0;
    }
    m->look_place = last && !over ? LAST : inside ? INSIDE : OUTSIDE;
    m->look_cycle = tiny->avr.cycle;
    m->looked |= high;
    m->looks++;
}

static void watch(struct tiny *tiny)
{
    struct tiny_meter *m = tiny->watcher;
    const struct avr_op *op = &tiny->avr.code[tiny->avr.pc];
    stack(tiny, m);
    follow(tiny, m);
    int address = address_of(&tiny->avr, op);
    uint32_t bit = address < 0 ? 0 : ram_bit(tiny, (unsigned)address);
    if (is_look(op, address)) {
        look(tiny, m);
    } else if (stores(op->kind)) {
        m->stored |= bit;
        m->taken &= ~bit;
    } else {
        m->eaten |= m->taken & bit;
    }
    m->last_kind = op->kind;
    m->last_pc = tiny->avr.pc;
}

void tiny_meter_attach(struct tiny *tiny, struct tiny_meter *m)
{
    tiny->watch = m ? watch : NULL;
    tiny->watcher = m;
    if (!m)
        return;
    *m = (struct tiny_meter){ .lowest = (int16_t)tiny->avr.sp, .highest = (int16_t)tiny->avr.sp, .last_sp = tiny->avr.sp,
                              .shortest_plane_ps = UINT32_MAX,
                              .clock_seen = tiny->clock_seen, .lane_seen = tiny->lane_seen };
}

/* Counting cycles by label: see tiny_profile.h. */
#include "tiny_profile.h"

void profile_settle(struct tiny_profile *p)
{
    struct profile_label *label = &p->labels[p->visited];
    if (p->visit > label->worst)
        label->worst = p->visit;
}

static unsigned kept(const struct profile_stretch *stretch)
{
    return stretch->length < PROFILE_PATH ? stretch->length : PROFILE_PATH;
}

/* The stretch since the last look was a turn of a waiting loop. */
static void waited(struct tiny_profile *p)
{
    for (unsigned i = 0; i < kept(&p->now); i++)
        p->labels[p->now.path[i].label].waiting += p->now.path[i].cycles;
}

/* The longest stretch so far between these two labels, or room for one; NULL: there is none. */
static struct profile_stretch *between(struct tiny_profile *p, uint16_t from, uint16_t to)
{
    for (unsigned i = 0; i < p->stretches; i++)
        if (p->longest[i].from == from && p->longest[i].to == to)
            return &p->longest[i];
    return p->stretches < PROFILE_STRETCHES ? &p->longest[p->stretches++] : NULL;
}

static void was_blind(struct tiny_profile *p, uint16_t to)
{
    for (unsigned i = 0; i < kept(&p->now); i++) {
        struct profile_label *label = &p->labels[p->now.path[i].label];
        if (p->now.cycles > label->blind)
            label->blind = p->now.cycles;
    }
    p->now.to = to;
    struct profile_stretch *longest = between(p, p->now.from, to);
    if (longest && p->now.cycles > longest->cycles)
        *longest = p->now;
}

void profile_look(struct tiny_profile *p, uint16_t pc)
{
    if (p->looked && pc == p->looked_pc)
        waited(p);
    else if (p->looked)
        was_blind(p, p->label[pc]);
    profile_settle(p);
    p->visit = 0;
    p->looked = true;
    p->looked_pc = pc;
    p->now.from = p->label[pc];
    p->now.cycles = p->now.length = 0;
}

static void on_path(struct profile_stretch *now, uint16_t label, uint64_t cycles)
{
    now->cycles += cycles;
    if (!now->length || now->length > PROFILE_PATH || now->path[now->length - 1].label != label) {
        if (now->length < PROFILE_PATH) {
            now->path[now->length].label = label;
            now->path[now->length].cycles = 0;
        }
        if (now->length <= PROFILE_PATH)
            now->length++;
    }
    if (now->length <= PROFILE_PATH)
        now->path[now->length - 1].cycles += cycles;
}

void profile_count(struct tiny_profile *p, uint16_t pc, uint64_t cycles)
{
    uint16_t label = p->label[pc];
    if (!p->visiting || label != p->visited) {
        profile_settle(p);
        p->labels[label].visits++;
        p->visiting = true;
        p->visited = label;
        p->visit = 0;
    }
    p->labels[label].cycles += cycles;
    p->visit += cycles;
    on_path(&p->now, label, cycles);
}

void profile_slept(struct tiny_profile *p, uint16_t pc, uint64_t cycles)
{
    p->labels[p->label[pc]].cycles += cycles;
    p->labels[p->label[pc]].waiting += cycles;
    profile_settle(p);
    p->visit = 0;
    p->looked = false;
}

void profile_restart(struct tiny_profile *p)
{
    profile_settle(p);
    p->looked = p->visiting = false;
    p->visit = p->now.cycles = p->now.length = 0;
}

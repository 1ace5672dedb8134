/* TPI: any job, on a tiny that answers right, wrong, late, damaged or not at all; it always comes to an end.
 *
 * Input: steps, one how-many and 8 bytes each; then a byte for each answer, 0: a right one. */
#include "fuzz.h"
#include "tpi.h"

enum { LINE = 4096, LAG = 4, PLANES = 31, FRAME = 12, MOST = 400000 /* runs */ };

static struct tpi tpi;
static struct input input;
static uint8_t line[LINE]; /* levels of the planes to come, 1: released; a ring */
static uint64_t answered;  /* planes before this one have their answers */
static bool all_right;

static void put_answer(uint64_t from, uint8_t value, unsigned how)
{
    unsigned bits = (unsigned)value << 1 | (unsigned)__builtin_parity(value) << 9 | 3u << 10;
    unsigned late = how >> 4 & 3;
    if (how & 1)
        return; /* silence */
    if (how & 2)
        bits ^= 1u << (1 + (how >> 2) % 11);
    for (unsigned i = 0; i < FRAME; i++)
        line[(from + 4 + (how & 8 ? late * 5 : 0) + i) % LINE] = bits >> i & 1;
}

/* The questions that were asked since the last time. White box: a tiny would count bits. */
static void answer_questions(void)
{
    static const uint8_t right[] = { 0x80 /* identifies */, 0x02 /* enabled */, 0, 0 /* ready */, 0xA5 /* data */ };
    for (unsigned i = 0; i < tpi.questions; i++) {
        const struct tpi_question *question = &tpi.asked[(tpi.first_question + i) % TPI_QUESTIONS];
        if (question->from < answered)
            continue;
        answered = question->from + 1;
        unsigned how = input_byte(&input);
        all_right &= !how;
        put_answer(question->from, how & 64 ? input_byte(&input) : right[question->what], how & 63);
    }
}

static bool make_job(struct tpi_job *job)
{
    memset(job, 0, sizeof *job);
    unsigned how = input_byte(&input);
    job->count = 1 + how % TPI_STEPS;
    job->sure = how & 0x80;
    for (unsigned i = 0; i < job->count; i++) {
        uint8_t step[sizeof(struct tpi_step)];
        input_bytes(&input, step, sizeof step);
        memcpy(&job->steps[i], step, sizeof step);
        job->steps[i].kind %= TPI_ERASE + 1;
        job->steps[i].length = job->steps[i].kind == TPI_ERASE ? 0 : job->steps[i].length % 512;
    }
    for (unsigned i = 0; i < TPI_DATA; i++)
        job->data[i] = (uint8_t)(i % 7 ? i : 0xFF);
    return tpi_check(job) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tpi_job job;
    struct {
        uint64_t first, sent, driven;
    } runs[LAG] = { 0 };
    input = (struct input){ data, data + size };
    if (!make_job(&job))
        return 0;
    memset(line, 1, sizeof line);
    answered = 0;
    all_right = true;
    uint64_t built = input_byte(&input), ticks = built, i = 0;
    tpi_start(&tpi, &job, built);
    for (; i < MOST && tpi_runs(&tpi); i++) {
        unsigned how = input_left(&input) ? input_byte(&input) : 0;
        struct tpi_span span = { built, ticks, PLANES, TPI_BOTH };
        if (how & 1 && tpi_quiet(&tpi, &span))
            span.tick = TPI_ONE_WAY;
        unsigned slot = i % LAG;
        if (i >= LAG) {
            uint64_t samples = runs[slot].sent;
            for (unsigned bit = 0; bit < PLANES; bit++) {
                uint8_t *level = &line[(runs[slot].first + bit) % LINE];
                if (!*level && !(runs[slot].driven >> bit & 1))
                    samples &= ~(UINT64_C(1) << bit);
                *level = 1;
            }
            if (how & 2) { /* somebody else on the lane */
                samples ^= UINT64_C(1) << (how >> 2) % PLANES;
                all_right = false;
            }
            tpi_hear(&tpi, runs[slot].first, PLANES, samples, runs[slot].sent, runs[slot].driven, built);
            CHECK(tpi.report.step < job.count);
            CHECK(tpi.report.done <= job.steps[tpi.report.step].length);
        }
        runs[slot].first = built;
        runs[slot].sent = tpi_send(&tpi, &span, &runs[slot].driven);
        CHECK(!(runs[slot].driven >> PLANES) && (runs[slot].sent | runs[slot].driven) == bits_mask(PLANES));
        answer_questions();
        built += PLANES;
        ticks += PLANES * span.tick;
    }
    CHECK(!tpi_runs(&tpi));
    if (all_right)
        CHECK(tpi.report.outcome == TPI_done);
    for (unsigned step = 0; step < job.count && tpi.report.outcome == TPI_done && all_right; step++)
        for (unsigned at = 0; at < job.steps[step].length && job.steps[step].kind == TPI_READ; at++)
            CHECK(tpi.job.data[job.steps[step].at + at] == 0xA5);
    return 0;
}

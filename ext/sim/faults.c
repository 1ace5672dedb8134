/* Seeded faults; xoshiro256** and splitmix64 after Blackman and Vigna's published recurrences. */
#include "faults.h"
#include <string.h>

enum { BYTE_PLANES = 9 }; /* start bit and eight data bits */

uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

static uint64_t draw(struct faults *f)
{
    uint64_t *s = f->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static uint64_t threshold(double probability)
{
    if (!(probability > 0))
        return 0;
    return probability >= 1 ? UINT64_MAX : (uint64_t)(probability * 18446744073709551616.0);
}

void faults_init(struct faults *f, uint64_t seed, double noise, double loss)
{
    memset(f, 0, sizeof *f);
    for (unsigned i = 0; i < 4; i++)
        f->state[i] = splitmix64(&seed);
    f->flip = threshold(noise);
    f->lose = threshold(loss);
    f->on = f->flip || f->lose;
}

uint16_t faults_apply(struct faults *f, enum fault_way way, unsigned first, unsigned count, uint16_t levels)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t lane = 1 << i;
        uint8_t *left = &f->left[way][first + i];
        if (*left) {
            --*left;
        } else if (!(levels & lane)) { /* a start bit */
            *left = BYTE_PLANES - 1;
            if (f->lose && draw(f) < f->lose) {
                levels |= lane;
                f->losses++;
            }
        }
        if (f->flip && draw(f) < f->flip) {
            levels ^= lane;
            f->flips++;
        }
    }
    return levels;
}

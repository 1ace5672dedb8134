/* Faults on the lanes, from a seed: flipped levels and lost bytes, both ways. */
#ifndef TINYMUX_SIM_FAULTS_H
#define TINYMUX_SIM_FAULTS_H
#include <stdbool.h>
#include <stdint.h>

enum fault_way { FAULT_DOWN, FAULT_UP }; /* pump to tiny, tiny to pump */

struct faults {
    bool on;
    uint64_t state[4];
    uint64_t flip, lose; /* probabilities as thresholds of a 64-bit random number */
    uint8_t left[2][16]; /* planes left of the byte that is under way on a lane */
    uint64_t flips, losses;
};

uint64_t splitmix64(uint64_t *state); /* for seeds */
void faults_init(struct faults *, uint64_t seed, double noise, double loss);
/* Levels of `count` lanes from `first` on, in one plane, as the other end gets them. */
uint16_t faults_apply(struct faults *, enum fault_way, unsigned first, unsigned count, uint16_t levels);
#endif

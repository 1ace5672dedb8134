/* The transpositions, once per instruction set, behind planes.c. */
#ifndef TINYMUX_PLANES_KERNELS_H
#define TINYMUX_PLANES_KERNELS_H
#include "planes.h"
#include <stdbool.h>

struct planes_kernels {
    const char *name;
    bool (*supported)(void);
    void (*to_lanes)(uint64_t *lanes, const uint8_t *planes, size_t blocks);
    void (*to_planes)(uint8_t *planes, const uint64_t *lanes, size_t blocks);
};

extern const struct planes_kernels planes_portable;
#ifdef __x86_64__
extern const struct planes_kernels planes_sse2, planes_avx2, planes_gfni;
#endif

#endif

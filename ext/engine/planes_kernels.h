/* The transpositions, once per instruction set, behind planes.c. */
#ifndef TINYMUX_PLANES_KERNELS_H
#define TINYMUX_PLANES_KERNELS_H
#include "cpu.h"
#include "paths.h"
#include "planes.h"

struct planes_kernels {
    struct path path;
    void (*to_lanes)(uint64_t *lanes, const uint8_t *planes, size_t blocks);
    void (*to_planes)(uint8_t *planes, const uint64_t *lanes, size_t blocks);
};

extern const struct planes_kernels planes_portable;
#ifdef __x86_64__
extern const struct planes_kernels planes_sse2, planes_avx2, planes_gfni_avx2, planes_gfni;
#elif defined __aarch64__
extern const struct planes_kernels planes_neon;
#endif

/* Take the best kernels for a CPU with these features; planes_paths lists what it has. */
void planes_choose(unsigned features);

#endif

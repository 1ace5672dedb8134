/* The portable transposition, eight by eight bits in one word, and the choice of the best for this CPU. */
#include "planes_kernels.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are stored as bytes in the order of planes");

/* Transpose 8 x 8 bits: bit j of byte i becomes bit i of byte j. Three swaps of ever larger squares (Warren, Hacker's
 * Delight, section 7-3). */
static inline uint64_t transpose_8x8(uint64_t x)
{
    uint64_t t = (x ^ (x >> 7)) & UINT64_C(0x00AA00AA00AA00AA);
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & UINT64_C(0x0000CCCC0000CCCC);
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & UINT64_C(0x00000000F0F0F0F0);
    return x ^ t ^ (t << 28);
}

static void to_lanes(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        uint8_t(*words)[8] = (uint8_t(*)[8])lanes;
        for (unsigned port = 0; port < 2; port++)
            for (unsigned eight = 0; eight < 8; eight++) { /* eight planes of one port */
                uint64_t x = 0;
                for (unsigned i = 0; i < 8; i++)
                    x |= (uint64_t)planes[16 * eight + 2 * i + port] << 8 * i;
                x = transpose_8x8(x);
                for (unsigned lane = 0; lane < 8; lane++)
                    words[8 * port + lane][eight] = (uint8_t)(x >> 8 * lane);
            }
    }
}

static void to_planes(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        const uint8_t(*words)[8] = (const uint8_t(*)[8])lanes;
        for (unsigned port = 0; port < 2; port++)
            for (unsigned eight = 0; eight < 8; eight++) {
                uint64_t x = 0;
                for (unsigned lane = 0; lane < 8; lane++)
                    x |= (uint64_t)words[8 * port + lane][eight] << 8 * lane;
                x = transpose_8x8(x);
                for (unsigned i = 0; i < 8; i++)
                    planes[16 * eight + 2 * i + port] = (uint8_t)(x >> 8 * i);
            }
    }
}

const struct planes_kernels planes_portable = { { "portable", 0 }, to_lanes, to_planes };

static struct paths paths = {
    .all = {
#ifdef __x86_64__
        &planes_gfni.path, &planes_gfni_avx2.path, &planes_avx2.path, &planes_sse2.path,
#elif defined __aarch64__
        &planes_neon.path,
#endif
        &planes_portable.path,
    },
    .best = &planes_portable.path,
};

static inline const struct planes_kernels *best(void)
{
    return (const struct planes_kernels *)paths.best;
}

void planes_choose(unsigned features)
{
    paths_choose(&paths, features);
}

__attribute__((constructor)) static void choose(void)
{
    planes_choose(cpu_features());
}

const char *const *planes_paths(void)
{
    return paths.names;
}

int planes_use(const char *path)
{
    return paths_use(&paths, path);
}

void planes_to_lanes(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    best()->to_lanes(lanes, planes, blocks);
}

void lanes_to_planes(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    best()->to_planes(planes, lanes, blocks);
}

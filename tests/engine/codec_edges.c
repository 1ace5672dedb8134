/* Every path of the codec at every length up to 200 and every alignment, in buffers that end where they must: for the
 * address sanitizer, which sees a load or a store beyond. Prints the paths it has been through.
 */
#include "planes.h"
#include "slip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 200, ALIGNMENTS = 32, BLOCKS = 5 };

/* How often a byte is special, of 256. */
static const unsigned densities[] = { 0, 3, 26, 128, 256 };
enum { DENSITIES = sizeof densities / sizeof *densities };

static void check(bool good, const char *what, const char *path, size_t length)
{
    if (!good) {
        printf("%s, %s, %zu bytes\n", what, path, length);
        exit(1);
    }
}

/* n bytes that begin `offset` bytes after an aligned place and end with the allocation; free what comes before. */
static uint8_t *exactly(size_t n, size_t offset)
{
    void *all;
    if (posix_memalign(&all, ALIGNMENTS, offset + n))
        abort();
    return (uint8_t *)all + offset;
}

static size_t reference(uint8_t *frame, const uint8_t *packet, size_t n)
{
    uint8_t *at = frame;
    *at++ = SLIP_END;
    for (size_t i = 0; i < n; i++) {
        bool special = packet[i] == SLIP_END || packet[i] == SLIP_ESC;
        if (special)
            *at++ = SLIP_ESC;
        *at++ = !special ? packet[i] : packet[i] == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
    }
    *at++ = SLIP_END;
    return (size_t)(at - frame);
}

/* The pieces of a frame, each in a buffer of its own, into a packet of this size and no more. */
static bool decodes(const uint8_t *frame, size_t length, size_t cut, size_t offset, const uint8_t *packet, size_t n)
{
    uint8_t *out = exactly(n, offset);
    struct slip_decoder decoder = { .packet = out, .capacity = n };
    enum slip_event event = SLIP_MORE;
    const size_t sizes[] = { cut, length - cut };
    bool early = false;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *piece = exactly(sizes[i], offset);
        memcpy(piece, frame + (i ? cut : 0), sizes[i]);
        early |= event != SLIP_MORE || (sizes[i] && slip_decode(&decoder, piece, sizes[i], &event) != sizes[i]);
        free(piece - offset);
    }
    bool good = !early && (n ? event == SLIP_PACKET : event == SLIP_MORE) && decoder.length == n;
    good = good && !memcmp(out, packet, n);
    free(out - offset);
    return good;
}

static void slip(const char *path)
{
    static uint8_t frame[SLIP_BOUND(LONGEST)];
    for (size_t n = 0; n <= LONGEST; n++)
        for (unsigned d = 0; d < DENSITIES; d++) {
            size_t offset = rand() % ALIGNMENTS;
            uint8_t *packet = exactly(n, offset), *out = exactly(SLIP_BOUND(n), offset);
            for (size_t i = 0; i < n; i++)
                packet[i] = (unsigned)rand() % 256 >= densities[d] ? 'x' : rand() % 2 ? SLIP_END : SLIP_ESC;
            size_t length = reference(frame, packet, n);
            check(slip_encode(out, packet, n) == length && !memcmp(out, frame, length), "encode", path, n);
            for (size_t align = 0; align < ALIGNMENTS; align++)
                check(decodes(frame, length, 0, align, packet, n), "decode", path, n);
            for (size_t cut = 1; cut < length; cut++)
                check(decodes(frame, length, cut, offset, packet, n), "decode in two pieces", path, n);
            free(packet - offset);
            free(out - offset);
        }
}

static void planes(const char *path)
{
    for (size_t blocks = 0; blocks <= BLOCKS; blocks++)
        for (size_t offset = 0; offset < ALIGNMENTS; offset++) {
            size_t n = 128 * blocks, even = offset / 8 * 8; /* words are aligned */
            uint8_t *from = exactly(n, offset), *back = exactly(n, offset), *lanes = exactly(n, even);
            for (size_t i = 0; i < n; i++)
                from[i] = (uint8_t)rand();
            planes_to_lanes((uint64_t *)lanes, from, blocks);
            lanes_to_planes(back, (const uint64_t *)lanes, blocks);
            check(!memcmp(from, back, n), "planes", path, n);
            for (size_t bit = 0; bit < 8 * n; bit++) { /* lane bit % 16 of a block's plane bit / 16 % 64 */
                size_t word = bit / 1024 * 16 + bit % 16, place = 64 * word + bit / 16 % 64;
                bool same = (from[bit / 8] >> bit % 8 & 1) == (lanes[place / 8] >> place % 8 & 1);
                check(same, "bits of planes", path, n);
            }
            free(from - offset);
            free(back - offset);
            free(lanes - even);
        }
}

int main(void)
{
    for (const char *const *path = slip_paths(); *path; path++) {
        slip_use(*path);
        slip(*path);
        printf("slip %s\n", *path);
    }
    for (const char *const *path = planes_paths(); *path; path++) {
        planes_use(*path);
        planes(*path);
        printf("planes %s\n", *path);
    }
    return 0;
}

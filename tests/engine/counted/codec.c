/* The codec's work, counted: SLIP by path and size at 1 % escapes, planes both ways by path, bytes as bits. */
#include "counted.h"

#include "bits.h"
#include "planes.h"
#include "slip.h"
#include <assert.h>
#include <string.h>

enum { BYTES = 12000, BLOCKS = 8, GAP = 2 };

static uint8_t packets[BYTES], frames[SLIP_BOUND(BYTES)], out[1500], planes[BLOCKS * 128];
static uint64_t lanes[BLOCKS * PLANES_LANES];
static char name[100];

static void count_slip(const char *path, size_t size)
{
    size_t starts[BYTES / 100 + 1] = { 0 };
    count_from();
    for (size_t i = 0; i < BYTES / size; i++)
        starts[i + 1] = starts[i] + slip_encode(frames + starts[i], packets + i * size, size);
    snprintf(name, sizeof name, "slip encode, %zu B, %s", size, path);
    count_as(name, BYTES, "byte");
    count_from();
    for (size_t i = 0; i < BYTES / size; i++) {
        struct slip_decoder decoder = { .packet = out, .capacity = 1500 };
        enum slip_event event;
        slip_decode(&decoder, frames + starts[i], starts[i + 1] - starts[i], &event);
        assert(event == SLIP_PACKET && decoder.length == size);
    }
    snprintf(name, sizeof name, "slip decode, %zu B, %s", size, path);
    count_as(name, BYTES, "byte");
}

/* A frame that comes in pieces of 16 bytes, as a serial port gives them. */
static void count_pieces(void)
{
    struct slip_decoder decoder = { .packet = out, .capacity = 1500 };
    size_t length = slip_encode(frames, packets, 1500);
    enum slip_event event = SLIP_MORE;
    count_from();
    for (size_t at = 0; at < length; at += 16)
        slip_decode(&decoder, frames + at, length - at < 16 ? length - at : 16, &event);
    assert(event == SLIP_PACKET);
    count_as("slip decode, 16 B pieces", 1500, "byte");
}

static void count_planes(const char *path)
{
    count_from();
    planes_to_lanes(lanes, planes, BLOCKS);
    snprintf(name, sizeof name, "planes to lanes, %s", path);
    count_as(name, BLOCKS * PLANES_BLOCK, "plane");
    count_from();
    lanes_to_planes(planes, lanes, BLOCKS);
    snprintf(name, sizeof name, "lanes to planes, %s", path);
    count_as(name, BLOCKS * PLANES_BLOCK, "plane");
}

static void count_bits(void)
{
    static uint64_t words[BYTES]; /* more than it takes */
    struct bits_out to = { 0 };
    unsigned made, runs = 0, heard = 0;
    bits_start(&to, packets, packets + 1500);
    count_from();
    do
        words[runs++] = bits_take(&to, to.end, GAP, BITS_MOST, &made);
    while (!bits_done(&to));
    count_as("bits out", 1500, "byte");
    struct bits_in from = { 0 };
    uint8_t bytes[BITS_MOST / BITS_PER_BYTE + 1];
    count_from();
    for (unsigned i = 0; i < runs; i++)
        heard += bits_receive(&from, words[i], BITS_MOST, bytes);
    count_as("bits in", 1500, "byte");
    count_from();
    for (unsigned i = 0; i < 1000; i++)
        bits_receive(&from, bits_mask(BITS_MOST), BITS_MOST, bytes);
    count_as("bits in, idle", 1000, "run");
    assert(heard == 1500);
}

int main(void)
{
    for (size_t i = 0; i < sizeof packets; i++)
        packets[i] = count_noise() % 100 ? (uint8_t)(count_noise() % 0xC0) : SLIP_END;
    for (size_t i = 0; i < sizeof planes; i++)
        planes[i] = (uint8_t)count_noise();
    count_scale();
    for (const char *const *path = slip_paths(); *path; path++) {
        slip_use(*path);
        count_slip(*path, 100);
        count_slip(*path, 1500);
    }
    slip_use(slip_paths()[0]);
    count_pieces();
    for (const char *const *path = planes_paths(); *path; path++) {
        planes_use(*path);
        count_planes(*path);
    }
    count_bits();
    return 0;
}

/* The codec: any bytes, in any pieces, by every path that this CPU has, against RFC 1055 byte by byte.
 *
 * Input: capacity, 2 bytes; lengths of the pieces, 8 bytes that are used in turn; the rest are the bytes. */
#include "fuzz.h"
#include "slip_model.h"

enum { SIZES = 8 };

static void encode(const uint8_t *bytes, size_t n, const uint8_t *expected, size_t length)
{
    uint8_t *packet = exactly(bytes, n), *frame = exactly(NULL, SLIP_BOUND(n));
    CHECK(slip_encode(frame, packet, n) == length);
    CHECK(!memcmp(frame, expected, length));
    free(packet);
    free(frame);
}

static void decode(const uint8_t *bytes, size_t n, size_t capacity, const uint8_t *sizes)
{
    static struct slip_model model;
    model = (struct slip_model){ .capacity = capacity };
    uint8_t *packet = exactly(NULL, capacity);
    struct slip_decoder decoder = { .packet = packet, .capacity = capacity };
    for (size_t at = 0, turn = 0; at < n; turn++) {
        size_t size = sizes[turn % SIZES] ? sizes[turn % SIZES] : 300;
        size = size < n - at ? size : n - at;
        uint8_t *piece = exactly(bytes + at, size);
        for (size_t done = 0; done < size;) {
            enum slip_event event, expected = SLIP_MORE;
            size_t taken = slip_decode(&decoder, piece + done, size - done, &event);
            CHECK(taken && taken <= size - done && (event || taken == size - done));
            for (size_t i = 0; i < taken; i++) {
                CHECK(expected == SLIP_MORE);
                expected = slip_model_take(&model, piece[done + i]);
            }
            CHECK(event == expected);
            if (event == SLIP_PACKET)
                CHECK(decoder.length == model.length && !memcmp(packet, model.packet, model.length));
            done += taken;
        }
        free(piece);
        at += size;
    }
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, data + size };
    size_t capacity = input_between(&input, 0, 1600), n;
    uint8_t sizes[SIZES];
    input_bytes(&input, sizes, SIZES);
    n = input_left(&input);
    uint8_t *frame = exactly(NULL, SLIP_BOUND(n));
    size_t length = slip_model_encode(frame, input.at, n);
    for (const char *const *path = slip_paths(); *path; path++) {
        CHECK(slip_use(*path) == 0);
        encode(input.at, n, frame, length);
        decode(input.at, n, capacity, sizes);
        decode(frame, length, capacity, sizes);
    }
    free(frame);
    return 0;
}

/* Plane framing: any planes transposed both ways by every path, and any bytes as planes and back, bit by bit.
 *
 * Input: 1 byte, what to do; the rest as the function for it says. */
#include "bits.h"
#include "fuzz.h"
#include "planes.h"
#include "run_planes.h"

static void transpose(struct input *input)
{
    size_t blocks = input_left(input) / (2 * PLANES_BLOCK);
    uint8_t *planes = exactly(input->at, blocks * 2 * PLANES_BLOCK), *back = exactly(NULL, blocks * 2 * PLANES_BLOCK);
    uint64_t *lanes = (uint64_t *)exactly(NULL, blocks * 8 * PLANES_LANES);
    for (const char *const *path = planes_paths(); *path; path++) {
        CHECK(planes_use(*path) == 0);
        planes_to_lanes(lanes, planes, blocks);
        for (size_t i = 0; i < blocks * PLANES_BLOCK * PLANES_LANES; i++) {
            size_t plane = i / PLANES_LANES, lane = i % PLANES_LANES;
            bool there = planes[2 * plane + lane / 8] >> lane % 8 & 1;
            CHECK((lanes[plane / 64 * PLANES_LANES + lane] >> plane % 64 & 1) == there);
        }
        lanes_to_planes(back, lanes, blocks);
        CHECK(!memcmp(planes, back, blocks * 2 * PLANES_BLOCK));
    }
    free(planes);
    free(back);
    free(lanes);
}

/* The same for the planes of one packet. What is above them in a lane's word does not matter. */
static void transpose_runs(struct input *input)
{
    uint8_t planes[2 * RUN_PLANES], *back = exactly(NULL, sizeof planes), *given;
    uint64_t lanes[RUN_LANES];
    while (input_left(input)) {
        input_bytes(input, planes, sizeof planes);
        given = exactly(planes, sizeof planes);
        run_to_lanes(lanes, given);
        for (unsigned i = 0; i < RUN_PLANES * RUN_LANES; i++) {
            unsigned plane = i / RUN_LANES, lane = i % RUN_LANES;
            CHECK((lanes[lane] >> plane & 1) == (planes[2 * plane + lane / 8] >> lane % 8 & 1));
        }
        for (unsigned lane = 0; lane < RUN_LANES; lane++) {
            CHECK(!(lanes[lane] >> RUN_PLANES));
            lanes[lane] |= (uint64_t)input_byte(input) << RUN_PLANES;
        }
        run_to_planes(back, lanes);
        CHECK(!memcmp(planes, back, sizeof planes));
        free(given);
    }
    free(back);
}

/* Runs of planes: a length and six bytes of levels each. A byte is a 0 and the eight planes after it. */
static void receive(struct input *input)
{
    struct bits_in in = { 0 };
    unsigned have = 0, byte = 0;
    uint32_t idle = 0;
    while (input_left(input)) {
        unsigned n = input_byte(input) % (BITS_MOST + 1), count = 0;
        uint64_t planes = 0;
        uint8_t levels[8] = { 0 }, expected[BITS_MOST], *bytes = exactly(NULL, n / BITS_PER_BYTE + 1);
        input_bytes(input, levels, 6);
        memcpy(&planes, levels, sizeof planes);
        planes &= bits_mask(n);
        for (unsigned i = 0; i < n; i++) {
            bool level = planes >> i & 1;
            if (have == 0) {
                idle = level ? idle + 1 : 0;
                have = !level;
                byte = 0;
            } else {
                byte |= (unsigned)level << (have - 1);
                if (++have == BITS_PER_BYTE) {
                    expected[count++] = (uint8_t)byte;
                    have = 0;
                }
            }
        }
        CHECK(bits_receive(&in, planes, n, bytes) == count);
        CHECK(!memcmp(bytes, expected, count));
        CHECK(in.have == have && in.idle == idle);
        free(bytes);
    }
}

/* A length and so many bytes; then runs, each a length and a gap, until all is sent. */
static void send_back(struct input *input)
{
    size_t length = input_byte(input);
    uint8_t bytes[256], back[512], *limited;
    struct bits_out out;
    struct bits_in in = { 0 };
    unsigned heard = 0, made;
    input_bytes(input, bytes, length);
    limited = exactly(bytes, length);
    bits_start(&out, limited, limited + length);
    for (unsigned idle = 0; !bits_done(&out) && idle < 3;) {
        unsigned n = 1 + input_byte(input) % BITS_MOST, how = input_byte(input), gap = how & 7;
        const uint8_t *limit = how & 8 && input_left(input) ? out.at : out.end;
        uint64_t planes = bits_take(&out, limit, gap, n, &made);
        CHECK(made <= n && (planes | bits_mask(made)) == bits_mask(n)); /* idle after what it made */
        heard += bits_receive(&in, planes, n, back + heard);
        idle = made || input_left(input) ? 0 : idle + 1;
    }
    CHECK(bits_done(&out));
    heard += bits_receive(&in, bits_mask(BITS_PER_BYTE), BITS_PER_BYTE, back + heard);
    CHECK(heard == length && !memcmp(back, bytes, length));
    free(limited);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const all[])(struct input *) = { transpose, transpose_runs, receive, send_back };
    struct input input = { data, data + size };
    all[input_byte(&input) % 4](&input);
    return 0;
}

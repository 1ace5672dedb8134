/* What the fuzz targets share: a fuzzer's bytes as numbers, and a check that ends the run. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

struct input {
    const uint8_t *at, *end;
};

/* What is left of it. Where nothing is, all numbers are 0. */
static inline size_t input_left(const struct input *input)
{
    return (size_t)(input->end - input->at);
}

static inline uint8_t input_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static inline unsigned input_word(struct input *input)
{
    unsigned low = input_byte(input);
    return low | (unsigned)input_byte(input) << 8;
}

static inline unsigned input_between(struct input *input, unsigned least, unsigned most)
{
    return least + input_word(input) % (most - least + 1);
}

/* So many bytes, zeros beyond the end. */
static inline void input_bytes(struct input *input, uint8_t *to, size_t n)
{
    size_t some = n < input_left(input) ? n : input_left(input);
    memcpy(to, input->at, some);
    memset(to + some, 0, n - some);
    input->at += some;
}

/* Memory of exactly this size, so that the address sanitizer sees the first byte beyond it; with bytes or zeros. */
static inline uint8_t *exactly(const void *bytes, size_t n)
{
    uint8_t *made = calloc(n, 1);
    CHECK(made);
    if (bytes && n)
        memcpy(made, bytes, n);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

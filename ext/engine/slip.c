/* SLIP frames and the streaming decoder, over the kernels that fit the CPU. */
#include "slip_kernels.h"

size_t slip_escape_bytes(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    for (const uint8_t *end = in + n; in < end; in++) {
        if (*in == SLIP_END || *in == SLIP_ESC) {
            *out++ = SLIP_ESC;
            *out++ = *in == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
        } else {
            *out++ = *in;
        }
    }
    return (size_t)(out - start);
}

size_t slip_unescape_bytes(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *const start = out, *const limit = out + room;
    const uint8_t *const begin = in, *const end = in + n;
    while (in < end && out < limit) {
        uint8_t byte = *in;
        if (byte == SLIP_END)
            break;
        if (byte == SLIP_ESC) {
            if (end - in < 2 || (in[1] != SLIP_ESC_END && in[1] != SLIP_ESC_ESC))
                break;
            byte = *++in == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
        }
        *out++ = byte;
        in++;
    }
    *made = (size_t)(out - start);
    return (size_t)(in - begin);
}

const struct slip_kernels slip_portable = { { "portable", 0 }, slip_escape_bytes, slip_unescape_bytes, slip_decode_steps };

static struct paths paths = {
    .all = {
#ifdef __x86_64__
        &slip_vbmi2.path, &slip_avx2.path, &slip_sse2.path,
#elif defined __aarch64__
        &slip_neon.path,
#endif
        &slip_portable.path,
    },
    .best = &slip_portable.path,
};

static inline const struct slip_kernels *best(void)
{
    return (const struct slip_kernels *)paths.best;
}

void slip_choose(unsigned features)
{
    paths_choose(&paths, features);
}

__attribute__((constructor)) static void choose(void)
{
    slip_choose(cpu_features());
}

const char *const *slip_paths(void)
{
    return paths.names;
}

int slip_use(const char *path)
{
    return paths_use(&paths, path);
}

size_t slip_encode(uint8_t *frame, const uint8_t *packet, size_t length)
{
    frame[0] = SLIP_END;
    size_t made = best()->escape(frame + 1, packet, length);
    frame[1 + made] = SLIP_END;
    return made + 2;
}

/* The byte after an ESC, which is not END. */
static void escaped(struct slip_decoder *decoder, uint8_t byte)
{
    decoder->escape = false;
    if (byte != SLIP_ESC_END && byte != SLIP_ESC_ESC)
        decoder->wrong = SLIP_GARBLED;
    else if (decoder->length == decoder->capacity)
        decoder->wrong = SLIP_OVERSIZE;
    else
        decoder->packet[decoder->length++] = byte == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
}

/* An END. */
static enum slip_event finish(struct slip_decoder *decoder)
{
    enum slip_event event = decoder->wrong;
    if (decoder->escape) /* ESC, END: the frame is cut off */
        event = SLIP_GARBLED;
    else if (event == SLIP_MORE && decoder->length)
        event = SLIP_PACKET;
    decoder->escape = false;
    decoder->wrong = SLIP_MORE;
    decoder->complete = event == SLIP_PACKET;
    if (!decoder->complete)
        decoder->length = 0;
    return event;
}

/* The bytes from i on, in whatever state the frame is. */
static size_t steps(struct slip_decoder *decoder, const uint8_t *bytes, size_t i, size_t length, enum slip_event *event)
{
    *event = SLIP_MORE;
    while (i < length) {
        if (bytes[i] == SLIP_END) {
            i++;
            if ((*event = finish(decoder)) != SLIP_MORE)
                break;
        } else if (decoder->wrong) { /* nothing but the END matters */
            const uint8_t *end = memchr(bytes + i, SLIP_END, length - i);
            i = end ? (size_t)(end - bytes) : length;
            decoder->escape = false;
        } else if (decoder->escape) {
            escaped(decoder, bytes[i++]);
        } else {
            size_t room = decoder->capacity - decoder->length, made;
            i += best()->unescape(decoder->packet + decoder->length, room, bytes + i, length - i, &made);
            decoder->length += made;
            if (i < length && bytes[i] == SLIP_ESC) {
                decoder->escape = true;
                i++;
            } else if (i < length && bytes[i] != SLIP_END && decoder->length == decoder->capacity) {
                decoder->wrong = SLIP_OVERSIZE;
            }
        }
    }
    return i;
}

size_t slip_decode_steps(struct slip_decoder *decoder, const uint8_t *bytes, size_t length, enum slip_event *event)
{
    if (decoder->complete) {
        decoder->complete = false;
        decoder->length = 0;
    }
    return steps(decoder, bytes, 0, length, event);
}

size_t slip_decode_on(struct slip_decoder *decoder, const uint8_t *bytes, size_t length, enum slip_event *event,
                      const uint8_t *in, uint8_t *out)
{
    decoder->complete = false;
    decoder->length = (size_t)(out - decoder->packet);
    return steps(decoder, bytes, (size_t)(in - bytes), length, event);
}

size_t slip_decode(struct slip_decoder *decoder, const uint8_t *bytes, size_t length, enum slip_event *event)
{
    return best()->decode(decoder, bytes, length, event);
}

/* RFC 1055 one byte at a time, as plainly as can be: what the codec's vectors are compared with. */
#ifndef SLIP_MODEL_H
#define SLIP_MODEL_H
#include "slip.h"

struct slip_model {
    size_t capacity, length;
    bool some, escape;
    enum slip_event wrong;
    uint8_t packet[1 << 16];
};

static inline enum slip_event slip_model_take(struct slip_model *model, uint8_t byte)
{
    if (byte == 0xC0) {
        enum slip_event event = model->escape && !model->wrong ? SLIP_GARBLED : model->wrong ? model->wrong : SLIP_PACKET;
        bool some = model->some;
        model->some = model->escape = false;
        model->wrong = SLIP_MORE;
        return some ? event : SLIP_MORE;
    }
    if (!model->some)
        model->length = 0;
    model->some = true;
    if (!model->escape && byte == 0xDB) {
        model->escape = true;
        return SLIP_MORE;
    }
    bool good = !model->escape || byte == 0xDC || byte == 0xDD;
    if (model->escape)
        byte = byte == 0xDC ? 0xC0 : 0xDB;
    model->escape = false;
    if (model->wrong)
        return SLIP_MORE;
    if (!good)
        model->wrong = SLIP_GARBLED;
    else if (model->length == model->capacity)
        model->wrong = SLIP_OVERSIZE;
    else
        model->packet[model->length++] = byte;
    return SLIP_MORE;
}

static inline size_t slip_model_encode(uint8_t *frame, const uint8_t *packet, size_t length)
{
    size_t made = 0;
    frame[made++] = 0xC0;
    for (size_t i = 0; i < length; i++) {
        bool special = packet[i] == 0xC0 || packet[i] == 0xDB;
        if (special)
            frame[made++] = 0xDB;
        frame[made++] = special ? (packet[i] == 0xC0 ? 0xDC : 0xDD) : packet[i];
    }
    frame[made++] = 0xC0;
    return made;
}

#endif

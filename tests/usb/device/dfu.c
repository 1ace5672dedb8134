/* The ATmega32U4's factory bootloader, as far as a programmer needs it: Atmel's DFU (application note "USB DFU
 * Bootloader", doc7618), one command in each download, all of it through endpoint 0. */
#include <errno.h>
#include <string.h>
#include "device.h"

/* USB 2.0 section 9.4; DFU 1.0 section 3 */
enum { GET_STATUS = 0, CLEAR_FEATURE = 1, SET_ADDRESS = 5, GET_DESCRIPTOR = 6, GET_CONFIGURATION = 8,
       SET_CONFIGURATION = 9, GET_INTERFACE = 10, SET_INTERFACE = 11 };
enum { DOWNLOAD = 1, UPLOAD = 2, DFU_STATUS = 3, CLEAR_STATUS = 4, DFU_STATE = 5, ABORT = 6 };
enum { IDLE = 2, DOWNLOAD_IDLE = 5, ERROR = 10 };                         /* bState */
enum { OK = 0, ERR_CHECK_ERASED = 5, ERR_ADDRESS = 8, ERR_STALLED = 15 }; /* bStatus */
/* doc7618 section 4: first byte of a download */
enum { PROGRAM = 1, READ = 3, WRITE = 4, READ_CONFIGURATION = 5, SELECT_PAGE = 6 };
enum { CONTROL_BLOCK = 32 }; /* bytes before the data, which start at their address modulo 32 */
enum { TYPE_CLASS = 0x20, TYPE_MASK = 0x60 };

static const uint8_t device_descriptor[] = { 18, 1, 0x00, 0x02, 0xFE, 1, 0, 32, 0xEB, 0x03, 0xF4, 0x2F, 0, 0, 1, 2, 3, 1 };
static const uint8_t configuration[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 0xFE, 1, 0, 0 };
static const char *const strings[] = { "", "ATMEL", "ATm32U4DFU", "1.0.0" };

static struct {
    uint8_t flash[DFU_FLASH];
    uint8_t status, state, value;
    unsigned first, end; /* range that UPLOAD reads */
    bool reads_value, starts;
} dfu;

const uint8_t *dfu_flash(void)
{
    return dfu.flash;
}

void dfu_begin(void)
{
    memset(&dfu, 0, sizeof dfu);
    memset(dfu.flash, 0xFF, sizeof dfu.flash);
    dfu.flash[0] = 0; /* an old program is in it: it has to be erased */
    dfu.state = IDLE;
}

static int fail(uint8_t status)
{
    dfu.status = status;
    dfu.state = ERROR;
    return 0;
}

static int command(struct device *device, const uint8_t *data, unsigned length)
{
    static const uint8_t identity[3][256] = { [0] = { 0x10 }, [1] = { [0x30] = 0x58, [0x31] = 0x1E, [0x60] = 0x95, [0x61] = 0x87 } };
    if (!length) {
        device->leaves = dfu.starts;
        return 0;
    }
    dfu.state = DOWNLOAD_IDLE;
    dfu.status = OK;
    if (length < 3)
        return fail(ERR_STALLED);
    unsigned first = length >= 6 ? data[2] << 8 | data[3] : 0, last = length >= 6 ? data[4] << 8 | data[5] : 0;
    bool range = first <= last && last < DFU_FLASH;
    switch (data[0] << 8 | data[1]) {
    case PROGRAM << 8: {
        unsigned at = CONTROL_BLOCK + first % CONTROL_BLOCK;
        if (!range || at + last - first + 1 > length)
            return fail(ERR_ADDRESS);
        for (unsigned i = first; i <= last; i++)
            dfu.flash[i] &= data[at + i - first]; /* programming clears bits only */
        return 0;
    }
    case READ << 8 | 1: /* blank check */
        for (unsigned i = first; range && i <= last; i++)
            if (dfu.flash[i] != 0xFF) {
                dfu.first = i;
                dfu.end = i + 1;
                return fail(ERR_CHECK_ERASED);
            }
        return range ? 0 : fail(ERR_ADDRESS);
    case READ << 8:
        dfu.first = first;
        dfu.end = last + 1;
        dfu.reads_value = false;
        return range ? 0 : fail(ERR_ADDRESS);
    case WRITE << 8:
        memset(dfu.flash, 0xFF, sizeof dfu.flash);
        return data[2] == 0xFF ? 0 : fail(ERR_STALLED);
    case WRITE << 8 | 3:
        dfu.starts = true;
        return 0;
    case READ_CONFIGURATION << 8:
    case READ_CONFIGURATION << 8 | 1:
        dfu.value = identity[data[1]][data[2]];
        dfu.reads_value = true;
        return 0;
    case SELECT_PAGE << 8 | 3:
        return data[3] ? fail(ERR_ADDRESS) : 0;
    }
    return fail(ERR_STALLED);
}

static int give(uint8_t *to, unsigned room, const void *from, unsigned length)
{
    length = length < room ? length : room;
    memcpy(to, from, length);
    return length;
}

static int upload(uint8_t *data, unsigned length)
{
    if (dfu.reads_value)
        return give(data, length, &dfu.value, 1);
    int given = give(data, length, dfu.flash + dfu.first, dfu.end - dfu.first);
    dfu.first += given;
    return given;
}

static int descriptor(unsigned kind, unsigned index, uint8_t *data, unsigned length)
{
    uint8_t text[64] = { 4, 3, 0x09, 0x04 };
    switch (kind) {
    case 1: return give(data, length, device_descriptor, sizeof device_descriptor);
    case 2: return give(data, length, configuration, sizeof configuration);
    case 3:
        if (index >= sizeof strings / sizeof *strings)
            return -EPIPE;
        if (index)
            text[0] = 2 + 2 * strlen(strings[index]);
        for (unsigned i = 0; strings[index][i]; i++) {
            text[2 + 2 * i] = strings[index][i];
            text[3 + 2 * i] = 0;
        }
        return give(data, length, text, text[0]);
    }
    return -EPIPE;
}

int dfu_control(struct device *device, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    static const uint8_t zeros[2], one = 1;
    if ((setup[0] & TYPE_MASK) == TYPE_CLASS) {
        switch (setup[1]) {
        case DOWNLOAD: return command(device, data, length);
        case UPLOAD: return upload(data, length);
        case DFU_STATUS: return give(data, length, (uint8_t[]){ dfu.status, 0, 0, 0, dfu.state, 0 }, 6);
        case DFU_STATE: return give(data, length, &dfu.state, 1);
        case CLEAR_STATUS:
        case ABORT:
            dfu.status = OK;
            dfu.state = IDLE;
            return 0;
        }
        return -EPIPE;
    }
    switch (setup[1]) {
    case GET_STATUS: return give(data, length, zeros, 2);
    case GET_DESCRIPTOR: return descriptor(setup[3], setup[2], data, length);
    case GET_CONFIGURATION: return give(data, length, &one, 1);
    case GET_INTERFACE: return give(data, length, zeros, 1);
    case SET_ADDRESS:
    case SET_CONFIGURATION:
    case SET_INTERFACE:
    case CLEAR_FEATURE: return 0;
    }
    return -EPIPE;
}

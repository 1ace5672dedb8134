/* What an operating system does to a device that was just plugged in (USB 2.0, 9.1.2 and 9.4). */
#include "board.h"
#include <errno.h>

enum { GET_DESCRIPTOR = 6, SET_ADDRESS = 5, SET_CONFIGURATION = 9, DEVICE = 1, CONFIGURATION = 2 };
enum { OUR_ADDRESS = 5 };
#define CONNECT_MS 2000
#define DEBOUNCE_MS 100
#define RECOVERY_MS 10

static void wait(struct board *b, unsigned ms)
{
    uint64_t until = board_time(b) + ms * BOARD_PS_PER_MS;
    while (board_time(b) < until)
        board_run(b, until);
}

static int request(struct board *b, uint8_t type, uint8_t request, uint16_t value, uint8_t *data, uint16_t length)
{
    const uint8_t setup[8] = { type, request, value & 0xFF, value >> 8, 0, 0, length & 0xFF, length >> 8 };
    return board_usb_control(b, setup, data, length);
}

int board_usb_enumerate(struct board *b)
{
    uint8_t device[18], configuration[9];
    int got;
    board_usb_attach(b);
    for (unsigned ms = 0; !board_usb_attached(b); ms++) {
        if (ms == CONNECT_MS)
            return -ENODEV;
        wait(b, 1);
    }
    wait(b, DEBOUNCE_MS);
    board_usb_reset(b);
    wait(b, RECOVERY_MS);
    if ((got = request(b, 0x80, GET_DESCRIPTOR, DEVICE << 8, device, 8)) < 0)
        return got;
    if (got < 8 || device[1] != DEVICE || (device[7] != 8 && device[7] != 16 && device[7] != 32 && device[7] != 64))
        return -EPROTO;
    if ((got = request(b, 0x00, SET_ADDRESS, OUR_ADDRESS, NULL, 0)) < 0)
        return got;
    wait(b, RECOVERY_MS);
    if ((got = request(b, 0x80, GET_DESCRIPTOR, DEVICE << 8, device, sizeof device)) < 0)
        return got;
    if (got != sizeof device)
        return -EPROTO;
    if ((got = request(b, 0x80, GET_DESCRIPTOR, CONFIGURATION << 8, configuration, sizeof configuration)) < 0)
        return got;
    if (got != sizeof configuration || configuration[1] != CONFIGURATION)
        return -EPROTO;
    return request(b, 0x00, SET_CONFIGURATION, configuration[5], NULL, 0);
}

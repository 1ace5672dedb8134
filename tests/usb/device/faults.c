/* What a broken board, or another firmware under our VID and PID, would answer in the simulated board's place. */
#include <errno.h>
#include <string.h>
#include "device.h"
#include "protocol.h"

const char *const fault_names[FAULTS] = {
    "none", "protocol", "firmware", "descriptor", "stall", "babble", "refuse", "lose", "hang", "mute",
};

/* USB 2.0 section 9.4, tables 9-2 to 9-5 */
enum { TYPE_MASK = 0x60, TYPE_VENDOR = 0x40, GET_DESCRIPTOR = 6, DESCRIPTOR_CONFIGURATION = 2, DESCRIPTOR_STRING = 3 };
enum { CONFIGURATION_SIZE = 9, INTERFACE_SIZE = 9 };

bool fault_silent(struct device *device)
{
    return device->fault == FAULT_HANG;
}

bool fault_mute(const struct device *device)
{
    return device->fault == FAULT_MUTE;
}

/* Configuration and interface descriptors only: the interface says that it has endpoint 0 alone. */
static int lie(uint8_t *data, int length)
{
    int size = CONFIGURATION_SIZE + INTERFACE_SIZE;
    if (length >= 4) {
        data[2] = size; /* wTotalLength */
        data[3] = 0;
    }
    if (length > CONFIGURATION_SIZE + 4)
        data[CONFIGURATION_SIZE + 4] = 0; /* bNumEndpoints */
    return length < size ? length : size;
}

int fault_control(struct device *device, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    if (device->bootloader)
        return dfu_control(device, setup, data, length);
    bool vendor = (setup[0] & TYPE_MASK) == TYPE_VENDOR;
    bool string = setup[1] == GET_DESCRIPTOR && setup[3] == DESCRIPTOR_STRING;
    switch (device->fault) {
    case FAULT_HANG:
        return -ETIMEDOUT;
    case FAULT_FIRMWARE:
        if (vendor)
            return -EPIPE;
        break;
    case FAULT_STALL:
        if (vendor || string)
            return -EPIPE;
        break;
    default:
        break;
    }
    int got = board_usb_control(device->board, setup, data, length);
    if (got < 0)
        return got;
    if (device->fault == FAULT_PROTOCOL && vendor && setup[1] == REQUEST_VERSION && got > 0)
        data[0] = device->fault_value;
    if (device->fault == FAULT_DESCRIPTOR && !vendor && setup[1] == GET_DESCRIPTOR &&
        setup[3] == DESCRIPTOR_CONFIGURATION)
        got = lie(data, got);
    return got;
}

enum end fault_in(struct device *device, uint8_t packet[64], int *length)
{
    switch (device->fault) {
    case FAULT_BABBLE:
        return END_BABBLE;
    case FAULT_FIRMWARE:
        memset(packet, 0x5a, USB_PACKET);
        *length = USB_PACKET;
        return END_OK;
    case FAULT_REFUSE:
        packet[0] = OP_REFUSED;
        packet[1] = 0;
        *length = PACKET_HEADER;
        return END_OK;
    case FAULT_LOSE:
        if (!device->fault_value)
            return END_OK;
        device->fault_value--;
        *length = -1;
        return END_OK;
    default:
        return END_OK;
    }
}

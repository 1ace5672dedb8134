/* usbredir: the protocol that QEMU's usb-redir device speaks, from the device's side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usbredirparser.h>
#include "device.h"
#include "protocol.h"

/* USB 2.0 section 9.4 */
enum { GET_CONFIGURATION = 8, SET_CONFIGURATION = 9, GET_INTERFACE = 10, SET_INTERFACE = 11, SET_ADDRESS = 5 };
enum { DESCRIPTOR_DEVICE = 1, DESCRIPTOR_CONFIGURATION = 2, DESCRIPTOR_INTERFACE = 4, DESCRIPTOR_ENDPOINT = 5 };
enum { ADDRESS = 5 };

static int standard(struct device *device, uint8_t type, uint8_t request, uint16_t value, uint8_t *data, uint16_t length)
{
    uint8_t setup[8] = {type, request, value, value >> 8, 0, 0, length, length >> 8};
    return fault_control(device, setup, data, length);
}

static int descriptor(struct device *device, uint8_t kind, uint8_t *data, uint16_t length)
{
    return standard(device, 0x80, 6, kind << 8, data, length);
}

static uint8_t status_of(int result)
{
    return result >= 0 ? usb_redir_success : result == -EPIPE ? usb_redir_stall : usb_redir_timeout;
}

/* Interfaces and endpoints, as the configuration descriptor has them: QEMU routes by this. */
static void announce(struct device *device)
{
    struct usb_redir_interface_info_header interfaces = {0};
    struct usb_redir_ep_info_header endpoints = {0};
    uint8_t data[255];
    int length = descriptor(device, DESCRIPTOR_CONFIGURATION, data, sizeof data);
    memset(endpoints.type, usb_redir_type_invalid, sizeof endpoints.type);
    endpoints.type[0] = endpoints.type[16] = usb_redir_type_control;
    endpoints.max_packet_size[0] = endpoints.max_packet_size[16] = USB_PACKET;
    for (int at = 0; at + 2 <= length && data[at] >= 2 && at + data[at] <= length; at += data[at]) {
        const uint8_t *field = data + at;
        if (field[1] == DESCRIPTOR_INTERFACE && field[0] >= 9) {
            interfaces.interface_class[interfaces.interface_count++] = field[5];
        } else if (field[1] == DESCRIPTOR_ENDPOINT && field[0] >= 7) {
            int slot = (field[2] & 0x80) >> 3 | (field[2] & 15);
            endpoints.type[slot] = field[3] & 3;
            endpoints.max_packet_size[slot] = field[4] | field[5] << 8;
        }
    }
    usbredirparser_send_interface_info(device->parser, &interfaces);
    usbredirparser_send_ep_info(device->parser, &endpoints);
}

/* QEMU gives the guest's address to the guest alone. The simulated host controller has to learn how large EP0's packets
 * are, by the first 8 bytes of the device descriptor, as any host does (USB 2.0 section 5.5.3). */
static void bus_reset(struct device *device)
{
    uint8_t data[8];
    board_usb_reset(device->board);
    descriptor(device, DESCRIPTOR_DEVICE, data, sizeof data);
    standard(device, 0x00, SET_ADDRESS, ADDRESS, NULL, 0);
}

static void on_reset(void *context)
{
    struct device *device = context;
    device->count.resets++;
    port_clear(device);
    if (!device->board)
        return;
    if (device->fault == FAULT_HANG && device->fault_value && !--device->fault_value)
        device->fault = FAULT_NONE;
    if (device->fault == FAULT_HANG)
        return;
    bus_reset(device);
}

static void on_set_configuration(void *context, uint64_t id, struct usb_redir_set_configuration_header *wanted)
{
    struct device *device = context;
    int result = device->board ? standard(device, 0x00, SET_CONFIGURATION, wanted->configuration, NULL, 0) : -EPIPE;
    struct usb_redir_configuration_status_header answer = {status_of(result), wanted->configuration};
    port_clear(device);
    if (device->board)
        announce(device);
    usbredirparser_send_configuration_status(device->parser, id, &answer);
}

static void on_get_configuration(void *context, uint64_t id)
{
    struct device *device = context;
    uint8_t value = 0;
    int result = device->board ? standard(device, 0x80, GET_CONFIGURATION, 0, &value, 1) : -EPIPE;
    struct usb_redir_configuration_status_header answer = {status_of(result), value};
    usbredirparser_send_configuration_status(device->parser, id, &answer);
}

static void on_set_alternate(void *context, uint64_t id, struct usb_redir_set_alt_setting_header *wanted)
{
    struct device *device = context;
    int result = device->board ? standard(device, 0x01, SET_INTERFACE, wanted->alt, NULL, 0) : -EPIPE;
    struct usb_redir_alt_setting_status_header answer = {status_of(result), wanted->interface, wanted->alt};
    port_clear(device); /* also what came for a transfer that had been cancelled meanwhile */
    usbredirparser_send_alt_setting_status(device->parser, id, &answer);
}

static void on_get_alternate(void *context, uint64_t id, struct usb_redir_get_alt_setting_header *wanted)
{
    struct device *device = context;
    uint8_t value = 0;
    int result = device->board ? standard(device, 0x81, GET_INTERFACE, 0, &value, 1) : -EPIPE;
    struct usb_redir_alt_setting_status_header answer = {status_of(result), wanted->interface, value};
    usbredirparser_send_alt_setting_status(device->parser, id, &answer);
}

static void on_cancel(void *context, uint64_t id)
{
    port_cancel(context, id);
}

static void on_control(void *context, uint64_t id, struct usb_redir_control_packet_header *asked, uint8_t *data, int length)
{
    struct device *device = context;
    static uint8_t answer[65536];
    if (fault_mute(device)) {
        usbredirparser_free_packet_data(device->parser, data);
        return;
    }
    bool in = asked->endpoint & 0x80;
    uint8_t setup[8] = {asked->requesttype, asked->request, asked->value,  asked->value >> 8,
                        asked->index,       asked->index >> 8, asked->length, asked->length >> 8};
    if (!in && length > 0)
        memcpy(answer, data, length);
    int result = device->board ? fault_control(device, setup, answer, asked->length) : -EPIPE;
    struct usb_redir_control_packet_header header = *asked;
    header.status = status_of(result);
    header.length = result < 0 ? 0 : in ? result : asked->length;
    usbredirparser_send_control_packet(device->parser, id, &header, in && result > 0 ? answer : NULL,
                                       in && result > 0 ? result : 0);
    usbredirparser_free_packet_data(device->parser, data);
}

static void on_bulk(void *context, uint64_t id, struct usb_redir_bulk_packet_header *header, uint8_t *data, int length)
{
    struct device *device = context;
    uint32_t wanted = header->endpoint & 0x80 ? header->length | (uint32_t)header->length_high << 16 : (uint32_t)length;
    if (port_submit(device, id, header->endpoint, data, wanted))
        exit(1);
    usbredirparser_free_packet_data(device->parser, data);
}

void redir_end(struct device *device, const struct transfer *transfer, enum end end)
{
    static const uint8_t status[] = {usb_redir_success, usb_redir_cancelled, usb_redir_stall, usb_redir_babble};
    bool in = transfer->endpoint & 0x80;
    struct usb_redir_bulk_packet_header header = {
        .endpoint = transfer->endpoint,
        .status = status[end],
        .length = transfer->moved,
        .length_high = transfer->moved >> 16,
    };
    usbredirparser_send_bulk_packet(device->parser, transfer->id, &header, in ? (uint8_t *)transfer->data : NULL,
                                    in ? transfer->moved : 0);
}

void redir_plug(struct device *device)
{
    uint8_t data[18];
    bus_reset(device);
    if (descriptor(device, DESCRIPTOR_DEVICE, data, sizeof data) != sizeof data) {
        fprintf(stderr, "device: the board has no device descriptor\n");
        exit(1);
    }
    struct usb_redir_device_connect_header header = {
        .speed = usb_redir_speed_full,
        .device_class = data[4],
        .device_subclass = data[5],
        .device_protocol = data[6],
        .vendor_id = data[8] | data[9] << 8,
        .product_id = data[10] | data[11] << 8,
        .device_version_bcd = data[12] | data[13] << 8,
    };
    announce(device);
    usbredirparser_send_device_connect(device->parser, &header);
}

void redir_unplug(struct device *device)
{
    port_clear(device);
    usbredirparser_send_device_disconnect(device->parser);
}

static int on_read(void *context, uint8_t *data, int count)
{
    struct device *device = context;
    ssize_t got = read(device->usb, data, count);
    return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
}

static int on_write(void *context, uint8_t *data, int count)
{
    struct device *device = context;
    ssize_t put = write(device->usb, data, count);
    return put >= 0 ? put : errno == EAGAIN ? 0 : -1;
}

static void on_log(void *context, int level, const char *message)
{
    (void)context;
    if (level <= usbredirparser_warning)
        fprintf(stderr, "usbredir: %s\n", message);
}

static void on_filter(void *context, struct usbredirfilter_rule *rules, int count)
{
    (void)context, (void)count;
    free(rules);
}

static void on_nothing(void *context)
{
    (void)context;
}

static void on_hello(void *context, struct usb_redir_hello_header *hello)
{
    (void)context, (void)hello;
}

int redir_start(struct device *device)
{
    static const int able[] = {usb_redir_cap_connect_device_version, usb_redir_cap_ep_info_max_packet_size,
                               usb_redir_cap_64bits_ids, usb_redir_cap_32bits_bulk_length,
                               usb_redir_cap_device_disconnect_ack};
    uint32_t caps[USB_REDIR_CAPS_SIZE] = {0};
    struct usbredirparser *parser = usbredirparser_create();
    if (!parser)
        return -ENOMEM;
    parser->priv = device;
    parser->log_func = on_log;
    parser->read_func = on_read;
    parser->write_func = on_write;
    parser->hello_func = on_hello;
    parser->reset_func = on_reset;
    parser->set_configuration_func = on_set_configuration;
    parser->get_configuration_func = on_get_configuration;
    parser->set_alt_setting_func = on_set_alternate;
    parser->get_alt_setting_func = on_get_alternate;
    parser->cancel_data_packet_func = on_cancel;
    parser->control_packet_func = on_control;
    parser->bulk_packet_func = on_bulk;
    parser->filter_reject_func = on_nothing;
    parser->filter_filter_func = on_filter;
    parser->device_disconnect_ack_func = on_nothing;
    for (unsigned i = 0; i < sizeof able / sizeof *able; i++)
        usbredirparser_caps_set_cap(caps, able[i]);
    usbredirparser_init(parser, "tinymux", caps, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
    device->parser = parser;
    return 0;
}

bool redir_ready(const struct device *device) { return usbredirparser_have_peer_caps(device->parser); }
bool redir_unsent(const struct device *device) { return usbredirparser_has_data_to_write(device->parser) > 0; }
int redir_read(struct device *device) { return usbredirparser_do_read(device->parser) < 0 ? -EPIPE : 0; }
int redir_write(struct device *device) { return usbredirparser_do_write(device->parser) < 0 ? -EPIPE : 0; }

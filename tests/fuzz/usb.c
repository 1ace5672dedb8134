/* USB answers: a libusb made up here that completes, cuts, fails and cancels transfers as the input says, with a clock
 * of its own. Each OUT packet has one answer, whatever happens, until the board is said to be gone.
 *
 * Input: 1 byte, the depth; then commands, a byte each with what it takes. */
#include "fuzz.h"
#include "usb_private.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>

enum { FLYING = 4 * SLOTS, COMMANDS = 400 };

static struct {
    struct input input;
    struct transport *transport;
    uint64_t now, submitted, answered, sent; /* packets: taken by the transport, handed over, at the board */
    uint8_t opcodes[256];                    /* of the packets, by number; a ring */
    uint64_t replied;                        /* packets whose answers have left the board */
    struct libusb_transfer *flying[FLYING];  /* in order of submission */
    unsigned count;
    bool honest; /* so far no transfer or request failed */
    bool failing, gone, late; /* requests fail; all fails; what is cancelled comes back late */
    unsigned submits;         /* that the owner makes when it gets an answer */
} u;

/* --- libusb, as far as ext/usb asks for it ------------------------------------------------------------------------ */

int fuzz_clock_gettime(clockid_t clock, struct timespec *time);
int fuzz_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    u.now += 1000;
    *time = (struct timespec){ (time_t)(u.now / 1000000000), (long)(u.now % 1000000000) };
    return 0;
}

static int request(int good)
{
    u.honest &= !u.failing && !u.gone;
    return u.gone ? LIBUSB_ERROR_NO_DEVICE : u.failing ? LIBUSB_ERROR_TIMEOUT : good;
}

int LIBUSB_CALL libusb_control_transfer(libusb_device_handle *handle, uint8_t type, uint8_t what, uint16_t value,
                                        uint16_t index, unsigned char *data, uint16_t length, unsigned timeout)
{
    (void)handle, (void)type, (void)value, (void)index, (void)timeout;
    if (what == REQUEST_VERSION && length == 4)
        memcpy(data, (uint8_t[]){ PROTOCOL_VERSION, 16, 0, 1 }, 4);
    return request(length);
}

int LIBUSB_CALL libusb_clear_halt(libusb_device_handle *handle, unsigned char endpoint)
{
    (void)handle, (void)endpoint;
    return request(0);
}

int LIBUSB_CALL libusb_set_interface_alt_setting(libusb_device_handle *handle, int interface, int setting)
{
    (void)handle, (void)interface, (void)setting;
    u.replied = u.sent; /* the banks are empty, what was owed is lost */
    return request(0);
}

int LIBUSB_CALL libusb_submit_transfer(struct libusb_transfer *transfer)
{
    CHECK(transfer->length > 0 && transfer->length <= BATCH * USB_PACKET && u.count < FLYING);
    for (unsigned i = 0; i < u.count; i++)
        CHECK(u.flying[i] != transfer);
    if (u.gone)
        return LIBUSB_ERROR_NO_DEVICE;
    u.flying[u.count++] = transfer;
    return 0;
}

static void complete(unsigned at, enum libusb_transfer_status status, int length)
{
    struct libusb_transfer *transfer = u.flying[at];
    memmove(&u.flying[at], &u.flying[at + 1], (--u.count - at) * sizeof *u.flying);
    transfer->status = status;
    transfer->actual_length = length;
    u.honest &= status == LIBUSB_TRANSFER_COMPLETED;
    transfer->callback(transfer);
}

int LIBUSB_CALL libusb_cancel_transfer(struct libusb_transfer *transfer)
{
    for (unsigned i = 0; i < u.count; i++)
        if (u.flying[i] == transfer) {
            u.honest = false;
            if (!u.late)
                complete(i, LIBUSB_TRANSFER_CANCELLED, 0);
            return 0;
        }
    return LIBUSB_ERROR_NOT_FOUND;
}

/* The board's answers to what has reached it, as many as the transfer has room for; a short one ends it. */
static int reply(struct libusb_transfer *transfer)
{
    int length = 0;
    while (length + USB_PACKET <= transfer->length && u.replied < u.sent && length % USB_PACKET == 0) {
        uint8_t op = u.opcodes[u.replied++ % sizeof u.opcodes];
        int size = op == OP_BOTH || op == OP_RX ? USB_PACKET : op == OP_IDLE ? 6 : 2;
        memset(transfer->buffer + length, 0, (size_t)size);
        transfer->buffer[length] = op;
        length += size;
    }
    return length;
}

int LIBUSB_CALL libusb_handle_events_timeout_completed(libusb_context *context, struct timeval *wait, int *completed)
{
    (void)context, (void)completed;
    u.now += (uint64_t)wait->tv_usec * 1000;
    for (unsigned i = 0; i < u.count;) {
        struct libusb_transfer *transfer = u.flying[i];
        bool in = transfer->endpoint & LIBUSB_ENDPOINT_IN;
        if (u.gone) {
            complete(i, LIBUSB_TRANSFER_NO_DEVICE, 0);
        } else if (!in) {
            u.sent += (unsigned)(transfer->length + USB_PACKET - 1) / USB_PACKET;
            complete(i, LIBUSB_TRANSFER_COMPLETED, transfer->length);
            i = 0; /* for transfers that wait for the answers */
        } else if (u.replied < u.sent) {
            complete(i, LIBUSB_TRANSFER_COMPLETED, reply(transfer));
        } else {
            i++;
        }
    }
    return 0;
}

static struct libusb_endpoint_descriptor endpoints[] = {
    { .bEndpointAddress = USB_EP_OUT, .bmAttributes = LIBUSB_TRANSFER_TYPE_BULK, .wMaxPacketSize = USB_PACKET },
    { .bEndpointAddress = USB_EP_IN, .bmAttributes = LIBUSB_TRANSFER_TYPE_BULK, .wMaxPacketSize = USB_PACKET },
};
static struct libusb_interface_descriptor setting = { .bNumEndpoints = 2, .endpoint = endpoints };
static struct libusb_interface only = { .altsetting = &setting, .num_altsetting = 1 };
static struct libusb_config_descriptor configuration = { .bNumInterfaces = 1, .interface = &only };

int LIBUSB_CALL libusb_get_active_config_descriptor(libusb_device *device, struct libusb_config_descriptor **to)
{
    (void)device;
    *to = &configuration;
    return 0;
}
void LIBUSB_CALL libusb_free_config_descriptor(struct libusb_config_descriptor *it) { (void)it; }
libusb_device *LIBUSB_CALL libusb_get_device(libusb_device_handle *handle) { return (libusb_device *)handle; }
struct libusb_transfer *LIBUSB_CALL libusb_alloc_transfer(int packets)
{
    (void)packets;
    return calloc(1, sizeof(struct libusb_transfer));
}
void LIBUSB_CALL libusb_free_transfer(struct libusb_transfer *transfer) { free(transfer); }
int LIBUSB_CALL libusb_init(libusb_context **context) { return *context = (libusb_context *)&u, 0; }
void LIBUSB_CALL libusb_exit(libusb_context *context) { (void)context; }
void LIBUSB_CALL libusb_close(libusb_device_handle *handle) { (void)handle; }
int LIBUSB_CALL libusb_claim_interface(libusb_device_handle *handle, int n) { return (void)handle, n; }
int LIBUSB_CALL libusb_release_interface(libusb_device_handle *handle, int n) { return (void)handle, n; }
int LIBUSB_CALL libusb_wrap_sys_device(libusb_context *context, intptr_t fd, libusb_device_handle **handle)
{
    (void)context, (void)fd;
    *handle = (libusb_device_handle *)&u;
    return 0;
}
const struct libusb_pollfd **LIBUSB_CALL libusb_get_pollfds(libusb_context *context)
{
    (void)context;
    return calloc(1, sizeof(struct libusb_pollfd *));
}
void LIBUSB_CALL libusb_free_pollfds(const struct libusb_pollfd **files) { free(files); }
void LIBUSB_CALL libusb_set_pollfd_notifiers(libusb_context *context, libusb_pollfd_added_cb added,
                                             libusb_pollfd_removed_cb removed, void *data)
{
    (void)context, (void)added, (void)removed, (void)data;
}

/* --- the owner ---------------------------------------------------------------------------------------------------- */

static void submit(unsigned how)
{
    uint8_t packet[USB_PACKET] = { (uint8_t)(OP_BOTH + how % 4), PACKET_PLANES };
    bool carries = packet[0] == OP_BOTH || packet[0] == OP_TX;
    if (u.submitted - u.answered >= u.transport->depth)
        return;
    int result = u.transport->ops->submit(u.transport, packet, carries ? USB_PACKET : PACKET_HEADER);
    CHECK(result == 0 || result == -ENODEV || (result == -EAGAIN && !u.honest));
    if (!result)
        u.opcodes[u.submitted++ % sizeof u.opcodes] = packet[0];
}

static void take(void *context, const uint8_t *packet, unsigned length)
{
    CHECK(context == &u && u.answered < u.submitted && length <= USB_PACKET);
    if (u.honest)
        CHECK(length >= 2 && packet[0] == u.opcodes[u.answered % sizeof u.opcodes]);
    u.answered++;
    if (u.submits) {
        u.submits--;
        submit(packet ? u.submits : 0);
    }
}

static void service(void)
{
    int result = u.transport->ops->service(u.transport, take, &u);
    CHECK(result >= 0 || (result == -ENODEV && usb_fault(u.transport)));
    u.transport->ops->deadline(u.transport);
}

static void command(void)
{
    static const enum libusb_transfer_status wrong[] = { LIBUSB_TRANSFER_ERROR, LIBUSB_TRANSFER_STALL,
                                                         LIBUSB_TRANSFER_TIMED_OUT, LIBUSB_TRANSFER_OVERFLOW,
                                                         LIBUSB_TRANSFER_COMPLETED, LIBUSB_TRANSFER_CANCELLED };
    unsigned what = input_byte(&u.input), n = what >> 3;
    switch (what & 7) {
    case 0: case 1:
        for (unsigned i = 0; i <= n; i++)
            submit(input_byte(&u.input));
        break;
    case 2: service(); break;
    case 3:
        u.submits = n;
        service();
        break;
    case 4: /* a transfer ends as no transfer should */
        if (u.count) {
            unsigned at = n % u.count, length = input_word(&u.input) % (unsigned)(u.flying[at]->length + 1);
            u.honest = false;
            complete(at, wrong[input_byte(&u.input) % (sizeof wrong / sizeof *wrong)], (int)length);
        }
        break;
    case 5: /* the engine comes at once where deadline says so */
        if (u.transport->ops->deadline(u.transport) == 0)
            service();
        u.now += n * UINT64_C(100000000);
        break;
    case 6:
        u.late = n & 1;
        u.failing = n & 2;
        u.gone |= n == 31;
        u.honest &= !u.gone;
        break;
    case 7: /* the board forgets what it owes */
        u.honest &= u.replied == u.sent;
        u.replied = u.sent;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned version;
    memset(&u, 0, sizeof u);
    u.input = (struct input){ data, data + size };
    u.honest = true;
    CHECK(usb_open(eventfd(0, 0), 1 + input_byte(&u.input) % USB_DEPTH, &u.transport, &version) == 0);
    for (unsigned i = 0; i < COMMANDS && input_left(&u.input); i++)
        command();
    u.late = u.failing = false;
    for (unsigned i = 0; i < 100 && u.answered < u.submitted && !usb_fault(u.transport); i++) {
        service();
        u.now += 100000000;
    }
    CHECK(u.answered == u.submitted || usb_fault(u.transport));
    if (u.honest)
        CHECK(!usb_fault(u.transport));
    usb_free(u.transport);
    CHECK(!u.count);
    return 0;
}

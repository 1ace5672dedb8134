/* Taking a board over and giving it back: checks, files to watch, buffers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "usb_private.h"

int usb_errno(int error)
{
    switch (error) {
    case LIBUSB_ERROR_NO_DEVICE: return -ENODEV;
    case LIBUSB_ERROR_NOT_FOUND: return -ENODEV;
    case LIBUSB_ERROR_ACCESS: return -EACCES;
    case LIBUSB_ERROR_BUSY: return -EBUSY;
    case LIBUSB_ERROR_TIMEOUT: return -ETIMEDOUT;
    case LIBUSB_ERROR_PIPE: return -EPIPE;
    case LIBUSB_ERROR_OVERFLOW: return -EOVERFLOW;
    case LIBUSB_ERROR_NO_MEM: return -ENOMEM;
    default: return error < 0 ? -EIO : error;
    }
}

static void LIBUSB_CALL watch(int fd, short events, void *context)
{
    struct usb *usb = context;
    struct epoll_event event = { .events = (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0) };
    epoll_ctl(usb->transport.fd, EPOLL_CTL_ADD, fd, &event);
}

static void LIBUSB_CALL unwatch(int fd, void *context)
{
    struct usb *usb = context;
    epoll_ctl(usb->transport.fd, EPOLL_CTL_DEL, fd, NULL);
    if (fd == usb->fd && !usb->fault) /* libusb drops the node of a board that is unplugged; no transfer needs to fly */
        usb->fault = -ENODEV;
}

/* libusb's files in one epoll file, which is readable when service has work. */
static int watch_all(struct usb *usb)
{
    usb->transport.fd = epoll_create1(EPOLL_CLOEXEC);
    if (usb->transport.fd < 0)
        return -errno;
    const struct libusb_pollfd **files = libusb_get_pollfds(usb->context);
    if (!files)
        return -ENOMEM;
    for (const struct libusb_pollfd **file = files; *file; file++)
        watch((*file)->fd, (*file)->events, usb);
    libusb_free_pollfds(files);
    libusb_set_pollfd_notifiers(usb->context, watch, unwatch, usb);
    return 0;
}

/* The active configuration has our two bulk endpoints, of our packet size. */
static int check_endpoints(struct usb *usb)
{
    struct libusb_config_descriptor *configuration;
    int error = libusb_get_active_config_descriptor(libusb_get_device(usb->handle), &configuration);
    if (error)
        return usb_errno(error);
    unsigned found = 0;
    if (configuration->bNumInterfaces == 1 && configuration->interface[INTERFACE].num_altsetting >= 1) {
        const struct libusb_interface_descriptor *interface = configuration->interface[INTERFACE].altsetting;
        for (unsigned i = 0; i < interface->bNumEndpoints; i++) {
            const struct libusb_endpoint_descriptor *endpoint = &interface->endpoint[i];
            bool bulk = (endpoint->bmAttributes & 3) == LIBUSB_TRANSFER_TYPE_BULK;
            bool ours = endpoint->bEndpointAddress == USB_EP_OUT || endpoint->bEndpointAddress == USB_EP_IN;
            found += bulk && ours && endpoint->wMaxPacketSize == USB_PACKET;
        }
    }
    libusb_free_config_descriptor(configuration);
    return found == 2 ? 0 : -ENOTSUP;
}

/* Asks EP0 first: for a board that is silent there too, the kernel would wait 5 s to set the interface. */
int usb_start_anew(struct usb *usb, unsigned *version)
{
    uint8_t answer[4];
    int result = libusb_control_transfer(usb->handle, LIBUSB_ENDPOINT_IN | LIBUSB_REQUEST_TYPE_VENDOR, REQUEST_VERSION,
                                         0, 0, answer, sizeof answer, PROBE_MS);
    *version = result == sizeof answer ? answer[0] : 0;
    if (result < 0 && result != LIBUSB_ERROR_PIPE)
        return usb_errno(result);
    if (*version != PROTOCOL_VERSION)
        return -EPROTO;
    const uint8_t endpoints[] = { USB_EP_OUT, USB_EP_IN };
    for (unsigned i = 0; i < 2; i++)
        if ((result = libusb_clear_halt(usb->handle, endpoints[i])))
            return usb_errno(result);
    return usb_errno(libusb_set_interface_alt_setting(usb->handle, INTERFACE, 0)); /* which empties the banks */
}

static int fill_pool(struct usb *usb, struct pool *pool, uint8_t endpoint, libusb_transfer_cb_fn done)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &pool->slots[i];
        slot->usb = usb;
        slot->transfer = libusb_alloc_transfer(0);
        if (!slot->transfer)
            return -ENOMEM;
        libusb_fill_bulk_transfer(slot->transfer, usb->handle, endpoint, slot->bytes, 0, done, slot, 0);
        pool->free[pool->count++] = slot;
    }
    return 0;
}

int usb_open(int fd, unsigned depth, struct transport **transport, unsigned *version)
{
    *version = 0;
    struct usb *usb = calloc(1, sizeof *usb);
    if (!usb) {
        close(fd);
        return -ENOMEM;
    }
    usb->fd = fd;
    usb->transport = (struct transport){ .ops = &usb_ops, .fd = -1, .depth = depth };
    int error = usb_errno(libusb_init(&usb->context));
    if (!error)
        error = usb_errno(libusb_wrap_sys_device(usb->context, fd, &usb->handle));
    if (!error)
        error = check_endpoints(usb);
    if (!error)
        error = usb_errno(libusb_claim_interface(usb->handle, INTERFACE));
    if (!error)
        error = usb_start_anew(usb, version);
    if (!error)
        error = watch_all(usb);
    if (!error)
        error = fill_pool(usb, &usb->out, USB_EP_OUT, usb_out_done);
    if (!error)
        error = fill_pool(usb, &usb->in, USB_EP_IN, usb_in_done);
    if (error) {
        usb_free(&usb->transport);
        return error;
    }
    *transport = &usb->transport;
    return 0;
}

void usb_close(struct transport *transport)
{
    struct usb *usb = (struct usb *)transport;
    if (usb->fd < 0)
        return;
    usb->drained = !usb->handle || !usb_drain(usb);
    if (usb->drained) {
        struct pool *pools[] = { &usb->out, &usb->in };
        for (unsigned i = 0; i < 2; i++)
            for (unsigned j = 0; j < SLOTS; j++)
                libusb_free_transfer(pools[i]->slots[j].transfer);
        if (usb->handle) {
            libusb_release_interface(usb->handle, INTERFACE);
            libusb_close(usb->handle);
        }
        if (usb->context)
            libusb_exit(usb->context);
    }
    close(usb->fd);
    usb->fd = -1;
    usb->fault = usb->fault ? usb->fault : -ENODEV;
}

void usb_free(struct transport *transport)
{
    struct usb *usb = (struct usb *)transport;
    usb_close(transport);
    if (usb->transport.fd >= 0)
        close(usb->transport.fd);
    if (usb->drained) /* else the kernel still owns buffers: better to lose the memory than to have it written to */
        free(usb);
}

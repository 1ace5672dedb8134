/* The simulated board, plugged into QEMU.
 *
 *   device USB_SOCKET CONTROL_SOCKET SERIAL PUMP_IMAGE TINY_IMAGE ...
 *
 * Connects to QEMU's two sockets (guest.py) and ends when QEMU does. usbredir has no pace of its own: here board time
 * follows the wall clock, so that the full-speed budget which the simulator keeps holds in real time as well. A board
 * that cannot keep up loses the time, which is counted; it makes up for 50 ms at most.
 * Orders come as lines and are answered by a line: plug, bootloader (the same, as the chip's bootloader), unplug,
 * fault NAME [N], pace PERCENT, count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "device.h"
#include "protocol.h"

#define SLICE_NS 100000   /* board time run between two looks at the sockets */
#define BEHIND_NS 50000000 /* a board that is later than this has lost the time */
#define REST_NS 500000000  /* a board that is asked for nothing for so long stands still, and costs nothing */
#define LEAVING_NS 200000000
#define PS_PER_NS 1000

enum { LANES = 16, WORDS = 5 + LANES };

static struct { uint8_t *bytes; size_t length; } images[1 + LANES]; /* the pump chip's, the tinies' */
static uint8_t serial[10];
static unsigned pace = 100; /* board time in percent of wall time */

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "device: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void load(int which, const char *path)
{
    FILE *file = fopen(path, "rb");
    images[which].bytes = malloc(65536);
    if (!file || !images[which].bytes)
        die(path);
    images[which].length = fread(images[which].bytes, 1, 65536, file);
    fclose(file);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    for (int tries = 0; connect(fd, (struct sockaddr *)&address, sizeof address); tries++) {
        if (tries == 1000)
            die(path);
        usleep(10000);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A board on the bus's power: plugging it in is its power-on. */
static void plug(struct device *device)
{
    struct board_config config = BOARD_DEFAULTS;
    config.seed = wall_ns();
    config.host_latency_us = 0; /* the guest has its own */
    memcpy(config.serial, serial, sizeof serial);
    device->board = board_new(&config);
    if (!device->board || board_load_pump(device->board, images[0].bytes, images[0].length))
        die("pump image");
    for (unsigned lane = 0; lane < LANES; lane++)
        if (board_load_tiny(device->board, lane, images[1 + lane].bytes, images[1 + lane].length))
            die("tiny image");
    board_usb_attach(device->board);
    for (int ms = 0; ms < 500 && !board_usb_attached(device->board); ms++)
        board_run(device->board, board_time(device->board) + BOARD_PS_PER_MS);
    redir_plug(device);
}

static void unplug(struct device *device)
{
    if (!device->leaves)
        device->bootloader = false;
    redir_unplug(device);
    board_free(device->board);
    device->board = NULL;
}

/* The bootloader has started what it wrote: off the bus, and on again as that. Called until it is done. */
static void leave(struct device *device)
{
    static uint64_t since;
    if (device->board) {
        since = wall_ns();
        unplug(device);
    } else if (wall_ns() > since + LEAVING_NS) {
        memcpy(images[0].bytes, dfu_flash(), DFU_FLASH);
        images[0].length = DFU_FLASH;
        device->leaves = device->bootloader = false;
        plug(device);
    }
}

static int order(struct device *device, const char *line, char *answer, size_t size)
{
    char name[32];
    unsigned value = 0;
    snprintf(answer, size, "ok");
    if (!strcmp(line, "plug") && !device->board) {
        plug(device);
    } else if (!strcmp(line, "bootloader") && !device->board) {
        dfu_begin();
        device->bootloader = true;
        plug(device);
    } else if (!strcmp(line, "unplug") && device->board) {
        unplug(device);
    } else if (!strcmp(line, "count")) {
        snprintf(answer, size,
                 "{\"out\": %lu, \"in\": %lu, \"transfers\": %lu, \"resets\": %lu, \"lost_ns\": %lu, \"board_ns\": %lu,"
                 " \"waiting\": %d}", device->count.out, device->count.in, device->count.transfers,
                 device->count.resets, device->count.lost_ns,
                 device->board ? board_time(device->board) / PS_PER_NS : 0, port_waiting(device));
    } else if (sscanf(line, "pace %u", &value) == 1 && value) {
        pace = value;
    } else if (sscanf(line, "fault %31s %u", name, &value) >= 1) {
        for (int i = 0; i < FAULTS; i++) {
            if (strcmp(name, fault_names[i]))
                continue;
            device->fault = i;
            device->fault_value = value;
            return 0;
        }
        return -EINVAL;
    } else {
        return -EINVAL;
    }
    return 0;
}

/* Whole lines from the control socket. The guest's end comes and goes; QEMU's ends with QEMU. */
static int read_orders(struct device *device)
{
    static char line[256];
    static unsigned length;
    char answer[256];
    for (;;) {
        ssize_t got = read(device->control, line + length, 1);
        if (got < 0 && errno == EAGAIN)
            return 0;
        if (got <= 0)
            return -EPIPE;
        if (line[length] != '\n') {
            length = length + 1 < sizeof line ? length + 1 : 0;
            continue;
        }
        line[length] = 0;
        length = 0;
        if (order(device, line, answer, sizeof answer - 1))
            snprintf(answer, sizeof answer - 1, "error %.200s", line);
        strcat(answer, "\n");
        if (write(device->control, answer, strlen(answer)) < 0)
            return -EPIPE;
    }
}

/* Runs the board up to the wall clock, a slice at most. ns until there is more to run; UINT64_MAX: nothing waits. */
static uint64_t advance(struct device *device)
{
    static uint64_t origin_wall, origin_board; /* ns; board time is due at the same distance from both */
    static uint64_t asked; /* ns; when something waited last */
    uint64_t wall = wall_ns();
    if (port_waiting(device))
        asked = wall;
    if (!device->board || wall > asked + REST_NS) {
        origin_wall = 0;
        return UINT64_MAX;
    }
    uint64_t board = board_time(device->board) / PS_PER_NS;
    uint64_t due = origin_board + (wall - origin_wall) * pace / 100;
    if (!origin_wall || board > due + BEHIND_NS || due > board + BEHIND_NS) {
        if (origin_wall && due > board)
            device->count.lost_ns += due - board;
        origin_wall = wall;
        origin_board = due = board;
    }
    if (due > board) {
        uint64_t until = due < board + SLICE_NS ? due : board + SLICE_NS;
        do {
            port_feed(device);
            board_run(device->board, until * PS_PER_NS);
            port_collect(device);
        } while (board_time(device->board) < until * PS_PER_NS);
    }
    return due > board + SLICE_NS ? 0 : port_waiting(device) ? SLICE_NS / 2 : 10 * SLICE_NS;
}

int main(int count, char **words)
{
    struct device device = {0};
    if (count != WORDS) {
        fprintf(stderr, "usage: device USB_SOCKET CONTROL_SOCKET SERIAL PUMP_IMAGE TINY_IMAGE ...(16)\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlives the test that started it */
    memcpy(serial, words[3], strnlen(words[3], sizeof serial));
    for (int i = 0; i < 1 + LANES; i++)
        load(i, words[4 + i]);
    device.usb = connect_to(words[1]);
    device.control = connect_to(words[2]);
    if (redir_start(&device))
        die("usbredir");
    uint64_t wait = UINT64_MAX;
    for (bool greeted = false;;) {
        struct pollfd fds[] = {{device.usb, POLLIN | (redir_unsent(&device) ? POLLOUT : 0), 0},
                               {device.control, POLLIN, 0}};
        struct timespec pause = {0, wait == UINT64_MAX ? 0 : wait};
        ppoll(fds, 2, wait == UINT64_MAX ? NULL : &pause, NULL);
        if ((fds[0].revents & (POLLIN | POLLHUP)) && redir_read(&device))
            break;
        if ((fds[1].revents & (POLLIN | POLLHUP)) && read_orders(&device))
            break;
        if (!greeted && redir_ready(&device)) {
            greeted = true;
            plug(&device);
        }
        wait = advance(&device);
        if (device.leaves) {
            leave(&device);
            wait = SLICE_NS;
        }
        if (redir_unsent(&device) && redir_write(&device))
            break;
    }
    return 0;
}

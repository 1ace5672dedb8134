/* The simulated board's transport as the engine would use it, for test_board_transport.py: one behaviour per argument.
 *
 *     transport_driver PUMP BEHAVIOUR      prints "name value" lines
 */
#include "board_transport.h"
#include "protocol.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BURST = 31 };

static struct board *board;
static struct board_transport link;
static struct transport *t = &link.transport;
static unsigned arrived, refill, wrong;
static uint64_t last_arrival;

static uint64_t wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void rest(unsigned ms) { nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL); }

static void show(const char *name, int64_t value) { printf("%s %" PRId64 "\n", name, value); }

static int send(void)
{
    uint8_t packet[64] = { OP_BOTH, BURST };
    memset(packet + 2, 0xFF, 62);
    return t->ops->submit(t, packet, sizeof packet);
}

/* Submits from within, as the engine does. */
static void take(void *context, const uint8_t *packet, unsigned length)
{
    arrived++;
    wrong += length != 64 || packet[0] != OP_BOTH || packet[1] != BURST;
    last_arrival = board_time(board) / 1000;
    while (refill && send() == 0)
        refill--;
}

static int service(void) { return t->ops->service(t, take, NULL); }

static void open_board(const char *path, bool paced, unsigned depth, unsigned latency_us)
{
    struct board_config config = BOARD_DEFAULTS;
    static uint8_t image[32768];
    config.host_latency_us = latency_us;
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(image, 1, sizeof image, file) : 0;
    board = board_new(&config);
    if (!length || !board || board_load_pump(board, image, length) || board_transport_init(&link, board, paced, depth) ||
        board_transport_connect(&link, false)) {
        fprintf(stderr, "no board\n");
        exit(1);
    }
    fclose(file);
}

static void free_running(const char *path)
{
    open_board(path, false, 8, 125);
    show("idle deadline", t->ops->deadline(t) == UINT64_MAX);
    uint64_t before = t->board_ns;
    show("idle service", service());
    show("idle time", t->board_ns - before);
    int queued = 0;
    while (send() == 0)
        queued++;
    show("queued", queued);
    show("busy deadline", t->ops->deadline(t));
    refill = 1000 - queued;
    unsigned calls = 0;
    for (; arrived < 1000 && calls < 100000; calls++)
        service();
    show("arrived", arrived);
    show("wrong", wrong);
    show("planes per ms", arrived * BURST * 1000000ULL / (last_arrival - before));
    show("idle again", t->ops->deadline(t) == UINT64_MAX);
}

static void latency(const char *path)
{
    uint64_t took[2];
    for (unsigned i = 0; i < 2; i++) {
        open_board(path, false, 1, i * 1000);
        uint64_t before = t->board_ns;
        arrived = 0;
        send();
        show("second is refused", send() == -EAGAIN);
        while (!arrived)
            service();
        took[i] = last_arrival - before;
        board_transport_free(&link);
        board_free(board);
        board = NULL;
    }
    show("added us", (took[1] - took[0]) / 1000);
}

static void paced(const char *path)
{
    open_board(path, true, 8, 125);
    uint64_t wall_start = wall(), board_start = t->board_ns;
    refill = 1 << 30;
    while (send() == 0)
        ;
    while (wall() < wall_start + 150000000) {
        uint64_t until = t->ops->deadline(t);
        if (until > wall())
            rest(1);
        service();
    }
    int64_t gone = wall() - wall_start, ran = t->board_ns - board_start;
    show("ahead us", (ran - gone) / 1000);
    show("behind us", (gone - ran - (int64_t)link.arrears_ns) / 1000);
    refill = 0;
    for (unsigned i = 0; i < 200000 && link.expected; i++)
        service();
    show("expected", link.expected);
}

static void arrears(const char *path)
{
    open_board(path, true, 8, 125);
    service();
    refill = 1 << 30;
    while (send() == 0)
        ;
    service();
    rest(300);
    service();
    show("arrears ms", link.arrears_ns / 1000000);
}

static void idle(const char *path)
{
    open_board(path, true, 8, 125);
    uint64_t wall_start = wall(), board_start = t->board_ns;
    show("wakes within ms", (t->ops->deadline(t) - wall()) / 1000000);
    rest(30);
    service();
    show("caught up", llabs((int64_t)(t->board_ns - board_start) - (int64_t)(wall() - wall_start)) < 5000000);
    rest(30);
    uint64_t before = board_time(board);
    send(); /* enters the bus now, not where the board was left */
    show("run to now", board_time(board) - before > 25 * BOARD_PS_PER_MS);
}

static void control(const char *path)
{
    open_board(path, false, 8, 125);
    uint8_t data[8];
    const uint8_t version[8] = { 0xC0, REQUEST_VERSION, 0, 0, 0, 0, 4, 0 }, wrong[8] = { 0xC0, 99, 0, 0, 0, 0, 4, 0 };
    show("version", t->ops->control(t, version, data, 4) == 4 && data[0] == PROTOCOL_VERSION);
    show("stall", t->ops->control(t, wrong, data, 4) == -EPIPE);
    board_usb_detach(board);
    show("gone", t->ops->control(t, version, data, 4) == -ENODEV && send() == -ENODEV && service() == -ENODEV);
    show("back", board_transport_connect(&link, true) == 0 && send() == 0);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*run)(const char *); } behaviours[] = {
        { "free", free_running }, { "latency", latency }, { "paced", paced },
        { "arrears", arrears }, { "idle", idle }, { "control", control },
    };
    for (unsigned i = 0; argc == 3 && i < sizeof behaviours / sizeof *behaviours; i++)
        if (!strcmp(argv[2], behaviours[i].name)) {
            behaviours[i].run(argv[1]);
            if (board) {
                board_transport_free(&link);
                board_free(board);
            }
            return 0;
        }
    return 1;
}

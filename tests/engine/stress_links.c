/* Serial ports, faults, captures and programming, all at the same time, on and off, while packets flow and the engine stops
 * and starts: for the sanitizers. stress_links [ROUNDS] */
#define _GNU_SOURCE
#include "engine.h"
#include "faults.h"
#include "model_board.h"
#include "programming.h"
#include "tty.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 3, BOARD = 0, TTYS = 1, PACKETS = 150, COMMANDS = 25, INTERFACES = 3000 };

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

static const uint8_t packet[20] = { 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0x66, 0xe7, 10, 0, 0, 1, 10, 0, 0, 2 };
static struct engine *engine;
static struct link *faulty;
static int devices[PORTS]; /* where the ports lead; PORTS - 1 is replaced again and again */
static bool over;

static void pair(int type, int ends[2])
{
    CHECK(socketpair(AF_UNIX, type, 0, ends) == 0);
}

static int attach(int board, int lane)
{
    int ends[2];
    pair(SOCK_SEQPACKET, ends);
    CHECK(engine_attach(engine, board, lane, ends[1]) == 0);
    close(ends[1]);
    return ends[0];
}

static void a_moment(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

/* Both ways on a port and its tun; what the faults and the stops take is lost. */
static void *port_traffic(void *context)
{
    int *ends = context; /* the device, the tun */
    uint8_t frame[SLIP_BOUND(sizeof packet)], rest[4096];
    size_t length = slip_encode(frame, packet, sizeof packet);
    for (unsigned i = 0; i < PACKETS; i++) {
        if (send(ends[0], frame, length, MSG_DONTWAIT) < 0 && errno != EAGAIN)
            break; /* the link is closed */
        CHECK(send(ends[1], packet, sizeof packet, MSG_DONTWAIT) > 0 || errno == EAGAIN || errno == EPIPE);
        while (recv(ends[0], rest, sizeof rest, MSG_DONTWAIT) > 0 || recv(ends[1], rest, sizeof rest, MSG_DONTWAIT) > 0)
            ;
        a_moment();
    }
    return NULL;
}

static void *lane_traffic(void *context)
{
    int fd = *(int *)context;
    uint8_t answer[100];
    for (unsigned i = 0; i < PACKETS; i++) {
        CHECK(send(fd, packet, sizeof packet, 0) == sizeof packet);
        CHECK(recv(fd, answer, sizeof answer, 0) == sizeof packet);
    }
    return NULL;
}

/* Captures into a pipe that is read, one that is not, and /dev/full. */
static void *captures(void *context)
{
    static const char *const names[] = { "first", "second" };
    (void)context;
    for (unsigned i = 0; i < COMMANDS; i++) {
        int ends[2], error, full = open("/dev/full", O_WRONLY);
        uint8_t bytes[4096];
        CHECK(pipe2(ends, O_NONBLOCK) == 0);
        struct capture *capture = capture_new(i % 5 == 4 ? full : ends[1], names, 2, &error);
        CHECK(capture);
        close(ends[1]);
        close(full);
        CHECK(engine_capture(engine, capture) == 0);
        CHECK(engine_capture_lane(engine, BOARD, 0, 0) == 0 && engine_capture_lane(engine, TTYS, 0, 1) == 0);
        for (unsigned j = 0; j < 5; j++) {
            a_moment();
            CHECK(capture_written(capture) + capture_dropped(capture) < 1000000);
            while (i % 3 && read(ends[0], bytes, sizeof bytes) > 0)
                ;
        }
        CHECK(engine_capture(engine, NULL) == 0);
        int result = capture_stop(capture);
        CHECK(result == 0 || result == -ENOSPC);
        CHECK(result == capture_error(capture));
        capture_free(capture);
        close(ends[0]);
    }
    return NULL;
}

/* The model's tinies do not speak TPI: the jobs run and fail. */
static void *programs(void *context)
{
    struct tpi_job job = { .steps = { { TPI_READ, 0, 0x4000, 64, 0 } }, .count = 1 };
    struct tpi_report reports[LANES];
    uint8_t data[TPI_DATA];
    uint16_t lanes = 0x3000;
    (void)context;
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct programming_call call = { .what = PROGRAMMING_BEGIN, .lanes = lanes };
        CHECK(engine_on_link(engine, BOARD, programming_do, &call) == 0);
        for (call.lane = 12; call.lane < 14; call.lane++) {
            call.what = PROGRAMMING_RUN;
            call.job = &job;
            CHECK(engine_on_link(engine, BOARD, programming_do, &call) == 0);
        }
        call.what = PROGRAMMING_REPORTS;
        call.reports = reports;
        for (unsigned j = 0; j < 1 + i % 20; j++) {
            CHECK(engine_on_link(engine, BOARD, programming_do, &call) == 0);
            CHECK(reports[12].outcome != TPI_none && reports[12].outcome != TPI_done);
            a_moment();
        }
        call = (struct programming_call){ .what = PROGRAMMING_DATA, .lane = 12, .data = data };
        CHECK(engine_on_link(engine, BOARD, programming_do, &call) == 0);
        call = (struct programming_call){ .what = PROGRAMMING_END, .lanes = lanes };
        CHECK(engine_on_link(engine, BOARD, programming_do, &call) == 0);
        CHECK(engine_on_link(engine, TTYS, programming_do, &call) == -ENOTSUP);
    }
    return NULL;
}

/* A port that hangs up and comes back. */
static void *replugs(void *context)
{
    struct engine_event event;
    (void)context;
    for (unsigned i = 0; i < COMMANDS; i++) {
        int ends[2];
        pair(SOCK_STREAM, ends);
        close(devices[PORTS - 1]);
        a_moment();
        CHECK(engine_replace_lane(engine, TTYS, PORTS - 1, ends[1]) == 0);
        CHECK(engine_replace_lane(engine, TTYS, PORTS, ends[1]) == -ENXIO);
        CHECK(engine_replace_lane(engine, BOARD, 0, ends[1]) == -ENOTSUP);
        close(ends[1]);
        devices[PORTS - 1] = ends[0];
        CHECK(engine_reset(engine, TTYS, (int)(i % PORTS)) == 0);
        while (engine_next_event(engine, &event))
            CHECK(event.kind == EVENT_lane_gone && event.lane == PORTS - 1);
    }
    return NULL;
}

static void *looks(void *context)
{
    (void)context;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        const struct fault_counters *counters = faults_counters(faulty);
        CHECK(COUNTED(counters->drop) + COUNTED(counters->duplicate) + COUNTED(counters->overrun) < 1000000);
        CHECK(COUNTED(engine_lane_counters(engine, TTYS, 0)->packets_in) < 1000000);
        a_moment();
    }
    return NULL;
}

static void stress(unsigned seed)
{
    static void *(*const others[])(void *) = { captures, programs, replugs, looks };
    enum { OTHERS = sizeof others / sizeof *others };
    const struct fault_rates rates = { .drop = 0.1, .corrupt = 0.1, .byte_loss = 0.1, .duplicate = 0.2, .reorder = 0.1,
                                       .delay = 0.2, .delay_ns = 500000, .seed = seed };
    struct options options = OPTIONS_DEFAULT;
    struct model_board *model = model_new(64);
    int ports[PORTS], ends[PORTS][2], lane, error;
    pthread_t threads[OTHERS + PORTS];
    CHECK((engine = engine_new(&error)));
    CHECK(options_set(&options, "startup_ms", 1) == 0);
    CHECK(engine_add_board(engine, &model->transport, &options) == BOARD);
    for (unsigned i = 0; i < PORTS; i++) {
        int both[2];
        pair(SOCK_STREAM, both);
        devices[i] = ends[i][0] = both[0];
        ports[i] = both[1];
    }
    struct link *ttys = ttys_new(ports, PORTS, &error);
    CHECK(ttys && (faulty = faults_around(ttys, &rates)));
    CHECK(engine_add_link(engine, faulty) == TTYS);
    lane = attach(BOARD, 0);
    for (unsigned i = 0; i < PORTS; i++) {
        close(ports[i]);
        ends[i][1] = attach(TTYS, (int)i);
    }
    int programmed = attach(BOARD, 12);
    CHECK(engine_start(engine) == 0);
    __atomic_store_n(&over, false, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < OTHERS; i++)
        CHECK(pthread_create(&threads[i], NULL, others[i], NULL) == 0);
    for (unsigned i = 0; i < PORTS - 1; i++)
        CHECK(pthread_create(&threads[OTHERS + i], NULL, port_traffic, ends[i]) == 0);
    CHECK(pthread_create(&threads[OTHERS + PORTS - 1], NULL, lane_traffic, &lane) == 0);
    for (unsigned i = 0; i < OTHERS + PORTS; i++)
        if (others[i % OTHERS] != looks || i >= OTHERS)
            pthread_join(threads[i], NULL);
    CHECK(COUNTED(engine_lane_counters(engine, TTYS, 0)->packets_in) > 0);
    CHECK(COUNTED(faults_counters(faulty)->duplicate) > 0);
    CHECK(pthread_create(&threads[0], NULL, captures, NULL) == 0); /* some of it while it ends, and after it */
    CHECK(pthread_create(&threads[1], NULL, port_traffic, ends[0]) == 0);
    a_moment();
    engine_stop(engine);
    CHECK(engine_start(engine) == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    pthread_join(threads[OTHERS - 1], NULL);
    engine_free(engine);
    for (unsigned i = 0; i < PORTS; i++) {
        close(devices[i]);
        close(ends[i][1]);
    }
    close(lane);
    close(programmed);
    free(model);
}

/* Who hands over packets never waits, whatever becomes of them: no voluntary switch away from the thread. And any
 * number of interfaces fits, told in the file's own time. */
static void never_waits(void)
{
    static const char *names[INTERFACES];
    struct rusage before, after;
    int ends[2], error;
    for (unsigned i = 0; i < INTERFACES; i++)
        names[i] = "a name of some length, as nobody would choose it";
    CHECK(pipe(ends) == 0);
    struct capture *capture = capture_new(ends[1], names, INTERFACES, &error);
    CHECK(capture);
    close(ends[1]);
    CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
    for (unsigned i = 0; i < 200000; i++)
        capture_packet(capture, i % INTERFACES, true, packet, sizeof packet);
    CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
    CHECK(after.ru_nvcsw == before.ru_nvcsw);
    CHECK(capture_dropped(capture) > 0);
    CHECK(capture_stop(capture) == -ETIMEDOUT);
    CHECK(capture_written(capture) + capture_dropped(capture) == 200000);
    capture_free(capture);
    close(ends[0]);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
    signal(SIGPIPE, SIG_IGN); /* ttys make none; sockets in their place do */
    for (unsigned round = 0; round < rounds; round++)
        stress(round);
    never_waits();
    puts("ok");
}

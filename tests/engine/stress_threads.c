/* Commands from many threads while packets flow: for the thread sanitizer, which ends the program where it finds a
 * race. stress_threads [ROUNDS [THREADS]]: so many of the engine's, pinned. */
#include "engine.h"
#include "model_board.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BOARDS = 2, THREADS = 4, COMMANDS = 60 };

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

static struct engine *engine;

static int attach(int board, int lane)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(engine_attach(engine, board, lane, ends[1]) == 0);
    close(ends[1]);
    return ends[0];
}

static void *command(void *context)
{
    unsigned seed = (unsigned)(uintptr_t)context;
    uint8_t version[4];
    const uint8_t setup[8] = { 0xC0, REQUEST_VERSION, 0, 0, 0, 0, 4, 0 };
    for (unsigned i = 0; i < COMMANDS; i++) {
        int board = (int)(rand_r(&seed) % BOARDS), lane = 8 + (int)(rand_r(&seed) % 8);
        struct engine_event event;
        switch (rand_r(&seed) % 6) {
        case 0:
            close(attach(board, lane));
            break;
        case 1:
            CHECK(engine_detach(engine, board, lane) == 0);
            break;
        case 2:
            CHECK(engine_reset(engine, board, lane) == 0);
            break;
        case 3:
            CHECK(engine_control(engine, board, setup, version, 4) == 4);
            break;
        case 4:
            CHECK(COUNTED(engine_lane_counters(engine, board, lane)->resets) < 1000000);
            CHECK(COUNTED(engine_board_counters(engine, board)->bad_packets) == 0);
            break;
        case 5:
            while (engine_next_event(engine, &event))
                CHECK(event.kind != EVENT_board_gone);
            break;
        }
    }
    return NULL;
}

static void *traffic(void *context)
{
    static const uint8_t packet[20] = { 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0x66, 0xe7, 10, 0, 0, 1, 10, 0, 0, 2 };
    int fd = *(int *)context;
    uint8_t answer[100];
    for (unsigned i = 0; i < COMMANDS; i++) {
        CHECK(send(fd, packet, sizeof packet, 0) == sizeof packet);
        CHECK(recv(fd, answer, sizeof answer, 0) == sizeof packet);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 3, threads_of_engine = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    for (unsigned round = 0; round < rounds; round++) {
        struct model_board *models[BOARDS];
        struct options options = OPTIONS_DEFAULT;
        pthread_t threads[THREADS + BOARDS];
        int fds[BOARDS], error;
        CHECK((engine = engine_new(&error)));
        CHECK(engine_use_threads(engine, threads_of_engine, threads_of_engine > 1) == 0);
        engine_spin(engine, 50 * (round & 1));
        CHECK(options_set(&options, "startup_ms", 1) == 0);
        for (int i = 0; i < BOARDS; i++) {
            models[i] = model_new(64);
            CHECK(engine_add_board(engine, &models[i]->transport, &options) == i);
            fds[i] = attach(i, 0);
        }
        CHECK(engine_start(engine) == 0);
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, command, (void *)(round * 100 + i)) == 0);
        for (int i = 0; i < BOARDS; i++)
            CHECK(pthread_create(&threads[THREADS + i], NULL, traffic, &fds[i]) == 0);
        for (unsigned i = 0; i < THREADS + BOARDS; i++)
            pthread_join(threads[i], NULL);
        for (uintptr_t i = 0; i < THREADS; i++) /* some come while it ends, and after it */
            CHECK(pthread_create(&threads[i], NULL, command, (void *)(round * 100 + i)) == 0);
        engine_stop(engine);
        CHECK(engine_start(engine) == 0);
        CHECK(engine_start(engine) == -EALREADY);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        engine_free(engine);
        for (int i = 0; i < BOARDS; i++) {
            close(fds[i]);
            free(models[i]);
        }
    }
    puts("ok");
}

/* Boards and tuns on their loops: see engine.h. */
#define _GNU_SOURCE
#include "ports.h"
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* --- boards on the loop ------------------------------------------------------------------------------------------- */

static void wire_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    CONTAINER(source, struct engine_board, wire)->task.due = true;
}

static void run_board(struct loop_task *task, uint64_t now_ns)
{
    struct engine_board *board = CONTAINER(task, struct engine_board, task);
    int result = board->link->ops->run(board->link, now_ns);
    ports_rest(board);
    if (result < 0 && !board->gone) {
        board->gone = true;
        if (board->wire.fd >= 0)
            loop_remove(board->loop, &board->wire);
        board_tell(board, EVENT_board_gone, -1, -result);
    }
}

static uint64_t board_deadline(struct loop_task *task)
{
    struct engine_board *board = CONTAINER(task, struct engine_board, task);
    return board->gone ? UINT64_MAX : board->link->ops->deadline(board->link);
}

/* --- calls, on the loop's thread ---------------------------------------------------------------------------------- */

struct call {
    struct engine *engine;
    int board, lane, fd;
    struct transport *transport;
    struct link *link;
    const uint8_t *setup;
    uint8_t *data;
    unsigned length;
    engine_link_fn *fn;
    void *context;
};

static struct engine_board *board_of(struct engine *engine, int board)
{
    const int count = __atomic_load_n(&engine->count, __ATOMIC_ACQUIRE);
    return board >= 0 && board < count ? engine->boards[board] : NULL;
}

static struct port *port_of(struct engine *engine, int board, int lane)
{
    struct engine_board *found = board_of(engine, board);
    return found && lane >= 0 && lane < LANES ? &found->ports[lane] : NULL;
}

/* Boards go to the threads in turn. */
static struct loop *loop_of(struct engine *engine, int board)
{
    return &engine->loops[board < 0 ? 0 : (unsigned)board % engine->threads];
}

static int do_add_link(void *context)
{
    struct call *call = context;
    struct engine *engine = call->engine;
    struct link *link = call->link;
    struct engine_board *board = calloc(1, sizeof *board);
    if (!board)
        return -ENOMEM;
    *board = (struct engine_board){ .engine = engine, .number = call->board, .link = link };
    board->loop = loop_of(engine, call->board);
    board->task = (struct loop_task){ .run = run_board, .deadline = board_deadline };
    board->wire = (struct loop_source){ .fd = link->fd, .ready = wire_ready };
    ports_init(board);
    int result = board->wire.fd < 0 ? 0 : loop_add(board->loop, &board->wire, EPOLLIN);
    if (result < 0) {
        free(board);
        return result;
    }
    link->owner = &ports_owner;
    link->context = board;
    loop_add_task(board->loop, &board->task);
    engine->boards[call->board] = board;
    __atomic_store_n(&engine->count, call->board + 1, __ATOMIC_RELEASE);
    return call->board;
}

static int do_replace_board(void *context)
{
    struct call *call = context;
    struct engine_board *board = board_of(call->engine, call->board);
    if (!board)
        return -EINVAL;
    struct board_link *link = board->link->board;
    if (!link)
        return -ENOTSUP;
    if (!board->gone && board->wire.fd >= 0)
        loop_remove(board->loop, &board->wire);
    board->gone = true;
    int result = board_link_reopen(link, call->transport);
    board->wire.fd = call->transport->fd;
    if (result == 0 && board->wire.fd >= 0)
        result = loop_add(board->loop, &board->wire, EPOLLIN);
    if (result < 0) {
        link->error = result;
        return result;
    }
    board->gone = false;
    board->task.due = true;
    return 0;
}

static int do_attach(void *context)
{
    struct call *call = context;
    struct port *port = port_of(call->engine, call->board, call->lane);
    if (!port)
        return -EINVAL;
    struct link *link = port->board->link;
    int result = port_open(port, call->fd);
    if (result < 0)
        return result;
    result = link->ops->open_lane(link, port->lane);
    if (result < 0)
        port_close(port);
    else
        port_wake(port);
    return result;
}

static int do_detach(void *context)
{
    struct call *call = context;
    struct port *port = port_of(call->engine, call->board, call->lane);
    if (!port)
        return -EINVAL;
    port_close(port);
    return port->board->link->ops->close_lane(port->board->link, port->lane);
}

static int do_reset(void *context)
{
    struct call *call = context;
    struct port *port = port_of(call->engine, call->board, call->lane);
    if (!port)
        return -EINVAL;
    port->board->task.due = true;
    return port->board->link->ops->reset_lane(port->board->link, port->lane);
}

static int do_replace_lane(void *context)
{
    struct call *call = context;
    struct port *port = port_of(call->engine, call->board, call->lane);
    if (!port)
        return -EINVAL;
    struct link *link = port->board->link;
    port->board->task.due = true;
    return link->ops->replace_lane ? link->ops->replace_lane(link, port->lane, call->fd) : -ENOTSUP;
}

static int do_control(void *context)
{
    struct call *call = context;
    struct engine_board *board = board_of(call->engine, call->board);
    if (!board || !board->link->board)
        return board ? -ENOTSUP : -EINVAL;
    struct transport *transport = board->link->board->transport;
    return transport->ops->control(transport, call->setup, call->data, call->length);
}

static int do_on_link(void *context)
{
    struct call *call = context;
    struct engine_board *board = board_of(call->engine, call->board);
    if (!board || !board->link->board)
        return board ? -ENOTSUP : -EINVAL;
    board->task.due = true;
    return call->fn(board->link->board, call->context);
}

/* This thread hands over no packets any more. */
static int do_end_capture(void *context)
{
    struct call *call = context;
    for (int i = call->board; i < call->engine->count; i += (int)call->engine->threads)
        for (unsigned lane = 0; lane < LANES; lane++)
            call->engine->boards[i]->ports[lane].interface = -1;
    return 0;
}

static int do_capture_lane(void *context)
{
    struct call *call = context;
    struct port *port = port_of(call->engine, call->board, call->lane);
    if (!port)
        return -EINVAL;
    port->interface = call->fd;
    return 0;
}

static int do_close(void *context)
{
    struct call *call = context;
    for (int i = call->board; i < call->engine->count; i += (int)call->engine->threads) {
        struct engine_board *board = call->engine->boards[i];
        for (unsigned lane = 0; lane < LANES; lane++)
            port_close(&board->ports[lane]);
        board->link->ops->close(board->link);
    }
    return 0;
}

/* Call fn on the board's thread. */
static int board_call(loop_fn *fn, struct call *call)
{
    return loop_call(loop_of(call->engine, call->board), fn, call);
}

/* Call fn on every thread, for the boards call.board, + threads, + 2 threads... */
static void everywhere(struct engine *engine, loop_fn *fn)
{
    for (unsigned i = 0; i < engine->threads; i++) {
        struct call call = { .engine = engine, .board = (int)i };
        loop_call(&engine->loops[i], fn, &call);
    }
}

int engine_add_link(struct engine *engine, struct link *link)
{
    pthread_mutex_lock(&engine->lock);
    struct call call = { .engine = engine, .board = engine->count, .link = link };
    int result = engine->count == ENGINE_BOARDS ? -ENOSPC : board_call(do_add_link, &call);
    pthread_mutex_unlock(&engine->lock);
    return result;
}

int engine_add_board(struct engine *engine, struct transport *transport, const struct options *options)
{
    int result;
    struct link *link = link_of_board(transport, options, &result);
    if (link && (result = engine_add_link(engine, link)) < 0)
        link->ops->free(link);
    return result;
}

int engine_replace_board(struct engine *engine, int board, struct transport *transport)
{
    struct call call = { .engine = engine, .board = board, .transport = transport };
    return board_call(do_replace_board, &call);
}

int engine_attach(struct engine *engine, int board, int lane, int fd)
{
    struct call call = { .engine = engine, .board = board, .lane = lane, .fd = fd };
    return board_call(do_attach, &call);
}

int engine_detach(struct engine *engine, int board, int lane)
{
    struct call call = { .engine = engine, .board = board, .lane = lane };
    return board_call(do_detach, &call);
}

int engine_reset(struct engine *engine, int board, int lane)
{
    struct call call = { .engine = engine, .board = board, .lane = lane };
    return board_call(do_reset, &call);
}

int engine_replace_lane(struct engine *engine, int board, int lane, int fd)
{
    struct call call = { .engine = engine, .board = board, .lane = lane, .fd = fd };
    return board_call(do_replace_lane, &call);
}

int engine_control(struct engine *engine, int board, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    struct call call = { .engine = engine, .board = board, .setup = setup, .data = data, .length = length };
    return board_call(do_control, &call);
}

int engine_on_link(struct engine *engine, int board, engine_link_fn *fn, void *context)
{
    struct call call = { .engine = engine, .board = board, .fn = fn, .context = context };
    return board_call(do_on_link, &call);
}

int engine_capture(struct engine *engine, struct capture *capture)
{
    pthread_mutex_lock(&engine->lock);
    everywhere(engine, do_end_capture);
    engine->capture = capture;
    pthread_mutex_unlock(&engine->lock);
    return 0;
}

int engine_capture_lane(struct engine *engine, int board, int lane, int interface)
{
    struct call call = { .engine = engine, .board = board, .lane = lane, .fd = interface };
    pthread_mutex_lock(&engine->lock);
    int result = engine->capture ? board_call(do_capture_lane, &call) : -EINVAL;
    pthread_mutex_unlock(&engine->lock);
    return result;
}

/* --- the engine as a whole ---------------------------------------------------------------------------------------- */

struct engine *engine_new(int *error)
{
    struct engine *engine = calloc(1, sizeof *engine);
    *error = -ENOMEM;
    if (!engine)
        return NULL;
    *error = events_init(&engine->events);
    if (*error == 0 && (*error = loop_init(&engine->loops[0])) < 0)
        events_free(&engine->events);
    if (*error < 0) {
        free(engine);
        return NULL;
    }
    engine->threads = 1;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_mutex_init(&engine->capture_lock, NULL);
    return engine;
}

int engine_use_threads(struct engine *engine, unsigned threads, bool pinned)
{
    if (!threads || threads > ENGINE_THREADS)
        return -EINVAL;
    pthread_mutex_lock(&engine->lock);
    int result = engine->count || engine->threads > 1 ? -EBUSY : 0;
    while (result == 0 && engine->threads < threads)
        if ((result = loop_init(&engine->loops[engine->threads])) == 0)
            loop_spin(&engine->loops[engine->threads++], engine->loops[0].spin_ns);
    engine->pinned = pinned;
    pthread_mutex_unlock(&engine->lock);
    return result;
}

void engine_spin(struct engine *engine, unsigned us)
{
    for (unsigned i = 0; i < engine->threads; i++)
        loop_spin(&engine->loops[i], us * UINT64_C(1000));
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    engine_stop(engine);
    for (int i = 0; i < engine->count; i++) {
        engine->boards[i]->link->ops->free(engine->boards[i]->link);
        free(engine->boards[i]);
    }
    for (unsigned i = 0; i < engine->threads; i++)
        loop_free(&engine->loops[i]);
    events_free(&engine->events);
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->capture_lock);
    free(engine);
}

/* Each thread on a CPU of its own, of those that we may use, as long as there are some. */
static int pin(pthread_t thread, unsigned number)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) < 0)
        return -errno;
    number %= (unsigned)CPU_COUNT(&all);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && !number--) {
            CPU_SET(cpu, &one);
            break;
        }
    return -pthread_setaffinity_np(thread, sizeof one, &one);
}

static void stop(struct engine *engine)
{
    for (unsigned i = 0; i < engine->threads; i++)
        loop_stop(&engine->loops[i]);
}

int engine_start(struct engine *engine)
{
    int result = 0;
    pthread_mutex_lock(&engine->lock);
    for (unsigned i = 0; i < engine->threads && result == 0; i++) {
        char name[] = "tinymux-engine\0"; /* from the second on with its number */
        if (i)
            name[sizeof name - 2] = (char)('0' + i);
        result = loop_start(&engine->loops[i], name);
        if (result == 0 && engine->pinned)
            result = pin(engine->loops[i].thread, i);
    }
    if (result < 0 && result != -EALREADY)
        stop(engine);
    pthread_mutex_unlock(&engine->lock);
    return result;
}

void engine_stop(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    stop(engine);
    everywhere(engine, do_close);
    pthread_mutex_unlock(&engine->lock);
}

const struct lane_counters *engine_lane_counters(struct engine *engine, int board, int lane)
{
    bool there = board >= 0 && board < __atomic_load_n(&engine->count, __ATOMIC_ACQUIRE) && lane >= 0 && lane < LANES;
    return there ? engine->boards[board]->link->lanes[lane] : NULL;
}

const struct board_counters *engine_board_counters(struct engine *engine, int board)
{
    bool there = board >= 0 && board < __atomic_load_n(&engine->count, __ATOMIC_ACQUIRE);
    return there ? engine->boards[board]->link->counters : NULL;
}

int engine_events_fd(struct engine *engine)
{
    return engine->events.fd;
}

bool engine_next_event(struct engine *engine, struct engine_event *event)
{
    return events_take(&engine->events, event);
}

uint64_t engine_events_lost(struct engine *engine)
{
    return events_lost(&engine->events);
}

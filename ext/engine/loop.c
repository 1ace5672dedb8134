/* The engine's thread: see loop.h. */
#define _GNU_SOURCE
#include "loop.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64 };
#define NS_PER_S UINT64_C(1000000000)

struct loop_letter {
    loop_fn *fn;
    void *context;
    int result;
    bool answered;
    struct loop_letter *next;
};

/* --- letters ------------------------------------------------------------------------------------------------------ */

/* Under the lock. The sender waits, so its letter lives. */
static void answer_letters(struct loop *loop)
{
    for (struct loop_letter *letter; (letter = loop->first);) {
        loop->first = letter->next;
        if (!loop->first)
            loop->last = &loop->first;
        pthread_mutex_unlock(&loop->lock);
        int result = letter->fn(letter->context);
        pthread_mutex_lock(&loop->lock);
        letter->result = result;
        letter->answered = true;
        pthread_cond_broadcast(&loop->done);
    }
}

static void mailbox_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    struct loop *loop = (struct loop *)((char *)source - offsetof(struct loop, mailbox));
    uint64_t count;
    if (read(source->fd, &count, sizeof count) < 0) /* somebody was faster */
        return;
    pthread_mutex_lock(&loop->lock);
    answer_letters(loop);
    pthread_mutex_unlock(&loop->lock);
}

static void ring(struct loop *loop)
{
    const uint64_t one = 1;
    while (write(loop->mailbox.fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

int loop_call(struct loop *loop, loop_fn *fn, void *context)
{
    struct loop_letter letter = { .fn = fn, .context = context };
    pthread_mutex_lock(&loop->lock);
    if (!loop->running) {
        letter.result = fn(context);
    } else {
        *loop->last = &letter;
        loop->last = &letter.next;
        ring(loop);
        while (!letter.answered)
            pthread_cond_wait(&loop->done, &loop->lock);
    }
    pthread_mutex_unlock(&loop->lock);
    return letter.result;
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t earliest(const struct loop *loop)
{
    uint64_t when = UINT64_MAX;
    for (struct loop_task *task = loop->tasks; task; task = task->next) {
        uint64_t deadline = task->due ? 0 : task->deadline(task);
        when = deadline < when ? deadline : when;
    }
    return when;
}

/* Until something is to be read, or the deadline; while spinning, only look. epoll_pwait2, which few know and older
 * kernels do not have, only where a time is to be kept to the microsecond. */
static int wait(struct loop *loop, struct epoll_event *events)
{
    const uint64_t deadline = earliest(loop), spin = __atomic_load_n(&loop->spin_ns, __ATOMIC_RELAXED);
    const bool timed = deadline && deadline != UINT64_MAX;
    const uint64_t now = spin || timed ? now_ns() : 0, left = deadline > now ? deadline - now : 0;
    const bool look = !deadline || (spin && now < loop->spin_until);
    const struct timespec timeout = { .tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S) };
    int count = timed && !look ? epoll_pwait2(loop->epoll, events, BATCH, &timeout, NULL)
                               : epoll_wait(loop->epoll, events, BATCH, look ? 0 : -1);
    if (spin && (count > 0 || deadline <= now))
        loop->spin_until = now_ns() + spin;
    return count;
}

static void wait_and_dispatch(struct loop *loop)
{
    struct epoll_event events[BATCH];
    int count = wait(loop, events);
    for (int i = 0; i < count; i++) {
        struct loop_source *source = events[i].data.ptr;
        if (source->fd >= 0) /* not removed by one before it */
            source->ready(source, events[i].events);
    }
}

static void *thread(void *context)
{
    struct loop *loop = context;
    for (bool stopping = false; !stopping;) {
        wait_and_dispatch(loop);
        uint64_t now = now_ns();
        for (struct loop_task *task = loop->tasks; task; task = task->next)
            if (task->due || task->deadline(task) <= now) {
                task->due = false;
                task->run(task, now);
            }
        pthread_mutex_lock(&loop->lock);
        stopping = loop->stopping;
        if (stopping) {
            answer_letters(loop);
            loop->running = false;
            pthread_cond_broadcast(&loop->done);
        }
        pthread_mutex_unlock(&loop->lock);
    }
    return NULL;
}

void loop_spin(struct loop *loop, uint64_t ns)
{
    __atomic_store_n(&loop->spin_ns, ns, __ATOMIC_RELAXED);
}

int loop_start(struct loop *loop, const char *name)
{
    sigset_t all, before;
    pthread_mutex_lock(&loop->lock);
    int result = -EALREADY;
    if (!loop->running) {
        sigfillset(&all); /* signals are the main thread's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        loop->stopping = false;
        result = -pthread_create(&loop->thread, NULL, thread, loop);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        loop->running = result == 0;
        if (loop->running)
            pthread_setname_np(loop->thread, name);
    }
    pthread_mutex_unlock(&loop->lock);
    return result;
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool mine = loop->running && !loop->stopping;
    loop->stopping = loop->running;
    while (!mine && loop->running) /* somebody else is at it */
        pthread_cond_wait(&loop->done, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
    if (!mine)
        return;
    ring(loop);
    pthread_join(loop->thread, NULL);
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

int loop_init(struct loop *loop)
{
    *loop = (struct loop){ .mailbox = { .ready = mailbox_ready }, .last = &loop->first };
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        return -errno;
    loop->mailbox.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result = loop->mailbox.fd < 0 ? -errno : loop_add(loop, &loop->mailbox, EPOLLIN);
    if (result < 0) {
        close(loop->epoll);
        if (loop->mailbox.fd >= 0)
            close(loop->mailbox.fd);
        return result;
    }
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->done, NULL);
    return 0;
}

void loop_free(struct loop *loop)
{
    close(loop->mailbox.fd);
    close(loop->epoll);
    pthread_cond_destroy(&loop->done);
    pthread_mutex_destroy(&loop->lock);
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

void loop_add_task(struct loop *loop, struct loop_task *task)
{
    task->next = loop->tasks;
    loop->tasks = task;
}

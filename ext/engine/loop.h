/* One thread that waits for file descriptors and deadlines, and takes calls from other threads.
 *
 * Sources and tasks belong to their owners and stay where they are while the loop knows them. All of their functions
 * run on the loop's thread; while it does not run, loop_call runs on the caller's, one at a time.
 */
#ifndef TINYMUX_LOOP_H
#define TINYMUX_LOOP_H
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Something to read. */
struct loop_source {
    int fd;
    void (*ready)(struct loop_source *, uint32_t events); /* EPOLLIN and so on */
};

/* Something to do, when its time has come or a source has made it due. */
struct loop_task {
    void (*run)(struct loop_task *, uint64_t now_ns); /* CLOCK_MONOTONIC */
    uint64_t (*deadline)(struct loop_task *);         /* ns, 0: at once, UINT64_MAX: only when due */
    bool due;
    struct loop_task *next;
};

struct loop_letter; /* a call from another thread */

struct loop {
    int epoll;
    struct loop_source mailbox; /* an eventfd: letters wait */
    struct loop_task *tasks;
    uint64_t spin_ns;    /* see loop_spin */
    uint64_t spin_until; /* CLOCK_MONOTONIC */
    pthread_t thread;
    pthread_mutex_t lock;  /* for what follows */
    pthread_cond_t done;   /* a letter is answered, or the thread ends */
    struct loop_letter *first, **last;
    bool running, stopping;
};

/* 0, or a negative errno. */
int loop_init(struct loop *);
/* The loop does not run. */
void loop_free(struct loop *);

/* On the loop's thread or before it runs. `events` as for epoll. */
int loop_add(struct loop *, struct loop_source *, uint32_t events);
void loop_remove(struct loop *, struct loop_source *);
void loop_add_task(struct loop *, struct loop_task *);

/* Poll for so long after anything happened before sleeping. Any time, by any thread. */
void loop_spin(struct loop *, uint64_t ns);

/* 0, -EALREADY, or a negative errno. */
int loop_start(struct loop *, const char *name);
/* Ends the thread and waits for it. Harmless where it does not run. */
void loop_stop(struct loop *);

/* Run fn on the loop's thread and wait for what it returns. Not from the loop's thread itself. */
typedef int loop_fn(void *context);
int loop_call(struct loop *, loop_fn *, void *context);

#endif

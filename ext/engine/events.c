/* The engine's events: see events.h. */
#include "events.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int events_init(struct events *events)
{
    *events = (struct events){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (events->fd < 0)
        return -errno;
    pthread_mutex_init(&events->lock, NULL);
    return 0;
}

void events_free(struct events *events)
{
    pthread_mutex_destroy(&events->lock);
    close(events->fd);
}

void events_put(struct events *events, struct engine_event event)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&events->lock);
    if (events->count == EVENTS) {
        events->lost++;
    } else {
        events->queue[(events->first + events->count++) % EVENTS] = event;
        if (write(events->fd, &one, sizeof one) < 0)
            events->lost++; /* cannot be: 256 do not fill an eventfd */
    }
    pthread_mutex_unlock(&events->lock);
}

bool events_take(struct events *events, struct engine_event *event)
{
    uint64_t count;
    pthread_mutex_lock(&events->lock);
    bool some = events->count;
    if (some) {
        *event = events->queue[events->first];
        events->first = (events->first + 1) % EVENTS;
        some = --events->count || read(events->fd, &count, sizeof count) > 0;
    }
    pthread_mutex_unlock(&events->lock);
    return some;
}

uint64_t events_lost(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    uint64_t lost = events->lost;
    pthread_mutex_unlock(&events->lock);
    return lost;
}

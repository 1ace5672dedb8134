/* Slices of board time between the engine and the simulated board.
 *
 * Paced, the board is run to where the wall clock is; it gives up what it cannot catch up with. Free-running, its time
 * goes on only while an answer is expected. Either way packets are handed over at the board time at which they arrive,
 * so that what the engine submits in return is as late as on a real host, and no later.
 */
#include "board_transport.h"
#include "protocol.h"
#include <errno.h>
#include <time.h>

enum { EP_IN = USB_EP_IN & 0x0F };
#define MS 1000000ULL                  /* in ns */
#define SLICE_PS BOARD_PS_PER_MS       /* most that one call runs */
#define BUSY_NS (MS / 2)               /* paced: how often the engine is asked to call while packets are under way */
#define IDLE_NS (50 * MS)              /* ... and while none are */
#define GIVE_UP_NS (50 * MS)
#define CONTROL_PS (1000 * BOARD_PS_PER_MS)

static struct board_transport *self(struct transport *t) { return (struct board_transport *)t; }

static uint64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void board_transport_lock(struct board_transport *t) { pthread_mutex_lock(&t->lock); }
void board_transport_unlock(struct board_transport *t) { pthread_mutex_unlock(&t->lock); }

/* A pump chip that has left the bus, or has started anew and answers nothing at its address, is another device to a host:
 * it stays gone until it is enumerated. */
static bool present(struct board_transport *t)
{
    t->gone |= !board_usb_attached(t->board) || board_usb_silent(t->board) != t->silent;
    return !t->gone;
}

/* Board time to which this call should run. */
static uint64_t goal(struct board_transport *t)
{
    uint64_t now = board_time(t->board), most = now + SLICE_PS;
    if (!t->paced)
        return t->expected ? most : now;
    uint64_t wall = wall_ns(), due = t->origin_ns + now / 1000;
    if (wall > due + GIVE_UP_NS) {
        uint64_t late = wall - due - GIVE_UP_NS;
        t->origin_ns += late;
        t->arrears_ns += late;
    }
    uint64_t target = wall > t->origin_ns ? (wall - t->origin_ns) * 1000 : 0;
    if (!t->expected) /* nothing to hand over: catch up in one go */
        return target > now ? target : now;
    return target < now ? now : target < most ? target : most;
}

static void catch_up(struct board_transport *t)
{
    uint64_t until = goal(t);
    while (board_time(t->board) < until)
        board_run(t->board, until);
}

static int submit(struct transport *transport, const uint8_t *packet, unsigned length)
{
    struct board_transport *t = self(transport);
    int result = -ENODEV;
    board_transport_lock(t);
    if (present(t)) {
        if (t->paced && !t->expected)
            catch_up(t); /* the packet enters the bus now, not when the board was last looked at */
        result = board_usb_out_waiting(t->board, USB_EP_OUT) < transport->depth
                     ? board_usb_out(t->board, USB_EP_OUT, packet, length) : -EAGAIN;
        if (result == 0) {
            board_usb_in_credit(t->board, EP_IN, 1);
            t->expected++;
            t->submitted++;
        }
    }
    board_transport_unlock(t);
    return result;
}

static int hand_over(struct board_transport *t, transport_in_fn *in, void *context)
{
    uint8_t packet[64];
    int length, count = 0;
    while ((length = board_usb_in(t->board, EP_IN, packet)) >= 0) {
        t->received++;
        if (t->expected)
            t->expected--;
        count++;
        in(context, packet, length);
    }
    return count;
}

static int service(struct transport *transport, transport_in_fn *in, void *context)
{
    struct board_transport *t = self(transport);
    int count = -ENODEV;
    board_transport_lock(t);
    if (present(t)) {
        uint64_t until = goal(t);
        count = hand_over(t, in, context);
        while (board_time(t->board) < until && (t->paced || t->expected)) {
            board_run(t->board, until);
            transport->board_ns = board_time(t->board) / 1000;
            count += hand_over(t, in, context);
        }
        transport->board_ns = board_time(t->board) / 1000;
        if (!present(t))
            count = -ENODEV;
    }
    board_transport_unlock(t);
    return count;
}

static uint64_t deadline(struct transport *transport)
{
    struct board_transport *t = self(transport);
    if (!t->paced)
        return t->expected ? 0 : UINT64_MAX;
    uint64_t due = t->origin_ns + transport->board_ns;
    /* Boards that have nothing to do wake together. */
    return t->expected ? due + BUSY_NS : (due / IDLE_NS + 1) * IDLE_NS;
}

static int control(struct transport *transport, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    struct board_transport *t = self(transport);
    board_transport_lock(t);
    int result = present(t) ? board_usb_control_within(t->board, setup, data, length, CONTROL_PS) : -ENODEV;
    transport->board_ns = board_time(t->board) / 1000;
    board_transport_unlock(t);
    return result;
}

static const struct transport_ops ops = { .submit = submit, .service = service, .deadline = deadline, .control = control };

int board_transport_init(struct board_transport *t, struct board *board, bool paced, unsigned depth)
{
    if (depth < 1 || depth > 64)
        return -EINVAL;
    *t = (struct board_transport){ .transport = { .ops = &ops, .fd = -1, .depth = depth }, .board = board, .paced = paced };
    t->transport.board_ns = board_time(board) / 1000;
    t->origin_ns = wall_ns() - t->transport.board_ns;
    pthread_mutexattr_t recursive; /* service holds it while the engine submits */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    int error = pthread_mutex_init(&t->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    return -error;
}

int board_transport_connect(struct board_transport *t, bool power_cycle)
{
    board_transport_lock(t);
    if (power_cycle)
        board_power_cycle(t->board);
    t->expected = 0;
    int result = board_usb_enumerate(t->board);
    t->gone = result < 0;
    t->silent = board_usb_silent(t->board);
    t->transport.board_ns = board_time(t->board) / 1000;
    t->origin_ns = wall_ns() - t->transport.board_ns; /* plugging in took no wall time to speak of */
    board_transport_unlock(t);
    return result;
}

void board_transport_free(struct board_transport *t) { pthread_mutex_destroy(&t->lock); }

/* Ports: any bytes from two devices, any packets to them, devices that hang up and come back; against SLIP byte by byte.
 *
 * Input: 1 byte, the MTU; then commands, a byte each with what it takes. */
#include "fuzz.h"
#include "ip.h"
#include "slip_model.h"
#include "tty.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS = 2, TURNS = 1000, WAITING = 8 };

static struct {
    struct link *link;
    int far[PORTS]; /* the devices; -1: hung up */
    struct slip_model in[PORTS], out[PORTS];
    struct {
        unsigned count, length[WAITING];
        uint8_t packets[WAITING][MTU_MAX + 1];
    } waits[PORTS], expected[PORTS]; /* to be taken; to be given */
    unsigned troubles[PORTS], given;
} t;

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    (void)context;
    if (!t.waits[lane].count)
        return -EAGAIN;
    unsigned length = t.waits[lane].length[--t.waits[lane].count];
    length = length < size ? length : size;
    memcpy(packet, t.waits[lane].packets[t.waits[lane].count], length);
    return (int)length;
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    (void)context;
    CHECK(t.expected[lane].count && length <= t.link->mtu);
    CHECK(length == t.expected[lane].length[0] && !memcmp(packet, t.expected[lane].packets[0], length));
    t.expected[lane].count--;
    memmove(t.expected[lane].length, t.expected[lane].length + 1, sizeof t.expected[lane].length - sizeof(unsigned));
    memmove(t.expected[lane].packets, t.expected[lane].packets + 1, (WAITING - 1) * (MTU_MAX + 1));
}

static void trouble(void *context, unsigned lane, enum link_trouble what, int error)
{
    (void)context;
    CHECK(what == LINK_GONE && error > 0);
    t.troubles[lane]++;
}

static const struct link_owner owner = { take, give, trouble };

static void run(void)
{
    for (unsigned i = 0; i < TURNS; i++) {
        CHECK(t.link->ops->run(t.link, 0) >= 0);
        if (t.link->ops->deadline(t.link))
            return;
    }
    CHECK(!"comes to rest");
}

/* What a device hears: frames, and only good ones. */
static void listen_to(unsigned lane)
{
    uint8_t bytes[8192];
    ssize_t count;
    while (t.far[lane] >= 0 && (count = recv(t.far[lane], bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            enum slip_event event = slip_model_take(&t.out[lane], bytes[i]);
            CHECK(event == SLIP_MORE || (event == SLIP_PACKET && t.out[lane].length <= t.link->mtu));
        }
        run();
    }
}

static void say(unsigned lane, const uint8_t *bytes, size_t n)
{
    if (t.far[lane] < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        struct slip_model *model = &t.in[lane];
        if (slip_model_take(model, bytes[i]) != SLIP_PACKET || model->length > t.link->mtu ||
            ip_check(model->packet, (unsigned)model->length) != IP_GOOD)
            continue;
        unsigned slot = t.expected[lane].count++;
        CHECK(slot < WAITING);
        t.expected[lane].length[slot] = (unsigned)model->length;
        memcpy(t.expected[lane].packets[slot], model->packet, model->length);
    }
    CHECK(send(t.far[lane], bytes, n, 0) == (ssize_t)n);
    run();
    CHECK(!t.expected[lane].count);
}

static int plug_in(unsigned lane)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    t.far[lane] = ends[0];
    t.in[lane] = (struct slip_model){ .capacity = MTU_MAX };
    t.out[lane] = (struct slip_model){ .capacity = MTU_MAX };
    return ends[1];
}

static void command(struct input *input)
{
    uint8_t bytes[SLIP_BOUND(100)], packet[100] = { 0x45 };
    unsigned what = input_byte(input), lane = what % PORTS, n, times;
    switch (what >> 1 & 7) {
    case 0: case 1: /* anything */
        n = 1 + input_byte(input) % 100;
        input_bytes(input, bytes, n);
        say(lane, bytes, n);
        break;
    case 2: /* a good packet, in two pieces */
        packet[3] = (uint8_t)(n = input_between(input, 20, 100));
        packet[10] = (uint8_t)((0xFFFF - 0x4500 - n) >> 8);
        packet[11] = (uint8_t)(0xFFFF - 0x4500 - n);
        input_bytes(input, packet + 20, n - 20);
        n = (unsigned)slip_encode(bytes, packet, n);
        times = input_byte(input) % n;
        say(lane, bytes, times);
        say(lane, bytes + times, n - times);
        break;
    case 3: case 4: /* packets from the kernel */
        n = 1 + input_byte(input) % WAITING;
        for (t.waits[lane].count = 0; t.waits[lane].count < n; t.waits[lane].count++) {
            t.waits[lane].length[t.waits[lane].count] = input_between(input, 0, MTU_MAX + 1);
            input_bytes(input, t.waits[lane].packets[t.waits[lane].count], 64);
        }
        t.link->ops->wake(t.link, lane);
        run();
        if (what & 32)
            listen_to(lane);
        break;
    case 5: /* an endless frame */
        memset(bytes, what >> 4, sizeof bytes);
        for (times = input_byte(input); times; times--)
            say(lane, bytes, sizeof bytes);
        break;
    case 6:
        if (what & 16)
            t.link->ops->close_lane(t.link, lane), t.link->ops->open_lane(t.link, lane);
        listen_to(lane);
        break;
    case 7: /* unplugged, told once; and plugged in again */
        if (t.far[lane] >= 0) {
            unsigned before = t.troubles[lane];
            close(t.far[lane]);
            t.far[lane] = -1;
            run();
            run();
            CHECK(t.troubles[lane] == before + 1);
        } else {
            int port = plug_in(lane);
            CHECK(t.link->ops->replace_lane(t.link, lane, port) == 0);
            close(port);
            run();
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, data + size };
    int ports[PORTS], error;
    signal(SIGPIPE, SIG_IGN); /* ttys make none */
    memset(&t, 0, sizeof t);
    for (unsigned lane = 0; lane < PORTS; lane++)
        ports[lane] = plug_in(lane);
    CHECK((t.link = ttys_new(ports, PORTS, &error)));
    t.link->owner = &owner;
    t.link->mtu = input_byte(&input) & 1 ? MTU_MAX : 60;
    for (unsigned lane = 0; lane < PORTS; lane++) {
        close(ports[lane]);
        CHECK(t.link->ops->open_lane(t.link, lane) == 0);
    }
    while (input_left(&input))
        command(&input);
    for (unsigned lane = 0; lane < PORTS; lane++) {
        listen_to(lane);
        if (t.far[lane] >= 0)
            close(t.far[lane]);
    }
    t.link->ops->free(t.link);
    return 0;
}

/* A board under remote control, for the tests: a command per line of stdin, an answer per line of stdout.
 *
 *     new SEED NOISE LOSS RISE_NS LATENCY_US PPM   a new board, powered
 *     pump HEX, tiny LANE HEX                      its flashes
 *     run PS                                       let board time pass; 1: stopped by an IN packet
 *     power                                        off and on again
 *     peek ADDRESS, poke ADDRESS VALUE             a register of the pump chip, as its CPU would
 *     ram ADDRESS, tinyram LANE ADDRESS            a byte of RAM
 *     pin LANE PIN                                 what a tiny drives: 0 nothing, 1 pull-up, 2 low, 3 high
 *     get NAME       time cycle pc illegal unknown misuse resets running attached transactions cycle_ps
 *                    packets-N naks-N (N: endpoint, IN from 16 on)
 *     trace          collect changes of wires from now on
 *     changes        "signal:level:ps ..." since it was asked last
 *   the USB cable:
 *     attach, detach, reset, suspend, resume, enumerate
 *     control SETUP [DATA]|LENGTH                  result and data
 *     out N HEX, waiting N, credit N COUNT, in N   bulk packets
 *   the pump chip's USB device controller, token by token, without a host:
 *     vbus, busreset, frame NUMBER, idle, wake
 *     setup ADDRESS HEX, out-token ADDRESS N TOGGLE HEX   the answer
 *     in-token ADDRESS N                           answer, toggle and data
 *     in-ack N
 */
#include "atmega32u4.h"
#include "attiny10.h"
#include "board.h"
#include "usb_host.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1 << 18, ARGUMENTS = 8 };

static struct board *board;
static char *trace_text;
static size_t trace_used, trace_size;

static void on_change(void *context, unsigned signal, unsigned level, uint64_t ps)
{
    if (trace_used + 64 > trace_size)
        trace_text = realloc(trace_text, trace_size = trace_size * 2 + 4096);
    trace_used += sprintf(trace_text + trace_used, "%u:%u:%" PRIu64 " ", signal, level, ps);
}

static unsigned from_hex(const char *text, uint8_t *bytes)
{
    unsigned count = 0;
    for (; text[0] && text[1]; text += 2)
        sscanf(text, "%2hhx", &bytes[count++]);
    return count;
}

static void print_hex(const uint8_t *bytes, int count)
{
    for (int i = 0; i < count; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
}

static struct mega *pump(void) { return (struct mega *)board_pump(board); }

static uint64_t value(const char *name)
{
    const struct mega *m = board_pump(board);
    const struct usb_host *h = board_host(board);
    const struct { const char *name; uint64_t value; } values[] = {
        { "time", board_time(board) }, { "cycle", m->avr.cycle }, { "pc", m->avr.pc * 2 }, { "illegal", m->avr.illegal },
        { "unknown", m->unknown }, { "misuse", m->misuse }, { "resets", m->resets }, { "running", board_running(board) },
        { "attached", board_usb_attached(board) }, { "transactions", h->transactions }, { "cycle_ps", m->cycle_ps },
    };
    unsigned n;
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        if (!strcmp(name, values[i].name))
            return values[i].value;
    if (sscanf(name, "packets-%u", &n) == 1)
        return n < 16 ? h->out[n].packets : h->in[n - 16].packets;
    if (sscanf(name, "naks-%u", &n) == 1)
        return n < 16 ? h->out[n].naks : h->in[n - 16].naks;
    fprintf(stderr, "no value %s\n", name);
    exit(1);
}

static void new_board(char **a)
{
    struct board_config config = {
        .seed = strtoull(a[0], NULL, 0), .lane_noise = atof(a[1]), .byte_loss = atof(a[2]), .serial = "0123456789",
        .rise_ns = atoi(a[3]), .host_latency_us = atoi(a[4]),
    };
    for (unsigned lane = 0; lane < 16; lane++)
        config.rc_error[lane] = atoi(a[5]);
    board_free(board);
    board = board_new(&config);
    puts(board ? "0" : "no memory");
}

static void control(char **a)
{
    static uint8_t setup[LINE / 2], data[LINE / 2];
    from_hex(a[0], setup);
    unsigned length = setup[0] & 0x80 ? (unsigned)atoi(a[1]) : a[1] ? from_hex(a[1], data) : 0;
    int result = board_usb_control(board, setup, data, length);
    printf("%d ", result);
    print_hex(data, setup[0] & 0x80 ? result : 0);
}

static int commands(const char *c, char **a)
{
    static uint8_t bytes[LINE / 2];
    unsigned toggle = 0, n = a[0] ? strtoul(a[0], NULL, 0) : 0, n1 = a[1] ? strtoul(a[1], NULL, 0) : 0;
    struct avr *avr = board ? &pump()->avr : NULL;
    int result = 0;

    if (!strcmp(c, "new")) { new_board(a); return 0; }
    if (!strcmp(c, "pump")) result = board_load_pump(board, bytes, from_hex(a[0], bytes));
    else if (!strcmp(c, "tiny")) result = board_load_tiny(board, n, bytes, from_hex(a[1], bytes));
    else if (!strcmp(c, "run")) result = board_run(board, board_time(board) + strtoull(a[0], NULL, 0));
    else if (!strcmp(c, "power")) board_power_cycle(board);
    else if (!strcmp(c, "peek")) result = avr->chip->read(avr, n);
    else if (!strcmp(c, "poke")) avr->chip->write(avr, n, n1);
    else if (!strcmp(c, "ram")) result = avr->ram[n - 0x100];
    else if (!strcmp(c, "get")) { printf("%" PRIu64 "\n", value(a[0])); return 0; }
    else if (!strcmp(c, "pin")) result = tiny_pin(board_tiny(board, n), n1, board_time(board));
    else if (!strcmp(c, "tinyram")) result = board_tiny(board, n)->avr.ram[n1 - 0x40];
    else if (!strcmp(c, "trace")) { board_trace(board, on_change, NULL); trace_used = 0; }
    else if (!strcmp(c, "changes")) { puts(trace_used ? trace_text : ""); trace_used = 0; return 0; }
    else if (!strcmp(c, "attach")) board_usb_attach(board);
    else if (!strcmp(c, "detach")) board_usb_detach(board);
    else if (!strcmp(c, "reset")) board_usb_reset(board);
    else if (!strcmp(c, "suspend")) board_usb_suspend(board);
    else if (!strcmp(c, "resume")) board_usb_resume(board);
    else if (!strcmp(c, "enumerate")) result = board_usb_enumerate(board);
    else if (!strcmp(c, "control")) { control(a); return 0; }
    else if (!strcmp(c, "out")) result = board_usb_out(board, n, bytes, a[1] ? from_hex(a[1], bytes) : 0);
    else if (!strcmp(c, "credit")) board_usb_in_credit(board, n, n1);
    else if (!strcmp(c, "in")) {
        result = board_usb_in(board, n, bytes);
        printf("%d ", result);
        print_hex(bytes, result);
        return 0;
    }
    else if (!strcmp(c, "waiting")) result = board_usb_out_waiting(board, n);
    else if (!strcmp(c, "vbus")) mega_usb_vbus(pump(), true);
    else if (!strcmp(c, "busreset")) { mega_usb_bus_reset(pump(), false); mega_usb_bus_reset(pump(), true); }
    else if (!strcmp(c, "frame")) mega_usb_frame(pump(), n, board_time(board));
    else if (!strcmp(c, "idle")) mega_usb_idle(pump());
    else if (!strcmp(c, "wake")) { mega_usb_resume(pump(), false); mega_usb_resume(pump(), true); }
    else if (!strcmp(c, "setup")) { from_hex(a[1], bytes); result = mega_usb_setup(pump(), n, bytes); }
    else if (!strcmp(c, "out-token")) {
        unsigned length = a[3] ? from_hex(a[3], bytes) : 0;
        result = mega_usb_out_begin(pump(), n, n1, length);
        if (result == USB_ACK)
            mega_usb_out_end(pump(), n1, atoi(a[2]), bytes, length);
    }
    else if (!strcmp(c, "in-token")) {
        result = mega_usb_in_begin(pump(), n, n1, bytes, &toggle);
        printf("%d %u ", result, toggle);
        print_hex(bytes, result);
        return 0;
    }
    else if (!strcmp(c, "in-ack")) mega_usb_in_end(pump(), n);
    else return 1;
    printf("%d\n", result);
    return 0;
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof line, stdin)) {
        char *words[ARGUMENTS] = { 0 };
        unsigned count = 0;
        for (char *word = strtok(line, " \n"); word && count < ARGUMENTS; word = strtok(NULL, " \n"))
            words[count++] = word;
        if (!count || commands(words[0], words + 1)) {
            fprintf(stderr, "unknown command %s\n", words[0]);
            return 1;
        }
        fflush(stdout);
    }
    board_free(board);
    free(trace_text);
    return 0;
}

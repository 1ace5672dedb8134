/* A synthetic board, for load: pump and sixteen tinies without their chips, as a transport (transport.h).
 *
 * Each tiny answers every good IPv4 frame with the packet's answer (node.h), with a real tiny's timing: 33 planes after
 * the END, ten planes per byte. Everything else it drops in silence; it needs no gap between bytes, and is deaf while it
 * talks. Runs take the board time that they take the pump, USB at full speed included (benchmarks/bench_pump.py), and
 * pass as fast as the caller asks for them: what is under way when `service` is called is done when it returns.
 */
#ifndef TINYMUX_SYNTHETIC_H
#define TINYMUX_SYNTHETIC_H
#include "transport.h"

/* NULL: no memory. */
struct transport *synthetic_new(void);
void synthetic_free(struct transport *);

#endif

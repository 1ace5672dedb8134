/* The engine: many boards, their lanes on tuns, one thread or a few. Safe to call from any thread but its own. */
#ifndef TINYMUX_ENGINE_H
#define TINYMUX_ENGINE_H
#include "capture.h"
#include "events.h"
#include "link.h"

enum { ENGINE_BOARDS = 128, ENGINE_THREADS = 10 };

struct engine; /* opaque */

/* NULL: *error says why, a negative errno. */
struct engine *engine_new(int *error);
/* Stops it first. */
void engine_free(struct engine *);

/* So many threads from the first board on, which go to them in turn, each for good; pinned: each thread to a CPU of its
 * own. -EINVAL: none or too many; -EBUSY: there are boards, or it has been said. */
int engine_use_threads(struct engine *, unsigned threads, bool pinned);

/* After anything happened, look for more for so long before sleeping: it costs that CPU time and saves a wake-up. Any
 * time. 0, at first: sleep at once. */
void engine_spin(struct engine *, unsigned us);

/* A board's number, from 0; its tinies are all in reset. -EPROTO: the firmware speaks another protocol; -ENOSPC: too
 * many boards; or the transport's error. The transport must outlive the engine. */
int engine_add_board(struct engine *, struct transport *, const struct options *);

/* Any link, its number among the boards. The engine owns it from then on. -ENOSPC: too many; then it does not. */
int engine_add_link(struct engine *, struct link *);

/* The board is back, or another has taken its place: go on with this transport. Tuns and counters stay; the tinies of
 * its lanes are started anew. The transport before it is not used any more. Errors as engine_add_board's, with the
 * board gone; -ENOTSUP: that link is no board. */
int engine_replace_board(struct engine *, int board, struct transport *);

/* Put a lane on a tun (or a SEQPACKET socket), which is duplicated, and let its tiny run. Where the lane has one
 * already, it is replaced, and the tiny runs on. 0, -EINVAL: no such board or lane, or a negative errno. */
int engine_attach(struct engine *, int board, int lane, int fd);
/* Close the lane's tun and hold its tiny in reset. */
int engine_detach(struct engine *, int board, int lane);
/* Reset a tiny. Its packets wait until it has started. */
int engine_reset(struct engine *, int board, int lane);
/* Go on with another file for a lane of ttys, which is duplicated. -ENOTSUP: lanes of that link are no files; -EINVAL or
 * -ENXIO: no such board or lane; or a negative errno. */
int engine_replace_lane(struct engine *, int board, int lane, int fd);
/* A control transfer, as struct transport_ops has it, on the board's thread. */
int engine_control(struct engine *, int board, const uint8_t setup[8], uint8_t *data, unsigned length);
/* Call fn with the board's link, on the board's thread (programming_do, for example). Its result, or -EINVAL. */
typedef int engine_link_fn(struct board_link *, void *context);
int engine_on_link(struct engine *, int board, engine_link_fn *, void *context);

/* Hand packets to this capture, which stays the caller's; NULL: to none, and it may be freed. */
int engine_capture(struct engine *, struct capture *);
/* ... those of this lane, as the capture's interface of that number. -EINVAL: no such lane, or no capture. */
int engine_capture_lane(struct engine *, int board, int lane, int interface);

/* -EALREADY: it runs. */
int engine_start(struct engine *);
/* End the thread, close all tuns, hold all tinies in reset. Harmless where it does not run. */
void engine_stop(struct engine *);

/* NULL: no such board or lane. To be read with COUNTED. */
const struct lane_counters *engine_lane_counters(struct engine *, int board, int lane);
const struct board_counters *engine_board_counters(struct engine *, int board);

/* Readable while there are events. */
int engine_events_fd(struct engine *);
/* The next event; false: none. If more than 256 wait, later ones are lost, and counted. */
bool engine_next_event(struct engine *, struct engine_event *);
uint64_t engine_events_lost(struct engine *);

#endif

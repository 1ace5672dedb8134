/* Packets into a pcapng file, without slowing who hands them over: a bounded ring, and a thread that writes.
 *
 * One interface block per node, with its name; "out" is towards the node, as the kernel saw it; times in ns. What does
 * not fit the ring is dropped, counted, and told in the interface statistics at the file's end. Where writing fails, the
 * file ends after its last whole block, if it is a file; what was still to be written is dropped as well.
 */
#ifndef TINYMUX_CAPTURE_H
#define TINYMUX_CAPTURE_H
#include <stdbool.h>
#include <stdint.h>

enum { CAPTURE_INTERFACES = 65535 };

struct capture; /* opaque */

/* Begin a file with interfaces of these names on fd, which is duplicated; a pipe does as well. NULL: *error says why, a
 * negative errno. */
struct capture *capture_new(int fd, const char *const *names, unsigned count, int *error);

/* A packet of the interface of that number. By one thread. Never blocks. */
void capture_packet(struct capture *, unsigned interface, bool out, const uint8_t *packet, unsigned length);

/* Write what is left, and the statistics, and close the file; nobody hands over packets any more. 0, or why writing failed: -ETIMEDOUT where
 * a pipe or socket is not read within two seconds. Once. */
int capture_stop(struct capture *);
/* After it was stopped. */
void capture_free(struct capture *);

/* By any thread; packets. */
uint64_t capture_written(const struct capture *);
uint64_t capture_dropped(const struct capture *);
/* Why writing has ended, a negative errno; 0: it has not. */
int capture_error(const struct capture *);

#endif

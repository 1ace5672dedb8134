/* The routing problem: what copper there is, and where a net's own may go. Lengths in micrometres. On stdin:
 *
 *   board WIDTH HEIGHT EDGE          EDGE: clearance of copper to the board's edge
 *   rules GRID TRACK CLEARANCE VIA   track width, via diameter
 *   net NAME
 *   copper NET LAYERS ISLAND PAD RADIUS N X Y ...
 *                                    NET: index or -1; LAYERS: bit 0 front, bit 1 back; ISLAND: what already hangs
 *                                    together within a net; PAD: 1 where no via may stand. N points, widened by RADIUS:
 *                                    one is a disc, two are a track, more are a polygon.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { MAX_NETS = 256, MAX_COPPER = 4096, MAX_POINTS = 64, MAX_ISLANDS = 64 };
enum { FREE = -1, BLOCKED = -2 };
enum { HOLES = 100 }; /* how much further than their copper holes stay apart */

struct copper {
	int net, layers, island, pad, radius, n;
	int x[MAX_POINTS], y[MAX_POINTS];
};

struct problem {
	int width, height, edge, grid, track, clearance, via;
	int nx, ny, cells;                     /* node = layer * cells + x * ny + y */
	int coppers, nets;
	struct copper copper[MAX_COPPER];
	char name[MAX_NETS][64];
	int16_t *owner, *via_owner;            /* per node, per cell: the one net that may pass, FREE or BLOCKED */
};

/* Read the problem from stdin and find out who may pass where; a line that cannot be read ends the program. */
void problem_read(struct problem *p);

/* Is the point nearer than `limit` to the copper? */
bool problem_near(const struct copper *c, int64_t px, int64_t py, int64_t limit);

/* Zeroed memory, or the end of the program. */
static inline void *zeroed(size_t n, size_t size)
{
	void *memory = calloc(n, size);
	if (!memory)
		abort();
	return memory;
}

static inline int low(const int *v, int n)
{
	int least = v[0];
	for (int i = 1; i < n; i++)
		least = v[i] < least ? v[i] : least;
	return least;
}

static inline int high(const int *v, int n)
{
	int most = v[0];
	for (int i = 1; i < n; i++)
		most = v[i] > most ? v[i] : most;
	return most;
}

#endif

/* Routes a board's open connections on two layers by negotiated congestion (McMurchie and Ebeling, PathFinder, 1995).
 *
 * Every net takes its cheapest way, at first through other nets too; places that more than one net wants grow dearer
 * at each round, until no two nets collide. Only whole numbers are used, so that the same problem gives the same
 * copper on every machine. The problem comes on stdin, see problem.h; the solution goes to stdout:
 *
 *   track NET LAYER X Y X Y
 *   via NET X Y
 *
 * Exit 1 where a net has no way or the last round still collides, 2 where the problem cannot be read.
 */
#include <stdio.h>
#include <string.h>

#include "problem.h"

enum { ROUNDS = 60 };
enum { STRAIGHT = 100, DIAGONAL = 141, VIA_COST = 1500, TURN = 40, AGAINST = 25 }; /* prices; a step is STRAIGHT */

struct net {
	int islands;
	int *path;   /* nodes in order, each way ending with -1 */
	int length, room;
	int extent;  /* half perimeter: short nets are routed first */
};

struct offset { int dx, dy; };
struct disc { struct offset *at; int n; };

static struct problem board;
static struct net nets[MAX_NETS];
static uint16_t *used, *via_used;  /* per node, per cell: how many nets' copper forbids a track, a via here */
static uint16_t *past, *via_past;  /* what collisions of earlier rounds left behind */
static int64_t *cost;
static int *from, *seen, seen_now;
static uint8_t *goal;              /* 1 + island of the net being routed */
static struct disc track_track, track_via, via_via;
static int pressure;

static int layer_of(int node) { return node / board.cells; }
static int x_of(int node)     { return node % board.cells / board.ny; }
static int y_of(int node)     { return node % board.cells % board.ny; }

static int node_at(int layer, int x, int y)
{
	return layer * board.cells + x * board.ny + y;
}

/* Do these two steps of a path stand on different layers? -1 between them is no step. */
static bool changes_layer(int a, int b)
{
	return a >= 0 && b >= 0 && layer_of(a) != layer_of(b);
}

static struct disc disc(int radius)
{
	int k = radius / board.grid + 1;
	struct disc d = {zeroed((2 * k + 1) * (2 * k + 1), sizeof(struct offset)), 0};
	for (int dx = -k; dx <= k; dx++)
		for (int dy = -k; dy <= k; dy++)
			if ((dx * dx + dy * dy) * board.grid * board.grid < radius * radius)
				d.at[d.n++] = (struct offset){dx, dy};
	return d;
}

static void stamp(uint16_t *map, const struct disc *d, int cell, int sign)
{
	for (int i = 0; i < d->n; i++) {
		int x = cell / board.ny + d->at[i].dx, y = cell % board.ny + d->at[i].dy;
		if (x >= 0 && y >= 0 && x < board.nx && y < board.ny)
			map[x * board.ny + y] += sign;
	}
}

/* Put a net's copper on the maps of use (sign 1), or take it off (sign -1). */
static void occupy(const struct net *net, int sign)
{
	for (int i = 0; i < net->length; i++) {
		int node = net->path[i];
		if (node < 0)
			continue;
		stamp(used + node / board.cells * board.cells, &track_track, node % board.cells, sign);
		stamp(via_used, &track_via, node % board.cells, sign);
		if (i && changes_layer(net->path[i - 1], node)) {
			for (int layer = 0; layer < 2; layer++)
				stamp(used + layer * board.cells, &track_via, node % board.cells, sign);
			stamp(via_used, &via_via, node % board.cells, sign);
		}
	}
}

/* A binary heap of (estimate, node); equal estimates are ordered by node, so that the order is always the same. */
struct entry { int64_t estimate; int node; };
static struct entry *heap;
static int heap_n, heap_room;

static bool before(struct entry a, struct entry b)
{
	return a.estimate != b.estimate ? a.estimate < b.estimate : a.node < b.node;
}

static void push(int64_t estimate, int node)
{
	if (heap_n == heap_room) {
		heap_room = heap_room ? 2 * heap_room : 1 << 16;
		heap = realloc(heap, heap_room * sizeof *heap);
		if (!heap)
			abort();
	}
	struct entry e = {estimate, node};
	int i = heap_n++;
	for (; i && before(e, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = e;
}

static struct entry pop(void)
{
	struct entry top = heap[0], last = heap[--heap_n];
	int i = 0;
	for (int child; (child = 2 * i + 1) < heap_n; i = child) {
		if (child + 1 < heap_n && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], last))
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	return top;
}

/* The price of a step into a place, from its length, its past collisions and those of now. */
static int64_t price(int length, int before_now, int now)
{
	return (int64_t)length * (8 + before_now) * (8 + pressure * now) / 64;
}

static void append(struct net *net, int node)
{
	if (net->length == net->room) {
		net->room = net->room ? 2 * net->room : 1024;
		net->path = realloc(net->path, net->room * sizeof *net->path);
		if (!net->path)
			abort();
	}
	net->path[net->length++] = node;
}

/* Call `visit` for each node where a net's island can be joined: pads in their middle, tracks along their length. */
static void terminals(int net, int island, void (*visit)(int node, int island))
{
	for (const struct copper *c = board.copper; c < board.copper + board.coppers; c++) {
		if (c->net != net || (island >= 0 && c->island != island))
			continue;
		int x0 = low(c->x, c->n), x1 = high(c->x, c->n), y0 = low(c->y, c->n), y1 = high(c->y, c->n);
		for (int layer = 0; layer < 2; layer++) {
			if (!(c->layers >> layer & 1))
				continue;
			if (c->n != 2) {
				int half = board.grid / 2;
				visit(node_at(layer, ((x0 + x1) / 2 + half) / board.grid, ((y0 + y1) / 2 + half) / board.grid), c->island);
				continue;
			}
			struct copper line = *c;
			line.radius = 0;
			for (int x = x0 / board.grid; x <= x1 / board.grid + 1; x++)
				for (int y = y0 / board.grid; y <= y1 / board.grid + 1; y++)
					if (problem_near(&line, x * board.grid, y * board.grid, board.grid / 2))
						visit(node_at(layer, x, y), c->island);
		}
	}
}

struct box { int x0, y0, x1, y1; };
static struct box box;
static bool reached[MAX_ISLANDS];

static void mark_goal(int node, int island)
{
	goal[node] = 1 + island;
}

static void clear_goal(int node, int island)
{
	(void)island;
	goal[node] = 0;
}

static void widen_box(int node, int island)
{
	int x = x_of(node), y = y_of(node);
	if (reached[island])
		return;
	box = (struct box){x < box.x0 ? x : box.x0, y < box.y0 ? y : box.y0, x > box.x1 ? x : box.x1, y > box.y1 ? y : box.y1};
}

/* The least that the way from here to any goal can cost. */
static int64_t at_least(int node)
{
	int x = x_of(node), y = y_of(node);
	int dx = x < box.x0 ? box.x0 - x : x > box.x1 ? x - box.x1 : 0;
	int dy = y < box.y0 ? box.y0 - y : y > box.y1 ? y - box.y1 : 0;
	int shorter = dx < dy ? dx : dy;
	return (int64_t)STRAIGHT * (dx + dy) - (int64_t)(2 * STRAIGHT - DIAGONAL) * shorter;
}

static void reach(int node, int64_t to, int origin)
{
	if (seen[node] == seen_now && cost[node] <= to)
		return;
	seen[node] = seen_now;
	cost[node] = to;
	from[node] = origin;
	push(to + at_least(node), node);
}

static void start_here(int node, int island)
{
	if (reached[island])
		reach(node, 0, -1);
}

static bool allowed(int16_t place, int net)
{
	return place == FREE || place == net;
}

/* Reach all places next to this one, and the other layer. */
static void spread(int node, int net)
{
	int layer = layer_of(node), cell = node % board.cells, x = x_of(node), y = y_of(node), back = from[node];
	for (int dx = -1; dx <= 1; dx++)
		for (int dy = -1; dy <= 1; dy++) {
			int tx = x + dx, ty = y + dy, next = node_at(layer, tx, ty);
			if ((!dx && !dy) || tx < 0 || ty < 0 || tx >= board.nx || ty >= board.ny || !allowed(board.owner[next], net))
				continue;
			/* Straight steps are cheaper up and down on the front, sideways on the back. */
			int length = dx && dy ? DIAGONAL : STRAIGHT + ((dx != 0) == (layer == 0) ? AGAINST : 0);
			int64_t to = cost[node] + price(length, past[next], used[next]);
			if (back >= 0 && layer_of(back) == layer) {
				int bx = x - x_of(back), by = y - y_of(back);
				if (bx != dx || by != dy)
					to += bx * dx + by * dy > 0 ? TURN : 10 * TURN; /* 45 degrees are cheap, sharper corners are not */
			}
			reach(next, to, node);
		}
	int through = (1 - layer) * board.cells + cell;
	if (allowed(board.via_owner[cell], net) && allowed(board.owner[through], net))
		reach(through, cost[node] + price(VIA_COST, via_past[cell], via_used[cell]), node);
}

static void start_on_path(const struct net *net)
{
	for (int i = 0; i < net->length; i++)
		if (net->path[i] >= 0)
			reach(net->path[i], 0, -1);
}

/* Join all islands of a net, always the cheapest next one. */
static bool route(int index)
{
	struct net *net = &nets[index];
	net->length = 0;
	memset(reached, 0, sizeof reached);
	reached[0] = true;
	terminals(index, -1, mark_goal);
	bool joined = true;
	for (int left = net->islands - 1; left && joined; left--) {
		box = (struct box){board.nx, board.ny, -1, -1};
		terminals(index, -1, widen_box);
		heap_n = 0;
		seen_now++;
		terminals(index, -1, start_here);
		start_on_path(net);
		int end = -1;
		while (heap_n && end < 0) {
			struct entry e = pop();
			if (e.estimate > cost[e.node] + at_least(e.node))
				continue; /* a cheaper way here was found meanwhile */
			if (goal[e.node] && !reached[goal[e.node] - 1])
				end = e.node;
			else
				spread(e.node, index);
		}
		joined = end >= 0;
		if (!joined)
			break;
		reached[goal[end] - 1] = true;
		for (int node = end; node >= 0; node = from[node])
			append(net, node);
		append(net, -1);
	}
	terminals(index, -1, clear_goal);
	return joined;
}

/* Does this net, which is off the maps, collide with one that is on them? Leaves a mark on the places where it does. */
static bool collides(const struct net *net, int mark)
{
	bool hit = false;
	for (int i = 0; i < net->length; i++) {
		int node = net->path[i];
		if (node < 0)
			continue;
		if (used[node]) {
			hit = true;
			past[node] += mark;
		}
		if (i && changes_layer(net->path[i - 1], node) && via_used[node % board.cells]) {
			hit = true;
			via_past[node % board.cells] += mark;
		}
	}
	return hit;
}

static int by_extent(const void *a, const void *b)
{
	const struct net *p = &nets[*(const int *)a], *q = &nets[*(const int *)b];
	return p->extent != q->extent ? p->extent - q->extent : *(const int *)a - *(const int *)b;
}

static void prepare(void)
{
	int nodes = 2 * board.cells;
	used = zeroed(nodes, sizeof *used);
	via_used = zeroed(board.cells, sizeof *via_used);
	past = zeroed(nodes, sizeof *past);
	via_past = zeroed(board.cells, sizeof *via_past);
	cost = zeroed(nodes, sizeof *cost);
	from = zeroed(nodes, sizeof *from);
	seen = zeroed(nodes, sizeof *seen);
	goal = zeroed(nodes, sizeof *goal);
	track_track = disc(board.track + board.clearance);
	track_via = disc(board.track / 2 + board.via / 2 + board.clearance);
	via_via = disc(board.via + board.clearance + HOLES);
	for (const struct copper *c = board.copper; c < board.copper + board.coppers; c++)
		if (c->net >= 0 && c->island >= nets[c->net].islands)
			nets[c->net].islands = c->island + 1;
	for (int i = 0; i < board.nets; i++) {
		memset(reached, 0, sizeof reached);
		box = (struct box){board.nx, board.ny, -1, -1};
		terminals(i, -1, widen_box);
		nets[i].extent = box.x1 - box.x0 + box.y1 - box.y0;
	}
}

/* Route in rounds until nothing collides; returns how many nets are not done. */
static int negotiate(void)
{
	int order[MAX_NETS], wrong = board.nets;
	for (int i = 0; i < board.nets; i++)
		order[i] = i;
	qsort(order, board.nets, sizeof *order, by_extent);
	for (int round = 0; round < ROUNDS && wrong; round++) {
		pressure = round ? (pressure < 512 ? pressure + pressure / 2 : pressure) : 4;
		for (int i = 0; i < board.nets; i++) {
			struct net *net = &nets[order[i]];
			occupy(net, -1);
			if ((!round || round % 8 == 7 || collides(net, 0)) && !route(order[i])) {
				fprintf(stderr, "%s has no way\n", board.name[net - nets]);
				return 1;
			}
			occupy(net, 1);
		}
		wrong = 0;
		for (int i = 0; i < board.nets; i++) {
			occupy(&nets[i], -1);
			wrong += collides(&nets[i], 3);
			occupy(&nets[i], 1);
		}
		fprintf(stderr, "round %d: %d of %d nets collide\n", round, wrong, board.nets);
	}
	return wrong;
}

/* Straight runs as one track each, layer changes as vias. */
static void write_net(const struct net *net)
{
	const char *name = board.name[net - nets];
	for (int i = 0; i + 1 < net->length; i++) {
		const int *path = net->path;
		int a = path[i], b = path[i + 1], last = i + 1, grid = board.grid;
		if (a < 0 || b < 0)
			continue;
		if (changes_layer(a, b)) {
			printf("via %s %d %d\n", name, x_of(a) * grid, y_of(a) * grid);
			continue;
		}
		while (last + 1 < net->length && path[last + 1] >= 0 && path[last + 1] - path[last] == b - a)
			last++;
		int end = path[last];
		printf("track %s %d %d %d %d %d\n", name, layer_of(a), x_of(a) * grid, y_of(a) * grid, x_of(end) * grid, y_of(end) * grid);
		i = last - 1;
	}
}

int main(void)
{
	problem_read(&board);
	prepare();
	if (negotiate())
		return 1;
	for (int i = 0; i < board.nets; i++)
		write_net(&nets[i]);
	return 0;
}

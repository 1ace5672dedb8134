/* Routes a board's remaining connections on two layers by negotiated congestion (McMurchie and Ebeling, PathFinder, 1995).
 *
 * Every net takes its cheapest way, at first through other nets too; places that more than one net wants grow dearer
 * at each round, until no two nets collide. Only whole numbers are used, so that the same problem gives the same
 * copper on every machine. Problem on stdin, lengths in micrometres:
 *
 *   board WIDTH HEIGHT EDGE          EDGE: clearance of copper to the board's edge
 *   rules GRID TRACK CLEARANCE VIA   track width, via diameter
 *   net NAME
 *   copper NET LAYERS ISLAND PAD RADIUS N X Y ...
 *                                    NET: index or -1; LAYERS: bit 0 front, bit 1 back; ISLAND: what already hangs
 *                                    together within a net; PAD: 1 where no via may stand. N points, widened by RADIUS:
 *                                    one is a disc, two are a track, more are a polygon.
 *
 * Solution on stdout: `track NET LAYER X Y X Y` and `via NET X Y`. Exit 1 where a net has no way, or all rounds collide.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NETS = 256, MAX_COPPER = 4096, MAX_POINTS = 64, MAX_ISLANDS = 64, ROUNDS = 60 };
enum { STRAIGHT = 100, DIAGONAL = 141, VIA_COST = 1500, TURN = 40, AGAINST = 25 };
enum { FREE = -1, BLOCKED = -2 };
enum { HOLES = 100 }; /* how much further than their copper holes stay apart */

struct copper {
	int net, layers, island, pad, radius, n;
	int x[MAX_POINTS], y[MAX_POINTS];
};

struct net {
	char name[64];
	int islands;
	int *path;       /* nodes in order, each way ending with -1 */
	int length, room;
	int extent;      /* half perimeter: short nets are routed first */
};

struct offset { int dx, dy; };
struct disc { struct offset *at; int n; };

static int width, height, edge, grid, track, clearance, via;
static int nx, ny, cells;                      /* node = layer * cells + x * ny + y */
static struct copper copper[MAX_COPPER];
static struct net nets[MAX_NETS];
static int coppers, net_count;
static int16_t *owner, *via_owner;             /* per node, per cell: the one net that may pass, FREE or BLOCKED */
static uint16_t *used, *via_used;              /* how many nets' copper forbids a track, a via here */
static uint16_t *past, *via_past;              /* what collisions of earlier rounds left behind */
static int64_t *cost;
static int *from, *seen, seen_now;
static uint8_t *goal;                          /* 1 + island of the net being routed */
static struct disc track_track, track_via, via_via;
static int pressure;

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		abort();
	return p;
}

/* Is the point nearer than `limit` to the copper? All distances are compared squared, without a division. */
static bool near(const struct copper *c, int64_t px, int64_t py, int64_t limit)
{
	bool inside = false;
	limit += c->radius;
	for (int i = 0, j = c->n - 1; i < c->n; j = i++) {
		int64_t ax = c->x[j], ay = c->y[j], dx = c->x[i] - ax, dy = c->y[i] - ay, ex = px - ax, ey = py - ay;
		int64_t along = ex * dx + ey * dy, length = dx * dx + dy * dy, across = ex * dy - ey * dx;
		if (along <= 0 ? ex * ex + ey * ey < limit * limit
		    : along < length ? across * across < limit * limit * length
		                     : (px - c->x[i]) * (px - c->x[i]) + (py - c->y[i]) * (py - c->y[i]) < limit * limit)
			return true;
		if ((c->y[i] > py) != (ay > py) && (dy > 0 ? across < 0 : across > 0))
			inside = !inside;
	}
	return c->n > 2 && inside;
}

/* Give the place to the net, or to nobody where two nets claim it. */
static void claim(int16_t *place, int net)
{
	*place = *place == FREE || *place == net ? (net < 0 ? BLOCKED : net) : BLOCKED;
}

static int low(const int *v, int n)  { int m = v[0]; for (int i = 1; i < n; i++) if (v[i] < m) m = v[i]; return m; }
static int high(const int *v, int n) { int m = v[0]; for (int i = 1; i < n; i++) if (v[i] > m) m = v[i]; return m; }
static int clamp(int v, int top)     { return v < 0 ? 0 : v > top ? top : v; }

/* Forbid to all other nets the places that are too near to this copper. */
static void block(const struct copper *c)
{
	int reach = c->radius + clearance + via;
	int apart = via / 2 + clearance + (c->n == 1 ? HOLES : 0); /* a disc has a hole in it */
	int x0 = clamp((low(c->x, c->n) - reach) / grid, nx - 1), x1 = clamp((high(c->x, c->n) + reach) / grid + 1, nx - 1);
	int y0 = clamp((low(c->y, c->n) - reach) / grid, ny - 1), y1 = clamp((high(c->y, c->n) + reach) / grid + 1, ny - 1);
	for (int x = x0; x <= x1; x++)
		for (int y = y0; y <= y1; y++) {
			int cell = x * ny + y;
			for (int layer = 0; layer < 2; layer++)
				if (c->layers >> layer & 1 && near(c, x * grid, y * grid, track / 2 + clearance))
					claim(&owner[layer * cells + cell], c->net);
			if (c->pad && near(c, x * grid, y * grid, via / 2 + 50))
				via_owner[cell] = BLOCKED;
			else if (near(c, x * grid, y * grid, apart))
				claim(&via_owner[cell], c->net);
		}
}

static void block_edges(void)
{
	for (int x = 0; x < nx; x++)
		for (int y = 0; y < ny; y++) {
			int dx = x * grid < width - x * grid ? x * grid : width - x * grid;
			int dy = y * grid < height - y * grid ? y * grid : height - y * grid;
			int d = dx < dy ? dx : dy;
			if (d < edge + track / 2)
				owner[x * ny + y] = owner[cells + x * ny + y] = BLOCKED;
			if (d < edge + via / 2)
				via_owner[x * ny + y] = BLOCKED;
		}
}

static struct disc disc(int radius)
{
	int k = radius / grid + 1;
	struct disc d = {zeroed((2 * k + 1) * (2 * k + 1), sizeof(struct offset)), 0};
	for (int dx = -k; dx <= k; dx++)
		for (int dy = -k; dy <= k; dy++)
			if ((dx * dx + dy * dy) * grid * grid < radius * radius)
				d.at[d.n++] = (struct offset){dx, dy};
	return d;
}

static void stamp(uint16_t *map, const struct disc *d, int cell, int sign)
{
	for (int i = 0; i < d->n; i++) {
		int x = cell / ny + d->at[i].dx, y = cell % ny + d->at[i].dy;
		if (x >= 0 && y >= 0 && x < nx && y < ny)
			map[x * ny + y] += sign;
	}
}

/* Put a net's copper on the maps of use (sign 1), or take it off (sign -1). */
static void occupy(const struct net *net, int sign)
{
	for (int i = 0; i < net->length; i++) {
		int node = net->path[i];
		if (node < 0)
			continue;
		stamp(used + node / cells * cells, &track_track, node % cells, sign);
		stamp(via_used, &track_via, node % cells, sign);
		if (i && net->path[i - 1] >= 0 && net->path[i - 1] / cells != node / cells) {
			for (int layer = 0; layer < 2; layer++)
				stamp(used + layer * cells, &track_via, node % cells, sign);
			stamp(via_used, &via_via, node % cells, sign);
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
	for (const struct copper *c = copper; c < copper + coppers; c++) {
		if (c->net != net || (island >= 0 && c->island != island))
			continue;
		int x0 = low(c->x, c->n), x1 = high(c->x, c->n), y0 = low(c->y, c->n), y1 = high(c->y, c->n);
		for (int layer = 0; layer < 2; layer++) {
			if (!(c->layers >> layer & 1))
				continue;
			if (c->n != 2) {
				visit(layer * cells + ((x0 + x1) / 2 + grid / 2) / grid * ny + ((y0 + y1) / 2 + grid / 2) / grid, c->island);
				continue;
			}
			struct copper line = *c;
			line.radius = 0;
			for (int x = x0 / grid; x <= x1 / grid + 1; x++)
				for (int y = y0 / grid; y <= y1 / grid + 1; y++)
					if (near(&line, x * grid, y * grid, grid / 2))
						visit(layer * cells + x * ny + y, c->island);
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
	int x = node % cells / ny, y = node % cells % ny;
	if (reached[island])
		return;
	box = (struct box){x < box.x0 ? x : box.x0, y < box.y0 ? y : box.y0, x > box.x1 ? x : box.x1, y > box.y1 ? y : box.y1};
}

/* The least that the way from here to any goal can cost. */
static int64_t at_least(int node)
{
	int x = node % cells / ny, y = node % cells % ny;
	int dx = x < box.x0 ? box.x0 - x : x > box.x1 ? x - box.x1 : 0, dy = y < box.y0 ? box.y0 - y : y > box.y1 ? y - box.y1 : 0;
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
	int layer = node / cells, cell = node % cells, x = cell / ny, y = cell % ny, back = from[node];
	for (int dx = -1; dx <= 1; dx++)
		for (int dy = -1; dy <= 1; dy++) {
			int tx = x + dx, ty = y + dy, next = layer * cells + tx * ny + ty;
			if ((!dx && !dy) || tx < 0 || ty < 0 || tx >= nx || ty >= ny || !allowed(owner[next], net))
				continue;
			int length = dx && dy ? DIAGONAL : STRAIGHT + ((dx != 0) == (layer == 0) ? AGAINST : 0); /* back: sideways, front: up and down */
			int64_t to = cost[node] + price(length, past[next], used[next]);
			if (back >= 0 && back / cells == layer) {
				int bx = x - back % cells / ny, by = y - back % cells % ny;
				if (bx != dx || by != dy)
					to += bx * dx + by * dy > 0 ? TURN : 10 * TURN; /* 45 degrees are cheap, sharper corners are not */
			}
			reach(next, to, node);
		}
	int through = (1 - layer) * cells + cell;
	if (allowed(via_owner[cell], net) && allowed(owner[through], net))
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
		box = (struct box){nx, ny, -1, -1};
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
		if (i && net->path[i - 1] >= 0 && net->path[i - 1] / cells != node / cells && via_used[node % cells]) {
			hit = true;
			via_past[node % cells] += mark;
		}
	}
	return hit;
}

static int by_extent(const void *a, const void *b)
{
	const struct net *p = &nets[*(const int *)a], *q = &nets[*(const int *)b];
	return p->extent != q->extent ? p->extent - q->extent : *(const int *)a - *(const int *)b;
}

static void read_problem(void)
{
	char word[16];
	while (scanf("%15s", word) == 1) {
		bool ok = false;
		if (!strcmp(word, "board"))
			ok = scanf("%d %d %d", &width, &height, &edge) == 3;
		else if (!strcmp(word, "rules"))
			ok = scanf("%d %d %d %d", &grid, &track, &clearance, &via) == 4 && grid > 0;
		else if (!strcmp(word, "net") && net_count < MAX_NETS)
			ok = scanf("%63s", nets[net_count++].name) == 1;
		else if (!strcmp(word, "copper") && coppers < MAX_COPPER) {
			struct copper *c = &copper[coppers++];
			ok = scanf("%d %d %d %d %d %d", &c->net, &c->layers, &c->island, &c->pad, &c->radius, &c->n) == 6
			     && c->net < net_count && c->n > 0 && c->n <= MAX_POINTS && c->island >= 0 && c->island < MAX_ISLANDS;
			for (int i = 0; ok && i < c->n; i++)
				ok = scanf("%d %d", &c->x[i], &c->y[i]) == 2;
		}
		if (!ok) {
			fprintf(stderr, "problem: cannot read line with %s\n", word);
			exit(2);
		}
	}
}

static void prepare(void)
{
	nx = width / grid + 1;
	ny = height / grid + 1;
	cells = nx * ny;
	int nodes = 2 * cells;
	owner = zeroed(nodes, sizeof *owner);
	via_owner = zeroed(cells, sizeof *via_owner);
	memset(owner, 0xff, nodes * sizeof *owner); /* FREE */
	memset(via_owner, 0xff, cells * sizeof *via_owner);
	used = zeroed(nodes, sizeof *used);
	via_used = zeroed(cells, sizeof *via_used);
	past = zeroed(nodes, sizeof *past);
	via_past = zeroed(cells, sizeof *via_past);
	cost = zeroed(nodes, sizeof *cost);
	from = zeroed(nodes, sizeof *from);
	seen = zeroed(nodes, sizeof *seen);
	goal = zeroed(nodes, sizeof *goal);
	track_track = disc(track + clearance);
	track_via = disc(track / 2 + via / 2 + clearance);
	via_via = disc(via + clearance + HOLES);
	block_edges();
	for (const struct copper *c = copper; c < copper + coppers; c++)
		block(c);
	for (const struct copper *c = copper; c < copper + coppers; c++)
		if (c->net >= 0 && c->island >= nets[c->net].islands)
			nets[c->net].islands = c->island + 1;
	for (int i = 0; i < net_count; i++) {
		memset(reached, 0, sizeof reached);
		box = (struct box){nx, ny, -1, -1};
		terminals(i, -1, widen_box);
		nets[i].extent = box.x1 - box.x0 + box.y1 - box.y0;
	}
}

/* Route in rounds until nothing collides; returns how many nets are not done. */
static int negotiate(void)
{
	int order[MAX_NETS], wrong = net_count;
	for (int i = 0; i < net_count; i++)
		order[i] = i;
	qsort(order, net_count, sizeof *order, by_extent);
	for (int round = 0; round < ROUNDS && wrong; round++) {
		pressure = round ? (pressure < 512 ? pressure + pressure / 2 : pressure) : 4;
		for (int i = 0; i < net_count; i++) {
			struct net *net = &nets[order[i]];
			occupy(net, -1);
			if ((!round || round % 8 == 7 || collides(net, 0)) && !route(order[i])) {
				fprintf(stderr, "%s has no way\n", net->name);
				return 1;
			}
			occupy(net, 1);
		}
		wrong = 0;
		for (int i = 0; i < net_count; i++) {
			occupy(&nets[i], -1);
			wrong += collides(&nets[i], 3);
			occupy(&nets[i], 1);
		}
		fprintf(stderr, "round %d: %d of %d nets collide\n", round, wrong, net_count);
	}
	return wrong;
}

/* Straight runs as one track each, layer changes as vias. */
static void write_net(const struct net *net)
{
	for (int i = 0; i + 1 < net->length; i++) {
		int a = net->path[i], b = net->path[i + 1], last = i + 1;
		if (a < 0 || b < 0)
			continue;
		int x = a % cells / ny, y = a % cells % ny;
		if (a / cells != b / cells) {
			printf("via %s %d %d\n", net->name, x * grid, y * grid);
			continue;
		}
		while (last + 1 < net->length && net->path[last + 1] - net->path[last] == b - a && net->path[last + 1] >= 0)
			last++;
		int end = net->path[last] % cells;
		printf("track %s %d %d %d %d %d\n", net->name, a / cells, x * grid, y * grid, end / ny * grid, end % ny * grid);
		i = last - 1;
	}
}

int main(void)
{
	read_problem();
	prepare();
	if (negotiate())
		return 1;
	for (int i = 0; i < net_count; i++)
		write_net(&nets[i]);
	return 0;
}

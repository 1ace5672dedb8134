/* Reads the problem and blocks the places that are too near to copper of another net, to pads and to the edge. */
#include "problem.h"

#include <stdio.h>
#include <string.h>

/* All distances are compared squared, without a division. */
bool problem_near(const struct copper *c, int64_t px, int64_t py, int64_t limit)
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

static void read_lines(struct problem *p)
{
	char word[16];
	while (scanf("%15s", word) == 1) {
		bool ok = false;
		if (!strcmp(word, "board"))
			ok = scanf("%d %d %d", &p->width, &p->height, &p->edge) == 3;
		else if (!strcmp(word, "rules"))
			ok = scanf("%d %d %d %d", &p->grid, &p->track, &p->clearance, &p->via) == 4 && p->grid > 0;
		else if (!strcmp(word, "net") && p->nets < MAX_NETS)
			ok = scanf("%63s", p->name[p->nets++]) == 1;
		else if (!strcmp(word, "copper") && p->coppers < MAX_COPPER) {
			struct copper *c = &p->copper[p->coppers++];
			ok = scanf("%d %d %d %d %d %d", &c->net, &c->layers, &c->island, &c->pad, &c->radius, &c->n) == 6
			     && c->net < p->nets && c->n > 0 && c->n <= MAX_POINTS && c->island >= 0 && c->island < MAX_ISLANDS;
			for (int i = 0; ok && i < c->n; i++)
				ok = scanf("%d %d", &c->x[i], &c->y[i]) == 2;
		}
		if (!ok) {
			fprintf(stderr, "problem: cannot read line with %s\n", word);
			exit(2);
		}
	}
	if (!p->grid || p->width <= 0 || p->height <= 0) {
		fprintf(stderr, "problem: no board or no rules\n");
		exit(2);
	}
}

/* Give the place to the net, or to nobody where two nets claim it. */
static void claim(int16_t *place, int net)
{
	*place = *place == FREE || *place == net ? (net < 0 ? BLOCKED : net) : BLOCKED;
}

static int clamp(int v, int top)
{
	return v < 0 ? 0 : v > top ? top : v;
}

/* Forbid to all other nets the places that are too near to this copper. */
static void block(struct problem *p, const struct copper *c)
{
	int grid = p->grid, keep = p->clearance, reach = c->radius + keep + p->via;
	int apart = p->via / 2 + keep + (c->n == 1 ? HOLES : 0); /* a disc has a hole in it */
	int x0 = clamp((low(c->x, c->n) - reach) / grid, p->nx - 1);
	int x1 = clamp((high(c->x, c->n) + reach) / grid + 1, p->nx - 1);
	int y0 = clamp((low(c->y, c->n) - reach) / grid, p->ny - 1);
	int y1 = clamp((high(c->y, c->n) + reach) / grid + 1, p->ny - 1);
	for (int x = x0; x <= x1; x++)
		for (int y = y0; y <= y1; y++) {
			int cell = x * p->ny + y;
			for (int layer = 0; layer < 2; layer++)
				if (c->layers >> layer & 1 && problem_near(c, x * grid, y * grid, p->track / 2 + keep))
					claim(&p->owner[layer * p->cells + cell], c->net);
			if (c->pad && problem_near(c, x * grid, y * grid, p->via / 2 + 50))
				p->via_owner[cell] = BLOCKED;
			else if (problem_near(c, x * grid, y * grid, apart))
				claim(&p->via_owner[cell], c->net);
		}
}

static void block_edges(struct problem *p)
{
	for (int x = 0; x < p->nx; x++)
		for (int y = 0; y < p->ny; y++) {
			int from_sides[] = {x * p->grid, p->width - x * p->grid, y * p->grid, p->height - y * p->grid};
			int distance = low(from_sides, 4), cell = x * p->ny + y;
			if (distance < p->edge + p->track / 2)
				p->owner[cell] = p->owner[p->cells + cell] = BLOCKED;
			if (distance < p->edge + p->via / 2)
				p->via_owner[cell] = BLOCKED;
		}
}

void problem_read(struct problem *p)
{
	read_lines(p);
	p->nx = p->width / p->grid + 1;
	p->ny = p->height / p->grid + 1;
	p->cells = p->nx * p->ny;
	p->owner = zeroed(2 * p->cells, sizeof *p->owner);
	p->via_owner = zeroed(p->cells, sizeof *p->via_owner);
	memset(p->owner, 0xff, 2 * p->cells * sizeof *p->owner); /* FREE */
	memset(p->via_owner, 0xff, p->cells * sizeof *p->via_owner);
	block_edges(p);
	for (const struct copper *c = p->copper; c < p->copper + p->coppers; c++)
		block(p, c);
}

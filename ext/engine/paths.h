/* The ways to do the same work, one per instruction set, and the choice of the best that a CPU can take. */
#ifndef TINYMUX_PATHS_H
#define TINYMUX_PATHS_H
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* What each struct of kernels begins with. */
struct path {
    const char *name;
    unsigned needs; /* enum cpu_feature */
};

enum { PATHS_MOST = 8 };

struct paths {
    const struct path *all[PATHS_MOST]; /* best first, then NULL; the last needs nothing */
    const struct path *best;
    const char *names[PATHS_MOST]; /* of those that the CPU can take, then NULL */
    unsigned have;
};

/* 0, or -ENOENT where there is none of this name or the CPU lacks what it needs. */
static inline int paths_use(struct paths *paths, const char *name)
{
    for (const struct path *const *path = paths->all; *path; path++)
        if (!strcmp((*path)->name, name) && !((*path)->needs & ~paths->have)) {
            paths->best = *path;
            return 0;
        }
    return -ENOENT;
}

/* Take the best for a CPU with these features. */
static inline void paths_choose(struct paths *paths, unsigned features)
{
    unsigned count = 0;
    paths->have = features;
    for (const struct path *const *path = paths->all; *path; path++)
        if (!((*path)->needs & ~features))
            paths->names[count++] = (*path)->name;
    paths->names[count] = NULL;
    paths_use(paths, paths->names[0]);
}

#endif

/* Options by name, for callers that have them as words. */
#include "options.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
    int64_t least, most;
} table[] = {
#define OPTION_ROW(name, standard, least, most) { #name, offsetof(struct options, name), least, most },
    OPTIONS(OPTION_ROW)
};

int options_set(struct options *options, const char *name, int64_t value)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name))
            continue;
        if (value < table[i].least || value > table[i].most)
            return -ERANGE;
        *(uint32_t *)((char *)options + table[i].offset) = (uint32_t)value;
        return 0;
    }
    return -ENOENT;
}

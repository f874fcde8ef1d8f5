/* The files that a configuration was read from, so that a change of one can be noticed. */
#ifndef CONFIG_SOURCES_H
#define CONFIG_SOURCES_H

#include <stdbool.h>

#include "base/arena.h"

struct config_source;

struct config_sources {
    struct config_source *first;
    struct arena arena;
};

/* Notes how the file at path looks now; before it is read, so that no change is missed. It need
 * not be there. */
void config_sources_note(struct config_sources *sources, const char *path) __attribute__((nonnull));

/* Whether one of them looks different now: it has come, gone, or was written or replaced. */
bool config_sources_have_changed(const struct config_sources *sources) __attribute__((nonnull));

void config_sources_clear(struct config_sources *sources) __attribute__((nonnull));

#endif

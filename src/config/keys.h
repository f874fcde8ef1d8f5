/* The Flashduty keys of today: what waits for long may have been taken with another. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>

#include "base/arena.h"
#include "config/config.h"
#include "store/history.h"
#include "store/store.h"

/* Every route of every integration with its key. Lives in the arena; the strings are the
 * configuration's. */
const struct present_key *config_keys(const struct config *config, struct arena *arena,
                                      size_t *count) __attribute__((nonnull));

/* What waits in the store goes out with them. */
void config_update_store(const struct config *config, struct store *store) __attribute__((nonnull));

#endif

/* What a form brings back to show that this gateway wrote it for this visitor, lately. */
#ifndef STATUS_TOKEN_H
#define STATUS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "store/store.h"

/* False, and "", if the store has no secret to sign with. */
bool token_make(struct store *store, const char *visitor, int64_t now_ms,
                char token[static SHA256_HEX_SIZE]) __attribute__((nonnull));

/* Good for half a day at least; else ERROR_FORBIDDEN. */
bool token_check(struct store *store, const char *visitor, int64_t now_ms, const char *token,
                 struct error *error) __attribute__((nonnull));

#endif

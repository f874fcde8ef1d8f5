#include "status/token.h"

#include <string.h>

#include "base/arena.h"

/* It is signed for one of these, and good in the next too. */
#define SLOT_MS ((int64_t)12 * 3600 * 1000)

static bool make(struct store *store, const char *visitor, int64_t slot,
                 char token[static SHA256_HEX_SIZE])
{
    unsigned char secret[STORE_SECRET_BYTES];
    struct arena arena = {0};
    token[0] = '\0';
    bool is_made =
        store_secret(store, secret) &&
        hmac_hex(secret, sizeof secret,
                 arena_printf(&arena, "status %lld %s", (long long)slot, visitor), token) &&
        !arena.failed;
    if (!is_made)
        token[0] = '\0';
    explicit_bzero(secret, sizeof secret);
    arena_clear(&arena);
    return is_made;
}

bool token_make(struct store *store, const char *visitor, int64_t now_ms,
                char token[static SHA256_HEX_SIZE])
{
    return make(store, visitor, now_ms / SLOT_MS, token);
}

bool token_check(struct store *store, const char *visitor, int64_t now_ms, const char *token,
                 struct error *error)
{
    char good[SHA256_HEX_SIZE];
    for (int64_t slot = now_ms / SLOT_MS; slot >= now_ms / SLOT_MS - 1; slot--) {
        if (make(store, visitor, slot, good) && secret_equal(good, token))
            return true;
    }
    return error_set(error, ERROR_FORBIDDEN,
                     "this form is too old, or was not made here: load the page again");
}

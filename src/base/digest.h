/* SHA-256, random identifiers, and comparing and wiping secrets. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define SHA256_HEX_SIZE 65
#define REQUEST_ID_SIZE 33

/* Lower-case hex of the SHA-256 of length bytes. False if OpenSSL fails. */
bool sha256_hex(const void *bytes, size_t length, char out[static SHA256_HEX_SIZE])
    __attribute__((nonnull, warn_unused_result));

/* The same of the HMAC-SHA256 (RFC 2104) of text under a key of length bytes. */
bool hmac_hex(const void *key, size_t length, const char *text, char out[static SHA256_HEX_SIZE])
    __attribute__((nonnull, warn_unused_result));

/* count random bytes as lower-case hex, NUL-terminated (2 * count + 1 bytes). False if the kernel
 * gives none. */
bool random_hex(size_t count, char *out) __attribute__((nonnull, warn_unused_result));

/* A new request's identifier: 12 hex digits of the time in ms, so that an index of them grows at
 * its end, and 20 random ones. False as random_hex. */
bool request_id_make(char id[static REQUEST_ID_SIZE]) __attribute__((nonnull, warn_unused_result));

/* Whether two secrets are equal, in a time that depends on their lengths and on nothing else of
 * them. */
bool secret_equal(const char *a, const char *b) __attribute__((nonnull));

#endif

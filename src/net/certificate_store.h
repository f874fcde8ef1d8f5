/*
 * Where the certificates of the authorities (CA) are. A hashed folder costs a file a connection, a
 * bundle some 20 ms once: folders come first.
 */
#ifndef NET_CERTIFICATE_STORE_H
#define NET_CERTIFICATE_STORE_H

#include <stdbool.h>

#include "base/error.h"

/* One of the two; the other is NULL. Borrowed from ca_file, or static. */
struct certificate_store {
    const char *file;   /* PEM bundle */
    const char *folder; /* links named by hash (openssl rehash) */
};

/* ca_file: bundle or hashed folder; "": the system's, looked for in the well-known places. False
 * with ERROR_UNAVAILABLE and what is missing where. */
bool certificate_store_find(const char *ca_file, struct certificate_store *store,
                            struct error *error) __attribute__((nonnull));

#endif

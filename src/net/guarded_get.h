/*
 * A GET to an address that came in from outside, after its host was checked against a list: https
 * only (no redirect, no proxy, no cookies, no decompression), public addresses only, small and
 * quick. The address that is connected to is checked at the socket, after name resolution, so that
 * no DNS answer leads elsewhere.
 */
#ifndef NET_GUARDED_GET_H
#define NET_GUARDED_GET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct guarded_get {
    const char *url;      /* https://…, checked by the caller */
    const char *ca_file;  /* bundle or hashed folder; "": the system's */
    bool private_network; /* also private and loopback addresses */
    int64_t timeout_ms;   /* GUARDED_GET_TIMEOUT_MS at most */
};

/* Appends the answer's body if the status is 2xx and it has at most GUARDED_GET_BYTES_MAX bytes;
 * else false with ERROR_UNAVAILABLE and the reason (never the URL). */
bool guarded_get(const struct guarded_get *get, struct text *body, struct error *error)
    __attribute__((nonnull));

/* Whether an address is global unicast: what a GET may connect to without private_network. */
bool address_is_public(const struct sockaddr *address) __attribute__((nonnull));

#endif

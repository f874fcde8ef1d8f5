/*
 * The transport: POSTs with a deadline over connections that are kept and shared.
 *
 * One loop (curl_multi) owns all connections of a process: libcurl forbids sharing them between
 * threads. In a FastCGI process the loop is a thread; requests start calls and wait on their own
 * clock. Under plain CGI the waiting caller turns the loop itself.
 *
 * TLS 1.2 or newer, HTTP/1.1, certificates checked, no redirect, no proxy but the configured one,
 * never the environment's; a connection on which a call timed out is not used again.
 */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct transport;
struct transport_call;

/* ca_file: bundle or hashed folder, "" for the system's; proxy: "" for none. With threaded the loop
 * runs in a thread of its own, started by the first call. The strings are copied. */
struct transport *transport_new(const char *ca_file, const char *proxy, bool threaded,
                                struct error *error) __attribute__((nonnull));

/* Ends the loop, abandons what is under way, closes the connections. NULL is allowed. */
void transport_free(struct transport *transport);

/* Starts a POST of length bytes of JSON to url. url (which may hold a key), body and the extra
 * headers ("Name: value", NULL-terminated, or NULL) are copied; the copies are wiped. The call
 * gives up timeout_ms from now (connecting: CONNECT_TIMEOUT_MS at most). NULL when out of memory.
 */
struct transport_call *transport_post(struct transport *transport, const char *url,
                                      const char *const *headers, const char *body, size_t length,
                                      int64_t timeout_ms) __attribute__((nonnull(1, 2, 4)));

/* Waits until one of count calls is done or the monotonic clock reaches until_ms, and never longer,
 * whatever the network does. Calls that are NULL are passed over. */
void transport_wait(struct transport *transport, struct transport_call *const *calls, size_t count,
                    int64_t until_ms) __attribute__((nonnull));

struct transport_answer {
    bool done;        /* false: still under way */
    long status;      /* HTTP status; 0: no answer came, `failure` says why */
    const char *body; /* NUL-terminated, cut at ANSWER_BYTES_MAX; borrowed from the call */
    size_t body_length;
    long retry_after_s; /* the answer's Retry-After in seconds; 0: none */
    const char
        *failure; /* plain words without URL or key; borrowed from the call; "" if answered */
};

/* What has come of a call so far. */
struct transport_answer transport_answer(const struct transport_call *call)
    __attribute__((nonnull));

/* Gives the call back: cancelled if it is still under way. NULL is allowed. */
void transport_call_free(struct transport_call *call);

#endif

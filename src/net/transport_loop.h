/*
 * The loop that owns a transport's connections, and what it shares with the owners of calls: they
 * leave calls in an inbox, the loop starts, ends and publishes them. It turns in a thread of its
 * own, or whenever an owner turns it. Internal to src/net.
 */
#ifndef NET_TRANSPORT_LOOP_H
#define NET_TRANSPORT_LOOP_H

#include <curl/curl.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "base/waiter.h"
#include "net/certificate_store.h"
#include "net/transport.h"

#define FAILURE_SIZE 1024
#define EVENTS_AT_ONCE 64

/*
 * A call belongs to its owner until it is done, and is then read only. An owner who gives it back
 * before that leaves it to the loop. The easy handle is the loop's alone.
 */
struct transport_call {
    struct transport *transport;
    char *url, *body;
    size_t length;
    struct curl_slist *headers;
    int64_t timeout_ms, deadline_ms;

    /* The loop's until done. */
    CURL *easy;
    struct transport_call *previous, *next;
    struct transport_call *next_over; /* among those whose end is to be published */
    struct text answer;
    long status, retry_after_s;
    char failure[FAILURE_SIZE];

    /* Under the mutex. */
    struct transport_call *next_in_inbox;
    struct waiter *waiter; /* woken when it is done; NULL: nobody waits */
    bool is_in_inbox, is_done, is_abandoned;
};

struct transport {
    char *ca_file, *proxy;
    bool is_threaded;

    pthread_mutex_t mutex;
    struct waiters waiters;
    struct waiter *stopper; /* woken when the loop has ended */
    int wake;               /* an eventfd that wakes the loop; -1: not made yet */

    /* Under the mutex. The inbox holds what the loop has to start or to drop. */
    size_t users; /* the owner, the thread and every call: the last one frees */
    struct transport_call *inbox, **inbox_end;
    bool is_stopping, has_ended;
    CURLM *multi;
    pthread_t thread;

    /* The loop's. */
    CURLSH *tls_sessions;
    struct transport_call *under_way, *over;
    int poll;              /* an epoll of libcurl's sockets and `wake`; -1: not made yet */
    unsigned char *wanted; /* by socket: the events libcurl waits for; 0: none */
    size_t wanted_size;
    bool has_lost_connect; /* one that waited to be connected was closed */
    int64_t timer_ms;      /* monotonic: when libcurl wants to be called; -1: not at all */
    struct epoll_event ready[EVENTS_AT_ONCE];
    int ready_count;
    struct certificate_store certificates;
    bool has_certificates;
};

/* Starts the loop unless it runs, with its thread if the transport is threaded. Under the mutex. */
bool loop_start(struct transport *transport) __attribute__((nonnull, warn_unused_result));
/* Starts or drops what lies in the inbox. */
void loop_empty_inbox(struct transport *transport) __attribute__((nonnull));
/* Does all that can be done without waiting. */
void loop_turn(struct transport *transport) __attribute__((nonnull));
/* Waits until there is something to do, so many milliseconds at most. */
void loop_rest(struct transport *transport, int64_t ms) __attribute__((nonnull));
/* Ends every call, then the loop. */
void loop_close(struct transport *transport) __attribute__((nonnull));

/* Wakes the loop's thread; without the mutex. */
void loop_wake(const struct transport *transport) __attribute__((nonnull));

/* A user less; the last one frees the transport. */
void transport_leave(struct transport *transport) __attribute__((nonnull));
/* Frees a call that nobody waits for, and leaves. */
void transport_call_release(struct transport_call *call) __attribute__((nonnull));

#endif

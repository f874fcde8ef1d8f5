#include "net/transport.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/easy.h"
#include "net/transport_loop.h"

/* libcurl's calls do not block; should one hang all the same (a folder on a dead network file
 * system), the process must still end. */
#define STOP_TIMEOUT_MS 1000

/* A copy that is wiped by wipe_free. */
static char *copy(const char *bytes, size_t length)
{
    char *memory = malloc(length + 1);
    if (memory) {
        memcpy(memory, bytes, length);
        memory[length] = '\0';
    }
    return memory;
}

static void wipe_free(char *memory, size_t length)
{
    if (memory)
        explicit_bzero(memory, length);
    free(memory);
}

static void wipe_free_string(char *string)
{
    wipe_free(string, string ? strlen(string) : 0);
}

static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *header = headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data));
    curl_slist_free_all(headers);
}

void transport_leave(struct transport *transport)
{
    (void)pthread_mutex_lock(&transport->mutex);
    bool is_last = --transport->users == 0;
    (void)pthread_mutex_unlock(&transport->mutex);
    if (!is_last)
        return;
    (void)pthread_mutex_destroy(&transport->mutex);
    waiters_clear(&transport->waiters);
    if (transport->poll >= 0)
        close(transport->poll);
    if (transport->wake >= 0)
        close(transport->wake);
    free(transport->wanted);
    wipe_free_string(transport->ca_file);
    wipe_free_string(transport->proxy);
    free(transport);
}

static void dispose(struct transport_call *call)
{
    wipe_free_string(call->url);
    wipe_free(call->body, call->length);
    free_headers(call->headers);
    text_clear(&call->answer);
    free(call);
}

void transport_call_release(struct transport_call *call)
{
    struct transport *transport = call->transport;
    dispose(call);
    transport_leave(transport);
}

/* Under the mutex. Whether the loop has to be woken: it takes all there is when it comes. */
static bool put_in_inbox(struct transport *transport, struct transport_call *call)
{
    bool was_empty = !transport->inbox;
    if (call->is_in_inbox)
        return false;
    call->is_in_inbox = true;
    call->next_in_inbox = NULL;
    *transport->inbox_end = call;
    transport->inbox_end = &call->next_in_inbox;
    return was_empty && transport->is_threaded;
}

struct transport *transport_new(const char *ca_file, const char *proxy, bool threaded,
                                struct error *error)
{
    struct transport *transport = calloc(1, sizeof *transport);
    if (!transport || pthread_mutex_init(&transport->mutex, NULL)) {
        free(transport);
        (void)error_out_of_memory(error);
        return NULL;
    }
    transport->users = 1;
    transport->wake = transport->poll = -1;
    transport->is_threaded = threaded;
    transport->inbox_end = &transport->inbox;
    transport->ca_file = copy(ca_file, strlen(ca_file));
    transport->proxy = copy(proxy, strlen(proxy));
    if (transport->ca_file && transport->proxy)
        return transport;
    transport_leave(transport);
    (void)error_out_of_memory(error);
    return NULL;
}

/* The thread frees the transport later if it cannot end now. */
static void stop_thread(struct transport *transport)
{
    int64_t until_ms = clock_monotonic_ms() + STOP_TIMEOUT_MS;
    (void)pthread_mutex_lock(&transport->mutex);
    transport->stopper = waiters_lend(&transport->waiters);
    bool is_in_time = transport->stopper != NULL;
    while (!transport->has_ended && is_in_time)
        is_in_time = waiter_wait(transport->stopper, &transport->mutex, until_ms);
    bool has_ended = transport->has_ended;
    if (transport->stopper)
        waiters_take_back(&transport->waiters, transport->stopper);
    transport->stopper = NULL;
    (void)pthread_mutex_unlock(&transport->mutex);
    if (has_ended)
        (void)pthread_join(transport->thread, NULL);
    else
        (void)pthread_detach(transport->thread);
}

void transport_free(struct transport *transport)
{
    if (!transport)
        return;
    (void)pthread_mutex_lock(&transport->mutex);
    transport->is_stopping = true;
    bool has_loop = transport->multi != NULL;
    (void)pthread_mutex_unlock(&transport->mutex);
    if (has_loop)
        loop_wake(transport);
    if (has_loop && transport->is_threaded)
        stop_thread(transport);
    else if (has_loop)
        loop_close(transport);
    transport_leave(transport);
}

/* "Expect:" keeps libcurl from asking before it sends a large body. */
static bool set_headers(struct transport_call *call, const char *const *headers)
{
    static const char *const common[] = {"Content-Type: application/json", "Expect:", NULL};
    const char *const *lists[] = {common, headers ? headers : common + 2};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const char *const *header = lists[i]; *header; header++) {
            struct curl_slist *longer = curl_slist_append(call->headers, *header);
            if (!longer)
                return false;
            call->headers = longer;
        }
    }
    return true;
}

static struct transport_call *new_call(const char *url, const char *const *headers,
                                       const char *body, size_t length)
{
    struct transport_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->url = copy(url, strlen(url));
    call->body = copy(body, length);
    call->length = length;
    if (call->url && call->body && set_headers(call, headers))
        return call;
    dispose(call);
    return NULL;
}

struct transport_call *transport_post(struct transport *transport, const char *url,
                                      const char *const *headers, const char *body, size_t length,
                                      int64_t timeout_ms)
{
    struct transport_call *call = easy_prepare() ? new_call(url, headers, body, length) : NULL;
    if (!call)
        return NULL;
    call->transport = transport;
    call->timeout_ms = timeout_ms;
    call->deadline_ms = clock_monotonic_ms() + timeout_ms;
    (void)pthread_mutex_lock(&transport->mutex);
    bool is_accepted = !transport->is_stopping && loop_start(transport);
    transport->users += is_accepted;
    bool is_news = is_accepted && put_in_inbox(transport, call);
    (void)pthread_mutex_unlock(&transport->mutex);
    if (is_news)
        loop_wake(transport);
    if (is_accepted)
        return call;
    dispose(call);
    return NULL;
}

/* Under the mutex. Whoever waits for the calls that are there. */
static void set_waiter(struct transport_call *const *calls, size_t count, struct waiter *waiter)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i])
            calls[i]->waiter = waiter;
    }
}

/* Under the mutex. */
static bool is_any_done(struct transport_call *const *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i] && calls[i]->is_done)
            return true;
    }
    return false;
}

static void wait_for_thread(struct transport *transport, struct transport_call *const *calls,
                            size_t count, int64_t until_ms)
{
    (void)pthread_mutex_lock(&transport->mutex);
    struct waiter *waiter = waiters_lend(&transport->waiters);
    bool is_in_time = waiter != NULL;
    set_waiter(calls, count, waiter);
    while (!is_any_done(calls, count) && is_in_time)
        is_in_time = waiter_wait(waiter, &transport->mutex, until_ms);
    set_waiter(calls, count, NULL);
    if (waiter)
        waiters_take_back(&transport->waiters, waiter);
    (void)pthread_mutex_unlock(&transport->mutex);
    if (!waiter)
        (void)poll(NULL, 0, 1); /* so that its caller's loop does not race */
}

/* No other thread is there to change what is_any_done reads. */
static void wait_by_turning(struct transport *transport, struct transport_call *const *calls,
                            size_t count, int64_t until_ms)
{
    for (;;) {
        loop_turn(transport);
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= until_ms || is_any_done(calls, count))
            return;
        loop_rest(transport, until_ms - now_ms);
    }
}

void transport_wait(struct transport *transport, struct transport_call *const *calls, size_t count,
                    int64_t until_ms)
{
    if (transport->is_threaded || !transport->multi)
        wait_for_thread(transport, calls, count, until_ms);
    else
        wait_by_turning(transport, calls, count, until_ms);
}

struct transport_answer transport_answer(const struct transport_call *call)
{
    struct transport *transport = call->transport;
    (void)pthread_mutex_lock(&transport->mutex);
    bool is_done = call->is_done;
    (void)pthread_mutex_unlock(&transport->mutex);
    if (!is_done)
        return (struct transport_answer){.body = "", .failure = ""};
    return (struct transport_answer){
        .done = true,
        .status = call->status,
        .body = text_string(&call->answer),
        .body_length = call->answer.length,
        .retry_after_s = call->retry_after_s,
        .failure = call->failure,
    };
}

void transport_call_free(struct transport_call *call)
{
    if (!call)
        return;
    struct transport *transport = call->transport;
    (void)pthread_mutex_lock(&transport->mutex);
    bool is_done = call->is_done;
    call->is_abandoned = !is_done;
    bool is_news = !is_done && put_in_inbox(transport, call);
    (void)pthread_mutex_unlock(&transport->mutex);
    if (is_news)
        loop_wake(transport);
    if (is_done)
        transport_call_release(call);
    else if (!transport->is_threaded)
        loop_empty_inbox(transport);
}

#include "net/transport.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "net/certificate_store.h"
#include "net/easy.h"

/* Connections open at once, idle ones included; what is more (a body may hold a thousand events)
 * waits for one of them. */
#define CONNECTIONS_MAX 256L
/* The loop is woken for everything that matters; this is only so that poll has a number. */
#define IDLE_POLL_MS 60000
/* libcurl's calls do not block; should one hang all the same (a folder on a dead network file
 * system), the process must still end. */
#define STOP_TIMEOUT_MS 1000
#define FAILURE_SIZE 1024

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
    struct text answer;
    long status, retry_after_s;
    char failure[FAILURE_SIZE];

    /* Under the mutex. */
    struct transport_call *next_in_inbox;
    bool is_in_inbox, is_done, is_abandoned;
};

struct transport {
    char *ca_file, *proxy;
    bool is_threaded;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a call is done, or the loop has ended */

    /* Under the mutex. The inbox holds what the loop has to start or to drop. */
    size_t users; /* the owner, the thread and every call: the last one frees */
    struct transport_call *inbox, **inbox_end;
    bool is_stopping, has_ended;
    CURLM *multi;
    pthread_t thread;

    /* The loop's. */
    CURLSH *tls_sessions;
    struct transport_call *under_way;
    struct certificate_store certificates;
    bool has_certificates;
};

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

static void leave(struct transport *transport)
{
    (void)pthread_mutex_lock(&transport->mutex);
    bool is_last = --transport->users == 0;
    (void)pthread_mutex_unlock(&transport->mutex);
    if (!is_last)
        return;
    (void)pthread_cond_destroy(&transport->changed);
    (void)pthread_mutex_destroy(&transport->mutex);
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

static void free_call(struct transport_call *call)
{
    struct transport *transport = call->transport;
    dispose(call);
    leave(transport);
}

/* Under the mutex. */
static void put_in_inbox(struct transport *transport, struct transport_call *call)
{
    if (!call->is_in_inbox) {
        call->is_in_inbox = true;
        call->next_in_inbox = NULL;
        *transport->inbox_end = call;
        transport->inbox_end = &call->next_in_inbox;
    }
    if (transport->multi)
        (void)curl_multi_wakeup(transport->multi);
}

/* One at a time: what was taken out may be put back by its owner at any moment. */
static struct transport_call *take_from_inbox(struct transport *transport, bool *is_abandoned)
{
    (void)pthread_mutex_lock(&transport->mutex);
    struct transport_call *call = transport->inbox;
    if (call) {
        transport->inbox = call->next_in_inbox;
        if (!transport->inbox)
            transport->inbox_end = &transport->inbox;
        call->is_in_inbox = false;
        *is_abandoned = call->is_abandoned;
    }
    (void)pthread_mutex_unlock(&transport->mutex);
    return call;
}

/* The loop: starting calls. */

static size_t keep_answer(char *bytes, size_t one, size_t length, void *context)
{
    struct transport_call *call = context;
    size_t space = ANSWER_BYTES_MAX - call->answer.length;
    (void)one;
    text_append(&call->answer, bytes, length < space ? length : space);
    return length;
}

/* Certificates are looked for until there are some, so that installing them needs no restart. */
static bool have_certificates(struct transport *transport, struct transport_call *call)
{
    struct error error = {0};
    if (!transport->has_certificates)
        transport->has_certificates =
            certificate_store_find(transport->ca_file, &transport->certificates, &error);
    if (transport->has_certificates || !strncasecmp(call->url, "http://", 7))
        return true;
    (void)snprintf(call->failure, sizeof call->failure, "%s", error.text);
    return false;
}

static struct easy_settings settings_of(const struct transport_call *call, int64_t timeout_ms)
{
    return (struct easy_settings){
        .url = call->url,
        .protocols = "http,https",
        .proxy = call->transport->proxy,
        .no_proxy = "",
        .certificates = call->transport->certificates,
        .timeout_ms = timeout_ms,
    };
}

static CURLcode set_post(const struct transport_call *call)
{
    CURL *easy = call->easy;
    struct curl_slist *headers = call->headers;
    CURLcode codes[] = {
        curl_easy_setopt(easy, CURLOPT_POST, 1L),
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body),
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->length),
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers),
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_answer),
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, call),
        curl_easy_setopt(easy, CURLOPT_PRIVATE, call),
        curl_easy_setopt(easy, CURLOPT_SHARE, call->transport->tls_sessions),
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] != CURLE_OK)
            return codes[i];
    }
    return CURLE_OK;
}

/* Publishes what came of a call; from here on its owner may free it. */
static void publish(struct transport_call *call)
{
    struct transport *transport = call->transport;
    (void)pthread_mutex_lock(&transport->mutex);
    call->is_done = true;
    (void)pthread_cond_broadcast(&transport->changed);
    (void)pthread_mutex_unlock(&transport->mutex);
}

static void close_easy(struct transport_call *call)
{
    struct transport *transport = call->transport;
    if (!call->easy)
        return;
    (void)curl_multi_remove_handle(transport->multi, call->easy);
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    if (call->previous)
        call->previous->next = call->next;
    else
        transport->under_way = call->next;
    if (call->next)
        call->next->previous = call->previous;
}

static bool start(struct transport_call *call)
{
    struct transport *transport = call->transport;
    if (!have_certificates(transport, call))
        return false;
    struct easy_settings settings = settings_of(call, call->deadline_ms - clock_monotonic_ms());
    CURL *easy;
    CURLcode code = easy_new(&settings, &easy);
    if (code == CURLE_OK) {
        call->easy = easy;
        code = set_post(call);
    }
    if (code == CURLE_OK && curl_multi_add_handle(transport->multi, easy) != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK) {
        call->next = transport->under_way;
        if (call->next)
            call->next->previous = call;
        transport->under_way = call;
        return true;
    }
    easy_describe(NULL, code, &settings, call->failure, sizeof call->failure);
    curl_easy_cleanup(easy);
    call->easy = NULL;
    return false;
}

static void empty_inbox(struct transport *transport)
{
    bool is_abandoned;
    for (struct transport_call *call; (call = take_from_inbox(transport, &is_abandoned));) {
        if (is_abandoned) {
            close_easy(call);
            free_call(call);
        } else if (!start(call)) {
            publish(call);
        }
    }
}

/* The loop: ending calls. */

static void finish(struct transport_call *call, CURLcode code)
{
    if (code == CURLE_OK) {
        curl_off_t retry_after_s = 0;
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->status);
        (void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        if (retry_after_s > 0)
            call->retry_after_s = retry_after_s < LONG_MAX ? (long)retry_after_s : LONG_MAX;
    } else {
        struct easy_settings settings = settings_of(call, call->timeout_ms);
        text_clear(&call->answer);
        easy_describe(call->easy, code, &settings, call->failure, sizeof call->failure);
    }
    close_easy(call);
    publish(call);
}

static void collect(struct transport *transport)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(transport->multi, &left));) {
        char *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK && call)
            finish((struct transport_call *)(void *)call, code);
    }
}

/* Does all that can be done without waiting. */
static void turn(struct transport *transport)
{
    int running;
    empty_inbox(transport);
    if (curl_multi_perform(transport->multi, &running) != CURLM_OK) {
        while (transport->under_way)
            finish(transport->under_way, CURLE_OUT_OF_MEMORY);
    }
    collect(transport);
}

static void rest(struct transport *transport, int64_t ms)
{
    static const struct timespec pause = {.tv_nsec = 10000000};
    int timeout = ms > IDLE_POLL_MS ? IDLE_POLL_MS : (int)ms;
    if (curl_multi_poll(transport->multi, NULL, 0, timeout, NULL) != CURLM_OK)
        (void)nanosleep(&pause, NULL); /* so that a poll that fails does not make the loop race */
}

/* Ends every call; the owners of those under way learn that nothing will come. The inbox is last:
 * what is given back meanwhile lands there. */
static void end_calls(struct transport *transport)
{
    bool is_abandoned;
    struct transport_call *call;
    while ((call = transport->under_way)) {
        (void)snprintf(call->failure, sizeof call->failure, "given up: the process is stopping");
        close_easy(call);
        publish(call);
    }
    while ((call = take_from_inbox(transport, &is_abandoned))) {
        if (is_abandoned) {
            free_call(call);
        } else {
            (void)snprintf(call->failure, sizeof call->failure,
                           "not sent: the process is stopping");
            publish(call);
        }
    }
}

static void close_loop(struct transport *transport)
{
    end_calls(transport);
    (void)pthread_mutex_lock(&transport->mutex);
    CURLM *multi = transport->multi;
    transport->multi = NULL;
    (void)pthread_mutex_unlock(&transport->mutex);
    (void)curl_multi_cleanup(multi);
    (void)curl_share_cleanup(transport->tls_sessions);
}

static bool is_stopping(struct transport *transport)
{
    (void)pthread_mutex_lock(&transport->mutex);
    bool stopping = transport->is_stopping;
    (void)pthread_mutex_unlock(&transport->mutex);
    return stopping;
}

static void *run(void *context)
{
    struct transport *transport = context;
    while (!is_stopping(transport)) {
        turn(transport);
        rest(transport, IDLE_POLL_MS);
    }
    close_loop(transport);
    (void)pthread_mutex_lock(&transport->mutex);
    transport->has_ended = true;
    (void)pthread_cond_broadcast(&transport->changed);
    (void)pthread_mutex_unlock(&transport->mutex);
    leave(transport);
    return NULL;
}

/* Signals are for the threads that expect them. Under the mutex. */
static bool start_thread(struct transport *transport)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(&transport->thread, NULL, run, transport) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (is_started)
        transport->users++;
    return is_started;
}

/* TLS sessions belong to an easy handle unless they are shared; nothing but the loop uses the
 * share, so it needs no locks. The wake-up is tried because libcurl makes a multi without one when
 * descriptors run out. */
static bool is_usable(CURLM *multi, CURLSH *tls_sessions)
{
    return multi && tls_sessions &&
           curl_share_setopt(tls_sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ==
               CURLSHE_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_wakeup(multi) == CURLM_OK;
}

/* Under the mutex. */
static bool start_loop(struct transport *transport)
{
    if (transport->multi)
        return true;
    transport->multi = curl_multi_init();
    transport->tls_sessions = curl_share_init();
    if (is_usable(transport->multi, transport->tls_sessions) &&
        (!transport->is_threaded || start_thread(transport)))
        return true;
    (void)curl_multi_cleanup(transport->multi);
    (void)curl_share_cleanup(transport->tls_sessions);
    transport->multi = NULL;
    return false;
}

/* The owner's side. */

static bool prepare_locks(struct transport *transport)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic))
        return false;
    bool is_ready = !pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) &&
                    !pthread_cond_init(&transport->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (is_ready && pthread_mutex_init(&transport->mutex, NULL)) {
        (void)pthread_cond_destroy(&transport->changed);
        is_ready = false;
    }
    return is_ready;
}

struct transport *transport_new(const char *ca_file, const char *proxy, bool threaded,
                                struct error *error)
{
    struct transport *transport = calloc(1, sizeof *transport);
    if (!transport || !prepare_locks(transport)) {
        free(transport);
        (void)error_out_of_memory(error);
        return NULL;
    }
    transport->users = 1;
    transport->is_threaded = threaded;
    transport->inbox_end = &transport->inbox;
    transport->ca_file = copy(ca_file, strlen(ca_file));
    transport->proxy = copy(proxy, strlen(proxy));
    if (transport->ca_file && transport->proxy)
        return transport;
    leave(transport);
    (void)error_out_of_memory(error);
    return NULL;
}

static struct timespec time_of(int64_t ms)
{
    if (ms < 0)
        ms = 0;
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

/* The thread frees the transport later if it cannot end now. */
static void stop_thread(struct transport *transport)
{
    struct timespec until = time_of(clock_monotonic_ms() + STOP_TIMEOUT_MS);
    int result = 0;
    (void)pthread_mutex_lock(&transport->mutex);
    while (!transport->has_ended && result == 0)
        result = pthread_cond_timedwait(&transport->changed, &transport->mutex, &until);
    bool has_ended = transport->has_ended;
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
    if (has_loop)
        (void)curl_multi_wakeup(transport->multi);
    (void)pthread_mutex_unlock(&transport->mutex);
    if (has_loop && transport->is_threaded)
        stop_thread(transport);
    else if (has_loop)
        close_loop(transport);
    leave(transport);
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
    bool is_accepted = !transport->is_stopping && start_loop(transport);
    if (is_accepted) {
        transport->users++;
        put_in_inbox(transport, call);
    }
    (void)pthread_mutex_unlock(&transport->mutex);
    if (is_accepted)
        return call;
    dispose(call);
    return NULL;
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
    struct timespec until = time_of(until_ms);
    int result = 0;
    (void)pthread_mutex_lock(&transport->mutex);
    while (!is_any_done(calls, count) && result == 0)
        result = pthread_cond_timedwait(&transport->changed, &transport->mutex, &until);
    (void)pthread_mutex_unlock(&transport->mutex);
}

/* No other thread is there to change what is_any_done reads. */
static void wait_by_turning(struct transport *transport, struct transport_call *const *calls,
                            size_t count, int64_t until_ms)
{
    for (;;) {
        turn(transport);
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= until_ms || is_any_done(calls, count))
            return;
        rest(transport, until_ms - now_ms);
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
    if (!is_done) {
        call->is_abandoned = true;
        put_in_inbox(transport, call);
    }
    (void)pthread_mutex_unlock(&transport->mutex);
    if (is_done)
        free_call(call);
    else if (!transport->is_threaded)
        empty_inbox(transport);
}

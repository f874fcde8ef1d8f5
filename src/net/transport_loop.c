#include "net/transport_loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "net/easy.h"

/* Connections open at once, idle ones included; what is more (a body may hold a thousand events)
 * waits for one of them. */
#define CONNECTIONS_MAX 256L
/* The loop is woken for everything that matters; this is only so that poll has a number. */
#define IDLE_POLL_MS 60000

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

/* ---- starting calls ---- */

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

static void end(struct transport_call *call)
{
    call->next_over = call->transport->over;
    call->transport->over = call;
}

/* Publishes what came of the calls that have ended; from here on their owners may free them. */
static void publish(struct transport *transport)
{
    struct waiter *woken = NULL;
    if (!transport->over)
        return;
    (void)pthread_mutex_lock(&transport->mutex);
    for (struct transport_call *call = transport->over, *next; call; call = next) {
        next = call->next_over;
        call->is_done = true;
        waiter_note(call->waiter, &woken);
    }
    transport->over = NULL;
    (void)pthread_mutex_unlock(&transport->mutex);
    waiters_wake(woken);
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

/* One that was given back. It may have ended, and not be published yet. */
static void drop(struct transport_call *call)
{
    publish(call->transport);
    close_easy(call);
    transport_call_release(call);
}

void loop_empty_inbox(struct transport *transport)
{
    bool is_abandoned;
    for (struct transport_call *call; (call = take_from_inbox(transport, &is_abandoned));) {
        if (is_abandoned) {
            drop(call);
        } else if (!start(call)) {
            end(call);
        }
    }
    publish(transport);
}

/* ---- ending calls ---- */

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
    end(call);
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

/* ---- what libcurl waits for ---- */

static bool make_room(struct transport *transport, size_t number)
{
    size_t size = number + 64;
    if (number < transport->wanted_size)
        return true;
    unsigned char *longer = realloc(transport->wanted, size);
    if (!longer)
        return false;
    memset(longer + transport->wanted_size, 0, size - transport->wanted_size);
    transport->wanted = longer;
    transport->wanted_size = size;
    return true;
}

static bool watch(const struct transport *transport, int socket)
{
    struct epoll_event event = {.events = transport->wanted[socket], .data.fd = socket};
    return !epoll_ctl(transport->poll, EPOLL_CTL_MOD, socket, &event) ||
           (errno == ENOENT && !epoll_ctl(transport->poll, EPOLL_CTL_ADD, socket, &event));
}

/* libcurl's own loop looks at every call at each turn; this one only at those with news. */
static int note_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *known)
{
    struct transport *transport = context;
    size_t number = (size_t)socket;
    (void)easy;
    (void)known;
    /* It stays in the poll: it may be closed already, its number another thread's. */
    if (what == CURL_POLL_REMOVE) {
        if (number >= transport->wanted_size)
            return 0;
        transport->has_lost_connect |= transport->wanted[number] == EPOLLOUT;
        transport->wanted[number] = 0;
        return 0;
    }
    if (!make_room(transport, number))
        return -1;
    transport->wanted[number] = (unsigned char)((what & CURL_POLL_IN ? EPOLLIN : 0) |
                                                (what & CURL_POLL_OUT ? EPOLLOUT : 0));
    return watch(transport, socket) ? 0 : -1;
}

static int note_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct transport *transport = context;
    (void)multi;
    transport->timer_ms = timeout_ms < 0 ? -1 : clock_monotonic_ms() + timeout_ms;
    return 0;
}

/* When a socket did not connect, libcurl before 8.5 chooses the host's next address and connects
 * to it at its next call, for which it has left neither a socket nor a timer. This function is the
 * only one that calls it all the same. */
static CURLMcode connect_further(struct transport *transport)
{
    CURLMcode code = CURLM_OK;
    int running;
    while (code == CURLM_OK && transport->has_lost_connect) {
        transport->has_lost_connect = false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        code = curl_multi_socket_all(transport->multi, &running);
#pragma GCC diagnostic pop
    }
    return code;
}

static void act(struct transport *transport, curl_socket_t socket, int news)
{
    int running;
    CURLMcode code = curl_multi_socket_action(transport->multi, socket, news, &running);
    if (code == CURLM_OK)
        code = connect_further(transport);
    while (code != CURLM_OK && transport->under_way)
        finish(transport->under_way, CURLE_OUT_OF_MEMORY);
}

static void act_on_event(struct transport *transport, const struct epoll_event *event)
{
    uint64_t ignored;
    int news = 0;
    if (event->data.fd == transport->wake) {
        if (read(transport->wake, &ignored, sizeof ignored) < 0)
            return;
        return;
    }
    news |= event->events & EPOLLIN ? CURL_CSELECT_IN : 0;
    news |= event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    news |= event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
    act(transport, event->data.fd, news);
}

static void act_on_timer(struct transport *transport)
{
    if (transport->timer_ms < 0 || clock_monotonic_ms() < transport->timer_ms)
        return;
    transport->timer_ms = -1;
    act(transport, CURL_SOCKET_TIMEOUT, 0);
}

void loop_turn(struct transport *transport)
{
    int count = transport->ready_count;
    transport->ready_count = 0;
    for (int i = 0; i < count; i++)
        act_on_event(transport, &transport->ready[i]);
    loop_empty_inbox(transport);
    act_on_timer(transport);
    collect(transport);
    publish(transport);
}

/* What news there is for libcurl. A socket with other news is taken out of the poll: its server has
 * closed an idle connection. Here, where it cannot have been closed since its news came. */
static void keep_wanted(struct transport *transport, int count)
{
    for (int i = 0; i < count; i++) {
        int socket = transport->ready[i].data.fd;
        if (socket == transport->wake || transport->wanted[socket])
            transport->ready[transport->ready_count++] = transport->ready[i];
        else
            (void)epoll_ctl(transport->poll, EPOLL_CTL_DEL, socket, NULL);
    }
}

void loop_rest(struct transport *transport, int64_t ms)
{
    int64_t left_ms = transport->timer_ms < 0 ? ms : transport->timer_ms - clock_monotonic_ms();
    ms = left_ms < ms ? left_ms : ms;
    ms = ms < IDLE_POLL_MS ? ms : IDLE_POLL_MS;
    int count = epoll_wait(transport->poll, transport->ready, EVENTS_AT_ONCE, ms > 0 ? (int)ms : 0);
    if (count < 0 && errno != EINTR)
        clock_pause(10); /* so that a poll that fails does not make the loop race */
    transport->ready_count = 0;
    keep_wanted(transport, count);
}

void loop_wake(const struct transport *transport)
{
    const uint64_t one = 1;
    /* It can only fail when it is woken already. */
    if (write(transport->wake, &one, sizeof one) < 0)
        return;
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
        end(call);
    }
    while ((call = take_from_inbox(transport, &is_abandoned))) {
        if (is_abandoned) {
            drop(call);
        } else {
            (void)snprintf(call->failure, sizeof call->failure,
                           "not sent: the process is stopping");
            end(call);
        }
    }
    publish(transport);
}

void loop_close(struct transport *transport)
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
        loop_turn(transport);
        loop_rest(transport, IDLE_POLL_MS);
    }
    loop_close(transport);
    (void)pthread_mutex_lock(&transport->mutex);
    transport->has_ended = true;
    struct waiter *woken = NULL;
    waiter_note(transport->stopper, &woken);
    (void)pthread_mutex_unlock(&transport->mutex);
    waiters_wake(woken);
    transport_leave(transport);
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
 * share, so it needs no locks. */
static bool is_usable(struct transport *transport, CURLM *multi, CURLSH *tls_sessions)
{
    return multi && tls_sessions &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, note_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, transport) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, transport) == CURLM_OK &&
           curl_share_setopt(tls_sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) ==
               CURLSHE_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK;
}

static bool make_poll(struct transport *transport)
{
    if (transport->poll >= 0)
        return true;
    if (transport->wake < 0)
        transport->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = transport->wake};
    int made = transport->wake < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    if (made >= 0 && epoll_ctl(made, EPOLL_CTL_ADD, transport->wake, &event)) {
        close(made);
        made = -1;
    }
    transport->poll = made;
    return made >= 0;
}

bool loop_start(struct transport *transport)
{
    if (transport->multi)
        return true;
    transport->timer_ms = -1;
    transport->multi = curl_multi_init();
    transport->tls_sessions = curl_share_init();
    if (make_poll(transport) && is_usable(transport, transport->multi, transport->tls_sessions) &&
        (!transport->is_threaded || start_thread(transport)))
        return true;
    (void)curl_multi_cleanup(transport->multi);
    (void)curl_share_cleanup(transport->tls_sessions);
    transport->multi = NULL;
    return false;
}

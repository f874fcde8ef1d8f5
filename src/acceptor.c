#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/null_device.h"
#include "readers.h"
#include "serve.h"

/* Silent connections are dropped after this ... */
#define SILENT_TIMEOUT_MS 10000
/* ... or if newer ones need the place and this has passed: a web server speaks at once. */
#define SILENT_GRACE_MS 1000
/* ... or at the end of the process. */
#define STOP_GRACE_MS 300
/* How often it is looked whether there is a place again, besides when a thread makes one. */
#define HELD_TICK_MS 50
/* How often it is looked who takes too long to send. */
#define WATCH_TICK_MS 250
/* Connections taken before those that have been taken are looked at. */
#define ACCEPT_BATCH 64
#define WARNING_INTERVAL_MS 10000
/* Heaps of the C library: by itself it makes one for nearly each thread, and memory that a thread
 * gave back serves no other. Nor does it keep lists of small blocks that it has to merge whenever a
 * large one is given back: each thread has a cache of its own besides. */
#define HEAPS_MAX 2

/* A connection that has sent nothing yet. Others are left in the socket's backlog, where nobody's
 * request is lost. */
struct connection {
    int descriptor;
    int64_t accepted_ms;
    int64_t arrived_ms; /* when its request came */
    bool was_silent;    /* it was connected before its request came */
};

/* The accepting loop. */
struct acceptor {
    struct readers *readers;
    struct connection silent[READERS_WAITING_MAX];
    size_t silent_count;
    int64_t held_since_ms; /* since when connections may wait in the backlog; 0: none does */
    int64_t warned_ms, watched_ms;
};

static volatile sig_atomic_t stop_signal;

static void on_stop(int signal)
{
    stop_signal = signal;
}

static const int stop_signals[] = {SIGTERM, SIGUSR1, SIGINT};

static void set_handler(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

/* A web server may have closed them; whatever is opened next must not become descriptor 2. */
static void open_standard_descriptors(void)
{
    int descriptor;
    do
        descriptor = null_device_open();
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor > STDERR_FILENO)
        close(descriptor);
}

bool acceptor_prepare(void)
{
    sigset_t blocked;
    open_standard_descriptors();
    for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
        set_handler(stop_signals[i], on_stop);
    bool is_cgi = serve_is_cgi();
    /* A peer that is gone, a file that may not grow: writing fails then, and that is seen. */
    set_handler(SIGPIPE, SIG_IGN);
    set_handler(SIGXFSZ, SIG_IGN);
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++) {
        sigaddset(&blocked, stop_signals[i]);
        if (is_cgi)
            set_handler(stop_signals[i], SIG_DFL);
    }
    /* Blocked from here on, in every thread; the accepting loop lets them in while it waits. */
    if (!is_cgi)
        pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    return is_cgi;
}

/* ---- the accepting loop ---- */

static bool can_drop_silent(const struct acceptor *acceptor, int64_t now_ms)
{
    return acceptor->silent_count > 0 && now_ms - acceptor->silent[0].accepted_ms > SILENT_GRACE_MS;
}

/* Drops the one that has been silent for longest. False if all have spoken, or may be about to. */
static bool drop_silent(struct acceptor *acceptor, int64_t now_ms)
{
    char byte;
    if (!can_drop_silent(acceptor, now_ms) ||
        recv(acceptor->silent[0].descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return false;
    close(acceptor->silent[0].descriptor);
    acceptor->silent_count--;
    memmove(&acceptor->silent[0], &acceptor->silent[1],
            acceptor->silent_count * sizeof acceptor->silent[0]);
    return true;
}

/* From now on connections are left in the backlog, until it is seen empty. */
static void hold_back(struct acceptor *acceptor, int64_t now_ms, const char *reason)
{
    if (acceptor->held_since_ms)
        return;
    acceptor->held_since_ms = now_ms;
    if (acceptor->warned_ms && now_ms - acceptor->warned_ms < WARNING_INTERVAL_MS)
        return;
    acceptor->warned_ms = now_ms;
    log_event(LOG_WARNING, "connections have to wait", "reason", reason, NULL);
}

/* False if none was there, or none can be taken now. */
static bool accept_connection(struct acceptor *acceptor)
{
    int descriptor = accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
    int64_t now_ms = clock_monotonic_ms();
    if (descriptor >= 0) {
        /* How long it was in the backlog nobody tells: the longest that can be is assumed, so
         * that its answer does not come too late for a vendor that waits. */
        int64_t arrived_ms = acceptor->held_since_ms ? acceptor->held_since_ms : now_ms;
        acceptor->silent[acceptor->silent_count++] =
            (struct connection){descriptor, now_ms, arrived_ms, false};
        return true;
    }
    if (errno == EAGAIN)
        acceptor->held_since_ms = 0;
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return false;
    /* Out of descriptors, most likely: a silent peer gives its back, others will. */
    hold_back(acceptor, now_ms, strerror(errno));
    if (!drop_silent(acceptor, now_ms))
        poll(NULL, 0, HELD_TICK_MS);
    return false;
}

static void accept_connections(struct acceptor *acceptor)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (!readers_have_place(acceptor->readers, acceptor->silent_count) &&
            !drop_silent(acceptor, clock_monotonic_ms()))
            return;
        if (!accept_connection(acceptor))
            return;
    }
}

/* Hands over who has begun to speak (events: one an entry of silent), drops who never did. */
static void sort_silent(struct acceptor *acceptor, const struct pollfd *events, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < acceptor->silent_count; i++) {
        struct connection connection = acceptor->silent[i];
        if (events[i].revents) {
            if (connection.was_silent)
                connection.arrived_ms = now_ms;
            readers_take(acceptor->readers, connection.descriptor, connection.arrived_ms);
        } else if (now_ms - connection.accepted_ms > SILENT_TIMEOUT_MS) {
            close(connection.descriptor);
        } else {
            connection.was_silent = true;
            acceptor->silent[kept++] = connection;
        }
    }
    acceptor->silent_count = kept;
}

/* Waits until something is to be done. events: the listening socket, the wake-up, then one an
 * entry of silent. False if it was a signal. */
static bool wait_for_events(struct acceptor *acceptor, struct pollfd *events)
{
    int64_t now_ms = clock_monotonic_ms();
    bool accepts = readers_have_place(acceptor->readers, acceptor->silent_count) ||
                   can_drop_silent(acceptor, now_ms);
    struct timespec tick = {.tv_sec = accepts, .tv_nsec = accepts ? 0 : HELD_TICK_MS * 1000000};
    sigset_t open_to_signals;
    sigemptyset(&open_to_signals);
    /* Whether the backlog is empty has to be seen now: whoever comes later has not waited. */
    if (accepts && acceptor->held_since_ms)
        tick.tv_sec = 0;
    if (!accepts)
        hold_back(acceptor, now_ms, "there is no place for more");
    events[0] = (struct pollfd){.fd = accepts ? STDIN_FILENO : -1, .events = POLLIN};
    events[1] = (struct pollfd){.fd = readers_wake(acceptor->readers), .events = POLLIN};
    for (size_t i = 0; i < acceptor->silent_count; i++)
        events[2 + i] = (struct pollfd){.fd = acceptor->silent[i].descriptor, .events = POLLIN};
    if (ppoll(events, 2 + acceptor->silent_count, &tick, &open_to_signals) < 0)
        return false;
    if (accepts && !events[0].revents)
        acceptor->held_since_ms = 0;
    return true;
}

static void accept_until_stopped(struct acceptor *acceptor)
{
    struct pollfd events[2 + READERS_WAITING_MAX];
    while (!stop_signal) {
        if (!wait_for_events(acceptor, events))
            continue;
        if (events[1].revents)
            readers_wake_seen(acceptor->readers);
        int64_t now_ms = clock_monotonic_ms();
        sort_silent(acceptor, events + 2, now_ms);
        if (now_ms - acceptor->watched_ms >= WATCH_TICK_MS) {
            acceptor->watched_ms = now_ms;
            readers_look(acceptor->readers, now_ms);
        }
        if (events[0].revents)
            accept_connections(acceptor);
    }
}

/* How long it is until every connection has had its grace; 0 if that is over. */
static int64_t grace_left_ms(const struct acceptor *acceptor)
{
    int64_t left_ms = 0, now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < acceptor->silent_count; i++) {
        int64_t mine_ms = acceptor->silent[i].accepted_ms + STOP_GRACE_MS - now_ms;
        left_ms = mine_ms > left_ms ? mine_ms : left_ms;
    }
    return left_ms;
}

/* A request may be on its way on a connection that was just taken: nobody else will answer it. */
static void hear_silent(struct acceptor *acceptor)
{
    struct pollfd events[READERS_WAITING_MAX];
    for (int64_t left_ms; (left_ms = grace_left_ms(acceptor)) > 0;) {
        for (size_t i = 0; i < acceptor->silent_count; i++)
            events[i] = (struct pollfd){.fd = acceptor->silent[i].descriptor, .events = POLLIN};
        if (poll(events, acceptor->silent_count, (int)left_ms) > 0)
            sort_silent(acceptor, events, clock_monotonic_ms());
    }
    for (size_t i = 0; i < acceptor->silent_count; i++)
        close(acceptor->silent[i].descriptor);
    acceptor->silent_count = 0;
}

int acceptor_run(const struct server *server)
{
    (void)mallopt(M_ARENA_MAX, HEAPS_MAX);
    (void)mallopt(M_MXFAST, 0);
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (acceptor)
        acceptor->readers = readers_new(server);
    if (!acceptor || !acceptor->readers || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK)) {
        log_event(LOG_ERROR, "cannot start", "reason", strerror(errno), NULL);
        if (acceptor)
            readers_free(acceptor->readers);
        free(acceptor);
        return EXIT_FAILURE;
    }
    accept_until_stopped(acceptor);
    server->end(server->context);
    int64_t until_ms = clock_monotonic_ms() + SHUTDOWN_TIMEOUT_MS;
    hear_silent(acceptor);
    if (!readers_finish(acceptor->readers, until_ms)) {
        log_event(LOG_WARNING, "stopped before every request was answered", NULL);
        _exit(EXIT_SUCCESS);
    }
    readers_free(acceptor->readers);
    free(acceptor);
    return EXIT_SUCCESS;
}

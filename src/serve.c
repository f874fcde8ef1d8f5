#include "serve.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/null_device.h"
#include "cgi.h"
#include "head_ways.h"
#include "records.h"

/* Connections that have sent nothing yet, or wait for a thread: each costs a descriptor. Others are
 * left in the socket's backlog, where nobody's request is lost. */
#define WAITING_MAX 1024
#define WAITING_MIN 16
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
/* Descriptors that a worker needs for its connection to Flashduty and the name's resolution, and
 * those of a process that serves nothing: log, store, locks. */
#define WORKER_DESCRIPTORS 4
#define OTHER_DESCRIPTORS 64
/* Heaps of the C library: by itself it makes one for nearly each thread, and memory that a thread
 * gave back serves no other. Nor does it keep lists of small blocks that it has to merge whenever a
 * large one is given back: each thread has a cache of its own besides. */
#define HEAPS_MAX 2
/* Threads that read a request while `workers` others answer theirs. */
#define READERS_MAX 64
#define THREAD_STACK_BYTES ((size_t)1024 * 1024)

/* Silence within a head: what a web server sends in one piece. Within a body: a client's pause. */
#define HEAD_SILENCE_S 1
#define BODY_SILENCE_S 5
#define SEND_SILENCE_S 5

struct connection {
    int descriptor; /* -1: none */
    int64_t accepted_ms;
    int64_t arrived_ms; /* when its request came */
    bool was_silent;    /* it was connected before its request came */
};

struct pool;

struct reader {
    struct pool *pool;
    pthread_t thread;
    /* While a request is read, for the watch over slow peers; guarded by the pool's lock. The
     * descriptor is a copy: libfcgi closes its own when it likes, and the number is used again. */
    struct connection watched;
    /* While there is nothing to do: the last one to fall asleep is the first to be called, because
     * its stack and its memory are still warm. Guarded by the pool's lock. */
    pthread_cond_t called;
    struct reader *next_asleep;
    bool is_asleep;
};

struct pool {
    const struct server *server;
    pthread_mutex_t lock;
    pthread_cond_t released; /* a worker's place, or a thread that has nothing more to do */
    struct connection queue[WAITING_MAX];
    size_t queue_start, queue_length;
    struct reader *readers;
    size_t reader_count, reader_max, idle_count;
    struct reader *asleep;
    int workers_busy;
    bool is_stopping;
    bool is_held; /* the accepting loop waits for a place in the queue */
    struct head_ways ways;
    int wake; /* eventfd: the accepting loop looks at the queue again */

    /* The accepting loop's own. With those in the queue there are never more than `places`. */
    struct connection silent[WAITING_MAX];
    size_t silent_count, places;
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

bool serve_is_cgi(void)
{
    sigset_t blocked;
    open_standard_descriptors();
    /* Before FCGX_Init, which leaves handlers alone that are set, and reads this variable: how
     * long it waits for the peer to close a connection that was not read to its end. */
    for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++)
        set_handler(stop_signals[i], on_stop);
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "500", 0);
    bool is_cgi = FCGX_IsCGI();
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

/* ---- one FastCGI connection ---- */

/* What a request is read from: its parameters, then its body. */
struct fastcgi_source {
    FCGX_Request *fastcgi;
    struct records *records;
};

static const char *parameter(void *context, const char *name)
{
    const struct fastcgi_source *peer = context;
    return FCGX_GetParam(name, peer->fastcgi->envp);
}

static ssize_t read_stream(void *context, char *buffer, size_t size)
{
    const struct fastcgi_source *peer = context;
    return records_read_body(peer->records, buffer, size);
}

static void set_silence(int descriptor, int option, int seconds)
{
    struct timeval timeout = {.tv_sec = seconds};
    setsockopt(descriptor, SOL_SOCKET, option, &timeout, sizeof timeout);
}

/* A place among the workers; false if there was none in time. */
static bool take_worker(struct pool *pool, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / 1000,
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    bool is_late = false;
    pthread_mutex_lock(&pool->lock);
    while (pool->workers_busy >= pool->server->workers && !is_late)
        is_late = pthread_cond_timedwait(&pool->released, &pool->lock, &until) == ETIMEDOUT;
    bool is_free = pool->workers_busy < pool->server->workers;
    pool->workers_busy += is_free;
    pthread_mutex_unlock(&pool->lock);
    return is_free;
}

static void release_worker(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->workers_busy--;
    /* One place is for one thread; at the end finish() waits, too. */
    if (pool->is_stopping)
        pthread_cond_broadcast(&pool->released);
    else
        pthread_cond_signal(&pool->released);
    pthread_mutex_unlock(&pool->lock);
}

static void start_watching(struct reader *reader, struct connection connection)
{
    connection.descriptor = fcntl(connection.descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    pthread_mutex_lock(&reader->pool->lock);
    reader->watched = connection;
    pthread_mutex_unlock(&reader->pool->lock);
}

static void stop_watching(struct reader *reader)
{
    pthread_mutex_lock(&reader->pool->lock);
    int descriptor = reader->watched.descriptor;
    reader->watched.descriptor = -1;
    pthread_mutex_unlock(&reader->pool->lock);
    if (descriptor >= 0)
        close(descriptor);
}

static void answer(struct reader *reader, struct fastcgi_source *peer, int64_t arrived_ms,
                   bool *drained)
{
    struct pool *pool = reader->pool;
    const struct server *server = pool->server;
    const struct request_source source = {parameter, read_stream, peer, true};
    struct request request;
    struct response response = {0};
    struct text out = {0};
    const struct server_limits limits = server->limits(server->context);
    request_receive(&request, &source, arrived_ms, limits.max_body_bytes);
    stop_watching(reader);
    bool has_place = take_worker(pool, arrived_ms + limits.patience_ms);
    if (!has_place)
        error_set(&request.error, ERROR_UNAVAILABLE, "all workers = %d are busy", server->workers);
    server->handle(server->context, &request, &response);
    if (has_place)
        release_worker(pool);
    response_write(&response, &out);
    if (!out.failed && out.length <= INT_MAX)
        FCGX_PutStr(text_string(&out), (int)out.length, peer->fastcgi->out);
    *drained = request.is_drained;
    text_clear(&out);
    text_clear(&response.body);
    request_clear(&request);
}

/* Reads the head, and lets libfcgi have it: it reads only to the end of that. */
static bool read_head(struct head_ways *ways, struct records *records, FCGX_Request *fastcgi)
{
    struct text head = {0};
    struct head_way way = {-1, -1};
    bool is_read = records_read_head(records, &head);
    if (is_read)
        way = head_ways_lend(ways, &head);
    if (is_read && way.out < 0)
        log_event(LOG_ERROR, "a request cannot be read", "reason", strerror(errno), NULL);
    text_clear(&head);
    /* No listening socket: after a role that is none libfcgi would accept from it by itself. */
    FCGX_InitRequest(fastcgi, -1, FCGI_FAIL_ACCEPT_ON_INTR);
    fastcgi->ipcFd = way.out;
    fastcgi->keepConnection = 1;
    if (way.out < 0 || FCGX_Accept_r(fastcgi) < 0) {
        FCGX_Free(fastcgi, 1);
        if (way.out >= 0)
            head_ways_drop(ways, way);
        return false;
    }
    head_ways_take_back(ways, way);
    fastcgi->ipcFd = records->descriptor;
    return true;
}

/* Reads, answers and closes. The connection is never kept: it would hold a thread until the peer
 * sends its next request. */
static void serve_connection(struct reader *reader, struct connection connection)
{
    FCGX_Request fastcgi;
    struct records records;
    struct fastcgi_source peer = {&fastcgi, &records};
    bool drained = false;
    start_watching(reader, connection);
    set_silence(connection.descriptor, SO_RCVTIMEO, HEAD_SILENCE_S);
    set_silence(connection.descriptor, SO_SNDTIMEO, SEND_SILENCE_S);
    records_init(&records, connection.descriptor);
    if (!read_head(&reader->pool->ways, &records, &fastcgi)) {
        records_clear(&records);
        stop_watching(reader);
        close(connection.descriptor);
        return;
    }
    set_silence(connection.descriptor, SO_RCVTIMEO, BODY_SILENCE_S);
    if (FCGX_GetParam("REQUEST_METHOD", fastcgi.envp))
        answer(reader, &peer, connection.arrived_ms, &drained);
    else
        stop_watching(reader);
    records_clear(&records);
    fastcgi.keepConnection = 1;
    FCGX_Finish_r(&fastcgi);
    if (drained)
        FCGX_Detach(&fastcgi);
    FCGX_Free(&fastcgi, 1);
}

/* ---- threads ---- */

/* With the lock held. */
static void sleep_until_called(struct reader *reader)
{
    struct pool *pool = reader->pool;
    reader->is_asleep = true;
    reader->next_asleep = pool->asleep;
    pool->asleep = reader;
    while (reader->is_asleep)
        pthread_cond_wait(&reader->called, &pool->lock);
}

/* Takes one off the sleepers, whom the caller wakes when it has let the lock go. NULL: none. */
static struct reader *call_reader(struct pool *pool)
{
    struct reader *reader = pool->asleep;
    if (!reader)
        return NULL;
    pool->asleep = reader->next_asleep;
    reader->is_asleep = false;
    return reader;
}

static void wake_accepting_loop(struct pool *pool)
{
    const uint64_t one = 1;
    if (write(pool->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        log_event(LOG_WARNING, "the accepting loop cannot be woken", NULL);
}

static void *read_connections(void *context)
{
    struct reader *reader = context;
    struct pool *pool = reader->pool;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        pool->idle_count++;
        while (pool->queue_length == 0 && !pool->is_stopping)
            sleep_until_called(reader);
        if (pool->queue_length == 0)
            break;
        pool->idle_count--;
        struct connection connection = pool->queue[pool->queue_start];
        pool->queue_start = (pool->queue_start + 1) % WAITING_MAX;
        pool->queue_length--;
        bool is_held = pool->is_held;
        pthread_mutex_unlock(&pool->lock);
        if (is_held)
            wake_accepting_loop(pool);
        serve_connection(reader, connection);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_cond_broadcast(&pool->released);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* One more thread if none is free for what waits. Called with the lock held. */
static void add_reader(struct pool *pool)
{
    if (pool->queue_length <= pool->idle_count || pool->reader_count == pool->reader_max)
        return;
    struct reader *reader = &pool->readers[pool->reader_count];
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return;
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    *reader = (struct reader){.pool = pool, .watched = {.descriptor = -1}};
    int failure = pthread_cond_init(&reader->called, NULL);
    if (!failure)
        failure = pthread_create(&reader->thread, &attributes, read_connections, reader);
    pthread_attr_destroy(&attributes);
    if (!failure)
        pool->reader_count++;
    else if (pool->reader_count == 0)
        log_event(LOG_ERROR, "no thread can be started", "reason", strerror(failure), NULL);
}

/* There is a place: that of the connection among the silent ones. */
static void enqueue(struct pool *pool, struct connection connection)
{
    pthread_mutex_lock(&pool->lock);
    pool->queue[(pool->queue_start + pool->queue_length++) % WAITING_MAX] = connection;
    add_reader(pool);
    struct reader *called = call_reader(pool);
    pthread_mutex_unlock(&pool->lock);
    if (called)
        pthread_cond_signal(&called->called);
}

/* ---- the accepting loop ---- */

static bool has_place(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool has_place = pool->silent_count + pool->queue_length < pool->places;
    pool->is_held = !has_place;
    pthread_mutex_unlock(&pool->lock);
    return has_place;
}

static bool can_drop_silent(const struct pool *pool, int64_t now_ms)
{
    return pool->silent_count > 0 && now_ms - pool->silent[0].accepted_ms > SILENT_GRACE_MS;
}

/* Drops the one that has been silent for longest. False if all have spoken, or may be about to. */
static bool drop_silent(struct pool *pool, int64_t now_ms)
{
    char byte;
    if (!can_drop_silent(pool, now_ms) ||
        recv(pool->silent[0].descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return false;
    close(pool->silent[0].descriptor);
    pool->silent_count--;
    memmove(&pool->silent[0], &pool->silent[1], pool->silent_count * sizeof pool->silent[0]);
    return true;
}

/* From now on connections are left in the backlog, until it is seen empty. */
static void hold_back(struct pool *pool, int64_t now_ms, const char *reason)
{
    if (pool->held_since_ms)
        return;
    pool->held_since_ms = now_ms;
    if (pool->warned_ms && now_ms - pool->warned_ms < WARNING_INTERVAL_MS)
        return;
    pool->warned_ms = now_ms;
    log_event(LOG_WARNING, "connections have to wait", "reason", reason, NULL);
}

/* False if none was there, or none can be taken now. */
static bool accept_connection(struct pool *pool)
{
    int descriptor = accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
    int64_t now_ms = clock_monotonic_ms();
    if (descriptor >= 0) {
        /* How long it was in the backlog nobody tells: the longest that can be is assumed, so
         * that its answer does not come too late for a vendor that waits. */
        int64_t arrived_ms = pool->held_since_ms ? pool->held_since_ms : now_ms;
        pool->silent[pool->silent_count++] =
            (struct connection){descriptor, now_ms, arrived_ms, false};
        return true;
    }
    if (errno == EAGAIN)
        pool->held_since_ms = 0;
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return false;
    /* Out of descriptors, most likely: a silent peer gives its back, others will. */
    hold_back(pool, now_ms, strerror(errno));
    if (!drop_silent(pool, now_ms))
        poll(NULL, 0, HELD_TICK_MS);
    return false;
}

static void accept_connections(struct pool *pool)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (!has_place(pool) && !drop_silent(pool, clock_monotonic_ms()))
            return;
        if (!accept_connection(pool))
            return;
    }
}

/* Cuts off who takes too long to send its request: reads end as if it had gone. */
static void watch_readers(struct pool *pool, int64_t now_ms)
{
    if (now_ms - pool->watched_ms < WATCH_TICK_MS)
        return;
    pool->watched_ms = now_ms;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->reader_count; i++) {
        const struct connection *watched = &pool->readers[i].watched;
        if (watched->descriptor >= 0 && now_ms - watched->arrived_ms > RECEIVE_TIMEOUT_MS)
            shutdown(watched->descriptor, SHUT_RD);
    }
    add_reader(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* Hands over who has begun to speak (events: one an entry of silent), drops who never did. */
static void sort_silent(struct pool *pool, const struct pollfd *events, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < pool->silent_count; i++) {
        struct connection connection = pool->silent[i];
        if (events[i].revents) {
            if (connection.was_silent)
                connection.arrived_ms = now_ms;
            enqueue(pool, connection);
        } else if (now_ms - connection.accepted_ms > SILENT_TIMEOUT_MS) {
            close(connection.descriptor);
        } else {
            connection.was_silent = true;
            pool->silent[kept++] = connection;
        }
    }
    pool->silent_count = kept;
}

/* Waits until something is to be done. events: the listening socket, the wake-up, then one an
 * entry of silent. False if it was a signal. */
static bool wait_for_events(struct pool *pool, struct pollfd *events)
{
    int64_t now_ms = clock_monotonic_ms();
    bool accepts = has_place(pool) || can_drop_silent(pool, now_ms);
    struct timespec tick = {.tv_sec = accepts, .tv_nsec = accepts ? 0 : HELD_TICK_MS * 1000000};
    sigset_t open_to_signals;
    sigemptyset(&open_to_signals);
    /* Whether the backlog is empty has to be seen now: whoever comes later has not waited. */
    if (accepts && pool->held_since_ms)
        tick.tv_sec = 0;
    if (!accepts)
        hold_back(pool, now_ms, "there is no place for more");
    events[0] = (struct pollfd){.fd = accepts ? STDIN_FILENO : -1, .events = POLLIN};
    events[1] = (struct pollfd){.fd = pool->wake, .events = POLLIN};
    for (size_t i = 0; i < pool->silent_count; i++)
        events[2 + i] = (struct pollfd){.fd = pool->silent[i].descriptor, .events = POLLIN};
    if (ppoll(events, 2 + pool->silent_count, &tick, &open_to_signals) < 0)
        return false;
    if (accepts && !events[0].revents)
        pool->held_since_ms = 0;
    return true;
}

static void accept_until_stopped(struct pool *pool)
{
    struct pollfd events[2 + WAITING_MAX];
    while (!stop_signal) {
        if (!wait_for_events(pool, events))
            continue;
        uint64_t ignored;
        if (events[1].revents && read(pool->wake, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
            log_event(LOG_WARNING, "the wake-up cannot be read", NULL);
        int64_t now_ms = clock_monotonic_ms();
        sort_silent(pool, events + 2, now_ms);
        watch_readers(pool, now_ms);
        if (events[0].revents)
            accept_connections(pool);
    }
}

/* How long it is until every connection has had its grace; 0 if that is over. */
static int64_t grace_left_ms(const struct pool *pool)
{
    int64_t left_ms = 0, now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < pool->silent_count; i++) {
        int64_t mine_ms = pool->silent[i].accepted_ms + STOP_GRACE_MS - now_ms;
        left_ms = mine_ms > left_ms ? mine_ms : left_ms;
    }
    return left_ms;
}

/* A request may be on its way on a connection that was just taken: nobody else will answer it. */
static void hear_silent(struct pool *pool)
{
    struct pollfd events[WAITING_MAX];
    for (int64_t left_ms; (left_ms = grace_left_ms(pool)) > 0;) {
        for (size_t i = 0; i < pool->silent_count; i++)
            events[i] = (struct pollfd){.fd = pool->silent[i].descriptor, .events = POLLIN};
        if (poll(events, pool->silent_count, (int)left_ms) > 0)
            sort_silent(pool, events, clock_monotonic_ms());
    }
    for (size_t i = 0; i < pool->silent_count; i++)
        close(pool->silent[i].descriptor);
    pool->silent_count = 0;
}

/* Lets what is in flight finish. False if it took too long. */
static bool finish(struct pool *pool)
{
    int64_t deadline_ms = clock_monotonic_ms() + SHUTDOWN_TIMEOUT_MS;
    struct timespec until = {.tv_sec = deadline_ms / 1000,
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    hear_silent(pool);
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    for (struct reader *called; (called = call_reader(pool));)
        pthread_cond_signal(&called->called);
    bool is_late = false;
    while ((pool->idle_count < pool->reader_count || pool->queue_length > 0) && !is_late)
        is_late = pthread_cond_timedwait(&pool->released, &pool->lock, &until) == ETIMEDOUT;
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->reader_count && !is_late; i++) {
        pthread_join(pool->readers[i].thread, NULL);
        pthread_cond_destroy(&pool->readers[i].called);
    }
    return !is_late;
}

/* How many connections may wait without taking the descriptors of those that are served. The soft
 * limit is often 1024, for the sake of select(2), which nothing here calls. */
static size_t count_places(const struct pool *pool)
{
    struct rlimit limit;
    /* A connection that is read is open twice: see start_watching(). */
    const rlim_t others = 2 * pool->reader_max +
                          (rlim_t)pool->server->workers * WORKER_DESCRIPTORS + OTHER_DESCRIPTORS;
    const rlim_t wanted = others + WAITING_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return WAITING_MIN;
    if (limit.rlim_cur < wanted) {
        struct rlimit higher = {limit.rlim_max < wanted ? limit.rlim_max : wanted, limit.rlim_max};
        if (!setrlimit(RLIMIT_NOFILE, &higher))
            limit = higher;
    }
    if (limit.rlim_cur >= wanted)
        return WAITING_MAX;
    return limit.rlim_cur < others + WAITING_MIN ? WAITING_MIN : (size_t)(limit.rlim_cur - others);
}

static bool pool_init(struct pool *pool, const struct server *server)
{
    pthread_condattr_t monotonic;
    pool->server = server;
    pool->reader_max = (size_t)server->workers + READERS_MAX;
    pool->places = count_places(pool);
    pool->readers = calloc(pool->reader_max, sizeof *pool->readers);
    pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return pool->readers && pool->wake >= 0 && head_ways_init(&pool->ways) &&
           !pthread_condattr_init(&monotonic) &&
           !pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) &&
           !pthread_mutex_init(&pool->lock, NULL) &&
           !pthread_cond_init(&pool->released, &monotonic) &&
           fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) == 0;
}

static void pool_free(struct pool *pool)
{
    if (pool->wake >= 0)
        close(pool->wake);
    free(pool->readers);
    free(pool);
}

static int serve_fastcgi(const struct server *server)
{
    (void)mallopt(M_ARENA_MAX, HEAPS_MAX);
    (void)mallopt(M_MXFAST, 0);
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool || !pool_init(pool, server)) {
        log_event(LOG_ERROR, "cannot start", "reason", strerror(errno), NULL);
        if (pool)
            pool_free(pool);
        return EXIT_FAILURE;
    }
    accept_until_stopped(pool);
    server->end(server->context);
    if (!finish(pool)) {
        log_event(LOG_WARNING, "stopped before every request was answered", NULL);
        _exit(EXIT_SUCCESS);
    }
    pthread_cond_destroy(&pool->released);
    pthread_mutex_destroy(&pool->lock);
    head_ways_clear(&pool->ways);
    pool_free(pool);
    return EXIT_SUCCESS;
}

int serve(const struct server *server)
{
    return FCGX_IsCGI() ? cgi_serve(server) : serve_fastcgi(server);
}

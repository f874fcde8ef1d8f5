#include "readers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/condition.h"
#include "base/log.h"
#include "base/waiter.h"
#include "peer_watch.h"
#include "serve.h"

/* So many connections may wait however few descriptors there are. */
#define WAITING_MIN 16
/* Descriptors that a worker needs for its connection to Flashduty and the name's resolution, and
 * those of a process that serves nothing: log, store, locks. */
#define WORKER_DESCRIPTORS 4
#define OTHER_DESCRIPTORS 64
/* Threads that read a request while `workers` others answer theirs. */
#define READERS_MAX 64
#define THREAD_STACK_BYTES ((size_t)1024 * 1024)

struct reader {
    struct readers *all;
    pthread_t thread;
    struct peer_watch watch;
    /* While there is nothing to do: the last one to fall asleep is the first to be called, because
     * its stack and its memory are still warm. Guarded by the lock of all. */
    struct waiter called;
    struct reader *next_asleep;
    bool is_asleep;
};

struct waiting {
    int connection;
    int64_t arrived_ms;
};

struct readers {
    struct serving serving;
    size_t places; /* READERS_WAITING_MAX, or what the descriptors allow */
    int wake;      /* eventfd */

    pthread_mutex_t lock;
    pthread_cond_t ended; /* a thread has */
    struct waiting queue[READERS_WAITING_MAX];
    size_t queue_start, queue_length;
    struct reader *readers;
    size_t count, most, idle_count;
    struct reader *asleep;
    bool is_stopping;
    bool is_held; /* somebody waits for a place in the queue */
};

/* ---- threads ---- */

/* With the lock held. */
static void sleep_until_called(struct reader *reader)
{
    struct readers *all = reader->all;
    reader->is_asleep = true;
    reader->next_asleep = all->asleep;
    all->asleep = reader;
    while (reader->is_asleep)
        (void)waiter_wait(&reader->called, &all->lock, INT64_MAX);
}

/* Takes one off the sleepers, whom the caller wakes when it has let the lock go. NULL: none. */
static struct reader *call_reader(struct readers *all)
{
    struct reader *reader = all->asleep;
    if (!reader)
        return NULL;
    all->asleep = reader->next_asleep;
    reader->is_asleep = false;
    return reader;
}

static void tell_of_place(struct readers *all)
{
    const uint64_t one = 1;
    if (write(all->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        log_event(LOG_WARNING, "the accepting loop cannot be woken", NULL);
}

static void *read_connections(void *context)
{
    struct reader *reader = context;
    struct readers *all = reader->all;
    pthread_mutex_lock(&all->lock);
    for (;;) {
        all->idle_count++;
        while (all->queue_length == 0 && !all->is_stopping)
            sleep_until_called(reader);
        if (all->queue_length == 0)
            break;
        all->idle_count--;
        struct waiting next = all->queue[all->queue_start];
        all->queue_start = (all->queue_start + 1) % READERS_WAITING_MAX;
        all->queue_length--;
        bool is_held = all->is_held;
        pthread_mutex_unlock(&all->lock);
        if (is_held)
            tell_of_place(all);
        serve_connection(&all->serving, next.connection, next.arrived_ms, &reader->watch);
        pthread_mutex_lock(&all->lock);
    }
    pthread_cond_signal(&all->ended);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* Returns 0 or what the system said. */
static int start(struct reader *reader)
{
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (failure)
        return failure;
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    failure = pthread_create(&reader->thread, &attributes, read_connections, reader);
    pthread_attr_destroy(&attributes);
    return failure;
}

static void end(struct reader *reader)
{
    waiter_clear(&reader->called);
    peer_watch_clear(&reader->watch);
}

/* One more thread if none is free for what waits. Called with the lock held. */
static void add_reader(struct readers *all)
{
    if (all->queue_length <= all->idle_count || all->count == all->most)
        return;
    struct reader *reader = &all->readers[all->count];
    *reader = (struct reader){.all = all};
    if (!peer_watch_init(&reader->watch))
        return;
    if (!waiter_init(&reader->called)) {
        peer_watch_clear(&reader->watch);
        return;
    }
    int failure = start(reader);
    if (!failure) {
        all->count++;
        return;
    }
    end(reader);
    if (all->count == 0)
        log_event(LOG_ERROR, "no thread can be started", "reason", strerror(failure), NULL);
}

/* ---- for the accepting loop ---- */

bool readers_have_place(struct readers *all, size_t others)
{
    pthread_mutex_lock(&all->lock);
    bool has_place = others + all->queue_length < all->places;
    all->is_held = !has_place;
    pthread_mutex_unlock(&all->lock);
    return has_place;
}

int readers_wake(const struct readers *all)
{
    return all->wake;
}

void readers_wake_seen(struct readers *all)
{
    uint64_t ignored;
    if (read(all->wake, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        log_event(LOG_WARNING, "the wake-up cannot be read", NULL);
}

void readers_take(struct readers *all, int connection, int64_t arrived_ms)
{
    pthread_mutex_lock(&all->lock);
    all->queue[(all->queue_start + all->queue_length++) % READERS_WAITING_MAX] =
        (struct waiting){connection, arrived_ms};
    add_reader(all);
    struct reader *called = call_reader(all);
    pthread_mutex_unlock(&all->lock);
    if (called)
        waiter_wake(&called->called);
}

void readers_look(struct readers *all, int64_t now_ms)
{
    pthread_mutex_lock(&all->lock);
    add_reader(all);
    size_t count = all->count;
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < count; i++)
        peer_watch_look(&all->readers[i].watch, now_ms);
}

bool readers_finish(struct readers *all, int64_t until_ms)
{
    pthread_mutex_lock(&all->lock);
    all->is_stopping = true;
    for (struct reader *called; (called = call_reader(all));)
        waiter_wake(&called->called);
    bool is_in_time = true;
    while ((all->idle_count < all->count || all->queue_length > 0) && is_in_time)
        is_in_time = condition_wait(&all->ended, &all->lock, until_ms);
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < all->count && is_in_time; i++) {
        pthread_join(all->readers[i].thread, NULL);
        end(&all->readers[i]);
    }
    return is_in_time;
}

/* ---- beginning and end ---- */

/* How many connections may wait without taking the descriptors of those that are served. The soft
 * limit is often 1024, for the sake of select(2), which nothing here calls. */
static size_t count_places(size_t readers, int workers)
{
    struct rlimit limit;
    /* A connection that is read is open twice: see peer_watch_begin(). */
    const rlim_t others = 2 * readers + (rlim_t)workers * WORKER_DESCRIPTORS + OTHER_DESCRIPTORS;
    const rlim_t wanted = others + READERS_WAITING_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return WAITING_MIN;
    if (limit.rlim_cur < wanted) {
        struct rlimit higher = {limit.rlim_max < wanted ? limit.rlim_max : wanted, limit.rlim_max};
        if (!setrlimit(RLIMIT_NOFILE, &higher))
            limit = higher;
    }
    if (limit.rlim_cur >= wanted)
        return READERS_WAITING_MAX;
    return limit.rlim_cur < others + WAITING_MIN ? WAITING_MIN : (size_t)(limit.rlim_cur - others);
}

static bool init(struct readers *all, const struct server *server)
{
    if (!serving_init(&all->serving, server))
        return false;
    if (!pthread_mutex_init(&all->lock, NULL)) {
        if (condition_init(&all->ended))
            return true;
        pthread_mutex_destroy(&all->lock);
    }
    serving_clear(&all->serving);
    return false;
}

struct readers *readers_new(const struct server *server)
{
    struct readers *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->most = (size_t)server->workers + READERS_MAX;
    all->places = count_places(all->most, server->workers);
    all->readers = calloc(all->most, sizeof *all->readers);
    all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (all->readers && all->wake >= 0 && init(all, server))
        return all;
    if (all->wake >= 0)
        close(all->wake);
    free(all->readers);
    free(all);
    return NULL;
}

void readers_free(struct readers *all)
{
    if (!all)
        return;
    pthread_cond_destroy(&all->ended);
    pthread_mutex_destroy(&all->lock);
    serving_clear(&all->serving);
    close(all->wake);
    free(all->readers);
    free(all);
}

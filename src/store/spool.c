#include "store/spool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store/internal.h"

/* Of how many keys it is known at once that the spool knows them. */
#define NOTED_KEYS 64
/* It is put down no more often, and is known for KNOWN_KEY_DAYS. */
#define NOTED_MS HOUR_MS

/* A file that was changed so lately may change again without another time being put down. */
#define SETTLED_NS 100000000

struct spool {
    struct store *store;
    pthread_mutex_t mutex;
    /* Under the mutex. */
    struct spool_sight empty; /* what it looked like when it held nothing */
    bool has_empty, is_stuck, is_moving;
    int64_t moved;
    struct {
        char scope[96];
        int64_t noted_ms; /* monotonic */
    } noted[NOTED_KEYS];
};

struct spool *spool_new(const char *path, const struct store_limits *limits, bool is_lasting,
                        struct error *error)
{
    struct store_limits own = *limits;
    struct spool *spool = calloc(1, sizeof *spool);
    own.is_spool = true;
    /* Somebody may have died over it. */
    if (spool)
        spool->is_moving = true;
    if (spool)
        spool->store = store_new(path, &own, is_lasting, error);
    if (spool && spool->store && !pthread_mutex_init(&spool->mutex, NULL))
        return spool;
    if (spool)
        store_free(spool->store);
    free(spool);
    error_out_of_memory(error);
    return NULL;
}

void spool_free(struct spool *spool)
{
    if (!spool)
        return;
    store_free(spool->store);
    pthread_mutex_destroy(&spool->mutex);
    free(spool);
}

struct store *spool_store(const struct spool *spool)
{
    return spool->store;
}

/* ---- whether it holds anything ---- */

/* A change goes to the write-ahead log, or without one to the file itself. */
static struct spool_sight look(const struct spool *spool)
{
    static const char *const ends[] = {"", "-wal"};
    struct spool_sight sight = {.is_there = false};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char path[4096];
        struct stat status;
        int length = snprintf(path, sizeof path, "%s%s", store_path(spool->store), ends[i]);
        if (length < 0 || (size_t)length >= sizeof path || stat(path, &status))
            continue;
        sight.is_there |= i == 0;
        sight.files[i].inode = status.st_ino;
        sight.files[i].size = status.st_size;
        sight.files[i].changed = status.st_mtim;
    }
    return sight;
}

static bool is_same(const struct spool_sight *a, const struct spool_sight *b)
{
    for (size_t i = 0; i < sizeof a->files / sizeof *a->files; i++) {
        if (a->files[i].inode != b->files[i].inode || a->files[i].size != b->files[i].size ||
            a->files[i].changed.tv_sec != b->files[i].changed.tv_sec ||
            a->files[i].changed.tv_nsec != b->files[i].changed.tv_nsec)
            return false;
    }
    return a->is_there == b->is_there;
}

static bool is_settled(const struct spool_sight *sight)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < sizeof sight->files / sizeof *sight->files; i++) {
        int64_t age_ns = (int64_t)(now.tv_sec - sight->files[i].changed.tv_sec) * 1000000000 +
                         (now.tv_nsec - sight->files[i].changed.tv_nsec);
        if (age_ns < SETTLED_NS)
            return false;
    }
    return true;
}

bool spool_may_hold(struct spool *spool, struct spool_sight *sight)
{
    *sight = look(spool);
    pthread_mutex_lock(&spool->mutex);
    bool is_empty = !sight->is_there || (spool->has_empty && is_same(sight, &spool->empty));
    pthread_mutex_unlock(&spool->mutex);
    return !is_empty;
}

void spool_note_empty(struct spool *spool, const struct spool_sight *sight)
{
    if (!is_settled(sight))
        return;
    pthread_mutex_lock(&spool->mutex);
    spool->empty = *sight;
    spool->has_empty = true;
    pthread_mutex_unlock(&spool->mutex);
}

void spool_set_stuck(struct spool *spool, bool is_stuck)
{
    pthread_mutex_lock(&spool->mutex);
    spool->is_stuck = is_stuck;
    pthread_mutex_unlock(&spool->mutex);
}

void spool_set_moving(struct spool *spool, bool is_moving)
{
    pthread_mutex_lock(&spool->mutex);
    spool->is_moving = is_moving;
    pthread_mutex_unlock(&spool->mutex);
}

bool spool_is_moving(struct spool *spool)
{
    pthread_mutex_lock(&spool->mutex);
    bool is_moving = spool->is_moving;
    pthread_mutex_unlock(&spool->mutex);
    return is_moving;
}

int64_t spool_count_moved(struct spool *spool, size_t count, bool is_over)
{
    pthread_mutex_lock(&spool->mutex);
    int64_t moved = spool->moved + (int64_t)count;
    spool->moved = is_over ? 0 : moved;
    pthread_mutex_unlock(&spool->mutex);
    return moved;
}

static bool is_stuck(struct spool *spool)
{
    pthread_mutex_lock(&spool->mutex);
    bool is_stuck = spool->is_stuck;
    pthread_mutex_unlock(&spool->mutex);
    return is_stuck;
}

/* ---- receiving ---- */

/* From now on they are known by the names that they have outside. */
static void rename_deliveries(struct store_event *event)
{
    for (size_t i = 0; i < event->delivery_count; i++)
        event->deliveries[i].id = -event->deliveries[i].id;
}

/* Events of an alert that the spool holds follow those, and do not overtake them. */
static void follow_into_spool(struct spool *spool, struct store_event *events, size_t count,
                              int64_t lease_ms, struct arena *arena)
{
    struct spool_sight sight;
    struct receiving how = {.only_held = true, .lease_ms = lease_ms};
    if (!spool_may_hold(spool, &sight) || !receive_here(spool->store, events, count, &how, arena))
        return;
    if (how.is_empty)
        spool_note_empty(spool, &sight);
    for (size_t i = 0; i < count; i++) {
        if (events[i].is_spooled)
            rename_deliveries(&events[i]);
    }
}

static bool receive_into_spool(struct spool *spool, struct store_event *events, size_t count,
                               int64_t lease_ms, struct arena *arena)
{
    struct receiving how = {.lease_ms = lease_ms};
    bool *was_spooled = arena_alloc(arena, (count + 1) * sizeof *was_spooled);
    for (size_t i = 0; i < count && was_spooled; i++)
        was_spooled[i] = events[i].is_spooled;
    if (!was_spooled || !receive_here(spool->store, events, count, &how, arena))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!was_spooled[i])
            rename_deliveries(&events[i]);
        events[i].is_spooled = true;
    }
    return true;
}

/* ---- keys in pass-through ---- */

/* Whether it was put down lately that a key was accepted; from now on it was. */
static bool is_noted(struct spool *spool, const char *scope)
{
    uint64_t hash = 0;
    for (const char *c = scope; *c; c++)
        hash = hash * 31 + (unsigned char)*c;
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&spool->mutex);
    size_t place = hash % NOTED_KEYS;
    bool is_noted = !strcmp(spool->noted[place].scope, scope) &&
                    now_ms - spool->noted[place].noted_ms < NOTED_MS;
    if (!is_noted) {
        (void)snprintf(spool->noted[place].scope, sizeof spool->noted[place].scope, "%s", scope);
        spool->noted[place].noted_ms = now_ms;
    }
    pthread_mutex_unlock(&spool->mutex);
    return is_noted;
}

struct key_job {
    struct job job;
    const char *flashduty_key;
};

static void run_note_key(struct job *job, struct database *database,
                         const struct store_limits *limits)
{
    (void)limits;
    destination_accepted(database, ((struct key_job *)job)->flashduty_key);
}

/* A key that the database knows is to be known when that is out of reach: what comes with it is
 * kept then. */
static void note_keys(struct spool *spool, const struct store_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_event *event = &events[i];
        if (!event->needs_acceptance || event->is_unknown || event->is_spooled ||
            event->destination_count == 0 || is_noted(spool, event->scope))
            continue;
        struct key_job *note = job_new(sizeof *note, run_note_key);
        if (!note)
            return;
        note->flashduty_key = arena_string(&note->job.arena, event->destinations[0].flashduty_key);
        bool is_put_down = job_run(spool->store, &note->job);
        job_free(spool->store, &note->job);
        if (!is_put_down)
            return;
    }
}

/* ---- what is received ---- */

static bool all_spooled(const struct store_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!events[i].is_spooled)
            return false;
    }
    return true;
}

bool store_receive(struct store *store, struct store_event *events, size_t count, int64_t lease_ms,
                   struct arena *arena)
{
    struct spool *spool = store_spool(store);
    struct receiving how = {.lease_ms = lease_ms};
    for (size_t i = 0; i < count; i++)
        events[i].is_spooled = false;
    bool is_down = store_is_down(store);
    if (spool && !is_down)
        follow_into_spool(spool, events, count, lease_ms, arena);
    bool is_taken = spool && all_spooled(events, count);
    if (!is_taken && !is_down)
        is_taken = receive_here(store, events, count, &how, arena);
    if (is_taken && spool)
        note_keys(spool, events, count);
    if (!is_taken && spool)
        is_taken = receive_into_spool(spool, events, count, lease_ms, arena);
    if (!is_taken)
        look_behind(spool ? spool->store : store, events, count);
    return is_taken;
}

bool store_accept(struct store *store, struct store_event *event, struct store_try *try_made)
{
    const struct spool *spool = store_spool(store);
    if (!event->is_spooled && accept_here(store, event, try_made))
        return true;
    return spool && accept_here(spool->store, event, try_made);
}

/* ---- reporting ---- */

/* What is true of tries that nobody could put down. */
static void assume(struct store_try *tries, size_t count, bool has_spool)
{
    for (size_t i = 0; i < count; i++) {
        bool is_taken_over = has_spool && tries[i].delivery_id > 0;
        tries[i].lets_go = false;
        tries[i].state = tries[i].verdict == TRY_ACCEPTED ? DELIVERY_DELIVERED
                         : is_taken_over                  ? DELIVERY_WAITING
                                                          : DELIVERY_REFUSED;
    }
}

bool store_report(struct store *store, struct store_try *tries, size_t count)
{
    const struct spool *spool = store_spool(store);
    assume(tries, count, spool);
    bool is_reported = report_here(store, tries, count, false);
    return (!spool || report_here(spool->store, tries, count, true)) && is_reported;
}

/* ---- the outbox ---- */

/* While the database works what is in the spool is moved to it, and claimed there. */
bool store_claim(struct store *store, struct store_claim *claims, size_t limit, size_t *count,
                 int64_t lease_ms, int64_t *next_ms, struct arena *arena)
{
    struct spool *spool = store_spool(store);
    size_t more = 0;
    int64_t spool_next_ms = INT64_MAX;
    bool is_claimed = claim_here(store, claims, limit, count, lease_ms, next_ms, arena);
    if (!spool || (is_claimed && (!is_stuck(spool) || *count == limit)))
        return is_claimed;
    bool is_spool_claimed = claim_here(spool->store, claims + *count, limit - *count, &more,
                                       lease_ms, &spool_next_ms, arena);
    for (size_t i = *count; i < *count + more; i++)
        claims[i].delivery_id = -claims[i].delivery_id;
    *count += more;
    if (!is_claimed || spool_next_ms < *next_ms)
        *next_ms = spool_next_ms;
    return is_claimed || is_spool_claimed;
}

bool store_is_due(struct store *store)
{
    struct spool *spool = store_spool(store);
    struct spool_sight sight;
    bool is_due = false;
    bool works = is_due_here(store, &is_due);
    if (is_due || !spool || !spool_may_hold(spool, &sight))
        return is_due;
    /* What it holds is to be moved as soon as it can be. */
    return (is_due_here(spool->store, &is_due) && is_due) || (works && store_spooled(store) > 0);
}

bool store_set_key(struct store *store, const char *scope, const struct destination *route)
{
    const struct spool *spool = store_spool(store);
    bool is_set = set_key_here(store, scope, route);
    return (spool && set_key_here(spool->store, scope, route)) || is_set;
}

bool store_tidy(struct store *store, bool *more)
{
    const struct spool *spool = store_spool(store);
    bool spool_more = false;
    bool is_tidied = tidy_here(store, more);
    bool is_spool_tidied = spool && tidy_here(spool->store, &spool_more);
    *more |= spool_more;
    return is_tidied || is_spool_tidied;
}

/* ---- confirmations ---- */

bool store_keep_confirmation(struct store *store, const struct store_confirmation *confirmation)
{
    const struct spool *spool = store_spool(store);
    bool is_refused = false;
    bool has_worked = keep_confirmation_here(store, confirmation, &is_refused);
    if (!has_worked && spool)
        has_worked = keep_confirmation_here(spool->store, confirmation, &is_refused);
    return has_worked && !is_refused;
}

bool store_claim_confirmation(struct store *store, struct store_confirmation *confirmation,
                              struct arena *arena)
{
    const struct spool *spool = store_spool(store);
    if (claim_confirmation_here(store, confirmation, arena))
        return true;
    bool is_claimed = spool && claim_confirmation_here(spool->store, confirmation, arena);
    confirmation->id = -confirmation->id;
    return is_claimed;
}

bool store_report_confirmation(struct store *store, const struct store_confirmation *confirmation,
                               bool is_confirmed, const char *reason)
{
    const struct spool *spool = store_spool(store);
    struct store_confirmation own = *confirmation;
    if (own.id > 0 || !spool)
        return report_confirmation_here(store, &own, is_confirmed, reason);
    own.id = -own.id;
    return report_confirmation_here(spool->store, &own, is_confirmed, reason);
}

bool store_confirmed(struct store *store, const struct store_confirmation *confirmation)
{
    const struct spool *spool = store_spool(store);
    return confirmed_here(store, confirmation) ||
           (spool && confirmed_here(spool->store, confirmation));
}

bool store_unsubscribed(struct store *store, const char *integration, const char *topic)
{
    const struct spool *spool = store_spool(store);
    return unsubscribed_here(store, integration, topic) ||
           (spool && unsubscribed_here(spool->store, integration, topic));
}

/* ---- as a whole ---- */

/* Either will do to take an alarm. */
bool store_is_writable(struct store *store, struct error *error)
{
    const struct spool *spool = store_spool(store);
    struct error ignored = {0};
    return is_writable_here(store, error) || (spool && is_writable_here(spool->store, &ignored));
}

struct counting_job {
    struct job job;
    int64_t count;
};

static void run_counting(struct job *job, struct database *database,
                         const struct store_limits *limits)
{
    (void)limits;
    ((struct counting_job *)job)->count = alerts_count(database);
}

int64_t store_spooled(struct store *store)
{
    const struct spool *spool = store_spool(store);
    struct counting_job *counting = spool ? job_new(sizeof *counting, run_counting) : NULL;
    int64_t count = spool ? -1 : 0;
    if (counting && job_run(spool->store, &counting->job))
        count = counting->count;
    if (counting)
        job_free(spool->store, &counting->job);
    return count;
}

/* Many requests of a process, and several processes, at one store at once. */
#include "storing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define THREADS 16
#define ROUNDS 40

struct worker {
    struct store *store;
    int number;
    atomic_int *is_over;
    int64_t sent;
};

/* On a machine that has no time for us the lock may be waited for in vain, as it may be in a
 * gateway: here that is no answer. */
#define PATIENCE 40
#define patiently(call)                      \
    do {                                     \
        int tries_ = 0;                      \
        while (!(call) && tries_ < PATIENCE) \
            tries_++;                        \
        assert_true(tries_ < PATIENCE);      \
    } while (0)

static void *request_and_report(void *context)
{
    struct worker *worker = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct arena arena = {0};
        char key[24], id[32];
        snprintf(key, sizeof key, "disk-%d", i % 5);
        snprintf(id, sizeof id, "m-%d-%d", worker->number, i);
        struct store_event event = event_of(key, i % 4 == 3 ? SEVERITY_OK : SEVERITY_WARNING);
        event.message_id = id;
        patiently(store_receive(worker->store, &event, 1, LEASE_MS, &arena));
        for (size_t k = 0; k < event.delivery_count; k++) {
            if (event.deliveries[k].state != DELIVERY_SENDING)
                continue;
            struct store_try one = try_of(event.deliveries[k].id, TRY_ACCEPTED);
            /* What was accepted stays with the store until it is written. */
            if (store_report(worker->store, &one, 1))
                assert_int_equal(one.state, DELIVERY_DELIVERED);
            worker->sent++;
        }
        store_count(worker->store, "shop", OUTCOME_IGNORED);
        arena_clear(&arena);
    }
    return NULL;
}

static int64_t drain_once(struct store *store)
{
    struct arena arena = {0};
    struct store_claim claims[CLAIMS_MAX];
    size_t count;
    int64_t next_ms, sent = 0;
    patiently(store_claim(store, claims, CLAIMS_MAX, &count, LEASE_MS, &next_ms, &arena));
    for (size_t i = 0; i < count; i++) {
        struct store_try one = try_of(claims[i].delivery_id, TRY_ACCEPTED);
        (void)!store_report(store, &one, 1);
        sent++;
    }
    arena_clear(&arena);
    return sent;
}

static void *drain_on(void *context)
{
    struct worker *worker = context;
    struct error error = {0};
    bool more;
    while (!*worker->is_over) {
        worker->sent += drain_once(worker->store);
        patiently(store_tidy(worker->store, &more));
        patiently(store_is_writable(worker->store, &error));
        pause_ms(2);
    }
    return NULL;
}

static void expect_all_delivered(struct storing *storing, int64_t count, int64_t sent)
{
    while (store_is_due(storing->store))
        sent += drain_once(storing->store);
    assert_int_equal(sent, count);
    assert_int_equal(ledger(storing, "shop", "delivered"), count);
    assert_int_equal(number(storing, "SELECT count(*) FROM try"), count);
    /* Of each alert, none before the one before it. */
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery JOIN delivery AS before"
                                     " ON before.alert_key = delivery.alert_key AND before.id <"
                                     " delivery.id AND before.finished_ms > delivery.finished_ms"),
                     0);
}

static void requests_of_many_threads_are_each_sent_once_in_order(void **state)
{
    struct storing *storing = *state;
    struct worker workers[THREADS + 1];
    pthread_t threads[THREADS + 1];
    atomic_int is_over = 0;
    int64_t sent = 0;
    for (int i = 0; i <= THREADS; i++) {
        workers[i] = (struct worker){storing->store, i, &is_over, 0};
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < THREADS ? request_and_report : drain_on, &workers[i]),
                         0);
    }
    for (int i = 0; i <= THREADS; i++) {
        if (i == THREADS)
            is_over = 1;
        pthread_join(threads[i], NULL);
        sent += workers[i].sent;
    }
    expect_all_delivered(storing, (int64_t)THREADS * ROUNDS, sent);
    reopen(storing);
    assert_int_equal(ledger(storing, "shop", "ignored"), (int64_t)THREADS * ROUNDS);
}

/* Each with a store of its own, as processes have. */
static void requests_of_many_processes_are_each_sent_once_in_order(void **state)
{
    struct storing *storing = *state;
    enum { PROCESSES = 6 };
    struct worker workers[PROCESSES];
    pthread_t threads[PROCESSES];
    int64_t sent = 0;
    for (int i = 0; i < PROCESSES; i++) {
        workers[i] = (struct worker){open_store(storing), i, NULL, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, request_and_report, &workers[i]), 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        pthread_join(threads[i], NULL);
        store_free(workers[i].store);
        sent += workers[i].sent;
    }
    expect_all_delivered(storing, (int64_t)PROCESSES * ROUNDS, sent);
}

static void a_new_store_may_be_made_by_many_at_once(void **state)
{
    struct storing *storing = *state;
    enum { PROCESSES = 8 };
    pid_t processes[PROCESSES];
    store_free(storing->store);
    storing->store = NULL;
    for (int i = 0; i < PROCESSES; i++) {
        processes[i] = fork();
        assert_true(processes[i] >= 0);
        if (processes[i] == 0) {
            struct error error = {0};
            struct arena arena = {0};
            char key[24];
            snprintf(key, sizeof key, "disk-%d", i);
            struct store_event event = event_of(key, SEVERITY_WARNING);
            struct store *store = store_new(storing->path, &storing->limits, false, &error);
            bool has_worked = store && store_receive(store, &event, 1, LEASE_MS, &arena);
            store_free(store);
            _exit(!has_worked);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(processes[i], &status, 0), processes[i]);
        assert_int_equal(status, 0);
    }
    storing->store = open_store(storing);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), PROCESSES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LASTING(requests_of_many_threads_are_each_sent_once_in_order),
        IN_LASTING(requests_of_many_processes_are_each_sent_once_in_order),
        IN_PASSING(requests_of_many_processes_are_each_sent_once_in_order),
        IN_PASSING(a_new_store_may_be_made_by_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

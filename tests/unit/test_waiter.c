#include "base/waiter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#define LONG_MS 60000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct waiters waiters;

struct waiting {
    struct waiter *waiter;
    bool has_news, is_waiting;
};

static void *wait_for_news(void *context)
{
    struct waiting *waiting = context;
    pthread_mutex_lock(&mutex);
    waiting->is_waiting = true;
    while (!waiting->has_news)
        (void)waiter_wait(waiting->waiter, &mutex, clock_monotonic_ms() + LONG_MS);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static int end(void **state)
{
    (void)state;
    waiters_clear(&waiters);
    return 0;
}

static void news_wakes_whom_it_is_for(void **state)
{
    struct waiting all[3] = {0};
    pthread_t threads[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pthread_mutex_lock(&mutex);
        all[i].waiter = waiters_lend(&waiters);
        pthread_mutex_unlock(&mutex);
        assert_non_null(all[i].waiter);
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_news, &all[i]), 0);
    }
    for (size_t i = 3; i-- > 0;) {
        struct waiter *woken = NULL;
        pthread_mutex_lock(&mutex);
        all[i].has_news = true;
        waiter_note(all[i].waiter, &woken);
        pthread_mutex_unlock(&mutex);
        waiters_wake(woken);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (size_t i = 0; i < 3; i++)
        waiters_take_back(&waiters, all[i].waiter);
}

static void waiting_ends_in_time(void **state)
{
    (void)state;
    pthread_mutex_lock(&mutex);
    struct waiter *waiter = waiters_lend(&waiters);
    assert_non_null(waiter);
    assert_false(waiter_wait(waiter, &mutex, clock_monotonic_ms() + 10));
    assert_false(waiter_wait(waiter, &mutex, -1));
    waiters_take_back(&waiters, waiter);
    pthread_mutex_unlock(&mutex);
}

/* Whose news came before it waited gives back a waiter that is still to be woken. */
static void news_before_waiting_leaves_nothing_behind(void **state)
{
    struct waiter *woken = NULL, *again = NULL;
    (void)state;
    struct waiter *first = waiters_lend(&waiters);
    assert_non_null(first);
    waiter_note(first, &woken);
    waiters_take_back(&waiters, first);
    assert_ptr_equal(waiters_lend(&waiters), first);
    waiter_note(first, &again);
    assert_ptr_equal(again, first);
    waiters_take_back(&waiters, first);
}

static void one_is_woken_once(void **state)
{
    struct waiter *woken = NULL;
    (void)state;
    struct waiter *one = waiters_lend(&waiters), *other = waiters_lend(&waiters);
    assert_non_null(one);
    assert_non_null(other);
    assert_ptr_not_equal(one, other);
    waiter_note(one, &woken);
    waiter_note(NULL, &woken);
    waiter_note(other, &woken);
    waiter_note(one, &woken);
    assert_ptr_equal(woken, other);
    assert_ptr_equal(woken->next_woken, one);
    assert_null(one->next_woken);
    waiters_wake(woken);
    waiters_take_back(&waiters, one);
    waiters_take_back(&waiters, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_wakes_whom_it_is_for),
        cmocka_unit_test(waiting_ends_in_time),
        cmocka_unit_test(news_before_waiting_leaves_nothing_behind),
        cmocka_unit_test(one_is_woken_once),
    };
    return cmocka_run_group_tests_name("waiter", tests, NULL, end);
}

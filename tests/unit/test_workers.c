#include "workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#define MOST 2
#define THREADS 8
#define TURNS 200
#define LONG_MS 60000

static struct workers workers;

static int begin(void **state)
{
    (void)state;
    return workers_init(&workers, MOST) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    workers_clear(&workers);
    return 0;
}

static void no_more_than_there_are_places(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        assert_true(workers_enter(&workers, 0));
    int64_t until_ms = clock_monotonic_ms() + 20;
    assert_false(workers_enter(&workers, until_ms));
    assert_true(clock_monotonic_ms() >= until_ms);
    assert_false(workers_enter(&workers, -1));
    workers_leave(&workers);
    assert_true(workers_enter(&workers, 0));
    for (int i = 0; i < MOST; i++)
        workers_leave(&workers);
    assert_int_equal(workers.busy, 0);
}

struct crowd {
    pthread_mutex_t lock;
    int inside, most_inside, turns;
};

static void count(struct crowd *crowd, int change)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->inside += change;
    crowd->turns += change > 0;
    if (crowd->inside > crowd->most_inside)
        crowd->most_inside = crowd->inside;
    pthread_mutex_unlock(&crowd->lock);
}

static void *come_and_go(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < TURNS; i++) {
        if (!workers_enter(&workers, clock_monotonic_ms() + LONG_MS))
            break;
        count(crowd, 1);
        count(crowd, -1);
        workers_leave(&workers);
    }
    return NULL;
}

/* A place that is given back is never forgotten: nobody waits for the end of the time. */
static void whoever_waits_gets_the_place_that_becomes_free(void **state)
{
    struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS];
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(crowd.turns, THREADS * TURNS);
    assert_in_range(crowd.most_inside, 1, MOST);
    assert_int_equal(workers.busy, 0);
    assert_true(clock_monotonic_ms() - start_ms < LONG_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_more_than_there_are_places, begin, end),
        cmocka_unit_test_setup_teardown(whoever_waits_gets_the_place_that_becomes_free, begin, end),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}

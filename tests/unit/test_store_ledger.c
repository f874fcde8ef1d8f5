/* Whatever happens in whatever order, a store adds up. The seed of a run that failed can be given
 * in STORE_SEED. */
#include "storing.h"

#include <time.h>

#define NOON_MS (1800000000 * SECOND)
#define STEPS 2000
/* Each is many ways to the server and back. */
#define STEPS_OF_A_SERVER 400
#define OPEN_MAX 512
#define ALERTS 6

/* xorshift: the same everywhere. */
static uint64_t chance;

static unsigned below(unsigned limit)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (unsigned)(chance >> 33) % limit;
}

/* What is being sent, by whoever. */
struct world {
    struct storing *storing;
    struct store *stores[2];
    int64_t open[OPEN_MAX];
    size_t open_count;
    int64_t now_ms;
    unsigned messages;
};

static const struct destination routes[] = {
    {"", "key-default"}, {"a", "key-a"}, {"b", "key-b"}, {"twin", "key-a"}};
static const struct destination changed[] = {
    {"", "key-new"}, {"a", "key-b"}, {"b", "key-b"}, {"twin", "key-a"}};

static struct store *any_store(struct world *world)
{
    return world->stores[below(2)];
}

static void note_open(struct world *world, int64_t id)
{
    if (world->open_count == OPEN_MAX)
        world->open[below(OPEN_MAX)] = id;
    else
        world->open[world->open_count++] = id;
}

static void receive_some(struct world *world)
{
    static const char *const scopes[] = {"shop", "bank"};
    static const char *const keys[ALERTS] = {"disk", "load", "heat", "rain", "wind", "snow"};
    struct store_event events[3];
    char ids[3][24];
    size_t count = 1 + below(3);
    for (size_t i = 0; i < count; i++) {
        bool is_repeat = world->messages > 0 && below(4) == 0;
        unsigned message = is_repeat ? below(world->messages) : world->messages++;
        bool has_changed = below(10) == 0;
        snprintf(ids[i], sizeof ids[i], "m%u", message);
        events[i] = event_of(keys[below(ALERTS)], (enum severity)below(SEVERITY_COUNT));
        events[i].message_id = below(5) ? ids[i] : "";
        events[i].scope = events[i].integration = scopes[below(2)];
        events[i].time_s = below(3) ? world->now_ms / SECOND - below(5) : 0;
        events[i].destinations = (has_changed ? changed : routes) + below(3);
        events[i].destination_count = below(12) ? 1 + below(2) : 0;
        events[i].routes = has_changed ? changed : routes;
        events[i].route_count = below(10) ? 4 : 2;
    }
    int64_t lease_ms = below(8) ? LEASE_MS : 1;
    struct arena arena = {0};
    assert_true(store_receive(any_store(world), events, count, lease_ms, &arena));
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < events[i].delivery_count; k++) {
            if (events[i].deliveries[k].state == DELIVERY_SENDING)
                note_open(world, events[i].deliveries[k].id);
        }
    }
    arena_clear(&arena);
}

static struct store_event passed_event(const char *scope, const char *flashduty_key)
{
    static struct destination passed;
    struct store_event event = event_of("disk", (enum severity)below(SEVERITY_COUNT));
    passed = (struct destination){"", flashduty_key};
    event.scope = scope;
    event.integration = "(pass-through)";
    event.needs_acceptance = true;
    event.destinations = event.routes = &passed;
    event.destination_count = event.route_count = 1;
    return event;
}

static void pass_one_through(struct world *world)
{
    struct arena arena = {0};
    bool is_first = below(2);
    struct store_event event =
        passed_event(is_first ? "digest-1" : "digest-2", is_first ? "key-1" : "key-2");
    struct store *store = any_store(world);
    assert_true(store_receive(store, &event, 1, LEASE_MS, &arena));
    struct store_try one = try_of(0, TRY_ACCEPTED);
    if (event.is_unknown && below(2))
        assert_true(store_accept(store, &event, &one));
    else if (event.is_unknown)
        store_refuse(store, "(pass-through)", REFUSAL_REJECTED);
    else if (event.delivery_count > 0 && event.deliveries[0].state == DELIVERY_SENDING)
        note_open(world, event.deliveries[0].id);
    arena_clear(&arena);
}

static enum try_verdict any_verdict(void)
{
    static const enum try_verdict verdicts[] = {TRY_ACCEPTED, TRY_ACCEPTED, TRY_ACCEPTED,
                                                TRY_ACCEPTED, TRY_FAILED,   TRY_FAILED,
                                                TRY_REJECTED, TRY_NONE};
    return verdicts[below(sizeof verdicts / sizeof *verdicts)];
}

static void report_some(struct world *world)
{
    struct store_try tries[3];
    size_t count = 0, most = 1 + below(3);
    while (count < most && world->open_count > 0) {
        size_t place = below((unsigned)world->open_count);
        tries[count] = try_of(world->open[place], any_verdict());
        tries[count].wants_again = below(3) == 0;
        tries[count].lease_ms = LEASE_MS;
        tries[count].retry_after_s = below(20) ? 0 : 1;
        count++;
        world->open[place] = world->open[--world->open_count];
    }
    if (count == 0)
        return;
    assert_true(store_report(any_store(world), tries, count));
    for (size_t i = 0; i < count; i++) {
        /* Somebody comes late and says it again. */
        if (tries[i].state == DELIVERY_SENDING || below(10) == 0)
            note_open(world, tries[i].delivery_id);
    }
}

static void claim_some(struct world *world)
{
    struct claimed claimed =
        claim_of(world->storing, any_store(world), 1 + below(8), below(8) ? LEASE_MS : 1);
    for (size_t i = 0; i < claimed.count; i++)
        note_open(world, claimed.claims[i].delivery_id);
    arena_clear(&world->storing->arena);
}

static void confirm_some(struct world *world)
{
    char id[24];
    struct arena arena = {0};
    snprintf(id, sizeof id, "c%u", below(40));
    struct store_confirmation confirmation = {.scope = "shop",
                                              .integration = "shop",
                                              .request_id = "r",
                                              .topic = id,
                                              .url = "https://example.invalid/",
                                              .host = "example.invalid",
                                              .reason = "no answer"};
    if (below(2))
        assert_true(store_keep_confirmation(any_store(world), &confirmation));
    assert_true(store_claim_confirmation(any_store(world), &confirmation, &arena));
    if (confirmation.id)
        assert_true(
            store_report_confirmation(any_store(world), &confirmation, below(2), "no answer"));
    arena_clear(&arena);
}

static void let_time_pass(struct world *world)
{
    static const int64_t steps_ms[] = {SECOND, 10 * SECOND, 5 * MINUTE, 3 * HOUR, -HOUR};
    world->now_ms += below(60) ? steps_ms[below(5)] : 80 * HOUR;
    clock_set_wall_ms(world->now_ms);
    if (below(3) == 0)
        mend_destination(world->storing);
}

static void step(struct world *world)
{
    static const struct destination renewed[] = {{"", "key-new"}, {"", "key-default"}};
    bool more;
    unsigned what = below(100);
    if (what < 35)
        receive_some(world);
    else if (what < 65)
        report_some(world);
    else if (what < 80)
        claim_some(world);
    else if (what < 86)
        pass_one_through(world);
    else if (what < 89)
        confirm_some(world);
    else if (what < 91)
        assert_true(store_set_key(any_store(world), "shop", &renewed[below(2)]));
    else if (what < 93)
        store_count(any_store(world), "shop", OUTCOME_IGNORED);
    else if (what < 96)
        let_time_pass(world);
    else if (what < 98)
        assert_true(store_tidy(any_store(world), &more));
    else
        (void)store_is_due(any_store(world));
}

static void live(struct storing *storing, uint64_t seed)
{
    struct world world = {.storing = storing, .now_ms = NOON_MS};
    struct error error = {0};
    chance = seed ? seed : 1;
    assert_true(store_is_writable(storing->store, &error));
    clock_set_wall_ms(NOON_MS);
    world.stores[0] = storing->store;
    world.stores[1] = open_store(storing);
    int steps = storing->server ? STEPS_OF_A_SERVER : STEPS;
    for (int i = 0; i < steps; i++) {
        step(&world);
        if (i % 25 == 0)
            audit(storing);
    }
    store_free(world.stores[1]);
}

static uint64_t seed_of_this_run(void)
{
    const char *given = getenv("STORE_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_monotonic_us();
    print_message("STORE_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void a_store_adds_up_whatever_happens(void **state)
{
    live(*state, 20261124);
}

static void a_store_adds_up_whatever_happens_by_chance(void **state)
{
    live(*state, seed_of_this_run());
}

static void a_small_store_adds_up_whatever_happens(void **state)
{
    struct storing *storing = *state;
    storing->limits.outbox_limit = 12;
    storing->limits.keep_days = 1;
    reopen(storing);
    live(storing, 4711);
}

static void a_small_slow_store_adds_up_whatever_happens(void **state)
{
    struct storing *storing = *state;
    storing->limits.outbox_limit = 30;
    storing->limits.rate_per_second = 20;
    storing->limits.rate_per_minute = 500;
    reopen(storing);
    live(storing, seed_of_this_run());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LASTING(a_store_adds_up_whatever_happens),
        IN_PASSING(a_store_adds_up_whatever_happens_by_chance),
        IN_LASTING(a_small_store_adds_up_whatever_happens),
        IN_PASSING(a_small_slow_store_adds_up_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

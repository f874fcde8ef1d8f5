/*
 * A store in a server's database that is cut off, silent, or asked about a commit it never
 * answered. Skipped where FLASHDUTY_GATEWAY_TEST_POSTGRESQL names no server (by an address).
 */
#include "storing.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define LATE_MS 400
#define LINKS_MAX 32

/* ---- a proxy before the server ---- */

enum proxy_mode {
    PROXY_PASSES,
    PROXY_CUTS_BEFORE_COMMIT, /* once: the server never hears of it */
    PROXY_CUTS_AFTER_COMMIT,  /* once: the server has done it, and its answer is lost */
    PROXY_FALLS_SILENT,       /* from the next commit on, which the server does */
    PROXY_IS_SILENT,
};

struct proxy {
    int listener;
    struct sockaddr_in own, server;
    pthread_t thread;
    atomic_int mode;
    atomic_bool ends;
    struct link {
        int client, server; /* server -1: nobody is there */
    } links[LINKS_MAX];
    size_t link_count;
    bool is_running;
};

/* Outlives a test that fails. */
static struct proxy proxy;

static void close_link(size_t i)
{
    close(proxy.links[i].client);
    if (proxy.links[i].server >= 0)
        close(proxy.links[i].server);
    proxy.links[i] = proxy.links[--proxy.link_count];
}

static void accept_link(void)
{
    struct link link = {accept4(proxy.listener, NULL, NULL, SOCK_CLOEXEC), -1};
    if (link.client < 0 || proxy.link_count == LINKS_MAX)
        return;
    if (proxy.mode != PROXY_IS_SILENT) {
        link.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(link.server, (struct sockaddr *)&proxy.server, sizeof proxy.server)) {
            close(link.server);
            close(link.client);
            return;
        }
    }
    proxy.links[proxy.link_count++] = link;
}

static bool send_all(int socket, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* What a client sent goes on to the server; false: the link is over. The first commit of a
 * connection is known by what it prepares. */
static bool forward(struct link *link, const char *bytes, size_t length)
{
    char answer[4096];
    int mode = proxy.mode;
    static const char mark[] = "INSERT INTO writing";
    bool is_commit = memmem(bytes, length, mark, strlen(mark)) != NULL;
    if (is_commit && mode == PROXY_CUTS_BEFORE_COMMIT) {
        proxy.mode = PROXY_PASSES;
        return false;
    }
    if (link->server >= 0 && !send_all(link->server, bytes, length))
        return false;
    if (is_commit && mode == PROXY_FALLS_SILENT)
        proxy.mode = PROXY_IS_SILENT;
    if (is_commit && mode == PROXY_CUTS_AFTER_COMMIT) {
        proxy.mode = PROXY_PASSES;
        (void)recv(link->server, answer, sizeof answer, 0);
        return false;
    }
    return true;
}

static bool serve_link(struct link *link)
{
    char bytes[65536];
    ssize_t length = recv(link->client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (length == 0 || (length > 0 && !forward(link, bytes, (size_t)length)))
        return false;
    if (link->server < 0)
        return proxy.mode == PROXY_IS_SILENT;
    length = recv(link->server, bytes, sizeof bytes, MSG_DONTWAIT);
    if (length == 0)
        return false;
    return length < 0 || proxy.mode == PROXY_IS_SILENT ||
           send_all(link->client, bytes, (size_t)length);
}

static void *run_proxy(void *context)
{
    (void)context;
    while (!proxy.ends) {
        struct pollfd sockets[1 + 2 * LINKS_MAX] = {{.fd = proxy.listener, .events = POLLIN}};
        nfds_t count = 1;
        for (size_t i = 0; i < proxy.link_count; i++) {
            sockets[count++] = (struct pollfd){.fd = proxy.links[i].client, .events = POLLIN};
            sockets[count++] = (struct pollfd){.fd = proxy.links[i].server, .events = POLLIN};
        }
        (void)poll(sockets, count, 20);
        if (sockets[0].revents)
            accept_link();
        for (size_t i = proxy.link_count; i-- > 0;) {
            if (!serve_link(&proxy.links[i]))
                close_link(i);
        }
    }
    while (proxy.link_count > 0)
        close_link(0);
    return NULL;
}

/* Listens on a free port, as `own` says. */
static int listen_somewhere(struct sockaddr_in *own)
{
    socklen_t size = sizeof *own;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *own = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)own, sizeof *own), 0);
    assert_int_equal(listen(listener, LINKS_MAX), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)own, &size), 0);
    return listener;
}

/* Where the server's address stands in a URL of it. */
static const char *address_in(const char *url)
{
    const char *authority = strstr(url, "://") + strlen("://");
    const char *at = memchr(authority, '@', strcspn(authority, "/?"));
    return at ? at + 1 : authority;
}

static void stop_proxy(void)
{
    proxy.ends = true;
    pthread_join(proxy.thread, NULL);
    close(proxy.listener);
    proxy.is_running = false;
}

static void start_proxy(const struct storing *storing)
{
    char host[64];
    const char *address = address_in(storing->server), *port = strchr(address, ':');
    if (proxy.is_running)
        stop_proxy();
    proxy = (struct proxy){.mode = PROXY_PASSES, .is_running = true};
    proxy.server = (struct sockaddr_in){.sin_family = AF_INET};
    snprintf(host, sizeof host, "%.*s", (int)strcspn(address, ":/?"), address);
    assert_int_equal(inet_pton(AF_INET, host, &proxy.server.sin_addr), 1);
    long number =
        port && port < address + strcspn(address, "/?") ? strtol(port + 1, NULL, 10) : 5432;
    proxy.server.sin_port = htons((uint16_t)number);
    proxy.listener = listen_somewhere(&proxy.own);
    assert_int_equal(pthread_create(&proxy.thread, NULL, run_proxy, NULL), 0);
}

/* The URL with other addresses in the server's place. */
static void put_address(char url[static 500], const struct storing *storing, const char *address)
{
    const char *old = address_in(storing->path);
    snprintf(url, 500, "%.*s%s%s", (int)(old - storing->path), storing->path, address,
             old + strcspn(old, "/?"));
}

/* The store, seen through the proxy from now on. */
static void use_proxy(struct storing *storing)
{
    char url[500], address[40];
    struct error error = {0};
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(proxy.own.sin_port));
    put_address(url, storing, address);
    store_free(storing->store);
    storing->store = store_new(url, &storing->limits, storing->is_lasting, &error);
    assert_non_null(storing->store);
}

/* Through a proxy that does this at the next commit. */
static void begin(struct storing *storing, enum proxy_mode mode)
{
    start_proxy(storing);
    use_proxy(storing);
    proxy.mode = mode;
}

static void end(struct storing *storing)
{
    proxy.mode = PROXY_PASSES;
    store_free(storing->store);
    storing->store = open_store(storing);
    stop_proxy();
}

/* Waits until a query finds a number. */
static void expect_soon(const struct storing *storing, const char *sql, int64_t expected)
{
    int64_t since_ms = clock_monotonic_ms();
    while (number(storing, sql) != expected && clock_monotonic_ms() - since_ms < 6000)
        pause_ms(20);
    assert_int_equal(number(storing, sql), expected);
}

/* ---- commits whose answer is lost ---- */

static void a_commit_whose_answer_is_lost_has_worked(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = event;
    begin(storing, PROXY_CUTS_AFTER_COMMIT);
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(proxy.mode, PROXY_PASSES);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_ACCEPTED).state,
                     DELIVERY_DELIVERED);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 1);
    assert_int_equal(ledger(storing, "shop", "received"), 2);
    end(storing);
}

static void a_commit_that_never_came_is_made_again(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1");
    begin(storing, PROXY_CUTS_BEFORE_COMMIT);
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(proxy.mode, PROXY_PASSES);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 1);
    assert_int_equal(ledger(storing, "shop", "received"), 1);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_ACCEPTED).state,
                     DELIVERY_DELIVERED);
    end(storing);
}

/* Who asked was told that nothing is known: so nothing is, as soon as the server is there. */
static void a_commit_nobody_heard_of_is_taken_back(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = event;
    begin(storing, PROXY_FALLS_SILENT);
    int64_t since_ms = clock_monotonic_ms();
    assert_false(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 1200 + LATE_MS);
    assert_int_equal(proxy.mode, PROXY_IS_SILENT);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 1);
    proxy.mode = PROXY_PASSES;
    expect_soon(storing, "SELECT count(*) FROM delivery", 0);
    assert_int_equal(ledger(storing, "shop", "refused"), 1);
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 1);
    end(storing);
}

/* Another node has begun to send it. */
static void what_another_sends_by_now_is_not_taken_back(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = event;
    begin(storing, PROXY_FALLS_SILENT);
    assert_false(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    change(storing, "UPDATE delivery SET lease_steady_ms = lease_steady_ms + 1000");
    proxy.mode = PROXY_PASSES;
    int64_t since_ms = clock_monotonic_ms();
    bool has_worked = false;
    while (!has_worked && clock_monotonic_ms() - since_ms < 6000)
        has_worked = store_receive(storing->store, &again, 1, LEASE_MS, &storing->arena);
    assert_true(has_worked);
    assert_int_equal(again.outcome, OUTCOME_DUPLICATE);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 1);
    end(storing);
}

static void an_acceptance_in_doubt_is_written_once(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    begin(storing, PROXY_FALLS_SILENT);
    struct store_try one = try_of(id, TRY_ACCEPTED);
    assert_false(store_report(storing->store, &one, 1));
    store_count(storing->store, "shop", OUTCOME_IGNORED);
    proxy.mode = PROXY_PASSES;
    expect_soon(storing, "SELECT count(*) FROM ledger WHERE place = 'ignored'", 1);
    assert_int_equal(state_of(storing, id), DELIVERY_DELIVERED);
    assert_int_equal(number(storing, "SELECT count(*) FROM try"), 1);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    end(storing);
}

/* ---- servers that are not there ---- */

static void a_lost_connection_is_made_again_at_once(void **state)
{
    struct storing *storing = *state;
    receive_to_be_sent(storing, "load", SEVERITY_CRITICAL);
    (void)number(storing, "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM"
                          " pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%'"
                          " AND application_name = 'flashduty-gateway'"
                          " AND datname = current_database()) AS ended");
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
}

static void a_silent_server_is_waited_for_half_a_second(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    begin(storing, PROXY_IS_SILENT);
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    for (int i = 0; i < 3; i++) {
        int64_t since_ms = clock_monotonic_ms();
        assert_false(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
        assert_in_range(clock_monotonic_ms() - since_ms, 0, 700 + LATE_MS);
        assert_false(event.is_behind);
    }
    assert_false(store_is_writable(storing->store, &error));
    assert_non_null(strstr(error.text, "does not answer"));
    proxy.mode = PROXY_PASSES;
    pause_ms(1100);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    end(storing);
}

static void another_host_is_tried_when_one_is_not_there(void **state)
{
    struct storing *storing = *state;
    struct sockaddr_in nobody;
    struct error error = {0};
    char url[500], addresses[120], real[64];
    start_proxy(storing);
    proxy.mode = PROXY_IS_SILENT;
    close(listen_somewhere(&nobody));
    snprintf(real, sizeof real, "%.*s", (int)strcspn(address_in(storing->path), "/?"),
             address_in(storing->path));
    snprintf(addresses, sizeof addresses, "127.0.0.1:%d,127.0.0.1:%d,%s", ntohs(nobody.sin_port),
             ntohs(proxy.own.sin_port), real);
    put_address(url, storing, addresses);
    store_free(storing->store);
    storing->store = store_new(url, &storing->limits, storing->is_lasting, &error);
    int64_t since_ms = clock_monotonic_ms();
    while (!store_is_writable(storing->store, &error) && clock_monotonic_ms() - since_ms < 6000)
        pause_ms(20);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    end(storing);
}

/* ---- locks and conflicts ---- */

static void the_lock_of_a_moment_is_waited_for(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    struct database *other = database_open(storing->path, DATABASE_OPEN, &error);
    assert_non_null(other);
    assert_true(database_begin(other, 500));
    struct store_event event = event_of("disk", SEVERITY_OK);
    int64_t since_ms = clock_monotonic_ms();
    assert_false(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_in_range(clock_monotonic_ms() - since_ms, 450, 700 + LATE_MS);
    assert_true(event.is_behind);
    database_rollback(other);
    database_close(other);
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
}

static void what_meets_another_change_is_made_again(void **state)
{
    struct storing *storing = *state;
    change(storing, "CREATE SEQUENCE met");
    change(storing, "CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " IF nextval('met') < 3 THEN RAISE EXCEPTION 'met' USING ERRCODE = '40001';"
                    " END IF; RETURN NEW; END $$");
    change(storing, "CREATE TRIGGER meets BEFORE INSERT ON alert FOR EACH ROW"
                    " EXECUTE FUNCTION meet()");
    struct store_event event = message_of("disk", "m1");
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(number(storing, "SELECT last_value FROM met"), 3);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 1);
}

struct receiver {
    struct store *store;
    struct store_event event;
    struct arena arena;
    bool has_worked;
};

static void *receive_one(void *context)
{
    struct receiver *receiver = context;
    receiver->has_worked =
        store_receive(receiver->store, &receiver->event, 1, LEASE_MS, &receiver->arena);
    return NULL;
}

/* Several changes share a transaction, and what was sent is answered later. */
static void a_change_that_fails_takes_nobody_along(void **state)
{
    enum { MANY = 6 };
    static const char *const keys[MANY] = {"disk", "load", "bad", "heat", "bad", "fan"};
    struct storing *storing = *state;
    struct error error = {0};
    struct receiver receivers[MANY];
    pthread_t threads[MANY];
    change(storing, "ALTER TABLE alert ADD CHECK (alert_key <> 'bad')");
    receive_to_be_sent(storing, "first", SEVERITY_CRITICAL);
    struct database *other = database_open(storing->path, DATABASE_OPEN, &error);
    assert_non_null(other);
    assert_true(database_begin(other, 500));
    for (size_t i = 0; i < MANY; i++) {
        receivers[i] = (struct receiver){.store = storing->store,
                                         .event = event_of(keys[i], SEVERITY_WARNING)};
        assert_int_equal(pthread_create(&threads[i], NULL, receive_one, &receivers[i]), 0);
    }
    pause_ms(150);
    database_rollback(other);
    database_close(other);
    for (size_t i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < MANY; i++) {
        arena_clear(&receivers[i].arena);
        assert_int_equal(receivers[i].has_worked, strcmp(keys[i], "bad") != 0);
    }
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), MANY - 1);
    assert_int_equal(ledger(storing, "shop", "received"), MANY - 1);
}

/* A connection to read from is kept; one that was ended meanwhile is not used. */
static void who_reads_again_needs_no_new_connection(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    static const char of_connection[] = "SELECT pg_backend_pid()";
    int64_t ids[3];
    for (int i = 0; i < 3; i++) {
        struct database *reader = database_open(storing->path, DATABASE_READ, &error);
        assert_non_null(reader);
        assert_true(database_begin_reading(reader));
        ids[i] = database_number(reader, 0, of_connection, "");
        database_close(reader);
        char sql[100];
        snprintf(sql, sizeof sql, "SELECT CAST(pg_terminate_backend(%lld) AS int)",
                 (long long)ids[i]);
        if (i == 1)
            assert_int_equal(number(storing, sql), 1);
        pause_ms(100);
    }
    assert_true(ids[0] > 0 && ids[0] == ids[1]);
    assert_true(ids[2] > 0 && ids[2] != ids[1]);
}

/* ---- what is written ---- */

static void what_is_no_utf8_is_mended(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk\xff", "m\xc3\x28");
    event.title = "Platte \xe4 voll \xf0\x9f\x94\xa5";
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(number(storing,
                            "SELECT count(*) FROM alert WHERE alert_key = 'disk\xef\xbf\xbd'"
                            " AND title = 'Platte \xef\xbf\xbd voll \xf0\x9f\x94\xa5'"),
                     1);
    struct store_event again = message_of("disk\xff", "m\xc3\x28");
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
}

static void a_long_id_is_an_id(void **state)
{
    struct storing *storing = *state;
    char id[20000];
    for (size_t i = 0; i < sizeof id - 1; i++)
        id[i] = (char)('!' + (i * i + i / 7) % 90);
    id[sizeof id - 1] = '\0';
    struct store_event event = message_of("disk", id), again = event, other;
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
    id[sizeof id - 2] = '~';
    other = message_of("disk", id);
    assert_int_equal(take(storing, &other), OUTCOME_QUEUED);
}

static void a_password_is_shown_to_nobody(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    static const struct {
        const char *url, *shown;
    } rows[] = {
        {"postgresql://gateway:sesame@db:5433/g", "postgresql://gateway@db:5433/g"},
        {"postgresql://gateway@db/g?password=sesame&sslmode=require",
         "postgresql://gateway@db/g?sslmode=require"},
        {"postgres://:sesame@a,b/g?sslmode=require&sslpassword=sesame",
         "postgres://@a,b/g?sslmode=require"},
        {"postgresql://gateway:se@same@db", "postgresql://gateway@db"},
        {"postgresql://db/g?user=a", "postgresql://db/g?user=a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(database_name(&storing->arena, rows[i].url), rows[i].shown);
    assert_null(database_open("postgresql://gateway:sesame@127.0.0.1:1/g", DATABASE_OPEN, &error));
    assert_non_null(strstr(error.text, "postgresql://gateway@127.0.0.1:1/g: "));
    assert_null(strstr(error.text, "sesame"));
}

/* A database beside the test's own, with this behind CREATE DATABASE …; its URL. */
static void create_database(struct storing *storing, const char *options, char url[static 500])
{
    char sql[300];
    const char *address = address_in(storing->server);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE template0 %s", storing->schema, options);
    tell_server(storing, sql);
    snprintf(url, 500, "%.*s/%s", (int)(address + strcspn(address, "/?") - storing->server),
             storing->server, storing->schema);
}

static void drop_database(struct storing *storing)
{
    char sql[200];
    snprintf(sql, sizeof sql, "DROP DATABASE %s", storing->schema);
    tell_server(storing, sql);
}

static void a_database_in_another_encoding_is_no_store(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    char url[500];
    create_database(storing, "ENCODING 'SQL_ASCII' LOCALE 'C'", url);
    assert_null(database_open(url, DATABASE_MAKE, &error));
    assert_non_null(strstr(error.text, "UTF8"));
    drop_database(storing);
}

/* CockroachDB orders them so, and refuses to be told. */
static void texts_are_ordered_by_their_bytes(void **state)
{
    struct storing *storing = *state;
    static const struct {
        const char *options;
        bool is_told;
    } rows[] = {
        {"ENCODING 'UTF8' LOCALE 'C'", false},
        {"ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error error = {0};
        char url[500];
        create_database(storing, rows[i].options, url);
        struct store *store = store_new(url, &storing->limits, true, &error);
        assert_true(store && store_is_writable(store, &error));
        store_free(store);
        struct database *database = database_open(url, DATABASE_OPEN, &error);
        assert_non_null(database);
        assert_true(database_begin(database, 2000));
        int64_t told = database_number(database, -1,
                                       "SELECT count(*) FROM information_schema.columns"
                                       " WHERE table_name = 'alert' AND collation_name = 'C'",
                                       "");
        assert_int_equal(told > 0, rows[i].is_told);
        database_run(database, "CREATE TABLE word AS SELECT alert_key FROM alert WHERE false", "");
        database_run(database, "INSERT INTO word VALUES ('a'), ('B')", "");
        int64_t count = database_number(database, -1,
                                        "SELECT count(*) FROM word AS v JOIN word AS w"
                                        " ON v.alert_key < w.alert_key WHERE v.alert_key = 'B'",
                                        "");
        if (database_failed(database))
            fail_msg("%s", database_failure(database));
        assert_int_equal(count, 1);
        database_rollback(database);
        database_close(database);
        drop_database(storing);
    }
}

/* A node's clock says nothing. */
static void time_is_the_servers(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    struct database *database = database_open(storing->path, DATABASE_OPEN, &error);
    assert_non_null(database);
    assert_true(database_begin_reading(database));
    int64_t there_ms = database_number(
        database, 0, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)", "");
    assert_in_range(database_wall_ms(database) - there_ms + 1000, 900, 1100 + LATE_MS);
    assert_int_equal(database_steady_ms(database) / 10000, database_wall_ms(database) / 10000);
    database_rollback(database);
    database_close(database);
}

/* make test-cluster starts one. */
static void all_need_a_server(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(a_commit_whose_answer_is_lost_has_worked),
        IN_BOTH(a_commit_that_never_came_is_made_again),
        IN_LASTING(a_commit_nobody_heard_of_is_taken_back),
        IN_LASTING(what_another_sends_by_now_is_not_taken_back),
        IN_LASTING(an_acceptance_in_doubt_is_written_once),
        IN_BOTH(a_lost_connection_is_made_again_at_once),
        IN_BOTH(a_silent_server_is_waited_for_half_a_second),
        IN_BOTH(another_host_is_tried_when_one_is_not_there),
        IN_BOTH(the_lock_of_a_moment_is_waited_for),
        IN_BOTH(what_meets_another_change_is_made_again),
        IN_LASTING(a_change_that_fails_takes_nobody_along),
        IN_PASSING(who_reads_again_needs_no_new_connection),
        IN_PASSING(what_is_no_utf8_is_mended),
        IN_PASSING(a_long_id_is_an_id),
        IN_PASSING(a_password_is_shown_to_nobody),
        IN_PASSING(a_database_in_another_encoding_is_no_store),
        IN_PASSING(texts_are_ordered_by_their_bytes),
        IN_PASSING(time_is_the_servers),
    };
    const struct CMUnitTest none[] = {cmocka_unit_test(all_need_a_server)};
    if (!getenv("FLASHDUTY_GATEWAY_TEST_POSTGRESQL"))
        return cmocka_run_group_tests(none, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

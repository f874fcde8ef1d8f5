#include "loopback.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "net/certificate_store.h"
#include "net/transport.h"

/* Long enough for slow machines and sanitizers; tests of time set their own. */
#define PATIENCE_MS 10000

static const char *url_of(int port)
{
    static _Thread_local char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/push?integration_key=SECRET", port);
    return url;
}

static struct transport *new_transport(bool threaded)
{
    struct error error = {0};
    struct transport *transport = transport_new("", "", threaded, &error);
    assert_non_null(transport);
    return transport;
}

static struct transport_call *post(struct transport *transport, const char *url, int64_t timeout_ms)
{
    struct transport_call *call = transport_post(transport, url, NULL, "{}", 2, timeout_ms);
    assert_non_null(call);
    return call;
}

static struct transport_call *wait_for(struct transport *transport, struct transport_call *call)
{
    transport_wait(transport, &call, 1, clock_monotonic_ms() + PATIENCE_MS);
    assert_true(transport_answer(call).done);
    return call;
}

static struct transport_call *post_and_wait(struct transport *transport, const char *url,
                                            int64_t timeout_ms)
{
    return wait_for(transport, post(transport, url, timeout_ms));
}

static void expect_status(struct transport *transport, const char *url, long status)
{
    struct transport_call *call = post_and_wait(transport, url, PATIENCE_MS);
    struct transport_answer answer = transport_answer(call);
    assert_string_equal(answer.failure, "");
    assert_int_equal(answer.status, status);
    transport_call_free(call);
}

static void expect_failure(struct transport *transport, const char *url, int64_t timeout_ms,
                           const char *text)
{
    struct transport_call *call = post_and_wait(transport, url, timeout_ms);
    struct transport_answer answer = transport_answer(call);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.body_length, 0);
    assert_string_equal(answer.body, "");
    if (!strstr(answer.failure, text))
        fail_msg("\"%s\" lacks \"%s\"", answer.failure, text);
    assert_null(strstr(answer.failure, "SECRET"));
    assert_null(strstr(answer.failure, "http:"));
    transport_call_free(call);
}

/* Every test below runs with a loop thread, and again without. */

static bool threaded;

static struct transport *fresh(void)
{
    return new_transport(threaded);
}

static void a_post_carries_its_headers_and_body_and_brings_back_the_answer(void **state)
{
    static const char *const headers[] = {"X-Extra: 1", NULL};
    static const char *const expected[] = {
        "POST /push?integration_key=SECRET HTTP/1.1\r\n",
        "\r\nContent-Type: application/json\r\n",
        "\r\nUser-Agent: flashduty-gateway/" VERSION "\r\n",
        "\r\nX-Extra: 1\r\n",
        "\r\nContent-Length: 7\r\n",
        "\r\n\r\n{\"a\":1}",
    };
    struct server *server = server_start(answer_raw);
    struct transport *transport = fresh();
    (void)state;
    server_say(server, "HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello");
    struct transport_call *call =
        transport_post(transport, url_of(server->port), headers, "{\"a\":1}", 7, PATIENCE_MS);
    assert_non_null(call);
    struct transport_answer answer = transport_answer(wait_for(transport, call));
    assert_int_equal(answer.status, 202);
    assert_string_equal(answer.body, "hello");
    assert_int_equal(answer.body_length, 5);
    assert_int_equal(answer.retry_after_s, 0);
    assert_string_equal(answer.failure, "");
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_non_null(strstr(server->last_request, expected[i]));
    transport_call_free(call);
    transport_free(transport);
    server_stop(server);
}

static void a_large_body_is_sent_without_asking_first(void **state)
{
    size_t length = 3 << 20;
    char *body = malloc(length);
    struct server *server = server_start(answer_ok);
    struct transport *transport = fresh();
    (void)state;
    assert_non_null(body);
    memset(body, 'x', length);
    struct transport_call *call =
        transport_post(transport, url_of(server->port), NULL, body, length, PATIENCE_MS);
    free(body);
    assert_non_null(call);
    assert_int_equal(transport_answer(wait_for(transport, call)).status, 200);
    assert_null(strstr(server->last_request, "Expect"));
    transport_call_free(call);
    transport_free(transport);
    server_stop(server);
}

static void a_redirect_is_an_answer_and_is_not_followed(void **state)
{
    char raw[160];
    struct server *server = server_start(answer_raw), *elsewhere = server_start(answer_ok);
    struct transport *transport = fresh();
    (void)state;
    snprintf(raw, sizeof raw,
             "HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
             elsewhere->port);
    server_say(server, raw);
    expect_status(transport, url_of(server->port), 307);
    assert_int_equal(elsewhere->connections, 0);
    transport_free(transport);
    server_stop(server);
    server_stop(elsewhere);
}

static void calls_one_after_the_other_share_a_connection(void **state)
{
    struct server *server = server_start(answer_ok);
    struct transport *transport = fresh();
    (void)state;
    for (int i = 0; i < 20; i++)
        expect_status(transport, url_of(server->port), 200);
    assert_int_equal(server->requests, 20);
    assert_int_equal(server->connections, 1);
    transport_free(transport);
    server_stop(server);
}

static bool answer_from_the_second(struct server *server, int connection, int n)
{
    return n == 1 ? answer_never(server, connection, n) : answer_ok(server, connection, n);
}

static void a_connection_on_which_a_call_timed_out_is_not_used_again(void **state)
{
    struct server *server = server_start(answer_from_the_second);
    struct transport *transport = fresh();
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    expect_failure(transport, url_of(server->port), 300,
                   "timed out after 300 ms while waiting for the answer");
    assert_within_ms(start_ms, 290, 800);
    expect_status(transport, url_of(server->port), 200);
    assert_int_equal(server->connections, 2);
    transport_free(transport);
    server_stop(server);
}

static void waiting_ends_on_time_and_the_call_goes_on(void **state)
{
    struct server *server = server_start(answer_never);
    struct transport *transport = fresh();
    struct transport_call *calls[] = {NULL, post(transport, url_of(server->port), 600), NULL};
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    transport_wait(transport, calls, 3, start_ms + 200);
    assert_within_ms(start_ms, 200, 350);
    struct transport_answer answer = transport_answer(calls[1]);
    assert_false(answer.done);
    assert_string_equal(answer.body, "");
    assert_string_equal(answer.failure, "");
    transport_wait(transport, calls, 3, start_ms + PATIENCE_MS);
    assert_within_ms(start_ms, 590, 1000);
    assert_true(transport_answer(calls[1]).done);
    transport_call_free(calls[1]);
    transport_free(transport);
    server_stop(server);
}

static void waiting_for_nothing_is_sleeping(void **state)
{
    struct transport *transport = fresh();
    struct transport_call *nothing[] = {NULL, NULL};
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    transport_wait(transport, nothing, 2, start_ms + 100); /* before any call was made */
    assert_within_ms(start_ms, 100, 250);
    expect_failure(transport, "http://127.0.0.1:1/", 1000, "could not connect");
    start_ms = clock_monotonic_ms();
    transport_wait(transport, nothing, 2, start_ms + 100);
    assert_within_ms(start_ms, 100, 250);
    transport_wait(transport, nothing, 0, start_ms);
    transport_wait(transport, nothing, 2, INT64_MIN);
    transport_free(transport);
}

static int64_t processor_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void expect_no_processor_time(struct transport *transport, struct transport_call *call)
{
    transport_wait(transport, &call, 1, clock_monotonic_ms() + 200);
    int64_t used_ms = processor_ms();
    transport_wait(transport, &call, 1, clock_monotonic_ms() + 800);
    assert_in_range(processor_ms() - used_ms, 0, 100);
}

static void waiting_costs_no_processor_time(void **state)
{
    struct server *server = server_start(answer_never);
    struct transport *transport = fresh();
    struct transport_call *call = post(transport, url_of(server->port), PATIENCE_MS);
    (void)state;
    expect_no_processor_time(transport, call);
    transport_call_free(call);
    transport_free(transport);
    server_stop(server);
}

static bool answer_and_close_later(struct server *server, int connection, int n)
{
    (void)answer_ok(server, connection, n);
    sleep_ms(100);
    return false;
}

/* Its end is news that libcurl does not want. */
static void an_idle_connection_that_is_closed_costs_no_processor_time(void **state)
{
    struct server *silent = server_start(answer_never),
                  *server = server_start(answer_and_close_later);
    struct transport *transport = fresh();
    struct transport_call *call = post(transport, url_of(silent->port), PATIENCE_MS);
    (void)state;
    expect_status(transport, url_of(server->port), 200);
    expect_no_processor_time(transport, call);
    assert_int_equal(server->open, 0);
    expect_status(transport, url_of(server->port), 200);
    transport_call_free(call);
    transport_free(transport);
    server_stop(silent);
    server_stop(server);
}

static bool answer_and_close_in_the_middle(struct server *server, int connection, int n)
{
    (void)server;
    (void)n;
    send_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\"");
    return false;
}

static bool answer_and_close(struct server *server, int connection, int n)
{
    (void)server;
    (void)n;
    send_text(connection, "HTTP/1.0 200 OK\r\n\r\n{}");
    return false;
}

static bool close_at_once(struct server *server, int connection, int n)
{
    (void)server;
    (void)connection;
    (void)n;
    return false;
}

static bool answer_no_http(struct server *server, int connection, int n)
{
    (void)server;
    (void)n;
    send_text(connection, "\x16\x03\x00 this is no HTTP \r\n\r\n");
    return false;
}

static void broken_answers_are_failures_in_plain_words(void **state)
{
    static const struct {
        answer_function *answer;
        const char *text;
    } cases[] = {
        {answer_and_close_in_the_middle, "closed in the middle of the answer"},
        {close_at_once, "closed without an answer"},
        {answer_no_http, "speaks no HTTP"},
    };
    struct transport *transport = fresh();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server *server = server_start(cases[i].answer);
        expect_failure(transport, url_of(server->port), PATIENCE_MS, cases[i].text);
        server_stop(server);
    }
    struct server *server = server_start(answer_and_close);
    expect_status(transport, url_of(server->port), 200);
    server_stop(server);
    transport_free(transport);
}

static bool answer_huge(struct server *server, int connection, int n)
{
    static char block[65536];
    bool sent = send_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    (void)server;
    (void)n;
    for (int i = 0; sent && i < 16; i++) {
        for (size_t done = 0; sent && done < sizeof block;) {
            ssize_t count = send(connection, block + done, sizeof block - done, MSG_NOSIGNAL);
            sent = count > 0;
            done += sent ? (size_t)count : 0;
        }
    }
    return sent;
}

static bool answer_without_end(struct server *server, int connection, int n)
{
    static char block[16384];
    (void)server;
    (void)n;
    send_text(connection, "HTTP/1.1 200 OK\r\n\r\n");
    while (send(connection, block, sizeof block, MSG_NOSIGNAL) > 0)
        ;
    return false;
}

static bool answer_headers_without_end(struct server *server, int connection, int n)
{
    static const char header[] = "X-Filler: 0123456789012345678901234567890123456789\r\n";
    (void)server;
    (void)n;
    send_text(connection, "HTTP/1.1 200 OK\r\n");
    while (send(connection, header, sizeof header - 1, MSG_NOSIGNAL) > 0)
        ;
    return false;
}

static bool answer_in_drips(struct server *server, int connection, int n)
{
    (void)server;
    (void)n;
    send_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (send(connection, "x", 1, MSG_NOSIGNAL) > 0)
        sleep_ms(20);
    return false;
}

static void a_huge_answer_is_cut_and_its_connection_is_kept(void **state)
{
    struct server *server = server_start(answer_huge);
    struct transport *transport = fresh();
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct transport_call *call = post_and_wait(transport, url_of(server->port), PATIENCE_MS);
        assert_int_equal(transport_answer(call).status, 200);
        assert_int_equal(transport_answer(call).body_length, ANSWER_BYTES_MAX);
        assert_int_equal(transport_answer(call).body[ANSWER_BYTES_MAX], 0);
        transport_call_free(call);
    }
    assert_int_equal(server->connections, 1);
    transport_free(transport);
    server_stop(server);
}

static void answers_without_end_end_in_time(void **state)
{
    static answer_function *const answers[] = {answer_without_end, answer_headers_without_end,
                                               answer_in_drips};
    struct transport *transport = fresh();
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct server *server = server_start(answers[i]);
        int64_t start_ms = clock_monotonic_ms();
        expect_failure(transport, url_of(server->port), 400, "");
        assert_within_ms(start_ms, 0, 1000);
        server_stop(server);
    }
    transport_free(transport);
}

static void retry_after_is_seconds_or_a_date_and_never_negative(void **state)
{
    time_t later = time(NULL) + 30;
    struct tm broken_down;
    char date[64], raw[256];
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &broken_down));
    const struct {
        const char *value;
        long least, most;
    } cases[] = {
        {"7", 7, 7},    {date, 25, 30}, {"Thu, 01 Jan 2015 00:00:00 GMT", 0, 0},
        {"soon", 0, 0}, {"-5", 0, 0},   {"", 0, 0},
        {"0", 0, 0},
    };
    struct server *server = server_start(answer_raw);
    struct transport *transport = fresh();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(raw, sizeof raw,
                 "HTTP/1.1 429 Slow down\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
                 cases[i].value);
        server_say(server, raw);
        struct transport_call *call = post_and_wait(transport, url_of(server->port), PATIENCE_MS);
        assert_int_equal(transport_answer(call).status, 429);
        assert_in_range(transport_answer(call).retry_after_s, cases[i].least, cases[i].most);
        transport_call_free(call);
    }
    transport_free(transport);
    server_stop(server);
}

static void a_refused_port_and_wrong_urls_fail_at_once(void **state)
{
    static const struct {
        const char *url, *text;
    } cases[] = {
        {"http://127.0.0.1:1/", "could not connect"},
        {"ftp://127.0.0.1/", "scheme"},
        {"file:///etc/passwd", "scheme"},
        {"http://", "malformed"},
        {"http://127.0.0.1:99999/", "malformed"},
        {"http://no such host/", "malformed"},
    };
    struct transport *transport = fresh();
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_failure(transport, cases[i].url, PATIENCE_MS, cases[i].text);
    expect_failure(transport, "http://127.0.0.1:1/", 0, "");
    expect_failure(transport, "http://127.0.0.1:1/", -1, "");
    assert_within_ms(start_ms, 0, 2000);
    transport_free(transport);
}

static void a_black_hole_ends_with_the_time_for_connecting(void **state)
{
    int port = 0;
    struct black_hole hole = black_hole_open(INADDR_LOOPBACK, &port);
    struct transport *transport = fresh();
    (void)state;
    int64_t start_ms = clock_monotonic_ms();
    expect_failure(transport, url_of(port), PATIENCE_MS,
                   "timed out after 2000 ms while connecting");
    assert_within_ms(start_ms, CONNECT_TIMEOUT_MS - 10, CONNECT_TIMEOUT_MS + 500);
    expect_failure(transport, url_of(port), 200, "timed out after 200 ms while connecting");
    black_hole_close(&hole);
    transport_free(transport);
}

static void expect_an_answer_at_second_try(const char *host, struct server *server,
                                           int64_t within_ms)
{
    struct transport *transport = fresh();
    char url[64];
    snprintf(url, sizeof url, "http://%s:%d/", host, server->port);
    int64_t start_ms = clock_monotonic_ms();
    expect_status(transport, url, 200);
    assert_within_ms(start_ms, 0, within_ms);
    transport_free(transport);
}

static void a_silent_address_gives_way_to_the_next(void **state)
{
    struct server *server = server_start(answer_ok);
    struct black_hole hole = black_hole_open(INADDR_LOOPBACK + 1, &server->port);
    (void)state;
    expect_an_answer_at_second_try("two.invalid", server, CONNECT_TIMEOUT_MS / 2 + 400);
    black_hole_close(&hole);
    server_stop(server);
}

/* A connection to ::1 is refused a little later, as by a router. */

int connect(int socket, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t);
    void *symbol = dlsym(RTLD_NEXT, "connect");
    memcpy(&real, &symbol, sizeof real);
    if (address.__sockaddr__->sa_family != AF_INET6)
        return real(socket, address.__sockaddr__, length);
    errno = EINPROGRESS;
    return -1;
}

int getsockopt(int socket, int level, int name, void *value, socklen_t *length)
{
    int (*real)(int, int, int, void *, socklen_t *);
    void *symbol = dlsym(RTLD_NEXT, "getsockopt");
    int family = 0;
    memcpy(&real, &symbol, sizeof real);
    int code = real(socket, level, name, value, length);
    if (level == SOL_SOCKET && name == SO_ERROR && !code &&
        !real(socket, SOL_SOCKET, SO_DOMAIN, &family, &(socklen_t){sizeof family}) &&
        family == AF_INET6)
        memcpy(value, &(int){ECONNREFUSED}, sizeof(int));
    return code;
}

static void a_network_without_ipv6_gives_way_to_ipv4(void **state)
{
    struct server *server = server_start(answer_ok);
    (void)state;
    expect_an_answer_at_second_try("both.invalid", server, 400);
    server_stop(server);
}

static void a_hanging_resolver_delays_nobody(void **state)
{
    struct server *server = server_start(answer_ok);
    struct transport *transport = fresh();
    int64_t start_ms = clock_monotonic_ms();
    struct transport_call *hangs = post(transport, "http://hang.invalid/", 500);
    (void)state;
    transport_wait(transport, &hangs, 1, start_ms + 100);
    assert_within_ms(start_ms, 100, 250);
    assert_int_equal(hanging, 1);
    for (int i = 0; i < 5; i++) {
        int64_t other_ms = clock_monotonic_ms();
        expect_status(transport, url_of(server->port), 200);
        assert_within_ms(other_ms, 0, 200);
    }
    wait_for(transport, hangs);
    assert_within_ms(start_ms, 490, 1000);
    assert_string_equal(transport_answer(hangs).failure,
                        "timed out after 500 ms while resolving the host name");
    transport_call_free(hangs);

    hangs = post(transport, "http://hang.invalid/", PATIENCE_MS);
    transport_wait(transport, &hangs, 1, clock_monotonic_ms() + 100);
    start_ms = clock_monotonic_ms();
    transport_call_free(hangs);
    assert_within_ms(start_ms, 0, 100);
    hangs = post(transport, "http://hang.invalid/", PATIENCE_MS);
    transport_wait(transport, &hangs, 1, clock_monotonic_ms() + 100);
    start_ms = clock_monotonic_ms();
    transport_free(transport);
    assert_within_ms(start_ms, 0, 300);
    assert_true(hanging >= 2);
    transport_call_free(hangs);
    server_stop(server);
    await_resolvers();
}

static void a_call_given_back_lets_go_of_its_connection(void **state)
{
    struct server *server = server_start(answer_never);
    struct transport *transport = fresh();
    struct transport_call *call = post(transport, url_of(server->port), PATIENCE_MS);
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    while (server->requests == 0)
        transport_wait(transport, &call, 1, clock_monotonic_ms() + 10);
    transport_call_free(call);
    while (server->open > 0)
        sleep_ms(1);
    assert_within_ms(start_ms, 0, 2000);
    transport_call_free(post(transport, url_of(server->port), PATIENCE_MS)); /* never started */
    transport_call_free(NULL);
    transport_free(transport);
    server_stop(server);
}

static void calls_outlive_their_transport(void **state)
{
    struct server *server = server_start(answer_never);
    struct transport *transport = fresh();
    struct transport_call *call = post(transport, url_of(server->port), PATIENCE_MS);
    struct transport_call *late = post(transport, url_of(server->port), PATIENCE_MS);
    (void)state;
    transport_wait(transport, &call, 1, clock_monotonic_ms() + 100);
    transport_free(transport);
    assert_true(transport_answer(call).done);
    assert_int_equal(transport_answer(call).status, 0);
    assert_non_null(strstr(transport_answer(call).failure, "stopping"));
    assert_true(transport_answer(late).done);
    transport_call_free(call);
    transport_call_free(late);
    transport_free(NULL);
    server_stop(server);
}

static const char *const proxy_variables[] = {"http_proxy", "https_proxy", "all_proxy",
                                              "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};

static void the_environments_proxies_do_not_matter(void **state)
{
    struct error error = {0};
    char proxy[64];
    struct server *server = server_start(answer_ok);
    (void)state;
    for (size_t i = 0; i < sizeof proxy_variables / sizeof *proxy_variables; i++)
        setenv(proxy_variables[i], "http://127.0.0.1:1", 1);
    setenv("no_proxy", "*", 1);
    struct transport *transport = fresh();
    unsetenv("no_proxy");
    expect_status(transport, url_of(server->port), 200);
    transport_free(transport);

    setenv("no_proxy", "*", 1);
    setenv("NO_PROXY", "*", 1);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server->port);
    transport = transport_new("", proxy, threaded, &error);
    assert_non_null(transport);
    expect_status(transport, "http://nowhere.invalid/push", 200);
    assert_non_null(strstr(server->last_request, "POST http://nowhere.invalid/push HTTP/1.1\r\n"));
    transport_free(transport);
    for (size_t i = 0; i < sizeof proxy_variables / sizeof *proxy_variables; i++)
        unsetenv(proxy_variables[i]);
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    server_stop(server);
}

static void a_proxy_that_refuses_is_named(void **state)
{
    struct error error = {0};
    char proxy[64];
    struct server *server = server_start(answer_raw);
    (void)state;
    server_say(server, "HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server->port);
    struct transport *transport = transport_new("", proxy, threaded, &error);
    assert_non_null(transport);
    expect_failure(transport, "https://nowhere.invalid/push?key=SECRET", PATIENCE_MS,
                   "the proxy refused the connection with HTTP status 407");
    assert_null(strstr(server->last_request, "SECRET"));
    transport_free(transport);
    transport = transport_new("", "http://127.0.0.1:1", threaded, &error);
    assert_non_null(transport);
    expect_failure(transport, "https://nowhere.invalid/", PATIENCE_MS,
                   "could not connect to the proxy");
    transport_free(transport);
    server_stop(server);
}

/* TLS */

struct conversation {
    struct tls_server *server;
    atomic_int requests, resumed;
};

/* Answers what reaches the openssl command, closing every connection. */
static void *converse(void *context)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    struct conversation *conversation = context;
    char line[1024];
    while (fgets(line, sizeof line, conversation->server->output)) {
        conversation->resumed += strstr(line, "Reused session-id") != NULL;
        if (strncmp(line, "{\"tls\":1}", 9) != 0)
            continue;
        conversation->requests++;
        if (write(conversation->server->input, answer, sizeof answer - 1) < 0)
            break;
    }
    return NULL;
}

static long post_over_tls(struct transport *transport, const char *url)
{
    struct transport_call *call =
        transport_post(transport, url, NULL, "{\"tls\":1}\n", 10, PATIENCE_MS);
    assert_non_null(call);
    long status = transport_answer(wait_for(transport, call)).status;
    if (!status)
        print_message("%s\n", transport_answer(call).failure);
    transport_call_free(call);
    return status;
}

static void tls_is_verified_and_its_sessions_are_resumed(void **state)
{
    char folder[] = "/tmp/test_transport.XXXXXX", command[128], path[64], url[64];
    struct error error = {0};
    pthread_t thread;
    (void)state;
    make_certificate(folder);
    struct tls_server server = tls_start(folder, "");
    struct conversation conversation = {.server = &server};
    snprintf(url, sizeof url, "https://127.0.0.1:%d/push", server.port);
    snprintf(path, sizeof path, "%s/cert.pem", folder);
    snprintf(command, sizeof command,
             "cd %s && mkdir hashed && cp cert.pem hashed && openssl rehash hashed", folder);
    assert_int_equal(pthread_create(&thread, NULL, converse, &conversation), 0);

    struct transport *transport = transport_new(path, "", threaded, &error);
    assert_non_null(transport);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post_over_tls(transport, url), 200);
    assert_int_equal(conversation.resumed, 2);
    transport_free(transport);

    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/hashed", folder);
    transport = transport_new(path, "", threaded, &error);
    assert_non_null(transport);
    assert_int_equal(post_over_tls(transport, url), 200);
    snprintf(url, sizeof url, "https://localhost:%d/push", server.port);
    expect_failure(transport, url, PATIENCE_MS,
                   "the certificate could not be verified: it is for another host");
    transport_free(transport);

    assert_int_equal(conversation.requests, 4);
    kill(server.process, SIGTERM);
    pthread_join(thread, NULL);
    tls_stop(&server);
    remove_folder(folder);
}

static void expect_tls_failure(const char *ca_file, int port, const char *text)
{
    struct error error = {0};
    char url[64];
    struct transport *transport = transport_new(ca_file, "", threaded, &error);
    assert_non_null(transport);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
    expect_failure(transport, url, PATIENCE_MS, text);
    transport_free(transport);
}

static void what_is_wrong_with_a_certificate_is_said(void **state)
{
    char folder[] = "/tmp/test_transport.XXXXXX", empty[64], path[64];
    (void)state;
    make_certificate(folder);
    struct tls_server server = tls_start(folder, "");
    snprintf(path, sizeof path, "%s/other", folder);
    expect_tls_failure(path, server.port, path); /* no such file */
    expect_tls_failure(path, server.port, "No such file");
    expect_tls_failure(folder, server.port, "openssl rehash");
    snprintf(empty, sizeof empty, "%s/openssl.log", folder);
    expect_tls_failure(empty, server.port, empty);
    struct certificate_store store;
    struct error error = {0};
    if (certificate_store_find("", &store, &error))
        expect_tls_failure("", server.port, "self-signed certificate");
    tls_stop(&server);
    remove_folder(folder);
}

static void tls_older_than_1_2_is_refused(void **state)
{
    char folder[] = "/tmp/test_transport.XXXXXX", path[64];
    (void)state;
    make_certificate(folder);
    snprintf(path, sizeof path, "%s/cert.pem", folder);
    struct tls_server server = tls_start(folder, "-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    expect_tls_failure(path, server.port, "TLS handshake failed");
    tls_stop(&server);
    remove_folder(folder);
}

/* One mode only. */

static void the_systems_certificates_are_found_in_one_place(void **state)
{
    struct certificate_store store = {0};
    struct error error = {0};
    (void)state;
    if (!certificate_store_find("", &store, &error)) {
        assert_non_null(strstr(error.text, "ca_file"));
        skip();
    }
    assert_true(!store.file != !store.folder);
    assert_int_equal(access(store.file ? store.file : store.folder, R_OK), 0);
}

static int threads_of_this_process(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void a_thread_is_started_only_when_asked_for_and_needed(void **state)
{
    int before = threads_of_this_process();
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct transport *transport = new_transport(i);
        assert_int_equal(threads_of_this_process(), before);
        expect_failure(transport, "http://127.0.0.1:1/", PATIENCE_MS, "could not connect");
        assert_int_equal(threads_of_this_process(), before + i);
        transport_free(transport);
        sleep_ms(50);
        assert_int_equal(threads_of_this_process(), before);
    }
}

static void the_loop_takes_no_signals(void **state)
{
    sigset_t user, before, pending;
    struct timespec none = {0};
    struct transport *transport = new_transport(true);
    (void)state;
    expect_failure(transport, "http://127.0.0.1:1/", PATIENCE_MS, "could not connect");
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &user, &before);
    assert_false(sigismember(&before, SIGUSR1)); /* the mask of the caller was left as it was */
    kill(getpid(), SIGUSR1);                     /* kills the process if a thread takes it */
    sleep_ms(50);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGUSR1));
    sigtimedwait(&user, NULL, &none);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    transport_free(transport);
}

struct client {
    struct transport *transport;
    const char *url;
    unsigned seed;
    int answered;
};

static bool answer_after_50_ms(struct server *server, int connection, int n)
{
    sleep_ms(50);
    return answer_ok(server, connection, n);
}

/* Four calls at once, collected as they end. */
static void *post_four(void *context)
{
    enum { CALLS = 4 };
    struct client *client = context;
    struct transport_call *calls[CALLS];
    for (int i = 0; i < CALLS; i++)
        calls[i] = transport_post(client->transport, client->url, NULL, "{}", 2, PATIENCE_MS);
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    for (int left = CALLS; left > 0 && clock_monotonic_ms() < until_ms;) {
        transport_wait(client->transport, calls, CALLS, until_ms);
        for (int i = 0; i < CALLS; i++) {
            if (!calls[i] || !transport_answer(calls[i]).done)
                continue;
            client->answered += transport_answer(calls[i]).status == 200;
            transport_call_free(calls[i]);
            calls[i] = NULL;
            left--;
        }
    }
    return NULL;
}

static int run_clients(void *(*run)(void *), struct transport *transport, const char *url)
{
    enum { CLIENTS = 16 };
    pthread_t threads[CLIENTS];
    struct client clients[CLIENTS];
    int answered = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){transport, url, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        answered += clients[i].answered;
    }
    return answered;
}

static void sixty_four_calls_of_sixteen_threads_run_side_by_side(void **state)
{
    struct server *server = server_start(answer_after_50_ms);
    struct transport *transport = new_transport(true);
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    assert_int_equal(run_clients(post_four, transport, url_of(server->port)), 64);
    assert_within_ms(start_ms, 50, 1500);
    int connections = server->connections;
    assert_in_range(connections, 1, 64);
    assert_int_equal(run_clients(post_four, transport, url_of(server->port)), 64);
    assert_in_range(server->connections, connections, 64); /* shared among threads */
    assert_int_equal(server->requests, 128);
    transport_free(transport);
    server_stop(server);
}

/* Calls given back in every state: not started, under way, done. */
static void *post_and_abandon(void *context)
{
    struct client *client = context;
    for (int i = 0; i < 40; i++) {
        struct transport_call *call =
            transport_post(client->transport, client->url, NULL, "{}", 2, 50);
        int patience_ms = rand_r(&client->seed) % 4;
        if (patience_ms)
            transport_wait(client->transport, &call, 1, clock_monotonic_ms() + patience_ms - 1);
        client->answered += call && transport_answer(call).done;
        transport_call_free(call);
    }
    return NULL;
}

static bool answer_sometimes(struct server *server, int connection, int n)
{
    return n % 8 ? answer_ok(server, connection, n) : close_at_once(server, connection, n);
}

static void calls_may_be_given_back_at_any_moment(void **state)
{
    struct server *server = server_start(answer_sometimes);
    struct transport *transport = new_transport(true);
    (void)state;
    run_clients(post_and_abandon, transport, url_of(server->port));
    expect_failure(transport, "http://127.0.0.1:1/", PATIENCE_MS, "could not connect");
    transport_free(transport);
    server_stop(server);
}

#define TEST(name) cmocka_unit_test(name)

static const struct CMUnitTest both_modes[] = {
    TEST(a_post_carries_its_headers_and_body_and_brings_back_the_answer),
    TEST(a_large_body_is_sent_without_asking_first),
    TEST(a_redirect_is_an_answer_and_is_not_followed),
    TEST(calls_one_after_the_other_share_a_connection),
    TEST(a_connection_on_which_a_call_timed_out_is_not_used_again),
    TEST(waiting_ends_on_time_and_the_call_goes_on),
    TEST(waiting_for_nothing_is_sleeping),
    TEST(waiting_costs_no_processor_time),
    TEST(an_idle_connection_that_is_closed_costs_no_processor_time),
    TEST(broken_answers_are_failures_in_plain_words),
    TEST(a_huge_answer_is_cut_and_its_connection_is_kept),
    TEST(answers_without_end_end_in_time),
    TEST(retry_after_is_seconds_or_a_date_and_never_negative),
    TEST(a_refused_port_and_wrong_urls_fail_at_once),
    TEST(a_black_hole_ends_with_the_time_for_connecting),
    TEST(a_silent_address_gives_way_to_the_next),
    TEST(a_network_without_ipv6_gives_way_to_ipv4),
    TEST(a_hanging_resolver_delays_nobody),
    TEST(a_call_given_back_lets_go_of_its_connection),
    TEST(calls_outlive_their_transport),
    TEST(the_environments_proxies_do_not_matter),
    TEST(a_proxy_that_refuses_is_named),
    TEST(tls_is_verified_and_its_sessions_are_resumed),
    TEST(what_is_wrong_with_a_certificate_is_said),
    TEST(tls_older_than_1_2_is_refused),
};

static const struct CMUnitTest threads[] = {
    TEST(the_systems_certificates_are_found_in_one_place),
    TEST(a_thread_is_started_only_when_asked_for_and_needed),
    TEST(the_loop_takes_no_signals),
    TEST(sixty_four_calls_of_sixteen_threads_run_side_by_side),
    TEST(calls_may_be_given_back_at_any_moment),
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests_name("without a thread", both_modes, NULL, NULL);
    threaded = true;
    failed += cmocka_run_group_tests_name("with a thread", both_modes, NULL, NULL);
    failed += cmocka_run_group_tests_name("threads", threads, NULL, NULL);
    return failed != 0;
}

#include "loopback.h"

#include "base/limits.h"
#include "net/guarded_get.h"

/* A folder with a certificate, the answers, and a TLS server that sends them. */
static char folder[] = "/tmp/test_guarded_get.XXXXXX";
static char ca_file[64];
static struct tls_server server;

/* A file with a head and size bytes of body, served at /name. */
static void write_answer(const char *name, const char *head, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\r\nContent-Length: %zu\r\n\r\n", head, size);
    for (size_t i = 0; i < size; i++)
        putc('a' + (int)(i % 26), file);
    assert_int_equal(fclose(file), 0);
}

static int start(void **state)
{
    (void)state;
    make_certificate(folder);
    snprintf(ca_file, sizeof ca_file, "%s/cert.pem", folder);
    write_answer("small", "HTTP/1.1 200 OK", 26);
    write_answer("empty", "HTTP/1.1 204 No Content", 0);
    write_answer("most", "HTTP/1.1 200 OK", GUARDED_GET_BYTES_MAX);
    write_answer("more", "HTTP/1.1 200 OK", GUARDED_GET_BYTES_MAX + 1);
    write_answer("redirect", "HTTP/1.1 302 Found\r\nLocation: /small", 3);
    write_answer("missing", "HTTP/1.1 404 Not Found", 3);
    write_answer("packed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip", 26);
    server = tls_start(folder, "-HTTP");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    tls_stop(&server);
    remove_folder(folder);
    await_resolvers();
    return 0;
}

static bool get(const char *scheme, const char *path, bool private_network, struct text *body,
                struct error *error)
{
    char url[128];
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/%s", scheme, server.port, path);
    const struct guarded_get get = {url, ca_file, private_network, GUARDED_GET_TIMEOUT_MS};
    *error = (struct error){0};
    bool done = guarded_get(&get, body, error);
    assert_null(strstr(error->text, "127.0.0.1"));
    return done;
}

static void an_answer_is_appended_to_the_body(void **state)
{
    struct text body = {0};
    struct error error;
    (void)state;
    text_puts(&body, "before:");
    if (!get("https", "small", true, &body, &error))
        fail_msg("%s", error.text);
    assert_string_equal(text_string(&body), "before:abcdefghijklmnopqrstuvwxyz");
    assert_true(get("https", "empty", true, &body, &error));
    assert_true(get("https", "packed", true, &body, &error)); /* as it came, not unpacked */
    assert_int_equal(body.length, 7 + 26 + 26);
    text_clear(&body);
}

static void an_answer_has_sixteen_kibibytes_at_most(void **state)
{
    struct text body = {0};
    struct error error;
    (void)state;
    assert_true(get("https", "most", true, &body, &error));
    assert_int_equal(body.length, GUARDED_GET_BYTES_MAX);
    text_clear(&body);
    assert_false(get("https", "more", true, &body, &error));
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    assert_string_equal(error.text, "the answer has more than 16384 bytes");
    assert_int_equal(body.length, 0);
    text_clear(&body);
}

static void only_2xx_is_an_answer_and_a_redirect_is_not_followed(void **state)
{
    static const struct {
        const char *path, *text;
    } cases[] = {
        {"redirect", "the answer has HTTP status 302"},
        {"missing", "the answer has HTTP status 404"},
    };
    struct text body = {0};
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(get("https", cases[i].path, true, &body, &error));
        assert_int_equal(error.code, ERROR_UNAVAILABLE);
        assert_string_equal(error.text, cases[i].text);
        assert_int_equal(body.length, 0);
    }
    text_clear(&body);
}

static void plain_http_and_other_schemes_are_refused(void **state)
{
    static const char *const schemes[] = {"http", "ftp", "gopher", "ldap", "ws"};
    struct text body = {0};
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        assert_false(get(schemes[i], "small", true, &body, &error));
        if (!strstr(error.text, "scheme"))
            fail_msg("%s", error.text);
    }
    text_clear(&body);
}

/* A listener that nobody serves: what reaches it can be counted. */
static bool get_unserved(const char *host, bool private_network, int64_t timeout_ms,
                         struct error *error, bool *is_reached)
{
    int port, listener = listen_on_loopback(8, &port);
    char url[128];
    struct text body = {0};
    snprintf(url, sizeof url, "https://%s:%d/", host, port);
    const struct guarded_get get = {url, ca_file, private_network, timeout_ms};
    *error = (struct error){0};
    bool done = guarded_get(&get, &body, error);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    int connection = accept(listener, NULL, NULL);
    *is_reached = connection >= 0;
    if (*is_reached)
        close(connection);
    close(listener);
    text_clear(&body);
    return done;
}

static void a_private_address_is_not_even_connected_to(void **state)
{
    static const char *const hosts[] = {
        "127.0.0.1",  "localhost",          "2130706433", "0x7f.1",
        "0177.0.0.1", "[::ffff:127.0.0.1]", "127.1",      "0.0.0.0",
    };
    struct error error;
    bool is_reached;
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_false(get_unserved(hosts[i], false, 1000, &error, &is_reached));
        assert_int_equal(error.code, ERROR_UNAVAILABLE);
        assert_string_equal(error.text, "the host's address is not public");
        assert_false(is_reached);
    }
    assert_false(get_unserved(hosts[0], true, 200, &error, &is_reached));
    assert_true(is_reached);
}

static void silence_ends_in_time(void **state)
{
    struct error error;
    bool is_reached;
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    assert_false(get_unserved("127.0.0.1", true, 300, &error, &is_reached));
    assert_within_ms(start_ms, 290, 600);
    assert_string_equal(error.text, "timed out after 300 ms while connecting");
    assert_false(get_unserved("127.0.0.1", true, 0, &error, &is_reached));
    assert_false(get_unserved("127.0.0.1", true, -5, &error, &is_reached));
    assert_within_ms(start_ms, 290, 900);
}

static void the_time_has_a_limit_of_its_own(void **state)
{
    struct error error;
    bool is_reached;
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    assert_false(get_unserved("127.0.0.1", true, 60000, &error, &is_reached));
    assert_within_ms(start_ms, 1900, GUARDED_GET_TIMEOUT_MS + 300);
}

static void a_hanging_resolver_does_not_hold_the_caller(void **state)
{
    struct error error;
    bool is_reached;
    int64_t start_ms = clock_monotonic_ms();
    (void)state;
    assert_false(get_unserved("hang.invalid", true, 400, &error, &is_reached));
    assert_within_ms(start_ms, 390, 700);
    assert_string_equal(error.text, "timed out after 400 ms while resolving the host name");
    assert_int_equal(hanging, 1);
}

static void the_environments_proxy_is_not_asked(void **state)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    struct text body = {0};
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    assert_true(get("https", "small", true, &body, &error));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    text_clear(&body);
}

static void certificates_are_checked(void **state)
{
    char url[64], missing[80];
    struct text body = {0};
    struct error error = {0};
    (void)state;
    snprintf(url, sizeof url, "https://localhost:%d/small", server.port);
    snprintf(missing, sizeof missing, "%s.missing", ca_file);
    const struct guarded_get wrong_host = {url, ca_file, true, 2000};
    assert_false(guarded_get(&wrong_host, &body, &error));
    if (!strstr(error.text, "it is for another host"))
        fail_msg("%s", error.text);
    error = (struct error){0};
    const struct guarded_get no_store = {url, missing, true, 2000};
    assert_false(guarded_get(&no_store, &body, &error));
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(error.text, missing));
    error = (struct error){0};
    const struct guarded_get with_user = {"https://a:b@127.0.0.1/", ca_file, true, 2000};
    assert_false(guarded_get(&with_user, &body, &error));
    assert_null(strstr(error.text, "a:b"));
    text_clear(&body);
}

static void public_addresses_are_told_from_the_others(void **state)
{
    static const struct {
        const char *address;
        bool is_public;
    } cases[] = {
        /* IPv4: the borders of every range, from both sides. */
        {"0.0.0.0", false},
        {"0.255.255.255", false},
        {"1.0.0.0", true},
        {"8.8.8.8", true},
        {"9.255.255.255", true},
        {"10.0.0.0", false},
        {"10.255.255.255", false},
        {"11.0.0.0", true},
        {"100.63.255.255", true},
        {"100.64.0.0", false},
        {"100.127.255.255", false},
        {"100.128.0.0", true},
        {"126.255.255.255", true},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"128.0.0.0", true},
        {"169.253.255.255", true},
        {"169.254.169.254", false},
        {"169.255.0.0", true},
        {"172.15.255.255", true},
        {"172.16.0.0", false},
        {"172.31.255.255", false},
        {"172.32.0.0", true},
        {"192.0.0.8", false},
        {"192.0.1.0", true},
        {"192.0.2.1", false},
        {"192.0.3.0", true},
        {"192.88.98.255", true},
        {"192.88.99.1", false},
        {"192.88.100.0", true},
        {"192.167.255.255", true},
        {"192.168.1.1", false},
        {"192.169.0.0", true},
        {"198.17.255.255", true},
        {"198.18.0.0", false},
        {"198.19.255.255", false},
        {"198.20.0.0", true},
        {"198.51.100.7", false},
        {"198.51.101.0", true},
        {"203.0.112.255", true},
        {"203.0.113.7", false},
        {"203.0.114.0", true},
        {"223.255.255.255", true},
        {"224.0.0.1", false},
        {"239.255.255.255", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        /* IPv6 */
        {"::", false},
        {"::1", false},
        {"::ffff:8.8.8.8", false},
        {"::ffff:127.0.0.1", false},
        {"::8.8.8.8", false},
        {"64:ff9b::808:808", false},
        {"64:ff9b:1::1", false},
        {"100::1", false},
        {"1fff:ffff::1", false},
        {"2000::1", true},
        {"2001::1", false},
        {"2001:0:4136:e378::1", false},
        {"2001:20::1", false},
        {"2001:1ff:ffff::1", false},
        {"2001:200::1", true},
        {"2001:4860:4860::8888", true},
        {"2001:db7:ffff::1", true},
        {"2001:db8::1", false},
        {"2001:db8:ffff::1", false},
        {"2001:db9::1", true},
        {"2002::1", false},
        {"2002:7f00:1::1", false},
        {"2003::1", true},
        {"2400:3200::1", true},
        {"3ffe:ffff::1", true},
        {"3fff::1", false},
        {"3fff:fff:ffff::1", false},
        {"3fff:1000::1", true},
        {"4000::1", false},
        {"5f00::1", false},
        {"fc00::1", false},
        {"fd12:3456::1", false},
        {"fe80::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_in ipv4 = {.sin_family = AF_INET};
        struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
        const struct sockaddr *address = (const struct sockaddr *)&ipv4;
        if (inet_pton(AF_INET, cases[i].address, &ipv4.sin_addr) != 1) {
            assert_int_equal(inet_pton(AF_INET6, cases[i].address, &ipv6.sin6_addr), 1);
            address = (const struct sockaddr *)&ipv6;
        }
        if (address_is_public(address) != cases[i].is_public)
            fail_msg("%s", cases[i].address);
    }
    const struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(address_is_public(&other));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_are_told_from_the_others),
        cmocka_unit_test(an_answer_is_appended_to_the_body),
        cmocka_unit_test(an_answer_has_sixteen_kibibytes_at_most),
        cmocka_unit_test(only_2xx_is_an_answer_and_a_redirect_is_not_followed),
        cmocka_unit_test(plain_http_and_other_schemes_are_refused),
        cmocka_unit_test(a_private_address_is_not_even_connected_to),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(the_time_has_a_limit_of_its_own),
        cmocka_unit_test(a_hanging_resolver_does_not_hold_the_caller),
        cmocka_unit_test(the_environments_proxy_is_not_asked),
        cmocka_unit_test(certificates_are_checked),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, stop);
}

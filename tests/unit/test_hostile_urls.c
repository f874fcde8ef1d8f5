/*
 * Addresses that lead elsewhere: none passes the checks of signing_cert_url and subscribe_url, and
 * none that resolves to a private address is connected to. Nothing leaves this machine: sockets
 * and names are counted and answered here, and every connect() is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "net/guarded_get.h"
#include "vendors/smn.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ID "0123456789abcdef0123456789abcdef"
#define CONFIRM_PATH "/smn/subscription/confirm"
#define TIMEOUT_MS 1000

static struct arena arena;

/* ---- what libcurl and the guard call, instead of the C library's ---- */

static atomic_int sockets, connects, private_connects;

int socket(int domain, int type, int protocol)
{
    bool is_tcp = (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM;
    sockets += is_tcp;
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int connect(int descriptor, __CONST_SOCKADDR_ARG target, socklen_t length)
{
    const struct sockaddr *address = target.__sockaddr__;
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return (int)syscall(SYS_connect, descriptor, address, length);
    connects++;
    private_connects += !address_is_public(address);
    errno = ECONNREFUSED;
    return -1;
}

/* Names, and the addresses that a hostile resolver gives them. */
static const struct {
    const char *name, *addresses[3];
} answers[] = {
    {"loopback.test", {"127.0.0.1"}},
    {"any.test", {"0.0.0.0"}},
    {"metadata.test", {"169.254.169.254"}},
    {"intranet.test", {"10.1.2.3"}},
    {"router.test", {"192.168.0.1"}},
    {"container.test", {"172.17.0.1"}},
    {"nat.test", {"100.64.0.1"}},
    {"aliyun-metadata.test", {"100.100.100.200"}},
    {"broadcast.test", {"255.255.255.255"}},
    {"group.test", {"224.0.0.251"}},
    {"loopback6.test", {"::1"}},
    {"mapped.test", {"::ffff:127.0.0.1"}},
    {"link6.test", {"fe80::1"}},
    {"unique6.test", {"fd00:ec2::254"}},
    {"nat64.test", {"64:ff9b::7f00:1"}},
    {"six-to-four.test", {"2002:7f00:1::"}},
    {"teredo.test", {"2001::1"}},
    {"many.test", {"127.0.0.1", "::1", "10.0.0.1"}},
    {"console.huaweicloud.com", {"127.0.0.1"}},
    {"smn.cn-north-4.myhuaweicloud.com", {"192.168.1.1", "fd00::1"}},
    {"localhost", {"127.0.0.1", "::1"}},
    {"mixed.test", {"127.0.0.1", "8.8.8.8", "::1"}},
};

/* Numbers only, in whichever form. */
static int resolve(const char *address, const char *service, const struct addrinfo *hints,
                   struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct addrinfo numeric = hints ? *hints : (struct addrinfo){.ai_socktype = SOCK_STREAM};
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    numeric.ai_family = AF_UNSPEC;
    numeric.ai_flags = AI_NUMERICHOST;
    return real(address, service, &numeric, result);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    struct addrinfo **end = result;
    *result = NULL;
    for (size_t i = 0; name && i < COUNT(answers); i++) {
        if (strcmp(answers[i].name, name) != 0)
            continue;
        for (size_t j = 0; j < COUNT(answers[i].addresses) && answers[i].addresses[j]; j++) {
            assert_int_equal(resolve(answers[i].addresses[j], service, hints, end), 0);
            while (*end)
                end = &(*end)->ai_next;
        }
        return 0;
    }
    return name ? resolve(name, service, hints, result) : EAI_NONAME;
}

static bool get(const char *host, bool private_network, struct error *error)
{
    struct text body = {0};
    const char *url = arena_printf(&arena, "https://%s/", host);
    const struct guarded_get get = {url, "", private_network, TIMEOUT_MS};
    *error = (struct error){0};
    bool done = guarded_get(&get, &body, error);
    text_clear(&body);
    return done;
}

/* ---- the guard ---- */

static void no_form_of_a_private_address_is_connected_to(void **state)
{
    /* clang-format off */
    static const char *const hosts[] = {
        /* Loopback, in every way that a resolver of the C library reads. */
        "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.255.255.254", "2130706433",
        "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "0177.1", "017700000001",
        "00000177.0.0.1", "127.0.0.01", "127.0x0.0.1", "127.0.0.1:8443", "127.0.0.1:22", "0",
        "0.0.0.0", "0x0", "00", "0.1",
        /* Private, link-local, shared, reserved. */
        "10.0.0.1", "10.1", "167772161", "0xa000001", "012.0.0.1", "172.16.0.1", "172.31.255.255",
        "2886729729", "192.168.0.1", "192.168.1", "3232235521", "0xc0a80001", "0300.0250.0.1",
        "169.254.169.254", "169.254.43518", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "4294967295", "0xffffffff", "127.0.0.1%00.huaweicloud.com", "%31%32%37.0.0.1",
        /* IPv6. */
        "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::1%25lo]", "[::1%251]",
        "[::1%lo]", "[fe80::1%25eth0]", "[fe80::1%252]", "[fe80::1]", "[fc00::1]",
        "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]", "[::ffff:8.8.8.8]", "[::127.0.0.1]",
        "[::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
        "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001::1]", "[2001:db8::1]", "[3fff::1]",
        "[100::1]", "[5f00::1]", "[::1]:8443",
        /* Fullwidth and circled digits, an ideographic full stop: 127.0.0.1 to some. */
        "１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1",
    };
    /* clang-format on */
    struct error error;
    (void)state;
    assert_true(COUNT(hosts) >= 40);
    for (size_t i = 0; i < COUNT(hosts); i++) {
        sockets = connects = 0;
        bool done = get(hosts[i], false, &error);
        if (done || sockets > 0 || connects > 0 || error.code != ERROR_UNAVAILABLE)
            fail_msg("%s: %d sockets, %d connects: %s", hosts[i], sockets, connects, error.text);
    }
}

static void no_name_of_a_private_address_is_connected_to(void **state)
{
    struct error error;
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        bool is_mixed = !strcmp(answers[i].name, "mixed.test");
        sockets = connects = private_connects = 0;
        assert_false(get(answers[i].name, false, &error));
        assert_int_equal(private_connects, 0);
        assert_int_equal(sockets, is_mixed);
        assert_int_equal(connects, is_mixed);
        if (!is_mixed)
            assert_string_equal(error.text, "the host's address is not public");
    }
}

static void what_is_counted_is_what_would_be_sent(void **state)
{
    struct error error;
    (void)state;
    sockets = connects = private_connects = 0;
    assert_false(get("8.8.8.8", false, &error));
    assert_false(get("[2400:3200::1]", false, &error));
    assert_int_equal(sockets, 2);
    assert_int_equal(connects, 2);
    assert_int_equal(private_connects, 0);
    assert_false(get("loopback.test", true, &error));
    assert_int_equal(connects, 3);
    assert_int_equal(private_connects, 1);
    assert_false(get("no-such-name.test", false, &error));
    assert_string_equal(error.text, "the host name could not be resolved");
    assert_int_equal(connects, 3);
}

/* ---- the addresses in messages ---- */

/* A topic, and where its certificates and its confirmations are. */
struct place {
    const char *topic, *region, *certificate_host, *console;
};

static const struct place places[] = {
#define PLACE(region, domain, console)                                            \
    {                                                                             \
        "urn:smn:" region ":0123456789abcdef0123456789abcdef:ops-alarms", region, \
            "smn." region "." domain, console                                     \
    }
    PLACE("cn-north-4", "myhuaweicloud.com", "console.huaweicloud.com"),
    PLACE("cn-north-4", "myhuaweicloud.com", "cn-north-4-console.huaweicloud.com"),
    PLACE("sa-brazil-1", "myhuaweicloud.com", "sa-brazil-1-console.huaweicloud.com"),
    PLACE("cn-north-2", "myhuaweicloud.cn", "console.huaweicloud.com"),
    PLACE("eu-west-101", "myhuaweicloud.eu", "console.huaweicloud.com"),
    PLACE("eu-de", "otc.t-systems.com", "eu-de-console.huaweicloud.com"),
};

/* Without and with hosts of the operator's own. */
static const char *const own_hosts[] = {"localhost:4433", "smn.internal.example"};
static const struct smn_settings settings[] = {
    {.verify = SMN_VERIFY_FETCH},
    {.verify = SMN_VERIFY_FETCH, .hosts = own_hosts, .host_count = 2, .private_network = true},
};

static int tried;

static bool passes_as_certificate(const struct smn_settings *smn, const struct place *place,
                                  const char *url)
{
    struct error error = {0};
    bool private_network;
    bool may = smn_certificate_url(smn, url, place->region, &private_network, &error);
    assert_int_equal(error.code, may ? ERROR_NONE : ERROR_FORBIDDEN);
    return may;
}

static bool passes_as_confirmation(const struct smn_settings *smn, const struct place *place,
                                   const char *url)
{
    struct smn_envelope envelope = {
        .type = SMN_SUBSCRIPTION_CONFIRMATION, .topic_urn = place->topic, .subscribe_url = url};
    struct error error = {0};
    const char *host;
    bool may = smn_confirm_url(smn, &envelope, &arena, &host, &error);
    assert_int_equal(error.code, may ? ERROR_NONE : ERROR_FORBIDDEN);
    return may;
}

/* As the gateway does: what passes is visited. */
static void refuse(const struct place *place, const char *url)
{
    tried++;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct text body = {0};
        struct error error = {0};
        bool passes = passes_as_certificate(&settings[i], place, url) ||
                      passes_as_confirmation(&settings[i], place, url);
        const struct guarded_get get = {url, "", settings[i].private_network, TIMEOUT_MS};
        if (passes)
            guarded_get(&get, &body, &error);
        text_clear(&body);
        if (passes || sockets > 0 || connects > 0)
            fail_msg("\"%s\" passes for %s", url, place->topic);
    }
}

static const char *certificate_path(const struct place *place)
{
    return arena_printf(&arena, "/smn/SMN_%s_" ID ".pem", place->region);
}

static const char *confirm_query(const struct place *place)
{
    return arena_printf(&arena, "?token=t&topic_urn=%s", place->topic);
}

/* With what stands before and behind the host. */
static void refuse_around(const struct place *place, const char *before, const char *behind)
{
    refuse(place, arena_printf(&arena, "%s%s%s%s", before, place->certificate_host, behind,
                               certificate_path(place)));
    refuse(place, arena_printf(&arena, "%s%s%s" CONFIRM_PATH "%s", before, place->console, behind,
                               confirm_query(place)));
}

static void the_right_addresses_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        const struct place *place = &places[i];
        assert_true(
            passes_as_certificate(settings, place,
                                  arena_printf(&arena, "https://%s%s", place->certificate_host,
                                               certificate_path(place))));
        assert_true(passes_as_confirmation(settings, place,
                                           arena_printf(&arena, "https://%s" CONFIRM_PATH "%s",
                                                        place->console, confirm_query(place))));
    }
}

static void nothing_may_stand_around_the_host(void **state)
{
    /* clang-format off */
    static const char *const before[] = {
        "http://", "HTTPS://", "Https://", "httpS://", "ftp://", "file://", "gopher://",
        "ldaps://", "wss://", "dict://", "tftp://", "data:https://", "javascript:https://",
        "https:", "https:/", "https:///", "https:////", "https:\\\\", "https:/\\", "https//", "//",
        "", " https://", "\thttps://", "\nhttps://", "\r\nhttps://", "https ://", "https:// ",
        "https://\t", "https://\n", "https://user@", "https://user:password@", "https://@",
        "https://:@", "https://evil.example@", "https://evil.example:443@",
        "https://evil.example%40", "https://evil.example/", "https://evil.example//",
        "https://evil.example/https://", "https://evil.example?",
        "https://evil.example/?u=https://", "https://evil.example#", "https://evil.example/#",
        "https://evil.example\\", "https://evil.example\\@", "https://evil.example;",
        "https://evil.example&@", "https://evil.example%2f", "https://evil.example%00.",
        "https://evil.example%0d%0aHost:%20", "https://evil.", "https://evil-", "https://x.",
        "https://.", "https://..", "https://-", "https://%20", "https://%2e", "https://[",
        "https://127.0.0.1@", "https://\xef\xbf\xbd", "https://\xe2\x80\x8b",
        "https://\xe2\x80\xae", "https://\xc2\xad", "\xef\xbb\xbfhttps://", "view-source:https://",
        "url:https://", "<https://", "\"https://",
    };
    static const char *const behind[] = {
        ":443", ":0443", ":80", ":8443", ":0", ":", ":65536", ":-1", ":443443", ":x", ":443:443",
        ":%34%34%33", ".", "..", ".:443", ".evil.example", ".evil.example:443", "-evil.example",
        "evil.example", "@evil.example", ":443@evil.example", ":x@evil.example", "%40evil.example",
        "%2eevil.example", "%2fevil.example", "%00.evil.example", "%00", "%20", "%09", " ", "\t",
        "\n", "\r\n", "\r\nHost: evil.example", "\\", "\\@evil.example", "\\.evil.example",
        "#.evil.example", "#@evil.example", "?.evil.example", "?@evil.example", ";.evil.example",
        ",evil.example", "&evil.example", "]", "%25lo", "/", "//", "/.", "/..", "/%2e%2e", "/./",
        "/../", "\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbc\x8f", "\357\274\240evil.example",
        "\xef\xbf\xbd", "\xc2\xa0", "\xcc\x81", "|", "^", "`", "*", "$", "~", "!",
    };
    /* clang-format on */
    (void)state;
    sockets = connects = 0;
    for (size_t i = 0; i < COUNT(places); i++) {
        for (size_t j = 0; j < COUNT(before); j++)
            refuse_around(&places[i], before[j], "");
        for (size_t j = 0; j < COUNT(behind); j++)
            refuse_around(&places[i], "https://", behind[j]);
    }
    assert_int_equal(sockets + connects, 0);
}

static void no_other_host_will_do(void **state)
{
    /* clang-format off */
    static const char *const hosts[] = {
        /* Buckets of object storage: anybody's. */
        "smn.obs.myhuaweicloud.com", "smn.obs.cn-north-4.myhuaweicloud.com",
        "console.obs.myhuaweicloud.com", "smn.obs-website.cn-north-4.myhuaweicloud.com",
        "smn-cn-north-4.obs.myhuaweicloud.com", "cn-north-4.obs.myhuaweicloud.com",
        "smn.obs.cn-north-4.myhuaweicloud.com.cn", "smn.obs.otc.t-systems.com",
        "smn.cn-north-4.obs.myhuaweicloud.com", "obs.cn-north-4.myhuaweicloud.com",
        /* Other services, regions and domains. */
        "iam.cn-north-4.myhuaweicloud.com", "cn-north-4.myhuaweicloud.com", "myhuaweicloud.com",
        "huaweicloud.com", "smn.myhuaweicloud.com", "smn.cn-north-1.myhuaweicloud.com",
        "smn.cn-north-99.myhuaweicloud.com", "smn..myhuaweicloud.com",
        "smn.cn-north-4.myhuaweicloud.net", "smn.cn-north-4.myhuaweicloud.com.cn",
        "smn.cn-north-4.huaweicloud.com", "smn.cn-north-4.myhuaweicloud.org",
        "smn.eu-de.otc.t-systems.net", "otc.t-systems.com", "console.otc.t-systems.com",
        "console.huaweicloud.cn", "console.huaweicloud.eu", "console.myhuaweicloud.com",
        "auth.huaweicloud.com", "support.huaweicloud.com", "consoles.huaweicloud.com",
        "console-huaweicloud.com", "xconsole.huaweicloud.com", "x-console.huaweicloud.com",
        "evil-console.huaweicloud.com", "cn-north-99-console.huaweicloud.com",
        "cn-east-3-console.huaweicloud.com", "-console.huaweicloud.com",
        "cn-north-4-cn-north-4-console.huaweicloud.com", "cn-north-4.console.huaweicloud.com",
        "console.huaweicloud.com.evil.example", "smn.cn-north-4.myhuaweicloud.com.evil.example",
        "evil.example", "smn.evil.example", "console.evil.example", "huaweicloud.com.evil.example",
        /* Case, escapes, letters that look or normalise alike. */
        "SMN.CN-NORTH-4.MYHUAWEICLOUD.COM", "Smn.cn-north-4.myhuaweicloud.com",
        "smn.cn-north-4.myhuaweicloud.COM", "CONSOLE.HUAWEICLOUD.COM", "Console.huaweicloud.com",
        "smn.%63n-north-4.myhuaweicloud.com", "%73mn.cn-north-4.myhuaweicloud.com",
        "smn.cn-north-4.myhuaweicloud%2ecom", "smn%2ecn-north-4.myhuaweicloud.com",
        "console%2ehuaweicloud.com", "%63onsole.huaweicloud.com", "console.huaweicl%6Fud.com",
        "c\xd0\xbensole.huaweicloud.com", "xn--cnsole-mre.huaweicloud.com",
        "console.huaweicloud.\xd1\x81om", "sm\xd5\xb8.cn-north-4.myhuaweicloud.com",
        "\xef\xbd\x93mn.cn-north-4.myhuaweicloud.com", "console\xef\xbc\x8ehuaweicloud.com",
        "console\xe3\x80\x82huaweicloud.com", "console\xef\xbd\xa1huaweicloud.com",
        "\xe2\x93\x92onsole.huaweicloud.com", "con\xc5\xbfole.huaweicloud.com",
        "console.huaweic\xe2\x80\x8bloud.com", "console.huawei\302\255cloud.com",
        "console .huaweicloud.com", "console\t.huaweicloud.com", "console..huaweicloud.com",
        "console_huaweicloud.com", "smn.cn\342\200\220north\342\200\2204.myhuaweicloud.com",
        /* Addresses. */
        "localhost", "localhost:443", "localhost:44330", "localhost:4433x", "LOCALHOST:4433",
        "localhost.:4433", "127.0.0.1", "127.0.0.1:4433", "2130706433", "0x7f000001", "0177.0.0.1",
        "127.1", "0", "0.0.0.0", "10.0.0.1", "192.168.0.1", "169.254.169.254", "2852039166",
        "100.100.100.200", "[::1]", "[::1]:4433", "[::ffff:127.0.0.1]", "[fe80::1%25eth0]",
        "[fd00:ec2::254]", "metadata.google.internal", "8.8.8.8", "[2400:3200::1]",
        "smn.internal.example:443", "smn.internal.example.", "x.smn.internal.example",
        "evil.example@smn.internal.example", "SMN.internal.example", "internal.example", "",
    };
    /* clang-format on */
    (void)state;
    sockets = connects = 0;
    for (size_t i = 0; i < COUNT(places); i++) {
        for (size_t j = 0; j < COUNT(hosts); j++) {
            bool is_console = !strcmp(hosts[j], places[i].console);
            assert_false(is_console || !strcmp(hosts[j], places[i].certificate_host));
            refuse(&places[i],
                   arena_printf(&arena, "https://%s%s", hosts[j], certificate_path(&places[i])));
            refuse(&places[i], arena_printf(&arena, "https://%s" CONFIRM_PATH "%s", hosts[j],
                                            confirm_query(&places[i])));
        }
        /* Each kind of address only on its own host. */
        refuse(&places[i], arena_printf(&arena, "https://%s%s", places[i].console,
                                        certificate_path(&places[i])));
        refuse(&places[i], arena_printf(&arena, "https://%s" CONFIRM_PATH "%s",
                                        places[i].certificate_host, confirm_query(&places[i])));
    }
    assert_int_equal(sockets + connects, 0);
}

/* Appends a pattern with value where it has a $. */
static void text_put_with(struct text *out, const char *pattern, const char *value)
{
    size_t length = strcspn(pattern, "$");
    text_append(out, pattern, length);
    if (pattern[length]) {
        text_puts(out, value);
        text_puts(out, pattern + length + 1);
    }
}

static void no_other_path_will_do(void **state)
{
    /* clang-format off */
    /* $: the region. */
    static const char *const certificates[] = {
        "", "/", "//", "/smn", "/smn/", "/SMN_$_" ID ".pem", "//smn/SMN_$_" ID ".pem",
        "/smn//SMN_$_" ID ".pem", "/SMN/SMN_$_" ID ".pem", "/smn/smn_$_" ID ".pem",
        "/smn/../smn/SMN_$_" ID ".pem", "/x/../smn/SMN_$_" ID ".pem", "/./smn/SMN_$_" ID ".pem",
        "/smn/./SMN_$_" ID ".pem", "/smn/SMN_$_" ID ".pem/", "/smn/SMN_$_" ID ".pem/..",
        "/smn/SMN_$_" ID ".pem?", "/smn/SMN_$_" ID ".pem?x=1", "/smn/SMN_$_" ID ".pem#",
        "/smn/SMN_$_" ID ".pem#x", "/smn/SMN_$_" ID ".pem;x", "/smn/SMN_$_" ID ".pem%00",
        "/smn/SMN_$_" ID ".pem%0a", "/smn/SMN_$_" ID ".pem ", "/smn/SMN_$_" ID ".pem\n",
        "/smn/SMN_$_" ID ".pem\r\nX: y", "/smn/SMN_$_" ID ".PEM", "/smn/SMN_$_" ID ".pem.pem",
        "/smn/SMN_$_" ID ".crt", "/smn/SMN_$_" ID, "/smn/SMN_$_.pem", "/smn/SMN_$.pem",
        "/smn/SMN_.pem", "/smn/.pem", "/smn/SMN_$_0123456789abcdef0123456789abcde.pem",
        "/smn/SMN_$_" ID "0.pem", "/smn/SMN_$_0123456789ABCDEF0123456789ABCDEF.pem",
        "/smn/SMN_$_0123456789abcdef0123456789abcdeg.pem",
        "/smn/SMN_$_../../../../../../../etc/passwd00.pem",
        "/smn/SMN_$_01234567-89ab-cdef-0123-456789abcdef.pem", "/smn/SMN_x$_" ID ".pem",
        "/smn/SMN_$x_" ID ".pem", "/smn/SMN_cn-north-99_" ID ".pem", "/smn/SMN__" ID ".pem",
        "/smn%2fSMN_$_" ID ".pem", "/%73mn/SMN_$_" ID ".pem", "/smn\\SMN_$_" ID ".pem",
        "\\smn\\SMN_$_" ID ".pem", "/smn/SMN_$_" ID "%2epem", "?/smn/SMN_$_" ID ".pem",
        "#/smn/SMN_$_" ID ".pem", "/bucket/smn/SMN_$_" ID ".pem",
        "/v2/notifications/certifications/SMN_$_" ID ".pem",
        "/v2/notifications/certifications/download/", "/v2/notifications/topics",
        "/v1/notifications/certifications/download/SMN_$_" ID ".pem",
        "/v2/notifications/certifications/download/SMN_$_" ID "-----.pem",
        "/v2/notifications/certifications/download/../download/SMN_$_" ID ".pem",
        "/v2/notifications/certifications/download/SMN_$_" ID ".pem?x",
        "/v2/notifications/certifications/download//SMN_$_" ID ".pem",
        "/v2//notifications/certifications/download/SMN_$_" ID ".pem",
    };
    /* $: the topic. */
    static const char *const confirmations[] = {
        "", "/", "?token=t&topic_urn=$", "/?token=t&topic_urn=$", CONFIRM_PATH, CONFIRM_PATH "?",
        CONFIRM_PATH "?token=t", CONFIRM_PATH "?topic_urn=", CONFIRM_PATH "?topic_urn",
        CONFIRM_PATH "?Topic_urn=$", CONFIRM_PATH "?topic=$", CONFIRM_PATH "?xtopic_urn=$",
        CONFIRM_PATH "?topic_urn=$x", CONFIRM_PATH "?topic_urn=x$", CONFIRM_PATH "?topic_urn=$%00",
        CONFIRM_PATH "?topic_urn=$%", CONFIRM_PATH "?topic_urn=$%2",
        CONFIRM_PATH "?topic_urn=$%zz", CONFIRM_PATH "?topic_urn=$%20",
        CONFIRM_PATH "?topic_urn=$+", CONFIRM_PATH "?topic_urn=$;x",
        CONFIRM_PATH "?topic_urn=$&topic_urn=urn:smn:x",
        CONFIRM_PATH "?topic_urn=urn:smn:x&topic_urn=$", CONFIRM_PATH "?topic_urn=$#",
        CONFIRM_PATH "?topic_urn=$#x", CONFIRM_PATH "?topic_urn=$ ", CONFIRM_PATH "?topic_urn=$\n",
        CONFIRM_PATH "?topic_urn=$\r\nX: y", CONFIRM_PATH "?topic_urn=$\\",
        CONFIRM_PATH "?topic_urn=$\x7f", CONFIRM_PATH "?topic_urn=$\xc3\xa4",
        CONFIRM_PATH "?topic_urn=$\xef\xbf\xbd", CONFIRM_PATH "?topic_urn=%2575rn",
        CONFIRM_PATH "#?topic_urn=$", CONFIRM_PATH "/?topic_urn=$", CONFIRM_PATH "/..?topic_urn=$",
        CONFIRM_PATH ";x?topic_urn=$", CONFIRM_PATH "x?topic_urn=$",
        CONFIRM_PATH "%00?topic_urn=$", CONFIRM_PATH "%3ftopic_urn=$", CONFIRM_PATH "&topic_urn=$",
        CONFIRM_PATH "??topic_urn=$", "/" CONFIRM_PATH "?topic_urn=$",
        "/x/.." CONFIRM_PATH "?topic_urn=$", "/." CONFIRM_PATH "?topic_urn=$",
        "/%73mn/subscription/confirm?topic_urn=$", "/smn%2fsubscription/confirm?topic_urn=$",
        "/smn/subscription%2fconfirm?topic_urn=$", "/smn//subscription/confirm?topic_urn=$",
        "/smn/subscription/./confirm?topic_urn=$", "/smn/subscription/x/../confirm?topic_urn=$",
        "/smn\\subscription\\confirm?topic_urn=$", "/SMN/subscription/confirm?topic_urn=$",
        "/smn/subscription/Confirm?topic_urn=$", "/smn/subscription/unsubscribe?topic_urn=$",
        "/smn/subscription?topic_urn=$", "/smn/topic?topic_urn=$", "/logout?topic_urn=$",
        "/redirect?u=" CONFIRM_PATH "?topic_urn=$", "/smn/subscription/confirm.html?topic_urn=$",
    };
    /* clang-format on */
    (void)state;
    sockets = connects = 0;
    for (size_t i = 0; i < COUNT(places); i++) {
        for (size_t j = 0; j < COUNT(certificates); j++) {
            struct text url = {0};
            text_printf(&url, "https://%s", places[i].certificate_host);
            text_put_with(&url, certificates[j], places[i].region);
            refuse(&places[i], text_into(&url, &arena));
        }
        for (size_t j = 0; j < COUNT(confirmations); j++) {
            struct text url = {0};
            text_printf(&url, "https://%s", places[i].console);
            text_put_with(&url, confirmations[j], places[i].topic);
            refuse(&places[i], text_into(&url, &arena));
        }
    }
    assert_int_equal(sockets + connects, 0);
}

static void a_region_that_huawei_does_not_have_is_no_way_in(void **state)
{
    /* clang-format off */
    static const char *const regions[] = {
        "obs", "", ".", "..", "x", "s3", "cn-north-99", "CN-NORTH-4", "Cn-north-4", "cn-north-4.",
        ".cn-north-4", "cn-north-4/", "cn-north-4/x", "cn-north-4?", "cn-north-4#", "cn-north-4@",
        "cn-north-4%00", "cn-north-4 ", " cn-north-4", "cn-north-4\n", "cn-north-4\\",
        "cn-north-4.evil.example", "evil.example/", "evil.example#", "evil.example?",
        "evil.example@", "user@evil.example/", "127.0.0.1/", "localhost/", "evil.obs.cn-north-4",
        "obs.cn-north-4", "../../x", "%2e%2e", "*", "cn-north-*", "console", "cn-north-4-console",
        "cn-north-4.myhuaweicloud.com/smn", "\xef\xbf\xbd",
    };
    /* clang-format on */
    (void)state;
    sockets = connects = 0;
    for (size_t i = 0; i < COUNT(regions); i++) {
        const struct place place = {
            .topic = arena_printf(&arena, "urn:smn:%s:0123:ops-alarms", regions[i]),
            .region = regions[i],
            .certificate_host = arena_printf(&arena, "smn.%s.myhuaweicloud.com", regions[i]),
            .console = arena_printf(&arena, "%s-console.huaweicloud.com", regions[i]),
        };
        refuse_around(&place, "https://", "");
    }
    assert_int_equal(sockets + connects, 0);
}

static void a_long_address_is_refused(void **state)
{
    static const size_t lengths[] = {255, 256, 257, 2048, 2049, 65536, 300000};
    (void)state;
    sockets = connects = 0;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *filler = arena_alloc(&arena, lengths[i] + 1);
        assert_non_null(filler);
        memset(filler, 'a', lengths[i]);
        refuse_around(places, arena_printf(&arena, "https://%s", filler), "");
        refuse_around(places, arena_printf(&arena, "https://%s@", filler), "");
        refuse_around(places, arena_printf(&arena, "https://%s.", filler), "");
        refuse_around(places, "https://", arena_printf(&arena, ".%s", filler));
        refuse_around(places, "https://", arena_printf(&arena, "/%s", filler));
    }
    const char *good = arena_printf(&arena, "https://%s" CONFIRM_PATH "%s", places->console,
                                    confirm_query(places));
    refuse(places, arena_printf(&arena, "%s&x=%02048d", good, 0));
    assert_int_equal(sockets + connects, 0);
}

static void more_than_two_hundred_were_tried(void **state)
{
    (void)state;
    print_message("%d hostile addresses were refused\n", tried);
    assert_true(tried >= 200);
}

static int clear(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_counted_is_what_would_be_sent),
        cmocka_unit_test(no_form_of_a_private_address_is_connected_to),
        cmocka_unit_test(no_name_of_a_private_address_is_connected_to),
        cmocka_unit_test(the_right_addresses_pass),
        cmocka_unit_test(nothing_may_stand_around_the_host),
        cmocka_unit_test(no_other_host_will_do),
        cmocka_unit_test(no_other_path_will_do),
        cmocka_unit_test(a_region_that_huawei_does_not_have_is_no_way_in),
        cmocka_unit_test(a_long_address_is_refused),
        cmocka_unit_test(more_than_two_hundred_were_tried),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, clear);
}

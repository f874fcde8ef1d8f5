#include "net/guarded_get.h"

#include <netinet/in.h>
#include <string.h>

#include "base/limits.h"
#include "net/certificate_store.h"
#include "net/easy.h"

/* A prefix of an address, in network byte order. */
struct network {
    unsigned char address[16];
    unsigned bits;
};

/* IANA's special-purpose registry (RFC 6890), multicast and the reserved rest. */
static const struct network special_ipv4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* carrier-grade NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local, where clouds keep their metadata */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 3},           /* multicast, reserved, broadcast */
};

/* Outside this is nothing public: loopback, mapped IPv4, NAT64, private, link-local, multicast. */
static const struct network global_ipv6 = {{0x20}, 3};

static const struct network special_ipv6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: leads to an IPv4 address of its choice */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static bool is_in(const struct network *network, const unsigned char *address)
{
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    unsigned difference = (unsigned)network->address[whole] ^ address[whole];
    return !memcmp(network->address, address, whole) &&
           (rest == 0 || difference >> (8 - rest) == 0);
}

static bool is_in_any(const struct network *networks, size_t count, const unsigned char *address)
{
    for (size_t i = 0; i < count; i++) {
        if (is_in(&networks[i], address))
            return true;
    }
    return false;
}

bool address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    unsigned char bytes[16] = {0};
    switch (address->sa_family) {
    case AF_INET:
        memcpy(&ipv4, address, sizeof ipv4);
        memcpy(bytes, &ipv4.sin_addr, sizeof ipv4.sin_addr);
        return !is_in_any(special_ipv4, sizeof special_ipv4 / sizeof *special_ipv4, bytes);
    case AF_INET6:
        memcpy(&ipv6, address, sizeof ipv6);
        memcpy(bytes, &ipv6.sin6_addr, sizeof bytes);
        return is_in(&global_ipv6, bytes) &&
               !is_in_any(special_ipv6, sizeof special_ipv6 / sizeof *special_ipv6, bytes);
    default:
        return false;
    }
}

struct progress {
    bool private_network;
    bool is_refused, is_too_large;
    struct text body;
};

/* Called for every address before anything is sent to it. */
static curl_socket_t open_guarded(void *context, curlsocktype purpose, struct curl_sockaddr *target)
{
    struct progress *progress = context;
    if (!progress->private_network && !address_is_public(&target->addr)) {
        progress->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return easy_open_socket(NULL, purpose, target);
}

static size_t keep_body(char *bytes, size_t one, size_t length, void *context)
{
    struct progress *progress = context;
    (void)one;
    if (length > GUARDED_GET_BYTES_MAX - progress->body.length) {
        progress->is_too_large = true;
        return 0;
    }
    text_append(&progress->body, bytes, length);
    return length;
}

static CURLcode set_guards(CURL *easy, struct progress *progress)
{
    CURLcode codes[] = {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L),
        curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L),
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L),
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L),
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_guarded),
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, progress),
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_body),
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, progress),
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] != CURLE_OK)
            return codes[i];
    }
    return CURLE_OK;
}

static bool fail(CURL *easy, CURLcode code, const struct easy_settings *settings,
                 const struct progress *progress, struct error *error)
{
    char text[256];
    if (progress->is_too_large)
        return error_set(error, ERROR_UNAVAILABLE, "the answer has more than %d bytes",
                         GUARDED_GET_BYTES_MAX);
    if (progress->is_refused && code == CURLE_COULDNT_CONNECT)
        return error_set(error, ERROR_UNAVAILABLE, "the host's address is not public");
    easy_describe(easy, code, settings, text, sizeof text);
    return error_set(error, ERROR_UNAVAILABLE, "%s", text);
}

static bool take_answer(CURL *easy, const struct progress *progress, struct text *body,
                        struct error *error)
{
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299)
        return error_set(error, ERROR_UNAVAILABLE, "the answer has HTTP status %ld", status);
    text_append(body, text_string(&progress->body), progress->body.length);
    return progress->body.failed || body->failed ? error_out_of_memory(error) : true;
}

bool guarded_get(const struct guarded_get *get, struct text *body, struct error *error)
{
    struct easy_settings settings = {
        .url = get->url,
        .protocols = "https",
        .proxy = "",
        .no_proxy = "*",
        .timeout_ms =
            get->timeout_ms < GUARDED_GET_TIMEOUT_MS ? get->timeout_ms : GUARDED_GET_TIMEOUT_MS,
    };
    struct progress progress = {.private_network = get->private_network};
    CURL *easy;
    if (!easy_prepare())
        return error_set(error, ERROR_UNAVAILABLE, "libcurl could not be initialized");
    if (!certificate_store_find(get->ca_file, &settings.certificates, error))
        return false;
    CURLcode code = easy_new(&settings, &easy);
    if (code == CURLE_OK)
        code = set_guards(easy, &progress);
    if (code == CURLE_OK)
        code = curl_easy_perform(easy);
    bool is_taken = code == CURLE_OK ? take_answer(easy, &progress, body, error)
                                     : fail(easy, code, &settings, &progress, error);
    curl_easy_cleanup(easy);
    text_clear(&progress.body);
    return is_taken;
}

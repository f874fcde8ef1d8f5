/*
 * libFuzzer: the addresses that come in from outside. The input is a line with a region, and a URL.
 * What is taken for an address of SMN must be one to libcurl as well, which goes there: the same
 * scheme, host, port and path, and no more. Likewise flashduty_url. Its first bytes are an IP
 * address, too.
 */
#include <curl/curl.h>

#include "config/check.h"
#include "fuzz.h"
#include "net/guarded_get.h"
#include "vendors/smn.h"

#define TOPIC_BEHIND_REGION ":0123456789abcdef0123456789abcdef:ops-alarms"

/* A URL as libcurl reads it; "" for what it does not have. */
struct parts {
    CURLU *handle;
    struct arena arena;
};

static const char *part(struct parts *parts, CURLUPart which)
{
    char *value = NULL;
    const char *copy = "";
    if (curl_url_get(parts->handle, which, &value, 0) == CURLUE_OK)
        copy = arena_string(&parts->arena, value);
    curl_free(value);
    return copy;
}

static void open_parts(struct parts *parts, const char *url)
{
    *parts = (struct parts){.handle = curl_url()};
    MUST(parts->handle);
    /* As for CURLOPT_URL. */
    MUST(curl_url_set(parts->handle, CURLUPART_URL, url,
                      CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK);
    MUST(!*part(parts, CURLUPART_USER) && !*part(parts, CURLUPART_PASSWORD));
    MUST(!*part(parts, CURLUPART_OPTIONS) && !*part(parts, CURLUPART_ZONEID));
    MUST(!*part(parts, CURLUPART_FRAGMENT));
}

static void close_parts(struct parts *parts)
{
    curl_url_cleanup(parts->handle);
    arena_clear(&parts->arena);
}

static const char *authority(struct parts *parts)
{
    const char *port = part(parts, CURLUPART_PORT);
    return arena_printf(&parts->arena, "%s%s%s", part(parts, CURLUPART_HOST), *port ? ":" : "",
                        port);
}

static bool is_configured(const struct smn_settings *settings, const char *host)
{
    bool found = false;
    for (size_t i = 0; i < settings->host_count; i++)
        found = found || !strcmp(settings->hosts[i], host);
    return found;
}

static void check_certificate(const struct smn_settings *settings, const char *region,
                              const char *url)
{
    static const char *const domains[] = {"myhuaweicloud.com", "myhuaweicloud.cn",
                                          "myhuaweicloud.eu", "otc.t-systems.com"};
    static const char *const folders[] = {"/smn/", "/v2/notifications/certifications/download/"};
    struct parts parts;
    struct error error = {0};
    bool private_network, is_known = false, has_folder = false;
    if (!smn_certificate_url(settings, url, region, &private_network, &error)) {
        MUST(error.code == ERROR_FORBIDDEN);
        return;
    }
    open_parts(&parts, url);
    const char *host = authority(&parts), *path = part(&parts, CURLUPART_PATH);
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++)
        is_known =
            is_known || !strcmp(host, arena_printf(&parts.arena, "smn.%s.%s", region, domains[i]));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        has_folder = has_folder || (!strncmp(path, folders[i], strlen(folders[i])) &&
                                    !strchr(path + strlen(folders[i]), '/'));
    MUST(!strcmp(part(&parts, CURLUPART_SCHEME), "https"));
    MUST(is_known || is_configured(settings, host));
    MUST(!private_network || is_configured(settings, host));
    MUST(has_folder && !strpbrk(path, "%\\"));
    MUST(!*part(&parts, CURLUPART_QUERY));
    MUST(!strcmp(url, arena_printf(&parts.arena, "https://%s%s", host, path)));
    close_parts(&parts);
}

/* Whether the query's only topic_urn is the topic, decoded by libcurl. */
static bool is_for_topic(const char *query, const char *topic)
{
    size_t found = 0;
    bool is_right = false;
    for (const char *c = query; c; c = strchr(c, '&') ? strchr(c, '&') + 1 : NULL) {
        size_t skip = strlen("topic_urn=");
        if (strncmp(c, "topic_urn=", skip))
            continue;
        int length;
        char *value = curl_easy_unescape(NULL, c + skip, (int)strcspn(c + skip, "&"), &length);
        is_right = value && (size_t)length == strlen(topic) && !strcmp(value, topic);
        found += length > 0;
        curl_free(value);
    }
    return found == 1 && is_right;
}

static void check_confirmation(const struct smn_settings *settings, const char *region,
                               const char *url)
{
    struct parts parts;
    struct arena arena = {0};
    struct error error = {0};
    const char *host = "", *topic = arena_printf(&arena, "urn:smn:%s" TOPIC_BEHIND_REGION, region);
    const struct smn_envelope envelope = {.topic_urn = topic, .subscribe_url = url};
    if (smn_confirm_url(settings, &envelope, &arena, &host, &error)) {
        open_parts(&parts, url);
        const char *regional = arena_printf(&arena, "%s-console.huaweicloud.com", region);
        MUST(!strcmp(part(&parts, CURLUPART_SCHEME), "https"));
        MUST(!strcmp(authority(&parts), host));
        MUST(is_configured(settings, host) || !strcmp(host, "console.huaweicloud.com") ||
             !strcmp(host, regional));
        MUST(!strcmp(part(&parts, CURLUPART_PATH), "/smn/subscription/confirm"));
        MUST(is_for_topic(part(&parts, CURLUPART_QUERY), topic));
        close_parts(&parts);
    } else {
        MUST(error.code == ERROR_FORBIDDEN);
    }
    must_be_utf8(error.text);
    arena_clear(&arena);
}

static void check_flashduty(const char *url)
{
    struct parts parts;
    if (config_check_text(url) || config_check_url(url))
        return;
    open_parts(&parts, url);
    const char *scheme = part(&parts, CURLUPART_SCHEME), *host = part(&parts, CURLUPART_HOST);
    bool is_loopback = !strncmp(host, "127.", 4) || !strcmp(host, "[::1]") ||
                       text_equal_ignoring_case(host, "localhost");
    MUST(!strcmp(scheme, "https") || (!strcmp(scheme, "http") && is_loopback));
    MUST(!*part(&parts, CURLUPART_QUERY));
    close_parts(&parts);
}

static void check_ipv4(const uint8_t *bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    memcpy(&address.sin_addr, bytes, 4);
    bool is_public = address_is_public((const struct sockaddr *)&address);
    uint8_t a = bytes[0], b = bytes[1];
    bool is_special = a == 0 || a == 10 || a == 127 || (a == 169 && b == 254) ||
                      (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168) ||
                      (a == 100 && b >= 64 && b < 128) || a >= 224;
    MUST(!is_public || !is_special);
    MUST(is_public || is_special || (a >= 192 && a <= 203));
}

static void check_ipv6(const uint8_t *bytes)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    memcpy(&address.sin6_addr, bytes, 16);
    const struct in6_addr *ip = &address.sin6_addr;
    if (!address_is_public((const struct sockaddr *)&address))
        return;
    MUST(!IN6_IS_ADDR_LOOPBACK(ip) && !IN6_IS_ADDR_UNSPECIFIED(ip) && !IN6_IS_ADDR_MULTICAST(ip));
    MUST(!IN6_IS_ADDR_LINKLOCAL(ip) && !IN6_IS_ADDR_SITELOCAL(ip));
    MUST(!IN6_IS_ADDR_V4MAPPED(ip) && !IN6_IS_ADDR_V4COMPAT(ip));
    MUST((bytes[0] & 0xfe) != 0xfc && memcmp(bytes, "\x20\x02", 2));
    MUST(memcmp(bytes, "\0\x64\xff\x9b", 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"smn.test", "smn.test:8443", "10.0.0.1"};
    const struct smn_settings settings = {.hosts = hosts, .host_count = 3, .private_network = true};
    struct arena arena = {0};
    const char *input = arena_copy(&arena, size ? (const char *)data : "", size);
    size_t line = strcspn(input, "\n");
    const char *region = arena_copy(&arena, input, line);
    const char *url = input + line + (input[line] == '\n');
    check_certificate(&settings, region, url);
    check_confirmation(&settings, region, url);
    check_flashduty(url);
    if (size >= 4)
        check_ipv4(data);
    if (size >= 16)
        check_ipv6(data);
    arena_clear(&arena);
    return 0;
}

#include "config/check.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "routing/filter.h"
#include "store/place.h"

#define INTEGRATION_NAME_MAX 64
#define ROUTE_NAME_MAX 64

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define LETTERS UPPER LOWER

/* RFC 1035, 2.3.4. */
#define HOST_LENGTH_MAX 253
#define HOST_LABEL_MAX 63

static bool consists_of(const char *text, const char *allowed, size_t minimum, size_t maximum)
{
    size_t length = strlen(text);
    return length >= minimum && length <= maximum && strspn(text, allowed) == length;
}

const char *config_check_text(const char *text)
{
    size_t left = strlen(text), length;
    for (; left > 0; text += length, left -= length) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return "holds a control character; keep the text on one line, and if a backslash "
                   "sequence became a control character: double the backslash";
        length = utf8_sequence(text, left);
        if (length == 0)
            return "is not UTF-8; save the file as UTF-8";
    }
    return NULL;
}

const char *config_check_name(const char *text)
{
    if (consists_of(text, LETTERS DIGITS "_-.", 1, INTEGRATION_NAME_MAX))
        return NULL;
    return "is no name; 1 to 64 of A-Z a-z 0-9 _ - . are one";
}

const char *config_check_key(const char *text)
{
    if (consists_of(text, LETTERS DIGITS "_-", 1, KEY_LENGTH_MAX))
        return NULL;
    if (!*text)
        return "is empty; fill in the key of a Standard Alert Event integration";
    return "is no integration key; 1 to 128 of A-Z a-z 0-9 _ - are one";
}

const char *config_check_push_key(const char *text)
{
    if (consists_of(text, LETTERS DIGITS "_-", PUSH_KEY_LENGTH_MIN, KEY_LENGTH_MAX))
        return NULL;
    return "is no push key; 16 to 128 of A-Z a-z 0-9 _ - are one, as `openssl rand -hex 20` makes "
           "them";
}

const char *config_check_status_key(const char *text)
{
    if (!*text || !config_check_push_key(text))
        return NULL;
    return "is no status key; 16 to 128 of A-Z a-z 0-9 _ - are one, as `openssl rand -hex 20` "
           "makes them";
}

/* The part of a URL between // and the path. */
struct authority {
    char host[HOST_LENGTH_MAX + 1]; /* an IPv6 address without its brackets */
    bool is_ipv6, has_port;
};

static bool is_host_name(const char *host)
{
    for (const char *label = host;; label++) {
        size_t length = strspn(label, LETTERS DIGITS "-");
        if (length == 0 || length > HOST_LABEL_MAX || label[0] == '-' || label[length - 1] == '-')
            return false;
        label += length;
        if (*label != '.')
            return !*label;
    }
}

static bool is_port(const char *text, size_t length)
{
    if (length == 0 || length > 5 || strspn(text, DIGITS) < length)
        return false;
    long port = strtol(text, NULL, 10);
    return port > 0 && port <= 65535;
}

static bool split_authority(const char *text, size_t length, struct authority *authority)
{
    *authority = (struct authority){.is_ipv6 = *text == '['};
    const char *end = memchr(text, authority->is_ipv6 ? ']' : ':', length);
    const char *host = text + authority->is_ipv6;
    size_t host_length = end ? (size_t)(end - host) : length;
    if ((authority->is_ipv6 && !end) || host_length > HOST_LENGTH_MAX)
        return false;
    memcpy(authority->host, host, host_length);
    const char *rest = host + host_length + authority->is_ipv6;
    size_t rest_length = length - (size_t)(rest - text);
    authority->has_port = rest_length > 0;
    if (rest_length > 0 && (*rest != ':' || !is_port(rest + 1, rest_length - 1)))
        return false;
    struct in6_addr address;
    return authority->is_ipv6 ? inet_pton(AF_INET6, authority->host, &address) == 1
                              : is_host_name(authority->host);
}

static bool is_loopback(const struct authority *authority)
{
    struct in_addr address;
    if (authority->is_ipv6)
        return !strcmp(authority->host, "::1");
    if (text_equal_ignoring_case(authority->host, "localhost"))
        return true;
    /* Only four decimal numbers are an address: 127.example.com is a name. */
    return inet_pton(AF_INET, authority->host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool is_path(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~' || *text == '\\')
            return false;
    }
    return true;
}

/* Behind the scheme: NULL if all is well. */
static const char *check_address(const char *text, bool is_https)
{
    const char *start = strstr(text, "//") + 2;
    size_t length = strcspn(start, "/?#");
    struct authority authority;
    if (!split_authority(start, length, &authority))
        return "has no valid host; https://HOST/PATH or https://HOST:PORT/PATH is right";
    if (!is_https && !is_loopback(&authority))
        return "is http:// to another machine, which would show keys to the network; use https:// "
               "(http:// only to 127.x.x.x, [::1] or localhost)";
    if (!is_path(start + length))
        return "holds a character that no URL has; write it as %XX";
    return NULL;
}

static bool has_scheme(const char *text, bool *is_https)
{
    *is_https = !strncmp(text, "https://", strlen("https://"));
    return *is_https || !strncmp(text, "http://", strlen("http://"));
}

const char *config_check_url(const char *text)
{
    bool is_https;
    if (!has_scheme(text, &is_https))
        return "is no URL of Flashduty's; it begins with https://";
    if (strchr(text, '?') || strchr(text, '#'))
        return "has a query or fragment; leave out ? or # and all behind it (the key is added by "
               "this program)";
    return check_address(text, is_https);
}

const char *config_check_post_url(const char *text)
{
    bool is_https;
    if (!*text)
        return NULL;
    if (!has_scheme(text, &is_https))
        return "is no URL to post to; it begins with https://";
    if (strchr(text, '#'))
        return "has a fragment; leave out # and all behind it";
    return check_address(text, is_https);
}

const char *config_check_proxy(const char *text)
{
    static const char *const schemes[] = {"http://", "https://", "socks5h://", "socks5://"};
    struct authority authority;
    if (!*text)
        return NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const char *rest = text + strlen(schemes[i]);
        if (strncmp(text, schemes[i], strlen(schemes[i])))
            continue;
        if (split_authority(rest, strlen(rest), &authority) && authority.has_port)
            return NULL;
    }
    return "is no proxy; http://HOST:PORT, https://HOST:PORT, socks5://HOST:PORT or "
           "socks5h://HOST:PORT is right";
}

const char *config_check_host(const char *text)
{
    struct authority authority;
    if (strpbrk(text, UPPER))
        return "has capital letters; write it in lower case";
    if (!split_authority(text, strlen(text), &authority) || authority.is_ipv6)
        return "is no host; HOST or HOST:PORT is right, without https:// and path";
    return NULL;
}

const char *config_check_topic(const char *text)
{
    size_t colons = 0;
    bool has_empty_part = false;
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
        colons++;
        has_empty_part = has_empty_part || colon[1] == ':' || !colon[1];
    }
    if (!strncmp(text, "urn:smn:", strlen("urn:smn:")) && colons == 4 && !has_empty_part &&
        strspn(text, LETTERS DIGITS "_-.*:") == strlen(text))
        return NULL;
    return "is no topic; urn:smn:REGION:PROJECT:NAME is one, with * for any "
           "characters";
}

const char *config_check_store(const char *text)
{
    static const char prefix[] = "sqlite:";
    size_t length = strlen(prefix);
    if (!strcmp(text, "none") || (!strncmp(text, prefix, length) && text[length]))
        return NULL;
    if (store_is_server(text))
        return store_check_place(text);
    return "is no store; \"sqlite:PATH\" is one, \"postgresql://USER:PASSWORD@HOST/DATABASE\" "
           "is one for several machines, and \"none\" keeps nothing";
}

const char *config_check_label_name(const char *text)
{
    if (consists_of(text, LETTERS DIGITS "_", 1, ALERT_LABEL_NAME_MAX) && !strchr(DIGITS, *text))
        return NULL;
    return "has no label name before the =; at most 128 of A-Z a-z 0-9 _ without a digit in front "
           "are one";
}

const char *config_check_label_value(const char *text)
{
    if (*text && utf8_length(text) <= ALERT_LABEL_VALUE_MAX)
        return NULL;
    return "has no right value behind the =; 1 to 2048 characters are one";
}

/* "default" is shown for the route without a name; behind = stands a mapping's value. */
const char *config_check_route_name(const char *text)
{
    size_t length = utf8_length(text);
    if (length > 0 && length <= ROUTE_NAME_MAX && strcmp(text, "default") != 0 &&
        !strchr(text, '='))
        return NULL;
    return "is no route's name; 1 to 64 characters without = are one, and \"default\" is the "
           "default route's";
}

const char *config_check_mapping_label(const char *text)
{
    if (!strncmp(text, "labels.", strlen("labels.")))
        return "names a label; leave out \"labels.\" in front";
    return filter_is_label(text, strlen(text)) ? NULL
                                               : "is no label's name; at most 128 of A-Z a-z 0-9 _ "
                                                 "without a digit in front are one";
}

#include "routing/value.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define CIDR "cidr:"
#define NUMBER "num:"

#define DIGITS "0123456789"

/* IPv4 within IPv6, RFC 4291, 2.5.5.2. */
#define MAPPED_BITS 96
static const unsigned char mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

/* ---- networks ---- */

static bool parse_address(const char *text, unsigned char address[static 16], bool *is_ipv4)
{
    memcpy(address, mapped, sizeof mapped);
    *is_ipv4 = inet_pton(AF_INET, text, address + sizeof mapped) == 1;
    return *is_ipv4 || inet_pton(AF_INET6, text, address) == 1;
}

static bool parse_network(const char *text, struct arena *arena, struct network *network)
{
    const char *slash = strchr(text, '/');
    bool is_ipv4;
    if (!slash || !slash[1] || strlen(slash + 1) > 3 ||
        strspn(slash + 1, DIGITS) != strlen(slash + 1))
        return false;
    const char *address = arena_copy(arena, text, (size_t)(slash - text));
    if (!parse_address(address, network->address, &is_ipv4))
        return false;
    network->bits = (unsigned)strtoul(slash + 1, NULL, 10) + (is_ipv4 ? MAPPED_BITS : 0);
    return network->bits <= 128;
}

static bool is_in_network(const struct network *network, const char *text)
{
    unsigned char address[16];
    bool is_ipv4;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (!parse_address(text, address, &is_ipv4) || memcmp(address, network->address, whole) != 0)
        return false;
    unsigned mask = 0xff00u >> rest & 0xff;
    return rest == 0 || (address[whole] & mask) == (network->address[whole] & mask);
}

/* ---- numbers ---- */

/* Decimal, with fraction and exponent; strtod knows more than that. */
static bool parse_number(const char *text, double *number)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t whole = strspn(at, DIGITS);
    at += whole;
    size_t fraction = *at == '.' ? strspn(at + 1, DIGITS) : 0;
    at += *at == '.' ? fraction + 1 : 0;
    if (whole + fraction == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        size_t exponent = strspn(at, DIGITS);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    *number = strtod(text, NULL);
    return !*at;
}

static bool parse_comparison(const char *text, struct filter_value *value)
{
    static const char *const names[] = {[COMPARISON_GT] = "gt:",
                                        [COMPARISON_GE] = "ge:",
                                        [COMPARISON_LT] = "lt:",
                                        [COMPARISON_LE] = "le:"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(text, names[i], strlen(names[i])))
            continue;
        value->comparison = (enum comparison)i;
        return parse_number(text + strlen(names[i]), &value->number);
    }
    return false;
}

static bool compare(const struct filter_value *value, const char *field)
{
    double number;
    if (!parse_number(field, &number))
        return false;
    switch (value->comparison) {
    case COMPARISON_GT:
        return number > value->number;
    case COMPARISON_GE:
        return number >= value->number;
    case COMPARISON_LT:
        return number < value->number;
    case COMPARISON_LE:
        return number <= value->number;
    }
    return false;
}

/* ---- wildcards ---- */

static size_t character(const char *text)
{
    size_t length = utf8_sequence(text, strlen(text));
    return length ? length : 1;
}

/* Goes back to the last * only: what an earlier one took does not matter any more. */
static bool matches_wildcard(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        bool is_escaped = *pattern == '\\';
        const char *wanted = pattern + is_escaped;
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?') {
            pattern++;
            text += character(text);
        } else if (*wanted == *text) {
            pattern = wanted + 1;
            text++;
        } else if (star) {
            pattern = star;
            retry += character(retry);
            text = retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* ---- reading ---- */

/* What a backslash takes its meaning from; before anything else it stands for itself. */
static bool is_special(char byte)
{
    return byte && strchr("|&/*?\\", byte);
}

/* A text without backslashes, or, for a wildcard, with one before each sign that is none of its
 * own. */
static const char *unescape(const char *text, size_t length, bool is_wildcard, struct arena *arena)
{
    struct text out = {0};
    for (size_t i = 0; i < length; i++) {
        bool is_escape = text[i] == '\\' && i + 1 < length && is_special(text[i + 1]);
        i += is_escape;
        bool needs_one = is_wildcard && (is_escape || text[i] == '\\');
        if (needs_one)
            text_putc(&out, '\\');
        text_putc(&out, text[i]);
    }
    return text_into(&out, arena);
}

static bool has_wildcard(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\' && i + 1 < length && is_special(text[i + 1]))
            i++;
        else if (text[i] == '*' || text[i] == '?')
            return true;
    }
    return false;
}

bool value_parse(const char *text, size_t length, struct arena *arena, struct filter_value *value,
                 struct syntax_problem *problem)
{
    const char *copy = arena_copy(arena, text, length);
    *value = (struct filter_value){.kind = VALUE_EXACT};
    if (*copy == '/') {
        value->kind = VALUE_EXPRESSION;
        value->expression = expression_compile(copy + 1, length - 2, arena, problem);
        problem->offset += 1;
        return value->expression || arena->failed;
    }
    if (!strncmp(copy, CIDR, strlen(CIDR))) {
        value->kind = VALUE_NETWORK;
        return parse_network(copy + strlen(CIDR), arena, &value->network) ||
               syntax_fail(problem, strlen(CIDR), "a network, as 10.0.0.0/24 or 2001:db8::/32");
    }
    if (!strncmp(copy, NUMBER, strlen(NUMBER))) {
        value->kind = VALUE_NUMBER;
        return parse_comparison(copy + strlen(NUMBER), value) ||
               syntax_fail(problem, strlen(NUMBER),
                           "gt:, ge:, lt: or le: and a decimal number, as num:gt:90");
    }
    if (has_wildcard(text, length))
        value->kind = !strcmp(copy, "*") ? VALUE_EXISTS : VALUE_WILDCARD;
    value->text = unescape(text, length, value->kind == VALUE_WILDCARD, arena);
    return true;
}

/* ---- matching ---- */

static enum match as_match(bool holds)
{
    return holds ? MATCH_YES : MATCH_NO;
}

enum match value_match(const struct filter_value *value, const char *field)
{
    static const enum match found[] = {[EXPRESSION_ABSENT] = MATCH_NO,
                                       [EXPRESSION_FOUND] = MATCH_YES,
                                       [EXPRESSION_LIMIT] = MATCH_LIMIT};
    switch (value->kind) {
    case VALUE_EXACT:
        return as_match(!strcmp(value->text, field));
    case VALUE_EXISTS:
        return MATCH_YES;
    case VALUE_WILDCARD:
        return as_match(matches_wildcard(value->text, field));
    case VALUE_EXPRESSION:
        return found[expression_find(value->expression, field)];
    case VALUE_NETWORK:
        return as_match(is_in_network(&value->network, field));
    case VALUE_NUMBER:
        return as_match(compare(value, field));
    }
    return MATCH_NO;
}

bool value_takes_anything(const struct filter_value *value)
{
    static const char *const samples[] = {"", "a", "0 \xe4\xbd\xa0-"};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        if (value_match(value, samples[i]) != MATCH_YES)
            return false;
    }
    return true;
}

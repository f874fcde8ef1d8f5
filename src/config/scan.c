#include "config/scan.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct scan {
    const char *at;
    unsigned line;
    struct text *out;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool starts_with(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static void copy(struct scan *scan, size_t length)
{
    for (size_t i = 0; i < length; i++)
        scan->line += scan->at[i] == '\n';
    text_append(scan->out, scan->at, length);
    scan->at += length;
}

static const char *scan_line_comment(struct scan *scan)
{
    copy(scan, strcspn(scan->at, "\n"));
    return NULL;
}

static const char *scan_block_comment(struct scan *scan)
{
    const char *end = strstr(scan->at + 2, "*/");
    if (!end)
        return "a comment begins here and never ends; close it with */";
    copy(scan, (size_t)(end - scan->at) + 2);
    return NULL;
}

static const char *scan_string(struct scan *scan)
{
    const char *end = scan->at + 1;
    while (*end && *end != '"')
        end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end)
        return "a string begins here and never ends; close it with a double quote";
    copy(scan, 1);
    while (scan->at < end) {
        if (starts_with(scan->at, "\\x00") || starts_with(scan->at, "\\X00")) {
            text_puts(scan->out, "\\x01");
            scan->at += strlen("\\x00");
        } else {
            copy(scan, *scan->at == '\\' ? 2 : 1);
        }
    }
    copy(scan, 1);
    return NULL;
}

/* Whether what follows the digits makes them something else than a plain integer. */
static bool is_marked(const char *rest)
{
    if (*rest == 'e' || *rest == 'E')
        return is_digit(rest[1]) || ((rest[1] == '+' || rest[1] == '-') && is_digit(rest[2]));
    return *rest == '.' || *rest == 'L';
}

static const char *scan_number(struct scan *scan)
{
    if (scan->at[0] == '0' && (scan->at[1] == 'x' || scan->at[1] == 'X'))
        copy(scan, 2 + strspn(scan->at + 2, "0123456789abcdefABCDEF"));
    size_t digits = strspn(scan->at, "0123456789");
    bool is_large = digits > 0 && strtoll(scan->at, NULL, 10) > INT_MAX;
    copy(scan, digits);
    if (is_large && !is_marked(scan->at))
        text_putc(scan->out, 'L');
    if (!*scan->at)
        return "the file ends with a number, which may be cut off; end its last line";
    return NULL;
}

static const char *scan_word(struct scan *scan)
{
    size_t length = 0;
    while (is_letter(scan->at[length]) || is_digit(scan->at[length]) ||
           (scan->at[length] && strchr("-_*", scan->at[length])))
        length++;
    copy(scan, length);
    return NULL;
}

static const char *scan_token(struct scan *scan)
{
    const char *at = scan->at;
    if (*at == '"')
        return scan_string(scan);
    if (*at == '#' || starts_with(at, "//"))
        return scan_line_comment(scan);
    if (starts_with(at, "/*"))
        return scan_block_comment(scan);
    if (*at == '@')
        return "@include is not followed; write the settings into this file";
    if (is_digit(*at))
        return scan_number(scan);
    if (is_letter(*at) || *at == '*')
        return scan_word(scan);
    copy(scan, 1);
    return NULL;
}

bool config_scan(const char *text, struct text *out, unsigned *line, const char **problem)
{
    struct scan scan = {.at = text, .line = 1, .out = out};
    if (starts_with(text, BYTE_ORDER_MARK))
        scan.at += strlen(BYTE_ORDER_MARK);
    *problem = NULL;
    while (*scan.at && !*problem)
        *problem = scan_token(&scan);
    *line = scan.line;
    /* A comment in a last line without its break is a syntax error to libconfig. */
    if (scan.at > text && scan.at[-1] != '\n')
        text_putc(out, '\n');
    return !*problem;
}

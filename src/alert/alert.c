#include "alert/alert.h"

#include <string.h>

#include "base/digest.h"
#include "base/text.h"

/* The lines of a description, however many a vendor has, leave room for its text. */
#define DESCRIPTION_LINES_MAX 1536

#define TEMPLATE_MARK "[TPL]"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

const char *const severity_names[SEVERITY_COUNT] = {
    [SEVERITY_CRITICAL] = "Critical",
    [SEVERITY_WARNING] = "Warning",
    [SEVERITY_INFO] = "Info",
    [SEVERITY_OK] = "Ok",
};

bool severity_from_name(const char *name, enum severity *severity)
{
    for (int i = 0; i < SEVERITY_COUNT; i++) {
        if (text_equal_ignoring_case(name, severity_names[i])) {
            *severity = (enum severity)i;
            return true;
        }
    }
    return false;
}

enum shape { SHAPE_LINE, SHAPE_TEXT };

/* How many bytes of line break stand at the start: LF, CR, CRLF, U+2028, U+2029, U+0085. */
static size_t line_break(const char *text)
{
    if (text[0] == '\r')
        return text[1] == '\n' ? 2 : 1;
    if (text[0] == '\n')
        return 1;
    if (!strncmp(text, "\xe2\x80\xa8", 3) || !strncmp(text, "\xe2\x80\xa9", 3))
        return 3;
    return strncmp(text, "\xc2\x85", 2) ? 0 : 2;
}

static bool is_control(const char *text, size_t length)
{
    unsigned char first = (unsigned char)text[0];
    if (length == 1)
        return first < 0x20 || first == 0x7f;
    return length == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0;
}

/* How many bytes stand there that are always copied: ASCII that is neither space nor bracket. */
static size_t plain_length(const char *text)
{
    const char *at = text;
    while (*at > ' ' && *at < 0x7f && *at != '{' && *at != '[')
        at++;
    return (size_t)(at - text);
}

/* Copies text without control characters and without anything that Flashduty would evaluate. */
static void append_clean(struct text *out, const char *text, enum shape shape)
{
    bool gap = false;
    for (size_t length; *text; text += length) {
        bool is_space = *text == ' ' || *text == '\t';
        if (!gap && (length = plain_length(text)) > 0) {
            text_append(out, text, length);
            continue;
        }
        if ((length = line_break(text)) > 0) {
            if (shape == SHAPE_TEXT)
                text_putc(out, '\n');
            else
                gap = true;
            continue;
        }
        if (shape == SHAPE_LINE && is_space) {
            gap = true;
            length = 1;
            continue;
        }
        length = utf8_sequence(text, strnlen(text, 4));
        if (length > 0 && is_control(text, length) && !is_space) {
            gap = gap || shape == SHAPE_LINE;
            continue;
        }
        if (gap && out->length > 0)
            text_putc(out, ' ');
        gap = false;
        if (*text == '{' && out->length > 0 && out->data[out->length - 1] == '{')
            text_putc(out, ' ');
        text_append(out, length ? text : REPLACEMENT, length ? length : strlen(REPLACEMENT));
        length += length == 0;
    }
}

static const char *clean(struct arena *arena, const char *text, enum shape shape)
{
    struct text out = {0};
    if (!text[plain_length(text)])
        return arena_string(arena, text);
    append_clean(&out, text, shape);
    const char *result = text_trim(arena, text_into(&out, arena));
    if (!strncmp(result, TEMPLATE_MARK, strlen(TEMPLATE_MARK)))
        return arena_printf(arena, "[ %s", result + 1);
    return result;
}

void alert_set_title(struct alert *alert, struct arena *arena, const char *text)
{
    const char *title = clean(arena, text, SHAPE_LINE);
    if (*title)
        alert->title = utf8_cut(arena, title, ALERT_TITLE_MAX);
}

void alert_set_description(struct alert *alert, struct arena *arena, const char *text,
                           const char *lines)
{
    const char *body = clean(arena, text, SHAPE_TEXT);
    const char *rest = utf8_cut(arena, clean(arena, lines, SHAPE_TEXT), DESCRIPTION_LINES_MAX);
    size_t reserved = *rest ? utf8_length(rest) + strlen("\n\n") : 0;
    body = utf8_cut(arena, body, ALERT_DESCRIPTION_MAX - reserved);
    alert->description = arena_printf(arena, "%s%s%s", body, *body && *rest ? "\n\n" : "", rest);
}

/* The index of a label; label_count if there is none. */
static size_t find_label(const struct alert *alert, const char *name)
{
    size_t i = 0;
    while (i < alert->label_count && strcmp(alert->labels[i].name, name))
        i++;
    return i;
}

const char *alert_label(const struct alert *alert, const char *name)
{
    size_t i = find_label(alert, name);
    return i < alert->label_count ? alert->labels[i].value : NULL;
}

bool alert_add_label(struct alert *alert, struct arena *arena, const char *name, const char *value)
{
    if (!value || alert->label_count == ALERT_LABELS_MAX)
        return false;
    const char *cleaned = clean(arena, value, SHAPE_TEXT);
    const char *valid = alert_label_name(arena, name);
    if (!*cleaned || find_label(alert, valid) < alert->label_count)
        return false;
    alert->labels[alert->label_count++] =
        (struct label){valid, utf8_cut(arena, cleaned, ALERT_LABEL_VALUE_MAX)};
    return true;
}

void alert_force_label(struct alert *alert, struct arena *arena, const char *name,
                       const char *value)
{
    alert_remove_label(alert, name);
    if (alert->label_count == ALERT_LABELS_MAX)
        alert->label_count--;
    alert_add_label(alert, arena, name, value);
}

void alert_remove_label(struct alert *alert, const char *name)
{
    size_t i = find_label(alert, name);
    if (i == alert->label_count)
        return;
    alert->label_count--;
    memmove(&alert->labels[i], &alert->labels[i + 1],
            (alert->label_count - i) * sizeof alert->labels[i]);
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *alert_label_name(struct arena *arena, const char *text)
{
    char name[ALERT_LABEL_NAME_MAX];
    size_t length = 0;
    bool has_word = false;
    if (*text >= '0' && *text <= '9')
        name[length++] = '_';
    for (const char *c = text; *c; c++) {
        bool is_continuation = ((unsigned char)*c & 0xc0) == 0x80;
        has_word = has_word || is_alphanumeric(*c);
        if (!is_continuation && length < sizeof name)
            name[length++] = is_alphanumeric(*c) ? *c : '_';
    }
    char hex[SHA256_HEX_SIZE];
    if (has_word)
        return arena_copy(arena, name, length);
    if (!sha256_hex(text, strlen(text), hex))
        arena->failed = true;
    return arena_printf(arena, "tag_%.8s", hex);
}

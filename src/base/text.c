#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MIN 256

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool fail(struct text *text)
{
    text_clear(text);
    text->failed = true;
    return false;
}

static bool has_space(const struct text *text, size_t more)
{
    return more < text->size - text->length;
}

static bool reserve(struct text *text, size_t more)
{
    if (has_space(text, more))
        return true;
    if (text->failed || more >= SIZE_MAX / 2 - text->length)
        return fail(text);
    size_t needed = text->length + more + 1;
    size_t size = text->size ? text->size * 2 : TEXT_BYTES_MIN;
    if (size < needed)
        size = needed;
    char *data = malloc(size);
    if (!data)
        return fail(text);
    /* Not realloc: what it leaves behind could hold a key. */
    if (text->data) {
        memcpy(data, text->data, text->length + 1);
        explicit_bzero(text->data, text->size);
        free(text->data);
    }
    text->data = data;
    text->size = size;
    return true;
}

void text_append(struct text *text, const char *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_putc(struct text *text, char byte)
{
    if (!reserve(text, 1))
        return;
    text->data[text->length++] = byte;
    text->data[text->length] = '\0';
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    /* Mostly there is room for it. */
    size_t room = text->data && !text->failed ? text->size - text->length : 0;
    int length = vsnprintf(room ? text->data + text->length : NULL, room, format, arguments);
    if (length < 0)
        fail(text);
    else if ((size_t)length < room)
        text->length += (size_t)length;
    else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

size_t utf8_sequence(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (length == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    size_t size = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || length < size)
        return 0;
    /* What the second byte may be after these leaders: no overlong form, no surrogate, no end. */
    unsigned char low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    if (b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

void text_code_point(struct text *text, unsigned code_point)
{
    char bytes[4];
    size_t length;
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff)) {
        text_puts(text, REPLACEMENT);
        return;
    }
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        length = 1;
    } else if (code_point < 0x800) {
        bytes[0] = (char)(0xc0 | code_point >> 6);
        length = 2;
    } else if (code_point < 0x10000) {
        bytes[0] = (char)(0xe0 | code_point >> 12);
        length = 3;
    } else {
        bytes[0] = (char)(0xf0 | code_point >> 18);
        length = 4;
    }
    for (size_t i = 1; i < length; i++)
        bytes[i] = (char)(0x80 | (code_point >> 6 * (length - 1 - i) & 0x3f));
    text_append(text, bytes, length);
}

/* One byte of a JSON string that cannot stand there as it is (RFC 8259, 7). */
static void put_escape(struct text *text, unsigned char byte)
{
    static const char shorts[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\t', 't'},
                                     {'\r', 'r'}, {'\b', 'b'},  {'\f', 'f'}};
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++) {
        if ((unsigned char)shorts[i][0] == byte) {
            text_putc(text, '\\');
            text_putc(text, shorts[i][1]);
            return;
        }
    }
    text_printf(text, "\\u%04x", byte);
}

#define EACH(byte) (UINT64_MAX / 255 * (byte))

/* Whether none of eight bytes is above 0x7f, a control character, a quote or a backslash. */
static bool are_plain(const char *at)
{
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    uint64_t quote = eight ^ EACH('"'), backslash = eight ^ EACH('\\');
    /* A byte below another sets the highest bit of its place in the difference. */
    uint64_t odd = eight | (eight - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1));
    return (odd & EACH(0x80)) == 0;
}

size_t text_plain_length(const char *at, const char *end)
{
    const char *start = at;
    size_t length = 1;
    while (at < end && length > 0) {
        /* Eight at a time, as most of a text is plain. */
        while ((size_t)(end - at) >= sizeof(uint64_t) && are_plain(at))
            at += sizeof(uint64_t);
        if (at == end)
            break;
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x80)
            length = utf8_sequence(at, (size_t)(end - at));
        else
            length = byte >= 0x20 && byte != '"' && byte != '\\';
        at += length;
    }
    return (size_t)(at - start);
}

void text_json(struct text *text, const char *string)
{
    if (!string) {
        text_puts(text, "null");
        return;
    }
    const char *end = string + strlen(string);
    text_putc(text, '"');
    while (string < end) {
        size_t plain = text_plain_length(string, end);
        text_append(text, string, plain);
        string += plain;
        if (string == end)
            break;
        if ((unsigned char)*string < 0x80)
            put_escape(text, (unsigned char)*string);
        else
            text_puts(text, REPLACEMENT);
        string++;
    }
    text_putc(text, '"');
}

const char *text_string(const struct text *text)
{
    return text->data && !text->failed ? text->data : "";
}

const char *text_into(struct text *text, struct arena *arena)
{
    if (text->failed)
        arena->failed = true;
    const char *copy = arena_copy(arena, text_string(text), text->length);
    text_clear(text);
    return copy;
}

void text_clear(struct text *text)
{
    if (text->data) {
        explicit_bzero(text->data, text->size);
        free(text->data);
    }
    *text = (struct text){0};
}

size_t utf8_length(const char *string)
{
    size_t count = 0;
    for (; *string; string++)
        count += ((unsigned char)*string & 0xc0) != 0x80;
    return count;
}

const char *utf8_cut(struct arena *arena, const char *string, size_t limit)
{
    if (utf8_length(string) <= limit)
        return string;
    if (limit == 0)
        return "";
    const char *end = string;
    for (size_t count = 0; count < limit; end++)
        count += ((unsigned char)end[1] & 0xc0) != 0x80;
    /* end is behind `limit` characters; one goes for the ellipsis. */
    do
        end--;
    while (((unsigned char)*end & 0xc0) == 0x80);
    return arena_printf(arena, "%.*s…", (int)(end - string), string);
}

static char ascii_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool text_equal_ignoring_case(const char *a, const char *b)
{
    while (*a && ascii_lower(*a) == ascii_lower(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

const char *text_mask(struct arena *arena, const char *string, const char *secret)
{
    struct text out = {0};
    const char *found;
    if (!*secret || !strstr(string, secret))
        return string;
    while ((found = strstr(string, secret))) {
        text_append(&out, string, (size_t)(found - string));
        text_puts(&out, "…");
        string = found + strlen(secret);
    }
    text_puts(&out, string);
    return text_into(&out, arena);
}

#define IDEOGRAPHIC_SPACE "\xe3\x80\x80"

const char *text_trim(struct arena *arena, const char *string)
{
    static const char spaces[] = " \t\r\n\v\f";
    size_t wide = strlen(IDEOGRAPHIC_SPACE), length;
    for (;;) {
        if (*string && strchr(spaces, *string))
            string++;
        else if (!strncmp(string, IDEOGRAPHIC_SPACE, wide))
            string += wide;
        else
            break;
    }
    for (length = strlen(string);;) {
        if (length && strchr(spaces, string[length - 1]))
            length--;
        else if (length >= wide && !memcmp(string + length - wide, IDEOGRAPHIC_SPACE, wide))
            length -= wide;
        else
            break;
    }
    return string[length] ? arena_copy(arena, string, length) : string;
}

#include "status/form.h"

#include <string.h>

#include "base/text.h"

/* A number of so many digits fits. */
#define DIGITS_MAX 18

static int hex(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)((found - digits) % 16) : -1;
}

static const char *decode(struct arena *arena, const char *text, size_t length)
{
    struct text bytes = {0}, repaired = {0};
    for (size_t i = 0; i < length; i++) {
        bool is_escape =
            text[i] == '%' && length - i > 2 && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
        int byte = is_escape ? hex(text[i + 1]) * 16 + hex(text[i + 2])
                             : (unsigned char)(text[i] == '+' ? ' ' : text[i]);
        i += is_escape ? 2 : 0;
        /* No UTF-8 has it: it is replaced below. */
        text_putc(&bytes, (char)(byte ? byte : 0xff));
    }
    const char *rest = text_string(&bytes);
    for (size_t left = bytes.length, size; left > 0; left -= size, rest += size) {
        size = utf8_sequence(rest, left);
        if (size)
            text_append(&repaired, rest, size);
        else
            text_code_point(&repaired, 0xfffd);
        size = size ? size : 1;
    }
    arena->failed |= bytes.failed;
    text_clear(&bytes);
    return text_into(&repaired, arena);
}

const char *form_value(struct arena *arena, const char *form, const char *name)
{
    size_t name_length = strlen(name);
    for (const char *field = form; *field; field += *field == '&') {
        size_t length = strcspn(field, "&");
        if (length > name_length && !strncmp(field, name, name_length) && field[name_length] == '=')
            return decode(arena, field + name_length + 1, length - name_length - 1);
        field += length;
    }
    return "";
}

bool form_number(struct arena *arena, const char *form, const char *name, int64_t minimum,
                 int64_t maximum, int64_t otherwise, int64_t *number, struct error *error)
{
    const char *text = form_value(arena, form, name);
    size_t length = strlen(text);
    *number = length ? 0 : otherwise;
    if (!length)
        return true;
    bool is_number = length <= DIGITS_MAX && strspn(text, "0123456789") == length;
    for (const char *digit = text; *digit && is_number; digit++)
        *number = *number * 10 + (*digit - '0');
    if (is_number && *number >= minimum && *number <= maximum)
        return true;
    return error_set(error, ERROR_INVALID, "%s is a number from %lld to %lld", name,
                     (long long)minimum, (long long)maximum);
}

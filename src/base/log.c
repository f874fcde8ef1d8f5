#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

const char *const log_level_names[LOG_LEVEL_COUNT] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error",
};

#define ELLIPSIS "…"

static atomic_int least_level = LOG_INFO;
static atomic_int output = STDERR_FILENO;

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

void log_set_descriptor(int descriptor)
{
    atomic_store(&output, descriptor < 0 ? STDERR_FILENO : descriptor);
}

/* A record being composed: it stops growing where only the ellipsis, a quote and the newline have
 * place. */
struct record {
    char bytes[LOG_LINE_MAX];
    size_t length;
    bool is_full;
};

#define RECORD_END_MAX (sizeof ELLIPSIS - 1 + 2)

static void put(struct record *record, const char *bytes, size_t length)
{
    if (record->is_full)
        return;
    if (record->length + length > sizeof record->bytes - RECORD_END_MAX) {
        memcpy(record->bytes + record->length, ELLIPSIS, strlen(ELLIPSIS));
        record->length += strlen(ELLIPSIS);
        record->is_full = true;
        return;
    }
    memcpy(record->bytes + record->length, bytes, length);
    record->length += length;
}

static void puts_record(struct record *record, const char *string)
{
    put(record, string, strlen(string));
}

/* Characters that end lines or turn the direction of writing, beyond the control characters. */
static bool is_deceiving(unsigned code_point)
{
    static const struct {
        unsigned first, last;
    } ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200e, 0x200f},
                  {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code_point >= ranges[i].first && code_point <= ranges[i].last)
            return true;
    }
    return false;
}

static unsigned decode(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    unsigned value = length == 1 ? b[0] : b[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (b[i] & 0x3f);
    return value;
}

static void put_hex(struct record *record, const char *prefix, unsigned value, int digits,
                    const char *suffix)
{
    char hex[32];
    size_t length = 0;
    for (; *prefix; prefix++)
        hex[length++] = *prefix;
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
        hex[length++] = "0123456789abcdef"[value >> shift & 15];
    for (; *suffix; suffix++)
        hex[length++] = *suffix;
    put(record, hex, length);
}

static void put_character(struct record *record, const char *text, size_t length)
{
    unsigned code_point = length ? decode(text, length) : 0;
    if (length == 0)
        put_hex(record, "\\x", (unsigned char)*text, 2, "");
    else if (*text == '"' || *text == '\\')
        put(record, *text == '"' ? "\\\"" : "\\\\", 2);
    else if (*text == '\n' || *text == '\r' || *text == '\t')
        puts_record(record, *text == '\n' ? "\\n" : *text == '\r' ? "\\r" : "\\t");
    else if (is_deceiving(code_point))
        put_hex(record, "\\u{", code_point, 4, "}");
    else
        put(record, text, length);
}

static void put_value(struct record *record, const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_.:/@+-()";
    size_t left = strlen(value);
    bool is_quoted = strspn(value, plain) < left;
    if (is_quoted)
        put(record, "\"", 1);
    is_quoted = is_quoted && !record->is_full;
    while (left > 0 && !record->is_full) {
        size_t length = utf8_sequence(value, left);
        put_character(record, value, length);
        value += length ? length : 1;
        left -= length ? length : 1;
    }
    /* Its place is kept. */
    if (is_quoted)
        record->bytes[record->length++] = '"';
}

static void put_pair(struct record *record, const char *name, const char *value)
{
    if (!value || !*value || record->is_full)
        return;
    if (record->length > 0)
        put(record, " ", 1);
    puts_record(record, name);
    put(record, "=", 1);
    if (!record->is_full)
        put_value(record, value);
}

static void put_time(struct record *record)
{
    int64_t now_ms = clock_wall_ms();
    char time[32], milliseconds[] = ".000Z";
    clock_rfc3339(now_ms / 1000, time);
    time[strcspn(time, "Z")] = '\0';
    for (int i = 3, rest = (int)(now_ms % 1000); i > 0; i--, rest /= 10)
        milliseconds[i] = (char)('0' + rest % 10);
    puts_record(record, "time=");
    puts_record(record, time);
    puts_record(record, milliseconds);
}

void log_event(enum log_level level, const char *message, ...)
{
    struct record record = {.length = 0};
    const char *name;
    va_list pairs;
    int saved_errno = errno;
    if ((int)level < atomic_load(&least_level))
        return;
    put_time(&record);
    put_pair(&record, "level", log_level_names[level]);
    put_pair(&record, "msg", message);
    va_start(pairs, message);
    while ((name = va_arg(pairs, const char *)))
        put_pair(&record, name, va_arg(pairs, const char *));
    va_end(pairs);
    record.bytes[record.length++] = '\n';
    /* Nobody is left to be told when the log itself cannot be written. */
    while (write(atomic_load(&output), record.bytes, record.length) < 0 && errno == EINTR)
        ;
    errno = saved_errno;
}

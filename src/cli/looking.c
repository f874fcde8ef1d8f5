#include "cli/looking.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/place.h"

/* ---- the store ---- */

bool looking_configure(const char *path, struct config *config)
{
    struct config_report report = {0};
    bool is_valid = config_load(path, config, &report);
    fputs(text_string(&report.errors), stderr);
    config_report_clear(&report);
    return is_valid;
}

bool looking_configure_or_last_valid(struct config *config)
{
    struct config_report report = {0};
    bool is_usable = config_load_or_last_valid(NULL, config, &report);
    fputs(text_string(&report.errors), stderr);
    if (is_usable && config->refusal)
        fputs("the last valid configuration is in force\n", stderr);
    config_report_clear(&report);
    return is_usable;
}

void looking_say_where(const struct config *config, const char *store)
{
    struct arena arena = {0};
    fprintf(stderr, "configuration: %s%s%s\n", *config->path ? config->path : "none",
            store ? ", store: " : "", store ? store_place_name(&arena, store) : "");
    arena_clear(&arena);
}

enum cli_exit looking_failed(const struct error *error)
{
    return cli_fail(CLI_STORE, "%s", error->text);
}

enum cli_exit looking_begin(struct looking *looking)
{
    struct error error = {0};
    if (!looking_configure_or_last_valid(&looking->config))
        return CLI_NO;
    looking->path = store_find(&looking->arena, looking->config.store, &error);
    looking_say_where(&looking->config, looking->path);
    if (looking->path)
        looking_open_spool(looking);
    if (looking->path)
        looking->history = history_open(looking->path, &error);
    return looking->history ? CLI_DONE : looking_failed(&error);
}

void looking_open_spool(struct looking *looking)
{
    struct error error = {0};
    const char *path = store_spool_find(&looking->arena, looking->path, &error);
    if (path)
        looking->spool = history_open(path, &error);
    if (looking->spool)
        (void)history_count(looking->spool, &looking->spooled, &error);
    if (error.code && error.code != ERROR_NOT_FOUND)
        fprintf(stderr, "spool: %s\n", error.text);
    if (looking->spooled > 0)
        fprintf(
            stderr,
            "spool: %lld alerts that this node took while the store was out of reach are yet to "
            "be moved there: %s\n",
            (long long)looking->spooled, path);
}

bool looking_add_spool(const struct looking *looking, struct store *store, struct error *error)
{
    struct arena arena = {0};
    const char *path = store_spool_find(&arena, looking->path, error);
    bool is_well = path ? store_add_spool(store, path, error) : !error->code;
    arena_clear(&arena);
    return is_well;
}

void looking_end(struct looking *looking)
{
    history_close(looking->spool);
    history_close(looking->history);
    arena_clear(&looking->arena);
    config_free(&looking->config);
}

/* ---- words ---- */

/* C0, DEL and C1 (U+0080 to U+009F). */
static bool is_control(const char *bytes, size_t length)
{
    unsigned char first = (unsigned char)bytes[0];
    return length == 1 ? first < 0x20 || first == 0x7f
                       : length == 2 && first == 0xc2 && (unsigned char)bytes[1] < 0xa0;
}

void put_safe(struct text *out, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = utf8_sequence(text, left);
        if (length == 0 || is_control(text, length))
            text_puts(out, *text == '\n' || *text == '\t' ? " " : "\xef\xbf\xbd");
        else
            text_append(out, text, length);
        text += length ? length : 1;
        left -= length ? length : 1;
    }
}

void put_time(struct text *out, int64_t ms)
{
    char time[32];
    clock_rfc3339(ms / 1000, time);
    text_puts(out, time);
}

void put_reason(struct text *out, const char *code, const char *message)
{
    put_safe(out, code);
    text_puts(out, *code && *message ? ": " : "");
    put_safe(out, message);
}

void put_destination(struct text *out, const struct delivery_record *record)
{
    put_safe(out, route_name(record->route));
    text_puts(out, " (");
    put_safe(out, record->flashduty_key);
    text_putc(out, ')');
}

void put_key(struct text *out, const char *flashduty_key)
{
    text_printf(out, "%.*s…", KEY_SHOWN, flashduty_key);
}

void put_try(struct text *out, const char *indent, const struct try_record *record)
{
    text_printf(out, "%stry %lld  ", indent, (long long)record->number);
    put_time(out, record->started_ms);
    text_printf(out, "  %s, ", verdict_name(record->verdict));
    if (record->status)
        text_printf(out, "HTTP %lld", (long long)record->status);
    else
        text_puts(out, "no answer");
    text_printf(out, " after %lld ms", (long long)record->took_ms);
    text_puts(out, *record->code || *record->message ? ", " : "");
    put_reason(out, record->code, record->message);
    if (*record->request_id) {
        text_puts(out, ", Flashduty's request_id ");
        put_safe(out, record->request_id);
    }
    text_putc(out, '\n');
}

void print_text(struct text *out)
{
    fputs(text_string(out), stdout);
    text_clear(out);
}

void print_line(struct text *out)
{
    text_putc(out, '\n');
    print_text(out);
}

/* ---- reading what a person wrote ---- */

static const char *read_number(const char *text, int64_t *number)
{
    const char *end = text;
    for (*number = 0; *end >= '0' && *end <= '9' && *number < INT64_MAX / 10 - 1; end++)
        *number = *number * 10 + (*end - '0');
    return end > text && (*end < '0' || *end > '9') ? end : NULL;
}

bool read_age(const char *text, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    int64_t number;
    const char *unit = read_number(text, &number);
    for (size_t i = 0; unit && i < sizeof units / sizeof *units; i++) {
        if (unit[0] != units[i].letter || unit[1] || number > INT64_MAX / units[i].ms)
            continue;
        *ms = number * units[i].ms;
        return true;
    }
    return false;
}

bool read_id(const char *text, int64_t *id)
{
    const char *end = read_number(text, id);
    return end && !*end && *id > 0;
}

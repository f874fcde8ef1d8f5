#include "status/history_json.h"

#include <string.h>

#include "base/clock.h"

/* ---- names ---- */

const char *route_name(const char *route)
{
    return *route ? route : "default";
}

static const char *const verdict_names[] = {
    [TRY_ACCEPTED] = "accepted",
    [TRY_REJECTED] = "rejected",
    [TRY_FAILED] = "failed",
    [TRY_NONE] = "not made",
};

const char *verdict_name(enum try_verdict verdict)
{
    return (size_t)verdict < sizeof verdict_names / sizeof *verdict_names ? verdict_names[verdict]
                                                                          : "unknown";
}

unsigned delivery_states(const char *text)
{
    unsigned states = 0;
    for (size_t length; *text; text += length + (text[length] == ',')) {
        unsigned before = states;
        length = strcspn(text, ",");
        for (unsigned i = 0; i < DELIVERY_REFUSED; i++) {
            if (strlen(delivery_state_names[i]) == length &&
                !strncmp(delivery_state_names[i], text, length))
                states |= 1U << i;
        }
        if (states == before)
            return 0;
    }
    return states;
}

/* ---- JSON ---- */

static char last(const struct text *out)
{
    const char *string = text_string(out);
    return *string ? string[out->length - 1] : '\0';
}

void json_begin(struct text *out)
{
    text_puts(out, last(out) == '}' ? ",{" : "{");
}

void json_put_name(struct text *out, const char *name)
{
    text_puts(out, last(out) == '{' ? "" : ",");
    text_json(out, name);
    text_putc(out, ':');
}

void json_put_text(struct text *out, const char *name, const char *value)
{
    json_put_name(out, name);
    text_json(out, value);
}

void json_put_number(struct text *out, const char *name, int64_t value)
{
    json_put_name(out, name);
    text_printf(out, "%lld", (long long)value);
}

void json_put_bool(struct text *out, const char *name, bool value)
{
    json_put_name(out, name);
    text_puts(out, value ? "true" : "false");
}

void json_put_time(struct text *out, const char *name, int64_t ms)
{
    char time[32];
    clock_rfc3339(ms / 1000, time);
    json_put_text(out, name, ms ? time : NULL);
}

void json_put_delivery(struct text *out, const struct delivery_record *record)
{
    bool is_waiting = record->state == DELIVERY_WAITING;
    json_put_number(out, "id", record->id);
    json_put_text(out, "state", delivery_state_names[record->state]);
    json_put_text(out, "integration", record->integration);
    json_put_text(out, "route", route_name(record->route));
    json_put_text(out, "key", record->flashduty_key);
    json_put_text(out, "severity", severity_names[record->severity]);
    json_put_text(out, "title", record->title);
    json_put_text(out, "alert_key", record->alert_key);
    json_put_text(out, "request_id", record->request_id);
    json_put_text(out, "message_id", record->message_id);
    json_put_time(out, "received", record->received_ms);
    json_put_number(out, "try_count", record->tries);
    json_put_time(out, "due", is_waiting ? record->due_ms : 0);
    json_put_time(out, "finished", record->finished_ms);
    json_put_number(out, "behind", record->after);
    json_put_text(out, "code", record->code);
    json_put_text(out, "message", record->message);
}

static bool add_try(void *context, const struct try_record *record)
{
    struct text *out = context;
    json_begin(out);
    json_put_number(out, "number", record->number);
    json_put_time(out, "started", record->started_ms);
    json_put_number(out, "took_ms", record->took_ms);
    json_put_text(out, "verdict", verdict_name(record->verdict));
    json_put_number(out, "status", record->status);
    json_put_text(out, "code", record->code);
    json_put_text(out, "message", record->message);
    json_put_text(out, "request_id", record->request_id);
    text_putc(out, '}');
    return true;
}

bool json_put_tries(struct text *out, struct history *history, int64_t delivery_id,
                    struct error *error)
{
    json_put_name(out, "tries");
    text_putc(out, '[');
    bool is_read = history_tries(history, delivery_id, add_try, out, error);
    text_putc(out, ']');
    return is_read;
}

void json_put_ledger(struct text *out, const struct ledger_record *record)
{
    json_put_text(out, "integration", record->integration);
    json_put_number(out, "received", record->received);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        json_put_number(out, outcome_names[i], record->counts[i]);
}

void json_put_figures(struct text *out, const struct outbox_figures *figures)
{
    json_put_number(out, "waiting", figures->waiting);
    json_put_time(out, "oldest_waiting", figures->oldest_waiting_ms);
    json_put_number(out, "sending", figures->sending);
    json_put_number(out, "rejected", figures->rejected);
    json_put_number(out, "expired", figures->expired);
    json_put_number(out, "kept", figures->kept);
    json_put_number(out, "failing_keys", figures->failing_keys);
    json_put_number(out, "confirmations", figures->confirmations);
    json_put_time(out, "drained", figures->drained_ms);
}

void json_put_node(struct text *out, const struct node_record *record)
{
    json_put_text(out, "id", record->node);
    json_put_text(out, "host", record->host);
    json_put_text(out, "program", record->program);
    json_put_text(out, "version", record->version);
    json_put_time(out, "since", record->since_ms);
    json_put_time(out, "seen", record->seen_ms);
    json_put_bool(out, "silent", record->is_silent);
    if (record->spooled >= 0)
        json_put_number(out, "spooled", record->spooled);
}

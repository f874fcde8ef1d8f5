#include <stdio.h>

#include "cli/looking.h"

/* A flapping alert has thousands of events. */
#define LIFE_MAX 1000

struct telling {
    struct history *history;
    struct error *error;
    struct text out;
    bool json;
    int64_t count, recovered_ms;
};

/* ---- for people ---- */

static bool tell_try(void *context, const struct try_record *record)
{
    put_try(context, "      ", record);
    return true;
}

static bool tell_delivery(void *context, const struct delivery_record *record)
{
    struct telling *telling = context;
    struct text *out = &telling->out;
    text_printf(out, "  delivery  %lld to ", (long long)record->id);
    put_destination(out, record);
    text_printf(out, ": %s", delivery_state_names[record->state]);
    if (record->after)
        text_printf(out, " behind delivery %lld", (long long)record->after);
    if (record->state == DELIVERY_WAITING && !record->after) {
        text_puts(out, ", next try ");
        put_time(out, record->due_ms);
    }
    text_putc(out, '\n');
    return history_tries(telling->history, record->id, tell_try, out, telling->error);
}

static void tell_event(struct text *out, const struct alert_record *record)
{
    text_puts(out, "received    ");
    put_time(out, record->received_ms);
    text_puts(out, " by ");
    put_safe(out, record->integration);
    text_puts(out, ", request ");
    put_safe(out, record->request_id);
    if (*record->message_id) {
        text_puts(out, ", message ");
        put_safe(out, record->message_id);
    }
    text_puts(out, "\n  event     ");
    if (record->time_s)
        put_time(out, record->time_s * 1000);
    else
        text_puts(out, "time not known");
    text_puts(out, record->time_s ? " by the vendor's clock\n" : "\n");
    text_puts(out, "  verified  what is taken has passed its endpoint's checks (push key, and "
                   "signature where there is one); more is not kept\n");
    text_printf(out, "  mapped    %s: ", severity_names[record->severity]);
    put_safe(out, record->title);
    text_printf(out, "\n  outcome   %s\n", outcome_names[record->outcome]);
}

/* ---- for programs ---- */

static bool add_delivery(void *context, const struct delivery_record *record)
{
    struct telling *telling = context;
    json_begin(&telling->out);
    json_put_delivery(&telling->out, record);
    bool is_read = json_put_tries(&telling->out, telling->history, record->id, telling->error);
    text_putc(&telling->out, '}');
    return is_read;
}

static void add_event(struct text *out, const struct alert_record *record)
{
    json_begin(out);
    json_put_text(out, "alert_key", record->alert_key);
    json_put_text(out, "integration", record->integration);
    json_put_text(out, "request_id", record->request_id);
    json_put_text(out, "message_id", record->message_id);
    json_put_time(out, "received", record->received_ms);
    json_put_time(out, "vendor_time", record->time_s * 1000);
    json_put_text(out, "severity", severity_names[record->severity]);
    json_put_text(out, "title", record->title);
    json_put_text(out, "outcome", outcome_names[record->outcome]);
    json_put_name(out, "event");
    text_puts(out, *record->event ? record->event : "null");
    json_put_name(out, "deliveries");
    text_putc(out, '[');
}

/* ---- both ---- */

static bool tell(void *context, const struct alert_record *record)
{
    struct telling *telling = context;
    telling->count++;
    if (record->severity == SEVERITY_OK)
        telling->recovered_ms = record->received_ms;
    if (telling->json)
        add_event(&telling->out, record);
    else
        tell_event(&telling->out, record);
    bool is_read = history_deliveries_of(telling->history, record->id,
                                         telling->json ? add_delivery : tell_delivery, telling,
                                         telling->error);
    text_puts(&telling->out, telling->json ? "]}\n" : "");
    print_text(&telling->out);
    return is_read && !telling->error->code;
}

static void tell_end(struct telling *telling)
{
    struct text *out = &telling->out;
    if (telling->recovered_ms) {
        text_puts(out, "recovered   ");
        put_time(out, telling->recovered_ms);
        text_putc(out, '\n');
    } else {
        text_puts(out, "recovered   not yet\n");
    }
    if (telling->count == LIFE_MAX)
        text_printf(out, "…           its first %d events only\n", LIFE_MAX);
    print_text(out);
}

static enum cli_exit tell_life(const struct cli_call *call, struct looking *looking)
{
    struct error error = {0};
    struct alert_record found;
    struct telling telling = {.history = looking->history, .error = &error, .json = call->json};
    if (!history_find_alert(looking->history, call->words[0], &looking->arena, &found, &error))
        return error.code ? looking_failed(&error)
                          : cli_fail(CLI_NOT_FOUND,
                                     "no alert has this alert key, request id or message id, nor "
                                     "this text in its title or labels");
    if (!call->json) {
        text_puts(&telling.out, "alert key   ");
        put_safe(&telling.out, found.alert_key);
        print_line(&telling.out);
    }
    if (history_life(looking->history, &found, LIFE_MAX, tell, &telling, &error) && !error.code &&
        !call->json)
        tell_end(&telling);
    text_clear(&telling.out);
    return error.code ? looking_failed(&error) : CLI_DONE;
}

static enum cli_exit run(const struct cli_call *call)
{
    struct looking looking = {0};
    enum cli_exit status = looking_begin(&looking);
    if (status == CLI_DONE)
        status = tell_life(call, &looking);
    looking_end(&looking);
    return status;
}

const struct command command_alert = {
    .name = "alert",
    .arguments = "KEY|REQUEST_ID|MESSAGE_ID|TEXT [-o json]",
    .summary = "The life of one alert: received, mapped, every try to deliver it, recovered",
    .help =
        "The newest alert with this alert key, request id (that of the answer and the log) or the\n"
        "vendor's message id; else the newest whose title or labels hold TEXT. All its events are\n"
        "shown, from its first to its recovery. Exit status 4 if there is none.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};

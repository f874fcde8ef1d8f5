#include <stdio.h>

#include "cli/looking.h"

struct listing {
    bool json;
    int64_t count;
};

static void put_json(struct text *out, const struct confirmation_record *record)
{
    json_begin(out);
    json_put_number(out, "id", record->id);
    json_put_text(out, "state", record->is_given_up ? "given up" : "waiting");
    json_put_text(out, "integration", record->integration);
    json_put_text(out, "host", record->host);
    json_put_text(out, "url", record->url);
    json_put_text(out, "reason", record->reason);
    json_put_text(out, "request_id", record->request_id);
    json_put_text(out, "topic", record->topic);
    json_put_time(out, "received", record->received_ms);
    json_put_number(out, "try_count", record->tries);
    json_put_time(out, "due", record->is_given_up ? 0 : record->due_ms);
    text_putc(out, '}');
}

static void put_words(struct text *out, const struct confirmation_record *record)
{
    put_safe(out, record->integration);
    text_puts(out, "  received ");
    put_time(out, record->received_ms);
    text_printf(out, ", %s after %lld tr%s", record->is_given_up ? "given up" : "failed",
                (long long)record->tries, record->tries == 1 ? "y" : "ies");
    if (!record->is_given_up) {
        text_puts(out, ", next ");
        put_time(out, record->due_ms);
    }
    text_puts(out, "\n  topic ");
    put_safe(out, record->topic);
    text_puts(out, "\n  why   ");
    put_safe(out, record->reason);
    text_puts(out, "\n  open  ");
    put_safe(out, record->url);
}

static bool show(void *context, const struct confirmation_record *record)
{
    struct listing *listing = context;
    struct text out = {0};
    listing->count++;
    if (listing->json)
        put_json(&out, record);
    else
        put_words(&out, record);
    print_line(&out);
    return true;
}

static enum cli_exit run(const struct cli_call *call)
{
    struct looking looking = {0};
    struct listing listing = {.json = call->json};
    struct error error = {0};
    enum cli_exit status = looking_begin(&looking);
    if (status == CLI_DONE && !history_confirmations(looking.history, show, &listing, &error))
        status = looking_failed(&error);
    if (status == CLI_DONE && listing.count == 0)
        fprintf(stderr, "nothing: every subscription is confirmed\n");
    looking_end(&looking);
    return status;
}

const struct command command_confirm = {
    .name = "confirm",
    .arguments = "[-o json]",
    .summary = "Lists confirmations that could not be carried out, with the link to open by hand",
    .help =
        "A link confirms a subscription for 48 hours, whoever opens it: show it to nobody. Until\n"
        "then it is tried again by whatever drains the outbox.\n",
    .run = run,
};

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/looking.h"
#include "config/keys.h"

/* Orders given in one transaction: others wait for it. */
#define BATCH 100
/* What is being sent is over by then, or waits. */
#define BUSY_PATIENCE_MS 10000
#define BUSY_PAUSE_MS 250

static const char *state_option, *integration_option, *destination_option, *age_option;
static bool all_flag, rehearse_flag, force_flag;
static const struct cli_option options[] = {{.name = "state", .value = &state_option},
                                            {.name = "integration", .value = &integration_option},
                                            {.name = "destination", .value = &destination_option},
                                            {.name = "older-than", .value = &age_option},
                                            {.name = "all", .flag = &all_flag},
                                            {.name = "dry-run", .flag = &rehearse_flag},
                                            {.name = "force", .flag = &force_flag},
                                            {0}};

/* Deliveries that a person named, or that fit a filter. */
struct chosen {
    int64_t *ids;
    size_t count;
    bool is_out_of_memory;
};

/* ---- which ones ---- */

static bool choose(struct chosen *chosen, int64_t id)
{
    int64_t *longer = realloc(chosen->ids, (chosen->count + 1) * sizeof *longer);
    chosen->is_out_of_memory |= !longer;
    if (!longer)
        return false;
    chosen->ids = longer;
    chosen->ids[chosen->count++] = id;
    return true;
}

static bool choose_shown(void *context, const struct delivery_record *record)
{
    return choose(context, record->id);
}

static bool read_filter(struct delivery_filter *filter)
{
    int64_t age_ms = 0;
    *filter = (struct delivery_filter){.integration = integration_option,
                                       .destination = destination_option};
    if (state_option && !(filter->states = delivery_states(state_option)))
        return cli_usage("--state is " DELIVERY_STATES_HELP) == CLI_DONE;
    if (age_option && !read_age(age_option, &age_ms))
        return cli_usage("--older-than is an age like 30s, 10m, 2h or 3d") == CLI_DONE;
    if (age_option)
        filter->received_before_ms = clock_wall_ms() - age_ms;
    return true;
}

static bool has_filter(void)
{
    return state_option || integration_option || destination_option || age_option;
}

static enum cli_exit read_ids(const struct cli_call *call, struct chosen *chosen)
{
    for (int i = 1; i < call->count; i++) {
        int64_t id;
        if (!read_id(call->words[i], &id))
            return cli_usage("\"%s\" is no ID of a delivery: outbox list shows them",
                             call->words[i]);
        if (!choose(chosen, id))
            return cli_fail(CLI_NO, "out of memory");
    }
    return CLI_DONE;
}

/* ---- list ---- */

struct listing {
    bool json;
    int64_t count;
};

static void put_notes(struct text *out, const struct delivery_record *record)
{
    struct text notes = {0};
    if (record->after > 0)
        text_printf(&notes, "behind %s%lld", record->id < 0 ? "-" : "", (long long)record->after);
    else if (record->after < 0)
        text_puts(&notes, "until the store can be reached");
    else if (record->state == DELIVERY_WAITING) {
        text_puts(&notes, "next ");
        put_time(&notes, record->due_ms);
    }
    if (*record->code || *record->message) {
        text_puts(&notes, notes.length ? "; " : "");
        put_reason(&notes, record->code, record->message);
    }
    if (notes.length)
        text_printf(out, "  (%s)", text_string(&notes));
    text_clear(&notes);
}

static bool list_one(void *context, const struct delivery_record *record)
{
    struct listing *listing = context;
    struct text out = {0};
    listing->count++;
    if (listing->json) {
        json_begin(&out);
        json_put_delivery(&out, record);
        text_putc(&out, '}');
    } else {
        text_printf(&out, "%-6lld  %-9s  %-8s  ", (long long)record->id,
                    delivery_state_names[record->state], severity_names[record->severity]);
        put_time(&out, record->received_ms);
        text_puts(&out, "  ");
        put_safe(&out, record->integration);
        text_puts(&out, " to ");
        put_destination(&out, record);
        text_puts(&out, "  ");
        put_safe(&out, record->title);
        put_notes(&out, record);
    }
    print_line(&out);
    return true;
}

static bool list_spooled(void *context, const struct delivery_record *record)
{
    struct delivery_record outside = *record;
    outside.id = -record->id;
    return list_one(context, &outside);
}

static enum cli_exit list(const struct cli_call *call, struct looking *looking,
                          const struct chosen *chosen, const struct delivery_filter *filter)
{
    struct listing listing = {.json = call->json};
    struct delivery_filter wanted = *filter;
    struct error error = {0};
    (void)chosen;
    if (all_flag)
        wanted.states = (1U << DELIVERY_REFUSED) - 1;
    /* What the spool has can be told without the store. */
    if ((looking->history &&
         !history_deliveries(looking->history, &wanted, list_one, &listing, &error)) ||
        (looking->spool &&
         !history_deliveries(looking->spool, &wanted, list_spooled, &listing, &error)))
        return looking_failed(&error);
    if (listing.count == 0)
        fprintf(stderr, "nothing\n");
    return CLI_DONE;
}

/* ---- show ---- */

static void put_line(struct text *out, const char *name, const char *value)
{
    text_printf(out, "  %-12s ", name);
    put_safe(out, value);
    text_putc(out, '\n');
}

static void put_moment(struct text *out, const char *name, int64_t ms)
{
    if (!ms)
        return;
    text_printf(out, "  %-12s ", name);
    put_time(out, ms);
    text_putc(out, '\n');
}

static bool show_try(void *context, const struct try_record *record)
{
    put_try(context, "  ", record);
    return true;
}

static bool put_shown(struct text *out, struct history *history,
                      const struct delivery_record *record, const struct alert_record *alert,
                      struct error *error)
{
    bool is_waiting = record->state == DELIVERY_WAITING;
    text_printf(out, "%lld  %s%s", (long long)record->id, delivery_state_names[record->state],
                *record->code || *record->message ? ": " : "");
    put_reason(out, record->code, record->message);
    text_putc(out, '\n');
    put_line(out, "title", record->title);
    put_line(out, "severity", severity_names[record->severity]);
    put_line(out, "integration", record->integration);
    text_printf(out, "  %-12s ", "destination");
    put_destination(out, record);
    text_putc(out, '\n');
    put_line(out, "alert key", record->alert_key);
    put_line(out, "request", record->request_id);
    put_line(out, "message", record->message_id);
    put_moment(out, "received", record->received_ms);
    put_moment(out, "vendor time", alert->time_s * 1000);
    put_moment(out, "due", is_waiting ? record->due_ms : 0);
    put_moment(out, "over", record->finished_ms);
    if (record->after)
        text_printf(out, "  %-12s delivery %lld\n", "waits behind", (long long)record->after);
    put_line(out, "event", alert->event);
    return history_tries(history, record->id, show_try, out, error);
}

static bool put_shown_json(struct text *out, struct history *history,
                           const struct delivery_record *record, const struct alert_record *alert,
                           struct error *error)
{
    json_begin(out);
    json_put_delivery(out, record);
    json_put_time(out, "vendor_time", alert->time_s * 1000);
    json_put_name(out, "event");
    text_puts(out, *alert->event ? alert->event : "null");
    bool is_read = json_put_tries(out, history, record->id, error);
    text_puts(out, "}\n");
    return is_read;
}

static enum cli_exit show_one(const struct cli_call *call, struct looking *looking, int64_t id)
{
    struct delivery_record record;
    struct alert_record alert;
    struct error error = {0};
    struct text out = {0};
    struct arena *arena = &looking->arena;
    struct history *history = looking->history;
    bool is_found = history_delivery(history, id, arena, &record, &error) &&
                    history_alert(history, record.alert_id, arena, &alert, &error);
    if (is_found && call->json)
        (void)put_shown_json(&out, history, &record, &alert, &error);
    else if (is_found)
        (void)put_shown(&out, history, &record, &alert, &error);
    if (is_found && !error.code)
        print_text(&out);
    text_clear(&out);
    if (error.code)
        return looking_failed(&error);
    return is_found ? CLI_DONE
                    : cli_fail(CLI_NOT_FOUND, "there is no delivery %lld", (long long)id);
}

static enum cli_exit show(const struct cli_call *call, struct looking *looking,
                          const struct chosen *chosen, const struct delivery_filter *filter)
{
    enum cli_exit status = CLI_DONE;
    (void)filter;
    for (size_t i = 0; i < chosen->count && status != CLI_STORE; i++) {
        enum cli_exit one = show_one(call, looking, chosen->ids[i]);
        status = one == CLI_DONE ? status : one;
    }
    return status;
}

/* ---- retry and drop ---- */

static const struct {
    const char *done, *rehearsed, *refused;
} order_words[] = {
    [ORDER_RETRY] = {"retried", "would be retried", "not retried"},
    [ORDER_DROP] = {"dropped", "would be dropped", "not dropped"},
};

static const struct {
    const char *name, *reason;
    enum cli_exit status;
} result_words[] = {
    [ORDER_DONE] = {"done", "", CLI_DONE},
    [ORDER_UNKNOWN] = {"unknown", "there is no such delivery", CLI_NOT_FOUND},
    [ORDER_OVER] = {"over", "it is delivered or dropped", CLI_NO},
    [ORDER_BUSY] = {"busy", "it, or a later event of its alert, is being sent", CLI_NO},
    [ORDER_STALE] = {"stale",
                     "something newer of its alert was taken since, and it would turn that back; "
                     "--force sends it all the same",
                     CLI_NO},
};

static bool give(struct history *history, const struct order *order, const struct chosen *chosen,
                 enum order_result *results, struct error *error)
{
    for (size_t i = 0; i < chosen->count; i += BATCH) {
        size_t count = chosen->count - i < BATCH ? chosen->count - i : BATCH;
        if (!history_order(history, order, chosen->ids + i, count, results + i, error))
            return false;
    }
    return true;
}

/* Asks again for what is being sent, until that is over. */
static bool give_again(struct history *history, const struct order *order,
                       const struct chosen *chosen, enum order_result *results, struct error *error)
{
    int64_t until_ms = clock_monotonic_ms() + BUSY_PATIENCE_MS;
    bool is_busy = !order->is_rehearsed;
    while (is_busy && clock_monotonic_ms() < until_ms) {
        is_busy = false;
        for (size_t i = 0; i < chosen->count; i++) {
            if (results[i] != ORDER_BUSY)
                continue;
            if (!history_order(history, order, &chosen->ids[i], 1, &results[i], error))
                return false;
            is_busy |= results[i] == ORDER_BUSY;
        }
        if (is_busy)
            clock_pause(BUSY_PAUSE_MS);
    }
    return true;
}

static void print_result(const struct cli_call *call, struct history *history,
                         const struct order *order, int64_t id, enum order_result result)
{
    struct arena arena = {0};
    struct error ignored = {0};
    struct delivery_record record;
    struct text out = {0};
    bool is_there = history_delivery(history, id, &arena, &record, &ignored);
    const char *done =
        order->is_rehearsed ? order_words[order->kind].rehearsed : order_words[order->kind].done;
    if (call->json) {
        json_begin(&out);
        json_put_number(&out, "id", id);
        json_put_text(&out, "result", result_words[result].name);
        json_put_bool(&out, "dry_run", order->is_rehearsed);
        json_put_text(&out, "state", is_there ? delivery_state_names[record.state] : NULL);
        json_put_text(&out, "integration", is_there ? record.integration : NULL);
        json_put_text(&out, "title", is_there ? record.title : NULL);
        text_putc(&out, '}');
    } else {
        text_printf(&out, "%-6lld  %s", (long long)id,
                    result == ORDER_DONE ? done : order_words[order->kind].refused);
        if (result != ORDER_DONE)
            text_printf(&out, ": %s", result_words[result].reason);
        if (is_there) {
            text_puts(&out, "  ");
            put_safe(&out, record.integration);
            text_puts(&out, " to ");
            put_destination(&out, &record);
            text_puts(&out, "  ");
            put_safe(&out, record.title);
        }
    }
    print_line(&out);
    arena_clear(&arena);
}

/* The worst of all. What fitted a filter, and was over before its turn came, is well. */
static enum cli_exit report(const struct cli_call *call, struct history *history,
                            const struct order *order, const struct chosen *chosen,
                            const enum order_result *results)
{
    enum cli_exit status = CLI_DONE;
    for (size_t i = 0; i < chosen->count; i++) {
        enum cli_exit one = result_words[results[i]].status;
        print_result(call, history, order, chosen->ids[i], results[i]);
        if (results[i] == ORDER_OVER && call->count == 1)
            one = CLI_DONE;
        status = one > status ? one : status;
    }
    if (chosen->count == 0)
        fprintf(stderr, "nothing\n");
    return status;
}

static enum cli_exit order(const struct cli_call *call, struct looking *looking,
                           const struct chosen *chosen, enum order_kind kind)
{
    struct error error = {0};
    struct order order = {.kind = kind, .is_forced = force_flag, .is_rehearsed = rehearse_flag};
    enum order_result *results =
        arena_alloc(&looking->arena, (chosen->count + 1) * sizeof *results);
    order.keys = config_keys(&looking->config, &looking->arena, &order.key_count);
    if (!results || !order.keys)
        return cli_fail(CLI_NO, "out of memory");
    if (!give(looking->history, &order, chosen, results, &error) ||
        !give_again(looking->history, &order, chosen, results, &error))
        return looking_failed(&error);
    return report(call, looking->history, &order, chosen, results);
}

/* What is being sent needs no order, unless it is asked for. */
static enum cli_exit order_chosen(const struct cli_call *call, struct looking *looking,
                                  const struct chosen *named, const struct delivery_filter *filter,
                                  enum order_kind kind)
{
    struct chosen found = {0};
    struct delivery_filter wanted = *filter;
    struct error error = {0};
    if (named->count > 0)
        return order(call, looking, named, kind);
    if (!wanted.states)
        wanted.states = 1U << DELIVERY_WAITING | 1U << DELIVERY_REJECTED | 1U << DELIVERY_EXPIRED;
    bool is_read = history_deliveries(looking->history, &wanted, choose_shown, &found, &error);
    enum cli_exit status = !is_read                 ? looking_failed(&error)
                           : found.is_out_of_memory ? cli_fail(CLI_NO, "out of memory")
                                                    : order(call, looking, &found, kind);
    free(found.ids);
    return status;
}

static enum cli_exit retry(const struct cli_call *call, struct looking *looking,
                           const struct chosen *chosen, const struct delivery_filter *filter)
{
    return order_chosen(call, looking, chosen, filter, ORDER_RETRY);
}

static enum cli_exit drop(const struct cli_call *call, struct looking *looking,
                          const struct chosen *chosen, const struct delivery_filter *filter)
{
    return order_chosen(call, looking, chosen, filter, ORDER_DROP);
}

/* ---- the command ---- */

static const struct verb {
    const char *name;
    bool takes_ids, takes_filters, is_order;
    enum cli_exit (*run)(const struct cli_call *call, struct looking *looking,
                         const struct chosen *chosen, const struct delivery_filter *filter);
} verbs[] = {
    {"list", false, true, false, list},
    {"show", true, false, false, show},
    {"retry", true, true, true, retry},
    {"drop", true, true, true, drop},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    }
    cli_usage("\"%s\" is none of list, show, retry and drop", name);
    return NULL;
}

/* The guard: nothing is done to the whole outbox by leaving something out. */
static enum cli_exit check_call(const struct cli_call *call, const struct verb *verb)
{
    bool has_ids = call->count > 1, picks = has_filter() || all_flag;
    const struct {
        bool is_wrong;
        const char *words;
    } rules[] = {
        {has_ids && !verb->takes_ids, "takes filters, and no IDs: see show"},
        {picks && !verb->takes_filters, "takes IDs, and no filters"},
        {!has_ids && !verb->takes_filters, "takes the ID of a delivery"},
        {has_ids && picks, "takes either IDs or filters"},
        {has_filter() && all_flag && verb->is_order, "takes either filters or --all"},
        {verb->is_order && !has_ids && !picks, "takes IDs, filters, or --all for all that waits, "
                                               "was rejected or has expired"},
        {rehearse_flag && !verb->is_order, "changes nothing: --dry-run is for retry and drop"},
        {force_flag && verb->run != retry, "takes no --force: that is for retry"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].is_wrong)
            return cli_usage("%s %s", verb->name, rules[i].words);
    }
    return CLI_DONE;
}

static enum cli_exit run(const struct cli_call *call)
{
    struct looking looking = {0};
    struct chosen chosen = {0};
    struct delivery_filter filter;
    const struct verb *verb = find_verb(call->words[0]);
    enum cli_exit status = verb ? check_call(call, verb) : CLI_USAGE;
    if (status == CLI_DONE && !read_filter(&filter))
        status = CLI_USAGE;
    if (status == CLI_DONE)
        status = read_ids(call, &chosen);
    if (status == CLI_DONE)
        status = looking_begin(&looking);
    bool tells_of_spool = status == CLI_STORE && looking.spooled > 0 && verb->run == list;
    if (tells_of_spool)
        (void)list(call, &looking, &chosen, &filter);
    if (status == CLI_DONE)
        status = verb->run(call, &looking, &chosen, &filter);
    free(chosen.ids);
    looking_end(&looking);
    return status;
}

const struct command command_outbox = {
    .name = "outbox",
    .arguments = "list|show|retry|drop [ID…] [--state S] [--integration N] [--destination D] "
                 "[--older-than AGE] [--all] [--dry-run] [--force] [-o json]",
    .summary = "What waits, was rejected or has expired, and why; retries or drops it",
    .help =
        "list    what waits, is being sent, was rejected or has expired; --all: the rest, too.\n"
        "        IDs below 0 are of this node's spool, and are moved before anything can be "
        "ordered\n"
        "show    all that is known of deliveries, with every try\n"
        "retry   makes deliveries due now; what was rejected, has expired or was dropped waits\n"
        "        again, with the present key of its route. What something newer of its alert has\n"
        "        overtaken is stale: it is sent with --force only.\n"
        "drop    takes deliveries out of the outbox: they are kept, and never sent\n"
        "\n"
        "retry and drop want IDs, or filters, or --all; --dry-run only says what they would do.\n"
        "  --state S        waiting, sending, rejected, expired, dropped, delivered; several with\n"
        "                   commas\n"
        "  --integration N  its name\n"
        "  --destination D  a route's name (default: that of the integration's own key), or at\n"
        "                   least the first 4 characters of a Flashduty key\n"
        "  --older-than AGE received so long ago: 30s, 10m, 2h, 3d\n"
        "Exit status 1 if something could not be done, 4 if an ID is unknown.\n",
    .min_words = 1,
    .max_words = CLI_ANY_WORDS,
    .run = run,
    .options = options,
};

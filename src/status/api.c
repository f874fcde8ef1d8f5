#include "status/api.h"

#include <string.h>

#include "status/form.h"
#include "status/history_json.h"
#include "status/summary.h"

#define PAGE_MAX 200
#define PAGE_USUAL 50

/* A page that is being written. */
struct listing {
    struct text out;
    struct visit *visit;
    int64_t limit, count;
    int64_t last; /* id of the last record */
    bool is_more, has_tries;
};

static bool read_limit(struct listing *listing)
{
    struct visit *visit = listing->visit;
    return form_number(visit->arena, visit->query, "limit", 1, PAGE_MAX, PAGE_USUAL,
                       &listing->limit, &visit->error);
}

static bool read_place(struct listing *listing, const char *name, int64_t *place)
{
    struct visit *visit = listing->visit;
    return form_number(visit->arena, visit->query, name, 0, INT64_MAX / 16, 0, place,
                       &visit->error);
}

static void put_next(struct listing *listing, const char *name)
{
    json_put_name(&listing->out, "next");
    if (!listing->is_more) {
        text_puts(&listing->out, "null");
        return;
    }
    text_printf(&listing->out, "\"%s=%lld\"", name, (long long)listing->last);
}

/* Ends the page, whatever came of it. */
static bool finish(struct listing *listing)
{
    struct visit *visit = listing->visit;
    bool is_whole =
        !visit->error.code && (!listing->out.failed || error_out_of_memory(&visit->error));
    text_putc(&listing->out, '}');
    if (is_whole)
        response_data(visit->response, response_status(ERROR_NONE), text_string(&listing->out));
    text_clear(&listing->out);
    return is_whole;
}

/* ---- deliveries ---- */

static bool add_delivery(void *context, const struct delivery_record *record)
{
    struct listing *listing = context;
    listing->is_more = listing->count == listing->limit;
    if (listing->is_more)
        return false;
    json_begin(&listing->out);
    json_put_delivery(&listing->out, record);
    bool is_read = !listing->has_tries || json_put_tries(&listing->out, listing->visit->history,
                                                         record->id, &listing->visit->error);
    text_putc(&listing->out, '}');
    listing->last = record->id;
    listing->count++;
    return is_read;
}

static bool read_states(struct visit *visit, unsigned *states)
{
    const char *text = form_value(visit->arena, visit->query, "state");
    *states = *text ? delivery_states(text) : ALL_STATES;
    return *states || error_set(&visit->error, ERROR_INVALID, "state is " DELIVERY_STATES_HELP);
}

static bool one_delivery(struct listing *listing, int64_t id)
{
    struct visit *visit = listing->visit;
    struct delivery_record record;
    if (!history_delivery(visit->history, id, visit->arena, &record, &visit->error))
        return error_set(&visit->error, ERROR_NOT_FOUND, "there is no delivery %lld",
                         (long long)id);
    return add_delivery(listing, &record);
}

bool api_deliveries(struct visit *visit)
{
    struct listing listing = {.visit = visit, .has_tries = true};
    struct delivery_search search = {.integration =
                                         form_value(visit->arena, visit->query, "integration"),
                                     .text = form_value(visit->arena, visit->query, "q")};
    int64_t id = 0;
    if (!visit_needs_store(visit) || !read_limit(&listing) ||
        !read_place(&listing, "before", &search.before) || !read_place(&listing, "id", &id) ||
        !read_states(visit, &search.states))
        return false;
    text_puts(&listing.out, "{\"deliveries\":[");
    if (id)
        (void)one_delivery(&listing, id);
    else
        (void)history_search(visit->history, &search, add_delivery, &listing, &visit->error);
    text_putc(&listing.out, ']');
    put_next(&listing, "before");
    return finish(&listing);
}

bool api_outbox(struct visit *visit)
{
    struct listing listing = {.visit = visit};
    struct delivery_filter filter = {0};
    struct outbox_figures figures = {0};
    if (!visit_needs_store(visit) || !read_limit(&listing) ||
        !read_place(&listing, "after", &filter.after) ||
        !history_figures(visit->history, &figures, &visit->error))
        return false;
    text_puts(&listing.out, "{\"outbox\":{");
    json_put_figures(&listing.out, &figures);
    text_puts(&listing.out, "},\"deliveries\":[");
    (void)history_deliveries(visit->history, &filter, add_delivery, &listing, &visit->error);
    text_putc(&listing.out, ']');
    put_next(&listing, "after");
    return finish(&listing);
}

/* ---- integrations ---- */

static void put_recent(struct text *out, const char *name, const struct recent *recent)
{
    json_put_name(out, name);
    json_begin(out);
    json_put_number(out, "received", recent->received);
    json_put_number(out, "delivered", recent->delivered);
    json_put_number(out, "waiting", recent->waiting);
    json_put_number(out, "failed", recent->failed);
    text_putc(out, '}');
}

static void put_integration(struct text *out, const struct integration_summary *item)
{
    json_begin(out);
    json_put_text(out, "name", item->name);
    json_put_text(out, "vendor", item->settings ? item->settings->vendor->name : NULL);
    json_put_time(out, "latest", item->latest_ms);
    put_recent(out, "hour", &item->hour);
    put_recent(out, "day", &item->day);
    json_put_name(out, "total");
    json_begin(out);
    json_put_ledger(out, &item->ledger);
    text_putc(out, '}');
    json_put_number(out, "destinations", item->destinations);
    json_put_number(out, "failing", item->failing);
    json_put_time(out, "accepted", item->accepted_ms);
    json_put_time(out, "canary", item->canary_ms);
    json_put_name(out, "subscriptions");
    json_begin(out);
    for (int i = 0; i < SUBSCRIPTION_STATE_COUNT; i++)
        json_put_number(out, subscription_state_names[i], item->subscriptions[i]);
    text_putc(out, '}');
    text_putc(out, '}');
}

bool api_integrations(struct visit *visit)
{
    struct listing listing = {.visit = visit};
    struct summary summary;
    struct timeline *timeline = timeline_new(visit->arena, SPAN_DAY, visit->now_ms);
    if (!timeline)
        return error_out_of_memory(&visit->error);
    if (!visit_needs_store(visit) || !read_limit(&listing) ||
        !read_place(&listing, "after", &listing.last) ||
        !summary_read(visit->history, visit->gateway->config, visit->now_ms, visit->arena, timeline,
                      &summary, &visit->error))
        return false;
    text_puts(&listing.out, "{\"integrations\":[");
    for (; listing.last < (int64_t)summary.count && listing.count < listing.limit; listing.count++)
        put_integration(&listing.out, &summary.items[listing.last++]);
    text_putc(&listing.out, ']');
    listing.is_more = listing.last < (int64_t)summary.count;
    put_next(&listing, "after");
    return finish(&listing);
}

/* ---- nodes ---- */

static bool add_node(void *context, const struct node_record *record)
{
    struct listing *listing = context;
    json_begin(&listing->out);
    json_put_node(&listing->out, record);
    text_putc(&listing->out, '}');
    return true;
}

bool api_nodes(struct visit *visit)
{
    struct listing listing = {.visit = visit};
    if (!visit_needs_store(visit))
        return false;
    text_puts(&listing.out, "{\"nodes\":[");
    (void)history_nodes(visit->history, add_node, &listing, &visit->error);
    text_putc(&listing.out, ']');
    put_next(&listing, "after");
    return finish(&listing);
}

#include "status/status.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "status/api.h"
#include "status/door.h"
#include "status/metrics.h"
#include "status/view.h"
#include "status/visit.h"

static bool answer_metrics(struct visit *visit)
{
    struct text *body = &visit->response->body;
    visit->response->status = response_status(ERROR_NONE);
    visit->response->type = METRICS_CONTENT_TYPE;
    metrics_write(visit->history, visit->gateway->config,
                  visit->gateway->store ? store_spooled(visit->gateway->store) : 0, body);
    return !body->failed || error_out_of_memory(&visit->error);
}

/* What stands below the endpoint, and at it. */
static const struct room {
    const char *path;
    bool takes_posts;
    bool (*answer)(struct visit *visit);
} rooms[] = {
    {"/metrics", false, answer_metrics},        {"/api/integrations", false, api_integrations},
    {"/api/deliveries", false, api_deliveries}, {"/api/outbox", false, api_outbox},
    {"/api/nodes", false, api_nodes},           {"", true, view_answer},
};

static const struct room *find_room(struct visit *visit)
{
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        if (request_is_for(visit->request, rooms[i].path))
            return &rooms[i];
    }
    error_set(&visit->error, ERROR_NOT_FOUND,
              "there is no such thing here: the status page has /metrics, /api/integrations, "
              "/api/deliveries, /api/outbox, /api/nodes and /healthz below it");
    return NULL;
}

static bool is_reading(const struct request *request)
{
    return !strcmp(request->method, "GET") || !strcmp(request->method, "HEAD");
}

/* The store may be older than this program, or not be there yet under plain CGI. */
static void open_history(struct visit *visit)
{
    struct store *store = visit->gateway->store;
    struct error first = {0};
    if (!store) {
        error_set(&visit->store_error, ERROR_UNAVAILABLE, "this gateway has no store");
        return;
    }
    visit->history = history_open(store_path(store), &first);
    if (!visit->history && store_is_writable(store, &visit->store_error))
        visit->history = history_open(store_path(store), &visit->store_error);
    if (visit->history)
        visit->now_ms = history_now_ms(visit->history);
}

bool visit_needs_store(struct visit *visit)
{
    return visit->history ||
           error_set(&visit->error, ERROR_UNAVAILABLE, "%s", visit->store_error.text);
}

static bool enter(struct visit *visit)
{
    const struct config *config = visit->gateway->config;
    if (!config)
        return error_set(&visit->error, ERROR_UNAVAILABLE,
                         "the gateway's configuration is broken: its log says where, and so does "
                         "flashduty-gateway check");
    if (visit->request->error.code)
        return error_set(&visit->error, visit->request->error.code, "%s",
                         visit->request->error.text);
    visit->visitor = door_visitor(visit->request, config->status_key, &visit->error);
    return visit->visitor;
}

static bool answer(struct visit *visit)
{
    const struct room *room = enter(visit) ? find_room(visit) : NULL;
    if (!room)
        return false;
    bool is_post = !strcmp(visit->request->method, "POST");
    if (!is_reading(visit->request) && !(is_post && room->takes_posts)) {
        visit->response->allow = room->takes_posts ? "GET, HEAD, POST" : "GET, HEAD";
        return error_set(&visit->error, ERROR_METHOD, "expected %s", visit->response->allow);
    }
    open_history(visit);
    bool is_answered = room->answer(visit);
    history_close(visit->history);
    return is_answered && (!visit->arena->failed || error_out_of_memory(&visit->error));
}

/* Whoever looks every few seconds shall not fill the log. */
static void log_visit(const struct visit *visit)
{
    bool is_bad = visit->error.code && visit->error.code != ERROR_METHOD;
    bool is_usual = !visit->error.code && is_reading(visit->request);
    log_event(is_bad     ? LOG_WARNING
              : is_usual ? LOG_DEBUG
                         : LOG_INFO,
              "status", "request_id", visit->request->id, "visitor", visit->visitor, "method",
              visit->request->method, "order", visit->order, "status",
              arena_printf(visit->arena, "%d", visit->response->status), "total_ms",
              arena_printf(visit->arena, "%lld",
                           (long long)(clock_monotonic_ms() - visit->request->arrived_ms)),
              "reason", visit->error.code ? visit->error.text : NULL, NULL);
}

void status_handle(void *context, struct request *request, struct response *response)
{
    const char *query = request_variable(request, "QUERY_STRING");
    struct visit visit = {.gateway = context,
                          .request = request,
                          .response = response,
                          .arena = &request->arena,
                          .query = query ? query : "",
                          .now_ms = clock_wall_ms()};
    response->request_id = request->id;
    response->is_head = !strcmp(request->method, "HEAD");
    if (request->is_health && is_reading(request)) {
        gateway_answer_health(visit.gateway, response);
        return;
    }
    if (!answer(&visit)) {
        response_error(response, &visit.error, NULL);
        if (visit.error.code == ERROR_UNAUTHORIZED)
            response->headers =
                "WWW-Authenticate: Basic realm=\"flashduty-gateway\", charset=\"UTF-8\"\r\n";
    }
    log_visit(&visit);
}

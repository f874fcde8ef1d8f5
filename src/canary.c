#include "canary.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "gateway.h"
#include "store/watch.h"

static void compose(const struct integration *integration, enum severity severity,
                    struct arena *arena, struct alert *alert)
{
    *alert = (struct alert){
        .severity = severity,
        .key = arena_printf(arena, "canary:%s", integration->name),
        .time_s = clock_wall_ms() / 1000,
    };
    alert_set_title(alert, arena,
                    arena_printf(arena, "flashduty-gateway: canary of %s", integration->name));
    alert_set_description(alert, arena,
                          "Nothing is wrong: this alert shows that the way to Flashduty is open. "
                          "Its recovery follows at once.",
                          "");
    gateway_apply_integration(integration, arena, alert);
    alert_force_label(alert, arena, "canary", "true");
    alert_force_label(alert, arena, "integration", integration->name);
}

static const char *reason_of(const struct dispatch *dispatch)
{
    if (dispatch->outcome == OUTCOME_DELIVERED)
        return "";
    if (dispatch->outcome == OUTCOME_UNROUTED)
        return "no route takes it, and there is no default route";
    if (*dispatch->reason)
        return dispatch->reason;
    for (size_t i = 0; i < dispatch->delivery_count; i++) {
        const struct delivery *delivery = &dispatch->deliveries[i];
        if (delivery_outcome(delivery) != OUTCOME_DELIVERED && *delivery->answer.message)
            return delivery->answer.message;
    }
    return "an earlier one waits, or its destination keeps failing";
}

static bool has_answer(const struct dispatch *dispatch)
{
    bool is_answered = false;
    for (size_t i = 0; i < dispatch->delivery_count; i++)
        is_answered |= dispatch->deliveries[i].last.status != 0;
    return is_answered;
}

static bool send_leg(const struct config *config, const struct delivery_means *means,
                     const struct integration *integration, enum severity severity,
                     struct canary_leg *leg, struct arena *arena)
{
    struct alert alert;
    char *request_id = arena_alloc(arena, REQUEST_ID_SIZE);
    int64_t start_ms = clock_monotonic_ms();
    compose(integration, severity, arena, &alert);
    struct choice choice = routing_choose(&integration->routing, &alert, arena, NULL);
    if (arena->failed || !request_id_make(request_id))
        return false;
    struct dispatch dispatch = {
        .alert = &alert,
        .scope = integration->name,
        .integration = CANARY_NAME,
        .request_id = request_id,
        .message_id = "",
        .destinations = choice.destinations,
        .destination_count = choice.count,
        .routes = integration->destinations,
        .route_count = integration->destination_count,
    };
    delivery_dispatch(means, &dispatch, 1, start_ms + config->deadline_ms, arena);
    *leg = (struct canary_leg){
        .outcome = dispatch.outcome,
        .request_id = request_id,
        .alert_key = alert.key,
        .reason = reason_of(&dispatch),
        .has_answer = has_answer(&dispatch),
        .is_unrecorded = dispatch.is_unrecorded,
        .took_ms = clock_monotonic_ms() - start_ms,
    };
    return !arena->failed;
}

bool canary_send(const struct config *config, const struct delivery_means *means,
                 const struct integration *integration, struct canary *canary, struct arena *arena)
{
    bool is_whole = send_leg(config, means, integration, SEVERITY_INFO, &canary->alert, arena) &&
                    send_leg(config, means, integration, SEVERITY_OK, &canary->recovery, arena);
    bool is_delivered = is_whole && canary->alert.outcome == OUTCOME_DELIVERED &&
                        canary->recovery.outcome == OUTCOME_DELIVERED;
    if (is_delivered && means->store && !store_canary(means->store, integration->name))
        log_event(LOG_WARNING, "not recorded", "request_id", canary->recovery.request_id, NULL);
    return is_whole;
}

#include "delivery/confirm.h"

#include "base/json.h"

static bool names_subscription(const struct text *body)
{
    struct json json = {0};
    struct error ignored = {0};
    bool parsed = json_parse(text_string(body), body->length, &json, &ignored);
    const char *urn = parsed ? json_string(json.root, "subscription_urn") : NULL;
    bool is_named = urn && *urn;
    json_clear(&json);
    return is_named;
}

bool confirm_subscription(const struct guarded_get *get, struct error *error)
{
    struct text body = {0};
    bool is_confirmed = guarded_get(get, &body, error);
    if (is_confirmed && !names_subscription(&body))
        is_confirmed =
            error_set(error, ERROR_UNAVAILABLE, "the console's answer names no subscription");
    text_clear(&body);
    return is_confirmed;
}

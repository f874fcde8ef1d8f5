/*
 * libFuzzer: whatever a vendor maps must be fit to be sent: within Flashduty's limits, well-formed
 * UTF-8, and nothing in it acts as a template. Each vendor gets every input, so that the fixtures
 * are seeds as they are.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "delivery/flashduty.h"
#include "vendors/smn_trust.h"
#include "vendors/vendor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static void must_be_clean(const char *text, size_t limit)
{
    for (size_t left = strlen(text), at = 0, length; at < left; at += length) {
        length = utf8_sequence(text + at, left - at);
        MUST(length > 0);
    }
    MUST(utf8_length(text) <= limit);
    MUST(!strstr(text, "{{"));
    MUST(strncmp(text, "[TPL]", 5));
}

static void must_be_label_name(const char *name)
{
    MUST(*name && !(*name >= '0' && *name <= '9') && strlen(name) <= ALERT_LABEL_NAME_MAX);
    MUST(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
         strlen(name));
}

static void must_be_fit(const struct alert *alert)
{
    struct text event = {0};
    struct json json;
    struct error error = {0};
    must_be_clean(alert->title, ALERT_TITLE_MAX);
    must_be_clean(alert->description, ALERT_DESCRIPTION_MAX);
    MUST(*alert->title && *alert->key && utf8_length(alert->key) <= ALERT_KEY_MAX);
    MUST(alert->label_count <= ALERT_LABELS_MAX);
    for (size_t i = 0; i < alert->label_count; i++) {
        must_be_label_name(alert->labels[i].name);
        must_be_clean(alert->labels[i].value, ALERT_LABEL_VALUE_MAX);
        MUST(*alert->labels[i].value);
        MUST(alert_label(alert, alert->labels[i].name) == alert->labels[i].value);
    }
    flashduty_encode(alert, &event);
    MUST(json_parse(text_string(&event), event.length, &json, &error));
    MUST(!json_duplicate(&json));
    json_clear(&json);
    text_clear(&event);
}

static void map(const struct vendor *vendor, const char *body, size_t length)
{
    struct json json = {0};
    struct arena arena = {0};
    struct receipt receipt = {0};
    struct error error = {0};
    struct smn_settings smn = {.verify = SMN_VERIFY_OFF};
    const struct vendor_input input = {
        .body = body, .length = length, .now_ms = 1795478400000, .smn = &smn};
    if (json_parse(body, length, &json, &error) &&
        vendor->authenticate(&input, &json, &arena, &error) &&
        vendor->parse(&input, &json, &arena, &receipt, &error)) {
        for (size_t i = 0; i < receipt.count; i++) {
            if (receipt.items[i].kind == ITEM_ALERT)
                must_be_fit(&receipt.items[i].alert);
        }
    } else {
        MUST(error.code != ERROR_NONE && *error.text);
    }
    json_clear(&json);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (const struct vendor *const *vendor = vendors; *vendor; vendor++)
        map(*vendor, (const char *)data, size);
    return 0;
}

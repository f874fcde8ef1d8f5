/*
 * Mapping a body, and what holds for every alert whatever was sent: for the fuzz targets and for
 * the unit tests of the vendors.
 */
#ifndef TESTS_FIT_H
#define TESTS_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "vendors/smn.h"
#include "vendors/vendor.h"

/* 2026-11-24T00:00:00Z */
#define NOW_MS 1795478400000

/* One mapping; cleared by mapping_clear. */
struct mapping {
    struct json json;
    struct arena arena;
    struct receipt receipt;
    struct error error;
};

/* Maps a body; false if it is refused. */
static inline bool mapping_of(struct mapping *mapping, const struct vendor *vendor,
                              const char *body, size_t length)
{
    static const struct smn_settings smn = {.verify = SMN_VERIFY_OFF};
    const struct vendor_input input = {
        .body = body, .length = length, .now_ms = NOW_MS, .smn = &smn};
    *mapping = (struct mapping){0};
    return json_parse(body, length, &mapping->json, &mapping->error) &&
           vendor->parse(&input, &mapping->json, &mapping->arena, &mapping->receipt,
                         &mapping->error);
}

static inline void mapping_clear(struct mapping *mapping)
{
    json_clear(&mapping->json);
    arena_clear(&mapping->arena);
}

static inline bool is_well_formed(const char *text)
{
    size_t left = strlen(text), length;
    for (; left > 0; text += length, left -= length) {
        if ((length = utf8_sequence(text, left)) == 0)
            return false;
    }
    return true;
}

/* What is wrong with a text that goes into an event; NULL if nothing is. */
static inline const char *fault_of_text(const char *text, size_t limit)
{
    if (!text)
        return "is missing";
    if (!is_well_formed(text))
        return "is ill-formed UTF-8";
    if (utf8_length(text) > limit)
        return "is too long";
    if (!strncmp(text, "[TPL]", strlen("[TPL]")) || strstr(text, "{{"))
        return "acts as a template";
    return NULL;
}

static inline const char *fault_of_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    if (!*name || strlen(name) > ALERT_LABEL_NAME_MAX || !strchr(letters, *name))
        return "is no label name";
    for (const char *c = name; *c; c++) {
        if (!strchr(letters, *c) && (*c < '0' || *c > '9'))
            return "is no label name";
    }
    return NULL;
}

static inline const char *fault_of_labels(const struct alert *alert)
{
    if (alert->label_count > ALERT_LABELS_MAX)
        return "more labels than there may be";
    for (size_t i = 0; i < alert->label_count; i++) {
        const struct label *label = &alert->labels[i];
        const char *fault = fault_of_name(label->name);
        fault = fault ? fault : fault_of_text(label->value, ALERT_LABEL_VALUE_MAX);
        if (fault)
            return fault;
        if (!*label->value)
            return "an empty label";
        for (size_t j = 0; j < i; j++) {
            if (!strcmp(alert->labels[j].name, label->name))
                return "a label twice";
        }
    }
    return NULL;
}

/* What is wrong with an alert; NULL if it may be sent. */
static inline const char *fault_of_alert(const struct alert *alert)
{
    const char *fault = fault_of_text(alert->title, ALERT_TITLE_MAX);
    fault = fault ? fault : fault_of_text(alert->description, ALERT_DESCRIPTION_MAX);
    fault = fault ? fault : fault_of_text(alert->key, ALERT_KEY_MAX);
    if (fault)
        return fault;
    if (!*alert->title || strpbrk(alert->title, "\r\n"))
        return "the title is no line";
    if (!*alert->key)
        return "the key is empty";
    if (alert->severity >= SEVERITY_COUNT)
        return "no severity";
    if (alert->severity == SEVERITY_OK && alert->level)
        return "a recovery with a level";
    return fault_of_labels(alert);
}

/* What is wrong with what a body was mapped to, or with the refusal; NULL if nothing is. */
static inline const char *fault_of_mapping(const struct mapping *mapping, bool is_mapped)
{
    enum error_code code = mapping->error.code;
    if (!is_mapped)
        return code == ERROR_INVALID || code == ERROR_FORBIDDEN ? NULL : "refused for no reason";
    if (code != ERROR_NONE)
        return "mapped with an error";
    for (size_t i = 0; i < mapping->receipt.count; i++) {
        const struct item *item = &mapping->receipt.items[i];
        const char *fault = item->kind == ITEM_ALERT ? fault_of_alert(&item->alert) : NULL;
        if (fault)
            return fault;
        if ((item->kind == ITEM_IGNORED || item->kind == ITEM_REFUSED) && !item->reason)
            return "no reason given";
    }
    return NULL;
}

#endif

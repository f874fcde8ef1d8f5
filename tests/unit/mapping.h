/*
 * For the tests of the vendors: mapping a body, what holds for every alert whatever was sent, and
 * mutations of a body.
 */
#ifndef TESTS_MAPPING_H
#define TESTS_MAPPING_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* ---- what holds for every alert ---- */

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

/* Maps whatever it is and looks at every alert of it. */
static inline void assert_mapped_well(const struct vendor *vendor, const char *body, size_t length)
{
    struct mapping mapping;
    bool is_mapped = mapping_of(&mapping, vendor, body, length);
    assert_true(is_mapped || mapping.error.code == ERROR_INVALID ||
                mapping.error.code == ERROR_FORBIDDEN);
    for (size_t i = 0; is_mapped && i < mapping.receipt.count; i++) {
        const struct item *item = &mapping.receipt.items[i];
        const char *fault = item->kind == ITEM_ALERT ? fault_of_alert(&item->alert)
                            : item->kind != ITEM_CONFIRM && !item->reason ? "no reason given"
                                                                          : NULL;
        if (fault)
            fail_msg("%s, of: %.*s", fault, (int)length, body);
    }
    mapping_clear(&mapping);
}

/* ---- mutations ---- */

/* xorshift64*: the same numbers everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline size_t below(uint64_t *state, size_t limit)
{
    return limit ? (size_t)(next_random(state) % limit) : 0;
}

/* What tends to break things. */
static const char *const pieces[] = {
    "",
    "\"",
    "\\",
    "\x01",
    "{{x}}",
    "[TPL]",
    "[TPL]{{.Labels.a}}",
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1e308",
    "1795143600000",
    "[]",
    "{}",
    "\xff",
    "\xe4\xbd",
    "🏢",
    "<br>",
    "<font ",
    "@王小明",
    "a=b,=c",
    "a:b,:c",
    "[",
    "]",
    "【",
    "[Critical Ok]x",
    "告警恢复",
    "）的",
    "” 的",
    "\r\n",
    " of ",
    ": The ",
    "\"q\"",
    "区域",
    "ok",
    "alarm",
    "2026/11/20",
    "\t ",
    "df_status",
    "critical",
    "\xe2\x80\xa8",
    "事件",
    "region=",
    "ah1795143600000",
};

static inline const char *piece(uint64_t *state)
{
    return pieces[below(state, sizeof pieces / sizeof *pieces)];
}

/* Cuts a random stretch out of the bytes and puts a piece, or a part of themselves, in its place.
 */
static inline void mutate_bytes(struct text *text, uint64_t *state)
{
    struct text changed = {0};
    size_t at = below(state, text->length + 1);
    size_t gone = below(state, 12);
    gone = gone > text->length - at ? text->length - at : gone;
    text_append(&changed, text_string(text), at);
    if (below(state, 3)) {
        text_puts(&changed, piece(state));
    } else {
        size_t from = below(state, text->length + 1);
        text_append(&changed, text_string(text) + from, below(state, text->length - from + 1));
    }
    text_append(&changed, text_string(text) + at + gone, text->length - at - gone);
    text_clear(text);
    *text = changed;
}

/* Any value: mostly text made of pieces, sometimes very long. */
static inline cJSON *any_value(uint64_t *state)
{
    static const double numbers[] = {0, 1, -1, 0.5, 1e15, 1795143600, 1795143600000, 1e300};
    struct text text = {0};
    size_t count = below(state, 12) ? below(state, 4) : below(state, 1200);
    switch (below(state, 8)) {
    case 0:
        return cJSON_CreateNumber(numbers[below(state, sizeof numbers / sizeof *numbers)]);
    case 1:
        return cJSON_CreateBool(below(state, 2) == 1);
    case 2:
        return cJSON_CreateNull();
    case 3:
        return below(state, 2) ? cJSON_CreateArray() : cJSON_CreateObject();
    default:
        break;
    }
    while (count-- > 0)
        text_puts(&text, piece(state));
    cJSON *value = cJSON_CreateString(text_string(&text));
    text_clear(&text);
    return value;
}

static inline size_t count_values(const cJSON *tree)
{
    size_t count = 0;
    for (const cJSON *child = tree->child; child; child = child->next)
        count += 1 + count_values(child);
    return count;
}

/* Replaces the value number *index below tree, or takes it away, or gives it another name. */
static inline bool mutate_value(cJSON *tree, size_t *index, uint64_t *state)
{
    for (cJSON *child = tree->child; child; child = child->next) {
        if ((*index)-- == 0) {
            char *name = child->string;
            if (below(state, 8) == 0) {
                cJSON_Delete(cJSON_DetachItemViaPointer(tree, child));
            } else if (name && below(state, 8) == 0) {
                cJSON_AddItemToObject(tree, piece(state), any_value(state));
            } else {
                cJSON *value = any_value(state);
                value->string = name ? strdup(name) : NULL;
                cJSON_ReplaceItemViaPointer(tree, child, value);
            }
            return true;
        }
        if (mutate_value(child, index, state))
            return true;
    }
    return false;
}

/* The JSON text with some of its values changed; false, and nothing changed, if it is none. */
static inline bool mutate_json(struct text *text, uint64_t *state)
{
    cJSON *tree = cJSON_ParseWithLength(text_string(text), text->length);
    if (!tree)
        return false;
    for (size_t changes = 1 + below(state, 4); changes > 0; changes--) {
        size_t index = below(state, count_values(tree));
        mutate_value(tree, &index, state);
    }
    char *printed = cJSON_PrintUnformatted(tree);
    assert_non_null(printed);
    text_clear(text);
    text_puts(text, printed);
    cJSON_free(printed);
    cJSON_Delete(tree);
    return true;
}

/* ---- the fixtures as seeds ---- */

#define SEEDS_MAX 400

struct seeds {
    struct text bodies[SEEDS_MAX];
    size_t count;
};

static inline void read_seeds(const char *folder, struct seeds *seeds)
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        char path[600], buffer[4096];
        size_t length;
        snprintf(path, sizeof path, "%.200s/%.255s/request.json", folder, entries[i]->d_name);
        FILE *file = seeds->count < SEEDS_MAX ? fopen(path, "rb") : NULL;
        while (file && (length = fread(buffer, 1, sizeof buffer, file)) > 0)
            text_append(&seeds->bodies[seeds->count], buffer, length);
        if (file)
            fclose(file);
        seeds->count += file != NULL;
        free(entries[i]);
    }
    free(entries);
    assert_true(seeds->count > 40);
}

static inline void clear_seeds(struct seeds *seeds)
{
    for (size_t i = 0; i < seeds->count; i++)
        text_clear(&seeds->bodies[i]);
    seeds->count = 0;
}

#endif

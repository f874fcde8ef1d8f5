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
static bool mapping_of(struct mapping *mapping, const struct vendor *vendor, const char *body,
                       size_t length)
{
    static const struct smn_settings smn = {.verify = SMN_VERIFY_OFF};
    const struct vendor_input input = {
        .body = body, .length = length, .now_ms = NOW_MS, .smn = &smn};
    *mapping = (struct mapping){0};
    return json_parse(body, length, &mapping->json, &mapping->error) &&
           vendor->parse(&input, &mapping->json, &mapping->arena, &mapping->receipt,
                         &mapping->error);
}

static void mapping_clear(struct mapping *mapping)
{
    json_clear(&mapping->json);
    arena_clear(&mapping->arena);
}

/* ---- what holds for every alert ---- */

static bool is_well_formed(const char *text)
{
    size_t left = strlen(text), length;
    for (; left > 0; text += length, left -= length) {
        if ((length = utf8_sequence(text, left)) == 0)
            return false;
    }
    return true;
}

/* What is wrong with a text that goes into an event; NULL if nothing is. */
static const char *fault_of_text(const char *text, size_t limit)
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

static const char *fault_of_name(const char *name)
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

static const char *fault_of_labels(const struct alert *alert)
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
static const char *fault_of_alert(const struct alert *alert)
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
static void assert_mapped_well(const struct vendor *vendor, const char *body, size_t length)
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
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit ? (size_t)(next_random(state) % limit) : 0;
}

/* What tends to break things, put between or in place of what was there. */
static const char *const pieces[] = {
    "\"",
    "\\",
    "\\\\u0000",
    "\\ud83d",
    "\\u0007",
    "{{",
    "[TPL]",
    "}}",
    "null",
    "true",
    "0",
    "-1e308",
    "[]",
    "{}",
    ",",
    ":",
    "\xff",
    "\xe4\xbd",
    "\xf0\x9f\x8f\xa2",
    "<br>",
    "<font ",
    "@",
    "\\n",
    "=,=",
    "[",
    "]",
    "[Critical Ok]",
    "1e15",
    "告警恢复",
    "】的",
    "” 的",
    "NaN",
    "\\\"a\\\"",
    " of ",
    "The ",
    "IsAlarm",
    "df_",
    "data",
    "\t",
    "",
};

/* Cuts a random stretch out of the text and puts something else, or a part of the text itself, in
 * its place. */
static void mutate(struct text *text, uint64_t *state)
{
    struct text changed = {0};
    size_t at = below(state, text->length + 1);
    size_t gone = below(state, 3) ? below(state, 12) : below(state, text->length / 2 + 1);
    gone = gone > text->length - at ? text->length - at : gone;
    text_append(&changed, text_string(text), at);
    if (below(state, 4)) {
        size_t repeats = below(state, 20) ? 1 : below(state, 600);
        const char *piece = pieces[below(state, sizeof pieces / sizeof *pieces)];
        while (repeats-- > 0)
            text_puts(&changed, piece);
    } else {
        size_t from = below(state, text->length + 1);
        text_append(&changed, text_string(text) + from, below(state, text->length - from + 1));
    }
    text_append(&changed, text_string(text) + at + gone, text->length - at - gone);
    text_clear(text);
    *text = changed;
}

/* ---- the fixtures as seeds ---- */

#define SEEDS_MAX 400

static size_t read_seeds(const char *folder, struct text *seeds, size_t count)
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        char path[600], buffer[4096];
        snprintf(path, sizeof path, "%.200s/%.255s/request.json", folder, entries[i]->d_name);
        FILE *file = entries[i]->d_name[0] != '.' && count < SEEDS_MAX ? fopen(path, "rb") : NULL;
        size_t length = 0;
        while (file && (length = fread(buffer, 1, sizeof buffer, file)) > 0)
            text_append(&seeds[count], buffer, length);
        if (file)
            fclose(file);
        count += file != NULL;
        free(entries[i]);
    }
    free(entries);
    return count;
}

#endif

/* For the tests of the vendors: that a body is mapped well, and mutations of a body. */
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

#include "../fuzz/fit.h"

/* Maps whatever it is and looks at every item of it. */
static inline void assert_mapped_well(const struct vendor *vendor, const char *body, size_t length)
{
    struct mapping mapping;
    bool is_mapped = mapping_of(&mapping, vendor, body, length);
    const char *fault = fault_of_mapping(&mapping, is_mapped);
    for (size_t i = 0; is_mapped && i < mapping.receipt.count; i++) {
        const struct item *item = &mapping.receipt.items[i];
        if (!item->message_id || item->alert.time_s < 0)
            fault = "no identity, or a time before 1970";
    }
    if (fault)
        fail_msg("%s, of: %.*s", fault, (int)length, body);
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

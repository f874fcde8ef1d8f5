/*
 * libFuzzer: whatever json_parse takes must come out as JSON. tests/unit/test_json.c includes this
 * file and drives it with mutations of its own.
 */
#include "base/json.h"
#include "fuzz.h"

/* What was signed, repaired as the tree is, is what the tree says. */
static void must_be_the_same_text(const struct text *exact, const char *repaired)
{
    const char *at = text_string(exact);
    struct text again = {0};
    for (size_t left = exact->length, length; left > 0; left -= length, at += length) {
        length = utf8_sequence(at, left);
        bool is_kept = length > 0 && *at;
        text_append(&again, is_kept ? at : "\xef\xbf\xbd", is_kept ? length : 3);
        length += length == 0;
    }
    MUST(!strcmp(text_string(&again), repaired));
    text_clear(&again);
}

static void must_have_sound_members(const struct json *json, const char *bytes, size_t size)
{
    for (size_t i = 0; i < json->member_count; i++) {
        const struct json_member *member = &json->members[i];
        struct text exact = {0};
        must_be_utf8(member->name);
        MUST(member->value > bytes && member->length > 0 && member->length < size);
        MUST(member->value + member->length < bytes + size);
        MUST(i == 0 || strcmp(json->members[i - 1].name, member->name) <= 0);
        const cJSON *item = json_get(json->root, member->name);
        MUST(item);
        bool is_first = i == 0 || strcmp(json->members[i - 1].name, member->name) != 0;
        bool is_string = *member->value == '"';
        if (is_first)
            MUST(json_exact(json, member->name, &exact) == is_string);
        if (is_first && is_string)
            must_be_the_same_text(&exact, item->valuestring);
        text_clear(&exact);
    }
}

/* The tree, printed, is JSON that prints as itself. */
static void must_print_as_json(const struct json *json, struct arena *arena)
{
    struct json again;
    struct error error = {0};
    const char *printed = json_compact(arena, json->root);
    must_be_utf8(printed);
    MUST(json_parse(printed, strlen(printed), &again, &error));
    MUST(!strcmp(json_compact(arena, again.root), printed));
    MUST(again.member_count == json->member_count);
    json_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct json json;
    struct error error = {0};
    struct arena arena = {0};
    if (json_parse(bytes, size, &json, &error)) {
        MUST(error.code == ERROR_NONE && json.root);
        MUST(cJSON_IsObject(json.root) || json.member_count == 0);
        must_have_sound_members(&json, bytes, size);
        must_print_as_json(&json, &arena);
        json_scalar(&arena, json.root);
        json_duplicate(&json);
        MUST(!arena.failed);
    } else {
        MUST(error.code == ERROR_INVALID && *error.text);
        MUST(!json.root && !json.members && json.member_count == 0);
        must_be_utf8(error.text);
    }
    json_clear(&json);
    arena_clear(&arena);
    return 0;
}

/*
 * libFuzzer: json_parse against jansson. Both take a text or both refuse it, except for what
 * json_parse repairs and limits (src/base/json.h), and both see the same in it.
 */
#include <math.h>

#include "base/json.h"
#include "fuzz.h"
#include "second_parser.h"

static bool holds(const uint8_t *data, size_t size, const char *word)
{
    return size > 0 && memmem(data, size, word, strlen(word));
}

/* Whether jansson refuses what json_parse repairs. */
static bool is_repaired(const uint8_t *data, size_t size, const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_invalid_utf8:
    case json_error_null_character:
    case json_error_null_byte_in_key:
    case json_error_numeric_overflow:
        return true;
    default:
        break;
    }
    return !strncmp(error->text, "invalid Unicode", strlen("invalid Unicode")) ||
           holds(data, size, "NaN") || holds(data, size, "Infinity");
}

/* Whether json_parse refuses what jansson takes: what is beyond its limits, and a NUL behind a
 * number, which jansson 2.14 loses. */
static bool is_limited(const uint8_t *data, size_t size, const struct error *error)
{
    return strstr(error->text, "nested deeper") || strstr(error->text, "more than") ||
           memchr(data, '\0', size);
}

static void must_be_the_same(const cJSON *ours, const json_t *theirs);

/* Of members with one name jansson keeps the last. */
static void must_be_the_same_object(const cJSON *ours, const json_t *theirs)
{
    size_t names = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, ours)
    {
        const cJSON *later = item->next;
        while (later && strcmp(later->string, item->string))
            later = later->next;
        const json_t *other = json_object_get(theirs, item->string);
        MUST(other);
        if (!later)
            must_be_the_same(item, other);
        names += !later;
    }
    MUST(names == json_object_size(theirs));
}

static void must_be_the_same_array(const cJSON *ours, const json_t *theirs)
{
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, ours)
    {
        MUST(i < json_array_size(theirs));
        must_be_the_same(item, json_array_get(theirs, i++));
    }
    MUST(i == json_array_size(theirs));
}

/* A number that a double does not hold is its digits. */
static void must_be_the_same_number(const cJSON *ours, const json_t *theirs)
{
    if (cJSON_IsNumber(ours)) {
        MUST(ours->valuedouble == json_number_value(theirs));
        MUST(!json_is_integer(theirs) || fabs(ours->valuedouble) <= 9007199254740992.0);
    } else if (json_is_integer(theirs)) {
        MUST(cJSON_IsString(ours));
        MUST(strtoll(ours->valuestring, NULL, 10) == json_integer_value(theirs));
    } else {
        MUST(cJSON_IsString(ours));
        MUST(strtod(ours->valuestring, NULL) == json_real_value(theirs));
    }
}

static void must_be_the_same(const cJSON *ours, const json_t *theirs)
{
    switch (json_typeof(theirs)) {
    case JSON_OBJECT:
        MUST(cJSON_IsObject(ours));
        must_be_the_same_object(ours, theirs);
        break;
    case JSON_ARRAY:
        MUST(cJSON_IsArray(ours));
        must_be_the_same_array(ours, theirs);
        break;
    case JSON_STRING:
        MUST(cJSON_IsString(ours) && !strcmp(ours->valuestring, json_string_value(theirs)));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        must_be_the_same_number(ours, theirs);
        break;
    case JSON_TRUE:
        MUST(cJSON_IsTrue(ours));
        break;
    case JSON_FALSE:
        MUST(cJSON_IsFalse(ours));
        break;
    case JSON_NULL:
        MUST(cJSON_IsNull(ours));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json json;
    struct error error = {0};
    json_error_t their_error;
    bool has_mark = size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3);
    const char *bytes = size ? (const char *)data : "";
    size_t skipped = has_mark ? 3 : 0;
    bool is_taken = json_parse(bytes, size, &json, &error);
    json_t *theirs = json_loadb(bytes + skipped, size - skipped, JSON_DECODE_ANY, &their_error);
    if (theirs && is_taken)
        must_be_the_same(json.root, theirs);
    else if (theirs)
        MUST(is_limited(data, size, &error));
    else if (is_taken)
        MUST(is_repaired(data, size, &their_error));
    json_decref(theirs);
    json_clear(&json);
    return 0;
}

/*
 * The fixture table as function calls: tests/fixtures/VENDOR/CASE/request.json, mapped, must be
 * what expected.json says, item by item, or fail as `error` says: the status, and words that stand
 * in the error. `headers` holds a request's headers where it needs any: "Name: value" lines.
 * UPDATE_FIXTURES=1 writes expected.json anew: read the difference before you keep it.
 *
 * tests/fixtures/map-only/VENDOR holds cases of the same form that can be mapped, but not posted
 * with a signature and compared: broken envelopes, and times that depend on the clock.
 */
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "delivery/flashduty.h"
#include "response.h"
#include "vendors/smn.h"
#include "vendors/vendor.h"

/* 2026-11-24T00:00:00Z: the fixtures' events lie before it. */
#define NOW_MS 1795478400000

struct fixture {
    const struct vendor *vendor;
    char folder[300];
};

static bool read_file(const char *folder, const char *name, struct text *content)
{
    char path[600], buffer[65536];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    size_t count;
    if (!file)
        return false;
    while ((count = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append(content, buffer, count);
    fclose(file);
    return true;
}

/* Whether a header's name is that of a CGI variable. */
static bool is_variable(const char *name, size_t length, const char *variable)
{
    static const char prefix[] = "HTTP_";
    if (!variable || strncmp(variable, prefix, strlen(prefix)))
        return false;
    variable += strlen(prefix);
    for (size_t i = 0; i < length; i++) {
        if (variable[i] != (name[i] == '-' ? '_' : toupper((unsigned char)name[i])))
            return false;
    }
    return !variable[length];
}

/* The value that a fixture's headers give to a CGI variable, or NULL. */
static const char *header(const struct fixture *fixture, const char *variable, struct arena *arena)
{
    struct text lines = {0};
    const char *value = NULL;
    read_file(fixture->folder, "headers", &lines);
    for (const char *line = text_string(&lines); *line; line += *line == '\n') {
        size_t length = strcspn(line, "\n"), name = strcspn(line, ":\n");
        if (line[name] == ':' && is_variable(line, name, variable))
            value = text_trim(arena, arena_copy(arena, line + name + 1, length - name - 1));
        line += length;
    }
    text_clear(&lines);
    return value;
}

static void append_item(struct text *out, const struct item *item)
{
    const char *name = item->kind == ITEM_CONFIRM   ? "confirm"
                       : item->kind == ITEM_IGNORED ? "ignored"
                                                    : "refused";
    if (item->kind == ITEM_ALERT) {
        flashduty_encode(&item->alert, out);
        return;
    }
    text_printf(out, "{\"%s\":", name);
    text_json(out, item->kind == ITEM_CONFIRM ? item->confirm_host : item->reason);
    text_putc(out, '}');
}

/* The items as a JSON array, or the error. */
static bool map(const struct fixture *fixture, struct text *out, struct error *error)
{
    struct text body = {0};
    struct json json = {0};
    struct arena arena = {0};
    struct receipt receipt = {0};
    struct smn_settings smn = {.verify = SMN_VERIFY_OFF};
    assert_true(read_file(fixture->folder, "request.json", &body));
    const struct vendor_input input = {
        .body = text_string(&body),
        .length = body.length,
        .message_type = header(fixture, fixture->vendor->type_header, &arena),
        .now_ms = NOW_MS,
        .smn = &smn,
    };
    bool is_mapped = json_parse(input.body, input.length, &json, error) &&
                     fixture->vendor->parse(&input, &json, &arena, &receipt, error);
    text_putc(out, '[');
    for (size_t i = 0; is_mapped && i < receipt.count; i++) {
        if (i)
            text_putc(out, ',');
        append_item(out, &receipt.items[i]);
    }
    text_putc(out, ']');
    json_clear(&json);
    arena_clear(&arena);
    text_clear(&body);
    return is_mapped;
}

static void update(const struct fixture *fixture, const char *actual)
{
    char path[600];
    cJSON *tree = cJSON_Parse(actual);
    char *pretty = cJSON_Print(tree);
    snprintf(path, sizeof path, "%s/expected.json", fixture->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", pretty) > 0);
    assert_int_equal(fclose(file), 0);
    cJSON_free(pretty);
    cJSON_Delete(tree);
}

static void compare(const struct fixture *fixture, const char *actual)
{
    struct text expected = {0};
    assert_true(read_file(fixture->folder, "expected.json", &expected));
    cJSON *expected_tree = cJSON_Parse(text_string(&expected)), *actual_tree = cJSON_Parse(actual);
    assert_non_null(expected_tree);
    assert_non_null(actual_tree);
    char *a = cJSON_Print(actual_tree), *b = cJSON_Print(expected_tree);
    assert_string_equal(a, b);
    cJSON_free(a);
    cJSON_free(b);
    cJSON_Delete(expected_tree);
    cJSON_Delete(actual_tree);
    text_clear(&expected);
}

static void maps_as_expected(void **state)
{
    const struct fixture *fixture = *state;
    struct text actual = {0}, expected_error = {0};
    struct error error = {0};
    bool is_mapped = map(fixture, &actual, &error);
    if (read_file(fixture->folder, "error", &expected_error)) {
        assert_false(is_mapped);
        char *words;
        long status = strtol(text_string(&expected_error), &words, 10);
        assert_int_equal(response_status(error.code), status);
        assert_true(*words == ' ');
        words[strcspn(words, "\n")] = '\0';
        if (!strstr(error.text, words + 1))
            fail_msg("\"%s\" does not stand in \"%s\"", words + 1, error.text);
    } else {
        if (!is_mapped)
            fail_msg("%s", error.text);
        if (getenv("UPDATE_FIXTURES"))
            update(fixture, text_string(&actual));
        compare(fixture, text_string(&actual));
    }
    text_clear(&expected_error);
    text_clear(&actual);
}

static size_t collect(const char *table, const struct vendor *vendor, struct CMUnitTest *tests,
                      size_t count, size_t limit)
{
    char folder[200];
    snprintf(folder, sizeof folder, "%s/%s", table, vendor->name);
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        char *name = strdup(entries[i]->d_name);
        if (fixture && name && name[0] != '.' && count < limit) {
            fixture->vendor = vendor;
            snprintf(fixture->folder, sizeof fixture->folder, "%s/%s", folder, name);
            tests[count++] = (struct CMUnitTest){
                .name = name, .test_func = maps_as_expected, .initial_state = fixture};
        } else {
            free(fixture);
            free(name);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(void)
{
    static struct CMUnitTest tests[800];
    size_t count = 0, limit = sizeof tests / sizeof *tests;
    for (const struct vendor *const *vendor = vendors; *vendor; vendor++)
        count = collect("tests/fixtures", *vendor, tests, count, limit);
    for (const struct vendor *const *vendor = vendors; *vendor; vendor++)
        count = collect("tests/fixtures/map-only", *vendor, tests, count, limit);
    if (count < 150) {
        fprintf(stderr, "only %zu fixtures found: run it from the project's folder\n", count);
        return EXIT_FAILURE;
    }
    int failed = _cmocka_run_group_tests("fixtures", tests, count, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        free(tests[i].initial_state);
        free((char *)(uintptr_t)tests[i].name);
    }
    return failed;
}

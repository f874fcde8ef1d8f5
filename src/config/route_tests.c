#include "config/route_tests.h"

#include <limits.h>
#include <string.h>

#include "base/limits.h"
#include "config/reader.h"

static void take_payload(struct reader *reader, void *section, const struct texts *texts)
{
    struct route_test *test = section;
    test->payload = reader_path(reader, texts->items[0], texts->places[0]);
}

static void take_severity(struct reader *reader, void *section, const struct texts *texts)
{
    struct route_test *test = section;
    test->has_severity = severity_from_name(texts->items[0], &test->severity);
    if (!test->has_severity)
        reader_complain(reader, texts->places[0],
                        "is no severity; Critical, Warning, Info or Ok is one");
}

static void take_destinations(struct reader *reader, void *section, const struct texts *texts)
{
    struct route_test *test = section;
    (void)reader;
    test->destinations = texts->items;
    test->destination_count = texts->count;
}

static const struct setting test_settings[] = {
    {.name = "integration",
     .kind = SETTING_TEXT,
     .is_required = true,
     SETTING_MEMBER(struct route_test, integration)},
    {.name = "payload", .kind = SETTING_TEXT, .is_required = true, .take = take_payload},
    {.name = "severity", .kind = SETTING_TEXT, .take = take_severity},
    {.name = "destinations", .kind = SETTING_TEXTS, .maximum = INT_MAX, .take = take_destinations},
    {.name = "ignored", .kind = SETTING_BOOLEAN, SETTING_MEMBER(struct route_test, is_ignored)},
    {0}};

static void read_test(struct reader *reader, const config_setting_t *node, struct route_test *test,
                      int index)
{
    struct place place = {arena_printf(&reader->scratch, "test %d", index + 1),
                          config_setting_source_line(node)};
    const char *prefix = arena_printf(&reader->scratch, "%s: ", place.name);
    test->line = place.line;
    if (!reader_is(reader, node, SETTING_GROUP, place))
        return;
    reader_section(reader, node, test_settings, test, prefix, place);
    test->has_destinations = config_setting_get_member(node, "destinations");
    if (!test->has_severity && !test->has_destinations && !test->is_ignored)
        reader_complain(reader, place,
                        "expects nothing; write severity, destinations or ignored = true");
    else if (test->is_ignored && (test->has_severity || test->has_destinations))
        reader_complain(reader, place,
                        "is ignored and has a severity or destinations; keep one of them");
}

static void open_tests(struct reader *reader, void *section, const config_setting_t *node,
                       struct place place)
{
    struct route_tests *tests = section;
    int count = config_setting_length(node);
    struct route_test *rows =
        arena_alloc(&tests->carrier.arena, ((size_t)count + 1) * sizeof *rows);
    (void)place;
    for (int i = 0; i < count && rows; i++)
        read_test(reader, config_setting_get_elem(node, (unsigned)i), &rows[i], i);
    tests->tests = rows;
    tests->count = rows ? (size_t)count : 0;
}

static const struct setting file_settings[] = {
    {.name = "tests", .kind = SETTING_LIST, .is_required = true, .open = open_tests}, {0}};

bool route_tests_load(const char *path, struct route_tests *tests, struct config_report *report)
{
    struct reader reader = {.config = &tests->carrier, .report = report};
    struct config_file file;
    struct error error = {0};
    config_t tree;
    *tests = (struct route_tests){0};
    config_init(&tree);
    tests->carrier.path = arena_string(&tests->carrier.arena, path);
    reader.folder = config_file_folder(&reader.scratch, path);
    if (!config_file_load(path, FILE_SHARED, CONFIG_FILE_BYTES_MAX, &file, &error))
        reader_complain(&reader, (struct place){0}, "%s", error.text);
    else if (reader_parse(&reader, &file.bytes, &tree))
        reader_section(&reader, config_root_setting(&tree), file_settings, tests, "",
                       (struct place){0});
    if (tests->carrier.arena.failed || reader.scratch.failed)
        reader_complain(&reader, (struct place){0}, "out of memory");
    config_destroy(&tree);
    text_clear(&file.bytes);
    arena_clear(&reader.scratch);
    return report->errors.length == 0 && !report->errors.failed;
}

void route_tests_free(struct route_tests *tests)
{
    arena_clear(&tests->carrier.arena);
}

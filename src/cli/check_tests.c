#include "cli/check_tests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/looking.h"
#include "cli/payload.h"
#include "config/route_tests.h"
#include "gateway.h"

/* What is wrong with one alert, appended to problems. */
static void check_alert(const struct route_test *test, const struct integration *integration,
                        struct alert *alert, struct arena *arena, struct text *problems)
{
    gateway_apply_integration(integration, arena, alert);
    const struct choice choice = routing_choose(&integration->routing, alert, arena, NULL);
    bool is_same = choice.count == test->destination_count;
    for (size_t i = 0; i < choice.count && is_same; i++)
        is_same = !strcmp(route_name(choice.destinations[i].name), test->destinations[i]);
    if (test->has_severity && alert->severity != test->severity)
        text_printf(problems, "severity is %s, not %s; ", severity_names[alert->severity],
                    severity_names[test->severity]);
    if (!test->has_destinations || is_same)
        return;
    text_puts(problems, "destinations are [");
    for (size_t i = 0; i < choice.count; i++)
        text_printf(problems, "%s \"%s\"", i ? "," : "", route_name(choice.destinations[i].name));
    text_puts(problems, " ], not [");
    for (size_t i = 0; i < test->destination_count; i++)
        text_printf(problems, "%s \"%s\"", i ? "," : "", test->destinations[i]);
    text_puts(problems, " ]; ");
}

static void check_payload(const struct config *config, const struct route_test *test,
                          struct text *problems)
{
    struct payload payload = {0};
    const struct integration *integration = payload_integration(config, test->integration);
    size_t alerts = 0;
    if (!integration) {
        text_puts(problems, "there is no such integration; ");
        return;
    }
    if (payload_read(test->payload, integration->vendor, &config->smn, &payload) != CLI_DONE)
        text_puts(problems, "its payload cannot be read; ");
    else
        for (size_t i = 0; i < payload.receipt.count; i++) {
            struct item *item = &payload.receipt.items[i];
            if (item->kind != ITEM_ALERT)
                continue;
            alerts++;
            if (!test->is_ignored)
                check_alert(test, integration, &item->alert, &payload.arena, problems);
        }
    if (payload.bytes.length > 0 && problems->length == 0 && test->is_ignored != (alerts == 0))
        text_puts(problems, alerts ? "it becomes an alert; " : "it becomes no alert; ");
    if (payload.arena.failed)
        text_puts(problems, "out of memory; ");
    payload_clear(&payload);
}

static void print_result(const struct route_test *test, const char *path, bool json,
                         const struct text *problems)
{
    struct text out = {0};
    bool holds = problems->length == 0;
    /* Without the last "; ". */
    int length = holds ? 0 : (int)problems->length - 2;
    if (json) {
        struct text shown = {0};
        text_append(&shown, text_string(problems), (size_t)length);
        json_begin(&out);
        json_put_number(&out, "line", test->line);
        json_put_text(&out, "integration", test->integration);
        json_put_text(&out, "payload", test->payload);
        json_put_bool(&out, "holds", holds);
        json_put_text(&out, "problem", text_string(&shown));
        text_putc(&out, '}');
        print_line(&out);
        text_clear(&shown);
        return;
    }
    text_printf(&out, "%s:%u: %s: ", path, test->line, holds ? "ok" : "FAILED");
    put_safe(&out, test->payload);
    if (!holds) {
        text_puts(&out, ": ");
        text_append(&out, text_string(problems), (size_t)length);
    }
    text_putc(&out, '\n');
    print_text(&out);
}

enum cli_exit check_tests(const struct config *config, const char *path, bool json)
{
    struct route_tests tests;
    struct config_report report = {0};
    size_t failed = 0;
    enum cli_exit status = CLI_DONE;
    bool is_missing = access(path, F_OK) && errno == ENOENT;
    if (!route_tests_load(path, &tests, &report)) {
        fputs(text_string(&report.errors), stderr);
        status = is_missing ? CLI_NOT_FOUND : CLI_NO;
    }
    for (size_t i = 0; i < tests.count && status == CLI_DONE; i++) {
        struct text problems = {0};
        check_payload(config, &tests.tests[i], &problems);
        failed += problems.length > 0 || problems.failed;
        print_result(&tests.tests[i], path, json, &problems);
        text_clear(&problems);
    }
    if (failed > 0)
        status = cli_fail(CLI_NO, "%zu of %zu tests failed", failed, tests.count);
    config_report_clear(&report);
    route_tests_free(&tests);
    return status;
}

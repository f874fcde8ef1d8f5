#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/check_tests.h"
#include "cli/cli.h"
#include "config/config.h"

static const char *tests_path;
static const struct cli_option options[] = {{.name = "tests", .value = &tests_path}, {0}};

/* Appends the lines of a report as a JSON array. */
static void append_lines(struct text *out, const struct text *report)
{
    const char *line = text_string(report);
    text_putc(out, '[');
    while (*line) {
        struct text one = {0};
        size_t length = strcspn(line, "\n");
        text_append(&one, line, length);
        text_puts(out, out->data && out->data[out->length - 1] == '[' ? "" : ",");
        text_json(out, text_string(&one));
        text_clear(&one);
        line += length + (line[length] == '\n');
    }
    text_putc(out, ']');
}

static void print_json(const char *path, bool is_valid, const struct config_report *report)
{
    struct text out = {0};
    text_puts(&out, "{\"file\":");
    text_json(&out, path);
    text_printf(&out, ",\"valid\":%s,\"errors\":", is_valid ? "true" : "false");
    append_lines(&out, &report->errors);
    text_puts(&out, ",\"warnings\":");
    append_lines(&out, &report->warnings);
    text_putc(&out, '}');
    puts(text_string(&out));
    text_clear(&out);
}

static const char *watchdog_words(const struct config *config)
{
    if (config->watchdog.flashduty_key)
        return "what is wrong with the gateway itself is paged to the watchdog's own key";
    if (config->pass_through)
        return "what is wrong with the gateway itself is paged to nobody: write a section watchdog";
    return "what is wrong with the gateway itself is paged to each integration's default "
           "destination: a section watchdog names another";
}

static void print_words(const struct config *config, bool is_valid)
{
    if (!is_valid)
        return;
    if (!*config->path)
        puts("no configuration file: pass-through, the key in the URL is Flashduty's");
    else if (config->pass_through)
        printf("%s: valid, pass-through\n", config->path);
    else
        printf("%s: valid, %zu integration%s\n", config->path, config->integration_count,
               config->integration_count == 1 ? "" : "s");
    printf("watchdog: %s\n", watchdog_words(config));
}

static enum cli_exit run(const struct cli_call *call)
{
    struct config config = {0};
    struct config_report report = {0};
    const char *path = call->words[0];
    bool is_missing = path && access(path, F_OK) && errno == ENOENT;
    bool is_valid = config_load(path, &config, &report);
    if (call->json)
        print_json(is_valid ? config.path : path, is_valid, &report);
    else
        print_words(&config, is_valid);
    fprintf(stderr, "%s", text_string(&report.errors));
    const char *line = text_string(&report.warnings);
    for (size_t length; *line; line += length + (line[length] == '\n')) {
        length = strcspn(line, "\n");
        fprintf(stderr, "warning: %.*s\n", (int)length, line);
    }
    enum cli_exit status = is_valid ? CLI_DONE : is_missing ? CLI_NOT_FOUND : CLI_NO;
    if (is_valid && tests_path)
        status = check_tests(&config, tests_path, call->json);
    config_report_clear(&report);
    config_free(&config);
    return status;
}

const struct command command_check = {
    .name = "check",
    .arguments = "[FILE] [--tests FILE] [-o json]",
    .summary = "Checks the configuration, every error with its line",
    .help =
        "Without FILE: the one that the gateway would read as this user. The environment counts\n"
        "as it does for the gateway. Exit status 1 if the configuration is refused.\n"
        "  --tests FILE  and if one of the tests in FILE fails: payloads, and the severity and\n"
        "                destinations that they must have (see docs/configuration.md)\n",
    .max_words = 1,
    .run = run,
    .options = options,
};

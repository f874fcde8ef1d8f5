#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/limits.h"
#include "cli/cli.h"

static const struct command *const commands[] = {&command_check, &command_map, &command_verify,
                                                 &command_send, &command_new_integration};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static const char *current = "";

enum cli_exit cli_usage(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "flashduty-gateway%s%s: ", *current ? " " : "", current);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry flashduty-gateway%s%s --help\n", *current ? " " : "", current);
    return CLI_USAGE;
}

enum cli_exit cli_fail(enum cli_exit code, const char *format, ...)
{
    va_list arguments;
    fputs("flashduty-gateway: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

const struct vendor *cli_vendor(const char *name)
{
    const struct vendor *vendor = vendor_find(name);
    struct text names = {0};
    for (size_t i = 0; !vendor && vendors[i]; i++)
        text_printf(&names, "%s%s", i ? ", " : "", vendors[i]->name);
    if (!vendor)
        cli_usage("\"%s\" is no vendor; there are: %s", name, text_string(&names));
    text_clear(&names);
    return vendor;
}

bool cli_read(const char *path, struct text *content, struct error *error)
{
    char buffer[16384];
    bool is_input = !path || !strcmp(path, "-");
    FILE *file = stdin;
    if (!is_input && !(file = fopen(path, "rb")))
        return error_set(error, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_INVALID, "%s: %s", path,
                         strerror(errno));
    size_t count = 0;
    while (content->length <= CLI_FILE_BYTES_MAX &&
           (count = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append(content, buffer, count);
    bool failed = ferror(file) || content->failed;
    if (!is_input)
        fclose(file);
    if (failed)
        return error_set(error, ERROR_INVALID, "%s: cannot be read", is_input ? "input" : path);
    if (content->length > CLI_FILE_BYTES_MAX)
        return error_set(error, ERROR_INVALID, "%s: larger than %d bytes",
                         is_input ? "input" : path, CLI_FILE_BYTES_MAX);
    return true;
}

static enum cli_exit help(void)
{
    puts("flashduty-gateway: receives alarms of Huawei Cloud CES and Guance for Flashduty.\n\n"
         "Usage: flashduty-gateway COMMAND …\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-16s %s\n", commands[i]->name, commands[i]->summary);
    puts("\n  COMMAND --help   says more\n"
         "  -o json          records as JSON, in every command that prints some\n"
         "  --version        prints the version\n\n"
         "Exit status: 0 done, 1 the answer is no, 2 wrong usage, 4 not found, 5 the network.");
    return CLI_DONE;
}

static enum cli_exit command_help(const struct command *command)
{
    printf("Usage: flashduty-gateway %s %s\n\n%s.\n%s", command->name, command->arguments,
           command->summary, command->help);
    return CLI_DONE;
}

/* Takes "--name VALUE" or "--name=VALUE". 0: no such option, -1: without a value, else how many
 * words it took. */
static int take_option(const struct command *command, const char *word, const char *next)
{
    size_t length = strcspn(word, "=");
    for (const struct cli_option *option = command->options; option && option->name; option++) {
        if (strlen(option->name) != length - 2 || strncmp(option->name, word + 2, length - 2))
            continue;
        *option->value = word[length] == '=' ? word + length + 1 : next;
        if (!*option->value)
            return -1;
        return word[length] == '=' ? 1 : 2;
    }
    return 0;
}

static bool is_format(const char *word)
{
    return word && (!strcmp(word, "json") || !strcmp(word, "text"));
}

static enum cli_exit run(const struct command *command, int argc, char **argv)
{
    struct cli_call call = {0};
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *next = argv[i + 1];
        if (!only_words && !strcmp(word, "--")) {
            only_words = true;
        } else if (!only_words && !strcmp(word, "--help")) {
            return command_help(command);
        } else if (!only_words && !strcmp(word, "-o")) {
            if (!is_format(next))
                return cli_usage("-o takes json or text");
            call.json = !strcmp(next, "json");
            i++;
        } else if (!only_words && !strncmp(word, "--", 2)) {
            int taken = take_option(command, word, next);
            if (taken == 0)
                return cli_usage("%s is no option", word);
            if (taken < 0)
                return cli_usage("%s takes a value", word);
            i += taken - 1;
        } else if (!only_words && word[0] == '-' && word[1]) {
            return cli_usage("%s is no option", word);
        } else if (call.count == command->max_words) {
            return cli_usage("\"%s\" is one word too many: %s %s", word, command->name,
                             command->arguments);
        } else {
            call.words[call.count++] = word;
        }
    }
    if (call.count < command->min_words)
        return cli_usage("something is missing: %s %s", command->name, command->arguments);
    return command->run(&call);
}

int main(int argc, char **argv)
{
    enum cli_exit status = CLI_USAGE;
    const char *name = argc > 1 ? argv[1] : "--help";
    const struct command *command = NULL;
    harden_process();
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (!strcmp(commands[i]->name, name))
            command = commands[i];
    }
    if (command) {
        current = name;
        status = run(command, argc - 2, argv + 2);
    } else if (!strcmp(name, "--version")) {
        puts("flashduty-gateway " VERSION);
        status = CLI_DONE;
    } else if (!strcmp(name, "--help")) {
        status = help();
        if (argc == 1)
            status = CLI_USAGE;
    } else {
        status = cli_usage("\"%s\" is no command", name);
    }
    if (fflush(stdout) || ferror(stdout))
        status = cli_fail(CLI_NO, "standard output: %s", strerror(errno));
    return (int)status;
}

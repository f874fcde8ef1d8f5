#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/limits.h"
#include "base/openssl_start.h"
#include "cli/cli.h"

static const struct command *const commands[] = {
    &command_check,           &command_map,    &command_route,  &command_verify, &command_send,
    &command_new_integration, &command_alert,  &command_outbox, &command_drain,  &command_confirm,
    &command_status,          &command_canary, &command_store};
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
         "Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 the store, 4 not found,\n"
         "5 the network.");
    return CLI_DONE;
}

static enum cli_exit command_help(const struct command *command)
{
    printf("Usage: flashduty-gateway %s %s\n\n%s.\n%s", command->name, command->arguments,
           command->summary, command->help);
    return CLI_DONE;
}

static const struct cli_option *find_option(const struct command *command, const char *name,
                                            size_t length)
{
    for (const struct cli_option *option = command->options; option && option->name; option++) {
        if (strlen(option->name) == length && !strncmp(option->name, name, length))
            return option;
    }
    return NULL;
}

/* Takes "--name VALUE", "--name=VALUE" or, of one without a value, "--name". *taken: how many words
 * it was. */
static enum cli_exit take_option(const struct command *command, const char *word, const char *next,
                                 int *taken)
{
    size_t length = strcspn(word, "=");
    const struct cli_option *option = find_option(command, word + 2, length - 2);
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    if (!option)
        return cli_usage("%s is no option", word);
    if (option->flag && value)
        return cli_usage("--%s takes no value", option->name);
    if (option->flag) {
        *option->flag = true;
        return CLI_DONE;
    }
    if (!value && !next)
        return cli_usage("%s takes a value", word);
    *option->value = value ? value : next;
    *taken = value ? 1 : 2;
    return CLI_DONE;
}

static bool is_format(const char *word)
{
    return word && (!strcmp(word, "json") || !strcmp(word, "text"));
}

static enum cli_exit add_word(const struct command *command, const char *word,
                              struct cli_call *call)
{
    if (command->max_words != CLI_ANY_WORDS && call->count == command->max_words)
        return cli_usage("\"%s\" is one word too many: %s %s", word, command->name,
                         command->arguments);
    call->words[call->count++] = word;
    return CLI_DONE;
}

/* Sorts the words into call. *wants_help: asked for it. */
static enum cli_exit sort_words(const struct command *command, int argc, char **argv,
                                struct cli_call *call, bool *wants_help)
{
    enum cli_exit status = CLI_DONE;
    bool only_words = false;
    for (int i = 0, taken = 1; i < argc && status == CLI_DONE && !*wants_help; i += taken) {
        const char *word = argv[i], *next = argv[i + 1];
        bool is_option = !only_words && word[0] == '-' && word[1];
        taken = 1;
        if (!is_option) {
            status = add_word(command, word, call);
        } else if (!strcmp(word, "--")) {
            only_words = true;
        } else if (!strcmp(word, "--help")) {
            *wants_help = true;
        } else if (!strcmp(word, "-o") && is_format(next)) {
            call->json = !strcmp(next, "json");
            taken = 2;
        } else if (!strcmp(word, "-o")) {
            status = cli_usage("-o takes json or text");
        } else if (word[1] == '-') {
            status = take_option(command, word, next, &taken);
        } else {
            status = cli_usage("%s is no option", word);
        }
    }
    return status;
}

static enum cli_exit run(const struct command *command, int argc, char **argv)
{
    bool wants_help = false;
    struct cli_call call = {.words = calloc((size_t)argc + CLI_WORDS_NULL, sizeof *call.words)};
    if (!call.words)
        return cli_fail(CLI_NO, "out of memory");
    enum cli_exit status = sort_words(command, argc, argv, &call, &wants_help);
    if (status == CLI_DONE && wants_help)
        status = command_help(command);
    else if (status == CLI_DONE && call.count < command->min_words)
        status = cli_usage("something is missing: %s %s", command->name, command->arguments);
    else if (status == CLI_DONE)
        status = command->run(&call);
    free(call.words);
    return status;
}

/* In a folder of programs a web server would start this one too, with a visitor's words. */
static enum cli_exit refuse_visitor(void)
{
    printf("Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n"
           "This is a command line, not for visitors: keep it out of the web server's folders.\n");
    return CLI_NO;
}

int main(int argc, char **argv)
{
    enum cli_exit status = CLI_USAGE;
    const char *name = argc > 1 ? argv[1] : "--help";
    const struct command *command = NULL;
    harden_process();
    openssl_start();
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (!strcmp(commands[i]->name, name))
            command = commands[i];
    }
    if (getenv("GATEWAY_INTERFACE")) {
        status = refuse_visitor();
    } else if (command) {
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

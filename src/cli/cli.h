/* The command line, flashduty-gateway: a table of commands, a file each. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "vendors/vendor.h"

enum cli_exit {
    CLI_DONE = 0,
    CLI_NO = 1, /* the answer is no */
    CLI_USAGE = 2,
    CLI_STORE = 3, /* there is none, or it cannot be used */
    CLI_NOT_FOUND = 4,
    CLI_NETWORK = 5,
};

/* An option of one command: with a value, or a flag without one. */
struct cli_option {
    const char *name; /* without its dashes; NULL ends the table */
    const char **value;
    bool *flag;
};

/* As many words as one likes. */
#define CLI_ANY_WORDS -1
/* Behind the words that were given stand at least so many NULL. */
#define CLI_WORDS_NULL 4

/* What was given to a command. */
struct cli_call {
    bool json; /* -o json */
    int count; /* words after the options were taken out */
    const char **words;
};

struct command {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *help; /* more, for --help */
    int min_words, max_words;
    enum cli_exit (*run)(const struct cli_call *call);
    const struct cli_option *options;
};

extern const struct command command_check, command_map, command_route, command_verify, command_send,
    command_new_integration, command_alert, command_outbox, command_drain, command_confirm,
    command_status, command_canary, command_store;

/* The vendor of a name; NULL after saying on stderr which ones there are. */
const struct vendor *cli_vendor(const char *name) __attribute__((nonnull));

/* Says on stderr what is wrong with the call; returns CLI_USAGE. */
enum cli_exit cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says on stderr why not; returns code. */
enum cli_exit cli_fail(enum cli_exit code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends the file's content; NULL or "-" is standard input. ERROR_NOT_FOUND if there is none. */
bool cli_read(const char *path, struct text *content, struct error *error)
    __attribute__((nonnull(2, 3)));

#endif

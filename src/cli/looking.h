/* What the commands that read a store share: finding it, and words for what stands in it. */
#ifndef CLI_LOOKING_H
#define CLI_LOOKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "cli/cli.h"
#include "config/config.h"
#include "status/history_json.h"
#include "store/history.h"

struct looking {
    struct config config;
    struct arena arena;
    const char *path; /* of the store */
    struct history *history;
    struct history *spool; /* of this node; NULL: there is none, or it cannot be read */
    int64_t spooled;       /* the alerts in it */
};

/* Opens the store of the configuration, after saying on stderr which ones these are, and whether
 * this node's spool holds alerts. Whatever it returns, looking_end is called. */
enum cli_exit looking_begin(struct looking *looking) __attribute__((nonnull));
void looking_end(struct looking *looking) __attribute__((nonnull));

/* Gives a store the spool that this node has, if it has one. */
bool looking_add_spool(const struct looking *looking, struct store *store, struct error *error)
    __attribute__((nonnull));

/* Opens the spool of this node, if there is one, and says on stderr what it holds. */
void looking_open_spool(struct looking *looking) __attribute__((nonnull));

/* Reads the configuration at path (NULL: the one that the gateway would read); says on stderr what
 * is wrong with it. */
bool looking_configure(const char *path, struct config *config) __attribute__((nonnull(2)));

/* As the gateway does: the last valid one counts, too. */
bool looking_configure_or_last_valid(struct config *config) __attribute__((nonnull));

/* "configuration: PATH, store: PATH", on stderr. store: NULL is left out. */
void looking_say_where(const struct config *config, const char *store) __attribute__((nonnull(1)));

/* Says on stderr what is wrong with the store; returns CLI_STORE. */
enum cli_exit looking_failed(const struct error *error) __attribute__((nonnull));

/* ---- words ---- */

/* Appends text for a terminal: control characters would do things there. */
void put_safe(struct text *out, const char *text) __attribute__((nonnull));
/* RFC 3339. */
void put_time(struct text *out, int64_t ms) __attribute__((nonnull));
/* "a" or "a: b"; nothing if both are "". */
void put_reason(struct text *out, const char *code, const char *message) __attribute__((nonnull));
/* "default (8a7b…)" */
void put_destination(struct text *out, const struct delivery_record *record)
    __attribute__((nonnull));
/* A try as a line, with its newline. */
void put_try(struct text *out, const char *indent, const struct try_record *record)
    __attribute__((nonnull));

/* Prints it as it is, or with a newline, and empties it. */
void print_text(struct text *out) __attribute__((nonnull));
void print_line(struct text *out) __attribute__((nonnull));

/* A key as far as one needs it to recognise it. */
void put_key(struct text *out, const char *flashduty_key) __attribute__((nonnull));

/* ---- reading what a person wrote ---- */

/* "30s", "10m", "2h", "3d"; false if it is none. */
bool read_age(const char *text, int64_t *ms) __attribute__((nonnull));
/* A number above 0; false if it is none. */
bool read_id(const char *text, int64_t *id) __attribute__((nonnull));

#endif

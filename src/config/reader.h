/*
 * Reads settings by tables: a row says what a setting is called, what it may be and where it goes,
 * and the same row serves the file and the environment. Only what a row cannot say is a function.
 *
 * Errors and warnings are collected in the report, with the place of the setting and never with
 * its text, which may be a key.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>

#include <libconfig.h>

#include "config/check.h"
#include "config/config.h"
#include "config/file.h"

/* Where a value stands. Without a line: an environment variable; without a name too: the file. */
struct place {
    const char *name;
    unsigned line;
};

struct reader {
    struct config *config;
    struct config_report *report;
    const struct text *kept; /* the files to read instead of those that are there; or NULL */
    const char *folder;      /* of the file, a prefix; NULL without a file */
    struct integration *integrations; /* those of config, while they are read */
    struct route *routes;             /* those of an integration, while they are read */
    struct arena scratch;             /* holds the names of places */
};

/* The texts of a setting that are right one by one. */
struct texts {
    const char **items; /* in the configuration's arena */
    struct place *places;
    size_t count;
};

enum setting_kind {
    SETTING_BOOLEAN,
    SETTING_NUMBER,
    SETTING_CHOICE,
    SETTING_TEXT,
    SETTING_TEXTS,
    SETTING_TEXT_OR_TEXTS,
    SETTING_GROUP,
    SETTING_LIST,
    SETTING_KIND_COUNT
};

struct setting {
    const char *name;
    enum setting_kind kind;
    bool is_required;
    size_t offset, size;        /* of its member in the section's struct; size 0: it has none */
    long long minimum, maximum; /* of a number, or of the count of texts */
    const char *const *choices; /* maximum of them; the index of one is the value */
    text_check *check;          /* of each text */
    /* Takes texts that are more than a pointer to keep. */
    void (*take)(struct reader *reader, void *section, const struct texts *texts);
    /* Reads a group or a list into the section. */
    void (*open)(struct reader *reader, void *section, const config_setting_t *node,
                 struct place place);
};

/* offset and size of a member. */
#define SETTING_MEMBER(type, member) \
    .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

void reader_complain(struct reader *reader, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4), nonnull(1, 3)));
void reader_warn(struct reader *reader, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* The place of a node whose name is prefix and name. */
struct place reader_place(struct reader *reader, const config_setting_t *node, const char *prefix,
                          const char *name) __attribute__((nonnull));

/* Reads the members of a group into section; settings ends with a row without a name. prefix
 * stands before the members' names in errors, place is the group's own. */
void reader_section(struct reader *reader, const config_setting_t *group,
                    const struct setting *settings, void *section, const char *prefix,
                    struct place place) __attribute__((nonnull(1, 2, 3, 4, 5)));

/* Reads a setting from the value of an environment variable. */
void reader_word(struct reader *reader, const struct setting *setting, void *section,
                 const char *word, struct place place) __attribute__((nonnull(1, 2, 3, 4)));

/* As config_file_load, of a file that belongs to the configuration. */
bool reader_load_file(struct reader *reader, const char *path, enum file_guard guard, size_t limit,
                      struct config_file *file, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* Parses a file's bytes into an initialised tree, which is to be destroyed in any case. False after
 * a complaint. */
bool reader_parse(struct reader *reader, const struct text *bytes, config_t *tree)
    __attribute__((nonnull, warn_unused_result));

/* Complains that others may read a file with keys. */
void reader_complain_of_readers(struct reader *reader, struct place place, const char *problem)
    __attribute__((nonnull(1, 3)));

/* Cuts "LEFT=RIGHT" at its first =, trimmed, into the configuration's arena. False if there is no
 * = in it. */
bool reader_split(struct reader *reader, const char *text, const char **left, const char **right)
    __attribute__((nonnull));

/* Complains unless the node is a group, or a list. */
bool reader_is(struct reader *reader, const config_setting_t *node, enum setting_kind kind,
               struct place place) __attribute__((nonnull(1, 2)));

/* The path of a file named in the configuration: relative to the configuration's own folder. NULL
 * after a complaint: there is no such folder. */
const char *reader_path(struct reader *reader, const char *name, struct place place)
    __attribute__((nonnull(1, 2)));

#endif

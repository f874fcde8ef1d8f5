#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "config/file.h"
#include "config/last_valid.h"
#include "config/reader.h"
#include "config/sections.h"
#include "store/place.h"

#define ENVIRONMENT "FLASHDUTY_GATEWAY_"
#define ENVIRONMENT_CONFIG ENVIRONMENT "CONFIG"
#define ENVIRONMENT_DETACHED ENVIRONMENT "DETACHED"
#define ENVIRONMENT_PASS_THROUGH ENVIRONMENT "PASS_THROUGH"

/* Every row of the environment is shorter, and a longer name is none of ours. */
#define ENVIRONMENT_NAME_MAX 64

_Static_assert(sizeof(enum log_level) == sizeof(int), "a choice is stored as an int");
_Static_assert(sizeof(size_t) == sizeof(long), "a size is stored as a long");

static void take_ca_file(struct reader *reader, void *section, const struct texts *texts)
{
    struct config *config = section;
    const char *name = texts->items[0];
    const char *path = *name ? reader_path(reader, name, texts->places[0]) : "";
    if (path && *path)
        config_sources_note(&reader->report->sources, path);
    if (path && *path && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        reader_complain(reader, texts->places[0],
                        "%s cannot be read: %s; name a file of CA certificates in PEM, or a hashed "
                        "folder of them",
                        path, strerror(errno));
    config->ca_file = path;
}

#define STORE_PREFIX "sqlite:"

static void take_store(struct reader *reader, void *section, const struct texts *texts)
{
    struct config *config = section;
    const char *text = texts->items[0];
    bool is_file = !strncmp(text, STORE_PREFIX, strlen(STORE_PREFIX));
    const char *place = store_is_server(text) ? text : "";
    config->store =
        is_file ? reader_path(reader, text + strlen(STORE_PREFIX), texts->places[0]) : place;
}

/* Those without open() are the environment's too, in capitals. */
static const struct setting settings[] = {
    {.name = "flashduty_url",
     .kind = SETTING_TEXT,
     SETTING_MEMBER(struct config, flashduty_url),
     .check = config_check_url},
    {.name = "pass_through", .kind = SETTING_BOOLEAN, SETTING_MEMBER(struct config, pass_through)},
    {.name = "ca_file", .kind = SETTING_TEXT, .take = take_ca_file},
    {.name = "proxy",
     .kind = SETTING_TEXT,
     SETTING_MEMBER(struct config, proxy),
     .check = config_check_proxy},
    {.name = "store", .kind = SETTING_TEXT, .check = config_check_store, .take = take_store},
    {.name = "keep_days",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, limits.keep_days),
     .minimum = 1,
     .maximum = 3650},
    {.name = "rate_per_second",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, limits.rate_per_second),
     .minimum = 0,
     .maximum = 1000000},
    {.name = "rate_per_minute",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, limits.rate_per_minute),
     .minimum = 0,
     .maximum = 60000000},
    {.name = "outbox_limit",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, limits.outbox_limit),
     .minimum = 1,
     .maximum = 100000000},
    {.name = "deadline_ms",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, deadline_ms),
     .minimum = 100,
     .maximum = 30000},
    {.name = "max_body_bytes",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, max_body_bytes),
     .minimum = 1024,
     .maximum = 16777216},
    {.name = "workers",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, workers),
     .minimum = 1,
     .maximum = 1024},
    {.name = "status_key",
     .kind = SETTING_TEXT,
     SETTING_MEMBER(struct config, status_key),
     .check = config_check_status_key},
    {.name = "log_level",
     .kind = SETTING_CHOICE,
     SETTING_MEMBER(struct config, log_level),
     .choices = log_level_names,
     .maximum = LOG_LEVEL_COUNT},
    {.name = "smn", .kind = SETTING_GROUP, .open = config_open_smn},
    {.name = "watchdog", .kind = SETTING_GROUP, .open = config_open_watchdog},
    {.name = "integrations", .kind = SETTING_LIST, .open = config_open_integrations},
    {0}};

bool config_defaults(struct config *config, struct error *error)
{
    *config = (struct config){
        .path = "",
        .flashduty_url = "https://api.flashcat.cloud/event/push/alert/standard",
        .pass_through = true,
        .ca_file = "",
        .proxy = "",
        .limits = {.keep_days = 30,
                   .rate_per_second = 100,
                   .rate_per_minute = 1000,
                   .outbox_limit = 100000},
        .status_key = "",
        .deadline_ms = 3500,
        .max_body_bytes = 524288,
        .workers = 64,
        .log_level = LOG_INFO,
        .smn = {.verify = SMN_VERIFY_FETCH, .max_age_hours = 24},
        .watchdog = {.wait_s = 300, .url = ""},
    };
    if (smn_pins_compiled_in(&config->smn, &config->arena, error) &&
        (!config->arena.failed || error_out_of_memory(error)))
        return true;
    config_free(config);
    return false;
}

void config_free(struct config *config)
{
    smn_pins_clear(&config->smn);
    arena_clear(&config->arena);
    *config = (struct config){0};
}

void config_report_clear(struct config_report *report)
{
    text_clear(&report->errors);
    text_clear(&report->warnings);
    text_clear(&report->files);
    config_sources_clear(&report->sources);
    *report = (struct config_report){0};
}

/* The name of a setting's variable. */
static void environment_name(const char *setting, char name[static ENVIRONMENT_NAME_MAX])
{
    size_t length = strlen(ENVIRONMENT);
    memcpy(name, ENVIRONMENT, length);
    for (; *setting && length < ENVIRONMENT_NAME_MAX - 1; setting++)
        name[length++] =
            *setting >= 'a' && *setting <= 'z' ? (char)(*setting - 'a' + 'A') : *setting;
    name[length] = '\0';
}

static struct place environment_place(struct reader *reader, const char *name)
{
    return (struct place){.name = arena_printf(&reader->scratch, "environment %s", name)};
}

static void read_environment(struct reader *reader)
{
    char name[ENVIRONMENT_NAME_MAX];
    for (const struct setting *setting = settings; setting->name; setting++) {
        environment_name(setting->name, name);
        const char *word = setting->open ? NULL : getenv(name);
        if (word)
            reader_word(reader, setting, reader->config, word, environment_place(reader, name));
    }
}

static bool is_environment_name(const char *name)
{
    char known[ENVIRONMENT_NAME_MAX];
    for (const struct setting *setting = settings; setting->name; setting++) {
        environment_name(setting->name, known);
        if (!setting->open && !strcmp(known, name))
            return true;
    }
    return !strcmp(name, ENVIRONMENT_CONFIG) || !strcmp(name, ENVIRONMENT_DETACHED);
}

static void warn_about_environment(struct reader *reader)
{
    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, ENVIRONMENT, strlen(ENVIRONMENT)))
            continue;
        const char *name = arena_copy(&reader->scratch, *entry, strcspn(*entry, "="));
        if (!is_environment_name(name))
            reader_warn(reader, environment_place(reader, name), "is unknown: no such setting");
    }
}

static struct place pass_through_place(struct reader *reader, const config_setting_t *root)
{
    const config_setting_t *node = config_setting_get_member(root, "pass_through");
    if (getenv(ENVIRONMENT_PASS_THROUGH))
        return environment_place(reader, ENVIRONMENT_PASS_THROUGH);
    return node ? reader_place(reader, node, "", "pass_through") : (struct place){0};
}

/* The key in a push URL has one meaning: a Flashduty key, or a push key of the integrations. */
static void check_meaning(struct reader *reader, const config_setting_t *root, bool is_public)
{
    const config_setting_t *list = config_setting_get_member(root, "integrations");
    bool has_integrations = list && config_setting_length(list) > 0;
    struct place place = pass_through_place(reader, root), file = {0};
    const char *status_key = "", *store = "";
    if (config_setting_length(root) == 0)
        reader_complain(reader, file,
                        "is empty; write integrations, or pass_through = true to forward with the "
                        "keys in the push URLs");
    else if (!has_integrations && !reader->config->pass_through)
        reader_complain(reader, place,
                        "there is no integration; write integrations, or pass_through = true to "
                        "forward with the keys in the push URLs");
    if (has_integrations && reader->config->pass_through)
        reader_complain(reader, place,
                        "pass_through = true and integrations give the key in a push URL two "
                        "meanings; keep one of them");
    bool has_status_key =
        config_setting_lookup_string(root, "status_key", &status_key) && *status_key;
    bool has_password =
        config_setting_lookup_string(root, "store", &store) && store_place_is_secret(store);
    if (is_public && (has_integrations || has_status_key || has_password))
        reader_complain_of_readers(reader, file, "holds keys that others may read");
}

static void read_file(struct reader *reader, const struct config_file *file)
{
    config_t tree;
    config_init(&tree);
    reader->config->pass_through = false;
    reader->folder = config_file_folder(&reader->scratch, reader->config->path);
    if (reader_parse(reader, &file->bytes, &tree)) {
        const config_setting_t *root = config_root_setting(&tree);
        reader_section(reader, root, settings, reader->config, "", (struct place){0});
        read_environment(reader);
        check_meaning(reader, root, file->is_public);
    }
    config_destroy(&tree);
}

static void read_without_file(struct reader *reader)
{
    read_environment(reader);
    if (!reader->config->pass_through)
        reader_complain(reader, environment_place(reader, ENVIRONMENT_PASS_THROUGH),
                        "nothing would be served: there is no configuration file with "
                        "integrations; write one, or leave this variable out");
}

static bool find_kept(struct reader *reader, const char *path, struct config_file *file)
{
    reader->config->path = arena_string(&reader->config->arena, path);
    if (file_set_find(reader->kept, path, &file->bytes))
        return true;
    reader_complain(reader, (struct place){0}, "was not kept");
    return false;
}

/* False after a complaint. A file that is there but cannot be read is never passed over. */
static bool find_file(struct reader *reader, const char *path, struct config_file *file)
{
    const char *places[CONFIG_PLACES] = {path ? path : getenv(ENVIRONMENT_CONFIG)};
    bool is_named = places[0] && (path || *places[0]);
    size_t count = 1;
    struct error error = {0};
    if (!is_named && !config_file_places(&reader->scratch, places, &count, &error)) {
        reader_complain(reader, (struct place){.name = "configuration"}, "%s", error.text);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct error problem = {0};
        reader->config->path = arena_string(&reader->config->arena, places[i]);
        reader->report->path = arena_string(&reader->report->sources.arena, places[i]);
        if (reader_load_file(reader, places[i], FILE_OWN, CONFIG_FILE_BYTES_MAX, file, &problem))
            return true;
        if (is_named || problem.code != ERROR_NOT_FOUND) {
            reader_complain(reader, (struct place){0}, "%s", problem.text);
            return false;
        }
    }
    reader->config->path = "";
    reader->report->path = "";
    return true;
}

static bool is_right(const struct reader *reader)
{
    const struct text *errors = &reader->report->errors;
    return errors->length == 0 && !errors->failed;
}

/* kept: the files to read in place of those that are there, or NULL. */
static bool load(const char *path, const struct text *kept, struct config *config,
                 struct config_report *report)
{
    struct reader reader = {.config = config, .report = report, .kept = kept};
    struct config_file file = {0};
    struct error error = {0};
    config_report_clear(report);
    if (!config_defaults(config, &error)) {
        text_printf(&report->errors, "configuration: %s\n", error.text);
        return false;
    }
    if (kept ? find_kept(&reader, path, &file) : find_file(&reader, path, &file)) {
        warn_about_environment(&reader);
        if (*config->path)
            read_file(&reader, &file);
        else
            read_without_file(&reader);
        config_watch(&reader);
    }
    if (config->arena.failed || reader.scratch.failed || report->sources.arena.failed)
        reader_complain(&reader, (struct place){.name = "configuration"}, "out of memory");
    text_clear(&file.bytes);
    arena_clear(&reader.scratch);
    if (is_right(&reader))
        return true;
    config_free(config);
    return false;
}

bool config_load(const char *path, struct config *config, struct config_report *report)
{
    return load(path, NULL, config, report);
}

bool config_load_or_last_valid(const char *path, struct config *config,
                               struct config_report *report)
{
    struct text kept = {0};
    struct error error = {0};
    struct config_report ignored = {0};
    if (load(path, NULL, config, report))
        return true;
    bool is_taken = !report->is_distrusted && report->path && *report->path &&
                    last_valid_read(report->path, &kept, &error) &&
                    load(report->path, &kept, config, &ignored);
    const char *errors = text_string(&report->errors);
    if (is_taken)
        config->refusal = config->watchdog.refusal =
            arena_copy(&config->arena, errors, strcspn(errors, "\n"));
    text_clear(&kept);
    config_report_clear(&ignored);
    return is_taken;
}

bool config_keep(const struct config *config, const struct config_report *report,
                 struct error *error)
{
    if (!*config->path || config->refusal)
        return true;
    return report->files.failed ? error_out_of_memory(error)
                                : last_valid_keep(config->path, &report->files, error);
}

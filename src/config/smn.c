#include "config/sections.h"

#include <limits.h>
#include <string.h>

#include "config/file.h"

/* A certificate has two thousand bytes; this is room for the words that tools write around it. */
#define CERTIFICATE_FILE_BYTES_MAX 65536

static const char *const verify_names[] = {
    [SMN_VERIFY_FETCH] = "fetch",
    [SMN_VERIFY_PINNED] = "pinned",
    [SMN_VERIFY_OFF] = "off",
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void add_certificate(struct reader *reader, const char *path, struct place place)
{
    struct config *config = reader->config;
    struct config_file file;
    struct error error = {0};
    if (!reader_load_file(reader, path, FILE_SHARED, CERTIFICATE_FILE_BYTES_MAX, &file, &error))
        reader_complain(reader, place, "%s %s", path, error.text);
    else if (!smn_pin_add(&config->smn, &config->arena, text_string(&file.bytes), base_name(path),
                          &error))
        reader_complain(reader, place, "%s; name a file with one certificate", error.text);
    text_clear(&file.bytes);
}

static void take_certificates(struct reader *reader, void *section, const struct texts *texts)
{
    (void)section;
    for (size_t i = 0; i < texts->count; i++) {
        const char *path = reader_path(reader, texts->items[i], texts->places[i]);
        if (path)
            add_certificate(reader, path, texts->places[i]);
    }
}

static void take_hosts(struct reader *reader, void *section, const struct texts *texts)
{
    struct config *config = section;
    (void)reader;
    config->smn.hosts = texts->items;
    config->smn.host_count = texts->count;
}

static const struct setting smn_settings[] = {
    {.name = "verify",
     .kind = SETTING_CHOICE,
     SETTING_MEMBER(struct config, smn.verify),
     .choices = verify_names,
     .maximum = sizeof verify_names / sizeof *verify_names},
    {.name = "certificate", .kind = SETTING_TEXTS, .maximum = INT_MAX, .take = take_certificates},
    {.name = "host",
     .kind = SETTING_TEXTS,
     .maximum = INT_MAX,
     .check = config_check_host,
     .take = take_hosts},
    {.name = "private_network",
     .kind = SETTING_BOOLEAN,
     SETTING_MEMBER(struct config, smn.private_network)},
    {.name = "max_age_hours",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, smn.max_age_hours),
     .minimum = 0,
     .maximum = 87600},
    {0}};

static void warn_about(struct reader *reader, const config_setting_t *group, const char *name,
                       const char *what)
{
    const config_setting_t *node = config_setting_get_member(group, name);
    if (node)
        reader_warn(reader, reader_place(reader, node, "smn.", name), "%s", what);
}

void config_open_smn(struct reader *reader, void *section, const config_setting_t *node,
                     struct place place)
{
    const struct smn_settings *smn = &reader->config->smn;
    reader_section(reader, node, smn_settings, section, "smn.", place);
    if (smn->verify == SMN_VERIFY_OFF)
        warn_about(reader, node, "verify",
                   "signatures are not checked: whoever knows the push URL may page; \"pinned\" "
                   "checks them");
    if (smn->private_network && smn->host_count == 0)
        warn_about(reader, node, "private_network",
                   "has no effect without smn.host, whose hosts it is about; list them or leave "
                   "it out");
}

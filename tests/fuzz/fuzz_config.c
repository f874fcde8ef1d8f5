/*
 * libFuzzer: the configuration file. It is taken whole and right, or refused with a line for each
 * error; and no line shows what stands in push_key or flashduty_key. Behind each of `key = "` a
 * word is planted to look for.
 */
#include <libconfig.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/check.h"
#include "config/config.h"
#include "config/scan.h"
#include "fuzz.h"

/* libconfig 1.5 leaks what it has scanned when it finds an error of syntax, some bytes an input.
 * Leaks of all else are looked for once, at the end: after each input that costs more than the
 * rest. Nothing of the environment may turn up in an input, nor change what comes of it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    static char no_leaks[] = "-detect_leaks=0", memory[] = "-rss_limit_mb=8192";
    static char *extended[256];
    MUST(*count > 0 && *count <= 253);
    memcpy(extended, *arguments, (size_t)*count * sizeof *extended);
    extended[(*count)++] = no_leaks;
    extended[(*count)++] = memory;
    *arguments = extended;
    clearenv();
    return 0;
}

static int file = -1;
static char path[32];

static void write_file(const struct text *text)
{
    if (file < 0) {
        file = memfd_create("gateway.conf", MFD_CLOEXEC);
        MUST(file >= 0 && fchmod(file, 0600) == 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    MUST(ftruncate(file, 0) == 0);
    MUST(pwrite(file, text_string(text), text->length, 0) == (ssize_t)text->length);
}

static void plant(const char *input, size_t length, const char *canary, struct text *text)
{
    static const char before[] = "key = \"";
    for (size_t i = 0; i < length; i++) {
        text_putc(text, input[i]);
        if (i + 1 >= strlen(before) &&
            !memcmp(input + i + 1 - strlen(before), before, strlen(before)))
            text_puts(text, canary);
    }
}

static bool is_key(const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    return name && (!strcmp(name, "push_key") || !strcmp(name, "flashduty_key") ||
                    !strcmp(name, "destination"));
}

/* Whether the word stands where no key does: as a name, or as the value of another setting. */
static bool is_elsewhere(const config_setting_t *setting, const char *canary)
{
    const char *name = config_setting_name(setting);
    bool is_text = config_setting_type(setting) == CONFIG_TYPE_STRING;
    const char *text = is_text ? config_setting_get_string(setting) : "";
    const config_setting_t *parent = config_setting_parent(setting);
    bool is_key_text = is_key(setting) || (parent && is_key(parent));
    if ((name && strstr(name, canary)) || (strstr(text, canary) && !is_key_text))
        return true;
    for (int i = 0; config_setting_is_aggregate(setting) && i < config_setting_length(setting); i++)
        if (is_elsewhere(config_setting_get_elem(setting, (unsigned)i), canary))
            return true;
    return false;
}

/* Whether the planted word is a secret in all places of the text. */
static bool is_secret(const struct text *text, const char *canary)
{
    struct text scanned = {0};
    unsigned line;
    const char *problem;
    config_t tree;
    bool is_secret = true;
    config_init(&tree);
    if (config_scan(text_string(text), &scanned, &line, &problem) &&
        config_read_string(&tree, text_string(&scanned)))
        is_secret = !is_elsewhere(config_root_setting(&tree), canary);
    config_destroy(&tree);
    text_clear(&scanned);
    return is_secret;
}

static void must_be_a_key(const char *key, size_t minimum)
{
    MUST(key && strlen(key) >= minimum && strlen(key) <= KEY_LENGTH_MAX);
    MUST(!config_check_key(key));
}

static void must_be_an_integration(const struct config *config, size_t index)
{
    const struct integration *integration = &config->integrations[index];
    MUST(integration->name && *integration->name && integration->vendor);
    MUST(integration->push_key_count >= 1 && integration->push_key_count <= 2);
    MUST(integration->routing.fallback.flashduty_key || integration->unmatched == UNMATCHED_DROP);
    MUST(integration->destination_count > 0 || integration->routing.count > 0);
    for (size_t i = 0; i < integration->destination_count; i++) {
        must_be_a_key(integration->destinations[i].flashduty_key, 1);
        for (size_t j = 0; j < i; j++)
            MUST(strcmp(integration->destinations[j].name, integration->destinations[i].name));
    }
    for (size_t i = 0; i < integration->push_key_count; i++)
        must_be_a_key(integration->push_keys[i], PUSH_KEY_LENGTH_MIN);
    for (size_t i = 0; i < integration->topic_urn_count; i++)
        MUST(!config_check_topic(integration->topic_urns[i]));
    for (size_t i = 0; i < integration->override_count; i++)
        MUST(integration->overrides[i].severity < SEVERITY_COUNT && *integration->overrides[i].row);
    MUST(integration->label_count <= ALERT_LABELS_MAX);
    for (size_t i = 0; i < integration->label_count; i++)
        MUST(!config_check_label_name(integration->labels[i].name) &&
             !config_check_label_value(integration->labels[i].value));
    for (size_t i = 0; i < index; i++) {
        const struct integration *other = &config->integrations[i];
        MUST(strcmp(other->name, integration->name));
        MUST(strcmp(other->push_keys[0], integration->push_keys[0]));
    }
}

static void must_be_right(const struct config *config)
{
    MUST(!config_check_url(config->flashduty_url) && !config_check_proxy(config->proxy));
    MUST(config->pass_through == (config->integration_count == 0));
    MUST(config->deadline_ms >= 100 && config->deadline_ms <= 30000);
    MUST(config->max_body_bytes >= 1024 && config->max_body_bytes <= 16777216);
    MUST(config->workers >= 1 && config->workers <= 1024);
    MUST(config->log_level < LOG_LEVEL_COUNT && config->smn.verify <= SMN_VERIFY_OFF);
    MUST(config->smn.max_age_hours >= 0 && config->smn.pin_count >= 1);
    for (size_t i = 0; i < config->smn.host_count; i++)
        MUST(!config_check_host(config->smn.hosts[i]));
    for (size_t i = 0; i < config->integration_count; i++)
        must_be_an_integration(config, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config = {0};
    struct config_report report = {0};
    struct text text = {0};
    char canary[CANARY_SIZE];
    make_canary(data, size, canary);
    plant((const char *)data, size, canary, &text);
    write_file(&text);
    bool is_loaded = config_load(path, &config, &report);
    if (is_loaded)
        must_be_right(&config);
    MUST(is_loaded == (report.errors.length == 0));
    if (strstr(text_string(&report.errors), canary) ||
        strstr(text_string(&report.warnings), canary))
        MUST(!is_secret(&text, canary));
    config_free(&config);
    config_report_clear(&report);
    text_clear(&text);
    return 0;
}

/*
 * The configuration: what it takes, and the line of every error. Tables of whole files: a row is
 * a text and where it is wrong.
 *
 * Three functions of the C library stand here in their own name, so that the user's home, the
 * system's folder and the user itself are the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/config.h"

/* Stands in every key of these tests, and never in a report. */
#define CANARY "CANARY"
#define PUSH_KEY "CANARY-push-key-1"
#define OTHER_PUSH_KEY "CANARY-push-key-2"
#define THIRD_PUSH_KEY "CANARY-push-key-3"
#define FLASHDUTY_KEY "CANARY-flashduty-key"

#define SYSTEM_FILE "/etc/flashduty-gateway/gateway.conf"
#define USER_FILE ".config/flashduty-gateway/gateway.conf"
#define EXAMPLE "examples/gateway.conf"

#define EIGHT(x) x x x x x x x x
#define SIXTY_FOUR(x) EIGHT(EIGHT(x))

/* Settings begin in line 5 of a file that begins with one of these. */
#define INTEGRATION(name, vendor, push_key)                                \
    "{ name = \"" name "\"\nvendor = \"" vendor "\"\npush_key = " push_key \
    "\nflashduty_key = \"" FLASHDUTY_KEY "\"\n"
#define GUANCE "integrations = ( " INTEGRATION("a", "guance", "\"" PUSH_KEY "\"")
#define CES "integrations = ( " INTEGRATION("a", "ces", "\"" PUSH_KEY "\"")
#define END "} )\n"
#define TOPIC "topic_urn = [ \"urn:smn:cn-north-4:0123:ops-*\" ]\n"

/* A whole right file, in lines 1 to 5, which settings can follow from line 6 on. */
#define WHOLE GUANCE END

static char folder[] = "/tmp/test_config_XXXXXX";
static char config_path[PATH_MAX], system_path[PATH_MAX], home[PATH_MAX];

static struct config config;
static struct config_report report;

/* The seams. */
static const char *unreadable; /* open() of it is refused */
static int password_error;     /* getpwuid_r() fails so */
static uid_t user;             /* whom the process runs as, unless 0 */

int routed_open(const char *path, int flags, ...) __asm__("open");

int routed_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (!strcmp(path, SYSTEM_FILE))
        path = system_path;
    if (unreadable && !strcmp(path, unreadable)) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

uid_t geteuid(void)
{
    return user ? user : (uid_t)syscall(SYS_geteuid);
}

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **result)
{
    (void)buffer;
    (void)size;
    *entry = (struct passwd){.pw_uid = uid, .pw_dir = home};
    *result = password_error || !*home ? NULL : entry;
    return password_error;
}

static void write_file(const char *path, const char *bytes, size_t length, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX + 64];
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    return path;
}

static void write_text(const char *name, const char *text, mode_t mode)
{
    write_file(in_folder(name), text, strlen(text), mode);
}

static bool load(const char *path)
{
    config_free(&config);
    return config_load(path, &config, &report);
}

static bool load_text(const char *text)
{
    write_text("gateway.conf", text, 0600);
    return load(config_path);
}

static bool load_or_print(const char *text)
{
    bool is_loaded = load_text(text);
    if (!is_loaded)
        print_error("%s%s", text, text_string(&report.errors));
    return is_loaded;
}

static const char *errors(void)
{
    return text_string(&report.errors);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void assert_starts_with(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)))
        fail_msg("\"%s\" does not start with \"%s\"", text, start);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static void assert_empty(const struct config *empty)
{
    static const struct config none;
    assert_memory_equal(empty, &none, sizeof none);
}

/* The file is refused by one error, which begins so behind the file's name and holds no key. */
static void assert_refused(const char *text, const char *expected)
{
    char start[PATH_MAX + 512];
    snprintf(start, sizeof start, "%s:%s", config_path, expected);
    if (load_text(text))
        fail_msg("loaded instead of \"%s\":\n%s", expected, text);
    assert_starts_with(errors(), start);
    if (count_lines(errors()) != 1)
        fail_msg("more than one error:\n%s", errors());
    assert_null(strstr(errors(), CANARY));
    assert_non_null(strpbrk(errors(), ";"));
    assert_empty(&config);
}

static void set(const char *name, const char *value)
{
    char variable[128];
    snprintf(variable, sizeof variable, "FLASHDUTY_GATEWAY_%s", name);
    assert_int_equal(setenv(variable, value, 1), 0);
}

static void clear_environment(void)
{
    for (char **entry = environ; *entry;) {
        char name[128] = "";
        if (!strncmp(*entry, "FLASHDUTY_GATEWAY_", strlen("FLASHDUTY_GATEWAY_"))) {
            memcpy(name, *entry, strcspn(*entry, "="));
            unsetenv(name);
            entry = environ;
        } else {
            entry++;
        }
    }
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(config_path, sizeof config_path, "%s/gateway.conf", folder);
    snprintf(system_path, sizeof system_path, "%s/system.conf", folder);
    return mkdir(in_folder(".config"), 0700) || mkdir(in_folder(".config/flashduty-gateway"), 0700);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int start(void **state)
{
    (void)state;
    clear_environment();
    unlink(config_path);
    unlink(system_path);
    unlink(in_folder(USER_FILE));
    memcpy(home, folder, sizeof folder);
    unreadable = NULL;
    password_error = 0;
    user = 0;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    config_free(&config);
    config_report_clear(&report);
    return 0;
}

/* A certificate with a key of so many bits, in PEM. */
static void write_certificate(const char *name, unsigned bits, mode_t mode)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    X509 *certificate = X509_new();
    assert_non_null(key);
    assert_non_null(certificate);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(in_folder(name), mode), 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void the_defaults_are_those_of_the_reference(void **state)
{
    (void)state;
    struct error error = {0};
    assert_true(config_defaults(&config, &error));
    assert_string_equal(config.path, "");
    assert_string_equal(config.flashduty_url,
                        "https://api.flashcat.cloud/event/push/alert/standard");
    assert_true(config.pass_through);
    assert_string_equal(config.ca_file, "");
    assert_string_equal(config.proxy, "");
    assert_int_equal(config.deadline_ms, 3500);
    assert_int_equal(config.max_body_bytes, 524288);
    assert_int_equal(config.workers, 64);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.smn.verify, SMN_VERIFY_FETCH);
    assert_true(config.smn.pin_count > 0);
    assert_int_equal(config.smn.host_count, 0);
    assert_false(config.smn.private_network);
    assert_int_equal(config.smn.max_age_hours, 24);
    assert_int_equal(config.integration_count, 0);
}

static void a_file_without_settings_of_its_own_has_the_defaults(void **state)
{
    (void)state;
    assert_true(load_or_print("pass_through = true"));
    assert_string_equal(config.path, config_path);
    assert_true(config.pass_through);
    assert_int_equal(config.workers, 64);
    assert_string_equal(text_string(&report.warnings), "");
}

static void every_setting_is_taken(void **state)
{
    (void)state;
    write_text("ca.pem", "", 0644);
    assert_true(load_or_print(
        "flashduty_url = \"http://127.0.0.1:8080/x\"\n"
        "pass_through = false\n"
        "ca_file = \"ca.pem\"\n"
        "proxy = \"socks5h://proxy.example.com:1080\"\n"
        "store = \"sqlite:s/gateway.db\"\n"
        "keep_days = 7\n"
        "rate_per_second = 0\n"
        "rate_per_minute = 500\n"
        "outbox_limit = 1000\n"
        "deadline_ms = 2000\n"
        "max_body_bytes = 65536L\n"
        "workers = 8;\n"
        "log_level = \"debug\",\n"
        "smn : { verify = \"off\"; host = [ \"localhost:8443\", \"a.b-c.d\" ];\n"
        "  private_network = True; max_age_hours = 0; certificate = [] }\n"
        "integrations = ( " INTEGRATION("a-B_1.x", "ces", "\"" PUSH_KEY "\"") TOPIC "} )"));
    assert_string_equal(config.flashduty_url, "http://127.0.0.1:8080/x");
    assert_false(config.pass_through);
    assert_string_equal(config.ca_file, in_folder("ca.pem"));
    assert_string_equal(config.proxy, "socks5h://proxy.example.com:1080");
    assert_string_equal(config.store, in_folder("s/gateway.db"));
    assert_int_equal(config.limits.keep_days, 7);
    assert_int_equal(config.limits.rate_per_second, 0);
    assert_int_equal(config.limits.rate_per_minute, 500);
    assert_int_equal(config.limits.outbox_limit, 1000);
    assert_int_equal(config.deadline_ms, 2000);
    assert_int_equal(config.max_body_bytes, 65536);
    assert_int_equal(config.workers, 8);
    assert_int_equal(config.log_level, LOG_DEBUG);
    assert_int_equal(config.smn.verify, SMN_VERIFY_OFF);
    assert_int_equal(config.smn.host_count, 2);
    assert_string_equal(config.smn.hosts[0], "localhost:8443");
    assert_string_equal(config.smn.hosts[1], "a.b-c.d");
    assert_true(config.smn.private_network);
    assert_int_equal(config.smn.max_age_hours, 0);
    assert_int_equal(config.integration_count, 1);
    const struct integration *integration = &config.integrations[0];
    assert_string_equal(integration->name, "a-B_1.x");
    assert_ptr_equal(integration->vendor, &vendor_ces);
    assert_int_equal(integration->push_key_count, 1);
    assert_string_equal(integration->push_keys[0], PUSH_KEY);
    assert_string_equal(integration->routing.fallback.flashduty_key, FLASHDUTY_KEY);
    assert_int_equal(integration->topic_urn_count, 1);
    assert_string_equal(integration->topic_urns[0], "urn:smn:cn-north-4:0123:ops-*");
}

static void the_watchdog_looks_after_every_integration(void **state)
{
    (void)state;
    assert_true(load_or_print(CES TOPIC END "smn = { verify = \"pinned\" }\n"));
    const struct watchdog_settings *watchdog = &config.watchdog;
    assert_null(watchdog->flashduty_key);
    assert_int_equal(watchdog->wait_s, 300);
    assert_int_equal(watchdog->silence_h, 0);
    assert_string_equal(watchdog->url, "");
    assert_int_equal(watchdog->count, 1);
    assert_string_equal(watchdog->watched[0].name, "a");
    assert_string_equal(watchdog->watched[0].destination.flashduty_key, FLASHDUTY_KEY);
    assert_true(watchdog->watched[0].needs_certificate);
    /* The one compiled in, to 2030-09-07. */
    assert_int_equal(watchdog->certificate_ends_s, 1914993604);
    assert_true(load_or_print(WHOLE "watchdog = { flashduty_key = \"own-key\"; wait_s = 60;\n"
                                    "silence_h = 2; url = \"https://a/b?token=c\" }\n"));
    assert_string_equal(watchdog->flashduty_key, "own-key");
    assert_int_equal(watchdog->wait_s, 60);
    assert_int_equal(watchdog->silence_h, 2);
    assert_string_equal(watchdog->url, "https://a/b?token=c");
    assert_false(watchdog->watched[0].needs_certificate);
    /* The next certificate is fetched by itself. */
    assert_true(load_or_print(CES TOPIC END));
    assert_false(watchdog->watched[0].needs_certificate);
}

static void in_pass_through_only_a_watchdog_with_a_key_watches(void **state)
{
    (void)state;
    assert_true(load_or_print("pass_through = true\n"));
    assert_int_equal(config.watchdog.count, 0);
    assert_true(load_or_print("pass_through = true\nwatchdog = { flashduty_key = \"own\" }\n"));
    assert_true(config.watchdog.is_pass_through);
    assert_int_equal(config.watchdog.count, 1);
    assert_string_equal(config.watchdog.watched[0].name, "(pass-through)");
    assert_false(load_text("pass_through = true\nwatchdog = { wait_s = 60 }\n"));
    assert_contains(errors(), "watchdog: has no flashduty_key, and in pass-through");
}

static void overrides_name_rows_of_the_vendors_table(void **state)
{
    (void)state;
    assert_true(
        load_or_print(CES TOPIC "severity = [ \"2=warning\", \" Strange word = OK \" ]" END));
    const struct integration *integration = &config.integrations[0];
    assert_int_equal(integration->override_count, 2);
    assert_string_equal(integration->overrides[0].row, "Major");
    assert_int_equal(integration->overrides[0].severity, SEVERITY_WARNING);
    assert_string_equal(integration->overrides[1].row, "Strange word");
    assert_int_equal(integration->overrides[1].severity, SEVERITY_OK);
}

static void labels_are_cut_at_the_first_equals_sign(void **state)
{
    (void)state;
    assert_true(
        load_or_print(GUANCE "labels = [ \"team=payments\", \"_q=a=b \xe6\x94\xaf\" ]" END));
    const struct integration *integration = &config.integrations[0];
    assert_int_equal(integration->label_count, 2);
    assert_string_equal(integration->labels[0].name, "team");
    assert_string_equal(integration->labels[0].value, "payments");
    assert_string_equal(integration->labels[1].name, "_q");
    assert_string_equal(integration->labels[1].value, "a=b \xe6\x94\xaf");
}

static void a_label_value_has_at_most_2048_characters(void **state)
{
    (void)state;
    struct text text = {0};
    for (int extra = 0; extra < 2; extra++) {
        text_puts(&text, GUANCE "labels = [ \"a=");
        for (int i = 0; i < 2048 + extra; i++)
            text_puts(&text, "\xe6\x94\xaf");
        text_puts(&text, "\" ]" END);
        assert_int_equal(load_text(text_string(&text)), extra == 0);
        text_clear(&text);
    }
    assert_contains(errors(), ":5: integration 1: labels[0]: has no right value behind the =; ");
}

static void an_integration_may_have_two_push_keys(void **state)
{
    (void)state;
    assert_true(load_or_print("integrations = ( " INTEGRATION(
        "a", "guance",
        "[\"" PUSH_KEY "\", \"" OTHER_PUSH_KEY
        "\"]") "}," INTEGRATION("b", "guance", "\"" THIRD_PUSH_KEY "\"") END));
    assert_int_equal(config.integration_count, 2);
    assert_int_equal(config.integrations[0].push_key_count, 2);
    assert_string_equal(config.integrations[0].push_keys[1], OTHER_PUSH_KEY);
}

static void numbers_are_taken_up_to_their_bounds(void **state)
{
    (void)state;
    static const char *const right[] = {
        "deadline_ms = 100\n",
        "deadline_ms = 30000\n",
        "max_body_bytes = 1024\n",
        "max_body_bytes = 16777216\n",
        "workers = 1\n",
        "workers = 1024\n",
        "smn = { max_age_hours = 87600 }\n",
        "keep_days = 3650\n",
        "rate_per_second = 0\n",
        "rate_per_minute = 60000000\n",
        "outbox_limit = 1\n",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        char text[256];
        snprintf(text, sizeof text, "pass_through = true\n%s", right[i]);
        assert_true(load_or_print(text));
    }
}

struct refused {
    const char *text, *error;
};

static void assert_all_refused(const struct refused *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_refused(rows[i].text, rows[i].error);
}

#define ASSERT_ALL_REFUSED(rows) assert_all_refused(rows, sizeof(rows) / sizeof *(rows))

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "deadline_ms = 99\n", "6: deadline_ms: is out of range; 100 to 30000 is right\n"},
        {WHOLE "deadline_ms = 30001\n", "6: deadline_ms: is out of range"},
        {WHOLE "max_body_bytes = 1023\n", "6: max_body_bytes: is out of range; 1024 to 16777216"},
        {WHOLE "max_body_bytes = 16777217\n", "6: max_body_bytes: is out of range"},
        {WHOLE "workers = 0\n", "6: workers: is out of range; 1 to 1024 is right\n"},
        {WHOLE "workers = -1\n", "6: workers: is out of range"},
        {WHOLE "workers = 1025\n", "6: workers: is out of range"},
        {WHOLE "keep_days = 0\n", "6: keep_days: is out of range; 1 to 3650 is right\n"},
        {WHOLE "rate_per_second = -1\n", "6: rate_per_second: is out of range"},
        {WHOLE "rate_per_minute = 60000001\n", "6: rate_per_minute: is out of range"},
        {WHOLE "outbox_limit = 0\n", "6: outbox_limit: is out of range; 1 to 100000000"},
        /* 2^32 + 64: libconfig alone reads 64. */
        {WHOLE "workers = 4294967360\n", "6: workers: is out of range"},
        {WHOLE "workers = 04294967360\n", "6: workers: is out of range"},
        {WHOLE "workers = -4294967232\n", "6: workers: is out of range"},
        {WHOLE "workers = 4294967360L\n", "6: workers: is out of range"},
        {WHOLE "workers = 99999999999999999999999999\n", "6: workers: is out of range"},
        {WHOLE "workers = 18446744073709551680L\n", "6: workers: is out of range"},
        {WHOLE "smn = {\nmax_age_hours = -1 }\n", "7: smn.max_age_hours: is out of range; 0 to "},
        {WHOLE "smn = { max_age_hours = 87601 }\n", "6: smn.max_age_hours: is out of range"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void wrong_types_are_refused(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "workers = \"64\"\n", "6: workers: is of the wrong type; it needs a whole number"},
        {WHOLE "workers = 64.0\n", "6: workers: is of the wrong type"},
        {WHOLE "workers = 1e1\n", "6: workers: is of the wrong type"},
        {WHOLE "workers = true\n", "6: workers: is of the wrong type"},
        {WHOLE "workers = [ 64 ]\n", "6: workers: is of the wrong type"},
        /* libconfig alone reads 64, and from here on decimal is the only way. */
        {WHOLE "workers = 0x100000040\n", "6: workers: is of the wrong type"},
        {WHOLE "workers = 0x40\n", "6: workers: is of the wrong type"},
        {WHOLE "log_level = 1\n", "6: log_level: is of the wrong type; it needs a text in double"},
        {WHOLE "proxy = true\n", "6: proxy: is of the wrong type"},
        {"pass_through = 1\n" WHOLE, "1: pass_through: is of the wrong type; it needs true or"},
        {"pass_through = \"no\"\n" WHOLE, "1: pass_through: is of the wrong type"},
        {WHOLE "smn = [ ]\n", "6: smn: is of the wrong type; it needs a group, { … }"},
        {WHOLE "smn = ( )\n", "6: smn: is of the wrong type"},
        {WHOLE "smn = { host = \"a\" }\n", "6: smn.host: is of the wrong type; it needs an array"},
        {WHOLE "smn = { host = ( \"a\" ) }\n", "6: smn.host: is of the wrong type"},
        {WHOLE "smn = { host = [ 1 ] }\n", "6: smn.host[0]: is of the wrong type; it needs a text"},
        {"pass_through = true\nintegrations = [ ]\n", "2: integrations: is of the wrong type"},
        {"integrations = { }\npass_through = true\n", "1: integrations: is of the wrong type"},
        {"integrations = (\n\n\"a\" )\n", "3: integration 1: is of the wrong type; it needs a gro"},
        {"integrations = " INTEGRATION("a", "guance", "\"" PUSH_KEY "\"") "}\n",
         "1: integrations: is of the wrong type; it needs a list of groups, ( { … }, { … } )\n"},
        {"integrations = ( { name = [ \"a\" ]\nvendor = \"guance\" push_key = \"" PUSH_KEY
         "\" flashduty_key = \"" FLASHDUTY_KEY "\"" END,
         "1: integration 1: name: is of the wrong type; it needs a text in double quotes\n"},
        {"integrations = ( " INTEGRATION("a", "guance", "1234567890123456") END,
         "3: integration 1: push_key: is of the wrong type; it needs a text in double quotes, or "},
        {"integrations = ( " INTEGRATION("a", "guance", "[ true ]") END,
         "3: integration 1: push_key[0]: is of the wrong type; it needs a text in double quotes\n"},
        {GUANCE "labels = \"a=b\"" END, "5: integration 1: labels: is of the wrong type"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void unknown_names_are_refused(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "Workers = 1\n", "6: Workers: is unknown; this release has no such setting here\n"},
        {WHOLE "\n\nkeep_weeks = 30\n", "8: keep_weeks: is unknown"},
        {WHOLE "status_keys = \"" PUSH_KEY "\"\n", "6: status_keys: is unknown"},
        {WHOLE "watchdog = { uri = \"https://a\" }\n", "6: watchdog.uri: is unknown"},
        {WHOLE "verify = \"off\"\n", "6: verify: is unknown"},
        {WHOLE "smn = {\n verified = \"off\" }\n", "7: smn.verified: is unknown"},
        {GUANCE "route = ( )" END, "5: integration 1: route: is unknown"},
        {GUANCE "workers = 1" END, "5: integration 1: workers: is unknown"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void errors_of_syntax_name_their_line(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "workers 1\n", "6: syntax: something is wrong here or just above; "},
        {WHOLE "\nworkers = \n", "8: syntax: something is wrong here or just above; "},
        {GUANCE "\n\n", "7: syntax: something is wrong"},
        {WHOLE "workers = 1\n\nworkers = 2\n",
         "8: syntax: this setting stands here for the second time; keep one\n"},
        {GUANCE "labels = []\nlabels = []" END, "6: syntax: this setting stands here for the sec"},
        {GUANCE "labels = [ \"a=b\",\n1 ]" END, "6: syntax: the values of an array are of differ"},
        {WHOLE "proxy = \"a\n\n\n", "6: syntax: a string begins here and never ends; close it"},
        {WHOLE "proxy = \"\" \"", "6: syntax: a string begins here and never ends; close it"},
        {WHOLE "proxy = \"a\\\"\n", "6: syntax: a string begins here and never ends; close it"},
        {WHOLE "\n/* workers = 1\n\n", "7: syntax: a comment begins here and never ends; close"},
        {"pass_through = true /* only half", "1: syntax: a comment begins here and never ends"},
        {WHOLE "workers = 6", "6: syntax: the file ends with a number, which may be cut off; end"},
        {WHOLE "@include \"other.conf\"\n", "6: syntax: @include is not followed; write the set"},
        {"/*\n\n*/ # \"\n@include \"a\"\n" WHOLE, "4: syntax: @include is not followed"},
        {"pass_through = yes\n", "1: syntax: something is wrong here"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void the_first_error_of_syntax_is_the_only_one(void **state)
{
    (void)state;
    assert_refused("workers = 0\nnonsense = 1\nproxy = = =\n\n(", "3: syntax: ");
}

static void comments_and_strings_hide_what_looks_like_syntax(void **state)
{
    (void)state;
    assert_true(load_or_print("/* \" @include \"a\" */ # /* \" @\n"
                              "// /* @include \"\n" GUANCE
                              "labels = [ \"a=/* # // @include 99999999999 \\\" \\\\\" ] /**/" END
                              "# no line break behind this 5"));
    assert_string_equal(config.integrations[0].labels[0].value,
                        "/* # // @include 99999999999 \" \\");
}

static void backslashes_that_escape_nothing_stay(void **state)
{
    (void)state;
    assert_true(load_or_print(GUANCE "labels = [ \"a=\\d+\\.x\" ]" END));
    assert_string_equal(config.integrations[0].labels[0].value, "\\d+\\.x");
}

static void windows_line_breaks_and_a_byte_order_mark_are_taken(void **state)
{
    (void)state;
    assert_true(load_or_print("\xef\xbb\xbfpass_through = true\r\n# comment\r\nworkers = 2\r\n"));
    assert_int_equal(config.workers, 2);
}

static void control_characters_are_refused(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "proxy = \"a\\nb\"\n", "6: proxy: holds a control character; "},
        {WHOLE "proxy = \"a\\x01\"\n", "6: proxy: holds a control character; "},
        {WHOLE "proxy = \"\\x00\"\n", "6: proxy: holds a control character; "},
        {WHOLE "proxy = \"\\\\\\X00\"\n", "6: proxy: holds a control character; "},
        {WHOLE "proxy = \"\n\"\n", "6: proxy: holds a control character; "},
        {WHOLE "proxy = \"\\x7f\"\n", "6: proxy: holds a control character; "},
        {WHOLE "proxy = \"\\xff\"\n", "6: proxy: is not UTF-8; "},
        {GUANCE "labels = [ \"a=b\",\n\"c=\\f\" ]" END,
         "6: integration 1: labels[1]: holds a control character; "},
        {"integrations = ( " INTEGRATION("a", "guance", "\"" PUSH_KEY "\\x00abc\"") END,
         "3: integration 1: push_key: holds a control character; "},
    };
    ASSERT_ALL_REFUSED(rows);
    assert_contains(errors(), "double the backslash");
}

#ifdef WITH_POSTGRESQL
#define NO_SERVER "is no URL of PostgreSQL; "
#else
#define NO_SERVER "is a server's, and this program was built without PostgreSQL "
#endif

static void texts_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "store = \"sqlite:\"\n", "6: store: is no store; \"sqlite:PATH\" is one"},
        {WHOLE "store = \"postgres://[x\"\n", "6: store: " NO_SERVER},
        {WHOLE "store = \"postgresql://gateway:p%zz@db\"\n", "6: store: " NO_SERVER},
        {WHOLE "store = \"mysql://x\"\n", "6: store: is no store; "},
        {WHOLE "store = \"\"\n", "6: store: is no store; "},
        {WHOLE "log_level = \"loud\"\n", "6: log_level: is not known; one of \"debug\", \"info\", "
                                         "\"warning\", \"error\" is right\n"},
        {WHOLE "log_level = \"INFO\"\n", "6: log_level: is not known; "},
        {WHOLE "smn = { verify = \"Fetch\" }\n",
         "6: smn.verify: is not known; one of \"fetch\", \"pinned\", \"off\" is right\n"},
        {WHOLE "ca_file = \"none.pem\"\n", "6: ca_file: /tmp/"},
        {"integrations = ( " INTEGRATION("a b", "guance", "\"" PUSH_KEY "\"") END,
         "1: integration 1: name: is no name; 1 to 64 of A-Z a-z 0-9 _ - . are one\n"},
        {"integrations = ( " INTEGRATION("", "guance", "\"" PUSH_KEY "\"") END,
         "1: integration 1: name: is no name; "},
        {"integrations = ( " INTEGRATION(SIXTY_FOUR("a") "a", "guance", "\"" PUSH_KEY "\"") END,
         "1: integration 1: name: is no name; "},
        {"integrations = ( " INTEGRATION("a", "zabbix", "\"" PUSH_KEY "\"") END,
         "2: integration 1: vendor: is no vendor; one of \"ces\", \"guance\" is right\n"},
        {"integrations = ( " INTEGRATION("a", "guance", "\"CANARY-15-bytes\"") END,
         "3: integration 1: push_key: is no push key; 16 to 128 of A-Z a-z 0-9 _ - are one, as "},
        {"integrations = ( " INTEGRATION("a", "guance", "\"" SIXTY_FOUR("CANARY") "\"") END,
         "3: integration 1: push_key: is no push key"},
        {"integrations = ( " INTEGRATION("a", "guance",
                                         "[\"" PUSH_KEY "\",\n\"" CANARY " not a push key\"]") END,
         "4: integration 1: push_key[1]: is no push key"},
        {"integrations = ( " INTEGRATION("a", "guance", "[ ]") END,
         "3: integration 1: push_key: has 0 elements; 1 to 2 are right\n"},
        {"integrations = ( " INTEGRATION(
             "a", "guance", "[\"" PUSH_KEY "\", \"" OTHER_PUSH_KEY "\", \"" THIRD_PUSH_KEY "\"]")
             END,
         "3: integration 1: push_key: has 3 elements; 1 to 2 are right\n"},
        {GUANCE "topic_urn = [ \"urn:smn:a:b:c\" ]" END,
         "5: integration 1: topic_urn: means nothing to the vendor guance; leave it out\n"},
        {CES "topic_urn = [ \"urn:smn:a:b:c\", \"urn:smn:*\" ]" END,
         "5: integration 1: topic_urn[1]: is no topic; urn:smn:REGION:PROJECT:NAME is one"},
        {CES "topic_urn = [ \"urn:smn:a::c\" ]" END, "5: integration 1: topic_urn[0]: is no topic"},
        {CES "topic_urn = [ \"urn:smn:a:b:\" ]" END, "5: integration 1: topic_urn[0]: is no topic"},
        {CES "topic_urn = [ \"urn:smn:a:b:c?\" ]" END, "5: integration 1: topic_urn[0]: is no to"},
        {CES "topic_urn = [ \"arn:smn:a:b:c\" ]" END, "5: integration 1: topic_urn[0]: is no topi"},
        {CES TOPIC "severity = [ \"Major\" ]" END, "6: integration 1: severity[0]: is no override"},
        {CES TOPIC "severity = [ \"=Ok\" ]" END, "6: integration 1: severity[0]: is no override"},
        {CES TOPIC "severity = [ \"Major=\" ]" END, "6: integration 1: severity[0]: is no overrid"},
        {CES TOPIC "severity = [ \"Major=Bad\" ]" END, "6: integration 1: severity[0]: is no over"},
        {CES TOPIC "severity = [ \"Major=Ok\",\n\"major=Info\" ]" END,
         "7: integration 1: severity[1]: is about a level that stands in this array already; "},
        {CES TOPIC "severity = [ \"2=Ok\", \"MAJOR=Ok\" ]" END,
         "6: integration 1: severity[1]: is about a level that stands in this array already; "},
        {CES TOPIC "severity = [ \"odd=Ok\", \"Odd=Ok\" ]" END,
         "6: integration 1: severity[1]: is about a level that stands in this array already; "},
        {GUANCE "labels = [ \"team\" ]" END, "5: integration 1: labels[0]: is no label; NAME=VALU"},
        {GUANCE "labels = [ \"=x\" ]" END, "5: integration 1: labels[0]: has no label name before"},
        {GUANCE "labels = [ \"1a=x\" ]" END, "5: integration 1: labels[0]: has no label name"},
        {GUANCE "labels = [ \"a-b=x\" ]" END, "5: integration 1: labels[0]: has no label name"},
        {GUANCE "labels = [ \"" SIXTY_FOUR("ab") "c=x\" ]" END,
         "5: integration 1: labels[0]: has no label name"},
        {GUANCE "labels = [ \"a= \" ]" END, "5: integration 1: labels[0]: has no right value"},
        {GUANCE "labels = [ \"a=x\", \"b=x\",\n\n\"a=y\" ]" END,
         "7: integration 1: labels[2]: is a label that stands in this array already; keep one\n"},
        {GUANCE "labels = [ \"a=" SIXTY_FOUR("x\", \"a=") "\" ]" END,
         "5: integration 1: labels: has 65 elements; 0 to 50 are right\n"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *problem; /* NULL: right */
    } rows[] = {
        {"flashduty_url", "https://api.flashcat.cloud/event/push/alert/standard", NULL},
        {"flashduty_url", "https://example.com", NULL},
        {"flashduty_url", "https://Example.com:8443/a%20b", NULL},
        {"flashduty_url", "https://[2001:db8::1]:443/", NULL},
        {"flashduty_url", "http://127.0.0.1:8080/", NULL},
        {"flashduty_url", "http://127.255.0.9/", NULL},
        {"flashduty_url", "http://localhost:1", NULL},
        {"flashduty_url", "http://[::1]:8080/x", NULL},
        {"flashduty_url", "", "is no URL of Flashduty's; it begins with https://"},
        {"flashduty_url", "api.flashcat.cloud", "is no URL"},
        {"flashduty_url", "ftp://example.com/", "is no URL"},
        {"flashduty_url", "HTTPS://example.com/", "is no URL"},
        {"flashduty_url", "https://", "has no valid host"},
        {"flashduty_url", "https:///x", "has no valid host"},
        {"flashduty_url", "https://user:CANARY@example.com/", "has no valid host"},
        {"flashduty_url", "https://example.com:0/", "has no valid host"},
        {"flashduty_url", "https://example.com:65536/", "has no valid host"},
        {"flashduty_url", "https://example.com:/", "has no valid host"},
        {"flashduty_url", "https://example.com:1x/", "has no valid host"},
        {"flashduty_url", "https://example..com/", "has no valid host"},
        {"flashduty_url", "https://-a.com/", "has no valid host"},
        {"flashduty_url", "https://a\\\\@example.com/", "has no valid host"},
        {"flashduty_url", "https://[::1/", "has no valid host"},
        {"flashduty_url", "https://[1.2.3.4]/", "has no valid host"},
        {"flashduty_url", "https://[::1]x/", "has no valid host"},
        {"flashduty_url", "https://example.com/?integration_key=CANARY", "has a query or fragment"},
        {"flashduty_url", "https://example.com?CANARY", "has a query or fragment"},
        {"flashduty_url", "https://example.com/#CANARY", "has a query or fragment"},
        {"flashduty_url", "https://example.com/a b", "holds a character that no URL has"},
        {"flashduty_url", "https://example.com/\xe6\x94\xaf", "holds a character that no URL has"},
        {"flashduty_url", "http://example.com/", "is http:// to another machine"},
        {"flashduty_url", "http://127.example.com/", "is http:// to another machine"},
        {"flashduty_url", "http://127.1/", "is http:// to another machine"},
        {"flashduty_url", "http://128.0.0.1/", "is http:// to another machine"},
        {"flashduty_url", "http://[::2]/", "is http:// to another machine"},
        {"flashduty_url", "http://localhost.example.com/", "is http:// to another machine"},
        {"proxy", "", NULL},
        {"proxy", "http://proxy:3128", NULL},
        {"proxy", "https://10.0.0.1:443", NULL},
        {"proxy", "socks5://[::1]:1080", NULL},
        {"proxy", "socks5h://proxy:1080", NULL},
        {"proxy", "proxy:3128", "is no proxy; http://HOST:PORT"},
        {"proxy", "http://proxy", "is no proxy"},
        {"proxy", "http://proxy:3128/", "is no proxy"},
        {"proxy", "http://user:CANARY@proxy:3128", "is no proxy"},
        {"proxy", "socks4://proxy:3128", "is no proxy"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512], expected[256];
        snprintf(text, sizeof text, "pass_through = true\n%s = \"%s\"\n", rows[i].name,
                 rows[i].value);
        snprintf(expected, sizeof expected, "2: %s: %s", rows[i].name,
                 rows[i].problem ? rows[i].problem : "");
        if (rows[i].problem)
            assert_refused(text, expected);
        else
            assert_true(load_or_print(text));
    }
}

static void the_watchdogs_settings_are_checked(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "watchdog = { wait_s = 9 }\n", "6: watchdog.wait_s: is out of range; 10 to 259200"},
        {WHOLE "watchdog = { silence_h = 8761 }\n", "6: watchdog.silence_h: is out of range"},
        {WHOLE "watchdog = { flashduty_key = \"a b\" }\n",
         "6: watchdog.flashduty_key: is no integration key"},
        {WHOLE "watchdog = { url = \"ftp://a\" }\n",
         "6: watchdog.url: is no URL to post to; it begins with https://"},
        {WHOLE "watchdog = { url = \"http://example.com/?a\" }\n",
         "6: watchdog.url: is http:// to another machine"},
        {WHOLE "watchdog = { url = \"https://example.com?a#b\" }\n",
         "6: watchdog.url: has a fragment"},
        {WHOLE "watchdog = { url = \"https:///?a\" }\n", "6: watchdog.url: has no valid host"},
        {WHOLE "watchdog = { url = \"https://a/?b c\" }\n",
         "6: watchdog.url: holds a character that no URL has"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void hosts_are_checked(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {WHOLE "smn = { host = [ \"a\", \"Console.example.com\" ] }\n",
         "6: smn.host[1]: has capital letters; write it in lower case\n"},
        {WHOLE "smn = { host = [ \"https://a\" ] }\n",
         "6: smn.host[0]: is no host; HOST or HOST:P"},
        {WHOLE "smn = { host = [ \"a/b\" ] }\n", "6: smn.host[0]: is no host"},
        {WHOLE "smn = { host = [ \"\" ] }\n", "6: smn.host[0]: is no host"},
        {WHOLE "smn = { host = [ \"a:70000\" ] }\n", "6: smn.host[0]: is no host"},
        {WHOLE "smn = { host = [ \"*.a\" ] }\n", "6: smn.host[0]: is no host"},
        {WHOLE "smn = { host = [ \"[::1]\" ] }\n", "6: smn.host[0]: is no host"},
        {WHOLE "smn = { host = [ \"" SIXTY_FOUR("abcd") "\" ] }\n", "6: smn.host[0]: is no host"},
    };
    ASSERT_ALL_REFUSED(rows);
}

static void what_an_integration_needs_is_missed(void **state)
{
    (void)state;
    assert_false(load_text("\nintegrations = (\n{ } )\n"));
    assert_int_equal(count_lines(errors()), 4);
    assert_contains(errors(), "gateway.conf:3: integration 1: name: is missing; it needs a text");
    assert_contains(errors(), ":3: integration 1: vendor: is missing; ");
    assert_contains(errors(), ":3: integration 1: push_key: is missing; ");
    assert_contains(errors(), ":3: integration 1: flashduty_key: is missing; ");
}

static void names_and_push_keys_stand_once(void **state)
{
    (void)state;
    assert_refused(
        "integrations = ( " INTEGRATION("a", "guance", "\"" PUSH_KEY "\"") "}," INTEGRATION(
            "a", "guance", "\"" OTHER_PUSH_KEY "\"") END,
        "5: integration 2: name: is the name of integration 1 too; give each its own\n");
    assert_refused(
        "integrations = ( " INTEGRATION("a", "guance", "\"" PUSH_KEY "\"") "}," INTEGRATION(
            "b", "guance", "[ \"" OTHER_PUSH_KEY "\",\n\"" PUSH_KEY "\" ]") END,
        "8: integration 2: push_key[1]: is push key 1 of integration 1 too; every ");
    assert_refused("integrations = ( " INTEGRATION("a", "guance",
                                                   "[ \"" PUSH_KEY "\", \"" PUSH_KEY "\" ]") END,
                   "3: integration 1: push_key[1]: is push key 1 of integration 1 too; every ");
}

static void every_error_of_meaning_is_reported(void **state)
{
    (void)state;
    assert_false(load_text("workers = 0\n"
                           "nonsense = 1\n"
                           "proxy = 1\n"
                           "smn = { verify = \"no\"; host = [ \"A\",\n\"b c\" ]; other = 1 }\n"
                           "integrations = ( { name = \"?\"; vendor = \"x\"; push_key = \"y\";\n"
                           "flashduty_key = \"" CANARY " !\"; labels = [ \"=\" ] },\n"
                           "{ severity = [ \"a\" ] } )\n"));
    static const char *const expected[] = {":1: workers: is out",
                                           ":2: nonsense: is unk",
                                           ":3: proxy: is of",
                                           ":4: smn.verify: is",
                                           ":4: smn.host[0]: has",
                                           ":5: smn.host[1]: is no",
                                           ":5: smn.other: is",
                                           ":6: integration 1: name: is",
                                           ":6: integration 1: vendor: is",
                                           ":6: integration 1: push_key: is",
                                           ":7: integration 1: flashduty_key: is no",
                                           ":7: integration 1: labels[0]: has",
                                           ":8: integration 2: severity[0]: is",
                                           ":8: integration 2: name: is missing"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_contains(errors(), expected[i]);
    assert_int_equal(count_lines(errors()), sizeof expected / sizeof *expected + 3);
    assert_null(strstr(errors(), CANARY));
    assert_empty(&config);
}

static void a_file_must_say_what_the_key_of_a_push_url_means(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {"", " is empty; "},
        {"# nothing but a comment\n", " is empty; "},
        {"workers = 1\n", " there is no integration; "},
        {"\npass_through = false\n", "2: pass_through: there is no integration; "},
        {"integrations = ( )\n", " there is no integration; "},
        {WHOLE "pass_through = true\n", "6: pass_through: pass_through = true and integrations"},
    };
    ASSERT_ALL_REFUSED(rows);
    assert_true(load_or_print("pass_through = true\nintegrations = ( )\n"));
}

/* Writes the file path cut after length bytes and loads it. */
static bool load_cut(const char *bytes, size_t length)
{
    write_file(config_path, bytes, length, 0600);
    return load(config_path);
}

static void read_example(struct text *example)
{
    char buffer[4096];
    size_t count;
    FILE *file = fopen(EXAMPLE, "r");
    assert_non_null(file);
    while ((count = fread(buffer, 1, sizeof buffer, file)) > 0)
        text_append(example, buffer, count);
    fclose(file);
}

static void the_example_loads_without_a_warning(void **state)
{
    (void)state;
    struct text example = {0};
    read_example(&example);
    assert_true(load_or_print(text_string(&example)));
    assert_string_equal(text_string(&report.warnings), "");
    assert_int_equal(config.integration_count, 2);
    assert_ptr_equal(config.integrations[0].vendor, &vendor_ces);
    assert_ptr_equal(config.integrations[1].vendor, &vendor_guance);
    text_clear(&example);
}

static void the_example_cut_anywhere_before_its_end_is_refused(void **state)
{
    (void)state;
    struct text example = {0};
    read_example(&example);
    size_t whole = (size_t)(strrchr(text_string(&example), ')') - text_string(&example)) + 1;
    for (size_t length = 0; length < whole; length++) {
        if (load_cut(text_string(&example), length))
            fail_msg("loaded when cut after %zu bytes", length);
    }
    assert_true(load_cut(text_string(&example), whole));
    text_clear(&example);
}

static void a_file_cut_inside_a_value_is_refused(void **state)
{
    (void)state;
    static const char text[] = WHOLE "workers = 1000\nca_file = \"\" /* x */ smn = { verify =\n"
                                     "\"pinned\"; host = [ \"a.b\" ] } log_level = \"info\" # x\n";
    /* Where a setting has just ended. */
    static const char *const ends[] = {WHOLE, "1000\n", "\"\" /* x */ ", "] } ", "\"info\" # x\n"};
    bool may_end[sizeof text] = {false};
    for (size_t i = 0, at = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *end = strstr(text + at, ends[i]);
        assert_non_null(end);
        size_t from = (size_t)(end - text) + (i == 0 ? strlen(WHOLE) - 1 : strcspn(ends[i], " \n"));
        at = (size_t)(end - text) + strlen(ends[i]);
        for (size_t length = from; length <= at; length++)
            may_end[length] = true;
    }
    for (size_t length = 0; length < sizeof text - 1; length++) {
        if (load_cut(text, length) && !may_end[length])
            fail_msg("loaded when cut to %s", text + length);
    }
}

static void a_file_with_a_nul_byte_is_refused(void **state)
{
    (void)state;
    static const char text[] = "pass_through = true\n\0\n";
    assert_false(load_cut(text, sizeof text - 1));
    assert_contains(errors(), "gateway.conf: holds a NUL byte; save it as plain UTF-8 text\n");
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    char *bytes = malloc(CONFIG_FILE_BYTES_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, '\n', CONFIG_FILE_BYTES_MAX + 1);
    memcpy(bytes, "pass_through = true", strlen("pass_through = true"));
    assert_true(load_cut(bytes, CONFIG_FILE_BYTES_MAX));
    assert_false(load_cut(bytes, CONFIG_FILE_BYTES_MAX + 1));
    assert_contains(errors(), "gateway.conf: has 4194305 bytes; at most 4194304 are read\n");
    free(bytes);
}

static void nesting_without_end_is_an_error(void **state)
{
    (void)state;
    size_t count = CONFIG_FILE_BYTES_MAX - 8;
    char *bytes = malloc(count);
    assert_non_null(bytes);
    memset(bytes, '(', count);
    memcpy(bytes, "a = ", 4);
    assert_false(load_cut(bytes, count));
    assert_contains(errors(), ":1: syntax: ");
    free(bytes);
}

static void only_a_regular_file_is_read(void **state)
{
    (void)state;
    assert_false(load(folder));
    assert_contains(errors(), ": is no regular file; name a file\n");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_false(load(in_folder("pipe")));
    assert_contains(errors(), ": is no regular file; name a file\n");
}

static void permissions_are_checked(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        const char *text, *problem; /* NULL: right */
    } rows[] = {
        {0600, WHOLE, NULL},
        {0400, WHOLE, NULL},
        {0640, WHOLE, NULL},
        {0644, "pass_through = true\n", NULL},
        {0644, WHOLE, "holds keys that others may read; set permissions 600\n"},
        {0604, WHOLE, "holds keys that others may read; set permissions 600\n"},
#ifdef WITH_POSTGRESQL
        {0644, "pass_through = true\nstore = \"postgresql://gateway@db/gateway\"\n", NULL},
        {0644, "pass_through = true\nstore = \"postgresql://gateway:secret@db/gateway\"\n",
         "holds keys that others may read; set permissions 600\n"},
        {0644, "pass_through = true\nstore = \"postgresql://db/gateway?password=secret\"\n",
         "holds keys that others may read; set permissions 600\n"},
#endif
        {0620, WHOLE, "can be changed by its group; set permissions 600\n"},
        {0602, WHOLE, "can be changed by everybody; set permissions 600\n"},
        {0666, "pass_through = true\n", "can be changed by everybody; set permissions 600\n"},
        {0664, "pass_through = true\n", "can be changed by its group; set permissions 600\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_text("gateway.conf", rows[i].text, rows[i].mode);
        bool is_loaded = load(config_path);
        assert_int_equal(is_loaded, !rows[i].problem);
        if (!rows[i].problem)
            continue;
        assert_starts_with(errors(), config_path);
        assert_string_equal(errors() + strlen(config_path) + strlen(": "), rows[i].problem);
    }
}

static void a_file_of_another_user_is_refused(void **state)
{
    (void)state;
    write_text("gateway.conf", WHOLE, 0600);
    if (geteuid() == 0)
        assert_int_equal(chown(config_path, 12345, (gid_t)-1), 0);
    else
        user = geteuid() + 1;
    assert_false(load(config_path));
    assert_contains(errors(), "gateway.conf: belongs to user ");
    if (!user) {
        user = 12345;
        assert_true(load(config_path));
        assert_int_equal(chown(config_path, 0, (gid_t)-1), 0);
        assert_true(load(config_path));
    }
}

static void a_named_file_must_be_there(void **state)
{
    (void)state;
    assert_false(load(in_folder("none.conf")));
    assert_contains(errors(), "/none.conf: cannot be opened: No such file or directory; ");
    set("CONFIG", in_folder("none.conf"));
    assert_false(load(NULL));
    assert_contains(errors(), "/none.conf: cannot be opened: No such file or directory; ");
    assert_empty(&config);
}

static void the_file_is_looked_for_in_three_places(void **state)
{
    (void)state;
    write_text("named.conf", "pass_through = true workers = 1\n", 0600);
    write_text(USER_FILE, "pass_through = true workers = 2\n", 0600);
    write_text("system.conf", "pass_through = true workers = 3\n", 0600);
    set("CONFIG", in_folder("named.conf"));
    assert_true(load(NULL));
    assert_int_equal(config.workers, 1);
    set("CONFIG", "");
    assert_true(load(NULL));
    assert_int_equal(config.workers, 2);
    assert_string_equal(config.path, in_folder(USER_FILE));
    unlink(in_folder(USER_FILE));
    assert_true(load(NULL));
    assert_int_equal(config.workers, 3);
    assert_string_equal(config.path, SYSTEM_FILE);
    unlink(system_path);
    assert_true(load(NULL));
    assert_int_equal(config.workers, 64);
    assert_string_equal(config.path, "");
    assert_true(config.pass_through);
}

static void a_file_that_cannot_be_opened_is_never_passed_over(void **state)
{
    (void)state;
    write_text("system.conf", "pass_through = true\n", 0600);
    char path[PATH_MAX];
    memcpy(path, in_folder(USER_FILE), strlen(in_folder(USER_FILE)) + 1);
    unreadable = path;
    assert_false(load(NULL));
    assert_contains(errors(), USER_FILE ": cannot be opened: Permission denied; ");
    unreadable = system_path;
    assert_false(load(NULL));
    assert_contains(errors(), SYSTEM_FILE ": cannot be opened: Permission denied; ");
}

static void a_user_without_a_home_has_the_systems_file(void **state)
{
    (void)state;
    write_text("system.conf", "pass_through = true workers = 3\n", 0600);
    static const char *const homes[] = {"", "relative", "/nonexistent"};
    for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
        memcpy(home, homes[i], strlen(homes[i]) + 1);
        assert_true(load(NULL));
        assert_int_equal(config.workers, 3);
    }
    password_error = ENOENT;
    assert_true(load(NULL));
}

static void a_password_database_that_does_not_answer_is_an_error(void **state)
{
    (void)state;
    write_text(USER_FILE, WHOLE, 0600);
    password_error = EIO;
    assert_false(load(NULL));
    assert_contains(errors(), "configuration: the home folder of user ");
    assert_contains(errors(), "; set FLASHDUTY_GATEWAY_CONFIG\n");
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    write_text("ca.pem", "", 0644);
    set("FLASHDUTY_URL", "https://example.com/x");
    set("CA_FILE", "ca.pem");
    set("PROXY", "");
    set("STORE", "none");
    set("DEADLINE_MS", "1000");
    set("MAX_BODY_BYTES", "2048");
    set("WORKERS", "3");
    set("LOG_LEVEL", "error");
    assert_true(load_or_print(WHOLE "flashduty_url = \"https://a\" proxy = \"http://a:1\"\n"
                                    "deadline_ms = 2000 max_body_bytes = 4096 workers = 4\n"));
    assert_string_equal(config.flashduty_url, "https://example.com/x");
    assert_string_equal(config.ca_file, in_folder("ca.pem"));
    assert_string_equal(config.proxy, "");
    assert_int_equal(config.deadline_ms, 1000);
    assert_int_equal(config.max_body_bytes, 2048);
    assert_int_equal(config.workers, 3);
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_string_equal(text_string(&report.warnings), "");
}

static void the_environment_alone_is_a_configuration(void **state)
{
    (void)state;
    set("FLASHDUTY_URL", "http://127.0.0.1:9/");
    set("PASS_THROUGH", "TRUE");
    set("CA_FILE", "");
    assert_true(load(NULL));
    assert_string_equal(config.path, "");
    assert_string_equal(config.flashduty_url, "http://127.0.0.1:9/");
    assert_true(config.pass_through);
}

static void errors_of_the_environment_name_the_variable(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *problem;
    } rows[] = {
        {"FLASHDUTY_URL", "", "is no URL"},
        {"FLASHDUTY_URL", "https://a/?k=CANARY", "has a query"},
        {"PASS_THROUGH", "yes", "is of the wrong type; it needs true or false, without quotes\n"},
        {"PASS_THROUGH", "", "is of the wrong type"},
        {"CA_FILE", "relative.pem", "is relative, but there is no configuration file whose folder"},
        {"CA_FILE", "/nonexistent/ca", "/nonexistent/ca cannot be read: No such file or directory"},
        {"PROXY", "proxy\n:1", "holds a control character"},
        {"STORE", "", "is no store"},
        {"STORE", "sqlite:x", "is relative, but there is no configuration file whose folder"},
        {"DEADLINE_MS", "99", "is out of range; 100 to 30000 is right\n"},
        {"DEADLINE_MS", "", "is of the wrong type; it needs a whole number in decimal digits"},
        {"MAX_BODY_BYTES", "99999999999999999999999", "is out of range"},
        {"MAX_BODY_BYTES", "-", "is of the wrong type"},
        {"WORKERS", "-1", "is out of range"},
        {"WORKERS", "64L", "is of the wrong type"},
        {"WORKERS", " 64", "is of the wrong type"},
        {"WORKERS", "0x40", "is of the wrong type"},
        {"LOG_LEVEL", "", "is not known; one of \"debug\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[256];
        clear_environment();
        set(rows[i].name, rows[i].value);
        snprintf(expected, sizeof expected, "environment FLASHDUTY_GATEWAY_%s: %s", rows[i].name,
                 rows[i].problem);
        assert_false(load(NULL));
        assert_starts_with(errors(), expected);
        assert_int_equal(count_lines(errors()), 1);
        assert_null(strstr(errors(), CANARY));
    }
}

static void pass_through_may_be_said_by_the_environment(void **state)
{
    (void)state;
    set("PASS_THROUGH", "true");
    assert_true(load_or_print("workers = 1\n"));
    assert_true(config.pass_through);
    assert_false(load_text(WHOLE));
    assert_starts_with(errors(), "environment FLASHDUTY_GATEWAY_PASS_THROUGH: pass_through = true "
                                 "and integrations");
    assert_false(load_text(""));
    set("PASS_THROUGH", "false");
    assert_true(load_or_print(WHOLE "pass_through = true\n"));
    assert_false(load_text("pass_through = true\n"));
    assert_starts_with(errors(), "environment FLASHDUTY_GATEWAY_PASS_THROUGH: there is no integr");
    unlink(config_path);
    assert_false(load(NULL));
    assert_starts_with(errors(), "environment FLASHDUTY_GATEWAY_PASS_THROUGH: nothing would be ");
}

static void unknown_variables_are_warned_about(void **state)
{
    (void)state;
    set("WORKER", "1");
    set("SMN", "1");
    set("CONFIG", "");
    assert_true(load(NULL));
    assert_int_equal(count_lines(text_string(&report.warnings)), 2);
    assert_contains(text_string(&report.warnings),
                    "environment FLASHDUTY_GATEWAY_WORKER: is unknown: no such setting\n");
    assert_contains(text_string(&report.warnings), "environment FLASHDUTY_GATEWAY_SMN: is unknown");
}

static void what_is_probably_not_meant_is_warned_about(void **state)
{
    (void)state;
    static const struct refused rows[] = {
        {CES END, "1: integration 1: has no topic_urn: any Huawei customer who knows the push URL"},
        {CES "topic_urn = [ ]" END, "1: integration 1: has no topic_urn: any Huawei customer who"},
        {WHOLE "smn = {\nverify = \"off\" }\n", "7: smn.verify: signatures are not checked"},
        {WHOLE "smn = {\nprivate_network = true }\n", "7: smn.private_network: has no effect"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[PATH_MAX + 512];
        snprintf(expected, sizeof expected, "%s:%s", config_path, rows[i].error);
        assert_true(load_or_print(rows[i].text));
        assert_starts_with(text_string(&report.warnings), expected);
        assert_int_equal(count_lines(text_string(&report.warnings)), 1);
        assert_null(strstr(text_string(&report.warnings), CANARY));
    }
}

#define KEY_IN_FILE(name)                                                        \
    "integrations = ( { name = \"a\" vendor = \"guance\" push_key = \"" PUSH_KEY \
    "\"\nflashduty_key = \"file:" name "\" } )\n"

static void a_flashduty_key_may_lie_in_a_file(void **state)
{
    (void)state;
    static const char *const contents[] = {FLASHDUTY_KEY, FLASHDUTY_KEY "\n",
                                           " " FLASHDUTY_KEY "\t\r\nand a remark\n"};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        write_text("key", contents[i], 0640);
        assert_true(load_or_print(KEY_IN_FILE("key")));
        assert_string_equal(config.integrations[0].routing.fallback.flashduty_key, FLASHDUTY_KEY);
    }
    char text[PATH_MAX + 512];
    snprintf(text, sizeof text, KEY_IN_FILE("%s"), in_folder("key"));
    assert_true(load_or_print(text));
}

static void a_key_file_is_as_private_as_the_configuration(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        const char *content, *error;
    } rows[] = {
        {0644, FLASHDUTY_KEY, "others may read the file it names; set permissions 600\n"},
        {0620, FLASHDUTY_KEY, "the file it names can be changed by its group; set permissions 600"},
        {0600, "", "the first line of the file it names is empty; fill in the key "},
        {0600, "\n" FLASHDUTY_KEY, "the first line of the file it names is empty; "},
        {0600, CANARY " and more", "the first line of the file it names is no integration key; "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[256];
        write_text("key", rows[i].content, rows[i].mode);
        snprintf(expected, sizeof expected, "2: integration 1: flashduty_key: %s", rows[i].error);
        assert_refused(KEY_IN_FILE("key"), expected);
    }
    assert_refused(KEY_IN_FILE(CANARY "-none"),
                   "2: integration 1: flashduty_key: the file it names cannot be opened: No such ");
}

static void flashduty_keys_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    static const char *const keys[] = {"", "CANARY key", "CANARY:x", SIXTY_FOUR("CANARY")};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "integrations = ( { name = \"a\" vendor = \"guance\" push_key = \"" PUSH_KEY
                 "\"\nflashduty_key = \"%s\"" END,
                 keys[i]);
        assert_refused(
            text, keys[i][0] ? "2: integration 1: flashduty_key: is no integration key; 1 to 128"
                             : "2: integration 1: flashduty_key: is empty; fill in the key");
    }
}

static void certificates_are_pinned_beside_the_compiled_in_ones(void **state)
{
    (void)state;
    write_certificate("one.pem", 2048, 0644);
    assert_true(load_or_print(WHOLE));
    size_t compiled_in = config.smn.pin_count;
    char text[PATH_MAX + 512];
    snprintf(text, sizeof text, WHOLE "smn = { certificate = [ \"one.pem\", \"%s\" ] }\n",
             in_folder("one.pem"));
    assert_true(load_or_print(text));
    assert_int_equal(config.smn.pin_count, compiled_in + 2);
    assert_string_equal(config.smn.pins[compiled_in].file, "one.pem");
    assert_string_equal(config.smn.pins[compiled_in + 1].file, "one.pem");
}

static void a_certificate_that_cannot_be_pinned_is_refused(void **state)
{
    (void)state;
    write_certificate("small.pem", 1024, 0644);
    write_certificate("open.pem", 2048, 0666);
    write_text("empty.pem", "", 0644);
    assert_false(load_text(WHOLE "smn = {\ncertificate = [\n\"none.pem\",\n\"empty.pem\",\n"
                                 "\"small.pem\",\n\"open.pem\" ] }\n"));
    assert_int_equal(count_lines(errors()), 4);
    assert_contains(errors(), "gateway.conf:8: smn.certificate[0]: /tmp/");
    assert_contains(errors(), "/none.pem cannot be opened: No such file or directory; ");
    assert_contains(errors(), ":9: smn.certificate[1]: empty.pem ");
    assert_contains(errors(), ":10: smn.certificate[2]: small.pem");
    assert_contains(errors(), ":11: smn.certificate[3]: /tmp/");
    assert_contains(errors(), "/open.pem can be changed by everybody; set permissions 644\n");
}

static void a_report_is_begun_anew_by_every_load(void **state)
{
    (void)state;
    assert_false(load_text("workers = 0"));
    set("UNKNOWN", "");
    assert_true(load_or_print("pass_through = true"));
    assert_string_equal(errors(), "");
    clear_environment();
    assert_true(load_or_print("pass_through = true"));
    assert_string_equal(text_string(&report.warnings), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_defaults_are_those_of_the_reference),
        TEST(a_file_without_settings_of_its_own_has_the_defaults),
        TEST(every_setting_is_taken),
        TEST(the_watchdog_looks_after_every_integration),
        TEST(in_pass_through_only_a_watchdog_with_a_key_watches),
        TEST(overrides_name_rows_of_the_vendors_table),
        TEST(labels_are_cut_at_the_first_equals_sign),
        TEST(a_label_value_has_at_most_2048_characters),
        TEST(an_integration_may_have_two_push_keys),
        TEST(numbers_are_taken_up_to_their_bounds),
        TEST(numbers_out_of_range_are_refused),
        TEST(wrong_types_are_refused),
        TEST(unknown_names_are_refused),
        TEST(errors_of_syntax_name_their_line),
        TEST(the_first_error_of_syntax_is_the_only_one),
        TEST(comments_and_strings_hide_what_looks_like_syntax),
        TEST(backslashes_that_escape_nothing_stay),
        TEST(windows_line_breaks_and_a_byte_order_mark_are_taken),
        TEST(control_characters_are_refused),
        TEST(texts_of_the_wrong_shape_are_refused),
        TEST(addresses_are_checked),
        TEST(hosts_are_checked),
        TEST(the_watchdogs_settings_are_checked),
        TEST(what_an_integration_needs_is_missed),
        TEST(names_and_push_keys_stand_once),
        TEST(every_error_of_meaning_is_reported),
        TEST(a_file_must_say_what_the_key_of_a_push_url_means),
        TEST(the_example_loads_without_a_warning),
        TEST(the_example_cut_anywhere_before_its_end_is_refused),
        TEST(a_file_cut_inside_a_value_is_refused),
        TEST(a_file_with_a_nul_byte_is_refused),
        TEST(a_file_beyond_the_limit_is_refused),
        TEST(nesting_without_end_is_an_error),
        TEST(only_a_regular_file_is_read),
        TEST(permissions_are_checked),
        TEST(a_file_of_another_user_is_refused),
        TEST(a_named_file_must_be_there),
        TEST(the_file_is_looked_for_in_three_places),
        TEST(a_file_that_cannot_be_opened_is_never_passed_over),
        TEST(a_user_without_a_home_has_the_systems_file),
        TEST(a_password_database_that_does_not_answer_is_an_error),
        TEST(the_environment_wins_over_the_file),
        TEST(the_environment_alone_is_a_configuration),
        TEST(errors_of_the_environment_name_the_variable),
        TEST(pass_through_may_be_said_by_the_environment),
        TEST(unknown_variables_are_warned_about),
        TEST(what_is_probably_not_meant_is_warned_about),
        TEST(a_flashduty_key_may_lie_in_a_file),
        TEST(a_key_file_is_as_private_as_the_configuration),
        TEST(flashduty_keys_of_the_wrong_shape_are_refused),
        TEST(certificates_are_pinned_beside_the_compiled_in_ones),
        TEST(a_certificate_that_cannot_be_pinned_is_refused),
        TEST(a_report_is_begun_anew_by_every_load),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

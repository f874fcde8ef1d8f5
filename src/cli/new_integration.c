#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "vendors/vendor.h"

#define PUSH_KEY_BYTES 16
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define NAME_LENGTH_MAX 64

static const char *url_option;
static const struct cli_option options[] = {{.name = "url", .value = &url_option}, {0}};

static void section(struct text *out, const struct vendor *vendor, const char *name,
                    const char *key, const char *url)
{
    text_puts(out, "    {\n");
    text_printf(out, "        # push URL: %s\n", url);
    text_printf(out, "        name          = \"%s\"\n", name);
    text_printf(out, "        vendor        = \"%s\"\n", vendor->name);
    text_printf(out, "        push_key      = [ \"%s\" ]\n", key);
    text_puts(out,
              "        flashduty_key = \"\"    # the key of a Standard Alert Event integration\n");
    if (vendor->has_topics)
        text_puts(out, "        topic_urn     = [ ]   # take only these, e.g. "
                       "\"urn:smn:cn-north-4:PROJECT_ID:CES_notification_group_*\"\n");
    text_puts(out, "    }");
}

static void print(bool json, const struct vendor *vendor, const char *name, const char *key,
                  const char *url)
{
    struct text text = {0}, out = {0};
    section(&text, vendor, name, key, url);
    const struct {
        const char *name, *value;
    } members[] = {{"name", name},
                   {"vendor", vendor->name},
                   {"push_key", key},
                   {"push_url", url},
                   {"section", text_string(&text)}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        text_printf(&out, "%c\"%s\":", i ? ',' : '{', members[i].name);
        text_json(&out, members[i].value);
    }
    text_putc(&out, '}');
    puts(json ? text_string(&out) : text_string(&text));
    if (!json) {
        fprintf(stderr,
                "Put the section into integrations = ( … ), fill in flashduty_key, and give this "
                "push URL to the vendor's console:\n%s\n",
                url);
    }
    text_clear(&out);
    text_clear(&text);
}

static enum cli_exit run(const struct cli_call *call)
{
    const struct vendor *vendor = cli_vendor(call->words[0]);
    const char *name = call->words[1];
    char key[2 * PUSH_KEY_BYTES + 1], base[256];
    if (!vendor)
        return CLI_USAGE;
    if (!*name || strlen(name) > NAME_LENGTH_MAX || strspn(name, NAME_CHARACTERS) != strlen(name))
        return cli_usage("NAME is 1 to %d of A-Z a-z 0-9 _ . -", NAME_LENGTH_MAX);
    if (url_option && (strncmp(url_option, "https://", 8) || strpbrk(url_option, " \"?#\\") ||
                       strlen(url_option) >= sizeof base))
        return cli_usage("--url is the endpoint's address, https://HOST/PATH, without a query");
    if (!random_hex(PUSH_KEY_BYTES, key))
        return cli_fail(CLI_NO, "the system gives no random numbers");
    snprintf(base, sizeof base, "https://HOST/cgi-bin/%s", vendor->endpoint);
    struct text url = {0};
    text_printf(&url, "%s?integration_key=%s", url_option ? url_option : base, key);
    print(call->json, vendor, name, key, text_string(&url));
    text_clear(&url);
    return CLI_DONE;
}

const struct command command_new_integration = {
    .name = "new-integration",
    .arguments = "ces|guance NAME [--url https://HOST/PATH] [-o json]",
    .summary = "Prints a section with a fresh push key, and the push URL",
    .help = "Changes no file: put the section into the configuration yourself.\n",
    .min_words = 2,
    .max_words = 2,
    .run = run,
    .options = options,
};

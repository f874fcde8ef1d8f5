#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "config/config.h"
#include "vendors/smn.h"

static void print_json(const struct smn_envelope *envelope, const struct smn_pin *pin,
                       const struct error *error, const struct text *bytes)
{
    struct text out = {0};
    text_printf(&out, "{\"genuine\":%s,\"certificate\":", pin ? "true" : "false");
    text_json(&out, pin ? pin->file : NULL);
    text_puts(&out, ",\"reason\":");
    text_json(&out, pin ? NULL : error->text);
    text_puts(&out, ",\"timestamp\":");
    text_json(&out, envelope->timestamp);
    text_puts(&out, ",\"string_to_sign\":");
    text_json(&out, text_string(bytes));
    text_putc(&out, '}');
    puts(text_string(&out));
    text_clear(&out);
}

static enum cli_exit verify(const struct cli_call *call, const struct config *config,
                            const struct json *json)
{
    struct smn_envelope envelope;
    struct error error = {0};
    struct text bytes = {0};
    const struct smn_pin *pin = NULL;
    if (!smn_read(json, NULL, &envelope, &error))
        return cli_fail(CLI_NO, "%s", error.text);
    smn_signed_bytes(json, &envelope, &bytes);
    bool is_genuine = smn_check_signature(&config->smn, NULL, json, &envelope, &pin, &error);
    if (call->json) {
        print_json(&envelope, is_genuine ? pin : NULL, &error, &bytes);
    } else if (is_genuine) {
        printf("genuine: signed at %s, fits the certificate %s\n", envelope.timestamp, pin->file);
    } else {
        printf("not verified: %s\nstring to sign:\n%s", error.text, text_string(&bytes));
    }
    text_clear(&bytes);
    return is_genuine ? CLI_DONE : CLI_NO;
}

static enum cli_exit run(const struct cli_call *call)
{
    struct config config = {0};
    struct config_report report = {0};
    struct text message = {0};
    struct json json = {0};
    struct error error = {0};
    enum cli_exit status = CLI_NO;
    bool is_valid = config_load(NULL, &config, &report);
    fprintf(stderr, "%s", text_string(&report.errors));
    if (is_valid && !cli_read(call->words[0], &message, &error))
        status = cli_fail(error.code == ERROR_NOT_FOUND ? CLI_NOT_FOUND : CLI_NO, "%s", error.text);
    else if (is_valid && !json_parse(text_string(&message), message.length, &json, &error))
        status = cli_fail(CLI_NO, "%s", error.text);
    else if (is_valid)
        status = verify(call, &config, &json);
    json_clear(&json);
    text_clear(&message);
    config_report_clear(&report);
    config_free(&config);
    return status;
}

const struct command command_verify = {
    .name = "verify",
    .arguments = "[FILE] [-o json]",
    .summary = "Checks the signature of an SMN message: which certificate fits, or what failed",
    .help =
        "FILE: the body as SMN posts it; without it, standard input. Tries the certificates that\n"
        "are compiled in and those of smn.certificate. Exit status 1 if none fits.\n",
    .max_words = 1,
    .run = run,
};

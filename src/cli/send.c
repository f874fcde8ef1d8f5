#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "cli/cli.h"
#include "net/transport.h"
#include "vendors/smn.h"

#define SAMPLE_TIMEOUT_MS 10000

static const char *url_option, *status_option, *sign_key_option, *ca_file_option, *topic_option;
static const struct cli_option options[] = {
    {.name = "url", .value = &url_option},           {.name = "status", .value = &status_option},
    {.name = "sign-key", .value = &sign_key_option}, {.name = "ca-file", .value = &ca_file_option},
    {.name = "topic", .value = &topic_option},       {0}};

/* The sample's topic and certificate: no project of Huawei's has such an id. */
#define TOPIC "urn:smn:cn-north-4:00000000000000000000000000000000:flashduty-gateway-sample"
#define CERTIFICATE_URL                             \
    "https://smn.cn-north-4.myhuaweicloud.com/smn/" \
    "SMN_cn-north-4_00000000000000000000000000000000.pem"

struct sample {
    struct text body;
    char id[33];
    char time[32]; /* RFC 3339 */
    int64_t now_s;
    const char *status;
    bool is_over;
};

static const char *topic(void)
{
    return topic_option ? topic_option : TOPIC;
}

static void member(struct text *out, const char *before, const char *name, const char *value)
{
    text_puts(out, before);
    text_json(out, name);
    text_putc(out, ':');
    text_json(out, value);
}

/* ---- CES ---- */

static const char *const ces_statuses[] = {"critical", "major", "minor", "info", "ok", NULL};

static void ces_message(const struct sample *sample, struct text *message)
{
    static const char *const levels[] = {"Critical", "Major", "Minor", "Informational", "Critical"};
    size_t row = 0;
    while (strcmp(ces_statuses[row], sample->status))
        row++;
    text_puts(message, "{\"version\":\"v1\",\"data\":{");
    text_printf(message,
                "\"AccountName\":\"example\",\"Namespace\":\"Elastic Cloud Server\","
                "\"DimensionName\":\"ECSs\",\"ResourceName\":\"ecs-sample\","
                "\"MetricName\":\"CPU Usage\",\"IsAlarm\":%s,\"AlarmLevel\":\"%s\","
                "\"Region\":\"CN North-Beijing4\",\"RegionId\":\"cn-north-4\","
                "\"ResourceId\":\"00000000-0000-4000-8000-00000000cafe\","
                "\"PrivateIp\":\"10.0.0.11\",\"CurrentData\":\"%s\","
                "\"AlarmRuleName\":\"flashduty-gateway-sample\",\"Filter\":\"Raw data\","
                "\"ComparisonOperator\":\">=\",\"Value\":\"80%%\",\"Unit\":\"%%\",\"Count\":1}}",
                sample->is_over ? "false" : "true", levels[row],
                sample->is_over ? "3.10%" : "97.08%");
}

static EVP_PKEY *private_key(const char *path)
{
    FILE *file = fopen(path, "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    return key;
}

/* Appends the base64 of the signature of bytes. */
static bool sign(const char *path, const struct text *bytes, struct text *signature)
{
    unsigned char raw[1024], base64[1400];
    size_t length = sizeof raw;
    EVP_PKEY *key = private_key(path);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_signed = key && context && EVP_PKEY_get_size(key) <= (int)sizeof raw &&
                     EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                     EVP_DigestSign(context, raw, &length,
                                    (const unsigned char *)text_string(bytes), bytes->length) == 1;
    if (is_signed)
        text_append(signature, (const char *)base64,
                    (size_t)EVP_EncodeBlock(base64, raw, (int)length));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return is_signed;
}

static void ces_envelope(struct sample *sample, const char *message, const char *signature)
{
    struct text *body = &sample->body;
    const char *state =
        sample->is_over ? "has changed to OK from Alarm." : "has triggered an alarm.";
    struct text subject = {0};
    text_printf(&subject,
                "[%s]From Cloud Eye: The CPU Usage of Elastic Cloud Server-ECSs "
                "\"ecs-sample\" %s",
                sample->is_over ? "Critical Ok" : "Critical Alarm", state);
    text_clear(body);
    member(body, "{", "type", "Notification");
    member(body, ",", "message_id", sample->id);
    member(body, ",", "topic_urn", topic());
    member(body, ",", "subject", text_string(&subject));
    member(body, ",", "message", message);
    member(body, ",", "timestamp", sample->time);
    member(body, ",", "signature_version", "v1");
    member(body, ",", "signing_cert_url", CERTIFICATE_URL);
    if (signature)
        member(body, ",", "signature", signature);
    text_putc(body, '}');
    text_clear(&subject);
}

/* What SMN would sign of the body so far. */
static bool signed_bytes(const struct text *body, struct text *bytes)
{
    struct json json = {0};
    struct smn_envelope envelope;
    struct error error = {0};
    bool is_read = json_parse(text_string(body), body->length, &json, &error) &&
                   smn_read(&json, NULL, &envelope, &error);
    if (is_read)
        smn_signed_bytes(&json, &envelope, bytes);
    json_clear(&json);
    return is_read;
}

static bool ces_sample(struct sample *sample)
{
    struct text message = {0}, bytes = {0}, signature = {0};
    ces_message(sample, &message);
    ces_envelope(sample, text_string(&message), NULL);
    bool is_made = true;
    if (sign_key_option) {
        is_made = signed_bytes(&sample->body, &bytes) && sign(sign_key_option, &bytes, &signature);
        ces_envelope(sample, text_string(&message), text_string(&signature));
    }
    text_clear(&signature);
    text_clear(&bytes);
    text_clear(&message);
    return is_made;
}

/* ---- Guance ---- */

static const char *const guance_statuses[] = {"critical", "error", "warning", "info",
                                              "nodata",   "ok",    NULL};

static bool guance_sample(struct sample *sample)
{
    text_printf(&sample->body,
                "{\"timestamp\":%lld,\"date\":%lld,\"df_status\":\"%s\",\"df_sub_status\":\"%s\","
                "\"df_event_id\":\"event-%s\",\"df_source\":\"monitor\","
                "\"df_title\":\"%s\",\"df_message\":\"CPU usage of web-sample: %s\","
                "\"df_dimension_tags\":\"{\\\"host\\\":\\\"web-sample\\\"}\","
                "\"df_monitor_name\":\"flashduty-gateway sample\","
                "\"df_monitor_checker\":\"custom_metric\","
                "\"df_monitor_checker_id\":\"rul_00000000000000000000000000000000\","
                "\"df_monitor_checker_name\":\"CPU usage of {{ host }} too high\","
                "\"df_monitor_checker_event_ref\":\"0000000000000000000000005a3b1e00\","
                "\"df_monitor_checker_value\":\"%s\",\"Result\":%s,"
                "\"df_workspace_name\":\"example\",\"host\":\"web-sample\"}",
                (long long)sample->now_s, (long long)sample->now_s, sample->status, sample->status,
                sample->id,
                sample->is_over ? "web-sample is well again" : "CPU usage of web-sample too high",
                sample->is_over ? "3.1%" : "97.25%", sample->is_over ? "3.1" : "97.25",
                sample->is_over ? "3.1" : "97.25");
    return true;
}

/* ---- sending ---- */

static const struct kind {
    const struct vendor *vendor;
    const char *const *statuses;
    bool (*make)(struct sample *sample);
    bool is_signed;
} kinds[] = {
    {&vendor_ces, ces_statuses, ces_sample, true},
    {&vendor_guance, guance_statuses, guance_sample, false},
};

static const struct kind *find_kind(const struct vendor *vendor)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].vendor == vendor)
            return &kinds[i];
    }
    return NULL;
}

/* The status asked for, or the first; NULL after saying which ones there are. */
static const char *find_status(const struct kind *kind)
{
    struct text words = {0};
    if (!status_option)
        return kind->statuses[0];
    for (const char *const *status = kind->statuses; *status; status++) {
        if (!strcmp(*status, status_option)) {
            text_clear(&words);
            return *status;
        }
        text_printf(&words, " %s", *status);
    }
    cli_usage("--status %s is none of:%s", status_option, text_string(&words));
    text_clear(&words);
    return NULL;
}

static enum cli_exit post(const struct sample *sample, bool is_smn)
{
    struct error error = {0};
    struct text id_header = {0}, topic_header = {0};
    text_printf(&id_header, "X-SMN-MESSAGE-ID: %s", sample->id);
    text_printf(&topic_header, "X-SMN-TOPIC-URN: %s", topic());
    const char *const headers[] = {"X-SMN-MESSAGE-TYPE: Notification", text_string(&topic_header),
                                   text_string(&id_header), NULL};
    struct transport *transport =
        transport_new(ca_file_option ? ca_file_option : "", "", false, &error);
    struct transport_call *call =
        transport
            ? transport_post(transport, url_option, is_smn ? headers : NULL,
                             text_string(&sample->body), sample->body.length, SAMPLE_TIMEOUT_MS)
            : NULL;
    enum cli_exit status = CLI_NETWORK;
    if (!call) {
        cli_fail(CLI_NETWORK, "%s", error.code ? error.text : "out of memory");
        goto out;
    }
    transport_wait(transport, &call, 1, clock_monotonic_ms() + SAMPLE_TIMEOUT_MS + 1000);
    struct transport_answer answer = transport_answer(call);
    if (!answer.done || answer.status == 0) {
        cli_fail(CLI_NETWORK, "%s", answer.done ? answer.failure : "no answer");
        goto out;
    }
    fprintf(stderr, "HTTP status %ld\n", answer.status);
    printf("%s%s", answer.body,
           answer.body_length && answer.body[answer.body_length - 1] == '\n' ? "" : "\n");
    status = answer.status >= 200 && answer.status < 300 ? CLI_DONE : CLI_NO;
out:
    transport_call_free(call);
    transport_free(transport);
    text_clear(&topic_header);
    text_clear(&id_header);
    return status;
}

static bool make(struct sample *sample, const struct kind *kind)
{
    sample->is_over = !strcmp(sample->status, "ok");
    sample->now_s = clock_wall_ms() / 1000;
    clock_rfc3339(sample->now_s, sample->time);
    return random_hex(16, sample->id) && kind->make(sample) && !sample->body.failed;
}

static enum cli_exit run(const struct cli_call *call)
{
    const struct vendor *vendor = cli_vendor(call->words[0]);
    const struct kind *kind = vendor ? find_kind(vendor) : NULL;
    if (!kind)
        return CLI_USAGE;
    if (!url_option || (strncmp(url_option, "https://", 8) && strncmp(url_option, "http://", 7)))
        return cli_usage("--url is the push URL, with its integration_key");
    if (sign_key_option && !kind->is_signed)
        return cli_usage("--sign-key: %s signs nothing", vendor->name);
    struct sample sample = {.status = find_status(kind)};
    if (!sample.status)
        return CLI_USAGE;
    enum cli_exit status;
    if (make(&sample, kind))
        status = post(&sample, kind->is_signed);
    else if (sign_key_option)
        status =
            cli_fail(CLI_NOT_FOUND, "%s is no private key in PEM form that signs", sign_key_option);
    else
        status = cli_fail(CLI_NO, "the sample cannot be made");
    text_clear(&sample.body);
    return status;
}

const struct command command_send = {
    .name = "send",
    .arguments = "ces|guance --url URL [--status STATUS] [--sign-key FILE] [--topic URN] "
                 "[--ca-file FILE]",
    .summary = "Posts a realistic sample alert to a running endpoint",
    .help = "  --url URL        the push URL, with its integration_key\n"
            "  --status STATUS  ces: critical (default), major, minor, info, ok;\n"
            "                   guance: critical (default), error, warning, info, nodata, ok\n"
            "  --sign-key FILE  ces: sign with this private key (PEM), whose certificate the\n"
            "                   gateway holds in smn.certificate\n"
            "  --topic URN      ces: the topic of the sample, one of the integration's topic_urn\n"
            "  --ca-file FILE   the certificate authority of the endpoint, if it is one's own\n"
            "Prints the answer. Exit status 1 if it is not 2xx, 5 if none came.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run,
    .options = options,
};

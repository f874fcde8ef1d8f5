#include "response.h"

#define RETRY_AFTER_S 10

static const struct {
    int status;
    const char *reason, *code;
} table[ERROR_COUNT] = {
    [ERROR_NONE] = {200, "OK", ""},
    [ERROR_INVALID] = {400, "Bad Request", "InvalidParameter"},
    [ERROR_UNAUTHORIZED] = {401, "Unauthorized", "Unauthorized"},
    [ERROR_FORBIDDEN] = {403, "Forbidden", "AccessDenied"},
    [ERROR_METHOD] = {405, "Method Not Allowed", "MethodNotAllowed"},
    [ERROR_TOO_LARGE] = {413, "Content Too Large", "RequestTooLarge"},
    [ERROR_CONTENT_TYPE] = {415, "Unsupported Media Type", "InvalidContentType"},
    [ERROR_REJECTED] = {502, "Bad Gateway", "Rejected"},
    [ERROR_UNAVAILABLE] = {503, "Service Unavailable", "Unavailable"},
    [ERROR_NOT_FOUND] = {404, "Not Found", "ResourceNotFound"},
};

int response_status(enum error_code code)
{
    return table[code].status;
}

static const char *reason(int status)
{
    if (status == STATUS_KEPT)
        return "Accepted";
    if (status == STATUS_SEE_OTHER)
        return "See Other";
    for (int i = 0; i < ERROR_COUNT; i++) {
        if (table[i].status == status)
            return table[i].reason;
    }
    return "Answer";
}

void response_error(struct response *response, const struct error *error, const char *code)
{
    response->status = table[error->code].status;
    response->type = NULL;
    if (error->code == ERROR_UNAVAILABLE && response->retry_after_s == 0)
        response->retry_after_s = RETRY_AFTER_S;
    text_clear(&response->body);
    text_puts(&response->body, "{\"request_id\":");
    text_json(&response->body, response->request_id);
    text_puts(&response->body, ",\"error\":{\"code\":");
    text_json(&response->body, code && *code ? code : table[error->code].code);
    text_puts(&response->body, ",\"message\":");
    text_json(&response->body, error->text);
    text_puts(&response->body, "}}\n");
}

void response_data(struct response *response, int status, const char *data)
{
    response->status = status;
    text_clear(&response->body);
    text_puts(&response->body, "{\"request_id\":");
    text_json(&response->body, response->request_id);
    text_puts(&response->body, ",\"data\":");
    text_puts(&response->body, data);
    text_puts(&response->body, "}\n");
}

void response_write(const struct response *response, struct text *out)
{
    bool failed = response->body.failed;
    int status = failed ? table[ERROR_UNAVAILABLE].status : response->status;
    text_printf(out, "Status: %d %s\r\n", status, reason(status));
    text_printf(out,
                "Content-Type: %s\r\n"
                "Cache-Control: no-store\r\n"
                "X-Content-Type-Options: nosniff\r\n",
                response->type && !failed ? response->type : "application/json; charset=utf-8");
    text_printf(out, "Request-Id: %s\r\n", response->request_id);
    if (status == table[ERROR_METHOD].status)
        text_printf(out, "Allow: %s\r\n", response->allow ? response->allow : "POST");
    if (response->headers)
        text_puts(out, response->headers);
    if (failed || response->retry_after_s > 0)
        text_printf(out, "Retry-After: %ld\r\n", failed ? RETRY_AFTER_S : response->retry_after_s);
    text_printf(out, "Content-Length: %zu\r\n\r\n", response->body.length);
    if (!response->is_head)
        text_append(out, text_string(&response->body), response->body.length);
}

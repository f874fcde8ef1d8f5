/*
 * libFuzzer: a request as CGI or FastCGI hands it over. The input is lines NAME=VALUE, an empty
 * line, and the body. Four of the names say how it comes: PIECE, the bytes at a time; LIMIT, the
 * most that are taken; ENDS, that its end is marked; CUT, that it breaks off there.
 */
#include <strings.h>

#include "base/limits.h"
#include "fuzz.h"
#include "request.h"

#define VARIABLES_MAX 32

struct sender {
    struct arena arena;
    const char *names[VARIABLES_MAX], *values[VARIABLES_MAX];
    size_t count;
    const char *body;
    size_t length, at, piece, most;
    bool is_cut, has_ended;
};

static const char *variable(void *context, const char *name)
{
    const struct sender *sender = context;
    for (size_t i = 0; i < sender->count; i++) {
        if (!strcmp(sender->names[i], name))
            return sender->values[i];
    }
    return NULL;
}

static size_t number(struct sender *sender, const char *name, size_t fallback)
{
    const char *value = variable(sender, name);
    return value && *value ? strtoul(value, NULL, 10) % 65536 : fallback;
}

static ssize_t read_piece(void *context, char *buffer, size_t size)
{
    struct sender *sender = context;
    size_t count = sender->length - sender->at;
    MUST(size > 0 && !sender->has_ended);
    MUST(size <= sender->most - sender->at);
    count = count > size ? size : count;
    count = count > sender->piece ? sender->piece : count;
    memcpy(buffer, sender->body + sender->at, count);
    sender->at += count;
    sender->has_ended = count == 0;
    return count == 0 && sender->is_cut ? -1 : (ssize_t)count;
}

static void read_input(struct sender *sender, const char *input, size_t size)
{
    const char *end = input + size;
    while (input < end && *input != '\n') {
        const char *stop = memchr(input, '\n', (size_t)(end - input));
        size_t length = (size_t)((stop ? stop : end) - input);
        const char *line = arena_copy(&sender->arena, input, length);
        size_t name = strcspn(line, "=");
        if (sender->count < VARIABLES_MAX) {
            sender->names[sender->count] = arena_copy(&sender->arena, line, name);
            sender->values[sender->count++] = line + name + (line[name] == '=');
        }
        input += length + (stop != NULL);
    }
    sender->body = input + (input < end);
    sender->length = (size_t)(end - sender->body);
}

static void must_be_received(const struct request *request, const struct sender *sender,
                             size_t limit)
{
    enum error_code code = request->error.code;
    MUST(code == ERROR_NONE || code == ERROR_INVALID || code == ERROR_TOO_LARGE);
    MUST((code == ERROR_NONE) == !*request->error.text);
    MUST(strlen(request->id) == REQUEST_ID_SIZE - 1);
    MUST(request->body_length <= limit + 1 && request->body_length == sender->at);
    if (request->body) {
        MUST(request->body[request->body_length] == '\0');
        MUST(!memcmp(request->body, sender->body, request->body_length));
    }
    if (code == ERROR_NONE) {
        bool is_awaited = request->source->ends || request->declared_length != SIZE_MAX ||
                          !strcmp(request->method, "POST");
        MUST((request->body != NULL) == is_awaited && request->body_length <= limit);
        MUST(request->declared_length == SIZE_MAX ||
             request->declared_length == request->body_length);
        MUST(request->is_drained || !request->source->ends);
    }
    MUST(!request->is_drained || (sender->has_ended && sender->at == sender->length));
}

/* How often the query or the header holds the key. */
static void must_be_the_key(struct request *request)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *key, *query = request_variable(request, "QUERY_STRING");
    const char *header = request_variable(request, "HTTP_X_INTEGRATION_KEY");
    struct error error = {0};
    if (!request_key(request, &key, &error)) {
        MUST(error.code == ERROR_INVALID && *error.text);
        must_be_utf8(error.text);
        return;
    }
    MUST(strlen(key) >= 1 && strlen(key) <= KEY_LENGTH_MAX);
    MUST(strspn(key, letters) == strlen(key));
    const char *parameter = arena_printf(&request->arena, "integration_key=%s", key);
    bool is_header = header && *header;
    MUST(is_header ? !strcmp(header, key) : query && strstr(query, parameter));
}

/* RFC 9110, 8.3: the type and subtype are compared without case, parameters follow a semicolon. */
static void must_be_the_type(const struct request *request)
{
    static const char *const types[] = {"text/plain", "application/x-www-form-urlencoded",
                                        "multipart/form-data"};
    const char *type = request->content_type;
    bool is_one = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t length = strlen(types[i]);
        is_one = is_one || (!strncasecmp(type, types[i], length) &&
                            (!type[length] || strchr("; \t", type[length])));
    }
    MUST(request_is_text_or_form(request) == is_one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sender sender = {0};
    struct request request;
    read_input(&sender, size ? (const char *)data : "", size);
    sender.piece = number(&sender, "PIECE", 4096) + 1;
    sender.is_cut = variable(&sender, "CUT") != NULL;
    const struct request_source source = {variable, read_piece, &sender,
                                          variable(&sender, "ENDS") != NULL};
    size_t limit = number(&sender, "LIMIT", 1024);
    const char *declared = variable(&sender, "CONTENT_LENGTH");
    sender.most = limit + 1;
    if (!source.ends && declared && strtoull(declared, NULL, 10) <= limit && *declared)
        sender.most = strtoull(declared, NULL, 10);
    request_receive(&request, &source, 0, limit);
    must_be_received(&request, &sender, limit);
    must_be_the_key(&request);
    must_be_the_type(&request);
    request_clear(&request);
    arena_clear(&sender.arena);
    return 0;
}

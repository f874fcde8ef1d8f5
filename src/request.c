#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define BODY_START_BYTES 8192
#define HEALTH_PATH "/healthz"
#define KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

const char *request_variable(const struct request *request, const char *name)
{
    return request->source->variable(request->source->context, name);
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), end_length = strlen(end);
    return length >= end_length && !strcmp(path + length - end_length, end);
}

bool request_is_for(const struct request *request, const char *path)
{
    const char *below = request_variable(request, "PATH_INFO");
    const char *program = request_variable(request, "SCRIPT_NAME");
    if (!*path)
        return !below || !*below || !strcmp(below, "/");
    /* nginx without a split of PATH_INFO has it all in SCRIPT_NAME. */
    return ends_with(below ? below : "", path) || ends_with(program ? program : "", path);
}

static bool read_declared_length(struct request *request, struct error *error)
{
    const char *text = request_variable(request, "CONTENT_LENGTH");
    request->declared_length = SIZE_MAX;
    /* Caddy says -1 of a chunked upload, whose length it does not know. */
    if (!text || !*text || !strcmp(text, "-1"))
        return true;
    if (text[strspn(text, "0123456789")])
        return error_set(error, ERROR_INVALID, "CONTENT_LENGTH is no number");
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    request->declared_length = errno || value >= SIZE_MAX ? SIZE_MAX - 1 : (size_t)value;
    return true;
}

/* most: more than that is not read. */
static bool grow(struct request *request, size_t *size, size_t most)
{
    size_t larger = *size ? *size * 2 : BODY_START_BYTES;
    if (larger > most)
        larger = most;
    char *body = realloc(request->body, larger + 1);
    if (!body)
        return false;
    request->body = body;
    *size = larger;
    return true;
}

/* Reads up to limit + 1 bytes: one more than may be shows that there are too many. */
static bool read_all(struct request *request, size_t limit, struct error *error)
{
    bool has_length = !request->source->ends && request->declared_length <= limit;
    const size_t stop = has_length ? request->declared_length : limit + 1;
    size_t size = 0;
    ssize_t count = 1;
    if (!grow(request, &size, stop))
        return error_out_of_memory(error);
    while (count > 0 && request->body_length < stop) {
        if (request->body_length == size && !grow(request, &size, stop))
            return error_out_of_memory(error);
        size_t most = (size < stop ? size : stop) - request->body_length;
        count = request->source->read(request->source->context,
                                      request->body + request->body_length, most);
        if (count > 0)
            request->body_length += (size_t)count;
    }
    request->body[request->body_length] = '\0';
    if (count < 0)
        return error_set(error, ERROR_INVALID, "the body was cut off, or came too slowly");
    request->is_drained = count == 0;
    return true;
}

static void read_body(struct request *request, size_t limit, struct error *error)
{
    if (!read_declared_length(request, error))
        return;
    const size_t declared = request->declared_length;
    /* Only a POST must have a body: a server may leave the input of any other open for long. */
    if (declared == SIZE_MAX && !request->source->ends && strcmp(request->method, "POST"))
        return;
    bool is_too_large = declared != SIZE_MAX && declared > limit;
    if (!is_too_large && !read_all(request, limit, error))
        return;
    if (is_too_large || request->body_length > limit)
        error_set(error, ERROR_TOO_LARGE, "the body has more than max_body_bytes = %zu bytes",
                  limit);
    else if (declared != SIZE_MAX && declared != request->body_length)
        error_set(error, ERROR_INVALID, "the body has %zu bytes, CONTENT_LENGTH says %zu",
                  request->body_length, declared);
}

void request_receive(struct request *request, const struct request_source *source,
                     int64_t arrived_ms, size_t limit)
{
    *request = (struct request){.source = source, .arrived_ms = arrived_ms};
    const char *method = request_variable(request, "REQUEST_METHOD");
    const char *type = request_variable(request, "CONTENT_TYPE");
    request->method = method ? method : "";
    request->content_type = type ? type : "";
    request->is_health = request_is_for(request, HEALTH_PATH);
    if (!request_id_make(request->id))
        error_set(&request->error, ERROR_UNAVAILABLE, "the system gives no random numbers");
    read_body(request, limit, &request->error);
}

static bool check_key(const char *key, size_t length, struct error *error)
{
    if (length == 0 || length > KEY_LENGTH_MAX || strspn(key, KEY_CHARACTERS) < length)
        return error_set(error, ERROR_INVALID, "an integration key is 1 to %d of A-Z a-z 0-9 _ -",
                         KEY_LENGTH_MAX);
    return true;
}

/* Takes a key up, which must equal one that is there already. */
static bool take_key(struct request *request, const char *text, size_t length, const char **key,
                     struct error *error)
{
    if (!check_key(text, length, error))
        return false;
    const char *copy = arena_copy(&request->arena, text, length);
    if (*key && !secret_equal(*key, copy))
        return error_set(error, ERROR_INVALID, "two integration keys that differ: send one");
    *key = copy;
    return true;
}

bool request_key(struct request *request, const char **key, struct error *error)
{
    static const char name[] = "integration_key=";
    const char *query = request_variable(request, "QUERY_STRING");
    const char *header = request_variable(request, "HTTP_X_INTEGRATION_KEY");
    *key = NULL;
    for (const char *c = query ? query : ""; *c; c += *c == '&') {
        size_t length = strcspn(c, "&"), skip = strlen(name);
        if (length >= skip && !strncmp(c, name, skip) &&
            !take_key(request, c + skip, length - skip, key, error))
            return false;
        c += length;
    }
    if (header && *header && !take_key(request, header, strlen(header), key, error))
        return false;
    if (!*key)
        return error_set(error, ERROR_INVALID,
                         "expected an integration key: ?integration_key=KEY "
                         "at the end of the URL, or the header X-Integration-Key");
    return request->arena.failed ? error_out_of_memory(error) : true;
}

bool request_is_text_or_form(const struct request *request)
{
    static const char *const types[] = {"text/plain", "application/x-www-form-urlencoded",
                                        "multipart/form-data"};
    const char *type = request->content_type;
    char media[64];
    size_t length = strcspn(type, "; \t");
    if (length >= sizeof media)
        return false;
    memcpy(media, type, length);
    media[length] = '\0';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (text_equal_ignoring_case(media, types[i]))
            return true;
    }
    return false;
}

void request_clear(struct request *request)
{
    free(request->body);
    request->body = NULL;
    arena_clear(&request->arena);
}

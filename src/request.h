/* One HTTP request, read within limits from whoever hands it over (CGI or FastCGI). */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/error.h"

/* Where a request comes from. */
struct request_source {
    /* A CGI variable (RFC 3875, 4.1), or NULL. Borrowed until the request is over. */
    const char *(*variable)(void *context, const char *name);
    /* Reads body bytes: their number, 0 at the end, -1 if the body was cut off or too slow. */
    ssize_t (*read)(void *context, char *buffer, size_t size);
    void *context;
    bool ends; /* the end of the body is marked; else CONTENT_LENGTH is (RFC 3875, 4.2) */
};

struct request {
    const struct request_source *source;
    int64_t arrived_ms; /* monotonic */
    char id[REQUEST_ID_SIZE];
    const char *method;
    bool is_health;  /* a path that ends with /healthz below the endpoint */
    bool is_drained; /* the body was read to its end */
    const char *content_type;
    size_t declared_length; /* CONTENT_LENGTH; SIZE_MAX: there is none, as with a chunked body */
    char *body;             /* NUL-terminated; NULL until read */
    size_t body_length;
    struct error error; /* why it could not be received; ERROR_NONE: it was */
    struct arena arena; /* for everything that lives as long as the request */
};

/* Fills in all, and reads the body to its end, at most limit bytes. What goes wrong stands in
 * request->error: ERROR_TOO_LARGE above the limit; ERROR_INVALID for a body that is cut off, or
 * not as long as CONTENT_LENGTH says. A body whose end is not marked is read only if CONTENT_LENGTH
 * announces it, or if it is posted. */
void request_receive(struct request *request, const struct request_source *source,
                     int64_t arrived_ms, size_t limit) __attribute__((nonnull));

/* A request header by its CGI name ("HTTP_X_INTEGRATION_KEY"), or NULL. */
const char *request_variable(const struct request *request, const char *name)
    __attribute__((nonnull));

/* Whether it is for `path` ("/healthz") below the endpoint; "" is the endpoint itself. */
bool request_is_for(const struct request *request, const char *path) __attribute__((nonnull));

/* The integration key, from integration_key of the query string and from X-Integration-Key.
 * ERROR_INVALID if there is none, if it is not of the form of a key, or if two differ. */
bool request_key(struct request *request, const char **key, struct error *error)
    __attribute__((nonnull));

/* Whether the content type is plain text or a form, which carry no JSON. */
bool request_is_text_or_form(const struct request *request) __attribute__((nonnull));

void request_clear(struct request *request) __attribute__((nonnull));

#endif

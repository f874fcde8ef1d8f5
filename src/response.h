/* An answer, composed in memory and written once: JSON in Flashduty's own shape, and the page of
 * the status endpoint. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

struct response {
    int status;
    long retry_after_s; /* 0: no such header */
    bool is_head;       /* headers only */
    const char *request_id;
    const char *type;    /* of the body; NULL: JSON */
    const char *allow;   /* the methods that the Allow header of a 405 names; NULL: POST */
    const char *headers; /* more header lines, each with its CRLF; NULL: none. Borrowed */
    struct text body;
};

/* Not at Flashduty, but safe here. */
#define STATUS_KEPT 202
/* It is done: look there. */
#define STATUS_SEE_OTHER 303

/* The HTTP status of an error: the one table. */
int response_status(enum error_code code);

/* Sets status and body: {"request_id":…,"error":{"code":…,"message":…}}. code: Flashduty's own
 * where an answer of it is passed on, else NULL. */
void response_error(struct response *response, const struct error *error, const char *code)
    __attribute__((nonnull(1, 2)));

/* Status 2xx, with the JSON of data: {"request_id":…,"data":…}. */
void response_data(struct response *response, int status, const char *data)
    __attribute__((nonnull));

/* The whole CGI response (RFC 3875, 6): status line, headers, body. */
void response_write(const struct response *response, struct text *out) __attribute__((nonnull));

#endif

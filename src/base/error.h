/*
 * The one error type. A function that can fail for a reason returns bool and takes a
 * struct error; the first error set wins, so the cause is never covered by its consequences.
 * Which HTTP status a code becomes stands in one table, in response.c.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE,
    ERROR_INVALID,      /* the request or the payload will never be right */
    ERROR_UNAUTHORIZED, /* unknown integration key, or one that Flashduty refuses */
    ERROR_FORBIDDEN,    /* signature or topic refused for good */
    ERROR_METHOD,       /* anything but POST */
    ERROR_TOO_LARGE,    /* body above max_body_bytes */
    ERROR_CONTENT_TYPE, /* a type that this vendor's payload never has */
    ERROR_REJECTED,     /* Flashduty refused the event for good */
    ERROR_UNAVAILABLE,  /* not now: the vendor is asked to try again */
    ERROR_NOT_FOUND,    /* command line: no such file, or section */
    ERROR_COUNT
};

struct error {
    enum error_code code;
    char text[1024];
};

/* Sets code and text unless an error is set already. Always returns false, for `return`. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4), nonnull));

/* The error of an allocation that failed: ERROR_UNAVAILABLE, so that the vendor tries again. */
bool error_out_of_memory(struct error *error) __attribute__((nonnull));

#endif

/*
 * The records of one FastCGI request, read from a connection (FastCGI Specification 1.0, 3.3 and
 * 8).
 *
 * libfcgi writes request and answer, but does not read from a peer: it answers FCGI_GET_VALUES,
 * which may come between any two records, into 64 bytes however much is asked, and aborts the
 * process if the lengths that stand before a name and a value are more than memory holds. So it is
 * handed a head that was read and checked here, and the body does not reach it at all.
 *
 * A peer that sends what no web server would send, or a record out of its place, is not answered.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

#define RECORDS_BUFFER_BYTES 8192

struct records {
    int descriptor; /* borrowed; its time-outs are the caller's to set */
    int request_id;
    size_t content; /* bytes of the record at hand that are not read */
    size_t padding; /* ... and that follow them */
    bool has_ended; /* the body */
    unsigned char buffer[RECORDS_BUFFER_BYTES];
    size_t start, end;
};

void records_init(struct records *records, int descriptor) __attribute__((nonnull));

/* Reads up to the end of the parameters, at most REQUEST_HEAD_BYTES_MAX of them. head: the same as
 * correct records without padding. False if the peer sent something else, or too late, or left. */
bool records_read_head(struct records *records, struct text *head) __attribute__((nonnull));

/* Reads from the body that follows: the number of bytes, 0 at its end, -1 if it is cut off. */
ssize_t records_read_body(struct records *records, char *buffer, size_t size)
    __attribute__((nonnull));

#endif

#include "records.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"

#define VERSION_1 1
#define HEADER_BYTES 8
#define BEGIN_BYTES 8
#define CONTENT_MAX 65535
/* Web servers ask for the values once a connection, if at all. */
#define QUESTIONS_MAX 8

enum type { BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, GET_VALUES = 9 };

void records_init(struct records *records, int descriptor)
{
    /* Not the buffer, which is large. */
    records->descriptor = descriptor;
    records->request_id = 0;
    records->content = records->padding = 0;
    records->has_ended = false;
    records->start = records->end = 0;
}

/* Some of the next bytes, at most `most`: where they are until the next call; NULL at the end. */
static const void *take_some(struct records *records, size_t most, size_t *count)
{
    while (records->start == records->end) {
        ssize_t got = recv(records->descriptor, records->buffer, sizeof records->buffer, 0);
        if (got == 0 || (got < 0 && errno != EINTR))
            return NULL;
        records->start = 0;
        records->end = got > 0 ? (size_t)got : 0;
    }
    const void *bytes = records->buffer + records->start;
    size_t there = records->end - records->start;
    *count = there < most ? there : most;
    records->start += *count;
    return bytes;
}

/* The next length bytes; NULL: they are skipped. */
static bool take(struct records *records, unsigned char *bytes, size_t length)
{
    while (length > 0) {
        size_t count;
        const void *some = take_some(records, length, &count);
        if (!some)
            return false;
        if (bytes) {
            memcpy(bytes, some, count);
            bytes += count;
        }
        length -= count;
    }
    return true;
}

/* The header of the next record. */
static bool next_record(struct records *records, int *type, int *request_id)
{
    unsigned char header[HEADER_BYTES];
    if (!take(records, NULL, records->padding) || !take(records, header, sizeof header) ||
        header[0] != VERSION_1)
        return false;
    *type = header[1];
    *request_id = header[2] << 8 | header[3];
    records->content = (size_t)header[4] << 8 | header[5];
    records->padding = header[6];
    return true;
}

/* The one value that matters, whatever was asked: requests do not share a connection. */
static bool tell_values(const struct records *records)
{
    static const char answer[] = "\x1\xA\0\0\0\x12\0\0" /* version 1, GET_VALUES_RESULT, 18 bytes */
                                 "\xF\x1"
                                 "FCGI_MPXS_CONNS"
                                 "0";
    const size_t length = sizeof answer - 1;
    return send(records->descriptor, answer, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool read_begin(struct records *records, unsigned char begin[static BEGIN_BYTES])
{
    int type, request_id;
    for (int questions = 0; questions <= QUESTIONS_MAX; questions++) {
        if (!next_record(records, &type, &request_id))
            return false;
        if (type == BEGIN_REQUEST && request_id != 0 && records->content == BEGIN_BYTES) {
            records->request_id = request_id;
            return take(records, begin, BEGIN_BYTES);
        }
        if (type != GET_VALUES || request_id != 0 || !take(records, NULL, records->content) ||
            !tell_values(records))
            return false;
    }
    return false;
}

/* Up to the empty record that ends them. */
static bool read_parameters(struct records *records, struct text *parameters)
{
    int type, request_id;
    while (next_record(records, &type, &request_id)) {
        if (type != PARAMS || request_id != records->request_id ||
            records->content > REQUEST_HEAD_BYTES_MAX - parameters->length)
            return false;
        if (records->content == 0)
            return true;
        while (records->content > 0) {
            size_t count;
            const char *some = take_some(records, records->content, &count);
            if (!some)
                return false;
            text_append(parameters, some, count);
            records->content -= count;
        }
    }
    return false;
}

/* The length of a name or a value: one byte, or four with the highest bit set. */
static bool take_length(const unsigned char **at, const unsigned char *end, size_t *length)
{
    if (*at == end)
        return false;
    const unsigned char *bytes = *at;
    bool is_long = bytes[0] & 0x80;
    if (is_long && end - bytes < 4)
        return false;
    *length = is_long ? (size_t)(bytes[0] & 0x7f) << 24 | (size_t)bytes[1] << 16 |
                            (size_t)bytes[2] << 8 | bytes[3]
                      : bytes[0];
    *at += is_long ? 4 : 1;
    return true;
}

/* Whether the parameters are whole pairs of a name and a value. */
static bool are_pairs(const struct text *parameters)
{
    const unsigned char *at = (const unsigned char *)text_string(parameters);
    const unsigned char *end = at + parameters->length;
    while (at < end) {
        size_t name, value;
        if (!take_length(&at, end, &name) || !take_length(&at, end, &value) ||
            name + value > (size_t)(end - at))
            return false;
        at += name + value;
    }
    return true;
}

static void append_record(struct text *out, enum type type, int request_id, const char *content,
                          size_t length)
{
    const unsigned char header[HEADER_BYTES] = {
        VERSION_1,
        (unsigned char)type,
        (unsigned char)(request_id >> 8),
        (unsigned char)request_id,
        (unsigned char)(length >> 8),
        (unsigned char)length,
    };
    text_append(out, (const char *)header, sizeof header);
    text_append(out, content, length);
}

bool records_read_head(struct records *records, struct text *head)
{
    unsigned char begin[BEGIN_BYTES];
    struct text parameters = {0};
    bool is_head = read_begin(records, begin) && read_parameters(records, &parameters) &&
                   !parameters.failed && are_pairs(&parameters);
    if (is_head) {
        append_record(head, BEGIN_REQUEST, records->request_id, (const char *)begin, sizeof begin);
        for (size_t at = 0; at < parameters.length; at += CONTENT_MAX) {
            size_t left = parameters.length - at;
            append_record(head, PARAMS, records->request_id, parameters.data + at,
                          left < CONTENT_MAX ? left : CONTENT_MAX);
        }
        append_record(head, PARAMS, records->request_id, "", 0);
    }
    text_clear(&parameters);
    return is_head && !head->failed;
}

ssize_t records_read_body(struct records *records, char *buffer, size_t size)
{
    int type, request_id;
    size_t count;
    while (records->content == 0 && !records->has_ended) {
        if (!next_record(records, &type, &request_id) || type != STDIN ||
            request_id != records->request_id)
            return -1;
        records->has_ended = records->content == 0;
    }
    if (records->has_ended)
        return 0;
    const void *some =
        take_some(records, size < records->content ? size : records->content, &count);
    if (!some)
        return -1;
    memcpy(buffer, some, count);
    records->content -= count;
    return (ssize_t)count;
}

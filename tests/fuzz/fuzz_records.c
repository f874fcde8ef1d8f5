/*
 * libFuzzer: what a peer of the FastCGI socket sends, after a byte that says how much of the body
 * is asked for at a time. The head that comes of it must be records such as libfcgi can be trusted
 * with, and the body no longer than what was sent.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "fuzz.h"
#include "records.h"

/* Below what a socket takes without anybody reading. */
#define SENT_MAX 65536

static size_t length_at(const uint8_t **at, const uint8_t *end)
{
    MUST(*at < end);
    size_t length = *(*at)++;
    if (length < 0x80)
        return length;
    MUST(end - *at >= 3);
    length = (length & 0x7f) << 24;
    for (int shift = 16; shift >= 0; shift -= 8)
        length |= (size_t) * (*at)++ << shift;
    return length;
}

/* Pairs that end where the parameters do. */
static void must_be_pairs(const struct text *parameters)
{
    const uint8_t *at = (const uint8_t *)text_string(parameters), *end = at + parameters->length;
    while (at < end) {
        size_t name = length_at(&at, end), value = length_at(&at, end);
        MUST(name <= (size_t)(end - at) && value <= (size_t)(end - at) - name);
        at += name + value;
    }
}

/* BEGIN_REQUEST, PARAMS, and an empty PARAMS, of one request and without padding. */
static void must_be_a_head(const struct text *head, int request_id)
{
    const uint8_t *at = (const uint8_t *)text_string(head), *end = at + head->length;
    struct text parameters = {0};
    size_t length = 1;
    for (int expected = 1; length > 0; expected = 4) {
        MUST(end - at >= 8 && at[0] == 1 && at[1] == expected && at[6] == 0);
        MUST((at[2] << 8 | at[3]) == request_id && request_id != 0);
        length = (size_t)at[4] << 8 | at[5];
        at += 8;
        MUST((size_t)(end - at) >= length && (expected == 4 || length == 8));
        if (expected == 4)
            text_append(&parameters, (const char *)at, length);
        at += length;
    }
    MUST(at == end && parameters.length <= REQUEST_HEAD_BYTES_MAX);
    must_be_pairs(&parameters);
    text_clear(&parameters);
}

static void read_all(int descriptor, size_t size, size_t piece)
{
    struct records records;
    struct text head = {0};
    char buffer[256];
    size_t total = 0;
    ssize_t count = 1;
    records_init(&records, descriptor);
    if (records_read_head(&records, &head)) {
        must_be_a_head(&head, records.request_id);
        while (count > 0) {
            count = records_read_body(&records, buffer, piece);
            MUST(count <= (ssize_t)piece);
            total += count > 0 ? (size_t)count : 0;
        }
        MUST(total <= size);
        MUST(count < 0 || records_read_body(&records, buffer, piece) == 0);
    }
    text_clear(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (size < 1 || size > SENT_MAX)
        return 0;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    MUST(write(ends[1], data + 1, size - 1) == (ssize_t)size - 1);
    /* Answers to questions still go out. */
    MUST(shutdown(ends[1], SHUT_WR) == 0);
    read_all(ends[0], size, data[0] % 255u + 1);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

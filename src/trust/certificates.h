/*
 * Certificates of SMN that are not pinned: fetched once from where the message says, by the guarded
 * GET, and kept in a folder, so that neither an outage of Huawei's host nor a new process costs an
 * alarm. The folder holds, by the SHA-256 of the address (or of the file name):
 *
 *   HASH.pem      a certificate; its age is the file's
 *   HASH.attempt  when it was last tried, whatever came of it
 *   HASH.held     a file name that signing_cert_url ended with when a signature was right
 *
 * A flood of messages cannot make the gateway fetch: one try a minute for an address and four in
 * all, by all processes together.
 */
#ifndef TRUST_CERTIFICATES_H
#define TRUST_CERTIFICATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct certificates;

/* The certificates of this user's state folder, which is made when something is to be kept. Where
 * there is none, a process that serves many requests (is_lasting) keeps them in a private folder
 * that ends with it; one that serves a single request would fetch for each, and has none. NULL when
 * out of memory. */
struct certificates *certificates_new(bool is_lasting, const char *ca_file, struct error *error)
    __attribute__((nonnull));

/* NULL is allowed. */
void certificates_free(struct certificates *certificates);

/* Appends the certificate at url, which the caller has checked: the one that is kept if it is
 * younger than a day; else one fetched now, within timeout_ms; else, where that fails, the kept one
 * if it is younger than a week. A file time further ahead than a minute is that of a clock which
 * was set back: due for a fetch. Only what is a certificate in force is kept or returned. On false
 * ERROR_UNAVAILABLE says why it cannot be had now. */
bool certificates_get(struct certificates *certificates, const char *url, bool private_network,
                      int64_t timeout_ms, struct text *pem, struct error *error)
    __attribute__((nonnull));

/* Whether a signature was right before under a certificate called file. */
bool certificates_is_held(struct certificates *certificates, const char *file)
    __attribute__((nonnull));

/* Notes that one was. What cannot be written is forgotten. */
void certificates_hold(struct certificates *certificates, const char *file)
    __attribute__((nonnull));

#endif

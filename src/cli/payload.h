/* A payload that a person has, read as the gateway reads what a vendor posts, but for its
 * signature. */
#ifndef CLI_PAYLOAD_H
#define CLI_PAYLOAD_H

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "config/config.h"

struct payload {
    struct text bytes;
    struct json json;
    struct arena arena; /* holds the receipt */
    struct receipt receipt;
};

/* Reads the file (NULL or "-": standard input) and parses it. On anything but CLI_DONE it has said
 * on stderr why. Whatever it returns, payload_clear is called. */
enum cli_exit payload_read(const char *file, const struct vendor *vendor,
                           const struct smn_settings *smn, struct payload *payload)
    __attribute__((nonnull(2, 3, 4)));

void payload_clear(struct payload *payload) __attribute__((nonnull));

/* The integration of that name; NULL after saying on stderr that there is none. */
const struct integration *payload_integration(const struct config *config, const char *name)
    __attribute__((nonnull));

#endif

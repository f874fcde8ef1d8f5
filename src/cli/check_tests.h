/* check --tests: a user's own table of payloads and where they must go. */
#ifndef CLI_CHECK_TESTS_H
#define CLI_CHECK_TESTS_H

#include "cli/cli.h"
#include "config/config.h"

/* Runs the tests of the file at path under config, and prints what came of each: as JSON one object
 * a line. CLI_NO if one fails, CLI_NOT_FOUND if there is no such file. */
enum cli_exit check_tests(const struct config *config, const char *path, bool json)
    __attribute__((nonnull));

#endif

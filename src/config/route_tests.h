/*
 * A user's own table of tests: payloads, and the severity and destinations that they must have. The
 * format is described in docs/configuration.md, "Tests of a configuration".
 */
#ifndef CONFIG_ROUTE_TESTS_H
#define CONFIG_ROUTE_TESTS_H

#include "config/config.h"

struct route_test {
    unsigned line;
    const char *integration;
    const char *payload; /* path of a file */
    bool has_severity, has_destinations, is_ignored;
    enum severity severity;
    const char *const *destinations; /* names; "default" is the default route's */
    size_t destination_count;
};

struct route_tests {
    struct config carrier; /* holds path and memory */
    const struct route_test *tests;
    size_t count;
};

/* Reads the file at path. False: report->errors says why. Whatever it returns, route_tests_free is
 * called. */
bool route_tests_load(const char *path, struct route_tests *tests, struct config_report *report)
    __attribute__((nonnull, warn_unused_result));

void route_tests_free(struct route_tests *tests) __attribute__((nonnull));

#endif

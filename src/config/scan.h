/*
 * A look over a configuration's text before libconfig reads it, for what libconfig 1.5 takes
 * without a word although it is not what was written.
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include <stdbool.h>

#include "base/text.h"

/*
 * Writes to `out` a text of the same lines that libconfig reads as it was meant. On false, problem
 * says what is wrong in which line: a string or comment that never ends (libconfig drops it), a
 * number that ends with the file (it may be half of one), an @include.
 *
 * Changed on the way, so that the setting's own check meets them: integers above 2^31 get their L
 * (libconfig keeps their low bits), \x00 becomes another control character (it would end the
 * string). A byte order mark is dropped, a last line break added.
 */
bool config_scan(const char *text, struct text *out, unsigned *line, const char **problem)
    __attribute__((nonnull, warn_unused_result));

#endif

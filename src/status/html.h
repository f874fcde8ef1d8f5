/*
 * The one writer of HTML: whatever comes from outside stands in a template's place, and the place
 * says how it is escaped.
 *
 *     html_put(out, "<a href=\"?q={%}\">{}</a>", VALUES(word, word));
 *
 *   {}   text, or a value within double quotes: & < > " ' are escaped, control characters but line
 *        breaks, marks that turn the order of reading, and what is no UTF-8, become U+FFFD
 *   {%}  a value in a query string: all but letters, digits and - . _ ~ is %XX
 *   {!}  HTML that was written by this writer before
 */
#ifndef STATUS_HTML_H
#define STATUS_HTML_H

#include "base/text.h"

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Appends the template, a constant, with the values in its places. values: one for each place, then
 * NULL. Out fails if they are not as many. */
void html_put(struct text *out, const char *template, const char *const *values)
    __attribute__((nonnull));

#endif

#include "re2_reference.h"

#include <re2/re2.h>

int re2_find(const char *pattern, const char *text)
{
    RE2::Options options(RE2::Quiet);
    RE2 expression(pattern, options);
    if (!expression.ok())
        return expression.error_code() == RE2::ErrorPatternTooLarge ? -2 : -1;
    return RE2::PartialMatch(text, expression) ? 1 : 0;
}

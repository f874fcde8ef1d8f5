#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set(struct error *error, enum error_code code, const char *format, ...)
{
    if (error->code != ERROR_NONE)
        return false;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(error->text, sizeof error->text, format, arguments) < 0)
        error->text[0] = '\0';
    va_end(arguments);
    return false;
}

bool error_out_of_memory(struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, "out of memory");
}

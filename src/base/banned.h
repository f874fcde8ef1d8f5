/*
 * Calls that this program does not make: they write without a bound, keep state between threads, or
 * cannot tell a failure from a result. The build includes this before every file of src and
 * cgi-bin.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#undef strdupa
#undef alloca

/* Use text.h, snprintf, memcpy. */
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf strncpy strncat strdupa alloca gets
/* Use strtoll, strtod and look at the end. */
#pragma GCC poison atoi atol atoll atof
/* Use clock.h. */
#pragma GCC poison gmtime localtime ctime asctime
/* Use the reentrant ones. */
#pragma GCC poison strtok getpwuid getpwnam
/* Nothing here starts a shell, or makes a temporary name that another may take. */
#pragma GCC poison system popen tmpnam mktemp tempnam

#endif

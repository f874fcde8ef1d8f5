#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static atomic_int_least64_t wall_override_ms;

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now))
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    int64_t set = atomic_load(&wall_override_ms);
    return set ? set : read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_set_wall_ms(int64_t ms)
{
    atomic_store(&wall_override_ms, ms);
}

void clock_rfc3339(int64_t seconds, char out[static 32])
{
    time_t time = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&time, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        out[0] = '\0';
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

bool clock_seconds(int year, int month, int day, int hour, int minute, int second,
                   int offset_minutes, int64_t *seconds)
{
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1 ||
        day > days_in(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60 || offset_minutes < -24 * 60 || offset_minutes > 24 * 60)
        return false;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    *seconds = (int64_t)timegm(&tm) - (int64_t)offset_minutes * 60;
    return true;
}

/* "Z", "+08:00", "-03:00" and nothing behind it. */
static bool parse_offset(const char *string, int *minutes)
{
    int hours, rest, used = 0;
    char sign[2];
    *minutes = 0;
    if (!strcmp(string, "Z") || !strcmp(string, "z"))
        return true;
    if (sscanf(string, "%1[+-]%2d:%2d%n", sign, &hours, &rest, &used) != 3 || string[used])
        return false;
    *minutes = (hours * 60 + rest) * (sign[0] == '-' ? -1 : 1);
    return hours >= 0 && rest >= 0 && rest < 60;
}

bool clock_parse_rfc3339(const char *string, int64_t *seconds)
{
    int year, month, day, hour, minute, second, offset, used = 0;
    char separator;
    if (sscanf(string, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &year, &month, &day, &separator, &hour,
               &minute, &second, &used) != 7 ||
        used != 19 || !strchr("Tt ", separator))
        return false;
    string += used;
    if (*string == '.')
        string += 1 + strspn(string + 1, "0123456789");
    return parse_offset(string, &offset) &&
           clock_seconds(year, month, day, hour, minute, second, offset, seconds);
}

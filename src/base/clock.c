#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

static atomic_int_least64_t wall_override_ms;

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now))
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    int64_t set = atomic_load(&wall_override_ms);
    return set ? set : read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

void clock_pause(int64_t ms)
{
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

void clock_set_wall_ms(int64_t ms)
{
    atomic_store(&wall_override_ms, ms);
}

bool clock_wall_is_set(void)
{
    return atomic_load(&wall_override_ms) != 0;
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
        second < 0 || second > 60 || offset_minutes <= -24 * 60 || offset_minutes >= 24 * 60)
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

/* Whether string begins like shape: 0 stands for a digit, T also for t or a space, + also for -. */
static bool has_shape(const char *string, const char *shape)
{
    for (; *shape; shape++, string++) {
        bool fits = *shape == '0'   ? *string >= '0' && *string <= '9'
                    : *shape == 'T' ? *string == 'T' || *string == 't' || *string == ' '
                    : *shape == '+' ? *string == '+' || *string == '-'
                                    : *string == *shape;
        if (!fits)
            return false;
    }
    return true;
}

static int number_at(const char *string, int digits)
{
    int number = 0;
    while (digits-- > 0)
        number = number * 10 + (*string++ - '0');
    return number;
}

/* "Z", "+08:00", "-03:00" and nothing behind it. */
static bool parse_offset(const char *string, int *minutes)
{
    *minutes = 0;
    if (!strcmp(string, "Z") || !strcmp(string, "z"))
        return true;
    if (strlen(string) != 6 || !has_shape(string, "+00:00") || number_at(string + 4, 2) > 59)
        return false;
    *minutes = number_at(string + 1, 2) * 60 + number_at(string + 4, 2);
    if (*string == '-')
        *minutes = -*minutes;
    return true;
}

bool clock_parse_rfc3339(const char *string, int64_t *seconds)
{
    int offset_minutes;
    if (!has_shape(string, "0000-00-00T00:00:00"))
        return false;
    const char *zone = string + 19;
    if (has_shape(zone, ".0"))
        zone += 1 + strspn(zone + 1, "0123456789");
    return parse_offset(zone, &offset_minutes) &&
           clock_seconds(number_at(string, 4), number_at(string + 5, 2), number_at(string + 8, 2),
                         number_at(string + 11, 2), number_at(string + 14, 2),
                         number_at(string + 17, 2), offset_minutes, seconds);
}

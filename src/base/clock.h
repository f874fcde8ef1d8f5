/* Time, behind a seam: tests set both clocks. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);

/* Milliseconds on a clock that never jumps: deadlines and durations. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);

/* Sleeps for so many milliseconds, or until a signal is handled. */
void clock_pause(int64_t ms);

/* For tests: the wall clock stands at ms; 0: the real one again. */
void clock_set_wall_ms(int64_t ms);
bool clock_wall_is_set(void);

/* seconds since 1970 as RFC 3339 in UTC, "2026-11-24T01:41:00Z". */
void clock_rfc3339(int64_t seconds, char out[static 32]);

/* Seconds since 1970 of a civil date and time; false if a field is out of range. */
bool clock_seconds(int year, int month, int day, int hour, int minute, int second,
                   int offset_minutes, int64_t *seconds) __attribute__((nonnull));

/* Parses RFC 3339 ("2024-01-12T16:51:26Z", fractions and offsets allowed) to seconds. */
bool clock_parse_rfc3339(const char *string, int64_t *seconds) __attribute__((nonnull));

#endif

/*
 * text: the textual forms that the protocols share with Go programs: RFC 3339 times with
 * nanoseconds, Go durations, base62 names.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"
#include "base/prng.h"

#define TEXT_TIME_MAX 40u /* "2026-11-21T01:58:32.926136529Z" with room */

/* The unset time of the wire ("0001-01-01T00:00:00Z") is TIME_UNSET here, not 0 (= 1970). */
#define TIME_UNSET INT64_MIN
/* The same where it is a time like others (base/schema.h), and what is too early for int64 ns. */
#define TIME_YEAR_1 (INT64_MIN + 1)

/* The digits of base62 in order of their value. */
#define TEXT_BASE62 "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* RFC 3339 in UTC, trailing zeros of the fraction cut as Go's RFC3339Nano does. Returns the length;
 * a zero follows. */
size_t text_time(char out[static TEXT_TIME_MAX], int64_t unix_ns);
/* Any offset, any fraction (what is below 1 ns is cut); years 0001..9999; times outside int64 ns
 * clamp, and only the unset time reads as TIME_UNSET. */
bool text_read_time(struct bytes text, int64_t *unix_ns);
/* Go's Duration.String(): "1h0m0s", "500ms", "1.5s", "0s". Returns the length; a zero follows. */
size_t text_duration(char out[static 40], int64_t ns);
/* Go's ParseDuration: "300ms", "-1.5h", "2h45m"; false when invalid or out of range. */
bool text_read_duration(struct bytes text, int64_t *ns);
/* `count` characters of 0-9A-Za-z. */
void text_base62(struct prng *prng, char *out, size_t count);

#endif

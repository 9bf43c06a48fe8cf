/*
 * report: what one run of a simulation tells: its story as it happens, if somebody listens, and the
 * first promise that was found broken.
 */
#ifndef TESTS_SIM_REPORT_H
#define TESTS_SIM_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct sim;

struct report {
    struct sim *sim;
    bool loud;
    char violation[600]; /* empty: none */
};

/* A line of the story, with the world's time. */
[[gnu::format(printf, 2, 3)]] void report_say(const struct report *report, const char *format, ...);
/* Only the first one is kept: it tells most. */
[[gnu::format(printf, 2, 3)]] void report_violate(struct report *report, const char *format, ...);
bool report_good(const struct report *report);

#endif

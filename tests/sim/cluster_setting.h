/*
 * cluster_setting: one value of a stream's config (its description), which clients change, and what
 * it can be afterwards: one change that was answered before another was asked for is not what
 * stays. A change without an answer may come at any time.
 */
#ifndef TESTS_SIM_CLUSTER_SETTING_H
#define TESTS_SIM_CLUSTER_SETTING_H

#include <stdint.h>

#include "tests/sim/report.h"

#define SETTING_CHANGES_MAX 256u

struct setting {
    struct {
        int64_t asked_ns, confirmed_ns; /* confirmed: 0, it is not */
    } changes[SETTING_CHANGES_MAX];     /* by value, from 1; 0: as the stream was made */
    unsigned count;
};

bool setting_full(const struct setting *setting);
unsigned setting_asked(struct setting *setting, int64_t now_ns); /* the new value */
void setting_confirmed(struct setting *setting, unsigned value, int64_t now_ns);
/* Somebody asks at `asked_ns` and is told this value. */
void setting_shown(const struct setting *setting, struct report *report, unsigned stream,
                   unsigned value, int64_t asked_ns);

#endif

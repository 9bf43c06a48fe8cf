/*
 * limits: what a run of a simulation may have at most (clients, time, each kind of fault), and the
 * search for the smallest run of a failing seed that still fails the same way. Without limits a run
 * is what its seed draws; a limit takes away from that and changes as little else as it can.
 */
#ifndef TESTS_SIM_LIMITS_H
#define TESTS_SIM_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_MAX 32u

struct limit {
    const char *name;
    uint64_t most, least; /* most: as drawn; least 0: none of it */
};

struct limits {
    const struct limit *table; /* by number */
    size_t count;
    uint64_t at[LIMITS_MAX];
};

void limits_init(struct limits *limits, const struct limit *table, size_t count);
/* "name=value". False: no such limit. */
bool limits_set(struct limits *limits, const char *text);
void limits_tell(const struct limits *limits); /* as arguments that set them */

struct minimise {
    struct limits *limits; /* in: where to begin; out: the smallest found */
    double seconds;        /* of search */
    /* One run; what is wrong with it, or NULL. It may abort instead, or stand still until an alarm
     * ends it. Called in a process of its own. */
    const char *(*run)(void *context);
    void *context;
};

/* False: it does not fail. Says what it finds. */
bool minimise(const struct minimise *m);

#endif

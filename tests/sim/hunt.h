/*
 * hunt: does a simulation find a seeded bug? Each hunt runs seeds from 1 on in a process of its
 * own, because a bug may well end it by an assertion.
 */
#ifndef TESTS_SIM_HUNT_H
#define TESTS_SIM_HUNT_H

#include <stdbool.h>
#include <stdint.h>

struct hunt {
    const char *simulation;
    const char *name; /* of the bug */
    const char *text; /* what it is */
    double seconds;   /* how long to look for it */
    /* One run, with the bug or without it; false: a promise was broken. May also end the process
     * with any status but 0. */
    bool (*run)(void *context, uint64_t seed, bool flawed);
    void *context;
};

/* Prints one line; true: found, and the seed that finds it is good without the bug. */
bool hunt(const struct hunt *hunt);
double hunt_clock(void); /* seconds, for those who run seeds until a time is over */

#endif

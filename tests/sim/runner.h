/*
 * runner: the program around a simulation: which seeds are run, with which seeded bug, and what is
 * printed in the end. A run that ends by a signal prints its seed, too.
 *
 *     sim_<name> --seed N [--flaw NAME] | --seconds N [--from S] | --flaws --seconds N
 */
#ifndef TESTS_SIM_RUNNER_H
#define TESTS_SIM_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A seeded bug: bits of server/stream/flaws.h or of consumers/flaws.h. */
struct runner_flaw {
    const char *name, *text;
    uint64_t stream, consumer;
};

struct runner {
    const char *name; /* of the program */
    /* One run; false: a promise was broken, and that was printed with the seed. `flaw` is never
     * NULL: without a bug it has no bits. */
    bool (*run)(uint64_t seed, bool loud, const struct runner_flaw *flaw);
    /* Prints what all runs did, behind the line that begins with their seeds; NULL: nothing. */
    void (*tell)(void);
    const struct runner_flaw *flaws;
    size_t flaw_count;
};

/* What main returns. */
int runner_main(const struct runner *runner, int argc, char **argv);

#endif

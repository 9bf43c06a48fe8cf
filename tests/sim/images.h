/*
 * images: the program around a simulation whose power goes at each disk operation of a life in
 * turn: which lives and which images of them are tried, for how long, with which seeded bug, and
 * what is printed in the end.
 *
 *     sim_<name> [--seconds N | --images N] [--from S | --seed S [--operation N]] [--flaws]
 *
 * However short the time is, 2,000 images are tried.
 */
#ifndef TESTS_SIM_IMAGES_H
#define TESTS_SIM_IMAGES_H

#include <stddef.h>
#include <stdint.h>

/* One that some image must show; sim_log has them all. */
struct images_flaw {
    const char *name;
    uint64_t bits; /* of storage/flaws.h */
};

struct images {
    const char *name; /* of the program */
    /* How many operations a life has when no power goes. Whatever fails ends the process, having
     * said so: here and in `run`. */
    uint64_t (*count)(uint64_t seed);
    /* The life in which it goes at that operation, from 1, and what is left. */
    void (*run)(uint64_t seed, uint64_t operation, uint64_t flaws);
    const struct images_flaw *flaws;
    size_t flaw_count;
};

/* What main returns. */
int images_main(const struct images *images, int argc, char **argv);

#endif

/* flaws: the seeded bugs that the server's simulation must find, by name. */
#ifndef TESTS_SIM_FLAWS_H
#define TESTS_SIM_FLAWS_H

#include <stddef.h>
#include <stdint.h>

struct sim_flaws {
    const char *name;
    uint64_t store;  /* storage/flaws.h */
    uint64_t stream; /* server/stream/flaws.h */
};

extern const struct sim_flaws sim_flaws[];
extern const size_t sim_flaw_count;

#endif

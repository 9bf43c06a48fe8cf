/* server_flaws: the seeded bugs that the simulation of one server must find, by name. */
#ifndef TESTS_SIM_SERVER_FLAWS_H
#define TESTS_SIM_SERVER_FLAWS_H

#include "server/options.h"

struct server_flaw {
    const char *name, *text;
    uint64_t stream, consumer; /* one of them */
    bool hidden;               /* no run of a whole server can show it: a unit test does */
};

extern const struct server_flaw server_flaws[];
extern const size_t server_flaw_count;

const struct server_flaw *server_flaw_named(const char *name);                 /* NULL: none */
void server_flaw_set(const struct server_flaw *flaw, struct options *options); /* NULL: none */

#endif

/*
 * mappings: what becomes of a subject that a client of an account publishes to (reference core.md
 * 2.5): the first source that matches chooses one of its destinations by weight. Made once from
 * what was configured, never changed.
 */
#ifndef SERVER_ROUTER_MAPPINGS_H
#define SERVER_ROUTER_MAPPINGS_H

#include "base/buf.h"
#include "base/prng.h"
#include "server/share_options.h"

struct mappings;

/* NULL: there are none. `cluster` is where this server is, may be empty. */
struct mappings *mappings_create(const struct mapping_list *list, struct bytes cluster);
void mappings_destroy(struct mappings *mappings); /* NULL is fine */

enum mapped {
    MAPPED_SAME, /* it stays what it is */
    MAPPED_OTHER,
    MAPPED_LOST, /* dropped, as was configured */
};

/* OTHER: the new subject was added to `out`. */
enum mapped mappings_apply(const struct mappings *mappings, struct bytes subject, struct prng *prng,
                           struct buf *out);

#endif

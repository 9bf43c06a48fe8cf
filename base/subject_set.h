/*
 * subject_set: many filters, and whether one of them matches a subject, without trying each.
 *
 * Filters are known by their first literal tokens ("a.b" of "a.b.*.c"). For each number of such
 * tokens that a filter has, the subject's first ones are looked up, by their hash in a sorted
 * array, and only who has the same is tried. Filters that begin with a wildcard are all tried.
 */
#ifndef BASE_SUBJECT_SET_H
#define BASE_SUBJECT_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SUBJECT_SET_TOKENS_MAX 31u /* of a filter that are looked at; more are only compared */

struct subject_set_entry {
    uint64_t hash; /* of the first tokens */
    uint32_t at;   /* which filter */
};

struct subject_set {
    const struct bytes *filters; /* borrowed */
    uint32_t depths;             /* bit n: some filter has n first tokens */
    size_t count, loose;         /* how many entries have none, at the front */
    struct subject_set_entry entries[];
};

/* Of valid filters, which stay where they are until subject_set_destroy. */
struct subject_set *subject_set_create(const struct bytes *filters, size_t count);
void subject_set_destroy(struct subject_set *set); /* NULL is fine */
/* As if subject_matches (base/subject.h) were asked of each. */
bool subject_set_matches(const struct subject_set *set, struct bytes subject);

#endif

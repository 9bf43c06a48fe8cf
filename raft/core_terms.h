/*
 * core_terms: the term of each index of a log above its floor, as runs of equal terms.
 *
 * Bounded: what is at or below the floor is dropped, and of committed entries only the newest runs
 * are remembered; older ones become one run of term 0, "not known". Nobody needs them: a committed
 * entry is never compared. What is left is one run for each term with uncommitted entries.
 */
#ifndef RAFT_CORE_TERMS_H
#define RAFT_CORE_TERMS_H

#include <stdint.h>

#define TERMS_RUNS_KEPT 32u /* committed ones, when there are twice as many runs */

struct terms_run {
    uint64_t first;
    uint64_t term;
};

/* Embed it; others read the fields of the first row. */
struct terms {
    uint64_t floor, floor_term, last;
    struct terms_run *runs;
    uint32_t count, capacity;
};

void terms_init(struct terms *terms, uint64_t floor, uint64_t floor_term);
void terms_deinit(struct terms *terms);

uint64_t terms_at(const struct terms *terms, uint64_t index); /* 0: not known */
uint64_t terms_last(const struct terms *terms);               /* of the last entry */

/* The largest index <= `index` whose term is <= `term`; 0 if that is not known. */
uint64_t terms_find(const struct terms *terms, uint64_t index, uint64_t term);

/* index > last; indexes left out have term 0. */
void terms_append(struct terms *terms, uint64_t index, uint64_t term);
void terms_cut(struct terms *terms, uint64_t index);                  /* `index` stays */
void terms_floor(struct terms *terms, uint64_t index, uint64_t term); /* floor <= index <= last */
void terms_forget(struct terms *terms, uint64_t committed);           /* merges what is bounded */

#endif

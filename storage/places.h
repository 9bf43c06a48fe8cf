/*
 * places: where a log's batches stand, sparsely: one mark for the first batch of each file, for the
 * first after a missing range, and for one every PLACES_STEP bytes. Between two marks the batches
 * follow each other in one file with indexes rising by one, so a reader walks from the mark before.
 */
#ifndef STORAGE_PLACES_H
#define STORAGE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#define PLACES_STEP (64u << 10)
#define PLACES_LOST 0u /* damaged */
#define PLACES_GONE 1u /* their file was removed */

struct places_mark {
    uint64_t index;
    uint64_t place; /* of the envelope, as log_place, or why there is none up to the next mark */
};

struct places {
    struct places_mark *at; /* indexes rise */
    uint32_t count;
    uint32_t capacity;
};

void places_deinit(struct places *places);
/* The next batch stands there; marks it if it has to. */
void places_add(struct places *places, uint64_t index, uint64_t place);
/* The next batches, from `index` on, are missing: PLACES_LOST or PLACES_GONE. */
void places_miss(struct places *places, uint64_t index, uint64_t why);
/* Those of a file that is removed, first..last: gone. */
void places_remove(struct places *places, uint64_t first, uint64_t last);
/* The last mark not above `index`; NULL: none. */
const struct places_mark *places_find(const struct places *places, uint64_t index);
/* Whatever is above `index` is gone; what comes next stands in a file of its own. */
void places_cut(struct places *places, uint64_t index);

#endif

/*
 * index_count: how many messages match, found in parts of bounded work. The index must not change
 * between the first part and the last: whoever counts keeps it still, or begins anew.
 *
 * Subjects are walked where that is less than looking at each message (of a literal subject its
 * own messages, from the nearer end), else messages.
 */
#ifndef STORAGE_INDEX_COUNT_H
#define STORAGE_INDEX_COUNT_H

#include "storage/index.h"
#include "storage/index_name.h"

/* Private to storage/index*.c, as all in struct index_count. */
struct index_name_walk {
    const struct index *index;
    const struct index_filter *filter;
    size_t at;
    bool all, literal;
    struct index_name name; /* what was found last */
};
struct index_chain {
    const struct index_name *name; /* the walk's; NULL: none is walked */
    uint64_t from, early, late, steps;
};

struct index_count {
    const struct index *index;
    struct index_filter filter; /* its subjects are borrowed until the end */
    uint64_t from, snapshot;
    bool by_names, done;
    struct index_name_walk walk;
    struct index_chain chain;
    uint64_t next;  /* message to go on with */
    uint64_t count; /* the answer, when it is done */
};

/* Of messages with sequence >= from; at or below `snapshot` (0: none is) only those that are the
 * last of their subject there. The struct stays where it is until the end. */
void index_count_begin(struct index_count *count, const struct index *index,
                       const struct index_filter *filter, uint64_t from, uint64_t snapshot);
/* Looks at no more than about `most` subjects and messages. True: count->count is the answer. */
bool index_count_part(struct index_count *count, uint64_t most);

/*
 * The same without keeping anything still: walks messages from *next on, no more than about `most`,
 * adds those that match to *count, and sets *next to where it goes on. True: it is at the end. Of
 * what changes between two calls the caller has to see to what leaves below *next.
 */
bool index_count_walk(const struct index *index, const struct index_filter *filter,
                      uint64_t snapshot, uint64_t most, uint64_t *next, uint64_t *count);

#endif

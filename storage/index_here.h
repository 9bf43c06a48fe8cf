/*
 * index_here: is what a look-up reads in memory (base/scratch.h)? Asked before it by those who can
 * wait for a worker that brings what is not; a look-up that was not asked about reads it itself,
 * and whoever looks waits for the disk.
 *
 * What stands in one place is asked about only when what says where it stands is here, so it may
 * take some rounds. Nothing is asked of the newest range, whose subjects were looked up when they
 * were published; nor of a walk over a subject's messages beyond one step, of times, and of what a
 * filter with wildcards passes over.
 */
#ifndef STORAGE_INDEX_HERE_H
#define STORAGE_INDEX_HERE_H

#include "storage/index.h"

#define INDEX_AWAY_MAX 64u

struct index_here {
    struct scratch *scratch;
    int64_t now_ns;
    const void *pages[2];          /* what was here last, of names and of texts */
    bool broken;                   /* something cannot be read */
    unsigned count;                /* what is away, not always all of it */
    uint64_t away[INDEX_AWAY_MAX]; /* slices of scratch memory */
};

/* The scratch memory is the index's; NULL: everything is here. */
static inline void index_here_begin(struct index_here *here, struct scratch *scratch,
                                    int64_t now_ns)
{
    here->scratch = scratch;
    here->now_ns = now_ns;
    here->pages[0] = here->pages[1] = NULL;
    here->broken = false;
    here->count = 0;
}

static inline bool index_all_here(const struct index_here *here)
{
    return here->count == 0 && !here->broken;
}

/* Of index_get of that sequence. */
void index_here_get(const struct index *index, uint64_t sequence, struct index_here *here);
/* Of index_previous of that literal subject, from the end, or of index_next of it from there on or
 * from before its first; of others that look for it: what is known of the subject. */
void index_here_subject(const struct index *index, struct bytes subject, uint64_t from,
                        struct index_here *here);
/* Of index_next from `from` on, by one who goes on: of a literal filter as above, else of all
 * messages of the range in which the first at or behind `from` stands, and of the next range.
 * Returns up to which `from` that is so, for a second; UINT64_MAX: what comes is the newest. */
uint64_t index_here_next(const struct index *index, const struct index_filter *filter,
                         uint64_t from, struct index_here *here);

/* Of a count of what matches from there on (storage/index_count.h), which looks at so many
 * subjects, the first ones, and messages; but for walks over one subject's messages. */
void index_here_count(const struct index *index, const struct index_filter *filter, uint64_t from,
                      uint64_t names, uint64_t messages, struct index_here *here);

/* ---- of changes (index_ahead.c) -------------------------------------------------------------- */

/* Of index_add of a message of that subject. With a limit of messages of one subject (else 0) also
 * of index_remove of that subject's oldest ones, while it has as many. */
void index_here_add(const struct index *index, struct bytes subject, uint64_t limit,
                    struct index_here *here);
/* Of both, of whatever subject; false: these are more pieces than `most`, and nothing is asked. */
bool index_here_adds(const struct index *index, bool limited, size_t most, struct index_here *here);
/* Of index_remove. */
void index_here_remove(const struct index *index, uint64_t sequence, struct index_here *here);
/* Of index_remove of one message after the other from `from` on, until so many of them, and so many
 * bytes of what they count as, were looked at; of none that is younger than until_ns. */
struct index_front {
    uint64_t from;
    uint64_t messages, bytes; /* then: how many they are. Fewer where something is away */
    int64_t until_ns;
    uint64_t last; /* of them; 0: there is none */
    bool newest;   /* it came to the newest range, of which nothing is asked */
};
void index_here_front(const struct index *index, struct index_front *front,
                      struct index_here *here);

#endif

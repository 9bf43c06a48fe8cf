/*
 * index: where a stream's messages are and what subjects they have. One writer, the stream machine,
 * which calls it in apply order. Sequences are added in rising order, with gaps; removed in any
 * order.
 *
 * With scratch memory (index_use) a message costs 5 bytes of memory and 32 of disk, else 48 bytes
 * of memory; a subject 35, without scratch memory its text, too: docs/index.md. When the limit of
 * the cache is reached these 5 and 35 are on the disk, too. Callers must not
 * assume that an answer is cheap: the comment says what it costs. "Matching" subjects of a wildcard
 * filter are found by trying all subjects, those of a literal one by one look-up.
 *
 * When the disk fails to give back what is in scratch memory, the index has failed, for good: from
 * that call on it answers as one without messages, and takes no changes. Who has asked must ask
 * whether it has (index_failed) before anything is done with an answer.
 */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include "base/bytes.h"
#include "storage/log.h"

struct index;
struct index_cache;
struct scratch;

struct index_entry {
    uint64_t sequence;
    int64_t time_ns;
    log_place place;      /* of the message's record */
    uint32_t record_size; /* whole record in the log */
    uint32_t stored_size; /* what the API counts: see stream accounting */
    struct bytes subject; /* borrowed from the index until the next change */
};

/* One subject is the set of one; an empty set (count 0) matches everything. Filters may overlap. */
struct index_filter {
    const struct bytes *subjects;
    size_t count;
    bool distinct;                 /* no subject is in it twice: many literal ones cost less then */
    const struct subject_set *set; /* of the subjects; NULL: they are tried one by one */
};

struct index *index_create(uint64_t seed);
void index_destroy(struct index *index);
bool index_failed(const struct index *index);
/* An empty index from now on keeps most of what is complete in scratch memory, in ranges of 2^bits
 * sequences (INDEX_BITS; fewer for simulations), and of the rest what finds no room in the cache
 * (storage/index_cache.h). NULL: there is no scratch memory, nothing is bounded. Both outlive the
 * index. */
#define INDEX_BITS 10u
void index_use(struct index *index, struct scratch *scratch, struct index_cache *cache,
               unsigned bits);
/* Seeded bugs, for the simulations. */
#define INDEX_FLAW_STEP_LOST   1u /* the step to a newer message is not noted in a cold range */
#define INDEX_FLAW_BEFORE_LOST 2u /* a range written anew has forgotten what changed in it */
void index_flaw(struct index *index, unsigned flaws);

/* entry->sequence > every sequence ever added. The subject is copied (interned). */
void index_add(struct index *index, const struct index_entry *entry);
/* A hint: messages of these subjects, at most INDEX_EXPECT_MAX, are about to be added, in this
 * order. With many subjects each look-up waits for memory several times; so all wait together. */
#define INDEX_EXPECT_MAX 32u
void index_expect(struct index *index, const struct bytes *subjects, size_t count);
/* Is that worth the caller's while? */
bool index_expects(const struct index *index);
/* It stands there from now on. It is in the index (asserted). */
void index_move(struct index *index, uint64_t sequence, log_place place);
/* False: no such message. *removed (may be NULL) is what it was; its subject stays readable until
 * the next change. */
bool index_remove(struct index *index, uint64_t sequence, struct index_entry *removed);
/* Removes every matching message with sequence < below, in no order, and calls `removed` (may be
 * NULL) after each; that may ask the index, not change it. Returns how many. Costs the matching
 * subjects and what goes; with everything to go and nobody to tell, next to nothing. */
uint64_t index_purge(struct index *index, const struct index_filter *filter, uint64_t below,
                     void (*removed)(void *context, const struct index_entry *entry),
                     void *context);

uint64_t index_count(const struct index *index);
uint64_t index_bytes(const struct index *index); /* sum of stored_size */
uint64_t index_first(const struct index *index); /* lowest sequence present, 0 if empty */
uint64_t index_last(const struct index *index);  /* highest present, 0 if empty */
uint64_t index_subject_count(const struct index *index);

bool index_get(const struct index *index, uint64_t sequence, struct index_entry *entry);
/* Of it only where it stands, which costs less. */
bool index_place(const struct index *index, uint64_t sequence, log_place *place,
                 uint32_t *record_size);

/* The lowest sequence >= from that matches. A literal filter costs its subject's messages before or
 * after `from`, or what lies between `from` and the match, whichever is least; a wildcard filter
 * what lies between, or, if that is long, the number of subjects. Going on after the match before
 * (from = sequence + 1) is cheap. */
bool index_next(const struct index *index, const struct index_filter *filter, uint64_t from,
                struct index_entry *entry);
/* The highest sequence <= up_to that matches. Costs as index_next. */
bool index_previous(const struct index *index, const struct index_filter *filter, uint64_t up_to,
                    struct index_entry *entry);
/* Lowest sequence whose time is >= time_ns (times do not fall with sequence). A bisection. */
bool index_first_at(const struct index *index, int64_t time_ns, struct index_entry *entry);

/* Messages of one literal subject; O(1). */
struct index_subject {
    uint64_t count;
    uint64_t first, last; /* sequences; 0 if none */
};
void index_subject(const struct index *index, struct bytes subject, struct index_subject *out);

/* Exact number of matching messages with sequence >= from. With from <= index_first: the matching
 * subjects. Else also a walk over the shorter side of each one's messages, or over all from `from`
 * on if those are fewer. */
uint64_t index_pending(const struct index *index, const struct index_filter *filter, uint64_t from);
/* The same, counting only messages that are the last of their subject at or below `up_to`. */
uint64_t index_pending_last(const struct index *index, const struct index_filter *filter,
                            uint64_t from, uint64_t up_to);
/* Is `sequence` the newest message <= up_to of its subject? False if it is not there. O(1). */
bool index_is_last(const struct index *index, uint64_t sequence, uint64_t up_to);

/* Calls for every subject that matches and has messages, in no order. */
void index_subjects(const struct index *index, const struct index_filter *filter,
                    void (*found)(void *context, struct bytes subject,
                                  const struct index_subject *counts),
                    void *context);

#endif

/*
 * index: where a stream's messages are and what subjects they have. One writer, the stream machine,
 * which calls it in apply order. Sequences are added in rising order, with gaps; removed in any
 * order.
 *
 * This interface is what the bounded index (hot table over sorted runs) will fill; today everything
 * is in memory. Callers must not assume that an answer is cheap: the comment says what it costs.
 */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include "base/bytes.h"
#include "storage/log.h"

struct index;

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
};

struct index *index_create(uint64_t seed);
void index_destroy(struct index *index);

/* entry->sequence > every sequence ever added. The subject is copied (interned). */
void index_add(struct index *index, const struct index_entry *entry);
/* False: no such message. *removed (may be NULL) is what it was; its subject stays readable until
 * the next change. */
bool index_remove(struct index *index, uint64_t sequence, struct index_entry *removed);

uint64_t index_count(const struct index *index);
uint64_t index_bytes(const struct index *index); /* sum of stored_size */
uint64_t index_first(const struct index *index); /* lowest sequence present, 0 if empty */
uint64_t index_last(const struct index *index);  /* highest present, 0 if empty */
uint64_t index_subject_count(const struct index *index);

bool index_get(const struct index *index, uint64_t sequence, struct index_entry *entry);

/* The lowest sequence >= from that matches. Literal filters do not read what cannot match. */
bool index_next(const struct index *index, const struct index_filter *filter, uint64_t from,
                struct index_entry *entry);
/* The highest sequence <= up_to that matches. */
bool index_previous(const struct index *index, const struct index_filter *filter, uint64_t up_to,
                    struct index_entry *entry);
/* Lowest sequence whose time is >= time_ns (times do not fall with sequence). */
bool index_first_at(const struct index *index, int64_t time_ns, struct index_entry *entry);

/* Messages of one literal subject; O(1). */
struct index_subject {
    uint64_t count;
    uint64_t first, last; /* sequences; 0 if none */
};
void index_subject(const struct index *index, struct bytes subject, struct index_subject *out);

/* Exact number of matching messages with sequence >= from. May cost a walk. */
uint64_t index_pending(const struct index *index, const struct index_filter *filter, uint64_t from);
/* The same, counting only messages that are the last of their subject at or below `up_to`. */
uint64_t index_pending_last(const struct index *index, const struct index_filter *filter,
                            uint64_t from, uint64_t up_to);
/* Is `sequence` the newest message <= up_to of its subject? */
bool index_is_last(const struct index *index, uint64_t sequence, uint64_t up_to);

/* Calls for every subject that matches and has messages, in no order. */
void index_subjects(const struct index *index, const struct index_filter *filter,
                    void (*found)(void *context, struct bytes subject,
                                  const struct index_subject *counts),
                    void *context);

#endif

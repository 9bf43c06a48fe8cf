/*
 * pending: the messages that were handed out and are owed an ack, by stream sequence, and the order
 * in which the leader must look at them again.
 *
 * New sequences are higher than all before, so the map is an array that grows at its end: the place
 * of a sequence is guessed from its distance to the first and found by search when the guess fails;
 * acks in order take from the front. What was removed in the middle stays as a hole until holes are
 * too many or the array is full; then the living are moved together. So every operation is O(1) or
 * O(log n), amortized, and a steady consumer allocates nothing.
 *
 * An entry is named by its `place`, from 1; places are good until the next pending_add or
 * pending_remove.
 *
 * Order (the leader's working half), one of three per entry:
 *   waiting   has a deadline. Most wait the same time, so they stand in a list in the order of
 *             their deadlines; those that do not fit at its end (delays, later backoff steps) are
 *             in a heap.
 *   queued    must be redelivered, first in, first out
 *   idle      neither: planned for a hand-out, or settling (its ack is proposed and not applied)
 */
#ifndef CONSUMERS_PENDING_H
#define CONSUMERS_PENDING_H

#include "base/bytes.h"

#define PENDING_NEVER INT64_MAX
#define PENDING_MAX   ((16u << 20) - 1) /* entries; 38 bytes each */

/* Deadlines are kept in milliseconds, rounded up: nothing is due early. Later ones than this are
 * this. */
#define PENDING_TICK_NS      1000000
#define PENDING_DEADLINE_MAX ((INT64_C(1) << 39) - 2)
/* Of a consumer sequence: so many deliveries take longer than a disk lives. */
#define PENDING_CONSUMER_MAX ((UINT64_C(1) << 50) - 1)

enum pending_order { PENDING_IDLE, PENDING_LISTED, PENDING_HEAPED, PENDING_QUEUED };

/* There may be millions, so its fields have the bits that they need and no more. */
struct [[gnu::packed, gnu::aligned(2)]] pending_entry
{
    /* durable */
    uint64_t sequence;
    int64_t time_ns;                 /* log time of the last delivery; if delayed: not before */
    uint64_t consumer_sequence : 50; /* of the first delivery */
    /* working; PENDING_DEADLINE_MAX + 1: none */
    uint64_t deadline : 39; /* monotonic; of the last wait */
    uint64_t previous : 24; /* in its list; in the heap: its slot */
    uint64_t next : 24;
    uint64_t order : 2;
    bool settling : 1;
    bool exhausting : 1; /* settling as exhausted: an ack still counts */
    bool planned : 1;    /* in the hand-out in flight */
    /* durable */
    bool alive : 1; /* else a hole: only its sequence counts, for the search */
    bool delayed : 1;
    uint64_t deliveries : 32;
};
static_assert(sizeof(struct pending_entry) == 38, "what an ack that is owed costs");

struct pending_list {
    uint32_t first, last;
};

struct pending {
    struct pending_entry *entries;
    size_t start, end, capacity; /* the first living entry, behind the last, allocated */
    uint64_t count;              /* living */
    uint64_t redelivered;        /* living with more than one delivery */
    uint64_t settling;
    struct pending_list waiting, queue;
    uint64_t queued;
    uint32_t *heap; /* places by deadline */
    size_t heap_count, heap_capacity;
};

void pending_init(struct pending *pending);
void pending_deinit(struct pending *pending);

/* ---- the map --------------------------------------------------------------------------------- */

/* `sequence` is higher than any living one. Idle at first. Moves places. */
uint32_t pending_add(struct pending *pending, uint64_t sequence, uint64_t consumer_sequence,
                     uint32_t deliveries, int64_t time_ns);
void pending_remove(struct pending *pending, uint32_t place);
/* One more delivery, at `time_ns`; no delay holds any more. */
void pending_delivered(struct pending *pending, uint32_t place, int64_t time_ns);
/* The last delivery was none. */
void pending_undelivered(struct pending *pending, uint32_t place);
/* Sets or clears `settling`; a settling entry leaves its order. */
void pending_settle(struct pending *pending, uint32_t place, bool settling);

/* 0: not there. */
uint32_t pending_find(const struct pending *pending, uint64_t sequence);
/* The first living entry; with a sequence >= `sequence`; behind `place`. 0: none. */
uint32_t pending_first(const struct pending *pending);
uint32_t pending_at_or_after(const struct pending *pending, uint64_t sequence);
uint32_t pending_after(const struct pending *pending, uint32_t place);

static inline struct pending_entry *pending_entry(const struct pending *pending, uint32_t place)
{
    assert(place > 0);
    assert(place <= pending->end);
    return &pending->entries[place - 1];
}

/* When its last wait ends or ended, PENDING_NEVER: it never waited. */
static inline int64_t pending_entry_deadline(const struct pending_entry *entry)
{
    if (entry->deadline > PENDING_DEADLINE_MAX)
        return PENDING_NEVER;
    return (int64_t)entry->deadline * PENDING_TICK_NS;
}

/* ---- the order ------------------------------------------------------------------------------- */

/* Waits until `deadline_ns`, wherever it stood before. `usual`: the wait is the one most have. */
void pending_wait(struct pending *pending, uint32_t place, int64_t deadline_ns, bool usual);
/* Stands at the end of the redelivery queue (or stays where it stands in it). */
void pending_queue(struct pending *pending, uint32_t place);
/* Stands at its head: a redelivery that was planned and did not happen. */
void pending_queue_first(struct pending *pending, uint32_t place);
void pending_idle(struct pending *pending, uint32_t place);

/* The earliest deadline, PENDING_NEVER if none. */
int64_t pending_deadline(const struct pending *pending);
/* Takes one entry whose deadline is <= now_ns out of its order, earliest first; 0: none is due. */
uint32_t pending_due(struct pending *pending, int64_t now_ns);

#endif

/*
 * overlay: the additions that are gathered or proposed and not yet applied, so that decide sees the
 * stream as it will be. First in, first out; hashed only when a check asks, so that publishes
 * without checks pay nothing for it: one entry in a ring and one copy of subject and id behind the
 * last one.
 *
 * Roll-ups of a subject are modelled here; what removes anything else is not an addition and comes
 * through the decider's barrier.
 */
#ifndef SERVER_STREAM_OVERLAY_H
#define SERVER_STREAM_OVERLAY_H

#include "base/buf.h"
#include "base/table.h"

struct overlay_entry {
    uint64_t sequence;
    int64_t time_ns;
    uint64_t text; /* where its subject, then its id, are: counted from the first ever added */
    uint32_t stored_size;
    uint16_t subject_size;
    uint16_t id_size;
    bool rollup; /* of its subject */
};

struct overlay {
    struct overlay_entry *entries; /* ring */
    size_t capacity, head, count;
    uint64_t bytes;      /* sum of stored sizes */
    size_t rollups;      /* entries that are roll-ups */
    struct buf texts;    /* of the entries from `head` on, after what is already dropped */
    uint64_t texts_from; /* what the first byte of `texts` is counted as */
    /* How many entries, from the oldest on, each table knows. */
    size_t hashed_subjects, hashed_ids;
    struct table subjects, ids;
};

void overlay_init(struct overlay *overlay, uint64_t seed);
void overlay_deinit(struct overlay *overlay);
/* Sequences rise, times do not fall; subject and id are copied. */
void overlay_add(struct overlay *overlay, uint64_t sequence, int64_t time_ns, uint32_t stored_size,
                 struct bytes subject, struct bytes id, bool rollup);
/* Forgets entries up to that sequence: they are applied. */
void overlay_drop(struct overlay *overlay, uint64_t sequence);
/* Forgets all but the oldest `count` entries: those behind never happened. */
void overlay_cut(struct overlay *overlay, size_t count);
void overlay_clear(struct overlay *overlay);

/* The newest, NULL if empty. Good until the next change, as are its subject and id. */
const struct overlay_entry *overlay_last(const struct overlay *overlay);
/* The oldest whose sequence is not lower, NULL if there is none. A bisection. */
const struct overlay_entry *overlay_at_or_after(const struct overlay *overlay, uint64_t sequence);
struct bytes overlay_entry_subject(const struct overlay *overlay,
                                   const struct overlay_entry *entry);
struct bytes overlay_entry_id(const struct overlay *overlay, const struct overlay_entry *entry);

/* What the entries of a literal subject make of it. */
struct overlay_subject {
    uint64_t last;  /* newest sequence, 0: none */
    uint64_t count; /* entries from its last roll-up on, that one included; all, if there is none */
    bool rolled_up; /* a roll-up among them hides the applied ones */
};
void overlay_subject(struct overlay *overlay, struct bytes subject, struct overlay_subject *out);

/* The newest entry with that id, or NULL. */
const struct overlay_entry *overlay_id(struct overlay *overlay, struct bytes id);

#endif

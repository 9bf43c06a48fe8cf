/*
 * overlay: the additions that are gathered or proposed and not yet applied, so that decide sees the
 * stream as it will be. First in, first out; hashed only when a check asks, so that publishes without
 * checks pay nothing for it.
 */
#ifndef SERVER_STREAM_OVERLAY_H
#define SERVER_STREAM_OVERLAY_H

#include "base/bytes.h"

struct overlay_entry; /* sequence, time, stored size, subject, id, flags; in the order decided */

struct overlay {
    struct overlay_entry *entries; /* ring */
    size_t capacity, head, count;
    uint64_t bytes;
    /* private: lazily built tables, arena of copied subjects and ids (overlay.c) */
    void *tables;
    uint64_t seed;
};

void overlay_init(struct overlay *overlay, uint64_t seed);
void overlay_deinit(struct overlay *overlay);
void overlay_add(struct overlay *overlay, uint64_t sequence, int64_t time_ns, uint32_t stored_size,
                 struct bytes subject, struct bytes id, uint8_t flags);
/* Forgets entries up to that sequence: they are applied. */
void overlay_drop(struct overlay *overlay, uint64_t sequence);
void overlay_clear(struct overlay *overlay);

uint64_t overlay_last(const struct overlay *overlay); /* newest sequence, 0 if empty */
/* Of a literal subject: newest sequence (0: none), number of entries since its last roll-up, and whether
 * a roll-up among them hides the applied ones. */
uint64_t overlay_subject(struct overlay *overlay, struct bytes subject, uint64_t *count, bool *rolled_up);
uint64_t overlay_id(struct overlay *overlay, struct bytes id); /* sequence, 0: none */

#endif

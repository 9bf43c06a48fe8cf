/*
 * tail: what is known of a log's newest batches, those that may still be cut: their hashes and
 * terms. A ring without gaps that always has the newest one; older ones are forgotten when the log
 * says so or when there are TAIL_MAX of them.
 */
#ifndef STORAGE_TAIL_H
#define STORAGE_TAIL_H

#include "storage/content.h"

#define TAIL_MAX (32u << 10)

struct tail_entry {
    struct log_hash hash;
    uint64_t term;
};

/* Embed it; others use the calls. */
struct tail {
    struct tail_entry *at;
    uint32_t capacity; /* a power of two */
    uint32_t begin;    /* place of the oldest */
    uint32_t count;
    uint64_t last; /* index of the newest */
};

/* A tail of one: what stands at `index` (0: nothing, zeros). Also begins an old one anew. */
void tail_begin(struct tail *tail, uint64_t index, struct tail_entry entry);
void tail_deinit(struct tail *tail);

void tail_add(struct tail *tail, struct tail_entry entry); /* at last + 1 */
/* Those behind the last one are lost, up to `index`, of which `entry` is known. The hashes of the
 * others read as zeros, their terms as the last one's. */
void tail_lose(struct tail *tail, uint64_t index, struct tail_entry entry);
uint64_t tail_first(const struct tail *tail);
/* tail_first(tail) <= index <= tail->last. */
const struct tail_entry *tail_at(const struct tail *tail, uint64_t index);
void tail_cut(struct tail *tail, uint64_t index);    /* it becomes the newest */
void tail_forget(struct tail *tail, uint64_t index); /* those below it; the newest stays */

#endif

/*
 * windows: pieces of segments that were read lately, for readers of old batches whose next batch
 * stands in the same piece. A few for all logs of a store; those that were used longest ago make
 * room. What is in one was durable when it was read, so it never changes.
 */
#ifndef STORAGE_WINDOWS_H
#define STORAGE_WINDOWS_H

#include "base/bytes.h"

#define WINDOWS_MAX       8u
#define WINDOWS_BYTES_MAX (4u << 20) /* beyond the newest one */

struct log;

struct windows {
    struct window {
        const struct log *log; /* NULL: free */
        uint64_t place;        /* log_place */
        struct bytes bytes;
        uint64_t used; /* larger: later */
    } at[WINDOWS_MAX];
    uint64_t uses;
};

/* Takes the memory (of the heap) over. */
void windows_add(struct windows *windows, const struct log *log, uint64_t place,
                 struct bytes bytes);
/* What is there from `place` on, if at least `size` bytes of it; views are good until the next
 * call. */
bool windows_find(struct windows *windows, const struct log *log, uint64_t place, size_t size,
                  struct bytes *bytes);
/* The log is closed; NULL: the store is. */
void windows_drop(struct windows *windows, const struct log *log);

#endif

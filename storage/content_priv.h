/* content_priv: the inside of a content, for the log. */
#ifndef STORAGE_CONTENT_PRIV_H
#define STORAGE_CONTENT_PRIV_H

#include "storage/batch.h"

struct log_content {
    struct log_content *next; /* of the log's that waits or is written */
    uint32_t references;
    uint32_t size;
    uint8_t *at; /* BATCH_ENVELOPE bytes, the content, room for what batch_place adds */
    bool own;    /* `at` is memory of its own, else it follows this */
    uint64_t index;
    uint64_t term;
    int64_t time_ns;
    uint32_t record_count;
    struct log_hash hash;
};

/* Seals what `gather` holds (batch_begin and records): small batches are copied, the memory of
 * large ones is taken and `gather` is left without. One reference. */
struct log_content *content_seal(struct buf *gather, const struct batch_content *head);
/* Reads one that was made, as `previous` + 1 of the log with that incarnation. ERR_CORRUPT: it is
 * not. */
enum err content_read(struct log_content *content, const uint8_t incarnation[16], uint64_t index,
                      const struct log_hash *previous, uint64_t term);

#endif

/* index_slot: one message as an index has it in memory. Private to storage/index*.c. */
#ifndef STORAGE_INDEX_SLOT_H
#define STORAGE_INDEX_SLOT_H

#include "base/bytes.h"

#define INDEX_BLOCK_BITS 10u /* a block's range; fewer for simulations */
#define INDEX_BLOCK_SPAN (1u << INDEX_BLOCK_BITS)

struct index_slot {
    int64_t time_ns;
    uint64_t place;
    uint64_t before, after; /* neighbours of the same subject, as sequences; 0: none. That of the
                               subject's first says nothing */
    uint32_t record_size;
    uint32_t stored_size;
    uint32_t subject; /* id in the subject table */
    uint16_t offset;  /* of the sequence within the block's range */
    bool live;
};
static_assert(sizeof(struct index_slot) == 48, "what one message costs in memory");

/* What of it is about the message alone. */
struct index_stored {
    int64_t time_ns;
    uint64_t place;
    uint32_t record_size;
    uint32_t stored_size;
    uint32_t subject;
};

#endif

/* contents: what another replica seals, for tests: one record of `size` bytes that are all `fill`.
 */
#ifndef TESTS_UNIT_STORAGE_CONTENTS_H
#define TESTS_UNIT_STORAGE_CONTENTS_H

#include "storage/batch.h"
#include "tests/unit/storage/shard.h"

struct sealed {
    struct buf batch;
    struct bytes content;
    struct log_hash hash;
};

static inline struct sealed seal_of(uint64_t term, uint64_t index, struct log_hash previous,
                                    size_t size, uint8_t fill)
{
    struct batch_content head = {
        .term = term, .index = index, .previous = previous, .time_ns = 5, .record_count = 1};
    struct sealed sealed;

    memcpy(head.incarnation, shard_incarnation, 16);
    buf_init(&sealed.batch, BATCH_GATHER_MAX);
    ck_assert(batch_begin(&sealed.batch));
    memset(record_begin(&sealed.batch, 1, 0, size), fill, size);
    record_end(&sealed.batch, size);
    sealed.hash = batch_seal(&sealed.batch, &head);
    sealed.content = bytes_skip(buf_bytes(&sealed.batch), BATCH_ENVELOPE);
    return sealed;
}

#endif

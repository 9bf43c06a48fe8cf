/*
 * file: the bytes of a segment in memory, built batch by batch, for tests of what is judged without
 * I/O. Each batch has one record whose body is `size` bytes of `fill`.
 */
#ifndef TESTS_UNIT_STORAGE_FILE_H
#define TESTS_UNIT_STORAGE_FILE_H

#include <check.h>

#include "base/heap.h"
#include "storage/batch.h"
#include "storage/record.h"
#include "storage/segment.h"

#define FILE_ID       0x100000002ull
#define FILE_CAPACITY (256u << 10)
#define FILE_BATCHES  8u

struct file {
    uint8_t *at;
    uint64_t end;
    unsigned count;
    uint64_t position[FILE_BATCHES + 1];
    uint64_t size[FILE_BATCHES + 1];
    struct log_hash hash[FILE_BATCHES + 1]; /* [0]: zeros */
};

static const uint8_t file_incarnation[16] = "incarnation-0001";

static inline void file_begin(struct file *f)
{
    struct segment_header header = {.log_id = 7, .file_id = FILE_ID};

    *f = (struct file){.at = heap_take(FILE_CAPACITY), .end = SEGMENT_HEADER};
    memcpy(header.incarnation, file_incarnation, 16);
    segment_header_write(f->at, &header);
}

static inline void file_end(struct file *f)
{
    heap_give(f->at);
}

/* `durable`: the last index before the write that the batch is of. */
static inline void file_add_of(struct file *f, size_t size, uint8_t fill, unsigned durable)
{
    unsigned index = ++f->count;
    struct batch_content content = {
        .term = 3, .index = index, .previous = f->hash[index - 1], .time_ns = 5, .record_count = 1};
    struct batch_envelope envelope = {.file_id = FILE_ID, .position = f->end, .durable = durable};
    struct buf batch;
    uint8_t *body;

    ck_assert_uint_le(index, FILE_BATCHES);
    memcpy(content.incarnation, file_incarnation, 16);
    buf_init(&batch, BATCH_GATHER_MAX);
    ck_assert(batch_begin(&batch));
    body = record_begin(&batch, 1, 0, size);
    memset(body, fill, size);
    record_end(&batch, size);

    envelope.hash = batch_seal(&batch, &content);
    ck_assert_uint_le(f->end + batch_size_max(batch.size), FILE_CAPACITY);
    memcpy(f->at + f->end, batch.at, batch.size);
    batch_place(f->at + f->end, (uint32_t)(batch.size - BATCH_ENVELOPE), &envelope);
    f->position[index] = f->end;
    f->size[index] = envelope.size;
    f->hash[index] = envelope.hash;
    f->end += envelope.size;
    buf_deinit(&batch);
}

static inline void file_add(struct file *f, size_t size, uint8_t fill)
{
    file_add_of(f, size, fill, f->count);
}

static inline struct segment_place file_place(const struct file *f, unsigned index)
{
    return (struct segment_place){
        .file_id = FILE_ID,
        .position = index <= f->count ? f->position[index] : f->end,
        .incarnation = file_incarnation,
        .index = index,
        .previous = f->hash[index - 1],
        .index_cut = UINT64_MAX,
    };
}

static inline struct bytes file_rest(const struct file *f, const struct segment_place *place)
{
    return bytes_of(f->at + place->position, FILE_CAPACITY - place->position);
}

#endif

#include "storage/content_priv.h"

#include "base/heap.h"
#include "storage/hash.h"
#include "storage/record.h"

#define COPY_MAX (64u << 10) /* gather buffers of these are kept and the batch is copied */

/* With its memory behind it. */
static struct log_content *content_create(size_t size)
{
    struct log_content *content = heap_resize(NULL, sizeof *content + batch_size_max(size));

    *content = (struct log_content){
        .references = 1,
        .size = (uint32_t)size,
        .at = (uint8_t *)(content + 1),
    };
    return content;
}

struct log_content *log_content_make(size_t size)
{
    assert(size <= LOG_CONTENT_MAX);
    return content_create(size);
}

uint8_t *log_content_memory(struct log_content *content)
{
    return content->at + BATCH_ENVELOPE;
}

struct log_content *log_content_copy(struct bytes content, uint64_t index, uint64_t term,
                                     struct log_hash hash)
{
    struct log_content *copy = log_content_make(content.size);

    memcpy(log_content_memory(copy), content.at, content.size);
    copy->index = index;
    copy->term = term;
    copy->hash = hash;
    return copy;
}

struct bytes log_content_bytes(const struct log_content *content)
{
    return bytes_of(content->at + BATCH_ENVELOPE, content->size);
}

uint64_t log_content_index(const struct log_content *content)
{
    return content->index;
}

struct log_hash log_content_hash(const struct log_content *content)
{
    return content->hash;
}

struct log_content *log_content_hold(struct log_content *content)
{
    assert(content->references > 0);
    content->references++;
    return content;
}

void log_content_drop(struct log_content *content)
{
    assert(content->references > 0);
    if (--content->references > 0)
        return;
    if (content->own)
        heap_give(content->at);
    heap_give(content);
}

/* ---- sealing -------------------------------------------------------------------------------- */

/* The gathered memory with room for what batch_place adds becomes the content's. */
static struct log_content *take_memory(struct buf *gather, size_t size)
{
    struct log_content *content = HEAP_NEW(struct log_content);
    uint8_t *room;

    gather->limit = BATCH_SIZE_MAX;
    room = buf_reserve(gather, batch_size_max(size) - gather->size);
    assert(room != NULL); /* BATCH_GATHER_MAX left it */
    *content = (struct log_content){
        .references = 1, .size = (uint32_t)size, .at = gather->at, .own = true};
    *gather = (struct buf){};
    return content;
}

struct log_content *content_seal(struct buf *gather, const struct batch_content *head)
{
    size_t size = gather->size - BATCH_ENVELOPE;
    struct log_hash hash = batch_seal(gather, head);
    struct log_content *content;

    if (size <= COPY_MAX) {
        content = content_create(size);
        memcpy(content->at + BATCH_ENVELOPE, gather->at + BATCH_ENVELOPE, size);
    } else {
        content = take_memory(gather, size);
    }
    content->index = head->index;
    content->term = head->term;
    content->time_ns = head->time_ns;
    content->record_count = head->record_count;
    content->hash = hash;
    return content;
}

/* ---- taking --------------------------------------------------------------------------------- */

static bool records_sound(struct bytes records, uint32_t count)
{
    uint32_t found = 0;

    while (records.size > 0) {
        struct record record;

        if (record_read(records, &record) != OK)
            return false;
        records = bytes_skip(records, record.size);
        found++;
    }
    return found > 0 && found == count;
}

enum err content_read(struct log_content *content, const uint8_t incarnation[16], uint64_t index,
                      const struct log_hash *previous, uint64_t term)
{
    struct batch_content head;
    enum err err = batch_content_peek(log_content_bytes(content), &head);

    if (err != OK)
        return err;
    if (memcmp(head.incarnation, incarnation, 16) != 0)
        return ERR_CORRUPT;
    if (head.index != index || !hash_equal(&head.previous, previous) || head.term < term)
        return ERR_CORRUPT;
    if (!records_sound(head.records, head.record_count))
        return ERR_CORRUPT;

    content->index = head.index;
    content->term = head.term;
    content->time_ns = head.time_ns;
    content->record_count = head.record_count;
    content->hash = batch_content_hash(log_content_bytes(content));
    return OK;
}

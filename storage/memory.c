#include "storage/memory.h"

#include "base/heap.h"

struct memory_file *memory_create(void)
{
    return HEAP_NEW(struct memory_file);
}

void memory_destroy(struct memory_file *file)
{
    if (file == NULL)
        return;
    for (uint32_t i = 0; i < file->count; i++)
        log_content_drop(file->at[i].content);
    heap_give(file->at);
    heap_give(file);
}

void memory_add(struct memory_file *file, uint64_t offset, uint32_t size,
                struct log_content *content)
{
    assert(file->count == 0 ||
           offset >= file->at[file->count - 1].offset + file->at[file->count - 1].size);
    assert(size >= BATCH_ENVELOPE + content->size);

    if (file->count == file->capacity) {
        file->capacity = file->capacity == 0 ? 4 : file->capacity * 2;
        file->at = heap_resize(file->at, file->capacity * sizeof file->at[0]);
    }
    file->at[file->count++] =
        (struct memory_piece){.offset = offset, .size = size, .content = log_content_hold(content)};
}

/* The piece that `offset` is in, or count. */
static uint32_t find(const struct memory_file *file, uint64_t offset)
{
    uint32_t low = 0, high = file->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (file->at[middle].offset + file->at[middle].size <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t memory_read(const struct memory_file *file, uint64_t offset, void *at, size_t size)
{
    size_t count = 0;

    for (uint32_t i = find(file, offset); i < file->count && count < size; i++) {
        const struct memory_piece *piece = &file->at[i];
        uint64_t from = offset + count - piece->offset;
        size_t part;

        if (piece->offset > offset + count)
            break;
        part = piece->size - from < size - count ? piece->size - from : size - count;
        memcpy((uint8_t *)at + count, piece->content->at + from, part);
        count += part;
    }
    return count;
}

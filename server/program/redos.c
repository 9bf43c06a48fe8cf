#include "server/program/redos.h"

#include "base/heap.h"

void redos_free(struct redos *redos)
{
    heap_give(redos->at);
    *redos = (struct redos){0};
}

void redos_add(struct redos *redos, const struct journal_record *record)
{
    struct bytes rest = record->entries;
    struct journal_entry entry;

    for (uint32_t i = 0; i < record->entry_count && journal_entry_take(&rest, &entry); i++) {
        if (entry.kind != JOURNAL_SEGMENT)
            continue;
        if (redos->count == redos->capacity) {
            redos->capacity = redos->capacity == 0 ? 64 : 2 * redos->capacity;
            redos->at = heap_resize(redos->at, redos->capacity * sizeof *redos->at);
        }
        redos->at[redos->count++] =
            (struct redo_bytes){entry.log_id, entry.file_id, entry.offset, entry.bytes};
    }
}

#define FILE_MAX (UINT64_C(1) << 32) /* a place has 32 bits for the offset */

void redos_apply(const struct redos *redos, uint64_t log_id, uint64_t file_id, struct buf *file)
{
    for (size_t i = 0; i < redos->count; i++) {
        const struct redo_bytes *redo = &redos->at[i];
        uint64_t end;

        if (redo->log_id != log_id || redo->file_id != file_id || redo->offset > FILE_MAX ||
            redo->bytes.size > FILE_MAX - redo->offset)
            continue;
        end = redo->offset + redo->bytes.size;
        if (end > file->size) {
            uint8_t *at = buf_reserve(file, (size_t)(end - file->size));

            memset(at, 0, (size_t)(end - file->size));
            buf_commit(file, (size_t)(end - file->size));
        }
        memcpy(file->at + redo->offset, redo->bytes.at, redo->bytes.size);
    }
}

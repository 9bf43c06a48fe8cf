#include "storage/redo.h"

#include <stdlib.h>

#include "base/heap.h"
#include "storage/batch.h"
#include "storage/flaws.h"
#include "storage/journal_record.h"
#include "storage/paths.h"
#include "storage/segment.h"

#define OFFSET_MAX (1ull << 40) /* of anything in a segment */
#define TOGETHER   128u         /* segments that are synced at once, and open until then */

/* Where an entry's bytes are and where they go. */
struct redo_entry {
    uint64_t log_id;
    uint64_t file_id;
    uint64_t record;
    uint64_t offset;
    uint64_t at; /* in the journal file */
    uint32_t size;
    unsigned file; /* which journal file */
};

/* One run's work; freed at its end. */
struct redo_plan {
    struct redo *redo;
    struct redo_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t clean;
    uint8_t *memory;
    size_t memory_size;
    struct io_syncing written[TOGETHER]; /* segments that are written and not yet synced */
    size_t written_count;
};

/* ---- listing -------------------------------------------------------------------------------- */

static void found_file(void *context, const char *name, bool directory)
{
    struct redo *redo = context;
    uint64_t number;

    if (directory || !path_read_journal(name, &number))
        return;
    redo->files = heap_resize(redo->files, (redo->file_count + 1) * sizeof redo->files[0]);
    redo->files[redo->file_count++] = (struct redo_file){.number = number};
}

static enum err check_file(struct redo *redo, struct redo_file *file)
{
    uint8_t at[JOURNAL_HEADER];
    struct io_file *f;
    enum err err = io_open(redo->io, path_journal(redo->dir, file->number).text, IO_READ, &f);

    if (err != OK)
        return err;
    err = io_size(redo->io, f, &file->size);
    if (err == OK)
        err = io_read_all(redo->io, f, 0, at, sizeof at);
    io_close(redo->io, f);
    if (err != OK)
        return err;

    err = journal_header_read(at, redo->store_id, file->number);
    file->sound = err == OK && file->size >= 4 * JOURNAL_BLOCK;
    return err == ERR_VERSION ? ERR_VERSION : OK;
}

enum err redo_begin(struct redo *redo, struct io *io, const char *dir, const uint8_t store_id[16])
{
    enum err err;

    *redo = (struct redo){.io = io, .dir = dir, .store_id = store_id};
    err = io_list(io, path_in(dir, "journal").text, found_file, redo);
    for (unsigned i = 0; err == OK && i < redo->file_count; i++)
        err = check_file(redo, &redo->files[i]);
    if (err != OK)
        redo_end(redo);
    return err;
}

void redo_end(struct redo *redo)
{
    heap_give(redo->files);
    redo->files = NULL;
    redo->file_count = 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void plan_entry(struct redo_plan *plan, const struct redo_entry *entry)
{
    if (plan->count == plan->capacity) {
        plan->capacity = plan->capacity > 0 ? 2 * plan->capacity : 256;
        plan->entries = heap_resize(plan->entries, plan->capacity * sizeof plan->entries[0]);
    }
    plan->entries[plan->count++] = *entry;
}

static bool wanted(const struct redo *redo, const struct journal_entry *e)
{
    if (redo->one_log && e->log_id != redo->log_id)
        return false;
    for (size_t i = 0; i < redo->only_count; i++) {
        if (redo->only[i] == e->file_id)
            return true;
    }
    return redo->only == NULL;
}

static void plan_record(struct redo_plan *plan, const struct journal_record *record, unsigned file)
{
    struct bytes rest = record->entries;
    struct journal_entry e;

    for (uint32_t i = 0; i < record->entry_count && journal_entry_take(&rest, &e); i++) {
        if (e.kind != JOURNAL_SEGMENT || e.bytes.size > BATCH_SIZE_MAX)
            continue;
        if (!wanted(plan->redo, &e))
            continue;
        if (e.offset < SEGMENT_HEADER || e.offset > OFFSET_MAX)
            continue;
        plan_entry(plan, &(struct redo_entry){
                             .log_id = e.log_id,
                             .file_id = e.file_id,
                             .record = record->number,
                             .offset = e.offset,
                             .at = (uint64_t)(e.bytes.at - plan->memory),
                             .size = (uint32_t)e.bytes.size,
                             .file = file,
                         });
    }
}

static void tell_votes(const struct redo *redo, const struct journal_record *record, unsigned file,
                       uint64_t offset)
{
    struct redo_record where = {
        .number = record->number, .file = file, .offset = offset, .size = record->size};
    struct bytes rest = record->entries;
    struct journal_entry e;

    if (redo->vote == NULL)
        return;
    for (uint32_t i = 0; i < record->entry_count && journal_entry_take(&rest, &e); i++)
        if (e.kind == JOURNAL_VOTE && e.bytes.size == JOURNAL_VOTE_SIZE)
            redo->vote(redo->vote_context, e.log_id, e.bytes, &where);
}

/* Between two records of one pass over a file the numbers rise by one: a jump is a missing record.
 */
static bool record_missing(uint64_t before, uint64_t number)
{
    return before != 0 && number > before + 1 && number >> 32 == before >> 32;
}

static void plan_file(struct redo_plan *plan, struct bytes content, unsigned file)
{
    struct redo *redo = plan->redo;
    uint64_t before = 0;

    for (size_t offset = JOURNAL_HEADER; offset + JOURNAL_BLOCK <= content.size;) {
        struct journal_record record;

        if (journal_record_read(bytes_skip(content, offset), redo->store_id, &record) != OK) {
            offset += JOURNAL_BLOCK;
            continue;
        }
        tell_votes(redo, &record, file, offset);
        offset += record.size;
        if (record.number >> 32 < redo->boot)
            continue;
        if (record_missing(before, record.number))
            redo->damaged += record.number - before - 1;
        before = record.number;
        if (record.clean > plan->clean)
            plan->clean = record.clean;
        plan_record(plan, &record, file);
    }
}

static void need_memory(struct redo_plan *plan, size_t size)
{
    if (size <= plan->memory_size)
        return;
    heap_give(plan->memory);
    plan->memory = heap_take(size);
    plan->memory_size = size;
}

static enum err read_journal(struct redo_plan *plan, unsigned file)
{
    struct redo *redo = plan->redo;
    size_t size = redo->files[file].size;
    struct io_file *f;
    enum err err;

    if (size <= JOURNAL_HEADER)
        return OK;
    err = io_open(redo->io, path_journal(redo->dir, redo->files[file].number).text, IO_READ, &f);
    if (err != OK)
        return err;
    need_memory(plan, size);
    err = io_read_all(redo->io, f, 0, plan->memory, size);
    io_close(redo->io, f);
    if (err == OK)
        plan_file(plan, bytes_of(plan->memory, size), file);
    return err;
}

#define CUT_MARK 8u /* an end within a block, which no crash leaves */

/* ---- writing -------------------------------------------------------------------------------- */

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* By segment, then in the order of the records: places in a record follow their numbers. */
static int compare_entries(const void *left, const void *right)
{
    const struct redo_entry *a = left, *b = right;

    if (a->log_id != b->log_id)
        return order(a->log_id, b->log_id);
    if (a->file_id != b->file_id)
        return order(a->file_id, b->file_id);
    if (a->record != b->record)
        return order(a->record, b->record);
    return order(a->at, b->at);
}

/*
 * A segment is as long as what was allocated, in whole blocks, and its length may have gone back
 * with the power: then it is allocated anew, so that a write does not leave it with an end within a
 * block. One that has such an end was cut short, and keeps it (recovery_run).
 */
static enum err make_room(struct redo *redo, struct io_file *segment, const struct redo_entry *e)
{
    uint64_t end = (e->offset + e->size + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK, size;
    enum err err = io_size(redo->io, segment, &size);

    if (err != OK || size % BATCH_BLOCK != 0 || end <= size ||
        (redo->flaws & FLAW_REDO_UNALLOCATED))
        return err;
    return io_allocate(redo->io, segment, size, end - size);
}

/* Writes one entry; the journal file it is in stays open in *journal. */
static enum err write_entry(struct redo_plan *plan, const struct redo_entry *e,
                            struct io_file **journals, struct io_file *segment)
{
    struct redo *redo = plan->redo;
    enum err err = OK;

    if (journals[e->file] == NULL)
        err = io_open(redo->io, path_journal(redo->dir, redo->files[e->file].number).text, IO_READ,
                      &journals[e->file]);
    if (err != OK)
        return err;
    need_memory(plan, e->size);
    err = io_read_all(redo->io, journals[e->file], e->at, plan->memory, e->size);
    if (err == OK)
        err = make_room(redo, segment, e);
    if (err != OK)
        return err;
    redo->written++;
    return io_write_all(redo->io, segment, e->offset, bytes_of(plan->memory, e->size));
}

static enum err open_segment(struct redo *redo, const struct redo_entry *e,
                             struct io_file **segment)
{
    if (*segment != NULL)
        return OK;
    return io_open(redo->io, path_segment(redo->dir, e->log_id, e->file_id).text,
                   IO_READ | IO_WRITE, segment);
}

/* What was synced lies behind the end: the file was cut, and nobody else would see it if that is
 * where a block ends. It is given an end that says so. */
static enum err find_cut(struct redo *redo, struct io_file *segment, const struct redo_entry *e,
                         bool *cut)
{
    uint64_t size;
    enum err err = io_size(redo->io, segment, &size);

    if (err != OK || e->offset + e->size <= size)
        return err;
    *cut = true;
    return size % BATCH_BLOCK == 0 ? io_truncate(redo->io, segment, size + CUT_MARK) : OK;
}

static enum err keep_cut(struct redo *redo, struct io_file *segment)
{
    uint64_t size;
    enum err err = io_size(redo->io, segment, &size);

    return err == OK && size % BATCH_BLOCK == 0 ? io_truncate(redo->io, segment, size + CUT_MARK)
                                                : err;
}

/* What has been written is synced, whatever became of the rest, and closed. */
static enum err sync_written(struct redo_plan *plan)
{
    struct redo *redo = plan->redo;
    size_t count = plan->written_count;
    enum err err = OK;

    if (!(redo->flaws & FLAW_SKIP_REDO_SYNC))
        io_sync_all(redo->io, plan->written, count);
    err = io_syncing_result(plan->written, count);
    for (size_t i = 0; i < count; i++)
        io_close(redo->io, plan->written[i].file);
    plan->written_count = 0;
    return err;
}

static enum err sync_later(struct redo_plan *plan, struct io_file *segment)
{
    plan->written[plan->written_count++] = (struct io_syncing){.file = segment};
    return plan->written_count < TOGETHER ? OK : sync_written(plan);
}

/* Writes all entries of the segment that entries[first] is of, which has to be synced then; *next
 * is behind them. */
static enum err write_segment(struct redo_plan *plan, struct io_file **journals, size_t first,
                              size_t *next)
{
    struct redo *redo = plan->redo;
    const struct redo_entry *e = &plan->entries[first];
    struct io_file *segment = NULL;
    bool written = false, cut = false;
    enum err err = OK;
    size_t i;

    for (i = first; err == OK && i < plan->count; i++) {
        const struct redo_entry *entry = &plan->entries[i];

        if (entry->log_id != e->log_id || entry->file_id != e->file_id)
            break;
        err = open_segment(redo, entry, &segment);
        if (err == ERR_NOT_FOUND) { /* the log was removed; the next entry asks again */
            redo->skipped++;
            err = OK;
            continue;
        }
        if (err == OK && entry->record < plan->clean)
            err = find_cut(redo, segment, entry, &cut);
        if (err != OK || (entry->record < plan->clean && !cut))
            continue;
        err = write_entry(plan, entry, journals, segment);
        written = true;
    }
    *next = i;

    if (segment == NULL)
        return err;
    if (err == OK && cut)
        err = keep_cut(redo, segment);
    if (err == OK && written)
        return sync_later(plan, segment);
    io_close(redo->io, segment);
    return err;
}

static enum err write_segments(struct redo_plan *plan)
{
    struct redo *redo = plan->redo;
    struct io_file **journals = heap_take(redo->file_count * sizeof journals[0]);
    enum err err = OK, synced;

    for (size_t i = 0; err == OK && i < plan->count;)
        err = write_segment(plan, journals, i, &i);
    synced = sync_written(plan);
    if (err == OK)
        err = synced;
    for (unsigned i = 0; i < redo->file_count; i++)
        if (journals[i] != NULL)
            io_close(redo->io, journals[i]);
    heap_give(journals);
    return err;
}

enum err redo_run(struct redo *redo)
{
    struct redo_plan plan = {.redo = redo};
    enum err err = OK;

    if (redo->flaws & FLAW_SKIP_REDO)
        return OK;
    for (unsigned i = 0; err == OK && i < redo->file_count; i++)
        err = read_journal(&plan, i);
    if (err == OK && plan.count > 0) {
        qsort(plan.entries, plan.count, sizeof plan.entries[0], compare_entries);
        err = write_segments(&plan);
    }
    heap_give(plan.entries);
    heap_give(plan.memory);
    return err;
}

/* ---- votes ---------------------------------------------------------------------------------- */

static enum err rewrite(struct redo *redo, struct io_file *file, const struct redo_record *record)
{
    uint8_t *bytes = heap_take(record->size);
    enum err err = io_read_all(redo->io, file, record->offset, bytes, record->size);

    if (err == OK)
        err = io_write_all(redo->io, file, record->offset, bytes_of(bytes, record->size));
    heap_give(bytes);
    return err;
}

enum err redo_settle(struct redo *redo, const struct redo_record *records, size_t count)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < count;) {
        unsigned number = records[i].file;
        struct io_file *file;

        err = io_open(redo->io, path_journal(redo->dir, redo->files[number].number).text,
                      IO_READ | IO_WRITE, &file);
        if (err != OK)
            break;
        for (; err == OK && i < count && records[i].file == number; i++)
            err = rewrite(redo, file, &records[i]);
        if (err == OK)
            err = io_sync(redo->io, file);
        io_close(redo->io, file);
    }
    return err;
}

#include "server/program/backup_moment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "server/jetstream/catalogue.h"
#include "server/program/backup_file.h"
#include "server/program/backup_walk.h"
#include "storage/batch.h"
#include "storage/le.h"
#include "storage/pack.h"
#include "storage/record.h"

/* A segment of the log, as it is written. */
struct part {
    const struct backup_file *file;
    uint64_t limit; /* of the index that counts in it */
    uint64_t end;   /* the moment is in it; 0: it is whole */
    bool left_out;
};

struct plan {
    const struct backup_moment *moment;
    struct part *parts; /* by ids */
    size_t count;
    const struct backup_file **others; /* state blocks and kept records */
    size_t other_count;
    uint64_t index; /* of the last batch; 0: the log began later */
    bool stopped;
    /* Of the catalogue's log: streams that were removed. */
    uint64_t *removed;
    size_t removed_count;
};

[[gnu::format(printf, 2, 3)]] static bool refuse(const struct backup_moment *moment,
                                                 const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(moment->depot->error, moment->depot->error_size, format, values);
    va_end(values);
    return false;
}

/* ---- which files ---------------------------------------------------------------------------- */

static bool is_segment(const struct backup_file *file)
{
    return file->kind == BACKUP_SEGMENT || file->kind == BACKUP_PACKED;
}

static int compare_parts(const void *a, const void *b)
{
    uint64_t one = ((const struct part *)a)->file->id, other = ((const struct part *)b)->file->id;

    return one < other ? -1 : one > other;
}

static void begin_plan(struct plan *plan, const struct backup_moment *moment)
{
    size_t most = moment->after->count + (moment->before != NULL ? moment->before->count : 0);

    *plan = (struct plan){.moment = moment};
    plan->parts = heap_take((most + 1) * sizeof *plan->parts);
    plan->others = heap_take((most + 1) * sizeof(struct backup_file *));
}

static void free_plan(struct plan *plan)
{
    heap_give(plan->parts);
    heap_give(plan->others);
    heap_give(plan->removed);
}

static void add_all(struct plan *plan, const struct backup_manifest *manifest, uint64_t log_id)
{
    for (size_t i = 0; i < manifest->count; i++) {
        const struct backup_file *file = &manifest->files[i];

        if (file->log_id == log_id && is_segment(file))
            plan->parts[plan->count++].file = file;
        else if (file->log_id == log_id)
            plan->others[plan->other_count++] = file;
    }
}

/* To the files of the earlier backup what the log had got by the later one: its last segment as it
 * went on, and those behind it. */
static void add_newer(struct plan *plan, const struct backup_manifest *manifest, uint64_t log_id)
{
    uint64_t newest = 0;
    size_t at = 0;

    for (size_t i = 0; i < plan->count; i++)
        if (plan->parts[i].file->id >= newest) {
            newest = plan->parts[i].file->id;
            at = i;
        }
    for (size_t i = 0; i < manifest->count; i++) {
        const struct backup_file *file = &manifest->files[i];

        if (file->log_id != log_id || !is_segment(file) || file->id < newest)
            continue;
        if (file->id == newest)
            plan->parts[at].file = file;
        else
            plan->parts[plan->count++].file = file;
    }
}

/* The lowest cut that later files name ends a file; and what was copied of it. */
static void set_limits(struct plan *plan)
{
    uint64_t cut = UINT64_MAX;

    qsort(plan->parts, plan->count, sizeof *plan->parts, compare_parts);
    for (size_t i = plan->count; i > 0; i--) {
        struct part *part = &plan->parts[i - 1];

        part->limit = part->file->last < cut ? part->file->last : cut;
        if (part->file->cut < cut)
            cut = part->file->cut;
    }
}

/* ---- up to where ---------------------------------------------------------------------------- */

static bool read_segment(const struct plan *plan, const struct part *part,
                         struct segment_header *header, struct buf *out)
{
    struct pack_head head;
    struct buf packed;
    enum err err = OK;

    buf_clear(out);
    if (part->file->kind == BACKUP_SEGMENT) {
        if (!depot_read(plan->moment->depot, part->file, out))
            return false;
    } else {
        buf_init(&packed, SIZE_MAX);
        if (!depot_read(plan->moment->depot, part->file, &packed)) {
            buf_deinit(&packed);
            return false;
        }
        err = pack_expand(buf_bytes(&packed), &head, out);
        buf_deinit(&packed);
    }
    if (err == OK && out->size >= SEGMENT_HEADER)
        err = segment_header_read(out->at, header);
    if (err != OK || out->size < SEGMENT_HEADER)
        return refuse(plan->moment, "%s is damaged", part->file->name);
    return true;
}

#define REMOVED_AT 6u /* of the body (docs/formats.md, Catalogue records) */

static void note_removed(void *owner, const struct segment_batch *batch)
{
    struct plan *plan = owner;
    struct bytes rest = batch->view.records;
    struct record record;

    for (uint32_t i = 0; i < batch->view.record_count; i++) {
        if (record_peek(rest, &record) != OK)
            return;
        if (record.type == CATALOGUE_REMOVE && record.body.size >= REMOVED_AT + 8) {
            plan->removed =
                heap_resize(plan->removed, (plan->removed_count + 1) * sizeof *plan->removed);
            plan->removed[plan->removed_count++] = le_u64(record.body.at + REMOVED_AT);
        }
        rest = bytes_skip(rest, record.size);
    }
}

static bool walk_part(struct plan *plan, struct part *part, struct buf *bytes)
{
    struct segment_header header;
    struct backup_walk walk = {.owner = plan};

    if (part->file->log_id < CATALOGUE_STREAM_FIRST)
        walk.batch = note_removed;
    if (!read_segment(plan, part, &header, bytes))
        return false;
    backup_walk(&walk, buf_bytes(bytes), &header,
                (struct backup_limit){part->limit, plan->moment->time_ns});
    if (walk.lost_first != 0)
        return refuse(plan->moment,
                      "%s: indexes %" PRIu64 " to %" PRIu64 " are in none of the two backups",
                      part->file->name, walk.lost_first, walk.lost_last);
    plan->stopped = walk.stopped;
    part->left_out = walk.stopped && walk.first == 0 && header.base == 0;
    part->end = walk.stopped ? walk.end : 0;
    if (walk.index > plan->index)
        plan->index = walk.index;
    return true;
}

static uint64_t newest_block(const struct plan *plan)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < plan->other_count; i++)
        if (plan->others[i]->kind == BACKUP_BLOCK && plan->others[i]->id > newest)
            newest = plan->others[i]->id;
    return newest;
}

/* What is missing between two files is in a state block, or it is not known. */
static bool walk_parts(struct plan *plan)
{
    uint64_t block = newest_block(plan);
    struct buf bytes;
    bool good = true;

    set_limits(plan);
    buf_init(&bytes, SIZE_MAX);
    for (size_t i = 0; good && i < plan->count; i++) {
        struct part *part = &plan->parts[i];
        uint64_t before = plan->index;

        if (plan->stopped) {
            part->left_out = true;
            continue;
        }
        good = walk_part(plan, part, &bytes);
        if (good && before > 0 && part->file->cut > before && part->file->cut > block)
            good = refuse(plan->moment,
                          "log %016" PRIx64 ": indexes %" PRIu64 " to %" PRIu64
                          " are in none of the two backups",
                          part->file->log_id, before + 1, part->file->cut);
    }
    buf_deinit(&bytes);
    return good;
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool write_bytes(const struct plan *plan, const char *path, const char *name,
                        struct bytes bytes)
{
    if (backup_file_write(path, name, bytes))
        return true;
    return refuse(plan->moment, "%s/%s can not be written: %s", path, name, strerror(errno));
}

/* Of the one in which the moment is only what counts; if it was packed, not so any more. */
static bool write_last(const struct plan *plan, const struct part *part, const char *path,
                       struct buf *bytes)
{
    size_t size = (size_t)((part->end + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK);
    struct segment_header header;
    char name[BACKUP_NAME_MAX];

    if (!read_segment(plan, part, &header, bytes))
        return false;
    if (bytes->size < size) {
        size_t more = size - bytes->size;

        (void)buf_reserve(bytes, more);
        buf_commit(bytes, more);
    }
    memset(bytes->at + part->end, 0, size - (size_t)part->end);
    snprintf(name, sizeof name, "logs/%016" PRIx64 "/%016" PRIx64 ".seg", part->file->log_id,
             part->file->id);
    return write_bytes(plan, path, name, bytes_of(bytes->at, size));
}

static bool write_plan(const struct plan *plan, const char *path)
{
    struct buf bytes;
    bool good = true;

    buf_init(&bytes, SIZE_MAX);
    for (size_t i = 0; good && i < plan->count; i++) {
        const struct part *part = &plan->parts[i];

        if (part->left_out)
            continue;
        good = part->end > 0 ? write_last(plan, part, path, &bytes)
                             : depot_read(plan->moment->depot, part->file, &bytes) &&
                                   write_bytes(plan, path, part->file->name, buf_bytes(&bytes));
    }
    for (size_t i = 0; good && i < plan->other_count; i++)
        good = depot_read(plan->moment->depot, plan->others[i], &bytes) &&
               write_bytes(plan, path, plan->others[i]->name, buf_bytes(&bytes));
    buf_deinit(&bytes);
    return good;
}

/* ---- one log after the other ---------------------------------------------------------------- */

static bool has_log(const struct backup_manifest *manifest, uint64_t log_id)
{
    for (size_t i = 0; manifest != NULL && i < manifest->count; i++)
        if (manifest->files[i].log_id == log_id)
            return true;
    return false;
}

/* From the later backup alone if it has a state that is not too late, else on from the earlier. */
static bool make_plan(const struct backup_moment *moment, uint64_t log_id, struct plan *plan)
{
    begin_plan(plan, moment);
    add_all(plan, moment->after, log_id);
    /* A block that is later than the moment has let files go that are needed. */
    if (walk_parts(plan) && newest_block(plan) <= plan->index)
        return true;
    if (!has_log(moment->before, log_id))
        return refuse(moment,
                      "log %016" PRIx64 ": its state of that time is not known any more, only a "
                      "later one",
                      log_id);
    free_plan(plan);
    begin_plan(plan, moment);
    add_all(plan, moment->before, log_id);
    add_newer(plan, moment->after, log_id);
    return walk_parts(plan);
}

static bool write_log(const struct backup_moment *moment, uint64_t log_id, const char *path,
                      struct plan *catalogue, bool *anything)
{
    struct plan plan;
    bool good = make_plan(moment, log_id, &plan);

    if (good && plan.index > 0)
        good = write_plan(&plan, path);
    if (log_id == CATALOGUE_LOG_ID) {
        catalogue->removed = plan.removed;
        catalogue->removed_count = plan.removed_count;
        plan.removed = NULL;
    }
    *anything = *anything || plan.index > 0;
    free_plan(&plan);
    return good;
}

/* Of a stream that is only in the earlier backup nobody knows what it was at the moment, unless it
 * was removed before. */
static bool is_removed(const struct backup_moment *moment, uint64_t log_id,
                       const struct plan *catalogue)
{
    for (size_t i = 0; i < catalogue->removed_count; i++)
        if (catalogue->removed[i] == log_id)
            return true;
    return refuse(moment,
                  "a stream (log %016" PRIx64 ") was removed between backup %" PRIu64
                  " and backup %" PRIu64 ": as it was in the first one it is in --backup %" PRIu64,
                  log_id, moment->before->number, moment->after->number, moment->before->number);
}

/* Files are sorted by name, so logs by id: the catalogue is the first. */
bool backup_moment_write(const struct backup_moment *moment, const char *path)
{
    struct plan catalogue = {0};
    uint64_t done = 0;
    bool good = true, anything = false;

    for (size_t i = 0; good && i < moment->after->count; i++) {
        uint64_t log_id = moment->after->files[i].log_id;

        if (log_id != done)
            good = write_log(moment, log_id, path, &catalogue, &anything);
        done = log_id;
    }
    done = 0;
    for (size_t i = 0; good && moment->before != NULL && i < moment->before->count; i++) {
        uint64_t log_id = moment->before->files[i].log_id;

        if (log_id != done && !has_log(moment->after, log_id))
            good = is_removed(moment, log_id, &catalogue);
        done = log_id;
    }
    heap_give(catalogue.removed);
    if (good && !anything && moment->after->count > 0)
        good = refuse(moment, "nothing was stored yet at that moment");
    return good;
}

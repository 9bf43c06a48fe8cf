#include "server/program/backup_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/heap.h"
#include "server/program/backup_walk.h"
#include "storage/batch.h"
#include "storage/block.h"
#include "storage/hash.h"
#include "storage/keep.h"
#include "storage/pack.h"
#include "storage/record.h"

#define HEAD       4096u /* of every kind of file */
#define READS_MAX  4     /* of a segment that is being written and makes no sense */
#define READ_AGAIN ((struct timespec){.tv_nsec = 20000000})

static_assert(HEAD == PACK_HEADER && HEAD == BLOCK_HEADER && HEAD == KEEP_HEADER &&
                  HEAD == SEGMENT_HEADER,
              "all begin with as much");

/* A segment of the log, in the order of its batches. */
struct piece {
    const struct source_file *file;
    const struct source_file *twin; /* the original of a packed one that is still there */
    const struct backup_file *prior;
    struct backup_file made;
    bool known; /* its header: `made.cut` */
    bool empty; /* it was never finished */
    uint64_t base;
    uint64_t predecessor; /* 0: none, or not known */
    bool ends;            /* something says where it ends: */
    bool ends_by_hash;
    uint64_t end_index;
    struct log_hash end_hash;
};

struct work {
    struct backup_log *copy;
    const struct source_log *log;
    struct piece *pieces;
    size_t count;
    struct block block; /* the newest that is good, its list alone; index 0: none */
    struct buf bytes;   /* of the file that is read */
    uint64_t index;     /* of the last batch that counts; 0: the log began later */
    bool stopped;       /* by the time */
};

static void damaged(const struct work *work, struct backup_file *file, const char *what)
{
    file->damaged = true;
    backup_manifest_damaged(work->copy->manifest, "%s: %s", file->name, what);
}

static struct backup_file file_of(const struct work *work, const struct source_file *file)
{
    struct backup_file made = {.kind = file->kind, .log_id = work->log->id, .id = file->id};

    memcpy(made.name, file->name, sizeof made.name);
    return made;
}

/* What the backup before this one has under that name, whole. */
static const struct backup_file *prior_of(const struct work *work, const struct source_file *file)
{
    const struct backup_file *prior = backup_manifest_find(work->copy->prior, file->name);

    return prior != NULL && !prior->damaged ? prior : NULL;
}

static enum source_result store(struct work *work, struct bytes bytes, struct backup_file *file)
{
    if (!depot_write(work->copy->depot, bytes, file))
        return SOURCE_REFUSED;
    work->copy->told->stored_files++;
    work->copy->told->stored_bytes += bytes.size;
    backup_manifest_add(work->copy->manifest, file);
    return SOURCE_DONE;
}

static enum source_result unreadable(struct work *work, const struct source_file *file)
{
    struct depot *depot = work->copy->depot;

    snprintf(depot->error, depot->error_size, "%s/%s can not be read: %s", work->copy->source->dir,
             file->name, strerror(errno));
    return SOURCE_REFUSED;
}

/* ---- state blocks and kept records ---------------------------------------------------------- */

static bool kept_sound(struct bytes file)
{
    struct bytes rest = bytes_skip(file, KEEP_HEADER);
    struct record record;

    while (rest.size > 0 && record_read(rest, &record) == OK)
        rest = bytes_skip(rest, record.size);
    return rest.size == 0;
}

static bool packed_kept_sound(struct bytes file)
{
    struct pack_head head;
    struct buf out;
    bool sound;

    buf_init(&out, SIZE_MAX);
    sound = pack_expand(file, &head, &out) == OK && kept_sound(buf_bytes(&out));
    buf_deinit(&out);
    return sound;
}

static bool is_packed(const struct source_file *file)
{
    return strcmp(file->name + strlen(file->name) - 4, ".pak") == 0;
}

static bool sound(const struct source_file *file, struct bytes bytes)
{
    struct block block;
    bool good;

    if (bytes.size < HEAD)
        return false;
    if (file->kind == BACKUP_KEPT)
        return is_packed(file) ? packed_kept_sound(bytes) : kept_sound(bytes);
    good = block_parse(bytes, &block) == OK && block.index == file->id;
    heap_give(block.files);
    return good;
}

/* A file that is written once, whole. */
static enum source_result copy_whole(struct work *work, const struct source_file *file)
{
    const struct backup_file *prior = prior_of(work, file);
    struct backup_file made = file_of(work, file);
    uint8_t head[HEAD] = {0};

    (void)source_read_head(file, head, sizeof head);
    made.mark = hash_128(bytes_of(head, sizeof head));
    if (prior != NULL && hash_equal(&prior->mark, &made.mark)) {
        backup_manifest_add(work->copy->manifest, prior);
        return SOURCE_DONE;
    }
    if (!source_read(file, &work->bytes))
        return unreadable(work, file);
    if (!sound(file, buf_bytes(&work->bytes)))
        damaged(work, &made,
                file->kind == BACKUP_BLOCK ? "the state block is damaged"
                                           : "kept records are damaged");
    return store(work, buf_bytes(&work->bytes), &made);
}

static int compare_files(const void *a, const void *b)
{
    const struct source_file *one = a, *other = b;

    return one->id < other->id ? -1 : one->id > other->id;
}

/* The list of files of the newest block that is good. */
static enum source_result find_block(struct work *work)
{
    for (size_t i = work->log->count; i > 0 && work->block.index == 0; i--) {
        const struct source_file *file = &work->log->files[i - 1];

        if (file->kind != BACKUP_BLOCK)
            continue;
        if (!source_read(file, &work->bytes))
            return unreadable(work, file);
        if (block_parse(buf_bytes(&work->bytes), &work->block) != OK ||
            work->block.index != file->id) {
            heap_give(work->block.files);
            work->block = (struct block){0};
        }
        work->block.body = work->block.local = (struct bytes){0};
    }
    return SOURCE_DONE;
}

static enum source_result copy_others(struct work *work)
{
    enum source_result result = SOURCE_DONE;

    for (size_t i = 0; result == SOURCE_DONE && i < work->log->count; i++) {
        const struct source_file *file = &work->log->files[i];

        if (file->kind == BACKUP_BLOCK && work->stopped && file->id > work->index)
            return SOURCE_AGAIN; /* of a log that was made meanwhile */
        if (file->kind == BACKUP_BLOCK || file->kind == BACKUP_KEPT)
            result = copy_whole(work, file);
    }
    return result;
}

/* ---- segments: what their headers say ------------------------------------------------------- */

static void know(struct piece *piece, const struct segment_header *header)
{
    piece->known = true;
    piece->base = header->base;
    piece->predecessor = header->predecessor;
    piece->made.cut = header->last_index;
    piece->made.cut_hash = header->last_hash;
}

static enum source_result read_header(struct work *work, struct piece *piece)
{
    uint8_t head[HEAD] = {0};
    struct segment_header header = {0};
    bool there = source_read_head(piece->file, head, sizeof head);
    enum err err;

    if (piece->file->kind == BACKUP_PACKED) {
        piece->made.mark = hash_128(bytes_of(head, sizeof head));
        if (piece->prior != NULL && hash_equal(&piece->prior->mark, &piece->made.mark)) {
            piece->made = *piece->prior;
            piece->known = true;
            return SOURCE_DONE;
        }
        piece->prior = NULL;
        err =
            source_read_segment(work->copy->source, work->log, piece->file, &header, &work->bytes);
    } else {
        err = there ? segment_header_read(head, &header) : ERR_NOT_FOUND;
    }
    if (err == ERR_IO)
        return unreadable(work, piece->file);
    if (err == OK && (header.log_id != work->log->id || header.file_id != piece->file->id))
        err = ERR_CORRUPT;
    piece->empty = err == ERR_NOT_FOUND;
    if (err == OK || (err == ERR_CORRUPT && header.file_id == piece->file->id))
        know(piece, &header);
    return SOURCE_DONE;
}

/* A packed one comes before the original that may still be beside it, and counts. */
static enum source_result find_pieces(struct work *work)
{
    enum source_result result = SOURCE_DONE;

    work->pieces = heap_take((work->log->count + 1) * sizeof *work->pieces);
    for (size_t i = 0; result == SOURCE_DONE && i < work->log->count; i++) {
        const struct source_file *file = &work->log->files[i];
        struct piece *piece = &work->pieces[work->count];

        if (file->kind > BACKUP_PACKED)
            continue;
        if (work->count > 0 && piece[-1].file->id == file->id) {
            if (piece[-1].file->kind == BACKUP_PACKED) {
                piece[-1].twin = file;
                continue;
            }
            work->count--;
            piece--;
            *piece = (struct piece){.twin = piece->file};
        }
        piece->file = file;
        piece->made = file_of(work, file);
        piece->prior = prior_of(work, file);
        work->count++;
        result = read_header(work, piece);
    }
    return result;
}

/* The lowest cut that later files name, or what the block says, ends a file. */
static void find_ends(struct work *work)
{
    struct piece *lowest = NULL;

    for (size_t i = work->count; i > 0; i--) {
        struct piece *piece = &work->pieces[i - 1];
        const struct block_file *listed = block_find_file(&work->block, piece->file->id);

        if (lowest != NULL) {
            piece->ends = piece->ends_by_hash = true;
            piece->end_index = lowest->made.cut;
            piece->end_hash = lowest->made.cut_hash;
        }
        if (listed != NULL && listed->last != UINT64_MAX &&
            (!piece->ends || listed->last < piece->end_index)) {
            piece->ends = true;
            piece->ends_by_hash = false;
            piece->end_index = listed->last;
        }
        if (piece->known && (lowest == NULL || piece->made.cut < lowest->made.cut))
            lowest = piece;
    }
}

/* Below the block's index only what its list names counts (docs/formats.md, Recovery). */
static bool is_void(const struct work *work, const struct piece *piece)
{
    return piece->empty ||
           (piece->known && piece->prior == NULL && piece->base < work->block.index &&
            work->block.index > 0 && block_find_file(&work->block, piece->file->id) == NULL);
}

/* ---- segments: copies ----------------------------------------------------------------------- */

static void tell_lost(const struct work *work, struct piece *piece, const struct backup_walk *walk)
{
    char text[96];

    snprintf(text, sizeof text, "indexes %" PRIu64 " to %" PRIu64 " are damaged", walk->lost_first,
             walk->lost_last);
    damaged(work, &piece->made, text);
}

static bool is_prior(const struct piece *piece, uint64_t last, const struct log_hash *hash)
{
    return piece->prior != NULL && piece->prior->last == last &&
           hash_equal(&piece->prior->mark, hash);
}

/* A file's batches rise and each position is written once: the last index tells what it has, also
 * where only the block's list names the end. */
static bool ends_as_prior(const struct piece *piece)
{
    if (!piece->ends || piece->prior == NULL || piece->prior->last != piece->end_index)
        return false;
    return !piece->ends_by_hash || hash_equal(&piece->prior->mark, &piece->end_hash);
}

/* Nothing behind the last batch; whole blocks, as space is allocated (docs/formats.md). */
static enum source_result store_segment(struct work *work, struct piece *piece, uint64_t end)
{
    uint64_t size = (end + BATCH_BLOCK - 1) / BATCH_BLOCK * BATCH_BLOCK;

    if (size > work->bytes.size) {
        size_t more = (size_t)(size - work->bytes.size);

        memset(buf_reserve(&work->bytes, more), 0, more);
        buf_commit(&work->bytes, more);
    }
    if (size > end)
        memset(work->bytes.at + end, 0, (size_t)(size - end));
    return store(work, bytes_of(work->bytes.at, (size_t)size), &piece->made);
}

static enum source_result store_damaged(struct work *work, struct piece *piece, const char *what)
{
    damaged(work, &piece->made, what);
    if (piece->file->kind == BACKUP_PACKED && !source_read(piece->file, &work->bytes))
        return unreadable(work, piece->file);
    return store(work, buf_bytes(&work->bytes), &piece->made);
}

/* What is seen of a write that is under way makes sense a moment later. */
static enum err read_and_walk(struct work *work, struct piece *piece, struct backup_walk *walk)
{
    struct backup_limit limit = {piece->ends ? piece->end_index : UINT64_MAX, work->copy->time_ns};
    enum err err = OK;

    for (int i = 0; i < READS_MAX; i++) {
        struct segment_header header;

        if (i > 0)
            nanosleep(&READ_AGAIN, NULL);
        *walk = (struct backup_walk){0};
        err =
            source_read_segment(work->copy->source, work->log, piece->file, &header, &work->bytes);
        if (err != OK)
            break;
        know(piece, &header);
        backup_walk(walk, buf_bytes(&work->bytes), &header, limit);
        if (walk->lost_first == 0 || !work->copy->source->live)
            break;
    }
    if (err == OK && piece->ends_by_hash && walk->lost_first == 0 && !walk->stopped &&
        walk->index == piece->end_index && piece->end_index > piece->base &&
        !hash_equal(&walk->hash, &piece->end_hash))
        walk->lost_first = walk->lost_last = walk->index; /* another batch than the cut names */
    return err;
}

/* Was what follows it made, and removed, while nobody looked? */
static bool misses_next(const struct work *work, const struct piece *piece)
{
    const struct piece *next = piece + 1;

    return work->copy->source->live && next < work->pieces + work->count && next->known &&
           next->predecessor != 0 && next->predecessor != piece->file->id;
}

/* All its batches are too late. The header tells the log's incarnation, and where what is before it
 * ends; unless the log begins with it, or goes on behind a block that is too late as well. */
static bool is_wanted(const struct work *work, const struct piece *piece)
{
    return piece->base > 0 && (piece->base == piece->made.cut || piece->base <= work->block.index);
}

static enum source_result copy_read(struct work *work, struct piece *piece)
{
    struct backup_walk walk;
    enum err err = read_and_walk(work, piece, &walk);

    if (err == ERR_IO)
        return unreadable(work, piece->file);
    if (err == ERR_CORRUPT && piece->twin != NULL) {
        piece->file = piece->twin;
        piece->twin = NULL;
        piece->made = file_of(work, piece->file);
        return copy_read(work, piece);
    }
    if (err != OK)
        return store_damaged(work, piece,
                             err == ERR_VERSION ? "is of a later format than this version knows"
                                                : "its header is damaged");
    if (walk.lost_first != 0 && misses_next(work, piece))
        return SOURCE_AGAIN;
    work->index = walk.index > work->index ? walk.index : work->index;
    work->stopped = walk.stopped;
    if (walk.stopped && walk.first == 0 && !is_wanted(work, piece))
        return SOURCE_DONE;
    piece->made.last = walk.index;
    if (walk.lost_first != 0)
        tell_lost(work, piece, &walk);
    if (piece->file->kind == BACKUP_PACKED) {
        if (!source_read(piece->file, &work->bytes))
            return unreadable(work, piece->file);
        return store(work, buf_bytes(&work->bytes), &piece->made);
    }
    piece->made.mark = walk.hash;
    if (walk.lost_first == 0 && is_prior(piece, walk.index, &walk.hash)) {
        backup_manifest_add(work->copy->manifest, piece->prior);
        return SOURCE_DONE;
    }
    return store_segment(work, piece,
                         walk.lost_first != 0 && !walk.stopped ? work->bytes.size : walk.end);
}

static enum source_result copy_piece(struct work *work, struct piece *piece)
{
    bool reused = piece->file->kind == BACKUP_PACKED ? piece->prior != NULL : ends_as_prior(piece);

    if (!reused)
        return copy_read(work, piece);
    work->index = piece->prior->last > work->index ? piece->prior->last : work->index;
    backup_manifest_add(work->copy->manifest, piece->prior);
    return SOURCE_DONE;
}

/* What stands before the first segment is in a block, or it is lost. */
static void check_beginning(struct work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct piece *piece = &work->pieces[i];

        if (piece->empty)
            continue;
        if (piece->known && piece->made.cut > 0 && work->block.index == 0)
            backup_manifest_damaged(work->copy->manifest,
                                    "logs/%016" PRIx64 ": what is before index %" PRIu64
                                    " is gone, and no good state block replaces it",
                                    work->log->id, piece->made.cut + 1);
        return;
    }
}

static enum source_result copy_segments(struct work *work)
{
    enum source_result result = SOURCE_DONE;

    for (size_t i = 0; result == SOURCE_DONE && i < work->count && !work->stopped; i++)
        if (!is_void(work, &work->pieces[i]))
            result = copy_piece(work, &work->pieces[i]);
    return result;
}

enum source_result backup_log(struct backup_log *copy, const struct source_log *log)
{
    struct work work = {.copy = copy, .log = log};
    enum source_result result;

    buf_init(&work.bytes, SIZE_MAX);
    qsort(log->files, log->count, sizeof *log->files, compare_files);
    result = find_block(&work);
    if (result == SOURCE_DONE)
        result = find_pieces(&work);
    if (result == SOURCE_DONE) {
        find_ends(&work);
        check_beginning(&work);
        result = copy_segments(&work);
    }
    if (result == SOURCE_DONE && !(work.stopped && work.index == 0))
        result = copy_others(&work);
    heap_give(work.block.files);
    heap_give(work.pieces);
    buf_deinit(&work.bytes);
    return result;
}

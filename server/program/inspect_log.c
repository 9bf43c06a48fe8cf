/* One log of a store: its segments, packed or not, its state blocks and its kept records. */
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/io_epoll.h"
#include "server/jetstream/catalogue.h"
#include "server/program/inspect_index.h"
#include "server/program/inspect_priv.h"
#include "storage/hash.h"
#include "storage/keep.h"
#include "storage/pack.h"
#include "storage/paths.h"

/* ---- segments -------------------------------------------------------------------------------- */

static uint64_t newest_block(const struct inspect_log *log)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < log->block_count; i++)
        newest = log->blocks[i].index > newest ? log->blocks[i].index : newest;
    return newest;
}

static void begin_piece(struct inspect_log *log, const struct inspect_piece *piece)
{
    uint64_t expected = log->index;

    if (piece->header.base > expected && piece->header.base > newest_block(log)) {
        if (log->begun || piece->header.base > 0)
            inspect_problem(
                log->walk, piece->path,
                "what is before index %llu is gone, and no good state block replaces it",
                (unsigned long long)piece->header.base + 1);
    } else if (log->begun && piece->header.last_index == expected &&
               piece->header.base == expected &&
               !hash_equal(&piece->header.base_hash, &log->hash)) {
        inspect_problem(log->walk, piece->path, "does not follow the file before it");
    }
    log->index = piece->header.base;
    log->hash = piece->header.base_hash;
    log->begun = true;
}

/* A damaged header is read from the first batch behind it. */
static bool mend_header(struct inspect_piece *piece, struct bytes file)
{
    struct segment_batch batch;
    uint8_t incarnation[16];

    if (segment_find_batch(file, piece->id, NULL, &batch, incarnation) != OK)
        return false;
    memcpy(piece->header.incarnation, incarnation, sizeof incarnation);
    piece->header.base = piece->header.last_index = batch.view.index - 1;
    piece->header.base_hash = piece->header.last_hash = batch.previous;
    return true;
}

/* All of a segment as it was written. */
static bool read_piece(struct inspect_log *log, const struct inspect_piece *piece, bool tell,
                       struct buf *out)
{
    struct pack_head head;
    struct buf packed;
    enum err err;

    if (!piece->packed)
        return inspect_read_below(log->walk, piece->path, out);
    buf_init(&packed, SIZE_MAX);
    err = inspect_read_below(log->walk, piece->path, &packed)
              ? pack_expand(buf_bytes(&packed), &head, out)
              : ERR_IO;
    buf_deinit(&packed);
    if (err == ERR_VERSION)
        inspect_newer(log->walk, piece->path);
    else if (err == ERR_CORRUPT && tell)
        inspect_problem(log->walk, piece->path, "the packed file is damaged");
    return out->size > 0;
}

static void walk_piece(struct inspect_log *log, struct inspect_piece *piece, bool last)
{
    struct buf file;

    buf_init(&file, SIZE_MAX);
    if (read_piece(log, piece, true, &file)) {
        redos_apply(&log->walk->redos, log->id, piece->id, &file);
        if (piece->header_err == OK || mend_header(piece, buf_bytes(&file))) {
            begin_piece(log, piece);
            inspect_batches(log, piece, buf_bytes(&file), last);
        }
    }
    buf_deinit(&file);
}

static void read_header(struct inspect_log *log, struct inspect_piece *piece)
{
    struct inspect_walk *walk = log->walk;
    struct buf file;

    buf_init(&file, SIZE_MAX);
    piece->header_err = ERR_NOT_FOUND;
    if (read_piece(log, piece, false, &file) && file.size >= SEGMENT_HEADER) {
        redos_apply(&log->walk->redos, log->id, piece->id, &file);
        piece->header_err = segment_header_read(file.at, &piece->header);
    }
    if (piece->header_err == OK &&
        (piece->header.log_id != log->id || piece->header.file_id != piece->id))
        piece->header_err = ERR_CORRUPT;
    if (piece->header_err == ERR_VERSION)
        inspect_newer(walk, piece->path);
    else if (piece->header_err == ERR_CORRUPT)
        inspect_problem(walk, piece->path, "its header is damaged");
    else if (piece->header_err == OK && walk->tell->segment != NULL)
        walk->tell->segment(walk->tell->owner, piece->path, &piece->header);
    buf_deinit(&file);
}

/* The lowest cut that any later file names ends a file. */
static void set_cuts(struct inspect_log *log)
{
    uint64_t cut = UINT64_MAX;

    for (size_t i = log->count; i > 0; i--) {
        struct inspect_piece *piece = &log->pieces[i - 1];

        piece->cut = cut;
        if (piece->header_err == OK && piece->header.last_index < cut)
            cut = piece->header.last_index;
    }
}

static bool known_beginning(const struct inspect_log *log)
{
    return log->count > 0 && log->pieces[0].header_err == OK && log->pieces[0].header.base == 0;
}

/* ---- state blocks, kept records -------------------------------------------------------------- */

/* Only state blocks and kept records ask for it. */
static struct io *io_of(struct inspect_walk *walk)
{
    if (walk->io == NULL && io_epoll_create(walk->dir, NULL, &walk->io) != OK)
        walk->io = NULL;
    return walk->io;
}

static void walk_block(struct inspect_log *log, const char *path, uint64_t index)
{
    struct inspect_walk *walk = log->walk;
    struct block block;
    enum err err;

    if (log->block_count == INSPECT_BLOCKS_MAX)
        return;
    err = io_of(walk) != NULL ? block_read(walk->io, ".", log->id, index, &block) : ERR_UNSUPPORTED;
    if (err == OK) {
        if (walk->tell->block != NULL)
            walk->tell->block(walk->tell->owner, path, &block);
        log->blocks[log->block_count++] = block;
    } else if (err == ERR_VERSION) {
        inspect_newer(walk, path);
    } else if (err != ERR_CORRUPT && err != ERR_NOT_FOUND) {
        inspect_problem(walk, path, "can not be read: %s", err_text(err));
    } else {
        inspect_problem(walk, path, "the state block is damaged");
        if (walk->tell->bad_block != NULL)
            walk->tell->bad_block(walk->tell->owner, path, log->id,
                                  log->block_count > 0 || known_beginning(log));
    }
}

static void walk_kept(struct inspect_log *log, const char *path, struct bytes file)
{
    struct bytes rest = bytes_skip(file, KEEP_HEADER);
    struct record record;

    while (rest.size > 0 && record_read(rest, &record) == OK)
        rest = bytes_skip(rest, record.size);
    if (rest.size > 0)
        inspect_problem(log->walk, path, "a kept record is damaged");
}

static void walk_keep(struct inspect_log *log, const char *path, uint64_t id)
{
    struct keep keep = {.log_id = log->id, .file_id = id};
    struct io_file *file;
    struct buf bytes;
    uint64_t size;
    enum err err;

    if (log->count > 0)
        memcpy(keep.incarnation, log->pieces[0].header.incarnation, sizeof keep.incarnation);
    err = io_of(log->walk) != NULL ? keep_open(log->walk->io, ".", &keep, &file, &size)
                                   : ERR_UNSUPPORTED;
    if (err == ERR_VERSION)
        inspect_newer(log->walk, path);
    if (err != OK) {
        inspect_problem(log->walk, path, "is not what its name says");
        return;
    }
    io_close(log->walk->io, file);
    buf_init(&bytes, SIZE_MAX);
    if (inspect_read_below(log->walk, path, &bytes) && bytes.size >= size)
        walk_kept(log, path, bytes_take(buf_bytes(&bytes), (size_t)size));
    buf_deinit(&bytes);
}

static void walk_packed_keep(struct inspect_log *log, const char *path)
{
    struct pack_head head = {0};
    struct buf bytes, raw;
    enum err err;

    buf_init(&bytes, SIZE_MAX);
    buf_init(&raw, SIZE_MAX);
    err = inspect_read_below(log->walk, path, &bytes) ? pack_expand(buf_bytes(&bytes), &head, &raw)
                                                      : OK;
    if (head.kind == PACK_KEEP && err == ERR_CORRUPT)
        inspect_problem(log->walk, path, "the packed file is damaged");
    if (head.kind == PACK_KEEP && raw.size > KEEP_HEADER)
        walk_kept(log, path, buf_bytes(&raw));
    buf_deinit(&raw);
    buf_deinit(&bytes);
}

/* ---- what a block says of messages ----------------------------------------------------------- */

struct index_look {
    struct inspect_log *log;
    const char *path; /* of the block */
};

static bool file_of(void *owner, uint64_t file_id, struct buf *out)
{
    struct index_look *look = owner;
    struct inspect_log *log = look->log;
    struct pack_head head;
    struct buf bytes;
    char whole[4096];

    for (size_t i = 0; i < log->count; i++) {
        if (log->pieces[i].id != file_id)
            continue;
        if (!read_piece(log, &log->pieces[i], false, out))
            return false;
        redos_apply(&log->walk->redos, log->id, file_id, out);
        return true;
    }
    snprintf(whole, sizeof whole, "%s/%s", log->walk->dir, path_keep(".", log->id, file_id).text);
    if (inspect_read_file(whole, out))
        return true;
    buf_clear(out);
    buf_init(&bytes, SIZE_MAX);
    snprintf(whole, sizeof whole, "%s/%s", log->walk->dir, path_pack(".", log->id, file_id).text);
    if (inspect_read_file(whole, &bytes))
        (void)pack_expand(buf_bytes(&bytes), &head, out);
    buf_deinit(&bytes);
    return out->size > 0;
}

static void tell_index(void *owner, const char *text)
{
    const struct index_look *look = owner;

    inspect_problem(look->log->walk, look->path, "%s", text);
}

/* The newest: files that only the older one needs may be gone. */
static void walk_index(struct inspect_log *log, const char *name)
{
    struct inspect_index inspect = {.file = file_of, .problem = tell_index};
    struct index_look look = {.log = log};
    const struct block *newest = NULL;
    char path[128];

    for (size_t i = 0; i < log->block_count; i++)
        newest = newest == NULL || log->blocks[i].index > newest->index ? &log->blocks[i] : newest;
    if (newest == NULL || log->id < CATALOGUE_STREAM_FIRST)
        return;
    snprintf(path, sizeof path, "logs/%.20s/%016llx.blk", name, (unsigned long long)newest->index);
    look.path = path;
    inspect.owner = &look;
    inspect_index(&inspect, newest);
}

/* ---- the files of one ------------------------------------------------------------------------ */

static int compare_pieces(const void *a, const void *b)
{
    const struct inspect_piece *one = a, *other = b;

    return one->id < other->id ? -1 : one->id > other->id;
}

/* Of the two kinds of packed files; one whose head cannot be read is taken for a segment. */
static bool is_packed_segment(struct inspect_log *log, const char *name, const char *file)
{
    struct buf bytes, raw;
    struct pack_head head = {.kind = PACK_SEGMENT};
    char path[128];

    snprintf(path, sizeof path, "logs/%.20s/%.60s", name, file);
    buf_init(&bytes, SIZE_MAX);
    buf_init(&raw, SIZE_MAX);
    if (inspect_read_below(log->walk, path, &bytes))
        (void)pack_expand(buf_bytes(&bytes), &head, &raw);
    buf_deinit(&raw);
    buf_deinit(&bytes);
    return head.kind != PACK_KEEP;
}

static void find_pieces(struct inspect_log *log, const char *name,
                        const struct inspect_names *names)
{
    uint64_t id;

    log->pieces = heap_take((names->count + 1) * sizeof *log->pieces);
    for (size_t i = 0; i < names->count; i++) {
        struct inspect_piece *piece = &log->pieces[log->count];
        bool packed =
            path_read_pack(names->at[i], &id) && is_packed_segment(log, name, names->at[i]);

        if (!packed && !path_read_segment(names->at[i], &id))
            continue;
        if (log->count > 0 && piece[-1].id == id)
            continue; /* both are there: the packed one, which came first, counts */
        piece->packed = packed;
        piece->id = id;
        snprintf(piece->path, sizeof piece->path, "logs/%.20s/%.60s", name, names->at[i]);
        log->count++;
    }
    if (log->count > 0)
        qsort(log->pieces, log->count, sizeof *log->pieces, compare_pieces);
    for (size_t i = 0; i < log->count; i++)
        read_header(log, &log->pieces[i]);
    set_cuts(log);
}

static void walk_others(struct inspect_log *log, const char *name,
                        const struct inspect_names *names)
{
    const struct inspector *tell = log->walk->tell;
    char path[400];
    uint64_t id;

    for (size_t i = names->count; i > 0; i--) { /* the newest first */
        snprintf(path, sizeof path, "logs/%.20s/%s", name, names->at[i - 1]);
        if (path_read_block(names->at[i - 1], &id)) {
            walk_block(log, path, id);
        } else if (path_read_keep(names->at[i - 1], &id)) {
            walk_keep(log, path, id);
        } else if (path_read_pack(names->at[i - 1], &id)) {
            walk_packed_keep(log, path);
        } else if (!path_read_segment(names->at[i - 1], &id)) {
            inspect_note(log->walk, path,
                         path_read_segment_new(names->at[i - 1], &id) ? "was never finished"
                                                                      : "is no file of a store");
            if (tell->stray != NULL)
                tell->stray(tell->owner, path, log->id);
        }
    }
}

void inspect_log(struct inspect_walk *walk, const char *name, uint64_t id)
{
    struct inspect_log log = {.walk = walk, .id = id};
    struct inspect_names names;
    char path[64];

    snprintf(path, sizeof path, "logs/%.20s", name);
    inspect_list_below(walk, path, &names);
    find_pieces(&log, name, &names);
    walk_others(&log, name, &names);
    if (log.count == 0)
        inspect_problem(walk, path, "has no segment");
    for (size_t i = 0; i < log.count && !walk->newer; i++)
        if (log.pieces[i].header_err != ERR_NOT_FOUND)
            walk_piece(&log, &log.pieces[i], i + 1 == log.count);
    if (!walk->newer)
        walk_index(&log, name);
    if (log.count > 0 && newest_block(&log) > log.index)
        inspect_note(walk, path, "ends below its newest state block");
    for (size_t i = 0; i < log.block_count; i++)
        block_free(&log.blocks[i]);
    heap_give(log.pieces);
    inspect_names_free(&names);
}

#include "server/program/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/io_epoll.h"
#include "consumers/consumer.h"
#include "server/catalogue.h"
#include "server/program/inspect_file.h"
#include "server/program/inspect_index.h"
#include "server/program/redos.h"
#include "server/stream/effect.h"
#include "storage/batch.h"
#include "storage/hash.h"
#include "storage/keep.h"
#include "storage/pack.h"
#include "storage/paths.h"

#define BLOCKS_MAX 64u

struct walk {
    const struct inspector *tell;
    const char *dir;
    struct io *io;
    struct node node;
    struct buf *journals; /* owned, whole files */
    size_t journal_count;
    struct redos redos;
    bool newer;
};

/* One segment of the log that is walked. */
struct piece {
    char path[128]; /* below the directory */
    uint64_t id;
    struct segment_header header;
    enum err header_err;
    uint64_t cut; /* batches above it are void */
    bool packed;
};

struct log_walk {
    struct walk *walk;
    uint64_t id;
    struct piece *pieces;
    size_t count;
    struct block blocks[BLOCKS_MAX];
    size_t block_count;
    uint64_t index; /* of the last batch that was seen or passed over */
    struct log_hash hash;
    bool begun;
};

[[gnu::format(printf, 3, 4)]] static void problem(const struct walk *walk, const char *path,
                                                  const char *format, ...)
{
    char text[256];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (walk->tell->problem != NULL)
        walk->tell->problem(walk->tell->owner, path, text);
}

static void note(const struct walk *walk, const char *path, const char *text)
{
    if (walk->tell->note != NULL)
        walk->tell->note(walk->tell->owner, path, text);
}

static void newer(struct walk *walk, const char *path)
{
    problem(walk, path, "is of a later format than this version knows");
    walk->newer = true;
}

static bool read_below(const struct walk *walk, const char *path, struct buf *out)
{
    char whole[4096];

    snprintf(whole, sizeof whole, "%s/%s", walk->dir, path);
    if (inspect_read_file(whole, out))
        return true;
    problem(walk, path, "can not be read");
    return false;
}

static void list_below(const struct walk *walk, const char *path, struct inspect_names *names)
{
    char whole[4096];

    snprintf(whole, sizeof whole, "%s/%s", walk->dir, path);
    inspect_list(whole, names);
}

/* ---- node, journal --------------------------------------------------------------------------- */

static enum err load_node(struct walk *walk)
{
    struct buf bytes;
    enum err err = ERR_CORRUPT;

    buf_init(&bytes, SIZE_MAX);
    if (read_below(walk, "node", &bytes) && bytes.size == NODE_SIZE)
        err = node_read(bytes.at, &walk->node);
    buf_deinit(&bytes);
    return err;
}

static bool read_node(struct walk *walk)
{
    const struct inspector *tell = walk->tell;
    enum err err = load_node(walk);

    if (err == ERR_CORRUPT) {
        problem(walk, "node", "is damaged");
        if (tell->bad_node != NULL && tell->bad_node(tell->owner))
            err = load_node(walk);
    }
    if (err == ERR_VERSION)
        newer(walk, "node");
    else if (err == OK && tell->node != NULL)
        tell->node(tell->owner, &walk->node);
    return err == OK;
}

/* Of this boot, in this file: what is between two sound records was one, too. */
static void walk_journal_file(struct walk *walk, const char *path, struct bytes file)
{
    struct journal_record record;
    uint64_t position = JOURNAL_HEADER, last = 0, bad = 0;

    while (position + JOURNAL_BLOCK <= file.size) {
        bool sound = journal_record_read(bytes_skip(file, (size_t)position), walk->node.store_id,
                                         &record) == OK;
        bool needed = sound && record.number >> 32 == walk->node.boot;

        if (!sound) {
            bad = bad == 0 && file.at[position + 8] != 0 ? position : bad;
            position += JOURNAL_BLOCK;
            continue;
        }
        if (needed && last != 0 && record.number != last + 1 && record.number > last && bad != 0)
            problem(walk, path, "records %llu to %llu are damaged (at %llu)",
                    (unsigned long long)last + 1, (unsigned long long)record.number - 1,
                    (unsigned long long)bad);
        if (walk->tell->journal != NULL)
            walk->tell->journal(walk->tell->owner, path, position, &record, needed);
        if (needed) {
            redos_add(&walk->redos, &record);
            last = record.number;
        }
        bad = 0;
        position += record.size;
    }
    if (bad != 0 && last != 0)
        note(walk, path, "ends with a record that is torn, or older");
}

static void walk_journal(struct walk *walk)
{
    struct inspect_names names;
    char path[512];

    list_below(walk, "journal", &names);
    walk->journals = heap_take((names.count + 1) * sizeof *walk->journals);
    for (size_t i = 0; i < names.count; i++) {
        struct buf *bytes = &walk->journals[walk->journal_count++];
        uint64_t number;
        enum err err;

        snprintf(path, sizeof path, "journal/%s", names.at[i]);
        buf_init(bytes, SIZE_MAX);
        if (!path_read_journal(names.at[i], &number)) {
            note(walk, path, "is no file of a store");
            continue;
        }
        if (!read_below(walk, path, bytes) || bytes->size < JOURNAL_HEADER)
            continue;
        err = journal_header_read(bytes->at, walk->node.store_id, number);
        if (err == ERR_VERSION)
            newer(walk, path);
        else if (err == ERR_CORRUPT)
            problem(walk, path, "its header is damaged");
        if (err != ERR_VERSION)
            walk_journal_file(walk, path, buf_bytes(bytes));
    }
    inspect_names_free(&names);
}

/* ---- batches --------------------------------------------------------------------------------- */

static bool readable(uint64_t log_id, const struct record *record)
{
    struct effect effect;

    if (replica_record(record->type) || log_id < CATALOGUE_STREAM_FIRST ||
        record->type >= CONSUMER_RECORD_FIRST)
        return true;
    return effect_read(record, &effect) == OK;
}

static void walk_records(const struct log_walk *log, const char *path,
                         const struct segment_batch *batch)
{
    struct bytes rest = batch->view.records;
    struct record record;

    for (uint32_t i = 0; i < batch->view.record_count; i++) {
        if (record_read(rest, &record) != OK || record.size > rest.size) {
            problem(log->walk, path, "a record of index %llu is damaged",
                    (unsigned long long)batch->view.index);
            return;
        }
        if (!readable(log->id, &record))
            problem(log->walk, path, "a record of type %u of index %llu is unreadable", record.type,
                    (unsigned long long)batch->view.index);
        if (log->walk->tell->record != NULL)
            log->walk->tell->record(log->walk->tell->owner, log->id, &record);
        rest = bytes_skip(rest, record.size);
    }
}

static void check_blocks(const struct log_walk *log, const char *path,
                         const struct segment_batch *batch)
{
    for (size_t i = 0; i < log->block_count; i++) {
        if (log->blocks[i].index == batch->view.index &&
            !hash_equal(&log->blocks[i].hash, &batch->view.hash))
            problem(log->walk, path, "index %llu is another batch than its state block is of",
                    (unsigned long long)batch->view.index);
    }
}

/* Where a damaged batch hides how the next one is chained, that one says so itself. */
static struct log_hash previous_at(const struct piece *piece, struct bytes rest, uint64_t position)
{
    struct batch_envelope envelope;
    struct batch_content content = {0};

    if (batch_envelope_read(rest, piece->id, position, &envelope) == OK &&
        envelope.size <= rest.size)
        (void)batch_content_read(rest, &envelope, piece->header.incarnation, &content);
    return content.previous;
}

static bool is_zero(const struct log_hash *hash)
{
    static const struct log_hash zeros;

    return hash_equal(hash, &zeros);
}

/* No expected batch stands there. False: the file ends. */
static bool walk_gap(struct log_walk *log, const struct piece *piece, struct bytes file,
                     struct segment_place *place, bool last)
{
    struct bytes rest = bytes_skip(file, (size_t)place->position);
    struct segment_gap gap = segment_judge(rest, place);

    switch (gap.tail) {
    case SEGMENT_ENDS: return false;
    case SEGMENT_TORN:
        if (last)
            note(log->walk, piece->path, "ends with a write that was cut short");
        return false;
    case SEGMENT_DAMAGED:
        problem(log->walk, piece->path, "index %llu is damaged (at %llu)",
                (unsigned long long)place->index, (unsigned long long)place->position);
        log->index = place->index;
        return false;
    case SEGMENT_RESUMES: break;
    }
    problem(
        log->walk, piece->path, "indexes %llu to %llu are damaged (at %llu)",
        (unsigned long long)place->index,
        (unsigned long long)(gap.resume_index > place->index ? gap.resume_index - 1 : place->index),
        (unsigned long long)place->position);
    place->position = gap.resume;
    place->index = gap.resume_index;
    place->previous = gap.resume_previous;
    if (is_zero(&place->previous))
        place->previous = previous_at(piece, bytes_skip(file, (size_t)gap.resume), gap.resume);
    return true;
}

static void walk_batches(struct log_walk *log, const struct piece *piece, struct bytes file,
                         bool last)
{
    struct segment_place place = {
        .file_id = piece->id,
        .position = SEGMENT_HEADER,
        .incarnation = piece->header.incarnation,
        .index = log->index + 1,
        .previous = log->hash,
        .index_cut = piece->cut,
    };

    while (place.index <= piece->cut && place.position < file.size) {
        struct segment_batch batch;
        uint32_t size;
        enum err err =
            segment_batch_read(bytes_skip(file, (size_t)place.position), &place, &batch, &size);

        if (err == ERR_VERSION) {
            newer(log->walk, piece->path);
            return;
        }
        if (err != OK) {
            if (!walk_gap(log, piece, file, &place, last))
                break;
            continue;
        }
        if (log->walk->tell->batch != NULL)
            log->walk->tell->batch(log->walk->tell->owner, piece->path, place.position, log->id,
                                   &batch);
        walk_records(log, piece->path, &batch);
        check_blocks(log, piece->path, &batch);
        log->index = place.index;
        log->hash = batch.view.hash;
        place.index++;
        place.previous = batch.view.hash;
        place.position += batch.size;
    }
    if (!last && log->index < piece->cut) {
        problem(log->walk, piece->path, "indexes %llu to %llu are lost",
                (unsigned long long)log->index + 1, (unsigned long long)piece->cut);
        log->index = piece->cut;
    }
}

/* ---- one log --------------------------------------------------------------------------------- */

static uint64_t newest_block(const struct log_walk *log)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < log->block_count; i++)
        newest = log->blocks[i].index > newest ? log->blocks[i].index : newest;
    return newest;
}

static void begin_piece(struct log_walk *log, const struct piece *piece)
{
    uint64_t expected = log->index;

    if (piece->header.base > expected && piece->header.base > newest_block(log)) {
        if (log->begun || piece->header.base > 0)
            problem(log->walk, piece->path,
                    "what is before index %llu is gone, and no good state block replaces it",
                    (unsigned long long)piece->header.base + 1);
    } else if (log->begun && piece->header.last_index == expected &&
               piece->header.base == expected &&
               !hash_equal(&piece->header.base_hash, &log->hash)) {
        problem(log->walk, piece->path, "does not follow the file before it");
    }
    log->index = piece->header.base;
    log->hash = piece->header.base_hash;
    log->begun = true;
}

/* A damaged header is read from the first batch behind it. */
static bool mend_header(struct piece *piece, struct bytes file)
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
static bool read_piece(struct log_walk *log, const struct piece *piece, bool tell, struct buf *out)
{
    struct pack_head head;
    struct buf packed;
    enum err err;

    if (!piece->packed)
        return read_below(log->walk, piece->path, out);
    buf_init(&packed, SIZE_MAX);
    err = read_below(log->walk, piece->path, &packed) ? pack_expand(buf_bytes(&packed), &head, out)
                                                      : ERR_IO;
    buf_deinit(&packed);
    if (err == ERR_VERSION)
        newer(log->walk, piece->path);
    else if (err == ERR_CORRUPT && tell)
        problem(log->walk, piece->path, "the packed file is damaged");
    return out->size > 0;
}

static void walk_piece(struct log_walk *log, struct piece *piece, bool last)
{
    struct buf file;

    buf_init(&file, SIZE_MAX);
    if (read_piece(log, piece, true, &file)) {
        redos_apply(&log->walk->redos, log->id, piece->id, &file);
        if (piece->header_err == OK || mend_header(piece, buf_bytes(&file))) {
            begin_piece(log, piece);
            walk_batches(log, piece, buf_bytes(&file), last);
        }
    }
    buf_deinit(&file);
}

static void read_header(struct log_walk *log, struct piece *piece)
{
    struct walk *walk = log->walk;
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
        newer(walk, piece->path);
    else if (piece->header_err == ERR_CORRUPT)
        problem(walk, piece->path, "its header is damaged");
    else if (piece->header_err == OK && walk->tell->segment != NULL)
        walk->tell->segment(walk->tell->owner, piece->path, &piece->header);
    buf_deinit(&file);
}

/* The lowest cut that any later file names ends a file. */
static void set_cuts(struct log_walk *log)
{
    uint64_t cut = UINT64_MAX;

    for (size_t i = log->count; i > 0; i--) {
        struct piece *piece = &log->pieces[i - 1];

        piece->cut = cut;
        if (piece->header_err == OK && piece->header.last_index < cut)
            cut = piece->header.last_index;
    }
}

static bool known_beginning(const struct log_walk *log)
{
    return log->count > 0 && log->pieces[0].header_err == OK && log->pieces[0].header.base == 0;
}

/* Only state blocks and kept records ask for it. */
static struct io *io_of(struct walk *walk)
{

    if (walk->io == NULL && io_epoll_create(walk->dir, NULL, &walk->io) != OK)
        walk->io = NULL;
    return walk->io;
}

static void walk_block(struct log_walk *log, const char *path, uint64_t index)
{
    struct walk *walk = log->walk;
    struct block block;
    enum err err;

    if (log->block_count == BLOCKS_MAX)
        return;
    err = io_of(walk) != NULL ? block_read(walk->io, ".", log->id, index, &block) : ERR_UNSUPPORTED;
    if (err == OK) {
        if (walk->tell->block != NULL)
            walk->tell->block(walk->tell->owner, path, &block);
        log->blocks[log->block_count++] = block;
    } else if (err == ERR_VERSION) {
        newer(walk, path);
    } else if (err != ERR_CORRUPT && err != ERR_NOT_FOUND) {
        problem(walk, path, "can not be read: %s", err_text(err));
    } else {
        problem(walk, path, "the state block is damaged");
        if (walk->tell->bad_block != NULL)
            walk->tell->bad_block(walk->tell->owner, path, log->id,
                                  log->block_count > 0 || known_beginning(log));
    }
}

static void walk_kept(struct log_walk *log, const char *path, struct bytes file)
{
    struct bytes rest = bytes_skip(file, KEEP_HEADER);
    struct record record;

    while (rest.size > 0 && record_read(rest, &record) == OK)
        rest = bytes_skip(rest, record.size);
    if (rest.size > 0)
        problem(log->walk, path, "a kept record is damaged");
}

static void walk_keep(struct log_walk *log, const char *path, uint64_t id)
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
        newer(log->walk, path);
    if (err != OK) {
        problem(log->walk, path, "is not what its name says");
        return;
    }
    io_close(log->walk->io, file);
    buf_init(&bytes, SIZE_MAX);
    if (read_below(log->walk, path, &bytes) && bytes.size >= size)
        walk_kept(log, path, bytes_take(buf_bytes(&bytes), (size_t)size));
    buf_deinit(&bytes);
}

static void walk_packed_keep(struct log_walk *log, const char *path)
{
    struct pack_head head = {0};
    struct buf bytes, raw;
    enum err err;

    buf_init(&bytes, SIZE_MAX);
    buf_init(&raw, SIZE_MAX);
    err = read_below(log->walk, path, &bytes) ? pack_expand(buf_bytes(&bytes), &head, &raw) : OK;
    if (head.kind == PACK_KEEP && err == ERR_CORRUPT)
        problem(log->walk, path, "the packed file is damaged");
    if (head.kind == PACK_KEEP && raw.size > KEEP_HEADER)
        walk_kept(log, path, buf_bytes(&raw));
    buf_deinit(&raw);
    buf_deinit(&bytes);
}

/* ---- what a block says of messages -------------------------------------------------------------
 */

struct index_look {
    struct log_walk *log;
    const char *path; /* of the block */
};

static bool file_of(void *owner, uint64_t file_id, struct buf *out)
{
    struct index_look *look = owner;
    struct log_walk *log = look->log;
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

    problem(look->log->walk, look->path, "%s", text);
}

/* The newest: files that only the older one needs may be gone. */
static void walk_index(struct log_walk *log, const char *name)
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

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *one = a, *other = b;

    return one->id < other->id ? -1 : one->id > other->id;
}

/* Of the two kinds of packed files; one whose head cannot be read is taken for a segment. */
static bool is_packed_segment(struct log_walk *log, const char *name, const char *file)
{
    struct buf bytes, raw;
    struct pack_head head = {.kind = PACK_SEGMENT};
    char path[128];

    snprintf(path, sizeof path, "logs/%.20s/%.60s", name, file);
    buf_init(&bytes, SIZE_MAX);
    buf_init(&raw, SIZE_MAX);
    if (read_below(log->walk, path, &bytes))
        (void)pack_expand(buf_bytes(&bytes), &head, &raw);
    buf_deinit(&raw);
    buf_deinit(&bytes);
    return head.kind != PACK_KEEP;
}

static void find_pieces(struct log_walk *log, const char *name, const struct inspect_names *names)
{
    uint64_t id;

    log->pieces = heap_take((names->count + 1) * sizeof *log->pieces);
    for (size_t i = 0; i < names->count; i++) {
        struct piece *piece = &log->pieces[log->count];
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

static void walk_others(struct log_walk *log, const char *name, const struct inspect_names *names)
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
            note(log->walk, path,
                 path_read_segment_new(names->at[i - 1], &id) ? "was never finished"
                                                              : "is no file of a store");
            if (tell->stray != NULL)
                tell->stray(tell->owner, path, log->id);
        }
    }
}

static void walk_log(struct walk *walk, const char *name, uint64_t id)
{
    struct log_walk log = {.walk = walk, .id = id};
    struct inspect_names names;
    char path[64];

    snprintf(path, sizeof path, "logs/%.20s", name);
    list_below(walk, path, &names);
    find_pieces(&log, name, &names);
    walk_others(&log, name, &names);
    if (log.count == 0)
        problem(walk, path, "has no segment");
    for (size_t i = 0; i < log.count && !walk->newer; i++)
        if (log.pieces[i].header_err != ERR_NOT_FOUND)
            walk_piece(&log, &log.pieces[i], i + 1 == log.count);
    if (!walk->newer)
        walk_index(&log, name);
    if (log.count > 0 && newest_block(&log) > log.index)
        note(walk, path, "ends below its newest state block");
    for (size_t i = 0; i < log.block_count; i++)
        block_free(&log.blocks[i]);
    heap_give(log.pieces);
    inspect_names_free(&names);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void walk_logs(struct walk *walk)
{
    struct inspect_names names;
    char path[400];
    uint64_t id;

    list_below(walk, "logs", &names);
    for (size_t i = 0; i < names.count && !walk->newer; i++) {
        snprintf(path, sizeof path, "logs/%s", names.at[i]);
        if (path_read_log(names.at[i], &id))
            walk_log(walk, names.at[i], id);
        else
            note(walk, path,
                 path_read_log_gone(names.at[i], &id)
                     ? "its removal was cut short; the next start completes it"
                     : "is no log of a store");
    }
    inspect_names_free(&names);
    list_below(walk, "quarantine", &names);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "quarantine/%s", names.at[i]);
        note(walk, path, "was set aside: no committed record explains it");
    }
    inspect_names_free(&names);
}

static void free_walk(struct walk *walk)
{
    for (size_t i = 0; i < walk->journal_count; i++)
        buf_deinit(&walk->journals[i]);
    heap_give(walk->journals);
    redos_free(&walk->redos);
}

enum inspect_result inspect_store(const char *dir, const struct inspector *inspector,
                                  unsigned *lanes)
{
    struct walk walk = {.tell = inspector, .dir = dir};
    int held = inspect_lock(dir);

    *lanes = 0;
    if (held == INSPECT_TAKEN)
        return INSPECT_LOCKED;
    if (held == INSPECT_FREE)
        return INSPECT_NO_STORE;
    if (read_node(&walk))
        walk_journal(&walk);
    if (!walk.newer)
        walk_logs(&walk);
    if (walk.io != NULL)
        io_destroy(walk.io);
    inspect_unlock(held);
    *lanes = walk.node.lanes;
    free_walk(&walk);
    return walk.newer ? INSPECT_NEWER : INSPECT_DONE;
}

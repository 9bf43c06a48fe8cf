#include "storage/pack.h"

#include "base/heap.h"
#include "storage/compress.h"
#include "storage/file_head.h"
#include "storage/hash.h"
#include "storage/le.h"
#include "storage/paths.h"

#define TABLE_ROW 16u

static const char magic[FILE_HEAD_MAGIC] = "MRpack01";

enum {
    AT_LOG_ID = 24,
    AT_INCARNATION = 32,
    AT_FILE_ID = 48,
    AT_KIND = 56,
    AT_FRAME = 60,
    AT_RAW_SIZE = 64,
    AT_TABLE = 72,
    AT_TABLE_SUM = 80,
};

/* ---- the header and the table --------------------------------------------------------------- */

static uint32_t frames_of(uint64_t raw_size)
{
    return (uint32_t)((raw_size + PACK_FRAME - 1) / PACK_FRAME);
}

static size_t raw_of(const struct pack_head *head, uint32_t frame)
{
    uint64_t rest = head->raw_size - (uint64_t)frame * PACK_FRAME;

    return rest < PACK_FRAME ? (size_t)rest : PACK_FRAME;
}

static void encode(const struct pack_head *head, uint64_t table, uint64_t table_sum,
                   uint8_t at[PACK_HEADER])
{
    file_head_begin(at, PACK_HEADER, magic, 0);
    le_put_u64(at + AT_LOG_ID, head->log_id);
    memcpy(at + AT_INCARNATION, head->incarnation, 16);
    le_put_u64(at + AT_FILE_ID, head->file_id);
    le_put_u32(at + AT_KIND, head->kind);
    le_put_u32(at + AT_FRAME, PACK_FRAME);
    le_put_u64(at + AT_RAW_SIZE, head->raw_size);
    le_put_u64(at + AT_TABLE, table);
    le_put_u64(at + AT_TABLE_SUM, table_sum);
    file_head_seal(at, PACK_HEADER);
}

static enum err decode(const uint8_t at[PACK_HEADER], struct pack_head *head, uint64_t *table,
                       uint64_t *table_sum)
{
    uint32_t features;
    enum err err = file_head_check(at, PACK_HEADER, magic, 0, &features);

    if (err != OK)
        return err;
    head->log_id = le_u64(at + AT_LOG_ID);
    memcpy(head->incarnation, at + AT_INCARNATION, 16);
    head->file_id = le_u64(at + AT_FILE_ID);
    head->kind = (enum pack_kind)le_u32(at + AT_KIND);
    head->raw_size = le_u64(at + AT_RAW_SIZE);
    *table = le_u64(at + AT_TABLE);
    *table_sum = le_u64(at + AT_TABLE_SUM);
    if ((head->kind != PACK_SEGMENT && head->kind != PACK_KEEP) ||
        le_u32(at + AT_FRAME) != PACK_FRAME || head->raw_size > PACK_RAW_MAX)
        return ERR_CORRUPT;
    head->frame_count = frames_of(head->raw_size);
    return OK;
}

enum err pack_kind_of(const uint8_t head[PACK_HEADER], enum pack_kind *kind)
{
    struct pack_head read = {0};
    uint64_t table, table_sum;
    enum err err = decode(head, &read, &table, &table_sum);

    *kind = read.kind;
    return err;
}

/* Frames follow each other; none is larger than what it holds. */
static enum err read_table(const struct pack_head *head, struct bytes table, uint64_t begin,
                           struct pack_frame *frames)
{
    uint64_t offset = PACK_HEADER;

    for (uint32_t i = 0; i < head->frame_count; i++) {
        const uint8_t *row = table.at + (size_t)i * TABLE_ROW;

        frames[i] = (struct pack_frame){le_u64(row), le_u32(row + 8), le_u32(row + 12)};
        if (frames[i].offset != offset || frames[i].size == 0 || frames[i].size > raw_of(head, i))
            return ERR_CORRUPT;
        offset += frames[i].size;
    }
    return offset <= begin ? OK : ERR_CORRUPT;
}

static enum err expand_frame(const struct pack_head *head, const struct pack_frame *frame,
                             uint32_t number, struct bytes stored, uint8_t *out)
{
    size_t raw = raw_of(head, number);

    if (hash_32(stored) != frame->sum)
        return ERR_CORRUPT;
    if (stored.size < raw)
        return expand_piece(stored, out, raw);
    memcpy(out, stored.at, raw);
    return OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Header and table stand at both ends: one that is damaged is read from the other. */
static enum err load_head(struct io *io, struct pack *pack, uint64_t *table, uint64_t *sum)
{
    uint8_t head[PACK_HEADER];
    enum err err = io_size(io, pack->file, &pack->size);

    if (err == OK && pack->size < 2 * PACK_HEADER)
        return ERR_CORRUPT;
    if (err == OK)
        err = io_read_all(io, pack->file, 0, head, sizeof head);
    if (err == OK)
        err = decode(head, &pack->head, table, sum);
    if (err != ERR_CORRUPT)
        return err;
    err = io_read_all(io, pack->file, pack->size - PACK_HEADER, head, sizeof head);
    return err == OK ? decode(head, &pack->head, table, sum) : err;
}

static enum err load_table(struct io *io, struct pack *pack, uint64_t table, uint64_t at,
                           uint64_t sum)
{
    uint64_t size = (uint64_t)pack->head.frame_count * TABLE_ROW;
    uint8_t *rows = heap_take(size + 1);
    enum err err = io_read_all(io, pack->file, at, rows, size);

    if (err == OK && hash_64(bytes_of(rows, size)) != sum)
        err = ERR_CORRUPT;
    if (err == OK)
        err = read_table(&pack->head, bytes_of(rows, size), table, pack->frames);
    heap_give(rows);
    return err;
}

static enum err load(struct io *io, struct pack *pack, uint64_t log_id, uint64_t file_id)
{
    uint64_t table, sum, size;
    enum err err = load_head(io, pack, &table, &sum);

    if (err != OK)
        return err;
    size = (uint64_t)pack->head.frame_count * TABLE_ROW;
    if (pack->head.log_id != log_id || pack->head.file_id != file_id || table > pack->size ||
        table + 2 * size + PACK_HEADER != pack->size)
        return ERR_CORRUPT;
    pack->frames = heap_take((pack->head.frame_count + 1) * sizeof pack->frames[0]);
    err = load_table(io, pack, table, table, sum);
    return err == ERR_CORRUPT ? load_table(io, pack, table, table + size, sum) : err;
}

enum err pack_open(struct io *io, const char *dir, uint64_t log_id, uint64_t file_id,
                   struct pack **pack)
{
    struct pack *opened = HEAP_NEW(struct pack);
    enum err err =
        io_open(io, path_pack(dir, log_id, file_id).text, IO_READ | IO_WRITE, &opened->file);

    if (err == OK) {
        err = load(io, opened, log_id, file_id);
        if (err != OK)
            io_close(io, opened->file);
    }
    if (err == OK)
        *pack = opened;
    else
        pack_forget(opened);
    return err;
}

void pack_forget(struct pack *pack)
{
    if (pack == NULL)
        return;
    heap_give(pack->frames);
    heap_give(pack);
}

static enum err read_frame(struct io *io, const struct pack *pack, uint32_t number, uint8_t *stored,
                           uint8_t *out)
{
    const struct pack_frame *frame = &pack->frames[number];
    enum err err = io_read_all(io, pack->file, frame->offset, stored, frame->size);

    if (err != OK)
        return err;
    return expand_frame(&pack->head, frame, number, bytes_of(stored, frame->size), out);
}

enum err pack_read(struct io *io, const struct pack *pack, uint64_t offset, void *at, size_t size)
{
    uint8_t *memory = heap_take(2 * PACK_FRAME), *to = at;
    enum err err = OK, worst = OK;

    while (err == OK && size > 0 && offset < pack->head.raw_size) {
        uint32_t number = (uint32_t)(offset / PACK_FRAME);
        size_t skip = (size_t)(offset % PACK_FRAME);
        size_t part = raw_of(&pack->head, number) - skip;

        part = part < size ? part : size;
        err = read_frame(io, pack, number, memory, memory + PACK_FRAME);
        if (err == OK)
            memcpy(to, memory + PACK_FRAME + skip, part);
        if (err == ERR_CORRUPT) {
            memset(to, 0, part);
            worst = err;
            err = OK;
        }
        to += part;
        offset += part;
        size -= part;
    }
    if (err == OK && size > 0)
        memset(to, 0, size);
    heap_give(memory);
    return err == OK ? worst : err;
}

/* The first sound one of the two. */
static enum err expand_head(struct bytes file, struct pack_head *head, uint64_t *table,
                            uint64_t *sum, bool *damaged)
{
    enum err err;

    if (file.size < 2 * PACK_HEADER)
        return ERR_CORRUPT;
    err = decode(file.at + file.size - PACK_HEADER, head, table, sum);
    *damaged = err == ERR_CORRUPT;
    if (err == ERR_VERSION)
        return err;
    err = decode(file.at, head, table, sum);
    *damaged = *damaged || err == ERR_CORRUPT;
    if (err == ERR_CORRUPT)
        err = decode(file.at + file.size - PACK_HEADER, head, table, sum);
    return err;
}

static enum err expand_table(struct bytes file, const struct pack_head *head, uint64_t table,
                             uint64_t sum, struct pack_frame *frames, bool *damaged)
{
    size_t size = (size_t)head->frame_count * TABLE_ROW;
    struct bytes one = bytes_of(file.at + table, size), two = bytes_of(one.at + size, size);
    bool sound = hash_64(one) == sum;

    *damaged = *damaged || !sound || hash_64(two) != sum;
    if (!sound && hash_64(two) != sum)
        return ERR_CORRUPT;
    return read_table(head, sound ? one : two, table, frames);
}

static void expand_frames(struct bytes file, const struct pack_head *head,
                          const struct pack_frame *frames, uint8_t *to, bool *damaged)
{
    for (uint32_t i = 0; i < head->frame_count; i++) {
        struct bytes stored = bytes_of(file.at + frames[i].offset, frames[i].size);
        uint8_t *at = to + (size_t)i * PACK_FRAME;

        if (expand_frame(head, &frames[i], i, stored, at) == OK)
            continue;
        memset(at, 0, raw_of(head, i));
        *damaged = true;
    }
}

enum err pack_expand(struct bytes file, struct pack_head *head, struct buf *out)
{
    uint64_t table, sum, size;
    struct pack_frame *frames;
    uint8_t *to;
    bool damaged;
    enum err err = expand_head(file, head, &table, &sum, &damaged);

    if (err != OK)
        return err;
    size = (uint64_t)head->frame_count * TABLE_ROW;
    if (table > file.size || table + 2 * size + PACK_HEADER != file.size)
        return ERR_CORRUPT;
    frames = heap_take((head->frame_count + 1) * sizeof frames[0]);
    err = expand_table(file, head, table, sum, frames, &damaged);
    to = err == OK ? buf_reserve(out, head->raw_size) : NULL;
    if (to != NULL) {
        expand_frames(file, head, frames, to, &damaged);
        buf_commit(out, head->raw_size);
    } else if (err == OK) {
        err = ERR_FULL;
    }
    heap_give(frames);
    return err == OK && damaged ? ERR_CORRUPT : err;
}

/* ---- making --------------------------------------------------------------------------------- */

enum err pack_begin(struct pack_writer *writer, struct io *io, const char *dir,
                    const struct pack_head *head, struct io_file *from)
{
    struct path path = path_segment_new(dir, head->log_id, head->file_id);
    enum err err;

    *writer = (struct pack_writer){.head = *head, .dir = dir, .from = from, .end = PACK_HEADER};
    writer->head.frame_count = frames_of(head->raw_size);
    assert(head->raw_size <= PACK_RAW_MAX);
    err = io_unlink(io, path.text); /* of an earlier life */
    if (err == OK || err == ERR_NOT_FOUND)
        err = io_open(io, path.text, IO_READ | IO_WRITE | IO_CREATE, &writer->to);
    if (err == OK)
        writer->frames = heap_take((writer->head.frame_count + 1) * sizeof writer->frames[0]);
    return err;
}

bool pack_whole(const struct pack_writer *writer)
{
    return writer->next == writer->head.frame_count;
}

static enum err add_frame(struct pack_writer *writer, struct io *io, uint8_t *memory)
{
    size_t raw = raw_of(&writer->head, writer->next);
    size_t bound = compress_bound(PACK_FRAME), size;
    struct pack_frame *frame = &writer->frames[writer->next];
    struct bytes stored;
    uint64_t offset = (uint64_t)writer->next * PACK_FRAME;
    enum err err = OK;

    if (writer->from != NULL)
        err = io_read_all(io, writer->from, offset, memory, raw);
    else
        memcpy(memory, writer->memory + offset, raw);
    if (err != OK)
        return err;
    size = compress_piece(bytes_of(memory, raw), COMPRESS_WELL, memory + PACK_FRAME, bound);
    stored = size < raw ? bytes_of(memory + PACK_FRAME, size) : bytes_of(memory, raw);
    *frame = (struct pack_frame){writer->end, (uint32_t)stored.size, hash_32(stored)};
    err = io_write_all(io, writer->to, writer->end, stored);
    writer->end += stored.size;
    writer->next++;
    return err;
}

enum err pack_step(struct pack_writer *writer, struct io *io, uint32_t frames)
{
    uint8_t *memory = heap_take(PACK_FRAME + compress_bound(PACK_FRAME));
    enum err err = OK;

    while (err == OK && frames-- > 0 && !pack_whole(writer))
        err = add_frame(writer, io, memory);
    heap_give(memory);
    return err;
}

static enum err write_ends(struct pack_writer *writer, struct io *io)
{
    size_t size = (size_t)writer->head.frame_count * TABLE_ROW;
    uint8_t head[PACK_HEADER], *rows = heap_take(size + 1);
    enum err err;

    for (uint32_t i = 0; i < writer->head.frame_count; i++) {
        uint8_t *row = rows + (size_t)i * TABLE_ROW;

        le_put_u64(row, writer->frames[i].offset);
        le_put_u32(row + 8, writer->frames[i].size);
        le_put_u32(row + 12, writer->frames[i].sum);
    }
    encode(&writer->head, writer->end, hash_64(bytes_of(rows, size)), head);
    err = io_write_all(io, writer->to, writer->end, bytes_of(rows, size));
    if (err == OK)
        err = io_write_all(io, writer->to, writer->end + size, bytes_of(rows, size));
    if (err == OK)
        err = io_write_all(io, writer->to, writer->end + 2 * size, bytes_of(head, sizeof head));
    if (err == OK)
        err = io_write_all(io, writer->to, 0, bytes_of(head, sizeof head));
    heap_give(rows);
    return err;
}

static void let_go(struct pack_writer *writer, struct io *io)
{
    if (writer->to != NULL)
        io_close(io, writer->to);
    heap_give(writer->frames);
    writer->to = NULL;
    writer->frames = NULL;
}

enum err pack_end(struct pack_writer *writer, struct io *io)
{
    const struct pack_head *head = &writer->head;
    struct path path_new = path_segment_new(writer->dir, head->log_id, head->file_id);
    struct path path = path_pack(writer->dir, head->log_id, head->file_id);
    enum err err = write_ends(writer, io);

    assert(pack_whole(writer));
    if (err == OK)
        err = io_sync(io, writer->to);
    if (err == OK)
        err = io_rename(io, path_new.text, path.text);
    if (err == OK)
        err = io_sync_dir(io, path_log(writer->dir, head->log_id).text);
    if (err != OK)
        (void)io_unlink(io, path_new.text); /* one that stays is of no use */
    let_go(writer, io);
    return err;
}

void pack_abandon(struct pack_writer *writer, struct io *io)
{
    if (writer->to != NULL)
        (void)io_unlink(
            io, path_segment_new(writer->dir, writer->head.log_id, writer->head.file_id).text);
    let_go(writer, io);
}

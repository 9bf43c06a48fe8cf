#include "storage/block.h"

#include "base/heap.h"
#include "base/spool.h"
#include "storage/block_frames.h"
#include "storage/file_head.h"
#include "storage/hash.h"
#include "storage/le.h"
#include "storage/paths.h"

#define READ_STEP ((size_t)256 << 10)
#define FEATURES  (BLOCK_NAMED | BLOCK_PACKED)

static const char magic[FILE_HEAD_MAGIC] = "MRblok01";

enum {
    AT_LOG_ID = 24,
    AT_INCARNATION = 32,
    AT_INDEX = 48,
    AT_TERM = 56,
    AT_HASH = 64,
    AT_BODY_SIZE = 80,
    AT_BODY_HASH = 88,
    AT_FILE_COUNT = 104,
    AT_ZERO = 108,
    AT_FILES_HASH = 112,
    AT_LOCAL_SIZE = 120,
    AT_LOCAL_HASH = 128,
    AT_TABLE_HASH = 136,
};

/* In the list. */
enum { FILE_ID = 0, FILE_FIRST = 8, FILE_LAST = 16, FILE_END = 24 };

void block_let_go(struct block *block)
{
    for (unsigned i = 0; i < 2; i++) {
        spool_destroy(block->parts[i]);
        block->parts[i] = NULL;
        block->failed[i] = NULL;
    }
    block->body = block->local = (struct bytes){0};
}

void block_free(struct block *block)
{
    block_let_go(block);
    heap_give(block->files);
    *block = (struct block){};
}

const struct block_file *block_find_file(const struct block *block, uint64_t id)
{
    uint32_t low = 0, high = block->file_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (block->files[middle].id == id)
            return &block->files[middle];
        if (block->files[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool block_failed(const struct block *block)
{
    return (block->failed[0] != NULL && *block->failed[0]) ||
           (block->failed[1] != NULL && *block->failed[1]);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool is_packed(const struct block *block)
{
    return (block->features & BLOCK_PACKED) != 0;
}

/* Rows of the frames of both parts. */
static size_t table_size(uint32_t features, uint64_t body, uint64_t local)
{
    if ((features & BLOCK_PACKED) == 0)
        return 0;
    return ((size_t)block_frames_of(body) + block_frames_of(local)) * BLOCK_FRAME_ROW;
}

static size_t list_size(const struct block *block)
{
    return (size_t)block->file_count * BLOCK_FILE_SIZE;
}

/* Header, list and table stand in one piece of memory, in which the table is filled already. */
static void encode(const struct block *block, struct bytes head)
{
    uint8_t *at = (uint8_t *)head.at;
    struct bytes list = bytes_of(at + BLOCK_HEADER, list_size(block));
    struct log_hash body_hash = hash_128(block->body);

    for (uint32_t i = 0; i < block->file_count; i++) {
        uint8_t *file = at + BLOCK_HEADER + (size_t)i * BLOCK_FILE_SIZE;

        le_put_u64(file + FILE_ID, block->files[i].id);
        le_put_u64(file + FILE_FIRST, block->files[i].first);
        le_put_u64(file + FILE_LAST, block->files[i].last);
        le_put_u64(file + FILE_END, block->files[i].end);
    }
    file_head_begin(at, BLOCK_HEADER, magic, block->features);
    le_put_u64(at + AT_LOG_ID, block->log_id);
    memcpy(at + AT_INCARNATION, block->incarnation, 16);
    le_put_u64(at + AT_INDEX, block->index);
    le_put_u64(at + AT_TERM, block->term);
    memcpy(at + AT_HASH, block->hash.at, 16);
    le_put_u64(at + AT_BODY_SIZE, block->body.size);
    memcpy(at + AT_BODY_HASH, body_hash.at, 16);
    le_put_u32(at + AT_FILE_COUNT, block->file_count);
    le_put_u32(at + AT_ZERO, 0);
    le_put_u64(at + AT_FILES_HASH, hash_64(list));
    le_put_u64(at + AT_LOCAL_SIZE, block->local.size);
    le_put_u64(at + AT_LOCAL_HASH, hash_64(block->local));
    if (is_packed(block))
        le_put_u64(at + AT_TABLE_HASH, hash_64(bytes_skip(head, BLOCK_HEADER + list.size)));
    file_head_seal(at, BLOCK_HEADER);
}

/* Both parts from `*offset` on, which moves behind them. */
static enum err write_parts(struct io *io, struct io_file *file, const struct block *block,
                            uint64_t *offset, uint8_t *rows)
{
    size_t body_rows = (size_t)block_frames_of(block->body.size) * BLOCK_FRAME_ROW;
    enum err err = OK;

    if (is_packed(block)) {
        err = block_frames_write(io, file, offset, block->body, rows);
        if (err == OK)
            err = block_frames_write(io, file, offset, block->local, rows + body_rows);
        return err;
    }
    if (block->body.size > 0)
        err = io_write_gently(io, file, *offset, block->body);
    *offset += block->body.size;
    if (err == OK && block->local.size > 0)
        err = io_write_gently(io, file, *offset, block->local);
    *offset += block->local.size;
    return err;
}

/* The whole file, synced. */
static enum err write_file(struct io *io, const char *path, struct block *block)
{
    size_t rows = BLOCK_HEADER + list_size(block);
    size_t size = rows + table_size(block->features, block->body.size, block->local.size);
    struct bytes head = bytes_of(heap_take(size), size);
    struct io_file *file = NULL;
    uint64_t end = size;
    enum err err;

    (void)io_unlink(io, path); /* what a crash may have left */
    err = io_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file);
    if (err == OK)
        err = write_parts(io, file, block, &end, (uint8_t *)head.at + rows);
    if (err == OK) {
        encode(block, head);
        err = block_failed(block) ? ERR_IO : io_write_all(io, file, 0, head);
    }
    if (err == OK)
        err = io_sync(io, file);
    if (file != NULL)
        io_close(io, file);
    heap_give((void *)head.at);
    block->stored = end - size;
    return err;
}

struct cleaning {
    struct io *io;
    const char *dir;
    const struct block *block;
    uint64_t keep;
};

static void clean_entry(void *context, const char *name, bool directory)
{
    const struct cleaning *cleaning = context;
    uint64_t index;

    if (directory || !path_read_block(name, &index))
        return;
    if (index == cleaning->block->index || index == cleaning->keep)
        return;
    /* One that stays costs space until the next is written. */
    (void)io_unlink(cleaning->io, path_block(cleaning->dir, cleaning->block->log_id, index).text);
}

enum err block_write(struct io *io, const char *dir, struct block *block, uint64_t keep)
{
    struct path path = path_block(dir, block->log_id, block->index);
    struct path path_new = path_segment_new(dir, block->log_id, block->index);
    struct path log = path_log(dir, block->log_id);
    struct cleaning cleaning = {.io = io, .dir = dir, .block = block, .keep = keep};
    enum err err;

    if (block->body.size + block->local.size >= BLOCK_PACK_MIN)
        block->features |= BLOCK_PACKED;
    err = write_file(io, path_new.text, block);
    if (err == OK)
        err = io_rename(io, path_new.text, path.text);
    if (err != OK) {
        (void)io_unlink(io, path_new.text);
        return err;
    }
    err = io_sync_dir(io, log.text);
    if (err == OK)
        (void)io_list(io, log.text, clean_entry, &cleaning);
    return err;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What else the header says, until it has been read. */
struct sizes {
    uint64_t body, local;
    uint64_t files_hash, local_hash, table_hash;
    size_t table;
};

static enum err decode_header(const uint8_t at[BLOCK_HEADER], struct block *block,
                              struct sizes *sizes)
{
    uint32_t features;
    enum err err = file_head_check(at, BLOCK_HEADER, magic, FEATURES, &features);

    if (err != OK)
        return err;

    block->features = features;
    block->log_id = le_u64(at + AT_LOG_ID);
    memcpy(block->incarnation, at + AT_INCARNATION, 16);
    block->index = le_u64(at + AT_INDEX);
    block->term = le_u64(at + AT_TERM);
    memcpy(block->hash.at, at + AT_HASH, 16);
    memcpy(block->body_hash.at, at + AT_BODY_HASH, 16);
    block->file_count = le_u32(at + AT_FILE_COUNT);
    *sizes = (struct sizes){
        .body = le_u64(at + AT_BODY_SIZE),
        .local = le_u64(at + AT_LOCAL_SIZE),
        .files_hash = le_u64(at + AT_FILES_HASH),
        .local_hash = le_u64(at + AT_LOCAL_HASH),
        .table_hash = le_u64(at + AT_TABLE_HASH),
    };
    if (block->file_count > BLOCK_FILES_MAX || sizes->body > BLOCK_BODY_MAX ||
        sizes->local > BLOCK_BODY_MAX)
        return ERR_CORRUPT;
    sizes->table = table_size(block->features, sizes->body, sizes->local);
    return OK;
}

static enum err decode_files(struct bytes list, struct block *block, uint64_t files_hash)
{
    if (hash_64(list) != files_hash)
        return ERR_CORRUPT;
    block->files = heap_take(block->file_count * sizeof block->files[0]);
    for (uint32_t i = 0; i < block->file_count; i++) {
        const uint8_t *entry = list.at + (size_t)i * BLOCK_FILE_SIZE;

        block->files[i] = (struct block_file){
            .id = le_u64(entry + FILE_ID),
            .first = le_u64(entry + FILE_FIRST),
            .last = le_u64(entry + FILE_LAST),
            .end = le_u64(entry + FILE_END),
        };
    }
    return OK;
}

static enum err read_files(struct io *io, struct io_file *file, struct block *block,
                           uint64_t files_hash)
{
    size_t size = (size_t)block->file_count * BLOCK_FILE_SIZE;
    uint8_t *at = heap_take(size);
    enum err err = io_read_all(io, file, BLOCK_HEADER, at, size);

    if (err == OK)
        err = decode_files(bytes_of(at, size), block, files_hash);
    heap_give(at);
    return err;
}

/* It may be large. */
static enum err read_part(struct io *io, struct io_file *file, uint64_t offset, size_t size,
                          struct spool **part)
{
    size_t step = size < READ_STEP ? size : READ_STEP;
    uint8_t *at = heap_resize(NULL, step);
    enum err err = OK;

    *part = io_spool(io);
    for (uint64_t end = offset + size; err == OK && offset < end; offset += step) {
        step = end - offset < step ? (size_t)(end - offset) : step;
        err = io_read_all(io, file, offset, at, step);
        if (err == OK)
            spool_add(*part, bytes_of(at, step));
    }
    heap_give(at);
    return err;
}

/* The frames of both parts, by a table that is as it was written. */
static void frames_of(const struct block *block, const struct sizes *sizes, struct bytes table,
                      struct block_frames *body, struct block_frames *local)
{
    size_t rows = (size_t)block_frames_of(sizes->body) * BLOCK_FRAME_ROW;

    *body = (struct block_frames){.size = sizes->body,
                                  .offset = BLOCK_HEADER + list_size(block) + table.size,
                                  .rows = bytes_take(table, rows)};
    *local = (struct block_frames){.size = sizes->local, .rows = bytes_skip(table, rows)};
}

/* Places them; false: they do not end where the file does. */
static bool frames_fit(struct block_frames *body, struct block_frames *local, uint64_t size)
{
    uint64_t body_stored, local_stored;

    if (!block_frames_stored(body, &body_stored) || !block_frames_stored(local, &local_stored))
        return false;
    local->offset = body->offset + body_stored;
    return local->offset + local_stored == size;
}

static enum err read_table(struct io *io, struct io_file *file, const struct block *block,
                           const struct sizes *sizes, uint8_t *at)
{
    enum err err = io_read_all(io, file, BLOCK_HEADER + list_size(block), at, sizes->table);

    if (err == OK && hash_64(bytes_of(at, sizes->table)) != sizes->table_hash)
        err = ERR_CORRUPT;
    return err;
}

static enum err read_packed(struct io *io, struct io_file *file, struct block *block,
                            const struct sizes *sizes)
{
    uint8_t *table = heap_take(sizes->table);
    struct block_frames body, local;
    enum err err = read_table(io, file, block, sizes, table);

    frames_of(block, sizes, bytes_of(table, sizes->table), &body, &local);
    if (err == OK && !frames_fit(&body, &local, body.offset + block->stored))
        err = ERR_CORRUPT;
    block->parts[0] = io_spool(io);
    block->parts[1] = io_spool(io);
    if (err == OK)
        err = block_frames_read(io, file, &body, block->parts[0]);
    if (err == OK)
        err = block_frames_read(io, file, &local, block->parts[1]);
    heap_give(table);
    return err;
}

static enum err read_plain(struct io *io, struct io_file *file, struct block *block,
                           const struct sizes *sizes)
{
    uint64_t offset = BLOCK_HEADER + list_size(block);
    enum err err;

    if (block->stored != sizes->body + sizes->local)
        return ERR_CORRUPT;
    err = read_part(io, file, offset, sizes->body, &block->parts[0]);
    if (err == OK)
        err = read_part(io, file, offset + sizes->body, sizes->local, &block->parts[1]);
    return err;
}

static enum err read_body(struct io *io, struct io_file *file, struct block *block,
                          const struct sizes *sizes)
{
    struct log_hash hash;
    enum err err =
        is_packed(block) ? read_packed(io, file, block, sizes) : read_plain(io, file, block, sizes);

    if (err != OK)
        return err;
    block->body = spool_bytes(block->parts[0]);
    block->local = spool_bytes(block->parts[1]);
    block->failed[0] = spool_failed(block->parts[0]);
    block->failed[1] = spool_failed(block->parts[1]);
    hash = hash_128(block->body);
    if (block_failed(block))
        return ERR_IO;
    if (!hash_equal(&hash, &block->body_hash) || hash_64(block->local) != sizes->local_hash)
        return ERR_CORRUPT;
    return OK;
}

/* The file has what its header says, before memory is asked for. */
static enum err read_open(struct io *io, struct io_file *file, struct block *block)
{
    uint8_t at[BLOCK_HEADER];
    struct sizes sizes;
    uint64_t size, head;
    enum err err = io_read_all(io, file, 0, at, sizeof at);

    if (err == OK)
        err = decode_header(at, block, &sizes);
    if (err == OK)
        err = io_size(io, file, &size);
    if (err != OK)
        return err;
    head = BLOCK_HEADER + list_size(block) + sizes.table;
    if (size < head)
        return ERR_CORRUPT;
    block->stored = size - head;
    err = read_files(io, file, block, sizes.files_hash);
    if (err == OK)
        err = read_body(io, file, block, &sizes);
    return err;
}

enum err block_read(struct io *io, const char *dir, uint64_t log_id, uint64_t index,
                    struct block *block)
{
    struct io_file *file;
    enum err err = io_open(io, path_block(dir, log_id, index).text, IO_READ, &file);

    *block = (struct block){};
    if (err != OK)
        return err;
    err = read_open(io, file, block);
    io_close(io, file);
    if (err == OK && (block->log_id != log_id || block->index != index))
        err = ERR_CORRUPT;
    if (err != OK)
        block_free(block);
    return err;
}

static bool plain_sound(const struct block *block, const struct sizes *sizes, struct bytes parts)
{
    struct bytes body = bytes_take(parts, (size_t)sizes->body);
    struct log_hash hash = hash_128(body);

    return hash_equal(&hash, &block->body_hash) &&
           hash_64(bytes_skip(parts, body.size)) == sizes->local_hash;
}

/* What stands there is what was written. */
static bool packed_sound(const struct block *block, const struct sizes *sizes, struct bytes table,
                         struct bytes frames)
{
    struct block_frames body, local;

    if (hash_64(table) != sizes->table_hash)
        return false;
    frames_of(block, sizes, table, &body, &local);
    return frames_fit(&body, &local, body.offset + frames.size) &&
           block_frames_sound(&body, frames) &&
           block_frames_sound(&local, bytes_skip(frames, (size_t)(local.offset - body.offset)));
}

enum err block_parse(struct bytes file, struct block *block)
{
    struct sizes sizes;
    struct bytes list, table;
    enum err err;
    bool sound;

    *block = (struct block){};
    if (file.size < BLOCK_HEADER)
        return ERR_CORRUPT;
    err = decode_header(file.at, block, &sizes);
    if (err != OK)
        return err;
    file = bytes_skip(file, BLOCK_HEADER);
    if (file.size < list_size(block) + sizes.table)
        return ERR_CORRUPT;
    list = bytes_take(file, list_size(block));
    table = bytes_take(bytes_skip(file, list.size), sizes.table);
    file = bytes_skip(file, list.size + table.size);
    block->stored = file.size;
    if (is_packed(block))
        sound = packed_sound(block, &sizes, table, file);
    else
        sound = file.size == sizes.body + sizes.local && plain_sound(block, &sizes, file);
    return sound ? decode_files(list, block, sizes.files_hash) : ERR_CORRUPT;
}

/* A piece of the frames; nobody finds it when their table is damaged. */
static enum err read_packed_piece(struct io *io, struct io_file *file, const struct block *block,
                                  const struct sizes *sizes, uint64_t offset, void *at, size_t size)
{
    uint8_t *table = heap_take(sizes->table);
    struct block_frames body, local;
    uint64_t stored;
    enum err err = read_table(io, file, block, sizes, table);

    frames_of(block, sizes, bytes_of(table, sizes->table), &body, &local);
    if (err == OK && !block_frames_stored(&body, &stored))
        err = ERR_CORRUPT;
    if (err == OK)
        err = block_frames_piece(io, file, &body, offset, at, size);
    if (err == ERR_CORRUPT) {
        memset(at, 0, size);
        err = OK;
    }
    heap_give(table);
    return err;
}

static enum err read_piece(struct io *io, struct io_file *file, struct block *block,
                           uint64_t offset, void *at, size_t size, size_t *count,
                           uint64_t *body_size)
{
    struct block wanted = *block;
    uint8_t head[BLOCK_HEADER];
    struct sizes sizes;
    enum err err = io_read_all(io, file, 0, head, sizeof head);

    if (err == OK)
        err = decode_header(head, block, &sizes);
    if (err != OK)
        return err;
    if (block->log_id != wanted.log_id || block->index != wanted.index || offset > sizes.body)
        return ERR_CORRUPT;
    *body_size = sizes.body;
    *count = sizes.body - offset < size ? (size_t)(sizes.body - offset) : size;
    if (*count == 0)
        return OK;
    if (is_packed(block))
        return read_packed_piece(io, file, block, &sizes, offset, at, *count);
    return io_read_all(io, file, BLOCK_HEADER + list_size(block) + offset, at, *count);
}

enum err block_read_piece(struct io *io, const char *dir, struct block *block, uint64_t offset,
                          void *at, size_t size, size_t *count, uint64_t *body_size)
{
    struct io_file *file;
    enum err err = io_open(io, path_block(dir, block->log_id, block->index).text, IO_READ, &file);

    if (err != OK)
        return err;
    err = read_piece(io, file, block, offset, at, size, count, body_size);
    io_close(io, file);
    return err;
}

/* ---- listing -------------------------------------------------------------------------------- */

struct listing {
    uint64_t *at;
    unsigned max;
    unsigned count;
};

/* Keeps the highest ones, falling. */
static void list_entry(void *context, const char *name, bool directory)
{
    struct listing *listing = context;
    uint64_t index;
    unsigned i;

    if (directory || !path_read_block(name, &index))
        return;
    for (i = listing->count; i > 0 && listing->at[i - 1] < index; i--)
        if (i < listing->max)
            listing->at[i] = listing->at[i - 1];
    if (i == listing->max)
        return;
    listing->at[i] = index;
    if (listing->count < listing->max)
        listing->count++;
}

enum err block_list(struct io *io, const char *dir, uint64_t log_id, uint64_t *at, unsigned max,
                    unsigned *count)
{
    struct listing listing = {.at = at, .max = max};
    enum err err = io_list(io, path_log(dir, log_id).text, list_entry, &listing);

    *count = listing.count;
    return err;
}

#include "storage/block.h"

#include "base/heap.h"
#include "base/spool.h"
#include "storage/hash.h"
#include "storage/le.h"
#include "storage/paths.h"

#define VERSION   1u
#define READ_STEP ((size_t)256 << 10)

static const uint8_t magic[8] = {'M', 'R', 'b', 'l', 'o', 'k', '0', '1'};

enum {
    AT_CHECKSUM = 0,
    AT_MAGIC = 8,
    AT_VERSION = 16,
    AT_FEATURES = 20,
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
};

/* In the list. */
enum { FILE_ID = 0, FILE_FIRST = 8, FILE_LAST = 16, FILE_END = 24 };

static uint64_t header_checksum(const uint8_t at[BLOCK_HEADER])
{
    return hash_64(bytes_of(at + AT_MAGIC, BLOCK_HEADER - AT_MAGIC));
}

void block_free(struct block *block)
{
    heap_give(block->files);
    spool_destroy(block->parts[0]);
    spool_destroy(block->parts[1]);
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

/* ---- writing ----------------------------------------------------------------------------------
 */

/* Header and list in one piece of the heap. */
static struct bytes encode(const struct block *block)
{
    size_t files_size = (size_t)block->file_count * BLOCK_FILE_SIZE;
    uint8_t *at = heap_take(BLOCK_HEADER + files_size);
    struct log_hash body_hash = hash_128(block->body);

    for (uint32_t i = 0; i < block->file_count; i++) {
        uint8_t *file = at + BLOCK_HEADER + (size_t)i * BLOCK_FILE_SIZE;

        le_put_u64(file + FILE_ID, block->files[i].id);
        le_put_u64(file + FILE_FIRST, block->files[i].first);
        le_put_u64(file + FILE_LAST, block->files[i].last);
        le_put_u64(file + FILE_END, block->files[i].end);
    }
    memcpy(at + AT_MAGIC, magic, sizeof magic);
    le_put_u32(at + AT_VERSION, VERSION);
    le_put_u32(at + AT_FEATURES, 0);
    le_put_u64(at + AT_LOG_ID, block->log_id);
    memcpy(at + AT_INCARNATION, block->incarnation, 16);
    le_put_u64(at + AT_INDEX, block->index);
    le_put_u64(at + AT_TERM, block->term);
    memcpy(at + AT_HASH, block->hash.at, 16);
    le_put_u64(at + AT_BODY_SIZE, block->body.size);
    memcpy(at + AT_BODY_HASH, body_hash.at, 16);
    le_put_u32(at + AT_FILE_COUNT, block->file_count);
    le_put_u32(at + AT_ZERO, 0);
    le_put_u64(at + AT_FILES_HASH, hash_64(bytes_of(at + BLOCK_HEADER, files_size)));
    le_put_u64(at + AT_LOCAL_SIZE, block->local.size);
    le_put_u64(at + AT_LOCAL_HASH, hash_64(block->local));
    le_put_u64(at + AT_CHECKSUM, header_checksum(at));
    return bytes_of(at, BLOCK_HEADER + files_size);
}

/* The whole file, synced. */
static enum err write_file(struct io *io, const char *path, const struct block *block)
{
    struct bytes head = encode(block);
    struct io_file *file = NULL;
    enum err err;

    (void)io_unlink(io, path); /* what a crash may have left */
    err = io_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file);
    if (err == OK)
        err = io_write_all(io, file, 0, head);
    if (err == OK && block->body.size > 0)
        err = io_write_gently(io, file, head.size, block->body);
    if (err == OK && block->local.size > 0)
        err = io_write_gently(io, file, head.size + block->body.size, block->local);
    if (err == OK)
        err = io_sync(io, file);
    if (file != NULL)
        io_close(io, file);
    heap_give((void *)head.at);
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

enum err block_write(struct io *io, const char *dir, const struct block *block, uint64_t keep)
{
    struct path path = path_block(dir, block->log_id, block->index);
    struct path path_new = path_segment_new(dir, block->log_id, block->index);
    struct path log = path_log(dir, block->log_id);
    struct cleaning cleaning = {.io = io, .dir = dir, .block = block, .keep = keep};
    enum err err = write_file(io, path_new.text, block);

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

/* ---- reading ----------------------------------------------------------------------------------
 */

/* What else the header says, until it has been read. */
struct sizes {
    uint64_t body, local;
    uint64_t files_hash, local_hash;
};

static enum err decode_header(const uint8_t at[BLOCK_HEADER], struct block *block,
                              struct sizes *sizes)
{
    if (le_u64(at + AT_CHECKSUM) != header_checksum(at))
        return ERR_CORRUPT;
    if (memcmp(at + AT_MAGIC, magic, sizeof magic) != 0)
        return ERR_CORRUPT;
    if (le_u32(at + AT_VERSION) != VERSION || le_u32(at + AT_FEATURES) != 0)
        return ERR_VERSION;

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
    };
    if (block->file_count > BLOCK_FILES_MAX || sizes->body > BLOCK_BODY_MAX ||
        sizes->local > BLOCK_BODY_MAX)
        return ERR_CORRUPT;
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

static enum err read_body(struct io *io, struct io_file *file, struct block *block,
                          const struct sizes *sizes)
{
    uint64_t offset = BLOCK_HEADER + (uint64_t)block->file_count * BLOCK_FILE_SIZE;
    struct log_hash hash;
    enum err err = read_part(io, file, offset, sizes->body, &block->parts[0]);

    if (err == OK)
        err = read_part(io, file, offset + sizes->body, sizes->local, &block->parts[1]);
    if (err != OK)
        return err;
    block->body = spool_bytes(block->parts[0]);
    block->local = spool_bytes(block->parts[1]);
    hash = hash_128(block->body);
    if (!hash_equal(&hash, &block->body_hash) || hash_64(block->local) != sizes->local_hash)
        return ERR_CORRUPT;
    return OK;
}

/* The file has what its header says, before memory is asked for. */
static enum err read_open(struct io *io, struct io_file *file, struct block *block)
{
    uint8_t at[BLOCK_HEADER];
    struct sizes sizes;
    uint64_t size;
    enum err err = io_read_all(io, file, 0, at, sizeof at);

    if (err == OK)
        err = decode_header(at, block, &sizes);
    if (err == OK)
        err = io_size(io, file, &size);
    if (err == OK && size != BLOCK_HEADER + (uint64_t)block->file_count * BLOCK_FILE_SIZE +
                                 sizes.body + sizes.local)
        err = ERR_CORRUPT;
    if (err == OK)
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

enum err block_parse(struct bytes file, struct block *block)
{
    struct sizes sizes;
    struct log_hash hash;
    size_t list;
    enum err err;

    *block = (struct block){};
    if (file.size < BLOCK_HEADER)
        return ERR_CORRUPT;
    err = decode_header(file.at, block, &sizes);
    if (err != OK)
        return err;
    list = (size_t)block->file_count * BLOCK_FILE_SIZE;
    if (file.size != BLOCK_HEADER + list + sizes.body + sizes.local)
        return ERR_CORRUPT;
    block->body = bytes_of(file.at + BLOCK_HEADER + list, (size_t)sizes.body);
    block->local = bytes_of(file.at + BLOCK_HEADER + list + sizes.body, (size_t)sizes.local);
    hash = hash_128(block->body);
    if (!hash_equal(&hash, &block->body_hash) || hash_64(block->local) != sizes.local_hash)
        return ERR_CORRUPT;
    return decode_files(bytes_of(file.at + BLOCK_HEADER, list), block, sizes.files_hash);
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
    offset += BLOCK_HEADER + (uint64_t)block->file_count * BLOCK_FILE_SIZE;
    return *count > 0 ? io_read_all(io, file, offset, at, *count) : OK;
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

/* ---- listing ----------------------------------------------------------------------------------
 */

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

#include "storage/keep.h"

#include "base/heap.h"
#include "storage/hash.h"
#include "storage/le.h"
#include "storage/paths.h"

#define VERSION 1u

static const uint8_t magic[8] = {'M', 'R', 'k', 'e', 'e', 'p', '0', '1'};

enum {
    AT_CHECKSUM = 0,
    AT_MAGIC = 8,
    AT_VERSION = 16,
    AT_FEATURES = 20,
    AT_LOG_ID = 24,
    AT_INCARNATION = 32,
    AT_FILE_ID = 48,
    AT_SIZE = 56,
};

static uint64_t checksum(const uint8_t at[KEEP_HEADER])
{
    return hash_64(bytes_of(at + AT_MAGIC, KEEP_HEADER - AT_MAGIC));
}

static void encode(const struct keep *keep, uint64_t size, uint8_t at[KEEP_HEADER])
{
    memset(at, 0, KEEP_HEADER);
    memcpy(at + AT_MAGIC, magic, sizeof magic);
    le_put_u32(at + AT_VERSION, VERSION);
    le_put_u64(at + AT_LOG_ID, keep->log_id);
    memcpy(at + AT_INCARNATION, keep->incarnation, 16);
    le_put_u64(at + AT_FILE_ID, keep->file_id);
    le_put_u64(at + AT_SIZE, size);
    le_put_u64(at + AT_CHECKSUM, checksum(at));
}

static enum err write_all(struct io *io, const struct keep *keep, struct io_file *file)
{
    uint8_t head[KEEP_HEADER];
    enum err err;

    encode(keep, keep->records.size, head);
    err = io_write_all(io, file, 0, bytes_of(head, sizeof head));
    if (err == OK)
        err = io_write_gently(io, file, sizeof head, keep->records);
    if (err == OK)
        err = io_sync(io, file);
    return err;
}

enum err keep_write(struct io *io, const char *dir, const struct keep *keep, struct io_file **file)
{
    struct path path = path_keep(dir, keep->log_id, keep->file_id);
    struct path path_new = path_segment_new(dir, keep->log_id, keep->file_id);
    enum err err = io_open(io, path_new.text, IO_READ | IO_WRITE | IO_CREATE, file);

    if (err != OK)
        return err;
    err = write_all(io, keep, *file);
    if (err == OK)
        err = io_rename(io, path_new.text, path.text);
    if (err == OK)
        err = io_sync_dir(io, path_log(dir, keep->log_id).text);
    if (err == OK)
        return OK;
    io_close(io, *file);
    (void)io_unlink(io, path_new.text); /* one that stays is of no use */
    (void)io_unlink(io, path.text);
    return err;
}

enum err keep_open(struct io *io, const char *dir, const struct keep *keep, struct io_file **file,
                   uint64_t *size)
{
    uint8_t head[KEEP_HEADER], expected[KEEP_HEADER];
    enum err err = io_open(io, path_keep(dir, keep->log_id, keep->file_id).text, IO_READ, file);

    if (err != OK)
        return err;
    err = io_size(io, *file, size);
    if (err == OK)
        err = io_read_all(io, *file, 0, head, sizeof head);
    if (err == OK) {
        encode(keep, *size - KEEP_HEADER, expected);
        err = memcmp(head, expected, sizeof head) == 0 ? OK : ERR_CORRUPT;
    }
    if (err != OK)
        io_close(io, *file);
    return err;
}

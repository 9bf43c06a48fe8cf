#include "storage/keep.h"

#include "base/heap.h"
#include "storage/file_head.h"
#include "storage/le.h"
#include "storage/paths.h"

static const char magic[FILE_HEAD_MAGIC] = "MRkeep01";

enum {
    AT_LOG_ID = 24,
    AT_INCARNATION = 32,
    AT_FILE_ID = 48,
    AT_SIZE = 56,
};

static void encode(const struct keep *keep, uint64_t size, uint8_t at[KEEP_HEADER])
{
    file_head_begin(at, KEEP_HEADER, magic, 0);
    le_put_u64(at + AT_LOG_ID, keep->log_id);
    memcpy(at + AT_INCARNATION, keep->incarnation, 16);
    le_put_u64(at + AT_FILE_ID, keep->file_id);
    le_put_u64(at + AT_SIZE, size);
    file_head_seal(at, KEEP_HEADER);
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

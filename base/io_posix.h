/*
 * io_posix: the blocking file calls of base/io.h on a real file system, below one root directory.
 * Any backend with real files embeds `struct io_posix` first and puts these into its io_calls. All
 * may be called from any thread, io_posix_lock and io_posix_root_again from one at a time.
 */
#ifndef BASE_IO_POSIX_H
#define BASE_IO_POSIX_H

#include "base/io_backend.h"

#define IO_POSIX_LOCKS_MAX 16u

/* What is stored is nobody's but the server's user's: of all that is made here. What was there
 * keeps its mode. */
#define IO_POSIX_DIRECTORY_MODE 0700
#define IO_POSIX_FILE_MODE      0600

struct io_posix {
    struct io io;
    int root; /* -1: no root was named, every file call fails with ERR_NOT_FOUND */
    char *root_path;
    int locks[IO_POSIX_LOCKS_MAX];
    unsigned locks_count;
    struct scratch *scratch; /* NULL: not yet, or there is none */
    bool scratch_asked;
};

struct io_posix_file {
    struct io_file head;
    int fd;
};

/* Makes the root directory and those above it where they are missing. */
enum err io_posix_init(struct io_posix *posix, const char *root);
void io_posix_deinit(
    struct io_posix *posix); /* releases the locks; files are their owners' to close */

static inline int io_posix_fd(const struct io_file *file)
{
    return ((const struct io_posix_file *)file)->fd;
}

int64_t io_posix_monotonic(void);
void io_posix_clock_refresh(struct io *io);
/* How much of that time may be slept until a timer is due. By the clock of now: the turn before may
 * have been a long one. */
int64_t io_posix_sleep_time(const struct io *io, int64_t wait_ns);
void io_posix_random(struct io *io, void *at, size_t size);

enum err io_posix_open(struct io *io, const char *path, unsigned flags, struct io_file **file);
void io_posix_close(struct io *io, struct io_file *file);
uint64_t io_posix_descriptors_max(struct io *io);
enum err io_posix_size(struct io *io, struct io_file *file, uint64_t *size);
enum err io_posix_find_data(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found);
void io_posix_read_ahead(struct io *io, struct io_file *file, bool on);
enum err io_posix_read_all(struct io *io, struct io_file *file, uint64_t offset, void *at,
                           size_t size);
enum err io_posix_write_all(struct io *io, struct io_file *file, uint64_t offset, struct bytes b);
enum err io_posix_write_back(struct io *io, struct io_file *file, uint64_t offset, uint64_t size);
enum err io_posix_sync(struct io *io, struct io_file *file);
enum err io_posix_allocate(struct io *io, struct io_file *file, uint64_t offset, uint64_t size);
enum err io_posix_truncate(struct io *io, struct io_file *file, uint64_t size);
int64_t io_posix_read_now(struct io *io, struct io_file *file, uint64_t offset, void *at,
                          size_t size);

/* What is left of operations for those who have the system do them: one moves at most so much, and
 * the rest is a short count, which callers expect. */
#define IO_POSIX_TRANSFER_MAX (1u << 30)
/* Of a direct write only whole blocks count, so that the rest can be written as it must be. */
int64_t io_posix_written(const struct io_op *op, int64_t result);
int64_t io_posix_fallocated(struct io *io, const struct io_op *op);

/* Puts a sentence into `reason` (IO_REASON_SIZE bytes), unless it is NULL; errnum 0: none. */
void io_posix_reason(char *reason, const char *text, int errnum);

enum err io_posix_mkdir(struct io *io, const char *path);
enum err io_posix_root_again(struct io *io);
bool io_posix_locked(struct io *io, const char *path);
enum err io_posix_rename(struct io *io, const char *from, const char *to);
enum err io_posix_unlink(struct io *io, const char *path);
enum err io_posix_rmdir(struct io *io, const char *path);
enum err io_posix_sync_dir(struct io *io, const char *path);
void io_posix_sync_all(struct io *io, struct io_syncing *items, size_t count);
enum err io_posix_list(struct io *io, const char *path, io_entry_fn *entry, void *context);
enum err io_posix_lock(struct io *io, const char *path);
enum err io_posix_space(struct io *io, uint64_t *available, uint64_t *total);
struct scratch *io_posix_scratch(struct io *io);
struct spool *io_posix_spool(struct io *io);

/* These, in a backend's io_calls. */
#define IO_POSIX_CALLS                                                                             \
    .clock_refresh = io_posix_clock_refresh, .random = io_posix_random, .open = io_posix_open,     \
    .close = io_posix_close, .size = io_posix_size, .find_data = io_posix_find_data,               \
    .read_ahead = io_posix_read_ahead, .read_all = io_posix_read_all,                              \
    .write_all = io_posix_write_all, .write_back = io_posix_write_back, .sync = io_posix_sync,     \
    .allocate = io_posix_allocate, .truncate = io_posix_truncate,                                  \
    .root_again = io_posix_root_again, .locked = io_posix_locked, .mkdir = io_posix_mkdir,         \
    .rename = io_posix_rename, .unlink = io_posix_unlink, .rmdir = io_posix_rmdir,                 \
    .sync_dir = io_posix_sync_dir, .sync_all = io_posix_sync_all, .list = io_posix_list,           \
    .lock = io_posix_lock, .space = io_posix_space, .descriptors_max = io_posix_descriptors_max,   \
    .scratch = io_posix_scratch, .spool = io_posix_spool, .read_now = io_posix_read_now

#endif

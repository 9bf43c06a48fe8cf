#include "base/io_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/heap.h"

/* ---- opening -------------------------------------------------------------------------------- */

/* Whether transfers aligned to IO_DIRECT_ALIGN suit this file; a file system that does not say is
 * believed when it took O_DIRECT. */
static bool direct_fits(int fd)
{
    struct statx st;

    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) != 0)
        return true;
    if ((st.stx_mask & STATX_DIOALIGN) == 0)
        return true;
    return st.stx_dio_offset_align > 0 && st.stx_dio_offset_align <= IO_DIRECT_ALIGN &&
           st.stx_dio_mem_align <= IO_DIRECT_ALIGN;
}

static int open_retrying(int root, const char *path, int flags)
{
    int fd;

    do
        fd = openat(root, path, flags, IO_POSIX_FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int flags_of(unsigned flags)
{
    int access = O_RDONLY;

    if (flags & IO_WRITE)
        access = flags & IO_READ ? O_RDWR : O_WRONLY;
    return access | O_CLOEXEC | O_NOFOLLOW | (flags & IO_CREATE ? O_CREAT | O_EXCL : 0);
}

/*
 * O_DIRECT is switched on after opening: an open that is refused for it may have created the file.
 * fcntl answers EINVAL where the file system has no direct I/O.
 */
static bool make_direct(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || !direct_fits(fd))
        return false;
    return fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

enum err io_posix_open(struct io *io, const char *path, unsigned flags, struct io_file **file)
{
    struct io_posix *posix = (struct io_posix *)io;
    struct io_posix_file *f;
    struct stat st;
    int fd;

    if (posix->root < 0)
        return ERR_NOT_FOUND;
    fd = open_retrying(posix->root, path, flags_of(flags));
    if (fd < 0)
        return err_of_errno(errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ERR_INVALID;
    }
    f = HEAP_NEW(struct io_posix_file);
    f->fd = fd;
    f->head.direct = (flags & IO_DIRECT) && make_direct(fd);
    *file = &f->head;
    return OK;
}

void io_posix_close(struct io *io, struct io_file *file)
{
    (void)io;
    close(io_posix_fd(file));
    heap_give(file);
}

uint64_t io_posix_descriptors_max(struct io *io)
{
    struct rlimit limit;

    (void)io;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

enum err io_posix_size(struct io *io, struct io_file *file, uint64_t *size)
{
    struct stat st;

    (void)io;
    if (fstat(io_posix_fd(file), &st) != 0)
        return err_of_errno(errno);
    *size = (uint64_t)st.st_size;
    return OK;
}

/* Pages in memory count as data though they may be zeros. */
enum err io_posix_find_data(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found)
{
    off_t at = lseek(io_posix_fd(file), (off_t)offset, SEEK_DATA);
    enum err err;

    if (at >= 0 || errno != ENXIO) { /* else it cannot tell */
        *found = at >= 0 ? (uint64_t)at : offset;
        return OK;
    }
    err = io_posix_size(io, file, found);
    if (err == OK && *found < offset)
        *found = offset;
    return err;
}

void io_posix_read_ahead(struct io *io, struct io_file *file, bool on)
{
    (void)io; /* an advice; what it costs is time */
    (void)posix_fadvise(io_posix_fd(file), 0, 0, on ? POSIX_FADV_NORMAL : POSIX_FADV_RANDOM);
}

/* ---- reading and writing -------------------------------------------------------------------- */

/*
 * The end of a direct file that is not a whole number of sectors cuts a read to an unaligned count:
 * what follows is the end, so the rest is zeros without another call.
 */
enum err io_posix_read_all(struct io *io, struct io_file *file, uint64_t offset, void *at,
                           size_t size)
{
    uint8_t *to = at;

    (void)io;
    while (size > 0) {
        ssize_t count = pread(io_posix_fd(file), to, size, (off_t)offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return err_of_errno(errno);
        to += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
        if (count == 0 || (file->direct && count % 512 != 0))
            break;
    }
    memset(to, 0, size);
    return OK;
}

enum err io_posix_write_all(struct io *io, struct io_file *file, uint64_t offset, struct bytes b)
{
    (void)io;
    while (b.size > 0) {
        ssize_t count = pwrite(io_posix_fd(file), b.at, b.size, (off_t)offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? err_of_errno(errno) : ERR_IO;
        b = bytes_skip(b, (size_t)count);
        offset += (uint64_t)count;
    }
    return OK;
}

int64_t io_posix_read_now(struct io *io, struct io_file *file, uint64_t offset, void *at,
                          size_t size)
{
    struct iovec piece = {at, size};
    ssize_t count;

    (void)io;
    count = preadv2(io_posix_fd(file), &piece, 1, (off_t)offset, RWF_NOWAIT);
    if (count >= 0)
        return count;
    if (errno == EOPNOTSUPP || errno == EINTR)
        return -EAGAIN; /* the file system cannot tell: a read that may wait can */
    return -errno;
}

/* ---- durability and space ------------------------------------------------------------------- */

/* An error counts: the sync that follows would not hear of it again. */
enum err io_posix_write_back(struct io *io, struct io_file *file, uint64_t offset, uint64_t size)
{
    unsigned flags =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

    (void)io;
    if (sync_file_range(io_posix_fd(file), (off_t)offset, (off_t)size, flags) == 0)
        return OK;
    return errno == EINVAL || errno == ENOSYS || errno == ESPIPE ? OK : err_of_errno(errno);
}

enum err io_posix_sync(struct io *io, struct io_file *file)
{
    (void)io;
    return fdatasync(io_posix_fd(file)) == 0 ? OK : err_of_errno(errno);
}

/* Where a file system cannot reserve, the file is only extended; a write may then run out of space.
 */
static int extend(int fd, uint64_t size)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    return (uint64_t)st.st_size >= size ? 0 : ftruncate(fd, (off_t)size);
}

enum err io_posix_allocate(struct io *io, struct io_file *file, uint64_t offset, uint64_t size)
{
    int fd = io_posix_fd(file);
    int result;

    (void)io;
    do
        result = fallocate(fd, 0, (off_t)offset, (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EOPNOTSUPP)
        result = extend(fd, offset + size);
    return result == 0 ? OK : err_of_errno(errno);
}

enum err io_posix_truncate(struct io *io, struct io_file *file, uint64_t size)
{
    (void)io;
    return ftruncate(io_posix_fd(file), (off_t)size) == 0 ? OK : err_of_errno(errno);
}

/* ---- operations ----------------------------------------------------------------------------- */

int64_t io_posix_written(const struct io_op *op, int64_t result)
{
    if (!op->file->direct || result <= 0)
        return result;
    result -= result % IO_DIRECT_ALIGN;
    return result > 0 ? result : -EIO;
}

int64_t io_posix_fallocated(struct io *io, const struct io_op *op)
{
    enum err err = io_posix_allocate(io, op->file, op->offset, op->size);

    return err == OK ? 0 : err == ERR_NO_SPACE ? -ENOSPC : -EIO;
}

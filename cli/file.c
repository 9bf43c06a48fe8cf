#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The disk begins with so much at once while the rest still comes. */
#define HAND_OVER ((off_t)8 * 1024 * 1024)
/* Room is asked for in such steps, once a file has grown so far: the file system then finds a place
 * for many pages at once, which is a third of what writing costs. */
#define RESERVE ((off_t)64 * 1024 * 1024)

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_all(int fd, uint8_t *at, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = read(fd, at + *got, size - *got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return true;
}

int file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat = {0};

    if (fd < 0 || (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)))
        return fd;
    (void)close(fd);
    errno = S_ISDIR(stat.st_mode) ? EISDIR : FILE_IRREGULAR;
    return -1;
}

const char *file_why(int error)
{
    return error == FILE_IRREGULAR ? "it is no regular file" : strerror(error);
}

static bool read_and_close(int fd, size_t max, struct arena *arena, struct bytes *content)
{
    struct stat stat;
    uint8_t *at;
    size_t got;
    bool done;

    if (fd < 0)
        return false;
    if (fstat(fd, &stat) != 0 || S_ISDIR(stat.st_mode) || (size_t)stat.st_size > max) {
        (void)close(fd);
        errno = S_ISDIR(stat.st_mode) ? EISDIR : EFBIG;
        return false;
    }
    at = arena_take(arena,
                    max < (size_t)stat.st_size + 4096 ? max + 1 : (size_t)stat.st_size + 4097);
    assert(at != NULL);
    done = read_all(fd, at, (size_t)stat.st_size + 4096 < max ? (size_t)stat.st_size + 4096 : max,
                    &got);
    (void)close(fd);
    *content = bytes_of(at, got);
    return done;
}

bool file_read(const char *path, size_t max, struct arena *arena, struct bytes *content)
{
    return read_and_close(open(path, O_RDONLY | O_CLOEXEC), max, arena, content);
}

bool file_read_regular(const char *path, size_t max, struct arena *arena, struct bytes *content)
{
    return read_and_close(file_open(path), max, arena, content);
}

/* ---- writing --------------------------------------------------------------------------------- */

static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static bool begin_hidden(struct file_out *out, mode_t mode)
{
    size_t folder = folder_size(out->path);

    if (snprintf(out->hidden, sizeof(out->hidden), "%.*s.%s.XXXXXX", (int)folder, out->path,
                 out->path + folder) >= (int)sizeof(out->hidden)) {
        errno = ENAMETOOLONG;
        return false;
    }
    out->fd = mkostemp(out->hidden, O_CLOEXEC);
    return out->fd >= 0 && fchmod(out->fd, mode) == 0;
}

bool file_begin(struct file_out *out, const char *path, mode_t mode)
{
    char folder[4096];
    size_t size = folder_size(path);

    *out = (struct file_out){.fd = -1, .path = path};
    if (size >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(folder, sizeof(folder), "%.*s", size > 0 ? (int)size : 1, size > 0 ? path : ".");
    out->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (out->fd >= 0)
        return true;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
        return false;
    return begin_hidden(out, mode);
}

/* Where it cannot be had, writing does without: it may be that what comes still fits. */
static void reserve(struct file_out *out)
{
    if (fallocate(out->fd, FALLOC_FL_KEEP_SIZE, out->reserved, RESERVE) == 0)
        out->reserved += RESERVE;
    else
        out->reserved = FILE_UNRESERVED;
}

bool file_write(struct file_out *out, struct bytes b)
{
    if (out->written >= HAND_OVER && out->written + (off_t)b.size > out->reserved)
        reserve(out);
    while (b.size > 0) {
        ssize_t n = write(out->fd, b.at, b.size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        b = bytes_skip(b, (size_t)n);
        out->written += n;
    }
    if (out->written - out->handed >= HAND_OVER) {
        (void)sync_file_range(out->fd, out->handed, out->written - out->handed,
                              SYNC_FILE_RANGE_WRITE); /* only a hint: file_sync waits for all */
        out->handed = out->written;
    }
    return true;
}

/* Gives the nameless file a hidden name, from which it is renamed: linking cannot replace. */
static bool name_it(struct file_out *out)
{
    size_t folder = folder_size(out->path);
    char self[64];

    if (out->hidden[0] != 0)
        return true;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
    if (linkat(AT_FDCWD, self, AT_FDCWD, out->path, AT_SYMLINK_FOLLOW) == 0)
        return true; /* nothing was there */
    if (errno != EEXIST)
        return false;
    if (snprintf(out->hidden, sizeof(out->hidden), "%.*s.%s.%ld", (int)folder, out->path,
                 out->path + folder, (long)getpid()) >= (int)sizeof(out->hidden)) {
        out->hidden[0] = 0;
        errno = ENAMETOOLONG;
        return false;
    }
    (void)unlink(out->hidden);
    if (linkat(AT_FDCWD, self, AT_FDCWD, out->hidden, AT_SYMLINK_FOLLOW) == 0)
        return true;
    out->hidden[0] = 0;
    return false;
}

bool file_sync(struct file_out *out)
{
    return fsync(out->fd) == 0;
}

/* What was reserved and not needed goes. */
static bool trim(const struct file_out *out)
{
    return out->reserved <= out->written || out->reserved == FILE_UNRESERVED ||
           ftruncate(out->fd, out->written) == 0;
}

bool file_finish(struct file_out *out)
{
    bool done = trim(out) && file_sync(out) && name_it(out) &&
                (out->hidden[0] == 0 || rename(out->hidden, out->path) == 0);
    int why = errno;

    if (done)
        out->hidden[0] = 0;
    file_drop(out);
    errno = why;
    return done;
}

void file_drop(struct file_out *out)
{
    if (out->fd >= 0)
        (void)close(out->fd);
    if (out->hidden[0] != 0)
        (void)unlink(out->hidden);
    *out = (struct file_out){.fd = -1};
}

bool file_replace(const char *path, struct bytes content, mode_t mode)
{
    struct file_out out;

    if (!file_begin(&out, path, mode))
        return false;
    if (!file_write(&out, content)) {
        int why = errno;

        file_drop(&out);
        errno = why;
        return false;
    }
    return file_finish(&out);
}

/* The calls on the root, on directories and on names. Those on open files are in io_posix_file.c.
 */
#include "base/io_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/scratch.h"
#include "base/spool.h"

static int root_of(struct io *io)
{
    return ((struct io_posix *)io)->root;
}

/* The outcome of a system call that returns 0, or -1 with errno. */
static enum err err_of_call(int result)
{
    return result == 0 ? OK : err_of_errno(errno);
}

/* ---- the root ------------------------------------------------------------------------------- */

static enum err make_directories(const char *root)
{
    char *path = heap_text(bytes_of_text(root));
    enum err err = OK;

    for (char *at = path + 1; err == OK && *path != 0; at++) {
        bool last = *at == 0;

        if (*at != '/' && !last)
            continue;
        *at = 0;
        if (mkdir(path, IO_POSIX_DIRECTORY_MODE) != 0 && errno != EEXIST)
            err = err_of_errno(errno);
        if (last)
            break;
        *at = '/';
    }
    heap_give(path);
    return err;
}

void io_posix_reason(char *reason, const char *text, int errnum)
{
    if (reason == NULL)
        return;
    if (errnum == 0)
        snprintf(reason, IO_REASON_SIZE, "%s", text);
    else
        snprintf(reason, IO_REASON_SIZE, "%s: %s", text, strerrordesc_np(errnum));
}

enum err io_posix_init(struct io_posix *posix, const char *root)
{
    enum err err;

    posix->root = -1;
    posix->root_path = NULL;
    posix->locks_count = 0;
    posix->scratch = NULL;
    posix->scratch_asked = false;
    if (root == NULL)
        return OK;

    err = make_directories(root);
    if (err != OK)
        return err;
    posix->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (posix->root < 0)
        return err_of_errno(errno);
    posix->root_path = heap_text(bytes_of_text(root));
    return OK;
}

/* Workers use the root meanwhile: its number stays, and means the other directory from one moment
 * to the next. */
enum err io_posix_root_again(struct io *io)
{
    struct io_posix *posix = (struct io_posix *)io;
    struct stat st;
    enum err err;
    int fd;

    if (posix->root < 0)
        return ERR_NOT_FOUND;
    if (fstat(posix->root, &st) != 0)
        return err_of_errno(errno);
    if (st.st_nlink > 0)
        return OK;
    err = make_directories(posix->root_path);
    if (err != OK)
        return err;
    fd = open(posix->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno(errno);
    if (dup3(fd, posix->root, O_CLOEXEC) < 0)
        err = err_of_errno(errno);
    close(fd);
    return err;
}

void io_posix_deinit(struct io_posix *posix)
{
    for (unsigned i = 0; i < posix->locks_count; i++)
        close(posix->locks[i]);
    scratch_destroy(posix->scratch);
    if (posix->root >= 0)
        close(posix->root);
    heap_give(posix->root_path);
}

/* ---- clocks and randomness ------------------------------------------------------------------ */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t io_posix_monotonic(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void io_posix_clock_refresh(struct io *io)
{
    io->now_ns = io_posix_monotonic();
    io->wall_ns = clock_ns(CLOCK_REALTIME);
}

int64_t io_posix_sleep_time(const struct io *io, int64_t wait_ns)
{
    int64_t next = timers_next(&io->timers);
    int64_t now;

    if (wait_ns == 0 || next == TIMERS_NEVER)
        return wait_ns;
    now = io_posix_monotonic();
    if (next <= now)
        return 0;
    return next - now < wait_ns ? next - now : wait_ns;
}

void io_posix_random(struct io *io, void *at, size_t size)
{
    uint8_t *to = at;

    (void)io;
    while (size > 0) {
        ssize_t count = getrandom(to, size, 0);

        if (count < 0) {
            assert(errno == EINTR); /* the pool is ready long before a server starts */
            continue;
        }
        to += count;
        size -= (size_t)count;
    }
}

/* ---- names ---------------------------------------------------------------------------------- */

enum err io_posix_mkdir(struct io *io, const char *path)
{
    if (root_of(io) < 0)
        return ERR_NOT_FOUND;
    if (mkdirat(root_of(io), path, IO_POSIX_DIRECTORY_MODE) != 0 && errno != EEXIST)
        return err_of_errno(errno);
    return OK;
}

enum err io_posix_rename(struct io *io, const char *from, const char *to)
{
    if (root_of(io) < 0)
        return ERR_NOT_FOUND;
    return err_of_call(renameat(root_of(io), from, root_of(io), to));
}

enum err io_posix_unlink(struct io *io, const char *path)
{
    if (root_of(io) < 0)
        return ERR_NOT_FOUND;
    return err_of_call(unlinkat(root_of(io), path, 0));
}

enum err io_posix_rmdir(struct io *io, const char *path)
{
    if (root_of(io) < 0)
        return ERR_NOT_FOUND;
    if (unlinkat(root_of(io), path, AT_REMOVEDIR) == 0)
        return OK;
    return errno == ENOTEMPTY || errno == EEXIST ? ERR_EXISTS : err_of_errno(errno);
}

static enum err open_directory(struct io *io, const char *path, int *fd)
{
    if (root_of(io) < 0)
        return ERR_NOT_FOUND;
    *fd = openat(root_of(io), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 ? OK : err_of_errno(errno);
}

enum err io_posix_sync_dir(struct io *io, const char *path)
{
    enum err err;
    int fd;

    err = open_directory(io, path, &fd);
    if (err != OK)
        return err;
    err = err_of_call(fsync(fd));
    close(fd);
    return err;
}

/* ---- listing -------------------------------------------------------------------------------- */

struct entry {
    char *name;
    bool directory;
};

struct entries {
    struct entry *at;
    size_t count;
    size_t capacity;
};

static bool entry_is_directory(int fd, const struct dirent *d)
{
    struct stat st;

    if (d->d_type != DT_UNKNOWN)
        return d->d_type == DT_DIR;
    return fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void entries_add(struct entries *entries, const char *name, bool directory)
{
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity == 0 ? 64 : entries->capacity * 2;
        entries->at = heap_resize(entries->at, entries->capacity * sizeof(*entries->at));
    }
    entries->at[entries->count++] = (struct entry){heap_text(bytes_of_text(name)), directory};
}

static enum err entries_read(struct entries *entries, DIR *dir)
{
    struct dirent *d;

    for (;;) {
        errno = 0;
        d = readdir(dir);
        if (d == NULL)
            return errno == 0 ? OK : err_of_errno(errno);
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        entries_add(entries, d->d_name, entry_is_directory(dirfd(dir), d));
    }
}

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

enum err io_posix_list(struct io *io, const char *path, io_entry_fn *entry, void *context)
{
    struct entries entries = {0};
    enum err err;
    DIR *dir;
    int fd;

    err = open_directory(io, path, &fd);
    if (err != OK)
        return err;
    dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    err = entries_read(&entries, dir);
    closedir(dir);

    if (entries.count > 0)
        qsort(entries.at, entries.count, sizeof(*entries.at), entry_compare);
    for (size_t i = 0; i < entries.count; i++) {
        if (err == OK)
            entry(context, entries.at[i].name, entries.at[i].directory);
        heap_give(entries.at[i].name);
    }
    heap_give(entries.at);
    return err;
}

/* ---- the lock and the space ----------------------------------------------------------------- */

/* Who removed a file has removed its lock. */
static void drop_removed_locks(struct io_posix *posix)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < posix->locks_count; i++) {
        struct stat st;

        if (fstat(posix->locks[i], &st) == 0 && st.st_nlink == 0)
            close(posix->locks[i]);
        else
            posix->locks[kept++] = posix->locks[i];
    }
    posix->locks_count = kept;
}

enum err io_posix_lock(struct io *io, const char *path)
{
    struct io_posix *posix = (struct io_posix *)io;
    enum err err;
    int fd;

    drop_removed_locks(posix);
    assert(posix->locks_count < IO_POSIX_LOCKS_MAX);
    if (posix->root < 0)
        return ERR_NOT_FOUND;
    fd = openat(posix->root, path, O_RDWR | O_CREAT | O_CLOEXEC, IO_POSIX_FILE_MODE);
    if (fd < 0)
        return err_of_errno(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK ? ERR_BUSY : err_of_errno(errno);
        close(fd);
        return err;
    }
    posix->locks[posix->locks_count++] = fd;
    return OK;
}

bool io_posix_locked(struct io *io, const char *path)
{
    const struct io_posix *posix = (struct io_posix *)io;
    struct stat asked, held;

    if (posix->root < 0 || fstatat(posix->root, path, &asked, 0) != 0)
        return false;
    for (unsigned i = 0; i < posix->locks_count; i++)
        if (fstat(posix->locks[i], &held) == 0 && held.st_ino == asked.st_ino &&
            held.st_dev == asked.st_dev)
            return true;
    return false;
}

enum err io_posix_space(struct io *io, uint64_t *available, uint64_t *total)
{
    struct statvfs fs;

    if (root_of(io) < 0)
        return ERR_NOT_FOUND;
    if (fstatvfs(root_of(io), &fs) != 0)
        return err_of_errno(errno);
    *available = (uint64_t)fs.f_bavail * fs.f_frsize;
    *total = (uint64_t)fs.f_blocks * fs.f_frsize;
    return OK;
}

struct scratch *io_posix_scratch(struct io *io)
{
    struct io_posix *posix = (struct io_posix *)io;

    if (posix->scratch != NULL && *scratch_failed(posix->scratch)) {
        scratch_destroy(posix->scratch); /* its users have it still */
        posix->scratch = NULL;
        posix->scratch_asked = false;
    }
    if (!posix->scratch_asked && posix->root >= 0)
        posix->scratch = scratch_create(posix->root);
    posix->scratch_asked = true;
    return posix->scratch;
}

struct spool *io_posix_spool(struct io *io)
{
    return spool_create(((struct io_posix *)io)->root);
}

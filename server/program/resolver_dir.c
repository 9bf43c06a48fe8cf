#include "server/program/resolver_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folders.h"
#include "base/heap.h"
#include "server/auth/jwt.h"
#include "server/auth/nkey.h"

#define SUFFIX    ".jwt"
#define NAME_SIZE 96u /* of a file: a key, the suffix, and what is put around it */
#define MODE      0600

struct resolver_dir {
    int descriptor;
};

/* ---- opening -------------------------------------------------------------------------------- */

static bool failed(char reason[static RESOLVER_REASON_SIZE], const char *what)
{
    snprintf(reason, RESOLVER_REASON_SIZE, "%s: %s", what, strerror(errno));
    return false;
}

/* Is it a file that a write puts beside the one it is to replace? */
static bool is_beside(const char *file)
{
    struct bytes name = bytes_of_text(file);
    uint8_t raw[NKEY_SIZE];

    return name.size == 1 + NKEY_TEXT_SIZE + strlen(SUFFIX ".new") && file[0] == '.' &&
           bytes_equal(bytes_skip(name, 1 + NKEY_TEXT_SIZE), BYTES(SUFFIX ".new")) &&
           nkey_read(bytes_of(name.at + 1, NKEY_TEXT_SIZE), NKEY_ACCOUNT, raw);
}

/* What writes left that a crash has cut short; nobody writes yet. */
static void sweep(const struct resolver_dir *dir)
{
    int descriptor = openat(dir->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    const struct dirent *entry;

    if (entries == NULL) {
        if (descriptor >= 0)
            (void)close(descriptor);
        return; /* dir_list says so */
    }
    while ((entry = readdir(entries)) != NULL)
        if (is_beside(entry->d_name))
            (void)unlinkat(dir->descriptor, entry->d_name, 0);
    (void)closedir(entries);
}

static struct resolver_dir *dir_open(const char *path, char reason[static RESOLVER_REASON_SIZE])
{
    struct resolver_dir *dir;
    int descriptor = -1;

    if (folders_make(path, 0750))
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || faccessat(descriptor, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        failed(reason, "dir needs to point to an accessible directory");
        if (descriptor >= 0)
            (void)close(descriptor);
        return NULL;
    }
    dir = HEAP_NEW(struct resolver_dir);
    dir->descriptor = descriptor;
    sweep(dir);
    return dir;
}

static void dir_close(struct resolver_dir *dir)
{
    (void)close(dir->descriptor);
    heap_give(dir);
}

/* ---- reading -------------------------------------------------------------------------------- */

static struct bytes read_all(int descriptor, size_t size)
{
    uint8_t *at = heap_take(size + 1);
    size_t done = 0;
    ssize_t got = 1;

    while (done < size && (got = read(descriptor, at + done, size - done)) > 0)
        done += (size_t)got;
    return bytes_of(at, got >= 0 ? done : 0);
}

/* Owned by the caller; empty: no plain file that can be read. A link is not followed. */
static struct bytes read_file(const struct resolver_dir *dir, const char *name)
{
    int descriptor =
        openat(dir->descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct bytes content = bytes_of(NULL, 0);
    struct stat stat;

    if (descriptor < 0)
        return content;
    if (fstat(descriptor, &stat) == 0 && S_ISREG(stat.st_mode) &&
        stat.st_size <= (off_t)JWT_SIZE_MAX)
        content = read_all(descriptor, (size_t)stat.st_size);
    (void)close(descriptor);
    return content;
}

/* The key in the name of a file; empty: it is none of ours. */
static struct bytes key_of(const char *file)
{
    struct bytes name = bytes_of_text(file), key = bytes_of(NULL, 0);
    uint8_t raw[NKEY_SIZE];

    if (name.size > NKEY_TEXT_SIZE && bytes_equal(bytes_skip(name, NKEY_TEXT_SIZE), BYTES(SUFFIX)))
        key = bytes_take(name, NKEY_TEXT_SIZE);
    return nkey_read(key, NKEY_ACCOUNT, raw) ? key : bytes_of(NULL, 0);
}

static void read_entry(struct resolver_dir *dir, const char *file, resolver_found_fn *found,
                       void *owner)
{
    struct bytes key = key_of(file), content;

    if (key.size == 0)
        return;
    content = read_file(dir, file);
    if (content.size > 0)
        found(owner, key, bytes_trim(content));
    heap_give((void *)content.at);
}

static bool dir_list(struct resolver_dir *dir, resolver_found_fn *found, void *owner,
                     char reason[static RESOLVER_REASON_SIZE])
{
    int descriptor = openat(dir->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    const struct dirent *entry;

    if (entries == NULL) {
        failed(reason, "cannot be read");
        if (descriptor >= 0)
            (void)close(descriptor);
        return false;
    }
    while ((entry = readdir(entries)) != NULL)
        read_entry(dir, entry->d_name, found, owner);
    (void)closedir(entries);
    return true;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* False: it is no key, and names no file. */
static bool name_of(char out[static NAME_SIZE], const char *before, struct bytes key,
                    const char *behind)
{
    uint8_t raw[NKEY_SIZE];

    if (!nkey_read(key, NKEY_ACCOUNT, raw)) {
        errno = EINVAL;
        return false;
    }
    snprintf(out, NAME_SIZE, "%s%.*s%s", before, BYTES_ARG(key), behind);
    return true;
}

static bool write_all(int descriptor, struct bytes b)
{
    while (b.size > 0) {
        ssize_t done = write(descriptor, b.at, b.size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        b = bytes_skip(b, (size_t)done);
    }
    return fsync(descriptor) == 0;
}

static bool write_beside(const struct resolver_dir *dir, const char *name, struct bytes token)
{
    int descriptor =
        openat(dir->descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
    bool done;

    if (descriptor < 0)
        return false;
    done = write_all(descriptor, token);
    return close(descriptor) == 0 && done;
}

static bool dir_write(struct resolver_dir *dir, struct bytes name, struct bytes token,
                      char reason[static RESOLVER_REASON_SIZE])
{
    char file[NAME_SIZE], beside[NAME_SIZE];

    if (!name_of(file, "", name, SUFFIX) || !name_of(beside, ".", name, SUFFIX ".new"))
        return failed(reason, "not written");
    (void)unlinkat(dir->descriptor, beside, 0); /* of a write that was cut short */
    if (write_beside(dir, beside, token) &&
        renameat(dir->descriptor, beside, dir->descriptor, file) == 0)
        return true;
    failed(reason, "not written");
    (void)unlinkat(dir->descriptor, beside, 0);
    return false;
}

static bool dir_remove(struct resolver_dir *dir, struct bytes name, bool keep,
                       char reason[static RESOLVER_REASON_SIZE])
{
    char file[NAME_SIZE], beside[NAME_SIZE];
    int result;

    if (!name_of(file, "", name, SUFFIX) || !name_of(beside, "", name, SUFFIX ".deleted"))
        return failed(reason, "not removed");
    result = keep ? renameat(dir->descriptor, file, dir->descriptor, beside)
                  : unlinkat(dir->descriptor, file, 0);
    return result == 0 || errno == ENOENT || failed(reason, "not removed");
}

static bool dir_sync(struct resolver_dir *dir, char reason[static RESOLVER_REASON_SIZE])
{
    return fsync(dir->descriptor) == 0 || failed(reason, "not synced");
}

const struct resolver_files program_resolver_files = {dir_open,  dir_close,  dir_list,
                                                      dir_write, dir_remove, dir_sync};

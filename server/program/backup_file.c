#include "server/program/backup_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH 16 /* descriptors of a walk */

static bool make_directories(const char *root, const char *name)
{
    char path[PATH_MAX];

    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (snprintf(path, sizeof path, "%s/%.*s", root, (int)(slash - name), name) >=
            (int)sizeof path) {
            errno = ENAMETOOLONG;
            return false;
        }
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static bool write_all(int fd, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t put = write(fd, bytes.at, bytes.size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        bytes = bytes_skip(bytes, (size_t)put);
    }
    return true;
}

bool backup_file_write(const char *root, const char *name, struct bytes bytes)
{
    char path[PATH_MAX];
    bool good;
    int fd, saved;

    if (!make_directories(root, name))
        return false;
    if (snprintf(path, sizeof path, "%s/%s", root, name) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    good = write_all(fd, bytes) && fsync(fd) == 0;
    saved = errno;
    if (close(fd) != 0 && good)
        return false;
    errno = saved;
    return good;
}

bool backup_file_size(const char *path, uint64_t *size)
{
    struct stat stat;

    if (lstat(path, &stat) != 0)
        return false;
    *size = (uint64_t)stat.st_size;
    errno = EINVAL;
    return S_ISREG(stat.st_mode);
}

bool backup_file_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

bool backup_file_sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash;
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/')
        size--;
    snprintf(parent, sizeof parent, "%.*s", (int)size, path);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return backup_file_sync_directory(".");
    parent[slash == parent ? 1 : slash - parent] = 0;
    return backup_file_sync_directory(parent);
}

static int sync_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat, (void)walk;
    if (type == FTW_DP || type == FTW_D)
        return backup_file_sync_directory(path) ? 0 : -1;
    return type == FTW_F ? 0 : -1;
}

bool backup_file_sync_tree(const char *path)
{
    return nftw(path, sync_one, DEPTH, FTW_PHYS | FTW_DEPTH) == 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat, (void)type, (void)walk;
    return remove(path);
}

bool backup_file_remove_tree(const char *path)
{
    return nftw(path, remove_one, DEPTH, FTW_PHYS | FTW_DEPTH) == 0 || errno == ENOENT;
}

bool backup_file_empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    bool empty = true;

    if (directory == NULL)
        return errno == ENOENT;
    while ((entry = readdir(directory)) != NULL)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(directory);
    return empty;
}

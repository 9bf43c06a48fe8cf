#include "server/program/inspect_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/heap.h"

#define PIECE (1u << 20)

bool inspect_read_file(const char *path, struct buf *out)
{
    /* Not for ever, if it is a pipe that nobody writes to. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got = fd >= 0 ? 1 : -1;

    buf_clear(out);
    while (got > 0) {
        uint8_t *at = buf_reserve(out, PIECE);

        got = at != NULL ? read(fd, at, PIECE) : -1;
        if (got > 0)
            buf_commit(out, (size_t)got);
    }
    if (fd >= 0)
        close(fd);
    return got == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

void inspect_list(const char *path, struct inspect_names *names)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    size_t capacity = 0;

    *names = (struct inspect_names){0};
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names->count == capacity) {
            capacity = capacity == 0 ? 16 : 2 * capacity;
            names->at = heap_resize(names->at, capacity * sizeof *names->at);
        }
        snprintf(names->at[names->count++], sizeof *names->at, "%s", entry->d_name);
    }
    if (directory != NULL)
        closedir(directory);
    if (names->count > 0)
        qsort(names->at, names->count, sizeof *names->at, compare);
}

void inspect_names_free(struct inspect_names *names)
{
    heap_give(names->at);
    *names = (struct inspect_names){0};
}

int inspect_lock(const char *dir)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/lock", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return INSPECT_FREE;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    close(fd);
    return INSPECT_TAKEN;
}

void inspect_unlock(int held)
{
    if (held >= 0)
        close(held);
}

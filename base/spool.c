#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/heap.h"

struct spool {
    int directory; /* -1: everything stays in memory */
    int fd;        /* -1: everything is in memory */
    size_t size;   /* of the file */
    struct buf memory;
    const uint8_t *mapped; /* NULL: not yet */
    guard_failed failed;
};

struct spool *spool_create(int directory)
{
    struct spool *spool = HEAP_NEW(struct spool);

    spool->directory = directory;
    spool->fd = -1;
    buf_init(&spool->memory, SIZE_MAX);
    return spool;
}

struct spool *spool_of(struct buf *buf)
{
    struct spool *spool = spool_create(-1);

    spool->memory = *buf;
    spool->memory.limit = SIZE_MAX;
    buf_init(buf, buf->limit);
    return spool;
}

void spool_destroy(struct spool *spool)
{
    if (spool == NULL)
        return;
    if (spool->mapped != NULL) {
        guard_remove(spool->mapped);
        munmap((void *)spool->mapped, spool->size);
    }
    if (spool->fd >= 0)
        close(spool->fd);
    buf_deinit(&spool->memory);
    heap_give(spool);
}

size_t spool_size(const struct spool *spool)
{
    return spool->fd >= 0 ? spool->size : spool->memory.size;
}

/* ---- the file ------------------------------------------------------------------------------- */

static bool write_whole(int fd, struct bytes b, size_t offset)
{
    while (b.size > 0) {
        ssize_t written = pwrite(fd, b.at, b.size, (off_t)offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        b = bytes_skip(b, (size_t)written);
        offset += (size_t)written;
    }
    return true;
}

/* False: what was written cannot be read. */
static bool read_whole(int fd, uint8_t *at, size_t size)
{
    for (size_t offset = 0; offset < size;) {
        ssize_t count = pread(fd, at + offset, size - offset, (off_t)offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            memset(at + offset, 0, size - offset);
            return false;
        }
        offset += (size_t)count;
    }
    return true;
}

/* From memory to a file; what cannot go stays. */
static void leave_memory(struct spool *spool)
{
    int fd = openat(spool->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 || !write_whole(fd, buf_bytes(&spool->memory), 0)) {
        if (fd >= 0)
            close(fd);
        spool->directory = -1;
        return;
    }
    spool->fd = fd;
    spool->size = spool->memory.size;
    buf_release(&spool->memory);
}

/* There is no space for more. */
static void back_to_memory(struct spool *spool)
{
    uint8_t *at = buf_reserve(&spool->memory, spool->size);

    if (!read_whole(spool->fd, at, spool->size))
        spool->failed = 1;
    buf_commit(&spool->memory, spool->size);
    close(spool->fd);
    spool->fd = spool->directory = -1;
    spool->size = 0;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

void spool_add(struct spool *spool, struct bytes b)
{
    assert(spool->mapped == NULL);
    if (spool->fd < 0 && spool->directory >= 0 && spool->memory.size + b.size > SPOOL_HEAP_MAX)
        leave_memory(spool);
    if (spool->fd >= 0 && write_whole(spool->fd, b, spool->size)) {
        spool->size += b.size;
        return;
    }
    if (spool->fd >= 0)
        back_to_memory(spool);
    (void)buf_add(&spool->memory, b); /* no limit */
}

void spool_set(struct spool *spool, size_t offset, struct bytes b)
{
    assert(spool->mapped == NULL);
    assert(offset <= spool_size(spool) && b.size <= spool_size(spool) - offset);
    if (spool->fd >= 0 && !write_whole(spool->fd, b, offset))
        back_to_memory(spool);
    if (spool->fd < 0 && b.size > 0)
        memcpy(spool->memory.at + offset, b.at, b.size);
}

guard_failed *spool_failed(struct spool *spool)
{
    return &spool->failed;
}

struct bytes spool_bytes(struct spool *spool)
{
    void *at;

    if (spool->fd < 0)
        return buf_bytes(&spool->memory);
    if (spool->mapped == NULL) {
        at = mmap(NULL, spool->size, PROT_READ, MAP_SHARED, spool->fd, 0);
        if (at != MAP_FAILED && !guard_add(at, spool->size, &spool->failed)) {
            munmap(at, spool->size);
            at = MAP_FAILED;
        }
        if (at == MAP_FAILED) {
            back_to_memory(spool);
            return buf_bytes(&spool->memory);
        }
        spool->mapped = at;
    }
    return bytes_of(spool->mapped, spool->size);
}

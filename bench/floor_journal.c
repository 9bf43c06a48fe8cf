#include "bench/floor_journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/floor.h"

static int journal_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0600);

    if (fd < 0 && errno == EINVAL) {
        fprintf(stderr, "floor: O_DIRECT refused, writing through the page cache\n");
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (fd < 0)
        floor_die("%s: %s", path, strerror(errno));
    return fd;
}

void journal_init(struct journal *journal, const char *dir)
{
    char path[4096];

    static_assert(JOURNAL_SIZE % JOURNAL_GATHER == 0, "the file is zeroed in whole gathers");
    *journal = (struct journal){.gathered = aligned_alloc(JOURNAL_BLOCK, JOURNAL_GATHER)};
    if (!journal->gathered)
        floor_die("no memory");
    snprintf(path, sizeof path, "%s/floor.journal", dir);
    journal->fd = journal_open(path);
    memset(journal->gathered, 0, JOURNAL_GATHER);
    for (uint64_t at = 0; at < JOURNAL_SIZE; at += JOURNAL_GATHER) {
        if (pwrite(journal->fd, journal->gathered, JOURNAL_GATHER, (off_t)at) != JOURNAL_GATHER)
            floor_die("%s: %s", path, strerror(errno));
    }
    if (fsync(journal->fd) < 0)
        floor_die("%s: %s", path, strerror(errno));
}

void journal_add(struct journal *journal, struct span bytes)
{
    assert(bytes.size <= JOURNAL_GATHER);
    if (journal->size + bytes.size > JOURNAL_GATHER)
        journal_write(journal);
    memcpy(journal->gathered + journal->size, bytes.at, bytes.size);
    journal->size += bytes.size;
}

void journal_write(struct journal *journal)
{
    size_t padded = (journal->size + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
    struct iovec iov = {.iov_base = journal->gathered, .iov_len = padded};

    if (journal->size == 0)
        return;
    memset(journal->gathered + journal->size, 0, padded - journal->size);
    if (journal->offset + padded > JOURNAL_SIZE)
        journal->offset = 0;
    if (pwritev2(journal->fd, &iov, 1, (off_t)journal->offset, RWF_DSYNC) != (ssize_t)padded)
        floor_die("journal write: %s", strerror(errno));
    journal->offset += padded;
    journal->size = 0;
}

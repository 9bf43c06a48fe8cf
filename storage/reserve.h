/*
 * reserve: what publishes leave of the disk, so that deletes, acks, votes and the catalogue go on
 * when it is full.
 *
 * Two things are kept. `keep` bytes of the file system stay free of what this server's publishes
 * would add: reserve_admits refuses them below that, and takes them again by itself when there is
 * an eighth more. What could do with less space takes no more than is beyond that (reserve_spares).
 * And a file of the data directory, `reserve`, is space that no other program can
 * take: when a log finds the disk full all the same it is made shorter, a step at a time, and that
 * write goes on. While it is not whole nothing is published; it is filled again as soon as the disk
 * has room for it and for `keep`.
 *
 * Rejected: to look only at what is free. Whatever else fills the disk would stop acks and deletes,
 * too, and so the way back.
 */
#ifndef STORAGE_RESERVE_H
#define STORAGE_RESERVE_H

#include "base/io.h"

#define RESERVE_DEFAULT_MAX (256ull << 20) /* by default a twentieth of the disk, and not more */
#define RESERVE_FILE_MAX    (8ull << 20)   /* a quarter of `keep`, and not more */
#define RESERVE_STEP        (1ull << 20)

/* What went away, all in all: until now, until the mark of the look that is next to end, and of
 * that what `available` surely shows. */
struct reserve_count {
    uint64_t total, mark, seen;
};

/* Embed it in its owner; others read `keep`, `available` and `scarce`. */
struct reserve {
    uint64_t keep;      /* 0: nothing is kept */
    uint64_t available; /* of the file system, as it was seen last */
    bool scarce;        /* publishes are refused */

    /* private */
    struct io *io;
    struct io_file *file;        /* NULL: the file system gives none */
    uint64_t whole, size;        /* of the file */
    struct reserve_count taken;  /* by publishes */
    struct reserve_count spared; /* allocated ahead */
    int64_t looked_ns;
    struct io_work work;
    struct timer timer;
    struct {
        uint64_t available, size;
        bool failed;
    } seen; /* the worker's */
    bool busy, giving, wanted, failed;
    void (*changed)(struct reserve *reserve); /* `scarce` is another */
    void (*given)(struct reserve *reserve);   /* there may be space for who found none */
};

/*
 * Makes the file in `dir`, or takes over what is there. `keep` 0: as much as by default. Blocking:
 * start-up. A disk without room for it is scarce from the beginning; nothing here fails.
 */
void reserve_open(struct reserve *reserve, struct io *io, const char *dir, uint64_t keep,
                  void (*changed)(struct reserve *reserve), void (*given)(struct reserve *reserve));
/* A start on a disk that is full: makes room for it before anything is written. Blocking. */
void reserve_ease(struct io *io, const char *dir);
/* Idle. The file stays. */
void reserve_close(struct reserve *reserve);
/* As if the process had died. */
void reserve_forget(struct reserve *reserve);
/* May so much be published? It counts as taken. */
bool reserve_admits(struct reserve *reserve, uint64_t size);
/*
 * Can so much be allocated ahead of its need with what is kept still free? If so it counts as
 * allocated; publishes go into it, so they are not counted by it.
 */
bool reserve_spares(struct reserve *reserve, uint64_t size);
/* A write found the disk full. True: `given` comes, try again then. False: there is nothing left.
 */
bool reserve_give(struct reserve *reserve);
bool reserve_idle(const struct reserve *reserve);

#endif

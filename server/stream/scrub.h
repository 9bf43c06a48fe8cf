/*
 * scrub: reads what a stream's messages are on the disk, a piece at a time, and notes those that
 * are damaged, so that bit rot is found before the last good copy is needed. It goes by the index:
 * only what lives is read, through the door that every read takes. What the kernel has in memory is
 * believed. Its owner keeps the pace.
 */
#ifndef SERVER_STREAM_SCRUB_H
#define SERVER_STREAM_SCRUB_H

#include "server/stream/bring.h"
#include "storage/log.h"

#define SCRUB_PIECE (256u << 10)

struct stream;

struct scrub;

/* Comes at once or later: so many bytes were looked at; `end`: the stream has no more. */
typedef void scrub_done_fn(void *owner, uint64_t bytes, bool end);

struct scrub {
    scrub_done_fn *done;
    void *owner;
    uint64_t sequence; /* the next one, from 1 */
    uint64_t damaged;  /* found, in all streams */

    /* private */
    struct stream *stream; /* that is read; NULL: none, or closed meanwhile */
    struct log_read read;
    log_place place;          /* of what is in memory */
    struct bring_known known; /* of the index, to be in memory */
    uint64_t last; /* the newest message when it was read: later ones may be in it in part */
    uint8_t *memory;
    size_t size, capacity;
    bool reading;
    bool ended; /* it goes when the read has come back */
};

struct scrub *scrub_create(scrub_done_fn *done, void *owner);
/* May be called at any time: with a read under way it goes when that has come back; `done` is not
 * called then. */
void scrub_destroy(struct scrub *scrub);

/* One step; not while one is under way. */
void scrub_step(struct scrub *scrub, struct stream *stream);
/* The stream is closed: a step under way ends when its read does. */
void scrub_leave(struct scrub *scrub);

#endif

/*
 * read_budget: how much of the disk replays get beside live traffic. A replay's read is waited for
 * by nobody in particular; a sync is waited for by a publisher. Both stand in one queue of the
 * disk, so the more is read at a time, the longer syncs take.
 *
 * The window is how many bytes of such reads may be on their way at once. It follows what syncs
 * say: how long they take beside reads is compared with how long they take alone. Half as long
 * again is fine, and the window grows by a little; longer takes a third of it. So does each that
 * takes more than twice as long as the slowest of a hundred alone: on a busy processor most are as
 * fast as ever, and a few wait for a whole tick of the scheduler. A window smaller
 * than one read is a rest behind each, so many times as long as the read took. Reads are small
 * then: a sync that comes right behind one waits for all of it. So a disk that has time to spare is
 * used, and one that has none is left to the publishers, but for a floor: no rest is longer than
 * READ_BUDGET_REST_NS, so in that time and what a read takes READ_BUDGET_PIECE are read.
 *
 * How long a sync takes alone changes with what others do to the disk, so it is measured again and
 * again: when no sync was alone for a while, reads pause for a moment. While nobody has synced for
 * a second there is nothing to give way to, and the window is as wide as it gets.
 *
 * No I/O, no clock: times are given, and never fall.
 *
 * Rejected: the priority of the read (ioprio). Only some block schedulers look at it, and once few
 * reads are on their way it changed nothing. And a fixed rate: a tenth of one disk is ten times
 * another one's.
 */
#ifndef STORAGE_READ_BUDGET_H
#define STORAGE_READ_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READ_BUDGET_PIECE   (32u << 10) /* a read beside traffic, at most */
#define READ_BUDGET_MAX     (2u << 20)
#define READ_BUDGET_MIN     (2u << 10)
#define READ_BUDGET_FIRST   (128u << 10)        /* when traffic begins */
#define READ_BUDGET_REST_NS INT64_C(10000000)   /* the longest */
#define READ_BUDGET_LIVE_NS INT64_C(1000000000) /* so long after a sync there is traffic */

/* Syncs of one kind, which take about as long as each other. */
enum read_budget_sync { SYNC_OF_JOURNAL, SYNC_OF_SEGMENT, SYNC_KINDS };

/* Zero-initialised is empty. Others read `window`. */
struct read_budget {
    size_t window;
    size_t on_way; /* bytes */
    unsigned reads;
    int64_t idle_since_ns; /* if there are no reads */
    int64_t rests_until_ns;
    int64_t synced_ns; /* the newest sync's end */
    int64_t pause_at_ns, pause_until_ns;
    struct read_budget_kind {
        int64_t alone_ns;  /* about, as a mean of the last ones */
        int64_t tail_ns;   /* alone, one in a hundred takes longer, about */
        unsigned alone;    /* measured, up to some */
        int64_t beside_ns; /* the sum of this round's */
        unsigned beside;
    } kinds[SYNC_KINDS];
    unsigned paused_alone; /* syncs that were alone in this pause */
};

/* Is anybody to be given way to? */
bool read_budget_live(const struct read_budget *budget, int64_t now_ns);
/* How much of `size` bytes is to be asked for as one. */
size_t read_budget_piece(const struct read_budget *budget, size_t size, int64_t now_ns);
/* May a read of that size begin? Then it counts as on its way. */
bool read_budget_take(struct read_budget *budget, size_t size, int64_t now_ns);
/* It has ended. */
void read_budget_give(struct read_budget *budget, size_t size, int64_t begun_ns, int64_t now_ns);
/* A sync has ended. */
void read_budget_synced(struct read_budget *budget, enum read_budget_sync kind, int64_t begun_ns,
                        int64_t now_ns);
/* When one that was refused is to be asked about again, at the latest; it may be sooner, when a
 * read or a sync has ended. */
int64_t read_budget_again(const struct read_budget *budget, int64_t now_ns);

#endif

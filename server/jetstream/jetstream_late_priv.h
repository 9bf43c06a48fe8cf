/*
 * jetstream_late_priv: what the two parts of streams that are opened late have of each other: what
 * home knows of them (jetstream_late.c), and their lane's, which opens them, on its shard's thread
 * (jetstream_late_lane.c). Home calls the lane's while its shard stands still.
 */
#ifndef SERVER_JETSTREAM_JETSTREAM_LATE_PRIV_H
#define SERVER_JETSTREAM_JETSTREAM_LATE_PRIV_H

#include "server/jetstream/jetstream_priv.h"
#include "server/stream/door.h"

#define LATE_SLICE 8u /* are opened in a turn, if nobody waits for all */

struct late {
    struct jetstream *jetstream;
    struct late_lane *of;
    struct catalogue_entry *entry; /* NULL: home knows what became of it */
    struct account *account;       /* home's */

    /* the lane's, or home's while that stands still */
    struct door *door; /* NULL: nothing waits any more */
    bool listed;       /* in one of its lane's lists */
    bool asked;
    bool weighed, heavy;
    bool steps;         /* it is being opened over several turns */
    bool over;          /* it is open, or will not be: `stream`, `err` */
    enum err lack;      /* why it could not be opened now; OK: it could */
    enum err lack_told; /* the same as home has been told */
    int64_t lacks_ns;   /* since then; 0: it has not been opened */
    int64_t again_ns;   /* while it is among those that want for something */
    struct late *before, *next;
    struct stream *stream;
    enum err err;
    unsigned told; /* so often it is on its way to home */

    /* home's */
    bool needed;    /* the lane knows that it was asked for */
    bool lacking;   /* counted as one that wants for something */
    uint64_t files; /* that it will have open */
    struct late *known_before, *known_next;
};

/* ---- jetstream_late.c */

/* Home hears what has become of it, if anything: while lanes stand still. */
void late_hear(struct late *late);
/* It is nobody's, and goes when nothing of it is on its way any more. */
void late_give(struct late *late);
/* Its lane has dropped it, as the server ends. */
void late_forgotten(struct late *late);

/* ---- jetstream_late_lane.c */

/* A door listens from now on. */
void late_lane_add(struct late *late);
/* It is among those that are opened next. */
void late_ask(struct late *late);
void late_weigh(struct late *late);
/* At once. False: it takes more than a step's work. */
bool late_open_now(struct late *late);
/* Whatever it takes; blocking. Not one that wants for something, or was opened. */
void late_open_whole(struct late *late);
/* It wants for something, and will not be opened any more: who waits hears that nobody is there. */
void late_drop(struct late *late);
/* It is the disk's turn: the loop is awake when that is over. */
bool late_lane_at_disk(const struct late_lane *of);

#endif

/*
 * told: what the streams of a lane tell home (docs/shards.md), in the order in which they told it.
 * Nothing happens when it is told: home takes the list when no stream has its turn, and does what
 * is to be done then. A stream is named by its number and by which of its openings it was, what
 * belongs to it by number or in copies: meanwhile any of it may have gone.
 */
#ifndef SERVER_STREAM_TOLD_H
#define SERVER_STREAM_TOLD_H

#include <stddef.h>

#include "base/bytes.h"

struct stream;
struct told;

enum told_kind {
    TOLD_LEADS,     /* the replica here, since `term` */
    TOLD_FOLLOWS,   /* it leads no more */
    TOLD_LEADER,    /* its leader is `node`, since `term`; 0: it knows of none */
    TOLD_REMOVED,   /* it is no member of its group any more */
    TOLD_RESTORED,  /* its restore is over; `text` says why it failed, else it is empty */
    TOLD_WAITS,     /* an operation of home is the first that waits, and the stream is quiet */
    TOLD_OPERATION, /* one of home is over: `of` is its struct stream_op, `number` its consumer's */
    TOLD_GLANCE,    /* `of` is a struct stream_glance that may look */
    TOLD_ANSWERED,  /* `of` is a struct stream_question */
    TOLD_FAILED,    /* not of a stream: indexes of the lane, `of`, have failed */
    TOLD_CALL,      /* of a backup, or the end of an errand (server/stream/lane.h): `call` */
};

/* `stream` NULL: it is not open any more, or has been opened anew. */
typedef void told_fn(void *of, struct stream *stream, const struct told *told);

struct told {
    enum told_kind kind;
    uint64_t stream, life;
    uint64_t node, term, number;
    void *of;
    told_fn *call;
    bool quietly;             /* nobody outside hears of it: the server ends */
    struct bytes text, reply; /* the list has copies, which are whose it gives them to */
};

struct told_list {
    struct told *at;
    size_t first, count, capacity; /* those from `first` on */
};

void told_init(struct told_list *list);
/* What was not taken is dropped. */
void told_deinit(struct told_list *list);
void told_add(struct told_list *list, const struct told *told);
/* The first of them; false: there is none. Then it is the caller's to drop. */
bool told_take(struct told_list *list, struct told *told);
void told_drop(struct told *told);

static inline bool told_any(const struct told_list *list)
{
    return list->count > 0;
}

#endif

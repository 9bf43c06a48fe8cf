/*
 * bring: what a stream's index has on the disk alone (storage/index_here.h) comes into memory by a
 * worker, before somebody looks. One worker at a time for all streams of a lane, which brings what
 * one of them asked for; whoever else asks meanwhile asks again when it has ended.
 */
#ifndef SERVER_STREAM_BRING_H
#define SERVER_STREAM_BRING_H

#include "base/io.h"
#include "base/scratch.h"
#include "storage/index_here.h"

struct stream;
struct stream_lane;

/* A lane's. */
struct bring {
    struct io_work work;
    struct stream_lane *lane;
    struct scratch *scratch;
    uint64_t slices[INDEX_AWAY_MAX];
    int results[INDEX_AWAY_MAX];
    unsigned count; /* 0: nobody is at work */
    int64_t complained_ns;
    struct stream *waiting;
};

void bring_init(struct bring *bring, struct stream_lane *lane);

/* To ask the index with. */
void stream_here(const struct stream *stream, struct index_here *here);
/* Of what it has said: HERE, or AWAY: then the stream has another turn when it may be here. */
enum scratch_place stream_bring(struct stream *stream, const struct index_here *here);
/* A view's (server/stream/consumer_view.h). */
int64_t stream_bring_view(void *owner, const struct index_here *here);
void stream_here_view(void *owner, struct index_here *here);

/* What a reader who goes on is known to find. */
struct bring_known {
    uint64_t from, to;
    int64_t asked_ns;
};
enum scratch_place stream_bring_next(struct stream *stream, const struct index_filter *filter,
                                     uint64_t from, struct bring_known *known);

/* It is closed. */
void stream_bring_drop(struct stream *stream);

#endif

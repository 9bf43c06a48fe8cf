/*
 * jetstream_anew: a node that has given up its replica of a stream comes to hold one again.
 *
 * Each log begins with the first members of its group. If this node was one of them, and its new
 * log has nothing else yet, that log says that it votes: alone, if the stream had one replica then,
 * and it would lead beside the leader. So before the log is made there is a vote record that says
 * that it is made anew (RAFT_DAMAGED_ANEW), and it decides nothing until a leader has brought it
 * past all that it may have known.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_priv.h"

struct anew {
    struct store_vote_op op;
    struct stream_lane *lane;
    enum err err;
    struct jetstream *jetstream;
    struct anew *next;
};

static void unlink_anew(struct anew *anew)
{
    struct anew **at = &anew->jetstream->anew;

    while (*at != anew)
        at = &(*at)->next;
    *at = anew->next;
}

/* Home knows. */
static void heard(void *of, struct stream *stream, const struct told *told)
{
    struct anew *anew = of;
    struct jetstream *jetstream = anew->jetstream;
    uint64_t id = anew->op.log_id;
    enum err err = anew->err;
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, id);

    (void)stream;
    (void)told;
    unlink_anew(anew);
    heap_give(anew);
    if (err == OK && entry != NULL && !entry->removed)
        jetstream_begin_log(jetstream, entry);
    else
        jetstream_prepared(jetstream, id, err != OK ? err : ERR_NOT_FOUND);
}

/* On the lane's thread, whose store it is. */
static void recorded(struct store_vote_op *op, enum err err)
{
    struct anew *anew = owner_of(op, struct anew, op);

    anew->err = err;
    stream_lane_end_errand(anew->lane, op->log_id, heard, anew);
}

void jetstream_prepare_anew(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct stream_lane *lane = jetstream_lane(jetstream, entry);
    struct store *store = lane->store;
    struct anew *anew = HEAP_NEW(struct anew);

    jetstream_lane_is_still(jetstream, lane);
    anew->jetstream = jetstream;
    anew->lane = lane;
    anew->op.log_id = entry->assigned.id;
    (void)store_vote_found(store, anew->op.log_id, &anew->op.vote);
    anew->op.vote.damaged = RAFT_DAMAGED_ANEW; /* its votes, if it has any, count on */
    anew->op.done = recorded;
    anew->next = jetstream->anew;
    jetstream->anew = anew;
    store_vote(store, &anew->op);
}

void jetstream_anew_free(struct jetstream *jetstream)
{
    while (jetstream->anew != NULL) {
        struct anew *anew = jetstream->anew;

        jetstream->anew = anew->next;
        heap_give(anew);
    }
}

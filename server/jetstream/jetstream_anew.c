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

static void recorded(struct store_vote_op *op, enum err err)
{
    struct anew *anew = owner_of(op, struct anew, op);
    struct jetstream *jetstream = anew->jetstream;
    uint64_t id = op->log_id;
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, id);

    unlink_anew(anew);
    heap_give(anew);
    if (err == OK && entry != NULL && !entry->removed)
        jetstream_begin_log(jetstream, entry);
    else
        jetstream_prepared(jetstream, id, err != OK ? err : ERR_NOT_FOUND);
}

void jetstream_prepare_anew(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct store *store = jetstream_lane(jetstream, entry)->store;
    struct anew *anew = HEAP_NEW(struct anew);

    anew->jetstream = jetstream;
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

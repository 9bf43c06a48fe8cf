/*
 * jetstream_spread: an operation on the catalogue is answered when the other nodes know of it. Who
 * has made a stream may publish through any node at once; without this some would find nobody
 * there, until the metadata leader's next heartbeat.
 *
 * Nothing rests on it but that: a node that is slow, or was cut off and not missed yet, holds an
 * answer up for no longer than SPREAD_NS.
 */
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster.h"

#define SPREAD_NS INT64_C(250000000)

/* Members that are gone are not waited for; a learner is a node like any other here. */
static bool known_everywhere(struct jetstream *jetstream, uint64_t index)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(jetstream->meta, progress);

    for (uint32_t i = 0; i < count; i++)
        if (!progress[i].offline && progress[i].committed < index)
            return false;
    return true;
}

static void tell(struct jetstream *jetstream, struct catalogue_op *op)
{
    op->done(op, catalogue_find(&jetstream->catalogue, op->id));
}

void jetstream_spread(struct jetstream *jetstream, struct catalogue_op *op)
{
    struct io *io = server_io(jetstream->server);

    op->index = replica_applied(jetstream->meta);
    if (jetstream->cluster == NULL || !jetstream->lead || known_everywhere(jetstream, op->index)) {
        tell(jetstream, op);
        return;
    }
    op->deadline_ns = io_now(io) + SPREAD_NS;
    op->next = jetstream->op_spreading;
    jetstream->op_spreading = op;
    jetstream->spread_new = true;
    timers_arm(io_timers(io), &jetstream->spread_timer, op->deadline_ns);
    jetstream_awake(jetstream);
}

void jetstream_spread_turn(struct jetstream *jetstream)
{
    struct catalogue_op *list;
    int64_t now = io_now(server_io(jetstream->server)), nearest = INT64_MAX;

    if (jetstream->op_spreading == NULL)
        return;
    if (jetstream->spread_new)
        replica_tell_commit(jetstream->meta); /* it may find that it leads no more: all are told */
    jetstream->spread_new = false;
    list = jetstream->op_spreading;
    jetstream->op_spreading = NULL;
    while (list != NULL) {
        struct catalogue_op *op = list;

        list = op->next;
        if (op->deadline_ns <= now || known_everywhere(jetstream, op->index)) {
            tell(jetstream, op);
            continue;
        }
        nearest = op->deadline_ns < nearest ? op->deadline_ns : nearest;
        op->next = jetstream->op_spreading;
        jetstream->op_spreading = op;
    }
    if (nearest != INT64_MAX)
        timers_arm(io_timers(server_io(jetstream->server)), &jetstream->spread_timer, nearest);
}

void jetstream_spread_drop(struct jetstream *jetstream)
{
    struct catalogue_op *list = jetstream->op_spreading;

    jetstream->op_spreading = NULL;
    timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->spread_timer);
    while (list != NULL) {
        struct catalogue_op *op = list;

        list = op->next;
        tell(jetstream, op);
    }
}

void jetstream_spread_fired(struct timer *timer)
{
    jetstream_awake(owner_of(timer, struct jetstream, spread_timer));
}

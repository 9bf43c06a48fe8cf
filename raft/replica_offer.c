/*
 * replica_offer: what a leader does for members that need what is below its floor (docs/raft.md,
 * Catch-up by block). Each question is answered by itself; who asks nothing for a while is offered
 * anew.
 */
#include "base/codec.h"
#include "base/owner.h"
#include "raft/core_members.h"
#include "raft/replica_priv.h"

#define SILENCE_NS INT64_C(2000000000)
#define PIECE_MAX  (1u << 20)
#define PIECE_MIN  256u
#define PIECES     64u /* of what a log grows by between two blocks */

static struct offer *find(struct replica *replica, struct raft_member member)
{
    for (unsigned i = 0; i < OFFERS_MAX; i++) {
        struct offer *offer = &replica->offers[i];

        if (offer->member.node != 0 && members_equal(offer->member, member))
            return offer;
    }
    return NULL;
}

static struct offer *find_free(struct replica *replica)
{
    for (unsigned i = 0; i < OFFERS_MAX; i++) {
        if (replica->offers[i].member.node == 0)
            return &replica->offers[i];
    }
    return NULL;
}

static void send_offer(struct replica *replica, struct raft_member to)
{
    struct raft_message message = {.previous = replica->block.newest,
                                   .previous_term = replica->block.newest_term};

    if (message.previous != 0)
        (void)replica_catch_send(replica, WIRE_OFFER, to, &message, (struct bytes){0});
}

void replica_offer(struct replica *replica, struct raft_member to)
{
    struct offer *offer = find(replica, to);

    if (offer == NULL)
        offer = find_free(replica);
    if (offer == NULL)
        return; /* more than there are members: some have just changed */
    offer->member = to;
    offer->heard_ns = io_now(replica->io);
    send_offer(replica, to);
}

void replica_offers_look(struct replica *replica)
{
    int64_t now = io_now(replica->io);

    for (unsigned i = 0; i < OFFERS_MAX; i++) {
        struct offer *offer = &replica->offers[i];

        if (offer->member.node == 0 || now - offer->heard_ns < SILENCE_NS)
            continue;
        raft_core_snapshot_sent(replica->core, now, offer->member, 0, false);
        offer->member = (struct raft_member){0};
    }
}

void replica_offers_drop(struct replica *replica)
{
    for (unsigned i = 0; i < OFFERS_MAX; i++)
        replica->offers[i].member = (struct raft_member){0};
}

/* ---- the body -------------------------------------------------------------------------------- */

static void send_piece(struct replica *replica, const struct offer *offer)
{
    const struct log_block_read *read = &offer->read;
    struct raft_message message = {
        .previous = read->index, .previous_term = read->term, .last = read->offset};
    struct buf payload;
    uint8_t *at;

    buf_init(&payload, SIZE_MAX);
    at = buf_reserve(&payload, WIRE_BODY_HEAD);
    memcpy(at, log_incarnation(replica->log), 16);
    memcpy(at + 16, read->hash.at, 16);
    memcpy(at + 32, read->body_hash.at, 16);
    (void)encode_u64(at + 48, read->body_size);
    buf_commit(&payload, WIRE_BODY_HEAD);
    (void)buf_add(&payload, read->piece);
    (void)replica_catch_send(replica, WIRE_BODY, offer->reader, &message, buf_bytes(&payload));
    buf_deinit(&payload);
}

static void piece_read(struct log_block_read *read, enum err err)
{
    struct offer *offer = owner_of(read, struct offer, read);
    struct replica *replica = offer->replica;

    offer->busy = false;
    if (!replica->closed && err != OK && err != ERR_NOT_FOUND)
        replica_block_doubted(replica, read->index);
    if (!replica->closed && err == OK)
        send_piece(replica, offer);
    else if (!replica->closed && raft_core_role(replica->core) == RAFT_LEADER)
        send_offer(replica, offer->reader); /* it has gone meanwhile */
    replica_let_go(replica);
}

size_t replica_piece(const struct replica *replica)
{
    uint64_t size = replica->groups->options.block_bytes / PIECES;

    return size < PIECE_MIN ? PIECE_MIN : size > PIECE_MAX ? PIECE_MAX : (size_t)size;
}

static void read_piece(struct replica *replica, struct offer *offer,
                       const struct raft_message *message)
{
    if (offer->busy)
        return; /* it is asked for again */
    offer->busy = true;
    offer->reader = message->from;
    offer->replica = replica;
    offer->read = (struct log_block_read){.index = message->previous,
                                          .offset = message->last,
                                          .size = replica_piece(replica),
                                          .done = piece_read};
    replica_hold(replica);
    log_block_read(replica->log, &offer->read);
}

/* ---- what comes ------------------------------------------------------------------------------ */

/* Whoever leads answers, also one who has not offered anything: the leader before has. */
static struct offer *offer_of(struct replica *replica, struct raft_member member)
{
    struct offer *offer = find(replica, member);

    if (offer == NULL && config_find(raft_core_config(replica->core), member) != NULL)
        offer = find_free(replica);
    return offer;
}

static void asked(struct replica *replica, const struct wire_message *in)
{
    if (replica->applied >= in->message.previous && replica->events.asked != NULL)
        replica->events.asked(replica->owner, in->message.from, in->message.previous, in->payload);
}

void replica_offer_step(struct replica *replica, const struct wire_message *in)
{
    int64_t now = io_now(replica->io);
    struct offer *offer;

    if (replica_fetch_asked(replica, in) || raft_core_role(replica->core) != RAFT_LEADER)
        return;
    offer = offer_of(replica, in->message.from);
    if (offer == NULL)
        return;
    if (offer->member.node != 0)
        offer->heard_ns = now;
    switch (in->catch) {
    case WIRE_HAVE:
        raft_core_snapshot_sent(replica->core, now, in->message.from, in->message.last, true);
        offer->member = (struct raft_member){0};
        break;
    case WIRE_ASK_BODY:
        if (in->message.probe != 0)
            replica_block_doubted(replica, in->message.previous);
        else
            read_piece(replica, offer, &in->message);
        break;
    case WIRE_ASK: asked(replica, in); break;
    default: break;
    }
}

void replica_tell(struct replica *replica, struct raft_member to, uint64_t index,
                  struct bytes answer)
{
    struct raft_message message = {.previous = index, .last = replica->applied};

    (void)replica_catch_send(replica, WIRE_TOLD, to, &message, answer);
}

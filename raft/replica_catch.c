/*
 * replica_catch: the way back of a replica that lacks what its leader's log does not hold any more
 * (docs/raft.md, Catch-up by block). It asks for one thing at a time, again and again; what comes
 * counts only if it is the answer to that.
 */
#include "base/codec.h"
#include "base/owner.h"
#include "raft/replica_priv.h"
#include "storage/hash.h"

static void report(const struct replica *replica, const char *text)
{
    const struct groups_options *options = &replica->groups->options;

    if (options->report != NULL)
        options->report(options->report_context, text);
}

static void arm(struct replica *replica)
{
    timers_arm(io_timers(replica->io), &replica->catch.timer,
               io_now(replica->io) + REPLICA_AGAIN_NS);
}

/* Back to the beginning: what was kept on the disk is found to be dead after the next block. */
static void give_up(struct replica *replica)
{
    struct catch *catch = &replica->catch;

    catch->heals = false;
    if (catch->phase >= CATCH_FILL)
        replica->events.fill_drop(replica->owner);
    timers_cancel(io_timers(replica->io), &catch->timer);
    buf_release(&catch->body);
    buf_release(&catch->local);
    replica_questions_drop(replica);
    catch->phase = CATCH_NOT;
}

/* ---- asking ---------------------------------------------------------------------------------- */

bool replica_catch_send(struct replica *replica, enum wire_catch type, struct raft_member to,
                        struct raft_message *message, struct bytes payload)
{
    const struct transport *transport = replica->groups->options.transport;
    bool data = type == WIRE_BODY || type == WIRE_TOLD;
    struct bytes pieces[2];
    uint8_t head[WIRE_HEAD];

    message->from = groups_self(replica->groups);
    message->to = to;
    message->term = raft_core_term(replica->core);
    wire_write_catch(head, replica->id, type, message, payload);
    pieces[0] = bytes_of(head, WIRE_HEAD);
    pieces[1] = payload;
    return transport->send(transport->owner, to.node, data ? TRANSPORT_DATA : TRANSPORT_CONTROL,
                           pieces, payload.size > 0 ? 2 : 1);
}

/* Is there still something that it is good for? */
static bool catch_wanted(struct replica *replica)
{
    const struct catch *catch = &replica->catch;

    return catch->heals ? replica_heal_takes(replica, catch->index)
                        : raft_core_lacks(replica->core, catch->index, catch->term);
}

static void ask(struct replica *replica)
{
    struct catch *catch = &replica->catch;
    struct raft_member leader = raft_core_leader(replica->core);
    struct raft_message message = {.previous = catch->index, .previous_term = catch->term};

    arm(replica);
    if (catch->phase == CATCH_FILL)
        replica_questions_again(replica);
    if (catch->phase != CATCH_BODY || leader.node == 0)
        return;
    message.last = catch->body.size;
    (void)replica_catch_send(replica, WIRE_ASK_BODY, leader, &message, (struct bytes){0});
}

/* Who reads a piece does not see what is wrong with the whole. */
static void doubt(struct replica *replica)
{
    const struct catch *catch = &replica->catch;
    struct raft_message message = {.previous = catch->index,
                                   .previous_term = catch->term,
                                   .last = catch->body.size,
                                   .probe = 1};

    if (raft_core_leader(replica->core).node != 0)
        (void)replica_catch_send(replica, WIRE_ASK_BODY, raft_core_leader(replica->core), &message,
                                 (struct bytes){0});
}

/* ---- the body -------------------------------------------------------------------------------- */

static void begin(struct replica *replica, uint64_t index, uint64_t term)
{
    struct catch *catch = &replica->catch;

    give_up(replica);
    catch->phase = CATCH_BODY;
    catch->index = index;
    catch->term = term;
    catch->known = false;
    catch->heals =
        !raft_core_lacks(replica->core, index, term) && replica_heal_takes(replica, index);
    ask(replica);
}

/* What the leader does not have any more it answers with an offer. */
void replica_catch_heal(struct replica *replica)
{
    uint64_t index = replica->block.newest;

    if (replica->catch.phase == CATCH_NOT && raft_core_role(replica->core) == RAFT_FOLLOWER &&
        replica_heal_takes(replica, index))
        begin(replica, index, replica->block.newest_term);
}

/* How far this log equals everybody's: as far as it is committed, and if it has the entry (index,
 * term) up to there, committed or not as far as is known here. */
static void have(struct replica *replica, struct raft_member to, uint64_t index, uint64_t term)
{
    uint64_t committed = raft_core_committed(replica->core);
    uint64_t durable = log_durable(replica->log);
    struct raft_message message = {.last = committed < durable ? committed : durable};

    if (index > message.last && index <= durable && raft_core_term_at(replica->core, index) == term)
        message.last = index;
    (void)replica_catch_send(replica, WIRE_HAVE, to, &message, (struct bytes){0});
}

static bool from_leader(const struct replica *replica, const struct raft_message *message)
{
    return raft_core_role(replica->core) == RAFT_FOLLOWER &&
           message->term == raft_core_term(replica->core) &&
           members_equal(message->from, raft_core_leader(replica->core));
}

static void offered(struct replica *replica, const struct raft_message *message)
{
    struct catch *catch = &replica->catch;
    uint64_t index = message->previous, term = message->previous_term;

    if (catch->phase >= CATCH_READY || index == 0 || term == 0 || replica->events.fill == NULL ||
        (!from_leader(replica, message) && !REPLICA_FLAWED(replica, CATCH_OLD_OFFER)))
        return;
    if (!raft_core_lacks(replica->core, index, term) && !replica_heal_takes(replica, index) &&
        !(REPLICA_FLAWED(replica, CATCH_OLD_OFFER) && index < replica->applied)) {
        give_up(replica);
        have(replica, message->from, index, term);
    } else if (catch->phase == CATCH_NOT ||
               (catch->phase == CATCH_BODY && (catch->index != index || catch->term != term))) {
        begin(replica, index, term);
    }
}

/* False: it is not of the body that comes. */
static bool take_head(struct replica *replica, struct decoder *in)
{
    struct catch *catch = &replica->catch;
    struct bytes incarnation = decode_bytes(in, 16), hash = decode_bytes(in, 16);
    struct bytes body_hash = decode_bytes(in, 16);
    uint64_t size = decode_u64(in);

    if (in->failed || memcmp(incarnation.at, log_incarnation(replica->log), 16) != 0)
        return false;
    if (!catch->known) {
        memcpy(catch->hash.at, hash.at, 16);
        memcpy(catch->body_hash.at, body_hash.at, 16);
        catch->body_size = size;
        catch->known = true;
    }
    if (REPLICA_FLAWED(replica, CATCH_ANY_BLOCK))
        return true;
    return size == catch->body_size && memcmp(hash.at, catch->hash.at, 16) == 0 &&
           memcmp(body_hash.at, catch->body_hash.at, 16) == 0;
}

/* All of it is read before anything is taken: afterwards it is too late to refuse. */
static enum err fill(struct replica *replica)
{
    struct catch *catch = &replica->catch;
    struct bytes body = buf_bytes(&catch->body);
    struct replica_block block = {.index = catch->index};
    struct log_hash hash = hash_128(body);

    if (!hash_equal(&hash, &catch->body_hash) && !REPLICA_FLAWED(replica, CATCH_PIECES_ANYHOW) &&
        !REPLICA_FLAWED(replica, CATCH_ANY_BLOCK))
        return ERR_CORRUPT;
    if (!replica_block_machine(&body))
        return ERR_CORRUPT;
    block.body = body;
    catch->phase = CATCH_FILL;
    return replica->events.fill(replica->owner, &block);
}

static bool is_of_block(const struct replica *replica, const struct raft_message *message)
{
    const struct catch *catch = &replica->catch;

    return (message->previous == catch->index && message->previous_term == catch->term) ||
           REPLICA_FLAWED(replica, CATCH_ANY_BLOCK);
}

static void body_came(struct replica *replica, const struct wire_message *in)
{
    struct catch *catch = &replica->catch;
    const struct raft_message *message = &in->message;
    struct decoder piece;

    decoder_init(&piece, in->payload);
    if (catch->phase != CATCH_BODY || !is_of_block(replica, message) ||
        !take_head(replica, &piece) ||
        (message->last != catch->body.size && !REPLICA_FLAWED(replica, CATCH_PIECES_ANYHOW)) ||
        piece.rest.size > catch->body_size - catch->body.size || piece.rest.size == 0)
        return;
    if (!buf_add(&catch->body, piece.rest)) {
        give_up(replica);
        return;
    }
    if (catch->body.size < catch->body_size) {
        ask(replica);
        return;
    }
    if (catch->heals && !replica_heal_begin(replica, buf_bytes(&catch->body))) {
        give_up(replica);
        return;
    }
    if (fill(replica) != OK)
        replica_fill_refused(replica);
}

void replica_fill_refused(struct replica *replica)
{
    report(replica, "a state block of another replica makes no sense here: it is asked for again");
    doubt(replica);
    give_up(replica); /* the leader offers again */
}

/* ---- taking ---------------------------------------------------------------------------------- */

static enum err restore(void *context, const struct log_block *block)
{
    return replica_block_restore(context, block);
}

/* The log is as it was, and the core need not know. */
static void healed(struct replica *replica)
{
    give_up(replica);
    replica->events.taken(replica->owner);
    if (!replica->closed)
        replica_apply_ready(replica);
    replica_drain(replica);
}

/* The state and the log are the block's now; the core hears it last. */
static void restored(struct replica *replica)
{
    struct catch *catch = &replica->catch;
    int64_t now = io_now(replica->io);
    uint64_t applied = replica->applied;
    bool heals = catch->heals;
    enum err err;

    replica->events.forget(replica->owner);
    err = log_take_view(replica->log, &catch->op, restore, replica);
    assert(err == OK); /* the machine has decoded it before */
    if (replica_differs(replica))
        replica_heal_restored(replica, applied);
    if (heals) {
        healed(replica);
        return;
    }
    cache_cut(&replica->cache, 0);
    log_floor_set(replica->log, catch->index);
    log_set_committed(replica->log, catch->index);
    give_up(replica);
    raft_core_stuck(replica->core, now, false);
    raft_core_restored(replica->core, now, catch->index, catch->term, &replica->config);
    replica_look_at_members(replica);
    replica->block.bytes = 0;
    replica->events.taken(replica->owner);
    replica_heal_applied(replica);
    if (!replica->closed && raft_core_leader(replica->core).node != 0)
        have(replica, raft_core_leader(replica->core), 0, 0);
    replica_drain(replica);
}

/* Nothing has been written, and this log may yet be given up for entries that come. */
static void stand_again(struct replica *replica)
{
    raft_core_stuck(replica->core, io_now(replica->io), replica->stuck);
    replica_drain(replica);
}

static void take_done(struct log_take_op *op, enum err err)
{
    struct replica *replica = owner_of(op, struct replica, catch.op);
    struct catch *catch = &replica->catch;

    if (!replica->closed) {
        catch->phase = CATCH_READY;
        if (!op->written && !op->stays)
            stand_again(replica);
        if (op->stays)
            op->written = false; /* or it is written again as a whole */
        if (err == OK)
            restored(replica);
        else
            arm(replica);
    }
    replica_let_go(replica);
}

/* What was written is the state whatever comes: only the log's new file is still to be made. */
static void take(struct replica *replica)
{
    struct catch *catch = &replica->catch;
    struct log_take_op *op = &catch->op;
    uint64_t committed = raft_core_committed(replica->core);
    uint64_t durable = log_durable(replica->log);

    assert(catch->phase == CATCH_READY);
    if (!op->written) {
        if (!catch_wanted(replica) && !REPLICA_FLAWED(replica, CATCH_OLD_OFFER)) {
            give_up(replica); /* entries have come all the same */
            return;
        }
        *op = (struct log_take_op){
            .index = catch->index,
            .term = catch->term,
            .hash = catch->hash,
            .body = buf_bytes(&catch->body),
            .local = buf_bytes(&catch->local),
            .cut = committed < durable ? committed : durable,
            .stays = catch->heals,
            .done = take_done,
        };
    }
    catch->phase = CATCH_TAKE;
    if (!catch->heals) {
        raft_core_stuck(replica->core, io_now(replica->io), true);
        replica_drain(replica);
    }
    if (replica->closed)
        return;
    replica_hold(replica);
    log_take(replica->log, op);
}

void replica_catch_ready(struct replica *replica)
{
    if (replica->catch.phase == CATCH_READY && !replica->block.busy)
        take(replica);
}

void replica_take(struct replica *replica, struct buf *local)
{
    struct catch *catch = &replica->catch;

    assert(catch->phase == CATCH_FILL);
    buf_deinit(&catch->local);
    catch->local = *local;
    buf_init(local, local->limit);
    catch->phase = CATCH_READY;
    catch->op.written = false;
    arm(replica);
    replica_catch_ready(replica);
}

static bool taking(const struct replica *replica)
{
    return replica->catch.phase == CATCH_TAKE ||
           (replica->catch.phase == CATCH_READY && replica->catch.op.written);
}

/* Votes and heartbeats go on. */
bool replica_catch_refuses(const struct replica *replica, const struct raft_message *message)
{
    return taking(replica) && !replica->catch.heals && message->type == RAFT_APPEND &&
           message->entry_count > 0;
}

bool replica_catch_drop(struct replica *replica)
{
    if (taking(replica))
        return false;
    if (replica->catch.phase != CATCH_NOT)
        give_up(replica);
    return true;
}

/* ---- what comes ------------------------------------------------------------------------------ */

static void told(struct replica *replica, const struct wire_message *in)
{
    struct catch *catch = &replica->catch;

    if (replica_fetch_told(replica, in))
        return;
    if (catch->phase != CATCH_FILL || in->message.previous != catch->index ||
        in->message.last < catch->index)
        return;
    replica->events.told(replica->owner, in->payload, in->message.last);
}

void replica_catch_step(struct replica *replica, const struct wire_message *in)
{
    if (replica->repair_from != 0)
        return;
    replica_hold(replica);
    switch (in->catch) {
    case WIRE_OFFER: offered(replica, &in->message); break;
    case WIRE_BODY: body_came(replica, in); break;
    case WIRE_TOLD: told(replica, in); break;
    case WIRE_AUDIT: replica_audit_step(replica, &in->message); break;
    default: replica_offer_step(replica, in); break;
    }
    if (!replica->closed)
        replica_drain(replica);
    replica_let_go(replica);
}

static void fired(struct timer *timer)
{
    struct replica *replica = owner_of(timer, struct replica, catch.timer);
    struct catch *catch = &replica->catch;
    bool written = catch->phase == CATCH_READY && catch->op.written;

    replica_hold(replica);
    if (catch->phase == CATCH_TAKE) {
        /* the disk has it */
    } else if (!written && !catch_wanted(replica)) {
        give_up(replica);
    } else if (catch->phase == CATCH_READY) {
        arm(replica);
        replica_catch_ready(replica);
    } else {
        ask(replica);
    }
    replica_let_go(replica);
}

/* ---- life ------------------------------------------------------------------------------------ */

void replica_catch_init(struct replica *replica)
{
    struct catch *catch = &replica->catch;

    catch->timer.fire = fired;
    buf_init(&catch->body, SIZE_MAX);
    buf_init(&catch->local, SIZE_MAX);
    replica_questions_init(replica);
}

void replica_catch_deinit(struct replica *replica)
{
    buf_deinit(&replica->catch.body);
    buf_deinit(&replica->catch.local);
    replica_questions_drop(replica);
}

void replica_catch_close(struct replica *replica)
{
    struct catch *catch = &replica->catch;

    timers_cancel(io_timers(replica->io), &catch->timer);
    if (catch->phase == CATCH_TAKE && catch->op.skipping)
        replica->busy--; /* of it nothing is heard any more */
}

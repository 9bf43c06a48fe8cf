/*
 * replica_heal: the way back of a replica whose state differs from that of the majority
 * (docs/raft.md, Comparing states). Its log is right, and so are its terms and votes: with those it
 * goes on. It does not lead: what an election gives it goes to another at once. Its state is
 * replaced by a block that the majority has, and what follows in its own log is applied once more.
 */
#include <stdio.h>

#include "base/owner.h"
#include "raft/replica_priv.h"
#include "storage/batch.h"

#define ASK_NS      INT64_C(500000000)
#define REFUSED_NS  INT64_C(5000000000) /* whoever leads then may have another state */
#define HOUR_NS     INT64_C(3600000000000)
#define REPLAY_MOST (1u << 20) /* bytes of contents read and applied in one turn */

static void say(const struct replica *replica, const char *what, uint64_t index)
{
    const struct groups_options *options = &replica->groups->options;
    char text[200];

    snprintf(text, sizeof text, "group %016llx: the state of this replica %s (index %llu)",
             (unsigned long long)replica->id, what, (unsigned long long)index);
    if (options->report != NULL)
        options->report(options->report_context, text);
}

static void look_soon(struct replica *replica, int64_t ns)
{
    timers_arm(io_timers(replica->io), &replica->heal.timer, io_now(replica->io) + ns);
}

/* ---- differing ------------------------------------------------------------------------------- */

bool replica_differs(const struct replica *replica)
{
    return replica->heal.phase != HEAL_NOT;
}

/* A state that is wrong again and again is not healed by another one. */
static bool too_often(const struct replica *replica)
{
    const struct heal *heal = &replica->heal;

    return heal->times == HEALS_MAX && io_now(replica->io) - heal->at_ns[0] < HOUR_NS;
}

void replica_heal_differs(struct replica *replica, uint64_t index)
{
    struct heal *heal = &replica->heal;

    if (heal->phase != HEAL_NOT || replica->closed || REPLICA_FLAWED(replica, DIFFERS_ON))
        return;
    heal->phase = too_often(replica) ? HEAL_OUT : HEAL_WANTED;
    say(replica,
        heal->phase == HEAL_OUT
            ? "differs again and again: it stays out and only votes; peer-remove has it made anew"
            : "differs: it does not lead until it has taken another one's",
        index);
    look_soon(replica, 0);
}

void replica_heal_elected(struct replica *replica)
{
    look_soon(replica, 0);
}

/* Of those that could lead it tells the best to stand. It goes on voting, and stands again when
 * nobody else does: its log may be the newest. */
static void give_way(struct replica *replica)
{
    int64_t now = io_now(replica->io);

    raft_core_stuck(replica->core, now, true);
    replica_drain(replica);
    if (replica->closed)
        return;
    raft_core_stuck(replica->core, now, replica->stuck);
    replica_drain(replica);
}

/* ---- the block ------------------------------------------------------------------------------- */

/* Whether the state of that entry can take the place of this one: it has been applied here, or lies
 * behind an entry that cannot be applied once more, among those that nobody has applied since. */
static bool is_reached(struct replica *replica, uint64_t index)
{
    if (index <= replica->applied)
        return true;
    return replica->heal.lacks && index <= raft_core_committed(replica->core) &&
           index <= log_durable(replica->log);
}

/* Below its newest block a log may have dropped what the block made superfluous. A machine that
 * cannot apply anything twice takes a block only when nothing follows it. */
bool replica_heal_takes(struct replica *replica, uint64_t index)
{
    uint64_t hash;

    return replica->heal.phase == HEAL_WANTED && index > 0 &&
           io_now(replica->io) >= replica->heal.not_before_ns &&
           index >= log_block_newest(replica->log) && is_reached(replica, index) &&
           (!replica->events.once || index == replica->applied) &&
           replica_audit_majority(replica, index, &hash);
}

bool replica_heal_begin(struct replica *replica, struct bytes body)
{
    uint64_t hash;

    if (replica_audit_majority(replica, replica->catch.index, &hash) &&
        hash == replica_audit_body(body))
        return true;
    replica->heal.not_before_ns = io_now(replica->io) + REFUSED_NS;
    return false;
}

static void count(struct replica *replica)
{
    struct heal *heal = &replica->heal;

    if (heal->times == HEALS_MAX)
        memmove(heal->at_ns, heal->at_ns + 1, --heal->times * sizeof heal->at_ns[0]);
    heal->at_ns[heal->times++] = io_now(replica->io);
}

void replica_heal_restored(struct replica *replica, uint64_t applied)
{
    struct heal *heal = &replica->heal;

    count(replica);
    if (applied > heal->until)
        heal->until = applied;
    heal->phase = HEAL_REPLAY;
    heal->lacks = false;
    replica_audit_drop(replica);
}

/* ---- what follows it ------------------------------------------------------------------------- */

static enum err batch_of(struct heal *heal, log_place place, struct log_batch *batch)
{
    struct bytes content = buf_bytes(&heal->content);
    struct batch_content head;
    enum err err = batch_content_peek(content, &head);

    if (err != OK)
        return err;
    *batch = (struct log_batch){
        .index = head.index,
        .term = head.term,
        .time_ns = head.time_ns,
        .record_count = head.record_count,
        .content = content,
        .records = head.records,
        .records_place = place + (uint64_t)(head.records.at - content.at),
        .hash = batch_content_hash(content),
    };
    return OK;
}

static void lacks(struct replica *replica, uint64_t index)
{
    struct heal *heal = &replica->heal;

    heal->phase = HEAL_WANTED; /* a later block does without it; the same one would not */
    heal->lacks = true;
    heal->not_before_ns = io_now(replica->io) + REFUSED_NS;
    say(replica, "lacks an entry that cannot be read", index);
    look_soon(replica, ASK_NS);
}

bool replica_heal_next(struct replica *replica, struct log_batch *batch)
{
    struct heal *heal = &replica->heal;
    uint64_t index = replica->applied + 1;
    log_place place;
    enum err err;

    if (heal->phase != HEAL_REPLAY || heal->warming)
        return false;
    if (heal->replayed >= REPLAY_MOST) {
        look_soon(replica, 0);
        return false;
    }
    buf_clear(&heal->content);
    err = log_batch_read_placed(replica->log, index, &heal->content, &place);
    if (err == OK)
        err = batch_of(heal, place, batch);
    if (err == OK) {
        heal->replayed += batch->content.size;
        return true;
    }
    if (err == ERR_AGAIN) {
        heal->warming = true;
        replica_hold(replica);
        log_batch_warm(replica->log, &heal->warm, index);
        return false;
    }
    lacks(replica, index);
    return false;
}

static void go_on(struct replica *replica)
{
    replica->heal.replayed = 0;
    replica_hold(replica);
    replica_apply_ready(replica);
    if (!replica->closed)
        replica_drain(replica);
    replica_let_go(replica);
}

static void warmed(struct io_op *op, int64_t result)
{
    struct replica *replica = owner_of(op, struct replica, heal.warm);

    replica->heal.warming = false;
    if (!replica->closed && result < 0 && replica->heal.phase == HEAL_REPLAY)
        lacks(replica, replica->applied + 1);
    else if (!replica->closed)
        go_on(replica);
    replica_let_go(replica);
}

void replica_heal_applied(struct replica *replica)
{
    struct heal *heal = &replica->heal;

    if (heal->phase != HEAL_REPLAY || replica->applied < heal->until)
        return;
    heal->phase = HEAL_NOT;
    heal->until = 0;
    say(replica, "is that of the majority again", replica->applied);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void fired(struct timer *timer)
{
    struct replica *replica = owner_of(timer, struct replica, heal.timer);
    struct heal *heal = &replica->heal;

    replica_hold(replica);
    if (heal->phase != HEAL_NOT && raft_core_role(replica->core) == RAFT_LEADER)
        give_way(replica);
    if (!replica->closed && heal->phase == HEAL_REPLAY)
        go_on(replica);
    if (!replica->closed && heal->phase == HEAL_WANTED) {
        replica_catch_heal(replica);
        look_soon(replica, ASK_NS);
    }
    replica_let_go(replica);
}

void replica_heal_init(struct replica *replica)
{
    replica->heal.timer.fire = fired;
    replica->heal.warm.done = warmed;
    buf_init(&replica->heal.content, SIZE_MAX);
}

void replica_heal_close(struct replica *replica)
{
    timers_cancel(io_timers(replica->io), &replica->heal.timer);
}

void replica_heal_deinit(struct replica *replica)
{
    buf_deinit(&replica->heal.content);
}

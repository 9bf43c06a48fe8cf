/*
 * core_out: orders, made from the state when they are taken, each of a kind at most once a call, in
 * this sequence: first what ends, then what the disk has to do, then what is to be sent.
 */
#include <string.h>

#include "raft/core_priv.h"

static const enum raft_order_type sequence[] = {
    RAFT_ORDER_READ_LOST, RAFT_ORDER_FOLLOW,  RAFT_ORDER_VOTE,    RAFT_ORDER_CUT,
    RAFT_ORDER_APPEND,    RAFT_ORDER_COMMIT,  RAFT_ORDER_ELECTED, RAFT_ORDER_LEAD,
    RAFT_ORDER_READ,      RAFT_ORDER_REMOVED, RAFT_ORDER_SLEEP,
};

static void fill(struct raft_core *core, struct raft_order *order)
{
    const struct out *out = &core->out;

    switch (order->type) {
    case RAFT_ORDER_READ_LOST: order->number = out->lost_number; break;
    case RAFT_ORDER_FOLLOW:
        if (core->role == RAFT_FOLLOWER)
            order->member = core->leader;
        break;
    case RAFT_ORDER_VOTE:
        order->member = core->vote;
        order->index = core->damaged;
        order->number = core->vote_number;
        break;
    case RAFT_ORDER_CUT: order->index = out->cut; break;
    case RAFT_ORDER_APPEND:
        order->index = out->append_first;
        order->number = out->append_last;
        break;
    case RAFT_ORDER_COMMIT: order->index = core->committed; break;
    case RAFT_ORDER_LEAD: order->index = core->lead.term_first; break;
    case RAFT_ORDER_READ:
        order->number = out->read_number;
        order->index = out->read_index;
        break;
    default: break;
    }
}

static bool next_plain(struct raft_core *core, struct raft_order *order)
{
    for (size_t i = 0; i < sizeof sequence / sizeof sequence[0]; i++) {
        if ((core->out.pending & (1u << sequence[i])) == 0)
            continue;
        core->out.pending &= ~(1u << sequence[i]);
        order->type = sequence[i];
        fill(core, order);
        return true;
    }
    assert(core->out.pending == 0);
    return false;
}

/* ---- messages ------------------------------------------------------------------------------- */

static struct raft_message *begin(struct raft_core *core, struct raft_order *order,
                                  enum raft_message_type type, struct raft_member to)
{
    struct raft_message *message = &order->message;

    order->type = RAFT_ORDER_SEND;
    message->type = type;
    message->from = core->options.self;
    message->to = to;
    message->term = core->term;
    return message;
}

static bool next_successor(struct raft_core *core, struct raft_order *order)
{
    struct raft_message *message;

    if (core->out.successor.node == 0)
        return false;
    message = begin(core, order, RAFT_TRANSFER, core->out.successor);
    message->term = core->out.successor_term;
    core->out.successor = (struct raft_member){0};
    return true;
}

static bool next_answer(struct raft_core *core, struct raft_order *order)
{
    const struct answer *answer = &core->out.answer;
    struct raft_message *message;

    if (answer->type == 0)
        return false;
    message = begin(core, order, answer->type, answer->to);
    message->term = answer->term;
    message->granted = answer->granted;
    message->previous = answer->previous;
    message->damaged = core->damaged;
    core->out.answer = (struct answer){0};
    return true;
}

/* Nothing is told to a leader before its term is on this disk. */
static bool next_append_answer(struct raft_core *core, struct raft_order *order)
{
    struct out *out = &core->out;
    struct raft_message *message;

    if ((!out->accept && !out->reject) || core->vote_durable < core->vote_number ||
        core->leader.node == 0)
        return false;
    message = begin(core, order, RAFT_APPEND_ANSWER, core->leader);
    message->commit = core->committed;
    message->probe = core->probe;
    message->damaged = core->damaged;
    if (out->reject) {
        message->previous = out->reject_previous;
        message->last = out->hint;
        message->last_term = out->hint_term;
        out->reject = false;
        return true;
    }
    message->granted = true;
    message->previous = core->matched;
    message->last = core->matched < core->durable || FLAWED(core, ACK_BEFORE_DURABLE)
                        ? core->matched
                        : core->durable;
    message->sleep = core->sleepy;
    core_whole_ask(core, message);
    out->accept = false;
    return true;
}

static bool next_ask(struct raft_core *core, struct raft_order *order)
{
    const struct raft_config *config = core_config(core);
    struct raft_message *message;
    uint32_t i = 0;

    if (core->role != RAFT_CANDIDATE || core->asks == 0)
        return false;
    while ((core->asks & (1u << i)) == 0)
        i++;
    assert(i < config->count);
    core->asks &= ~(1u << i);
    message = begin(core, order, core->prevoting ? RAFT_PREVOTE : RAFT_VOTE, config->at[i]);
    message->term = core->term + core->prevoting;
    message->last = core->terms.last;
    message->last_term = terms_last(&core->terms);
    message->transfer = core->transfer;
    return true;
}

/* ---- a leader's messages -------------------------------------------------------------------- */

static struct raft_message *begin_append(struct raft_core *core, struct progress *p,
                                         struct raft_order *order)
{
    struct raft_message *message = begin(core, order, RAFT_APPEND, p->member);

    if ((uint64_t)core->now_ns > core->lead.probe_last)
        core->lead.probe_last = (uint64_t)core->now_ns;
    message->commit = core->committed;
    message->probe = core->lead.probe_last;
    core_whole_tell(core, p, message);
    message->removed = p->departing && core->committed >= configs_newest_index(&core->configs);
    return message;
}

/* Names nothing that may still be under way. */
static void make_beat(struct raft_core *core, struct progress *p, struct raft_order *order)
{
    struct raft_message *message = begin_append(core, p, order);

    if (p->match >= core->terms.floor) {
        message->previous = p->match;
        message->previous_term = terms_at(&core->terms, p->match);
    }
    message->sleep = core->lead.drowsy;
    progress_sent(core, p, 0);
}

static void make_append(struct raft_core *core, struct progress *p, struct raft_order *order)
{
    struct raft_message *message = begin_append(core, p, order);

    message->previous = p->next - 1;
    message->previous_term = terms_at(&core->terms, message->previous);
    message->entry_count = progress_entries(core, p);
    for (uint32_t i = 0; i < message->entry_count; i++)
        message->entries[i] = (struct raft_entry){
            .index = p->next + i,
            .term = terms_at(&core->terms, p->next + i),
        };
    progress_sent(core, p, message->entry_count);
}

static bool next_append(struct raft_core *core, struct raft_order *order)
{
    if (core->role != RAFT_LEADER)
        return false;
    for (uint32_t i = 0; i < core->lead.count; i++) {
        struct progress *p = &core->lead.progress[i];

        if (progress_needs_snapshot(core, p)) {
            p->state = PROGRESS_SNAPSHOT;
            p->snapshot = true;
        }
        if (p->snapshot) {
            p->snapshot = false;
            order->type = RAFT_ORDER_SNAPSHOT;
            order->index = core->terms.floor;
            order->member = p->member;
            return true;
        }
        if (p->beat) {
            make_beat(core, p, order);
            return true;
        }
        if (progress_may_send(core, p)) {
            make_append(core, p, order);
            return true;
        }
    }
    return false;
}

bool raft_core_next(struct raft_core *core, struct raft_order *order)
{
    memset(order, 0, offsetof(struct raft_order, message.entries));
    order->term = core->term;
    return next_plain(core, order) || next_successor(core, order) || next_answer(core, order) ||
           next_append_answer(core, order) || next_ask(core, order) || next_append(core, order);
}

/*
 * core_follower: entries from a leader: compared, cut, appended, answered when they are durable.
 *
 * `matched` is how far this log is known to equal that of the term's leader. Only so far is it
 * committed here, and only so far does an answer say that it is on this disk: what lies behind may
 * be of another history.
 */
#include "raft/core_priv.h"

/* The leader says that its log parted from this one at or before `previous`. */
static void reject(struct raft_core *core, const struct raft_message *message)
{
    uint64_t from = message->previous < core->terms.last ? message->previous : core->terms.last;
    uint64_t found = message->previous > core->terms.last
                         ? core->terms.last
                         : terms_find(&core->terms, from, message->previous_term);

    if (found < core->committed)
        found = core->committed; /* there they agree for sure */
    core->out.reject = true;
    core->out.reject_previous = message->previous;
    core->out.hint = found;
    core->out.hint_term = terms_at(&core->terms, found);
}

static bool matches(const struct raft_core *core, const struct raft_message *message)
{
    if (message->previous <= core->committed)
        return true; /* every leader has what is committed, whatever its term */
    if (message->previous > core->terms.last)
        return false;
    if (FLAWED(core, ACCEPT_MISMATCH))
        return true;
    return message->previous_term != 0 &&
           terms_at(&core->terms, message->previous) == message->previous_term;
}

/* The first of the message's entries that this log does not have; entry_count if it has all. */
static uint32_t first_new(const struct raft_core *core, const struct raft_message *message)
{
    uint32_t i = 0;

    while (i < message->entry_count) {
        const struct raft_entry *entry = &message->entries[i];

        if (entry->index > core->committed && (entry->index > core->terms.last ||
                                               terms_at(&core->terms, entry->index) != entry->term))
            break;
        i++;
    }
    return i;
}

/* Takes entries[from..]; false: the log has something there that cannot be cut. */
static bool take(struct raft_core *core, const struct raft_message *message, uint32_t from,
                 uint64_t *matched)
{
    uint64_t first = message->previous + 1 + from, durable = core->durable;

    if (first <= core->terms.last) {
        if (!configs_may_cut(&core->configs, first - 1))
            return false;
        assert(first > core->committed);
        core_cut(core, first - 1);
        core->out.cut = first - 1;
        core_order(core, RAFT_ORDER_CUT);
    }
    for (uint32_t i = from; i < message->entry_count; i++) {
        const struct raft_entry *entry = &message->entries[i];

        if (entry->config != NULL) {
            if (configs_full(&core->configs))
                break; /* more changes than a disk may lag behind: the rest comes again */
            configs_add(&core->configs, entry->index, entry->config);
            configs_settle(&core->configs, core->committed, core->durable);
        }
        terms_append(&core->terms, entry->index, entry->term);
    }
    if (FLAWED(core, ACK_AFTER_CUT))
        core->durable = durable < core->terms.last ? durable : core->terms.last;
    *matched = core->terms.last;
    if (core->terms.last >= first) {
        core->out.append_first = first;
        core->out.append_last = core->terms.last;
        core_order(core, RAFT_ORDER_APPEND);
    }
    return true;
}

static void agree_to_sleep(struct raft_core *core, const struct raft_message *message)
{
    core->sleepy = message->sleep && core->matched == core->terms.last &&
                   core->committed == core->terms.last && core->durable == core->terms.last &&
                   core->vote_durable == core->vote_number && core->damaged == 0 &&
                   !core_node_down(core, core->leader.node);
    if (core->asleep && !core->sleepy)
        core_wake(core);
    if (core->sleepy && !core->asleep) {
        core->asleep = true;
        core_order(core, RAFT_ORDER_SLEEP);
    }
}

static void heard(struct raft_core *core, const struct raft_message *message)
{
    core->heard_ns = core->now_ns;
    core->heard_node = message->from.node;
    core->heard_commit = message->commit;
    if (message->commit > core->commit_known)
        core->commit_known = message->commit;
    core->called = false;
    if (message->probe > core->probe)
        core->probe = message->probe;
    core_rest(core);
}

/* Only as a flaw: a late message is taken for all that the leader has. */
static void cut_anyway(struct raft_core *core, uint64_t index)
{
    if (index >= core->terms.last || index < core->terms.floor ||
        !configs_may_cut(&core->configs, index))
        return;
    core->out.cut = index;
    core_order(core, RAFT_ORDER_CUT);
    core_cut(core, index);
    if (core->committed > index)
        core->committed = index;
}

static void accept(struct raft_core *core, const struct raft_message *message)
{
    uint64_t matched = message->previous + message->entry_count;
    uint32_t from = first_new(core, message);
    bool new_entries = from < message->entry_count;
    uint64_t commit = message->commit, limit;

    if (FLAWED(core, CUT_WITHOUT_CONFLICT) && !new_entries)
        cut_anyway(core, matched);
    if (new_entries && !take(core, message, from, &matched))
        return;
    if (matched > core->matched)
        core->matched = matched;

    assert(core->matched <= core->terms.last);
    limit = FLAWED(core, COMMIT_UNMATCHED) ? core->terms.last : core->matched;
    core_commit(core, commit < limit ? commit : limit);
    core_damage_check(core);
    agree_to_sleep(core, message);

    /* What was not new is answered at once: it is how a leader knows that it is heard. */
    if (!new_entries || core->durable >= matched || FLAWED(core, ACK_BEFORE_DURABLE))
        core->out.accept = true;
}

void core_step_append(struct raft_core *core, const struct raft_message *message)
{
    bool removed;

    if (message->term < core->term && !FLAWED(core, ACCEPT_OLD_TERM)) {
        /* The sender is deposed and does not know, or this member's term ran ahead of the group's.
         */
        core->out.answer = (struct answer){.type = RAFT_APPEND_ANSWER,
                                           .to = message->from,
                                           .term = core->term,
                                           .previous = message->previous};
        return;
    }
    if (message->term >= core->term) {
        bool other = core->leader.node != 0 && !member_same(core->leader, message->from);

        if (message->term == core->term && (other || core->role == RAFT_LEADER))
            return; /* nobody leads beside another in one term: not a message of this group */
        core_follow(core, message->term, message->from);
    } else if (core->role == RAFT_LEADER) {
        core_follow(core, core->term, message->from);
    }
    heard(core, message);
    core_whole_told(core, message);
    if (core->damaged == RAFT_DAMAGED_ANEW && !core->anew_heard) {
        core->anew_heard = true;
        core->damaged_term = message->term;
    }

    if (matches(core, message)) {
        accept(core, message);
    } else {
        if (core->asleep)
            core_wake(core);
        reject(core, message);
    }

    removed = message->removed && core->matched >= message->commit &&
              config_find(raft_core_config_committed(core), core->options.self) == NULL;
    if (removed && !core->removed)
        core_order(core, RAFT_ORDER_REMOVED);
    if (removed || config_find(core_config(core), core->options.self) != NULL)
        core->removed = removed;
}

void core_follower_durable(struct raft_core *core, uint64_t before)
{
    if (core->role == RAFT_FOLLOWER && core->leader.node != 0 && before < core->matched)
        core->out.accept = true;
}

/*
 * trace_rig: a few cores with models of a disk each and of the messages under way between them, for
 * traces: whatever happens is written down, one line an order. Nothing happens by itself: messages
 * wait to be delivered, clocks stand. Disks are done at once unless held.
 */
#ifndef TESTS_UNIT_RAFT_TRACE_RIG_H
#define TESTS_UNIT_RAFT_TRACE_RIG_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/heap.h"
#include "raft/core.h"

#define RIG_NODES    RAFT_MEMBERS_MAX
#define RIG_LOG      512u
#define RIG_MESSAGES 512u
#define RIG_CONFIGS  64u
#define RIG_MS       INT64_C(1000000)
#define LLU(number)  ((unsigned long long)(number))

struct rig_entry {
    uint64_t term;
    const struct raft_config *config;
};

struct rig_vote {
    uint64_t number, term, damaged;
    struct raft_member vote;
};

struct rig_node {
    struct raft_member self;
    struct raft_core *core; /* NULL: down */
    struct rig_entry log[RIG_LOG];
    uint64_t floor, last, durable, committed;
    const struct raft_config *floor_config;
    struct rig_vote disk, waiting; /* number 0: none */
    uint64_t damaged;              /* until the record says otherwise */
    bool held;
};

struct rig {
    struct rig_node nodes[RIG_NODES + 1]; /* by number */
    struct raft_options options;
    struct raft_config configs[RIG_CONFIGS];
    uint32_t config_count;
    struct raft_message messages[RIG_MESSAGES];
    uint32_t message_count;
    bool cut[RIG_NODES + 1][RIG_NODES + 1];
    int64_t now;
    bool quiet;         /* nothing is written */
    bool hide_messages; /* no messages are */
    struct buf out;
};

/* ---- what is written ------------------------------------------------------------------------ */

[[gnu::format(printf, 2, 3)]] static void rig_put(struct rig *rig, const char *format, ...)
{
    char text[512];
    va_list arguments;
    int size;

    if (rig->quiet)
        return;
    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ck_assert(buf_add(&rig->out, bytes_of(text, (size_t)size)));
}

#define rig_say(rig, ...) (rig_put((rig), __VA_ARGS__), rig_put((rig), "\n"))

static void rig_put_config(struct rig *rig, const struct raft_config *config)
{
    rig_put(rig, "{");
    for (uint32_t i = 0; i < config->count; i++) {
        rig_put(rig, "%s%llu", i == 0 ? "" : " ", LLU(config->at[i].node));
        if (config->at[i].incarnation > 1)
            rig_put(rig, ".%llu", LLU(config->at[i].incarnation));
        rig_put(rig, "%s", config->at[i].learner ? " learns" : "");
    }
    rig_put(rig, "}");
}

static void rig_put_entries(struct rig *rig, const struct raft_message *message)
{
    for (uint32_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry *entry = &message->entries[i];

        rig_put(rig, "%s%llu", i == 0 ? ": " : " ", LLU(entry->index));
        if (entry->term != message->term)
            rig_put(rig, "/%llu", LLU(entry->term));
        if (entry->config != NULL)
            rig_put_config(rig, entry->config);
    }
}

static void rig_put_append(struct rig *rig, const struct raft_message *message)
{
    rig_put(rig, "%s term %llu, after %llu/%llu", message->entry_count == 0 ? "beat" : "append",
            LLU(message->term), LLU(message->previous), LLU(message->previous_term));
    rig_put_entries(rig, message);
    rig_put(rig, ", committed %llu%s%s", LLU(message->commit), message->sleep ? ", sleep" : "",
            message->removed ? ", removed" : "");
}

static void rig_put_answer(struct rig *rig, const struct raft_message *message)
{
    if (message->granted)
        rig_put(rig, "accepts term %llu, has %llu, on disk %llu", LLU(message->term),
                LLU(message->previous), LLU(message->last));
    else
        rig_put(rig, "rejects term %llu, after %llu, try %llu/%llu", LLU(message->term),
                LLU(message->previous), LLU(message->last), LLU(message->last_term));
    rig_put(rig, "%s", message->sleep ? ", sleeps" : "");
}

static void rig_put_message(struct rig *rig, const struct raft_message *message)
{
    const char *word = message->granted ? "yes" : "no";

    switch (message->type) {
    case RAFT_PREVOTE:
    case RAFT_VOTE:
        rig_put(rig, "%s term %llu, log %llu/%llu%s",
                message->type == RAFT_VOTE ? "vote" : "prevote", LLU(message->term),
                LLU(message->last), LLU(message->last_term), message->transfer ? ", transfer" : "");
        break;
    case RAFT_PREVOTE_ANSWER:
        rig_put(rig, "prevote %s, term %llu", word, LLU(message->term));
        break;
    case RAFT_VOTE_ANSWER: rig_put(rig, "vote %s, term %llu", word, LLU(message->term)); break;
    case RAFT_APPEND: rig_put_append(rig, message); break;
    case RAFT_APPEND_ANSWER: rig_put_answer(rig, message); break;
    case RAFT_SNAPSHOT_NEEDED: rig_put(rig, "snapshot needed"); break;
    case RAFT_TRANSFER: rig_put(rig, "stand at once, term %llu", LLU(message->term)); break;
    }
    if (message->damaged > 0)
        rig_put(rig, ", damaged %llu", LLU(message->damaged));
}

static inline void rig_show(struct rig *rig, uint64_t number)
{
    static const char *const roles[] = {"follows", "stands", "leads"};
    const struct rig_node *node = &rig->nodes[number];

    if (node->core == NULL) {
        rig_say(rig, "%llu is down", LLU(number));
        return;
    }
    rig_put(rig, "%llu %s", LLU(number), roles[raft_core_role(node->core)]);
    if (raft_core_role(node->core) == RAFT_FOLLOWER)
        rig_put(rig, raft_core_leader(node->core).node == 0 ? " nobody" : " %llu",
                LLU(raft_core_leader(node->core).node));
    rig_put(rig, " in term %llu, log %llu", LLU(raft_core_term(node->core)),
            LLU(raft_core_floor_index(node->core)));
    for (uint64_t i = node->floor + 1; i <= raft_core_last(node->core); i++)
        if (raft_core_term_at(node->core, i) != raft_core_term_at(node->core, i - 1))
            rig_put(rig, " %llu/%llu", LLU(i), LLU(raft_core_term_at(node->core, i)));
    rig_put(rig, "..%llu, committed %llu, on disk %llu%s ", LLU(raft_core_last(node->core)),
            LLU(raft_core_committed(node->core)), LLU(node->durable),
            raft_core_asleep(node->core) ? ", asleep" : "");
    rig_put_config(rig, raft_core_config(node->core));
    rig_say(rig, "%s", "");
}

/* ---- orders --------------------------------------------------------------------------------- */

static const struct raft_config *rig_config(struct rig *rig, const struct raft_config *config)
{
    ck_assert_uint_lt(rig->config_count, RIG_CONFIGS);
    rig->configs[rig->config_count] = *config;
    return &rig->configs[rig->config_count++];
}

static void rig_vote_now(struct rig_node *node)
{
    node->disk = node->waiting;
    node->damaged = node->waiting.damaged;
    node->waiting.number = 0;
}

static void rig_order_vote(struct rig *rig, struct rig_node *node, const struct raft_order *order)
{
    node->waiting = (struct rig_vote){order->number, order->term, order->index, order->member};
    rig_put(rig, "%llu writes term %llu", LLU(node->self.node), LLU(order->term));
    if (order->member.node != 0)
        rig_put(rig, ", vote for %llu", LLU(order->member.node));
    if (order->index > 0 || node->damaged > 0)
        rig_put(rig, ", damaged %llu", LLU(order->index));
    rig_say(rig, "%s", node->held ? " (held)" : "");
    if (node->held)
        return;
    rig_vote_now(node);
    raft_core_voted(node->core, rig->now, order->number);
}

static void rig_order_append(struct rig *rig, struct rig_node *node, const struct raft_order *order,
                             const struct raft_message *stepped)
{
    ck_assert_ptr_nonnull(stepped);
    rig_say(rig, "%llu appends %llu..%llu%s", LLU(node->self.node), LLU(order->index),
            LLU(order->number), node->held ? " (held)" : "");
    ck_assert_uint_eq(order->index, node->last + 1);
    for (uint64_t i = order->index; i <= order->number; i++) {
        const struct raft_entry *entry = &stepped->entries[i - stepped->previous - 1];

        node->log[i] = (struct rig_entry){entry->term, entry->config};
    }
    node->last = order->number;
    if (node->held)
        return;
    node->durable = node->last;
    raft_core_durable(node->core, rig->now, node->last);
}

static void rig_append(struct rig *rig, struct rig_node *node, uint64_t term,
                       const struct raft_config *config)
{
    struct raft_entry entry = {node->last + 1, term, config};

    ck_assert_uint_lt(entry.index, RIG_LOG);
    rig_put(rig, "%llu proposes %llu", LLU(node->self.node), LLU(entry.index));
    if (config != NULL)
        rig_put_config(rig, config);
    rig_say(rig, "%s", node->held ? " (held)" : "");
    node->log[entry.index] = (struct rig_entry){term, config};
    node->last = entry.index;
    raft_core_proposed(node->core, rig->now, &entry);
    if (node->held)
        return;
    node->durable = node->last;
    raft_core_durable(node->core, rig->now, node->last);
}

static void rig_order_send(struct rig *rig, struct rig_node *node, struct raft_message *message)
{
    uint64_t from = message->from.node, to = message->to.node;

    for (uint32_t i = 0; i < message->entry_count; i++) {
        uint64_t index = message->previous + 1 + i;

        ck_assert_uint_eq(message->entries[i].index, index);
        message->entries[i].term = node->log[index].term;
        message->entries[i].config = node->log[index].config;
    }
    if (!rig->hide_messages) {
        rig_put(rig, "%llu -> %llu ", LLU(from), LLU(to));
        rig_put_message(rig, message);
        rig_say(rig, "%s", rig->cut[from][to] ? " (cut)" : "");
    }
    if (rig->cut[from][to])
        return;
    ck_assert_uint_lt(rig->message_count, RIG_MESSAGES);
    rig->messages[rig->message_count++] = *message;
}

static void rig_order_plain(struct rig *rig, struct rig_node *node, const struct raft_order *order)
{
    unsigned long long self = LLU(node->self.node), index = LLU(order->index);

    switch (order->type) {
    case RAFT_ORDER_CUT:
        rig_say(rig, "%llu cuts after %llu", self, index);
        node->last = order->index;
        if (node->durable > node->last)
            node->durable = node->last;
        break;
    case RAFT_ORDER_COMMIT:
        rig_say(rig, "%llu commits %llu", self, index);
        node->committed = order->index;
        break;
    case RAFT_ORDER_ELECTED:
        rig_say(rig, "%llu is elected in term %llu", self, LLU(order->term));
        rig_append(rig, node, order->term, NULL);
        break;
    case RAFT_ORDER_LEAD: rig_say(rig, "%llu decides after %llu", self, index); break;
    case RAFT_ORDER_FOLLOW:
        if (order->member.node == 0)
            rig_say(rig, "%llu follows nobody in term %llu", self, LLU(order->term));
        else
            rig_say(rig, "%llu follows %llu in term %llu", self, LLU(order->member.node),
                    LLU(order->term));
        break;
    case RAFT_ORDER_SNAPSHOT:
        rig_say(rig, "%llu has a snapshot at %llu for %llu", self, index, LLU(order->member.node));
        break;
    case RAFT_ORDER_READ:
        rig_say(rig, "%llu answers reads up to %llu at %llu", self, LLU(order->number), index);
        break;
    case RAFT_ORDER_READ_LOST:
        rig_say(rig, "%llu loses reads up to %llu", self, LLU(order->number));
        break;
    case RAFT_ORDER_REMOVED: rig_say(rig, "%llu is removed", self); break;
    case RAFT_ORDER_SLEEP: rig_say(rig, "%llu sleeps", self); break;
    default: ck_abort();
    }
}

static void rig_drain(struct rig *rig, uint64_t number, const struct raft_message *stepped)
{
    struct rig_node *node = &rig->nodes[number];
    static struct raft_order order;

    while (raft_core_next(node->core, &order)) {
        if (order.type == RAFT_ORDER_SEND)
            rig_order_send(rig, node, &order.message);
        else if (order.type == RAFT_ORDER_VOTE)
            rig_order_vote(rig, node, &order);
        else if (order.type == RAFT_ORDER_APPEND)
            rig_order_append(rig, node, &order, stepped);
        else
            rig_order_plain(rig, node, &order);
    }
}

/* ---- what happens --------------------------------------------------------------------------- */

static void rig_step(struct rig *rig, const struct raft_message *message)
{
    struct rig_node *node = &rig->nodes[message->to.node];

    if (node->core == NULL)
        return;
    raft_core_step(node->core, rig->now, message);
    rig_drain(rig, message->to.node, message);
}

/* The messages between these (0: any) that are under way now; false: there are none. */
static bool rig_deliver_now(struct rig *rig, uint64_t from, uint64_t to, bool drop)
{
    static struct raft_message under_way[RIG_MESSAGES];
    uint32_t count = rig->message_count;
    bool any = false;

    memcpy(under_way, rig->messages, count * sizeof under_way[0]);
    rig->message_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_message *message = &under_way[i];

        if ((from != 0 && message->from.node != from) || (to != 0 && message->to.node != to)) {
            rig->messages[rig->message_count++] = *message;
            continue;
        }
        any = true;
        if (!drop)
            rig_step(rig, message);
    }
    return any;
}

static inline void rig_tick(struct rig *rig, uint64_t number)
{
    struct rig_node *node = &rig->nodes[number];
    int64_t deadline = raft_core_deadline(node->core);

    if (deadline == INT64_MAX) {
        rig_say(rig, "%llu has no deadline", LLU(number));
        return;
    }
    if (deadline > rig->now)
        rig->now = deadline;
    raft_core_tick(node->core, rig->now);
    rig_drain(rig, number, NULL);
}

/* Messages take a millisecond, clocks run. */
static void rig_run(struct rig *rig, int64_t until)
{
    while (rig->now < until) {
        rig->now += RIG_MS;
        (void)rig_deliver_now(rig, 0, 0, false);
        for (uint64_t i = 1; i <= RIG_NODES; i++) {
            struct rig_node *node = &rig->nodes[i];

            if (node->core == NULL || raft_core_deadline(node->core) > rig->now)
                continue;
            raft_core_tick(node->core, rig->now);
            rig_drain(rig, i, NULL);
        }
    }
}

static inline void rig_release(struct rig *rig, uint64_t number, bool votes, uint64_t index)
{
    struct rig_node *node = &rig->nodes[number];

    if (votes && node->waiting.number != 0) {
        uint64_t vote = node->waiting.number;

        rig_vote_now(node);
        raft_core_voted(node->core, rig->now, vote);
    }
    if (index > node->last)
        index = node->last;
    if (index > node->durable) {
        node->durable = index;
        raft_core_durable(node->core, rig->now, index);
    }
    rig_drain(rig, number, NULL);
}

static void rig_propose(struct rig *rig, uint64_t number, const struct raft_config *config)
{
    struct rig_node *node = &rig->nodes[number];

    rig_append(rig, node, raft_core_term(node->core), config);
    rig_drain(rig, number, NULL);
}

static void rig_start(struct rig *rig, uint64_t number)
{
    struct rig_node *node = &rig->nodes[number];
    struct raft_recovered recovered = {
        .term = node->disk.term,
        .vote = node->disk.vote,
        .floor = node->floor,
        .floor_term = node->log[node->floor].term,
        .committed = node->committed,
        .damaged = node->damaged,
    };
    struct raft_options options = rig->options;

    ck_assert_ptr_null(node->core);
    options.self = node->self;
    options.seed = number;
    if (node->floor_config != NULL)
        recovered.config = *node->floor_config;
    node->core = raft_core_new(&options, &recovered);
    for (uint64_t i = node->floor + 1; i <= node->last; i++) {
        struct raft_entry entry = {i, node->log[i].term, node->log[i].config};

        if (entry.term > 0)
            raft_core_recovered_entry(node->core, &entry);
    }
    raft_core_start(node->core, rig->now);
    rig_drain(rig, number, NULL);
}

/* What is on the disk stays, or only up to `keep`. */
static void rig_crash(struct rig *rig, uint64_t number, uint64_t keep)
{
    struct rig_node *node = &rig->nodes[number];

    node->last = node->durable < keep ? node->durable : keep;
    node->durable = node->last;
    node->waiting.number = 0;
    node->held = false;
    raft_core_free(node->core);
    node->core = NULL;
}

static void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    buf_init(&rig->out, 1u << 20);
    rig->options = (struct raft_options){
        .election_ns = 1000 * RIG_MS,
        .heartbeat_ns = 100 * RIG_MS,
        .inflight_max = 4,
        .uncommitted_max = 100,
    };
}

static void rig_deinit(struct rig *rig)
{
    for (uint64_t i = 1; i <= RIG_NODES; i++)
        raft_core_free(rig->nodes[i].core);
    buf_deinit(&rig->out);
}

#endif

/* raft_node: one node's shell, as a model: carries out its core's orders, crashes and comes back.
 */
#include <assert.h>
#include <string.h>

#include "tests/sim/raft_truth.h"
#include "tests/sim/raft_world.h"

#define U(number) ((unsigned long long)(number))

void node_say(struct world *world, const struct node *node, const char *what, uint64_t number)
{
    world_say(world, "node %u %s %llu", node_number(world, node) + 1, what, U(number));
}

uint64_t item_chain(uint64_t before, uint64_t term, uint64_t value)
{
    uint64_t hash = before * UINT64_C(0x9e3779b97f4a7c15) + term;

    hash = (hash ^ (hash >> 31)) * UINT64_C(0xbf58476d1ce4e5b9) + value;
    return hash ^ (hash >> 27);
}

/* ---- entries -------------------------------------------------------------------------------- */

static void append(struct world *world, struct node *node, struct item item)
{
    uint64_t index = node->last + 1;

    assert(index < LOG_ROOM);
    node->log[index] = item;
    node->last = index;
    if (item.chain != item_chain(node->log[index - 1].chain, item.term, item.value))
        world_broken(world, "log matching: node %u appends index %llu to another history",
                     node_number(world, node) + 1, U(index));
    if (index > world->truth->highest)
        world->truth->highest = index;
    disk_write(world, node, (struct write){.index = index, .item = item});
}

static struct item new_item(struct world *world, const struct node *node, uint64_t term)
{
    uint64_t value = world->value_next++;

    return (struct item){
        .term = term,
        .value = value,
        .chain = item_chain(node->log[node->last].chain, term, value),
    };
}

bool node_decides(const struct node *node)
{
    return node->core != NULL && node->led && node->applied >= node->led_index &&
           raft_core_role(node->core) == RAFT_LEADER;
}

void node_propose(struct world *world, struct node *node, const struct raft_config *config)
{
    struct item item = new_item(world, node, raft_core_term(node->core));
    const struct raft_config before = *raft_core_config(node->core);
    struct raft_entry entry = {.index = node->last + 1, .term = item.term, .config = config};
    uint64_t before_index = node->last;

    if (config != NULL)
        item.config = world_config(world, config);
    append(world, node, item);
    raft_core_proposed(node->core, world_clock(world, node), &entry);
    if (config != NULL) {
        while (before_index > node->floor && node->log[before_index].config == 0)
            before_index--;
        node_say(world, node, "changes the config at", entry.index);
        truth_proposed_config(world, node, &before, before_index);
    }
    node_drain(world, node);
}

void node_read(struct world *world, struct node *node)
{
    uint64_t number;

    if (node->read_next - node->read_first >= READS_MAX)
        return;
    number = raft_core_read(node->core, world_clock(world, node));
    assert(number == node->read_next);
    node->read_needs[number % READS_MAX] = world->truth->committed;
    node->read_next++;
    node_drain(world, node);
}

void node_floor(struct world *world, struct node *node, uint64_t index)
{
    uint64_t at = index;

    if (index <= node->floor || index > node->applied || index > node->durable)
        return;
    while (at > node->floor && node->log[at].config == 0)
        at--;
    if (at > node->floor)
        node->floor_config = node->log[at].config;
    node->floor = index;
    raft_core_floor(node->core, index, node->log[index].term);
    /* The disk's own floor follows when what is queued is written: nothing queued is below it. */
    node->disk.floor = index;
    node->disk.floor_config = node->floor_config;
    node_drain(world, node);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void replace_log(struct world *world, struct node *node, const struct node *source)
{
    uint64_t index = source->floor;

    node->log[index] = node->disk.log[index] = source->log[index];
    node->floor = node->last = node->durable = node->applied = index;
    if (node->committed < index)
        node->committed = index;
    node->floor_config = source->floor_config;
    node->disk.floor = node->disk.last = node->disk.committed = index;
    node->disk.floor_config = node->floor_config;
    node->write_count = node->write_flight = 0;
    node->sync_number++;
    truth_durable(world, node, index);
    world->truth->snapshots++;
    node_say(world, node, "gets a snapshot at", index);
    raft_core_restored(node->core, world_clock(world, node), index, node->log[index].term,
                       &world->configs[node->floor_config]);
    node_drain(world, node);
}

void node_snapshot(struct world *world, struct node *node, struct node *to)
{
    uint32_t from_number = node_number(world, node), to_number = node_number(world, to);
    struct raft_member member = {to_number + 1, node->snapshot_for[to_number], false};
    bool ok = to->core != NULL && to->paused_until <= world->now &&
              to->self.incarnation == member.incarnation && !world->cut[from_number][to_number] &&
              !world_chance(world, world->weather.loss);

    if (ok && raft_core_lacks(to->core, node->floor, node->log[node->floor].term))
        replace_log(world, to, node);
    raft_core_snapshot_sent(node->core, world_clock(world, node), member, node->floor, ok);
    node_drain(world, node);
}

void node_resume(struct world *world, struct node *node, struct node *to)
{
    raft_core_resend(node->core, world_clock(world, node), to->self);
    node_drain(world, node);
}

/* ---- orders --------------------------------------------------------------------------------- */

static void send(struct world *world, struct node *node, struct raft_message *message)
{
    struct item items[RAFT_ENTRIES_MAX];
    uint32_t to = (uint32_t)message->to.node - 1;

    if (message->type == RAFT_APPEND && message->entry_count > 0 &&
        world_chance(world, world->weather.unsent)) {
        message->entry_count = (uint32_t)world_below(world, message->entry_count);
        raft_core_unsent(node->core, message->to, message->previous + 1 + message->entry_count);
        if (world_chance(world, 800))
            world_event(world,
                        (struct event){.at = world->now + 1 + (int64_t)world_below(world, 50 * MS),
                                       .type = EVENT_RESUME,
                                       .node = (uint8_t)node_number(world, node),
                                       .from = (uint8_t)to,
                                       .life = node->life});
    }
    for (uint32_t i = 0; i < message->entry_count; i++) {
        assert(message->previous + 1 + i <= node->last);
        assert(message->previous + 1 + i > node->floor);
        items[i] = node->log[message->previous + 1 + i];
        truth_seen(world, node, message->previous + 1 + i, &items[i]);
    }
    truth_sent(world, node, message);
    world_send(world, message, items);
}

static void elected(struct world *world, struct node *node, uint64_t term)
{
    struct raft_entry entry = {.index = node->last + 1, .term = term};

    node_say(world, node, "leads in term", term);
    truth_elected(world, node, term);
    node->leader_since = world->now;
    node->led_index = entry.index;
    node->led_term = term;
    if (world_chance(world, world->weather.refuse)) {
        node_say(world, node, "is refused its first entry in term", term);
        raft_core_refused(node->core, world_clock(world, node), entry.index);
        return;
    }
    append(world, node, new_item(world, node, term));
    raft_core_proposed(node->core, world_clock(world, node), &entry);
}

static void cut(struct world *world, struct node *node, uint64_t index)
{
    node_say(world, node, "cuts its log after", index);
    if (index < node->applied)
        world_broken(world, "node %u cuts after %llu and has applied %llu",
                     node_number(world, node) + 1, U(index), U(node->applied));
    node->last = index;
    if (node->durable > index)
        node->durable = index;
    disk_write(world, node, (struct write){.cut = true, .index = index});
}

static void take_entries(struct world *world, struct node *node, const struct raft_order *order,
                         const struct mail *mail)
{
    assert(mail != NULL);
    assert(order->index == node->last + 1);
    for (uint64_t i = order->index; i <= order->number; i++)
        append(world, node, mail->items[i - mail->message.previous - 1]);
}

static void read_done(struct world *world, struct node *node, uint64_t until, uint64_t index)
{
    for (; node->read_first <= until; node->read_first++) {
        uint64_t needs = node->read_needs[node->read_first % READS_MAX];

        if (needs > index)
            world_broken(world, "a read at node %u sees index %llu, and %llu was committed before",
                         node_number(world, node) + 1, U(index), U(needs));
        world->truth->reads++;
    }
}

static void reads_lost(struct world *world, struct node *node, uint64_t until)
{
    world->truth->reads_lost += until + 1 - node->read_first;
    if (node->read_first <= until)
        node->read_first = until + 1;
}

static void carry_out(struct world *world, struct node *node, struct raft_order *order,
                      const struct mail *mail)
{
    switch (order->type) {
    case RAFT_ORDER_SEND: send(world, node, &order->message); break;
    case RAFT_ORDER_VOTE:
        node->vote_next.number = order->number;
        node->vote_next.term = order->term;
        node->vote_next.vote = order->member;
        node->vote_next.damaged = order->index;
        disk_vote(world, node);
        break;
    case RAFT_ORDER_CUT: cut(world, node, order->index); break;
    case RAFT_ORDER_APPEND: take_entries(world, node, order, mail); break;
    case RAFT_ORDER_COMMIT:
        node->committed = order->index;
        truth_committed(world, node, order->term, order->index);
        node_apply(world, node);
        break;
    case RAFT_ORDER_ELECTED: elected(world, node, order->term); break;
    case RAFT_ORDER_LEAD:
        node_say(world, node, "is to decide after", order->index);
        node->led = true;
        truth_led(world, node, order->term, order->index);
        break;
    case RAFT_ORDER_FOLLOW:
        node_say(world, node, "follows node", order->member.node);
        node->led = false;
        node->asked = node->asked && order->member.node == 0;
        break;
    case RAFT_ORDER_SNAPSHOT:
        node->snapshot_for[order->member.node - 1] = order->member.incarnation;
        world_event(world,
                    (struct event){.at = world->now + 1 + (int64_t)world_below(world, 500 * MS),
                                   .type = EVENT_SNAPSHOT,
                                   .node = (uint8_t)node_number(world, node),
                                   .from = (uint8_t)(order->member.node - 1),
                                   .life = node->life});
        break;
    case RAFT_ORDER_READ: read_done(world, node, order->number, order->index); break;
    case RAFT_ORDER_READ_LOST: reads_lost(world, node, order->number); break;
    case RAFT_ORDER_REMOVED:
        node_say(world, node, "is removed in term", order->term);
        node->gone = true;
        truth_removed(world, node);
        break;
    case RAFT_ORDER_SLEEP:
        node_say(world, node, "sleeps in term", order->term);
        world->truth->sleeps++;
        break;
    }
}

static void drain(struct world *world, struct node *node, const struct mail *mail)
{
    static struct raft_order order; /* large, and this is the only one at a time */

    while (world->violation[0] == 0 && raft_core_next(node->core, &order))
        carry_out(world, node, &order, mail);
    if (node->was_asleep && !raft_core_asleep(node->core))
        node->leader_since = world->now; /* the others get their time to answer */
    node->was_asleep = raft_core_asleep(node->core);
    world_timer(world, node);
}

void node_drain(struct world *world, struct node *node)
{
    drain(world, node, NULL);
}

void node_step(struct world *world, struct node *node, const struct mail *mail)
{
    static struct raft_message message;
    uint64_t from = mail->message.from.node - 1;

    memcpy(&message, &mail->message, offsetof(struct raft_message, entries));
    for (uint32_t i = 0; i < message.entry_count; i++) {
        const struct item *item = &mail->items[i];

        message.entries[i] = (struct raft_entry){
            .index = message.previous + 1 + i,
            .term = item->term,
            .config = item->config == 0 ? NULL : &world->configs[item->config],
        };
    }
    if (message.type == RAFT_APPEND_ANSWER && message.to.incarnation == node->self.incarnation)
        node->answered[from] = world->now;
    if (message.type == RAFT_VOTE || message.type == RAFT_PREVOTE)
        node->asked = true;
    raft_core_step(node->core, world_clock(world, node), &message);
    drain(world, node, mail);
}

void node_tick(struct world *world, struct node *node)
{
    int64_t now = world_clock(world, node);

    if (raft_core_deadline(node->core) <= now) {
        raft_core_tick(node->core, now);
        node_drain(world, node);
        if (world->violation[0] == 0 && raft_core_deadline(node->core) <= now)
            world_broken(world, "node %u: a tick leaves its deadline behind",
                         node_number(world, node) + 1);
        if (world->now - node->ticked > 2 * BEAT_NS)
            node->late = world->now;
        node->ticked = world->now;
        truth_check_quorum(world, node);
    }
    world_timer(world, node);
}

/* ---- life ----------------------------------------------------------------------------------- */

void node_blank(struct world *world, struct node *node)
{
    (void)world;
    assert(node->core == NULL);
    node->life++;
    node->paused_until = node->timer_at = node->slow_until = 0;
    node->floor = node->last = node->durable = node->committed = node->applied = 0;
    node->floor_config = 0;
    node->log[0] = node->disk.log[0] = (struct item){0};
    node->disk.floor = node->disk.last = node->disk.committed = 0;
    node->disk.floor_config = 0;
    node->disk.term = node->disk.damaged = 0;
    node->disk.vote = (struct raft_member){0};
    node->write_count = node->write_flight = 0;
    node->sync_number = 0;
    node->vote_flight.number = node->vote_next.number = 0;
    node->led = node->stuck = node->gone = node->asked = false;
    node->led_index = node->led_term = 0;
    node->leader_since = 0;
    memset(node->answered, 0, sizeof node->answered);
    memset(node->peer_heard, 0, sizeof node->peer_heard);
    memset(node->peer_down, 0, sizeof node->peer_down);
    memset(node->peer_life, 0, sizeof node->peer_life);
}

static void recover_log(struct node *node)
{
    struct disk *disk = &node->disk;

    memcpy(node->log + disk->floor, disk->log + disk->floor,
           (disk->last - disk->floor + 1) * sizeof disk->log[0]);
    node->floor = disk->floor;
    node->floor_config = disk->floor_config;
    node->last = node->durable = disk->last;
    node->applied = disk->floor;
    node->committed = disk->committed < disk->last ? disk->committed : disk->last;
    if (node->committed < node->floor)
        node->committed = node->floor;
}

void node_start(struct world *world, struct node *node)
{
    struct raft_options options = {
        .self = node->self,
        .election_ns = ELECTION_NS,
        .heartbeat_ns = BEAT_NS,
        .sleep_ns = world->sleep_ns,
        .inflight_max = 1 + (uint32_t)world_below(world, 8),
        .uncommitted_max = 200,
        .seed = prng_next(&world->prng),
        .flaws = world->flaws,
    };
    struct raft_recovered recovered = {0};

    assert(node->core == NULL);
    recover_log(node);
    recovered.damaged = node->disk.damaged;
    node->last_recovered = node->last;
    node->damage_recovered = node->disk.damaged;
    recovered.term = node->disk.term;
    recovered.vote = node->disk.vote;
    recovered.floor = node->floor;
    recovered.floor_term = node->log[node->floor].term;
    recovered.committed = node->disk.committed > node->floor ? node->disk.committed : node->floor;
    recovered.config = world->configs[node->floor_config];
    node->core = raft_core_new(&options, &recovered);
    for (uint64_t i = node->floor + 1; i <= node->last; i++) {
        struct raft_entry entry = {i, node->log[i].term, NULL};

        if (node->log[i].config != 0)
            entry.config = &world->configs[node->log[i].config];
        raft_core_recovered_entry(node->core, &entry);
    }
    node->led = node->stuck = node->asked = false;
    node->read_first = node->read_next = 1;
    node->timer_at = 0;
    for (uint32_t i = 0; i < NODES; i++)
        node->peer_heard[i] = world->now;
    node_say(world, node, "starts with", node->last);
    raft_core_start(node->core, world_clock(world, node));
    node_apply(world, node);
    node_drain(world, node);
}

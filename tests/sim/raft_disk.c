/* raft_disk: what of a node survives: writes and votes under way, refusals, crashes, losses. */
#include <assert.h>
#include <string.h>

#include "tests/sim/raft_truth.h"
#include "tests/sim/raft_world.h"

static void sync_later(struct world *world, struct node *node)
{
    int64_t latency = MS / 10 + (int64_t)world_below(world, (uint64_t)world->weather.sync_max);

    if (node->write_flight > 0 || node->write_count == 0)
        return;
    if (node->slow_until > world->now)
        latency += node->slow_until - world->now;
    node->write_flight = node->write_count;
    world_event(world, (struct event){.at = world->now + latency,
                                      .type = EVENT_SYNC,
                                      .node = (uint8_t)node_number(world, node),
                                      .life = node->life,
                                      .number = node->sync_number});
}

void disk_write(struct world *world, struct node *node, struct write write)
{
    assert(node->write_count < WRITES_MAX);
    write.committed = raft_core_committed(node->core);
    node->writes[node->write_count++] = write;
    sync_later(world, node);
}

static void write_now(struct world *world, struct node *node, const struct write *write)
{
    struct disk *disk = &node->disk;

    if (write->committed > disk->committed)
        disk->committed = write->committed;
    if (write->cut) {
        if (disk->last > write->index)
            disk->last = write->index;
        return;
    }
    assert(write->index == disk->last + 1);
    disk->log[write->index] = write->item;
    disk->last = write->index;
    truth_durable(world, node, write->index);
}

static void drop_writes(struct node *node, uint32_t count)
{
    node->write_count -= count;
    memmove(node->writes, node->writes + count, node->write_count * sizeof node->writes[0]);
}

/* What is on the disk and not going to be cut. */
static uint64_t disk_holds(const struct node *node)
{
    uint64_t index = node->disk.last;

    for (uint32_t i = 0; i < node->write_count; i++)
        if (node->writes[i].cut && node->writes[i].index < index)
            index = node->writes[i].index;
    return index;
}

void node_apply(struct world *world, struct node *node)
{
    while (node->applied < node->committed && node->applied < node->durable) {
        node->applied++;
        truth_applied(world, node, node->applied);
    }
}

/* The disk says no: what was to be appended never was; what was to be cut is. */
static void refuse(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < node->write_count; i++)
        if (node->writes[i].cut)
            write_now(world, node, &node->writes[i]);
    node->write_count = node->write_flight = 0;
    node->sync_number++;
    if (node->last <= node->disk.last)
        return;
    node_say(world, node, "is refused", node->disk.last + 1);
    node->last = node->disk.last;
    if (node->committed > node->last)
        node->committed = node->last;
    raft_core_refused(node->core, world_clock(world, node), node->disk.last + 1);
    node_drain(world, node);
}

void node_synced(struct world *world, struct node *node, uint32_t number)
{
    uint32_t flight = node->write_flight;
    uint64_t durable;

    if (number != node->sync_number || flight == 0)
        return; /* of a log that has been replaced */
    if (world_chance(world, world->weather.refuse)) {
        refuse(world, node);
        return;
    }
    for (uint32_t i = 0; i < flight; i++)
        write_now(world, node, &node->writes[i]);
    drop_writes(node, flight);
    node->write_flight = 0;
    node->sync_number++;
    sync_later(world, node);
    durable = disk_holds(node);
    if (durable > node->durable) {
        node->durable = durable;
        raft_core_durable(node->core, world_clock(world, node), durable);
    }
    node_apply(world, node);
    node_drain(world, node);
}

void disk_vote(struct world *world, struct node *node)
{
    int64_t latency = MS / 10 + (int64_t)world_below(world, (uint64_t)world->weather.sync_max);

    if (node->vote_flight.number != 0 || node->vote_next.number == 0)
        return;
    if (node->slow_until > world->now)
        latency += node->slow_until - world->now;
    node->vote_flight = node->vote_next;
    node->vote_next.number = 0;
    world_event(world, (struct event){.at = world->now + latency,
                                      .type = EVENT_VOTED,
                                      .node = (uint8_t)node_number(world, node),
                                      .life = node->life});
}

static void vote_now(struct world *world, struct node *node)
{
    node->disk.term = node->vote_flight.term;
    node->disk.vote = node->vote_flight.vote;
    if (node->disk.damaged > 0 && node->vote_flight.damaged == 0) {
        node_say(world, node, "is whole again up to", node->disk.damaged);
        truth_whole(world, node);
    }
    node->disk.damaged = node->vote_flight.damaged;
    truth_voted(world, node);
}

void node_voted(struct world *world, struct node *node)
{
    uint64_t number = node->vote_flight.number;

    vote_now(world, node);
    node->vote_flight.number = 0;
    disk_vote(world, node);
    raft_core_voted(node->core, world_clock(world, node), number);
    node_drain(world, node);
}

/* ---- crashes and losses --------------------------------------------------------------------- */

void node_crash(struct world *world, struct node *node)
{
    uint32_t kept = (uint32_t)world_below(world, node->write_count + 1);

    for (uint32_t i = 0; i < kept; i++)
        write_now(world, node, &node->writes[i]);
    if (node->vote_flight.number != 0 && world_chance(world, 500))
        vote_now(world, node);
    node->write_count = node->write_flight = 0;
    node->vote_flight.number = node->vote_next.number = 0;
    node->life++;
    node->paused_until = node->slow_until = 0;
    node_say(world, node, "crashes and keeps", node->disk.last);
    raft_core_free(node->core);
    node->core = NULL;
}

void node_wipe(struct world *world, struct node *node)
{
    node_blank(world, node);
    node->self.incarnation = world->incarnation_next++;
    truth_disk_new(world, node);
    node_say(world, node, "has a new disk,", node->self.incarnation);
}

/* Recovery finds lost entries, puts on record how far the log went, and cuts it before them. */
bool node_damage(struct world *world, struct node *node)
{
    struct disk *disk = &node->disk;
    uint64_t first;

    if (disk->last == disk->floor)
        return false;
    first = disk->floor + 1 + world_below(world, disk->last - disk->floor);
    if (world_chance(world, 500) && disk->last - disk->floor > 5)
        first = disk->last - world_below(world, 5);
    if (disk->damaged < disk->last)
        disk->damaged = disk->last;
    node_say(world, node, "loses index", first);
    node_say(world, node, "had all up to", disk->damaged);
    disk->last = first - 1;
    world->truth->damages++;
    return true;
}

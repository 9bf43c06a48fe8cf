#include "tests/sim/raft_world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/raft_truth.h"

void world_say(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (!world->loud)
        return;
    printf("%9.3f ", (double)world->now / 1e9);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void world_broken(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (world->violation[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(world->violation, sizeof world->violation, format, arguments);
    va_end(arguments);
    world_say(world, "BROKEN: %s", world->violation);
}

bool world_chance(struct world *world, uint32_t in_thousand)
{
    return in_thousand > 0 && prng_chance(&world->prng, in_thousand, 1000);
}

uint64_t world_below(struct world *world, uint64_t bound)
{
    return prng_below(&world->prng, bound);
}

uint32_t node_number(const struct world *world, const struct node *node)
{
    return (uint32_t)(node - world->nodes);
}

uint16_t world_config(struct world *world, const struct raft_config *config)
{
    assert(world->config_count < MEMBERS_SEEN);
    world->configs[world->config_count] = *config;
    return world->config_count++;
}

void world_begin(struct world *world, uint64_t seed, uint64_t flaws, bool loud)
{
    struct truth *truth = world->truth;

    /* Logs are large and are written before they are read. */
    for (uint32_t i = 0; i < NODES; i++)
        node_blank(world, &world->nodes[i]);
    world->violation[0] = 0;
    world->now = 0;
    world->steps = world->hash = 0;
    memset(world->cut, 0, sizeof world->cut);
    memset(world->link_free, 0, sizeof world->link_free);
    memset(world->configs, 0, sizeof world->configs[0]);
    world->config_count = 1; /* 0 is no config, and empty */
    world->incarnation_next = world->value_next = 1;
    world->event_count = world->event_sequence = 0;
    world->mail_count = 0;
    world->mail_free = UINT32_MAX;
    world->seed = seed;
    world->flaws = flaws;
    world->loud = loud;
    prng_seed(&world->prng, seed);
    truth_begin(truth);
}

void world_end(struct world *world)
{
    for (uint32_t i = 0; i < NODES; i++) {
        raft_core_free(world->nodes[i].core);
        world->nodes[i].core = NULL;
    }
}

/* ---- events: a heap by time, then by sequence ----------------------------------------------- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

void world_event(struct world *world, struct event event)
{
    uint32_t at = world->event_count++;

    assert(world->event_count < EVENTS_MAX);
    assert(event.at >= world->now);
    event.sequence = world->event_sequence++;
    while (at > 0 && before(&event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = event;
}

static struct event take_event(struct world *world)
{
    struct event first = world->events[0], last = world->events[--world->event_count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = at * 2 + 1;

        if (child >= world->event_count)
            break;
        if (child + 1 < world->event_count &&
            before(&world->events[child + 1], &world->events[child]))
            child++;
        if (before(&last, &world->events[child]))
            break;
        world->events[at] = world->events[child];
        at = child;
    }
    world->events[at] = last;
    return first;
}

/* ---- clocks --------------------------------------------------------------------------------- */

int64_t world_clock(const struct world *world, const struct node *node)
{
    return node->clock_offset + world->now / 1000 * node->clock_rate;
}

/* An event at the core's deadline, unless one comes earlier anyway and looks again. */
void world_timer(struct world *world, struct node *node)
{
    int64_t deadline, at;

    if (node->core == NULL)
        return;
    deadline = raft_core_deadline(node->core);
    if (deadline == INT64_MAX)
        return;
    at = (deadline - node->clock_offset) / node->clock_rate * 1000 + 1000;
    if (at <= world->now)
        at = world->now + 1;
    if (node->timer_at > world->now && node->timer_at <= at)
        return;
    node->timer_at = at;
    world_event(world, (struct event){.at = at,
                                      .type = EVENT_TIMER,
                                      .node = (uint8_t)node_number(world, node),
                                      .life = node->life});
}

/* ---- network -------------------------------------------------------------------------------- */

static uint32_t take_mail(struct world *world)
{
    uint32_t number = world->mail_free;

    if (number != UINT32_MAX) {
        world->mail_free = world->mails[number].next_free;
        return number;
    }
    return world->mail_count < MAILS_MAX ? world->mail_count++ : UINT32_MAX;
}

static void post(struct world *world, const struct raft_message *message, const struct item *items,
                 uint32_t from, uint32_t to, int64_t at)
{
    uint32_t number = take_mail(world);
    struct mail *mail;

    if (number == UINT32_MAX)
        return; /* lost, as messages may be */
    mail = &world->mails[number];
    memcpy(&mail->message, message, offsetof(struct raft_message, entries));
    memcpy(mail->items, items, message->entry_count * sizeof *items);
    world_event(world, (struct event){.at = at,
                                      .type = EVENT_MAIL,
                                      .node = (uint8_t)to,
                                      .from = (uint8_t)from,
                                      .number = number});
}

void world_send(struct world *world, const struct raft_message *message, const struct item *items)
{
    const struct weather *weather = &world->weather;
    uint32_t from = (uint32_t)message->from.node - 1, to = (uint32_t)message->to.node - 1;
    uint32_t copies = 1 + world_chance(world, weather->repeat);

    assert(from < NODES && to < NODES);
    if (world->cut[from][to] || world_chance(world, weather->loss))
        return;
    while (copies-- > 0) {
        int64_t span = weather->delay_max - weather->delay_min + 1;
        int64_t at = world->now + weather->delay_min + (int64_t)world_below(world, (uint64_t)span);

        if (world_chance(world, weather->late))
            at += (int64_t)world_below(world, LATE_NS);
        if (weather->order != ORDER_NONE) {
            bool small = weather->order == ORDER_ENTRIES && message->entry_count == 0;
            int64_t *free = &world->link_free[from][to][small];

            if (at <= *free)
                at = *free + 1;
            *free = at;
        }
        post(world, message, items, from, to, at);
    }
}

/* What a node's pair heartbeats tell of the others. */
void world_watch(struct world *world)
{
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];

        if (node->core == NULL || node->paused_until > world->now)
            continue;
        for (uint32_t j = 0; j < NODES; j++) {
            const struct node *peer = &world->nodes[j];
            bool heard = peer->core != NULL && peer->paused_until <= world->now &&
                         !world->cut[j][i] && !world->cut[i][j];
            bool again = heard && (node->peer_down[j] || node->peer_life[j] != peer->life);

            if (i == j)
                continue;
            if (heard)
                node->peer_heard[j] = world->now;
            if (again) {
                node->peer_down[j] = false;
                node->peer_life[j] = peer->life;
                raft_core_node(node->core, world_clock(world, node), j + 1, true);
                node_drain(world, node);
            } else if (!heard && !node->peer_down[j] &&
                       world->now - node->peer_heard[j] > world->watch_ns) {
                node->peer_down[j] = true;
                raft_core_node(node->core, world_clock(world, node), j + 1, false);
                node_drain(world, node);
            }
        }
    }
}

/* ---- running -------------------------------------------------------------------------------- */

static void deliver(struct world *world, struct node *node, const struct event *event)
{
    struct mail *mail = &world->mails[event->number];

    if (node->core != NULL && !world->cut[event->from][event->node])
        node_step(world, node, mail);
    mail->next_free = world->mail_free;
    world->mail_free = event->number;
}

static void happen(struct world *world, const struct event *event)
{
    struct node *node = &world->nodes[event->node];

    if (event->type == EVENT_MAIL) {
        deliver(world, node, event);
        return;
    }
    if (node->core == NULL || event->life != node->life)
        return;
    switch ((enum event_type)event->type) {
    case EVENT_MAIL: break;
    case EVENT_SYNC: node_synced(world, node, event->number); break;
    case EVENT_VOTED: node_voted(world, node); break;
    case EVENT_TIMER: node_tick(world, node); break;
    case EVENT_SNAPSHOT: node_snapshot(world, node, &world->nodes[event->from]); break;
    case EVENT_RESUME: node_resume(world, node, &world->nodes[event->from]); break;
    }
}

static void mix(struct world *world, const struct event *event)
{
    uint64_t word = (uint64_t)event->at * 31 + (uint64_t)event->type * 7 + event->node;

    world->hash = (world->hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    world->hash ^= world->hash >> 29;
}

/* A read is stale only if it is asked for in the moment between: so ask then. */
static void spy(struct world *world)
{
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];

        if (node->core != NULL && node->paused_until <= world->now &&
            raft_core_role(node->core) == RAFT_LEADER &&
            raft_core_committed(node->core) < world->truth->committed)
            node_read(world, node);
    }
}

void world_run(struct world *world, int64_t until)
{
    while (world->violation[0] == 0 && world->event_count > 0 && world->events[0].at <= until) {
        struct event event = take_event(world);
        int64_t paused = world->nodes[event.node].paused_until;
        uint64_t committed;

        world->now = event.at;
        if (paused > event.at) {
            event.at = paused; /* the process does not run: all of it happens afterwards */
            world_event(world, event);
            continue;
        }
        world->steps++;
        mix(world, &event);
        committed = world->truth->committed;
        happen(world, &event);
        if (world->spying && world->truth->committed > committed)
            spy(world);
        truth_check_node(world, &world->nodes[event.node]);
    }
    if (until > world->now)
        world->now = until;
}

/*
 * sim_raft: the core of Raft alone, in a world of one group with up to nine nodes: crashes, pauses,
 * partitions (one-way, too), slow and refusing disks, damage, lost disks, membership changes,
 * transfers, snapshots, sleep, reads. What must be true is in raft_truth.h and is checked at every
 * order; in the end the world is healed, and the group must come to agree within bounded time.
 *
 *     sim_raft --seed N [--flaw NAME]     one run, with its story
 *     sim_raft --seconds N [--from S]     seeds from S on for that long
 *     sim_raft --flaws --seconds N        every seeded bug must be found, each in that time
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"
#include "raft/flaws.h"
#include "tests/sim/raft_truth.h"

#define TURN_NS     (20 * MS)
#define TURNS       2500u /* 50 s of bad weather */
#define LEADER_NS   (20 * SECOND)
#define CONVERGE_NS (60 * SECOND)

/* What happens how often in this run: chances in ten thousand, each turn. */
struct plan {
    uint32_t crash, start, pause, part, heal, slow, stuck, wipe, damage, admin, transfer, read,
        propose, floor, weather, strike;
    bool part_leader;
};

struct recent {
    uint16_t config;
    int64_t until; /* messages that hold it may be under way */
};

struct run {
    struct world *world;
    struct plan plan;
    struct recent recent[8];
    uint32_t recent_next;
};

static struct world *world; /* the run under way, for the message of an assertion */

static bool happens(uint32_t in_ten_thousand)
{
    return in_ten_thousand > 0 && prng_chance(&world->prng, in_ten_thousand, 10000);
}

static struct node *any_node(void)
{
    return &world->nodes[world_below(world, NODES)];
}

/* ---- what may be lost ----------------------------------------------------------------------- */

/* A voter whose disk is not what it was: wiped (another incarnation runs there) or damaged. */
static bool is_faulty(struct raft_member member)
{
    const struct node *node = &world->nodes[member.node - 1];

    return node->self.incarnation != member.incarnation || node->disk.damaged > 0;
}

/* Whether a config bears it that these nodes (bits) fail as well. */
static bool bears(const struct raft_config *config, uint32_t failing)
{
    uint32_t voters = 0, bad = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        if (config->at[i].learner)
            continue;
        voters++;
        bad += is_faulty(config->at[i]) || ((failing >> (config->at[i].node - 1)) & 1);
    }
    return voters == 0 || bad <= (voters - 1) / 2;
}

static uint16_t newest_config(const struct item *log, uint64_t last, uint64_t floor,
                              uint16_t at_floor)
{
    for (; last > floor; last--)
        if (log[last].config != 0)
            return log[last].config;
    return at_floor;
}

static bool names(const struct raft_config *config, struct raft_member member)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (config->at[i].node == member.node && config->at[i].incarnation == member.incarnation)
            return true;
    return false;
}

static bool all_bear(const struct run *run, uint32_t failing)
{
    if (!bears(truth_config(world), failing))
        return false;
    for (uint32_t i = 0; i < NODES; i++) {
        const struct node *node = &world->nodes[i];
        uint16_t on_disk = newest_config(node->disk.log, node->disk.last, node->disk.floor,
                                         node->disk.floor_config);
        uint16_t here = newest_config(node->log, node->last, node->floor, node->floor_config);

        if (!bears(&world->configs[on_disk], failing) || !bears(&world->configs[here], failing))
            return false;
    }
    for (uint32_t i = 0; i < 8; i++)
        if (run->recent[i].until > world->now &&
            !bears(&world->configs[run->recent[i].config], failing))
            return false;
    return true;
}

/* Whether it is in a config that is in force somewhere or may come to be. */
static bool is_named(const struct run *run, const struct node *node)
{
    for (uint32_t i = 0; i < NODES; i++) {
        const struct node *other = &world->nodes[i];
        uint16_t on_disk = newest_config(other->disk.log, other->disk.last, other->disk.floor,
                                         other->disk.floor_config);
        uint16_t here = newest_config(other->log, other->last, other->floor, other->floor_config);

        if (names(&world->configs[on_disk], node->self) || names(&world->configs[here], node->self))
            return true;
    }
    for (uint32_t i = 0; i < 8; i++)
        if (run->recent[i].until > world->now &&
            names(&world->configs[run->recent[i].config], node->self))
            return true;
    return names(truth_config(world), node->self);
}

static uint32_t bit(const struct node *node)
{
    return 1u << node_number(world, node);
}

/* ---- links ---------------------------------------------------------------------------------- */

static const struct node *in_role(enum raft_role role)
{
    for (uint32_t i = 0, at = (uint32_t)world_below(world, NODES); i < NODES; i++, at++) {
        const struct node *node = &world->nodes[at % NODES];

        if (node->core != NULL && raft_core_role(node->core) == role)
            return node;
    }
    return NULL;
}

static uint32_t voters(void)
{
    const struct raft_config *config = truth_config(world);
    uint32_t bits = 0;

    for (uint32_t i = 0; i < config->count; i++)
        bits |= (uint32_t)!config->at[i].learner << (config->at[i].node - 1);
    return bits;
}

/* A leader is cut off from some who go on hearing each other. */
static void part_leader(uint32_t side)
{
    const struct node *leader = in_role(RAFT_LEADER);
    uint32_t from;

    if (leader == NULL)
        return;
    from = node_number(world, leader);
    for (uint32_t i = 0; i < NODES; i++) {
        world->cut[from][i] = ((side >> i) & 1) != 0;
        world->cut[i][from] = world->cut[from][i] && (side & 1) != 0;
    }
}

/* ---- membership ----------------------------------------------------------------------------- */

static struct raft_config without(const struct raft_config *config, uint32_t place)
{
    struct raft_config next = *config;

    next.count--;
    memmove(next.at + place, next.at + place + 1, (next.count - place) * sizeof next.at[0]);
    return next;
}

static bool names_node(const struct raft_config *config, uint64_t number)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (config->at[i].node == number)
            return true;
    return false;
}

static bool next_config(const struct raft_config *config, struct raft_config *next)
{
    uint32_t place = (uint32_t)world_below(world, config->count);

    for (uint32_t i = 0; i < config->count; i++) {
        if (world->nodes[config->at[i].node - 1].self.incarnation != config->at[i].incarnation) {
            *next = without(config, i); /* it will never come back */
            return true;
        }
    }
    *next = *config;
    switch (world_below(world, 4)) {
    case 0: *next = without(config, place); return true;
    case 1: {
        struct node *node = any_node();

        if (config->count == RAFT_MEMBERS_MAX || node->core == NULL || node->gone ||
            names_node(config, node->self.node))
            return false;
        next->at[next->count] = node->self;
        next->at[next->count++].learner = true;
        return true;
    }
    case 2:
        if (!config->at[place].learner)
            return false;
        next->at[place].learner = false;
        return true;
    default:
        if (world_chance(world, 700))
            return false;
        next->at[place].learner = !next->at[place].learner;
        return true;
    }
}

static void change_members(struct run *run, struct node *node)
{
    struct raft_config next;

    if (!next_config(raft_core_config(node->core), &next) || !bears(&next, 0) ||
        world->config_count == MEMBERS_SEEN || !raft_core_config_allowed(node->core, &next))
        return;
    node_propose(world, node, &next);
    run->recent[run->recent_next++ % 8] =
        (struct recent){(uint16_t)(world->config_count - 1), world->now + 8 * SECOND};
    if (happens(run->plan.part * 10))
        part_leader(UINT32_MAX); /* perhaps before anybody else has heard of it */
}

/* ---- what happens --------------------------------------------------------------------------- */

static void change_weather(bool calm)
{
    struct weather *weather = &world->weather;

    *weather = (struct weather){.delay_min = MS / 10, .delay_max = 5 * MS, .sync_max = 2 * MS};
    weather->in_order = world_chance(world, 500);
    if (calm || world_chance(world, 250))
        return;
    weather->loss = (uint32_t)world_below(world, 300) * world_chance(world, 500);
    weather->repeat = (uint32_t)world_below(world, 300) * world_chance(world, 300);
    weather->late = (uint32_t)world_below(world, 40) * world_chance(world, 300);
    weather->unsent = (uint32_t)world_below(world, 300) * world_chance(world, 300);
    weather->refuse = (uint32_t)world_below(world, 60) * world_chance(world, 200);
    weather->delay_max += (int64_t)world_below(world, 300 * MS) * world_chance(world, 500);
    weather->sync_max += (int64_t)world_below(world, 200 * MS) * world_chance(world, 400);
}

/* Good weather, and a leader whom now and then some do not hear: what leases are about. */
static void hunt(struct plan *plan)
{
    *plan = (struct plan){
        .crash = plan->crash / 8,
        .start = 1000,
        .part = 200,
        .part_leader = true,
        .heal = 200,
        .admin = plan->admin / 8,
        .transfer = plan->transfer,
        .propose = 500,
        .strike = plan->strike,
    };
    world->spying = true;
}

static void make_plan(struct run *run)
{
    struct plan *plan = &run->plan;

#define DRAW(in_thousand, below)                                                                   \
    (world_chance(world, in_thousand) * (uint32_t)world_below(world, below))
    *plan = (struct plan){
        .crash = DRAW(700, 200),
        .start = 100 + DRAW(1000, 500),
        .pause = DRAW(400, 60),
        .part = DRAW(600, 150),
        .heal = 50 + DRAW(1000, 200),
        .slow = DRAW(300, 80),
        .stuck = DRAW(300, 50),
        .wipe = DRAW(500, 2000),
        .damage = DRAW(500, 2000),
        .admin = DRAW(600, 500),
        .transfer = DRAW(400, 80),
        .read = DRAW(700, 4000),
        .propose = 200 + DRAW(1000, 4000),
        .floor = DRAW(500, 300),
        .weather = 50,
        .strike = DRAW(300, 5000),
    };
#undef DRAW
    world->spying = world_chance(world, 500);
    if (world_chance(world, 250))
        hunt(plan);
    world->sleep_ns = world_chance(world, 400) * (2 + (int64_t)world_below(world, 3)) * SECOND;
    if (world->sleep_ns > 0 && world_chance(world, 500))
        plan->propose = plan->read = 20; /* or it would never sleep */
}

static void part(uint64_t kind)
{
    uint32_t side = (uint32_t)world_below(world, 1u << NODES);

    switch (kind) {
    case 0: /* two sides */
        for (uint32_t i = 0; i < NODES; i++)
            for (uint32_t j = 0; j < NODES; j++)
                world->cut[i][j] = ((side >> i) & 1) != ((side >> j) & 1);
        break;
    case 1: /* one node, maybe one way */
        for (uint32_t i = 0, j = (uint32_t)world_below(world, NODES); i < NODES; i++) {
            world->cut[i][j] = (side & 1) != 0;
            world->cut[j][i] = (side & 3) != 1;
        }
        break;
    case 2: part_leader(side); break;
    case 3: part_leader(world_chance(world, 500) ? voters() : side & voters()); break;
    default: /* any link */
        world->cut[world_below(world, NODES)][world_below(world, NODES)] = true;
        break;
    }
    world_say(world, "links are cut");
}

static void crash(struct run *run, struct node *node)
{
    node_crash(world, node);
    if (happens(run->plan.wipe) && all_bear(run, bit(node)))
        node_wipe(world, node);
    else if (happens(run->plan.damage) && all_bear(run, bit(node)))
        (void)node_damage(world, node);
    if (world_chance(world, 200))
        node_start(world, node);
}

static void lead(struct run *run, struct node *node)
{
    if (happens(run->plan.read) && raft_core_role(node->core) == RAFT_LEADER)
        node_read(world, node);
    if (happens(run->plan.admin) && raft_core_may_propose(node->core))
        change_members(run, node); /* whether it decides yet or not: the core has to say no */
    if (!node_decides(node))
        return;
    for (uint32_t i = (uint32_t)world_below(world, 4); i > 0 && node_decides(node); i--)
        if (happens(run->plan.propose) && raft_core_may_propose(node->core) &&
            world->truth->highest < INDEX_MAX)
            node_propose(world, node, NULL);
    if (node_decides(node) && happens(run->plan.transfer)) {
        raft_core_transfer(node->core, world_clock(world, node),
                           happens(5000) ? (struct raft_member){0} : any_node()->self);
        node_drain(world, node);
    }
}

static void act_on(struct run *run, struct node *node)
{
    const struct plan *plan = &run->plan;

    if (node->core == NULL) {
        if (happens(plan->start))
            node_start(world, node);
        return;
    }
    if (node->paused_until > world->now)
        return;
    if (happens(plan->pause))
        node->paused_until = world->now + (int64_t)world_below(world, 4 * SECOND);
    if (happens(plan->slow))
        node->slow_until = world->now + (int64_t)world_below(world, 3 * SECOND);
    if (happens(plan->stuck) || (node->stuck && happens(100))) {
        node->stuck = !node->stuck;
        raft_core_stuck(node->core, world_clock(world, node), node->stuck);
        node_drain(world, node);
    }
    if (happens(plan->floor) && node->applied > node->floor)
        node_floor(world, node, node->floor + 1 + world_below(world, node->applied - node->floor));
    lead(run, node);
    if (happens(plan->crash))
        crash(run, node);
}

/* What goes on in good and bad times: pair heartbeats, repair, replicas given up and made anew. */
static void housekeeping(const struct run *run)
{
    world_watch(world);
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];

        if (node->core == NULL || node->paused_until > world->now)
            continue;
        if (node->gone && world_chance(world, 50) && !is_named(run, node)) {
            node_crash(world, node);
            node_wipe(world, node);
            node_start(world, node);
        }
    }
}

/* Somebody forgets all just when he is asked for his vote. */
static void strike(struct run *run)
{
    struct node *node = any_node();

    if (!happens(run->plan.strike) || in_role(RAFT_CANDIDATE) == NULL)
        return;
    while (((voters() >> node_number(world, node)) & 1) == 0)
        node = any_node();
    if (node->core == NULL || node->paused_until > world->now)
        return;
    node_crash(world, node);
    node_start(world, node);
}

static void turn(struct run *run)
{
    world_run(world, world->now + TURN_NS);
    if (world->violation[0] != 0)
        return;
    housekeeping(run);
    if (happens(run->plan.weather))
        change_weather(false);
    if (happens(run->plan.part))
        part(run->plan.part_leader ? 2 + world_below(world, 2) : world_below(world, 5));
    if (happens(run->plan.heal))
        memset(world->cut, 0, sizeof world->cut);
    for (uint32_t i = 0; i < NODES && world->violation[0] == 0; i++)
        act_on(run, &world->nodes[i]);
    strike(run);
}

/* ---- the end: all is well again ------------------------------------------------------------- */

static struct node *the_leader(void)
{
    struct node *found = NULL;

    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];

        if (node_decides(node) && (found == NULL || raft_core_term(node->core) > found->led_term))
            found = node;
    }
    return found;
}

static void calm_turn(const struct run *run)
{
    world_run(world, world->now + TURN_NS);
    if (world->violation[0] == 0)
        housekeeping(run);
}

/* A leader that gets an entry committed, in time. */
static struct node *wait_for_leader(const struct run *run, int64_t limit)
{
    int64_t until = world->now + limit;
    uint64_t begun = world->truth->committed;
    struct node *node = NULL;

    while (world->violation[0] == 0 && world->now < until) {
        calm_turn(run);
        node = the_leader();
        if (node != NULL && world->truth->committed > begun)
            return node;
        if (node != NULL && raft_core_may_propose(node->core) && node->last == node->committed)
            node_propose(world, node, NULL);
    }
    world_broken(world, "no leader gets anything committed within %lld s",
                 (long long)(limit / SECOND));
    return NULL;
}

static bool converged(const struct node *leader)
{
    const struct raft_config *config = raft_core_config(leader->core);

    if (leader->committed != leader->last || leader->applied != leader->last)
        return false;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct node *node = &world->nodes[config->at[i].node - 1];

        if (node->self.incarnation == config->at[i].incarnation &&
            (node->applied != leader->last || node->disk.damaged > 0))
            return false;
    }
    return true;
}

static void wait_for_all(const struct run *run, int64_t limit)
{
    int64_t until = world->now + limit;

    while (world->violation[0] == 0 && world->now < until) {
        const struct node *leader = the_leader();

        if (leader != NULL && converged(leader))
            return;
        calm_turn(run);
    }
    world_broken(world, "not all members come to have everything within %lld s",
                 (long long)(limit / SECOND));
}

static bool all_asleep(void)
{
    const struct raft_config *config = truth_config(world);

    for (uint32_t i = 0; i < config->count; i++) {
        const struct node *node = &world->nodes[config->at[i].node - 1];

        /* A learner that wakes has nothing to wait for. */
        if (node->core == NULL || raft_core_deadline(node->core) != INT64_MAX)
            return false;
    }
    return true;
}

static bool has_faulty(const struct raft_config *config)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (is_faulty(config->at[i]))
            return true;
    return false;
}

/* Nothing to do: the group sleeps. Its leader dies: it wakes. */
static void sleep_and_wake(const struct run *run)
{
    int64_t until = world->now + 20 * SECOND;
    struct node *leader;

    if (world->sleep_ns == 0 || has_faulty(truth_config(world)))
        return;
    while (world->violation[0] == 0 && world->now < until && !all_asleep())
        calm_turn(run);
    if (world->violation[0] != 0)
        return;
    leader = the_leader();
    if (!all_asleep() || leader == NULL) {
        world_broken(world, "a group with nothing to do does not sleep");
        return;
    }
    if (!all_bear(run, bit(leader)))
        return;
    node_crash(world, leader);
    (void)wait_for_leader(run, LEADER_NS);
}

static void heal(const struct run *run)
{
    uint32_t down = 0;

    change_weather(true);
    memset(world->cut, 0, sizeof world->cut);
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];

        node->slow_until = 0;
        if (node->paused_until > world->now)
            node->paused_until = world->now;
        if (node->core == NULL && (world_chance(world, 500) || !all_bear(run, down | bit(node))))
            node_start(world, node);
        else if (node->core == NULL)
            down |= bit(node);
        if (node->core != NULL && node->stuck) {
            node->stuck = false;
            raft_core_stuck(node->core, world_clock(world, node), false);
            node_drain(world, node);
        }
    }
}

static void conclude(struct run *run)
{
    heal(run);
    if (wait_for_leader(run, LEADER_NS) == NULL)
        return;
    for (uint32_t i = 0; i < NODES; i++)
        if (world->nodes[i].core == NULL)
            node_start(world, &world->nodes[i]);
    wait_for_all(run, CONVERGE_NS);
    if (world->violation[0] == 0)
        sleep_and_wake(run);
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void found_group(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 3, 3, 4, 5, 5, 7};
    uint32_t voters = sizes[world_below(world, sizeof sizes / sizeof sizes[0])];
    uint32_t learners = (uint32_t)world_below(world, 3);
    struct raft_config config = {.count = voters + learners};
    struct item first = {.term = 1, .value = 0, .chain = item_chain(0, 1, 0)};

    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &world->nodes[i];

        node->self = (struct raft_member){i + 1, world->incarnation_next++, false};
        node->clock_rate = 900 + (int64_t)world_below(world, 201);
        if (world_chance(world, 500))
            node->clock_rate = world_chance(world, 500) ? 900 : 1100;
        node->clock_offset = (int64_t)world_below(world, 10 * SECOND);
        truth_disk_new(world, node);
        if (i < config.count) {
            config.at[i] = node->self;
            config.at[i].learner = i >= voters;
        }
    }
    first.config = world_config(world, &config);
    world->truth->log[1] = first;
    world->truth->in_term[1] = 1;
    world->truth->committed = world->truth->highest = 1;
    for (uint32_t i = 0; i < config.count; i++) {
        struct disk *disk = &world->nodes[i].disk;

        disk->log[1] = first;
        disk->last = disk->committed = 1;
        truth_durable(world, &world->nodes[i], 1);
    }
}

static void show_config(const struct raft_config *config)
{
    for (uint32_t i = 0; i < config->count; i++)
        printf(" %llu.%llu%s", (unsigned long long)config->at[i].node,
               (unsigned long long)config->at[i].incarnation, config->at[i].learner ? "l" : "");
}

/* How a broken run ended. */
static void show_nodes(void)
{
    static const char *const roles[] = {"follows", "stands", "leads"};

    for (uint32_t i = 0; i < NODES; i++) {
        const struct node *node = &world->nodes[i];

        printf("node %u.%llu: ", i + 1, (unsigned long long)node->self.incarnation);
        if (node->core == NULL) {
            printf("down\n");
            continue;
        }
        printf("%s in term %llu, floor %llu applied %llu committed %llu durable %llu last %llu, "
               "damaged %llu%s%s%s,",
               roles[raft_core_role(node->core)], (unsigned long long)raft_core_term(node->core),
               (unsigned long long)node->floor, (unsigned long long)node->applied,
               (unsigned long long)raft_core_committed(node->core),
               (unsigned long long)node->durable, (unsigned long long)node->last,
               (unsigned long long)node->disk.damaged, node->stuck ? " stuck" : "",
               node->gone ? " gone" : "", raft_core_asleep(node->core) ? " asleep" : "");
        show_config(raft_core_config(node->core));
        putchar('\n');
    }
}

static bool run_seed(uint64_t seed, uint64_t flaws, bool loud, uint64_t *hash)
{
    struct run run = {.world = world};

    world_begin(world, seed, flaws, loud);
    make_plan(&run);
    change_weather(true);
    found_group();
    for (uint32_t i = 0; i < NODES; i++)
        node_start(world, &world->nodes[i]);
    for (uint32_t i = 0; i < TURNS && world->violation[0] == 0; i++)
        turn(&run);
    if (world->violation[0] == 0)
        conclude(&run);
    *hash = world->hash;
    if (loud && world->violation[0] != 0)
        show_nodes();
    world_end(world);
    return world->violation[0] == 0;
}

/* ---- main ----------------------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
    uint64_t bit;
} flaws_known[] = {
#define FLAW_ROW(name, text) {#name, text, RAFT_FLAW(name)},
    RAFT_FLAW_TABLE(FLAW_ROW)
#undef FLAW_ROW
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void aborted(int number)
{
    char text[64];
    int size = snprintf(text, sizeof text, "seed %llu: stopped by signal %d\n",
                        (unsigned long long)world->seed, number);

    (void)!write(STDOUT_FILENO, text, (size_t)size);
    _exit(EXIT_FAILURE);
}

/* One seed in fifty runs twice: equal seeds, equal traces. */
static int run_many(uint64_t from, double seconds)
{
    double begun = seconds_now();
    uint64_t seed = from, bad = 0, steps = 0, committed = 0, hash, again;

    for (; seconds_now() - begun < seconds && bad < 5; seed++) {
        bool good = run_seed(seed, 0, false, &hash);

        steps += world->steps;
        committed += world->truth->committed;
        if (!good) {
            printf("seed %llu: %s\n", (unsigned long long)seed, world->violation);
            bad++;
        } else if (seed % 50 == 0) {
            (void)run_seed(seed, 0, false, &again);
            steps += world->steps;
            if (hash != again) {
                printf("seed %llu: two runs differ\n", (unsigned long long)seed);
                bad++;
            }
        }
    }
    printf("sim_raft: seeds %llu to %llu, %llu steps (%.0f a second), %llu entries\n",
           (unsigned long long)from, (unsigned long long)seed - 1, (unsigned long long)steps,
           (double)steps / (seconds_now() - begun), (unsigned long long)committed);
    printf("%llu passed, %llu failed\n", (unsigned long long)(seed - from - bad),
           (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* In a process of its own: the bug may end in a failed assertion, which is as good. */
static bool flaw_found(size_t number, double seconds)
{
    double begun = seconds_now();
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        uint64_t hash;

        for (uint64_t seed = 1; seconds_now() - begun < seconds; seed++) {
            if (run_seed(seed, flaws_known[number].bit, false, &hash))
                continue;
            printf("seed %llu: %s\n", (unsigned long long)seed, world->violation);
            fflush(stdout);
            _exit(EXIT_FAILURE);
        }
        _exit(EXIT_SUCCESS);
    }
    (void)waitpid(pid, &status, 0);
    printf("%-24s %s after %.1f s (%s)\n", flaws_known[number].name,
           status != 0 ? "found" : "NOT FOUND", seconds_now() - begun, flaws_known[number].text);
    return status != 0;
}

static int run_flaws(uint64_t chosen, double seconds)
{
    unsigned found = 0, missed = 0;

    for (size_t i = 0; i < RAFT_FLAW_COUNT; i++) {
        if (chosen != 0 && chosen != flaws_known[i].bit)
            continue;
        if (flaw_found(i, seconds))
            found++;
        else
            missed++;
    }
    printf("%u passed, %u failed\n", found, missed);
    return missed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static uint64_t flaw_named(const char *name)
{
    for (size_t i = 0; i < RAFT_FLAW_COUNT; i++)
        if (strcmp(flaws_known[i].name, name) == 0)
            return flaws_known[i].bit;
    fprintf(stderr, "no such flaw: %s\n", name);
    exit(2);
}

static int run_one(uint64_t seed, uint64_t flaw)
{
    uint64_t hash;
    bool good = run_seed(seed, flaw, true, &hash);
    const struct truth *truth = world->truth;

    printf(
        "seed %llu: %s; %llu steps, %llu committed, %llu elections, %llu reads (%llu lost), "
        "%llu changes, %llu removals, %llu sleeps, %llu snapshots, %llu damages, trace %016llx\n",
        (unsigned long long)seed, good ? "good" : world->violation,
        (unsigned long long)world->steps, (unsigned long long)truth->committed,
        (unsigned long long)truth->elections, (unsigned long long)truth->reads,
        (unsigned long long)truth->reads_lost, (unsigned long long)truth->changes,
        (unsigned long long)truth->removals, (unsigned long long)truth->sleeps,
        (unsigned long long)truth->snapshots, (unsigned long long)truth->damages,
        (unsigned long long)hash);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int count, char **words)
{
    const char *seed = NULL;
    uint64_t from = 1, flaw = 0;
    double seconds = 60;
    bool flaws = false;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGABRT, aborted);
    world = HEAP_NEW(struct world);
    world->truth = truth_new();
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : "";

        if (strcmp(words[i], "--flaws") == 0)
            flaws = true;
        else if (strcmp(words[i], "--seed") == 0 && ++i < count)
            seed = value;
        else if (strcmp(words[i], "--seconds") == 0 && ++i < count)
            seconds = atof(value);
        else if (strcmp(words[i], "--from") == 0 && ++i < count)
            from = strtoull(value, NULL, 10);
        else if (strcmp(words[i], "--flaw") == 0 && ++i < count)
            flaw = flaw_named(value);
        else
            return fprintf(stderr, "usage: sim_raft [--seed N | --seconds N [--from S]] "
                                   "[--flaw NAME | --flaws]\n"),
                   2;
    }
    if (seed != NULL)
        return run_one(strtoull(seed, NULL, 10), flaw);
    if (flaws || flaw != 0)
        return run_flaws(flaw, seconds);
    return run_many(from, seconds);
}

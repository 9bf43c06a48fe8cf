#include "tests/sim/raft_weather.h"

#include <string.h>

#include "tests/sim/raft_truth.h"

static bool happens(struct season *season, uint32_t in_ten_thousand)
{
    return in_ten_thousand > 0 && prng_chance(&season->world->prng, in_ten_thousand, 10000);
}

static struct node *any_node(struct season *season)
{
    return &season->world->nodes[world_below(season->world, NODES)];
}

/* ---- what may be lost ----------------------------------------------------------------------- */

/* A voter whose disk is not what it was: wiped (another incarnation runs there) or damaged. */
bool season_faulty(const struct season *season, struct raft_member member)
{
    const struct node *node = &season->world->nodes[member.node - 1];

    return node->self.incarnation != member.incarnation || node->disk.damaged > 0;
}

/* Whether a config bears it that these nodes (bits) fail as well. */
static bool bears(const struct season *season, const struct raft_config *config, uint32_t failing)
{
    uint32_t voters = 0, bad = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        if (config->at[i].learner)
            continue;
        voters++;
        bad += season_faulty(season, config->at[i]) || ((failing >> (config->at[i].node - 1)) & 1);
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

bool season_bears(const struct season *season, uint32_t failing)
{
    if (!bears(season, truth_config(season->world), failing))
        return false;
    for (uint32_t i = 0; i < NODES; i++) {
        const struct node *node = &season->world->nodes[i];
        uint16_t on_disk = newest_config(node->disk.log, node->disk.last, node->disk.floor,
                                         node->disk.floor_config);
        uint16_t here = newest_config(node->log, node->last, node->floor, node->floor_config);

        if (!bears(season, &season->world->configs[on_disk], failing) ||
            !bears(season, &season->world->configs[here], failing))
            return false;
    }
    for (uint32_t i = 0; i < RECENT_MAX; i++)
        if (season->recent[i].until > season->world->now &&
            !bears(season, &season->world->configs[season->recent[i].config], failing))
            return false;
    return true;
}

/* Whether it is in a config that is in force somewhere or may come to be. */
static bool is_named(const struct season *season, const struct node *node)
{
    for (uint32_t i = 0; i < NODES; i++) {
        const struct node *other = &season->world->nodes[i];
        uint16_t on_disk = newest_config(other->disk.log, other->disk.last, other->disk.floor,
                                         other->disk.floor_config);
        uint16_t here = newest_config(other->log, other->last, other->floor, other->floor_config);

        if (names(&season->world->configs[on_disk], node->self) ||
            names(&season->world->configs[here], node->self))
            return true;
    }
    for (uint32_t i = 0; i < RECENT_MAX; i++)
        if (season->recent[i].until > season->world->now &&
            names(&season->world->configs[season->recent[i].config], node->self))
            return true;
    return names(truth_config(season->world), node->self);
}

static uint32_t bit(const struct season *season, const struct node *node)
{
    return 1u << node_number(season->world, node);
}

/* ---- links ---------------------------------------------------------------------------------- */

static const struct node *in_role(struct season *season, enum raft_role role)
{
    for (uint32_t i = 0, at = (uint32_t)world_below(season->world, NODES); i < NODES; i++, at++) {
        const struct node *node = &season->world->nodes[at % NODES];

        if (node->core != NULL && raft_core_role(node->core) == role)
            return node;
    }
    return NULL;
}

static uint32_t voters(const struct season *season)
{
    const struct raft_config *config = truth_config(season->world);
    uint32_t bits = 0;

    for (uint32_t i = 0; i < config->count; i++)
        bits |= (uint32_t)!config->at[i].learner << (config->at[i].node - 1);
    return bits;
}

/* A leader is cut off from some who go on hearing each other. */
static void part_leader(struct season *season, uint32_t side)
{
    const struct node *leader = in_role(season, RAFT_LEADER);
    uint32_t from;

    if (leader == NULL)
        return;
    from = node_number(season->world, leader);
    for (uint32_t i = 0; i < NODES; i++) {
        season->world->cut[from][i] = ((side >> i) & 1) != 0;
        season->world->cut[i][from] = season->world->cut[from][i] && (side & 1) != 0;
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

static bool next_config(struct season *season, const struct raft_config *config,
                        struct raft_config *next)
{
    uint32_t place = (uint32_t)world_below(season->world, config->count);

    for (uint32_t i = 0; i < config->count; i++) {
        if (season->world->nodes[config->at[i].node - 1].self.incarnation !=
            config->at[i].incarnation) {
            *next = without(config, i); /* it will never come back */
            return true;
        }
    }
    *next = *config;
    switch (world_below(season->world, 4)) {
    case 0: *next = without(config, place); return true;
    case 1: {
        struct node *node = any_node(season);

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
        if (world_chance(season->world, 700))
            return false;
        next->at[place].learner = !next->at[place].learner;
        return true;
    }
}

static void change_members(struct season *season, struct node *node)
{
    struct raft_config next;

    if (!next_config(season, raft_core_config(node->core), &next) || !bears(season, &next, 0) ||
        season->world->config_count == MEMBERS_SEEN || !raft_core_config_allowed(node->core, &next))
        return;
    node_propose(season->world, node, &next);
    season->recent[season->recent_next].config = (uint16_t)(season->world->config_count - 1);
    season->recent[season->recent_next].until = season->world->now + LATE_NS + SECOND;
    season->recent_next = (season->recent_next + 1) % RECENT_MAX;
    if (happens(season, season->plan.part * 10))
        part_leader(season, UINT32_MAX); /* perhaps before anybody else has heard of it */
}

/* ---- what happens --------------------------------------------------------------------------- */

static void change_weather(struct season *season, bool calm)
{
    struct weather *weather = &season->world->weather;

    *weather = (struct weather){.delay_min = MS / 10, .delay_max = 5 * MS, .sync_max = 2 * MS};
    weather->order = world_below(season->world, 3);
    if (calm || world_chance(season->world, 250))
        return;
    weather->loss = (uint32_t)world_below(season->world, 300) * world_chance(season->world, 500);
    weather->repeat = (uint32_t)world_below(season->world, 300) * world_chance(season->world, 300);
    weather->late = (uint32_t)world_below(season->world, 40) * world_chance(season->world, 300);
    weather->unsent = (uint32_t)world_below(season->world, 300) * world_chance(season->world, 300);
    weather->refuse = (uint32_t)world_below(season->world, 60) * world_chance(season->world, 200);
    weather->delay_max +=
        (int64_t)world_below(season->world, 300 * MS) * world_chance(season->world, 500);
    weather->sync_max +=
        (int64_t)world_below(season->world, 200 * MS) * world_chance(season->world, 400);
}

/* Good weather, and a leader whom now and then some do not hear: what leases are about. */
static void hunt(struct season *season)
{
    struct plan *plan = &season->plan;

    *plan = (struct plan){
        .crash = plan->crash / 8,
        .start = 1000,
        .part = 200,
        .part_leader = true,
        .heal = 200,
        .admin = plan->admin / 8,
        .transfer = plan->transfer + 40,
        .propose = 500,
        .damage = plan->damage,
        .strike = plan->strike,
    };
    season->world->spying = true;
}

void season_begin(struct season *season, struct world *world)
{
    struct plan *plan = &season->plan;

    *season = (struct season){.world = world};
    change_weather(season, true);
#define DRAW(in_thousand, below)                                                                   \
    (world_chance(season->world, in_thousand) * (uint32_t)world_below(season->world, below))
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
    season->world->spying = world_chance(season->world, 500);
    if (world_chance(season->world, 250))
        hunt(season);
    season->world->watch_ns = world_chance(season->world, 500)
                                  ? (int64_t)world_below(season->world, (uint64_t)ELECTION_NS / 4)
                                  : ELECTION_NS;
    season->world->sleep_ns =
        world_chance(season->world, 400) * (2 + (int64_t)world_below(season->world, 3)) * SECOND;
    if (season->world->sleep_ns > 0 && world_chance(season->world, 500))
        plan->propose = plan->read = 20; /* or it would never sleep */
}

static void part(struct season *season, uint64_t kind)
{
    uint32_t side = (uint32_t)world_below(season->world, 1u << NODES);

    switch (kind) {
    case 0: /* two sides */
        for (uint32_t i = 0; i < NODES; i++)
            for (uint32_t j = 0; j < NODES; j++)
                season->world->cut[i][j] = ((side >> i) & 1) != ((side >> j) & 1);
        break;
    case 1: /* one node, maybe one way */
        for (uint32_t i = 0, j = (uint32_t)world_below(season->world, NODES); i < NODES; i++) {
            season->world->cut[i][j] = (side & 1) != 0;
            season->world->cut[j][i] = (side & 3) != 1;
        }
        break;
    case 2: part_leader(season, side); break;
    case 3:
        part_leader(season,
                    world_chance(season->world, 500) ? voters(season) : side & voters(season));
        break;
    default: /* any link */
        season->world->cut[world_below(season->world, NODES)][world_below(season->world, NODES)] =
            true;
        break;
    }
    world_say(season->world, "links are cut");
}

static void crash(struct season *season, struct node *node)
{
    node_crash(season->world, node);
    if (happens(season, season->plan.wipe) && season_bears(season, bit(season, node)))
        node_wipe(season->world, node);
    else if (happens(season, season->plan.damage) && season_bears(season, bit(season, node)))
        (void)node_damage(season->world, node);
    if (world_chance(season->world, 200))
        node_start(season->world, node);
}

static void lead(struct season *season, struct node *node)
{
    if (happens(season, season->plan.read) && raft_core_role(node->core) == RAFT_LEADER)
        node_read(season->world, node);
    if (happens(season, season->plan.admin) && raft_core_may_propose(node->core))
        change_members(season, node); /* whether it decides yet or not: the core has to say no */
    if (!node_decides(node))
        return;
    for (uint32_t i = (uint32_t)world_below(season->world, 4); i > 0 && node_decides(node); i--)
        if (happens(season, season->plan.propose) && raft_core_may_propose(node->core) &&
            season->world->truth->highest < INDEX_MAX)
            node_propose(season->world, node, NULL);
    if (node_decides(node) && happens(season, season->plan.transfer)) {
        raft_core_transfer(node->core, world_clock(season->world, node),
                           happens(season, 5000) ? (struct raft_member){0}
                                                 : any_node(season)->self);
        node_drain(season->world, node);
    }
}

static void act_on(struct season *season, struct node *node)
{
    const struct plan *plan = &season->plan;

    if (node->core == NULL) {
        if (happens(season, plan->start))
            node_start(season->world, node);
        return;
    }
    if (node->paused_until > season->world->now)
        return;
    if (happens(season, plan->pause))
        node->paused_until = season->world->now + (int64_t)world_below(season->world, 4 * SECOND);
    if (happens(season, plan->slow))
        node->slow_until = season->world->now + (int64_t)world_below(season->world, 3 * SECOND);
    if (happens(season, plan->stuck) || (node->stuck && happens(season, 100))) {
        node->stuck = !node->stuck;
        raft_core_stuck(node->core, world_clock(season->world, node), node->stuck);
        node_drain(season->world, node);
    }
    if (happens(season, plan->floor) && node->applied > node->floor)
        node_floor(season->world, node,
                   node->floor + 1 + world_below(season->world, node->applied - node->floor));
    lead(season, node);
    if (happens(season, plan->crash))
        crash(season, node);
}

/* What goes on in good and bad times: pair heartbeats, repair, replicas given up and made anew. */
static void housekeeping(const struct season *season)
{
    world_watch(season->world);
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &season->world->nodes[i];

        if (node->core == NULL || node->paused_until > season->world->now)
            continue;
        if (node->gone && world_chance(season->world, 50) && !is_named(season, node)) {
            node_crash(season->world, node);
            node_wipe(season->world, node);
            node_start(season->world, node);
        }
    }
}

/* ---- what hits just when it hurts ---------------------------------------------------------- */

static void restart(struct season *season, struct node *node)
{
    if (node->core == NULL || node->paused_until > season->world->now)
        return;
    node_crash(season->world, node);
    node_start(season->world, node);
}

/* The leader goes when somebody has got again a part of what was lost. */
static void strike_leader(struct season *season, uint32_t leader)
{
    for (uint32_t i = 0; i < NODES; i++) {
        const struct node *node = &season->world->nodes[i];

        if (node->core != NULL && node->durable > node->last_recovered &&
            node->durable < node->damage_recovered) {
            node_crash(season->world, &season->world->nodes[leader]);
            return;
        }
    }
}

/* The only voter that is left forgets that its leader takes leave. */
static void strike_heir(struct season *season, const struct node *leader)
{
    const struct raft_config *config = raft_core_config(leader->core);
    struct node *heir = NULL;
    uint32_t voters_left = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        if (config->at[i].learner)
            continue;
        heir = &season->world->nodes[config->at[i].node - 1];
        voters_left++;
    }
    if (voters_left == 1 && heir != leader)
        restart(season, heir);
}

static void strike(struct season *season)
{
    const struct node *leader = in_role(season, RAFT_LEADER);

    if (!happens(season, season->plan.strike))
        return;
    if (in_role(season, RAFT_CANDIDATE) != NULL) {
        /* Somebody forgets all when he is asked for his vote. */
        struct node *node = any_node(season);

        while (((voters(season) >> node_number(season->world, node)) & 1) == 0)
            node = any_node(season);
        restart(season, node);
    }
    if (leader == NULL || leader->core == NULL)
        return;
    strike_heir(season, leader);
    strike_leader(season, node_number(season->world, leader));
}

void season_turn(struct season *season, int64_t length)
{
    world_run(season->world, season->world->now + length);
    if (season->world->violation[0] != 0)
        return;
    housekeeping(season);
    if (happens(season, season->plan.weather))
        change_weather(season, false);
    if (happens(season, season->plan.part))
        part(season, season->plan.part_leader ? 2 + world_below(season->world, 2)
                                              : world_below(season->world, 5));
    if (happens(season, season->plan.heal))
        memset(season->world->cut, 0, sizeof season->world->cut);
    for (uint32_t i = 0; i < NODES && season->world->violation[0] == 0; i++)
        act_on(season, &season->world->nodes[i]);
    strike(season);
}

/* ---- good weather --------------------------------------------------------------------------- */

void season_calm_turn(struct season *season, int64_t length)
{
    world_run(season->world, season->world->now + length);
    if (season->world->violation[0] == 0)
        housekeeping(season);
}

static void relieve(struct season *season, struct node *node)
{
    node->slow_until = 0;
    if (node->paused_until > season->world->now)
        node->paused_until = season->world->now;
    if (node->core == NULL || !node->stuck)
        return;
    node->stuck = false;
    raft_core_stuck(node->core, world_clock(season->world, node), false);
    node_drain(season->world, node);
}

void season_heal(struct season *season)
{
    uint32_t down = 0;

    change_weather(season, true);
    memset(season->world->cut, 0, sizeof season->world->cut);
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &season->world->nodes[i];

        relieve(season, node);
        if (node->core != NULL)
            continue;
        if (world_chance(season->world, 500) || !season_bears(season, down | bit(season, node)))
            node_start(season->world, node);
        else
            down |= bit(season, node);
    }
}

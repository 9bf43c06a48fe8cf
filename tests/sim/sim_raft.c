/*
 * sim_raft: the core of Raft alone, in a world of one group with up to nine nodes (raft_world.h,
 * with what happens to them in raft_weather.h). What must be true is in raft_truth.h and is checked
 * at every order; in the end the world is healed, and the group must come to agree within bounded
 * time.
 *
 *     sim_raft --seed N [--flaw NAME]     one run, with its story
 *     sim_raft --seconds N [--from S]     seeds from S on for that long
 *     sim_raft --flaws --seconds N        every seeded bug must be found, each in that time
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"
#include "raft/flaws.h"
#include "tests/sim/hunt.h"
#include "tests/sim/raft_truth.h"
#include "tests/sim/raft_weather.h"

#define TURN_NS     (20 * MS)
#define TURNS       2500u /* 50 s of bad weather */
#define LEADER_NS   (20 * SECOND)
#define CONVERGE_NS (60 * SECOND)

static int64_t leader_longest; /* of all runs: without a leader in good weather */
static struct world *world;    /* the run under way, for the message of an assertion */

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

/* A leader that gets an entry committed, in time. */
static struct node *wait_for_leader(struct season *season, int64_t limit)
{
    int64_t until = world->now + limit;
    uint64_t begun = world->truth->committed;
    struct node *node = NULL;

    while (world->violation[0] == 0 && world->now < until) {
        season_calm_turn(season, TURN_NS);
        node = the_leader();
        if (node != NULL && world->truth->committed > begun) {
            if (world->now - (until - limit) > leader_longest)
                leader_longest = world->now - (until - limit);
            return node;
        }
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

static void wait_for_all(struct season *season, int64_t limit)
{
    int64_t until = world->now + limit;

    while (world->violation[0] == 0 && world->now < until) {
        const struct node *leader = the_leader();

        if (leader != NULL && converged(leader))
            return;
        season_calm_turn(season, TURN_NS);
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

static bool has_faulty(const struct season *season, const struct raft_config *config)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (season_faulty(season, config->at[i]))
            return true;
    return false;
}

/* Nothing to do: the group sleeps. Its leader dies: it wakes. */
static void sleep_and_wake(struct season *season)
{
    int64_t until = world->now + 20 * SECOND;
    struct node *leader;

    if (world->sleep_ns == 0 || has_faulty(season, truth_config(world)))
        return;
    while (world->violation[0] == 0 && world->now < until && !all_asleep())
        season_calm_turn(season, TURN_NS);
    if (world->violation[0] != 0)
        return;
    leader = the_leader();
    if (!all_asleep() || leader == NULL) {
        world_broken(world, "a group with nothing to do does not sleep");
        return;
    }
    if (!season_bears(season, 1u << node_number(world, leader)))
        return;
    node_crash(world, leader);
    (void)wait_for_leader(season, LEADER_NS);
}

static void conclude(struct season *season)
{
    season_heal(season);
    if (wait_for_leader(season, LEADER_NS) == NULL)
        return;
    for (uint32_t i = 0; i < NODES; i++)
        if (world->nodes[i].core == NULL)
            node_start(world, &world->nodes[i]);
    wait_for_all(season, CONVERGE_NS);
    if (world->violation[0] == 0)
        sleep_and_wake(season);
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
    static struct season season;

    world_begin(world, seed, flaws, loud);
    season_begin(&season, world);
    found_group();
    for (uint32_t i = 0; i < NODES; i++)
        node_start(world, &world->nodes[i]);
    for (uint32_t i = 0; i < TURNS && world->violation[0] == 0; i++)
        season_turn(&season, TURN_NS);
    if (world->violation[0] == 0)
        conclude(&season);
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
    double begun = hunt_clock();
    uint64_t seed = from, bad = 0, steps = 0, committed = 0, hash, again;

    for (; hunt_clock() - begun < seconds && bad < 5; seed++) {
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
           (double)steps / (hunt_clock() - begun), (unsigned long long)committed);
    printf("sim_raft: a leader is there within %.1f s\n", (double)leader_longest / 1e9);
    printf("%llu passed, %llu failed\n", (unsigned long long)(seed - from - bad),
           (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool hunt_run(void *context, uint64_t seed, bool flawed)
{
    const uint64_t *flaw = context;
    uint64_t hash;

    return run_seed(seed, flawed ? *flaw : 0, false, &hash);
}

static int run_flaws(uint64_t chosen, double seconds)
{
    unsigned found = 0, missed = 0;

    for (size_t i = 0; i < RAFT_FLAW_COUNT; i++) {
        uint64_t flaw = flaws_known[i].bit;
        struct hunt one = {"sim_raft", flaws_known[i].name, flaws_known[i].text, seconds, hunt_run,
                           &flaw};

        if (chosen != 0 && chosen != flaw)
            continue;
        if (hunt(&one))
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

/*
 * Groups in memory, whose nodes forget, are cut off, come and go, and are surveyed whenever nobody
 * leads them (jetstream_survey.c): votes are lent to all, in any order, to some of them late or
 * never, and some forget meanwhile. As long as one node has all that is committed, nothing
 * committed is ever another, no term has two leaders, and whoever leads in the end has all.
 */
#include "base/prng.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "tests/unit/raft/trace_rig.h"
#include "tests/unit/unit.h"

#define NODES    5u
#define FOUNDERS 3u
#define ROUNDS   60u
#define STEPS    60u
#define TERMS    4096u

struct play {
    struct rig rig;
    struct prng prng;
    uint64_t committed[RIG_LOG]; /* terms of what is; 0: not yet */
    uint64_t last;               /* of it */
    uint64_t leaders[TERMS];
    struct survey survey;
};

static struct play play;
static unsigned lent_times, empty_times, forgot_times;

static bool chance(uint32_t of)
{
    return prng_below(&play.prng, of) == 0;
}

static struct rig_node *node_of(uint64_t number)
{
    return &play.rig.nodes[number];
}

static bool has_all(const struct rig_node *node)
{
    return node->last >= play.last && node->log[play.last].term == play.committed[play.last];
}

static bool votes(const struct rig_node *node)
{
    const struct raft_member *found = members_find(raft_core_config(node->core), node->self.node);

    return found != NULL && !found->learner;
}

static void look(void)
{
    for (uint64_t number = 1; number <= NODES; number++) {
        const struct rig_node *node = node_of(number);
        uint64_t term = raft_core_term(node->core);

        for (uint64_t i = 1; i <= node->committed && i <= node->last; i++) {
            if (play.committed[i] == 0)
                play.committed[i] = node->log[i].term;
            ck_assert_uint_eq(play.committed[i], node->log[i].term);
            play.last = i > play.last ? i : play.last;
        }
        if (raft_core_role(node->core) != RAFT_LEADER)
            continue;
        ck_assert_uint_lt(term, TERMS);
        if (play.leaders[term] == 0)
            play.leaders[term] = number;
        ck_assert_uint_eq(play.leaders[term], number);
    }
}

static void run(uint32_t most_ms)
{
    uint64_t ms = 1 + prng_below(&play.prng, most_ms);

    for (uint64_t i = 0; i < ms; i++) {
        rig_run(&play.rig, play.rig.now + RIG_MS);
        look();
    }
}

/* Who leads in the latest term; 0: nobody. */
static uint64_t leader(void)
{
    uint64_t found = 0;

    for (uint64_t number = 1; number <= NODES; number++) {
        const struct raft_core *core = node_of(number)->core;

        if (raft_core_role(core) == RAFT_LEADER &&
            (found == 0 || raft_core_term(core) > raft_core_term(node_of(found)->core)))
            found = number;
    }
    return found;
}

/* Its next life; `votes_too`: it has given up its replica before, and its votes with that. */
static void forget(uint64_t number, bool votes_too)
{
    struct rig_node *node = node_of(number);
    bool kept = false;

    for (uint64_t other = 1; other <= NODES; other++)
        kept = kept || (other != number && has_all(node_of(other)) && votes(node_of(other)));
    if (!kept)
        return;
    forgot_times++;
    rig_crash(&play.rig, number, 1);
    node->committed = 1;
    node->damaged = RAFT_DAMAGED_ANEW;
    if (votes_too)
        node->disk = (struct rig_vote){0};
    rig_start(&play.rig, number);
}

/* Who is told that it has left gives its replica up. */
static void leave(void)
{
    for (uint64_t number = 1; number <= NODES; number++) {
        const struct raft_core *core = node_of(number)->core;
        const struct raft_config *config = raft_core_config_committed(core);

        if (raft_core_last(core) > 1 && raft_core_role(core) != RAFT_LEADER &&
            members_find(config, number) == NULL && chance(2))
            forget(number, true);
    }
}

static void change(uint64_t number)
{
    struct raft_config next = *raft_core_config(node_of(number)->core);
    uint64_t which = 1 + prng_below(&play.prng, NODES);
    uint32_t at = 0;

    while (at < next.count && next.at[at].node != which)
        at++;
    if (at == next.count)
        next.at[next.count++] = (struct raft_member){which, 1, true};
    else if (next.at[at].learner)
        next.at[at].learner = false;
    else if (chance(3))
        next.at[at].learner = true;
    else
        next.at[at] = next.at[--next.count];
    if (raft_core_config_allowed(node_of(number)->core, &next) &&
        play.rig.config_count + 1 < RIG_CONFIGS)
        rig_propose(&play.rig, number, rig_config(&play.rig, &next));
}

static void cut(bool all, bool on)
{
    for (uint64_t a = 1; a <= NODES; a++) {
        for (uint64_t b = 1; b <= NODES; b++)
            play.rig.cut[a][b] = on && (all || chance(3));
    }
}

static void disturb(void)
{
    uint64_t first = leader();

    if (first != 0 && raft_core_may_propose(node_of(first)->core))
        rig_propose(&play.rig, first, NULL);
    if (first != 0 && chance(2))
        change(first);
    if (chance(4))
        cut(false, true);
    else if (chance(3))
        cut(false, false);
    if (chance(4))
        forget(1 + prng_below(&play.prng, NODES), false);
    leave();
}

/* One is behind, others forget, and nobody hears anybody until nobody leads. */
static void storm(void)
{
    uint64_t first = leader(), behind = 1 + prng_below(&play.prng, NODES);

    for (uint64_t number = 1; number <= NODES; number++)
        play.rig.cut[behind][number] = play.rig.cut[number][behind] = true;
    for (int i = 0; i < 3 && first != 0; i++) {
        if (raft_core_may_propose(node_of(first)->core))
            rig_propose(&play.rig, first, NULL);
        run(200);
    }
    cut(true, true);
    for (uint64_t number = 1; number <= NODES; number++) {
        if (number != behind && chance(2))
            forget(number, false);
    }
    for (int i = 0; i < 4 && leader() != 0; i++)
        run(2000);
    cut(false, false);
}

/* ---- the survey ----------------------------------------------------------------------------- */

static bool still(uint64_t number, bool on)
{
    bool held = raft_core_hold_still(node_of(number)->core, play.rig.now, on);

    rig_drain(&play.rig, number, NULL);
    return held;
}

static void answer(uint64_t number)
{
    const struct rig_node *node = node_of(number);
    struct survey *survey = &play.survey;

    survey->answers[survey->told.count] = (struct left_answer){
        .left = !still(number, true) ? LEFT_LED
                : node->last <= 1    ? LEFT_BEGINNING
                                     : LEFT_CONTENT,
        .able = !raft_core_damaged(node->core),
        .waits = raft_core_outlived(node->core) || raft_core_learns(node->core),
        .last = node->last,
        .last_term = node->log[node->last].term,
        .term = raft_core_term(node->core),
        .group = *raft_core_config(node->core),
    };
    survey->told.at[survey->told.count++] = node->self;
}

/* It may have made way since for others. */
static bool led_since(uint64_t term)
{
    for (uint64_t later = term + 1; later < TERMS; later++) {
        if (play.leaders[later] != 0)
            return true;
    }
    return false;
}

/* True: all of them were told. */
static bool go_on(const struct catalogue_lent *lent)
{
    uint64_t first = prng_below(&play.prng, NODES);
    bool all = true;

    for (uint64_t i = 0; i < NODES; i++) {
        uint64_t number = 1 + (first + i) % NODES;

        if (lent != NULL && chance(12)) {
            forget(number, false); /* it holds nothing still, and is lent nothing */
            all = false;
            continue;
        }
        if (lent != NULL && chance(12))
            all = false;
        else if (lent != NULL && still(number, true))
            raft_core_lend(node_of(number)->core, play.rig.now, lent->term, lent->last_term,
                           lent->last);
        rig_drain(&play.rig, number, NULL);
        (void)still(number, false);
        if (chance(3))
            run(800);
    }
    return all;
}

/* False: what is left is given up. */
static bool survey(void)
{
    struct catalogue_lent lent;
    bool all;

    play.survey = (struct survey){0};
    for (uint64_t number = 1; number <= NODES; number++)
        answer(number);
    if (survey_refused(&play.survey)) {
        (void)go_on(NULL);
        return true;
    }
    if (!survey_lends(&play.survey, &lent))
        return false;
    lent_times++;
    all = go_on(&lent);
    run(3000);
    if (!all)
        return true;
    for (int i = 0; i < 20 && !led_since(lent.term); i++)
        run(1000);
    ck_assert(led_since(lent.term));
    return true;
}

static void begin(uint64_t seed)
{
    struct raft_config founders = {.count = FOUNDERS};
    const struct raft_config *first;

    memset(&play, 0, sizeof play);
    prng_seed(&play.prng, seed);
    rig_init(&play.rig);
    play.rig.quiet = play.rig.hide_messages = true;
    for (uint64_t i = 0; i < FOUNDERS; i++)
        founders.at[i] = (struct raft_member){i + 1, 1, false};
    first = rig_config(&play.rig, &founders);
    for (uint64_t number = 1; number <= NODES; number++) {
        struct rig_node *node = node_of(number);

        node->self = (struct raft_member){number, 1, false};
        node->log[1] = (struct rig_entry){1, first};
        node->last = node->durable = node->committed = 1;
        rig_start(&play.rig, number);
    }
}

static void play_round(uint64_t seed)
{
    bool left = true;

    begin(seed);
    for (unsigned i = 0; i < STEPS && left && play.last < RIG_LOG / 2; i++) {
        disturb();
        run(700);
        if (!chance(6))
            continue;
        storm();
        for (int k = 0; k < 6 && leader() == 0; k++)
            run(1000);
        if (leader() == 0)
            left = survey();
    }
    cut(false, false);
    for (int i = 0; i < 20 && left; i++) {
        run(3000);
        if (leader() == 0)
            left = survey();
    }
    empty_times += !left;
    if (left) {
        ck_assert(leader() != 0);
        ck_assert(has_all(node_of(leader())));
    }
    rig_deinit(&play.rig);
}

START_TEST(nothing_committed_that_one_node_has_is_lost_by_lent_votes)
{
    const char *from = getenv("LENT_FROM"), *rounds = getenv("LENT_ROUNDS");
    uint64_t seed = from != NULL ? strtoull(from, NULL, 10) : 1;
    uint64_t count = rounds != NULL ? strtoull(rounds, NULL, 10) : ROUNDS;

    for (uint64_t i = 0; i < count; i++)
        play_round(seed + i);
    printf("lent %u times, begun empty %u, %u memories lost\n", lent_times, empty_times,
           forgot_times);
    ck_assert_uint_gt(lent_times, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {nothing_committed_that_one_node_has_is_lost_by_lent_votes};

    return UNIT_RUN_PLAIN("lent", tests);
}

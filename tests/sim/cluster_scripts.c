#include "tests/sim/cluster_scripts.h"

#include <string.h>

#include "tests/sim/cluster_stage.h"

#define ROUNDS  3
#define LATE_NS (900 * MILLISECOND) /* longer than an election, shorter than a link is silent */

static const char *const names[SCRIPT_COUNT] = {
    "none",  "stale",  "heir", "change", "late",   "differs", "rot",   "short", "scale",  "gone",
    "erase", "ranges", "move", "",       "forget", "left",    "again", "empty", "swapped"};

enum script script_named(const char *name)
{
    for (enum script at = SCRIPT_NONE + 1; at < SCRIPT_COUNT; at++) {
        if (strcmp(names[at], name) == 0)
            return at;
    }
    return SCRIPT_NONE;
}

void script_prepare(enum script script, struct nodes *nodes)
{
    /* Entries are then durable by their segment alone, and may be later than a vote. */
    for (size_t i = 0; script == SCRIPT_HEIR && i < nodes->count; i++)
        nodes->at[i].options.sim.journal_batch_max = 1;
    for (size_t i = 0; i < nodes->count && (script == SCRIPT_DIFFERS || script == SCRIPT_ROT ||
                                            script == SCRIPT_SCALE || script == SCRIPT_LEFT ||
                                            script == SCRIPT_ERASE || script == SCRIPT_RANGES);
         i++)
        nodes->at[i].options.sim.block_bytes = 4 << 10; /* blocks come often */
    /* Without blocks: what is lost below one is a message that cannot be read. */
    for (size_t i = 0; (script == SCRIPT_SHORT || script == SCRIPT_AGAIN) && i < nodes->count; i++)
        nodes->at[i].options.sim.block_bytes = 0;
    if (script == SCRIPT_MOVE || script == SCRIPT_FORGET)
        move_prepare(nodes);
    nodes->may_rot = script == SCRIPT_RANGES || script == SCRIPT_ERASE;
    nodes->may_differ = script == SCRIPT_DIFFERS;
}

/* ---- a leader that does not know that it was replaced --------------------------------------- */

static bool other_leads(const struct stage *stage, size_t old, int64_t most_ns)
{
    int64_t until = stage_now(stage) + most_ns;

    while (stage_now(stage) < until && report_good(stage->report)) {
        if (truth_other_leads(stage->truth, "S0", old))
            return true;
        stage_pass(stage, 5 * MILLISECOND);
    }
    return false;
}

static void ask_about(const struct stage *stage, struct user *user)
{
    uint64_t newest = stage->scene->streams[0].history.acked_last;

    switch (prng_below(stage->prng, 4)) {
    case 0: user_ask(user, ASK_INFO, 0, 0); break;
    case 1: user_ask(user, ASK_API_GET, 0, newest); break;
    case 2: user_ask(user, ASK_NEWEST, 0, prng_below(stage->prng, HISTORY_SUBJECTS)); break;
    default: user_ask(user, ASK_GET, 0, newest); break;
    }
}

static void play_stale(const struct stage *stage)
{
    struct user *late = &stage->users[0], *busy = &stage->users[1];
    size_t old = truth_leader(stage->truth, "S0");
    int64_t wakes_ns;

    if (old >= stage->nodes->count || !stage_go_to(stage, late, old) ||
        !stage_go_to(stage, busy, stage_other_than(stage, old)))
        return;
    wakes_ns = stage_now(stage) + 4 * SECOND;
    report_say(stage->report, "n%zu, who leads, stands still", old + 1);
    sim_pause(stage->sim, old, 4 * SECOND);
    if (!other_leads(stage, old, 3 * SECOND))
        return;
    for (int i = 0; i < 10; i++)
        user_publish(busy, 0);
    if (!stage_wait_ready(stage, busy, wakes_ns - 100 * MILLISECOND - stage_now(stage)) ||
        !stage_ready(late))
        return;
    ask_about(stage, late);
    stage_pass(stage, wakes_ns - stage_now(stage));
    stage_publish_for(stage, busy, SECOND);
}

/* ---- a new leader whose own disk is behind -------------------------------------------------- */

static void play_heir(const struct stage *stage)
{
    struct user *user = &stage->users[0], *other = &stage->users[1];
    size_t old = truth_leader(stage->truth, "S0"), heir;
    struct sim_faults slow;

    if (old >= stage->nodes->count)
        return;
    heir = stage_other_than(stage, old);
    if (!stage_go_to(stage, user, old) || !stage_go_to(stage, other, heir))
        return;
    slow = stage->faults->everyday[heir];
    slow.disk_stall = 1000000;
    slow.disk_stall_ns = 5 * SECOND;
    sim_set_faults(stage->sim, heir, &slow);
    report_say(stage->report, "n%zu, a follower, is behind with its disk", heir + 1);
    stage_publish_for(stage, user, 100 * MILLISECOND);
    report_say(stage->report, "n%zu, who leads, is cut off", old + 1);
    stage_cut_off(stage, old, true);
    /* What it is at takes its time; its vote goes to the journal and does not wait for that. */
    sim_set_faults(stage->sim, heir, &stage->faults->everyday[heir]);
    stage_publish_for(stage, other, 800 * MILLISECOND);
    stage_cut_off(stage, old, false);
    stage_publish_for(stage, other, 1500 * MILLISECOND);
    stage_pass(stage, SECOND);
}

/* ---- a catalogue that is behind ------------------------------------------------------------- */

static bool asked(const struct stage *stage, struct user *user, enum ask what, unsigned stream)
{
    if (!stage_wait_ready(stage, user, SECOND))
        return false;
    user_ask(user, what, stream, 0);
    return stage_wait_ready(stage, user, 2 * SECOND) && user->ask_answered && user->ask_good;
}

static void play_change(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t node = truth_leader(stage->truth, "S1");

    if (node >= stage->nodes->count || !stage_go_to(stage, user, stage_other_than(stage, node)) ||
        !asked(stage, user, ASK_CHANGE, 1) || !asked(stage, user, ASK_CHANGE, 1))
        return;
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    stage_pass(stage, (int64_t)prng_below(stage->prng, 500 * MILLISECOND));
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
        return;
    for (int i = 0; i < 10; i++)
        (void)asked(stage, user, ASK_INFO, 1);
}

/* ---- an old leader's word ------------------------------------------------------------------- */

static bool elected(const struct stage *stage, size_t node, int64_t most_ns)
{
    int64_t until = stage_now(stage) + most_ns;

    while (stage_now(stage) < until && report_good(stage->report)) {
        if (truth_elected(stage->truth, "S0", node))
            return true;
        stage->pass(stage->context, MILLISECOND / 5);
    }
    return false;
}

/* `old` gives way to `between`, whose word to `third` takes long, and then leads again. */
static void play_late(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t old = truth_leader(stage->truth, "S0"), between, third;

    if (old >= stage->nodes->count || stage->nodes->count != 3)
        return;
    between = stage_other_than(stage, old);
    third = 3 - old - between;
    faults_calm_down(stage->faults);
    if (!stage_go_to(stage, user, third))
        return;
    sim_pause(stage->sim, old, 1200 * MILLISECOND);
    if (!elected(stage, between, 1200 * MILLISECOND))
        return;
    sim_delay(stage->sim, between, third, LATE_NS, LATE_NS);
    for (int i = 0; i < 1500 && truth_leader(stage->truth, "S0") != between; i++)
        stage->pass(stage->context, MILLISECOND);
    stage->pass(stage->context, 10 * MILLISECOND); /* its word is on the way */
    sim_pause(stage->sim, between, LATE_NS);
    stage_pass(stage, 2 * LATE_NS);
    sim_delay(stage->sim, between, third, 0, 0);
    stage_pass(stage, SECOND);
    stage_must_serve(stage, user);
}

/* ---- a replica whose state is another one --------------------------------------------------- */

static bool spoilt(const struct stage *stage, size_t node, uint64_t healed)
{
    (void)healed;
    return truth_spoilt(stage->truth, "S0", node);
}

/* It may be over between two looks. */
static bool noticed(const struct stage *stage, size_t node, uint64_t healed)
{
    return truth_differs(stage->truth, "S0", node) || stage->nodes->healed > healed;
}

static bool well(const struct stage *stage, size_t node, uint64_t healed)
{
    size_t leader = truth_leader(stage->truth, "S0");

    (void)healed;
    return leader < stage->nodes->count && truth_whole(stage->truth, "S0", node) &&
           truth_same(stage->truth, "S0", node, leader);
}

/* Only what nobody can notice from outside before the replica itself does. */
static bool publish_until(const struct stage *stage, struct user *user, size_t node,
                          int64_t most_ns, uint64_t healed,
                          bool (*done)(const struct stage *stage, size_t node, uint64_t healed))
{
    int64_t until = stage_now(stage) + most_ns;

    while (!done(stage, node, healed) && stage_now(stage) < until && report_good(stage->report))
        stage_publish_for(stage, user, 20 * MILLISECOND);
    return done(stage, node, healed);
}

/* It comes to lead before anybody has noticed, with what it has forgotten already behind it. */
static void let_lead(const struct stage *stage, size_t old, size_t node)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        if (i != node)
            sim_pause(stage->sim, i, i == old ? 900 * MILLISECOND : 30 * MILLISECOND);
    }
    (void)elected(stage, node, 1200 * MILLISECOND);
    stage_pass(stage, SECOND);
}

static void play_differs(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t old = truth_leader(stage->truth, "S0"), node;
    uint64_t before = stage->nodes->healed;

    if (old >= stage->nodes->count)
        return;
    node = stage_other_than(stage, old);
    faults_calm_down(stage->faults);
    if (!stage_go_to(stage, user, old) || !truth_spoil(stage->truth, "S0", node) ||
        !publish_until(stage, user, node, 2 * SECOND, before, spoilt))
        return;
    report_say(stage->report, "n%zu has forgotten a message", node + 1);
    if (prng_chance(stage->prng, 1, 3))
        let_lead(stage, old, node);
    if (publish_until(stage, user, node, 8 * SECOND, before, noticed) &&
        prng_chance(stage->prng, 1, 3)) {
        stage_pass(stage, (int64_t)prng_below(stage->prng, 700 * MILLISECOND));
        nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
        if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0))
            return;
    }
    if (!publish_until(stage, user, node, 15 * SECOND, before, well))
        report_violate(stage->report, "S0: n%zu has another state than who leads, for good",
                       node + 1);
}

/* ---- state blocks that cannot be read ------------------------------------------------------- */

/* Of one that is down all of them: it has its peers. */
static void rot_all(const struct stage *stage, size_t node, uint64_t log)
{
    (void)nodes_rot_blocks(stage->nodes, node, log, false);
    if (prng_chance(stage->prng, 1, 3))
        (void)nodes_rot_blocks(stage->nodes, node, 1, false); /* the metadata group's */
}

static void play_rot(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t leader = truth_leader(stage->truth, "S0"), node;
    uint64_t log = truth_log(stage->truth, "S0"), before = stage->nodes->healed;
    bool newest = prng_chance(stage->prng, 1, 2);

    if (leader >= stage->nodes->count || log == 0)
        return;
    node = stage_other_than(stage, leader);
    faults_calm_down(stage->faults);
    if (!truth_has(stage->truth, "S0", node) || !stage_go_to(stage, user, leader))
        return;
    stage_publish_for(stage, user, SECOND);
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    if (newest) /* it is so far behind that it needs a block */
        stage_publish_for(stage, user, 1500 * MILLISECOND);
    leader = truth_leader(stage->truth, "S0");
    if (newest && leader < stage->nodes->count)
        (void)nodes_rot_blocks(stage->nodes, leader, log, true);
    else
        rot_all(stage, node, log);
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0)) {
        report_violate(stage->report, "n%zu does not start", node + 1);
        return;
    }
    for (int i = 0; i < 100 && !well(stage, node, before); i++)
        stage_pass(stage,
                   200 * MILLISECOND); /* nothing is published that would bring another block */
    if (!well(stage, node, before))
        report_violate(stage->report, "S0: n%zu does not come back", node + 1);
}

/* ---- a log that ends too early -------------------------------------------------------------- */

/* What it had accepted it does not know any more, and a catalogue does not know its streams: until
 * it does again it neither votes nor leads, and sets nothing aside. */
static void play_short(const struct stage *stage)
{
    struct user *user = &stage->users[0];
    size_t leader = truth_leader(stage->truth, "S0"), node;
    uint64_t log = truth_log(stage->truth, "S0"), before = stage->nodes->healed;
    bool catalogue = prng_chance(stage->prng, 1, 2);

    if (leader >= stage->nodes->count || log == 0)
        return;
    node = stage_other_than(stage, leader);
    faults_calm_down(stage->faults);
    if (!truth_has(stage->truth, "S0", node) || !stage_go_to(stage, user, leader))
        return;
    stage_publish_for(stage, user, 300 * MILLISECOND);
    nodes_crash(stage->nodes, node, SIM_CRASH_KILL);
    (void)nodes_cut_log(stage->nodes, node, catalogue ? 1 : log);
    if (!nodes_start(stage->nodes, node, SIM_CRASH_KILL, 0)) {
        report_violate(stage->report, "n%zu does not start", node + 1);
        return;
    }
    for (int i = 0; i < 5 && !catalogue; i++) { /* it is asked for, again and again */
        stage_pass(stage, (int64_t)prng_below(stage->prng, 100 * MILLISECOND));
        truth_transfer(stage->truth, "S0", node);
    }
    stage_must_serve(stage, user);
    if (!publish_until(stage, user, node, 20 * SECOND, before, well))
        report_violate(stage->report, "S0: n%zu does not come back", node + 1);
}

/* ---- replicas more and less ----------------------------------------------------------------- */

/* One node, or the power of all. */
static bool die(const struct stage *stage)
{
    size_t count = stage->nodes->count, node = prng_below(stage->prng, count);
    bool all = prng_chance(stage->prng, 1, 2);

    for (uint64_t ms = prng_below(stage->prng, all ? 60 : 300); ms > 0; ms--)
        stage->pass(stage->context, MILLISECOND);
    for (size_t i = 0; i < count; i++) {
        if ((all || i == node) && nodes_up(stage->nodes, i))
            nodes_crash(stage->nodes, i, all ? SIM_CRASH_POWER : SIM_CRASH_KILL);
    }
    stage_pass(stage, (int64_t)prng_below(stage->prng, SECOND));
    for (size_t i = 0; i < count; i++) {
        if (stage->nodes->at[i].server == NULL && !nodes_start(stage->nodes, i, SIM_CRASH_KILL, 0))
            return false;
    }
    return true;
}

/* F23: with one replica its log has dropped what new ones would begin with; whoever stays must have
 * everything, also if one of them dies on the way. */
static void play_scale(const struct stage *stage)
{
    struct scene_stream *stream = &stage->scene->streams[1];
    struct user *user = &stage->users[0];

    faults_calm_down(stage->faults);
    for (int i = 0; i < 60 && report_good(stage->report); i++) {
        if (user_connected(user) && user->open < 30)
            user_publish(user, 1);
        stage_pass(stage, 10 * MILLISECOND);
    }
    if (stream->replicas == 3 && prng_chance(stage->prng, 2, 3)) { /* who began it is to go */
        truth_transfer(stage->truth, "S1", prng_below(stage->prng, stage->nodes->count));
        stage_pass(stage, 500 * MILLISECOND);
    }
    stream->replicas = stream->replicas == 1 ? 3 : 1;
    report_say(stage->report, "S1 is to have %u replicas", stream->replicas);
    if (!asked(stage, user, ASK_CHANGE, 1))
        return;
    if (prng_chance(stage->prng, 2, 3) && !die(stage))
        return;
    for (int i = 0; i < 20 && report_good(stage->report); i++) {
        if (user_connected(user) && user->open < 30)
            user_publish(user, 1);
        stage_pass(stage, 10 * MILLISECOND);
    }
    if (!stage_is_level(stage, 30 * SECOND) && report_good(stage->report))
        report_violate(stage->report, "S1 does not come to %u replicas: %s", stream->replicas,
                       truth_level(stage->truth));
}

void script_play(enum script script, const struct stage *stage)
{
    for (int i = 0; i < ROUNDS && report_good(stage->report); i++) {
        switch (script) {
        case SCRIPT_STALE: play_stale(stage); break;
        case SCRIPT_HEIR: play_heir(stage); break;
        case SCRIPT_CHANGE: play_change(stage); break;
        case SCRIPT_LATE: play_late(stage); break;
        case SCRIPT_DIFFERS: play_differs(stage); break;
        case SCRIPT_ROT: play_rot(stage); break;
        case SCRIPT_SHORT: play_short(stage); break;
        case SCRIPT_AGAIN: play_again(stage); break;
        case SCRIPT_SCALE: play_scale(stage); break;
        case SCRIPT_LEFT: play_left(stage); break;
        case SCRIPT_GONE: play_gone(stage); break;
        case SCRIPT_EMPTY: play_empty(stage); break;
        case SCRIPT_SWAPPED: play_swapped(stage); break;
        case SCRIPT_ERASE: play_erase(stage); break;
        case SCRIPT_RANGES: play_ranges(stage); break;
        case SCRIPT_MOVE: play_move(stage, true); break;
        case SCRIPT_FORGET: play_move(stage, false); break;
        case SCRIPT_NONE:
        case SCRIPT_DRAWN:
        case SCRIPT_COUNT: break;
        }
    }
}

#include "tests/sim/cluster_faults.h"

#include <string.h>

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)
#define DISK_BYTES  (UINT64_C(1) << 30)

const char *const fault_names[FAULT_COUNT] = {
#define NAME(name, text, most) text,
    FAULT_TABLE(NAME)
#undef NAME
};

static uint64_t below(struct faults *faults, uint64_t bound)
{
    return prng_below(faults->prng, bound);
}

static bool chance(struct faults *faults, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(faults->prng, numerator, denominator);
}

static enum sim_crash_mode crash_mode(struct faults *faults)
{
    return chance(faults, 1, 2) ? SIM_CRASH_KILL : SIM_CRASH_POWER;
}

/* ---- the mix -------------------------------------------------------------------------------- */

static uint32_t rate(struct faults *faults, uint32_t most)
{
    return chance(faults, 1, 2) ? 1 + (uint32_t)below(faults, most) : 0;
}

static void draw_mix(struct faults *faults)
{
#define DRAW(name, text, most) faults->mix[FAULT_##name] = rate(faults, most);
    FAULT_TABLE(DRAW)
#undef DRAW
    if (chance(faults, 1, 2))
        faults->mix[FAULT_WIPE] = 0;
}

/* What never stops: times, pieces, short counts. Errors have their own time. */
static void draw_everyday(struct faults *faults, size_t node)
{
    struct sim_faults drawn = sim_faults_draw(faults->prng);

    drawn.write_error = drawn.sync_error = drawn.read_error = drawn.error_sticky = 0;
    drawn.sync_evicts = 0;
    drawn.short_count = 0;
    drawn.net_reset = 0;
    drawn.net_stall = chance(faults, 1, 2) ? 0 : drawn.net_stall;
    if (chance(faults, 1, 8)) { /* it is behind the others all the time */
        drawn.disk_stall = 500000;
        drawn.disk_stall_ns = (int64_t)below(faults, 500 * MILLISECOND);
    }
    faults->everyday[node] = drawn;
}

void faults_init(struct faults *faults, struct report *report, struct sim *sim, struct nodes *nodes,
                 struct truth *truth, struct prng *prng, bool calm)
{
    *faults =
        (struct faults){.report = report, .sim = sim, .nodes = nodes, .truth = truth, .prng = prng};
    for (size_t i = 0; i < nodes->count; i++)
        faults->everyday[i] = sim_faults_none();
    if (calm)
        return;
    draw_mix(faults);
    for (size_t i = 0; i < nodes->count; i++) {
        draw_everyday(faults, i);
        sim_set_faults(sim, i, &faults->everyday[i]);
    }
}

/* Who hears no leader for five seconds takes part with what it has (docs/raft.md, Logs in memory):
 * so nobody is cut off, or stands still, while another one is empty. */
void faults_spare_memory(struct faults *faults)
{
    static const enum fault worse[] = {FAULT_CRASH_OP, FAULT_CRASH_SOME, FAULT_POWER_CUT,
                                       FAULT_PART,     FAULT_PART_ONE,   FAULT_ISOLATE,
                                       FAULT_PAUSE,    FAULT_DISK_ERRORS};

    for (size_t i = 0; i < sizeof worse / sizeof worse[0]; i++)
        faults->mix[worse[i]] = 0;
    faults->mix[FAULT_CRASH] = 600; /* most of them find something that is not made good yet */
    faults->fragile = true;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static size_t any_up(struct faults *faults)
{
    size_t count = faults->nodes->count, at = below(faults, count);

    for (size_t i = 0; i < count; i++, at = (at + 1) % count) {
        if (nodes_up(faults->nodes, at))
            return at;
    }
    return count;
}

/* The leader of the first stream, or of the catalogue; not below count: there is none. */
static size_t any_leader(struct faults *faults)
{
    return chance(faults, 1, 3) ? truth_meta_leader(faults->truth)
                                : truth_leader(faults->truth, "S0");
}

/* Mostly soon, sometimes when the others have long gone on. */
static void plan_start(struct faults *faults, size_t node)
{
    int64_t wait = chance(faults, 1, 3) ? (int64_t)below(faults, 8 * SECOND)
                                        : (int64_t)below(faults, 500 * MILLISECOND);

    faults->up_ns[node] = sim_now(faults->sim) + wait;
    faults->crashes++;
}

static void crash(struct faults *faults, size_t node)
{
    if (faults->fragile && (nodes_up_count(faults->nodes) < faults->nodes->count ||
                            truth_level(faults->truth) != NULL))
        return;
    if (node >= faults->nodes->count || !nodes_up(faults->nodes, node))
        return;
    nodes_crash(faults->nodes, node, crash_mode(faults));
    plan_start(faults, node);
}

static void crash_op(struct faults *faults)
{
    size_t node = any_up(faults);

    if (node < faults->nodes->count)
        sim_crash_after(faults->sim, node, crash_mode(faults), 1 + below(faults, 60));
}

static void crash_some(struct faults *faults, bool all)
{
    enum sim_crash_mode mode = all ? SIM_CRASH_POWER : crash_mode(faults);

    for (size_t i = 0; i < faults->nodes->count; i++) {
        if (!nodes_up(faults->nodes, i) || (!all && chance(faults, 1, 2)))
            continue;
        nodes_crash(faults->nodes, i, mode);
        plan_start(faults, i);
    }
}

/* One copy of everything may be lost, not two. */
static void lose_disk(struct faults *faults)
{
    size_t node = chance(faults, 1, 2) ? any_leader(faults) : any_up(faults);

    if (faults->exposed && truth_level(faults->truth) != NULL)
        return;
    faults->exposed = false;
    if (node >= faults->nodes->count || truth_level(faults->truth) != NULL)
        return;
    nodes_crash(faults->nodes, node, crash_mode(faults));
    plan_start(faults, node);
    nodes_wipe(faults->nodes, node);
    faults->exposed = true;
    faults->wipes++;
}

static void start_some(struct faults *faults)
{
    for (size_t i = 0; i < faults->nodes->count; i++) {
        uint64_t ops = chance(faults, 1, 5) ? 1 + below(faults, 150) : 0;

        if (faults->nodes->at[i].server != NULL || faults->up_ns[i] > sim_now(faults->sim))
            continue;
        if (!nodes_start(faults->nodes, i, crash_mode(faults), ops))
            plan_start(faults, i);
    }
}

static void pause_one(struct faults *faults)
{
    size_t node = chance(faults, 1, 2) ? any_leader(faults) : any_up(faults);
    int64_t ns = chance(faults, 1, 2) ? (int64_t)below(faults, 4 * SECOND)
                                      : (int64_t)below(faults, 300 * MILLISECOND);

    if (node >= faults->nodes->count)
        return;
    report_say(faults->report, "n%zu stands still for %lld ms", node + 1,
               (long long)(ns / MILLISECOND));
    sim_pause(faults->sim, node, ns);
    if (sim_now(faults->sim) + ns > faults->paused_ns)
        faults->paused_ns = sim_now(faults->sim) + ns;
}

static void jump_clock(struct faults *faults)
{
    size_t node = below(faults, faults->nodes->count);
    int64_t by = ((int64_t)below(faults, 60) - 30) * SECOND;

    report_say(faults->report, "n%zu: its clock jumps by %lld s", node + 1,
               (long long)(by / SECOND));
    sim_jump_wall(faults->sim, node, by);
}

/* ---- disks ---------------------------------------------------------------------------------- */

static void slow_disk(struct faults *faults)
{
    size_t node = below(faults, faults->nodes->count);
    struct sim_faults slow = faults->everyday[node];

    if (faults->healed_ns[node] != 0)
        return;
    slow.disk_stall = 50000 + (uint32_t)below(faults, 900000);
    slow.disk_stall_ns = (int64_t)below(faults, 2 * SECOND);
    sim_set_faults(faults->sim, node, &slow);
    faults->healed_ns[node] = sim_now(faults->sim) + (int64_t)below(faults, 6 * SECOND);
    report_say(faults->report, "n%zu: its disk is slow", node + 1);
}

/* At most a minority of the disks fails at a time. */
static bool may_sicken(const struct faults *faults, size_t node)
{
    size_t sick = 1;

    for (size_t i = 0; i < faults->nodes->count; i++)
        sick += faults->sick[i];
    return faults->healed_ns[node] == 0 && sick <= (faults->nodes->count - 1) / 2;
}

static void sicken(struct faults *faults, bool full)
{
    size_t node = below(faults, faults->nodes->count);
    struct sim_faults errors = faults->everyday[node];

    if (!may_sicken(faults, node))
        return;
    errors.write_error = chance(faults, 1, 2) ? (uint32_t)below(faults, 300000) : 0;
    errors.sync_error = chance(faults, 2, 3) ? (uint32_t)below(faults, 300000) : 0;
    errors.error_sticky = chance(faults, 1, 3) ? 200000 : 0;
    errors.sync_evicts = faults->evicts && chance(faults, 1, 2) ? 500000 : 0;
    if (full)
        sim_set_capacity(faults->sim, node, 1);
    else
        sim_set_faults(faults->sim, node, &errors);
    faults->sick[node] = true;
    faults->failed[node] = faults->failed[node] || !full;
    faults->sicknesses++;
    faults->healed_ns[node] = sim_now(faults->sim) + (int64_t)below(faults, 8 * SECOND);
    report_say(faults->report, "n%zu: its disk %s", node + 1,
               full ? "is full" : "fails now and then");
}

static void heal_disks(struct faults *faults)
{
    for (size_t i = 0; i < faults->nodes->count; i++) {
        if (faults->healed_ns[i] == 0 || faults->healed_ns[i] > sim_now(faults->sim))
            continue;
        faults->healed_ns[i] = 0;
        faults->sick[i] = false;
        sim_heal(faults->sim, i);
        sim_set_capacity(faults->sim, i, DISK_BYTES);
        sim_set_faults(faults->sim, i, &faults->everyday[i]);
        report_say(faults->report, "n%zu: its disk is well", i + 1);
    }
}

/* ---- the network ---------------------------------------------------------------------------- */

static void plan_join(struct faults *faults)
{
    int64_t ns = chance(faults, 1, 3) ? (int64_t)below(faults, 10 * SECOND)
                                      : (int64_t)below(faults, 3 * SECOND);

    faults->joined_ns = sim_now(faults->sim) + ns;
    faults->parts++;
}

static void part(struct faults *faults, bool one_way)
{
    uint64_t side = 1 + below(faults, (1u << faults->nodes->count) - 2);

    report_say(faults->report, "the network is cut %s: side %llx", one_way ? "one way" : "in two",
               (unsigned long long)side);
    for (size_t a = 0; a < faults->nodes->count; a++) {
        for (size_t b = 0; b < faults->nodes->count; b++) {
            if ((side >> a & 1) == 0 || (side >> b & 1) != 0)
                continue;
            if (one_way)
                sim_cut(faults->sim, a, b);
            else
                sim_part(faults->sim, a, b);
        }
    }
    plan_join(faults);
}

static void isolate_leader(struct faults *faults)
{
    size_t node = any_leader(faults);

    if (node >= faults->nodes->count)
        return;
    report_say(faults->report, "n%zu, a leader, is cut off from its peers", node + 1);
    for (size_t i = 0; i < faults->nodes->count; i++) {
        if (i == node)
            continue;
        sim_cut(faults->sim, node, i);
        if (chance(faults, 2, 3)) /* else it hears its peers, and they do not hear it */
            sim_cut(faults->sim, i, node);
    }
    plan_join(faults);
}

static void join(struct faults *faults)
{
    for (size_t a = 0; a < faults->nodes->count; a++) {
        for (size_t b = 0; b < faults->nodes->count; b++) {
            if (a == b)
                continue;
            sim_join(faults->sim, a, b);
            sim_delay(faults->sim, a, b, 0, 0);
        }
    }
    faults->joined_ns = 0;
    report_say(faults->report, "the network is whole");
}

static void reset(struct faults *faults)
{
    size_t a = below(faults, faults->nodes->count), b = below(faults, faults->nodes->count);

    if (a == b)
        return;
    report_say(faults->report, "connections between n%zu and n%zu break", a + 1, b + 1);
    sim_reset(faults->sim, a, b);
}

static void delay(struct faults *faults)
{
    size_t a = below(faults, faults->nodes->count), b = below(faults, faults->nodes->count);
    int64_t most = (int64_t)below(faults, SECOND);

    if (a == b)
        return;
    report_say(faults->report, "from n%zu to n%zu takes up to %lld ms longer", a + 1, b + 1,
               (long long)(most / MILLISECOND));
    sim_delay(faults->sim, a, b, 0, most);
    if (faults->joined_ns == 0)
        plan_join(faults);
}

/* ---- what happens --------------------------------------------------------------------------- */

static bool happens(struct faults *faults, enum fault fault, int64_t ns)
{
    uint32_t per_second = faults->mix[fault];

    return per_second > 0 &&
           below(faults, (uint64_t)(1000 * SECOND)) < (uint64_t)(per_second * ns) &&
           !faults->off[fault];
}

static void network_happens(struct faults *faults, int64_t ns)
{
    if (faults->joined_ns != 0) {
        if (sim_now(faults->sim) >= faults->joined_ns)
            join(faults);
    } else if (happens(faults, FAULT_PART, ns)) {
        part(faults, false);
    } else if (happens(faults, FAULT_PART_ONE, ns)) {
        part(faults, true);
    } else if (happens(faults, FAULT_ISOLATE, ns)) {
        isolate_leader(faults);
    }
    if (happens(faults, FAULT_RESET, ns))
        reset(faults);
    if (happens(faults, FAULT_DELAY, ns))
        delay(faults);
}

static void nodes_happen(struct faults *faults, int64_t ns)
{
    if (happens(faults, FAULT_CRASH, ns))
        crash(faults, any_up(faults));
    if (happens(faults, FAULT_CRASH_OP, ns))
        crash_op(faults);
    if (happens(faults, FAULT_CRASH_SOME, ns))
        crash_some(faults, false);
    if (happens(faults, FAULT_POWER_CUT, ns))
        crash_some(faults, true);
    if (happens(faults, FAULT_PAUSE, ns))
        pause_one(faults);
    if (happens(faults, FAULT_CLOCK, ns))
        jump_clock(faults);
    if (happens(faults, FAULT_DISK_SLOW, ns))
        slow_disk(faults);
    if (happens(faults, FAULT_DISK_ERRORS, ns))
        sicken(faults, false);
    if (happens(faults, FAULT_DISK_FULL, ns))
        sicken(faults, true);
    if (happens(faults, FAULT_WIPE, ns))
        lose_disk(faults);
}

void faults_happen(struct faults *faults, int64_t ns)
{
    size_t fallen;

    while ((fallen = nodes_fallen(faults->nodes)) < faults->nodes->count)
        plan_start(faults, fallen);
    start_some(faults);
    heal_disks(faults);
    if (sim_now(faults->sim) < faults->next_ns)
        return;
    if (chance(faults, 1, 2000)) { /* now and then it is quiet for a while */
        faults->next_ns = sim_now(faults->sim) + (int64_t)below(faults, 8 * SECOND);
        return;
    }
    network_happens(faults, ns);
    nodes_happen(faults, ns);
}

void faults_calm_down(struct faults *faults)
{
    for (size_t i = 0; i < faults->nodes->count; i++) {
        faults->everyday[i] = sim_faults_none();
        sim_set_faults(faults->sim, i, &faults->everyday[i]);
    }
}

void faults_leave_out(struct faults *faults)
{
    memset(faults->mix, 0, sizeof faults->mix);
    faults_calm_down(faults);
}

void faults_end(struct faults *faults)
{
    report_say(faults->report, "all faults end");
    join(faults);
    for (size_t i = 0; i < faults->nodes->count; i++)
        faults->everyday[i] = sim_faults_none();
    while (nodes_fallen(faults->nodes) < faults->nodes->count)
        continue;
    for (size_t i = 0; i < faults->nodes->count; i++) {
        sim_crash_after(faults->sim, i, SIM_CRASH_KILL, 0);
        /* What its journal holds for segments whose syncs failed it holds until the next start;
         * when that is all of it, no vote can be written. */
        if (faults->failed[i] && faults->nodes->at[i].server != NULL)
            nodes_crash(faults->nodes, i, SIM_CRASH_KILL);
        sim_heal(faults->sim, i);
        sim_set_capacity(faults->sim, i, DISK_BYTES);
        if (faults->nodes->at[i].server == NULL &&
            !nodes_start(faults->nodes, i, SIM_CRASH_KILL, 0))
            report_violate(faults->report, "n%zu does not start", i + 1);
    }
}

/*
 * cluster_move: streams of one and of three replicas, on disks and in memory, are wished to be
 * elsewhere, wholly or in part, and back again, while nodes of the old and of the new set die, one,
 * most or all of them, or stand still, before, while and after the new ones catch up. Then
 * everybody is up: each stream comes to lead, where it is wished, with all that was acknowledged.
 *
 * What is in memory is promised while one node of its three at most loses it. In the scene "move"
 * no more die; in "forget" they do: then the stream is to come back all the same, and nothing is
 * said of what it holds.
 */
#include <stdio.h>

#include "server/cluster/cluster.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/stream_priv.h"
#include "tests/sim/cluster_stage.h"

#define LED_NS   (20 * SECOND) /* everybody is up; five of them are waited for who may forget */
#define LEVEL_NS (30 * SECOND)
#define DEAF_NS  (16 * SECOND)
#define WISHES   5u /* in a round, at most */
#define LATER    3u

/* What has been so since all was level. */
struct path {
    unsigned holders; /* nodes that hold it or are to */
    unsigned lost;    /* of them, whose memory is gone, or was for a while */
    unsigned least;   /* replicas */
    unsigned before[LATER];
};

struct move {
    const struct stage *stage;
    struct path paths[SCENE_STREAMS_MAX];
    int64_t up_ns[NODES_MAX];
    unsigned died;  /* nodes, since all was level */
    bool spares;    /* what is in memory outlives all of it */
    bool disturbed; /* somebody stood still, or was slow */
};

static unsigned bit(size_t node)
{
    return 1u << node;
}

static unsigned size_of(unsigned nodes)
{
    return (unsigned)__builtin_popcount(nodes);
}

/* ---- tags: one for each set of nodes --------------------------------------------------------- */

void move_prepare(struct nodes *nodes)
{
    static char names[1u << NODES_MAX][16];
    static struct bytes tags[NODES_MAX][1u << NODES_MAX];

    for (size_t i = 0; i < nodes->count; i++) {
        struct text_list *list = &nodes->at[i].options.server_tags;

        *list = (struct text_list){.at = tags[i]};
        for (unsigned set = 1; set < 1u << nodes->count; set++) {
            snprintf(names[set], sizeof names[set], "s%u", set);
            if ((set & bit(i)) != 0)
                tags[i][list->count++] = bytes_of_text(names[set]);
        }
    }
}

/* ---- where a stream is ----------------------------------------------------------------------- */

static struct catalogue_entry *entry_on(const struct stage *stage, size_t node, unsigned stream)
{
    struct jetstream *jetstream = nodes_jetstream(stage->nodes, node);
    char name[16];

    snprintf(name, sizeof name, "S%u", stream);
    return jetstream == NULL
               ? NULL
               : catalogue_named(&jetstream->catalogue, BYTES("$G"), bytes_of_text(name));
}

static unsigned set_of(const struct stage *stage, const struct raft_config *members)
{
    unsigned set = 0;

    for (size_t i = 0; i < stage->nodes->count; i++) {
        if (members_find(members, cluster_node_id(bytes_of_text(stage->nodes->at[i].name))) != NULL)
            set |= bit(i);
    }
    return set;
}

/* The newest that anybody knows. */
static struct catalogue_entry *newest(const struct stage *stage, unsigned stream)
{
    size_t leader = truth_meta_leader(stage->truth);

    return leader < stage->nodes->count ? entry_on(stage, leader, stream) : NULL;
}

static void follow(struct move *move)
{
    const struct stage *stage = move->stage;

    for (unsigned s = 0; s < stage->scene->stream_count; s++) {
        struct path *path = &move->paths[s];

        for (size_t i = 0; i < stage->nodes->count; i++) {
            const struct catalogue_entry *entry = entry_on(stage, i, s);

            if (entry == NULL)
                continue;
            path->holders |= set_of(stage, &entry->wished);
            if (entry->wished.count < path->least)
                path->least = entry->wished.count;
            if (entry->stream == NULL)
                continue;
            path->holders |= bit(i) | set_of(stage, replica_members(stream_replica(entry->stream)));
        }
    }
}

/* Would this death take the memory of most, or of the only one, of those who may count? */
static bool is_loss(const struct move *move, unsigned stream, size_t node)
{
    const struct scene_stream *s = &move->stage->scene->streams[stream];
    const struct path *path = &move->paths[stream];
    unsigned most = path->least < 3 || move->disturbed ? 0 : 1;

    return s->memory && (path->holders & bit(node)) != 0 && size_of(path->lost | bit(node)) > most;
}

static bool is_any_loss(const struct move *move, size_t node)
{
    for (unsigned s = 0; s < move->stage->scene->stream_count; s++) {
        if (is_loss(move, s, node))
            return true;
    }
    return false;
}

/* It may have been begun afresh, and not everybody know it yet. */
static void forgive_groups(const struct stage *stage, unsigned stream)
{
    for (size_t i = 0; i < stage->nodes->count; i++) {
        const struct catalogue_entry *entry = entry_on(stage, i, stream);

        if (entry != NULL)
            truth_forgive(stage->truth, entry->assigned.id);
    }
}

static void forgive(struct move *move, size_t node)
{
    for (unsigned s = 0; s < move->stage->scene->stream_count; s++) {
        if (is_loss(move, s, node)) {
            report_say(move->stage->report, "S%u: what was in memory may be lost", s);
            if (!move->stage->scene->streams[s].history.lossy)
                scene_forgive(move->stage->scene, s);
            forgive_groups(move->stage, s);
        }
        move->paths[s].lost |= move->paths[s].holders & bit(node);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool start(struct move *move, size_t node)
{
    return move->stage->nodes->at[node].server != NULL ||
           nodes_start(move->stage->nodes, node, SIM_CRASH_KILL, 0);
}

static void pass(struct move *move, int64_t ns)
{
    const struct stage *stage = move->stage;
    int64_t until = stage_now(stage) + ns;

    while (stage_now(stage) < until && report_good(stage->report)) {
        int64_t left = until - stage_now(stage);

        follow(move);
        for (size_t i = 0; i < stage->nodes->count; i++) {
            if (stage->nodes->at[i].server == NULL && stage_now(stage) >= move->up_ns[i] &&
                !start(move, i))
                report_violate(stage->report, "n%zu does not start", i + 1);
        }
        stage->pass(stage->context, left < 2 * MILLISECOND ? left : 2 * MILLISECOND);
        for (unsigned i = 0; i < stage->user_count; i++) {
            user_look_at_time(&stage->users[i]);
            if (user_connected(&stage->users[i]) && stage->users[i].open < 10 &&
                prng_chance(stage->prng, 1, 5))
                user_publish(&stage->users[i],
                             (unsigned)prng_below(stage->prng, stage->scene->stream_count));
        }
    }
}

static int64_t any_time(const struct stage *stage)
{
    static const int64_t most[] = {8 * MILLISECOND, 60 * MILLISECOND, 500 * MILLISECOND,
                                   2 * SECOND};

    return (int64_t)prng_below(stage->prng, (uint64_t)most[prng_below(stage->prng, 4)]);
}

/* ---- wishes ---------------------------------------------------------------------------------- */

/* So many nodes; few of them are those that have it. */
static unsigned other_set(const struct stage *stage, unsigned now, unsigned count)
{
    unsigned set = 0, best = 0;

    for (unsigned tries = 0; tries < 3; tries++) {
        for (set = 0; size_of(set) < count;)
            set |= bit(prng_below(stage->prng, stage->nodes->count));
        if (best == 0 || size_of(set & now) < size_of(best & now))
            best = set;
    }
    return best;
}

static struct user *asker(const struct stage *stage)
{
    for (unsigned i = 0; i < stage->user_count; i++) {
        if (user_connected(&stage->users[i]) && stage->users[i].ask == ASK_NOTHING)
            return &stage->users[i];
    }
    return NULL;
}

static unsigned next_set(struct move *move, unsigned stream, unsigned now)
{
    const struct stage *stage = move->stage;
    unsigned back = move->paths[stream].before[prng_below(stage->prng, LATER)];

    if (back != now && size_of(back) == size_of(now) && prng_chance(stage->prng, 2, 3))
        return back;
    return other_set(stage, now, size_of(now));
}

/* Any of its nodes gives its place to another one. */
static void leave(const struct stage *stage, struct user *user, unsigned stream, unsigned now)
{
    size_t node;

    do {
        node = prng_below(stage->prng, stage->nodes->count);
    } while ((now & bit(node)) == 0);
    report_say(stage->report, "S%u, of set %x, is to leave n%zu", stream, now, node + 1);
    user_ask(user, ASK_LEAVE, stream, node + 1);
}

static bool wish(struct move *move, unsigned stream)
{
    const struct stage *stage = move->stage;
    struct scene_stream *s = &stage->scene->streams[stream];
    const struct catalogue_entry *entry = newest(stage, stream);
    struct user *user = asker(stage);
    struct path *path = &move->paths[stream];
    unsigned now;

    if (entry == NULL || user == NULL)
        return false;
    now = set_of(stage, &entry->wished);
    path->before[prng_below(stage->prng, LATER)] = now;
    if (now != 0 && prng_chance(stage->prng, 1, 6)) {
        leave(stage, user, stream, now);
        return true;
    }
    s->replicas = size_of(now);
    s->placed = 0;
    if (prng_chance(stage->prng, 1, 3) || (s->replicas == 3 && stage->nodes->count == 3))
        s->replicas = s->replicas == 1 ? 3 : 1;
    else
        s->placed = next_set(move, stream, now);
    report_say(stage->report, "S%u, of set %x, is to have %u replicas, in set %x", stream, now,
               s->replicas, s->placed);
    user_ask(user, ASK_CHANGE, stream, 0);
    return true;
}

/* ---- deaths ---------------------------------------------------------------------------------- */

static void die(struct move *move, size_t node, bool power, int64_t down_ns)
{
    const struct stage *stage = move->stage;

    if (!nodes_up(stage->nodes, node))
        return;
    follow(move);
    if (move->spares && is_any_loss(move, node))
        return;
    forgive(move, node);
    move->died |= bit(node);
    move->up_ns[node] = stage_now(stage) + down_ns;
    nodes_crash(stage->nodes, node, power ? SIM_CRASH_POWER : SIM_CRASH_KILL);
}

/* Some of these: one, most, or all. */
static void some_die(struct move *move, unsigned set)
{
    const struct stage *stage = move->stage;
    unsigned shapes[] = {1, 1, size_of(set) / 2 + 1, size_of(set)};
    unsigned left = shapes[prng_below(stage->prng, 4)];
    bool power = prng_chance(stage->prng, 1, 2), together = prng_chance(stage->prng, 1, 2);
    int64_t down_ns = any_time(stage);
    size_t at = prng_below(stage->prng, stage->nodes->count);

    for (size_t i = 0; i < stage->nodes->count && left > 0; i++) {
        size_t node = (at + i) % stage->nodes->count;

        if ((set & bit(node)) == 0)
            continue;
        left--;
        die(move, node, power, together ? down_ns : any_time(stage));
    }
}

/* The one that leads it, often. */
static size_t somebody(const struct stage *stage, unsigned stream)
{
    size_t leader;
    char name[16];

    snprintf(name, sizeof name, "S%u", stream);
    leader = truth_leader(stage->truth, name);
    return leader < stage->nodes->count && prng_chance(stage->prng, 1, 2)
               ? leader
               : prng_below(stage->prng, stage->nodes->count);
}

/* One that holds it does not hear its leader for so long that it complains, and all others do. */
static void deafen(struct move *move, unsigned stream)
{
    const struct stage *stage = move->stage;
    size_t leader, node = prng_below(stage->prng, stage->nodes->count);
    size_t meta = truth_meta_leader(stage->truth);
    char name[16];

    snprintf(name, sizeof name, "S%u", stream);
    leader = truth_leader(stage->truth, name);
    if (leader >= stage->nodes->count || node == leader || meta == leader || meta == node)
        return;
    report_say(stage->report, "n%zu and n%zu, who leads %s, do not hear each other", node + 1,
               leader + 1, name);
    sim_cut(stage->sim, leader, node);
    sim_cut(stage->sim, node, leader);
    pass(move, DEAF_NS);
    sim_join(stage->sim, leader, node);
    sim_join(stage->sim, node, leader);
}

/* `calm`: nobody dies. */
static void disturb(struct move *move, unsigned stream, unsigned set, bool calm)
{
    const struct stage *stage = move->stage;
    size_t node = somebody(stage, stream);
    struct sim_faults slow = stage->faults->everyday[node];
    unsigned kind = (unsigned)prng_below(stage->prng, calm ? 2 : 8);

    if (kind < 2 && move->died != 0 && move->spares) /* who is empty hears of its leader in time */
        return;
    move->disturbed = move->disturbed || kind < 2;
    if (kind == 0) {
        report_say(stage->report, "n%zu stands still", node + 1);
        sim_pause(stage->sim, node, (int64_t)prng_below(stage->prng, 2 * SECOND));
    } else if (kind == 1) { /* files are still being removed as it is wished back */
        report_say(stage->report, "n%zu has a slow disk", node + 1);
        slow.disk_stall = 200000;
        slow.disk_stall_ns = 400 * MILLISECOND;
        sim_set_faults(stage->sim, node, &slow);
    } else if (kind < 5) {
        some_die(move, set);
    } else if (kind == 5) {
        some_die(move, bit(stage->nodes->count) - 1);
    } else if (kind == 6 && !move->spares) {
        deafen(move, stream);
    }
}

/* ---- the scene ------------------------------------------------------------------------------- */

static void begin_round(struct move *move)
{
    const struct stage *stage = move->stage;

    move->died = 0;
    move->disturbed = false;
    for (unsigned s = 0; s < stage->scene->stream_count; s++)
        move->paths[s] = (struct path){.least = NODES_MAX};
    follow(move);
}

static void end_round(struct move *move)
{
    const struct stage *stage = move->stage;
    int64_t until;

    for (size_t i = 0; i < stage->nodes->count; i++) {
        sim_set_faults(stage->sim, i, &stage->faults->everyday[i]);
        move->up_ns[i] = 0;
    }
    pass(move, 3 * SECOND);
    until = stage_now(stage) + LED_NS;
    while (truth_led(stage->truth) != NULL && stage_now(stage) < until &&
           report_good(stage->report))
        pass(move, 50 * MILLISECOND);
    if (truth_led(stage->truth) != NULL && report_good(stage->report))
        report_violate(stage->report, "moved, and all are up: %s", truth_led(stage->truth));
    if (!stage_is_level(stage, LEVEL_NS) && report_good(stage->report))
        report_violate(stage->report, "moved, and all are up: %s", truth_level(stage->truth));
    truth_one_leads(stage->truth);
}

void play_move(const struct stage *stage, bool spares)
{
    struct move move = {.stage = stage, .spares = spares};
    unsigned wishes = 1 + (unsigned)prng_below(stage->prng, WISHES);
    unsigned stream = (unsigned)prng_below(stage->prng, stage->scene->stream_count);
    bool calm = prng_chance(stage->prng, 1, 5); /* nobody dies: nothing is forgiven */

    if (!stage_is_level(stage, LEVEL_NS) && report_good(stage->report))
        report_violate(stage->report, "not level: %s", truth_level(stage->truth));
    begin_round(&move);
    pass(&move, any_time(stage));
    for (unsigned i = 0; i < wishes && report_good(stage->report); i++) {
        unsigned from = move.paths[stream].holders;

        if (prng_chance(stage->prng, 1, 4))
            stream = (unsigned)prng_below(stage->prng, stage->scene->stream_count);
        (void)wish(&move, stream);
        pass(&move, any_time(stage));
        if (prng_chance(stage->prng, 1, 3))
            from = move.paths[stream].holders;
        if (prng_chance(stage->prng, 3, 4))
            disturb(&move, stream, from, calm);
        pass(&move, any_time(stage));
    }
    if (report_good(stage->report))
        end_round(&move);
}

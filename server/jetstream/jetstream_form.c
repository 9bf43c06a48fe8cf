/*
 * jetstream_form: who is in the metadata group.
 *
 * A fresh cluster is formed once: when every configured route has led to a node, all of them are up
 * and none of those with JetStream has a metadata log, the node with the lowest id writes down who
 * they are and asks the others to begin their logs with that same entry. A node begins one such log
 * in the life of its disk.
 *
 * Where a log is, fresh nodes are taken in: the leader makes them learners, then voters; any member
 * hands them the entry that the log begins with. A node that comes back with another disk is
 * another member: the old one goes first. One that was removed is not taken in again
 * (jetstream_leave.c).
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "storage/batch.h"

#include <stdlib.h>

#define META_VOTERS_MAX 5u
#define HELLO_SIZE      24u

#define HELLO_KNOWS_REMOVAL 1u

/* The metadata group's log being made on a worker. */
struct beginning {
    struct io_work work;
    struct jetstream_cluster *cluster; /* NULL: closed meanwhile */
    struct store *store;
    uint8_t incarnation[16];
    struct buf content;
    enum err err;
};

static struct logger *logger_of(const struct jetstream_cluster *cluster)
{
    return server_logger(cluster->jetstream->server);
}

static struct raft_member self_of(const struct jetstream_cluster *cluster)
{
    return groups_self(cluster->jetstream->home->groups);
}

/* ---- hello ---------------------------------------------------------------------------------- */

void form_hello(struct jetstream_cluster *cluster, uint64_t node)
{
    struct replica *meta = cluster->jetstream->meta;
    uint8_t hello[HELLO_SIZE + NODE_TAGS_SIZE] = {meta != NULL, HELLO_KNOWS_REMOVAL};
    size_t size = HELLO_SIZE + place_tags(cluster->jetstream, hello + HELLO_SIZE);

    if (meta != NULL)
        memcpy(hello + 8, log_incarnation(replica_log(meta)), 16);
    if (node != 0)
        cluster_tell(cluster, node, JETSTREAM_HELLO, bytes_of(hello, size));
    else
        cluster_tell_all(cluster, JETSTREAM_HELLO, bytes_of(hello, size));
}

/* The entry that our log begins with, for a node that has none. */
static void hand_on(struct jetstream_cluster *cluster, uint64_t node)
{
    struct bytes content = buf_bytes(&cluster->jetstream->beginning);

    if (content.size > 0)
        cluster_tell(cluster, node, JETSTREAM_BOOTSTRAP, content);
}

static bool same_group(const struct jetstream_cluster *cluster, const struct node_state *state)
{
    return memcmp(state->meta_incarnation, log_incarnation(replica_log(cluster->jetstream->meta)),
                  16) == 0;
}

void form_heard(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    struct node_state *state = cluster_node_state(cluster, node);

    if (state == NULL || body.size < HELLO_SIZE || body.size > HELLO_SIZE + NODE_TAGS_SIZE)
        return;
    state->heard = true;
    state->has_meta = body.at[0] != 0;
    state->knows_removal = body.at[1] >= HELLO_KNOWS_REMOVAL;
    memcpy(state->meta_incarnation, body.at + 8, 16);
    state->tags_size = body.size - HELLO_SIZE;
    memcpy(state->tags, body.at + HELLO_SIZE, state->tags_size);
    cluster->look = true;
    if (cluster->jetstream->meta == NULL)
        return;
    leave_heard(cluster, state);
    if (!state->has_meta) {
        const struct raft_member *member =
            members_find(replica_members(cluster->jetstream->meta), node);

        if (member != NULL && member->incarnation == state->incarnation)
            hand_on(cluster, node);
    } else if (!same_group(cluster, state)) {
        logger_error(
            logger_of(cluster),
            "JetStream cluster: node %016llx belongs to another metadata group; it is ignored",
            (unsigned long long)node);
    }
}

/* ---- beginning the log ---------------------------------------------------------------------- */

static void begin_run(struct io_work *work, struct io *io)
{
    struct beginning *beginning = owner_of(work, struct beginning, work);

    (void)io;
    beginning->err = log_prepare(beginning->store, CATALOGUE_LOG_ID, beginning->incarnation,
                                 buf_bytes(&beginning->content));
}

static void begin_done(struct io_work *work)
{
    struct beginning *beginning = owner_of(work, struct beginning, work);
    struct jetstream_cluster *cluster = beginning->cluster;
    enum err err = beginning->err;

    buf_deinit(&beginning->content);
    if (cluster != NULL)
        cluster->beginning = NULL;
    heap_give(beginning);
    if (cluster == NULL)
        return;
    jetstream_halt(cluster->jetstream); /* they read what the catalogue says */
    if (err == OK || err == ERR_EXISTS)
        err = jetstream_meta_open(cluster->jetstream);
    jetstream_go_on(cluster->jetstream);
    if (err != OK)
        logger_error(logger_of(cluster), "JetStream cluster: the catalogue could not be begun: %s",
                     err_text(err));
    else
        form_hello(cluster, 0);
    cluster->look = true;
}

static void begin(struct jetstream_cluster *cluster, struct bytes content,
                  const uint8_t incarnation[16])
{
    struct beginning *beginning = HEAP_NEW(struct beginning);

    beginning->work = (struct io_work){.run = begin_run, .done = begin_done};
    beginning->cluster = cluster;
    beginning->store = cluster->jetstream->home->store;
    memcpy(beginning->incarnation, incarnation, sizeof beginning->incarnation);
    buf_init(&beginning->content, 64u << 10);
    (void)buf_add(&beginning->content, content);
    cluster->beginning = beginning;
    io_work(server_io(cluster->jetstream->server), &beginning->work);
}

void form_bootstrap(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    struct batch_content content;
    struct raft_config members;

    (void)node;
    if (cluster->jetstream->meta != NULL || cluster->beginning != NULL)
        return;
    if (body.size > (60u << 10) || batch_content_peek(body, &content) != OK || content.index != 1 ||
        !members_of(content.records, content.record_count, &members)) {
        logger_error(logger_of(cluster), "JetStream cluster: a node sent a beginning that is none");
        return;
    }
    begin(cluster, body, content.incarnation);
}

void form_drop(struct jetstream_cluster *cluster)
{
    timers_cancel(io_timers(server_io(cluster->jetstream->server)), &cluster->form);
    if (cluster->beginning != NULL)
        cluster->beginning->cluster = NULL;
}

/* ---- a fresh cluster ------------------------------------------------------------------------ */

static int by_node(const void *a, const void *b)
{
    const struct raft_member *left = a, *right = b;

    return left->node < right->node ? -1 : left->node > right->node;
}

/* Everybody that is to begin, this node included; false: not all are there, or some have begun. */
static bool all_fresh(struct jetstream_cluster *cluster, struct raft_config *members)
{
    const struct cluster_node *node;

    *members = (struct raft_config){.at = {self_of(cluster)}, .count = 1};
    if (cluster_routes_answered(cluster->cluster) < cluster_routes(cluster->cluster))
        return false;
    for (size_t at = 0; (node = cluster_next(cluster->cluster, &at)) != NULL;) {
        const struct node_state *state = cluster_node_state(cluster, node->id);

        if (!node->up)
            return false;
        if (!node->jetstream)
            continue; /* it passes messages on, and is no member */
        if (state == NULL || !state->heard || state->has_meta || members->count == RAFT_MEMBERS_MAX)
            return false;
        members->at[members->count++] =
            (struct raft_member){.node = node->id, .incarnation = node->incarnation};
    }
    qsort(members->at, members->count, sizeof members->at[0], by_node);
    for (uint32_t i = META_VOTERS_MAX; i < members->count; i++)
        members->at[i].learner = true;
    return true;
}

static void form(struct jetstream_cluster *cluster)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct raft_config members;
    uint8_t incarnation[16];
    struct buf content;

    if (cluster->beginning != NULL || !all_fresh(cluster, &members) ||
        members.at[0].node != cluster_self_id(cluster))
        return;
    io_random(server_io(jetstream->server), incarnation, sizeof incarnation);
    buf_init(&content, 64u << 10);
    members_bootstrap(&content, incarnation, jetstream_log_now(jetstream), &members);
    logger_info(logger_of(cluster), "JetStream cluster: forming the metadata group of %u nodes",
                members.count);
    cluster_tell_all(cluster, JETSTREAM_BOOTSTRAP, buf_bytes(&content));
    begin(cluster, buf_bytes(&content), incarnation);
    buf_deinit(&content);
}

/* ---- taking nodes in ------------------------------------------------------------------------ */

static uint32_t voters(const struct raft_config *config)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->count; i++)
        count += config->at[i].learner ? 0 : 1;
    return count;
}

bool jetstream_taken_in(const struct jetstream *jetstream)
{
    const struct raft_config *members = replica_members(jetstream->meta);
    struct raft_member self = groups_self(jetstream->home->groups);
    const struct raft_member *found = members_find(members, self.node);

    if (found == NULL || !members_equal(*found, self))
        return false;
    return !found->learner ||
           (voters(members) >= META_VOTERS_MAX && replica_caught_up(jetstream->meta));
}

static bool caught_up(const struct replica *meta, struct raft_member member)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = replica_progress(meta, progress);

    for (uint32_t i = 0; i < count; i++) {
        if (members_equal(progress[i].member, member))
            return progress[i].current;
    }
    return false;
}

static void drop_member(struct raft_config *config, uint32_t number)
{
    memmove(&config->at[number], &config->at[number + 1],
            (config->count - number - 1) * sizeof config->at[0]);
    config->count--;
}

/* The next change of members that is due; false: none. */
static bool next_change(struct jetstream_cluster *cluster, struct raft_config *next)
{
    const struct replica *meta = cluster->jetstream->meta;
    const struct cluster_node *node;

    if (leave_next(cluster, next))
        return true;
    *next = *replica_members(meta);
    for (uint32_t i = 0; i < next->count; i++) {
        const struct node_state *state = cluster_node_state(cluster, next->at[i].node);

        if (state != NULL && state->heard && state->incarnation != next->at[i].incarnation) {
            drop_member(next, i); /* its disk is another one */
            return true;
        }
        if (next->at[i].learner && voters(next) < META_VOTERS_MAX && caught_up(meta, next->at[i]) &&
            !leave_expelled(cluster, next->at[i])) {
            next->at[i].learner = false;
            return true;
        }
    }
    for (size_t at = 0; (node = cluster_next(cluster->cluster, &at)) != NULL;) {
        const struct node_state *state = cluster_node_state(cluster, node->id);
        const struct raft_member member = {
            .node = node->id, .incarnation = node->incarnation, .learner = true};

        if (!node->up || !node->jetstream || state == NULL || !state->heard ||
            (state->has_meta && !same_group(cluster, state)) ||
            members_find(next, node->id) != NULL || next->count == RAFT_MEMBERS_MAX ||
            leave_expelled(cluster, member))
            continue;
        next->at[next->count++] = member;
        return true;
    }
    return false;
}

/* Fresh nodes that are members by now get their beginning. */
static void hand_on_to_members(struct jetstream_cluster *cluster)
{
    const struct raft_config *members = replica_members(cluster->jetstream->meta);

    for (uint32_t i = 0; i < members->count; i++) {
        const struct node_state *state = cluster_node_state(cluster, members->at[i].node);

        if (state != NULL && state->heard && !state->has_meta &&
            state->incarnation == members->at[i].incarnation)
            hand_on(cluster, state->id);
    }
}

static void take_in(struct jetstream_cluster *cluster)
{
    struct raft_config next;

    hand_on_to_members(cluster);
    if (cluster->jetstream->lead && next_change(cluster, &next) &&
        replica_change(cluster->jetstream->meta, &next) == OK)
        logger_info(logger_of(cluster),
                    "JetStream cluster: the metadata group has %u members now, %u voting",
                    next.count, voters(&next));
}

void form_turn(struct jetstream_cluster *cluster)
{
    struct io *io = server_io(cluster->jetstream->server);

    if (!cluster->look)
        return;
    cluster->look = false;
    if (cluster->jetstream->meta == NULL)
        form(cluster);
    else
        take_in(cluster);
    if (cluster->jetstream->meta != NULL) {
        jetstream_members_turn(cluster);
        leave_turn(cluster);
        afresh_turn(cluster);
    }
    timers_arm(io_timers(io), &cluster->form, io_now(io) + FORM_RETRY_NS);
}

void form_fired(struct timer *timer)
{
    owner_of(timer, struct jetstream_cluster, form)->look = true;
}

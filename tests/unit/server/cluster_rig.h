/*
 * cluster_rig: several clusters' worth of `struct cluster`, one per simulated node, without the
 * servers around them.
 */
#ifndef TESTS_UNIT_SERVER_CLUSTER_RIG_H
#define TESTS_UNIT_SERVER_CLUSTER_RIG_H

#include <stdio.h>

#include "base/io_sim.h"
#include "base/owner.h"
#include "server/cluster/cluster_priv.h"
#include "tests/unit/unit.h"

#define RIG_NODES 5u
#define RIG_PORT  6222
#define RIG_KIND  200u

struct rig_node {
    struct rig *rig;
    size_t index; /* in the simulation */
    char name[16], server_id[16];
    struct cluster_options options;
    struct cluster_route routes[RIG_NODES];
    char hosts[RIG_NODES][16];
    struct logger logger;
    struct buf log;
    struct cluster *cluster; /* NULL: not running */
    struct cluster_watcher watcher;
    int ups, downs;
    struct buf got; /* bodies of RIG_KIND, each behind its node's index and class, then '\n' */
    unsigned lives;
};

struct rig {
    struct sim *sim;
    struct rig_node nodes[RIG_NODES];
    size_t count;
};

static inline void rig_line(void *context, struct bytes line)
{
    ck_assert(buf_add(&((struct rig_node *)context)->log, line));
}

static inline size_t rig_logged(const struct rig_node *node, const char *text)
{
    struct bytes rest = buf_bytes(&node->log);
    size_t count = 0;
    const uint8_t *at;

    while (rest.size > 0 && (at = memmem(rest.at, rest.size, text, strlen(text))) != NULL) {
        count++;
        rest = bytes_skip(rest, (size_t)(at - rest.at) + 1);
    }
    return count;
}

static inline struct rig_node *rig_by_id(struct rig *rig, uint64_t id)
{
    for (size_t i = 0; i < rig->count; i++)
        if (cluster_node_id(bytes_of_text(rig->nodes[i].name)) == id)
            return &rig->nodes[i];
    return NULL;
}

static inline uint64_t rig_id(const struct rig_node *node)
{
    return cluster_node_id(bytes_of_text(node->name));
}

static inline void rig_up(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct rig_node *n = owner_of(watcher, struct rig_node, watcher);

    ck_assert(node->up);
    n->ups++;
}

static inline void rig_down(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct rig_node *n = owner_of(watcher, struct rig_node, watcher);

    ck_assert(!node->up);
    n->downs++;
}

static inline void rig_got(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    struct rig_node *n = owner;

    ck_assert(cluster_node(n->cluster, node)->up);
    ck_assert(buf_print(&n->got, "%zu%u ", rig_by_id(n->rig, node)->index, class));
    ck_assert(buf_add(&n->got, body));
    ck_assert(BUF_ADD(&n->got, "\n"));
}

static inline void rig_flush(void *context)
{
    struct rig_node *node = context;

    cluster_flush(node->cluster);
}

/* Brings up what is down, as a new process. */
static inline void rig_start(struct rig_node *node)
{
    struct io *io = sim_node_io(node->rig->sim, node->index);
    struct cluster_setup setup = {
        .io = io,
        .logger = &node->logger,
        .options = &node->options,
        .name = node->name,
        .server_id = node->server_id,
        .host = "0.0.0.0",
        .messages_max = 1u << 20,
        .seed = 1 + node->index * 100 + node->lives,
    };

    ck_assert_ptr_null(node->cluster);
    snprintf(node->server_id, sizeof(node->server_id), "N%zu.%u", node->index, node->lives++);
    node->cluster = cluster_create(&setup);
    node->watcher = (struct cluster_watcher){.up = rig_up, .down = rig_down};
    cluster_watch(node->cluster, &node->watcher);
    cluster_subscribe(node->cluster, RIG_KIND, rig_got, node);
    ck_assert_int_eq(cluster_start(node->cluster, node->index + 1, NULL, NULL), OK);
    io_set_flush(io, rig_flush, node);
}

/* `count` nodes, each with the others as its routes; none is started. */
static inline void rig_init(struct rig *rig, uint64_t seed, size_t count)
{
    *rig = (struct rig){.sim = sim_create(seed), .count = count};
    for (size_t i = 0; i < count; i++) {
        struct rig_node *node = &rig->nodes[i];

        node->rig = rig;
        node->index = sim_node_add(rig->sim);
        snprintf(node->name, sizeof(node->name), "n%zu", i);
        buf_init(&node->log, 64u << 20);
        buf_init(&node->got, 64u << 20);
        node->logger = (struct logger){.level = LOGGER_INFO, .line = rig_line, .context = node};
        node->options = (struct cluster_options){
            .configured = true, .name = "C", .port = RIG_PORT, .routes = node->routes};
        for (size_t k = 0; k < count; k++) {
            snprintf(node->hosts[k], sizeof(node->hosts[k]), "10.0.0.%zu", k + 1);
            if (k != i)
                node->routes[node->options.routes_count++] =
                    (struct cluster_route){.host = node->hosts[k], .port = RIG_PORT};
        }
    }
}

static inline void rig_start_all(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        rig_start(&rig->nodes[i]);
}

static inline void rig_end(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        if (rig->nodes[i].cluster != NULL)
            cluster_destroy(rig->nodes[i].cluster);
        buf_deinit(&rig->nodes[i].log);
        buf_deinit(&rig->nodes[i].got);
    }
    sim_destroy(rig->sim);
}

static inline void rig_kill(struct rig_node *node, enum sim_crash_mode mode)
{
    sim_crash(node->rig->sim, node->index, mode);
    cluster_destroy(node->cluster);
    node->cluster = NULL;
    (void)sim_restart(node->rig->sim, node->index);
}

static inline bool rig_linked(const struct rig_node *a, const struct rig_node *b)
{
    const struct cluster_node *node;

    if (a->cluster == NULL || b->cluster == NULL)
        return false;
    node = cluster_node(a->cluster, rig_id(b));
    return node != NULL && node->up && bytes_equal(node->server_id, bytes_of_text(b->server_id));
}

/* All running ones have a link with each other, and no other connection is left. */
static inline bool rig_meshed(const struct rig *rig)
{
    size_t running = 0;

    for (size_t i = 0; i < rig->count; i++)
        running += rig->nodes[i].cluster != NULL;
    for (size_t i = 0; i < rig->count; i++) {
        size_t lanes = 0;

        if (rig->nodes[i].cluster == NULL)
            continue;
        for (size_t k = 0; k < rig->count; k++)
            if (k != i && rig->nodes[k].cluster != NULL &&
                !rig_linked(&rig->nodes[i], &rig->nodes[k]))
                return false;
        for (const struct lane *l = rig->nodes[i].cluster->lanes; l != NULL; l = l->next)
            lanes++;
        if (lanes != (running - 1) * CLUSTER_CLASSES)
            return false;
    }
    return true;
}

/* Steps until the mesh is whole; how long that took. */
static inline int64_t rig_mesh(struct rig *rig, int64_t most_ns)
{
    int64_t from_ns = sim_now(rig->sim);

    while (!rig_meshed(rig)) {
        sim_run(rig->sim, 10 * MILLISECOND_NS);
        ck_assert_msg(sim_now(rig->sim) - from_ns <= most_ns, "no mesh after %lld ms",
                      (long long)(sim_now(rig->sim) - from_ns) / 1000000);
    }
    return sim_now(rig->sim) - from_ns;
}

static inline bool rig_send(struct rig_node *from, const struct rig_node *to,
                            enum cluster_class class, struct bytes body)
{
    io_wake(sim_node_io(from->rig->sim, from->index)); /* it would be sent at a turn's end */
    return cluster_send(from->cluster, rig_id(to), RIG_KIND, class, &body, 1);
}

#endif

#include "tests/sim/cluster_nodes.h"
#include "storage/block.h"
#include "storage/index.h"
#include "storage/paths.h"
#include "tests/sim/index_caches.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server_priv.h"
#include "tests/sim/paces.h"
#include "tests/sim/words.h"

/* ---- what a server logs --------------------------------------------------------------------- */

static void log_line(void *context, struct bytes line)
{
    struct node *node = context;

    if (says(line, "damaged on disk") && !node->nodes->may_rot)
        report_violate(node->nodes->report, "%s says: %.*s", node->name, BYTES_ARG(line));
    if (says(line, "differs") && !node->nodes->may_differ)
        report_violate(node->nodes->report, "%s says: %.*s", node->name, BYTES_ARG(line));
    node->nodes->mended += says(line, "are whole again");
    node->nodes->healed += says(line, "is that of the majority again");
    node->nodes->taken += says(line, "taken from another replica");
    if (says(line, "could not be opened") || says(line, "could not be begun"))
        node->half_open = true;
    if (node->nodes->report->loud)
        report_say(node->nodes->report, "  %s: %.*s", node->name,
                   (int)line.size - (line.size > 0 && line.at[line.size - 1] == '\n'),
                   (const char *)line.at);
}

static int64_t log_clock(void *context)
{
    return sim_now(((struct node *)context)->nodes->sim);
}

/* Small files are full, recycled and given up all the time. */
static void draw_sizes(struct node *node)
{
    static const uint32_t segments[] = {32 << 10, 64 << 10, 256 << 10};
    static const uint32_t journals[] = {32 << 10, 64 << 10, 256 << 10};
    static const uint32_t batches[] = {0, 0, 1, 4 << 10};
    static const uint32_t aheads[] = {0, 1, 1, 4 << 10};
    static const int64_t pauses[] = {0, 0, 20000000, 1000000000};
    static const uint32_t blocks[] = {4 << 10, 4 << 10, 16 << 10, 64 << 10, 0};
    struct prng *prng = node->nodes->prng;

    node->options.sim.block_bytes = blocks[prng_below(prng, 5)];
    if (node->nodes->count == 1)
        node->options.sim.late_pause_ns = pauses[prng_below(prng, 4)];
    node->options.sim.late_heavy = node->options.sim.late_work = 1;
    node->options.sim.segment_size = segments[prng_below(prng, 3)];
    node->options.sim.journal_file_size = journals[prng_below(prng, 3)];
    node->options.sim.journal_batch_max = batches[prng_below(prng, 4)];
    node->options.sim.ahead_min = aheads[prng_below(prng, 4)];
    node->options.sim.index_bits = 1 + (unsigned)prng_below(prng, INDEX_BITS);
    node->options.jetstream_options.index_cache = index_cache_of(node->options.sim.index_bits);
    node->options.sim.space_look_ns = SPACE_LOOK_NS;
    node->options.sim.wakes = 1;
    node->options.sim.count_part = 3; /* what is counted takes several turns */
}

/* ---- making them ---------------------------------------------------------------------------- */

static void init_options(struct node *node)
{
    struct options *options = &node->options;

    options_default(options);
    snprintf(options->host, sizeof options->host, "0.0.0.0");
    snprintf(options->server_name, sizeof options->server_name, "%s", node->name);
    options->port = NODES_PORT;
    options->jetstream = true;
    options->cluster = (struct cluster_options){
        .configured = true, .name = "C", .port = NODES_ROUTE_PORT, .routes = node->routes};
    for (size_t k = 0; k < node->nodes->count; k++) {
        snprintf(node->hosts[k], sizeof node->hosts[k], "10.0.0.%u", (unsigned)k + 1);
        if (k != node->index)
            node->routes[options->cluster.routes_count++] =
                (struct cluster_route){.host = node->hosts[k], .port = NODES_ROUTE_PORT};
    }
}

static void init_node(struct nodes *nodes, size_t index)
{
    struct node *node = &nodes->at[index];

    node->nodes = nodes;
    node->index = sim_node_add(nodes->sim);
    assert(node->index == index);
    node->disks = 1;
    snprintf(node->name, sizeof node->name, "n%zu", index + 1);
    init_options(node);
    draw_sizes(node);
    logger_init(&node->logger);
    node->logger.line = log_line;
    node->logger.now = log_clock;
    node->logger.context = node;
    node->logger.pid = (int64_t)index + 1;
}

void nodes_init(struct nodes *nodes, struct report *report, struct sim *sim, struct prng *prng,
                size_t count)
{
    assert(count <= NODES_MAX);
    *nodes = (struct nodes){.report = report, .sim = sim, .prng = prng, .count = count};
    for (size_t i = 0; i < count; i++)
        init_node(nodes, i);
    nodes_shard(nodes, 1);
}

void nodes_stir(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (!sim_crashed(nodes->sim, i))
            sim_shards_stir(&nodes->at[i].shards, nodes->at[i].server, nodes->prng);
}

void nodes_shard(struct nodes *nodes, unsigned shards)
{
    for (size_t i = 0; i < nodes->count; i++)
        sim_shards_init(&nodes->at[i].shards, nodes->sim, i, shards, i % 2 == 1);
}

static void bury(struct node *node)
{
    if (node->server != NULL)
        server_destroy(node->server);
    node->server = NULL;
}

void nodes_deinit(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++)
        bury(&nodes->at[i]);
}

/* ---- life and death ------------------------------------------------------------------------- */

bool nodes_up(const struct nodes *nodes, size_t index)
{
    return nodes->at[index].server != NULL && !sim_crashed(nodes->sim, index);
}

size_t nodes_up_count(const struct nodes *nodes)
{
    size_t up = 0;

    for (size_t i = 0; i < nodes->count; i++)
        up += nodes_up(nodes, i);
    return up;
}

/* What is left of it goes, and its machine is there again, without a server. */
static void take_down(struct node *node)
{
    struct sim *sim = node->nodes->sim;

    if (node->server != NULL)
        node->nodes->dying(node->nodes->context, node->index);
    bury(node);
    if (!sim_crashed(sim, node->index) && sim_node_io(sim, node->index) != NULL)
        io_destroy(sim_node_io(sim, node->index));
    if (prng_chance(node->nodes->prng, 1, 4))
        sim_cut_power(sim, node->index);
    sim_restart(sim, node->index);
}

bool nodes_start(struct nodes *nodes, size_t index, enum sim_crash_mode mode, uint64_t ops)
{
    struct node *node = &nodes->at[index];
    enum err err;

    assert(node->server == NULL);
    node->half_open = false;
    node->lives++;
    node->options.sim.lanes_away = nodes->away;
    if (nodes->lanes)
        node->options.sim.lanes = 1 + (unsigned)(index + node->lives) % 3;
    sim_crash_after(nodes->sim, index, mode, ops);
    report_say(nodes->report, "%s starts (life %u)", node->name, node->lives);
    err = sim_shards_start(&node->shards, sim_node_io(nodes->sim, index), &node->options,
                           &node->logger, &node->server);
    if (err != OK)
        node->server = NULL; /* it has freed itself */
    if (err == OK && !node->half_open && !sim_crashed(nodes->sim, index)) {
        if (nodes->count > 1 || prng_chance(nodes->prng, 1, 2)) /* else while it opens streams */
            sim_crash_after(nodes->sim, index, mode, 0);
        nodes->born(nodes->context, index);
        return true;
    }
    report_say(nodes->report, "%s %s", node->name,
               sim_crashed(nodes->sim, index) ? "died while starting" : "did not start");
    take_down(node);
    return false;
}

void nodes_crash(struct nodes *nodes, size_t index, enum sim_crash_mode mode)
{
    struct node *node = &nodes->at[index];

    report_say(nodes->report, "%s dies: %s", node->name, mode == SIM_CRASH_KILL ? "kill" : "power");
    sim_crash(nodes->sim, index, mode);
    take_down(node);
}

/* One that stands alone opens streams after its start, too: with one that it could not open it is
 * started again. */
static bool is_half_open(const struct nodes *nodes, size_t index)
{
    return nodes->count == 1 && nodes->at[index].half_open;
}

size_t nodes_fallen(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->at[i].server == NULL || (!sim_crashed(nodes->sim, i) && !is_half_open(nodes, i)))
            continue;
        report_say(nodes->report, "%s %s", nodes->at[i].name,
                   sim_crashed(nodes->sim, i) ? "died at a disk operation" : "is ended");
        if (!sim_crashed(nodes->sim, i))
            sim_crash(nodes->sim, i, SIM_CRASH_KILL);
        take_down(&nodes->at[i]);
        return i;
    }
    return nodes->count;
}

/* ---- a lost disk ---------------------------------------------------------------------------- */

struct found {
    char name[256];
    bool directory;
};

static void find_last(void *context, const char *name, bool directory)
{
    struct found *found = context;

    snprintf(found->name, sizeof found->name, "%s", name);
    found->directory = directory;
}

/* One name at a time: what is listed must not change meanwhile. */
static void sweep(struct io *io, const char *path)
{
    for (;;) {
        struct found found = {0};
        char inside[600];
        enum err err;

        if (io_list(io, path, find_last, &found) != OK || found.name[0] == 0)
            break;
        snprintf(inside, sizeof inside, "%s/%s", path, found.name);
        if (found.directory)
            sweep(io, inside);
        err = found.directory ? io_rmdir(io, inside) : io_unlink(io, inside);
        assert(err == OK);
    }
    (void)io_sync_dir(io, path);
}

void nodes_wipe(struct nodes *nodes, size_t index)
{
    struct node *node = &nodes->at[index];

    assert(node->server == NULL);
    report_say(nodes->report, "%s loses its disk", node->name);
    sim_heal(nodes->sim, index);
    sweep(sim_node_io(nodes->sim, index), ".");
    node->disks++;
    nodes->wiped(nodes->context, index);
}

/* ---- bits that rot -------------------------------------------------------------------------- */

#define DATA       "millrace"
#define BLOCKS_MAX 8u

unsigned nodes_rot_blocks(struct nodes *nodes, size_t index, uint64_t log_id, bool newest_only)
{
    struct io *io = sim_node_io(nodes->sim, index);
    uint64_t at[BLOCKS_MAX];
    unsigned count = 0;

    if (block_list(io, DATA, log_id, at, BLOCKS_MAX, &count) != OK)
        return 0;
    for (unsigned i = 0; i < (newest_only && count > 0 ? 1 : count); i++) {
        struct path path = path_block(DATA, log_id, at[i]);
        struct bytes content;

        if (!sim_durable(nodes->sim, index, path.text, &content) || content.size == 0)
            continue;
        report_say(nodes->report, "%s: a bit of block %llu of log %llx rots", nodes->at[index].name,
                   (unsigned long long)at[i], (unsigned long long)log_id);
        (void)sim_flip(nodes->sim, index, path.text, prng_below(nodes->prng, content.size),
                       (unsigned)prng_below(nodes->prng, 8));
    }
    return count;
}

static void find_newest(void *context, const char *name, bool directory)
{
    uint64_t *newest = context, id;

    if (!directory && path_read_segment(name, &id) && id > *newest)
        *newest = id;
}

bool nodes_cut_log(struct nodes *nodes, size_t index, uint64_t log_id)
{
    struct io *io = sim_node_io(nodes->sim, index);
    uint64_t newest = 0, size = 0, end;
    struct io_file *file;

    if (io_list(io, path_log(DATA, log_id).text, find_newest, &newest) != OK || newest == 0 ||
        io_open(io, path_segment(DATA, log_id, newest).text, IO_READ | IO_WRITE, &file) != OK)
        return false;
    if (io_size(io, file, &size) == OK && size > 4096) {
        end = (4096 + prng_below(nodes->prng, size - 4096)) | 8;
        report_say(nodes->report, "%s: log %llx ends at byte %llu of %llu of its newest file",
                   nodes->at[index].name, (unsigned long long)log_id, (unsigned long long)end,
                   (unsigned long long)size);
        (void)io_truncate(io, file, end);
        (void)io_sync(io, file);
    }
    io_close(io, file);
    return size > 4096;
}

struct jetstream *nodes_dead_jetstream(const struct nodes *nodes, size_t index)
{
    return nodes->at[index].server != NULL ? nodes->at[index].server->jetstream : NULL;
}

struct jetstream *nodes_jetstream(const struct nodes *nodes, size_t index)
{
    return nodes_up(nodes, index) ? nodes->at[index].server->jetstream : NULL;
}

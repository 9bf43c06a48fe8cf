/* What simulated disks and networks do to their nodes, as a test wishes. */
#include "base/io_sim_net.h"

#include <errno.h>

#include "base/prng.h"

#define MILLION     1000000u
#define MICROSECOND INT64_C(1000)
#define MILLISECOND INT64_C(1000000)

/* ---- disks ---------------------------------------------------------------------------------- */

void sim_set_capacity(struct sim *sim, size_t node, uint64_t bytes)
{
    sim_node_of(sim, node)->disk.total = bytes;
}

void sim_set_descriptors(struct sim *sim, size_t node, uint64_t most)
{
    sim_node_of(sim, node)->descriptors_max = most;
}

void sim_deny_files(struct sim *sim, size_t node, bool denied)
{
    sim_node_of(sim, node)->files_denied = denied;
}

static void own_disk(struct sim_node *node)
{
    for (struct sim_inode *inode = node->disk.inodes; inode != NULL; inode = inode->next)
        inode->disk = &node->disk;
}

void sim_swap_disks(struct sim *sim, size_t a, size_t b)
{
    struct sim_node *one = sim_node_of(sim, a), *other = sim_node_of(sim, b);
    struct sim_disk disk = one->disk;

    assert(one->process == NULL || one->process->files == NULL);
    assert(other->process == NULL || other->process->files == NULL);
    sim_trace(sim, one, "disks change places", b, 0, 0);
    one->disk = other->disk;
    other->disk = disk;
    own_disk(one);
    own_disk(other);
}

bool sim_flip(struct sim *sim, size_t index, const char *path, uint64_t offset, unsigned bit)
{
    struct sim_node *node = sim_node_of(sim, index);
    struct sim_inode *inode = sim_tree_find(&node->disk, path);

    sim_trace(sim, node, "flip", offset, bit, bytes_hash(bytes_of_text(path), 0));
    return inode != NULL && sim_content_flip(inode, offset, bit);
}

bool sim_unreadable(struct sim *sim, size_t index, const char *path, uint64_t offset)
{
    struct sim_node *node = sim_node_of(sim, index);
    struct sim_inode *inode = sim_tree_find(&node->disk, path);

    sim_trace(sim, node, "unreadable", offset, 0, bytes_hash(bytes_of_text(path), 0));
    return inode != NULL && sim_content_make_unreadable(inode, offset);
}

bool sim_durable(struct sim *sim, size_t node, const char *path, struct bytes *content)
{
    struct sim_inode *inode = sim_tree_find_kept(&sim_node_of(sim, node)->disk, path);

    if (inode == NULL || inode->directory)
        return false;
    *content = bytes_of(inode->platter.at, inode->platter.size);
    return true;
}

/* ---- faults --------------------------------------------------------------------------------- */

struct sim_faults sim_faults_none(void)
{
    return (struct sim_faults){
        .disk_min_ns = 20 * MICROSECOND,
        .disk_max_ns = 200 * MICROSECOND,
        .net_min_ns = 10 * MICROSECOND,
        .net_max_ns = 100 * MICROSECOND,
        .work_min_ns = 5 * MICROSECOND,
        .work_max_ns = 100 * MICROSECOND,
        .turn_max_ns = 5 * MICROSECOND,
        .sock_buffer = 64u << 10,
    };
}

/* A chance up to `max`, small ones as likely as large ones; none in half of the draws. */
static uint32_t draw_chance(struct prng *prng, uint32_t max)
{
    if (prng_chance(prng, 1, 2))
        return 0;
    return (uint32_t)prng_below(prng, (max >> prng_below(prng, 8)) + 1);
}

struct sim_faults sim_faults_draw(struct prng *prng)
{
    struct sim_faults faults = sim_faults_none();

    faults.short_count = draw_chance(prng, 200000);
    faults.write_error = draw_chance(prng, 50000);
    faults.sync_error = draw_chance(prng, 50000);
    faults.read_error = draw_chance(prng, 50000);
    faults.error_sticky = draw_chance(prng, MILLION);
    faults.sync_evicts = draw_chance(prng, MILLION);
    faults.read_now_again = draw_chance(prng, MILLION);
    faults.disk_stall = draw_chance(prng, 10000);
    faults.net_stall = draw_chance(prng, 10000);
    faults.net_reset = draw_chance(prng, 1000);
    faults.net_tiny = draw_chance(prng, 300000);
    faults.direct_refused = prng_chance(prng, 1, 8);
    faults.disk_max_ns <<= prng_below(prng, 8);
    faults.disk_stall_ns = (int64_t)prng_below(prng, 2000) * MILLISECOND;
    faults.net_max_ns <<= prng_below(prng, 8);
    faults.net_stall_ns = (int64_t)prng_below(prng, 2000) * MILLISECOND;
    faults.work_max_ns <<= prng_below(prng, 8);
    faults.turn_max_ns <<= prng_below(prng, 8);
    faults.sock_buffer = 256u << prng_below(prng, 10);
    return faults;
}

void sim_set_faults(struct sim *sim, size_t node, const struct sim_faults *faults)
{
    assert(faults->sock_buffer > 0);
    sim_node_of(sim, node)->faults = *faults;
}

void sim_heal(struct sim *sim, size_t index)
{
    struct sim_node *node = sim_node_of(sim, index);

    node->faults = sim_faults_none();
    for (struct sim_inode *inode = node->disk.inodes; inode != NULL; inode = inode->next) {
        inode->write_broken = false;
        inode->sync_broken = false;
        inode->read_broken = false;
    }
}

/* ---- between two nodes ---------------------------------------------------------------------- */

void sim_cut(struct sim *sim, size_t from, size_t to)
{
    assert(from < sim->nodes_count);
    assert(to < sim->nodes_count);
    sim_trace(sim, &sim->nodes[from], "cuts", to, 0, 0);
    sim->ways[from][to].cut = true;
}

void sim_part(struct sim *sim, size_t a, size_t b)
{
    sim_cut(sim, a, b);
    sim_cut(sim, b, a);
}

void sim_join(struct sim *sim, size_t a, size_t b)
{
    assert(a < sim->nodes_count);
    assert(b < sim->nodes_count);
    sim_trace(sim, &sim->nodes[a], "joins", b, 0, 0);
    sim->ways[a][b].cut = false;
    sim->ways[b][a].cut = false;
    for (struct sim_sock *s = sim->socks; s != NULL; s = s->all_next)
        if (s->state != SIM_SOCK_SPARE)
            sim_net_deliver(s);
}

void sim_delay(struct sim *sim, size_t from, size_t to, int64_t min_ns, int64_t max_ns)
{
    assert(from < sim->nodes_count);
    assert(to < sim->nodes_count);
    sim_trace(sim, &sim->nodes[from], "delays", to, (uint64_t)max_ns, 0);
    sim->ways[from][to].delay_min_ns = min_ns;
    sim->ways[from][to].delay_max_ns = max_ns;
}

static bool is_between(const struct sim_sock *s, size_t a, size_t b)
{
    return s->state != SIM_SOCK_SPARE && s->peer != NULL && s->node->index == a &&
           s->peer->node->index == b;
}

void sim_reset(struct sim *sim, size_t a, size_t b)
{
    assert(a < sim->nodes_count);
    assert(b < sim->nodes_count);
    sim_trace(sim, &sim->nodes[a], "resets", b, 0, 0);
    for (struct sim_sock *s = sim->socks; s != NULL; s = s->all_next)
        if (is_between(s, a, b))
            sim_net_break_both(s, -ECONNRESET);
}

#include "base/io_sim_world.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/scratch.h"
#include "base/spool.h"

#define MILLION     1000000u
#define CAPACITY    (UINT64_C(1) << 30)
#define FIRST_PORT  30000u
#define MILLISECOND INT64_C(1000000)

/* ---- chance and trace ----------------------------------------------------------------------- */

bool sim_luck(struct sim *sim, uint32_t per_million)
{
    return per_million > 0 && prng_chance(&sim->prng, per_million, MILLION);
}

int64_t sim_between(struct sim *sim, int64_t min, int64_t max)
{
    assert(min >= 0);
    assert(max >= min);
    return min + (int64_t)prng_below(&sim->prng, (uint64_t)(max - min) + 1);
}

void sim_trace(struct sim *sim, const struct sim_node *node, const char *what, uint64_t a,
               uint64_t b, uint64_t content)
{
    uint64_t words[] = {(uint64_t)sim->now_ns, node->index, a, b, content};
    char text[160];

    sim->hash = bytes_hash(bytes_of(words, sizeof(words)), sim->hash);
    sim->hash = bytes_hash(bytes_of_text(what), sim->hash);
    if (sim->line == NULL)
        return;
    snprintf(text, sizeof(text), "%12.6f %zu %s %lld %lld %016llx", (double)sim->now_ns / 1e9,
             node->index, what, (long long)a, (long long)b, (unsigned long long)content);
    sim->line(sim->line_context, text);
}

/* ---- a process's calls that are not about files or sockets ---------------------------------- */

void sim_kick(struct sim_process *process)
{
    struct sim_node *node = process->node;
    struct sim *sim = process->sim;
    int64_t at_ns;

    if (process->dead || node->turn_at_ns != SIM_NEVER)
        return; /* a turn is coming */
    at_ns = sim->now_ns + sim_between(sim, 0, node->faults.turn_max_ns);
    node->turn_at_ns = at_ns;
}

static void clock_refresh(struct io *io)
{
    struct sim_process *process = sim_process_of(io);

    io->now_ns = process->sim->now_ns;
    io->wall_ns =
        SIM_WALL_START + process->sim->now_ns + sim_machine(process->node)->wall_offset_ns;
}

static void random_bytes(struct io *io, void *at, size_t size)
{
    struct sim *sim = sim_process_of(io)->sim;
    uint8_t *to = at;

    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)prng_next(&sim->prng);
}

static void wake(struct io *io)
{
    struct sim_process *process = sim_process_of(io);

    process->woken = true;
    sim_kick(process);
}

/* ---- turns ---------------------------------------------------------------------------------- */

static int64_t turn_time(const struct sim_node *node)
{
    int64_t at_ns = node->turn_at_ns;
    int64_t timer_ns;

    if (node->process == NULL || node->process->dead)
        return SIM_NEVER;
    timer_ns = timers_next(&node->process->io.timers);
    if (timer_ns < at_ns)
        at_ns = timer_ns;
    if (at_ns < node->paused_until_ns)
        at_ns = node->paused_until_ns;
    return at_ns > node->sim->now_ns ? at_ns : node->sim->now_ns;
}

/* While their owners still exist: a zombie is freed without ceremony. */
static void forget_timers(struct sim_process *process)
{
    struct timers *timers = &process->io.timers;

    while (timers->count > 0)
        timers_cancel(timers, timers->heap[1]);
}

/* A crash may come in any of these; what is after it does not happen. */
static void run_turn(struct sim_process *process)
{
    struct io *io = &process->io;

    assert(!process->in_turn);
    process->in_turn = true;
    process->node->turn_at_ns = SIM_NEVER;
    clock_refresh(io);
    sim_trace(process->sim, process->node, "turn", 0, 0, 0);

    sim_ops_tell(process);
    if (!process->dead)
        sim_net_tell(process);
    if (!process->dead)
        timers_run(&io->timers, io->now_ns);
    if (!process->dead)
        sim_work_tell(process);
    if (!process->dead && process->woken) {
        process->woken = false;
        io_run_woken(io);
    }
    if (!process->dead)
        io_run_flush(io);
    if (process->dead)
        forget_timers(process); /* those armed in the run that the crash interrupted */
    process->in_turn = false;
}

/* The node whose turn is next, unless an event comes first; the earliest time in *at_ns. */
static struct sim_node *next_turn(struct sim *sim, int64_t *at_ns)
{
    struct sim_node *first = NULL;

    *at_ns = sim_events_next(&sim->events);
    for (size_t i = 0; i < sim->nodes_count; i++) {
        int64_t turn_ns = turn_time(&sim->nodes[i]);

        if (turn_ns < *at_ns) {
            *at_ns = turn_ns;
            first = &sim->nodes[i];
        }
    }
    return first;
}

static void run_event(struct sim *sim)
{
    struct sim_event event = sim_events_take(&sim->events);

    event.run(sim, event.object, event.generation);
}

/* Runs what comes next unless it is after `until_ns` or a turn of `but`; whether something ran. */
static bool step(struct sim *sim, int64_t until_ns, const struct sim_node *but)
{
    struct sim_node *node;
    int64_t at_ns;

    node = next_turn(sim, &at_ns);
    if (at_ns > until_ns || at_ns == SIM_NEVER)
        return false;
    sim->now_ns = at_ns;
    if (node != NULL && node == but)
        return false;
    if (node != NULL)
        run_turn(node->process);
    else
        run_event(sim);
    return true;
}

static enum err turn(struct io *io, int64_t wait_ns)
{
    struct sim_process *process = sim_process_of(io);
    struct sim *sim = process->sim;
    int64_t until_ns = wait_ns < SIM_NEVER - sim->now_ns ? sim->now_ns + wait_ns : SIM_NEVER - 1;

    while (!process->dead && step(sim, until_ns, process->node))
        ;
    if (process->dead)
        return ERR_CLOSED;
    if (turn_time(process->node) > sim->now_ns)
        sim->now_ns = until_ns; /* nothing came */
    run_turn(process);
    return process->dead ? ERR_CLOSED : OK;
}

bool sim_step(struct sim *sim)
{
    return step(sim, SIM_NEVER - 1, NULL);
}

void sim_run(struct sim *sim, int64_t ns)
{
    int64_t until_ns = sim->now_ns + ns;

    while (step(sim, until_ns, NULL))
        ;
    sim->now_ns = until_ns;
}

/* ---- processes ------------------------------------------------------------------------------ */

static void destroy(struct io *io);

#define SCRATCH_REFUSES                                                                            \
    8u /* one piece of so many, so that what has no room is met all the time                       \
        */

#define SCRATCH_AWAY_ONE_IN 8u /* of what is asked for */

static struct spool *sim_spool(struct io *io)
{
    (void)io;
    return spool_create(-1);
}

static struct scratch *sim_scratch(struct io *io)
{
    struct sim_process *process = sim_process_of(io);

    if (process->scratch != NULL && *scratch_failed(process->scratch)) {
        scratch_destroy(process->scratch);
        process->scratch = NULL;
    }
    if (process->scratch == NULL)
        process->scratch =
            scratch_create_twin(process->generation + process->scratches++, SCRATCH_REFUSES);
    scratch_twin_forgets(process->scratch, SCRATCH_AWAY_ONE_IN, 0);
    return process->scratch;
}

static const struct io_calls sim_calls = {
    .clock_refresh = clock_refresh,
    .random = random_bytes,
    .turn = turn,
    .destroy = destroy,
    .open = sim_open,
    .close = sim_close,
    .size = sim_size,
    .find_data = sim_find_data,
    .read_all = sim_read_all,
    .write_all = sim_write_all,
    .sync = sim_sync,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .mkdir = sim_mkdir,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .rmdir = sim_rmdir,
    .sync_dir = sim_sync_dir,
    .sync_all = sim_sync_all,
    .list = sim_list,
    .lock = sim_lock,
    .space = sim_space,
    .descriptors_max = sim_descriptors_max,
    .scratch = sim_scratch,
    .spool = sim_spool,
    .submit = sim_submit,
    .read_now = sim_read_now,
    .work = sim_work,
    .wake = wake,
    .listen = sim_listen,
    .listener_close = sim_listener_close,
    .addresses = sim_addresses,
    .connect = sim_connect_host,
    .sock_release = sim_sock_release,
    .sock_adopt = sim_sock_adopt,
    .sock_drop = sim_sock_drop,
    .sock_part = sim_sock_part,
    .sock_start = sim_sock_start,
    .sock_hand = sim_sock_hand,
    .sock_peer = sim_sock_peer,
    .sock_send = sim_sock_send,
    .sock_pause = sim_sock_pause,
    .sock_resume = sim_sock_resume,
    .sock_close = sim_sock_close,
};

static void process_start(struct sim_node *node)
{
    struct sim_process *process = HEAP_NEW(struct sim_process);

    io_init(&process->io, &sim_calls);
    process->sim = node->sim;
    process->node = node;
    process->generation = node->sim->generation_next++;
    process->ended_last = &process->ended_first;
    process->done_last = &process->done_first;
    process->ready_last = &process->ready_first;
    node->process = process;
    node->turn_at_ns = SIM_NEVER;
    clock_refresh(&process->io);
    sim_kick(process); /* a first turn, for what its owner does before it */
}

/* `polite`: the kernel lives on and closes the connections. */
static void process_stop(struct sim_process *process, bool polite)
{
    process->dead = true;
    process->node->crash_at_op = 0;
    forget_timers(process);
    sim_ops_crash(process);
    sim_work_crash(process);
    sim_net_crash(process, polite);
}

static void process_free(struct sim_process *process)
{
    assert(!process->in_turn);
    sim_net_free(process);
    sim_ops_free(process);
    sim_files_free(process);
    for (size_t i = 0; i < process->locks_count; i++)
        heap_give(process->locks[i]);
    scratch_destroy(process->scratch);
    process->node->process = NULL;
    process->io.timers.count = 0; /* what a zombie armed may be gone: not to be touched */
    io_deinit(&process->io);
    heap_give(process);
}

static void destroy(struct io *io)
{
    struct sim_process *process = sim_process_of(io);

    if (!process->dead) {
        sim_trace(process->sim, process->node, "exit", 0, 0, 0);
        process_stop(process, true);
    }
    process_free(process);
}

/* ---- crashes -------------------------------------------------------------------------------- */

static void stop_by_crash(struct sim_node *node, enum sim_crash_mode mode)
{
    sim_trace(node->sim, node, mode == SIM_CRASH_KILL ? "kill" : "power cut", 0, 0, 0);
    process_stop(node->process, mode == SIM_CRASH_KILL);
}

/* All that write to the disk stop before it loses anything. */
void sim_crash(struct sim *sim, size_t index, enum sim_crash_mode mode)
{
    struct sim_node *node = sim_node_of(sim, index);

    assert(node->process != NULL);
    assert(!node->process->dead);
    stop_by_crash(node, mode);
    for (size_t i = 0; i < sim->nodes_count; i++)
        if (sim->nodes[i].dies_with == node && sim->nodes[i].process != NULL &&
            !sim->nodes[i].process->dead)
            stop_by_crash(&sim->nodes[i], mode);
    if (mode == SIM_CRASH_POWER)
        sim_disk_power_cut(&node->disk, &sim->prng);
}

void sim_die_with(struct sim *sim, size_t node, size_t with)
{
    assert(node != with);
    sim_node_of(sim, node)->dies_with = sim_node_of(sim, with);
}

void sim_crash_after(struct sim *sim, size_t index, enum sim_crash_mode mode, uint64_t disk_ops)
{
    struct sim_node *node = sim_node_of(sim, index);

    node->crash_mode = mode;
    node->crash_at_op = disk_ops > 0 ? node->disk_ops + disk_ops : 0;
}

uint64_t sim_disk_ops(const struct sim *sim, size_t node)
{
    assert(node < sim->nodes_count);
    return sim->nodes[node].disk_ops;
}

bool sim_crashed(const struct sim *sim, size_t node)
{
    assert(node < sim->nodes_count);
    return sim->nodes[node].process != NULL && sim->nodes[node].process->dead;
}

struct io *sim_restart(struct sim *sim, size_t index)
{
    struct sim_node *node = sim_node_of(sim, index);

    if (node->process != NULL) {
        assert(node->process->dead);
        process_free(node->process);
    }
    sim_trace(sim, node, "restart", 0, 0, 0);
    process_start(node);
    return &node->process->io;
}

void sim_cut_power(struct sim *sim, size_t index)
{
    struct sim_node *node = sim_node_of(sim, index);

    assert(node->process == NULL || node->process->dead);
    sim_trace(sim, node, "power cut", 0, 0, 0);
    sim_disk_power_cut(&node->disk, &sim->prng);
}

void sim_pause(struct sim *sim, size_t index, int64_t ns)
{
    struct sim_node *node = sim_node_of(sim, index);

    sim_trace(sim, node, "pause", (uint64_t)ns, 0, 0);
    node->paused_until_ns = sim->now_ns + ns;
}

void sim_jump_wall(struct sim *sim, size_t index, int64_t by_ns)
{
    struct sim_node *node = sim_node_of(sim, index);

    sim_trace(sim, node, "wall jumps", (uint64_t)by_ns, 0, 0);
    node->wall_offset_ns += by_ns;
}

/* ---- the world ------------------------------------------------------------------------------ */

struct sim *sim_create(uint64_t seed)
{
    struct sim *sim = HEAP_NEW(struct sim);

    prng_seed(&sim->prng, seed);
    sim->hash = seed;
    sim->now_ns = MILLISECOND; /* zero is often "never" */
    sim->generation_next = 1;
    return sim;
}

void sim_destroy(struct sim *sim)
{
    for (size_t i = 0; i < sim->nodes_count; i++)
        if (sim->nodes[i].process != NULL)
            process_free(sim->nodes[i].process);
    for (size_t i = 0; i < sim->nodes_count; i++)
        sim_disk_deinit(&sim->nodes[i].disk);
    sim_net_destroy(sim);
    sim_events_deinit(&sim->events);
    heap_give(sim);
}

size_t sim_node_add(struct sim *sim)
{
    size_t index = sim->nodes_count++;
    struct sim_node *node = &sim->nodes[index];

    assert(index < SIM_NODES_MAX);
    node->sim = sim;
    node->index = index;
    node->faults = sim_faults_none();
    node->port_next = FIRST_PORT;
    sim_disk_init(&node->disk, CAPACITY);
    process_start(node);
    return index;
}

struct io *sim_node_io(struct sim *sim, size_t index)
{
    struct sim_process *process = sim_node_of(sim, index)->process;

    return process != NULL ? &process->io : NULL;
}

struct prng *sim_prng(struct sim *sim)
{
    return &sim->prng;
}

int64_t sim_now(const struct sim *sim)
{
    return sim->now_ns;
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return sim->hash;
}

void sim_trace_to(struct sim *sim, void (*line)(void *context, const char *text), void *context)
{
    sim->line = line;
    sim->line_context = context;
}

/* Simulated work: it runs alone, at a random later time, and its end is told at a turn after that.
 */
#include "base/io_sim_world.h"

struct sim_process *sim_process_alive(struct sim *sim, uint64_t generation)
{
    for (size_t i = 0; i < sim->nodes_count; i++) {
        struct sim_process *process = sim->nodes[i].process;

        if (process != NULL && process->generation == generation)
            return process->dead ? NULL : process;
    }
    return NULL;
}

static void schedule(struct sim_process *process, struct io_work *work,
                     void (*run)(struct sim *sim, void *object, uint64_t generation))
{
    const struct sim_faults *faults = &sim_machine(process->node)->faults;
    struct sim *sim = process->sim;
    int64_t at_ns = sim->now_ns + sim_between(sim, faults->work_min_ns, faults->work_max_ns);

    if (at_ns < process->node->paused_until_ns)
        at_ns = process->node->paused_until_ns;
    sim_schedule(sim, at_ns, run, work, process->generation);
}

static void work_done(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_process *process = sim_process_alive(sim, generation);
    struct io_work *work = object;

    if (process == NULL)
        return;
    sim_trace(sim, process->node, "work ends", 0, 0, 0);
    work->next = NULL;
    *process->done_last = work;
    process->done_last = &work->next;
    sim_kick(process);
}

/* The node may crash inside; then the work is its owner's. */
static void work_run(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_process *process = sim_process_alive(sim, generation);
    struct io_work *work = object;

    if (process == NULL)
        return;
    if (sim->now_ns < process->node->paused_until_ns) {
        schedule(process, work, work_run);
        return;
    }
    sim_trace(sim, process->node, "work runs", 0, 0, 0);
    work->run(work, &process->io);
    if (!process->dead)
        schedule(process, work, work_done);
}

void sim_work(struct io *io, struct io_work *work)
{
    struct sim_process *process = sim_process_of(io);

    if (!process->dead)
        schedule(process, work, work_run);
}

void sim_work_tell(struct sim_process *process)
{
    struct io_work *work = process->done_first;
    struct io_work *next;

    process->done_first = NULL;
    process->done_last = &process->done_first;
    for (; work != NULL && !process->dead; work = next) {
        next = work->next; /* `done` may free the work */
        work->done(work);
    }
}

void sim_work_crash(struct sim_process *process)
{
    process->done_first = NULL;
    process->done_last = &process->done_first;
}

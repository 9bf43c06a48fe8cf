/*
 * The simulated operations of the loop. Each is scheduled for a random later time, has its effect
 * then, all at once, and is told at a turn after that.
 */
#include <errno.h>

#include "base/heap.h"
#include "base/io_sim_world.h"

static const char *const kind_names[] = {
    [IO_OP_WRITE] = "op write",         [IO_OP_WRITE_DURABLE] = "op write durable",
    [IO_OP_FSYNC] = "op fsync",         [IO_OP_READ] = "op read",
    [IO_OP_FALLOCATE] = "op fallocate",
};

static struct sim_file *file_of(const struct sim_op *op)
{
    return (struct sim_file *)op->op->file;
}

static bool writes(const struct io_op *op)
{
    return op->kind == IO_OP_WRITE || op->kind == IO_OP_WRITE_DURABLE;
}

static struct bytes lent(const struct io_op *op)
{
    return bytes_of(op->at, op->size);
}

/* ---- the effect ----------------------------------------------------------------------------- */

/* A direct file moves whole blocks: a caller can go on where a short count stops. */
static uint64_t part_of(struct sim *sim, const struct io_op *op)
{
    uint64_t unit = op->file->direct ? IO_DIRECT_ALIGN : 1;
    uint64_t units = op->size / unit;

    if (units < 2)
        return op->size;
    return (1 + prng_below(&sim->prng, units - 1)) * unit;
}

/* On a file that is not direct a durable write is a write and a sync of all that the file has. */
static int64_t write_durable(struct sim_file *file, uint64_t offset, struct bytes b)
{
    int64_t written, synced;

    if (file->head.direct)
        return sim_file_write(file, offset, b, true);
    written = sim_file_write(file, offset, b, false);
    if (written < 0)
        return written;
    synced = sim_file_sync(file, sim_content_mark(file->inode));
    return synced < 0 ? synced : written;
}

static int64_t perform(struct sim_op *o)
{
    struct sim *sim = o->process->sim;
    struct sim_file *file = file_of(o);
    struct io_op *op = o->op;
    uint64_t size = op->size;

    if (sim_luck(sim, sim_machine(o->process->node)->faults.short_count))
        size = part_of(sim, op);
    switch ((enum io_op_kind)op->kind) {
    case IO_OP_WRITE: return sim_file_write(file, op->offset, bytes_of(op->at, size), false);
    case IO_OP_WRITE_DURABLE: return write_durable(file, op->offset, bytes_of(op->at, size));
    case IO_OP_FSYNC: return sim_file_sync(file, o->mark);
    case IO_OP_READ: return sim_file_read(file, op->offset, op->at, size);
    case IO_OP_FALLOCATE: return sim_file_allocate(file, op->offset, op->size);
    }
    return -EINVAL;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void unlist(struct sim_op *o)
{
    struct sim_op **link = &o->process->ops;

    while (*link != o)
        link = &(*link)->next;
    *link = o->next;
}

static void op_ended(struct sim_op *o, int64_t result)
{
    struct sim_process *process = o->process;
    struct io_op *op = o->op;
    uint64_t content = 0;

    if (op->kind == IO_OP_READ && result > 0)
        content = bytes_hash(bytes_of(op->at, (size_t)result), 0);
    sim_trace(process->sim, process->node, "op ends", op->kind, (uint64_t)result, content);
    unlist(o);
    o->result = result;
    o->next = NULL;
    *process->ended_last = o;
    process->ended_last = &o->next;
    sim_kick(process);
}

static void op_due(struct sim *sim, void *object, uint64_t generation)
{
    struct sim_op *o = object;

    if (sim_process_alive(sim, generation) == NULL)
        return;
    if (writes(o->op))
        assert(o->content == bytes_hash(lent(o->op), 0)); /* lent memory was changed */
    op_ended(o, perform(o));
}

/* ---- calls ---------------------------------------------------------------------------------- */

static int64_t duration(struct sim_process *process, const struct io_op *op)
{
    const struct sim_faults *faults = &sim_machine(process->node)->faults;
    int64_t ns = sim_between(process->sim, faults->disk_min_ns, faults->disk_max_ns);

    if (sim_luck(process->sim, faults->disk_stall))
        ns += faults->disk_stall_ns;
    if (op->kind == IO_OP_READ && sim_luck(process->sim, faults->read_stall))
        ns += faults->disk_stall_ns;
    return op->kind == IO_OP_FSYNC ? ns + faults->sync_ns : ns;
}

void sim_submit(struct io *io, struct io_op *op)
{
    struct sim_process *process = sim_process_of(io);
    uint64_t content = writes(op) ? bytes_hash(lent(op), 0) : 0;
    enum sim_step step =
        sim_step_begin(process, kind_names[op->kind], op->offset, op->size, content);
    struct sim_op *o;

    if (step == SIM_STEP_DEAD) {
        io_op_abandon(op);
        return;
    }
    o = HEAP_NEW(struct sim_op);
    *o = (struct sim_op){.process = process, .op = op, .content = content, .next = process->ops};
    process->ops = o;
    o->mark = sim_content_mark(file_of(o)->inode);
    sim_schedule(process->sim, process->sim->now_ns + duration(process, op), op_due, o,
                 process->generation);
    sim_step_end(process, step);
}

void sim_ops_tell(struct sim_process *process)
{
    struct sim_op *o = process->ended_first;
    struct sim_op *next;

    process->ended_first = NULL;
    process->ended_last = &process->ended_first;
    for (; o != NULL; o = next) {
        next = o->next;
        if (process->dead)
            io_op_abandon(o->op);
        else
            io_op_finish(o->op, o->result);
        heap_give(o);
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

static void op_crash(struct sim_op *o)
{
    struct prng *prng = &o->process->sim->prng;
    struct io_op *op = o->op;
    bool through = op->kind == IO_OP_WRITE_DURABLE && op->file->direct;

    if (writes(op))
        sim_content_write_torn(file_of(o)->inode, op->offset, lent(op), through, prng);
    else if (op->kind != IO_OP_READ && prng_chance(prng, 1, 2))
        (void)perform(o); /* a sync or an allocation that just made it; nobody asks */
}

/* Their owners still exist. */
static void abandon(const struct sim_op *o)
{
    for (; o != NULL; o = o->next)
        io_op_abandon(o->op);
}

void sim_ops_crash(struct sim_process *process)
{
    for (struct sim_op *o = process->ops; o != NULL; o = o->next)
        op_crash(o);
    abandon(process->ops);
    abandon(process->ended_first);
    sim_ops_free(process);
}

static void free_list(struct sim_op *o)
{
    struct sim_op *next;

    for (; o != NULL; o = next) {
        next = o->next;
        heap_give(o);
    }
}

void sim_ops_free(struct sim_process *process)
{
    free_list(process->ops);
    free_list(process->ended_first);
    process->ops = NULL;
    process->ended_first = NULL;
    process->ended_last = &process->ended_first;
}

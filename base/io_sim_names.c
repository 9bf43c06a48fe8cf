/* The simulated calls on names, and the step that every disk operation is. */
#include "base/heap.h"
#include "base/io_sim_world.h"

/* ---- steps ---------------------------------------------------------------------------------- */

enum sim_step sim_step_begin(struct sim_process *process, const char *what, uint64_t a, uint64_t b,
                             uint64_t content)
{
    struct sim_node *node = sim_machine(process->node);

    if (process->dead)
        return SIM_STEP_DEAD;
    sim_trace(process->sim, process->node, what, a, b, content);
    node->disk_ops++;
    return node->disk_ops == node->crash_at_op ? SIM_STEP_DIES : SIM_STEP_LIVES;
}

bool sim_step_acts(struct sim_process *process, enum sim_step step)
{
    if (step == SIM_STEP_DIES)
        return prng_chance(&process->sim->prng, 1, 2);
    return step == SIM_STEP_LIVES;
}

void sim_step_end(struct sim_process *process, enum sim_step step)
{
    if (step == SIM_STEP_DIES)
        sim_crash(process->sim, sim_machine(process->node)->index,
                  sim_machine(process->node)->crash_mode);
}

/* ---- names ---------------------------------------------------------------------------------- */

static struct sim_disk *disk_of(struct sim_process *process)
{
    return &sim_machine(process->node)->disk;
}

static enum sim_step begin(struct sim_process *process, const char *what, const char *path)
{
    return sim_step_begin(process, what, 0, 0, bytes_hash(bytes_of_text(path), 0));
}

/* What a call returns that did `err` if the process lived on. */
static enum err end(struct sim_process *process, enum sim_step step, enum err err)
{
    sim_step_end(process, step);
    return step == SIM_STEP_LIVES ? err : ERR_IO;
}

static enum err create(struct sim_process *process, const char *path, bool directory)
{
    struct sim_disk *disk = disk_of(process);

    if (sim_tree_find(disk, path) != NULL)
        return ERR_EXISTS;
    if (disk->used >= disk->total)
        return ERR_NO_SPACE;
    return sim_tree_create(disk, path, directory);
}

enum err sim_mkdir(struct io *io, const char *path)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = begin(process, "mkdir", path);
    enum err err = OK;

    if (sim_step_acts(process, step))
        err = create(process, path, true);
    return end(process, step, err == ERR_EXISTS ? OK : err);
}

enum err sim_rename(struct io *io, const char *from, const char *to)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = begin(process, "rename", from);
    enum err err = OK;

    if (sim_step_acts(process, step))
        err = sim_tree_rename(disk_of(process), from, to);
    return end(process, step, err);
}

static enum err remove_name(struct io *io, const char *path, bool directory)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = begin(process, directory ? "rmdir" : "unlink", path);
    enum err err = OK;

    if (sim_step_acts(process, step))
        err = sim_tree_unlink(disk_of(process), path, directory);
    return end(process, step, err);
}

enum err sim_unlink(struct io *io, const char *path)
{
    return remove_name(io, path, false);
}

enum err sim_rmdir(struct io *io, const char *path)
{
    return remove_name(io, path, true);
}

static enum err find_directory(struct sim_process *process, const char *path,
                               struct sim_inode **directory)
{
    *directory = sim_tree_find(disk_of(process), path);
    return *directory != NULL && (*directory)->directory ? OK : ERR_NOT_FOUND;
}

enum err sim_sync_dir(struct io *io, const char *path)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = begin(process, "sync_dir", path);
    struct sim_inode *directory;
    enum err err = OK;

    if (sim_step_acts(process, step)) {
        err = find_directory(process, path, &directory);
        if (err == OK)
            sim_tree_sync(directory);
    }
    return end(process, step, err);
}

/* In an order of its own each time: a crash amid them leaves any of them done. */
void sim_sync_all(struct io *io, struct io_syncing *items, size_t count)
{
    struct sim_process *process = sim_process_of(io);
    struct prng *prng = &process->sim->prng;
    size_t *order = heap_take(count * sizeof *order);

    for (size_t i = 0; i < count; i++) {
        size_t other = prng_below(prng, i + 1);

        order[i] = order[other];
        order[other] = i;
    }
    for (size_t i = 0; i < count; i++) {
        struct io_syncing *item = &items[order[i]];

        item->err = item->file != NULL ? sim_sync(io, item->file) : sim_sync_dir(io, item->path);
    }
    heap_give(order);
}

/* Names are copied first: the owner may remove what it is shown. */
static void list_entries(const struct sim_inode *directory, io_entry_fn *entry, void *context)
{
    size_t count = directory->seen.count;
    struct sim_entry *copy = heap_take(count * sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        copy[i].name = heap_text(bytes_of_text(directory->seen.at[i].name));
        copy[i].inode = directory->seen.at[i].inode;
        sim_inode_take(copy[i].inode);
    }
    for (size_t i = 0; i < count; i++) {
        entry(context, copy[i].name, copy[i].inode->directory);
        sim_inode_give(copy[i].inode);
        heap_give(copy[i].name);
    }
    heap_give(copy);
}

enum err sim_list(struct io *io, const char *path, io_entry_fn *entry, void *context)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = begin(process, "list", path);
    struct sim_inode *directory;
    enum err err = OK;

    if (step == SIM_STEP_LIVES) {
        err = find_directory(process, path, &directory);
        if (err == OK)
            list_entries(directory, entry, context);
    }
    return end(process, step, err);
}

static bool lock_held(const struct sim_process *process, const char *path)
{
    for (size_t i = 0; i < process->locks_count; i++)
        if (strcmp(process->locks[i], path) == 0)
            return true;
    return false;
}

/* A node has one process at a time, so only its own locks can be in the way. */
enum err sim_lock(struct io *io, const char *path)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = begin(process, "lock", path);
    enum err err = OK;

    assert(process->locks_count < SIM_LOCKS_MAX);
    if (lock_held(process, path))
        return ERR_BUSY;
    if (sim_step_acts(process, step)) {
        err = create(process, path, false);
        if (err == ERR_EXISTS)
            err = OK;
    }
    if (step == SIM_STEP_LIVES && err == OK)
        process->locks[process->locks_count++] = heap_text(bytes_of_text(path));
    return end(process, step, err);
}

enum err sim_space(struct io *io, uint64_t *available, uint64_t *total)
{
    struct sim_process *process = sim_process_of(io);
    const struct sim_disk *disk = disk_of(process);

    if (process->dead)
        return ERR_IO;
    *total = disk->total;
    *available = disk->used < disk->total ? disk->total - disk->used : 0;
    return OK;
}

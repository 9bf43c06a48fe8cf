#include <errno.h>

#include "base/heap.h"
#include "base/io_sim_net.h"
#include "base/io_sim_world.h"

static struct sim_file *file_of(struct io_file *file)
{
    return (struct sim_file *)file;
}

static struct sim *sim_of(struct sim_file *file)
{
    return file->process->sim;
}

static const struct sim_faults *faults_of(struct sim_file *file)
{
    return &sim_machine(file->process->node)->faults;
}

static enum err err_of(int64_t result)
{
    return result >= 0 ? OK : err_of_errno((int)-result);
}

static int64_t errno_of(enum err err)
{
    assert(err == OK || err == ERR_NO_SPACE);
    return err == OK ? 0 : -ENOSPC;
}

/* ---- opening -------------------------------------------------------------------------------- */

static struct sim_file *file_new(struct sim_process *process, struct sim_inode *inode,
                                 unsigned flags)
{
    struct sim_file *file = HEAP_NEW(struct sim_file);

    file->head.direct = (flags & IO_DIRECT) && !sim_machine(process->node)->faults.direct_refused;
    file->process = process;
    file->inode = inode;
    file->flags = flags;
    sim_inode_take(inode);
    file->next = process->files;
    if (process->files != NULL)
        process->files->previous = file;
    process->files = file;
    return file;
}

static void file_free(struct sim_file *file)
{
    sim_inode_give(file->inode);
    if (file->next != NULL)
        file->next->previous = file->previous;
    if (file->previous != NULL)
        file->previous->next = file->next;
    else
        file->process->files = file->next;
    heap_give(file);
}

static enum err find_or_create(struct sim_process *process, const char *path, unsigned flags,
                               struct sim_inode **inode)
{
    struct sim_disk *disk = &sim_machine(process->node)->disk;
    enum err err;

    *inode = sim_tree_find(disk, path);
    if (*inode != NULL && (flags & IO_CREATE))
        return ERR_EXISTS;
    if (*inode != NULL)
        return (*inode)->directory ? ERR_INVALID : OK;
    if ((flags & IO_CREATE) == 0)
        return ERR_NOT_FOUND;
    if (disk->used >= disk->total)
        return ERR_NO_SPACE;
    err = sim_tree_create(disk, path, false);
    *inode = sim_tree_find(disk, path);
    return err;
}

uint64_t sim_descriptors_max(struct io *io)
{
    uint64_t most = sim_process_of(io)->node->descriptors_max;

    return most > 0 ? most : UINT64_MAX;
}

static bool has_descriptor(struct sim_process *process)
{
    uint64_t most = sim_descriptors_max(&process->io), count = 0;

    if (most == UINT64_MAX || process->node->files_denied)
        return !process->node->files_denied;
    for (const struct sim_file *file = process->files; file != NULL; file = file->next)
        count++;
    for (const struct sim_sock *sock = process->socks; sock != NULL; sock = sock->next)
        count++;
    return count < most;
}

enum err sim_open(struct io *io, const char *path, unsigned flags, struct io_file **file)
{
    struct sim_process *process = sim_process_of(io);
    uint64_t name = bytes_hash(bytes_of_text(path), 0);
    enum sim_step step = sim_step_begin(process, "open", flags, 0, name);
    struct sim_inode *inode;
    enum err err = ERR_IO;

    if (sim_step_acts(process, step))
        err = has_descriptor(process) ? find_or_create(process, path, flags, &inode) : ERR_FULL;
    sim_step_end(process, step);
    if (step != SIM_STEP_LIVES)
        return ERR_IO;
    if (err == OK)
        *file = &file_new(process, inode, flags)->head;
    return err;
}

void sim_close(struct io *io, struct io_file *file)
{
    (void)io;
    file_free(file_of(file));
}

void sim_files_free(struct sim_process *process)
{
    while (process->files != NULL)
        file_free(process->files);
}

enum err sim_size(struct io *io, struct io_file *file, uint64_t *size)
{
    if (sim_process_of(io)->dead)
        return ERR_IO;
    *size = file_of(file)->inode->cache.size;
    return OK;
}

enum err sim_find_data(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found)
{
    if (sim_process_of(io)->dead)
        return ERR_IO;
    *found = sim_content_find(file_of(file)->inode, offset);
    return OK;
}

/* ---- what an operation does, faults included ------------------------------------------------ */

static bool fails(struct sim_file *file, uint32_t chance, bool *broken)
{
    if (!*broken && !sim_luck(sim_of(file), chance))
        return false;
    if (sim_luck(sim_of(file), faults_of(file)->error_sticky))
        *broken = true;
    return true;
}

/* A direct read sees the platter where the cache holds nothing that must still be written. */
int64_t sim_file_read(struct sim_file *file, uint64_t offset, void *at, size_t size)
{
    struct sim_inode *inode = file->inode;

    if (fails(file, faults_of(file)->read_error, &inode->read_broken))
        return -EIO;
    if (!sim_content_readable(inode, offset, size))
        return -EIO;
    if (file->head.direct)
        sim_content_evict(inode, offset, size);
    return (int64_t)sim_content_read(inode, offset, at, size);
}

int64_t sim_file_write(struct sim_file *file, uint64_t offset, struct bytes b, bool through)
{
    struct sim_inode *inode = file->inode;
    enum err err;

    assert(file->flags & IO_WRITE);
    if (fails(file, faults_of(file)->write_error, &inode->write_broken)) {
        sim_content_write_torn(inode, offset, b, through, &sim_of(file)->prng);
        return -EIO;
    }
    if (through)
        err = sim_content_write_through(inode, offset, b);
    else
        err = sim_content_write(inode, offset, b);
    return err == OK ? (int64_t)b.size : errno_of(err);
}

int64_t sim_file_sync(struct sim_file *file, uint64_t mark)
{
    struct sim_inode *inode = file->inode;
    struct sim *sim = sim_of(file);

    if (!fails(file, faults_of(file)->sync_error, &inode->sync_broken)) {
        sim_content_sync(inode, mark);
        return 0;
    }
    sim_content_sync_failed(inode, mark, &sim->prng);
    if (sim_luck(sim, faults_of(file)->sync_evicts))
        sim_content_evict(inode, 0, inode->cache.size);
    return -EIO;
}

int64_t sim_file_allocate(struct sim_file *file, uint64_t offset, uint64_t size)
{
    struct sim_inode *inode = file->inode;

    if (offset + size <= inode->cache.size)
        return 0;
    return errno_of(sim_content_resize(inode, offset + size));
}

/* ---- blocking calls ------------------------------------------------------------------------- */

/* What a call returns that did `result` if the process lived on. */
static enum err end(struct sim_process *process, enum sim_step step, int64_t result)
{
    sim_step_end(process, step);
    return step == SIM_STEP_LIVES ? err_of(result) : ERR_IO;
}

enum err sim_read_all(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = sim_step_begin(process, "read", offset, size, 0);
    int64_t result = 0;

    if (step == SIM_STEP_LIVES)
        result = sim_file_read(file_of(file), offset, at, size);
    if (result >= 0)
        memset((uint8_t *)at + result, 0, size - (size_t)result);
    return end(process, step, result);
}

enum err sim_write_all(struct io *io, struct io_file *file, uint64_t offset, struct bytes b)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = sim_step_begin(process, "write", offset, b.size, bytes_hash(b, 0));
    int64_t result = 0;

    if (b.size == 0)
        return end(process, step, 0);
    if (step == SIM_STEP_LIVES)
        result = sim_file_write(file_of(file), offset, b, false);
    else if (step == SIM_STEP_DIES)
        sim_content_write_torn(file_of(file)->inode, offset, b, false, &process->sim->prng);
    return end(process, step, result);
}

enum err sim_sync(struct io *io, struct io_file *file)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = sim_step_begin(process, "sync", 0, 0, 0);
    int64_t result = 0;

    if (sim_step_acts(process, step))
        result = sim_file_sync(file_of(file), sim_content_mark(file_of(file)->inode));
    return end(process, step, result);
}

enum err sim_allocate(struct io *io, struct io_file *file, uint64_t offset, uint64_t size)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = sim_step_begin(process, "allocate", offset, size, 0);
    int64_t result = 0;

    if (sim_step_acts(process, step))
        result = sim_file_allocate(file_of(file), offset, size);
    return end(process, step, result);
}

enum err sim_truncate(struct io *io, struct io_file *file, uint64_t size)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = sim_step_begin(process, "truncate", size, 0, 0);
    int64_t result = 0;

    if (sim_step_acts(process, step))
        result = errno_of(sim_content_resize(file_of(file)->inode, size));
    return end(process, step, result);
}

int64_t sim_read_now(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size)
{
    struct sim_process *process = sim_process_of(io);
    enum sim_step step = sim_step_begin(process, "read_now", offset, size, 0);

    sim_step_end(process, step);
    if (step != SIM_STEP_LIVES)
        return -EIO;
    if (sim_luck(process->sim, sim_machine(process->node)->faults.read_now_again))
        return -EAGAIN;
    return sim_file_read(file_of(file), offset, at, size);
}

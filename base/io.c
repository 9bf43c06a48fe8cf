#include "base/io_backend.h"

#include <string.h>

/* ---- time, randomness, loop ----------------------------------------------------------------- */

void io_init(struct io *io, const struct io_calls *calls)
{
    memset(io, 0, sizeof(*io));
    io->calls = calls;
    timers_init(&io->timers);
}

void io_deinit(struct io *io)
{
    timers_deinit(&io->timers);
}

int64_t io_now(const struct io *io)
{
    return io->now_ns;
}

int64_t io_wall(const struct io *io)
{
    return io->wall_ns;
}

void io_clock_refresh(struct io *io)
{
    io->calls->clock_refresh(io);
}

void io_random(struct io *io, void *at, size_t size)
{
    io->calls->random(io, at, size);
}

struct timers *io_timers(struct io *io)
{
    return &io->timers;
}

void io_set_flush(struct io *io, void (*flush)(void *context), void *context)
{
    io->flush = flush;
    io->flush_context = context;
}

enum err io_turn(struct io *io, int64_t wait_ns)
{
    assert(wait_ns >= 0);
    return io->calls->turn(io, wait_ns);
}

void io_destroy(struct io *io)
{
    io->calls->destroy(io);
}

/* ---- blocking file calls -------------------------------------------------------------------- */

/* Paths are made by us, from names that were checked: a bad one is a bug. */
static bool path_good(const char *path)
{
    size_t dots = 0;

    if (*path == 0 || *path == '/')
        return false;
    for (const char *at = path;; at++) {
        if (*at == '/' || *at == 0) {
            if (dots == 2)
                return false;
            dots = 0;
            if (*at == 0)
                return true;
        } else if (*at == '.' && dots < 2 && (dots > 0 || at == path || at[-1] == '/')) {
            dots++;
        } else {
            dots = 3; /* an ordinary name */
        }
    }
}

static bool direct_aligned(uint64_t offset, const void *at, uint64_t size)
{
    return ((offset | size | (uintptr_t)at) & (IO_DIRECT_ALIGN - 1)) == 0;
}

static void check_transfer(const struct io_file *file, uint64_t offset, const void *at,
                           uint64_t size)
{
    assert(offset <= INT64_MAX);
    assert(size <= INT64_MAX - offset);
    assert(!file->direct || direct_aligned(offset, at, size));
}

enum err io_open(struct io *io, const char *path, unsigned flags, struct io_file **file)
{
    enum err err;

    assert(path_good(path));
    assert((flags & (IO_READ | IO_WRITE)) != 0);
    if (io_files_open(io) >= io_files_limit_is(io))
        return ERR_FULL;
    err = io->calls->open(io, path, flags, file);
    if (err == OK)
        atomic_fetch_add_explicit(&io->files, 1, memory_order_relaxed);
    return err;
}

void io_close(struct io *io, struct io_file *file)
{
    assert(file->operations == 0);
    atomic_fetch_sub_explicit(&io->files, 1, memory_order_relaxed);
    io->calls->close(io, file);
}

uint64_t io_files_open(const struct io *io)
{
    return atomic_load_explicit(&io->files, memory_order_relaxed);
}

void io_files_limit(struct io *io, uint64_t most)
{
    atomic_store_explicit(&io->files_most, most, memory_order_relaxed);
}

uint64_t io_files_limit_is(const struct io *io)
{
    uint64_t most = atomic_load_explicit(&io->files_most, memory_order_relaxed);

    return most > 0 ? most : UINT64_MAX;
}

uint64_t io_descriptors_max(struct io *io)
{
    return io->calls->descriptors_max(io);
}

enum err io_size(struct io *io, struct io_file *file, uint64_t *size)
{
    return io->calls->size(io, file, size);
}

enum err io_find_data(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found)
{
    enum err err = io->calls->find_data(io, file, offset, found);

    assert(err != OK || *found >= offset);
    return err;
}

void io_read_ahead(struct io *io, struct io_file *file, bool on)
{
    if (io->calls->read_ahead != NULL)
        io->calls->read_ahead(io, file, on);
}

enum err io_read_all(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size)
{
    check_transfer(file, offset, at, size);
    return io->calls->read_all(io, file, offset, at, size);
}

enum err io_write_all(struct io *io, struct io_file *file, uint64_t offset, struct bytes b)
{
    check_transfer(file, offset, b.at, b.size);
    return io->calls->write_all(io, file, offset, b);
}

#define GENTLE_BYTES (1u << 20)

enum err io_write_gently(struct io *io, struct io_file *file, uint64_t offset, struct bytes b)
{
    enum err err = OK;

    while (err == OK && b.size > 0) {
        struct bytes piece = bytes_take(b, b.size < GENTLE_BYTES ? b.size : GENTLE_BYTES);

        err = io_write_all(io, file, offset, piece);
        if (err == OK && io->calls->write_back != NULL)
            err = io->calls->write_back(io, file, offset, piece.size);
        offset += piece.size;
        b = bytes_skip(b, piece.size);
    }
    return err;
}

enum err io_sync(struct io *io, struct io_file *file)
{
    return io->calls->sync(io, file);
}

void io_sync_all(struct io *io, struct io_syncing *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert(items[i].file != NULL || path_good(items[i].path));
    if (count > 0)
        io->calls->sync_all(io, items, count);
}

enum err io_syncing_result(const struct io_syncing *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].err != OK)
            return items[i].err;
    return OK;
}

enum err io_allocate(struct io *io, struct io_file *file, uint64_t offset, uint64_t size)
{
    assert(size > 0);
    assert(offset <= INT64_MAX);
    assert(size <= INT64_MAX - offset);
    return io->calls->allocate(io, file, offset, size);
}

enum err io_truncate(struct io *io, struct io_file *file, uint64_t size)
{
    assert(size <= INT64_MAX);
    return io->calls->truncate(io, file, size);
}

enum err io_root_again(struct io *io)
{
    return io->calls->root_again != NULL ? io->calls->root_again(io) : OK;
}

bool io_root_removable(const struct io *io)
{
    return io->calls->root_again != NULL;
}

bool io_locked(struct io *io, const char *path)
{
    assert(path_good(path));
    return io->calls->locked(io, path);
}

enum err io_mkdir(struct io *io, const char *path)
{
    assert(path_good(path));
    return io->calls->mkdir(io, path);
}

enum err io_rename(struct io *io, const char *from, const char *to)
{
    assert(path_good(from));
    assert(path_good(to));
    return io->calls->rename(io, from, to);
}

enum err io_unlink(struct io *io, const char *path)
{
    assert(path_good(path));
    return io->calls->unlink(io, path);
}

enum err io_rmdir(struct io *io, const char *path)
{
    assert(path_good(path));
    return io->calls->rmdir(io, path);
}

enum err io_sync_dir(struct io *io, const char *path)
{
    assert(path_good(path));
    return io->calls->sync_dir(io, path);
}

enum err io_list(struct io *io, const char *path,
                 void (*entry)(void *context, const char *name, bool directory), void *context)
{
    assert(path_good(path));
    return io->calls->list(io, path, entry, context);
}

enum err io_lock(struct io *io, const char *path)
{
    assert(path_good(path));
    return io->calls->lock(io, path);
}

enum err io_space(struct io *io, uint64_t *available, uint64_t *total)
{
    return io->calls->space(io, available, total);
}

struct scratch *io_scratch(struct io *io)
{
    return io->calls->scratch(io);
}

struct spool *io_spool(struct io *io)
{
    return io->calls->spool(io);
}

/* ---- file operations of the loop ------------------------------------------------------------ */

static bool kind_writes(enum io_op_kind kind)
{
    return kind == IO_OP_WRITE || kind == IO_OP_WRITE_DURABLE;
}

static void op_submit(struct io *io, struct io_op *op, enum io_op_kind kind, struct io_file *file,
                      uint64_t offset, void *at, uint64_t size)
{
    assert(!op->busy);
    assert(op->done != NULL);
    assert(!kind_writes(kind) || file->writes == 0);
    check_transfer(file, offset, at, size);

    op->busy = true;
    op->kind = (uint8_t)kind;
    op->file = file;
    op->offset = offset;
    op->at = at;
    op->size = size;
    op->result = 0;
    file->operations++;
    file->writes += kind_writes(kind);
    io->calls->submit(io, op);
}

void io_op_abandon(struct io_op *op)
{
    assert(op->busy);
    assert(op->file->operations > 0);

    op->file->operations--;
    op->file->writes -= kind_writes((enum io_op_kind)op->kind);
    op->busy = false;
}

void io_op_finish(struct io_op *op, int64_t result)
{
    io_op_abandon(op);
    op->done(op, result);
}

void io_write(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset,
              struct bytes b)
{
    assert(b.size > 0);
    op_submit(io, op, IO_OP_WRITE, file, offset, (void *)b.at, b.size);
}

void io_write_durable(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset,
                      struct bytes b)
{
    assert(b.size > 0);
    op_submit(io, op, IO_OP_WRITE_DURABLE, file, offset, (void *)b.at, b.size);
}

void io_fsync(struct io *io, struct io_op *op, struct io_file *file)
{
    op_submit(io, op, IO_OP_FSYNC, file, 0, NULL, 0);
}

void io_read(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset, void *at,
             size_t size)
{
    assert(size > 0);
    op_submit(io, op, IO_OP_READ, file, offset, at, size);
}

void io_fallocate(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset,
                  uint64_t size)
{
    assert(size > 0);
    assert(!file->direct || ((offset | size) & (IO_DIRECT_ALIGN - 1)) == 0);
    op_submit(io, op, IO_OP_FALLOCATE, file, offset, NULL, size);
}

int64_t io_read_now(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size)
{
    assert(size > 0);
    check_transfer(file, offset, at, size);
    return io->calls->read_now(io, file, offset, at, size);
}

/* ---- work and wake-ups ---------------------------------------------------------------------- */

void io_work(struct io *io, struct io_work *work)
{
    assert(work->run != NULL);
    assert(work->done != NULL);
    io->calls->work(io, work);
}

void io_stop(struct io *io)
{
    if (io->calls->stop != NULL)
        io->calls->stop(io);
}

void io_wake(struct io *io)
{
    io->calls->wake(io);
}

void io_turn_enough(struct io *io)
{
    io->enough = true;
}

void io_set_wake(struct io *io, void (*woken)(void *context), void *context)
{
    io->woken = woken;
    io->woken_context = context;
}

/* ---- sockets -------------------------------------------------------------------------------- */

enum err io_listen(struct io *io, const char *host, uint16_t port,
                   void (*accepted)(void *context, struct io_sock *sock,
                                    const struct io_address *peer),
                   void *context, struct io_listener **listener, uint16_t *bound)
{
    assert(accepted != NULL);
    return io->calls->listen(io, host, port, accepted, context, listener, bound);
}

void io_set_port_taken(struct io *io,
                       void (*taken)(void *context, const char *host, uint16_t port,
                                     int64_t wait_ns),
                       void *context)
{
    io->port_taken = taken;
    io->port_taken_context = context;
}

void io_listener_close(struct io *io, struct io_listener *listener)
{
    io->calls->listener_close(io, listener);
}

void io_addresses(struct io *io, void (*address)(void *context, const char *text), void *context)
{
    assert(address != NULL);
    io->calls->addresses(io, address, context);
}

static void check_events(const struct io_sock_events *events)
{
    assert(events->received != NULL);
    assert(events->sent != NULL);
    assert(events->ended != NULL);
    assert(events->closed != NULL);
}

struct io_sock *io_connect(struct io *io, const char *host, uint16_t port,
                           const struct io_sock_events *events, void *owner)
{
    check_events(events);
    return io->calls->connect(io, host, port, events, owner);
}

int64_t io_sock_release(struct io *io, struct io_sock *sock)
{
    return io->calls->sock_release != NULL ? io->calls->sock_release(io, sock) : IO_SOCK_STAYS;
}

struct io_sock *io_sock_adopt(struct io *io, int64_t released)
{
    assert(released != IO_SOCK_STAYS);
    return io->calls->sock_adopt(io, released);
}

void io_sock_part(struct io *io, struct io_sock *sock)
{
    io->calls->sock_part(io, sock);
}

void io_sock_drop(struct io *io, int64_t released)
{
    assert(released != IO_SOCK_STAYS);
    io->calls->sock_drop(io, released);
}

void io_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                   void *owner)
{
    check_events(events);
    io->calls->sock_start(io, sock, events, owner);
}

void io_sock_hand(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                  void *owner)
{
    check_events(events);
    io->calls->sock_hand(sock, events, owner);
}

bool io_sock_peer(struct io *io, struct io_sock *sock, struct io_address *peer)
{
    return io->calls->sock_peer(io, sock, peer);
}

void io_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count)
{
    size_t total = 0;

    assert(!sock->sending);
    assert(count > 0);
    assert(count <= IO_PIECES_MAX);
    for (size_t i = 0; i < count; i++)
        total += pieces[i].size;
    assert(total > 0);
    sock->sending = true;
    io->calls->sock_send(io, sock, pieces, count);
}

bool io_sock_sending(const struct io_sock *sock)
{
    return sock->sending;
}

void io_sock_pause(struct io *io, struct io_sock *sock)
{
    io->calls->sock_pause(io, sock);
}

void io_sock_resume(struct io *io, struct io_sock *sock)
{
    io->calls->sock_resume(io, sock);
}

void io_sock_close(struct io *io, struct io_sock *sock, bool drain)
{
    io->calls->sock_close(io, sock, drain);
}

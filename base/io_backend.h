/*
 * io_backend: what a backend of base/io.h fills in. Private to base/io*.c.
 *
 * A backend's own structs begin with the heads below. io.c checks every call's arguments once, for
 * all backends, and then dispatches; so what a backend receives is well formed.
 */
#ifndef BASE_IO_BACKEND_H
#define BASE_IO_BACKEND_H

#include <stdatomic.h>

#include "base/io.h"

enum io_op_kind { IO_OP_WRITE, IO_OP_WRITE_DURABLE, IO_OP_FSYNC, IO_OP_READ, IO_OP_FALLOCATE };

typedef void io_accepted_fn(void *context, struct io_sock *sock, const struct io_address *peer);
typedef void io_entry_fn(void *context, const char *name, bool directory);

struct io_calls {
    void (*clock_refresh)(struct io *io);
    void (*random)(struct io *io, void *at, size_t size);
    enum err (*turn)(struct io *io, int64_t wait_ns);
    void (*destroy)(struct io *io);

    enum err (*open)(struct io *io, const char *path, unsigned flags, struct io_file **file);
    void (*close)(struct io *io, struct io_file *file);
    uint64_t (*descriptors_max)(struct io *io);
    enum err (*size)(struct io *io, struct io_file *file, uint64_t *size);
    enum err (*find_data)(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found);
    void (*read_ahead)(struct io *io, struct io_file *file, bool on); /* NULL: nothing */
    enum err (*read_all)(struct io *io, struct io_file *file, uint64_t offset, void *at,
                         size_t size);
    enum err (*write_all)(struct io *io, struct io_file *file, uint64_t offset, struct bytes b);
    /* Starts writing that to the disk and waits; durable it is only after sync. NULL: nothing. */
    enum err (*write_back)(struct io *io, struct io_file *file, uint64_t offset, uint64_t size);
    enum err (*sync)(struct io *io, struct io_file *file);
    enum err (*allocate)(struct io *io, struct io_file *file, uint64_t offset, uint64_t size);
    enum err (*truncate)(struct io *io, struct io_file *file, uint64_t size);
    enum err (*mkdir)(struct io *io, const char *path);
    enum err (*rename)(struct io *io, const char *from, const char *to);
    enum err (*unlink)(struct io *io, const char *path);
    enum err (*rmdir)(struct io *io, const char *path);
    enum err (*sync_dir)(struct io *io, const char *path);
    void (*sync_all)(struct io *io, struct io_syncing *items, size_t count);
    enum err (*list)(struct io *io, const char *path, io_entry_fn *entry, void *context);
    enum err (*lock)(struct io *io, const char *path);
    /* NULL: nobody can remove it. */
    enum err (*root_again)(struct io *io);
    bool (*locked)(struct io *io, const char *path); /* with root_again */
    enum err (*space)(struct io *io, uint64_t *available, uint64_t *total);

    struct scratch *(*scratch)(struct io *io);
    struct spool *(*spool)(struct io *io);

    /* Starts op->kind; op is filled in, busy and counted. Ends in io_op_finish, from a turn. */
    void (*submit)(struct io *io, struct io_op *op);
    int64_t (*read_now)(struct io *io, struct io_file *file, uint64_t offset, void *at,
                        size_t size);

    void (*work)(struct io *io, struct io_work *work);
    void (*stop)(struct io *io); /* NULL: nothing goes on beside the loop */
    void (*wake)(struct io *io);

    enum err (*listen)(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted,
                       void *context, struct io_listener **listener, uint16_t *bound);
    void (*listener_close)(struct io *io, struct io_listener *listener);
    void (*addresses)(struct io *io, void (*address)(void *context, const char *text),
                      void *context);
    struct io_sock *(*connect)(struct io *io, const char *host, uint16_t port,
                               const struct io_sock_events *events, void *owner);
    /* NULL: sockets stay where they were accepted. */
    int64_t (*sock_release)(struct io *io, struct io_sock *sock);
    struct io_sock *(*sock_adopt)(struct io *io, int64_t released);
    void (*sock_drop)(struct io *io, int64_t released);
    void (*sock_part)(struct io *io, struct io_sock *sock);
    void (*sock_start)(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                       void *owner);
    void (*sock_hand)(struct io_sock *sock, const struct io_sock_events *events, void *owner);
    bool (*sock_peer)(struct io *io, struct io_sock *sock, struct io_address *peer);
    void (*sock_send)(struct io *io, struct io_sock *sock, const struct bytes *pieces,
                      size_t count);
    void (*sock_pause)(struct io *io, struct io_sock *sock);
    void (*sock_resume)(struct io *io, struct io_sock *sock);
    void (*sock_close)(struct io *io, struct io_sock *sock, bool drain);
};

struct io {
    const struct io_calls *calls;
    int64_t now_ns;
    int64_t wall_ns;
    struct timers timers;
    _Atomic uint64_t files;      /* open */
    _Atomic uint64_t files_most; /* 0: any number */
    void (*flush)(void *context);
    void *flush_context;
    void (*woken)(void *context);
    void *woken_context;
    bool enough; /* for this turn */
    void (*port_taken)(void *context, const char *host, uint16_t port, int64_t wait_ns);
    void *port_taken_context;
};

struct io_file {
    bool direct;
    uint32_t operations; /* in flight */
    uint32_t writes;     /* of them; 0 or 1 */
};

struct io_sock {
    bool sending; /* from io_sock_send until just before `sent` or `closed` */
};

/* The part of a backend's struct that is io.h's own. */
void io_init(struct io *io, const struct io_calls *calls);
void io_deinit(struct io *io);

/* Ends an operation: not busy, not counted, told. The op may be gone when this returns. */
void io_op_finish(struct io_op *op, int64_t result);
/* The same, but nobody is told. */
void io_op_abandon(struct io_op *op);

static inline void io_run_flush(struct io *io)
{
    if (io->flush != NULL)
        io->flush(io->flush_context);
}

static inline void io_run_woken(struct io *io)
{
    if (io->woken != NULL)
        io->woken(io->woken_context);
}

static inline void io_run_port_taken(struct io *io, const char *host, uint16_t port,
                                     int64_t wait_ns)
{
    if (io->port_taken != NULL)
        io->port_taken(io->port_taken_context, host, port, wait_ns);
}

#endif

/*
 * io: everything a shard may ask of the world: files, sockets, time, randomness, slow work. Three
 * backends stand behind it: io_uring (io_uring.h) and epoll with workers (io_epoll.h), of which
 * io_real.h chooses one, and the simulator (io_sim.h, seeded, virtual time). Nothing outside base/
 * makes a system call for these things, so a whole server runs in a simulation.
 *
 * One struct io belongs to one shard and one thread. Operations are embedded in what they serve and
 * stay put until their `done` has run; `done` runs from io_turn, never from inside the call that
 * started the operation. At most one operation may be in flight on one struct io_op.
 *
 * A turn: the backend submits what was asked for since the last one and waits until something
 * happens or the nearest timer is due; completions, sockets, timers and finished work are
 * dispatched; then the `flush` hook runs once (that is where a shard sends its output and its
 * batches; the next turn submits them). So a loop that looks at its condition after each turn sees
 * what the turn has done.
 *
 * Results are a count >= 0 or a negative errno, as in io_uring. Short counts happen: the caller
 * continues with the rest.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/timers.h"

struct io;
struct scratch;
struct spool;
struct io_file;     /* an open file, opaque to all but the backend */
struct io_listener; /* a listening socket */
struct io_sock;     /* a connected socket */

#define IO_REASON_SIZE 160u /* of the sentence why a backend is not to be had */

/* ---- time and randomness -------------------------------------------------------------------- */

/* Monotonic ns, read once per turn: what happens in one turn happens at one time. */
int64_t io_now(const struct io *io);
/* Wall clock, ns since 1970, read once per turn. May jump in either direction. */
int64_t io_wall(const struct io *io);
/* Reads both clocks again, for long turns. */
void io_clock_refresh(struct io *io);
void io_random(struct io *io, void *at, size_t size); /* cryptographic in the real backend */

/* The shard's timers; fired by io_turn. */
struct timers *io_timers(struct io *io);

/* ---- the loop ------------------------------------------------------------------------------- */

/* Called once per turn after all events, as the turn's end. */
void io_set_flush(struct io *io, void (*flush)(void *context), void *context);
/* One turn. Waits for at most `wait_ns` (0: poll). */
enum err io_turn(struct io *io, int64_t wait_ns);
/* Nobody is called any more; lent memory and armed timers must exist until this returns. */
void io_destroy(struct io *io);

/* ---- files: blocking calls, for start-up and for workers (any thread) ----------------------- */

/* Paths are relative to the io's root directory and never contain "..". */
#define IO_READ   1u
#define IO_WRITE  2u
#define IO_CREATE 4u /* must not exist: ERR_EXISTS */
#define IO_DIRECT 8u /* O_DIRECT if the file system takes it */

#define IO_DIRECT_ALIGN 4096u /* of offset, size and memory on a direct file */

enum err io_open(struct io *io, const char *path, unsigned flags, struct io_file **file);
void io_close(struct io *io, struct io_file *file); /* no operation may be in flight on it */
/* How many are open. Any thread. */
uint64_t io_files_open(const struct io *io);
/* No more than so many are opened (ERR_FULL), whatever the system allows: what is left is for
 * sockets. UINT64_MAX: any number, as at first. Any thread. */
void io_files_limit(struct io *io, uint64_t most);
uint64_t io_files_limit_is(const struct io *io);
/* How many descriptors the process may have, of files and sockets: what is beyond fails with
 * ERR_FULL, and who connects waits until there is one. */
uint64_t io_descriptors_max(struct io *io);
enum err io_size(struct io *io, struct io_file *file, uint64_t *size);
/* Where the next bytes at or behind `offset` are that may be something else than zeros; the file's
 * size, or `offset` if that is behind it: there are none. What was allocated and never written is
 * passed over without being read, where the file system tells. */
enum err io_find_data(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found);
/* Whether the system reads on behind what is read, as it does of a file that was just opened. Where
 * that would be zeros that were never written it costs time and memory. */
void io_read_ahead(struct io *io, struct io_file *file, bool on);
/* Reads exactly `size` bytes; past the end of the file the rest is zeros. */
enum err io_read_all(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size);
enum err io_write_all(struct io *io, struct io_file *file, uint64_t offset, struct bytes b);
/* The same of much, with regard for others: it goes to the disk a mebibyte at a time, so that no
 * sync of another file waits for all of it, and little is left for the sync that has to follow. */
enum err io_write_gently(struct io *io, struct io_file *file, uint64_t offset, struct bytes b);
enum err io_sync(struct io *io, struct io_file *file); /* data and what is needed to read it back */
/* Many of these and of io_sync_dir at once: all are under way together, in any order, and the disk
 * is waited for a few times and not once for each. Every item is tried and has its own result. */
struct io_syncing {
    struct io_file *file; /* NULL: the directory `path` */
    const char *path;
    enum err err;
};
void io_sync_all(struct io *io, struct io_syncing *items, size_t count);
/* The first that failed, or OK. */
enum err io_syncing_result(const struct io_syncing *items, size_t count);
/* Extends the file with space that reads as zeros and will not run out (where the file system
 * cannot reserve, a write may still find the disk full). */
enum err io_allocate(struct io *io, struct io_file *file, uint64_t offset, uint64_t size);
/* Only to release unused tail space. */
enum err io_truncate(struct io *io, struct io_file *file, uint64_t size);
enum err io_mkdir(struct io *io, const char *path); /* OK when it exists */
enum err io_rename(struct io *io, const char *from, const char *to);
enum err io_unlink(struct io *io, const char *path);
enum err io_rmdir(struct io *io, const char *path);
enum err io_sync_dir(struct io *io,
                     const char *path); /* makes creates, renames, unlinks in it durable */
/* Calls `entry` for every name but "." and "..", in byte order. */
enum err io_list(struct io *io, const char *path,
                 void (*entry)(void *context, const char *name, bool directory), void *context);
/* Exclusive for the life of the io, or until somebody removes the file; ERR_BUSY when another
 * process (or node) holds it. */
enum err io_lock(struct io *io, const char *path);
/* Makes the root directory anew, empty, if somebody has removed it: names are below that one from
 * then on, what is open stays what it is. Any thread. */
enum err io_root_again(struct io *io);
bool io_root_removable(const struct io *io); /* false: nobody can */
/* Is it the file of a lock that this io holds? Of one whose root is removable. */
bool io_locked(struct io *io, const char *path);
/* Bytes free and in total on the file system of the root. */
enum err io_space(struct io *io, uint64_t *available, uint64_t *total);

/* Memory that lies in a file (base/scratch.h), made at the first call, and anew when it has failed;
 * lives until then, or io_destroy.
 * NULL: the file system gives none. */
struct scratch *io_scratch(struct io *io);
/* A place for many bytes (base/spool.h), the caller's; destroyed before the io. From a worker, too.
 */
struct spool *io_spool(struct io *io);

/* ---- files: operations of the loop ---------------------------------------------------------- */

/* Set `done`, leave the rest zero: it is the backend's. */
struct io_op {
    void (*done)(struct io_op *op, int64_t result);
    bool busy; /* from the call until just before `done` */
    uint8_t kind;
    struct io_file *file;
    uint64_t offset;
    void *at;
    uint64_t size;
    int64_t result;
};

/* The memory stays the caller's and must not change until done. One write in flight per file. */
void io_write(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset,
              struct bytes b);
/* The same, durable when done: only for files opened with IO_DIRECT (falls back to write + sync).
 */
void io_write_durable(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset,
                      struct bytes b);
/* fdatasync. Covers writes that were done when it was asked for. */
void io_fsync(struct io *io, struct io_op *op, struct io_file *file);
void io_read(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset, void *at,
             size_t size);
void io_fallocate(struct io *io, struct io_op *op, struct io_file *file, uint64_t offset,
                  uint64_t size);
/* Reads what is in memory without waiting: a count, or -EAGAIN (then use io_read), or an error. */
int64_t io_read_now(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size);

/* ---- slow work ------------------------------------------------------------------------------ */

/* `run` is called on a worker thread and may block; it touches only what hangs on the work and the
 * blocking file calls. `done` is called on the shard's turn. Work that was given to the io runs in
 * any order. The caller bounds what it hands in. */
struct io_work {
    void (*run)(struct io_work *work, struct io *io);
    void (*done)(struct io_work *work);
    struct io_work *next;
};
void io_work(struct io *io, struct io_work *work);
/* There will be no turn any more. Waits for the work that is running and for the operations that
 * the disk has begun, and gives up all others, sends and receives: from here on no memory that was
 * lent is used and nobody is called, so owners may go before the io. What is begun later does not
 * happen. */
void io_stop(struct io *io);

/* ---- wake-ups ------------------------------------------------------------------------------- */

/* From any thread: makes the loop turn soon and call the hook. Cheap when the loop is awake. */
void io_wake(struct io *io);
void io_set_wake(struct io *io, void (*woken)(void *context), void *context);
/* From inside a turn: it has done much, and nothing that it sends has left. What else has come is
 * told in the next one, as far as that can be put off. */
void io_turn_enough(struct io *io);

/* ---- sockets -------------------------------------------------------------------------------- */

/* Calls of a socket's owner. All come from io_turn. */
struct io_sock_events {
    /* Bytes arrived; they are borrowed until the call returns: keep what is not used. */
    void (*received)(void *owner, struct bytes b);
    /* The send has been taken by the kernel whole; the memory is the owner's again. */
    void (*sent)(void *owner);
    /* The peer ended or the socket failed (negative errno, 0: end of stream), told after all bytes
     * that arrived before. The owner answers with io_sock_close. Nothing is received afterwards.
     * While paused only a failed send or connection is told, and what had arrived is dropped.
     * After a failed send io_sock_sending stays true until `closed`. */
    void (*ended)(void *owner, int reason);
    /* After io_sock_close: nothing more will come, the memory of an unfinished send is the owner's
     * again and the io_sock is gone. */
    void (*closed)(void *owner);
    /* After io_sock_part, unless it has ended or was closed first: nothing more comes from this io,
     * and no send is in flight. The io_sock is gone; `released` is for io_sock_adopt, which gives
     * one that is to be started anew, or for io_sock_drop. NULL for who never parts. */
    void (*parted)(void *owner, int64_t released);
};

/* Calls `address` for each numeric address that other machines may reach this one at: not loopback,
 * not link-local. */
void io_addresses(struct io *io, void (*address)(void *context, const char *text), void *context);

struct io_address {
    char text[64]; /* numeric address without port */
    uint16_t port;
};

/* `accepted` is called with a socket that receives nothing until io_sock_start.
 * `host` numeric or a name of this machine; port 0: any free one. *port is the port bound.
 * ERR_BUSY: in use. ERR_NOT_FOUND: an address of another machine. ERR_ACCESS, ERR_INVALID as one
 * expects. */
enum err io_listen(struct io *io, const char *host, uint16_t port,
                   void (*accepted)(void *context, struct io_sock *sock,
                                    const struct io_address *peer),
                   void *context, struct io_listener **listener, uint16_t *bound);
void io_listener_close(struct io *io, struct io_listener *listener);
/* A port that is taken may be one that is being given up: io_listen waits for it. This is called
 * once as it begins to, with how long it may last. */
void io_set_port_taken(struct io *io,
                       void (*taken)(void *context, const char *host, uint16_t port,
                                     int64_t wait_ns),
                       void *context);

/*
 * Begins a connection and returns at once; the socket is started. Bytes may be sent before the peer
 * has answered: they leave when it has, so the first `sent` tells that it is there. What fails is
 * told through `ended`: -ECONNREFUSED, -ETIMEDOUT, ..., -EHOSTUNREACH for a name that is not known.
 * There is no time limit but the system's own (minutes): set a timer and close. A socket that is
 * closed before it is connected sends nothing, drain or not.
 * A numeric host is used at once; a name is looked up by a worker, one at a time, so a resolver
 * that hangs holds up no other work, and its addresses are tried in turn.
 */
struct io_sock *io_connect(struct io *io, const char *host, uint16_t port,
                           const struct io_sock_events *events, void *owner);

/*
 * A socket changes its io: what io_sock_release gives, of an accepted one that was not started, or
 * io_sock_part later, of one that was, is taken over by io_sock_adopt on the other io's thread, and
 * means nothing else. IO_SOCK_STAYS: this backend cannot; the socket is still the caller's. Who
 * does not adopt it drops it.
 */
#define IO_SOCK_STAYS INT64_C(-1)
int64_t io_sock_release(struct io *io, struct io_sock *sock);
struct io_sock *io_sock_adopt(struct io *io, int64_t released);
void io_sock_drop(struct io *io, int64_t released);
/* What is being received is still told, and the owner may still send and pause, which both put it
 * off; it goes on to close as ever. What comes later waits for who adopts it. Of a socket that is
 * connected; asking again is fine. */
void io_sock_part(struct io *io, struct io_sock *sock);

void io_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                   void *owner);
/* Another owner is called from here on, of a socket that was started; not from inside a call of its
 * owner's. A send in flight goes on: its memory is the new owner's. */
void io_sock_hand(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                  void *owner);
/* The numeric address of the other side; false while there is none. */
bool io_sock_peer(struct io *io, struct io_sock *sock, struct io_address *peer);
/* One send in flight per socket (asserted). The pieces' memory is lent until `sent` or `closed`;
 * the array of pieces itself is copied. At most IO_PIECES_MAX pieces. */
#define IO_PIECES_MAX 16u
void io_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count);
bool io_sock_sending(const struct io_sock *sock);
/* Back-pressure: no `received` after the call until resumed. */
void io_sock_pause(struct io *io, struct io_sock *sock);
void io_sock_resume(struct io *io, struct io_sock *sock);
/* Cancels everything; ends in `closed`. With `drain` the send in flight may finish first (bounded
 * by the owner's own timer, who closes again without drain; closing again is always fine until
 * `closed`). A socket that was never started is gone at once, nobody is told. */
void io_sock_close(struct io *io, struct io_sock *sock, bool drain);

#endif

/*
 * io_sim: a world of several nodes in one thread, behind base/io.h. Each node has a disk, a clock
 * and a network; time is virtual and everything random comes from one seed, so a seed replays a
 * run.
 *
 * The driver (a test) adds nodes, starts a server on each node's struct io, lets model clients
 * connect from nodes of their own, and steps the world. A step is one event: an operation ends,
 * bytes arrive, work runs, or a node takes a turn. Nothing else calls a node's code, so code under
 * test sees the same order of things as on a real loop, only stranger.
 *
 *     struct sim *sim = sim_create(seed);
 *     size_t node = sim_node_add(sim);
 *     server_start(&server, sim_node_io(sim, node));
 *     sim_crash_after(sim, node, SIM_CRASH_POWER, 17);
 *     while (!sim_crashed(sim, node) && sim_step(sim))
 *         ...
 *     server_free(&server);        the zombie: its calls do nothing
 *     sim_restart(sim, node);      a new io over what the disk kept
 *
 * io_turn works too: it steps the world until the node has something to do, so a test of a module
 * can be written once for both backends.
 *
 * What the disk does is in io_sim_disk.h. Operations end after random times and so in any order; a
 * write takes effect at some moment before its end, and the memory lent to it is checked not to
 * change. After a failed sync the pages are clean: the next sync succeeds, reads find the data, and
 * a power cut or a direct read does not. Blocking calls take no time; work runs alone, at a random
 * later time.
 *
 * A connection is two streams of bytes, in order, delayed and cut into pieces at random, with
 * bounded buffers. There is no loss: the nodes speak TCP.
 *
 * A process with several loops is several nodes: a socket that one has accepted and released may be
 * adopted by another, and stays on the network where it was. They crash together (sim_die_with).
 *
 * Not simulated: descriptors running out, cache eviction, lost or misdirected writes.
 */
#ifndef BASE_IO_SIM_H
#define BASE_IO_SIM_H

#include "base/io.h"
#include "base/prng.h"

struct sim;

#define SIM_NODES_MAX 24u
#define SIM_NEVER     INT64_MAX

/* ---- the world ------------------------------------------------------------------------------ */

struct sim *sim_create(uint64_t seed);
/* Frees all nodes' io with it; their owners must be gone. */
void sim_destroy(struct sim *sim);

size_t sim_node_add(struct sim *sim); /* with an empty disk, running */
/* NULL after io_destroy and until sim_restart. */
struct io *sim_node_io(struct sim *sim, size_t node);

/* For what the driver draws itself: one seed for all. */
struct prng *sim_prng(struct sim *sim);
int64_t sim_now(const struct sim *sim);
/* The next event. False: nothing is ever going to happen by itself. */
bool sim_step(struct sim *sim);
/* Steps until `ns` have passed. */
void sim_run(struct sim *sim, int64_t ns);

/* Of all events so far: type, time, node, sizes, content. Equal seeds and drivers, equal hashes. */
uint64_t sim_trace_hash(const struct sim *sim);
/* Each event as a line of text, to look at a failing seed. */
void sim_trace_to(struct sim *sim, void (*line)(void *context, const char *text), void *context);

/* ---- faults --------------------------------------------------------------------------------- */

/* Chances are in a million, for each operation. */
struct sim_faults {
    uint32_t short_count;    /* a read or write of the loop moves only a part, and says so */
    uint32_t write_error;    /* -EIO; a part may have been written */
    uint32_t sync_error;     /* -EIO; the pages are clean from now on */
    uint32_t read_error;     /* -EIO */
    uint32_t error_sticky;   /* that such an error stays with its file until sim_heal */
    uint32_t sync_evicts;    /* that a failed sync's pages leave the cache at once */
    uint32_t read_now_again; /* io_read_now finds nothing in memory */
    uint32_t disk_stall;     /* an operation takes disk_stall_ns longer */
    uint32_t read_stall;     /* so does one that reads; not drawn */
    uint32_t net_stall;      /* a delivery takes net_stall_ns longer */
    uint32_t net_reset;      /* a delivery breaks its connection instead */
    uint32_t net_tiny;       /* a delivery is 1 to 3 bytes */
    bool direct_refused;     /* the file system has no direct I/O */
    int64_t disk_min_ns, disk_max_ns, disk_stall_ns;
    int64_t sync_ns; /* an fsync takes so much longer */
    int64_t net_min_ns, net_max_ns, net_stall_ns;
    int64_t work_min_ns, work_max_ns; /* until work runs, and until its end is told */
    int64_t turn_max_ns;              /* from something to do until the turn */
    uint32_t sock_buffer;             /* bytes that the network takes before a send waits */
};

/* No errors, short random times. What a new node has. */
struct sim_faults sim_faults_none(void);
/* A random mix, for swarm tests: each kind is off in half of the draws. */
struct sim_faults sim_faults_draw(struct prng *prng);
void sim_set_faults(struct sim *sim, size_t node, const struct sim_faults *faults);
/* sim_faults_none, and sticky errors end. */
void sim_heal(struct sim *sim, size_t node);

/* ---- disks ---------------------------------------------------------------------------------- */

/* Bytes in total [1 GiB]. Lowering it below what is used makes the disk full. Space of a removed
 * file is free when the removal is synced. */
void sim_set_capacity(struct sim *sim, size_t node, uint64_t bytes);

/* Of a process, files and sockets [any number]: what is beyond is not opened (ERR_FULL). Sockets
 * that come count, and come all the same. */
void sim_set_descriptors(struct sim *sim, size_t node, uint64_t most);
/* Others have taken every one: no file is opened until they give some back. */
void sim_deny_files(struct sim *sim, size_t node, bool denied);

/* Damage at rest. False: the file has no such byte on the platter. */
bool sim_flip(struct sim *sim, size_t node, const char *path, uint64_t offset, unsigned bit);
/* The sector at `offset` cannot be read until it is written. */
bool sim_unreadable(struct sim *sim, size_t node, const char *path, uint64_t offset);

/* Two nodes on which nothing is open exchange their disks. */
void sim_swap_disks(struct sim *sim, size_t a, size_t b);

/* What is surely on the platter now, borrowed until the next step: the driver's truth. NULL: no
 * such name there. `path` is looked up as the platter has it. */
bool sim_durable(struct sim *sim, size_t node, const char *path, struct bytes *content);

/* ---- crashes -------------------------------------------------------------------------------- */

enum sim_crash_mode {
    SIM_CRASH_KILL,  /* SIGKILL: what was written is in the page cache, not all of it on the platter
                      */
    SIM_CRASH_POWER, /* the page cache is gone: see io_sim_disk.h for what survives */
};

/*
 * The node stops now. Of writes in flight any sectors are written. Its io is a zombie: no turn
 * runs, nothing is sent, no call changes anything; blocking calls fail with ERR_IO, io_turn with
 * ERR_CLOSED. No callback comes any more, lent memory is the owner's again. The owner frees what it
 * has, with or without io_close, io_sock_close and io_destroy, then sim_restart makes the node
 * live.
 */
void sim_crash(struct sim *sim, size_t node, enum sim_crash_mode mode);
/* Crashes the node in the middle of its `disk_ops`th disk operation from now (1: the next one),
 * blocking calls of recovery included. 0: no longer. */
void sim_crash_after(struct sim *sim, size_t node, enum sim_crash_mode mode, uint64_t disk_ops);
/* Operations so far: run once to count, then crash at each of them. */
uint64_t sim_disk_ops(const struct sim *sim, size_t node);
bool sim_crashed(const struct sim *sim, size_t node);
/* From now on they are two loops of one process: `node` crashes whenever `with` does, and has its
 * disk with all that befalls it, and its wall clock. Before the first file is made. */
void sim_die_with(struct sim *sim, size_t node, size_t with);
/* A new io; the old one, if it still is, is freed. After io_destroy without a crash: a clean
 * restart. */
struct io *sim_restart(struct sim *sim, size_t node);
/* A power cut of a node that is down: what a kill had left in the page cache may go. */
void sim_cut_power(struct sim *sim, size_t node);

/* The process stands still (SIGSTOP) for `ns`; the kernel and the disk do not. */
void sim_pause(struct sim *sim, size_t node, int64_t ns);

/* ---- clocks and network --------------------------------------------------------------------- */

/* Moves the node's wall clock. Monotonic time is the world's. */
void sim_jump_wall(struct sim *sim, size_t node, int64_t by_ns);

/*
 * Opens a connection from the node of `from` to a port of another; the socket is started. If nobody
 * listens it ends with -ECONNREFUSED. Bytes may be sent at once.
 */
struct io_sock *sim_connect(struct sim *sim, struct io *from, size_t node, uint16_t port,
                            const struct io_sock_events *events, void *owner);
/* For io_connect node n is "10.0.0.<n+1>", or the name "node<n>", which takes a look-up; what means
 * this machine elsewhere ("127.0.0.1", "localhost") is the node itself. */

/* Between the two nodes nothing is delivered until it is joined again. */
void sim_part(struct sim *sim, size_t a, size_t b);
/* The same one way: what `from` sends does not arrive. */
void sim_cut(struct sim *sim, size_t from, size_t to);
void sim_join(struct sim *sim, size_t a, size_t b); /* ends either */
/* Each delivery that way takes so much longer, drawn between the two; 0, 0: none. */
void sim_delay(struct sim *sim, size_t from, size_t to, int64_t min_ns, int64_t max_ns);
/* Breaks every connection between the two, on both sides. */
void sim_reset(struct sim *sim, size_t a, size_t b);

#endif

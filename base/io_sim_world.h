/*
 * What the files of the simulator share. Private to base/io_sim*.c.
 *
 * A node outlives its processes: each start is a `struct sim_process`, which begins with the struct
 * io that the code under test sees. What belongs to a process carries a pointer to it, and events
 * that outlive it are told by their generation.
 */
#ifndef BASE_IO_SIM_WORLD_H
#define BASE_IO_SIM_WORLD_H

#include "base/buf.h"
#include "base/io_backend.h"
#include "base/io_sim.h"
#include "base/io_sim_disk.h"

#define SIM_WALL_START INT64_C(1700000000000000000)
#define SIM_LOCKS_MAX  16u

/* ---- events --------------------------------------------------------------------------------- */

struct sim_event {
    int64_t at_ns;
    uint64_t order; /* first scheduled, first run at equal times */
    void (*run)(struct sim *sim, void *object, uint64_t generation);
    void *object;
    uint64_t generation;
};

struct sim_events {
    struct sim_event *heap;
    size_t count;
    size_t capacity;
    uint64_t order_next;
};

/* ---- processes and nodes -------------------------------------------------------------------- */

struct sim_node;

struct sim_file {
    struct io_file head;
    struct sim_process *process;
    struct sim_inode *inode;
    unsigned flags;
    struct sim_file *previous;
    struct sim_file *next;
};

/* A request in flight, and then its completion until the turn. */
struct sim_op {
    struct sim_process *process;
    struct io_op *op;
    uint64_t mark;    /* of an fsync: what it covers */
    uint64_t content; /* hash of lent memory, which must not change */
    int64_t result;
    struct sim_op *next;
};

struct sim_process {
    struct io io; /* first: what others see */
    struct sim *sim;
    struct sim_node *node;
    uint64_t generation; /* of this process: its events carry it */
    bool dead;
    bool in_turn;
    bool woken;

    struct sim_file *files;
    struct sim_op *ops;         /* in flight, newest first */
    struct sim_op *ended_first; /* to be told at the turn */
    struct sim_op **ended_last;
    struct io_work *done_first; /* work to be told at the turn */
    struct io_work **done_last;
    struct scratch *scratch;
    unsigned scratches; /* that have failed */
    char *locks[SIM_LOCKS_MAX];
    size_t locks_count;

    struct io_listener *listeners;
    struct sim_sock *socks;
    struct sim_sock *ready_first;
    struct sim_sock **ready_last;
};

struct sim_node {
    struct sim *sim;
    size_t index;
    struct sim_process *process; /* NULL: destroyed, not restarted */
    struct sim_disk disk;
    struct sim_faults faults;
    int64_t wall_offset_ns;
    int64_t turn_at_ns; /* SIM_NEVER: only a timer brings one */
    int64_t paused_until_ns;
    uint64_t disk_ops;
    uint64_t crash_at_op; /* 0: none is planned */
    enum sim_crash_mode crash_mode;
    struct sim_node *dies_with; /* whose disk and wall clock it has; NULL: it is a process alone */
    uint16_t port_next;
    uint64_t descriptors_max; /* 0: any number */
    bool files_denied;
};

/* From one node to another. */
struct sim_way {
    bool cut;
    int64_t delay_min_ns, delay_max_ns; /* beyond the sender's own */
};

struct sim {
    struct prng prng;
    int64_t now_ns;
    uint64_t hash;
    uint64_t generation_next;
    struct sim_events events;
    struct sim_node nodes[SIM_NODES_MAX];
    size_t nodes_count;
    struct sim_way ways[SIM_NODES_MAX][SIM_NODES_MAX];
    void (*line)(void *context, const char *text);
    void *line_context;
    struct sim_sock *socks; /* all; never freed before the world: events may still name them */
    struct sim_sock *spare_socks;
};

/* The node whose disk it is, and what befalls that. */
static inline struct sim_node *sim_machine(struct sim_node *node)
{
    return node->dies_with != NULL ? node->dies_with : node;
}

static inline struct sim_node *sim_node_of(struct sim *sim, size_t node)
{
    assert(node < sim->nodes_count);
    return &sim->nodes[node];
}

static inline struct sim_process *sim_process_of(struct io *io)
{
    return (struct sim_process *)io;
}

/* ---- io_sim.c ------------------------------------------------------------------------------- */

/* One line of the trace: it goes into the hash, and to whoever watches. */
void sim_trace(struct sim *sim, const struct sim_node *node, const char *what, uint64_t a,
               uint64_t b, uint64_t content);
bool sim_luck(struct sim *sim, uint32_t per_million);
int64_t sim_between(struct sim *sim, int64_t min, int64_t max);
/* The process has something to do: a turn comes soon. */
void sim_kick(struct sim_process *process);

/* ---- io_sim_events.c ------------------------------------------------------------------------ */

void sim_events_deinit(struct sim_events *events);
void sim_schedule(struct sim *sim, int64_t at_ns,
                  void (*run)(struct sim *sim, void *object, uint64_t generation), void *object,
                  uint64_t generation);
int64_t sim_events_next(const struct sim_events *events); /* SIM_NEVER: none */
struct sim_event sim_events_take(struct sim_events *events);

/* ---- io_sim_names.c, io_sim_files.c, io_sim_ops.c: struct io's calls on files ---------------- */

/* What becomes of one disk operation. */
enum sim_step {
    SIM_STEP_LIVES,
    SIM_STEP_DIES, /* the planned crash strikes during this operation */
    SIM_STEP_DEAD, /* asked by a zombie */
};

/* Counts a disk operation and traces it. */
enum sim_step sim_step_begin(struct sim_process *process, const char *what, uint64_t a, uint64_t b,
                             uint64_t content);
/* Whether it has an effect; of one that is struck, by chance. */
bool sim_step_acts(struct sim_process *process, enum sim_step step);
/* Crashes the node if it was struck. */
void sim_step_end(struct sim_process *process, enum sim_step step);

void sim_files_free(struct sim_process *process);

enum err sim_open(struct io *io, const char *path, unsigned flags, struct io_file **file);
void sim_close(struct io *io, struct io_file *file);
enum err sim_size(struct io *io, struct io_file *file, uint64_t *size);
enum err sim_find_data(struct io *io, struct io_file *file, uint64_t offset, uint64_t *found);
enum err sim_read_all(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size);
enum err sim_write_all(struct io *io, struct io_file *file, uint64_t offset, struct bytes b);
enum err sim_sync(struct io *io, struct io_file *file);
enum err sim_allocate(struct io *io, struct io_file *file, uint64_t offset, uint64_t size);
enum err sim_truncate(struct io *io, struct io_file *file, uint64_t size);
enum err sim_mkdir(struct io *io, const char *path);
enum err sim_rename(struct io *io, const char *from, const char *to);
enum err sim_unlink(struct io *io, const char *path);
enum err sim_rmdir(struct io *io, const char *path);
enum err sim_sync_dir(struct io *io, const char *path);
void sim_sync_all(struct io *io, struct io_syncing *items, size_t count);
enum err sim_list(struct io *io, const char *path, io_entry_fn *entry, void *context);
enum err sim_lock(struct io *io, const char *path);
enum err sim_space(struct io *io, uint64_t *available, uint64_t *total);

/* The work of an operation of the loop: a count or a negative errno. */
int64_t sim_file_read(struct sim_file *file, uint64_t offset, void *at, size_t size);
int64_t sim_file_write(struct sim_file *file, uint64_t offset, struct bytes b, bool through);
int64_t sim_file_sync(struct sim_file *file, uint64_t mark);
int64_t sim_file_allocate(struct sim_file *file, uint64_t offset, uint64_t size);
int64_t sim_read_now(struct io *io, struct io_file *file, uint64_t offset, void *at, size_t size);

void sim_submit(struct io *io, struct io_op *op);
void sim_ops_tell(struct sim_process *process);
/* The process ends: each write in flight is done in part, and nobody is told. */
void sim_ops_crash(struct sim_process *process);
void sim_ops_free(struct sim_process *process); /* touches nothing of the owners' */

/* ---- io_sim_work.c -------------------------------------------------------------------------- */

void sim_work(struct io *io, struct io_work *work);
void sim_work_tell(struct sim_process *process);
void sim_work_crash(struct sim_process *process); /* what has not run will not, nobody is told */
/* The process of that generation, NULL when it has ended: it took with it what its events name. */
struct sim_process *sim_process_alive(struct sim *sim, uint64_t generation);

/* ---- io_sim_net.c, io_sim_socks.c ----------------------------------------------------------- */

uint64_t sim_descriptors_max(struct io *io);
enum err sim_listen(struct io *io, const char *host, uint16_t port, io_accepted_fn *accepted,
                    void *context, struct io_listener **listener, uint16_t *bound);
void sim_listener_close(struct io *io, struct io_listener *listener);
void sim_addresses(struct io *io, void (*address)(void *context, const char *text), void *context);
struct io_sock *sim_connect_host(struct io *io, const char *host, uint16_t port,
                                 const struct io_sock_events *events, void *owner);
void sim_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                    void *owner);
void sim_sock_hand(struct io_sock *sock, const struct io_sock_events *events, void *owner);
int64_t sim_sock_release(struct io *io, struct io_sock *sock);
struct io_sock *sim_sock_adopt(struct io *io, int64_t released);
void sim_sock_drop(struct io *io, int64_t released);
void sim_sock_part(struct io *io, struct io_sock *sock);
bool sim_sock_peer(struct io *io, struct io_sock *sock, struct io_address *peer);
void sim_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count);
void sim_sock_pause(struct io *io, struct io_sock *sock);
void sim_sock_resume(struct io *io, struct io_sock *sock);
void sim_sock_close(struct io *io, struct io_sock *sock, bool drain);
void sim_net_tell(struct sim_process *process);
/* The process ends; `polite`: its kernel lives and says so to the peers. */
void sim_net_crash(struct sim_process *process, bool polite);
void sim_net_free(struct sim_process *process); /* touches nothing of the owners' */
void sim_net_destroy(struct sim *sim);

#endif

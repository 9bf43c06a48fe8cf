/*
 * raft_world: nodes that each hold one core of one group, with a model of what a shell does for it:
 * a log whose unsynced end is lost in a crash, votes on a disk, messages on a network that loses,
 * repeats, delays and reorders them, clocks that run unequally fast. Virtual time; one seed, one
 * run.
 *
 *     raft_world.c   events, network, clocks
 *     raft_node.c    orders carried out, start, snapshots
 *     raft_disk.c    what survives: writes, votes, crash, damage
 *     raft_truth.c   what must be true of all nodes together (raft_truth.h)
 *     raft_weather.c what happens to them (raft_weather.h)
 *     sim_raft.c     the runs
 */
#ifndef TESTS_SIM_RAFT_WORLD_H
#define TESTS_SIM_RAFT_WORLD_H

#include "base/prng.h"
#include "raft/core.h"

#define NODES        RAFT_MEMBERS_MAX
#define INDEX_MAX    3000u /* of a run; no proposals beyond */
#define LOG_ROOM     (INDEX_MAX + 1024u)
#define MEMBERS_SEEN 512u /* configs of a run */
#define WRITES_MAX   2048u
#define READS_MAX    64u
#define MAILS_MAX    8192u
#define EVENTS_MAX   16384u

#define MS          INT64_C(1000000)
#define SECOND      INT64_C(1000000000)
#define ELECTION_NS (1000 * MS)
#define BEAT_NS     (100 * MS)
#define LATE_NS     (8 * SECOND) /* what a message may be late */

/* An entry with its content: the chain is the hash of all before it and of itself. */
struct item {
    uint64_t term, value, chain;
    uint16_t config; /* number in world.configs, 0: none */
};

struct write {
    uint64_t index; /* of a cut: the last that stays */
    uint64_t committed;
    bool cut;
    struct item item;
};

struct disk {
    struct item log[LOG_ROOM];
    uint64_t floor, last, committed;
    uint16_t floor_config;
    uint64_t term;
    struct raft_member vote;
    uint64_t damaged; /* of the vote record */
};

struct node {
    struct raft_member self;
    uint32_t life; /* rises with each crash: events of an earlier one are void */
    struct raft_core *core;
    int64_t paused_until;
    int64_t clock_offset, clock_rate; /* parts in a thousand */
    int64_t timer_at;                 /* the earliest timer event under way */

    struct item log[LOG_ROOM];
    uint64_t floor, last;
    uint16_t floor_config;
    uint64_t durable, committed, applied;

    struct disk disk;
    struct write writes[WRITES_MAX];
    uint32_t write_count, write_flight; /* queued, of which being synced */
    uint32_t sync_number;
    struct {
        uint64_t number, term, damaged;
        struct raft_member vote;
    } vote_flight, vote_next; /* number 0: none */

    bool led;           /* LEAD was told */
    uint64_t led_index; /* and decides when this is applied */
    uint64_t led_term;
    bool stuck, gone; /* gone: told REMOVED */
    bool was_asleep;
    bool asked; /* for a vote, since it heard a leader */

    uint64_t last_recovered, damage_recovered; /* by its last start */
    int64_t slow_until;
    int64_t leader_since;           /* global time, while its role is leader */
    int64_t ticked, late;           /* global times: its last tick, its last one after a pause */
    int64_t answered[NODES];        /* when it last got an answer to an append: global time */
    uint64_t read_first, read_next; /* numbers not answered */
    uint64_t read_needs[READS_MAX]; /* by number % READS_MAX: the index it has to see */
    uint64_t snapshot_for[NODES];   /* incarnation */
    uint32_t peer_life[NODES];
    int64_t peer_heard[NODES];
    bool peer_down[NODES];
};

enum event_type { EVENT_MAIL, EVENT_SYNC, EVENT_VOTED, EVENT_TIMER, EVENT_SNAPSHOT, EVENT_RESUME };

struct event {
    int64_t at;
    uint32_t sequence;
    uint8_t type, node, from;
    uint32_t life, number; /* number: of the mail */
};

struct mail {
    struct raft_message message; /* its entries are not used */
    struct item items[RAFT_ENTRIES_MAX];
    uint32_t next_free;
};

/* What a run's world does to those in it; chances in a thousand. */
struct weather {
    uint32_t loss, repeat, late, unsent, refuse;
    int64_t delay_min, delay_max, sync_max;
    enum { ORDER_NONE, ORDER_ENTRIES, ORDER_ALL } order; /* what does not overtake its like */
};

struct truth;

struct world {
    uint64_t seed;
    uint64_t flaws;
    bool loud;
    struct prng prng;
    int64_t now;
    uint64_t steps;
    uint64_t hash; /* of all that happened */
    struct weather weather;
    int64_t
        watch_ns; /* after so long a connection has ended: soon, as with a reset, or by silence */
    int64_t sleep_ns;
    bool spying; /* when something is committed, leaders of earlier terms are asked at once */
    struct node nodes[NODES];
    bool cut[NODES][NODES]; /* from, to */
    int64_t link_free[NODES][NODES][2];
    struct raft_config configs[MEMBERS_SEEN];
    uint16_t config_count;
    uint64_t incarnation_next, value_next;
    struct event events[EVENTS_MAX];
    uint32_t event_count, event_sequence;
    struct mail mails[MAILS_MAX];
    uint32_t mail_free, mail_count;
    struct truth *truth;
    char violation[256]; /* the first one; empty: none */
};

/* ---- raft_world.c --------------------------------------------------------------------------- */
void world_begin(struct world *world, uint64_t seed, uint64_t flaws, bool loud);
void world_end(struct world *world);
[[gnu::format(printf, 2, 3)]] void world_say(struct world *world, const char *format, ...);
[[gnu::format(printf, 2, 3)]] void world_broken(struct world *world, const char *format, ...);
void world_run(struct world *world, int64_t until); /* events, until then or a violation */
void world_event(struct world *world, struct event event);
void world_send(struct world *world, const struct raft_message *message, const struct item *items);
int64_t world_clock(const struct world *world, const struct node *node);
void world_timer(struct world *world, struct node *node);
bool world_chance(struct world *world, uint32_t in_thousand);
uint64_t world_below(struct world *world, uint64_t bound);
uint16_t world_config(struct world *world, const struct raft_config *config);
void world_watch(struct world *world); /* pair heartbeats: who is silent, who is back */
uint32_t node_number(const struct world *world, const struct node *node);

/* ---- raft_disk.c ---------------------------------------------------------------------------- */
void disk_write(struct world *world, struct node *node, struct write write); /* queued */
void disk_vote(struct world *world, struct node *node);                      /* vote_next */
void node_apply(struct world *world, struct node *node); /* what is committed and on the disk */
void node_synced(struct world *world, struct node *node, uint32_t number);
void node_voted(struct world *world, struct node *node);
void node_crash(struct world *world, struct node *node);
void node_wipe(struct world *world, struct node *node);   /* of a node that is down */
bool node_damage(struct world *world, struct node *node); /* of a node that is down */

/* ---- raft_node.c ---------------------------------------------------------------------------- */
void node_say(struct world *world, const struct node *node, const char *what, uint64_t number);
void node_blank(struct world *world, struct node *node);
void node_start(struct world *world, struct node *node);
void node_drain(struct world *world, struct node *node);
void node_step(struct world *world, struct node *node, const struct mail *mail);
void node_tick(struct world *world, struct node *node);
void node_snapshot(struct world *world, struct node *node, struct node *to);
void node_resume(struct world *world, struct node *node, struct node *to);
bool node_decides(const struct node *node);
void node_propose(struct world *world, struct node *node, const struct raft_config *config);
void node_read(struct world *world, struct node *node);
void node_floor(struct world *world, struct node *node, uint64_t index);
uint64_t item_chain(uint64_t before, uint64_t term, uint64_t value);

#endif

/*
 * core_priv: the core's state and what its files call of each other. Nobody else includes this.
 *
 *     core.c            the calls from outside
 *     core_life.c       made of what recovery found
 *     core_out.c        orders and messages, made from the state when they are taken
 *     core_election.c   standing, voting, becoming something else
 *     core_follower.c   entries of a leader
 *     core_leader.c     leading: progress of the others, commit, quorum
 *     core_change.c     membership changes, leadership handed over
 *     core_reads.c      reads, leases, sleep
 *     core_whole.c      when a log that has lost something is as good as it was
 *     core_members.c    configs, core_terms.c terms: data without rules of time
 *
 * Orders are not queued: a call leaves bits and wishes in `out` and `progress`, and raft_core_next
 * makes an order of each in a fixed sequence. So what waits is bounded however many calls there
 * were.
 */
#ifndef RAFT_CORE_PRIV_H
#define RAFT_CORE_PRIV_H

#include <assert.h>

#include "base/prng.h"
#include "raft/core.h"
#include "raft/core_members.h"
#include "raft/core_terms.h"
#include "raft/flaws.h"

#define NEVER      INT64_MAX
#define FIRST_TERM 1u /* of the bootstrap entry; leaders have later ones */

enum progress_state {
    PROGRESS_PROBE,    /* where the logs part is not known: one message at a time */
    PROGRESS_STREAM,   /* it matches up to next - 1 unless messages are lost */
    PROGRESS_SNAPSHOT, /* the shells are at it */
};

/* What a leader knows of a member. */
struct progress {
    struct raft_member member;
    enum progress_state state;
    bool departing;   /* not in the config any more; it is told so, and counts nowhere */
    bool beat;        /* a message is to leave, entries or not */
    bool waiting;     /* a probe is under way */
    bool held;        /* its shell could not send: no entries before it says so, or a heartbeat */
    bool snapshot;    /* the shells are to be told */
    bool asleep;      /* it has agreed to sleep */
    uint64_t match;   /* on its disk; never falls unless that is damaged */
    uint64_t matched; /* in its log, >= match */
    uint64_t next;    /* > matched */
    uint64_t told;    /* the committed index in the last message */
    uint64_t committed, damaged;    /* as it said */
    uint64_t lacking, lacking_last; /* the life it named when it asked how far it has to go, and how
                                       far that is; 0: it has not asked */
    uint64_t probe;                 /* newest answered */
    int64_t active_ns;              /* when it answered last */
    int64_t moved_ns;               /* when `matched` rose, or had reached all that was sent */
    uint64_t inflight[RAFT_INFLIGHT_MAX]; /* last index of each message under way: a ring */
    uint32_t inflight_first, inflight_count;
};

#define PROGRESS_MAX (RAFT_MEMBERS_MAX + 1u) /* one departing */

struct leading {
    struct progress progress[PROGRESS_MAX];
    uint32_t count;
    uint64_t term_first; /* index of the entry that opens the term */
    bool led;            /* it is committed: LEAD was ordered */
    uint64_t sent;       /* last index of any message */
    int64_t again_due;   /* the entry that opens the term was refused: ELECTED again */
    int64_t beat_due, commit_due;
    uint64_t probe_last; /* of the messages sent: now, or a little more so that rounds differ */
    uint64_t round_probe, round_index, round_until; /* reads <= round_until wait for that probe */
    struct raft_member transfer_to;                 /* node 0: none */
    int64_t transfer_due;
    bool transfer_told;
    bool
        lease_over; /* a successor was told, in this term: that message may be under way for long */
    bool drowsy;    /* heartbeats ask to sleep */
    int64_t idle_ns;     /* since when there was nothing to do */
    int64_t excused_due; /* before it no majority need have answered */
    int64_t waited_due;  /* a later term is made for one that has lost entries (renew_term) */
};

/* An answer other than that to entries; those are made from the state. */
struct answer {
    enum raft_message_type type; /* 0: none */
    struct raft_member to;
    uint64_t term, last, previous;
    bool granted;
};

struct out {
    uint32_t pending; /* bits 1 << enum raft_order_type */
    uint64_t cut, append_first, append_last;
    uint64_t read_number, read_index, lost_number;
    struct answer answer;
    bool accept, reject; /* answers to the leader */
    uint64_t reject_previous, hint, hint_term;
    struct raft_member successor; /* to be told to stand, in `successor_term` */
    uint64_t successor_term;
};

struct raft_core {
    struct raft_options options;
    struct prng prng;
    int64_t now_ns;

    /* On the disk, or on its way there. */
    uint64_t term;
    struct raft_member vote;
    uint64_t vote_number, vote_durable; /* of the record of (term, vote) */
    struct terms terms;                 /* floor, last */
    uint64_t committed, durable;
    struct configs configs;

    /* This disk had entries up to `damaged` and lost some, when its term was `damaged_term`. */
    uint64_t damaged, damaged_term;
    uint64_t life;     /* a number of its own, 0: nothing is missing (core_whole.c) */
    uint64_t whole_at; /* matched and durable so far, of this leader: whole. 0: not known */
    bool anew_heard;   /* RAFT_DAMAGED_ANEW: damaged_term is that of a leader */
    bool forgiven;     /* what it lost nobody was there to bring back: raft_core_forgive */
    uint64_t lent_term, lent_last; /* it votes as if its log ended so; 0: it does not */

    enum raft_role role;
    bool prevoting; /* a candidate that has not raised its term yet */
    bool stuck;
    bool still; /* raft_core_hold_still */
    bool asleep;
    bool removed;              /* told so, and in no config since */
    struct raft_member leader; /* node 0: unknown */
    bool called;               /* somebody without its entries counts on its vote */
    int64_t heard_ns;          /* no vote for another within core_patience of this */
    uint64_t heard_node;       /* whom; 0: nobody in this life */
    uint64_t heard_commit;     /* what its leader had committed then */
    uint64_t commit_known;     /* the highest index that any leader had committed, in this life */
    int64_t election_due;
    uint64_t down[RAFT_MEMBERS_MAX]; /* nodes; 0: free */

    /* follower */
    uint64_t matched;             /* the log equals that of the term's leader up to here */
    uint64_t probe;               /* of its newest message */
    bool sleepy;                  /* its newest message asked to sleep, and that is agreed */
    struct raft_member candidate; /* gets the vote's answer when the vote is durable */

    /* candidate; bits by place in the newest config */
    uint32_t asks, granted;
    bool transfer;
    int64_t ask_due;

    uint64_t read_last, read_done; /* numbers of reads: asked, answered or lost */
    struct leading lead;           /* leader */
    struct out out;
};

static_assert(RAFT_FLAW_COUNT <= 64, "flaws are bits of 64");
#define FLAWED(core, name) (((core)->options.flaws & RAFT_FLAW(name)) != 0)

static inline void core_order(struct raft_core *core, enum raft_order_type type)
{
    core->out.pending |= 1u << type;
}

static inline const struct raft_config *core_config(const struct raft_core *core)
{
    return configs_newest(&core->configs);
}

/* ---- core_life.c */
bool core_is(const struct raft_core *core, struct raft_member a, struct raft_member b);
bool core_votes(const struct raft_core *core); /* it is a voter in its newest config */
/* The only voter, and so in the configs before. */
bool core_alone(const struct raft_core *core);

/* ---- core.c */
void core_check(const struct raft_core *core); /* what is true between any two calls */
void core_commit(struct raft_core *core, uint64_t index);
/* It knows nothing of entries above any more; no order. */
void core_cut(struct raft_core *core, uint64_t index);
bool core_node_down(const struct raft_core *core, uint64_t node);

/* ---- core_election.c ------------------------------------------------------------------------ */
/* A follower of `leader` (node 0: unknown) in `term`, whatever it was. */
void core_follow(struct raft_core *core, uint64_t term, struct raft_member leader);
void core_set_vote(struct raft_core *core, uint64_t term, struct raft_member vote);
void core_rest(struct raft_core *core); /* it stands in one to two election timeouts */
bool core_may_stand(const struct raft_core *core);
void core_stand(struct raft_core *core, bool prevoting, bool transfer);
void core_candidate_tick(struct raft_core *core);
void core_vote_durable(struct raft_core *core);
void core_step_vote(struct raft_core *core, const struct raft_message *message);
void core_step_vote_answer(struct raft_core *core, const struct raft_message *message);

/* ---- core_whole.c --------------------------------------------------------------------------- */
void core_whole_start(struct raft_core *core);
void core_damage_check(struct raft_core *core);
/* A leader: what a member's answer asks, and what a message to it says. */
void core_whole_asked(const struct raft_core *core, struct progress *p,
                      const struct raft_message *message);
void core_whole_tell(const struct raft_core *core, const struct progress *p,
                     struct raft_message *message);
/* A follower: what its answer asks, and what a leader's message says. */
void core_whole_ask(const struct raft_core *core, struct raft_message *message);
void core_whole_told(struct raft_core *core, const struct raft_message *message);

/* ---- core_follower.c ------------------------------------------------------------------------ */
void core_step_append(struct raft_core *core, const struct raft_message *message);
void core_follower_durable(struct raft_core *core, uint64_t before);

/* ---- core_leader.c -------------------------------------------------------------------------- */
struct progress *core_progress(struct raft_core *core, struct raft_member member);
void core_lead(struct raft_core *core);
void core_leader_tick(struct raft_core *core);
int64_t core_leader_deadline(const struct raft_core *core);
void core_leader_commit(struct raft_core *core); /* what a majority has */
void core_step_append_answer(struct raft_core *core, const struct raft_message *message);
void core_beat_all(struct raft_core *core);
void progress_begin(struct raft_core *core, struct progress *p, struct raft_member member);
bool progress_may_send(const struct raft_core *core, const struct progress *p);
bool progress_needs_snapshot(const struct raft_core *core, const struct progress *p);
void progress_sent(struct raft_core *core, struct progress *p, uint32_t entries);
void progress_back(const struct raft_core *core, struct progress *p, uint64_t next);
uint32_t progress_entries(const struct raft_core *core, const struct progress *p);
/* The value that a majority of voters has reached (and learners, by a flaw). */
uint64_t core_reached(const struct raft_core *core, uint64_t (*value)(const struct progress *p),
                      uint64_t own, bool learners);

/* ---- core_change.c -------------------------------------------------------------------------- */
/* The leader's newest config is another one; one it does not name any more is told so, or not. */
void core_config_changed(struct raft_core *core, bool tell);
void core_config_committed(struct raft_core *core);
void core_stranger(struct raft_core *core, struct raft_member member);
void core_departed_check(struct raft_core *core);
void core_transfer_check(struct raft_core *core);
void core_abdicate(
    struct raft_core *core); /* follows nobody; the best of the others may stand at once */

/* ---- core_reads.c --------------------------------------------------------------------------- */
bool core_lease(const struct raft_core *core);
/* How long after `heard_ns` it votes for nobody else. */
int64_t core_patience(const struct raft_core *core);
void core_reads_check(struct raft_core *core);
void core_reads_lost(struct raft_core *core);
void core_wake(struct raft_core *core);
void core_sleep_check(struct raft_core *core);
int64_t core_sleep_due(const struct raft_core *core);
bool core_sticky(const struct raft_core *core);

#endif

/*
 * core: Raft's rules for one group on one node, without I/O, clocks, threads or bytes of entries.
 *
 * Pure: the state changes only in the calls below, which take the time as an argument; what is to
 * be done comes out of a queue of orders (raft_core_next), in the order in which it has to be
 * begun. Equal calls make equal orders: the only randomness is the seed of the election timeouts.
 *
 * Entries live in the group's log. The core knows of each index the term (as runs of equal terms)
 * and of entries that change the membership what they say; it never sees their content. Indexes:
 *
 *     floor <= committed <= last, durable <= last       committed may be beyond this disk's durable
 *
 * Above the floor log matching holds; a follower that needs what is at or below it gets a snapshot.
 *
 * What may leave when is the core's affair: it orders a vote's answer only when told that the vote
 * is durable, the answer to entries only when they are durable, and its own election only when its
 * term is. Whoever carries out the orders need not know the rules; he may drop messages, never
 * reorder an APPEND or CUT with another, and tells what became durable.
 *
 * Sources of the rules: Ongaro's dissertation (3.6 votes and log matching, 3.10 leader
 * transfer, 4.1 single-server changes with the fix that a leader first commits an entry of its
 * term, 4.2.1 learners, 6.2 check-quorum, 6.4 read-index and leases, 9.6 pre-vote).
 */
#ifndef RAFT_CORE_H
#define RAFT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAFT_MEMBERS_MAX  9u  /* voters and learners of a group */
#define RAFT_ENTRIES_MAX  64u /* of one append message */
#define RAFT_INFLIGHT_MAX 16u /* append messages under way to one follower */

/* No group gets there; what claims a term or index beyond is not listened to. */
#define RAFT_NUMBER_MAX (UINT64_C(1) << 62)

/* Who a replica is: a node and the life of its disk. A node that lost its disk (or a memory
 * stream's replica after a restart) is another member: it has voted and acknowledged nothing. */
struct raft_member {
    uint64_t node;
    uint64_t incarnation;
    bool learner; /* gets entries, counts nowhere */
};

struct raft_config {
    struct raft_member at[RAFT_MEMBERS_MAX];
    uint32_t count;
};

/* One entry as the core knows it. */
struct raft_entry {
    uint64_t index;
    uint64_t term;
    const struct raft_config *config; /* of an entry that changes the membership, else NULL */
};

/* ---- messages: to and from the same group's core on another node ---------------------------- */

/* Messages without entries may overtake those with entries; otherwise any may be lost, repeated or
 * late, and only slowness comes of it. */
enum raft_message_type {
    RAFT_PREVOTE = 1,     /* term = the one it would stand in, last, last_term, transfer */
    RAFT_PREVOTE_ANSWER,  /* granted (then term is the one asked for), damaged */
    RAFT_VOTE,            /* last, last_term, transfer */
    RAFT_VOTE_ANSWER,     /* granted, damaged */
    RAFT_APPEND,          /* index, previous term, first..first+count-1 from the log, commit, probe;
                             last and last_term: core_whole.c */
    RAFT_APPEND_ANSWER,   /* accepted: last = durable as far as it matches, previous = as far as it
                             matches at all. Else previous = the one that does not match, last and
                             last_term = try from there. Always: commit, probe, damaged; accepted and
                             damaged: last_term = core_whole.c */
    RAFT_SNAPSHOT_NEEDED, /* a follower's shell has lost what its log does not hold any more; the
                             core sends none, the leader's answers it with RAFT_ORDER_SNAPSHOT */
    RAFT_TRANSFER,        /* stand at once */
};

struct raft_message {
    enum raft_message_type type;
    struct raft_member from, to; /* `learner` has no meaning here */
    uint64_t term;
    uint64_t previous;      /* APPEND */
    uint64_t previous_term; /* 0: it is committed, and its term forgotten */
    uint64_t commit;
    uint64_t last, last_term; /* votes; in an answer to APPEND: match, or the hint */
    uint64_t probe;   /* APPEND: read-index round and lease clock, comes back in the answer */
    uint64_t damaged; /* answers: that of the vote record, 0: nothing is missing */
    bool granted;     /* or accepted */
    bool transfer;    /* a vote that need not wait for the leader's lease */
    bool sleep;       /* APPEND: the group goes to sleep; its answer: so does the follower */
    bool removed;     /* APPEND: a committed config does not name the receiver any more */
    uint32_t entry_count;
    struct raft_entry entries[RAFT_ENTRIES_MAX];
};

/* ---- what the core wants done --------------------------------------------------------------- */

enum raft_order_type {
    RAFT_ORDER_SEND,    /* message; of an APPEND the carrier adds the entries' content. If it cannot
                           (not in memory, no room) it may send fewer, and says raft_core_unsent */
    RAFT_ORDER_VOTE,    /* make (term, vote = member, damaged = index) durable, then
                           raft_core_voted(number), which covers all lower numbers */
    RAFT_ORDER_CUT,     /* entries above `index` never happened: end the log there */
    RAFT_ORDER_APPEND,  /* append the entries of the message being stepped from `index` to `number`,
                           then raft_core_durable as they become so */
    RAFT_ORDER_COMMIT,  /* committed up to `index`: apply what of it is on this disk. After entries
                           were refused it may tell again of what it has told before */
    RAFT_ORDER_ELECTED, /* append an entry of `term` (raft_core_proposed), nothing else before it */
    RAFT_ORDER_LEAD,    /* that entry is committed: when it is applied, decide and answer */
    RAFT_ORDER_FOLLOW,  /* leadership is gone, or the leader changed: `member` (node 0: unknown),
                           `term` */
    RAFT_ORDER_SNAPSHOT,  /* member needs what is at or below the floor, `index`, or one above it;
                             then raft_core_snapshot_sent */
    RAFT_ORDER_READ,      /* the read `number` and all before it may be answered when `index` is
                             applied */
    RAFT_ORDER_READ_LOST, /* they will not be: no leader any more */
    RAFT_ORDER_REMOVED, /* a committed config does not name this member, and the leader says so too:
                           it is not one that only comes later in the log */
    RAFT_ORDER_SLEEP, /* no deadline until something happens; the node watches the leader's node */
};

struct raft_order {
    enum raft_order_type type;
    uint64_t term;
    uint64_t index;
    uint64_t number;
    struct raft_member member;
    struct raft_message message; /* SEND */
};

/* ---- the core ------------------------------------------------------------------------------- */

struct raft_options {
    struct raft_member self;
    int64_t election_ns;   /* a follower that heard nothing for one to two of these stands */
    int64_t heartbeat_ns;  /* at most a quarter of it; both the same on all members, whose clocks'
                              rates differ by less than a quarter: a lease is 3/8 of election_ns */
    int64_t sleep_ns;      /* a group with nothing to do for so long goes to sleep; 0: never */
    uint32_t inflight_max; /* 1 to RAFT_INFLIGHT_MAX */
    uint64_t uncommitted_max; /* entries a leader may have uncommitted: raft_core_may_propose */
    uint64_t seed;
    uint64_t flaws; /* raft/flaws.h */
};

#define RAFT_DAMAGED_ALL UINT64_MAX
/* As ALL of one that has given up its log, and begins again with the entry that the log began with:
 * even if that names no other voter it is not the only one, and what counts is a term later than
 * that of the first leader it hears. */
#define RAFT_DAMAGED_ANEW (UINT64_MAX - 1)

/* What recovery found. */
struct raft_recovered {
    uint64_t term;           /* of the durable vote record */
    struct raft_member vote; /* node 0: none in that term */
    uint64_t floor, floor_term;
    uint64_t committed;        /* at least that is known to be; >= floor, maybe > last */
    struct raft_config config; /* at the floor (or of the bootstrap, floor 0) */
    /* Not 0: this disk has lost entries, and had some up to that index (RAFT_DAMAGED_ALL: nobody
     * knows). Its log was cut before the first one lost, after `damaged` was in the vote record. It
     * gets them again from a leader, and neither votes nor stands until then; the core orders a
     * record with 0 when that is so. The only voter of a group has nobody to get them from: 0, and
     * it leaves out what is lost. */
    uint64_t damaged;
};

struct raft_core;

/* Cannot fail: the caller vouches for what it passes (asserted). */
struct raft_core *raft_core_new(const struct raft_options *options,
                                const struct raft_recovered *recovered);
/* Entries found in the log above the floor, in order, before anything else is called. */
void raft_core_recovered_entry(struct raft_core *core, const struct raft_entry *entry);
/* All of them have been told, and are durable. The only voter of a group elects itself, without a
 * vote record: the entry that opens the term is evidence enough. */
void raft_core_start(struct raft_core *core, int64_t now);
void raft_core_free(struct raft_core *core);

/* The next order into the caller's memory, or false. Orders are to be taken until there are none
 * after every call below, and carried out one by one; while doing so, raft_core_durable, _voted,
 * _proposed, _refused, _unsent and _read may be called, the others only when there are no orders
 * left. */
bool raft_core_next(struct raft_core *core, struct raft_order *order);

/* When raft_core_tick wants to be called, INT64_MAX: not until something happens. */
int64_t raft_core_deadline(const struct raft_core *core);
void raft_core_tick(struct raft_core *core, int64_t now);
/* A message from another member, or from somebody who is none (any more): all of it is untrusted as
 * to content, not as to origin. An APPEND order concerns this message's entries. */
void raft_core_step(struct raft_core *core, int64_t now, const struct raft_message *message);
/* The transport to that node has come up (true; also: again, it may be another life of the node) or
 * has ended (false), which halves the patience with a leader there. A sleeping follower of it wakes
 * and stands in its time; one that is awake stands as soon as its patience is over. */
void raft_core_node(struct raft_core *core, int64_t now, uint64_t node, bool up);

/* The followers of this leader hear of what is committed now, and not in a while. */
void raft_core_tell_commit(struct raft_core *core, int64_t now);

/* This disk has it and all before it, of the log as it is now: completions of what was cut or
 * refused are not told. */
void raft_core_durable(struct raft_core *core, int64_t now, uint64_t index);
void raft_core_voted(struct raft_core *core, int64_t now, uint64_t number);
/* The log refused index and all after it, and has ended before it. A leader gives up leading; the
 * only voter of a group, who has sent them to nobody, leads on as if they had not been proposed,
 * and is told ELECTED again after a second if it was the entry that opens the term. A follower
 * takes them again from its leader. */
void raft_core_refused(struct raft_core *core, int64_t now, uint64_t index);
/* Entries from `first` on to that member were not sent after all. They are ordered again when told
 * that what was missing is there (resend), or with a heartbeat. */
void raft_core_unsent(struct raft_core *core, struct raft_member to, uint64_t first);
void raft_core_resend(struct raft_core *core, int64_t now, struct raft_member to);

/* The leader has appended an entry (index last + 1, its own term). */
bool raft_core_may_propose(const struct raft_core *core);
void raft_core_proposed(struct raft_core *core, int64_t now, const struct raft_entry *entry);
/* Whether `next` may be proposed now: it differs by one member (a learner more, a member less, or
 * one promoted or demoted) and has a voter, the last change is committed, an entry of this term is,
 * and a promoted learner has caught up. */
bool raft_core_config_allowed(const struct raft_core *core, const struct raft_config *next);

/* A linearizable read: READ or READ_LOST follows with the number returned (perhaps at once: lease).
 * Only while it leads. */
uint64_t raft_core_read(struct raft_core *core, int64_t now);
/* Hands leadership over when `to` (node 0: the best) has everything; gives up after an election
 * timeout. */
void raft_core_transfer(struct raft_core *core, int64_t now, struct raft_member to);
/* Disk or loop are stuck: no more leading, no standing until called with false. The only voter
 * leads on: nobody else can. */
void raft_core_stuck(struct raft_core *core, int64_t now, bool stuck);

/* Does somebody lead, as far as was heard here lately? */
bool raft_core_led(const struct raft_core *core, int64_t now);
/* By the newest config that it knows it is the only voter, and it was told that more is committed
 * than it has: the group has gone on without it. It does not stand before it knows a later one. */
bool raft_core_outlived(const struct raft_core *core);
/* By no config that it goes by is it a voter, and nobody counts on its vote all the same: it does
 * not stand. */
bool raft_core_learns(const struct raft_core *core);
/* Neither votes nor stands until called with false: somebody asks all members what they have left,
 * and what they say is to stay so. False: somebody leads, and nothing has changed. */
bool raft_core_hold_still(struct raft_core *core, int64_t now, bool still);
/* While all hold still: of all that they have left the log that ends with (last_term, last) is the
 * newest, and `term` is the latest of any. From now on this one votes, in later terms, for whoever
 * is behind neither that nor its own log, also if it has lost entries: as if it had that log. Until
 * it holds still again, or its next life. If that is its own log nothing is missing any more. */
void raft_core_lend(struct raft_core *core, int64_t now, uint64_t term, uint64_t last_term,
                    uint64_t last);

/* For a member that has lost entries on purpose, one whose log is in memory: if it has heard no
 * leader for so long there are perhaps too few others left to elect one. From now on it votes and
 * stands for the log that it has, which may lose what only it and the lost had. False: a leader was
 * heard, who sees to it that it is whole again; ask later. True: nothing is missing any more. */
bool raft_core_forgive(struct raft_core *core, int64_t now, int64_t silence_ns);

/* The log's beginning is now after `index` (committed, applied, durable). */
void raft_core_floor(struct raft_core *core, uint64_t index, uint64_t term);
/* Whether a snapshot at (index, term) may replace its log. Not if that has the entry: what follows
 * there was perhaps accepted, and may be needed. */
bool raft_core_lacks(const struct raft_core *core, uint64_t index, uint64_t term);
/* A follower whose state and log were replaced by a snapshot that it lacks. */
void raft_core_restored(struct raft_core *core, int64_t now, uint64_t index, uint64_t term,
                        const struct raft_config *config);
/* The member has installed a snapshot at `index`, durably, or (not ok) has not. */
void raft_core_snapshot_sent(struct raft_core *core, int64_t now, struct raft_member to,
                             uint64_t index, bool ok);

/* ---- looking -------------------------------------------------------------------------------- */

enum raft_role { RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_progress {
    struct raft_member member;
    uint64_t match;
    uint64_t committed; /* so far it has entries and knows them to be committed: it applies them */
    int64_t active_ns;  /* when it last answered */
    bool current;       /* has all that is committed */
    bool offline;
    bool damaged; /* it lacks something: it cannot be promoted, nor be a successor */
    bool anew;    /* and waits for a later term (RAFT_DAMAGED_ANEW) */
};

enum raft_role raft_core_role(const struct raft_core *core);
uint64_t raft_core_term(const struct raft_core *core);
struct raft_member raft_core_leader(const struct raft_core *core); /* node 0: unknown */
uint64_t raft_core_committed(const struct raft_core *core);
uint64_t raft_core_last(const struct raft_core *core);
uint64_t raft_core_floor_index(const struct raft_core *core);
uint64_t raft_core_term_at(const struct raft_core *core, uint64_t index); /* 0: not known */
const struct raft_config *raft_core_config(const struct raft_core *core); /* newest */
const struct raft_config *raft_core_config_committed(const struct raft_core *core);
/* Of the entry with the newest config, or of the floor, if that is later. */
uint64_t raft_core_config_index(const struct raft_core *core);
bool raft_core_asleep(const struct raft_core *core);
bool raft_core_damaged(
    const struct raft_core *core); /* it has lost entries, and not got them again */
/* Entries that its leader is known to have committed and this member is not; 0 of a leader. */
uint64_t raft_core_behind(const struct raft_core *core);
/* Progress of the members as their leader sees it; how many. */
uint32_t raft_core_progress(const struct raft_core *core,
                            struct raft_progress out[RAFT_MEMBERS_MAX]);

#endif

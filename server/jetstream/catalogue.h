/*
 * catalogue: which streams shall exist, where and with which config: the metadata group's state
 * machine, without I/O. It holds intent; a stream's own log holds what it is. Nothing is ever
 * deleted because it is absent here: a removal is a record, and the removed id is remembered until
 * its files are gone. docs/formats.md (Catalogue records) has the bytes.
 */
#ifndef SERVER_JETSTREAM_CATALOGUE_H
#define SERVER_JETSTREAM_CATALOGUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map64.h"
#include "base/table.h"
#include "raft/members.h"
#include "server/stream/stream_config.h"
#include "storage/record.h"

#define CATALOGUE_LOG_ID       UINT64_C(1) /* stream ids follow */
#define CATALOGUE_STREAM_FIRST UINT64_C(16)

enum catalogue_record {
    CATALOGUE_ASSIGN = 1,
    CATALOGUE_UPDATED = 2,
    CATALOGUE_REMOVE = 3,
    CATALOGUE_GONE = 4,
    CATALOGUE_MEMBERS = 5,
    CATALOGUE_EXPEL = 6,
};

#define CATALOGUE_EXPELLED_MAX 256u /* remembered; the first of them is forgotten for one more */

struct late;
struct stream;

/* What an assignment says. */
struct catalogue_assignment {
    uint64_t id; /* also of its group and log */
    int64_t created_ns;
    uint8_t incarnation[16];    /* of the group */
    struct raft_config members; /* that begin the group, for ever the same */
    struct bytes account;
    struct bytes json; /* StreamConfig */
    bool restore;      /* it is filled from a backup first: its leader does not log the config */
};

/* What one replica of a stream holds. */
struct catalogue_holding {
    uint64_t bytes;
    uint64_t consumers, lone; /* of them, with one replica each */
};

struct stream_lane;

/* The log as if it had which a replica is to vote (raft_core_lend). */
struct catalogue_lent {
    uint64_t term;
    uint64_t last_term, last; /* of its end; last_term 0: nothing is lent */
};

struct catalogue_entry {
    struct catalogue_assignment assigned; /* account and json are owned; json is the newest */
    uint64_t version;                     /* of the config, from 1 */
    struct raft_config wished;            /* members that the group shall have */
    bool moved;                           /* they were others once: a log may have been given up */
    bool removed;                         /* committed removal; files may still be there */
    bool readable;                        /* the json is a config this version understands */
    struct stream_config config;          /* decoded, in `arena`; only if readable */
    struct arena arena;
    struct bytes key; /* owned: account and name, while it is not removed */
    struct catalogue_entry *next;

    /* This node's affairs, for jetstream*.c; no part of the state machine. */
    struct stream *stream;    /* the replica here, or NULL */
    struct stream_lane *lane; /* where its log is, or is to be; NULL: not known yet */
    struct late *late;        /* it is opened later (jetstream_late.c); NULL: that was done */
    bool offline;             /* a replica here could not be opened in this life */
    enum err offline_for;     /* why */
    bool preparing;           /* its log is being made */
    bool again;               /* it could not be made: in a while it is tried again */
    bool here_before;         /* its replica was to be here when this life began */
    bool given_up;            /* the replica here, in this life; maybe there is another since */
    bool undo;        /* its log cannot be made, and nobody was told of it: it is taken back */
    enum err refusal; /* why */
    bool abandoned;   /* nobody is to fill it from a backup any more */
    bool completing;  /* its config is on the way into its log */
    uint64_t leader;  /* node that was last heard to lead it, 0: none */
    uint64_t leader_term;
    bool leads;              /* the stream here does, and takes what is for it: as home knows */
    uint64_t configured;     /* version that the stream's log is known to have */
    bool leaving;            /* the replica here is no member of its group any more */
    bool files_gone;         /* of a removed stream, on this node */
    struct raft_config gone; /* members that have said so */
    bool lost;               /* it was in the memory of an earlier life, and only there */
    bool never_made;         /* no log of it was ever made here, in no life of this node's disk */
    uint8_t unled_looks;     /* so often nobody was found to lead it (jetstream_afresh.c) */
    int64_t unled_ns;        /* when somebody said so, for who leads the metadata group; 0: never */
    int64_t surveyed_ns;     /* when all were asked what they have of it; 0: never */
    uint8_t outside_looks;   /* so often it had no leader, and is wished elsewhere */
    bool outside;            /* its leader has said that the replica here is none of the group's */
    uint64_t held_term;   /* it holds still, for the metadata leader of that term; 0: it does not */
    uint64_t held_until;  /* or until that index of the metadata group is applied; 0: not known */
    uint64_t held_number; /* of the survey in which it said what it has */
    struct catalogue_lent lent; /* what its replica is to be lent before it goes on */
    bool touched;               /* a block has changed it, or (absent) does not know it any more */
    bool absent;
    bool settled; /* its group has the members wished for, as this leader knows */
    uint8_t tier; /* of its account that it belongs to, by replicas; 0: not settled */
    struct catalogue_holding told; /* by its leader, for a node without a replica */
    struct catalogue_holding said; /* by this node, leading it, to the others */
    struct remote *remote;         /* takes what is published for it while no replica is here */
};

/* Members that were removed from the cluster, in that order: a node with that disk holds nothing
 * and votes for nothing any more. */
struct catalogue_expelled {
    struct raft_member at[CATALOGUE_EXPELLED_MAX];
    uint32_t count;
};

struct catalogue {
    struct catalogue_entry *first; /* in order of assignment */
    struct catalogue_entry *last;
    struct map64 by_id;
    struct table by_name; /* account and name; without the removed */
    uint64_t id_next;
    struct catalogue_expelled expelled;
};

void catalogue_init(struct catalogue *catalogue, uint64_t seed);
void catalogue_deinit(struct catalogue *catalogue);
struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, uint64_t id);
/* Not the removed ones. */
struct catalogue_entry *catalogue_named(const struct catalogue *catalogue, struct bytes account,
                                        struct bytes name);

/* Was that member, the node with that disk, removed from the cluster? */
bool catalogue_is_expelled(const struct catalogue *catalogue, struct raft_member member);

/* It is found by its name no more, as one that is removed; its name is free. */
void catalogue_hide(struct catalogue *catalogue, struct catalogue_entry *entry);

/* ERR_CORRUPT: not a record of this version; nothing has changed. *touched (may be NULL): the entry
 * it was about, NULL after GONE and EXPEL. */
enum err catalogue_apply(struct catalogue *catalogue, const struct record *record,
                         struct catalogue_entry **touched);

/* All of it, for a state block; equal catalogues make equal bytes. */
void catalogue_encode(const struct catalogue *catalogue, struct buf *out);
/*
 * Brings it to what a block says, which is of a later index: what has changed is `touched`, what
 * is gone there is also `absent`, hidden, and to be dropped by its owner. ERR_CORRUPT: it makes no
 * sense (or not for this catalogue), and nothing has changed.
 */
enum err catalogue_decode(struct catalogue *catalogue, struct bytes in);
enum err catalogue_check(const struct catalogue *catalogue, struct bytes in); /* would it? */
void catalogue_drop(struct catalogue *catalogue, struct catalogue_entry *entry);

/* Each appends one record; false at the buffer's limit. */
bool catalogue_write_assign(struct buf *out, const struct catalogue_assignment *assignment);
bool catalogue_write_update(struct buf *out, uint64_t id, uint64_t version, struct bytes json);
bool catalogue_write_members(struct buf *out, uint64_t id, const struct raft_config *members);
bool catalogue_write_remove(struct buf *out, uint64_t id);
bool catalogue_write_gone(struct buf *out, uint64_t id);
bool catalogue_write_expel(struct buf *out, struct raft_member member);

#endif

/*
 * replica_priv: struct replica, for replica.c (its life, its owner's calls, what the core wants
 * done), replica_vote.c (what it has promised), replica_mend.c (what was wrong with its log),
 * replica_send.c (entries to other nodes), replica_block.c (state blocks) and replica_recover.c
 * (what was found on disk).
 */
#ifndef RAFT_REPLICA_PRIV_H
#define RAFT_REPLICA_PRIV_H

#include "base/timers.h"
#include "raft/cache.h"
#include "raft/groups_priv.h"
#include "raft/replica.h"
#include "raft/replica_flaws.h"

#define REPLICA_CACHE_BYTES     (4u << 20) /* kept for followers, beyond what is not applied */
#define REPLICA_UNCOMMITTED_MAX 4096u      /* entries */
#define REPLICA_SLEEP_NS        INT64_C(10000000000)
#define REPLICA_AGAIN_NS        INT64_C(400000000) /* what is not answered is asked again */
#define REPLICA_APPEND_BYTES    (1u << 20) /* of entries in one message, unless one is larger */

/* How far a replica that takes another one's block is (replica_catch.c). */
enum catch_phase {
    CATCH_NOT,
    CATCH_BODY,  /* the body comes */
    CATCH_FILL,  /* the machine asks for what it lacks */
    CATCH_READY, /* it has all: to be taken, again if the disk has refused it */
    CATCH_TAKE,  /* on its way to the disk: no entries are taken */
};

/* What the machine has asked for and was not told yet (replica_ask.c). */
struct catch_question {
    struct buf text; /* empty: nothing */
    int64_t due_ns;  /* then it is asked again */
    int64_t again_ns;
};

struct catch
{
    enum catch_phase phase;
    uint64_t index, term; /* the block */
    bool known;           /* what follows is: of the first piece */
    struct log_hash hash, body_hash;
    uint64_t body_size;
    bool heals; /* the log has the entry: only the state is replaced */
    struct buf body, local;
    struct catch_question questions[REPLICA_QUESTIONS];
    struct timer timer; /* asks again */
    struct log_take_op op;
};

/* A member that this leader has offered its block to (replica_offer.c). */
#define OFFERS_MAX (RAFT_MEMBERS_MAX + 1u) /* one that departs */

struct offer {
    struct raft_member member; /* node 0: free, unless busy */
    int64_t heard_ns;
    bool busy; /* `read` is under way */
    struct raft_member reader;
    struct replica *replica;
    struct log_block_read read;
};

/* A hash of the machine's state, and who has it (replica_audit.c). */
struct audited {
    struct raft_member member; /* node 0: free */
    uint64_t index, hash;
    uint64_t chain; /* of the entry: which log it is, and all of it up to there */
};
#define AUDITS_MAX (4u * RAFT_MEMBERS_MAX)

/* A state that differs from that of the majority (replica_heal.c). */
#define HEALS_MAX 3u /* in an hour */

enum heal_phase {
    HEAL_NOT,
    HEAL_WANTED, /* another state is asked for */
    HEAL_REPLAY, /* there is one; what follows it is applied again */
    HEAL_OUT,    /* it was replaced too often */
};

struct heal {
    enum heal_phase phase;
    uint64_t until; /* so far it had applied */
    struct timer timer;
    int64_t at_ns[HEALS_MAX]; /* when it was replaced */
    uint32_t times;
    int64_t not_before_ns; /* is one asked for again */
    bool lacks;            /* an entry behind its state cannot be read */
    struct io_op warm;
    bool warming;
    struct buf content; /* an entry read back */
    size_t replayed;    /* bytes in this turn */
};

struct replica {
    struct groups *groups;
    struct io *io;
    uint64_t id;
    struct log *log;
    struct raft_core *core;
    struct replica_events events;
    void *owner;

    uint64_t applied;
    int64_t time_last;         /* of the newest applied batch */
    struct raft_config config; /* as of `applied`; count 0: the log does not say */
    uint64_t lead_index;       /* applied: it leads. 0: nothing to lead for */
    bool leads;                /* between `lead` and `follow` */
    bool elected;              /* the term is to be opened as soon as the log is ready */
    int64_t asleep_ns;         /* when it last fell asleep */
    bool alone; /* it is the only member: what is durable is committed, nothing is cached */

    struct cache cache;
    const struct log_batch *fresh;       /* durable in this call, perhaps not in the cache */
    const struct wire_message *stepping; /* the message whose entries APPEND speaks of */
    struct replica_read *reads;          /* waiting */
    struct io_op warm;                   /* brings an entry into memory that a follower needs */
    struct raft_member warm_for;
    uint64_t warm_index;
    bool warming;
    struct buf scratch; /* entries read back from the log */

    struct {
        uint64_t index; /* the last one, above the floor; 0: all that was asked for could be read */
        int64_t noted_ns, asked_ns; /* the first time; when a block was wanted for it, 0: not yet */
    } unread;                       /* entries that a member needs (replica_unread.c) */

    struct store_vote_op ballot; /* being written */
    uint64_t ballot_number;
    bool ballot_busy;
    bool ballot_waits; /* another is to be written after it */
    struct store_vote ballot_next;
    uint64_t ballot_next_number;
    struct timer ballot_again; /* the disk has refused it: it is written once more */

    struct {
        uint64_t bytes;               /* of contents applied since the last seal */
        uint64_t due;                 /* at so many comes the next */
        uint64_t size;                /* of the newest block */
        bool gathered;                /* the batch that is gathered begins with a seal */
        uint64_t sealed;              /* index of the newest such batch that was proposed here */
        bool busy;                    /* the machine takes its state down, or it is written */
        uint64_t newest, newest_term; /* the durable one that counts; 0: none */
        int64_t written_ns;           /* of the wall clock; 0: by an earlier process */
        int64_t doubted_ns;           /* a new one was wanted for one that cannot be read */
        struct log_block_op op;
        struct spool *body, *local; /* being written; NULL: nothing is */
    } block;

    struct catch catch;              /* its own way back */
    struct offer offers[OFFERS_MAX]; /* that of others, while it leads */

    struct heal heal;

    struct raft_member fetch_of; /* whom the machine asked last for what it has lost */

    struct audited audits[AUDITS_MAX]; /* a ring */
    uint32_t audit_next;
    uint64_t audit_told; /* at that index somebody was named */

    struct timer timer; /* the core's deadline */

    int64_t gave_way_ns; /* when it last handed over for want of space; 0: never */
    int64_t stuck_ns; /* since when nothing more became durable although something waits; 0: it goes
                         on */
    uint64_t stuck_at; /* what was durable then */
    bool stuck;        /* the core was told */
    uint64_t
        repair_from;    /* lost from here on: noted durably first, then cut. 0: nothing to repair */
    uint64_t repair_to; /* highest index that this disk had */
    bool forgets;       /* its log is in memory, and was lost with the life before */
    bool anew;          /* and may have been given up then */
    bool unmended;      /* its disk still says that something is wrong (replica_mend.c) */
    struct timer mend;
    int64_t forgive_looked_ns;
    int64_t forgive_looks;     /* without a long pause between them */
    struct timer forgive;      /* no leader all the time: it votes and stands for what it has */
    struct recovery *recovery; /* while it is opened */
    unsigned busy;             /* calls on the stack that go on using it */
    bool draining;
    bool closed;
};

#define REPLICA_FLAWED(replica, name)                                                              \
    (((replica)->groups->options.replica_flaws & REPLICA_FLAW_##name) != 0)

/* The owner may close the replica from any event: whoever goes on using it holds it meanwhile. */
void replica_hold(struct replica *replica);
void replica_let_go(struct replica *replica);
/* Carries out what the core has ordered and arms its timer. */
void replica_drain(struct replica *replica);
/* Gives the owner what is committed and durable here; begins to lead when its time has come. */
void replica_apply_ready(struct replica *replica);
/* The core says where this node stands: see whether it is alone in its group. */
void replica_look_at_members(struct replica *replica);

/* replica_vote.c */
void replica_vote(struct replica *replica, const struct raft_order *order);
void replica_repair(struct replica *replica);
void replica_ballot_fired(struct timer *timer);

/* replica_mend.c */
void replica_mend_begin(struct replica *replica); /* it is recovered */
void replica_mend_look(struct replica *replica);  /* a vote record is durable */
void replica_mend_fired(struct timer *timer);

/* replica_send.c */
void replica_send(struct replica *replica, const struct raft_message *message);
void replica_warmed(struct io_op *op, int64_t result);

/* replica_block.c */
bool replica_blocks(const struct replica *replica); /* does this group have any? */
/* Before the first record of a batch: puts in a seal if one is due. */
void replica_seal_gather(struct replica *replica, struct buf *gather);
/* Of every batch, in order, recovered ones too. */
void replica_block_count(struct replica *replica, const struct log_batch *batch);
/* Of those that are applied in this life. */
void replica_block_applied(struct replica *replica, const struct log_batch *batch);
void replica_block_begin(struct replica *replica); /* the log is open */
/* The newest cannot be read here, or made no sense elsewhere: a leader makes a new one. */
void replica_block_doubted(struct replica *replica, uint64_t index);
/* Proposes a batch of a seal alone, if that is possible now (replica.c). */
void replica_seal_now(struct replica *replica);
enum err replica_block_restore(struct replica *replica, const struct log_block *block);
/* The floor rises to the newest block at once, also in a cluster. */
void replica_block_floor(struct replica *replica);
/* Leaves the machine's part of a body; false: replica_block_restore would refuse the other. */
bool replica_block_machine(struct bytes *body);

/* replica_catch.c */
void replica_catch_init(struct replica *replica);
void replica_catch_deinit(struct replica *replica);
void replica_catch_close(struct replica *replica);
/* Would it change the log while a block is being taken? */
bool replica_catch_refuses(const struct replica *replica, const struct raft_message *message);
/* What comes from a leader who is gone is not waited for. False: it is being written. */
bool replica_catch_drop(struct replica *replica);
void replica_catch_ready(struct replica *replica); /* this replica's own block is written */
void replica_catch_heal(struct replica *replica);  /* it wants another one's state */
/* Sends a message of catch-up; false: no room. Only bodies and answers are DATA. */
bool replica_catch_send(struct replica *replica, enum wire_catch type, struct raft_member to,
                        struct raft_message *message, struct bytes payload);

/* replica_ask.c */
void replica_questions_init(struct replica *replica);
void replica_questions_again(struct replica *replica); /* those that were not answered for long */
void replica_questions_drop(struct replica *replica);  /* and their memory */

/* replica_fetch.c */
/* False: it is none of these. */
bool replica_fetch_asked(struct replica *replica, const struct wire_message *in);
bool replica_fetch_told(struct replica *replica, const struct wire_message *in);

/* replica_offer.c */
void replica_offer(struct replica *replica, struct raft_member to);
void replica_offers_look(struct replica *replica); /* who is not heard any more is offered anew */
void replica_offers_drop(struct replica *replica);
void replica_offer_step(struct replica *replica, const struct wire_message *message);

/* replica_unread.c */
void replica_unread(struct replica *replica, uint64_t index); /* a member needs it, and waits */
void replica_unread_look(struct replica *replica);            /* with each heartbeat of a leader */
void replica_unread_drop(struct replica *replica);

/* The section that a body begins with; every other one is the machine's. */
#define REPLICA_SECTION_GROUP 1u

/* replica_audit.c */
/* The state at the newest seal has been taken down: the others are told its hash. */
void replica_audit_say(struct replica *replica, uint64_t hash);
void replica_audit_step(struct replica *replica, const struct raft_message *message);
uint64_t replica_audit_body(struct bytes body);
/* What a majority has said of its states there; false: nothing that is known. */
bool replica_audit_majority(struct replica *replica, uint64_t index, uint64_t *hash);
void replica_audit_drop(struct replica *replica); /* what it said itself was of another state */

/* replica_heal.c */
void replica_heal_init(struct replica *replica);
void replica_heal_close(struct replica *replica);
void replica_heal_deinit(struct replica *replica);
bool replica_differs(const struct replica *replica); /* it must not lead */
void replica_heal_differs(struct replica *replica, uint64_t index);
void replica_heal_elected(struct replica *replica); /* although it differs */
/* Would a block of that index heal it? */
bool replica_heal_takes(struct replica *replica, uint64_t index);
/* Such a body has come whole; false: it is not to be taken. */
bool replica_heal_begin(struct replica *replica, struct bytes body);
/* The state is another one; it had applied so far with the one before. */
void replica_heal_restored(struct replica *replica, uint64_t applied);
/* The entry after `applied`, of the log, while it applies again. */
bool replica_heal_next(struct replica *replica, struct log_batch *batch);
void replica_heal_applied(struct replica *replica);

/* replica_recover.c */
struct recovery;
struct recovery *replica_recovery_begin(struct replica *replica, const struct log_events *events,
                                        const struct log_pace *pace);
/* As log_opening_step; OK: it has its log and its core. */
enum err replica_recovery_step(struct recovery *recovery);
bool replica_recovery_waits(const struct recovery *recovery);
void replica_recovery_end(struct recovery *recovery); /* before its replica */

#endif

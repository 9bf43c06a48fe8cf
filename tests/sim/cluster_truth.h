/*
 * cluster_truth: what must be true of the replicas of a cluster, seen from inside: an index of a
 * group that anybody has applied has one content for ever, a term has one leader, what a replica
 * told others is on its disk is there after a crash, and when all is quiet replicas, catalogues and
 * streams are equal.
 */
#ifndef TESTS_SIM_CLUSTER_TRUTH_H
#define TESTS_SIM_CLUSTER_TRUTH_H

#include "raft/core.h"
#include "tests/sim/cluster_nodes.h"

#define TRUTH_GROUPS_MAX 64u

struct truth_entry {
    uint64_t hash; /* of the content, 0: nobody has applied it */
    uint64_t term;
    size_t node; /* the first one seen */
};

/* What a replica believed to be on its disk when it died: others may have been told so. */
struct truth_promise {
    bool made;
    uint64_t term;
    struct raft_member vote; /* node 0: none */
    uint64_t durable, durable_term;
    uint64_t committed;
};

struct truth_group {
    uint64_t id;                 /* 0: free */
    struct truth_entry *entries; /* by index, from 1 */
    uint64_t capacity;
    bool forgiven;    /* it was in memory, and may be lost: contents are another's */
    uint64_t applied; /* anywhere, ever */
    size_t *leaders;  /* by term: node + 1 */
    uint64_t terms;
    struct {
        unsigned life;
        uint64_t checked; /* index */
        struct truth_promise promise;
    } seen[NODES_MAX];
};

/* A stream by its name, and the newest group of that name that was led. */
struct truth_name {
    uint64_t hash; /* 0: a free place */
    uint64_t newest;
};

struct truth {
    struct report *report;
    struct nodes *nodes;
    struct truth_group groups[TRUTH_GROUPS_MAX];
    struct truth_name names[TRUTH_GROUPS_MAX];
    struct buf content;
    bool evicts;               /* what is durable may be unreadable for a while */
    uint64_t checked, skipped; /* contents */
    uint64_t compared;         /* messages */
};

void truth_init(struct truth *truth, struct report *report, struct nodes *nodes);
void truth_deinit(struct truth *truth);

/* Looks at what is new since the last time. */
void truth_look(struct truth *truth);

/* ---- when faults have ended ----------------------------------------------------------------- */

/* Every group whose majority is up has a leader that all its replicas know; NULL, or what is
 * missing. */
const char *truth_led(struct truth *truth);
/* Every replica has applied what its leader has and lacks nothing that it had, all nodes have all
 * of the catalogue, and every group has the voters it is to have, on disks that exist. */
const char *truth_level(struct truth *truth);
/* Compares everything; needs truth_level. */
void truth_compare(struct truth *truth);

/* What that group had was in memory and may be lost: it begins anew. */
void truth_forgive(struct truth *truth, uint64_t id);
/* Of each stream's replicas one at most says that it leads. All are up, and have been for long. */
void truth_one_leads(struct truth *truth);

/* Where every replica is, for the story. */
void truth_tell(struct truth *truth);

/* The highest delivery number of the consumer that a replica has applied. */
uint64_t truth_handed_out(struct truth *truth, const char *stream, const char *consumer);
/* The node that leads that stream, or nodes->count. */
size_t truth_leader(struct truth *truth, const char *stream);
/* How many nodes that are up have a metadata log. */
size_t truth_begun(struct truth *truth);
size_t truth_meta_leader(struct truth *truth);
/* Has that node's replica of it won an election, told so or not? */
bool truth_elected(struct truth *truth, const char *stream, size_t node);
/* The log of that stream, 0: nobody has it. */
uint64_t truth_log(struct truth *truth, const char *stream);
/* That node's replica of it forgets the next message that it applies while it does not lead. */
bool truth_spoil(struct truth *truth, const char *stream, size_t node);
struct stream;
struct stream *truth_stream(struct truth *truth, const char *stream, size_t node); /* or NULL */
/* Where that node's disk has the record of a message (unless it is packed); false: nowhere. */
struct truth_place {
    uint64_t sequence, offset;
    uint32_t size;
    char path[360];
};
bool truth_place(struct truth *truth, const char *stream, size_t node, uint64_t sequence,
                 struct truth_place *place);
/* All messages of its replica that are in memory just now are sound. */
bool truth_readable(struct truth *truth, const char *stream, size_t node);
bool truth_has(struct truth *truth, const char *stream, size_t node);    /* a replica */
bool truth_spoilt(struct truth *truth, const char *stream, size_t node); /* it has */
/* Its replica knows that it differs from the majority. */
bool truth_differs(struct truth *truth, const char *stream, size_t node);
/* The two have applied as much, and have as many messages. */
bool truth_same(struct truth *truth, const char *stream, size_t node, size_t other);
/* Neither that node's replica of it nor its catalogue lacks anything that it had. */
bool truth_whole(struct truth *truth, const char *stream, size_t node);
/* Whoever leads the stream is to hand over to that node. */
void truth_transfer(struct truth *truth, const char *stream, size_t node);
/* Does any node but that one lead the stream? */
bool truth_other_leads(struct truth *truth, const char *stream, size_t except);

#endif

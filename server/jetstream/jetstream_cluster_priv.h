/* jetstream_cluster_priv: struct jetstream_cluster, for jetstream_cluster.c (frames and nodes),
 * jetstream_form.c (the metadata group's members), jetstream_leave.c, jetstream_forward.c (messages
 * for other nodes) and jetstream_remote.c (streams without a replica here). */
#ifndef SERVER_JETSTREAM_JETSTREAM_CLUSTER_PRIV_H
#define SERVER_JETSTREAM_JETSTREAM_CLUSTER_PRIV_H

#include "base/map64.h"
#include "server/cluster/cluster.h"
#include "server/jetstream/jetstream_cluster.h"

#define FORWARD_WAITING_MAX       10000u
#define FORWARD_WAITING_BYTES_MAX (64u << 20)
#define FORWARD_DEADLINE_NS       INT64_C(4000000000) /* for a leader to be found */
#define FORM_RETRY_NS             INT64_C(200000000)

struct beginning;
struct forward_waiting;

/* What a node has said of itself. */
#define NODE_TAGS_SIZE 1024u

struct node_state {
    /* Lanes read these two plainly: they change while those stand still. */
    uint64_t id;       /* 0: a free place */
    struct bytes name; /* owned */
    uint64_t incarnation;
    bool heard; /* since its link came up */
    bool has_meta;
    bool knows_removal; /* of servers from the cluster */
    uint8_t meta_incarnation[16];
    uint8_t tags[NODE_TAGS_SIZE]; /* as HELLO has them */
    size_t tags_size;
};

/* What a node has left of a stream that nobody leads (jetstream_afresh.c). */
enum left {
    LEFT_NOTHING,
    LEFT_BEGINNING, /* a log with nothing else in it */
    LEFT_CONTENT,
    LEFT_LED,    /* somebody leads; and it does not hold still */
    LEFT_UNSURE, /* nor here */
};

struct left_answer {
    uint64_t number, id; /* of the survey, of the stream */
    enum left left;
    bool never_made;          /* a log of it, in no life of this disk */
    bool able;                /* it votes, or will before long */
    bool waits;               /* but it does not stand (replica_waits) */
    uint64_t last, last_term; /* of its log; term 0: it does not say */
    uint64_t term;            /* of its votes */
    struct raft_config group; /* the members, as its log says */
};

/* What all have said of one. */
struct survey {
    uint64_t id; /* of the stream; 0: none is under way */
    uint64_t number;
    int64_t until_ns;
    struct raft_config told; /* who has answered, and (in the same places) what */
    struct left_answer answers[RAFT_MEMBERS_MAX];
    uint64_t index; /* of the batch that begins it afresh; 0: it is not proposed */
};

struct jetstream_cluster {
    struct jetstream *jetstream;
    struct cluster *cluster;
    struct cluster_watcher watcher;
    struct transport transport;
    struct node_state nodes[CLUSTER_NODES_MAX];
    struct timer form;           /* looks again at who is there */
    bool look;                   /* this turn */
    bool left;                   /* this node was removed, and knows it */
    struct beginning *beginning; /* a worker makes the metadata group's log */

    struct forward_waiting *waiting_first, *waiting_last;
    size_t waiting_count, waiting_bytes;
    struct map64 waiting_for; /* the logs for whose leader something waits; no values */
    struct timer waiting_timer;

    struct survey survey;
    uint64_t survey_number;
    bool survey_node; /* one has come or gone: what is under way is void */
    int64_t afresh_looked_ns;

    struct timer holding; /* says what is held */
    bool holding_again;   /* all of it: a node has come */

    struct jetstream_gather *gathers; /* under way */
    uint64_t gather_number;
    struct timer gather_timer;
};

/* jetstream_cluster.c */
struct node_state *cluster_node_state(struct jetstream_cluster *cluster, uint64_t id);
uint64_t cluster_self_id(const struct jetstream_cluster *cluster);
void cluster_tell(struct jetstream_cluster *cluster, uint64_t node, enum jetstream_frame kind,
                  struct bytes body);
void cluster_tell_all(struct jetstream_cluster *cluster, enum jetstream_frame kind,
                      struct bytes body);

/* jetstream_place.c: the tags of this node as HELLO has them; returns their size. */
size_t place_tags(const struct jetstream *jetstream, uint8_t tags[static NODE_TAGS_SIZE]);

/* jetstream_form.c */
void form_hello(struct jetstream_cluster *cluster, uint64_t node);
void form_heard(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
void form_bootstrap(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
void form_turn(struct jetstream_cluster *cluster);
void form_drop(struct jetstream_cluster *cluster);
void form_fired(struct timer *timer);

/* jetstream_leave.c: servers that were removed from the cluster */
/* Nothing is to be there, and it is not taken in. */
bool leave_expelled(const struct jetstream_cluster *cluster, struct raft_member member);
/* Other members are to hold the stream: some that do were removed, or there is room at last. */
bool leave_wish(struct jetstream_cluster *cluster, const struct catalogue_entry *entry,
                struct raft_config *members);
/* The metadata group without a removed member, when that is due. */
bool leave_next(struct jetstream_cluster *cluster, struct raft_config *next);
void leave_heard(struct jetstream_cluster *cluster, const struct node_state *state);
void leave_told(struct jetstream_cluster *cluster);
void leave_turn(struct jetstream_cluster *cluster);
/* jetstream_cluster.c: removed streams that nobody has files of any more. */
void cluster_forget_gone(struct jetstream_cluster *cluster);

/* jetstream_forward.c */
void forward_received(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
/* Who leads, as far as is known, and the number of a connection there; empty: nobody. *traces: does
 * it tell of traced messages? */
struct bytes forward_name(struct jetstream_cluster *cluster, uint64_t id, uint64_t *connection,
                          bool *traces);
void forward_turn(struct jetstream_cluster *cluster);
void forward_free(struct jetstream_cluster *cluster);
void forward_fired(struct timer *timer);
/* A message as the frames carry it, and back (views into the body). */
bool forward_write(struct buf *out, struct bytes account, const struct message *message);
bool forward_read(struct bytes body, struct bytes *account, struct message *message);
void changed_received(struct jetstream_cluster *cluster, struct bytes body);

/* jetstream_holding.c */
void holding_begin(struct jetstream_cluster *cluster);
void holding_end(struct jetstream_cluster *cluster);
void holding_received(struct jetstream_cluster *cluster, struct bytes body);

/* jetstream_place.c: that node is up, and its disk is that of the member. */
bool place_is_here(struct jetstream_cluster *cluster, struct raft_member member);

/* jetstream_outsider.c */
void outsider_look(struct jetstream_cluster *cluster, struct catalogue_entry *entry);
void outsider_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
void outsider_told(struct jetstream_cluster *cluster, struct bytes body);

/* jetstream_survey.c */
const struct left_answer *survey_answer(const struct survey *survey, struct raft_member member);
/* May somebody lead? Candidates count the members that they know of, so those that only others know
 * of do not matter: nobody hears of them without a leader. */
bool survey_refused(const struct survey *survey);
/* Somebody has all that anybody has left, and would be elected if those who forgot voted for it:
 * what they are to be lent for that. */
bool survey_lends(const struct survey *survey, struct catalogue_lent *lent);

/* jetstream_afresh.c */
void afresh_turn(struct jetstream_cluster *cluster);
void afresh_node(struct jetstream_cluster *cluster); /* one has come or gone */
void afresh_unled(struct jetstream_cluster *cluster, struct bytes body);
void afresh_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
void afresh_told(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
void afresh_let_go(struct jetstream_cluster *cluster, struct bytes body);

/* jetstream_gather.c */
void gather_asked(struct jetstream_cluster *cluster, uint64_t node, struct bytes body);
void gather_told(struct jetstream_cluster *cluster, struct bytes body);
void gather_turn(struct jetstream_cluster *cluster);
void gather_free(struct jetstream_cluster *cluster);
void gather_fired(struct timer *timer);

/* jetstream_remote.c */
void remote_look(struct jetstream *jetstream, struct catalogue_entry *entry);
void remote_close(struct jetstream *jetstream, struct catalogue_entry *entry);

#endif

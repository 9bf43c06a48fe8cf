/*
 * jetstream_cluster: JetStream over several nodes: the metadata group is formed, every node knows
 * who leads what, and what arrives at the wrong node goes to the right one, once. Without a cluster
 * none of it exists and everything is here.
 *
 * Frames between nodes (cluster.h, kinds from CLUSTER_JETSTREAM_FIRST), little endian:
 *
 * - HELLO: u8 has_meta, u8 1 (reads the record of a removed server), 6 zeros, 16 bytes incarnation
 *   of the metadata group (zeros: none), then its server_tags: u8 size and text of each, as far as
 *   they fit 1024 bytes
 * - BOOTSTRAP: content of index 1 of the metadata group's log
 * - LEADER: any number of: u64 stream id, u64 term, u64 version of its config
 * - REFUSED: u64 stream id, u64 version, u16 error, 6 zeros, text
 * - FORWARD: u16 account size, u16 subject size, u16 reply size, u16 zero, u32 headers size, u32
 *   payload size, then these: a message for JetStream's sinks on that node
 * - CHANGED: u8 kind of operation, u8 created, 6 zeros, then as FORWARD: the request that its
 *   stream's leader shall answer
 * - ASK: u64 number, u64 place, u64 stream id: what does its leader say of it?
 * - TELL: u64 number, u64 place, a JSON object
 * - GONE: any number of u64 stream ids: their files are no more on that node
 * - WHO: u64 stream id: whoever leads it answers with LEADER
 * - HOLDING: any number of: u64 stream id, u64 bytes, u64 consumers, u64 of them with one replica:
 *   what a replica of it holds, says its leader
 * - EXPELLED: nothing: the receiver was removed from the cluster
 * - UNLED: u64 stream id: the sender has a replica of it, and hears no leader
 * - SURVEY: u64 number, u64 term of the metadata group, u64 stream id: what is left of it? To be
 *   answered with LEFT, and to hold still (jetstream_afresh.c)
 * - LEFT: u64 number, u64 stream id, u64 what (0 nothing, 1 the beginning of a log, 2 more, 3
 *   somebody leads it, 4 not known), u64 flags (1: no log of it was ever made there, 2: it votes,
 *   or will before long, 4: but it does not stand, from 8 on: the last entry's term), u64 last
 *   index, u64 term of its votes, then the members of its group: u64 node, u64 incarnation, u64
 *   learner
 * - LET_GO: u64 stream id (0: all), u64 term, u64 index, u64 number, u64 lent term, u64 lent last
 *   term, u64 lent last index: what it holds still for who asked in that term goes on when so much
 *   of the metadata group's log is applied; if it has answered that number it is lent that log
 *   first (raft_core_lend; zeros: none)
 * - BELONGS: u64 stream id: the sender has a replica of it; is it one of the group's?
 * - OUTSIDE: u64 stream id, u64 index: no, says who leads it, since that entry
 */
#ifndef SERVER_JETSTREAM_JETSTREAM_CLUSTER_H
#define SERVER_JETSTREAM_JETSTREAM_CLUSTER_H

#include "server/jetstream/jetstream_priv.h"

enum jetstream_frame {
    JETSTREAM_HELLO = 64,
    JETSTREAM_BOOTSTRAP,
    JETSTREAM_LEADER,
    JETSTREAM_REFUSED,
    JETSTREAM_FORWARD,
    JETSTREAM_CHANGED,
    JETSTREAM_GONE,
    JETSTREAM_ASK,
    JETSTREAM_TELL,
    JETSTREAM_WHO,
    JETSTREAM_HOLDING,
    JETSTREAM_EXPELLED,
    JETSTREAM_UNLED,
    JETSTREAM_SURVEY,
    JETSTREAM_LEFT,
    JETSTREAM_LET_GO,
    JETSTREAM_BELONGS,
    JETSTREAM_OUTSIDE,
};

struct jetstream_cluster;

/* During jetstream_open, when the store is open; NULL: this server is alone. */
struct jetstream_cluster *jetstream_cluster_create(struct jetstream *jetstream);
void jetstream_cluster_destroy(struct jetstream_cluster *cluster);
const struct transport *jetstream_cluster_transport(struct jetstream_cluster *cluster);

/* Once per turn: what waits for a leader, members to be added, nodes to be replaced. */
void jetstream_cluster_turn(struct jetstream_cluster *cluster);

/* Is something to be looked at in this turn that streams know? */
bool jetstream_cluster_busy(const struct jetstream_cluster *cluster);

/* A stream's leader has changed as far as this node's replica knows. */
void jetstream_cluster_leader(struct jetstream_cluster *cluster, struct catalogue_entry *entry);
/* This node has just learned of the stream: it asks who leads. What was said before the catalogue's
 * record came was about a stream unknown here. */
void jetstream_cluster_ask_leader(struct jetstream_cluster *cluster,
                                  const struct catalogue_entry *entry);
/* What this node, leading the stream, has to say of that version of its config. */
void jetstream_cluster_configured(struct jetstream_cluster *cluster, struct catalogue_entry *entry,
                                  uint64_t version, uint16_t error, const char *text);
void jetstream_cluster_files_gone(struct jetstream_cluster *cluster, uint64_t id);

/*
 * Which nodes shall hold `replicas` replicas (jetstream_place.c): those that do (`keep`, may be
 * NULL) as far as they are wanted, its leader first, then those that are up; then members of the
 * metadata group that are up, the least loaded first. False: there are not enough.
 */
struct jetstream_wish {
    const struct catalogue_entry *keep;
    uint64_t without; /* not that node */
    int64_t replicas;
    const struct stream_placement *placement; /* only nodes that it allows; NULL: any */
};
/* False: *text says why, as error 10005 does. */
bool jetstream_cluster_place(struct jetstream_cluster *cluster, const struct jetstream_wish *wish,
                             struct raft_config *members, char *text, size_t text_size);
/* Is this node a member of the metadata group, and a voter if there is to be one more? */
bool jetstream_taken_in(const struct jetstream *jetstream);
/* Soon: look again at who is a member of what. */
void jetstream_cluster_look(struct jetstream_cluster *cluster);
/* Once per turn, where it leads: streams whose groups do not have the members they shall have. */
void jetstream_members_turn(struct jetstream_cluster *cluster);

#endif

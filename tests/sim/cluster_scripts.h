/*
 * cluster_scripts: fixed scenes that a run of a cluster may begin with: interleavings that chance
 * finds too seldom. Each goes on as far as the cluster plays along; whether promises hold is for
 * the histories to say, as ever.
 */
#ifndef TESTS_SIM_CLUSTER_SCRIPTS_H
#define TESTS_SIM_CLUSTER_SCRIPTS_H

struct nodes;
struct stage;

enum script {
    SCRIPT_NONE,
    SCRIPT_STALE,  /* a leader stands still while another is elected; who asks it as it wakes must
                      not hear what was true before */
    SCRIPT_HEIR,   /* a follower whose disk is behind is elected, and others commit for it */
    SCRIPT_CHANGE, /* who leads a stream of one replica dies right after a change of its config, and
                      comes back before its catalogue has the change */
    SCRIPT_LATE,   /* that a leader leads is heard after its successor was */
    SCRIPT_DIFFERS, /* a follower's state is not what its log says; it finds that out and heals */
    SCRIPT_ROT,     /* state blocks of one node cannot be read: the others have it all */
    SCRIPT_SHORT,   /* a log of one node ends too early: the metadata's, or one that is to lead */
    SCRIPT_SCALE,   /* a stream has one replica, then three, then one */
    SCRIPT_GONE,    /* a node lost for good is removed from the cluster, and comes back */
    SCRIPT_ERASE,   /* messages are deleted for their bytes to go, which they do, everywhere */
    SCRIPT_RANGES,  /* messages rot on one node, and come back from the others */
    SCRIPT_MOVE,    /* streams are wished elsewhere and back while nodes die */
    SCRIPT_DRAWN,   /* those before it are; those behind it are variants */
    SCRIPT_FORGET,  /* of MOVE: streams in memory lose what they had */
    SCRIPT_LEFT,    /* of SCALE: who was to be a replica is away until it is none any more */
    SCRIPT_AGAIN,   /* of SHORT: of a majority, one after the other, and then all start anew */
    SCRIPT_EMPTY,   /* of GONE: a disk is lost, and another node dies as soon as all are well */
    SCRIPT_SWAPPED, /* of GONE: two nodes come back with each other's disks, then with their own */
    SCRIPT_COUNT,
};

enum script script_named(const char *name); /* NONE: there is none */
/* Before the servers are made: what the scene needs of them. */
void script_prepare(enum script script, struct nodes *nodes);
/* Streams and consumers are there. */
void script_play(enum script script, const struct stage *stage);

#endif

/*
 * The two halves of simulated sockets. Private to base/io_sim_net.c, which is the network and the
 * kernel's side of a socket, to base/io_sim_socks.c, which is the owner's side, and to
 * base/io_sim_faults.c, which comes between.
 *
 * A sender's bytes go from its pieces into its `out`, as far as that has room; a delivery moves
 * some of them into the peer's `arrived`, as far as that has room; the peer's turn hands them to
 * its owner. One delivery is under way per direction, so bytes stay in order.
 */
#ifndef BASE_IO_SIM_NET_H
#define BASE_IO_SIM_NET_H

#include "base/io_sim_world.h"

enum sim_sock_state {
    SIM_SOCK_SPARE,
    SIM_SOCK_NEW,      /* accepted, not started */
    SIM_SOCK_OPEN,     /* bytes flow */
    SIM_SOCK_ENDED,    /* the owner was told; its close is awaited */
    SIM_SOCK_DRAINING, /* closed by the owner, the send in flight may finish */
    SIM_SOCK_CLOSING,  /* closed by the owner, who is told at the next turn */
    SIM_SOCK_ORPHAN,   /* no owner: the kernel delivers what it has taken, and the end */
    SIM_SOCK_SILENT,   /* no owner and no kernel: the peer will find out */
};

struct sim_sock {
    struct io_sock head;
    struct sim *sim;
    struct sim_node *node;
    struct sim_process *process; /* NULL: no owner */
    struct sim_sock *peer;       /* NULL: not connected yet, or no more */
    uint64_t generation;
    enum sim_sock_state state;

    const struct io_sock_events *events;
    void *owner;
    struct io_listener *listener; /* that has not told of it yet */
    struct io_address address;    /* of the peer */
    size_t to_node;               /* while connecting */
    uint16_t to_port;

    struct bytes pieces[IO_PIECES_MAX];
    size_t pieces_at;
    size_t pieces_count;
    struct buf out;
    struct buf arrived;
    int reason; /* of the end */
    bool connecting;
    bool refused;    /* never was connected */
    bool delivering; /* a delivery is under way */
    bool paused;
    bool taken;    /* the send has been taken whole: to be told */
    bool end_seen; /* nothing more will arrive */
    bool broken;   /* nothing more can be sent */
    bool is_ready;
    bool parting; /* it is to be */
    bool passing; /* released: what happens to it is told to whoever adopts it */

    struct sim_sock *ready_next; /* and the link of the spare */
    struct sim_sock *all_next;
    struct sim_sock *previous; /* of the same process */
    struct sim_sock *next;
};

struct io_listener {
    struct sim_process *process;
    uint16_t port;
    io_accepted_fn *accepted;
    void *context;
    struct io_listener *next;
};

/* io_sim_net.c */
struct sim_sock *sim_sock_new(struct sim_node *node, struct sim_process *process);
void sim_sock_free(struct sim_sock *s);
/* Another process is its owner. */
void sim_sock_move(struct sim_sock *s, struct sim_process *process);
void sim_net_deliver(struct sim_sock *s); /* has something to deliver, perhaps */
void sim_net_take(struct sim_sock *s);    /* pieces into `out` */
/* The connection is gone, on this side. */
void sim_net_break(struct sim_sock *s, int reason);
/* On both. */
void sim_net_break_both(struct sim_sock *s, int reason);
/* The owner lets go: the peer gets the rest and the end, or a reset if bytes were left unread. */
void sim_net_hang_up(struct sim_sock *s);

/* io_sim_socks.c */
void sim_sock_ready(struct sim_sock *s); /* has something to tell its owner */

#endif

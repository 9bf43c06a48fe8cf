/*
 * guests: sockets that are not here to stay: each is served briefly and closed, at the latest when
 * its deadline has passed. How many there are at one time is bounded; more are closed at once.
 *
 * Whoever serves embeds a struct guest in what it keeps of each; `free` gives that back, exactly
 * once, when the socket is gone.
 */
#ifndef SERVER_MONITOR_GUESTS_H
#define SERVER_MONITOR_GUESTS_H

#include "base/io.h"

struct guest;

struct guest_events {
    void (*received)(struct guest *guest, struct bytes b);
    void (*sent)(struct guest *guest); /* NULL: nothing follows from it */
    void (*free)(struct guest *guest);
};

struct guest {
    struct guests *owner;
    struct io_sock *sock;
    struct timer deadline;
    struct guest *previous;
    struct guest *next;
    bool closing;
};

struct guests {
    struct io *io;
    const struct guest_events *events;
    struct guest *all;
    size_t count;
    size_t most;
};

void guests_init(struct guests *guests, struct io *io, const struct guest_events *events,
                 size_t most);
/* Drops what is left; the io must be destroyed next, without another turn. */
void guests_deinit(struct guests *guests);
/* Closes all: those that `drains` (NULL: none does) says so of when what they are sent has left. */
void guests_end(struct guests *guests, bool (*drains)(const struct guest *guest));

/* Is there room for one more? If not, the socket was closed. */
bool guests_admit(struct guests *guests, struct io_sock *sock);
/* After guests_admit: takes over the socket. */
void guest_begin(struct guest *guest, struct guests *guests, struct io_sock *sock,
                 int64_t deadline_ns);
/* From now on it has so long. */
void guest_deadline(struct guest *guest, int64_t ns);
/* With `drain` the send in flight may finish before the deadline. Closing again is fine. */
void guest_close(struct guest *guest, bool drain);

#endif

#include "server/leaf.h"

#include "base/heap.h"
#include "base/owner.h"

#define DEADLINE_NS INT64_C(2000000000)

static const char farewell[] = "-ERR 'Leaf nodes are not supported by this server'\r\n";

struct leaf {
    struct leaves *owner;
    struct io_sock *sock;
    struct timer deadline;
    struct leaf *previous;
    struct leaf *next;
};

static void received(void *context, struct bytes b)
{
    (void)context;
    (void)b;
}

static void sent(void *context)
{
    (void)context; /* the drain that was asked for closes */
}

static void ended(void *context, int reason)
{
    struct leaf *leaf = context;

    (void)reason;
    io_sock_close(leaf->owner->io, leaf->sock, false);
}

static void leaf_free(struct leaf *leaf)
{
    struct leaves *owner = leaf->owner;

    timers_cancel(io_timers(owner->io), &leaf->deadline);
    if (leaf->next != NULL)
        leaf->next->previous = leaf->previous;
    if (leaf->previous != NULL)
        leaf->previous->next = leaf->next;
    else
        owner->all = leaf->next;
    owner->count--;
    heap_give(leaf);
}

static void closed(void *context)
{
    leaf_free(context);
}

static const struct io_sock_events events = {
    .received = received,
    .sent = sent,
    .ended = ended,
    .closed = closed,
};

static void deadline_fired(struct timer *timer)
{
    struct leaf *leaf = owner_of(timer, struct leaf, deadline);

    io_sock_close(leaf->owner->io, leaf->sock, false);
}

void leaves_init(struct leaves *leaves, struct io *io)
{
    *leaves = (struct leaves){.io = io};
}

void leaves_deinit(struct leaves *leaves)
{
    while (leaves->all != NULL)
        leaf_free(leaves->all);
}

void leaves_accept(struct leaves *leaves, struct io_sock *sock)
{
    struct bytes piece = bytes_of_text(farewell);
    struct leaf *leaf;

    if (leaves->count >= LEAVES_MAX) {
        io_sock_close(leaves->io, sock, false); /* never started: gone at once */
        return;
    }
    leaf = HEAP_NEW(struct leaf);
    leaf->owner = leaves;
    leaf->sock = sock;
    leaf->deadline.fire = deadline_fired;
    leaf->next = leaves->all;
    if (leaf->next != NULL)
        leaf->next->previous = leaf;
    leaves->all = leaf;
    leaves->count++;
    timers_arm(io_timers(leaves->io), &leaf->deadline, io_now(leaves->io) + DEADLINE_NS);
    io_sock_start(leaves->io, sock, &events, leaf);
    io_sock_send(leaves->io, sock, &piece, 1);
    io_sock_close(leaves->io, sock, true);
}

void leaves_end(struct leaves *leaves)
{
    for (struct leaf *leaf = leaves->all; leaf != NULL; leaf = leaf->next)
        io_sock_close(leaves->io, leaf->sock, false);
}

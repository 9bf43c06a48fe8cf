#include "server/leaf.h"

#include "base/heap.h"

#define DEADLINE_NS INT64_C(2000000000)

static const char farewell[] = "-ERR 'Leaf nodes are not supported by this server'\r\n";

static void received(struct guest *guest, struct bytes b)
{
    (void)guest; /* whatever it says, it is told the same */
    (void)b;
}

static void leaf_free(struct guest *guest)
{
    heap_give(guest);
}

static const struct guest_events events = {.received = received, .free = leaf_free};

void leaves_init(struct leaves *leaves, struct io *io)
{
    guests_init(&leaves->guests, io, &events, LEAVES_MAX);
}

void leaves_deinit(struct leaves *leaves)
{
    guests_deinit(&leaves->guests);
}

void leaves_accept(struct leaves *leaves, struct io_sock *sock)
{
    struct bytes piece = bytes_of_text(farewell);
    struct guest *guest;

    if (!guests_admit(&leaves->guests, sock))
        return;
    guest = HEAP_NEW(struct guest);
    guest_begin(guest, &leaves->guests, sock, DEADLINE_NS);
    io_sock_send(leaves->guests.io, sock, &piece, 1);
    guest_close(guest, true);
}

void leaves_end(struct leaves *leaves)
{
    guests_end(&leaves->guests, NULL);
}

#include "server/monitor/guests.h"

#include "base/owner.h"

static void guest_leave(struct guest *guest)
{
    struct guests *owner = guest->owner;

    timers_cancel(io_timers(owner->io), &guest->deadline);
    if (guest->next != NULL)
        guest->next->previous = guest->previous;
    if (guest->previous != NULL)
        guest->previous->next = guest->next;
    else
        owner->all = guest->next;
    owner->count--;
    owner->events->free(guest);
}

void guests_init(struct guests *guests, struct io *io, const struct guest_events *events,
                 size_t most)
{
    *guests = (struct guests){.io = io, .events = events, .most = most};
}

void guests_deinit(struct guests *guests)
{
    while (guests->all != NULL)
        guest_leave(guests->all);
}

void guests_end(struct guests *guests, bool (*drains)(const struct guest *guest))
{
    for (struct guest *guest = guests->all; guest != NULL; guest = guest->next)
        guest_close(guest, drains != NULL && drains(guest));
}

/* ---- what the socket tells ------------------------------------------------------------------ */

static void received(void *context, struct bytes b)
{
    struct guest *guest = context;

    if (!guest->closing)
        guest->owner->events->received(guest, b);
}

static void sent(void *context)
{
    struct guest *guest = context;

    if (!guest->closing && guest->owner->events->sent != NULL)
        guest->owner->events->sent(guest);
}

static void ended(void *context, int reason)
{
    (void)reason;
    guest_close(context, false);
}

static void closed(void *context)
{
    guest_leave(context);
}

static const struct io_sock_events socket_events = {
    .received = received,
    .sent = sent,
    .ended = ended,
    .closed = closed,
};

static void deadline_fired(struct timer *timer)
{
    guest_close(owner_of(timer, struct guest, deadline), false);
}

/* ---- one of them ---------------------------------------------------------------------------- */

bool guests_admit(struct guests *guests, struct io_sock *sock)
{
    if (guests->count < guests->most)
        return true;
    io_sock_close(guests->io, sock, false); /* never started: gone at once */
    return false;
}

void guest_begin(struct guest *guest, struct guests *guests, struct io_sock *sock,
                 int64_t deadline_ns)
{
    assert(guests->count < guests->most);
    *guest = (struct guest){
        .owner = guests, .sock = sock, .deadline.fire = deadline_fired, .next = guests->all};
    if (guest->next != NULL)
        guest->next->previous = guest;
    guests->all = guest;
    guests->count++;
    guest_deadline(guest, deadline_ns);
    io_sock_start(guests->io, sock, &socket_events, guest);
}

void guest_deadline(struct guest *guest, int64_t ns)
{
    struct io *io = guest->owner->io;

    timers_arm(io_timers(io), &guest->deadline, io_now(io) + ns);
}

void guest_close(struct guest *guest, bool drain)
{
    guest->closing = true;
    if (!drain)
        timers_cancel(io_timers(guest->owner->io), &guest->deadline);
    io_sock_close(guest->owner->io, guest->sock, drain);
}

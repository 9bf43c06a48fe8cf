/* The owner's side of simulated sockets: the calls of io.h, and what a turn tells. */
#include "base/io_sim_net.h"

#include <errno.h>

static struct sim_sock *sock_of(struct io_sock *sock)
{
    return (struct sim_sock *)sock;
}

void sim_sock_ready(struct sim_sock *s)
{
    struct sim_process *process = s->process;

    if (process == NULL || process->dead || s->is_ready || s->passing)
        return;
    s->is_ready = true;
    s->ready_next = NULL;
    *process->ready_last = s;
    process->ready_last = &s->ready_next;
    sim_kick(process);
}

/* ---- calls ---------------------------------------------------------------------------------- */

void sim_sock_start(struct io *io, struct io_sock *sock, const struct io_sock_events *events,
                    void *owner)
{
    struct sim_sock *s = sock_of(sock);

    if (sim_process_of(io)->dead)
        return;
    assert(s->state == SIM_SOCK_NEW);
    s->state = SIM_SOCK_OPEN;
    s->events = events;
    s->owner = owner;
    sim_sock_ready(s);
}

void sim_sock_hand(struct io_sock *sock, const struct io_sock_events *events, void *owner)
{
    struct sim_sock *s = sock_of(sock);

    s->events = events;
    s->owner = owner;
}

int64_t sim_sock_release(struct io *io, struct io_sock *sock)
{
    struct sim_sock *s = sock_of(sock);

    (void)io;
    assert(s->state == SIM_SOCK_NEW && !s->is_ready);
    s->passing = true;
    return (int64_t)(uintptr_t)s;
}

/* It keeps the address of the node that accepted it. */
struct io_sock *sim_sock_adopt(struct io *io, int64_t released)
{
    struct sim_sock *s = (struct sim_sock *)(uintptr_t)released;

    if (!sim_process_of(io)->dead) {
        sim_sock_move(s, sim_process_of(io));
        s->passing = false;
        sim_sock_ready(s);
    }
    return &s->head;
}

void sim_sock_drop(struct io *io, int64_t released)
{
    struct sim_sock *s = (struct sim_sock *)(uintptr_t)released;

    s->passing = false;
    sim_sock_close(io, &s->head, false);
}

void sim_sock_part(struct io *io, struct io_sock *sock)
{
    struct sim_sock *s = sock_of(sock);

    if (sim_process_of(io)->dead)
        return;
    assert(!s->connecting);
    s->parting = true;
    sim_sock_ready(s);
}

bool sim_sock_peer(struct io *io, struct io_sock *sock, struct io_address *peer)
{
    (void)io;
    *peer = sock_of(sock)->address;
    return peer->port != 0;
}

/* To a peer that has gone: the answer comes, as to all, at a turn. */
static void send_to_nobody(struct sim_sock *s)
{
    s->broken = true;
    if (!s->end_seen)
        s->reason = -EPIPE;
    s->end_seen = true;
    sim_sock_ready(s);
}

void sim_sock_send(struct io *io, struct io_sock *sock, const struct bytes *pieces, size_t count)
{
    struct sim_sock *s = sock_of(sock);

    if (sim_process_of(io)->dead)
        return;
    assert(s->state == SIM_SOCK_OPEN || s->state == SIM_SOCK_ENDED);
    memcpy(s->pieces, pieces, count * sizeof(*pieces));
    s->pieces_at = 0;
    s->pieces_count = count;
    if (s->broken || (s->peer == NULL && !s->connecting))
        send_to_nobody(s);
    else
        sim_net_take(s);
}

void sim_sock_pause(struct io *io, struct io_sock *sock)
{
    if (!sim_process_of(io)->dead)
        sock_of(sock)->paused = true;
}

void sim_sock_resume(struct io *io, struct io_sock *sock)
{
    struct sim_sock *s = sock_of(sock);

    if (sim_process_of(io)->dead || !s->paused)
        return;
    s->paused = false;
    sim_sock_ready(s);
}

void sim_sock_close(struct io *io, struct io_sock *sock, bool drain)
{
    struct sim_sock *s = sock_of(sock);

    if (sim_process_of(io)->dead || s->state == SIM_SOCK_CLOSING)
        return;
    if (drain && s->head.sending && !s->taken && !s->broken && !s->connecting) {
        s->state = SIM_SOCK_DRAINING;
        return;
    }
    s->state = SIM_SOCK_CLOSING;
    sim_sock_ready(s);
}

/* ---- what a turn tells ---------------------------------------------------------------------- */

static void tell_sent(struct sim_sock *s)
{
    if (!s->taken)
        return;
    s->taken = false;
    s->head.sending = false;
    if (s->state == SIM_SOCK_DRAINING)
        s->state = SIM_SOCK_CLOSING;
    else if (s->state == SIM_SOCK_OPEN || s->state == SIM_SOCK_ENDED)
        s->events->sent(s->owner);
}

static size_t part_of(struct sim_sock *s)
{
    if (prng_chance(&s->sim->prng, 1, 2))
        return s->arrived.size;
    return 1 + prng_below(&s->sim->prng, s->arrived.size);
}

static void tell_received(struct sim_sock *s)
{
    struct sim_process *process = s->process;
    bool received = false;

    while (s->state == SIM_SOCK_OPEN && !s->paused && s->arrived.size > 0) {
        size_t size = part_of(s);

        s->events->received(s->owner, bytes_of(s->arrived.at, size));
        if (process->dead)
            return;
        buf_consume(&s->arrived, size);
        received = true;
    }
    if (received && s->peer != NULL)
        sim_net_deliver(s->peer); /* there is room again */
}

/* While paused the end is noticed by a send only, or by not getting through at all. */
static bool end_is_due(const struct sim_sock *s)
{
    if (s->state != SIM_SOCK_OPEN)
        return false;
    if (s->paused)
        return s->broken && (s->head.sending || s->refused);
    return s->end_seen && s->arrived.size == 0;
}

static void tell_end(struct sim_sock *s)
{
    if (s->state == SIM_SOCK_DRAINING && s->broken)
        s->state = SIM_SOCK_CLOSING;
    if (!end_is_due(s))
        return;
    s->state = SIM_SOCK_ENDED;
    s->events->ended(s->owner, s->reason);
}

/* What has arrived and was not told goes with it. */
static void tell_parted(struct sim_sock *s)
{
    const struct io_sock_events *events = s->events;
    void *owner = s->owner;

    if (!s->parting || s->state != SIM_SOCK_OPEN || s->head.sending || s->paused || s->end_seen ||
        s->broken || s->is_ready)
        return;
    s->parting = false;
    s->passing = true;
    s->state = SIM_SOCK_NEW;
    s->events = NULL;
    s->owner = NULL;
    events->parted(owner, (int64_t)(uintptr_t)s);
}

static void tell_closed(struct sim_sock *s)
{
    const struct io_sock_events *events = s->events;
    void *owner = s->owner;

    sim_trace(s->sim, s->node, "closes", 0, 0, 0);
    sim_net_hang_up(s);
    if (events != NULL)
        events->closed(owner);
}

/* Each may change the state, and each may crash the node. */
static void tell(struct sim_sock *s)
{
    struct sim_process *process = s->process;
    struct io_listener *listener = s->listener;

    if (listener != NULL) {
        s->listener = NULL;
        listener->accepted(listener->context, &s->head, &s->address);
    }
    if (!process->dead)
        tell_sent(s);
    if (!process->dead)
        tell_received(s);
    if (!process->dead)
        tell_end(s);
    if (!process->dead)
        tell_parted(s);
    if (!process->dead && s->state == SIM_SOCK_CLOSING && !s->is_ready)
        tell_closed(s); /* else the list of ready ones would still name it */
}

/* What becomes ready meanwhile waits for the next turn. */
void sim_net_tell(struct sim_process *process)
{
    struct sim_sock *s = process->ready_first;
    struct sim_sock *next;

    process->ready_first = NULL;
    process->ready_last = &process->ready_first;
    for (; s != NULL && !process->dead; s = next) {
        next = s->ready_next;
        s->is_ready = false;
        tell(s);
    }
}

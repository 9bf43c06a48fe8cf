#include "server/clients/client.h"

#include <stdio.h>

#include "base/heap.h"
#include "server/clients/client_priv.h"
#include "server/clients/proto.h"
#include "server/clients/trace.h"

#define SECOND_NS       INT64_C(1000000000)
#define RTT_GOOD_FOR_NS (3600 * SECOND_NS)
#define RETIRING_FIRST  16u
#define LEAVING_MOST    1024u /* of those that leave, at once behind a publish */

/* ---- beginning and end ---------------------------------------------------------------------- */

static void set_label(struct client *client, const char *address, const char *kind)
{
    char label[192];

    snprintf(label, sizeof(label), "%s:%u - %s:%llu", address, client->port, kind,
             (unsigned long long)client->id);
    heap_give(client->label);
    client->label = heap_text(bytes_of_text(label));
}

void client_init(struct client *client, struct clients *clients, const char *address, uint16_t port,
                 const char *nonce, int64_t now_ns)
{
    *client = (struct client){
        .clients = clients,
        .account = clients->account,
        .unproven = clients->auth != NULL && clients->auth->required,
        .payload_max = clients->options->max_payload,
        .subs_max = clients->options->max_subscriptions,
        .trace = clients->trace,
        .id = clients->ids != NULL ? atomic_fetch_add(clients->ids, 1) + 1 : ++clients->id_last,
        .type = CONNECTION_STANDARD,
        .port = port,
        .address = heap_text(bytes_of_text(address)),
        .verbose = true,
        .pedantic = true,
        .echo = true,
        .ping_due_ns = now_ns + clients->options->ping_interval_ns,
        .last_in_ns = now_ns,
        .rtt_taken_ns = INT64_MIN,
        .start_ns = now_ns,
    };
    set_label(client, address, "cid");
    if (nonce != NULL)
        snprintf(client->nonce, sizeof(client->nonce), "%s", nonce);
    buf_init(&client->late, CLIENT_LATE_MAX);
    buf_init(&client->in, SIZE_MAX / 2);
    buf_init(&client->out, SIZE_MAX / 2);
    logger_debug(clients->logger, "%s - Client connection created", client->label);
}

void client_over_websocket(struct client *client, const struct info_door *door,
                           const struct client_cookies *cookies, const char *address)
{
    char both[128];

    client->type = CONNECTION_WEBSOCKET;
    client->unproven =
        client->clients->auth != NULL && auth_required(client->clients->auth, client->type);
    client->door = door;
    client->cookies = cookies;
    if (address == NULL) {
        set_label(client, client->address, "wid");
        return;
    }
    snprintf(both, sizeof(both), "%s/%s", address, client->address);
    set_label(client, both, "wid");
    heap_give(client->address);
    client->address = heap_text(bytes_of_text(address));
}

void client_greet(struct client *client)
{
    client_out_info(client, false);
}

void client_deinit(struct client *client)
{
    assert(client->subs.count == 0);
    assert(!client->dirty);
    client_not_awaited(client);
    client_subs_remove_all(&client->subs, &client->clients->sub_pool); /* what is kept for more */
    client_unbind(client);
    client_proof_drop(client);
    buf_deinit(&client->late);
    clients_spare_give(client->clients, &client->in);
    clients_spare_give(client->clients, &client->out);
    heap_give(client->address);
    heap_give(client->label);
    heap_give(client->said);
    heap_give(client->claimed);
}

/* ---- states --------------------------------------------------------------------------------- */

void client_doom(struct client *client, const char *reason)
{
    if (client->state == CLIENT_DOOMED)
        return;
    if (client->state == CLIENT_OPEN)
        client->reason = reason;
    client->state = CLIENT_DOOMED;
    client->deaf = true;
    client_mark(client);
}

void client_pause(struct client *client)
{
    client->pauses++;
    client_mark(client);
}

void client_resume(struct client *client)
{
    assert(client->pauses > 0);
    client->pauses--;
    client_mark(client);
}

/* ---- output --------------------------------------------------------------------------------- */

/* The peer does not keep up. It is told nothing: it would not read that either. */
static void slow_consumer(struct client *client)
{
    if (client->state == CLIENT_DOOMED)
        return;
    client->clients->stats.slow_consumers++;
    client->account->slow_consumers++;
    logger_info(client->clients->logger, "%s - Slow Consumer Detected: MaxPending of %lld Exceeded",
                client->label, (long long)client->clients->options->max_pending);
    client_doom(client, "Slow Consumer (Pending Bytes)");
}

static uint8_t *out_grow(struct client *client, size_t size)
{
    if (client->out.at == NULL)
        client->out = clients_spare_take(client->clients);
    clients_spare_widen(client->clients, &client->out, size);
    return buf_reserve(&client->out, size);
}

/* Room for `size` bytes at the end of `out`; NULL: that was too much, the client is doomed. */
static inline uint8_t *out_reserve(struct client *client, size_t size)
{
    struct buf *out = &client->out;

    if (out->size + size + client->flight > client->clients->pending_most) {
        slow_consumer(client);
        return NULL;
    }
    if (size <= out->capacity - out->size && out->at != NULL)
        return out->at + out->size;
    return out_grow(client, size);
}

void client_out(struct client *client, struct bytes b)
{
    uint8_t *at = out_reserve(client, b.size);

    if (at == NULL)
        return;
    memcpy(at, b.at, b.size);
    client->out.size += b.size;
    client_mark(client);
}

void client_out_error(struct client *client, struct bytes before, struct bytes what,
                      struct bytes after)
{
    if (client->trace)
        trace_error(client, before, what, after);
    client_out(client, BYTES("-ERR '"));
    client_out(client, before);
    client_out(client, what);
    client_out(client, after);
    client_out(client, BYTES("'\r\n"));
}

void client_inform(struct client *client)
{
    if (client->state == CLIENT_OPEN && client->protocol_1 && client->informed)
        client_out_info(client, false);
}

void client_out_info(struct client *client, bool answer)
{
    const struct info_client info = {
        .door = client->door,
        .id = client->id,
        .address = client->address,
        .nonce = client->nonce,
        .account = answer ? client->account->name : bytes_of(NULL, 0),
        .account_system = client->account->system,
        .max_payload = client->payload_max,
    };

    if (client->out.at == NULL)
        client->out = clients_spare_take(client->clients);
    info_write(&client->out, client->clients->info, &info);
    client_mark(client);
}

void client_end(struct client *client, const char *text, const char *reason)
{
    if (client->state != CLIENT_OPEN)
        return;
    if (text != NULL)
        client_out_error(client, bytes_of_text(text), BYTES(""), BYTES(""));
    if (client->state != CLIENT_OPEN) /* not even that found room */
        return;
    client->state = CLIENT_ENDING;
    client->deaf = true;
    client->reason = reason;
    client_mark(client);
}

/* ---- delivering ----------------------------------------------------------------------------- */

/* "HMSG", four single spaces beyond those, two numbers, two line ends. */
#define MESSAGE_LINE_MAX (5u + 4u + 2u * PROTO_DIGITS_MAX + 4u)

static uint8_t *put(uint8_t *at, struct bytes b)
{
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    return at + b.size;
}

static uint8_t *put_message(uint8_t *at, const struct client_sub *sub,
                            const struct message *message, struct bytes headers)
{
    if (headers.size > 0)
        *at++ = 'H';
    at = put(at, BYTES("MSG "));
    at = put(at, message->subject);
    *at++ = ' ';
    at = put(at, bytes_of(sub->sid, sub->sid_size));
    *at++ = ' ';
    if (message->reply.size > 0) {
        at = put(at, message->reply);
        *at++ = ' ';
    }
    if (headers.size > 0) {
        at = proto_write_u32(at, (uint32_t)headers.size);
        *at++ = ' ';
    }
    at = proto_write_u32(at, (uint32_t)(headers.size + message->payload.size));
    at = put(at, BYTES("\r\n"));
    at = put(at, headers);
    at = put(at, message->payload);
    return put(at, BYTES("\r\n"));
}

static void congest(struct clients *clients, struct client *producer, size_t waiting)
{
    clients->congested = true;
    if (waiting <= clients->pending_stall)
        return;
    clients->behind |= producer == NULL;
    if (producer == NULL || producer->stalled)
        return;
    producer->stalled = true;
    producer->stalls++;
    clients->stats.stalls++;
    client_mark(producer);
}

void clients_behind(struct clients *clients, struct client *producer, size_t waiting)
{
    if (waiting <= clients->pending_much)
        return;
    clients->links_behind = true;
    congest(clients, producer, waiting);
}

static void retire(struct client_sub *sub)
{
    struct clients *clients = sub->client->clients;

    if (clients->retiring_count == clients->retiring_capacity) {
        clients->retiring_capacity =
            clients->retiring_capacity == 0 ? RETIRING_FIRST : clients->retiring_capacity * 2;
        clients->retiring = heap_resize(clients->retiring,
                                        clients->retiring_capacity * sizeof(struct client_sub *));
    }
    clients->retiring[clients->retiring_count++] = sub;
}

/* It is one of many, perhaps, that are to leave, and the next publish would pass it by, too. As one
 * that had its last delivery it is not taken twice. */
static void retire_leaving(struct client_sub *sub)
{
    const struct client *client = sub->client;

    if (!client->leaving || client->clients->retiring_count >= LEAVING_MOST ||
        (sub->max > 0 && sub->delivered >= sub->max))
        return;
    sub->max = sub->delivered = 1;
    retire(sub);
}

static bool is_unstalled(const struct clients *clients, const struct message *message)
{
    return clients->options->no_fast_producer_stall && message->published;
}

bool client_does_without(const struct client *client, const struct message *message)
{
    return client_waiting(client) > client->clients->pending_stall &&
           is_unstalled(client->clients, message);
}

static void tell_producer(const struct client *client, const struct message *message)
{
    struct clients *clients = client->clients;
    size_t size = client_waiting(client);

    if (size <= clients->pending_much)
        return;
    if (is_unstalled(clients, message) && size > clients->pending_stall)
        size = clients->pending_stall;
    congest(clients, message->origin, size);
}

bool client_deliver(struct client_sub *sub, const struct message *message)
{
    struct client *client = sub->client;
    struct clients *clients = client->clients;
    struct bytes headers = client->headers ? message->headers : bytes_of(NULL, 0);
    size_t size = headers.size + message->payload.size;
    uint8_t *at, *end;

    if (client->deaf) {
        retire_leaving(sub);
        return false;
    }
    if (message->origin == client && !client->echo)
        return false;
    if (sub->max > 0 && sub->delivered >= sub->max)
        return false;
    if (!client_sub_stands(sub))
        return false;
    if (sub->filtered && !permissions_deliver(client->permissions, message->subject))
        return false;
    if (client_does_without(client, message))
        return false;
    assert(size <= UINT32_MAX);
    at = out_reserve(client, MESSAGE_LINE_MAX + message->subject.size + sub->sid_size +
                                 message->reply.size + size);
    if (at == NULL)
        return false;

    end = put_message(at, sub, message, headers);
    client->out.size += (size_t)(end - at);
    assert(client->out.size <= client->out.capacity);
    clients->stats.out_messages++;
    clients->stats.out_bytes += size;
    traffic_add(&client->sent, size);
    traffic_add(&client->account->sent, size);
    sub->delivered++;
    if (sub->delivered == sub->max)
        retire(sub);
    client_mark(client);
    if (client->grants != NULL && message->reply.size > 0)
        client_grant(client, message->reply);
    tell_producer(client, message);
    if (client->trace)
        trace_message(client, bytes_of(at, (size_t)(end - at)));
    return true;
}

/* One that sends needs no ping, unless its round trip has not been measured for long. */
static bool ping_needed(const struct client *client, int64_t now_ns)
{
    if (client->rtt_taken_ns == INT64_MIN || now_ns - client->rtt_taken_ns > RTT_GOOD_FOR_NS)
        return true;
    return now_ns - client->last_in_ns >= client_ping_interval(client);
}

void client_ping(struct client *client, int64_t now_ns)
{
    client->ping_due_ns = now_ns + client_ping_interval(client);
    if (client->state != CLIENT_OPEN || !ping_needed(client, now_ns))
        return;
    if (client->stalled) /* its answers are not heard: the deadline of writes is for who is gone */
        return;
    if (client->pings_out >= client->clients->options->ping_max) {
        client->clients->stats.stale++;
        client_end(client, "Stale Connection", "Stale Connection");
        return;
    }
    client->pings_out++;
    client->ping_sent_ns = now_ns;
    if (client->trace)
        trace_out(client, "PING");
    client_out(client, BYTES("PING\r\n"));
}

/*
 * jetstream_forward: what arrives at this node and is for the leader of a stream, or of the
 * metadata group, on another: it goes there once, and no further. While no leader is known it
 * waits, in order, for a while: an election takes less than a client's patience.
 */
#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/api/api.h"
#include "server/jetstream/jetstream_cluster_priv.h"
#include "server/router/message_trace.h"

#define HEAD_SIZE             16u
#define API_REQUEST_BYTES_MAX (66u << 20) /* a message of the largest payload, and its subjects */

struct forward_waiting {
    struct forward_waiting *next;
    struct account *account;
    uint64_t id;
    int64_t deadline_ns;
    size_t size;
    struct message message; /* views into what follows the struct */
};

/* ---- frames --------------------------------------------------------------------------------- */

static void write_head(uint8_t head[HEAD_SIZE], struct bytes account, const struct message *message)
{
    uint8_t *at = head;

    at = encode_u16(at, (uint16_t)account.size);
    at = encode_u16(at, (uint16_t)message->subject.size);
    at = encode_u16(at, (uint16_t)message->reply.size);
    at = encode_u16(at, 0);
    at = encode_u32(at, (uint32_t)message->headers.size);
    (void)encode_u32(at, (uint32_t)message->payload.size);
}

bool forward_write(struct buf *out, struct bytes account, const struct message *message)
{
    uint8_t head[HEAD_SIZE];

    if (message->subject.size > UINT16_MAX || message->reply.size > UINT16_MAX)
        return false;
    write_head(head, account, message);
    return buf_add(out, bytes_of(head, sizeof head)) && buf_add(out, account) &&
           buf_add(out, message->subject) && buf_add(out, message->reply) &&
           buf_add(out, message->headers) && buf_add(out, message->payload);
}

bool forward_read(struct bytes body, struct bytes *account, struct message *message)
{
    uint16_t account_size, subject_size, reply_size;
    uint32_t headers_size, payload_size;
    struct decoder in;

    decoder_init(&in, body);
    account_size = decode_u16(&in);
    subject_size = decode_u16(&in);
    reply_size = decode_u16(&in);
    (void)decode_u16(&in);
    headers_size = decode_u32(&in);
    payload_size = decode_u32(&in);
    *account = decode_bytes(&in, account_size);
    *message = (struct message){.forwarded = true};
    message->subject = decode_bytes(&in, subject_size);
    message->reply = decode_bytes(&in, reply_size);
    message->headers = decode_bytes(&in, headers_size);
    message->payload = decode_bytes(&in, payload_size);
    return !in.failed && in.rest.size == 0;
}

static bool send(struct jetstream_cluster *cluster, uint64_t node, struct account *account,
                 const struct message *message)
{
    struct bytes name = account_name(account);
    uint8_t head[HEAD_SIZE];
    struct bytes pieces[] = {
        bytes_of(head, sizeof head),
        name,
        message->subject,
        message->reply,
        message->headers,
        message->payload,
    };

    if (message->subject.size > UINT16_MAX || message->reply.size > UINT16_MAX)
        return false;
    write_head(head, name, message);
    return cluster_send(cluster->cluster, node, JETSTREAM_FORWARD, CLUSTER_MESSAGES, pieces,
                        sizeof pieces / sizeof pieces[0]);
}

/* ---- waiting for a leader ------------------------------------------------------------------- */

static struct bytes place(uint8_t **at, struct bytes b)
{
    struct bytes placed = bytes_of(*at, b.size);

    *at = encode_bytes(*at, b);
    return placed;
}

/* Is another message for the same leader ahead of this one? Then it waits, too. */
static bool has_waiting(const struct jetstream_cluster *cluster, uint64_t id)
{
    return map64_find(&cluster->waiting_for, id) != NULL;
}

static void add_last(struct jetstream_cluster *cluster, struct forward_waiting *waiting)
{
    waiting->next = NULL;
    if (cluster->waiting_last != NULL)
        cluster->waiting_last->next = waiting;
    else
        cluster->waiting_first = waiting;
    cluster->waiting_last = waiting;
    (void)map64_put(&cluster->waiting_for, waiting->id);
}

/* Whatever exceeds the bound is dropped: its client tries again. */
static void wait(struct jetstream_cluster *cluster, struct account *account, uint64_t id,
                 const struct message *message, int64_t deadline_ns)
{
    size_t size = sizeof(struct forward_waiting) + message->subject.size + message->reply.size +
                  message->headers.size + message->payload.size;
    struct forward_waiting *waiting;
    uint8_t *at;

    if (cluster->waiting_count >= FORWARD_WAITING_MAX ||
        cluster->waiting_bytes + size > FORWARD_WAITING_BYTES_MAX)
        return;
    waiting = heap_take(size);
    *waiting = (struct forward_waiting){
        .account = account, .id = id, .deadline_ns = deadline_ns, .size = size};
    at = (uint8_t *)(waiting + 1);
    waiting->message.subject = place(&at, message->subject);
    waiting->message.reply = place(&at, message->reply);
    waiting->message.headers = place(&at, message->headers);
    waiting->message.payload = place(&at, message->payload);
    waiting->message.forwarded = true;
    add_last(cluster, waiting);
    cluster->waiting_count++;
    cluster->waiting_bytes += size;
    jetstream_awake(cluster->jetstream);
}

/* Which node leads; 0: not known, or it cannot be reached. */
static uint64_t leader_of(struct jetstream_cluster *cluster, uint64_t id)
{
    struct jetstream *jetstream = cluster->jetstream;
    const struct catalogue_entry *entry;
    uint64_t leader = 0;

    if (id == CATALOGUE_LOG_ID) {
        if (jetstream->lead)
            return cluster_self_id(cluster);
        leader = jetstream->meta != NULL ? replica_leader(jetstream->meta).node : 0;
    } else if ((entry = catalogue_find(&jetstream->catalogue, id)) != NULL) {
        if (jetstream_leads_here(entry))
            return cluster_self_id(cluster);
        leader = entry->leader;
    }
    /* A replica here that has just lost leadership, or not begun it, is no leader. */
    if (leader != cluster_self_id(cluster) && groups_node_up(jetstream->home->groups, leader))
        return leader;
    jetstream_lanes_want(jetstream, id);
    return 0;
}

struct bytes forward_name(struct jetstream_cluster *cluster, uint64_t id, uint64_t *connection,
                          bool *traces)
{
    uint64_t leader = leader_of(cluster, id);
    const struct cluster_node *node = leader != 0 ? cluster_node(cluster->cluster, leader) : NULL;

    *connection = node != NULL ? cluster_rid(cluster->cluster, leader) : 0;
    *traces = node == NULL || (node->features & CLUSTER_FEATURE_TRACES) != 0;
    return node != NULL ? node->name : bytes_of(NULL, 0);
}

bool jetstream_forward(struct jetstream *jetstream, struct account *account, uint64_t id,
                       const struct message *message)
{
    struct jetstream_cluster *cluster = jetstream->cluster;
    int64_t now;
    uint64_t leader;

    if (cluster == NULL)
        return false;
    account = stream_lane_account(jetstream->home, account); /* a stream may say it, of its lane */
    leader = leader_of(cluster, id);
    now = io_now(server_io(jetstream->server));
    if (leader == cluster_self_id(cluster))
        return false;
    if (message
            ->forwarded) /* one hop; the sender's knowledge was old. It is refused in the turn. */
        wait(cluster, account, id, message, now);
    else if (leader == 0 || has_waiting(cluster, id) || !send(cluster, leader, account, message) ||
             jetstream_flawed(jetstream, JETSTREAM_FLAW_FORWARD_TWICE))
        wait(cluster, account, id, message, now + FORWARD_DEADLINE_NS);
    return true;
}

/* ---- the turn ------------------------------------------------------------------------------- */

static void refuse(struct jetstream_cluster *cluster, const struct forward_waiting *waiting)
{
    static const char error[] = "{\"error\":{\"code\":503,\"err_code\":10008,"
                                "\"description\":\"JetStream system temporarily unavailable\"}}";
    bool api = bytes_starts(waiting->message.subject, BYTES("$JS.API.")) &&
               !bytes_starts(waiting->message.subject, BYTES("$JS.API.DIRECT.")) &&
               !bytes_starts(waiting->message.subject, BYTES("$JS.API.CONSUMER.MSG."));

    jetstream_answer(cluster->jetstream, waiting->account, waiting->message.reply,
                     api ? bytes_of(NULL, 0) : BYTES("NATS/1.0 503\r\n\r\n"),
                     api ? bytes_of_text(error) : bytes_of(NULL, 0));
}

static void deliver_here(struct jetstream_cluster *cluster, struct account *account,
                         const struct message *message)
{
    struct router *router = server_router(cluster->jetstream->server);

    if (router_publish_sinks(router, account, message) == 0)
        jetstream_answer(cluster->jetstream, account, message->reply, BYTES("NATS/1.0 503\r\n\r\n"),
                         bytes_of(NULL, 0));
}

#define WAIT_UNTRIED(cluster) jetstream_flawed((cluster)->jetstream, JETSTREAM_FLAW_WAIT_UNTRIED)

/* True: it has left. Only the first may go to the leader: what is behind it keeps its order, or is
 * refused when its time is over. */
static bool try(struct jetstream_cluster *cluster, struct forward_waiting *waiting, bool first,
                int64_t now)
{
    uint64_t leader = first ? leader_of(cluster, waiting->id) : 0;

    if (leader == cluster_self_id(cluster))
        deliver_here(cluster, waiting->account, &waiting->message);
    else if (waiting->deadline_ns <= now)
        refuse(cluster, waiting);
    else if (leader == 0 || !send(cluster, leader, waiting->account, &waiting->message))
        return false;
    return true;
}

void forward_turn(struct jetstream_cluster *cluster)
{
    struct io *io = server_io(cluster->jetstream->server);
    struct forward_waiting *list = cluster->waiting_first;
    int64_t now = io_now(io), nearest = INT64_MAX;

    /* Whoever stays is put back, so that what has been put back is what is ahead of the next. */
    cluster->waiting_first = cluster->waiting_last = NULL;
    map64_deinit(&cluster->waiting_for);
    while (list != NULL) {
        struct forward_waiting *waiting = list;
        bool first = !has_waiting(cluster, waiting->id); /* of those that wait for that leader */

        list = list->next;
        if ((first || (waiting->deadline_ns <= now && !WAIT_UNTRIED(cluster))) &&
            try(cluster, waiting, first, now)) {
            cluster->waiting_count--;
            cluster->waiting_bytes -= waiting->size;
            heap_give(waiting);
            continue;
        }
        nearest = waiting->deadline_ns < nearest ? waiting->deadline_ns : nearest;
        add_last(cluster, waiting);
    }
    if (nearest != INT64_MAX)
        timers_arm(io_timers(io), &cluster->waiting_timer, nearest);
}

void forward_fired(struct timer *timer)
{
    (void)timer; /* its only purpose is that the loop turns */
}

void forward_free(struct jetstream_cluster *cluster)
{
    timers_cancel(io_timers(server_io(cluster->jetstream->server)), &cluster->waiting_timer);
    while (cluster->waiting_first != NULL) {
        struct forward_waiting *waiting = cluster->waiting_first;

        cluster->waiting_first = waiting->next;
        heap_give(waiting);
    }
    map64_deinit(&cluster->waiting_for);
}

/* ---- what other nodes send ------------------------------------------------------------------ */

/* One that may ask to be traced. */
static void receive_hinted(struct jetstream_cluster *cluster, uint64_t node,
                           struct account *account, struct message *message)
{
    const struct trace_peer from = {
        .kind = TRACE_ROUTE,
        .id = cluster_rid(cluster->cluster, node),
        .name = cluster_node(cluster->cluster, node)->name,
    };

    if (message_trace_routed(server_router(cluster->jetstream->server), account, &from, message,
                             &message->trace))
        deliver_here(cluster, account, message);
    message_trace_end(message->trace);
}

void forward_received(struct jetstream_cluster *cluster, uint64_t node, struct bytes body)
{
    struct account *account;
    struct message message;
    struct bytes name;

    if (!forward_read(body, &name, &message))
        return;
    account = router_account(server_router(cluster->jetstream->server), name);
    if (account == NULL)
        return;
    if (message_trace_hinted(account, message.headers))
        receive_hinted(cluster, node, account, &message);
    else
        deliver_here(cluster, account, &message);
}

/* ---- answers that the stream's leader gives ------------------------------------------------- */

#define CHANGED_HEAD 8u

bool jetstream_hand_answer(struct jetstream *jetstream, const struct catalogue_entry *entry,
                           const struct catalogue_op *op, const struct message *message)
{
    struct jetstream_cluster *cluster = jetstream->cluster;
    uint8_t head[CHANGED_HEAD] = {(uint8_t)op->kind, op->created};
    struct bytes body;
    struct buf out;

    if (cluster == NULL || entry->leader == cluster_self_id(cluster))
        return false;
    buf_init(&out, API_REQUEST_BYTES_MAX);
    if (buf_add(&out, bytes_of(head, sizeof head)) &&
        forward_write(&out, account_name(op->account), message)) {
        body = buf_bytes(&out);
        (void)cluster_send(cluster->cluster, entry->leader, JETSTREAM_CHANGED, CLUSTER_MESSAGES,
                           &body, 1);
    }
    buf_deinit(&out);
    return true;
}

void changed_received(struct jetstream_cluster *cluster, struct bytes body)
{
    struct jetstream *jetstream = cluster->jetstream;
    struct catalogue_entry *entry;
    struct account *account;
    struct message message;
    struct bytes account_text, name;
    size_t skipped;

    if (body.size < CHANGED_HEAD ||
        (body.at[0] > CATALOGUE_UPDATE && body.at[0] != CATALOGUE_RESTORE) ||
        !forward_read(bytes_skip(body, CHANGED_HEAD), &account_text, &message))
        return;
    account = router_account(server_router(jetstream->server), account_text);
    /* $JS.API.STREAM.CREATE.<name>, or UPDATE, or RESTORE */
    skipped = body.at[0] == CATALOGUE_RESTORE ? 23 : 22;
    name = bytes_skip(message.subject,
                      message.subject.size < skipped ? message.subject.size : skipped);
    entry = account != NULL ? jetstream_entry(jetstream, account, name) : NULL;
    if (entry != NULL && entry->stream != NULL && stream_leads(entry->stream))
        api_changed(jetstream->api, account, &message, entry, (enum catalogue_op_kind)body.at[0],
                    body.at[1] != 0);
}

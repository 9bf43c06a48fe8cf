#include "base/heap.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/subject.h"
#include "server/clients/client_priv.h"
#include "server/clients/client_row.h"
#include "server/clients/client_trace.h"
#include "server/clients/connect.h"
#include "server/clients/trace.h"
#include "server/router/mappings.h"
#include "server/router/router_priv.h"

#define SECOND_NS     INT64_C(1000000000)
#define PING_FIRST_NS (2 * SECOND_NS)
#define LABEL_MAX     512u

#define ERROR_LOGGED_MAX 200u

static void client_ok(struct client *client)
{
    if (!client->verbose)
        return;
    if (client->trace)
        trace_out(client, "OK");
    client_out(client, BYTES("+OK\r\n"));
}

/* ---- subscriptions -------------------------------------------------------------------------- */

static void sub_remove(struct client *client, struct client_sub *sub)
{
    client->unchecked -= sub->round != client->round;
    sublist_remove(&client->account->subs, &sub->sub);
    client_subs_remove(&client->subs, &client->clients->sub_pool, sub);
}

void client_sub_end(struct client_sub *sub)
{
    struct client *client = sub->client;

    if (client->trace)
        trace_unsubscribed(client, client_sub_sid(sub));
    sub_remove(client, sub);
}

void clients_retire(struct clients *clients)
{
    while (clients->retiring_count > 0)
        client_sub_end(clients->retiring[--clients->retiring_count]);
}

void client_leave(struct client *client)
{
    struct client_subs_pool *pool = &client->clients->sub_pool;
    struct client_sub *sub;

    for (struct client_subs_walk at = {0}; (sub = client_sub_next(client, &at)) != NULL;)
        sublist_remove(&client->account->subs, &sub->sub);
    client_subs_remove_all(&client->subs, pool);
    client->unchecked = 0;
}

/* A walk passes over some when others are removed: it begins anew while any is left. */
bool client_leave_part(struct client *client, uint32_t *most)
{
    struct client_sub *sub;

    assert(client->deaf);
    client->leaving = true;
    for (; client->subs.count > 0 && *most > 0; --*most) {
        sub = client_sub_next(client, &client->leave_at);
        if (sub != NULL)
            sub_remove(client, sub);
        else
            client->leave_at = (struct client_subs_walk){0};
    }
    return client->subs.count == 0;
}

static struct client_sub *sub_find(const struct client *client, struct bytes sid)
{
    return client_subs_find(&client->subs, &client->clients->sub_pool, sid);
}

static void sub_add(struct client *client, const struct proto_sub *said)
{
    struct client_sub *sub = client_subs_add(&client->subs, &client->clients->sub_pool, said->sid);

    sub->sub.kind = SUB_CLIENT;
    sub->client = client;
    sub->round = client->round & (CLIENT_SUB_ROUNDS - 1);
    sub->filtered = client->permissions != NULL &&
                    permissions_subscribe_leaks(client->permissions, said->subject);
    sublist_add(&client->account->subs, &sub->sub, said->subject, said->queue);
}

static bool subject_acceptable(struct bytes subject)
{
    struct subject_glance seen = subject_glance(subject);

    if (seen.empty || seen.dots >= SUBJECT_TOKENS_MAX)
        return false;
    return !seen.wild || subject_valid(subject);
}

/* -ERR 'Permissions Violation for Subscription to "subject" using queue "queue"' */
static void subscribe_refused(struct client *client, const struct proto_sub *said)
{
    struct buf text;

    logger_error(client->clients->logger,
                 "%s - Subscription Violation - %.*s, Subject \"%.*s\", SID %.*s", client->label,
                 BYTES_ARG(client_user_text(client)), BYTES_ARG(said->subject),
                 BYTES_ARG(said->sid));
    if (said->queue.size == 0) {
        client_out_error(client, BYTES("Permissions Violation for Subscription to \""),
                         said->subject, BYTES("\""));
        return;
    }
    buf_init(&text, SIZE_MAX / 2);
    (void)buf_add(&text, said->subject);
    (void)BUF_ADD(&text, "\" using queue \"");
    (void)buf_add(&text, said->queue);
    client_out_error(client, BYTES("Permissions Violation for Subscription to \""),
                     buf_bytes(&text), BYTES("\""));
    buf_deinit(&text);
}

static bool subscribe_within_limits(struct client *client, const struct proto_sub *said)
{
    int64_t tokens_max = client->clients->options->max_subscription_tokens;

    if (tokens_max > 0 && (int64_t)subject_token_count(said->subject) > tokens_max) {
        client_out_error(client, BYTES("Permissions Violation for Subscription to \""),
                         said->subject, BYTES("\", too many tokens"));
        return false;
    }
    if (client->subs_max > 0 && (int64_t)client->subs.count >= client->subs_max) {
        CLIENT_OUT_ERROR(client, "maximum subscriptions exceeded");
        return false;
    }
    return true;
}

void client_subscribe(struct client *client, const struct proto_sub *said)
{
    if (bytes_equal(said->queue, BYTES("_sys_")) || !client_may_subscribe(client, said)) {
        subscribe_refused(client, said);
        return;
    }
    if (!subscribe_within_limits(client, said))
        return;
    /* A sid in use keeps its subscription; whatever else the line asks for is accepted and ignored.
     */
    if (sub_find(client, said->sid) == NULL) {
        if (!subject_acceptable(said->subject)) {
            CLIENT_OUT_ERROR(client, "Invalid Subject");
            return;
        }
        sub_add(client, said);
    }
    client_ok(client);
}

void client_unsubscribe(struct client *client, const struct proto_unsub *said)
{
    struct client_sub *sub = sub_find(client, said->sid);

    if (sub != NULL && said->max > sub->delivered)
        sub->max = said->max;
    else if (sub != NULL)
        client_sub_end(sub);
    client_ok(client);
}

/* ---- publishing ----------------------------------------------------------------------------- */

static bool longer_than(struct bytes b, struct bytes prefix)
{
    return b.size > prefix.size && bytes_starts(b, prefix);
}

/* Subjects that only servers among themselves may publish to. */
static inline bool subject_reserved(const struct client *client, struct bytes subject)
{
    switch (subject.at[0]) {
    case '_': return longer_than(subject, BYTES("_GR_."));
    case '$': return bytes_starts(subject, BYTES("$NRG.")) && !client->account->system;
    default: return false;
    }
}

static inline bool reply_reserved(struct bytes reply)
{
    switch (reply.at[0]) {
    case '_': return bytes_starts(reply, BYTES("_R_.")) || longer_than(reply, BYTES("_GR_."));
    case '$': return longer_than(reply, BYTES("$JS.ACK."));
    default: return false;
    }
}

/* Nobody received a request: its sender is told at once, if it listens where the reply would go. */
static void no_responders(struct client *client, const struct message *request)
{
    static const char status[] = "NATS/1.0 503\r\nNats-Subject: ";
    struct client_sub *sub;
    uint32_t size = (uint32_t)(sizeof(status) - 1 + request->subject.size + 4);
    uint8_t digits[PROTO_DIGITS_MAX];
    struct bytes number = {.at = digits};

    sub = router_client_sub(client->clients->router, client->account, request->reply, client);
    if (sub == NULL)
        return;
    number.size = (size_t)(proto_write_u32(digits, size) - digits);
    client_out(client, BYTES("HMSG "));
    client_out(client, request->reply);
    client_out(client, BYTES(" "));
    client_out(client, client_sub_sid(sub));
    client_out(client, BYTES(" "));
    client_out(client, number);
    client_out(client, BYTES(" "));
    client_out(client, number);
    client_out(client, BYTES("\r\n"));
    client_out(client, bytes_of(status, sizeof(status) - 1));
    client_out(client, request->subject);
    client_out(client, BYTES("\r\n\r\n\r\n"));
}

void client_nobody(struct client *client, const struct message *request)
{
    if (!client->deaf && client->no_responders && request->reply.size > 0)
        no_responders(client, request);
}

void client_publish_refused(struct client *client, struct bytes subject)
{
    logger_error(client->clients->logger, "%s - Publish Violation - %.*s, Subject \"%.*s\"",
                 client->label, BYTES_ARG(client_user_text(client)), BYTES_ARG(subject));
    client_out_error(client, BYTES("Permissions Violation for Publish to \""), subject,
                     BYTES("\""));
}

static inline void count(struct client *client, size_t size)
{
    client->clients->stats.in_messages++;
    client->clients->stats.in_bytes += size;
    traffic_add(&client->received, size);
    traffic_add(&client->account->received, size);
}

static void refuse_subject(struct client *client, const struct message *message)
{
    if (message->trace != NULL)
        message_trace_refused(message->trace, "Permissions Violation for Publish to ",
                              message->subject);
    client_publish_refused(client, message->subject);
}

static void refuse_reply(struct client *client, const struct message *message)
{
    if (message->trace != NULL)
        message_trace_refused(message->trace, "Permissions Violation for Publish with Reply of ",
                              message->reply);
    client_out_error(client, BYTES("Permissions Violation for Publish with Reply of \""),
                     message->reply, BYTES("\""));
}

/* `size` is what counts of it. */
static inline void publish(struct client *client, const struct message *message, size_t size)
{
    struct clients *clients = client->clients;

    count(client, size);
    if (client->pedantic && !subject_literal(message->subject))
        CLIENT_OUT_ERROR(
            client, "Invalid Publish Subject"); /* and yet it is routed: the reference has it so */
    if (subject_reserved(client, message->subject) ||
        !client_may_publish(client, message->subject)) {
        refuse_subject(client, message);
        return;
    }
    if (message->reply.size > 0 && reply_reserved(message->reply)) {
        refuse_reply(client, message);
        return;
    }
    client_ok(client);
    if (router_publish(clients->router, client->account, message) == 0 && client->no_responders &&
        message->reply.size > 0)
        no_responders(client, message);
}

/* Requests to JetStream in this server's domain are requests to this server's JetStream, and so are
   buckets' keys. */
static void publish_in_domain(struct client *client, const struct message *message, size_t size)
{
    struct message mapped = *message;
    struct buf subject;

    buf_init(&subject, SIZE_MAX / 2);
    clients_in_domain(client->clients, message->subject, &subject);
    mapped.subject = buf_bytes(&subject);
    publish(client, &mapped, size);
    buf_deinit(&subject);
}

/* Dropped, as the account's mappings say: nobody receives it, and a request is told so. */
static void publish_lost(struct client *client, const struct message *message, size_t size)
{
    count(client, size);
    client_ok(client);
    if (client->no_responders && message->reply.size > 0)
        no_responders(client, message);
}

/* As the account's mappings make it of what was said. */
static void publish_mapped(struct client *client, const struct message *message, size_t size)
{
    struct message mapped = *message;
    struct buf subject;

    buf_init(&subject, SIZE_MAX / 2);
    switch (mappings_apply(client->account->mappings, message->subject, &client->clients->prng,
                           &subject)) {
    case MAPPED_SAME: publish(client, message, size); break;
    case MAPPED_LOST: publish_lost(client, message, size); break;
    case MAPPED_OTHER:
        mapped.subject = buf_bytes(&subject);
        if (message->trace != NULL)
            message_trace_mapped(message->trace, mapped.subject);
        publish(client, &mapped, size);
        break;
    }
    buf_deinit(&subject);
}

static inline void publish_message(struct client *client, const struct message *message,
                                   size_t size)
{
    const char *domain_api = client->clients->domain_api;

    if (domain_api[0] != 0 && bytes_starts(message->subject, bytes_of_text(domain_api)))
        publish_in_domain(client, message, size);
    else if (client->account->mappings != NULL)
        publish_mapped(client, message, size);
    else
        publish(client, message, size);
}

/* One that may ask to be traced. */
static void publish_hinted(struct client *client, struct message *message, size_t size)
{
    struct buf headers;

    buf_init(&headers, SIZE_MAX / 2);
    if (client_trace_begin(client, message, size, &headers))
        publish_message(client, message, size);
    else
        count(client, size);
    message_trace_end(message->trace);
    buf_deinit(&headers);
}

void client_publish(struct client *client, const struct proto_pub *pub, const uint8_t *body)
{
    struct message message = {
        .subject = pub->subject,
        .reply = pub->reply,
        .headers = bytes_of(body, pub->header_size),
        .payload = bytes_of(body + pub->header_size, pub->size - pub->header_size),
        .origin = client,
        .published = true,
    };

    if (message_trace_hinted(client->account, message.headers))
        publish_hinted(client, &message, pub->size);
    else
        publish_message(client, &message, pub->size);
}

/* ---- CONNECT, INFO, PING, PONG -------------------------------------------------------------- */

static void label_add(char label[LABEL_MAX], size_t *size, struct bytes b)
{
    size_t room = LABEL_MAX - 1 - *size;

    if (b.size > room)
        b.size = room;
    if (b.size > 0)
        memcpy(label + *size, b.at, b.size);
    *size += b.size;
}

/* Quoted: whatever a client calls itself, it is one word of one line. */
static void label_quote(char label[LABEL_MAX], size_t *size, const struct bytes *parts,
                        size_t count)
{
    struct buf text;

    buf_init(&text, LABEL_MAX);
    for (size_t i = 0; i < count; i++)
        (void)logger_quote(&text, parts[i]);
    label_add(label, size, BYTES(" - \""));
    label_add(label, size, buf_bytes(&text));
    label_add(label, size, BYTES("\""));
    buf_deinit(&text);
}

/* "v1.2:lang:name", of which each may be missing. */
static void label_library(char label[LABEL_MAX], size_t *size, const struct connect *said)
{
    const struct bytes given[] = {said->version, said->lang, said->name};
    struct bytes parts[6];
    size_t count = 0;

    for (size_t i = 0; i < 3; i++) {
        if (given[i].size == 0)
            continue;
        if (count > 0)
            parts[count++] = BYTES(":");
        else if (i == 0)
            parts[count++] = BYTES("v");
        parts[count++] = given[i];
    }
    if (count > 0)
        label_quote(label, size, parts, count);
}

/* How the log calls it from now on; what the client says is kept short. */
static void label_extend(struct client *client, const struct connect *said)
{
    size_t size = strlen(client->label);
    char label[LABEL_MAX];

    size = size < LABEL_MAX ? size : 0;
    memcpy(label, client->label, size);
    label_library(label, &size, said);
    if (client->user != NULL) {
        const struct bytes parts[] = {client->account->name,
                                      client->user->options->nkey.size > 0 ? BYTES("/nkey:")
                                                                           : BYTES("/user:"),
                                      auth_user_name(client->user)};

        label_quote(label, &size, parts, 3);
    }
    heap_give(client->label);
    client->label = heap_text(bytes_of(label, size));
}

static void ping_first(struct client *client, int64_t now_ns)
{
    int64_t interval = client_ping_interval(client);

    interval = interval < PING_FIRST_NS ? interval : PING_FIRST_NS;
    interval += (int64_t)prng_below(&client->clients->prng, (uint64_t)interval / 5 + 1);
    client->ping_due_ns = now_ns + interval;
    client_mark(client); /* the shell looks at it */
}

static uint8_t *put_name(uint8_t *at, struct bytes name)
{
    if (name.size > 0)
        memcpy(at, name.at, name.size);
    return at + name.size;
}

static void keep_names(struct client *client, const struct connect *said)
{
    size_t size = said->name.size + said->lang.size + said->version.size;
    uint8_t *at;

    heap_give(client->said);
    client->said = NULL;
    if (size == 0)
        return;
    client->said = heap_take(sizeof(*client->said) + size);
    client->said->name = (uint32_t)said->name.size; /* they came in one protocol line */
    client->said->lang = (uint32_t)said->lang.size;
    client->said->version = (uint32_t)said->version.size;
    at = put_name(client->said->text, said->name);
    at = put_name(at, said->lang);
    (void)put_name(at, said->version);
}

bool client_connect_read(struct client *client, struct bytes args, struct connect *said)
{
    *said = (struct connect){
        .verbose = client->verbose,
        .pedantic = client->pedantic,
        .echo = client->echo,
        .headers = client->headers,
        .no_responders = client->no_responders,
        .protocol = client->protocol_1,
    };
    arena_reset(&client->clients->arena);
    return connect_read(&client->clients->arena, args, said);
}

void client_connect(struct client *client, struct bytes args, int64_t now_ns)
{
    struct connect said;

    if (client->trace) {
        arena_reset(&client->clients->arena);
        trace_connect(client, &client->clients->arena, args);
    }
    if (!client_connect_read(client, args, &said))
        client_end(client, NULL, "Protocol Violation");
    else
        client_authenticate(client, &said, args, now_ns);
}

static void tell_named(const struct client *client, int64_t now_ns)
{
    const struct client_watch *watch = client->clients->watch;
    struct client_row row;

    client_row_of_client(&row, client, now_ns);
    watch->named(watch->owner, &row);
}

void client_connected(struct client *client, const struct connect *said, int64_t now_ns)
{
    if (!client->connected)
        label_extend(client, said);
    client->connected = true;
    client->verbose = said->verbose;
    client->pedantic = said->pedantic;
    client->echo = said->echo;
    client->headers = said->headers && !client->clients->options->no_header_support;
    client->no_responders = said->no_responders;
    client->protocol_1 = said->protocol == 1;
    if (client->rtt_taken_ns == INT64_MIN)
        client->rtt_ns = now_ns - client->start_ns;
    keep_names(client, said);
    ping_first(client, now_ns);

    if (said->account_asked)
        client_end(client, "Authorization Violation", "Authentication Failure");
    else if (said->protocol != 0 && said->protocol != 1)
        client_end(client, "invalid client protocol", "Bad Client Protocol Version");
    else if (said->no_responders && !client->headers)
        client_end(client, "no responders requires headers support",
                   "No Responders Requires Headers");
    else
        client_ok(client);
    if (client->state == CLIENT_OPEN && client->clients->watch != NULL)
        tell_named(client, now_ns);
}

/* A server's line; from a client it only has to be well formed. */
void client_info(struct client *client, struct bytes args)
{
    struct arena *arena = &client->clients->arena;
    struct json_error error;
    const struct json *json;

    arena_reset(arena);
    json = json_parse(arena, args, &error);
    if (json == NULL || (json->type != JSON_OBJECT && json->type != JSON_NULL))
        client_end(client, NULL, "Protocol Violation");
}

/* The peer ends it with a reason of its own. */
void client_erred(struct client *client, struct bytes args)
{
    logger_error(client->clients->logger, "%s - Client error %.*s", client->label,
                 (int)(args.size < ERROR_LOGGED_MAX ? args.size : ERROR_LOGGED_MAX),
                 (const char *)args.at);
    client_end(client, NULL, "Parse Error");
}

void client_pinged(struct client *client)
{
    if (client->trace)
        trace_out(client, "PONG");
    client_out(client, BYTES("PONG\r\n"));
    if (!client->connected || !client->protocol_1 || client->informed)
        return;
    client->informed = true;
    client_out_info(client, true);
}

void client_ponged(struct client *client, int64_t now_ns)
{
    if (client->pings_out > 0) {
        client->rtt_taken_ns = now_ns;
        client->rtt_ns = now_ns - client->ping_sent_ns;
    }
    client->pings_out = 0;
}

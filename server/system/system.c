#include "server/system/system.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/resolver/resolver.h"
#include "server/system/system_priv.h"
#include "storage/le.h"

#define SINKS_MAX  8u
#define FRAME_HEAD 8u
#define DOORS_SEED 1u /* any: nobody but whoever configures chooses names of accounts */

struct system_door {
    struct system *system;
    struct account *account;
    struct sink *sinks[SINKS_MAX];
    size_t count;
};

static const char *const system_subjects[] = {
    "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.*.*",    "$SYS.REQ.ACCOUNT.*.*",
    "$SYS.REQ.USER.INFO",   "$SYS.DEBUG.SUBSCRIBERS",
};

/* About whoever asks, and its account. */
static const char *const own_subjects[] = {
    "$SYS.REQ.USER.INFO",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "$SYS.REQ.ACCOUNT.PING.STATZ",
    "$SYS.REQ.SERVER.PING.CONNZ",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static_assert(COUNT(system_subjects) <= SINKS_MAX && COUNT(own_subjects) <= SINKS_MAX,
              "a sink for each");

struct account *system_account(const struct server *server)
{
    struct account *account;

    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        if (account->system)
            return account;
    }
    return NULL;
}

void system_publish(struct server *server, struct account *account, struct bytes subject,
                    struct bytes payload)
{
    const struct message message = {.subject = subject, .payload = payload};

    (void)router_publish(server->router, account, &message); /* nobody need listen */
}

/* ---- requests ------------------------------------------------------------------------------- */

static void request_free(struct system_request *request)
{
    heap_give((void *)request->subject.at);
    heap_give((void *)request->reply.at);
    heap_give((void *)request->body.at);
    heap_give((void *)request->user.at);
    heap_give(request);
}

static size_t body_max(struct bytes subject)
{
    return resolver_takes(subject) ? SYSTEM_CLAIMS_BODY_MAX : SYSTEM_REQUEST_BODY_MAX;
}

static struct system_request *enqueue(struct system *system, struct account *account,
                                      const struct message *message)
{
    struct system_request *request;

    if (system->waiting >= SYSTEM_REQUESTS_MAX ||
        message->payload.size > body_max(message->subject) ||
        system->waiting_bytes + message->payload.size > SYSTEM_WAITING_MAX)
        return NULL;
    request = HEAP_NEW(struct system_request);
    request->account = account;
    request->since_ns = io_now(system->server->io);
    request->subject = heap_copy(message->subject);
    request->reply = heap_copy(message->reply);
    request->body = heap_copy(message->payload);
    if (system->last != NULL)
        system->last->next = request;
    else
        system->first = request;
    system->last = request;
    system->waiting++;
    system->waiting_bytes += message->payload.size;
    return request;
}

/* Who asks is known only now. */
static void note_user(struct system_request *request, const struct client *client)
{
    struct json_writer writer;
    struct buf text;

    buf_init(&text, SYSTEM_ANSWER_MAX);
    json_writer_init(&writer, &text);
    system_write_user(&writer, client);
    if (!writer.failed)
        request->user = heap_copy(buf_bytes(&text));
    buf_deinit(&text);
}

static void collect(void *owner, const struct message *message)
{
    struct system_door *door = owner;
    struct system_request *request = enqueue(door->system, door->account, message);
    struct server *server = door->system->server;
    const struct client *origin;

    if (request == NULL)
        return;
    server_shards_halt(server);
    origin = server_origin(server, message);
    if (origin != NULL)
        request->no_responders = origin->no_responders;
    if (origin != NULL && bytes_equal(message->subject, BYTES("$SYS.REQ.USER.INFO")))
        note_user(request, origin);
    server_shards_go_on(server);
}

/* ---- doors ---------------------------------------------------------------------------------- */

static struct bytes door_key(const void *item)
{
    return account_name(((const struct system_door *)item)->account);
}

static void listen_to(struct system_door *door, const char *const *subjects, size_t count)
{
    struct router *router = door->system->server->router;

    assert(door->count + count <= SINKS_MAX);
    for (size_t i = 0; i < count; i++)
        door->sinks[door->count++] = router_sink_add(
            router, door->account, bytes_of_text(subjects[i]), BYTES(""), collect, door);
}

static void serve(struct system *system, struct account *account)
{
    struct system_door *door = HEAP_NEW(struct system_door);
    size_t count;

    door->system = system;
    door->account = account;
    if (account->system)
        listen_to(door, system_subjects, COUNT(system_subjects));
    else
        listen_to(door, own_subjects, COUNT(own_subjects));
    if (account->system && system->server->resolver != NULL) {
        const char *const *subjects = resolver_subjects(system->server->resolver, &count);

        listen_to(door, subjects, count);
    }
    table_add(&system->doors, door);
}

void system_accounts_changed(struct system *system)
{
    struct account *account;

    if (system_account(system->server) == NULL)
        return;
    for (size_t at = 0; (account = router_account_next(system->server->router, &at)) != NULL;) {
        if (table_find(&system->doors, account->name) == NULL)
            serve(system, account);
    }
}

void system_init(struct system *system, struct server *server)
{
    *system = (struct system){.server = server};
    table_init(&system->doors, door_key, DOORS_SEED);
    system_accounts_changed(system);
    system_events_init(system);
}

void system_deinit(struct system *system)
{
    struct system_request *request;
    struct system_door *door;

    system_events_deinit(system);
    timers_cancel(io_timers(system->server->io), &system->held_timer);
    while ((request = system->held) != NULL) {
        system->held = request->next;
        request_free(request);
    }
    while ((request = system->first) != NULL) {
        system->first = request->next;
        request_free(request);
    }
    for (size_t at = 0; (door = table_next(&system->doors, &at)) != NULL;) {
        for (size_t i = 0; i < door->count; i++)
            router_sink_remove(system->server->router, door->sinks[i]);
        heap_give(door);
    }
    table_deinit(&system->doors);
}

/* ---- other servers -------------------------------------------------------------------------- */

void system_forward(struct system *system, uint64_t node, const struct system_request *request)
{
    struct bytes account = request->account->name;
    uint8_t head[FRAME_HEAD] = {0};
    struct bytes pieces[5];

    if (request->subject.size > UINT16_MAX || request->reply.size > UINT16_MAX)
        return; /* nobody asks so */
    le_put_u16(head, (uint16_t)account.size);
    le_put_u16(head + 2, (uint16_t)request->subject.size);
    le_put_u16(head + 4, (uint16_t)request->reply.size);
    pieces[0] = bytes_of(head, sizeof(head));
    pieces[1] = account;
    pieces[2] = request->subject;
    pieces[3] = request->reply;
    pieces[4] = request->body;
    /* A node that cannot be told does not answer, as one that is gone. */
    (void)cluster_send(system->server->cluster, node, CLUSTER_SYSTEM, CLUSTER_MESSAGES, pieces, 5);
}

static bool take(struct bytes *from, size_t size, struct bytes *to)
{
    if (size > from->size)
        return false;
    *to = bytes_take(*from, size);
    *from = bytes_skip(*from, size);
    return true;
}

static void frame_received(void *owner, uint64_t node, enum cluster_class class, struct bytes body)
{
    struct system *system = owner;
    struct message message = {.forwarded = true};
    struct bytes head, name, rest = body;
    struct system_request *request;
    struct account *account;

    (void)class;
    if (!take(&rest, FRAME_HEAD, &head) || !take(&rest, le_u16(head.at), &name) ||
        !take(&rest, le_u16(head.at + 2), &message.subject) ||
        !take(&rest, le_u16(head.at + 4), &message.reply)) {
        cluster_drop(system->server->cluster, node, "bad system request");
        return;
    }
    message.payload = rest;
    account = router_account(system->server->router, name);
    if (account == NULL)
        return; /* it is configured otherwise there */
    request = enqueue(system, account, &message);
    if (request != NULL)
        request->forwarded = true;
}

void system_join(struct system *system)
{
    cluster_subscribe(system->server->cluster, CLUSTER_SYSTEM, frame_received, system);
}

/* Whom a request is for: its third token, of those after "$SYS.REQ.". */
static void pass_on(struct system *system, struct system_request *request)
{
    struct cluster *cluster = system->server->cluster;
    struct bytes name = subject_token(request->subject, 3);
    const struct cluster_node *node;
    bool all, about_server;

    if (cluster == NULL || request->forwarded || subject_token_count(request->subject) < 4 ||
        resolver_answers_alone(request->subject) ||
        bytes_equal(request->subject, BYTES("$SYS.REQ.USER.INFO")))
        return;
    about_server = bytes_equal(subject_token(request->subject, 2), BYTES("SERVER"));
    all = !about_server || bytes_equal(name, BYTES("PING"));
    for (size_t at = 0; (node = cluster_next(cluster, &at)) != NULL;) {
        if (!node->up || (!all && !bytes_equal(node->server_id, name)))
            continue;
        system_forward(system, node->id, request);
        request->passed_on = true;
    }
}

static void fired(struct timer *timer)
{
    (void)timer;
}

static void hold(struct system *system, struct system_request *request)
{
    struct system_request **end = &system->held;
    struct io *io = system->server->io;

    while (*end != NULL)
        end = &(*end)->next;
    request->next = NULL;
    *end = request;
    system->held_timer.fire = fired;
    if (!timer_armed(&system->held_timer))
        timers_arm(io_timers(io), &system->held_timer, io_now(io) + HTTP_WAIT_NS);
}

static void answer(struct system *system, struct system_request *request)
{
    if (!system_answer(system, request)) {
        hold(system, request);
        return;
    }
    system->waiting--;
    system->waiting_bytes -= request->body.size;
    request_free(request);
}

static void look_held(struct system *system)
{
    struct system_request *request = system->held, *next;

    system->held = NULL;
    for (; request != NULL; request = next) {
        next = request->next;
        answer(system, request);
    }
}

void system_turn(struct system *system)
{
    struct system_request *request;

    look_held(system);
    while ((request = system->first) != NULL) {
        system->first = request->next;
        if (system->first == NULL)
            system->last = NULL;
        pass_on(system, request);
        answer(system, request);
    }
}

/* A server that was killed and runs again, whose streams are opened after the start. */
#ifndef TESTS_UNIT_SERVER_LATE_WORLD_H
#define TESTS_UNIT_SERVER_LATE_WORLD_H

#include "server/jetstream/jetstream_priv.h"
#include "storage/paths.h"
#include "tests/unit/server/stream_world.h"

#define STREAMS 3

static const char *const names[STREAMS] = {"A", "B", "C"};

static inline struct catalogue_entry *entry_of(struct world *world, const char *name)
{
    return jetstream_entry(world->server->jetstream, router_account_default(world->server->router),
                           bytes_of_text(name));
}

static inline bool is_open(struct world *world, const char *name)
{
    const struct catalogue_entry *entry = entry_of(world, name);

    return entry->late == NULL && entry->stream != NULL;
}

/* Is it being opened over several turns? */
static inline bool is_in_steps(struct world *world, const char *name)
{
    struct jetstream *jetstream = world->server->jetstream;
    struct catalogue_entry *entry = entry_of(world, name);
    const struct late_lane *of = &jetstream->late.lanes[jetstream_lane(jetstream, entry)->number];

    return of->steps.late != NULL && of->steps.late == entry->late;
}

static inline unsigned open_count(struct world *world)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STREAMS; i++)
        count += is_open(world, names[i]);
    return count;
}

static inline struct peer *come_in(struct world *world)
{
    struct peer *peer;

    settle(world); /* the connection of before has ended */
    peer = peer_connect(world, 0, 4222);
    settle(world);
    peer_say(world, peer,
             "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n"
             "SUB in.* 1\r\n");
    buf_clear(&peer->in);
    return peer;
}

static inline void ask(struct world *world, struct peer *peer, const char *subject,
                       const char *body)
{
    buf_clear(&peer->in);
    say_publish(world, peer, subject, "in.r", body);
}

/* Streams A on "A.>" and so on, of five messages each, with a consumer "c"; `before` is done to
 * them; then the server was killed and runs again, and opens what it is asked for only. */
static inline void start_late_in(struct world *world, unsigned lanes, uint64_t block_bytes,
                                 void (*before)(struct world *world, struct peer *peer))
{
    struct peer *peer;

    world_init(world, 7);
    world->options.sim.lanes = lanes > SERVER_SHARDS ? lanes : SERVER_SHARDS;
    world->options.jetstream = true;
    world->options.sim.late_pause_ns = 3600 * SECOND;
    world->options.sim.block_bytes = block_bytes;
    world->options.sim.late_heavy = 1;
    world->options.sim.late_work = 1;
    world_start(world);
    peer = come_in(world);
    for (unsigned i = 0; i < STREAMS; i++) {
        struct lines lines = {.size = 0};
        char subject[60], body[200];

        snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", names[i]);
        snprintf(body, sizeof body,
                 "{\"name\":\"%s\",\"subjects\":[\"%s.>\"],\"allow_direct\":true}", names[i],
                 names[i]);
        ask(world, peer, subject, body);
        snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s.c", names[i]);
        snprintf(body, sizeof body,
                 "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"c\","
                 "\"ack_policy\":\"explicit\"}}",
                 names[i]);
        ask(world, peer, subject, body);
        snprintf(subject, sizeof subject, "%s.x", names[i]);
        for (unsigned k = 0; k < 5; k++)
            lines_publish(&lines, subject, "in.r", "old");
        lines_say(&lines, world, peer);
        ck_assert(peer_has(peer, "\"seq\":5}"));
    }
    if (before != NULL)
        before(world, peer);
    world_kill(world);
}

static inline void start_late_of(struct world *world, uint64_t block_bytes,
                                 void (*before)(struct world *world, struct peer *peer))
{
    start_late_in(world, 1, block_bytes, before);
}

static inline void start_late(struct world *world,
                              void (*before)(struct world *world, struct peer *peer))
{
    start_late_of(world, 0, before);
}

static struct account_options account_sys = {
    .name = BYTES("SYS"), .max_connections = -1, .max_subscriptions = -1, .max_payload = -1};
static struct account_options account_g = {
    .name = BYTES("$G"),
    .jetstream = {.enabled = true, .limits = {.memory_max = -1, .store_max = -1}}};
static struct account_options *accounts[] = {&account_sys, &account_g};
static struct user_options users[] = {{.name = BYTES("sys"), .account = &account_sys}};

static inline void with_system(struct world *world, struct peer *peer)
{
    (void)peer;
    world->options.auth = (struct auth_options){
        .users = users,
        .users_count = 1,
        .accounts = accounts,
        .accounts_count = 2,
        .no_auth_user = BYTES("sys"),
        .system_account = BYTES("SYS"),
    };
}

#define HTTP_PORT 8222

static inline void with_monitoring(struct world *world, struct peer *peer)
{
    with_system(world, peer);
    world->options.http_port = HTTP_PORT;
}

static inline void deny_files(struct world *world, bool denied)
{
    sim_deny_files(world->sim, world->server_node, denied);
    for (unsigned i = 1; i < SERVER_SHARDS; i++)
        sim_deny_files(world->sim, world->shards.nodes[i], denied);
}

static inline void no_more_files(struct world *world)
{
    deny_files(world, true);
}

static inline void files_again(struct world *world)
{
    deny_files(world, false);
    sim_run(world->sim, SECOND / 5);
}

static inline bool is_under_way(struct world *world)
{
    return is_in_steps(world, "B");
}

/* Returns `turns` events after B, which was asked for, has begun to be opened; false: it is open.
 * The text stays the caller's. */
static inline bool in_the_middle(struct world *world, struct peer *peer, const char *text,
                                 unsigned turns)
{
    struct bytes b = bytes_of_text(text);

    buf_clear(&peer->in);
    io_sock_send(peer->io, peer->sock, &b, 1);
    while (!is_under_way(world))
        ck_assert(sim_step(world->sim));
    for (unsigned i = 0; i < turns && is_under_way(world); i++)
        ck_assert(sim_step(world->sim));
    return is_under_way(world);
}

#define KNOCK "PUB B.x in.r 3\r\nnew\r\n"

/* Of one of the messages "old" and "new", as limits count it. */
#define STORED (stream_stored_size(STORAGE_FILE, 3, 0, 3))

/* Room for one more. */
static inline void with_server_limit(struct world *world, struct peer *peer)
{
    (void)peer;
    world->options.jetstream_options.store_max = (int64_t)(16 * STORED + 1);
}

static struct account_options account_alone = {
    .name = BYTES("$G"),
    .max_connections = -1,
    .max_subscriptions = -1,
    .max_payload = -1,
    .jetstream = {.enabled = true,
                  .limits = {.memory_max = -1, .streams_max = -1, .consumers_max = -1}}};
static struct account_options *alone[] = {&account_alone};

static inline void with_account_limit(struct world *world, struct peer *peer)
{
    (void)peer;
    account_alone.jetstream.limits.store_max = (int64_t)(16 * STORED + 1);
    world->options.auth = (struct auth_options){.accounts = alone, .accounts_count = 1};
}

static void (*const limits[])(struct world *, struct peer *) = {with_server_limit,
                                                                with_account_limit};

#endif

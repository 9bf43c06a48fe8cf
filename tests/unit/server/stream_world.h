/*
 * stream_world: a world whose server has a stream S on "s.>", and a peer that listens on "in.*".
 */
#ifndef TESTS_UNIT_SERVER_STREAM_WORLD_H
#define TESTS_UNIT_SERVER_STREAM_WORLD_H

#include "server/jetstream/jetstream_core.h"
#include "server/server_priv.h"
#include "server/stream/stream_priv.h"
#include "tests/unit/server/world.h"

/* Several lines that arrive together. */
struct lines {
    char text[64000];
    size_t size;
};

static inline void lines_publish(struct lines *lines, const char *subject, const char *reply,
                                 const char *body)
{
    int size = snprintf(lines->text + lines->size, sizeof lines->text - lines->size,
                        "PUB %s %s %zu\r\n%s\r\n", subject, reply, strlen(body), body);

    ck_assert_uint_lt(lines->size + (size_t)size, sizeof lines->text);
    lines->size += (size_t)size;
}

static inline void lines_say(struct lines *lines, struct world *world, struct peer *peer)
{
    peer_say(world, peer, lines->text);
    lines->size = 0;
}

static inline void say_publish(struct world *world, struct peer *peer, const char *subject,
                               const char *reply, const char *body)
{
    struct lines lines = {.size = 0};

    lines_publish(&lines, subject, reply, body);
    lines_say(&lines, world, peer);
}

static inline struct stream *world_stream(struct world *world, const char *name)
{
    struct stream *stream =
        jetstream_stream(world->server->jetstream, router_account_default(world->server->router),
                         bytes_of_text(name));

    ck_assert_ptr_nonnull(stream);
    return stream;
}

/* A further one; `members` of its config. */
static inline void world_create(struct world *world, struct peer *peer, const char *name,
                                const char *members)
{
    char subject[100], body[600];

    snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", name);
    snprintf(body, sizeof body, "{\"name\":\"%s\",%s}", name, members);
    buf_clear(&peer->in);
    say_publish(world, peer, subject, "in.api", body);
    ck_assert(peer_has(peer, "stream_create_response"));
    ck_assert(!peer_has(peer, "\"error\""));
}

/* `members` of the stream's config, each with a comma before it. */
static inline struct peer *start_with_stream(struct world *world, uint64_t seed,
                                             const char *members)
{
    char body[400];
    struct peer *peer;

    world_init(world, seed);
    world->options.jetstream = true;
    world_start(world);
    peer = peer_connect(world, 0, 4222);
    settle(world);
    peer_say(world, peer, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\n");
    snprintf(body, sizeof body, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s}", members);
    say_publish(world, peer, "$JS.API.STREAM.CREATE.S", "in.api", body);
    ck_assert(peer_has(peer, "stream_create_response"));
    buf_clear(&peer->in);
    return peer;
}

static inline struct stream *stream_of(struct world *world)
{
    struct stream *stream = jetstream_stream(
        world->server->jetstream, router_account_default(world->server->router), BYTES("S"));

    ck_assert_ptr_nonnull(stream);
    return stream;
}

/* Each is a sync. */
static inline uint64_t batches(struct world *world)
{
    return replica_proposed(stream_of(world)->replica);
}

/* How often the peer was told `text`. */
static inline size_t told(const struct peer *peer, const char *text)
{
    struct bytes rest = buf_bytes(&peer->in);
    size_t count = 0;
    const uint8_t *at;

    while (rest.size > 0 && (at = memmem(rest.at, rest.size, text, strlen(text))) != NULL) {
        rest = bytes_skip(rest, (size_t)(at - rest.at) + 1);
        count++;
    }
    return count;
}

#endif

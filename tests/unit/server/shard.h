/*
 * shard: clients and their router without sockets, for tests: bytes are fed, and what a client
 * would send is looked at.
 */
#ifndef TESTS_UNIT_SERVER_SHARD_H
#define TESTS_UNIT_SERVER_SHARD_H

#include "server/clients/client.h"
#include "server/router/router_priv.h"
#include "tests/unit/unit.h"

struct shard {
    struct options options;
    struct info info;
    struct logger logger;
    struct clients clients;
    int64_t now_ns;
};

static inline void shard_line(void *context, struct bytes line)
{
    (void)context;
    (void)line;
}

static inline void shard_init(struct shard *shard)
{
    *shard = (struct shard){.now_ns = 1000};
    options_default(&shard->options);
    shard->logger.line = shard_line;
    shard->logger.level = LOGGER_INFO;
    shard->info.name = "name";
    shard->info.host = "127.0.0.1";
    shard->info.port = 4222;
    shard->info.max_payload = shard->options.max_payload;
    info_make_id(shard->info.id, (const uint8_t[32]){1, 2, 3});
    clients_init(&shard->clients, &shard->options, &shard->info, &shard->logger, 7);
    shard->clients.router = router_create(&shard->clients, 8);
    shard->clients.account = router_account_default(shard->clients.router);
}

static inline void shard_deinit(struct shard *shard)
{
    while (clients_dirty_next(&shard->clients) != NULL)
        ;
    router_destroy(shard->clients.router);
    clients_deinit(&shard->clients);
}

/* What it has to send, and that it has sent it. */
static inline void shard_forget(struct client *client)
{
    client->out.size = 0;
}

static inline void shard_join(struct shard *shard, struct client *client)
{
    client_init(client, &shard->clients, "127.0.0.1", 5000, NULL, shard->now_ns);
    shard_forget(client);
}

static inline void shard_leave(struct shard *shard, struct client *client)
{
    client_leave(client);
    while (clients_dirty_next(&shard->clients) != NULL)
        ;
    client_deinit(client);
}

static inline void shard_feed(struct shard *shard, struct client *client, struct bytes b)
{
    /* In memory of its own size, so that a read beyond it is found. */
    uint8_t *copy = malloc(b.size > 0 ? b.size : 1);

    memcpy(copy, b.at, b.size);
    client_feed(client, bytes_of(copy, b.size), shard->now_ns);
    free(copy);
}

static inline void shard_say(struct shard *shard, struct client *client, const char *text)
{
    shard_feed(shard, client, bytes_of_text(text));
}

#define CK_OUT(client, text)                                                                       \
    do {                                                                                           \
        ck_assert_msg(bytes_equal(buf_bytes(&(client)->out), bytes_of_text(text)),                 \
                      "'%.*s' is not '%s'", BYTES_ARG(buf_bytes(&(client)->out)), text);           \
        shard_forget(client);                                                                      \
    } while (0)

#endif

/*
 * Any bytes from a client, cut anywhere: the first byte of the input seeds the cuts. The client
 * core answers; cut or whole the answer is the same; its buffers stay in their bounds.
 */
#include <stdlib.h>

#include "base/prng.h"
#include "server/clients/client.h"
#include "server/router/router_priv.h"

#define NOW_NS 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
    struct options options;
    struct info info;
    struct logger logger;
    struct clients clients;
    struct client client;
};

static void ignore(void *context, struct bytes line)
{
    (void)context;
    (void)line;
}

static void side_init(struct side *side)
{
    *side = (struct side){.logger.line = ignore, .logger.level = LOGGER_TRACE};
    options_default(&side->options);
    side->options.max_payload = 1000;
    side->options.max_control_line = 200;
    side->options.trace = true;
    side->info.name = "name";
    side->info.host = "127.0.0.1";
    clients_init(&side->clients, &side->options, &side->info, &side->logger, 7);
    side->clients.router = router_create(&side->clients, 8);
    side->clients.account = router_account_default(side->clients.router);
    client_init(&side->client, &side->clients, "127.0.0.1", 5000, NULL, NOW_NS);
}

static void side_deinit(struct side *side)
{
    client_leave(&side->client);
    while (clients_dirty_next(&side->clients) != NULL)
        ;
    client_deinit(&side->client);
    router_destroy(side->clients.router);
    clients_deinit(&side->clients);
}

static void feed(struct side *side, struct bytes b)
{
    uint8_t *copy = malloc(b.size);

    memcpy(copy, b.at, b.size);
    client_feed(&side->client, bytes_of(copy, b.size), NOW_NS);
    free(copy);
    assert(side->client.in.size <=
           (size_t)side->options.max_payload + (size_t)side->options.max_control_line + 300u);
}

/* Blanks before arguments are taken whole and bounded cut: the one difference that is meant. */
static bool has_many_blanks(struct bytes b)
{
    size_t run = 0;

    for (size_t i = 0; i < b.size; i++) {
        run = b.at[i] == ' ' || b.at[i] == '\t' ? run + 1 : 0;
        if (run > 200)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct side whole, cut;
    struct bytes in = bytes_of(data, size);
    struct prng prng;

    if (size < 2)
        return 0;
    prng_seed(&prng, data[0]);
    in = bytes_skip(in, 1);
    side_init(&whole);
    side_init(&cut);
    feed(&whole, in);
    for (size_t at = 0; at < in.size;) {
        size_t piece = 1 + prng_below(&prng, prng_chance(&prng, 1, 2) ? 3 : 64);

        piece = piece < in.size - at ? piece : in.size - at;
        feed(&cut, bytes_of(in.at + at, piece));
        at += piece;
    }
    if (!has_many_blanks(in)) {
        assert(whole.client.state == cut.client.state);
        assert(bytes_equal(buf_bytes(&whole.client.out), buf_bytes(&cut.client.out)));
    }
    side_deinit(&whole);
    side_deinit(&cut);
    return 0;
}

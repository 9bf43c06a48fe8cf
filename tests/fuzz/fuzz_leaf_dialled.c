/*
 * Any bytes as what a hub says to a whole server that dials it, over a WebSocket, through a proxy,
 * or plainly, in a simulated network that cuts them anywhere. The first byte says how it is dialled
 * and how much of the greeting is well said, the second seeds the network. The server lives on, and
 * each line that it logs is one.
 */
#include <stdio.h>
#include <string.h>

#include "base/http_head.h"
#include "base/io_sim.h"
#include "server/config/config.h"
#include "server/server.h"
#include "server/websocket/upgrade.h"
#include "tests/text_source.h"

#define SECOND_NS INT64_C(1000000000)
#define HUB_PORT  7422
#define SAID_MAX  (1u << 20)

enum how { WEBSOCKET = 1, PROXY = 2, COMPRESSED = 4, UNMASKED = 8, WELL = 16, DEBUG = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct hub {
    struct io *io;
    struct io_listener *listener;
    struct io_sock *sock;
    struct bytes say;
    struct buf heard, said;
    uint8_t how;
    unsigned to_answer; /* so many heads */
};

/* ---- the hub -------------------------------------------------------------------------------- */

static void answer(struct hub *hub, struct bytes head)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char accepted[UPGRADE_ACCEPT_SIZE];
    const char *key = memmem(head.at, head.size, name, sizeof(name) - 1);

    if (key == NULL) {
        (void)BUF_ADD(&hub->said, "HTTP/1.1 200 OK\r\n\r\n");
        return;
    }
    upgrade_accept(bytes_of(key + sizeof(name) - 1, UPGRADE_KEY_TEXT_SIZE), accepted);
    (void)buf_print(&hub->said,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                    accepted);
}

/* What is asked is answered well as often as there is to ask; then come the bytes. */
static void go_on(struct hub *hub)
{
    size_t size = http_head_size(buf_bytes(&hub->heard));
    struct bytes said;

    if (hub->said.size > 0 || hub->to_answer == 0 || size == 0)
        return;
    answer(hub, bytes_take(buf_bytes(&hub->heard), size));
    buf_clear(&hub->heard);
    if (--hub->to_answer == 0)
        (void)buf_add(&hub->said, hub->say);
    said = buf_bytes(&hub->said);
    io_sock_send(hub->io, hub->sock, &said, 1);
}

static void received(void *owner, struct bytes b)
{
    struct hub *hub = owner;

    if (hub->to_answer > 0)
        (void)buf_add(&hub->heard, b);
    go_on(hub);
}

static void sent(void *owner)
{
    struct hub *hub = owner;

    buf_clear(&hub->said);
    go_on(hub);
}

static void ended(void *owner, int reason)
{
    struct hub *hub = owner;

    (void)reason;
    io_sock_close(hub->io, hub->sock, false);
}

static void closed(void *owner)
{
    (void)owner;
}

static const struct io_sock_events events = {
    .received = received, .sent = sent, .ended = ended, .closed = closed};

/* One connection; who is dialled again is not there. */
static void accepted(void *context, struct io_sock *sock, const struct io_address *peer)
{
    struct hub *hub = context;

    (void)peer;
    hub->sock = sock;
    io_listener_close(hub->io, hub->listener);
    io_sock_start(hub->io, sock, &events, hub);
    if (hub->how & WELL)
        hub->to_answer = (hub->how & PROXY ? 1 : 0) + (hub->how & WEBSOCKET ? 1 : 0);
    if (hub->to_answer > 0 || hub->say.size == 0)
        return;
    (void)buf_add(&hub->said, hub->say);
    io_sock_send(hub->io, sock, &hub->say, 1);
}

/* ---- who dials ------------------------------------------------------------------------------ */

static void configure(struct config *config, uint8_t how)
{
    char text[512];
    const struct config_source source = text_source(text);
    struct options usual;
    bool good;

    snprintf(text, sizeof(text),
             "port: -1\nleafnodes { remotes: [{ url: \"%s://10.0.0.2:%d\"\n%s%s%s }] }\n",
             how & WEBSOCKET ? "ws" : "nats-leaf", HUB_PORT,
             how & PROXY ? "proxy { url: \"http://10.0.0.2:7422\" }\n" : "",
             how & COMPRESSED ? "ws_compression: true\n" : "",
             how & UNMASKED ? "ws_no_masking: true\n" : "");
    options_default(&usual);
    config_init(config, &usual);
    good = config_load(config, &source, "f") && config_check(config);
    assert(good);
}

static void check_line(void *context, struct bytes line)
{
    (void)context;
    assert(line.size > 0 && line.at[line.size - 1] == '\n');
    for (size_t i = 0; i + 1 < line.size; i++)
        assert(line.at[i] >= ' ' || line.at[i] == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logger logger = {.level = LOGGER_INFO, .line = check_line};
    struct server *server;
    struct config config;
    struct hub hub = {0};
    uint16_t bound;
    struct sim *sim;
    enum err err;

    if (size < 2)
        return 0;
    sim = sim_create(data[1]);
    hub.how = data[0];
    hub.say = bytes_of(data + 2, size - 2);
    buf_init(&hub.heard, UPGRADE_HEAD_MAX);
    buf_init(&hub.said, SAID_MAX);
    (void)sim_node_add(sim);
    hub.io = sim_node_io(sim, sim_node_add(sim));
    err = io_listen(hub.io, "", HUB_PORT, accepted, &hub, &hub.listener, &bound);
    assert(err == OK);
    if (hub.how & DEBUG)
        logger.level = LOGGER_TRACE;
    configure(&config, hub.how);
    err = server_start(sim_node_io(sim, 0), &config.options, &logger, &server);
    assert(err == OK);
    sim_run(sim, 3 * SECOND_NS);
    assert(!server_stopped(server));
    server_destroy(server);
    sim_destroy(sim);
    config_deinit(&config);
    buf_deinit(&hub.heard);
    buf_deinit(&hub.said);
    return 0;
}

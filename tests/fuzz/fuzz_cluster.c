/*
 * Any bytes from another node. The first byte says how: as a body for one of the decoders, which
 * must print back what it read; as raw bytes at the cluster's port; or as frames (kind, class,
 * size, body) of a peer that has shaken hands as it should.
 */
#include <stdlib.h>

#include "base/io_sim.h"
#include "server/cluster/core_wire.h"
#include "server/cluster/frame.h"
#include "server/cluster/hello.h"
#include "server/server_priv.h"
#include "tests/quiet.h"

#define MS INT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- decoders ------------------------------------------------------------------------------- */

static void check_hello(struct bytes body)
{
    struct hello first, second;
    struct buf out;

    if (!hello_decode(body, &first))
        return;
    buf_init(&out, 1u << 20);
    hello_encode(&out, &first);
    if (!hello_decode(buf_bytes(&out), &second) || !bytes_equal(first.password, second.password) ||
        first.urls_count != second.urls_count)
        abort();
    buf_deinit(&out);
}

static void check_routed(struct bytes body)
{
    static struct routed first, second;
    struct buf out;

    if (!routed_decode(body, &first))
        return;
    buf_init(&out, 1u << 24);
    routed_encode(&out, &first);
    if (!buf_add(&out, first.headers) || !buf_add(&out, first.payload) ||
        !routed_decode(buf_bytes(&out), &second) || !bytes_equal(first.payload, second.payload) ||
        !bytes_equal(first.route, second.route) || first.queues_count != second.queues_count)
        abort();
    buf_deinit(&out);
}

static void check_interest(struct bytes body)
{
    struct interest interest;
    struct decoder in;
    struct bytes account;

    decoder_init(&in, body);
    if (!interest_read_account(&in, &account))
        return;
    while (interest_read(&in, &interest))
        if (interest.subject.size == 0)
            abort();
}

/* ---- a peer --------------------------------------------------------------------------------- */

struct lane_of_peer {
    struct io_sock *sock;
    struct buf out, flight;
    bool ended;
};

struct peer_world {
    struct sim *sim;
    struct io *io; /* the peer's */
    struct options options;
    struct logger logger;
    struct server *server;
    struct lane_of_peer lanes[CLUSTER_CLASSES];
};

static struct peer_world world; /* for the callbacks */

static void flush(struct lane_of_peer *lane)
{
    struct bytes piece;
    struct buf swap;

    if (lane->ended || lane->out.size == 0 || io_sock_sending(lane->sock))
        return;
    swap = lane->flight;
    lane->flight = lane->out;
    lane->out = swap;
    buf_clear(&lane->out);
    piece = buf_bytes(&lane->flight);
    io_sock_send(world.io, lane->sock, &piece, 1);
}

static void received(void *owner, struct bytes b)
{
    (void)owner;
    (void)b;
}

static void sent(void *owner)
{
    flush(owner);
}

static void ended(void *owner, int reason)
{
    (void)reason;
    ((struct lane_of_peer *)owner)->ended = true;
}

static void closed(void *owner)
{
    (void)owner;
}

static const struct io_sock_events events = {received, sent, ended, closed};

static void begin(void)
{
    world.sim = sim_create(1);
    (void)sim_node_add(world.sim);
    world.io = sim_node_io(world.sim, sim_node_add(world.sim));
    world.logger = (struct logger){.level = LOGGER_FATAL, .line = quiet_line};
    options_default(&world.options);
    strcpy(world.options.server_name, "n0");
    world.options.cluster = (struct cluster_options){.configured = true, .name = "C", .port = 6222};
    if (server_start(sim_node_io(world.sim, 0), &world.options, &world.logger, &world.server) != OK)
        abort();
    for (size_t i = 0; i < CLUSTER_CLASSES; i++) {
        world.lanes[i] = (struct lane_of_peer){0};
        buf_init(&world.lanes[i].out, 1u << 24);
        buf_init(&world.lanes[i].flight, 1u << 24);
    }
}

static void end(void)
{
    server_destroy(world.server);
    sim_destroy(world.sim);
    for (size_t i = 0; i < CLUSTER_CLASSES; i++) {
        buf_deinit(&world.lanes[i].out);
        buf_deinit(&world.lanes[i].flight);
    }
}

static void dial(size_t i)
{
    world.lanes[i].sock = io_connect(world.io, "10.0.0.1", 6222, &events, &world.lanes[i]);
}

static void say(size_t i, uint8_t kind, struct bytes body)
{
    if (!frame_add(&world.lanes[i].out, kind, (uint8_t)i, &body, 1))
        abort();
    flush(&world.lanes[i]);
    sim_run(world.sim, MS);
}

static void shake_hands(void)
{
    struct hello hello = {
        .version = 1,
        .version_min = 1,
        .token = 7,
        .cluster_name = BYTES("C"),
        .server_id = BYTES("N1"),
        .server_name = BYTES("n1"),
        .node = bytes_hash(BYTES("n1"), 0),
    };

    for (size_t i = 0; i < CLUSTER_CLASSES; i++) {
        struct buf body;

        buf_init(&body, 10000);
        hello.class = (uint8_t)i;
        hello_encode(&body, &hello);
        dial(i);
        if (!BUF_ADD(&world.lanes[i].out, FRAME_MAGIC))
            abort();
        say(i, 1, buf_bytes(&body)); /* HELLO */
        buf_deinit(&body);
    }
    say(CLUSTER_CONTROL, 4, BYTES("")); /* OPEN */
    if (cluster_node(world.server->cluster, hello.node) == NULL ||
        !cluster_node(world.server->cluster, hello.node)->up)
        abort();
}

static void say_frames(struct bytes in)
{
    while (in.size >= 3) {
        size_t lane = in.at[1] % CLUSTER_CLASSES, size = in.at[2];

        size = size < in.size - 3 ? size : in.size - 3;
        if (!world.lanes[lane].ended)
            say(lane, in.at[0], bytes_of(in.at + 3, size));
        in = bytes_skip(in, 3 + size);
    }
}

static void peer_says(struct bytes in)
{
    begin();
    shake_hands();
    say_frames(in);
    sim_run(world.sim, 10 * MS);
    end();
}

static void stranger_says(struct bytes in, bool magic)
{
    begin();
    dial(0);
    if (magic && !BUF_ADD(&world.lanes[0].out, FRAME_MAGIC))
        abort();
    if (!buf_add(&world.lanes[0].out, in))
        abort();
    flush(&world.lanes[0]);
    sim_run(world.sim, 10 * MS);
    end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct frame frame;
    size_t used;

    if (size == 0)
        return 0;
    in = bytes_skip(in, 1);
    switch (data[0] % 8) {
    case 0: check_hello(in); break;
    case 1: check_routed(in); break;
    case 2: check_interest(in); break;
    case 3:
        if (frame_read(in, 1000, &frame, &used) == FRAME_WHOLE &&
            frame.body.size + FRAME_HEAD != used)
            abort();
        break;
    case 4: stranger_says(in, false); break;
    case 5: stranger_says(in, true); break;
    default: peer_says(in); break;
    }
    return 0;
}

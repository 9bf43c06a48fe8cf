/*
 * Modes without JetStream: pub, fan-out. Both send one constant subject and payload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "bench/names.h"
#include "bench/watch.h"

#define PUB_BLOCK (64u * 1024u)

/* As many copies of the one PUB as a block holds, so that sending costs a copy. */
static uint64_t pub_block(const struct load *load, char *block, size_t *size)
{
    char *at = block;
    uint64_t count = 0;
    size_t one = load->options.size + sizeof SUBJECT_PUB + 40;

    while (at + one <= block + PUB_BLOCK || count == 0) {
        at = put_u64(put_text(at, "PUB " SUBJECT_PUB " "), load->options.size);
        at = put_span(put_text(at, "\r\n"), (struct span){load->payload, load->options.size});
        at = put_text(at, "\r\n");
        count++;
    }
    *size = (size_t)(at - block);
    return count;
}

void run_pub(struct load *load, const struct mode *mode)
{
    struct client *client;
    char *block = malloc(PUB_BLOCK + PAYLOAD_SIZE_MAX + 512);
    uint64_t total = load->options.messages ? load->options.messages : UINT64_MAX;
    uint64_t count;
    size_t size;

    (void)mode;
    if (!block)
        die("no memory");
    load_clients(load, 1);
    client = client_open(load, client_no_message, NULL);
    count = pub_block(load, block, &size);

    phase_begin(load);
    load->restless = true;
    while (load->now < load->phase_end && load->result.messages < total) {
        while (conn_pending(&client->conn) < 2 * PUB_BLOCK) {
            char *at = conn_reserve(&client->conn, size);

            conn_commit(&client->conn, put_span(at, (struct span){block, size}));
            load->result.messages += count;
        }
        load_turn(load);
    }
    load->restless = false;
    client_barrier(client);
    phase_end(load);
    free(block);
}

/* One subscriber of the fan-out. A payload begins with when it was sent and its number. */
struct receiver {
    uint64_t received;
};

struct stamp {
    uint64_t sent_ns;
    uint64_t number;
};

static void fan_message(struct client *client, const struct frame *frame)
{
    struct load *load = client->load;
    struct receiver *receiver = client->context;
    struct stamp stamp;

    if (frame->payload.size != load->options.size) {
        load_error(load, "a payload of %zu bytes", frame->payload.size);
        return;
    }
    memcpy(&stamp, frame->payload.at, sizeof stamp);
    if (stamp.number != receiver->received)
        load_error(load, "message %llu where %llu was due", (unsigned long long)stamp.number,
                   (unsigned long long)receiver->received);
    receiver->received++;
    load->result.messages++;
    hist_add(&load->result.latency, load->now - stamp.sent_ns);
}

static uint64_t slowest(const struct receiver *receivers, uint32_t count)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < count; i++) {
        if (receivers[i].received < least)
            least = receivers[i].received;
    }
    return least;
}

static void fan_publish(struct client *client, uint64_t from, uint64_t to)
{
    struct load *load = client->load;
    struct stamp stamp = {.sent_ns = clock_ns()};
    struct span payload = {load->payload, load->options.size};
    struct span none = {0};

    for (stamp.number = from; stamp.number < to; stamp.number++) {
        memcpy(load->payload, &stamp, sizeof stamp);
        client_publish(client, span_of(SUBJECT_FAN), none, payload);
    }
}

void run_fan(struct load *load, const struct mode *mode)
{
    struct receiver receivers[16] = {0};
    uint64_t window = load->options.window ? load->options.window : mode->window;
    uint64_t total = load->options.messages ? load->options.messages : UINT64_MAX;
    uint64_t sent = 0;
    struct client *publisher;

    if (load->options.size < sizeof(struct stamp))
        die("fan-out needs payloads of %zu bytes", sizeof(struct stamp));
    if (window < 8 || window * (load->options.size + 64) > 768u * 1024u)
        die("fan-out cannot keep a window of %llu", (unsigned long long)window);
    load_clients(load, mode->fan + 1);
    for (uint32_t i = 0; i < mode->fan; i++) {
        struct client *client = client_open(load, fan_message, &receivers[i]);

        client_subscribe(client, SUBJECT_FAN, 1);
        client_barrier(client);
    }
    publisher = client_open(load, client_no_message, NULL);

    phase_begin(load);
    for (;;) {
        uint64_t done = slowest(receivers, mode->fan);

        if (sent < total && load->now < load->phase_end) {
            if (sent - done <= window - window / 8) {
                uint64_t to = done + window < total ? done + window : total;

                fan_publish(publisher, sent, to);
                sent = to;
            }
        } else if (done == sent) {
            break;
        }
        load_turn(load);
    }
    phase_end(load);

    /* A barrier on each connection shows what was delivered too often. */
    for (uint32_t i = 0; i < load->client_count; i++)
        client_barrier(&load->clients[i]);
    for (uint32_t i = 0; i < mode->fan; i++) {
        if (receivers[i].received != sent)
            load_error(load, "subscriber %u received %llu of %llu", i,
                       (unsigned long long)receivers[i].received, (unsigned long long)sent);
    }
}

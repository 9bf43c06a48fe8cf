/*
 * Modes that read a stream: replay (push consumer without acks, as ordered readers use) and pull
 * (explicit acks). The stream is filled before the phase; replay reads it again and again, each
 * time with a fresh consumer, until the time is up.
 */
#include <stdio.h>
#include <string.h>

#include "bench/load.h"
#include "bench/names.h"
#include "bench/watch.h"

#define MESSAGES_DEFAULT 200000u

/* What both modes know of the consumer they read from. */
struct reader {
    uint64_t received;  /* of this consumer; also the sequence of the last message */
    uint64_t total;     /* messages in the stream */
    uint64_t requested; /* pull: credit given in all */
    uint64_t request_count;
    uint64_t asked_ns;         /* replay: when the consumer was asked for */
    uint64_t request_ns[1024]; /* pull: when request n was sent, by n modulo the size */
};

/* The reply of a delivery: $JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending, or with a
 * domain and account hash after $JS.ACK. Counting from the end serves both. */
static bool delivery_sequences(struct span reply, uint64_t *stream, uint64_t *consumer)
{
    struct span words[5];
    size_t end = reply.size;

    if (!span_starts(reply, ACK_PREFIX))
        return false;
    for (size_t i = 5; i-- > 0;) {
        size_t at = end;

        while (at > 0 && reply.at[at - 1] != '.')
            at--;
        if (at == 0)
            return false;
        words[i] = (struct span){reply.at + at, end - at};
        end = at - 1;
    }
    return span_u64(words[1], stream) && span_u64(words[2], consumer);
}

/* Counts a delivery and checks that it is the next one. */
static void reader_take(struct load *load, struct reader *reader, const struct frame *frame)
{
    uint64_t stream;
    uint64_t consumer;

    reader->received++;
    if (!delivery_sequences(frame->reply, &stream, &consumer))
        load_error(load, "a delivery with reply %.*s", (int)frame->reply.size, frame->reply.at);
    else if (stream != reader->received || consumer != reader->received)
        load_error(load, "sequences %llu and %llu where %llu was due", (unsigned long long)stream,
                   (unsigned long long)consumer, (unsigned long long)reader->received);
    if (frame->payload.size != load->options.size)
        load_error(load, "a payload of %zu bytes", frame->payload.size);
}

static void reader_init(struct load *load, struct reader *reader, struct client *client)
{
    *reader = (struct reader){.total = load->options.messages ? load->options.messages
                                                              : MESSAGES_DEFAULT};
    client_inbox(client);
    client_subscribe(client, SUBJECT_DELIVER, SID_DELIVER);
    stream_create(client, SUBJECT_JS, "");
    stream_fill(client, SUBJECT_JS, false, reader->total);
}

static void consumer_delete(struct client *client)
{
    client_request(client, API "CONSUMER.DELETE." STREAM_NAME "." CONSUMER_NAME, "");
}

/* ---- replay ---- */

static struct span header_value(struct span header, const char *key)
{
    struct span none = {0};
    const char *at = memmem(header.at, header.size, key, strlen(key));
    const char *end;

    if (!at)
        return none;
    at += strlen(key);
    end = memchr(at, '\r', (size_t)(header.at + header.size - at));
    return end ? (struct span){at, (size_t)(end - at)} : none;
}

/* A flow control request is answered at its reply; a heartbeat may say where a stalled one is
 * to be answered. */
static void replay_status(struct client *client, const struct frame *frame)
{
    struct span none = {0};
    struct span stalled = header_value(frame->header, "Nats-Consumer-Stalled: ");

    if (!span_starts(frame->header, "NATS/1.0 100"))
        load_error(client->load, "the consumer said %.*s", (int)frame->header.size,
                   frame->header.at);
    else if (frame->reply.size > 0)
        client_publish(client, frame->reply, none, none);
    else if (stalled.size > 0)
        client_publish(client, stalled, none, none);
}

static void replay_message(struct client *client, const struct frame *frame)
{
    struct reader *reader = client->context;
    struct load *load = client->load;

    if (frame->header.size > 0 && frame->payload.size == 0) {
        replay_status(client, frame);
        return;
    }
    if (reader->received == 0)
        hist_add(&load->result.latency, load->now - reader->asked_ns);
    reader_take(load, reader, frame);
}

static void replay_once(struct client *client, struct reader *reader)
{
    struct load *load = client->load;

    reader->received = 0;
    reader->asked_ns = clock_ns();
    client_request(client, API "CONSUMER.CREATE." STREAM_NAME "." CONSUMER_NAME,
                   "{\"stream_name\":\"" STREAM_NAME "\",\"config\":{\"name\":\"" CONSUMER_NAME
                   "\",\"deliver_subject\":\"" SUBJECT_DELIVER "\",\"deliver_policy\":\"all\","
                   "\"ack_policy\":\"none\",\"max_deliver\":1,\"replay_policy\":\"instant\","
                   "\"flow_control\":true,\"idle_heartbeat\":5000000000,"
                   "\"inactive_threshold\":300000000000,\"num_replicas\":1,"
                   "\"mem_storage\":true}}");
    while (reader->received < reader->total)
        load_turn(load);
    load->result.messages += reader->received;
    consumer_delete(client);
}

void run_replay(struct load *load, const struct mode *mode)
{
    struct reader reader;
    struct client *client;

    (void)mode;
    load_clients(load, 1);
    client = client_open(load, replay_message, &reader);
    reader_init(load, &reader, client);

    phase_begin(load);
    do
        replay_once(client, &reader);
    while (load->now < load->phase_end);
    client_barrier(client);
    phase_end(load);
    if (reader.received != reader.total)
        load_error(load, "%llu of %llu messages delivered", (unsigned long long)reader.received,
                   (unsigned long long)reader.total);
}

/* ---- pull ---- */

static void pull_request(struct client *client, struct reader *reader)
{
    struct load *load = client->load;
    uint64_t left = reader->total - reader->requested;
    uint64_t batch = left < load->options.batch ? left : load->options.batch;
    uint64_t slots = sizeof reader->request_ns / sizeof reader->request_ns[0];
    char body[96];

    if (batch == 0)
        return;
    snprintf(body, sizeof body, "{\"batch\":%llu,\"expires\":30000000000}",
             (unsigned long long)batch);
    client_publish(client, span_of(MSG_NEXT), span_of(SUBJECT_DELIVER), span_of(body));
    reader->request_ns[reader->request_count++ % slots] = clock_ns();
    reader->requested += batch;
}

/* Each time a batch's worth has come, the next batch is asked for: so the credit at the server
 * stays between requests - 1 and requests batches, whichever request it takes them from. */
static void pull_message(struct client *client, const struct frame *frame)
{
    struct reader *reader = client->context;
    struct load *load = client->load;
    uint64_t slots = sizeof reader->request_ns / sizeof reader->request_ns[0];
    uint64_t batch = load->options.batch;
    struct span none = {0};

    if (frame->header.size > 0 && frame->payload.size == 0) {
        load_error(load, "the consumer said %.*s", (int)frame->header.size, frame->header.at);
        return;
    }
    reader_take(load, reader, frame);
    client_publish(client, frame->reply, none, span_of("+ACK"));
    if (reader->received % batch != 0)
        return;
    hist_add(&load->result.latency,
             load->now - reader->request_ns[(reader->received / batch - 1) % slots]);
    if (load->now < load->phase_end)
        pull_request(client, reader);
}

/* Everything received is acknowledged when the consumer says so. */
static bool pull_settled(struct client *client, const struct reader *reader)
{
    struct span info =
        client_request(client, API "CONSUMER.INFO." STREAM_NAME "." CONSUMER_NAME, "");
    const char *floor = memmem(info.at, info.size, "\"ack_floor\"", 11);
    uint64_t pending;
    uint64_t sequence;

    if (!floor || !json_u64(info, "num_ack_pending", &pending) ||
        !json_u64(span_skip(info, (size_t)(floor - info.at)), "stream_seq", &sequence))
        die("a consumer info without its state: %.*s", (int)info.size, info.at);
    return pending == 0 && sequence == reader->received;
}

static void pull_once(struct client *client, struct reader *reader)
{
    struct load *load = client->load;

    reader->received = 0;
    reader->requested = 0;
    reader->request_count = 0;
    client_request(client, API "CONSUMER.CREATE." STREAM_NAME "." CONSUMER_NAME,
                   "{\"stream_name\":\"" STREAM_NAME
                   "\",\"config\":{\"durable_name\":\"" CONSUMER_NAME
                   "\",\"deliver_policy\":\"all\",\"ack_policy\":\"explicit\","
                   "\"ack_wait\":30000000000,\"replay_policy\":\"instant\"}}");
    for (uint64_t i = 0; i < load->options.requests; i++)
        pull_request(client, reader);
    while (reader->received < reader->requested)
        load_turn(load);
    while (!pull_settled(client, reader))
        continue;
    load->result.messages += reader->received;
    consumer_delete(client);
}

void run_pull(struct load *load, const struct mode *mode)
{
    struct reader reader;
    struct client *client;

    (void)mode;
    if (load->options.batch == 0 || load->options.requests == 0 ||
        load->options.requests > sizeof reader.request_ns / sizeof reader.request_ns[0])
        die("pull needs a batch, and 1 to 1024 requests");
    load_clients(load, 1);
    client = client_open(load, pull_message, &reader);
    reader_init(load, &reader, client);

    phase_begin(load);
    do
        pull_once(client, &reader);
    while (load->now < load->phase_end);
    client_barrier(client);
    phase_end(load);
}

/*
 * Modes of request and answer: reqrep, jspub, dget; and the filling of a stream.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "bench/names.h"
#include "bench/window.h"

#define FILL_WINDOW 4096u

static struct window *window_create(struct client *client, uint64_t limit, uint64_t total)
{
    struct window *window = calloc(1, sizeof *window);

    if (!window)
        die("no memory for a window");
    if (limit == 0 || limit > WINDOW_MAX)
        die("a window of %llu", (unsigned long long)limit);
    window->client = client;
    window->limit = limit;
    window->total = total;
    client->message = window_message;
    client->context = window;
    return window;
}

static uint64_t limit_of(const struct load *load, const struct mode *mode)
{
    return load->options.window ? load->options.window : mode->window;
}

/* The measured phase of a mode that is one window. */
static void window_measure(struct window *window)
{
    struct load *load = window->client->load;

    window->total = load->options.messages ? load->options.messages : UINT64_MAX;
    window->measured = true;
    phase_begin(load);
    window_run(window);
    phase_end(load);
    load->result.messages = window->answered;
}

/* ---- request and reply ---- */

static char *put_request(char *at, const char *subject, uint64_t number, struct span payload)
{
    at = put_text(put_text(at, "PUB "), subject);
    at = put_u64(put_text(at, " " INBOX), number);
    at = put_u64(put_text(at, " "), payload.size);
    at = put_span(put_text(at, "\r\n"), payload);
    return put_text(at, "\r\n");
}

static char *reqrep_request(const struct window *window, uint64_t number, char *at)
{
    const struct load *load = window->client->load;
    struct span payload = {load->payload, load->options.size};

    return put_request(at, SUBJECT_REQUEST, number, payload);
}

static void reqrep_answer(struct window *window, uint64_t number, const struct frame *frame)
{
    struct load *load = window->client->load;

    if (frame->payload.size != load->options.size)
        load_error(load, "answer %llu has %zu bytes: %.*s", (unsigned long long)number,
                   frame->payload.size, (int)frame->header.size, frame->header.at);
}

static void responder_message(struct client *client, const struct frame *frame)
{
    struct span none = {0};

    client_publish(client, frame->reply, none, frame->payload);
}

void run_reqrep(struct load *load, const struct mode *mode)
{
    struct client *responder;
    struct window *window;

    load_clients(load, 2);
    responder = client_open(load, responder_message, NULL);
    client_subscribe(responder, SUBJECT_REQUEST, 1);
    client_barrier(responder);
    window = window_create(client_open(load, NULL, NULL), limit_of(load, mode), 0);
    window->request = reqrep_request;
    window->answer = reqrep_answer;
    client_inbox(window->client);
    client_barrier(window->client);
    window_measure(window);
    free(window);
}

/* ---- publish into a stream ---- */

/* What a publisher sends: the subject is the prefix, and the number behind it when keyed. */
struct publishing {
    const char *prefix;
    bool keyed;
};

static char *publish_request(const struct window *window, uint64_t number, char *at)
{
    const struct publishing *publishing = window->context;
    struct load *load = window->client->load;
    struct span payload = {load->payload, load->options.size};

    if (!publishing->keyed)
        return put_request(at, publishing->prefix, number, payload);

    /* The key is in the payload too, so that whoever reads it can tell it is the right one. */
    memcpy(load->payload, &number, sizeof number);
    at = put_u64(put_text(put_text(at, "PUB "), publishing->prefix), number);
    at = put_u64(put_text(at, " " INBOX), number);
    at = put_u64(put_text(at, " "), payload.size);
    at = put_span(put_text(at, "\r\n"), payload);
    return put_text(at, "\r\n");
}

/* The stream was new and this connection is its only publisher, so message n has sequence n + 1. */
static void publish_answer(struct window *window, uint64_t number, const struct frame *frame)
{
    struct load *load = window->client->load;
    uint64_t sequence;

    if (span_contains(frame->payload, "\"error\"") || !json_u64(frame->payload, "seq", &sequence)) {
        load_error(load, "publish %llu was answered %.*s%.*s", (unsigned long long)number,
                   (int)frame->payload.size, frame->payload.at, (int)frame->header.size,
                   frame->header.at);
        return;
    }
    if (sequence != number + 1)
        load_error(load, "publish %llu got sequence %llu", (unsigned long long)number,
                   (unsigned long long)sequence);
}

void run_jspub(struct load *load, const struct mode *mode)
{
    struct publishing publishing = {.prefix = SUBJECT_JS};
    struct window *window;
    uint64_t stored;

    load_clients(load, 1);
    window = window_create(client_open(load, NULL, NULL), limit_of(load, mode), 0);
    window->request = publish_request;
    window->answer = publish_answer;
    window->context = &publishing;
    client_inbox(window->client);
    stream_create(window->client, SUBJECT_JS, "");
    window_measure(window);
    stored = stream_messages(window->client);
    if (stored != window->answered)
        load_error(load, "%llu acks, but the stream holds %llu messages",
                   (unsigned long long)window->answered, (unsigned long long)stored);
    free(window);
}

void stream_fill(struct client *client, const char *prefix, bool keyed, uint64_t count)
{
    struct publishing publishing = {.prefix = prefix, .keyed = keyed};
    client_message_fn *message = client->message;
    void *context = client->context;
    struct window *window = window_create(client, FILL_WINDOW, count);

    window->request = publish_request;
    window->answer = publish_answer;
    window->context = &publishing;
    window_run(window);
    free(window);
    client->message = message;
    client->context = context;
    if (client->load->result.errors > 0)
        die("the stream could not be filled");
    if (stream_messages(client) != count)
        die("the stream does not hold what was published");
}

/* ---- direct get ---- */

/* The key of request n: spread over all keys, the same in every run. */
static uint64_t dget_key(const struct load *load, uint64_t number)
{
    return (number * 0x9E3779B97F4A7C15ull >> 20) % load->options.keys;
}

static char *dget_request(const struct window *window, uint64_t number, char *at)
{
    at = put_text(at, "PUB " DIRECT_GET SUBJECT_KV);
    at = put_u64(at, dget_key(window->client->load, number));
    at = put_u64(put_text(at, " " INBOX), number);
    return put_text(at, " 0\r\n\r\n");
}

static void dget_answer(struct window *window, uint64_t number, const struct frame *frame)
{
    struct load *load = window->client->load;
    uint64_t key = dget_key(load, number);
    uint64_t found;

    if (frame->payload.size != load->options.size ||
        !span_contains(frame->header, "Nats-Sequence: ")) {
        load_error(load, "get %llu was answered %.*s", (unsigned long long)number,
                   (int)frame->header.size, frame->header.at);
        return;
    }
    memcpy(&found, frame->payload.at, sizeof found);
    if (found != key)
        load_error(load, "get of key %llu gave %llu", (unsigned long long)key,
                   (unsigned long long)found);
}

void run_dget(struct load *load, const struct mode *mode)
{
    struct window *window;
    struct client *client;

    if (load->options.size < sizeof(uint64_t))
        die("dget needs payloads of %zu bytes", sizeof(uint64_t));
    load_clients(load, 1);
    client = client_open(load, NULL, NULL);
    client_inbox(client);
    stream_create(client, SUBJECT_KV "*", ",\"allow_direct\":true,\"max_msgs_per_subject\":1");
    stream_fill(client, SUBJECT_KV, true, load->options.keys);
    window = window_create(client, limit_of(load, mode), 0);
    window->request = dget_request;
    window->answer = dget_answer;
    window_measure(window);
    free(window);
}

#include "tests/sim/client.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT (64u << 20)

void sim_client_init(struct sim_client *client, struct sim *sim, struct io *io,
                     void (*message)(void *context, const struct client_message *message),
                     void *context)
{
    *client = (struct sim_client){.sim = sim, .io = io, .message = message, .context = context};
    buf_init(&client->in, LIMIT);
    buf_init(&client->out, LIMIT);
    buf_init(&client->flight, LIMIT);
}

void sim_client_deinit(struct sim_client *client)
{
    buf_deinit(&client->in);
    buf_deinit(&client->out);
    buf_deinit(&client->flight);
}

/* ---- sending -------------------------------------------------------------------------------- */

static void flush(struct sim_client *client)
{
    struct buf swap;
    struct bytes piece;

    if (client->sock == NULL || client->closing || client->out.size == 0 ||
        io_sock_sending(client->sock))
        return;
    swap = client->flight;
    client->flight = client->out;
    client->out = swap;
    buf_clear(&client->out);
    piece = buf_bytes(&client->flight);
    io_sock_send(client->io, client->sock, &piece, 1);
}

static void put(struct sim_client *client, struct bytes b)
{
    bool fits = buf_add(&client->out, b);

    assert(fits);
}

static void put_text(struct sim_client *client, const char *text)
{
    put(client, bytes_of_text(text));
}

void sim_client_publish(struct sim_client *client, const char *subject, const char *reply,
                        const char *headers, struct bytes payload)
{
    char line[512];
    size_t head = strlen(headers);

    if (client->sock == NULL)
        return;
    if (head > 0)
        snprintf(line, sizeof line, "HPUB %s %s %zu %zu\r\n", subject, reply, head,
                 head + payload.size);
    else
        snprintf(line, sizeof line, "PUB %s %s %zu\r\n", subject, reply, payload.size);
    put_text(client, line);
    put_text(client, headers);
    put(client, payload);
    put_text(client, "\r\n");
    flush(client);
}

void sim_client_say(struct sim_client *client, const char *lines)
{
    if (client->sock == NULL)
        return;
    put_text(client, lines);
    flush(client);
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Splits a line into words. */
static size_t split(char *line, char *words[6])
{
    size_t count = 0;
    char *save = NULL;

    for (char *word = strtok_r(line, " ", &save); word != NULL && count < 6;
         word = strtok_r(NULL, " ", &save))
        words[count++] = word;
    return count;
}

/* A MSG or HMSG whose line has been read; false: its bytes are not all here. */
static bool take_message(struct sim_client *client, char *words[6], size_t count, size_t line_size)
{
    bool headers = words[0][0] == 'H';
    size_t total = strtoul(words[count - 1], NULL, 10);
    size_t head = headers ? strtoul(words[count - 2], NULL, 10) : 0;
    bool reply = count == (headers ? 6u : 5u);
    struct client_message message = {
        .subject = bytes_of_text(words[1]),
        .sid = bytes_of_text(words[2]),
        .reply = reply ? bytes_of_text(words[3]) : bytes_of(NULL, 0),
    };
    uint8_t *copy;

    if (client->in.size < line_size + total + 2)
        return false;
    copy = malloc(total +
                  1); /* the callback may publish, which does not touch `in`, but keep it simple */
    assert(copy != NULL);
    memcpy(copy, client->in.at + line_size, total);
    message.headers = bytes_of(copy, head);
    message.payload = bytes_of(copy + head, total - head);
    buf_consume(&client->in, line_size + total + 2);
    client->message(client->context, &message);
    free(copy);
    return true;
}

/* One protocol line; false: more bytes are needed. */
static bool take_line(struct sim_client *client)
{
    struct bytes in = buf_bytes(&client->in);
    size_t end = bytes_find(in, '\n');
    char line[4096];
    char *words[6];
    size_t count;

    if (end == in.size)
        return false;
    assert(end < sizeof line);
    memcpy(line, in.at, end);
    line[end > 0 && in.at[end - 1] == '\r' ? end - 1 : end] = 0;
    if (strncmp(line, "MSG ", 4) == 0 || strncmp(line, "HMSG ", 5) == 0) {
        count = split(line, words);
        return take_message(client, words, count, end + 1);
    }
    buf_consume(&client->in, end + 1);
    if (strncmp(line, "PING", 4) == 0) {
        put_text(client, "PONG\r\n");
        flush(client);
    } else if (strncmp(line, "-ERR", 4) == 0) {
        snprintf(client->error, sizeof client->error, "%.120s", line);
    }
    return true;
}

static void received(void *owner, struct bytes b)
{
    struct sim_client *client = owner;

    if (client->closing)
        return;
    if (!buf_add(&client->in, b))
        abort();
    while (client->sock != NULL && !client->closing && take_line(client))
        ;
}

static void sent(void *owner)
{
    flush(owner);
}

static void ended(void *owner, int reason)
{
    struct sim_client *client = owner;

    (void)reason;
    sim_client_drop(client);
}

static void closed(void *owner)
{
    struct sim_client *client = owner;

    client->sock = NULL;
    client->closing = false;
}

static const struct io_sock_events events = {
    .received = received, .sent = sent, .ended = ended, .closed = closed};

void sim_client_connect(struct sim_client *client, size_t node, uint16_t port, const char *inbox)
{
    assert(client->sock == NULL);
    buf_clear(&client->in);
    buf_clear(&client->out);
    client->error[0] = 0;
    client->sock = sim_connect(client->sim, client->io, node, port, &events, client);
    put_text(
        client,
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,"
        "\"protocol\":1}\r\nSUB ");
    put_text(client, inbox);
    put_text(client, " 1\r\n");
    flush(client);
}

void sim_client_drop(struct sim_client *client)
{
    if (client->sock == NULL || client->closing)
        return;
    client->closing = true;
    io_sock_close(client->io, client->sock, false);
}

bool sim_client_connected(const struct sim_client *client)
{
    return client->sock != NULL && !client->closing;
}

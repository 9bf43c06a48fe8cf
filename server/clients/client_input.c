/*
 * Takes frames (a line, or a line and its payload) from what arrives. A frame that lies whole in
 * the received bytes is used where it lies; the one that is cut off is completed in client->in.
 */
#include "server/clients/client_priv.h"
#include "server/clients/client_trace.h"

#include "server/clients/trace.h"

/* A line may come with blanks before its arguments that do not count against the limit; while it is
 * not whole, these are as many as we hold. */
#define LINE_SLACK 256u

enum step {
    STEP_DONE, /* a frame was taken, *used bytes */
    STEP_MORE, /* not whole: in_need or in_keep may tell more */
    STEP_END,  /* the client takes nothing any more */
};

static enum step unknown_operation(struct client *client, struct bytes in)
{
    logger_error(client->clients->logger,
                 "%s - Client parser ERROR: unknown operation at byte 0x%02x", client->label,
                 in.size > 0 ? in.at[0] : 0);
    client_end(client, "Unknown Protocol Operation", "Protocol Violation");
    return STEP_END;
}

static enum step line_too_long(struct client *client)
{
    logger_error(client->clients->logger, "%s - maximum control line of %lld exceeded",
                 client->label, (long long)client->clients->options->max_control_line);
    client_end(client, "maximum control line exceeded", "Maximum Control Line Exceeded");
    return STEP_END;
}

/* What follows from a line that was not read. */
static enum step line_unread(struct client *client, enum parse parse)
{
    switch (parse) {
    case PARSE_MORE: return STEP_MORE;
    case PARSE_LONG: return line_too_long(client);
    default: client_end(client, NULL, "Protocol Violation"); return STEP_END;
    }
}

static size_t line_limit(const struct client *client)
{
    return (size_t)client->clients->options->max_control_line;
}

/* The arguments of a line that was read, for the log. */
static void trace_line(const struct client *client, const char *verb, struct bytes line)
{
    if (client->trace)
        trace_in(client, verb, bytes_trim(line));
}

/* ---- frames with a payload ------------------------------------------------------------------ */

static enum step too_large(struct client *client, uint32_t size)
{
    logger_error(client->clients->logger, "%s - maximum payload exceeded: %u vs %lld",
                 client->label, size, (long long)client->payload_max);
    client_end(client, "Maximum Payload Violation", "Maximum Message Payload Exceeded");
    return STEP_END;
}

/* `in` begins with the payload, `before` bytes of the frame came earlier. */
static inline enum step payload(struct client *client, struct bytes in, const struct proto_pub *pub,
                                size_t before, size_t *used)
{
    if (in.size > pub->size && in.at[pub->size] != '\r')
        return unknown_operation(client, bytes_skip(in, pub->size));
    if (in.size < (size_t)pub->size + 2) {
        client->in_need = before + pub->size + 2;
        return STEP_MORE;
    }
    if (in.at[pub->size + 1] != '\n')
        return unknown_operation(client, bytes_skip(in, pub->size + 1));
    *used = before + pub->size + 2;
    if (client->trace)
        trace_publish(client, pub, in.at);
    client_publish(client, pub, in.at);
    return STEP_DONE;
}

static inline enum step step_pub(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    struct bytes rest = bytes_skip(in, verb);
    struct proto_pub pub;
    enum parse parse;
    size_t line;

    parse = proto_read_pub(rest, line_limit(client), &pub, &line);
    if (parse != PARSE_DONE)
        return line_unread(client, parse);
    if (pub.size > client->payload_max)
        return too_large(client, pub.size);
    return payload(client, bytes_skip(rest, line), &pub, verb + line, used);
}

static enum step step_hpub(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    struct bytes rest = bytes_skip(in, verb);
    struct proto_pub pub;
    enum parse parse;
    size_t line;

    parse = proto_read_hpub(rest, line_limit(client), &pub, &line);
    if (parse == PARSE_DONE && !client->headers)
        parse = PARSE_BAD;
    if (parse != PARSE_DONE)
        return line_unread(client, parse);
    if (pub.size > client->payload_max) {
        client_trace_too_large(client, &pub, bytes_skip(rest, line));
        return too_large(client, pub.size);
    }
    return payload(client, bytes_skip(rest, line), &pub, verb + line, used);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static enum step step_sub(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    struct proto_sub said;
    enum parse parse;
    size_t line;

    parse = proto_read_sub(bytes_skip(in, verb), line_limit(client), &said, &line);
    if (parse != PARSE_DONE)
        return line_unread(client, parse);
    *used = verb + line;
    trace_line(client, "SUB", bytes_of(in.at + verb, line));
    client_subscribe(client, &said);
    return STEP_DONE;
}

static enum step step_unsub(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    struct proto_unsub said;
    enum parse parse;
    size_t line;

    parse = proto_read_unsub(bytes_skip(in, verb), line_limit(client), &said, &line);
    if (parse != PARSE_DONE)
        return line_unread(client, parse);
    *used = verb + line;
    trace_line(client, "UNSUB", bytes_of(in.at + verb, line));
    client_unsubscribe(client, &said);
    return STEP_DONE;
}

/* PING, PONG, +OK: what follows the verb is not read, however long it is. */
static enum step step_bare(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    size_t end = verb + bytes_find(bytes_skip(in, verb), '\n');

    if (end == in.size) {
        client->in_keep = verb;
        return STEP_MORE;
    }
    *used = end + 1;
    return STEP_DONE;
}

static enum step step_args(struct client *client, struct bytes in, size_t verb, struct bytes *args,
                           size_t *used)
{
    enum parse parse;
    size_t line;

    parse = proto_read_args(bytes_skip(in, verb), line_limit(client), args, &line);
    if (parse != PARSE_DONE)
        return line_unread(client, parse);
    *used = verb + line;
    return STEP_DONE;
}

static enum step step_ping(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    enum step step = step_bare(client, in, verb, used);

    if (step == STEP_DONE) {
        trace_line(client, "PING", BYTES(""));
        client_pinged(client);
    }
    return step;
}

static enum step step_pong(struct client *client, struct bytes in, size_t verb, int64_t now_ns,
                           size_t *used)
{
    enum step step = step_bare(client, in, verb, used);

    if (step == STEP_DONE) {
        trace_line(client, "PONG", BYTES(""));
        client_ponged(client, now_ns);
    }
    return step;
}

static enum step step_connect(struct client *client, struct bytes in, size_t verb, int64_t now_ns,
                              size_t *used)
{
    struct bytes args;
    enum step step = step_args(client, in, verb, &args, used);

    if (step == STEP_DONE)
        client_connect(client, args, now_ns);
    return step;
}

static enum step step_info(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    struct bytes args;
    enum step step = step_args(client, in, verb, &args, used);

    if (step == STEP_DONE)
        client_info(client, args);
    return step;
}

static enum step step_err(struct client *client, struct bytes in, size_t verb, size_t *used)
{
    struct bytes args;
    enum step step = step_args(client, in, verb, &args, used);

    if (step == STEP_DONE)
        client_erred(client, args);
    return step;
}

/* Takes the frame that `in` begins with. */
static enum step step(struct client *client, struct bytes in, int64_t now_ns, size_t *used)
{
    enum proto_verb verb;
    enum parse parse;
    size_t size;

    if (client->unproven && in.at[0] != 'C' && in.at[0] != 'c' && !client_begin_unnamed(client))
        return STEP_END;
    if (bytes_starts(in, BYTES("PUB "))) /* what nearly every line is */
        return step_pub(client, in, 4, used);
    parse = proto_read_verb(in, &verb, &size);
    if (parse == PARSE_MORE)
        return STEP_MORE;
    if (parse != PARSE_DONE)
        return unknown_operation(client, in);

    switch (verb) {
    case PROTO_PUB: return step_pub(client, in, size, used);
    case PROTO_HPUB: return step_hpub(client, in, size, used);
    case PROTO_SUB: return step_sub(client, in, size, used);
    case PROTO_UNSUB: return step_unsub(client, in, size, used);
    case PROTO_PING: return step_ping(client, in, size, used);
    case PROTO_PONG: return step_pong(client, in, size, now_ns, used);
    case PROTO_OK: return step_bare(client, in, size, used);
    case PROTO_CONNECT: return step_connect(client, in, size, now_ns, used);
    case PROTO_INFO: return step_info(client, in, size, used);
    case PROTO_ERR: return step_err(client, in, size, used);
    }
    return STEP_END;
}

/* ---- feeding -------------------------------------------------------------------------------- */

static void in_add(struct client *client, struct bytes b)
{
    size_t need = client->in_need > client->in.size ? client->in_need - client->in.size : 0;

    if (client->in.at == NULL)
        client->in = clients_spare_take(client->clients);
    /* Once for the whole frame, whose size max_payload bounds. */
    clients_spare_widen(client->clients, &client->in, need > b.size ? need : b.size);
    (void)buf_reserve(&client->in, need > b.size ? need : b.size);
    memcpy(client->in.at + client->in.size, b.at, b.size);
    buf_commit(&client->in, b.size);
}

/* After a step that wants more of what is in `in`. */
static void in_trim(struct client *client)
{
    if (client->in_keep > 0)
        client->in.size = client->in_keep;
    client->in_keep = 0;
    if (client->in_need == 0 && client->in.size > line_limit(client) + LINE_SLACK)
        (void)line_too_long(client);
}

static void in_drop(struct client *client)
{
    client->in_need = 0;
    clients_spare_give(client->clients, &client->in);
}

/* How much of `b` can belong to the frame in `in`. */
static size_t in_missing(const struct client *client, struct bytes b)
{
    size_t missing;

    if (client->in_need > 0)
        missing = client->in_need - client->in.size;
    else
        missing = bytes_find(b, '\n') + 1;
    return missing < b.size ? missing : b.size;
}

/* Nothing is to be done for it but to say PONG, to somebody who has gone. */
static bool asks_nothing(struct bytes late)
{
    while (bytes_starts(late, BYTES("PING\r\n")))
        late = bytes_skip(late, 6);
    return late.size == 0;
}

void client_ended(struct client *client)
{
    client->said_all = true;
    if (client->proof == NULL || asks_nothing(buf_bytes(&client->late)))
        client_end(client, NULL, "Client Closed");
}

/* What is said while a password is being proven is heard when that is done. The shell does not read
 * on, so it is what had arrived. */
static void keep_late(struct client *client, struct bytes b)
{
    if (client->state == CLIENT_OPEN && !buf_add(&client->late, b))
        client_doom(client, "Authentication Failure");
    if (client->late.size > CLIENT_LATE_MUCH)
        client_proof_pause(client);
}

/* Completes the frame in `in`; returns what of `b` follows it. */
static struct bytes complete(struct client *client, struct bytes b, int64_t now_ns)
{
    while (client->state == CLIENT_OPEN && client->in.size > 0 && b.size > 0 &&
           client->proof == NULL) {
        size_t take = in_missing(client, b), used = 0;
        enum step taken;

        in_add(client, bytes_take(b, take));
        b = bytes_skip(b, take);
        if (client->in.size + 1 < client->in_need)
            break; /* with but the last byte missing, the one before it is looked at */
        taken = step(client, buf_bytes(&client->in), now_ns, &used);
        if (taken == STEP_MORE) {
            in_trim(client);
        } else {
            assert(taken == STEP_END || used == client->in.size);
            in_drop(client);
        }
    }
    return b;
}

/* The frame that `in` began with, and those that follow it. */
static void feed(struct client *client, struct bytes b, int64_t now_ns)
{
    clients_catch_up(client->clients);
    if (client->in.size > 0)
        b = complete(client, b, now_ns);
    while (client->state == CLIENT_OPEN && b.size > 0) {
        size_t used = 0;
        enum step taken;

        if (client->proof != NULL) {
            keep_late(client, b);
            return;
        }
        taken = step(client, b, now_ns, &used);
        if (taken == STEP_MORE) {
            in_add(client, b);
            in_trim(client);
            break;
        }
        if (taken == STEP_END)
            break;
        b = bytes_skip(b, used);
    }
}

void client_feed(struct client *client, struct bytes b, int64_t now_ns)
{
    client->clients->now_ns = now_ns;
    client->last_in_ns = now_ns;
    if (client->proof != NULL)
        keep_late(client, b);
    else
        feed(client, b, now_ns);
}

void client_feed_late(struct client *client, int64_t now_ns)
{
    struct buf late = client->late;

    buf_init(&client->late, CLIENT_LATE_MAX);
    if (late.size > 0 && client->state == CLIENT_OPEN)
        feed(client, buf_bytes(&late), now_ns);
    buf_deinit(&late);
}

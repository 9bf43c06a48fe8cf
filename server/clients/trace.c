#include "server/clients/trace.h"

#include "base/buf.h"
#include "base/json.h"
#include "server/clients/client.h"
#include "server/clients/proto.h"

#define HEADERS_END 4u          /* their last line's end, and the empty line */
#define TEXT_MAX    (64u << 10) /* of one line, far beyond what the logger prints; the rest is cut */

static void line(const struct client *client, const char *arrow, const struct buf *text)
{
    logger_trace(client->clients->logger, "%s - %s %.*s", client->label, arrow,
                 BYTES_ARG(buf_bytes(text)));
}

static void operation(const struct client *client, const char *arrow, const char *verb,
                      struct bytes args)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    (void)buf_print(&text, "[%s%s", verb, args.size > 0 ? " " : "");
    (void)logger_quote(&text, args);
    (void)BUF_ADD(&text, "]");
    line(client, arrow, &text);
    buf_deinit(&text);
}

/* Of a message with its headers in front. */
static void payload(const struct client *client, const char *arrow, size_t header_size,
                    struct bytes b)
{
    const struct options *options = client->clients->options;
    size_t most = options->traced_size_max > 0 ? (size_t)options->traced_size_max : SIZE_MAX;
    struct buf text;

    if (options->trace_headers) { /* and without what ends them */
        if (header_size < HEADERS_END)
            return;
        b = bytes_take(b, header_size - HEADERS_END);
    }
    buf_init(&text, TEXT_MAX);
    (void)BUF_ADD(&text, "MSG_PAYLOAD: [\"");
    (void)logger_quote(&text, bytes_take(b, b.size < most ? b.size : most));
    if (b.size > most)
        (void)BUF_ADD(&text, "...");
    (void)BUF_ADD(&text, "\"]");
    line(client, arrow, &text);
    buf_deinit(&text);
}

void trace_in(const struct client *client, const char *verb, struct bytes args)
{
    operation(client, "<<-", verb, args);
}

void trace_out(const struct client *client, const char *word)
{
    operation(client, "->>", word, bytes_of(NULL, 0));
}

void trace_unsubscribed(const struct client *client, struct bytes sid)
{
    operation(client, "<->", "DELSUB", sid);
}

void trace_publish(const struct client *client, const struct proto_pub *pub, const uint8_t *body)
{
    struct buf args;

    buf_init(&args, TEXT_MAX);
    (void)buf_add(&args, pub->subject);
    if (pub->reply.size > 0) {
        (void)BUF_ADD(&args, " ");
        (void)buf_add(&args, pub->reply);
    }
    if (pub->header_size > 0)
        (void)buf_print(&args, " %u", pub->header_size);
    (void)buf_print(&args, " %u", pub->size);
    operation(client, "<<-", pub->header_size > 0 ? "HPUB" : "PUB", buf_bytes(&args));
    buf_deinit(&args);
    payload(client, "<<-", pub->header_size, bytes_of(body, pub->size));
}

void trace_error(const struct client *client, struct bytes before, struct bytes what,
                 struct bytes after)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    (void)buf_add(&text, before);
    (void)buf_add(&text, what);
    (void)buf_add(&text, after);
    operation(client, "->>", "-ERR", buf_bytes(&text));
    buf_deinit(&text);
}

/* The last but one word of the line of an HMSG. */
static size_t header_size_of(struct bytes args)
{
    size_t end = args.size, size = 0;

    while (end > 0 && args.at[end - 1] != ' ')
        end--;
    if (end == 0)
        return 0;
    for (size_t at = end - 1, unit = 1; at > 0 && args.at[at - 1] != ' '; at--, unit *= 10)
        size += (size_t)(args.at[at - 1] - '0') * unit;
    return size;
}

void trace_message(const struct client *client, struct bytes frame)
{
    bool headers = frame.at[0] == 'H';
    size_t size = bytes_find(frame, '\r');
    struct bytes body = bytes_skip(frame, size + 2);
    struct bytes args = bytes_skip(bytes_take(frame, size), headers ? 5 : 4);

    operation(client, "->>", headers ? "HMSG" : "MSG", args);
    payload(client, "->>", headers ? header_size_of(args) : 0, bytes_take(body, body.size - 2));
}

static bool is_secret(struct bytes key)
{
    static const struct bytes secrets[] = {{(const uint8_t *)"pass", 4},
                                           {(const uint8_t *)"auth_token", 10},
                                           {(const uint8_t *)"jwt", 3},
                                           {(const uint8_t *)"sig", 3},
                                           {(const uint8_t *)"proxy_sig", 9}};

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (bytes_equal_nocase(key, secrets[i]))
            return true;
    }
    return false;
}

static void add_member(struct json_writer *writer, const struct json *member)
{
    json_key(writer, member->key);
    if (is_secret(member->key)) {
        json_string(writer, BYTES("[REDACTED]"));
        return;
    }
    switch (member->type) {
    case JSON_NULL: json_null(writer); break;
    case JSON_FALSE:
    case JSON_TRUE: json_bool(writer, member->type == JSON_TRUE); break;
    case JSON_STRING: json_string(writer, member->text); break;
    case JSON_NUMBER: json_raw(writer, member->text); break;
    case JSON_ARRAY: json_raw(writer, BYTES("[]")); break; /* of no known member */
    case JSON_OBJECT: json_raw(writer, BYTES("{}")); break;
    }
}

void trace_connect(const struct client *client, struct arena *arena, struct bytes json)
{
    struct json_error error;
    const struct json *object = json_parse(arena, json, &error);
    struct json_writer writer;
    struct buf text;

    buf_init(&text, TEXT_MAX);
    (void)BUF_ADD(&text, "[CONNECT ");
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    if (object != NULL && object->type == JSON_OBJECT) {
        for (const struct json *member = object->child; member != NULL; member = member->next)
            add_member(&writer, member);
    }
    json_object_end(&writer);
    (void)BUF_ADD(&text, "]");
    line(client, "<<-", &text);
    buf_deinit(&text);
}

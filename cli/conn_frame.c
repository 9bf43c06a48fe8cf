/* Frames that a server sends, and what they hold. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/conn_parts.h"

#define LINE_MAX_SIZE (size_t)(2 * 1024 * 1024)
#define WORDS_MAX     5

/* ---- frames ---------------------------------------------------------------------------------- */

static size_t split(struct bytes line, struct bytes words[static WORDS_MAX])
{
    size_t count = 0, i = 0;

    while (i < line.size) {
        size_t start;

        while (i < line.size && (line.at[i] == ' ' || line.at[i] == '\t'))
            i++;
        start = i;
        while (i < line.size && line.at[i] != ' ' && line.at[i] != '\t')
            i++;
        if (i == start)
            break;
        if (count == WORDS_MAX)
            return WORDS_MAX + 1;
        words[count++] = bytes_of(line.at + start, i - start);
    }
    return count;
}

/* MSG subject sid [reply] size; HMSG subject sid [reply] header_size size */
static enum conn_verdict read_message(struct bytes in, struct bytes line, bool headers,
                                      struct frame *frame)
{
    struct bytes words[WORDS_MAX];
    size_t count = split(line, words), sizes = headers ? 2 : 1;
    uint64_t header_size = 0, size;

    if (count < 2 + sizes || count > 3 + sizes || !bytes_read_u64(words[1], &frame->msg.sid) ||
        !bytes_read_u64(words[count - 1], &size) ||
        (headers && !bytes_read_u64(words[count - 2], &header_size)) || header_size > size ||
        size > CONN_BUFFER_MAX / 2)
        return CONN_LOST;
    frame->kind = FRAME_MSG;
    frame->msg.subject = words[0];
    frame->msg.reply = count == 3 + sizes ? words[2] : (struct bytes){0};
    frame->msg.header = bytes_of(in.at + frame->size, header_size);
    frame->msg.payload = bytes_of(in.at + frame->size + header_size, size - header_size);
    frame->size += size + 2;
    return in.size < frame->size ? CONN_TIMEOUT : CONN_OK;
}

static bool take_word(struct bytes *line, struct bytes word)
{
    if (line->size < word.size || !bytes_equal_nocase(bytes_take(*line, word.size), word) ||
        (line->size > word.size && line->at[word.size] != ' ' && line->at[word.size] != '\t'))
        return false;
    *line = bytes_trim(bytes_skip(*line, word.size));
    return true;
}

enum conn_verdict conn_read_frame(struct bytes in, struct frame *frame)
{
    const uint8_t *end = in.size > 0 ? memchr(in.at, '\n', in.size) : NULL;
    struct bytes line;

    frame->size = 0;
    if (in.size == 0 || end == NULL)
        return in.size > LINE_MAX_SIZE ? CONN_LOST : CONN_TIMEOUT;
    *frame = (struct frame){.size = (size_t)(end - in.at) + 1};
    line = bytes_trim(bytes_of(in.at, frame->size));
    if (take_word(&line, BYTES("MSG")))
        return read_message(in, line, false, frame);
    if (take_word(&line, BYTES("HMSG")))
        return read_message(in, line, true, frame);
    if (take_word(&line, BYTES("PING")))
        frame->kind = FRAME_PING;
    else if (take_word(&line, BYTES("PONG")))
        frame->kind = FRAME_PONG;
    else if (take_word(&line, BYTES("+OK")))
        frame->kind = FRAME_OK;
    else if (take_word(&line, BYTES("-ERR")))
        frame->kind = FRAME_ERR;
    else if (take_word(&line, BYTES("INFO")))
        frame->kind = FRAME_INFO;
    else
        return CONN_LOST;
    frame->text = line;
    return CONN_OK;
}

/* ---- INFO ------------------------------------------------------------------------------------ */

static const char *text_of(struct conn *conn, const struct json *info, struct bytes key)
{
    const struct json *value = json_get(info, key);

    if (value == NULL || value->type != JSON_STRING)
        return "";
    return (const char *)arena_copy(&conn->arena, value->text).at;
}

static bool is_true(const struct json *info, struct bytes key)
{
    const struct json *value = json_get(info, key);

    return value != NULL && value->type == JSON_TRUE;
}

bool conn_read_info(struct conn *conn, struct bytes text)
{
    struct json_error error;
    const struct json *info;
    struct conn_info *out = &conn->info;

    conn->info_text = arena_copy(&conn->arena, text);
    info = json_parse(&conn->arena, conn->info_text, &error);
    if (info == NULL || info->type != JSON_OBJECT)
        return false;
    *out = (struct conn_info){
        .server_id = text_of(conn, info, BYTES("server_id")),
        .server_name = text_of(conn, info, BYTES("server_name")),
        .version = text_of(conn, info, BYTES("version")),
        .millrace = text_of(conn, info, BYTES("millrace")),
        .cluster = text_of(conn, info, BYTES("cluster")),
        .client_ip = text_of(conn, info, BYTES("client_ip")),
        .nonce = text_of(conn, info, BYTES("nonce")),
        .headers = is_true(info, BYTES("headers")),
        .tls_required = is_true(info, BYTES("tls_required")),
        .auth_required = is_true(info, BYTES("auth_required")),
        .jetstream = is_true(info, BYTES("jetstream")),
    };
    (void)json_u64(json_get(info, BYTES("max_payload")), &out->max_payload);
    (void)json_u64(json_get(info, BYTES("client_id")), &out->client_id);
    return true;
}

/* ---- messages -------------------------------------------------------------------------------- */

void msg_copy(struct msg *to, const struct msg *from, struct arena *arena)
{
    *to = (struct msg){
        .sid = from->sid,
        .subject = arena_copy(arena, from->subject),
        .reply = arena_copy(arena, from->reply),
        .header = arena_copy(arena, from->header),
        .payload = arena_copy(arena, from->payload),
    };
}

static size_t line_end(struct bytes b)
{
    size_t end = bytes_find(b, '\n');

    return end < b.size ? end + 1 : end;
}

unsigned msg_status(const struct msg *msg, struct bytes *text)
{
    struct bytes line;
    uint64_t status;

    if (msg->header.size == 0)
        return 0;
    line = bytes_trim(bytes_take(msg->header, line_end(msg->header)));
    if (line.size == 0 || !bytes_starts(line, BYTES("NATS/1.0")))
        return 0;
    line = bytes_trim(bytes_skip(line, strlen("NATS/1.0")));
    if (line.size < 3 || !bytes_read_u64(bytes_take(line, 3), &status))
        return 0;
    if (text != NULL)
        *text = bytes_trim(bytes_skip(line, 3));
    return (unsigned)status;
}

struct bytes msg_header_fields(const struct msg *msg)
{
    return msg->header.size > 0 ? bytes_skip(msg->header, line_end(msg->header)) : msg->header;
}

bool msg_header_next(struct bytes *rest, struct bytes *name, struct bytes *value)
{
    while (rest->size > 0) {
        size_t end = line_end(*rest), colon;
        struct bytes line = bytes_trim(bytes_take(*rest, end));

        *rest = bytes_skip(*rest, end);
        colon = bytes_find(line, ':');
        if (colon == line.size)
            continue;
        *name = bytes_take(line, colon);
        *value = bytes_trim(bytes_skip(line, colon + 1));
        return true;
    }
    return false;
}

struct bytes msg_header(const struct msg *msg, const char *wanted)
{
    struct bytes rest = msg_header_fields(msg), name, value;

    while (msg_header_next(&rest, &name, &value))
        if (bytes_equal(name, bytes_of_text(wanted)))
            return value;
    return (struct bytes){0};
}

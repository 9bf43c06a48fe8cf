#include "cli/message.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

/* ---- from the command line ------------------------------------------------------------------- */

int message_headers(struct cli *cli, const struct flag_value *list,
                    const struct template_values *values, struct buf *out)
{
    if (list->count == 0)
        return EXIT_DONE;
    buf_add(out, BYTES("NATS/1.0\r\n"));
    for (size_t i = 0; i < list->count; i++) {
        struct bytes field = bytes_of_text(list->list[i]);
        size_t colon = bytes_find(field, ':');

        if (colon == 0 || colon == field.size || bytes_find(field, '\n') < field.size ||
            bytes_find(field, '\r') < field.size)
            return cli_fail(cli, EXIT_USAGE, "-H Name:Value", "\"%s\" is no header field",
                            list->list[i]);
        buf_add(out, bytes_take(field, colon));
        buf_add(out, BYTES(": "));
        template_fill(bytes_trim(bytes_skip(field, colon + 1)), values, out);
        buf_add(out, BYTES("\r\n"));
    }
    buf_add(out, BYTES("\r\n"));
    return EXIT_DONE;
}

static int read_input(struct cli *cli, struct bytes *body)
{
    struct buf in;
    int result = EXIT_DONE;

    buf_init(&in, BODY_MAX);
    for (;;) {
        uint8_t *room = buf_reserve(&in, 65536);
        ssize_t got;

        if (room == NULL) {
            result =
                cli_fail(cli, EXIT_USAGE, "millrace object put", "more than one message holds");
            break;
        }
        got = read(STDIN_FILENO, room, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            result =
                cli_fail(cli, EXIT_FAILED, NULL, "cannot read standard input: %s", strerror(errno));
        if (got <= 0)
            break;
        buf_commit(&in, (size_t)got);
    }
    *body = arena_copy(&cli->arena, buf_bytes(&in));
    buf_deinit(&in);
    return result;
}

int message_body(struct cli *cli, size_t index, bool force_stdin, struct bytes *body)
{
    const char *word = args_word(&cli->args, index);

    *body = (struct bytes){0};
    if (word != NULL && !force_stdin) {
        *body = bytes_of_text(word);
        return EXIT_DONE;
    }
    if (cli->terminal_in && !force_stdin)
        return EXIT_DONE; /* an empty message */
    return read_input(cli, body);
}

static bool subject_good(const char *subject, bool wildcards)
{
    bool begin = true;

    for (const char *at = subject; *at != 0; at++) {
        if ((unsigned char)*at <= ' ' || *at == 127 || (*at == '.' && begin))
            return false;
        if (!wildcards && begin && (*at == '*' || *at == '>') && (at[1] == '.' || at[1] == 0))
            return false;
        if (*at == '>' && begin && at[1] == '.')
            return false; /* only at the end */
        begin = *at == '.';
    }
    return !begin;
}

int message_subject(struct cli *cli, const char *subject, bool wildcards)
{
    if (subject_good(subject, wildcards))
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "words joined by dots, such as orders.new",
                    "\"%s\" is no subject%s", subject,
                    wildcards ? "" : " that a message can be sent to");
}

int message_queue(struct cli *cli)
{
    const char *queue = args_text(&cli->args, "queue");

    if (queue == NULL || queue[0] == 0 || subject_good(queue, false))
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "--queue workers", "\"%s\" is no name for a group", queue);
}

/* ---- for people and programs ----------------------------------------------------------------- */

static bool is_text(struct bytes b)
{
    uint32_t rune;

    while (b.size > 0) {
        size_t size = utf8_read(b, &rune);

        if (size == 0)
            return false;
        b = bytes_skip(b, size);
    }
    return true;
}

static void headers_json(struct json_writer *writer, const struct msg *msg)
{
    struct bytes rest = msg_header_fields(msg), name, value;

    JSON_KEY(writer, "headers");
    json_object_begin(writer);
    while (msg_header_next(&rest, &name, &value)) {
        json_key(writer, name);
        json_array_begin(writer);
        json_string(writer, value);
        json_array_end(writer);
    }
    json_object_end(writer);
}

void message_json_body(struct json_writer *writer, const struct msg *msg)
{
    if (is_text(msg->payload)) {
        JSON_KEY(writer, "payload");
        json_string(writer, msg->payload);
    } else {
        JSON_KEY(writer, "data");
        json_base64(writer, msg->payload);
    }
}

void message_json(struct json_writer *writer, const struct msg *msg)
{
    JSON_KEY(writer, "subject");
    json_string(writer, msg->subject);
    if (msg->reply.size > 0) {
        JSON_KEY(writer, "reply");
        json_string(writer, msg->reply);
    }
    if (msg->header.size > 0)
        headers_json(writer, msg);
    message_json_body(writer, msg);
}

void message_show(FILE *out, const struct msg *msg, bool headers_only)
{
    struct bytes rest = msg_header_fields(msg), name, value;
    struct bytes words = {0};
    unsigned status = msg_status(msg, &words);

    if (status != 0)
        fprintf(out, "Status: %u %.*s\n", status, BYTES_ARG(words));
    while (msg_header_next(&rest, &name, &value))
        fprintf(out, "%.*s: %.*s\n", BYTES_ARG(name), BYTES_ARG(value));
    if (msg->header.size > 0)
        fputc('\n', out);
    if (headers_only)
        return;
    if (msg->payload.size > 0)
        (void)fwrite_unlocked(msg->payload.at, 1, msg->payload.size, out);
    fputc('\n', out);
}

void message_log(const char *format, ...)
{
    time_t now = time(NULL);
    struct tm tm;
    char clock[16];
    va_list list;

    (void)localtime_r(&now, &tm);
    (void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    fprintf(stderr, "%s ", clock);
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

/* sub: messages as they come. */
#include <stdio_ext.h>

#include "cli/again.h"
#include "cli/commands.h"
#include "cli/message.h"

#define SUBJECTS_MAX 64u

static const struct flag flags[] = {
    {"queue", 0, FLAG_TEXT, "GROUP", "Share the messages with others of this group", NULL},
    {"raw", 'r', FLAG_SWITCH, NULL, "Payloads only, one a line", NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL},
    {"wait", 0, FLAG_DURATION, "DURATION", "End when nothing came for so long", NULL},
    {"headers-only", 0, FLAG_SWITCH, NULL, "Show no payloads", NULL},
    {"subjects-only", 0, FLAG_SWITCH, NULL, "Show subjects only, one a line", NULL},
    {"ack", 0, FLAG_SWITCH, NULL, "Answer each that asks for an answer with +ACK", NULL},
};

struct showing {
    bool raw, json, headers_only, subjects_only;
    struct buf line;
};

static void show_json(struct showing *s, const struct msg *msg)
{
    struct json_writer writer;

    buf_clear(&s->line);
    json_writer_init(&writer, &s->line);
    json_object_begin(&writer);
    message_json(&writer, msg);
    json_object_end(&writer);
    buf_add_byte(&s->line, '\n');
    (void)fwrite_unlocked(s->line.at, 1, s->line.size, stdout);
}

static void show(struct showing *s, const struct msg *msg, uint64_t number)
{
    if (s->json) {
        show_json(s, msg);
    } else if (s->raw || s->subjects_only) {
        struct bytes text = s->raw ? msg->payload : msg->subject;

        (void)fwrite_unlocked(text.at, 1, text.size, stdout);
        (void)putc_unlocked('\n', stdout);
    } else {
        printf("[#%llu] Received on \"%.*s\"%s%.*s%s\n", (unsigned long long)number,
               BYTES_ARG(msg->subject), msg->reply.size > 0 ? " with reply \"" : "",
               BYTES_ARG(msg->reply), msg->reply.size > 0 ? "\"" : "");
        message_show(stdout, msg, s->headers_only);
        (void)putc_unlocked('\n', stdout);
    }
}

static int subscribe(struct cli *cli)
{
    const char *queue = args_text(&cli->args, "queue");
    enum conn_verdict verdict;

    for (size_t i = 0; i < cli->args.word_count; i++)
        (void)conn_subscribe(&cli->conn, bytes_of_text(args_word(&cli->args, i)),
                             bytes_of_text(queue != NULL ? queue : ""));
    verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);
    return verdict == CONN_OK ? EXIT_DONE : cli_fail_conn(cli, verdict);
}

/* How it ends: after so many, or after silence. */
static int follow(struct cli *cli, struct showing *s)
{
    int64_t count = args_number(&cli->args, "count", INT64_MAX);
    int64_t wait = args_number(&cli->args, "wait", 0);
    bool ack = args_on(&cli->args, "ack");

    for (int64_t i = 1; i <= count;) {
        struct msg msg;
        enum conn_verdict verdict;

        if (!conn_has_more(&cli->conn) && cli_end_output(cli) != EXIT_DONE)
            return EXIT_FAILED;
        verdict = conn_next(&cli->conn, wait > 0 ? conn_now() + wait : INT64_MAX, &msg);
        if (verdict == CONN_TIMEOUT && wait > 0)
            return EXIT_DONE;
        if (verdict != CONN_OK) {
            int result = again_connect(cli, verdict, false);

            if (result == EXIT_DONE)
                result = subscribe(cli);
            if (result != EXIT_DONE)
                return result;
            continue;
        }
        show(s, &msg, (uint64_t)i++);
        if (ack && msg.reply.size > 0)
            (void)conn_publish(&cli->conn, msg.reply, (struct bytes){0}, (struct bytes){0},
                               BYTES("+ACK"));
    }
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    struct showing s = {.raw = args_on(&cli->args, "raw"),
                        .json = cli->json,
                        .headers_only = args_on(&cli->args, "headers-only"),
                        .subjects_only = args_on(&cli->args, "subjects-only")};
    int result = EXIT_DONE;

    for (size_t i = 0; i < cli->args.word_count && result == EXIT_DONE; i++)
        result = message_subject(cli, args_word(&cli->args, i), true);
    if (result == EXIT_DONE)
        result = message_queue(cli);
    if (result == EXIT_DONE)
        result = cli_connect(cli);
    for (size_t i = 0; i < cli->args.word_count && result == EXIT_DONE && !s.json && !s.raw; i++)
        message_log("Subscribing on %s", args_word(&cli->args, i));
    if (result == EXIT_DONE)
        result = subscribe(cli);
    if (result != EXIT_DONE)
        return result;
    (void)__fsetlocking(stdout, FSETLOCKING_BYCALLER); /* one thread */
    buf_init(&s.line, CONN_SERVERS_MAX * BODY_MAX);
    result = follow(cli, &s);
    buf_deinit(&s.line);
    return result;
}

static const struct command commands[] = {
    {"sub", "subscribe", "<subject> ...", 1, SUBJECTS_MAX, "Show messages as they come",
     "millrace sub 'orders.>' --count 10",
     "A restart of the server is outlived; what is published meanwhile is not seen.", FLAGS(flags),
     run},
};
const struct command_list commands_subscribe = {commands, 1};

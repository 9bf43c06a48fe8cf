/* request and reply: one asks, the other answers. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/again.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/message.h"

static const struct flag request_flags[] = {
    {"header", 'H', FLAG_LIST, "NAME:VALUE", "A header field", NULL},
    {"raw", 'r', FLAG_SWITCH, NULL, "The answers' payloads only", NULL},
    {"count", 0, FLAG_NUMBER, "N", "How many requests, one after the other (1)", NULL},
    {"replies", 0, FLAG_NUMBER, "N", "How many answers to each; 0: all within the timeout (1)",
     NULL},
};

/* ---- request --------------------------------------------------------------------------------- */

static void show_answer(struct cli *cli, const struct msg *msg, int64_t rtt)
{
    struct json_writer writer;
    struct buf line;

    if (cli->json) {
        buf_init(&line, BODY_MAX * 8);
        json_writer_init(&writer, &line);
        json_object_begin(&writer);
        message_json(&writer, msg);
        JSON_KEY(&writer, "rtt_ns");
        json_number_i64(&writer, rtt);
        json_object_end(&writer);
        printf("%.*s\n", BYTES_ARG(buf_bytes(&line)));
        buf_deinit(&line);
        return;
    }
    if (args_on(&cli->args, "raw")) {
        (void)fwrite(msg->payload.at, 1, msg->payload.size, stdout);
        putchar('\n');
        return;
    }
    (void)fflush(stdout);
    message_log("Received with rtt %s", human_duration(cli, rtt));
    message_show(stdout, msg, false);
    putchar('\n');
}

static int take_answers(struct cli *cli, uint64_t number, int64_t begun)
{
    int64_t replies = args_number(&cli->args, "replies", 1), got = 0;
    int64_t until = begun + cli->settings.timeout_ns;

    while (replies == 0 || got < replies) {
        struct msg msg;
        uint64_t whose;
        enum conn_verdict verdict = conn_answer(&cli->conn, until, &whose, &msg);

        if (verdict == CONN_TIMEOUT && got > 0)
            return EXIT_DONE;
        if (verdict != CONN_OK)
            return cli_fail_conn(cli, verdict);
        if (whose != number)
            continue;
        if (msg_status(&msg, NULL) == 503 && msg.payload.size == 0)
            return cli_fail(cli, EXIT_TIMEOUT, "millrace reply SUBJECT ANSWER, in another shell",
                            "nobody answers to \"%s\"", args_word(&cli->args, 0));
        show_answer(cli, &msg, conn_now() - begun);
        got++;
    }
    return EXIT_DONE;
}

static int request_one(struct cli *cli, int64_t i, struct bytes body, struct buf *header,
                       struct buf *text)
{
    const struct template_values values = {
        .count = (uint64_t)i, .nuid = &cli->conn.nuid, .prng = &cli->conn.prng};
    int64_t begun = conn_now();
    enum conn_verdict verdict;
    uint64_t number;
    int result;

    buf_clear(header);
    buf_clear(text);
    result = message_headers(cli, args_flag(&cli->args, "header"), &values, header);
    if (result != EXIT_DONE)
        return result;
    if (!template_fill(body, &values, text))
        return cli_fail(cli, EXIT_USAGE, NULL, "the message is too large");
    if (!cli->json && !args_on(&cli->args, "raw"))
        message_log("Sending request on \"%s\"", args_word(&cli->args, 0));
    number = conn_ask(&cli->conn, bytes_of_text(args_word(&cli->args, 0)), buf_bytes(header),
                      buf_bytes(text), &verdict);
    return verdict == CONN_OK ? take_answers(cli, number, begun) : cli_fail_conn(cli, verdict);
}

static int run_request(struct cli *cli)
{
    int64_t count = args_number(&cli->args, "count", 1);
    struct bytes body;
    struct buf header, text;
    int result = message_subject(cli, args_word(&cli->args, 0), false);

    if (result == EXIT_DONE)
        result = message_body(cli, 1, false, &body);
    if (result == EXIT_DONE)
        result = cli_connect(cli);
    if (result != EXIT_DONE)
        return result;
    buf_init(&header, BODY_MAX);
    buf_init(&text, BODY_MAX);
    for (int64_t i = 1; i <= count && result == EXIT_DONE; i++)
        result = request_one(cli, i, body, &header, &text);
    buf_deinit(&header);
    buf_deinit(&text);
    return result;
}

/* ---- reply ----------------------------------------------------------------------------------- */

static const struct flag reply_flags[] = {
    {"queue", 'q', FLAG_TEXT, "GROUP",
     "Share the requests with others of this group "
     "(NATS-RPLY-22)",
     NULL},
    {"header", 'H', FLAG_LIST, "NAME:VALUE", "A header field of the answer", NULL},
    {"echo", 0, FLAG_SWITCH, NULL, "Answer with the request", NULL},
    {"command", 0, FLAG_TEXT, "COMMAND",
     "Answer with what this prints; the request is its input "
     "in $NATS_REQUEST_BODY",
     NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL},
};

static bool run_program(const char *command, const struct msg *msg, struct buf *text)
{
    FILE *pipe;
    char block[4096];
    size_t got;

    (void)setenv("NATS_REQUEST_SUBJECT", (const char *)msg->subject.at, 1);
    (void)setenv("NATS_REQUEST_BODY", (const char *)msg->payload.at, 1);
    pipe = popen(command, "re");
    if (pipe == NULL)
        return false;
    while ((got = fread(block, 1, sizeof(block), pipe)) > 0)
        if (!buf_add(text, bytes_of(block, got)))
            break;
    return pclose(pipe) == 0;
}

static void show_request(const struct msg *msg)
{
    struct json_writer writer;
    struct buf line;

    buf_init(&line, BODY_MAX * 8);
    json_writer_init(&writer, &line);
    json_object_begin(&writer);
    message_json(&writer, msg);
    json_object_end(&writer);
    buf_add_byte(&line, '\n');
    (void)fwrite(line.at, 1, line.size, stdout);
    buf_deinit(&line);
}

static int answer_one(struct cli *cli, uint64_t number, const struct msg *msg, struct buf *header,
                      struct buf *text)
{
    struct bytes body = bytes_of_text(args_word(&cli->args, 1) ? args_word(&cli->args, 1) : "");
    const struct template_values values = {
        .count = number, .request = msg->payload, .nuid = &cli->conn.nuid, .prng = &cli->conn.prng};
    enum conn_verdict verdict;
    int result;

    if (cli->json)
        show_request(msg);
    else
        printf("[#%llu] Received on subject \"%.*s\":\n", (unsigned long long)number,
               BYTES_ARG(msg->subject));
    if (!cli->json)
        message_show(stdout, msg, false);
    (void)fflush(stdout);
    buf_clear(header);
    buf_clear(text);
    result = message_headers(cli, args_flag(&cli->args, "header"), &values, header);
    if (result != EXIT_DONE)
        return result;
    if (args_text(&cli->args, "command") != NULL) {
        if (!run_program(args_text(&cli->args, "command"), msg, text))
            message_log("%s failed", args_text(&cli->args, "command"));
    } else if (args_on(&cli->args, "echo")) {
        buf_add(text, msg->payload);
    } else {
        template_fill(body, &values, text);
    }
    if (msg->reply.size == 0)
        return EXIT_DONE;
    verdict =
        conn_publish(&cli->conn, msg->reply, (struct bytes){0}, buf_bytes(header), buf_bytes(text));
    return verdict == CONN_OK ? EXIT_DONE : cli_fail_conn(cli, verdict);
}

static void listen(struct cli *cli)
{
    const char *queue = args_text(&cli->args, "queue");

    (void)conn_subscribe(&cli->conn, bytes_of_text(args_word(&cli->args, 0)),
                         bytes_of_text(queue != NULL ? queue : "NATS-RPLY-22"));
}

static int run_reply(struct cli *cli)
{
    int64_t count = args_number(&cli->args, "count", INT64_MAX);
    struct buf header, text;
    struct arena turn;
    int result = message_subject(cli, args_word(&cli->args, 0), true);

    if (result == EXIT_DONE)
        result = message_queue(cli);
    if (result == EXIT_DONE)
        result = cli_connect(cli);
    if (result != EXIT_DONE)
        return result;
    buf_init(&header, BODY_MAX);
    buf_init(&text, BODY_MAX);
    arena_init(&turn, BODY_MAX * 4);
    listen(cli);
    message_log("Listening on \"%s\"", args_word(&cli->args, 0));
    for (int64_t i = 1; i <= count && result == EXIT_DONE;) {
        struct msg msg, copy;
        enum conn_verdict verdict = conn_next(&cli->conn, INT64_MAX, &msg);

        if (verdict != CONN_OK) {
            result = again_connect(cli, verdict, false);
            if (result == EXIT_DONE)
                listen(cli);
            continue;
        }
        arena_reset(&turn);
        msg_copy(&copy, &msg, &turn); /* each part with a zero behind it */
        result = answer_one(cli, (uint64_t)i++, &copy, &header, &text);
    }
    buf_deinit(&header);
    buf_deinit(&text);
    arena_deinit(&turn);
    return result;
}

static const struct command commands[] = {
    {"request", "req", "<subject> [<body>]", 1, 2, "Ask, and show the answers",
     "millrace request time.now '' --raw", NULL, FLAGS(request_flags), run_request},
    {"reply", NULL, "<subject> [<body>]", 1, 2, "Answer requests",
     "millrace reply 'greet.*' 'hello, {{Request}}'", NULL, FLAGS(reply_flags), run_reply},
};
const struct command_list commands_request = {commands, sizeof(commands) / sizeof(commands[0])};

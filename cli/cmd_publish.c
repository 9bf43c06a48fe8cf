/* pub: messages from the command line or standard input. */
#include <time.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/human.h"
#include "cli/message.h"

static const struct flag flags[] = {
    {"reply", 0, FLAG_TEXT, "SUBJECT", "Where answers are expected", NULL},
    {"header", 'H', FLAG_LIST, "NAME:VALUE", "A header field", NULL},
    {"count", 0, FLAG_NUMBER, "N", "How many messages (1)", NULL},
    {"sleep", 0, FLAG_DURATION, "DURATION", "Between two of them", NULL},
    {"force-stdin", 0, FLAG_SWITCH, NULL, "Read the body from standard input", NULL},
    {"jetstream", 'J', FLAG_SWITCH, NULL, "Wait until a stream has stored each (an ack)", NULL},
    {"quiet", 'q', FLAG_SWITCH, NULL, "Say nothing", NULL},
};

struct publishing {
    struct cli *cli;
    struct bytes subject, reply, body;
    struct buf header, text;
    bool quiet, acked;
};

static bool is_quiet(const struct publishing *p, int64_t i, int64_t count)
{
    /* Many messages are told of now and then only. */
    return p->quiet || (count > 100 && i != count && i % 1000 != 0);
}

static int publish_acked(struct publishing *p, bool quiet)
{
    struct cli *cli = p->cli;
    struct msg answer;
    enum conn_verdict verdict =
        conn_request(&cli->conn, p->subject, buf_bytes(&p->header), buf_bytes(&p->text),
                     cli->settings.timeout_ns, &cli->arena, &answer);
    const struct json *ack;
    int result;

    if (verdict != CONN_OK)
        return cli_fail_conn(cli, verdict);
    if (msg_status(&answer, NULL) == 503)
        return cli_fail(cli, EXIT_MISSING, "millrace stream add, with this subject",
                        "no stream keeps \"%.*s\"", BYTES_ARG(p->subject));
    result = api_read(cli, &answer, &ack);
    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        printf("%.*s\n", BYTES_ARG(answer.payload));
    else if (!quiet)
        printf("Stored in Stream: %s Sequence: %s%s\n", api_text(cli, ack, "stream"),
               human_count(cli, api_u64(ack, "seq")),
               api_bool(ack, "duplicate") ? " Duplicate: true" : "");
    return EXIT_DONE;
}

static int publish_one(struct publishing *p, int64_t i, int64_t count)
{
    struct cli *cli = p->cli;
    const struct template_values values = {
        .count = (uint64_t)i, .nuid = &cli->conn.nuid, .prng = &cli->conn.prng};
    bool quiet = is_quiet(p, i, count);
    enum conn_verdict verdict;
    int result;

    buf_clear(&p->header);
    buf_clear(&p->text);
    result = message_headers(cli, args_flag(&cli->args, "header"), &values, &p->header);
    if (result != EXIT_DONE)
        return result;
    if (!template_fill(p->body, &values, &p->text))
        return cli_fail(cli, EXIT_USAGE, "millrace object put", "the message is too large");
    if (p->acked)
        return publish_acked(p, quiet);
    verdict =
        conn_publish(&cli->conn, p->subject, p->reply, buf_bytes(&p->header), buf_bytes(&p->text));
    if (verdict != CONN_OK)
        return cli_fail_conn(cli, verdict);
    if (!quiet)
        message_log("Published %zu bytes to \"%.*s\"", p->text.size, BYTES_ARG(p->subject));
    return EXIT_DONE;
}

static int publish_all(struct publishing *p)
{
    struct cli *cli = p->cli;
    int64_t count = args_number(&cli->args, "count", 1);
    int64_t pause = args_number(&cli->args, "sleep", 0);
    enum conn_verdict verdict;

    for (int64_t i = 1; i <= count; i++) {
        int result = publish_one(p, i, count);

        if (result != EXIT_DONE)
            return result;
        if (pause > 0 && i < count) {
            struct timespec span = {pause / 1000000000, pause % 1000000000};

            verdict = conn_flush(&cli->conn);
            if (verdict != CONN_OK)
                return cli_fail_conn(cli, verdict);
            (void)nanosleep(&span, NULL);
        }
    }
    /* Refusals of a subject come before the answer to this. */
    verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);
    if (verdict != CONN_OK)
        return cli_fail_conn(cli, verdict);
    if (cli->json && !p->acked)
        printf("{\"subject\":%s,\"messages\":%lld}\n", form_quote(cli, cli_text(cli, p->subject)),
               (long long)count);
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    const char *subject = args_word(&cli->args, 0), *reply = args_text(&cli->args, "reply");
    struct publishing p = {.cli = cli,
                           .subject = bytes_of_text(subject),
                           .reply = bytes_of_text(reply != NULL ? reply : ""),
                           .quiet = args_on(&cli->args, "quiet"),
                           .acked = args_on(&cli->args, "jetstream")};
    int result = message_subject(cli, subject, false);

    if (result == EXIT_DONE && p.reply.size > 0)
        result = message_subject(cli, reply, false);
    if (result == EXIT_DONE)
        result = message_body(cli, 1, args_on(&cli->args, "force-stdin"), &p.body);
    if (result == EXIT_DONE)
        result = cli_connect(cli);
    if (result != EXIT_DONE)
        return result;
    buf_init(&p.header, BODY_MAX);
    buf_init(&p.text, BODY_MAX);
    result = publish_all(&p);
    buf_deinit(&p.header);
    buf_deinit(&p.text);
    return result;
}

static const struct command commands[] = {
    {"pub", "publish", "<subject> [<body>]", 1, 2, "Publish messages",
     "millrace pub orders.new --count 10 'order {{Count}} at {{TimeStamp}}'",
     "Without a body it is read from standard input. In a body and in headers {{Count}}, {{ID}},\n"
     "{{TimeStamp}}, {{Time}}, {{Unix}}, {{UnixNano}} and {{Random MIN MAX}} are filled in.",
     FLAGS(flags), run},
};
const struct command_list commands_publish = {commands, 1};

/* sub: messages as they come. */
#include <stdio_ext.h>

#include "cli/again.h"
#include "cli/commands.h"
#include "cli/incoming.h"
#include "cli/message.h"

#define SUBJECTS_MAX 64u

static const struct flag flags[] = {
    {"queue", 0, FLAG_TEXT, "GROUP", "Share the messages with others of this group", NULL,
     "Takes part"},
    {"raw", 'r', FLAG_SWITCH, NULL, "Payloads only, one a line", NULL, "Shows"},
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL, "Ends"},
    {"wait", 0, FLAG_DURATION, "DURATION", "End when nothing came for so long", NULL, "Ends"},
    {"headers-only", 0, FLAG_SWITCH, NULL, "Show no payloads", NULL, "Shows"},
    {"subjects-only", 0, FLAG_SWITCH, NULL, "Show subjects only, one a line", NULL, "Shows"},
    {"ack", 0, FLAG_SWITCH, NULL, "Answer each that asks for an answer with +ACK", NULL,
     "Takes part"},
    {"inbox", 'i', FLAG_SWITCH, NULL, "To a subject of our own, that it tells", NULL, "Takes part"},
    {"report-subjects", 0, FLAG_SWITCH, NULL, "Count them by subject, and tell at the end", NULL,
     "Shows"},
    {"report-top", 0, FLAG_NUMBER, "N", "How many subjects that tells of (10)", NULL, "Shows"},
    {"stream", 0, FLAG_TEXT, "STREAM", "Read what this stream keeps, then what comes", NULL,
     "A stream"},
    {"all", 0, FLAG_SWITCH, NULL, "All a stream keeps, and what comes (the default)", NULL,
     "A stream"},
    {"new", 0, FLAG_SWITCH, NULL, "What comes into a stream from now on", NULL, "A stream"},
    {"last", 0, FLAG_SWITCH, NULL, "The last message, and what comes", NULL, "A stream"},
    {"last-per-subject", 0, FLAG_SWITCH, NULL, "The last message of each subject, and what comes",
     NULL, "A stream"},
    {"since", 0, FLAG_DURATION, "DURATION", "What is no older, and what comes", NULL, "A stream"},
    {"start-sequence", 0, FLAG_NUMBER, "N", "This message and what follows", NULL, "A stream"},
};

/* What is subscribed to: the words, and an inbox of our own. */
struct subjects {
    const char *at[SUBJECTS_MAX + 1];
    size_t count;
};

static int subscribe(struct cli *cli, const struct subjects *subjects)
{
    const char *queue = args_text(&cli->args, "queue");
    enum conn_verdict verdict;

    for (size_t i = 0; i < subjects->count; i++)
        (void)conn_subscribe(&cli->conn, bytes_of_text(subjects->at[i]),
                             bytes_of_text(queue != NULL ? queue : ""));
    verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);
    return verdict == CONN_OK ? EXIT_DONE : cli_fail_conn(cli, verdict);
}

/* How it ends: after so many, or after silence. */
static int follow(struct cli *cli, const struct subjects *subjects, struct incoming *incoming)
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
                result = subscribe(cli, subjects);
            if (result != EXIT_DONE)
                return result;
            continue;
        }
        incoming_show(incoming, &msg, (uint64_t)i++);
        if (ack && msg.reply.size > 0)
            (void)conn_publish(&cli->conn, msg.reply, (struct bytes){0}, (struct bytes){0},
                               BYTES("+ACK"));
    }
    return EXIT_DONE;
}

/* What is to be subscribed to, checked; an inbox needs a connection. EXIT_DONE, or said. */
static int take_subjects(struct cli *cli, struct subjects *subjects)
{
    bool stored = incoming_stored(&cli->args), inbox = args_on(&cli->args, "inbox");
    int result = message_queue(cli);

    *subjects = (struct subjects){0};
    for (size_t i = 0; i < cli->args.word_count && result == EXIT_DONE; i++) {
        subjects->at[subjects->count++] = args_word(&cli->args, i);
        result = message_subject(cli, args_word(&cli->args, i), true);
    }
    if (result != EXIT_DONE)
        return result;
    if (stored && (subjects->count > 1 || inbox))
        return cli_fail(cli, EXIT_USAGE, "millrace sub --stream ORDERS 'orders.eu.>'",
                        "from a stream one subject can be read at once");
    if (stored && args_on(&cli->args, "report-subjects"))
        return cli_fail(cli, EXIT_USAGE, "millrace stream subjects --sort messages",
                        "a report is of what is published from now on");
    if (args_number(&cli->args, "report-top", 1) < 1)
        return cli_fail(cli, EXIT_USAGE, "--report-top 20", "--report-top must be at least 1");
    if (subjects->count == 0 && !inbox && args_text(&cli->args, "stream") == NULL)
        return cli_fail(cli, EXIT_USAGE, cli->command->example,
                        "sub: too few words: a subject, --inbox or --stream");
    return EXIT_DONE;
}

static int subscribe_and_follow(struct cli *cli, struct subjects *subjects,
                                struct incoming *incoming)
{
    bool inbox = args_on(&cli->args, "inbox");
    int result = cli_connect(cli);

    if (result != EXIT_DONE)
        return result;
    if (inbox)
        subjects->at[subjects->count++] = cli_text(cli, conn_inbox(&cli->conn, &cli->arena));
    for (size_t i = 0; i < subjects->count; i++)
        if ((!incoming->json && !incoming->raw) || (inbox && i + 1 == subjects->count))
            message_log("Subscribing on %s", subjects->at[i]);
    result = subscribe(cli, subjects);
    if (result == EXIT_DONE && args_on(&cli->args, "report-subjects"))
        return incoming_report(cli);
    return result == EXIT_DONE ? follow(cli, subjects, incoming) : result;
}

static int run(struct cli *cli)
{
    struct incoming incoming;
    struct subjects subjects;
    int result = take_subjects(cli, &subjects);

    if (result != EXIT_DONE)
        return result;
    (void)__fsetlocking(stdout, FSETLOCKING_BYCALLER); /* one thread */
    incoming_init(&incoming, cli);
    result = incoming_stored(&cli->args)
                 ? incoming_from_stream(&incoming, cli, subjects.count > 0 ? subjects.at[0] : NULL)
                 : subscribe_and_follow(cli, &subjects, &incoming);
    incoming_deinit(&incoming);
    return result;
}

static const struct command commands[] = {
    {"sub", "subscribe", "[<subject> ...]", 0, SUBJECTS_MAX, "Show messages as they come",
     "millrace sub 'orders.>' --count 10",
     "A restart of the server is outlived; what is published meanwhile is not seen, unless it is\n"
     "read from a stream: --stream STREAM, or a flag for a stream and a subject that one keeps.",
     FLAGS(flags), run},
};
const struct command_list commands_subscribe = {commands, 1};

/* incoming_from_stream: `sub` reads what a stream keeps, and goes on with what comes. */
#include <time.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/incoming.h"
#include "cli/message.h"

/* A server says every five seconds that it is there; behind this it has forgotten our consumer. */
#define SILENCE_NS INT64_C(20000000000)

static const char *const beginnings[] = {"all",   "new",           "last", "last-per-subject",
                                         "since", "start-sequence"};
#define BEGINNINGS (sizeof(beginnings) / sizeof(beginnings[0]))

static size_t count_beginnings(const struct args *args)
{
    size_t count = 0;

    for (size_t i = 0; i < BEGINNINGS; i++)
        count += args_flag(args, beginnings[i])->given;
    return count;
}

bool incoming_stored(const struct args *args)
{
    return args_text(args, "stream") != NULL || count_beginnings(args) > 0;
}

/* ---- what is read ---------------------------------------------------------------------------- */

static int check(struct cli *cli)
{
    const struct args *args = &cli->args;

    if (count_beginnings(args) > 1)
        return cli_fail(cli, EXIT_USAGE, "one of them",
                        "--all, --new, --last, --last-per-subject, --since and --start-sequence "
                        "exclude each other");
    if (args_flag(args, "queue")->given || args_flag(args, "ack")->given)
        return cli_fail(cli, EXIT_USAGE, "millrace consumer add, then millrace consumer sub",
                        "what is read from a stream is neither shared nor acknowledged");
    if (args_number(args, "start-sequence", 1) < 1)
        return cli_fail(cli, EXIT_USAGE, "--start-sequence 1", "the first message is number 1");
    if (args_number(args, "since", 1) < 1)
        return cli_fail(cli, EXIT_USAGE, "--since 1h", "--since needs a duration");
    return args_text(args, "stream") == NULL ? EXIT_DONE
                                             : api_name(cli, "stream", args_text(args, "stream"));
}

/* The stream that keeps the subject, if there is one and no other. */
static int find_stream(struct cli *cli, const char *subject, const char **stream)
{
    struct api_items items;
    int result;

    *stream = args_text(&cli->args, "stream");
    if (*stream != NULL)
        return EXIT_DONE;
    result = api_list(cli, "STREAM.NAMES", "streams",
                      cli_print(cli, "\"subject\":%s", form_quote(cli, subject)), &items);
    if (result != EXIT_DONE)
        return result;
    if (items.count == 0)
        return cli_fail(cli, EXIT_MISSING, "millrace stream ls", "no stream keeps %s", subject);
    if (items.count > 1)
        return cli_fail(cli, EXIT_USAGE, "--stream NAME", "%zu streams keep %s", items.count,
                        subject);
    *stream = cli_text(cli, items.at[0]->text);
    return api_name(cli, "stream", *stream);
}

static const char *since(struct cli *cli)
{
    char time[TEXT_TIME_MAX];
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)text_time(time, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec -
                              args_number(&cli->args, "since", 0));
    return cli_print(cli, "\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"%s\"", time);
}

static struct reader_options options_of(struct cli *cli, const char *subject)
{
    const struct args *args = &cli->args;
    struct reader_options options = {.filter = subject != NULL ? subject : ">", .deliver = "all"};

    if (args_on(args, "new"))
        options.deliver = "new";
    else if (args_on(args, "last"))
        options.deliver = "last";
    else if (args_on(args, "last-per-subject"))
        options.deliver = "last_per_subject";
    else if (args_flag(args, "since")->given)
        options.start = since(cli);
    else if (args_flag(args, "start-sequence")->given)
        options.start =
            cli_print(cli, "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%lld",
                      (long long)args_number(args, "start-sequence", 1));
    return options;
}

/* ---- reading it ------------------------------------------------------------------------------ */

/* The next one, until `until`; a server that says nothing at all is a lost one. */
static enum conn_verdict await(struct reader *reader, int64_t until, struct reader_item *item)
{
    struct conn *conn = &reader->cli->conn;

    for (;;) {
        int64_t silent = reader->heard + SILENCE_NS;
        enum conn_verdict verdict = reader_next(reader, until < silent ? until : silent, item);

        if (verdict != CONN_TIMEOUT || conn_now() >= until)
            return verdict;
        if (reader->heard + SILENCE_NS > conn_now())
            continue;
        snprintf(conn->error, sizeof(conn->error), "nothing more is heard of stream %s",
                 reader->stream);
        return CONN_LOST;
    }
}

static int follow(struct incoming *incoming, struct reader *reader)
{
    struct cli *cli = reader->cli;
    int64_t count = args_number(&cli->args, "count", INT64_MAX);
    int64_t wait = args_number(&cli->args, "wait", 0);

    for (int64_t i = 1; i <= count;) {
        struct reader_item item;
        enum conn_verdict verdict;
        int result;

        if (!conn_has_more(&cli->conn) && cli_end_output(cli) != EXIT_DONE)
            return EXIT_FAILED;
        verdict = await(reader, wait > 0 ? conn_now() + wait : INT64_MAX, &item);
        if (verdict == CONN_OK) {
            incoming_show_stored(incoming, reader->stream, &item, (uint64_t)i++);
            continue;
        }
        if (verdict == CONN_TIMEOUT)
            return EXIT_DONE;
        result = reader_again(reader, verdict);
        if (result != EXIT_DONE)
            return result;
    }
    return EXIT_DONE;
}

int incoming_from_stream(struct incoming *incoming, struct cli *cli, const char *subject)
{
    struct reader_options options = options_of(cli, subject);
    struct reader reader;
    const char *stream = NULL;
    int result = check(cli);

    if (result == EXIT_DONE)
        result = find_stream(cli, subject, &stream);
    if (result == EXIT_DONE)
        result = reader_begin(&reader, cli, stream, &options);
    if (result != EXIT_DONE)
        return result;
    if (!incoming->json && !incoming->raw)
        message_log("Subscribing to %s%sstream %s", subject != NULL ? subject : "",
                    subject != NULL ? " in " : "", stream);
    result = follow(incoming, &reader);
    if (result == EXIT_DONE)
        reader_end(&reader);
    return result;
}

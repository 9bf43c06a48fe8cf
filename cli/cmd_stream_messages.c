/* stream get, view, rmm: messages of a stream. */
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/pick.h"
#include "cli/stored.h"

static const struct flag get_flags[] = {
    {"last-for", 'S', FLAG_TEXT, "SUBJECT", "The last of this subject", NULL},
    {"raw", 'r', FLAG_SWITCH, NULL, "The payload only", NULL},
};

static void show(struct cli *cli, const char *stream, const struct stored *stored)
{
    if (args_on(&cli->args, "raw") && !cli->json) {
        (void)fwrite(stored->msg.payload.at, 1, stored->msg.payload.size, stdout);
        putchar('\n');
    } else {
        stored_show(cli, stream, stored);
    }
}

static int run_get(struct cli *cli)
{
    const char *last = args_text(&cli->args, "last-for"), *word = args_word(&cli->args, 1);
    const char *stream, *request;
    struct stored stored;
    int64_t sequence = 0;
    bool found;
    int result = pick_stream(cli, 0, &stream);

    if (result != EXIT_DONE)
        return result;
    if ((word == NULL) == (last == NULL) ||
        (word != NULL && (!args_read_number(word, &sequence) || sequence < 1)))
        return cli_fail(cli, EXIT_USAGE, cli->command->example,
                        "a sequence number or --last-for says which message");
    request = last != NULL ? cli_print(cli, "{\"last_by_subj\":%s}", form_quote(cli, last))
                           : cli_print(cli, "{\"seq\":%lld}", (long long)sequence);
    result = stored_get(cli, stream, request, &stored, &found);
    if (result == EXIT_DONE && !found)
        return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace stream info %s", stream),
                        "stream %s holds no such message", stream);
    if (result == EXIT_DONE)
        show(cli, stream, &stored);
    return result;
}

/* ---- view ------------------------------------------------------------------------------------ */

static const struct flag view_flags[] = {
    {"id", 0, FLAG_NUMBER, "SEQUENCE", "Begin with this one", NULL},
    {"since", 0, FLAG_DURATION, "DURATION", "Begin with what is no older", NULL},
    {"subject", 0, FLAG_TEXT, "SUBJECT", "Only what matches", NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL},
    {"raw", 'r', FLAG_SWITCH, NULL, "Payloads only", NULL},
};

#define PAGE_DEFAULT 10

/* On a terminal, between pages: go on? */
static bool next_page(struct cli *cli)
{
    const char *answer = cli_ask(cli, "Next Page?", "yes");

    return answer != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool too_old(struct cli *cli, const struct stored *stored)
{
    int64_t ns;

    return args_flag(&cli->args, "since")->given && text_read_time(stored->time, &ns) &&
           now_ns() - ns > args_number(&cli->args, "since", 0);
}

/* Where messages no older than --since begin: the server looks it up. */
static const char *view_request(struct cli *cli, uint64_t sequence)
{
    const char *subject = args_text(&cli->args, "subject");

    return cli_print(cli, "{\"seq\":%llu,\"next_by_subj\":%s}", (unsigned long long)sequence,
                     form_quote(cli, subject != NULL ? subject : ">"));
}

static int run_view(struct cli *cli)
{
    const char *word = args_word(&cli->args, 1), *stream;
    int64_t count = args_number(&cli->args, "count", INT64_MAX), page = PAGE_DEFAULT, shown = 0;
    int64_t first = args_number(&cli->args, "id", 1);
    uint64_t sequence = first < 1 ? 1 : (uint64_t)first;
    bool paging = cli->terminal_out && cli->terminal_in && !cli->json;
    int result = pick_stream(cli, 0, &stream);

    if (result == EXIT_DONE && word != NULL && (!args_read_number(word, &page) || page < 1))
        result = cli_fail(cli, EXIT_USAGE, cli->command->example, "\"%s\" is no page size", word);
    while (result == EXIT_DONE && shown < count) {
        struct stored stored;
        bool found;

        result = stored_get(cli, stream, view_request(cli, sequence), &stored, &found);
        if (result != EXIT_DONE || !found)
            break;
        if (stored.sequence < sequence || stored.sequence == UINT64_MAX)
            return cli_fail(
                cli, EXIT_FAILED, "--trace, to see it",
                "the server answers with message %llu where %llu or later was asked for",
                (unsigned long long)stored.sequence, (unsigned long long)sequence);
        sequence = stored.sequence + 1;
        if (too_old(cli, &stored))
            continue;
        show(cli, stream, &stored);
        shown++;
        if (paging && shown % page == 0 && !next_page(cli))
            return EXIT_DONE;
    }
    if (result == EXIT_DONE && paging)
        fputs("No more messages\n", stderr);
    return result;
}

/* ---- rmm ------------------------------------------------------------------------------------- */

static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

static int run_rmm(struct cli *cli)
{
    const char *word = args_word(&cli->args, 1), *stream;
    const struct json *answer;
    int64_t sequence;
    int result = pick_stream(cli, 0, &stream);

    if (result != EXIT_DONE)
        return result;
    if (word == NULL || !args_read_number(word, &sequence) || sequence < 1)
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "which message?");
    result = pick_confirmed(
        cli, cli_print(cli, "Really remove message %s from Stream %s", word, stream));
    if (result == EXIT_DONE)
        result = api_call(cli, cli_print(cli, "STREAM.MSG.DELETE.%s", stream),
                          bytes_of_text(cli_print(cli, "{\"seq\":%s}", word)), &answer);
    if (result == EXIT_DONE && cli->json)
        cli_say_json(cli, answer->text);
    return result;
}

static const struct command commands[] = {
    {"stream get", NULL, "[<stream>] [<sequence>]", 0, 2, "Show one message",
     "millrace stream get ORDERS --last-for orders.new", NULL, FLAGS(get_flags), run_get},
    {"stream view", NULL, "[<stream>] [<page size>]", 0, 2, "Show messages, page by page",
     "millrace stream view ORDERS --subject 'orders.eu.>' --since 1h",
     "In a pipe all of them, without a question.", FLAGS(view_flags), run_view},
    {"stream rmm", NULL, "[<stream>] [<sequence>]", 0, 2, "Remove one message, and its bytes",
     "millrace stream rmm ORDERS 12 --force", NULL, FLAGS(force_flags), run_rmm},
};
const struct command_list commands_stream_messages = {commands,
                                                      sizeof(commands) / sizeof(commands[0])};

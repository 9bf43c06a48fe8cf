/* consumer next and sub: messages through a consumer. */
#include <unistd.h>

#include "cli/again.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/pick.h"

#define BATCH_MAX    1000
#define PULL_WAIT_NS INT64_C(30000000000)
#define SLACK_NS     INT64_C(5000000000) /* until the word that a pull is over has come */
#define ASK_AGAIN_US 100000
#define MOVING_NS    INT64_C(30000000000) /* while a consumer may have no leader yet */

static const struct flag flags[] = {
    {"count", 0, FLAG_NUMBER, "N", "How many (next: 1; sub: until interrupted)", NULL},
    {"ack", 0, FLAG_SWITCH, NULL, "Acknowledge each (yes; --no-ack)", NULL},
    {"nak", 0, FLAG_SWITCH, NULL, "Refuse each instead: it will come again", NULL},
    {"term", 0, FLAG_SWITCH, NULL, "End each instead: it will never come again", NULL},
    {"raw", 'r', FLAG_SWITCH, NULL, "Payloads only", NULL},
    {"wait", 0, FLAG_DURATION, "DURATION", "Give up when nothing comes for so long (--timeout)",
     NULL},
    {"no-wait", 0, FLAG_SWITCH, NULL, "Give up when nothing is there now", NULL},
};

struct fetching {
    struct cli *cli;
    const char *subject;        /* of pulls; NULL: it pushes */
    const char *target, *group; /* of pushes */
    struct bytes inbox;
    uint64_t sid;
    int64_t wanted, shown, asked;
    bool follow;          /* sub: ask again and again */
    int64_t until;        /* nothing can come after that */
    int64_t moving_until; /* the connection is a new one: the consumer may not be there at once */
};

/* The parts of "$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<seq>.<time>.<pending>". */
struct delivery {
    struct bytes tries, stream_sequence, sequence, pending;
};

static struct delivery read_delivery(struct bytes reply)
{
    struct bytes parts[16] = {0};
    size_t count = 0;
    size_t first;

    while (reply.size > 0 && count < 16) {
        size_t end = bytes_find(reply, '.');

        parts[count++] = bytes_take(reply, end);
        reply = bytes_skip(reply, end < reply.size ? end + 1 : end);
    }
    first = count >= 11 ? 6 : 4; /* the newer form has a domain and an account before */
    if (count < 9)
        return (struct delivery){0};
    return (struct delivery){parts[first], parts[first + 1], parts[first + 2], parts[first + 4]};
}

/* ---- one message ----------------------------------------------------------------------------- */

static void show(struct cli *cli, const struct msg *msg)
{
    struct delivery delivery = read_delivery(msg->reply);
    struct json_writer writer;
    struct buf line;

    if (cli->json) {
        buf_init(&line, BODY_MAX * 8);
        json_writer_init(&writer, &line);
        json_object_begin(&writer);
        message_json(&writer, msg);
        JSON_KEY(&writer, "sequence");
        json_raw(&writer,
                 delivery.stream_sequence.size > 0 ? delivery.stream_sequence : BYTES("0"));
        JSON_KEY(&writer, "tries");
        json_raw(&writer, delivery.tries.size > 0 ? delivery.tries : BYTES("0"));
        json_object_end(&writer);
        (void)fwrite(line.at, 1, line.size, stdout);
        putchar('\n');
        buf_deinit(&line);
        return;
    }
    if (args_on(&cli->args, "raw")) {
        (void)fwrite(msg->payload.at, 1, msg->payload.size, stdout);
        putchar('\n');
        return;
    }
    printf("subj: %.*s / tries: %.*s / cons seq: %.*s / str seq: %.*s / pending: %.*s\n\n",
           BYTES_ARG(msg->subject), BYTES_ARG(delivery.tries), BYTES_ARG(delivery.sequence),
           BYTES_ARG(delivery.stream_sequence), BYTES_ARG(delivery.pending));
    message_show(stdout, msg, false);
    putchar('\n');
}

static enum conn_verdict settle(struct cli *cli, const struct msg *msg)
{
    const struct flag_value *ack = args_flag(&cli->args, "ack");
    struct bytes word = args_on(&cli->args, "nak")    ? BYTES("-NAK")
                        : args_on(&cli->args, "term") ? BYTES("+TERM")
                                                      : BYTES("+ACK");

    if (msg->reply.size == 0 || (ack->given && !ack->on))
        return CONN_OK;
    return conn_publish(&cli->conn, msg->reply, (struct bytes){0}, (struct bytes){0}, word);
}

/* ---- pulls ----------------------------------------------------------------------------------- */

static enum conn_verdict ask(struct fetching *f)
{
    struct cli *cli = f->cli;
    bool no_wait = args_on(&cli->args, "no-wait");
    int64_t left = f->wanted - f->shown,
            wait = args_number(&cli->args, "wait", cli->settings.timeout_ns);

    f->asked = left < BATCH_MAX ? left : BATCH_MAX;
    if (f->follow && !args_flag(&cli->args, "wait")->given)
        wait = PULL_WAIT_NS;
    f->until = conn_now() + wait + SLACK_NS;
    return conn_publish(&cli->conn, bytes_of_text(f->subject), f->inbox, (struct bytes){0},
                        bytes_of_text(no_wait ? cli_print(cli, "{\"batch\":%lld,\"no_wait\":true}",
                                                          (long long)f->asked)
                                              : cli_print(cli, "{\"batch\":%lld,\"expires\":%lld}",
                                                          (long long)f->asked, (long long)wait)));
}

/* The consumer is about to be elsewhere. */
static bool is_moving(struct bytes words)
{
    return bytes_equal(words, BYTES("Server Shutdown")) ||
           bytes_equal(words, BYTES("Leadership Change"));
}

static int refused(struct fetching *f, unsigned status, struct bytes words)
{
    return cli_fail(f->cli, EXIT_FAILED, "millrace consumer info", "the consumer says: %u %.*s",
                    status, BYTES_ARG(words));
}

/* Asks again and again, whatever comes? */
static bool insists(const struct fetching *f)
{
    return f->follow && !args_flag(&f->cli->args, "wait")->given &&
           !args_on(&f->cli->args, "no-wait");
}

/* What a status says. EXIT_DONE with *over: no more messages of this pull. */
static int heed_status(struct fetching *f, unsigned status, struct bytes words, bool *over)
{
    *over = true;
    switch (status) {
    case 100: *over = false; return EXIT_DONE; /* a sign of life */
    case 404:
    case 408:
        if (insists(f) || f->shown > 0)
            return EXIT_DONE;
        return cli_fail(f->cli, EXIT_TIMEOUT, "--wait 30s, if some are to come",
                        "no messages are there");
    case 409:
        if (!f->follow || !is_moving(words))
            return refused(f, status, words);
        f->moving_until = conn_now() + MOVING_NS;
        return EXIT_DONE;
    case 503:
        if (conn_now() < f->moving_until) {
            (void)usleep(ASK_AGAIN_US);
            return EXIT_DONE;
        }
        return cli_fail(f->cli, EXIT_MISSING, "millrace consumer ls STREAM",
                        "the consumer does not answer");
    default: return refused(f, status, words);
    }
}

static void listen(struct fetching *f)
{
    struct conn *conn = &f->cli->conn;

    f->sid = f->subject != NULL
                 ? conn_subscribe(conn, f->inbox, (struct bytes){0})
                 : conn_subscribe(conn, bytes_of_text(f->target), bytes_of_text(f->group));
}

/* The connection is lost: sub makes it anew and pulls again, next has failed. */
static int go_on(struct fetching *f, enum conn_verdict verdict)
{
    int result = f->follow ? again_connect(f->cli, verdict, true) : cli_fail_conn(f->cli, verdict);

    if (result != EXIT_DONE)
        return result;
    f->moving_until = conn_now() + MOVING_NS;
    listen(f);
    return EXIT_DONE;
}

/* Takes what one pull, or pushing, brings. */
static int take(struct fetching *f)
{
    struct cli *cli = f->cli;
    int64_t got = 0;

    while (f->shown < f->wanted && (f->subject == NULL || got < f->asked)) {
        struct bytes words = {0};
        struct msg msg;
        unsigned status;
        enum conn_verdict verdict;

        if (!conn_has_more(&cli->conn) && cli_end_output(cli) != EXIT_DONE)
            return EXIT_FAILED;
        verdict = conn_next_of(&cli->conn, f->sid, f->until, &msg);
        if (verdict == CONN_TIMEOUT && insists(f))
            return EXIT_DONE; /* whoever had the pull has forgotten it */
        if (verdict != CONN_OK)
            return go_on(f, verdict);
        status = msg_status(&msg, &words);
        if (status != 0 && msg.payload.size == 0) {
            bool over;
            int result = heed_status(f, status, words, &over);

            if (status == 100 && msg.reply.size > 0) /* flow control wants an answer */
                (void)conn_publish(&cli->conn, msg.reply, (struct bytes){0}, (struct bytes){0},
                                   (struct bytes){0});
            if (result != EXIT_DONE || over)
                return result;
            continue;
        }
        show(cli, &msg);
        verdict = settle(cli, &msg);
        f->shown++;
        got++;
        if (verdict != CONN_OK)
            return go_on(f, verdict);
    }
    return EXIT_DONE;
}

static int fetch(struct fetching *f)
{
    int result = EXIT_DONE;
    int64_t before;

    do {
        enum conn_verdict verdict = f->subject != NULL ? ask(f) : CONN_OK;

        before = f->shown;
        result = verdict == CONN_OK ? take(f) : go_on(f, verdict);
    } while (result == EXIT_DONE && f->shown < f->wanted && (f->shown > before || insists(f)));
    return result;
}

static int begin(struct cli *cli, const struct json *info, const char *stream, const char *name,
                 struct fetching *f)
{
    f->target = api_text(cli, info, "config.deliver_subject");
    f->group = api_text(cli, info, "config.deliver_group");
    if (f->target[0] != 0 && !f->follow)
        return cli_fail(cli, EXIT_USAGE,
                        cli_print(cli, "millrace consumer sub %s %s", stream, name),
                        "consumer %s pushes; there is no next to ask for", name);
    if (f->target[0] == 0) {
        f->subject =
            cli_print(cli, "%s.CONSUMER.MSG.NEXT.%s.%s", cli->settings.api_prefix, stream, name);
        f->inbox = conn_inbox(&cli->conn, &cli->arena);
    }
    listen(f);
    return EXIT_DONE;
}

static int run_with(struct cli *cli, bool follow)
{
    struct fetching f = {.cli = cli,
                         .follow = follow,
                         .until = INT64_MAX,
                         .wanted = args_number(&cli->args, "count", follow ? INT64_MAX : 1)};
    const struct json *info;
    const char *stream, *name;
    int result = pick_stream(cli, 0, &stream);
    enum conn_verdict verdict;

    if (result == EXIT_DONE)
        result = pick_consumer(cli, 1, stream, &name);
    if (result == EXIT_DONE)
        result = api_call(cli, cli_print(cli, "CONSUMER.INFO.%s.%s", stream, name),
                          (struct bytes){0}, &info);
    if (result == EXIT_DONE)
        result = begin(cli, info, stream, name, &f);
    if (result == EXIT_DONE)
        result = fetch(&f);
    if (result != EXIT_DONE)
        return result;
    /* Acknowledgements have arrived when the server answers to what follows them. */
    verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);
    return verdict == CONN_OK ? EXIT_DONE : cli_fail_conn(cli, verdict);
}

static int run_next(struct cli *cli)
{
    return run_with(cli, false);
}

static int run_sub(struct cli *cli)
{
    return run_with(cli, true);
}

static const struct command commands[] = {
    {"consumer next", NULL, "[<stream>] [<consumer>]", 0, 2, "Take the next messages",
     "millrace consumer next ORDERS work --count 10", NULL, FLAGS(flags), run_next},
    {"consumer sub", "subscribe", "[<stream>] [<consumer>]", 0, 2, "Show messages as they come",
     "millrace consumer sub ORDERS work --raw", NULL, FLAGS(flags), run_sub},
};
const struct command_list commands_consumer_messages = {commands,
                                                        sizeof(commands) / sizeof(commands[0])};

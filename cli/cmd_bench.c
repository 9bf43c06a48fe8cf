/* bench: how fast a server is, over one connection: messages, acknowledged messages, requests,
 * keys. */
#include <errno.h>
#include <stdlib.h>

#include "cli/api.h"
#include "cli/bar.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/human.h"
#include "cli/kv.h"
#include "cli/message.h"
#include "cli/plot.h"

#define MSGS_MAX   100000000
#define WINDOW_MAX 100000
#define KEYS       1000
#define MARKS      100 /* in the plot of the rate */
#define CURVE_MAX  400u
#define PLOT_MAX   ((size_t)1024 * 1024)

static const struct flag flags[] = {
    {"msgs", 0, FLAG_NUMBER, "N", "How many (100000; request and kv 10000)", NULL},
    {"size", 0, FLAG_SIZE, "SIZE", "Of a message (128)", NULL},
    {"window", 0, FLAG_NUMBER, "N", "Answers that are awaited at once (request, kv 1; js 500)",
     NULL},
    {"plot", 0, FLAG_TEXT, "FILE.svg", "Draw the rate, and how long answers took", NULL},
};

/* How many were done at a time: what the plot of the rate is made of. */
struct mark {
    int64_t done, time;
};

struct bench {
    struct cli *cli;
    const char *what;
    int64_t count, size, window;
    uint8_t *payload;
    int64_t *begun, *took; /* of each; NULL: nothing is answered */
    const char **subjects; /* of keys */
    struct bar bar;
    int64_t start, finish;
    int64_t done, next_mark; /* messages so far, and when to look at the clock */
    struct mark marks[MARKS];
    size_t mark_count;
};

/* ---- what came out --------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The smallest time that `part` of all did not exceed. */
static int64_t percentile(const struct bench *b, double part)
{
    int64_t at = (int64_t)(part * (double)b->count);

    return b->took[at < b->count ? at : b->count - 1];
}

static void say_json(const struct bench *b, double seconds)
{
    printf(
        "{\"bench\": \"%s\", \"msgs\": %lld, \"size\": %lld, \"window\": %lld, \"seconds\": %.6f, "
        "\"msgs_per_second\": %.0f",
        b->what, (long long)b->count, (long long)b->size, (long long)b->window, seconds,
        (double)b->count / seconds);
    if (b->took != NULL)
        printf(", \"latency_ns\": {\"min\": %lld, \"p50\": %lld, \"p90\": %lld, \"p99\": %lld, "
               "\"p999\": %lld, \"max\": %lld}",
               (long long)b->took[0], (long long)percentile(b, 0.5), (long long)percentile(b, 0.9),
               (long long)percentile(b, 0.99), (long long)percentile(b, 0.999),
               (long long)b->took[b->count - 1]);
    puts("}");
}

static double seconds_of(const struct bench *b)
{
    return (double)(b->finish - b->start) / 1e9;
}

static int say_result(struct bench *b)
{
    struct cli *cli = b->cli;
    double seconds = seconds_of(b);

    if (cli->json) {
        say_json(b, seconds);
        return EXIT_DONE;
    }
    printf("%s: %s msgs/sec ~ %s/sec, %s messages of %s in %.2fs\n", b->what,
           human_count(cli, (uint64_t)((double)b->count / seconds)),
           human_size(cli, (uint64_t)((double)(b->count * b->size) / seconds)),
           human_count(cli, (uint64_t)b->count), human_size(cli, (uint64_t)b->size), seconds);
    if (b->took != NULL)
        printf("  latency: min %s, p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n",
               human_duration(cli, b->took[0]), human_duration(cli, percentile(b, 0.5)),
               human_duration(cli, percentile(b, 0.9)), human_duration(cli, percentile(b, 0.99)),
               human_duration(cli, percentile(b, 0.999)),
               human_duration(cli, b->took[b->count - 1]));
    return EXIT_DONE;
}

/* ---- as a picture ---------------------------------------------------------------------------- */

/* How many a second were done between two marks. */
static size_t rate_curve(const struct bench *b, struct plot_point points[static MARKS])
{
    struct mark before = {.time = b->start};
    size_t count = 0;

    for (size_t i = 0; i < b->mark_count; i++) {
        const struct mark *at = &b->marks[i];

        if (at->time <= before.time)
            continue;
        points[count++] = (struct plot_point){.x = (double)(at->time - b->start) / 1e9,
                                              .y = (double)(at->done - before.done) * 1e9 /
                                                   (double)(at->time - before.time)};
        before = *at;
    }
    return count;
}

/* `took` is in order. Near the end there are more points: that is where a curve bends. */
static size_t latency_curve(const struct bench *b, struct plot_point points[static CURVE_MAX])
{
    double left = 1;
    size_t count = 0;

    for (; count < CURVE_MAX && left * (double)b->count >= 1; left *= 0.97)
        points[count++] =
            (struct plot_point){.x = 1 - left, .y = (double)percentile(b, 1 - left) / 1e3};
    return count;
}

static int draw(struct bench *b)
{
    struct cli *cli = b->cli;
    const char *file = args_text(&cli->args, "plot");
    struct plot_point rates[MARKS], latencies[CURVE_MAX];
    struct plot_panel panels[2] = {{.title = "rate",
                                    .x = {"seconds", PLOT_LINEAR},
                                    .y = {"messages a second", PLOT_LINEAR},
                                    .points = rates,
                                    .count = rate_curve(b, rates)}};
    size_t count = panels[0].count > 0;
    struct buf text;
    bool done;

    if (b->took != NULL)
        panels[count++] = (struct plot_panel){.title = "latency",
                                              .x = {"of the answers (percentile)", PLOT_PERCENTILE},
                                              .y = {"microseconds", PLOT_LOGARITHMIC},
                                              .points = latencies,
                                              .count = latency_curve(b, latencies)};
    buf_init(&text, PLOT_MAX);
    done = plot_write(&text,
                      cli_print(cli, "millrace bench %s: %s messages of %s, %s a second", b->what,
                                human_count(cli, (uint64_t)b->count),
                                human_size(cli, (uint64_t)b->size),
                                human_count(cli, (uint64_t)((double)b->count / seconds_of(b)))),
                      panels, count) &&
           file_replace(file, buf_bytes(&text), 0644);
    buf_deinit(&text);
    return done ? EXIT_DONE
                : cli_fail(cli, EXIT_FAILED, "--plot FILE.svg", "cannot write %s: %s", file,
                           strerror(errno));
}

/* One more is done. */
static void mark(struct bench *b)
{
    if (++b->done < b->next_mark || b->mark_count == MARKS)
        return;
    b->marks[b->mark_count++] = (struct mark){b->done, conn_now()};
    b->next_mark = b->done + (b->count + MARKS - 1) / MARKS;
}

static int finish(struct bench *b)
{
    int result;

    b->finish = conn_now();
    bar_end(&b->bar);
    if (b->took != NULL)
        qsort(b->took, (size_t)b->count, sizeof(*b->took), by_time);
    result = say_result(b);
    return result == EXIT_DONE && args_text(&b->cli->args, "plot") != NULL ? draw(b) : result;
}

/* ---- preparing ------------------------------------------------------------------------------- */

static int begin(struct bench *b, struct cli *cli, const char *what, int64_t count, int64_t window)
{
    *b = (struct bench){.cli = cli,
                        .what = what,
                        .count = args_number(&cli->args, "msgs", count),
                        .size = args_number(&cli->args, "size", 128),
                        .window = args_number(&cli->args, "window", window)};
    if (b->count < 1 || b->count > MSGS_MAX || b->size < 0 || (size_t)b->size > BODY_MAX ||
        b->window < 0 || b->window > WINDOW_MAX)
        return cli_fail(cli, EXIT_USAGE, cli->command->example,
                        "--msgs, --size or --window is out of range");
    b->next_mark = (b->count + MARKS - 1) / MARKS;
    b->payload = arena_take(&cli->arena, (size_t)b->size + 1);
    for (int64_t i = 0; i < b->size; i++)
        b->payload[i] = (uint8_t)('a' + i % 26);
    return cli_connect(cli);
}

static void start(struct bench *b)
{
    bar_begin(&b->bar, b->cli, (uint64_t)b->count * (uint64_t)b->size);
    b->start = conn_now();
}

/* ---- without answers ------------------------------------------------------------------------- */

static int run_pub(struct cli *cli)
{
    const char *subject = args_word(&cli->args, 0);
    struct bench b;
    enum conn_verdict verdict = CONN_OK;
    int result = message_subject(cli, subject, false);

    if (result == EXIT_DONE)
        result = begin(&b, cli, "pub", 100000, 0);
    if (result != EXIT_DONE)
        return result;
    start(&b);
    for (int64_t i = 0; verdict == CONN_OK && i < b.count; i++) {
        verdict = conn_publish(&cli->conn, bytes_of_text(subject), (struct bytes){0},
                               (struct bytes){0}, bytes_of(b.payload, (size_t)b.size));
        bar_add(&b.bar, (uint64_t)b.size);
        mark(&b);
    }
    if (verdict == CONN_OK)
        verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);
    return verdict == CONN_OK ? finish(&b) : cli_fail_conn(cli, verdict);
}

static int run_sub(struct cli *cli)
{
    const char *subject = args_word(&cli->args, 0);
    struct bench b;
    struct msg msg;
    enum conn_verdict verdict;
    int64_t bytes = 0;
    int result = message_subject(cli, subject, true);

    if (result == EXIT_DONE)
        result = begin(&b, cli, "sub", 100000, 0);
    if (result != EXIT_DONE)
        return result;
    (void)conn_subscribe(&cli->conn, bytes_of_text(subject), (struct bytes){0});
    message_log("Waiting for %lld messages on %s", (long long)b.count, subject);
    verdict = conn_next(&cli->conn, INT64_MAX, &msg);
    start(&b); /* with the first */
    for (int64_t i = 1; verdict == CONN_OK && i < b.count; i++) {
        bytes += (int64_t)msg.payload.size;
        verdict = conn_next(&cli->conn, INT64_MAX, &msg);
        mark(&b);
    }
    if (verdict != CONN_OK)
        return cli_fail_conn(cli, verdict);
    b.size = (bytes + (int64_t)msg.payload.size) / b.count;
    return finish(&b);
}

/* ---- with answers ---------------------------------------------------------------------------- */

/* What an answer must be; EXIT_DONE, or said. */
typedef int check_answer(struct bench *b, const struct msg *msg);

static int check_any(struct bench *b, const struct msg *msg)
{
    if (msg_status(msg, NULL) != 503 || msg->payload.size > 0)
        return EXIT_DONE;
    return cli_fail(b->cli, EXIT_TIMEOUT,
                    "millrace reply SUBJECT --echo > /dev/null, in another shell",
                    "nobody answers");
}

static int check_ack(struct bench *b, const struct msg *msg)
{
    const struct json *ack;

    if (msg_status(msg, NULL) == 503)
        return cli_fail(b->cli, EXIT_MISSING, "millrace stream add",
                        "no stream keeps this subject");
    if (memmem(msg->payload.at, msg->payload.size, "\"error\"", 7) == NULL)
        return EXIT_DONE;
    return api_read(b->cli, msg, &ack);
}

static int take_answer(struct bench *b, uint64_t first, check_answer *check)
{
    struct msg msg;
    uint64_t number;
    enum conn_verdict verdict =
        conn_answer(&b->cli->conn, conn_now() + b->cli->settings.timeout_ns, &number, &msg);

    if (verdict != CONN_OK)
        return cli_fail_conn(b->cli, verdict);
    if (number < first || number - first >= (uint64_t)b->count)
        return EXIT_DONE;
    b->took[number - first] = conn_now() - b->begun[number - first];
    bar_add(&b->bar, (uint64_t)b->size);
    mark(b);
    return check(b, &msg);
}

/* `subject_of` names where the index-th goes. */
static int run_asking(struct bench *b, const char *(*subject_of)(struct bench *, int64_t),
                      struct bytes payload, check_answer *check)
{
    int64_t waiting = 0;
    uint64_t first = 0;
    int result = EXIT_DONE;

    b->begun = ARENA_ARRAY(&b->cli->arena, int64_t, (size_t)b->count);
    b->took = ARENA_ARRAY(&b->cli->arena, int64_t, (size_t)b->count);
    if (b->begun == NULL || b->took == NULL)
        return cli_fail(b->cli, EXIT_USAGE, "--msgs 100000", "too many messages to remember");
    start(b);
    for (int64_t i = 0; result == EXIT_DONE && (i < b->count || waiting > 0);) {
        if (i < b->count && waiting < b->window) {
            enum conn_verdict verdict;
            uint64_t number;

            b->begun[i] = conn_now();
            number = conn_ask(&b->cli->conn, bytes_of_text(subject_of(b, i)), (struct bytes){0},
                              payload, &verdict);
            first = i == 0 ? number : first;
            if (verdict != CONN_OK)
                return cli_fail_conn(b->cli, verdict);
            waiting++;
            i++;
        } else {
            result = take_answer(b, first, check);
            waiting--;
        }
    }
    return result == EXIT_DONE ? finish(b) : result;
}

static const char *first_word(struct bench *b, int64_t i)
{
    (void)i;
    return args_word(&b->cli->args, 0);
}

static int run_request(struct cli *cli)
{
    struct bench b;
    int result = message_subject(cli, args_word(&cli->args, 0), false);

    if (result == EXIT_DONE)
        result = begin(&b, cli, "request", 10000, 1);
    if (result == EXIT_DONE && b.window < 1)
        result = cli_fail(cli, EXIT_USAGE, "--window 1", "--window must be at least 1");
    return result == EXIT_DONE
               ? run_asking(&b, first_word, bytes_of(b.payload, (size_t)b.size), check_any)
               : result;
}

static int run_js(struct cli *cli)
{
    struct bench b;
    int result = message_subject(cli, args_word(&cli->args, 0), false);

    if (result == EXIT_DONE)
        result = begin(&b, cli, "js", 100000, 500);
    if (result == EXIT_DONE && b.window < 1)
        result = cli_fail(cli, EXIT_USAGE, "--window 500", "--window must be at least 1");
    return result == EXIT_DONE
               ? run_asking(&b, first_word, bytes_of(b.payload, (size_t)b.size), check_ack)
               : result;
}

/* A thousand keys, one after the other. */
static const char *key_subject(struct bench *b, int64_t i)
{
    return b->subjects[i % KEYS];
}

static int run_kv(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0);
    struct bench b;
    int result = kv_check(cli, bucket, NULL, false);

    if (result == EXIT_DONE)
        result = begin(&b, cli, "kv put", 10000, 1);
    if (result == EXIT_DONE && b.window < 1)
        result = cli_fail(cli, EXIT_USAGE, "--window 1", "--window must be at least 1");
    if (result != EXIT_DONE)
        return result;
    b.subjects = ARENA_ARRAY(&cli->arena, const char *, KEYS);
    for (size_t i = 0; i < KEYS; i++)
        b.subjects[i] = kv_key_subject(cli, bucket, cli_print(cli, "bench.%zu", i));
    return run_asking(&b, key_subject, bytes_of(b.payload, (size_t)b.size), check_ack);
}

static const struct command commands[] = {
    {"bench pub", NULL, "<subject>", 1, 1, "Publish as fast as it goes",
     "millrace bench pub test --msgs 1000000 --size 16", NULL, FLAGS(flags), run_pub},
    {"bench sub", NULL, "<subject>", 1, 1, "Take messages as fast as they come",
     "millrace bench sub test --msgs 1000000", "The clock starts with the first message.",
     FLAGS(flags), run_sub},
    {"bench request", "service", "<subject>", 1, 1, "Ask and wait for the answer, again and again",
     "millrace bench request echo --msgs 10000", "Somebody must answer: millrace reply echo --echo",
     FLAGS(flags), run_request},
    {"bench js", "jetstream", "<subject>", 1, 1, "Publish to a stream, each with its ack",
     "millrace bench js orders.new --msgs 100000 --window 500", NULL, FLAGS(flags), run_js},
    {"bench kv", NULL, "<bucket>", 1, 1, "Put values of a thousand keys",
     "millrace bench kv CONFIG --msgs 10000", NULL, FLAGS(flags), run_kv},
};
const struct command_list commands_bench = {commands, sizeof(commands) / sizeof(commands[0])};

/* top: streams and their consumers, live: messages, rates, lag. */
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/human.h"

#define ROWS_MAX   200u
#define MEMORY_MAX ((size_t)1024 * 1024 * 1024)

static const struct flag flags[] = {
    {"interval", 0, FLAG_DURATION, "DURATION", "Between two looks (1s)", NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many looks", NULL},
};

enum order { ORDER_NAME, ORDER_MESSAGES, ORDER_RATE, ORDER_LAG };

struct row {
    const char *name;
    uint64_t messages, bytes, last, consumers, lag;
    double rate;
};

/* What was seen last time, for rates. */
struct view {
    struct row rows[2][ROWS_MAX];
    size_t counts[2];
    unsigned now; /* which of the two */
    int64_t seen[2];
    struct arena memory[3]; /* of either look, and of what is drawn: it runs for days */
    enum order order;
    bool paused;
};

/* ---- looking --------------------------------------------------------------------------------- */

static double rate_of(const struct view *view, const struct row *row, int64_t now)
{
    unsigned before = 1 - view->now;

    for (size_t i = 0; i < view->counts[before]; i++)
        if (strcmp(view->rows[before][i].name, row->name) == 0 &&
            row->last >= view->rows[before][i].last && now > view->seen[before])
            return (double)(row->last - view->rows[before][i].last) * 1e9 /
                   (double)(now - view->seen[before]);
    return 0;
}

/* How far the slowest consumer is behind. */
static int read_lag(struct cli *cli, struct row *row)
{
    struct api_items items;
    int result;

    if (row->consumers == 0)
        return EXIT_DONE;
    result = api_list(cli, cli_print(cli, "CONSUMER.LIST.%s", row->name), "consumers", "", &items);
    for (size_t i = 0; result == EXIT_DONE && i < items.count; i++) {
        uint64_t lag =
            api_u64(items.at[i], "num_pending") + api_u64(items.at[i], "num_ack_pending");

        if (lag > row->lag)
            row->lag = lag;
    }
    return result;
}

static int look(struct cli *cli, struct view *view)
{
    struct api_items items;
    int result = api_list(cli, "STREAM.LIST", "streams", "", &items);
    int64_t now = conn_now();

    if (result != EXIT_DONE)
        return result;
    view->now = 1 - view->now;
    view->counts[view->now] = 0;
    for (size_t i = 0; result == EXIT_DONE && i < items.count && i < ROWS_MAX; i++) {
        struct row *row = &view->rows[view->now][view->counts[view->now]++];

        *row = (struct row){.name = api_text(cli, items.at[i], "config.name"),
                            .messages = api_u64(items.at[i], "state.messages"),
                            .bytes = api_u64(items.at[i], "state.bytes"),
                            .last = api_u64(items.at[i], "state.last_seq"),
                            .consumers = api_u64(items.at[i], "state.consumer_count")};
        row->rate = rate_of(view, row, now);
        result = read_lag(cli, row);
    }
    view->seen[view->now] = now;
    return result;
}

/* ---- showing --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static int by_messages(const void *a, const void *b)
{
    uint64_t x = ((const struct row *)a)->messages, y = ((const struct row *)b)->messages;

    return (x < y) - (x > y);
}

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct row *)a)->rate, y = ((const struct row *)b)->rate;

    return (x < y) - (x > y);
}

static int by_lag(const void *a, const void *b)
{
    uint64_t x = ((const struct row *)a)->lag, y = ((const struct row *)b)->lag;

    return (x < y) - (x > y);
}

static void show(struct cli *cli, struct view *view, bool screen)
{
    static int (*const orders[])(const void *, const void *) = {by_name, by_messages, by_rate,
                                                                by_lag};
    struct row *rows = view->rows[view->now];
    size_t count = view->counts[view->now];

    qsort(rows, count, sizeof(*rows), orders[view->order]);
    if (screen)
        fputs("\033[H\033[J", stdout);
    printf("%s  %zu streams  %s\n\n", cli->conn.url, count, view->paused ? "(paused)" : "");
    printf("%s%-32s %14s %10s %12s %10s %12s%s\n", screen ? "\033[7m" : "", "STREAM", "MESSAGES",
           "SIZE", "MSGS/SEC", "CONSUMERS", "LAG", screen ? "\033[0m" : "");
    for (size_t i = 0; i < count; i++)
        printf("%-32.32s %14s %10s %12s %10s %12s\n", rows[i].name,
               human_count(cli, rows[i].messages), human_size(cli, rows[i].bytes),
               human_count(cli, (uint64_t)(rows[i].rate + 0.5)),
               human_count(cli, rows[i].consumers), human_count(cli, rows[i].lag));
    if (screen)
        fputs("\nq quit   n name   m messages   r rate   l lag   p pause", stdout);
    (void)fflush(stdout);
}

/* ---- the keyboard ---------------------------------------------------------------------------- */

/* Waits for a key until `until`; false: it ends. */
static bool heed_keys(struct view *view, int64_t until, bool keys)
{
    struct pollfd input = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
    int64_t left = (until - conn_now()) / 1000000;
    char key;

    if (poll(&input, 1, left > 0 ? (int)left : 0) <= 0)
        return true;
    if (read(STDIN_FILENO, &key, 1) != 1)
        return false;
    switch (key) {
    case 'q':
    case 3: return false; /* Ctrl-C, which comes as a key here */
    case 'n': view->order = ORDER_NAME; break;
    case 'm': view->order = ORDER_MESSAGES; break;
    case 'r': view->order = ORDER_RATE; break;
    case 'l': view->order = ORDER_LAG; break;
    case 'p': view->paused = !view->paused; break;
    default: break;
    }
    return true;
}

static bool take_keyboard(struct termios *before)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, before) != 0)
        return false;
    raw = *before;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* Looks, or draws, with memory of its own in place of that of the run. */
static int in_turn(struct cli *cli, struct view *view, unsigned memory, bool looking, bool screen)
{
    struct arena whole = cli->arena;
    int result = EXIT_DONE;

    arena_reset(&view->memory[memory]);
    cli->arena = view->memory[memory];
    if (looking)
        result = look(cli, view);
    else
        show(cli, view, screen);
    view->memory[memory] = cli->arena;
    cli->arena = whole;
    return result;
}

static int watch(struct cli *cli, struct view *view, bool screen, bool keys)
{
    int64_t interval = args_number(&cli->args, "interval", INT64_C(1000000000));
    int64_t count = args_number(&cli->args, "count", INT64_MAX);

    for (int64_t i = 0; i < count; i++) {
        int result = view->paused ? EXIT_DONE : in_turn(cli, view, 1 - view->now, true, screen);

        if (result != EXIT_DONE)
            return result;
        (void)in_turn(cli, view, 2, false, screen);
        if (ferror(stdout))
            return cli_end_output(cli);
        if (i + 1 < count && !heed_keys(view, conn_now() + interval, keys))
            break;
    }
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    struct view *view = ARENA_NEW(&cli->arena, struct view);
    bool screen = cli->terminal_out, keys = screen && cli->terminal_in;
    struct termios before;
    int result = cli_connect(cli);

    if (result != EXIT_DONE)
        return result;
    if (args_number(&cli->args, "interval", 1000000000) < 100000000)
        return cli_fail(cli, EXIT_USAGE, "--interval 1s", "--interval must be at least 100ms");
    cli->endures = true;
    view->order = ORDER_RATE;
    for (size_t i = 0; i < 3; i++)
        arena_init(&view->memory[i], MEMORY_MAX);
    keys = keys && take_keyboard(&before);
    if (screen)
        fputs("\033[?1049h\033[?25l", stdout);
    result = watch(cli, view, screen, keys);
    if (screen)
        fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    for (size_t i = 0; i < 3; i++)
        arena_deinit(&view->memory[i]);
    if (keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before); /* as it was, or nothing can be done */
    return result;
}

static const struct command commands[] = {
    {"top", NULL, "", 0, 0, "Streams, their rates and their consumers' lag, live", "millrace top",
     "Keys: q quit, n m r l sort by name, messages, rate, lag; p pause. In a pipe one table after\n"
     "the other.",
     FLAGS(flags), run},
};
const struct command_list commands_top = {commands, sizeof(commands) / sizeof(commands[0])};

/* top: streams, consumers and connections, live, on the whole terminal or table by table. */
#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/plain.h"
#include "cli/top.h"

#define MEMORY_MAX   ((size_t)1024 * 1024 * 1024)
#define INTERVAL_NS  INT64_C(1000000000)
#define INTERVAL_MIN INT64_C(100000000)
#define HEAD_LINES   3u /* above the rows */
#define FOOT_LINES   2u
#define KEYS         "q quit   1 streams  2 consumers  3 connections   < > sort   r reverse   p pause"

static const struct flag flags[] = {
    {"interval", 0, FLAG_DURATION, "DURATION", "Between two looks (1s)", NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many looks", NULL},
    {"view", 0, FLAG_TEXT, "VIEW", "streams, consumers or connections", NULL},
    {"sort", 0, FLAG_TEXT, "COLUMN", "By this one, as its head or --json calls it", NULL},
};

struct screen {
    struct cli *cli;
    bool whole; /* the terminal is ours, else tables follow each other */
    bool keys;
    int signals; /* a descriptor; -1: none */
    int ended;   /* the signal that ends us; 0: none */
    unsigned lines, width;

    enum top_view view;
    size_t servers; /* of the system account */
    struct top_look looks[2];
    unsigned now; /* which of them is shown */
    struct arena drawing;
    const struct top_row **sorted;

    size_t order[TOP_VIEWS];
    bool reversed, paused;
    size_t first; /* the row at the top */
};

static const struct top_table *table_of(const struct screen *s)
{
    return &top_tables[s->view];
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void measure(struct screen *s)
{
    struct winsize size;
    bool known = s->cli->terminal_out && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

    s->width = known && size.ws_col > 0 ? size.ws_col : 100;
    s->lines = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* How many columns fit, and what is left for the first. */
static size_t fit(const struct screen *s, unsigned *first)
{
    const struct top_table *table = table_of(s);
    unsigned used = table->columns[0].width;
    size_t count = 1;

    while (count < table->count && used + 1 + table->columns[count].width <= s->width)
        used += 1 + table->columns[count++].width;
    *first = table->columns[0].width + (s->width > used ? s->width - used : 0);
    if (!s->whole && *first > 32)
        *first = 32;
    if (s->whole && *first > s->width)
        *first = s->width;
    return count;
}

static const char *cell(struct cli *cli, const struct top_row *row, const struct top_column *column)
{
    switch (column->kind) {
    case TOP_TEXT: return plain_text(cli, row->text[column->index]);
    case TOP_COUNT: return human_count(cli, row->figure[column->index]);
    case TOP_SIZE: return human_size(cli, row->figure[column->index]);
    case TOP_RATE: return human_count(cli, (uint64_t)(row->rate[column->index] + 0.5));
    case TOP_SIZE_RATE: return human_size(cli, (uint64_t)(row->rate[column->index] + 0.5));
    }
    return "";
}

/* What stood there goes first: behind a full line it would take the last place with it. */
static const char *line_begin(const struct screen *s)
{
    return s->whole ? "\033[K" : "";
}

/* A line of words, cut where the terminal would begin another one and push the rest away. */
static void show_line(const struct screen *s, const char *text)
{
    fputs(line_begin(s), stdout);
    if (s->whole)
        grid_cell(text, s->width, false);
    else
        fputs(text, stdout);
    putchar('\n');
}

static void show_cell(const struct top_column *column, unsigned width, const char *text)
{
    grid_cell(text, width, column->kind != TOP_TEXT);
}

static void show_heads(struct screen *s)
{
    const struct top_table *table = table_of(s);
    unsigned first;
    size_t count = fit(s, &first);

    printf("%s%s", line_begin(s), s->whole ? "\033[7m" : "");
    for (size_t i = 0; i < count; i++) {
        bool chosen = s->whole && i == s->order[s->view];

        printf("%s%s", i > 0 ? " " : "", chosen ? "\033[1;4m" : "");
        show_cell(&table->columns[i], i == 0 ? first : table->columns[i].width,
                  table->columns[i].title);
        fputs(chosen ? "\033[22;24m" : "", stdout);
    }
    puts(s->whole ? "\033[0m" : "");
}

static void show_row(struct screen *s, const struct top_row *row)
{
    const struct top_table *table = table_of(s);
    unsigned first;
    size_t count = fit(s, &first);

    fputs(line_begin(s), stdout);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? " " : "", stdout);
        show_cell(&table->columns[i], i == 0 ? first : table->columns[i].width,
                  cell(s->cli, row, &table->columns[i]));
    }
    putchar('\n');
}

/* The sum of what streams take in or clients send, beside who we are with. */
static void show_title(struct screen *s)
{
    const struct top_look *look = &s->looks[s->now];
    struct cli *cli = s->cli;
    double rate = 0;

    for (size_t i = 0; i < look->count; i++)
        rate += look->rows[i].rate[0];
    show_line(s, cli_print(cli, "%s  %s%s %s  %s msgs/sec%s%s", cli->conn.url,
                           human_count(cli, look->count), look->cut ? " and more" : "",
                           table_of(s)->name, human_count(cli, (uint64_t)(rate + 0.5)),
                           s->servers > 0 ? cli_print(cli, "  %zu servers", s->servers) : "",
                           s->paused ? "  (paused)" : ""));
    puts(line_begin(s));
}

static size_t rows_shown(const struct screen *s)
{
    size_t count = s->looks[s->now].count;

    if (!s->whole)
        return count;
    return s->lines > HEAD_LINES + FOOT_LINES ? s->lines - HEAD_LINES - FOOT_LINES : 1;
}

static void show_foot(struct screen *s, size_t shown)
{
    size_t count = s->looks[s->now].count;
    const char *note = "";

    if (s->view == TOP_CONNECTIONS && s->servers == 0)
        note = "Connections need the system account: --user, --creds or --context";
    else if (count > shown)
        note = cli_print(s->cli, "%zu to %zu of %zu: arrows, page up and down", s->first + 1,
                         s->first + shown < count ? s->first + shown : count, count);
    show_line(s, note);
    printf("\033[K\033[2m%.*s\033[0m", (int)s->width, KEYS);
}

static void show_whole(struct screen *s)
{
    size_t shown = rows_shown(s), count = s->looks[s->now].count;

    s->first = count <= shown ? 0 : s->first > count - shown ? count - shown : s->first;
    fputs("\033[H", stdout);
    show_title(s);
    show_heads(s);
    for (size_t i = s->first; i < count && i < s->first + shown; i++)
        show_row(s, s->sorted[i]);
    for (size_t i = count; i < shown; i++)
        puts(line_begin(s));
    show_foot(s, shown);
}

static void show_json(struct screen *s)
{
    const struct top_table *table = table_of(s);
    struct json_writer writer;
    struct buf text;

    buf_init(&text, MEMORY_MAX);
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    json_key(&writer, bytes_of_text(table->name));
    json_array_begin(&writer);
    for (size_t i = 0; i < s->looks[s->now].count; i++) {
        json_object_begin(&writer);
        for (size_t k = 0; k < table->count; k++) {
            const struct top_column *column = &table->columns[k];

            json_key(&writer, bytes_of_text(column->key));
            if (column->kind == TOP_TEXT)
                json_string(&writer, bytes_of_text(s->sorted[i]->text[column->index]));
            else if (column->kind == TOP_COUNT || column->kind == TOP_SIZE)
                json_number_u64(&writer, s->sorted[i]->figure[column->index]);
            else
                json_number_u64(&writer, (uint64_t)(s->sorted[i]->rate[column->index] + 0.5));
        }
        json_object_end(&writer);
    }
    json_array_end(&writer);
    json_object_end(&writer);
    buf_add_byte(&text, '\n');
    (void)fwrite(text.at, 1, text.size, stdout);
    buf_deinit(&text);
}

/* In memory of its own: it runs for days. */
static void show(struct screen *s)
{
    struct arena whole = s->cli->arena;

    measure(s);
    arena_reset(&s->drawing);
    s->cli->arena = s->drawing;
    top_sort(table_of(s), &s->looks[s->now], s->order[s->view], s->reversed, s->sorted);
    if (s->cli->json) {
        show_json(s);
    } else if (s->whole) {
        show_whole(s);
    } else {
        show_title(s);
        show_heads(s);
        for (size_t i = 0; i < s->looks[s->now].count; i++)
            show_row(s, s->sorted[i]);
    }
    (void)fflush(stdout);
    s->drawing = s->cli->arena;
    s->cli->arena = whole;
}

/* ---- looking --------------------------------------------------------------------------------- */

static int look(struct screen *s)
{
    int result;

    s->now = 1 - s->now;
    if (s->view == TOP_CONNECTIONS && s->servers == 0) {
        s->looks[s->now].count = 0;
        return EXIT_DONE;
    }
    result = top_take(s->cli, s->view, s->servers, &s->looks[1 - s->now], &s->looks[s->now]);
    if (result == EXIT_DONE && s->servers > 0 && s->looks[s->now].count == 0)
        result = top_servers(s->cli, &s->servers); /* one may have gone */
    return result;
}

/* Another table: what was seen before is of no use to it. */
static int change_view(struct screen *s, enum top_view view)
{
    if (view == s->view)
        return EXIT_DONE;
    s->view = view;
    s->first = 0;
    s->reversed = false;
    s->looks[0].count = s->looks[1].count = 0;
    return look(s);
}

/* ---- the keyboard ---------------------------------------------------------------------------- */

enum key {
    KEY_NONE = 0,
    KEY_UP = 256,
    KEY_DOWN,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
};

/* One key of what was typed; escape sequences as xterm and its like send them. */
static int take_key(struct bytes *typed)
{
    static const struct {
        struct bytes text;
        enum key key;
    } sequences[] = {
        {{(const uint8_t *)"\033[A", 3}, KEY_UP},
        {{(const uint8_t *)"\033OA", 3}, KEY_UP},
        {{(const uint8_t *)"\033[B", 3}, KEY_DOWN},
        {{(const uint8_t *)"\033OB", 3}, KEY_DOWN},
        {{(const uint8_t *)"\033[5~", 4}, KEY_PAGE_UP},
        {{(const uint8_t *)"\033[6~", 4}, KEY_PAGE_DOWN},
        {{(const uint8_t *)"\033[H", 3}, KEY_HOME},
        {{(const uint8_t *)"\033[1~", 4}, KEY_HOME},
        {{(const uint8_t *)"\033[F", 3}, KEY_END},
        {{(const uint8_t *)"\033[4~", 4}, KEY_END},
    };
    int key;

    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
        if (bytes_starts(*typed, sequences[i].text)) {
            *typed = bytes_skip(*typed, sequences[i].text.size);
            return sequences[i].key;
        }
    key = typed->at[0];
    /* A sequence that we do not know goes as a whole. */
    *typed = key == 033 ? bytes_skip(*typed, typed->size) : bytes_skip(*typed, 1);
    return key;
}

static size_t back(size_t from, size_t by)
{
    return from > by ? from - by : 0;
}

static void change_order(struct screen *s, size_t by)
{
    s->order[s->view] = (s->order[s->view] + by) % table_of(s)->count;
    s->reversed = false;
}

/* False: it ends. */
static bool heed_key(struct screen *s, int key, int *result)
{
    size_t count = s->looks[s->now].count, columns = table_of(s)->count;

    switch (key) {
    case 'q':
    case 3: return false; /* Ctrl-C, which comes as a key here */
    case '1': *result = change_view(s, TOP_STREAMS); break;
    case '2': *result = change_view(s, TOP_CONSUMERS); break;
    case '3': *result = change_view(s, TOP_CONNECTIONS); break;
    case '\t': *result = change_view(s, (s->view + 1) % TOP_VIEWS); break;
    case '<': change_order(s, columns - 1); break;
    case '>': change_order(s, 1); break;
    case 'r': s->reversed = !s->reversed; break;
    case 'p':
    case ' ': s->paused = !s->paused; break;
    case KEY_UP: s->first = back(s->first, 1); break;
    case KEY_DOWN: s->first++; break;
    case KEY_PAGE_UP: s->first = back(s->first, rows_shown(s)); break;
    case KEY_PAGE_DOWN: s->first += rows_shown(s); break;
    case KEY_HOME: s->first = 0; break;
    case KEY_END: s->first = count; break;
    default: break;
    }
    return *result == EXIT_DONE;
}

/* False: it ends. */
static bool heed_keyboard(struct screen *s, int *result)
{
    uint8_t typed[64];
    ssize_t got = read(STDIN_FILENO, typed, sizeof(typed));
    struct bytes rest = bytes_of(typed, got > 0 ? (size_t)got : 0);

    if (got <= 0)
        return false;
    while (rest.size > 0)
        if (!heed_key(s, take_key(&rest), result))
            return false;
    return true;
}

/* False: it ends. Another size only wants another drawing. */
static bool heed_signal(struct screen *s)
{
    struct signalfd_siginfo info;

    if (read(s->signals, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGWINCH)
        s->ended = (int)info.ssi_signo;
    return s->ended == 0;
}

/* Until the moment of the next look; draws again when something changes. False: it ends. */
static bool wait_for(struct screen *s, int64_t until, int *result)
{
    for (;;) {
        struct pollfd input[2] = {{.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN},
                                  {.fd = s->signals, .events = POLLIN}};
        int64_t left = (until - conn_now()) / 1000000;

        if (poll(input, 2, left > 0 ? (int)left : 0) <= 0)
            return true;
        if (input[0].revents != 0 && !heed_keyboard(s, result))
            return false;
        if (input[1].revents != 0 && !heed_signal(s))
            return false;
        show(s);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static int watch(struct screen *s)
{
    struct cli *cli = s->cli;
    int64_t interval = args_number(&cli->args, "interval", INTERVAL_NS);
    int64_t count = args_number(&cli->args, "count", INT64_MAX);
    int result = EXIT_DONE;

    for (int64_t i = 0; i < count && result == EXIT_DONE; i++) {
        if (!s->paused)
            result = look(s);
        if (result != EXIT_DONE)
            break;
        show(s);
        if (ferror(stdout))
            return cli_end_output(cli);
        if (i + 1 < count && !wait_for(s, conn_now() + interval, &result))
            break;
    }
    return result;
}

/* What would leave the terminal as it is now comes by a descriptor instead. */
static int take_signals(sigset_t *before)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGWINCH);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, before); /* cannot fail for these numbers */
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
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

static int watch_on_terminal(struct screen *s)
{
    struct termios before;
    sigset_t signals;
    int result;

    s->signals = take_signals(&signals);
    s->keys = s->cli->terminal_in && take_keyboard(&before);
    fputs("\033[?1049h\033[?25l\033[2J", stdout);
    result = watch(s);
    fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    if (s->keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before); /* as it was, or nothing can be done */
    (void)close(s->signals);
    (void)sigprocmask(SIG_SETMASK, &signals, NULL);
    if (s->ended != 0)
        interrupt_end_by(s->ended);
    return result;
}

/* As a head or a member of the JSON is called. */
static bool is_column(const struct top_column *column, const char *word)
{
    return strcasecmp(column->title, word) == 0 || strcasecmp(column->key, word) == 0;
}

static int read_flags(struct screen *s)
{
    struct cli *cli = s->cli;
    const char *view = args_text(&cli->args, "view"), *sort = args_text(&cli->args, "sort");
    size_t at = 0;

    for (size_t i = 0; i < TOP_VIEWS; i++)
        s->order[i] = top_tables[i].order;
    if (args_number(&cli->args, "interval", INTERVAL_NS) < INTERVAL_MIN)
        return cli_fail(cli, EXIT_USAGE, "--interval 1s", "--interval must be at least 100ms");
    while (view != NULL && at < TOP_VIEWS && strcmp(view, top_tables[at].name) != 0)
        at++;
    if (at == TOP_VIEWS)
        return cli_fail(cli, EXIT_USAGE, "--view streams, consumers or connections",
                        "there is no view \"%s\"", view);
    s->view = (enum top_view)at;
    for (at = 0; sort != NULL && at < table_of(s)->count; at++)
        if (is_column(&table_of(s)->columns[at], sort))
            break;
    if (at == table_of(s)->count)
        return cli_fail(cli, EXIT_USAGE, cli_print(cli, "--sort %s", table_of(s)->columns[1].key),
                        "%s have no column \"%s\"", table_of(s)->name, sort);
    if (sort != NULL)
        s->order[s->view] = at;
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    struct screen s = {.cli = cli, .whole = cli->terminal_out && !cli->json, .signals = -1};
    int result = read_flags(&s);

    if (result == EXIT_DONE)
        result = cli_connect(cli);
    cli->endures = true;
    if (result == EXIT_DONE)
        result = top_servers(cli, &s.servers);
    if (result == EXIT_DONE && s.view == TOP_CONNECTIONS && s.servers == 0 && !s.whole)
        result = cli_fail(cli, EXIT_REFUSED,
                          "--user and --password (or --context) of the system account",
                          "connections need the system account");
    if (result != EXIT_DONE)
        return result;
    s.sorted = ARENA_ARRAY(&cli->arena, const struct top_row *, TOP_ROWS_MAX);
    assert(s.sorted != NULL);
    for (size_t i = 0; i < 2; i++)
        arena_init(&s.looks[i].memory, MEMORY_MAX);
    arena_init(&s.drawing, MEMORY_MAX);
    result = s.whole ? watch_on_terminal(&s) : watch(&s);
    for (size_t i = 0; i < 2; i++)
        arena_deinit(&s.looks[i].memory);
    arena_deinit(&s.drawing);
    return result;
}

static const struct command commands[] = {
    {"top", NULL, "", 0, 0, "Streams, consumers and connections, their rates and lag, live",
     "millrace top",
     "Keys: " KEYS
     ";\narrows, page up and down. With the system account: all servers and accounts, and who is\n"
     "connected. In a pipe one table after the other.",
     FLAGS(flags), run},
};
const struct command_list commands_top = {commands, sizeof(commands) / sizeof(commands[0])};

/* stream ls, report, find, subjects: all streams, or what is in one. */
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/pick.h"
#include "cli/plain.h"
#include "cli/stream_show.h"

static const struct flag list_flags[] = {
    {"subject", 0, FLAG_TEXT, "SUBJECT", "Only streams that keep it", NULL},
    {"names", 'n', FLAG_SWITCH, NULL, "Names only", NULL},
    {"all", 'a', FLAG_SWITCH, NULL, "Those of buckets too", NULL},
};

static const struct flag find_flags[] = {
    {"subject", 0, FLAG_TEXT, "SUBJECT", "That keep this subject", NULL},
    {"empty", 0, FLAG_SWITCH, NULL, "Without messages", NULL},
    {"idle", 0, FLAG_DURATION, "DURATION", "With no new message for so long", NULL},
    {"created", 0, FLAG_DURATION, "DURATION", "Created longer ago", NULL},
    {"consumers", 0, FLAG_NUMBER, "N", "With no more consumers than this", NULL},
    {"replicas", 0, FLAG_NUMBER, "N", "With no more replicas than this", NULL},
    {"leader", 0, FLAG_TEXT, "SERVER", "Led by this server", NULL},
    {"mirrored", 0, FLAG_SWITCH, NULL, "That are mirrors", NULL},
    {"sourced", 0, FLAG_SWITCH, NULL, "That have sources", NULL},
    {"invert", 'x', FLAG_SWITCH, NULL, "All but those", NULL},
    {"names", 'n', FLAG_SWITCH, NULL, "Names only", NULL},
};

static bool is_bucket(const struct json *info)
{
    struct bytes name = api_bytes(info, "config.name");

    return bytes_starts(name, BYTES("KV_")) || bytes_starts(name, BYTES("OBJ_"));
}

static int fetch(struct cli *cli, struct api_items *items)
{
    const char *subject = args_text(&cli->args, "subject");

    return api_list(
        cli, "STREAM.LIST", "streams",
        subject == NULL ? "" : cli_print(cli, "\"subject\":%s", form_quote(cli, subject)), items);
}

/* Keeps those that `keep` says, in their order. */
static void filter(struct cli *cli, struct api_items *items,
                   bool (*keep)(struct cli *, const struct json *))
{
    size_t kept = 0;

    for (size_t i = 0; i < items->count; i++)
        if (keep(cli, items->at[i]))
            items->at[kept++] = items->at[i];
    items->count = kept;
}

/* `narrowed`: there may be others. */
static int say_table(struct cli *cli, const struct api_items *items, bool narrowed)
{
    static const char *const heads[] = {"Name",     "Description", "Created",
                                        "Messages", "Size",        "Last Message"};
    struct grid grid;

    if (items->count == 0) {
        puts(narrowed ? "No Streams match" : "No Streams defined");
        return EXIT_DONE;
    }
    grid_init(&grid, cli, "Streams", heads, 6);
    for (size_t i = 0; i < items->count; i++) {
        const struct json *info = items->at[i];

        grid_add(&grid, (const char *const[]){api_text(cli, info, "config.name"),
                                              api_text(cli, info, "config.description"),
                                              human_time(cli, api_bytes(info, "created")),
                                              human_count(cli, api_u64(info, "state.messages")),
                                              human_size(cli, api_u64(info, "state.bytes")),
                                              human_ago(cli, api_bytes(info, "state.last_ts"))});
    }
    grid_show(&grid);
    return EXIT_DONE;
}

static int say(struct cli *cli, const struct api_items *items, bool narrowed)
{
    bool names = args_on(&cli->args, "names");

    if (cli->json)
        return api_say_items(cli, items, names ? "config.name" : NULL);
    if (!names)
        return say_table(cli, items, narrowed);
    for (size_t i = 0; i < items->count; i++) {
        const char *name = api_text(cli, items->at[i], "config.name");

        puts(cli->terminal_out ? plain_text(cli, name) : name);
    }
    return EXIT_DONE;
}

/* ---- ls -------------------------------------------------------------------------------------- */

static bool listed(struct cli *cli, const struct json *info)
{
    return args_on(&cli->args, "all") || !is_bucket(info);
}

static int run_ls(struct cli *cli)
{
    struct api_items items;
    int result = fetch(cli, &items);

    if (result != EXIT_DONE)
        return result;
    filter(cli, &items, listed);
    return say(cli, &items, args_flag(&cli->args, "subject")->given);
}

/* ---- find ------------------------------------------------------------------------------------ */

static bool older(struct bytes time, int64_t than)
{
    struct timespec now;
    int64_t ns;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return text_read_time(time, &ns) &&
           (ns == TIME_UNSET || (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - ns > than);
}

static bool matches(struct cli *cli, const struct json *info)
{
    const struct args *args = &cli->args;
    const char *leader = args_text(args, "leader");
    const struct json *mirror = api_get(info, "config.mirror");

    return (!args_on(args, "empty") || api_u64(info, "state.messages") == 0) &&
           (!args_flag(args, "idle")->given ||
            older(api_bytes(info, "state.last_ts"), args_number(args, "idle", 0))) &&
           (!args_flag(args, "created")->given ||
            older(api_bytes(info, "created"), args_number(args, "created", 0))) &&
           api_i64(info, "state.consumer_count") <= args_number(args, "consumers", INT64_MAX) &&
           api_i64(info, "config.num_replicas") <= args_number(args, "replicas", INT64_MAX) &&
           (leader == NULL ||
            bytes_equal(api_bytes(info, "cluster.leader"), bytes_of_text(leader))) &&
           (!args_on(args, "mirrored") || (mirror != NULL && mirror->type == JSON_OBJECT)) &&
           (!args_on(args, "sourced") || api_count(info, "config.sources") > 0);
}

static bool found(struct cli *cli, const struct json *info)
{
    return matches(cli, info) != args_on(&cli->args, "invert");
}

static int run_find(struct cli *cli)
{
    struct api_items items;
    int result = fetch(cli, &items);

    if (result != EXIT_DONE)
        return result;
    filter(cli, &items, found);
    return say(cli, &items, true);
}

/* ---- report ---------------------------------------------------------------------------------- */

static int run_report(struct cli *cli)
{
    static const char *const heads[] = {"Stream", "Storage", "Consumers", "Messages",
                                        "Bytes",  "Lost",    "Deleted",   "Replicas"};
    struct api_items items;
    struct grid grid;
    int result = fetch(cli, &items);

    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        return api_say_items(cli, &items, NULL);
    grid_init(&grid, cli, "Stream Report", heads, 8);
    grid.right = 0x7c;
    for (size_t i = 0; i < items.count; i++) {
        const struct json *info = items.at[i];

        grid_add(&grid,
                 (const char *const[]){api_text(cli, info, "config.name"),
                                       human_title(cli, api_bytes(info, "config.storage")),
                                       human_count(cli, api_u64(info, "state.consumer_count")),
                                       human_count(cli, api_u64(info, "state.messages")),
                                       human_size(cli, api_u64(info, "state.bytes")),
                                       human_count(cli, api_count(info, "state.lost.msgs")),
                                       human_count(cli, api_u64(info, "state.num_deleted")),
                                       stream_show_replicas(cli, api_get(info, "cluster"))});
    }
    grid_show(&grid);
    return EXIT_DONE;
}

/* ---- subjects -------------------------------------------------------------------------------- */

static const struct flag subject_flags[] = {
    {"filter", 0, FLAG_TEXT, "SUBJECT", "Only what matches", NULL},
    {"names", 'n', FLAG_SWITCH, NULL, "Subjects only", NULL},
    {"sort", 0, FLAG_TEXT, "name|messages", "Their order; the most messages come last (name)",
     NULL},
    {"reverse", 'R', FLAG_SWITCH, NULL, "The other way round", NULL},
};

/* Pages of subjects come as members of state.subjects. */
static int fetch_subjects(struct cli *cli, const char *name, struct grid *grid)
{
    const char *wanted = args_text(&cli->args, "filter");
    size_t seen = 0, before;
    uint64_t total;

    do {
        const struct json *answer, *subjects;
        int result =
            api_call(cli, cli_print(cli, "STREAM.INFO.%s", name),
                     bytes_of_text(cli_print(cli, "{\"subjects_filter\":%s,\"offset\":%zu}",
                                             form_quote(cli, wanted != NULL ? wanted : ">"), seen)),
                     &answer);

        if (result != EXIT_DONE)
            return result;
        subjects = api_get(answer, "state.subjects");
        total = api_u64(answer, "total");
        before = seen;
        if (subjects != NULL && subjects->child != NULL && api_u64(answer, "offset") != seen)
            return cli_fail(cli, EXIT_FAILED, "--trace, to see it",
                            "the server answers with another page than was asked for");
        for (const struct json *at = subjects == NULL ? NULL : subjects->child; at != NULL;
             at = at->next, seen++)
            grid_add(grid, (const char *const[]){cli_text(cli, at->key), cli_text(cli, at->text)});
    } while (seen > before && seen < total);
    return EXIT_DONE;
}

struct subject_row {
    const char *subject, *count;
};

static int by_subject(const void *a, const void *b)
{
    const struct subject_row *x = a, *y = b;

    return strcmp(x->subject, y->subject);
}

static int by_messages(const void *a, const void *b)
{
    const struct subject_row *x = a, *y = b;
    uint64_t left = strtoull(x->count, NULL, 10), right = strtoull(y->count, NULL, 10);

    return left != right ? (left > right) - (left < right) : by_subject(a, b);
}

/* Rows of a grid of two columns. */
static int sort_subjects(struct cli *cli, struct grid *grid)
{
    static const char *const orders[] = {"name:subject", "messages:count"};
    const char *text = args_text(&cli->args, "sort");
    const char *order = text == NULL ? orders[0] : form_choose(text, orders, 2);
    struct subject_row *rows = (struct subject_row *)(void *)grid->cells;

    static_assert(sizeof(*rows) == 2 * sizeof(*grid->cells));
    if (order == NULL)
        return cli_fail(cli, EXIT_USAGE, "--sort messages", "subjects cannot be sorted by \"%s\"",
                        text);
    if (grid->rows > 1)
        qsort(rows, grid->rows, sizeof(*rows), order == orders[0] ? by_subject : by_messages);
    for (size_t i = 0; args_on(&cli->args, "reverse") && i < grid->rows / 2; i++) {
        struct subject_row kept = rows[i];

        rows[i] = rows[grid->rows - 1 - i];
        rows[grid->rows - 1 - i] = kept;
    }
    return EXIT_DONE;
}

static int run_subjects(struct cli *cli)
{
    static const char *const heads[] = {"Subject", "Count"};
    struct grid grid;
    const char *name;
    int result = pick_stream(cli, 0, &name);

    if (result != EXIT_DONE)
        return result;
    grid_init(&grid, cli, "", heads, 2);
    grid.right = 2;
    result = fetch_subjects(cli, name, &grid);
    if (result == EXIT_DONE)
        result = sort_subjects(cli, &grid);
    if (result != EXIT_DONE)
        return result;
    grid.title = cli_print(cli, "%zu Subjects in stream %s", grid.rows, name);
    if (cli->json) {
        fputs("{", stdout);
        for (size_t i = 0; i < grid.rows; i++)
            printf("%s\n  %s: %s", i > 0 ? "," : "", form_quote(cli, grid.cells[2 * i]),
                   grid.cells[2 * i + 1]);
        puts("\n}");
    } else if (args_on(&cli->args, "names")) {
        for (size_t i = 0; i < grid.rows; i++)
            puts(grid.cells[2 * i]);
    } else {
        grid_show(&grid);
    }
    return EXIT_DONE;
}

static const struct command commands[] = {
    {"stream ls", "list l", "", 0, 0, "List the streams", "millrace stream ls --subject orders.new",
     NULL, FLAGS(list_flags), run_ls},
    {"stream report", NULL, "", 0, 0, "What all streams hold, and where", "millrace stream report",
     "A star marks the leader, an exclamation mark a replica that lags or is away.",
     FLAGS(list_flags), run_report},
    {"stream find", "query", "", 0, 0, "Streams of a certain kind",
     "millrace stream find --idle 7d --names", NULL, FLAGS(find_flags), run_find},
    {"stream subjects", "subj", "[<stream>]", 0, 1, "Which subjects a stream holds",
     "millrace stream subjects ORDERS --filter 'orders.eu.*'", NULL, FLAGS(subject_flags),
     run_subjects},
};
const struct command_list commands_stream_list = {commands, sizeof(commands) / sizeof(commands[0])};

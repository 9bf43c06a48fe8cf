/* server ls, server report, events: all servers, by the system account; and what they tell of. */
#include <stdlib.h>

#include "cli/again.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/message.h"
#include "cli/system.h"

/* ---- ls -------------------------------------------------------------------------------------- */

static int ask(struct cli *cli, const char *subject, const char *request,
               struct system_answers *answers)
{
    int result = cli_connect(cli);

    if (result == EXIT_DONE)
        result = system_ask(cli, subject, request, 0, answers);
    if (result == EXIT_DONE && answers->count == 0)
        result = system_fail(cli);
    return result;
}

static const struct flag ls_flags[] = {
    {"sort", 0, FLAG_TEXT, "KEY", "name, cluster, conns, subs, mem, cpu or slow (as they answer)",
     NULL},
    {"reverse", 'R', FLAG_SWITCH, NULL, "The other way round", NULL},
};

/* What servers are sorted by; numbers the largest first. */
struct order {
    const char *key, *path;
    bool number;
};

static const struct order *find_order(const char *key)
{
    static const struct order orders[] = {
        {"name", "server.name", false},
        {"cluster", "server.cluster", false},
        {"conns", "statsz.connections", true},
        {"subs", "statsz.subscriptions", true},
        {"mem", "statsz.mem", true},
        {"cpu", "statsz.cpu", true},
        {"slow", "statsz.slow_consumers", true},
    };

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        if (strcmp(orders[i].key, key) == 0)
            return &orders[i];
    return NULL;
}

static double number_at(const struct json *json, const char *path)
{
    const struct json *value = api_get(json, path);
    char text[64];

    if (value == NULL)
        return 0;
    snprintf(text, sizeof(text), "%.*s", (int)(value->text.size < 63 ? value->text.size : 63),
             (const char *)value->text.at);
    return strtod(text, NULL);
}

static void swap(struct system_answer *a, struct system_answer *b)
{
    struct system_answer kept = *a;

    *a = *b;
    *b = kept;
}

/* Does `a` come behind `b`? */
static bool behind(const struct order *order, const struct json *a, const struct json *b)
{
    struct bytes x = api_bytes(a, order->path), y = api_bytes(b, order->path);
    size_t size = x.size < y.size ? x.size : y.size;
    int compared = size > 0 ? memcmp(x.at, y.at, size) : 0;

    if (order->number)
        return number_at(a, order->path) < number_at(b, order->path);
    return compared != 0 ? compared > 0 : x.size > y.size;
}

/* Equals stay as they are; there are few. */
static void sort(struct system_answers *answers, const struct order *order)
{
    for (size_t i = 1; i < answers->count; i++)
        for (size_t at = i; at > 0 && behind(order, answers->at[at - 1].json, answers->at[at].json);
             at--)
            swap(&answers->at[at], &answers->at[at - 1]);
}

static void reverse(struct system_answers *answers)
{
    for (size_t i = 0; i < answers->count / 2; i++)
        swap(&answers->at[i], &answers->at[answers->count - 1 - i]);
}

static int run_ls(struct cli *cli)
{
    static const char *const heads[] = {"Name",  "Cluster", "Host",   "Version", "JS",
                                        "Conns", "Subs",    "Memory", "CPU %",   "Slow"};
    const char *key = args_text(&cli->args, "sort");
    const struct order *order = key == NULL ? NULL : find_order(key);
    struct system_answers answers;
    struct grid grid;
    int result;

    if (key != NULL && order == NULL)
        return cli_fail(cli, EXIT_USAGE, "--sort conns", "servers cannot be sorted by \"%s\"", key);
    result = ask(cli, "PING", "{}", &answers);
    if (result != EXIT_DONE)
        return result;
    if (order != NULL)
        sort(&answers, order);
    if (args_on(&cli->args, "reverse"))
        reverse(&answers);
    if (cli->json)
        return system_say_json(cli, &answers);
    grid_init(&grid, cli, "Server Overview", heads, 10);
    grid.right = 0x3e0;
    for (size_t i = 0; i < answers.count; i++) {
        const struct json *json = answers.at[i].json;

        grid_add(&grid,
                 (const char *const[]){
                     api_text(cli, json, "server.name"), api_text(cli, json, "server.cluster"),
                     api_text(cli, json, "server.host"), api_text(cli, json, "server.ver"),
                     api_bool(json, "server.jetstream") ? "yes" : "no",
                     human_count(cli, api_u64(json, "statsz.connections")),
                     human_count(cli, api_u64(json, "statsz.subscriptions")),
                     human_size(cli, api_u64(json, "statsz.mem")),
                     api_text(cli, json, "statsz.cpu"),
                     human_count(cli, api_u64(json, "statsz.slow_consumers"))});
    }
    grid_show(&grid);
    return EXIT_DONE;
}

/* ---- report ---------------------------------------------------------------------------------- */

static void report_jetstream(struct cli *cli, const struct system_answers *answers)
{
    static const char *const heads[] = {"Server", "Cluster", "Streams", "Consumers", "Messages",
                                        "Bytes",  "Memory",  "File",    "API Req",   "API Err"};
    struct grid grid;

    grid_init(&grid, cli, "JetStream Summary", heads, 10);
    grid.right = 0x3fc;
    for (size_t i = 0; i < answers->count; i++) {
        const struct json *json = answers->at[i].json, *data = api_get(json, "data");
        bool leads =
            api_bytes(data, "meta_cluster.leader").size > 0 &&
            bytes_equal(api_bytes(data, "meta_cluster.leader"), api_bytes(json, "server.name"));

        grid_add(
            &grid,
            (const char *const[]){
                cli_print(cli, "%s%s", api_text(cli, json, "server.name"), leads ? "*" : ""),
                api_text(cli, json, "server.cluster"), human_count(cli, api_u64(data, "streams")),
                human_count(cli, api_u64(data, "consumers")),
                human_count(cli, api_u64(data, "messages")),
                human_size(cli, api_u64(data, "bytes")), human_size(cli, api_u64(data, "memory")),
                human_size(cli, api_u64(data, "storage")),
                human_count(cli, api_u64(data, "api.total")),
                human_count(cli, api_u64(data, "api.errors"))});
    }
    grid_show(&grid);
}

static void report_connections(struct cli *cli, const struct system_answers *answers)
{
    static const char *const heads[] = {"CID", "Name", "Server", "IP",     "Uptime",
                                        "In",  "Out",  "Subs",   "Pending"};
    struct grid grid;

    grid_init(&grid, cli, "Connections", heads, 9);
    grid.right = 0x1e0;
    for (size_t i = 0; i < answers->count; i++) {
        const struct json *json = answers->at[i].json, *list = api_get(json, "data.connections");

        for (const struct json *at = list == NULL ? NULL : list->child; at != NULL; at = at->next)
            grid_add(&grid,
                     (const char *const[]){api_text(cli, at, "cid"), api_text(cli, at, "name"),
                                           api_text(cli, json, "server.name"),
                                           cli_print(cli, "%s:%s", api_text(cli, at, "ip"),
                                                     api_text(cli, at, "port")),
                                           api_text(cli, at, "uptime"),
                                           human_count(cli, api_u64(at, "in_msgs")),
                                           human_count(cli, api_u64(at, "out_msgs")),
                                           human_count(cli, api_u64(at, "subscriptions")),
                                           human_size(cli, api_u64(at, "pending_bytes"))});
    }
    grid_show(&grid);
}

static int run_report(struct cli *cli)
{
    static const char *const words[] = {"jetstream:js", "connections:conn:conns"};
    const char *what = form_choose(args_word(&cli->args, 0), words, 2);
    struct system_answers answers;
    int result;

    if (what == NULL)
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "no report on \"%s\"",
                        args_word(&cli->args, 0));
    result = ask(cli, what == words[0] ? "PING.JSZ" : "PING.CONNZ", "{}", &answers);
    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        return system_say_json(cli, &answers);
    if (what == words[0])
        report_jetstream(cli, &answers);
    else
        report_connections(cli, &answers);
    return EXIT_DONE;
}

/* ---- events ---------------------------------------------------------------------------------- */

static const struct flag event_flags[] = {
    {"subjects", 0, FLAG_LIST, "SUBJECT", "These instead", NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL},
};

static void show_event(struct cli *cli, const struct msg *msg)
{
    struct json_error wrong;
    struct arena turn;
    const struct json *event;

    if (cli->json) {
        printf("%.*s\n", BYTES_ARG(msg->payload));
        return;
    }
    arena_init(&turn, 16 * 1024 * 1024);
    event = json_parse(&turn, msg->payload, &wrong);
    printf("[%.*s] %.*s %.*s\n", BYTES_ARG(api_bytes(event, "timestamp")),
           BYTES_ARG(api_bytes(event, "type")), BYTES_ARG(msg->subject));
    for (const struct json *at = event == NULL || event->type != JSON_OBJECT ? NULL : event->child;
         at != NULL; at = at->next)
        if (!bytes_equal(at->key, BYTES("type")) && !bytes_equal(at->key, BYTES("timestamp")) &&
            !bytes_equal(at->key, BYTES("id")))
            printf("    %.*s: %.*s\n", BYTES_ARG(at->key), BYTES_ARG(at->text));
    arena_deinit(&turn);
}

static void listen(struct cli *cli)
{
    const struct flag_value *subjects = args_flag(&cli->args, "subjects");

    for (size_t i = 0; i < subjects->count; i++)
        (void)conn_subscribe(&cli->conn, bytes_of_text(subjects->list[i]), (struct bytes){0});
    if (subjects->count == 0)
        (void)conn_subscribe(&cli->conn,
                             bytes_of_text(cli_print(cli, "%s.>", cli->settings.event_prefix)),
                             (struct bytes){0});
}

static int run_events(struct cli *cli)
{
    int64_t count = args_number(&cli->args, "count", INT64_MAX);
    int result = cli_connect(cli);

    if (result != EXIT_DONE)
        return result;
    listen(cli);
    message_log("Listening for events");
    for (int64_t i = 0; i < count;) {
        struct msg msg;
        enum conn_verdict verdict;

        if (!conn_has_more(&cli->conn) && cli_end_output(cli) != EXIT_DONE)
            return EXIT_FAILED;
        verdict = conn_next(&cli->conn, INT64_MAX, &msg);
        if (verdict != CONN_OK) {
            result = again_connect(cli, verdict, false);
            if (result != EXIT_DONE)
                return result;
            listen(cli);
            continue;
        }
        show_event(cli, &msg);
        i++;
    }
    return EXIT_DONE;
}

static const struct command commands[] = {
    {"server ls", "list", "", 0, 0, "List the servers", "millrace server ls --context system",
     "Needs the system account.", FLAGS(ls_flags), run_ls},
    {"server report", NULL, "<jetstream|connections>", 1, 1,
     "What all servers hold, or who is there", "millrace server report jetstream",
     "Needs the system account. A star marks the leader.", NO_FLAGS, run_report},
    {"events", "event", "", 0, 0, "Show advisories as they come",
     "millrace events --json | grep consumer_action",
     "Those of JetStream; with the system account --subjects '$SYS.ACCOUNT.>' shows clients.",
     FLAGS(event_flags), run_events},
};
const struct command_list commands_server_list = {commands, sizeof(commands) / sizeof(commands[0])};

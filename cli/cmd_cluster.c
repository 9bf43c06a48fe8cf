/* cluster status, stepdown, peer-remove; account info: who keeps what, and what we may use. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/pick.h"
#include "cli/plain.h"
#include "cli/system.h"

/* ---- status ---------------------------------------------------------------------------------- */

static void add_member(struct cli *cli, struct grid *grid, const char *name, bool leads,
                       const struct json *replica)
{
    bool well = leads || (api_bool(replica, "current") && !api_bool(replica, "offline"));

    grid_add(grid,
             (const char *const[]){name, leads ? "yes" : "",
                                   well                           ? "current"
                                   : api_bool(replica, "offline") ? "OFFLINE"
                                                                  : "outdated",
                                   leads ? "" : human_duration(cli, api_i64(replica, "active")),
                                   leads ? "" : human_count(cli, api_u64(replica, "lag"))});
}

static int show_group(struct cli *cli, const char *title, const struct json *cluster)
{
    static const char *const heads[] = {"Server", "Leader", "State", "Seen", "Lag"};
    const struct json *replicas = api_get(cluster, "replicas");
    struct grid grid;

    if (cli->json) {
        cli_say_json(cli, cluster->text);
        return EXIT_DONE;
    }
    grid_init(&grid, cli, title, heads, 5);
    if (api_bytes(cluster, "leader").size > 0)
        add_member(cli, &grid, api_text(cli, cluster, "leader"), true, NULL);
    for (const struct json *at = replicas == NULL ? NULL : replicas->child; at != NULL;
         at = at->next)
        add_member(cli, &grid, api_text(cli, at, "name"), false, at);
    grid_show(&grid);
    return EXIT_DONE;
}

/* What the leader of the metadata group says, or any other server. */
static int status_of_all(struct cli *cli)
{
    const struct json *best = NULL;
    struct system_answers answers;
    int result = cli_connect(cli);

    if (result == EXIT_DONE)
        result = system_ask(cli, "PING.JSZ", "{}", 0, &answers);
    if (result != EXIT_DONE)
        return result;
    if (answers.count == 0)
        return system_fail(cli);
    for (size_t i = 0; i < answers.count; i++) {
        const struct json *cluster = api_get(answers.at[i].json, "data.meta_cluster");

        if (cluster != NULL && (best == NULL || api_count(cluster, "replicas") > 0))
            best = cluster;
    }
    if (best == NULL)
        return cli_fail(cli, EXIT_MISSING, "docs/cluster.md", "this server is in no cluster");
    return show_group(cli, cli_print(cli, "Cluster %s", api_text(cli, best, "name")), best);
}

static int run_status(struct cli *cli)
{
    const char *stream = args_word(&cli->args, 0);
    const struct json *info, *cluster;
    int result;

    if (stream == NULL)
        return status_of_all(cli);
    result = pick_stream(cli, 0, &stream);
    if (result == EXIT_DONE)
        result = api_call(cli, cli_print(cli, "STREAM.INFO.%s", stream), (struct bytes){0}, &info);
    if (result != EXIT_DONE)
        return result;
    cluster = api_get(info, "cluster");
    if (cluster == NULL)
        return cli_fail(cli, EXIT_MISSING, "docs/cluster.md", "stream %s is in no cluster", stream);
    return show_group(cli, cli_print(cli, "Stream %s", stream), cluster);
}

/* ---- stepdown, peer-remove ------------------------------------------------------------------- */

static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

static int ask_change(struct cli *cli, const char *subject, const char *request, const char *done)
{
    const struct json *answer;
    int result = api_call(cli, subject, bytes_of_text(request), &answer);

    if (result == EXIT_DONE && cli->json)
        cli_say_json(cli, answer->text);
    else if (result == EXIT_DONE)
        puts(done);
    return result;
}

/* A server that stands alone does not answer; with a prefix another one is asked. */
static int need_cluster(struct cli *cli)
{
    int result = cli_connect(cli);

    if (result == EXIT_DONE && strcmp(cli->settings.api_prefix, "$JS.API") == 0 &&
        (cli->conn.info.cluster == NULL || *cli->conn.info.cluster == 0))
        result = cli_fail(cli, EXIT_MISSING, "docs/cluster.md", "this server is in no cluster");
    return result;
}

static int run_stepdown(struct cli *cli)
{
    const char *stream = args_word(&cli->args, 0), *consumer = args_word(&cli->args, 1);
    int result = stream != NULL ? api_name(cli, "stream", stream) : EXIT_DONE;

    if (result == EXIT_DONE && consumer != NULL)
        result = api_name(cli, "consumer", consumer);
    if (result != EXIT_DONE)
        return result;
    if (consumer != NULL)
        return ask_change(cli, cli_print(cli, "CONSUMER.LEADER.STEPDOWN.%s.%s", stream, consumer),
                          "", "The leader of the consumer steps down");
    if (stream != NULL)
        return ask_change(cli, cli_print(cli, "STREAM.LEADER.STEPDOWN.%s", stream), "",
                          "The leader of the stream steps down");
    result = need_cluster(cli);
    if (result != EXIT_DONE)
        return result;
    return ask_change(cli, "META.LEADER.STEPDOWN", "", "The leader of the cluster steps down");
}

static int run_peer_remove(struct cli *cli)
{
    const char *server = args_word(&cli->args, 0), *stream = args_word(&cli->args, 1);
    const char *request = cli_print(cli, "{\"peer\":%s}", form_quote(cli, server));
    int result = stream != NULL ? api_name(cli, "stream", stream) : need_cluster(cli);

    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really remove server %s from %s", server,
                                               stream != NULL ? stream : "the cluster"));
    if (result != EXIT_DONE)
        return result;
    return stream != NULL ? ask_change(cli, cli_print(cli, "STREAM.PEER.REMOVE.%s", stream),
                                       request, "The server gives up its replica")
                          : ask_change(cli, "SERVER.REMOVE", request, "The server was removed");
}

/* ---- account info ---------------------------------------------------------------------------- */

static void say_limits(struct cli *cli, const struct json *info)
{
    puts("\nJetStream Account Information:\n");
    human_row(31, "Storage", "%s of %s", human_size(cli, api_u64(info, "storage")),
              human_size_limit(cli, api_i64(info, "limits.max_storage")));
    human_row(31, "Memory", "%s of %s", human_size(cli, api_u64(info, "memory")),
              human_size_limit(cli, api_i64(info, "limits.max_memory")));
    human_row(31, "Streams", "%s of %s", human_count(cli, api_u64(info, "streams")),
              human_limit(cli, api_i64(info, "limits.max_streams")));
    human_row(31, "Consumers", "%s of %s", human_count(cli, api_u64(info, "consumers")),
              human_limit(cli, api_i64(info, "limits.max_consumers")));
    human_row(31, "API Requests", "%s, %s refused", human_count(cli, api_u64(info, "api.total")),
              human_count(cli, api_u64(info, "api.errors")));
}

static void say_connection(struct cli *cli)
{
    const struct conn *conn = &cli->conn;
    int64_t begun = conn_now();

    (void)conn_sync(&cli->conn, cli->settings.timeout_ns); /* only for its time */
    puts("Account Information\n");
    human_row(31, "Client ID", "%llu", (unsigned long long)conn->info.client_id);
    human_row(31, "Client IP", "%s", conn->info.client_ip);
    human_row(31, "RTT", "%s", human_duration(cli, conn_now() - begun));
    human_row(31, "Headers Supported", "%s", conn->info.headers ? "true" : "false");
    human_row(31, "Maximum Payload", "%s", human_size(cli, conn->info.max_payload));
    human_row(31, "Connected URL", "%s", conn->url);
    human_row(31, "Connected Address", "%s", conn->address);
    human_row(31, "Connected Server ID", "%s", conn->info.server_id);
    human_row(31, "Connected Server Version", "%s", conn->info.version);
    human_row(31, "TLS Connection", "%s", conn->tls != NULL ? "yes" : "no");
}

static int run_account_info(struct cli *cli)
{
    const struct json *info;
    unsigned code = 0;
    int result = cli_connect(cli);

    if (result != EXIT_DONE)
        return result;
    if (cli->json) {
        result = api_call(cli, "INFO", (struct bytes){0}, &info);
        if (result == EXIT_DONE)
            cli_say_json(cli, info->text);
        return result;
    }
    say_connection(cli);
    if (!cli->conn.info.jetstream) {
        puts("\nJetStream is not enabled on this server");
        return EXIT_DONE;
    }
    result = api_try(cli, "INFO", (struct bytes){0}, &info, &code);
    if (result == EXIT_DONE && code != 0)
        printf("\nJetStream: %s\n", plain_text(cli, api_text(cli, info, "error.description")));
    else if (result == EXIT_DONE)
        say_limits(cli, info);
    return result;
}

static const struct command commands[] = {
    {"cluster status", "info", "[<stream>]", 0, 1, "Who leads, and who is up to date",
     "millrace cluster status --context system",
     "Of the whole cluster, which needs the system account; or of one stream.", NO_FLAGS,
     run_status},
    {"cluster stepdown", "step-down", "[<stream>] [<consumer>]", 0, 2, "Let another one lead",
     "millrace cluster stepdown ORDERS", "Of the cluster (system account), or of a stream.",
     NO_FLAGS, run_stepdown},
    {"cluster peer-remove", NULL, "<server> [<stream>]", 1, 2,
     "Take a server out of the cluster, or out of a stream",
     "millrace cluster peer-remove n3 ORDERS --force", NULL, FLAGS(force_flags), run_peer_remove},
    {"account info", "nfo", "", 0, 0, "Who we are, and what we may use", "millrace account info",
     NULL, NO_FLAGS, run_account_info},
};
const struct command_list commands_cluster = {commands, sizeof(commands) / sizeof(commands[0])};

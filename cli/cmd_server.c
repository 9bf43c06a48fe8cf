/* server ping and info, rtt: the server that we are connected to, and with the system account the
 * others of its cluster. */
#include <time.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/plain.h"
#include "cli/system.h"

/* ---- round trips ----------------------------------------------------------------------------- */

static const struct flag ping_flags[] = {
    {"count", 0, FLAG_NUMBER, "N", "How many round trips (5)", NULL},
};

static int measure(struct cli *cli, int64_t *least, int64_t *sum)
{
    int64_t count = args_number(&cli->args, "count", 5);

    *least = INT64_MAX;
    *sum = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t begun = conn_now(), took;
        enum conn_verdict verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);

        if (verdict != CONN_OK)
            return cli_fail_conn(cli, verdict);
        took = conn_now() - begun;
        *sum += took;
        if (took < *least)
            *least = took;
    }
    return EXIT_DONE;
}

static int run_rtt(struct cli *cli)
{
    int64_t count = args_number(&cli->args, "count", 5), least, sum;
    int result = cli_connect(cli);

    if (result == EXIT_DONE)
        result = measure(cli, &least, &sum);
    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        printf("{\"url\": \"%s\", \"address\": \"%s\", \"rtt_ns\": %lld, \"rtt_min_ns\": %lld}\n",
               cli->conn.url, cli->conn.address, (long long)(sum / count), (long long)least);
    else
        printf("%s:\n\n   %s: %s (least %s)\n\n", cli->conn.url, cli->conn.address,
               human_duration(cli, sum / count), human_duration(cli, least));
    return EXIT_DONE;
}

/* Every server that answers, with the time that its answer took. */
static int run_ping(struct cli *cli)
{
    static const char *const heads[] = {"Name", "Id", "Cluster", "Version", "RTT"};
    struct system_answers answers;
    struct grid grid;
    int result = cli_connect(cli);

    if (result == EXIT_DONE)
        result = system_ask(cli, "PING", "{}", 0, &answers);
    if (result != EXIT_DONE)
        return result;
    if (answers.count == 0) /* not the system account: only who we are with */
        return run_rtt(cli);
    if (cli->json)
        return system_say_json(cli, &answers);
    grid_init(&grid, cli, "Servers", heads, 5);
    for (size_t i = 0; i < answers.count; i++)
        grid_add(&grid, (const char *const[]){api_text(cli, answers.at[i].json, "server.name"),
                                              api_text(cli, answers.at[i].json, "server.id"),
                                              api_text(cli, answers.at[i].json, "server.cluster"),
                                              api_text(cli, answers.at[i].json, "server.ver"),
                                              human_duration(cli, answers.at[i].rtt)});
    grid_show(&grid);
    return EXIT_DONE;
}

/* ---- info ------------------------------------------------------------------------------------ */

static void say_greeting(struct cli *cli)
{
    const struct conn_info *info = &cli->conn.info;

    printf("Server information for %s (%s)\n\n", plain_text(cli, info->server_name),
           plain_text(cli, info->server_id));
    human_row(22, "Version", "%s", info->version);
    if (info->millrace[0] != 0)
        human_row(22, "Millrace", "%s", plain_text(cli, info->millrace));
    human_row(22, "URL", "%s", cli->conn.url);
    human_row(22, "Address", "%s", cli->conn.address);
    if (info->cluster[0] != 0)
        human_row(22, "Cluster", "%s", info->cluster);
    human_row(22, "JetStream", "%s", info->jetstream ? "yes" : "no");
    human_row(22, "Headers", "%s", info->headers ? "yes" : "no");
    human_row(22, "Maximum Payload", "%s", human_size(cli, info->max_payload));
    human_row(22, "TLS", "%s", cli->conn.tls != NULL ? "yes" : "no");
    human_row(22, "Authentication", "%s", info->auth_required ? "required" : "open");
}

static void say_varz(struct cli *cli, const struct json *varz)
{
    printf("\nProcess Details:\n\n");
    human_row(22, "Start Time", "%s", human_time(cli, api_bytes(varz, "start")));
    human_row(22, "Uptime", "%s", api_text(cli, varz, "uptime"));
    human_row(22, "Connections", "%s", human_count(cli, api_u64(varz, "connections")));
    human_row(22, "Subscriptions", "%s", human_count(cli, api_u64(varz, "subscriptions")));
    human_row(22, "Msgs In", "%s in %s", human_count(cli, api_u64(varz, "in_msgs")),
              human_size(cli, api_u64(varz, "in_bytes")));
    human_row(22, "Msgs Out", "%s in %s", human_count(cli, api_u64(varz, "out_msgs")),
              human_size(cli, api_u64(varz, "out_bytes")));
    human_row(22, "Memory", "%s", human_size(cli, api_u64(varz, "mem")));
    human_row(22, "CPU Cores", "%s", human_count(cli, api_u64(varz, "cores")));
    human_row(22, "Slow Consumers", "%s", human_count(cli, api_u64(varz, "slow_consumers")));
}

static int run_info(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    struct system_answers answers;
    int result = cli_connect(cli);

    if (result == EXIT_DONE)
        result = system_ask(
            cli, "PING.VARZ",
            name == NULL ? "{}" : cli_print(cli, "{\"server_name\":%s}", form_quote(cli, name)), 0,
            &answers);
    if (result != EXIT_DONE)
        return result;
    if (name != NULL && answers.count == 0)
        return cli_fail(cli, EXIT_MISSING, "millrace server ls, with the system account",
                        "no server called \"%s\" answers", name);
    if (cli->json) {
        if (answers.count > 0)
            return system_say_json(cli, &answers);
        cli_say_json(cli, cli->conn.info_text);
        return EXIT_DONE;
    }
    if (answers.count == 0)
        say_greeting(cli);
    for (size_t i = 0; i < answers.count; i++) {
        printf("Server information for %s (%s)\n",
               plain_text(cli, api_text(cli, answers.at[i].json, "server.name")),
               plain_text(cli, api_text(cli, answers.at[i].json, "server.id")));
        say_varz(cli, api_get(answers.at[i].json, "data"));
    }
    return EXIT_DONE;
}

static const struct command commands[] = {
    {"rtt", NULL, "", 0, 0, "How long a round trip to the server takes", "millrace rtt", NULL,
     FLAGS(ping_flags), run_rtt},
    {"server ping", NULL, "", 0, 0, "Which servers answer, and how fast",
     "millrace server ping --user admin --password s3cret",
     "With the system account every server answers; otherwise the one that we are with.",
     FLAGS(ping_flags), run_ping},
    {"server info", "i", "[<server>]", 0, 1, "What a server says of itself", "millrace server info",
     "With the system account every server, or the one of that name.", NO_FLAGS, run_info},
};
const struct command_list commands_server = {commands, sizeof(commands) / sizeof(commands[0])};

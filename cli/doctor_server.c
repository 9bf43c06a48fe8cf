/* doctor, of the server that we are with: whether it answers, and what this account has there. */
#include "cli/api.h"
#include "cli/doctor.h"
#include "cli/human.h"

#define RTT_SLOW_NS  INT64_C(100000000)
#define REDELIVERIES 1000u

static int check_connection(struct checkup *c)
{
    struct cli *cli = c->cli;
    int64_t begun = conn_now(), took;
    enum conn_verdict verdict = conn_sync(&cli->conn, cli->settings.timeout_ns);

    if (verdict != CONN_OK)
        return cli_fail_conn(cli, verdict);
    took = conn_now() - begun;
    checkup_find(c, took > RTT_SLOW_NS ? FINDING_WARNING : FINDING_WELL,
                 cli_print(cli, "%s (%s) answers in %s", cli->conn.url, cli->conn.info.server_name,
                           human_duration(cli, took)),
                 took > RTT_SLOW_NS ? "look at the server's load and the network" : NULL);
    return EXIT_DONE;
}

/* How near a limit of the account is. */
static void check_limit(struct checkup *c, const char *what, uint64_t used, int64_t limit)
{
    struct cli *cli = c->cli;

    if (limit <= 0)
        return;
    if (used * 10 >= (uint64_t)limit * 9)
        checkup_find(c, used >= (uint64_t)limit ? FINDING_PROBLEM : FINDING_WARNING,
                     cli_print(cli, "%s of the account: %s of %s are used", what,
                               human_count(cli, used), human_count(cli, (uint64_t)limit)),
                     "millrace stream report, and purge or raise the limit");
    else
        checkup_find(c, FINDING_WELL, cli_print(cli, "%s of the account: room is left", what),
                     NULL);
}

static int check_account(struct checkup *c)
{
    const struct json *info;
    unsigned code;
    int result = api_try(c->cli, "INFO", (struct bytes){0}, &info, &code);

    if (result != EXIT_DONE)
        return result;
    if (code != 0) {
        checkup_find(c, FINDING_PROBLEM, api_text(c->cli, info, "error.description"),
                     "jetstream in the account's configuration");
        return EXIT_DONE;
    }
    check_limit(c, "storage", api_u64(info, "storage"), api_i64(info, "limits.max_storage"));
    check_limit(c, "memory", api_u64(info, "memory"), api_i64(info, "limits.max_memory"));
    check_limit(c, "streams", api_u64(info, "streams"), api_i64(info, "limits.max_streams"));
    return EXIT_DONE;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void check_replicas(struct checkup *c, const char *name, const struct json *cluster)
{
    const struct json *replicas = api_get(cluster, "replicas");
    struct cli *cli = c->cli;

    if (cluster == NULL)
        return;
    if (api_bytes(cluster, "leader").size == 0)
        checkup_find(c, FINDING_PROBLEM, cli_print(cli, "stream %s has no leader", name),
                     "start the servers that hold it: most of them must run");
    for (const struct json *at = replicas == NULL ? NULL : replicas->child; at != NULL;
         at = at->next)
        if (api_bool(at, "offline"))
            checkup_find(
                c, FINDING_PROBLEM,
                cli_print(cli, "stream %s: server %s is away", name, api_text(cli, at, "name")),
                "start it, or millrace cluster peer-remove SERVER STREAM");
        else if (!api_bool(at, "current"))
            checkup_find(c, FINDING_WARNING,
                         cli_print(cli, "stream %s: server %s lags by %s", name,
                                   api_text(cli, at, "name"), human_count(cli, api_u64(at, "lag"))),
                         "wait; when it does not fall, look at that server's disk");
}

static void check_full(struct checkup *c, const char *name, const struct json *info,
                       const char *what, const char *used_at, const char *limit_at)
{
    int64_t limit = api_i64(info, limit_at);
    uint64_t used = api_u64(info, used_at);
    bool refuses = bytes_equal(api_bytes(info, "config.discard"), BYTES("new"));

    if (limit <= 0 || !refuses || used * 10 < (uint64_t)limit * 9)
        return;
    checkup_find(c, used >= (uint64_t)limit ? FINDING_PROBLEM : FINDING_WARNING,
                 cli_print(c->cli, "stream %s is %s by its %s, and refuses what is published then",
                           name, used >= (uint64_t)limit ? "full" : "nearly full", what),
                 cli_print(c->cli, "millrace stream edit %s, or purge it", name));
}

void doctor_stream(struct checkup *c, const struct json *info)
{
    const char *name = api_text(c->cli, info, "config.name");
    unsigned before = c->problems + c->warnings;

    check_replicas(c, name, api_get(info, "cluster"));
    check_full(c, name, info, "number of messages", "state.messages", "config.max_msgs");
    check_full(c, name, info, "bytes", "state.bytes", "config.max_bytes");
    if (api_get(info, "state.lost") != NULL)
        checkup_find(c, FINDING_PROBLEM, cli_print(c->cli, "stream %s has lost messages", name),
                     "millrace check DIRECTORY, on its server");
    if (c->problems + c->warnings == before)
        c->passed++;
}

static int check_consumers(struct checkup *c, const struct json *stream)
{
    struct cli *cli = c->cli;
    const char *name = api_text(cli, stream, "config.name");
    struct api_items items;
    int result;

    if (api_u64(stream, "state.consumer_count") == 0)
        return EXIT_DONE;
    result = api_list(cli, cli_print(cli, "CONSUMER.LIST.%s", name), "consumers", "", &items);
    for (size_t i = 0; result == EXIT_DONE && i < items.count; i++) {
        const char *consumer = api_text(cli, items.at[i], "name");
        int64_t limit = api_i64(items.at[i], "config.max_ack_pending");
        uint64_t waiting = api_u64(items.at[i], "num_ack_pending");

        if (limit > 0 && waiting >= (uint64_t)limit)
            checkup_find(c, FINDING_WARNING,
                         cli_print(cli, "consumer %s > %s waits: %s messages are not acknowledged",
                                   name, consumer, human_count(cli, waiting)),
                         "acknowledge faster, or raise --max-pending");
        else if (api_u64(items.at[i], "num_redelivered") >= REDELIVERIES)
            checkup_find(c, FINDING_WARNING,
                         cli_print(cli, "consumer %s > %s: %s messages come again and again", name,
                                   consumer,
                                   human_count(cli, api_u64(items.at[i], "num_redelivered"))),
                         "look at why they are not acknowledged; --max-deliver ends it");
        else
            c->passed++;
    }
    return result;
}

/* Each of the servers once, by the first of its streams. */
static bool is_first_full(const struct api_items *items, size_t at)
{
    struct bytes leader = api_bytes(items->at[at], "cluster.leader");

    if (!api_bool(items->at[at], "state.disk_full"))
        return false;
    for (size_t i = 0; i < at; i++)
        if (api_bool(items->at[i], "state.disk_full") &&
            bytes_equal(api_bytes(items->at[i], "cluster.leader"), leader))
            return false;
    return true;
}

/* A server that stands alone is not named in lists of its streams. */
static const char *leader_of(struct cli *cli, const struct json *item)
{
    const char *leader = api_text(cli, item, "cluster.leader");

    return *leader != 0 ? leader : cli->conn.info.server_name;
}

static void check_disks(struct checkup *c, const struct api_items *items)
{
    struct cli *cli = c->cli;

    for (size_t i = 0; i < items->count; i++)
        if (is_first_full(items, i))
            checkup_find(c, FINDING_PROBLEM,
                         cli_print(cli,
                                   "the disk of server %s is full: stream %s, and what else it "
                                   "leads in files, refuses what is published",
                                   leader_of(cli, items->at[i]),
                                   api_text(cli, items->at[i], "config.name")),
                         "make room on that disk, or purge streams; disk_reserve says how much "
                         "is kept free");
}

static int check_jetstream(struct checkup *c)
{
    struct api_items items;
    unsigned before;
    int result;

    if (!c->cli->conn.info.jetstream) {
        checkup_find(c, FINDING_WARNING, "JetStream is off on this server",
                     "millrace serve -js -sd DIRECTORY");
        return EXIT_DONE;
    }
    result = check_account(c);
    if (result == EXIT_DONE)
        result = api_list(c->cli, "STREAM.LIST", "streams", "", &items);
    before = c->problems + c->warnings;
    if (result == EXIT_DONE)
        check_disks(c, &items);
    for (size_t i = 0; result == EXIT_DONE && i < items.count; i++) {
        doctor_stream(c, items.at[i]);
        result = check_consumers(c, items.at[i]);
    }
    if (result == EXIT_DONE && c->problems + c->warnings == before)
        checkup_find(c, FINDING_WELL,
                     cli_print(c->cli, "%zu streams and their consumers are well", items.count),
                     NULL);
    return result;
}

int doctor_server(struct checkup *c)
{
    int result = cli_connect(c->cli);

    if (result == EXIT_DONE)
        result = check_connection(c);
    return result == EXIT_DONE ? check_jetstream(c) : result;
}

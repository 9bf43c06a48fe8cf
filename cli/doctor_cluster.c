/* doctor, of a cluster: what its servers say of themselves, of each other and of all streams, by
 * the system account. */
#include "cli/api.h"
#include "cli/doctor.h"
#include "cli/human.h"
#include "cli/system.h"

#define DETAILS                                                                                    \
    "{\"accounts\":true,\"streams\":true,\"consumer\":false,\"config\":true,\"limit\":100000}"

static const char *name_of(struct cli *cli, const struct json *answer)
{
    return api_text(cli, answer, "server.name");
}

/* ---- servers --------------------------------------------------------------------------------- */

static int check_health(struct checkup *c, size_t expected)
{
    struct cli *cli = c->cli;
    struct system_answers answers;
    size_t well = 0;
    int result = system_ask(cli, "PING.HEALTHZ", "{}", expected, &answers);

    if (result != EXIT_DONE)
        return result;
    for (size_t i = 0; i < answers.count; i++) {
        const struct json *json = answers.at[i].json;

        if (bytes_equal(api_bytes(json, "data.status"), BYTES("ok")))
            well++;
        else
            checkup_find(c, FINDING_PROBLEM,
                         cli_print(cli, "server %s is not well: %s", name_of(cli, json),
                                   api_text(cli, json, "data.error")),
                         "its log says more; millrace doctor DIRECTORY, when it is stopped");
    }
    if (well > 0)
        checkup_find(c, FINDING_WELL, cli_print(cli, "%zu servers say that they are well", well),
                     NULL);
    return EXIT_DONE;
}

static void check_versions(struct checkup *c, const struct system_answers *answers)
{
    struct cli *cli = c->cli;

    for (size_t i = 1; i < answers->count; i++) {
        const char *first = api_text(cli, answers->at[0].json, "data.millrace");
        const char *other = api_text(cli, answers->at[i].json, "data.millrace");

        if (strcmp(first, other) == 0)
            continue;
        checkup_find(c, FINDING_WARNING,
                     cli_print(cli, "server %s runs version %s, %s version %s",
                               name_of(cli, answers->at[0].json), first,
                               name_of(cli, answers->at[i].json), other),
                     "the same version everywhere, when the upgrade is done");
        return;
    }
}

static void check_connections(struct checkup *c, const struct json *answer)
{
    struct cli *cli = c->cli;
    uint64_t used = api_u64(answer, "data.connections"),
             limit = api_u64(answer, "data.max_connections"),
             slow = api_u64(answer, "data.slow_consumers");

    if (limit > 0 && used * 10 >= limit * 9)
        checkup_find(c, used >= limit ? FINDING_PROBLEM : FINDING_WARNING,
                     cli_print(cli, "server %s has %s of at most %s connections",
                               name_of(cli, answer), human_count(cli, used),
                               human_count(cli, limit)),
                     "millrace server report connections: who they are; or max_connections");
    if (slow > 0)
        checkup_find(c, FINDING_WARNING,
                     cli_print(cli, "server %s has cut off %s clients that did not keep up",
                               name_of(cli, answer), human_count(cli, slow)),
                     "clients that read faster, or max_pending");
}

static int check_servers(struct checkup *c, size_t expected)
{
    struct system_answers answers;
    int result = system_ask(c->cli, "PING.VARZ", "{}", expected, &answers);

    if (result != EXIT_DONE)
        return result;
    check_versions(c, &answers);
    for (size_t i = 0; i < answers.count; i++)
        check_connections(c, answers.at[i].json);
    return EXIT_DONE;
}

/* ---- the group that leads -------------------------------------------------------------------- */

static void check_storage(struct checkup *c, const struct json *answer)
{
    struct cli *cli = c->cli;
    int64_t limit = api_i64(answer, "data.config.max_storage");
    uint64_t used = api_u64(answer, "data.storage");

    if (limit > 0 && used * 10 >= (uint64_t)limit * 9)
        checkup_find(c, used >= (uint64_t)limit ? FINDING_PROBLEM : FINDING_WARNING,
                     cli_print(cli, "server %s uses %s of %s of storage", name_of(cli, answer),
                               human_size(cli, used), human_size(cli, (uint64_t)limit)),
                     "millrace stream report, and purge; or max_file_store");
}

/* NULL: nobody says that it leads. */
static const struct json *find_leader(const struct system_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        const struct json *json = answers->at[i].json;
        struct bytes leader = api_bytes(json, "data.meta_cluster.leader");

        if (leader.size > 0 && bytes_equal(leader, api_bytes(json, "server.name")))
            return json;
    }
    return NULL;
}

static void check_group(struct checkup *c, const struct system_answers *answers)
{
    struct cli *cli = c->cli;
    const struct json *leader = find_leader(answers);
    const struct json *replicas = api_get(leader, "data.meta_cluster.replicas");
    unsigned before = c->problems + c->warnings;

    if (leader == NULL) {
        checkup_find(c, FINDING_PROBLEM, "nobody leads the cluster",
                     "start its servers: most of them must run and reach each other");
        return;
    }
    for (size_t i = 0; i < answers->count; i++)
        if (!bytes_equal(api_bytes(answers->at[i].json, "data.meta_cluster.leader"),
                         api_bytes(leader, "server.name")))
            checkup_find(c, FINDING_WARNING,
                         cli_print(cli, "server %s does not follow %s",
                                   name_of(cli, answers->at[i].json), name_of(cli, leader)),
                         "the same again; when it stays so, look at its routes");
    for (const struct json *at = replicas == NULL ? NULL : replicas->child; at != NULL;
         at = at->next)
        if (api_bool(at, "offline"))
            checkup_find(c, FINDING_PROBLEM,
                         cli_print(cli, "server %s is away", api_text(cli, at, "name")),
                         "start it; or, when it is gone for good, millrace cluster peer-remove");
        else if (!api_bool(at, "current"))
            checkup_find(c, FINDING_WARNING,
                         cli_print(cli, "server %s lags by %s", api_text(cli, at, "name"),
                                   human_count(cli, api_u64(at, "lag"))),
                         "wait; when it does not fall, look at that server's disk");
    if (c->problems + c->warnings == before)
        checkup_find(c, FINDING_WELL,
                     cli_print(cli, "%s leads, and %zu servers follow it", name_of(cli, leader),
                               answers->count - 1),
                     NULL);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Whoever leads a stream knows its replicas; when nobody does, everybody says so. */
static bool tells(const struct json *answer, const struct json *stream)
{
    struct bytes leader = api_bytes(stream, "cluster.leader");

    return leader.size == 0 || bytes_equal(leader, api_bytes(answer, "server.name"));
}

static size_t check_streams_of(struct checkup *c, const struct json *answer)
{
    const struct json *accounts = api_get(answer, "data.account_details");
    size_t count = 0;

    for (const struct json *account = accounts == NULL ? NULL : accounts->child; account != NULL;
         account = account->next) {
        const struct json *streams = api_get(account, "stream_detail");

        for (const struct json *at = streams == NULL ? NULL : streams->child; at != NULL;
             at = at->next)
            if (tells(answer, at)) {
                doctor_stream(c, at);
                count++;
            }
    }
    return count;
}

static void check_streams(struct checkup *c, const struct system_answers *answers)
{
    unsigned before = c->problems + c->warnings;
    size_t count = 0;

    for (size_t i = 0; i < answers->count; i++) {
        check_storage(c, answers->at[i].json);
        count += check_streams_of(c, answers->at[i].json);
    }
    if (c->problems + c->warnings == before)
        checkup_find(c, FINDING_WELL, cli_print(c->cli, "%zu streams are well", count), NULL);
}

int doctor_cluster(struct checkup *c)
{
    struct system_answers answers;
    int result = cli_connect(c->cli);

    if (result == EXIT_DONE)
        result = system_ask(c->cli, "PING.JSZ", DETAILS, 0, &answers);
    if (result == EXIT_DONE && answers.count == 0)
        result = system_fail(c->cli);
    if (result == EXIT_DONE && api_get(answers.at[0].json, "data.meta_cluster") == NULL)
        result = cli_fail(c->cli, EXIT_MISSING, "millrace doctor server",
                          "this server is in no cluster");
    if (result != EXIT_DONE)
        return result;
    check_group(c, &answers);
    check_streams(c, &answers);
    result = check_health(c, answers.count);
    return result == EXIT_DONE ? check_servers(c, answers.count) : result;
}

#include "cli/top.h"

#include <stdlib.h>

#include "cli/api.h"
#include "cli/system.h"

#define DETAILS                                                                                    \
    "{\"accounts\":true,\"streams\":true,\"consumer\":true,\"config\":true,\"limit\":5000}"
#define CLIENTS "{\"auth\":true,\"limit\":5000}"

static const struct top_column stream_columns[] = {
    {"STREAM", "stream", TOP_TEXT, 0, 12},       {"MESSAGES", "messages", TOP_COUNT, 0, 14},
    {"SIZE", "bytes", TOP_SIZE, 1, 10},          {"MSGS/SEC", "msgs_per_second", TOP_RATE, 0, 11},
    {"CONSUMERS", "consumers", TOP_COUNT, 2, 9}, {"LAG", "lag", TOP_COUNT, 3, 12},
};
static const struct top_column consumer_columns[] = {
    {"CONSUMER", "consumer", TOP_TEXT, 0, 16},
    {"LAG", "lag", TOP_COUNT, 0, 12},
    {"UNACKED", "unacked", TOP_COUNT, 1, 9},
    {"AGAIN", "redelivered", TOP_COUNT, 2, 9},
    {"MSGS/SEC", "msgs_per_second", TOP_RATE, 0, 11},
    {"ACKS/SEC", "acks_per_second", TOP_RATE, 1, 11},
    {"WAITING", "waiting", TOP_COUNT, 3, 8},
};
static const struct top_column connection_columns[] = {
    {"CONNECTION", "connection", TOP_TEXT, 0, 12},
    {"ACCOUNT", "account", TOP_TEXT, 1, 10},
    {"ADDRESS", "address", TOP_TEXT, 2, 16},
    {"IN/SEC", "in_msgs_per_second", TOP_RATE, 0, 11},
    {"OUT/SEC", "out_msgs_per_second", TOP_RATE, 1, 11},
    {"SUBS", "subscriptions", TOP_COUNT, 0, 7},
    {"PENDING", "pending_bytes", TOP_SIZE, 1, 9},
};
#define COLUMNS(array) array, sizeof(array) / sizeof((array)[0])
const struct top_table top_tables[TOP_VIEWS] = {
    [TOP_STREAMS] = {"streams", COLUMNS(stream_columns), 3},
    [TOP_CONSUMERS] = {"consumers", COLUMNS(consumer_columns), 1},
    [TOP_CONNECTIONS] = {"connections", COLUMNS(connection_columns), 4},
};

/* ---- rows ------------------------------------------------------------------------------------ */

/* NULL: there are too many. */
static struct top_row *add(struct top_look *look, const char *key)
{
    if (look->count == TOP_ROWS_MAX) {
        look->cut = true;
        return NULL;
    }
    look->rows[look->count] = (struct top_row){.key = key};
    return &look->rows[look->count++];
}

static uint64_t lag_of(const struct json *consumer)
{
    return api_u64(consumer, "num_pending") + api_u64(consumer, "num_ack_pending");
}

/* The lag of the slowest of several. */
static uint64_t slower(uint64_t lag, const struct json *consumer)
{
    return lag_of(consumer) > lag ? lag_of(consumer) : lag;
}

static void add_stream(struct cli *cli, struct top_look *look, const char *account,
                       const struct json *stream, uint64_t lag)
{
    const char *name = api_text(cli, stream, "config.name");
    struct top_row *row = add(look, cli_print(cli, "%s/%s", account, name));

    if (row == NULL)
        return;
    row->text[0] = account[0] != 0 ? cli_print(cli, "%s (%s)", name, account) : name;
    row->figure[0] = api_u64(stream, "state.messages");
    row->figure[1] = api_u64(stream, "state.bytes");
    row->figure[2] = api_u64(stream, "state.consumer_count");
    row->counter[0] = api_u64(stream, "state.last_seq");
    row->figure[3] = lag;
}

static void add_consumer(struct cli *cli, struct top_look *look, const char *account,
                         const struct json *consumer)
{
    const char *stream = api_text(cli, consumer, "stream_name");
    const char *name = api_text(cli, consumer, "name");
    struct top_row *row = add(look, cli_print(cli, "%s/%s/%s", account, stream, name));

    if (row == NULL)
        return;
    row->text[0] = account[0] != 0 ? cli_print(cli, "%s > %s (%s)", stream, name, account)
                                   : cli_print(cli, "%s > %s", stream, name);
    row->figure[0] = lag_of(consumer);
    row->figure[1] = api_u64(consumer, "num_ack_pending");
    row->figure[2] = api_u64(consumer, "num_redelivered");
    row->figure[3] = api_u64(consumer, "num_waiting");
    row->counter[0] = api_u64(consumer, "delivered.consumer_seq");
    row->counter[1] = api_u64(consumer, "ack_floor.consumer_seq");
}

static void add_connection(struct cli *cli, struct top_look *look, const char *server,
                           const struct json *client)
{
    unsigned long long cid = api_u64(client, "cid");
    const char *name = api_text(cli, client, "name");
    struct top_row *row = add(look, cli_print(cli, "%s/%020llu", server, cid));

    if (row == NULL)
        return;
    row->text[0] = cli_print(cli, "%s %llu%s%s", server, cid, name[0] != 0 ? " " : "", name);
    row->text[1] = api_text(cli, client, "account");
    row->text[2] = cli_print(cli, "%s:%llu", api_text(cli, client, "ip"),
                             (unsigned long long)api_u64(client, "port"));
    row->figure[0] = api_u64(client, "subscriptions");
    row->figure[1] = api_u64(client, "pending_bytes");
    row->counter[0] = api_u64(client, "in_msgs");
    row->counter[1] = api_u64(client, "out_msgs");
}

/* ---- looking, in this account ---------------------------------------------------------------- */

static int list_consumers(struct cli *cli, const struct json *stream, struct api_items *items)
{
    int result;

    *items = (struct api_items){0};
    if (api_u64(stream, "state.consumer_count") == 0)
        return EXIT_DONE;
    result = api_list(cli, cli_print(cli, "CONSUMER.LIST.%s", api_text(cli, stream, "config.name")),
                      "consumers", "", items);
    /* One that was just removed has no consumers, and is no reason to end. */
    return result == EXIT_MISSING ? EXIT_DONE : result;
}

static int take_own(struct cli *cli, enum top_view view, struct top_look *look)
{
    struct api_items streams, consumers;
    int result = api_list(cli, "STREAM.LIST", "streams", "", &streams);

    for (size_t i = 0; result == EXIT_DONE && i < streams.count; i++) {
        uint64_t lag = 0;

        result = list_consumers(cli, streams.at[i], &consumers);
        for (size_t j = 0; j < consumers.count; j++) {
            lag = slower(lag, consumers.at[j]);
            if (view == TOP_CONSUMERS)
                add_consumer(cli, look, "", consumers.at[j]);
        }
        if (view == TOP_STREAMS)
            add_stream(cli, look, "", streams.at[i], lag);
    }
    return result;
}

/* ---- looking, by the system account ---------------------------------------------------------- */

static const struct json *first_of(const struct json *json, const char *path)
{
    const struct json *list = api_get(json, path);

    return list != NULL ? list->child : NULL;
}

/* Whoever leads tells; outside of clusters everybody does. */
static bool tells(const struct json *answer, const struct json *of)
{
    struct bytes leader = api_bytes(of, "cluster.leader");

    return leader.size == 0 || bytes_equal(leader, api_bytes(answer, "server.name"));
}

static void take_stream(struct cli *cli, enum top_view view, const char *account,
                        const struct json *stream, struct top_look *look)
{
    uint64_t lag = 0;

    for (const struct json *at = first_of(stream, "consumer_detail"); at != NULL; at = at->next) {
        lag = slower(lag, at);
        if (view == TOP_CONSUMERS)
            add_consumer(cli, look, account, at);
    }
    if (view == TOP_STREAMS)
        add_stream(cli, look, account, stream, lag);
}

static void take_accounts(struct cli *cli, enum top_view view, const struct json *answer,
                          struct top_look *look)
{
    for (const struct json *account = first_of(answer, "data.account_details"); account != NULL;
         account = account->next) {
        const char *name = api_text(cli, account, "name");

        for (const struct json *stream = first_of(account, "stream_detail"); stream != NULL;
             stream = stream->next) {
            if (tells(answer, stream))
                take_stream(cli, view, name, stream, look);
        }
    }
}

static int take_all(struct cli *cli, enum top_view view, size_t servers, struct top_look *look)
{
    bool clients = view == TOP_CONNECTIONS;
    struct system_answers answers;
    int result = system_ask(cli, clients ? "PING.CONNZ" : "PING.JSZ", clients ? CLIENTS : DETAILS,
                            servers, &answers);

    for (size_t i = 0; result == EXIT_DONE && i < answers.count; i++) {
        const struct json *answer = answers.at[i].json;

        if (!clients)
            take_accounts(cli, view, answer, look);
        for (const struct json *at = clients ? first_of(answer, "data.connections") : NULL;
             at != NULL; at = at->next)
            add_connection(cli, look, api_text(cli, answer, "server.name"), at);
    }
    return result;
}

int top_servers(struct cli *cli, size_t *servers)
{
    struct system_answers answers;
    int result = system_ask(cli, "PING", "{}", 0, &answers);

    *servers = result == EXIT_DONE ? answers.count : 0;
    return result;
}

/* ---- a look ---------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct top_row *)a)->key, ((const struct top_row *)b)->key);
}

static void set_rates(struct top_look *look, const struct top_look *before)
{
    double seconds = (double)(look->time - before->time) / 1e9;

    for (size_t i = 0; i < look->count && before->count > 0; i++) {
        struct top_row *row = &look->rows[i];
        const struct top_row *old = bsearch(row, before->rows, before->count, sizeof(*row), by_key);

        for (size_t k = 0; old != NULL && k < TOP_COUNTERS; k++)
            if (row->counter[k] >= old->counter[k] && seconds > 0)
                row->rate[k] = (double)(row->counter[k] - old->counter[k]) / seconds;
    }
}

int top_take(struct cli *cli, enum top_view view, size_t servers, const struct top_look *before,
             struct top_look *look)
{
    struct arena whole = cli->arena;
    int result;

    arena_reset(&look->memory);
    cli->arena = look->memory;
    look->rows = ARENA_ARRAY(&cli->arena, struct top_row, TOP_ROWS_MAX);
    assert(look->rows != NULL);
    look->count = 0;
    look->cut = false;
    result = servers > 0 ? take_all(cli, view, servers, look) : take_own(cli, view, look);
    look->time = conn_now();
    qsort(look->rows, look->count, sizeof(*look->rows), by_key);
    set_rates(look, before);
    look->memory = cli->arena;
    cli->arena = whole;
    return result;
}

/* ---- order ----------------------------------------------------------------------------------- */

struct order {
    const struct top_column *column;
    bool reversed;
};

static double figure_of(const struct top_row *row, const struct top_column *column)
{
    bool rate = column->kind == TOP_RATE || column->kind == TOP_SIZE_RATE;

    return rate ? row->rate[column->index] : (double)row->figure[column->index];
}

static int compare(const void *a, const void *b, void *how)
{
    const struct top_row *x = *(const struct top_row *const *)a;
    const struct top_row *y = *(const struct top_row *const *)b;
    const struct order *order = how;
    int result;

    if (order->column->kind == TOP_TEXT) {
        result = strcmp(x->text[order->column->index], y->text[order->column->index]);
    } else {
        double left = figure_of(x, order->column), right = figure_of(y, order->column);

        result = (left < right) - (left > right);
    }
    if (order->reversed)
        result = -result;
    return result != 0 ? result
                       : strcmp(x->key, y->key); /* so that equal rows stay where they are */
}

void top_sort(const struct top_table *table, const struct top_look *look, size_t order,
              bool reversed, const struct top_row **sorted)
{
    struct order how = {&table->columns[order], reversed};

    assert(order < table->count);
    for (size_t i = 0; i < look->count; i++)
        sorted[i] = &look->rows[i];
    qsort_r(sorted, look->count, sizeof(*sorted), compare, &how);
}

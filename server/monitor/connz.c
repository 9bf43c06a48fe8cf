/* /connz: the connections of clients, those that are there and the last that were closed (reference
 * monitoring.md 2.2). */
#include <stdlib.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/clients/connection_priv.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define LIMIT_DEFAULT 1024

enum state { STATE_OPEN, STATE_CLOSED, STATE_ALL };

struct sort;

struct question {
    const struct sort *sort;
    bool auth;
    enum ask_subs subs;
    int64_t offset;
    int64_t limit;
    uint64_t cid;
    struct bytes mqtt_client;
    enum state state;
    struct bytes user;
    struct bytes account;
    struct bytes filter; /* a subject that they are to subscribe */
};

struct rows {
    struct client_row *at;
    size_t count;
    size_t total; /* of those there are, whatever filters leave */
};

/* ---- sorting -------------------------------------------------------------------------------- */

struct sort {
    const char *name;
    int (*compare)(const struct client_row *a, const struct client_row *b);
    const char *closed_only; /* how it is called where it is refused */
};

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int order_time(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

#define ASCENDING(name, field)                                                                     \
    static int name(const struct client_row *a, const struct client_row *b)                        \
    {                                                                                              \
        return order(a->field, b->field);                                                          \
    }
#define DESCENDING(name, field)                                                                    \
    static int name(const struct client_row *a, const struct client_row *b)                        \
    {                                                                                              \
        return order(b->field, a->field);                                                          \
    }

ASCENDING(by_cid, id)
DESCENDING(by_subs, subs_count)
DESCENDING(by_pending, pending)
DESCENDING(by_messages_to, sent.messages)
DESCENDING(by_messages_from, received.messages)
DESCENDING(by_bytes_to, sent.bytes)
DESCENDING(by_bytes_from, received.bytes)

static int by_start(const struct client_row *a, const struct client_row *b)
{
    return order_time(a->start_ns, b->start_ns);
}

static int by_last(const struct client_row *a, const struct client_row *b)
{
    return order_time(b->last_ns, a->last_ns);
}

static int by_idle(const struct client_row *a, const struct client_row *b)
{
    return order_time(a->stop_ns - a->last_ns, b->stop_ns - b->last_ns);
}

static int by_uptime(const struct client_row *a, const struct client_row *b)
{
    return order_time(a->stop_ns - a->start_ns, b->stop_ns - b->start_ns);
}

static int by_stop(const struct client_row *a, const struct client_row *b)
{
    return order_time(a->stop_ns, b->stop_ns);
}

static int by_reason(const struct client_row *a, const struct client_row *b)
{
    return strcmp(a->reason != NULL ? a->reason : "", b->reason != NULL ? b->reason : "");
}

static int by_rtt(const struct client_row *a, const struct client_row *b)
{
    return order_time(b->rtt_ns, a->rtt_ns);
}

static const struct sort sorts[] = {
    {"cid", by_cid, NULL},
    {"start", by_start, NULL},
    {"subs", by_subs, NULL},
    {"pending", by_pending, NULL},
    {"msgs_to", by_messages_to, NULL},
    {"msgs_from", by_messages_from, NULL},
    {"bytes_to", by_bytes_to, NULL},
    {"bytes_from", by_bytes_from, NULL},
    {"last", by_last, NULL},
    {"idle", by_idle, NULL},
    {"uptime", by_uptime, NULL},
    {"stop", by_stop, "stop"},
    {"reason", by_reason, "reason"},
    {"rtt", by_rtt, NULL},
};

static int compare(const void *a, const void *b, void *context)
{
    const struct sort *sort = context;
    int way = sort->compare(a, b);

    return way != 0 ? way : by_cid(a, b);
}

/* ---- what is asked -------------------------------------------------------------------------- */

static void read_sort(struct ask *ask, struct question *question)
{
    struct bytes name = bytes_of(NULL, 0);

    question->sort = &sorts[0];
    ask_text(ask, (struct ask_key){"sort", "sort"}, &name);
    if (name.size == 0)
        return;
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        if (!bytes_equal(name, bytes_of_text(sorts[i].name)))
            continue;
        question->sort = &sorts[i];
        return;
    }
    ask_refuse(ask, 400, "invalid sorting option: %.*s", BYTES_ARG(name));
}

static void read_state(struct ask *ask, struct question *question)
{
    struct bytes text = bytes_of(NULL, 0);
    int64_t number = STATE_OPEN;

    if (ask->body != NULL) {
        ask_int(ask, (struct ask_key){NULL, "state"}, &number);
        if (number < STATE_OPEN || number > STATE_ALL)
            number = STATE_OPEN;
        question->state = (enum state)number;
        return;
    }
    ask_text(ask, (struct ask_key){"state", NULL}, &text);
    if (text.size == 0 || bytes_equal_nocase(text, BYTES("open")))
        question->state = STATE_OPEN;
    else if (bytes_equal_nocase(text, BYTES("closed")))
        question->state = STATE_CLOSED;
    else if (bytes_equal_nocase(text, BYTES("any")) || bytes_equal_nocase(text, BYTES("all")))
        question->state = STATE_ALL;
    else
        ask_refuse(ask, 400, "Error decoding state for %.*s", BYTES_ARG(text));
}

static void read_page(struct ask *ask, struct question *question)
{
    question->limit = LIMIT_DEFAULT;
    ask_int(ask, (struct ask_key){"offset", "offset"}, &question->offset);
    ask_int(ask, (struct ask_key){"limit", "limit"}, &question->limit);
    if (question->offset < 0)
        question->offset = 0;
    if (question->limit <= 0)
        question->limit = LIMIT_DEFAULT;
    if (question->cid > 0)
        question->limit = 1;
}

static void check(struct ask *ask, const struct question *question)
{
    if (question->sort->closed_only != NULL && question->state != STATE_CLOSED)
        ask_refuse(ask, 400, "sort by %s only valid on closed connections",
                   question->sort->closed_only);
    if (question->filter.size > 0 && question->account.size == 0)
        ask_refuse(ask, 400, "filter by subject only valid with account filtering");
}

static void read_question(struct ask *ask, struct question *question)
{
    *question = (struct question){.state = STATE_OPEN};
    ask_bool(ask, (struct ask_key){"auth", "auth"}, &question->auth);
    question->subs = ask_subs(ask);
    ask_u64(ask, (struct ask_key){"cid", "cid"}, &question->cid);
    read_page(ask, question);
    read_state(ask, question);
    ask_text(ask, (struct ask_key){"mqtt_client", "mqtt_client"}, &question->mqtt_client);
    ask_text(ask, (struct ask_key){"user", "user"}, &question->user);
    ask_text(ask, (struct ask_key){"acc", "acc"}, &question->account);
    ask_text(ask, (struct ask_key){NULL, "filter_subject"}, &question->filter);
    read_sort(ask, question);
    check(ask, question);
}

/* ---- who it is about ------------------------------------------------------------------------ */

static bool client_subscribes(const struct client *client, struct bytes filter)
{
    const struct client_sub *sub;

    for (struct client_subs_walk at = {0}; (sub = client_sub_next(client, &at)) != NULL;) {
        if (subject_matches(sub_subject(&sub->sub), filter) ||
            bytes_equal(sub_subject(&sub->sub), filter))
            return true;
    }
    return false;
}

static bool closed_subscribed(const struct client_row *row, struct bytes filter)
{
    for (size_t i = 0; i < row->closed_subs_count; i++) {
        if (subject_matches(row->closed_subs[i].subject, filter) ||
            bytes_equal(row->closed_subs[i].subject, filter))
            return true;
    }
    return false;
}

static bool subscribes(const struct client_row *row, struct bytes filter)
{
    return row->client != NULL ? client_subscribes(row->client, filter)
                               : closed_subscribed(row, filter);
}

/* In the account that is asked about? Others are not even counted. */
static bool concerns(const struct question *question, const struct client_row *row)
{
    return question->account.size == 0 || bytes_equal(question->account, row->account);
}

static bool passes(const struct question *question, const struct client_row *row)
{
    if (question->cid > 0)
        return row->id == question->cid;
    if (question->mqtt_client.size > 0)
        return false; /* there are none */
    if (question->user.size > 0 && !bytes_equal(question->user, row->user))
        return false;
    return question->filter.size == 0 || subscribes(row, question->filter);
}

static void take(struct rows *rows, const struct question *question, const struct client_row *row)
{
    if (!concerns(question, row))
        return;
    rows->total++;
    if (passes(question, row))
        rows->at[rows->count++] = *row;
}

/* The closed ones of a shard that are among the last of all: how many of its oldest are not. */
struct closed_range {
    const struct closed_clients *closed;
    size_t first;
};

static struct closed_range *latest_of(struct closed_range *ranges, size_t count)
{
    struct closed_range *latest = NULL;
    int64_t latest_ns = 0;

    for (size_t i = 0; i < count; i++) {
        struct closed_range *range = &ranges[i];
        int64_t stop_ns =
            range->first > 0 ? closed_clients_at(range->closed, range->first - 1)->stop_ns : 0;

        if (range->first > 0 && (latest == NULL || stop_ns > latest_ns)) {
            latest = range;
            latest_ns = stop_ns;
        }
    }
    return latest;
}

/* Each shard keeps as many as are to be known; of all only so many are. */
static void choose_closed(struct server *server, struct closed_range ranges[SHARDS_MAX])
{
    const struct connections *connections;
    struct closed_range *latest;
    size_t count = 0;

    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        ranges[count++] = (struct closed_range){&connections->closed, connections->closed.count};
    for (size_t left = ranges[0].closed->capacity; left > 0; left--) {
        latest = latest_of(ranges, count);
        if (latest == NULL)
            return;
        latest->first--;
    }
}

static void collect_of(struct rows *rows, const struct question *question,
                       const struct connections *connections, size_t first_closed, int64_t now_ns)
{
    struct client_row row;

    for (const struct connection *c = connections->all;
         c != NULL && question->state != STATE_CLOSED; c = c->next) {
        if (c->told)
            continue; /* it is among the closed */
        client_row_of(&row, c, now_ns);
        take(rows, question, &row);
    }
    for (size_t i = first_closed; i < connections->closed.count && question->state != STATE_OPEN;
         i++)
        take(rows, question, closed_clients_at(&connections->closed, i));
}

static void collect(struct rows *rows, const struct question *question, struct server *server)
{
    const struct connections *connections;
    struct closed_range closed[SHARDS_MAX];
    size_t room = 1;

    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        room += connections->count + connections->closed.count;
    rows->at = heap_take(room * sizeof(*rows->at));
    choose_closed(server, closed);
    for (unsigned i = 0; (connections = server_connections_of(server, i)) != NULL; i++)
        collect_of(rows, question, connections, closed[i].first, io_now(server->io));
    qsort_r(rows->at, rows->count, sizeof(*rows->at), compare, (void *)question->sort);
}

/* ---- one connection ------------------------------------------------------------------------- */

static void write_subject(struct json_writer *w, struct bytes subject)
{
    json_string(w, subject);
}

static void write_detail(struct json_writer *w, const struct client_row *row,
                         const struct closed_sub *sub)
{
    json_object_begin(w);
    if (row->client == NULL) { /* of those that are there it is known */
        json_put_string(w, BYTES("account"), row->account);
        json_put_string(w, BYTES("account_tag"), row->account);
    }
    json_put_string(w, BYTES("subject"), sub->subject);
    json_put_given(w, BYTES("qgroup"), sub->queue);
    json_put_string(w, BYTES("sid"), sub->sid);
    json_put_u64(w, BYTES("msgs"), sub->delivered);
    if (sub->max > 0)
        json_put_u64(w, BYTES("max"), sub->max);
    json_put_u64(w, BYTES("cid"), row->id);
    json_object_end(w);
}

static void write_sub(struct json_writer *w, const struct question *question,
                      const struct client_row *row, const struct closed_sub *sub)
{
    if (question->subs == ASK_SUBS_DETAIL)
        write_detail(w, row, sub);
    else
        write_subject(w, sub->subject);
}

static void write_subs(struct json_writer *w, const struct question *question,
                       const struct client_row *row)
{
    const struct client_sub *sub;

    if (question->subs == ASK_SUBS_NONE || row->subs_count == 0)
        return;
    json_key(w, question->subs == ASK_SUBS_LIST ? BYTES("subscriptions_list")
                                                : BYTES("subscriptions_list_detail"));
    json_array_begin(w);
    for (size_t i = 0; i < row->closed_subs_count; i++)
        write_sub(w, question, row, &row->closed_subs[i]);
    for (struct client_subs_walk at = {0};
         row->client != NULL && (sub = client_sub_next(row->client, &at)) != NULL;) {
        const struct closed_sub view = {.subject = sub_subject(&sub->sub),
                                        .queue = sub_queue(&sub->sub),
                                        .sid = client_sub_sid(sub),
                                        .delivered = sub->delivered,
                                        .max = sub->max};

        write_sub(w, question, row, &view);
    }
    json_array_end(w);
}

static void write_counts(struct json_writer *w, const struct client_row *row)
{
    json_put_i64(w, BYTES("pending_bytes"), (int64_t)row->pending);
    json_put_u64(w, BYTES("in_msgs"), row->received.messages);
    json_put_u64(w, BYTES("out_msgs"), row->sent.messages);
    json_put_u64(w, BYTES("in_bytes"), row->received.bytes);
    json_put_u64(w, BYTES("out_bytes"), row->sent.bytes);
    if (row->stalls > 0)
        json_put_u64(w, BYTES("stalls"), row->stalls);
    json_put_u64(w, BYTES("subscriptions"), row->subs_count);
    json_put_given(w, BYTES("name"), row->name);
    json_put_given(w, BYTES("lang"), row->lang);
    json_put_given(w, BYTES("version"), row->version);
}

static void write_times(struct json_writer *w, const struct server *server,
                        const struct client_row *row)
{
    json_put_time(w, BYTES("start"), server_wall_of(server, row->start_ns));
    json_put_time(w, BYTES("last_activity"), server_wall_of(server, row->last_ns));
    if (row->client == NULL) {
        json_put_time(w, BYTES("stop"), server_wall_of(server, row->stop_ns));
        json_put_text(w, BYTES("reason"), row->reason != NULL ? row->reason : "");
    }
    monitor_duration(w, BYTES("rtt"), row->rtt_ns);
    monitor_uptime(w, BYTES("uptime"), row->stop_ns - row->start_ns);
    monitor_uptime(w, BYTES("idle"), row->stop_ns - row->last_ns);
}

static void write_row(struct json_writer *w, const struct server *server,
                      const struct question *question, const struct client_row *row)
{
    json_object_begin(w);
    json_put_u64(w, BYTES("cid"), row->id);
    json_put_text(w, BYTES("kind"), "Client");
    json_put_text(w, BYTES("type"), client_row_type(row));
    json_put_string(w, BYTES("ip"), row->address);
    json_put_i64(w, BYTES("port"), row->port);
    write_times(w, server, row);
    write_counts(w, row);
    if (row->tls_version != NULL) {
        json_put_text(w, BYTES("tls_version"), row->tls_version);
        json_put_text(w, BYTES("tls_cipher_suite"), row->tls_cipher);
        json_put_true(w, BYTES("tls_first"), row->tls_first);
    }
    if (question->auth) {
        json_put_given(w, BYTES("authorized_user"), row->user);
        json_put_given(w, BYTES("account"), row->account);
    }
    write_subs(w, question, row);
    if (question->auth)
        json_put_string(w, BYTES("name_tag"), row->account);
    json_object_end(w);
}

/* ---- the page ------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Nobody is of an account that is unknown: the reference answers so. */
static void write_unknown(struct json_writer *w, const struct server *server,
                          const struct question *question)
{
    json_object_begin(w);
    json_put_text(w, BYTES("server_id"), "");
    json_put_time(w, BYTES("now"), io_wall(server->io));
    json_put_i64(w, BYTES("num_connections"), 0);
    json_put_i64(w, BYTES("total"), 0);
    json_put_i64(w, BYTES("offset"), 0);
    json_put_i64(w, BYTES("limit"), question->limit);
    json_key(w, BYTES("connections"));
    json_null(w);
    json_object_end(w);
}

void monitor_connz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    struct server *server = monitor->server;
    struct rows rows = {.count = 0};
    struct question question;
    size_t from, to;

    read_question(ask, &question);
    if (ask->status != 200)
        return;
    if (question.account.size > 0 && router_account(server->router, question.account) == NULL) {
        write_unknown(w, server, &question);
        return;
    }
    collect(&rows, &question, server);
    from = smaller((size_t)question.offset, rows.count);
    to = from + smaller((size_t)question.limit, rows.count - from);
    json_object_begin(w);
    monitor_head(w, server);
    json_put_i64(w, BYTES("num_connections"), (int64_t)(to - from));
    json_put_i64(w, BYTES("total"), (int64_t)rows.total);
    json_put_i64(w, BYTES("offset"), question.offset);
    json_put_i64(w, BYTES("limit"), question.limit);
    json_key(w, BYTES("connections"));
    json_array_begin(w);
    for (size_t i = from; i < to; i++)
        write_row(w, server, &question, &rows.at[i]);
    json_array_end(w);
    json_object_end(w);
    heap_give(rows.at);
}

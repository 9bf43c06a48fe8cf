/* What monitoring says of leaf nodes: /leafz (reference monitoring.md 2.5), and its part of /varz.
 */
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define SECOND_NS INT64_C(1000000000)

/* ---- /leafz --------------------------------------------------------------------------------- */

static void list_subject(void *context, struct bytes subject, struct bytes queue)
{
    (void)queue;
    json_string(context, subject);
}

static void leaf(struct json_writer *w, const struct leaf_row *row, bool subs)
{
    json_object_begin(w);
    json_put_i64(w, BYTES("id"), (int64_t)row->id);
    json_put_string(w, BYTES("name"), row->name);
    json_put_bool(w, BYTES("is_spoke"), row->hub);
    json_put_true(w, BYTES("is_isolated"), row->isolated);
    json_put_string(w, BYTES("account"), row->account->name);
    json_put_text(w, BYTES("ip"), row->peer->text);
    json_put_i64(w, BYTES("port"), row->peer->port);
    if (row->rtt_ns > 0)
        monitor_duration(w, BYTES("rtt"), row->rtt_ns);
    json_put_u64(w, BYTES("in_msgs"), row->in_messages);
    json_put_u64(w, BYTES("out_msgs"), row->out_messages);
    json_put_u64(w, BYTES("in_bytes"), row->in_bytes);
    json_put_u64(w, BYTES("out_bytes"), row->out_bytes);
    json_put_u64(w, BYTES("subscriptions"), row->subscriptions);
    if (subs && row->subscriptions > 0) {
        json_key(w, BYTES("subscriptions_list"));
        json_array_begin(w);
        leaf_row_walk(row, list_subject, w);
        json_array_end(w);
    }
    json_put_text(w, BYTES("compression"), "off");
    json_object_end(w);
}

static bool is_asked_for(const struct leaf_row *row, struct bytes account)
{
    return account.size == 0 || bytes_equal(row->account->name, account);
}

static int64_t count(const struct server *server, struct bytes account)
{
    struct leaf_row row;
    int64_t found = 0;

    for (const void *at = NULL; leaves_next(server->leaves, &at, &row);)
        found += is_asked_for(&row, account);
    return found;
}

void monitor_leafz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    const struct server *server = monitor->server;
    struct bytes account = ask->account;
    struct leaf_row row;
    bool subs = ask->list_subs;

    ask_bool(ask, (struct ask_key){"subs", "subscriptions"}, &subs);
    ask_text(ask, (struct ask_key){"acc", "account"}, &account);
    json_object_begin(w);
    monitor_head(w, monitor->server);
    json_put_i64(w, BYTES("leafnodes"), count(server, account));
    json_key(w, BYTES("leafs"));
    json_array_begin(w);
    for (const void *at = NULL; leaves_next(server->leaves, &at, &row);)
        if (is_asked_for(&row, account))
            leaf(w, &row, subs);
    json_array_end(w);
    json_object_end(w);
}

/* ---- /varz ---------------------------------------------------------------------------------- */

static void texts(struct json_writer *w, struct bytes key, const struct bytes *list, size_t size)
{
    if (size == 0)
        return;
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < size; i++)
        json_string(w, list[i]);
    json_array_end(w);
}

static void remote(struct json_writer *w, const struct leaf_remote *remote)
{
    char address[300];

    json_object_begin(w);
    json_put_string(w, BYTES("local_account"),
                    remote->account.size > 0 ? remote->account : BYTES("$G"));
    json_key(w, BYTES("urls"));
    json_array_begin(w);
    for (size_t i = 0; i < remote->urls_count; i++) {
        listener_address(address, sizeof(address), remote->urls[i].host, remote->urls[i].port);
        json_string(w, bytes_of_text(address));
    }
    json_array_end(w);
    if (remote->deny_imports_count + remote->deny_exports_count > 0) {
        json_key(w, BYTES("deny"));
        json_object_begin(w);
        texts(w, BYTES("imports"), remote->deny_imports, remote->deny_imports_count);
        texts(w, BYTES("exports"), remote->deny_exports, remote->deny_exports_count);
        json_object_end(w);
    }
    json_object_end(w);
}

void monitor_varz_leaf(struct json_writer *w, const struct server *server)
{
    const struct leaf_options *options = &server->options.leaf;

    json_key(w, BYTES("leaf"));
    json_object_begin(w);
    if (options->port != 0) {
        json_put_text(w, BYTES("host"), options->host[0] != 0 ? options->host : "0.0.0.0");
        json_put_i64(w, BYTES("port"), server->leaf_listener.port);
        json_put_i64(w, BYTES("auth_timeout"),
                     (options->auth_timeout_ns > 0 ? options->auth_timeout_ns : LEAF_AUTH_NS) /
                         SECOND_NS);
        json_put_true(w, BYTES("tls_required"), options->tls != NULL);
        json_put_true(w, BYTES("tls_verify"), options->tls != NULL && options->tls->verify);
    }
    if (options->remotes_count > 0) {
        json_key(w, BYTES("remotes"));
        json_array_begin(w);
        for (size_t i = 0; i < options->remotes_count; i++)
            remote(w, &options->remotes[i]);
        json_array_end(w);
    }
    json_object_end(w);
}

int64_t monitor_leaves(const struct server *server, const struct account *account)
{
    return account != NULL ? count(server, account->name) : count(server, bytes_of(NULL, 0));
}

/* /accountz and /accstatz: accounts, and what goes through them (reference monitoring.md 2.7, 2.8).
 */
#include "server/auth/auth_options.h"
#include "server/jetstream/jetstream_core.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"
#include "server/server_sums.h"

/* ---- one account ---------------------------------------------------------------------------- */

static void write_sublist(struct json_writer *w, struct account *account)
{
    const struct sublist *lists[SHARDS_MAX];
    const struct account *part;
    unsigned count = 0;

    for (; (part = account_part(account, count)) != NULL; count++)
        lists[count] = &part->subs;
    json_key(w, BYTES("sublist_stats"));
    json_object_begin(w);
    monitor_sublist_stats(w, lists, count);
    json_object_end(w);
}

static bool has_jetstream(const struct server *server, const struct account *account)
{
    return server->jetstream != NULL && jetstream_serves(server->jetstream, account);
}

static void write_mappings(struct json_writer *w, const struct mapping_list *list)
{
    if (list->count == 0)
        return;
    json_key(w, BYTES("mappings"));
    json_object_begin(w);
    for (size_t i = 0; i < list->count; i++) {
        json_key(w, list->at[i].source);
        json_array_begin(w);
        for (size_t n = 0; n < list->at[i].count; n++) {
            json_object_begin(w);
            json_put_string(w, BYTES("subject"), list->at[i].at[n].subject);
            json_put_i64(w, BYTES("weight"), list->at[i].at[n].weight);
            json_put_given(w, BYTES("cluster"), list->at[i].at[n].cluster);
            json_object_end(w);
        }
        json_array_end(w);
    }
    json_object_end(w);
}

static void write_export(struct json_writer *w, const struct export_options *export)
{
    json_object_begin(w);
    json_put_string(w, BYTES("subject"), export->subject);
    json_put_text(w, BYTES("type"), export->kind == SHARE_STREAM ? "stream" : "service");
    if (export->kind == SHARE_SERVICE)
        json_put_text(w, BYTES("response_type"), export->streamed ? "Streamed" : "Singleton");
    if (export->accounts_count > 0) {
        json_key(w, BYTES("approved_accounts"));
        json_array_begin(w);
        for (size_t i = 0; i < export->accounts_count; i++)
            json_string(w, export->accounts[i]);
        json_array_end(w);
    }
    json_object_end(w);
}

static void write_import(struct json_writer *w, const struct import_options *import)
{
    struct bytes local = import->to.size > 0 ? import->to : import->subject;

    json_object_begin(w);
    json_put_string(w, BYTES("subject"), import->subject);
    json_put_string(w, BYTES("account"), import->account);
    json_put_given(w, BYTES("to"), import->kind == SHARE_SERVICE ? local : import->prefix);
    json_put_string(w, BYTES("local_subject"), local);
    json_put_text(w, BYTES("type"), import->kind == SHARE_STREAM ? "stream" : "service");
    json_put_bool(w, BYTES("invalid"), false);
    json_put_bool(w, BYTES("share"), false);
    json_put_bool(w, BYTES("tracking"), false);
    json_object_end(w);
}

static void write_shares(struct json_writer *w, const struct account_options *options)
{
    if (options->exports.count > 0) {
        json_key(w, BYTES("exports"));
        json_array_begin(w);
        for (size_t i = 0; i < options->exports.count; i++)
            write_export(w, &options->exports.at[i]);
        json_array_end(w);
    }
    if (options->imports.count > 0) {
        json_key(w, BYTES("imports"));
        json_array_begin(w);
        for (size_t i = 0; i < options->imports.count; i++)
            write_import(w, &options->imports.at[i]);
        json_array_end(w);
    }
}

struct bytes monitor_account_name(const struct account *account)
{
    const struct account_options *options = account->options;

    return options != NULL && options->claims != NULL && options->claims->name.size > 0
               ? options->claims->name
               : account->name;
}

static void write_claims(struct json_writer *w, const struct account_claims *claims)
{
    json_put_string(w, BYTES("jwt"), claims->token);
    json_put_string(w, BYTES("issuer_key"), claims->issuer);
    json_key(w, BYTES("decoded_jwt"));
    json_raw(w, claims->text);
}

void monitor_account(struct json_writer *w, struct server *server, struct account *account)
{
    struct account_sums sums;

    account_sums(account, &sums);
    json_object_begin(w);
    json_put_string(w, BYTES("account_name"), account->name);
    json_put_time(w, BYTES("update_time"), account->updated_wall_ns);
    json_put_true(w, BYTES("is_system"), account->system);
    json_put_bool(w, BYTES("expired"), false);
    json_put_bool(w, BYTES("complete"), true);
    json_put_bool(w, BYTES("jetstream_enabled"), has_jetstream(server, account));
    json_put_i64(w, BYTES("leafnode_connections"), monitor_leaves(server, account));
    json_put_i64(w, BYTES("client_connections"), (int64_t)sums.connections);
    json_put_i64(w, BYTES("subscriptions"), (int64_t)sums.subscriptions);
    if (account->options != NULL) {
        write_mappings(w, &account->options->mappings);
        write_shares(w, account->options);
    } else if (account == router_account_default(server->router)) {
        write_mappings(w, &server->options.auth.mappings);
    }
    if (account->options != NULL && account->options->claims != NULL &&
        account->options->claims->text.size > 0)
        write_claims(w, account->options->claims);
    json_put_string(w, BYTES("name_tag"), monitor_account_name(account));
    write_sublist(w, account);
    json_object_end(w);
}

/* ---- /accountz ------------------------------------------------------------------------------ */

static void write_names(struct json_writer *w, const struct server *server)
{
    const struct account *account;

    json_key(w, BYTES("accounts"));
    json_array_begin(w);
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;)
        json_string(w, account->name);
    json_array_end(w);
}

void monitor_accountz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    struct server *server = monitor->server;
    struct bytes name = bytes_of(NULL, 0);
    struct account *account = NULL;

    ask_text(ask, (struct ask_key){"acc", "account"}, &name);
    if (name.size > 0) {
        account = router_account(server->router, name);
        if (account == NULL)
            ask_refuse(ask, 400, "Account %.*s does not exist", BYTES_ARG(name));
    }
    if (ask->status != 200)
        return;
    json_object_begin(w);
    monitor_head(w, server);
    monitor_system_account(w, server);
    if (account == NULL) {
        write_names(w, server);
    } else {
        json_key(w, BYTES("account_detail"));
        monitor_account(w, server, account);
    }
    json_object_end(w);
}

/* ---- /accstatz ------------------------------------------------------------------------------ */

static void write_data(struct json_writer *w, struct bytes key, const struct traffic *traffic)
{
    static const struct traffic none;
    static const char *const others[] = {"gateways", "routes", "leafs"};

    json_key(w, key);
    json_object_begin(w);
    monitor_traffic(w, traffic);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        json_key(w, bytes_of_text(others[i]));
        json_object_begin(w);
        monitor_traffic(w, &none);
        json_object_end(w);
    }
    json_object_end(w);
}

void monitor_account_stats(struct json_writer *w, struct server *server, struct account *account)
{
    struct account_sums sums;

    server_shards_halt(server);
    account_sums(account, &sums);
    server_shards_go_on(server);
    json_put_string(w, BYTES("acc"), account->name);
    json_put_string(w, BYTES("name"), account->name);
    json_put_i64(w, BYTES("conns"), (int64_t)sums.connections);
    json_put_i64(w, BYTES("leafnodes"), monitor_leaves(server, account));
    json_put_i64(w, BYTES("total_conns"),
                 (int64_t)sums.connections + monitor_leaves(server, account));
    json_put_i64(w, BYTES("num_subscriptions"), (int64_t)sums.subscriptions);
    write_data(w, BYTES("sent"), &sums.sent);
    write_data(w, BYTES("received"), &sums.received);
    json_put_u64(w, BYTES("slow_consumers"), sums.slow_consumers);
}

/* Is it one of the accounts that a system request names? Without names: all are. */
static bool is_named(const struct ask *ask, const struct account *account)
{
    const struct json *names = ask->body != NULL ? json_get(ask->body, BYTES("accounts")) : NULL;

    if (ask->account.size > 0)
        return bytes_equal(ask->account, account->name);
    if (names == NULL || names->type != JSON_ARRAY || names->child == NULL)
        return true;
    for (const struct json *name = names->child; name != NULL; name = name->next) {
        if (name->type == JSON_STRING && bytes_equal(name->text, account->name))
            return true;
    }
    return false;
}

void monitor_accstatz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    struct server *server = monitor->server;
    struct account *account;
    bool unused = false;

    ask_bool(ask, (struct ask_key){"unused", "include_unused"}, &unused);
    if (ask->status != 200)
        return;
    json_object_begin(w);
    monitor_head(w, server);
    json_key(w, BYTES("account_statz"));
    json_array_begin(w);
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        struct account_sums sums;

        account_sums(account, &sums);
        if (!is_named(ask, account) || (sums.connections == 0 && !unused))
            continue;
        json_object_begin(w);
        monitor_account_stats(w, server, account);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

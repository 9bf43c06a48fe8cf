#include "server/info.h"

#include "base/json.h"
#include "server/options.h"

void info_make_id(char id[INFO_ID_SIZE + 1], const uint8_t key[NKEY_SIZE])
{
    nkey_write(id, NKEY_SERVER, key);
    id[INFO_ID_SIZE] = 0;
}

/* The others of the cluster are reached by the ports of the same kind. */
static void write_cluster(struct json_writer *w, const struct info *info,
                          const struct info_door *door)
{
    const struct bytes *urls = door != NULL ? info->websocket_urls : info->connect_urls;
    size_t count = door != NULL ? info->websocket_urls_count : info->connect_urls_count;

    if (info->cluster.size > 0)
        JSON_KEY(w, "cluster"), json_string(w, info->cluster);
    if (info->cluster_dynamic)
        JSON_KEY(w, "cluster_dynamic"), json_bool(w, true);
    if (count == 0)
        return;
    JSON_KEY(w, "connect_urls");
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, urls[i]);
    json_array_end(w);
}

static void write_address(struct json_writer *w, const struct info *info,
                          const struct info_door *door)
{
    json_put_text(w, BYTES("host"), door != NULL ? door->host : info->host);
    JSON_KEY(w, "port"), json_number_u64(w, door != NULL ? door->port : info->port);
}

static void write_tls(struct json_writer *w, const struct info *info, const struct info_door *door)
{
    if (door != NULL ? door->tls_required : info->tls_required)
        JSON_KEY(w, "tls_required"), json_bool(w, true);
    if (door != NULL ? door->tls_verify : info->tls_verify)
        JSON_KEY(w, "tls_verify"), json_bool(w, true);
    if (door == NULL && info->tls_available)
        JSON_KEY(w, "tls_available"), json_bool(w, true);
}

void info_write(struct buf *out, const struct info *info, const struct info_client *client)
{
    struct json_writer w;

    (void)BUF_ADD(out, "INFO "); /* the buffers of clients have no limit of their own */
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_text(&w, BYTES("server_id"), info->id);
    json_put_text(&w, BYTES("server_name"), info->name);
    json_put_text(&w, BYTES("version"), NATS_VERSION);
    JSON_KEY(&w, "proto"), json_number_u64(&w, 1);
    json_put_text(&w, BYTES("go"), INFO_GO);
    json_put_text(&w, BYTES("millrace"), MILLRACE_VERSION);
    write_address(&w, info, client->door);
    JSON_KEY(&w, "headers"), json_bool(&w, !info->no_headers);
    if (info->auth_required || (client->door != NULL && client->door->auth_required))
        JSON_KEY(&w, "auth_required"), json_bool(&w, true);
    write_tls(&w, info, client->door);
    JSON_KEY(&w, "max_payload"),
        json_number_i64(&w, client->max_payload != 0 ? client->max_payload : info->max_payload);
    if (info->jetstream)
        JSON_KEY(&w, "jetstream"), json_bool(&w, true);
    if (info->domain != NULL)
        json_put_text(&w, BYTES("domain"), info->domain);
    JSON_KEY(&w, "client_id"), json_number_u64(&w, client->id);
    json_put_text(&w, BYTES("client_ip"), client->address);
    if (client->nonce != NULL && client->nonce[0] != 0 && client->account.size == 0)
        json_put_text(&w, BYTES("nonce"), client->nonce);
    if (info->lame_duck)
        JSON_KEY(&w, "ldm"), json_bool(&w, true);
    write_cluster(&w, info, client->door);
    if (client->account.size > 0) {
        JSON_KEY(&w, "connect_info"), json_bool(&w, true);
        JSON_KEY(&w, "remote_account"), json_string(&w, client->account);
        if (client->account_system)
            JSON_KEY(&w, "acc_is_sys"), json_bool(&w, true);
    }
    JSON_KEY(&w, "api_lvl"), json_number_u64(&w, JETSTREAM_API_LEVEL);
    json_object_end(&w);
    (void)BUF_ADD(out, " \r\n");
}

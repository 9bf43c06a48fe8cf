#include "server/leaf/leaf_hello.h"

#include "server/options.h"

/* ---- reading members ------------------------------------------------------------------------ */

enum type { TYPE_BOOL, TYPE_TEXT, TYPE_I64, TYPE_U64, TYPE_PORT };

struct member {
    struct bytes key;
    enum type type;
    size_t offset;
};

static bool read_port(const struct json *json, uint16_t *to)
{
    uint64_t value;

    if (!json_u64(json, &value) || value > UINT16_MAX)
        return false;
    *to = (uint16_t)value;
    return true;
}

static bool read_bool(const struct json *json, bool *to)
{
    *to = json->type == JSON_TRUE;
    return json->type == JSON_TRUE || json->type == JSON_FALSE;
}

static bool read_text(const struct json *json, struct bytes *to)
{
    *to = json->text;
    return json->type == JSON_STRING;
}

static bool read_member(const struct member *member, const struct json *json, void *object)
{
    void *to = (char *)object + member->offset;

    switch (member->type) {
    case TYPE_BOOL: return read_bool(json, to);
    case TYPE_TEXT: return read_text(json, to);
    case TYPE_I64: return json_i64(json, to);
    case TYPE_U64: return json_u64(json, to);
    case TYPE_PORT: return read_port(json, to);
    }
    return false;
}

/* NULL: it is no object, or a member has the wrong type. */
static const struct json *read_object(struct arena *arena, struct bytes text,
                                      const struct member *members, size_t count, void *to)
{
    struct json_error error;
    const struct json *object = json_parse(arena, text, &error);

    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct json *json = json_get_nocase(object, members[i].key);

        if (json != NULL && json->type != JSON_NULL && !read_member(&members[i], json, to))
            return NULL;
    }
    return object;
}

/* False: it is none. */
static bool read_texts(const struct json *object, struct bytes key, const struct json **to)
{
    const struct json *list = json_get_nocase(object, key);

    if (list == NULL || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY)
        return false;
    for (const struct json *e = list->child; e != NULL; e = e->next)
        if (e->type != JSON_STRING)
            return false;
    *to = list;
    return true;
}

/* ---- writing members ------------------------------------------------------------------------ */

static void texts(struct json_writer *w, struct bytes key, const struct bytes *list, size_t count)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, list[i]);
    json_array_end(w);
}

static void filter(struct json_writer *w, struct bytes key, const struct leaf_filter *filter)
{
    if (filter == NULL || leaf_filter_is_empty(filter))
        return;
    json_key(w, key);
    leaf_filter_write(w, filter);
}

/* ---- INFO ----------------------------------------------------------------------------------- */

#define INFO(key, type, field)                                                                     \
    {                                                                                              \
        BYTES(key), TYPE_##type, offsetof(struct leaf_info, field)                                 \
    }

static const struct member info_members[] = {
    INFO("server_id", TEXT, id),
    INFO("server_name", TEXT, name),
    INFO("version", TEXT, version),
    INFO("host", TEXT, host),
    INFO("ip", TEXT, ip),
    INFO("port", PORT, port),
    INFO("cluster", TEXT, cluster),
    INFO("domain", TEXT, domain),
    INFO("nonce", TEXT, nonce),
    INFO("remote_account", TEXT, remote_account),
    INFO("client_id", U64, client_id),
    INFO("max_payload", I64, max_payload),
    INFO("headers", BOOL, headers),
    INFO("jetstream", BOOL, jetstream),
    INFO("tls_required", BOOL, tls_required),
    INFO("tls_verify", BOOL, tls_verify),
    INFO("info_on_connect", BOOL, answers),
    INFO("connect_info", BOOL, connect_info),
    INFO("acc_is_sys", BOOL, system),
};

bool leaf_info_read(struct arena *arena, struct bytes json, struct leaf_info *info)
{
    const struct json *object;

    *info = (struct leaf_info){0};
    object = read_object(arena, json, info_members, sizeof(info_members) / sizeof(info_members[0]),
                         info);
    if (object == NULL || !read_texts(object, BYTES("leafnode_urls"), &info->urls_read) ||
        !read_texts(object, BYTES("ws_connect_urls"), &info->websocket_urls_read))
        return false;
    info->import = json_get_nocase(object, BYTES("import"));
    info->export = json_get_nocase(object, BYTES("export"));
    return true;
}

void leaf_info_write(struct buf *out, const struct leaf_info *info)
{
    struct json_writer w;

    (void)BUF_ADD(out, "INFO ");
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("server_id"), info->id);
    json_put_given(&w, BYTES("server_name"), info->name);
    json_put_given(&w, BYTES("version"), info->version);
    JSON_KEY(&w, "proto"), json_number_u64(&w, 1);
    json_put_given(&w, BYTES("millrace"), BYTES(MILLRACE_VERSION));
    json_put_given(&w, BYTES("host"), info->host);
    JSON_KEY(&w, "port"), json_number_u64(&w, info->port);
    json_put_true(&w, BYTES("headers"), info->headers);
    json_put_true(&w, BYTES("auth_required"), true);
    json_put_true(&w, BYTES("tls_required"), info->tls_required);
    json_put_true(&w, BYTES("tls_verify"), info->tls_verify);
    JSON_KEY(&w, "max_payload"), json_number_i64(&w, info->max_payload);
    json_put_true(&w, BYTES("jetstream"), info->jetstream);
    json_put_given(&w, BYTES("ip"), info->ip);
    JSON_KEY(&w, "client_id"), json_number_u64(&w, info->client_id);
    json_put_given(&w, BYTES("nonce"), info->nonce);
    json_put_given(&w, BYTES("cluster"), info->cluster);
    json_put_given(&w, BYTES("domain"), info->domain);
    filter(&w, BYTES("import"), info->may_import);
    filter(&w, BYTES("export"), info->may_export);
    texts(&w, BYTES("leafnode_urls"), info->urls, info->urls_count);
    if (info->websocket_urls_count > 0)
        texts(&w, BYTES("ws_connect_urls"), info->websocket_urls, info->websocket_urls_count);
    json_put_true(&w, BYTES("info_on_connect"), info->answers);
    json_put_true(&w, BYTES("connect_info"), info->connect_info);
    json_put_given(&w, BYTES("remote_account"), info->remote_account);
    json_put_true(&w, BYTES("acc_is_sys"), info->system);
    JSON_KEY(&w, "api_lvl"), json_number_u64(&w, JETSTREAM_API_LEVEL);
    json_object_end(&w);
    (void)BUF_ADD(out, "\r\n");
}

/* ---- CONNECT -------------------------------------------------------------------------------- */

#define CONNECT(key, type, field)                                                                  \
    {                                                                                              \
        BYTES(key), TYPE_##type, offsetof(struct leaf_connect, field)                              \
    }

static const struct member connect_members[] = {
    CONNECT("version", TEXT, version),  CONNECT("nkey", TEXT, nkey),
    CONNECT("jwt", TEXT, jwt),          CONNECT("sig", TEXT, sig),
    CONNECT("user", TEXT, user),        CONNECT("pass", TEXT, pass),
    CONNECT("auth_token", TEXT, token), CONNECT("server_id", TEXT, id),
    CONNECT("name", TEXT, name),        CONNECT("domain", TEXT, domain),
    CONNECT("cluster", TEXT, cluster),  CONNECT("remote_account", TEXT, remote_account),
    CONNECT("lang", TEXT, lang),        CONNECT("gateway", TEXT, gateway),
    CONNECT("protocol", I64, protocol), CONNECT("is_hub", BOOL, hub),
    CONNECT("headers", BOOL, headers),  CONNECT("jetstream", BOOL, jetstream),
    CONNECT("isolate", BOOL, isolate),
};

bool leaf_connect_read(struct arena *arena, struct bytes json, struct leaf_connect *connect)
{
    const struct json *object;

    *connect = (struct leaf_connect){0};
    object = read_object(arena, json, connect_members,
                         sizeof(connect_members) / sizeof(connect_members[0]), connect);
    return object != NULL && read_texts(object, BYTES("deny_pub"), &connect->deny_read);
}

void leaf_connect_write(struct buf *out, const struct leaf_connect *connect)
{
    struct json_writer w;

    (void)BUF_ADD(out, "CONNECT ");
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_put_given(&w, BYTES("version"), connect->version);
    json_put_given(&w, BYTES("nkey"), connect->nkey);
    json_put_given(&w, BYTES("jwt"), connect->jwt);
    json_put_given(&w, BYTES("sig"), connect->sig);
    json_put_given(&w, BYTES("user"), connect->user);
    json_put_given(&w, BYTES("pass"), connect->pass);
    json_put_given(&w, BYTES("auth_token"), connect->token);
    json_put_given(&w, BYTES("server_id"), connect->id);
    json_put_given(&w, BYTES("domain"), connect->domain);
    json_put_given(&w, BYTES("name"), connect->name);
    json_put_true(&w, BYTES("is_hub"), connect->hub);
    json_put_given(&w, BYTES("cluster"), connect->cluster);
    json_put_true(&w, BYTES("headers"), connect->headers);
    json_put_true(&w, BYTES("jetstream"), connect->jetstream);
    if (connect->deny_count > 0)
        texts(&w, BYTES("deny_pub"), connect->deny, connect->deny_count);
    json_put_true(&w, BYTES("isolate"), connect->isolate);
    json_put_given(&w, BYTES("remote_account"), connect->remote_account);
    JSON_KEY(&w, "protocol"), json_number_u64(&w, 1);
    json_object_end(&w);
    (void)BUF_ADD(out, "\r\n");
}

/* ---- versions ------------------------------------------------------------------------------- */

bool leaf_version_read(struct bytes text, uint32_t parts[static 3])
{
    for (size_t i = 0; i < 3; i++) {
        size_t end = 0;
        uint64_t value;

        while (end < text.size && text.at[end] >= '0' && text.at[end] <= '9')
            end++;
        if (end == 0 || end > 6 || !bytes_read_u64(bytes_take(text, end), &value))
            return false;
        parts[i] = (uint32_t)value;
        text = bytes_skip(text, end);
        if (i < 2 && (text.size == 0 || text.at[0] != '.'))
            return false;
        if (i < 2)
            text = bytes_skip(text, 1);
    }
    return true;
}

bool leaf_version_at_least(struct bytes version, struct bytes least)
{
    uint32_t a[3], b[3];

    if (!leaf_version_read(version, a) || !leaf_version_read(least, b))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] > b[i];
    return true;
}

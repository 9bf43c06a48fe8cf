/* The top level of a configuration file (reference config.md 2). */
#include <stdio.h>

#include "base/io_real.h"
#include "base/limits.h"
#include "base/text.h"
#include "server/config/blocks.h"

#define SECOND_NS          INT64_C(1000000000)
#define LAME_DUCK_LEAST_NS (30 * SECOND_NS)
#define TOKENS_MOST        255

/* ---- addresses and names -------------------------------------------------------------------- */

static void read_listen(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    config_listen(reader, value, options->host, &options->host_place, &options->port);
}

static void read_host(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    config_host(reader, value, options->host, &options->host_place);
}

static void read_http(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    config_listen(reader, value, options->http_host, &options->http_host_place,
                  &options->http_port);
}

static void read_https(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    config_listen(reader, value, options->http_host, &options->http_host_place,
                  &options->https_port);
}

static void read_server_name(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    struct options *options = to;
    struct bytes name;

    if (!config_bytes(reader, value, &name))
        return;
    if (bytes_find(name, ' ') < name.size)
        config_error(reader, value, "server name cannot contain spaces");
    else
        (void)config_chars(reader, value, options->server_name, sizeof(options->server_name));
}

/* One text or a list, told apart without regard to case. */
static void read_tags(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;
    struct text_list *tags = &options->server_tags;

    tags->at = config_array(reader, value, sizeof(struct bytes), &tags->count);
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        uint8_t *lower;

        if (e->type != CONFIG_STRING) {
            config_error(reader, value, "error parsing tags: unsupported type %s",
                         config_type_text(e->type));
            return;
        }
        lower = config_take(reader, e->text.size + 1);
        for (size_t i = 0; i < e->text.size; i++)
            lower[i] =
                e->text.at[i] >= 'A' && e->text.at[i] <= 'Z' ? e->text.at[i] | 0x20 : e->text.at[i];
        tags->at[tags->count++] = bytes_of(lower, e->text.size);
    }
}

static void read_metadata(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;
    struct text_map *map = &options->server_metadata;
    size_t room = 0;

    if (!config_is(reader, value, CONFIG_MAP))
        return;
    for (const struct config_value *member = value->child; member != NULL; member = member->next)
        room++;
    *map = (struct text_map){
        .keys = config_take(reader, room * sizeof(struct bytes)),
        .values = config_take(reader, room * sizeof(struct bytes)),
    };
    for (const struct config_value *member = value->child; member != NULL; member = member->next) {
        if (!config_is(reader, member, CONFIG_STRING))
            return;
        map->keys[map->count] = member->key;
        map->values[map->count++] = member->text;
    }
}

/* Switches of features that are being built over there. */
static void read_feature_flags(struct config_reader *reader, const struct config_value *value,
                               void *to)
{
    (void)to;
    if (!config_is(reader, value, CONFIG_MAP))
        return;
    for (const struct config_value *member = value->child; member != NULL; member = member->next) {
        if (member->type != CONFIG_BOOL)
            config_error(reader, member, "error parsing feature flag \"%.*s\": expected %s, got %s",
                         CONFIG_KEY(member), config_type_text(CONFIG_BOOL),
                         config_type_text(member->type));
        else if (member->boolean)
            config_notice(reader, member, "feature flag \"%.*s\" is accepted and has no effect",
                          CONFIG_KEY(member));
    }
}

/* An option of our own: the reference has no choice. */
static void read_io(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;
    enum io_choice choice;
    const char *name;

    if (!config_text(reader, value, &name))
        return;
    if (io_choice_read(bytes_of_text(name), &choice))
        options->io = name;
    else
        config_error(reader, value, "io must be auto, uring or epoll");
}

/* And another. What goes with it is looked at when all is read. */
static void read_shards(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    options->shards_place = &value->place;
    if (value->type == CONFIG_STRING && bytes_equal(value->text, BYTES("auto")))
        options->shards = SHARDS_AUTO;
    else if (value->type == CONFIG_STRING)
        config_error(reader, value, "shards must be auto or a number");
    else
        (void)config_int64(reader, value, &options->shards); /* which has said why not */
}

/* ---- limits --------------------------------------------------------------------------------- */

static void read_max_payload(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    struct options *options = to;
    int64_t size;

    if (!config_int64(reader, value, &size))
        return;
    if (size > INT32_MAX)
        config_error(reader, value, "max_payload value is too big");
    else if (size > (int64_t)MAX_PAYLOAD_MAX)
        config_error(reader, value, "max_payload: more than %llu bytes are not supported",
                     (unsigned long long)MAX_PAYLOAD_MAX);
    else if (size != 0)
        options->max_payload = size > 0 ? size : (int64_t)MAX_PAYLOAD_MAX;
}

static void read_max_control_line(struct config_reader *reader, const struct config_value *value,
                                  void *to)
{
    struct options *options = to;
    int64_t size;

    if (!config_int64(reader, value, &size))
        return;
    if (size > INT32_MAX)
        config_error(reader, value, "max_control_line value is too big");
    else if (size < 0 || size > (int64_t)MAX_CONTROL_LINE_MAX)
        config_error(reader, value, "max_control_line: not between 0 and %llu bytes",
                     (unsigned long long)MAX_CONTROL_LINE_MAX);
    else if (size > 0)
        options->max_control_line = size;
}

static void read_max_pending(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    struct options *options = to;
    int64_t size;

    if (config_int64_in(reader, value, 0, INT64_MAX / 4, &size) && size > 0)
        options->max_pending = size;
}

/* None at all is said by 0, which elsewhere would be no limit. */
static void read_max_connections(struct config_reader *reader, const struct config_value *value,
                                 void *to)
{
    struct options *options = to;
    int64_t count;

    if (config_int64(reader, value, &count))
        options->max_connections = count > 0 ? count : 0;
}

static void read_max_tokens(struct config_reader *reader, const struct config_value *value,
                            void *to)
{
    struct options *options = to;
    int64_t count;

    if (!config_int64(reader, value, &count))
        return;
    if (count > TOKENS_MOST)
        config_error(reader, value, "max_sub_tokens value is too big");
    else if (count <= 0)
        config_error(reader, value, "max_sub_tokens value can not be negative");
    else
        options->max_subscription_tokens = count;
}

void config_write_timeout(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct bytes word;

    (void)to;
    if (!config_bytes(reader, value, &word))
        return;
    if (bytes_equal_nocase(word, BYTES("retry")))
        config_error(reader, value, "write_timeout \"retry\" is not supported yet");
    else if (!bytes_equal_nocase(word, BYTES("default")) &&
             !bytes_equal_nocase(word, BYTES("close")))
        config_error(reader, value, "write_timeout must be 'default', 'close' or 'retry'");
}

static void read_lame_duck(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;
    int64_t ns;

    if (!config_duration_text(reader, value, &ns))
        return;
    if (ns < LAME_DUCK_LEAST_NS)
        config_error(reader, value, "invalid lame_duck_duration of %.*s, minimum is 30 seconds",
                     BYTES_ARG(value->text));
    else
        options->lame_duck_ns = ns;
}

static void read_lame_duck_grace(struct config_reader *reader, const struct config_value *value,
                                 void *to)
{
    struct options *options = to;
    int64_t ns;

    if (!config_duration_text(reader, value, &ns))
        return;
    if (ns < 0)
        config_error(reader, value, "invalid lame_duck_grace_period, needs to be positive");
    else
        options->lame_duck_grace_ns = ns;
}

/* ---- logging -------------------------------------------------------------------------------- */

/* To trace more is to trace. */
static void trace_too(struct config_reader *reader, const struct config_value *value,
                      struct options *options, bool *more)
{
    if (config_bool(reader, value, more) && *more)
        options->trace = true;
}

static void read_trace_verbose(struct config_reader *reader, const struct config_value *value,
                               void *to)
{
    struct options *options = to;

    trace_too(reader, value, options, &options->trace_verbose);
}

static void read_trace_headers(struct config_reader *reader, const struct config_value *value,
                               void *to)
{
    struct options *options = to;

    trace_too(reader, value, options, &options->trace_headers);
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void read_tls(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    options->tls = config_tls(reader, value, CONFIG_TLS_CLIENTS);
}

static void read_mappings(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    config_mappings(reader, value, &options->auth.mappings);
}

/* Off in any of the ways to say so, nothing is asked for. */
static void read_ocsp(struct config_reader *reader, const struct config_value *value, void *to)
{
    const struct config_value *mode = value;

    (void)to;
    if (value->type == CONFIG_BOOL && !value->boolean)
        return;
    if (value->type == CONFIG_MAP)
        mode = config_member(value, BYTES("mode"));
    if (mode != NULL && mode->type == CONFIG_STRING &&
        bytes_equal_nocase(mode->text, BYTES("never")))
        return;
    config_error(reader, value, "\"ocsp\" is not supported yet");
}

#define TOP(names, kind, field) CONFIG_FIELD(names, CONFIG_AS_##kind, struct options, field)

static const struct config_option options_of_top[] = {
    CONFIG_READ("listen", read_listen),
    CONFIG_READ("host net", read_host),
    TOP("port", INT, port),
    TOP("client_advertise", TEXT, client_advertise),
    CONFIG_READ("server_name", read_server_name),
    CONFIG_READ("server_tags", read_tags),
    CONFIG_READ("server_metadata", read_metadata),
    CONFIG_READ("feature_flags", read_feature_flags),

    CONFIG_READ("io", read_io),
    CONFIG_READ("shards", read_shards),

    TOP("debug", BOOL, debug),
    TOP("trace", BOOL, trace),
    CONFIG_READ("trace_verbose", read_trace_verbose),
    CONFIG_READ("trace_headers", read_trace_headers),
    TOP("logtime", BOOL, log_time),
    TOP("logtime_utc", BOOL, log_time_utc),
    TOP("logfile log_file", CHARS, log_file),
    TOP("logfile_size_limit log_size_limit", INT64, log_size_max),
    TOP("logfile_max_num log_max_num", INT64, log_files_max),
    CONFIG_REFUSED_IF("syslog"),
    CONFIG_REFUSED("remote_syslog"),
    TOP("max_traced_msg_len", INT64, traced_size_max),
    TOP("pid_file pidfile", CHARS, pid_file),
    TOP("ports_file_dir", CHARS, ports_file_dir),
    CONFIG_NOTICED("prof_port", "there is no Go runtime to profile"),
    CONFIG_NOTICED("prof_block_rate", "there is no Go runtime to profile"),

    CONFIG_READ("http", read_http),
    TOP("http_port monitor_port", INT, http_port),
    TOP("http_base_path", TEXT, http_base_path),
    CONFIG_READ("https", read_https),
    TOP("https_port", INT, https_port),

    CONFIG_READ("max_connections max_conn", read_max_connections),
    TOP("max_subscriptions max_subs", INT64, max_subscriptions),
    CONFIG_READ("max_sub_tokens max_subscription_tokens", read_max_tokens),
    CONFIG_READ("max_control_line", read_max_control_line),
    CONFIG_READ("max_payload", read_max_payload),
    CONFIG_READ("max_pending", read_max_pending),
    TOP("max_closed_clients", INT64, max_closed_clients),
    TOP("ping_interval", DURATION, ping_interval_ns),
    TOP("ping_max", INT64, ping_max),
    TOP("write_deadline", DURATION, write_deadline_ns),
    CONFIG_READ("write_timeout", config_write_timeout),
    TOP("no_fast_producer_stall", BOOL, no_fast_producer_stall),
    CONFIG_READ("lame_duck_duration", read_lame_duck),
    CONFIG_READ("lame_duck_grace_period", read_lame_duck_grace),
    CONFIG_NOTICED("connect_error_reports", "what becomes of routes is always logged"),
    CONFIG_NOTICED("reconnect_error_reports", "what becomes of routes is always logged"),
    TOP("no_header_support", BOOL, no_header_support),
    CONFIG_IGNORED("disable_sublist_cache no_sublist_cache"),
    CONFIG_REFUSED_IF("proxy_protocol"),

    CONFIG_READ("tls", read_tls),
    TOP("allow_non_tls", BOOL, allow_non_tls),
    CONFIG_READ("ocsp", read_ocsp),
    CONFIG_NOTICED("ocsp_cache", "certificates are not checked by OCSP"),

    CONFIG_READ("authorization", config_authorization),
    CONFIG_READ("accounts", config_accounts),
    TOP("no_auth_user", BYTES, auth.no_auth_user),
    TOP("system_account system", BYTES, auth.system_account),
    TOP("no_system_account no_system no_sys_acc", BOOL, no_system_account),
    CONFIG_REFUSED("default_sentinel"),
    CONFIG_READ("mappings maps", read_mappings),
    CONFIG_READ("operator operators root roots root_operator root_operators", config_operator),
    CONFIG_READ("resolver account_resolver accounts_resolver", config_resolver),
    CONFIG_READ("resolver_preload", config_resolver_preload),
    CONFIG_REFUSED("resolver_pinned_accounts"),
    CONFIG_READ("resolver_tls", config_resolver_tls),
    CONFIG_READ("trusted trusted_keys", config_trusted_keys),
    CONFIG_REFUSED("proxies"),

    CONFIG_READ("cluster", config_cluster),
    CONFIG_REFUSED("gateway"),
    CONFIG_READ("leafnodes leaf", config_leafnodes),
    CONFIG_READ("websocket ws", config_websocket),
    CONFIG_REFUSED("mqtt"),
    CONFIG_READ("jetstream", config_jetstream),
    CONFIG_READ("store_dir storedir", config_store_dir),
    CONFIG_REFUSED("default_js_domain"),
};

const struct config_block config_top_block = CONFIG_BLOCK(options_of_top);

static void check_system_account(struct config_reader *reader, const struct options *options)
{
    const struct auth_options *auth = &options->auth;
    bool known = auth->system_account.size == 0 ||
                 resolver_has_more(&auth->resolver) || /* where it may come later */
                 bytes_equal(auth->system_account, BYTES("$SYS")) ||
                 bytes_equal(auth->system_account, BYTES("$G"));

    for (size_t i = 0; i < auth->accounts_count && !known; i++)
        known = bytes_equal(auth->accounts[i]->name, auth->system_account);
    if (!known)
        config_error(reader, NULL, "error resolving system account: account missing");
}

static void check_cluster(struct config_reader *reader, const struct options *options)
{
    if (options->cluster.routes_count > 0 && !options->cluster.configured)
        config_error(reader, NULL, "solicited routes require cluster capabilities, e.g. --cluster");
    if (!options->jetstream || !options->cluster.configured)
        return;
    /* A member is known by its name: under another one after each start it would be one more, and
     * those of before would be waited for. */
    if (options->server_name[0] == 0)
        config_error(reader, NULL, "jetstream cluster requires `server_name` to be set");
    else if (options->cluster.name == NULL)
        config_error(reader, NULL, "jetstream cluster requires `cluster.name` to be set");
}

static void check_shards(struct config_reader *reader, const struct options *options)
{
    const struct config_value at = {
        .place = options->shards_place != NULL ? *options->shards_place : (struct config_place){0}};
    const struct config_value *place = options->shards_place != NULL ? &at : NULL;

    if (options->shards == SHARDS_AUTO)
        return;
    if (options->shards < 1 || options->shards > (int64_t)SHARDS_MAX)
        config_error(reader, place, "shards: %lld is not between 1 and %u",
                     (long long)options->shards, SHARDS_MAX);
}

void config_top_check(struct config_reader *reader, const struct options *options)
{
    char grace[40], duration[40];

    config_no_auth_user_check(reader, &options->auth);
    config_websocket_check(reader, options);
    config_leafnodes_check(reader, options);
    check_system_account(reader, options);
    check_cluster(reader, options);
    check_shards(reader, options);
    if (options->max_payload > options->max_pending)
        config_error(reader, NULL, "max_payload (%lld) cannot be higher than max_pending (%lld)",
                     (long long)options->max_payload, (long long)options->max_pending);
    if (options->lame_duck_grace_ns < options->lame_duck_ns)
        return;
    (void)text_duration(grace, options->lame_duck_grace_ns);
    (void)text_duration(duration, options->lame_duck_ns);
    config_error(
        reader, NULL,
        "lame duck grace period (%s) should be strictly lower than lame duck duration (%s)", grace,
        duration);
}

#include "server/reload.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define VALUE_SIZE 160u

enum kind {
    KIND_BOOL,
    KIND_INT,
    KIND_INT64,
    KIND_SHARDS,
    KIND_DURATION,
    KIND_CHARS,
    KIND_TEXT,
    KIND_SECRET,
    KIND_BYTES,
    KIND_SECRET_BYTES,
    KIND_TLS, /* there or not; what is in it may always change */
};

/* An option, and how the reference calls it when it may not change, or when it does. */
struct field {
    const char *fixed; /* NULL: it may change */
    const char *said;
    enum kind kind;
    size_t offset;
};

#define FIXED(name, kind, field)                                                                   \
    {                                                                                              \
        name, NULL, KIND_##kind, offsetof(struct options, field)                                   \
    }
#define LIVE(name, kind, field)                                                                    \
    {                                                                                              \
        NULL, name, KIND_##kind, offsetof(struct options, field)                                   \
    }

static const struct field fields[] = {
    FIXED("Host", CHARS, host),
    FIXED("Port", INT, port),
    FIXED("HTTPHost", CHARS, http_host),
    FIXED("HTTPPort", INT, http_port),
    FIXED("HTTPSPort", INT, https_port),
    FIXED("HTTPBasePath", TEXT, http_base_path),
    FIXED("ServerName", CHARS, server_name),
    FIXED("io", TEXT, io),
    FIXED("shards", SHARDS, shards),
    FIXED("MaxPending", INT64, max_pending),
    FIXED("MaxSubs", INT64, max_subscriptions),
    FIXED("MaxSubTokens", INT64, max_subscription_tokens),
    FIXED("MaxClosedClients", INT64, max_closed_clients),
    FIXED("LameDuckDuration", DURATION, lame_duck_ns),
    FIXED("LameDuckGracePeriod", DURATION, lame_duck_grace_ns),
    FIXED("NoHeaderSupport", BOOL, no_header_support),
    FIXED("AllowNonTLS", BOOL, allow_non_tls),
    FIXED("SystemAccount", BYTES, auth.system_account),
    FIXED("NoSystemAccount", BOOL, no_system_account),
    FIXED("JetStream", BOOL, jetstream),
    FIXED("StoreDir", CHARS, store_dir),
    FIXED("JetStreamDomain", TEXT, jetstream_options.domain),
    FIXED("JetStreamDiskReserve", INT64, jetstream_options.disk_reserve),
    FIXED("JetStreamScrubRate", INT64, jetstream_options.scrub_rate),
    FIXED("JetStreamIndexCache", INT64, jetstream_options.index_cache),
    FIXED("JetStreamUniqueTag", TEXT, jetstream_options.unique_tag),
    FIXED("Websocket: field \"Host\"", CHARS, websocket.host),
    FIXED("Websocket: field \"Port\"", INT, websocket.port),
    FIXED("Websocket: field \"Advertise\"", TEXT, websocket.advertise),
    FIXED("Websocket: field \"NoTLS\"", BOOL, websocket.no_tls),
    FIXED("Websocket: field \"NoAuthUser\"", BYTES, websocket.door.no_auth_user),
    FIXED("Websocket: field \"JWTCookie\"", BYTES, websocket.jwt_cookie),
    FIXED("Websocket: field \"Username\"", SECRET_BYTES, websocket.door.user),
    FIXED("Websocket: field \"Password\"", SECRET_BYTES, websocket.door.password),
    FIXED("Websocket: field \"Token\"", SECRET_BYTES, websocket.door.token),
    FIXED("LeafNode: field \"Host\"", CHARS, leaf.host),
    FIXED("LeafNode: field \"Port\"", INT, leaf.port),
    FIXED("cluster name", TEXT, cluster.name),
    FIXED("cluster host", TEXT, cluster.host),
    FIXED("cluster tls", TLS, cluster.tls),
    FIXED("cluster port", INT, cluster.port),
    FIXED("cluster username", SECRET, cluster.user),
    FIXED("cluster password", SECRET, cluster.password),
    FIXED("cluster advertise", TEXT, cluster.advertise),
    FIXED("cluster no_advertise", BOOL, cluster.no_advertise),
    FIXED("cluster connect_retries", INT64, cluster.connect_retries),

    LIVE("trace", BOOL, trace),
    LIVE("trace_verbose", BOOL, trace_verbose),
    LIVE("trace_headers", BOOL, trace_headers),
    LIVE("debug", BOOL, debug),
    LIVE("logtime", BOOL, log_time),
    LIVE("logtime_utc", BOOL, log_time_utc),
    LIVE("log_file", CHARS, log_file),
    LIVE("max_traced_msg_len", INT64, traced_size_max),
    LIVE("max_connections", INT64, max_connections),
    LIVE("max_control_line", INT64, max_control_line),
    LIVE("max_payload", INT64, max_payload),
    LIVE("ping_interval", DURATION, ping_interval_ns),
    LIVE("ping_max", INT64, ping_max),
    LIVE("write_deadline", DURATION, write_deadline_ns),
    LIVE("no_fast_producer_stall", BOOL, no_fast_producer_stall),
    LIVE("client_advertise", TEXT, client_advertise),
    LIVE("pid_file", CHARS, pid_file),
    LIVE("ports_file_dir", CHARS, ports_file_dir),
    LIVE("authorization timeout", DURATION, auth.timeout_ns),
    LIVE("authorization token", BYTES, auth.token),
    LIVE("authorization username", BYTES, auth.user),
    LIVE("authorization password", BYTES, auth.password),
    LIVE("tls", TLS, tls),
};

static const void *at(const struct options *options, const struct field *field)
{
    return (const char *)options + field->offset;
}

static struct bytes text_of(const char *text)
{
    return text != NULL ? bytes_of_text(text) : bytes_of(NULL, 0);
}

static bool equal(const struct field *field, const void *a, const void *b)
{
    switch (field->kind) {
    case KIND_BOOL: return *(const bool *)a == *(const bool *)b;
    case KIND_INT: return *(const int *)a == *(const int *)b;
    case KIND_INT64:
    case KIND_SHARDS:
    case KIND_DURATION: return *(const int64_t *)a == *(const int64_t *)b;
    case KIND_CHARS: return strcmp(a, b) == 0;
    case KIND_SECRET:
    case KIND_TEXT:
        return bytes_equal(text_of(*(const char *const *)a), text_of(*(const char *const *)b));
    case KIND_BYTES:
    case KIND_SECRET_BYTES: return bytes_equal(*(const struct bytes *)a, *(const struct bytes *)b);
    case KIND_TLS: return (*(const void *const *)a == NULL) == (*(const void *const *)b == NULL);
    }
    return false;
}

static void word_shards(int64_t shards, char out[static VALUE_SIZE])
{
    if (shards == SHARDS_AUTO)
        snprintf(out, VALUE_SIZE, "auto");
    else
        snprintf(out, VALUE_SIZE, "%lld", (long long)shards);
}

static const char *word(const struct field *field, const void *value, char out[static VALUE_SIZE])
{
    switch (field->kind) {
    case KIND_BOOL: snprintf(out, VALUE_SIZE, "%s", *(const bool *)value ? "true" : "false"); break;
    case KIND_INT: snprintf(out, VALUE_SIZE, "%d", *(const int *)value); break;
    case KIND_INT64: snprintf(out, VALUE_SIZE, "%lld", (long long)*(const int64_t *)value); break;
    case KIND_SHARDS: word_shards(*(const int64_t *)value, out); break;
    case KIND_DURATION: (void)text_duration(out, *(const int64_t *)value); break;
    case KIND_CHARS: snprintf(out, VALUE_SIZE, "%s", (const char *)value); break;
    case KIND_SECRET_BYTES:
    case KIND_SECRET: snprintf(out, VALUE_SIZE, "(hidden)"); break;
    case KIND_TEXT:
        snprintf(out, VALUE_SIZE, "%.*s", BYTES_ARG(text_of(*(const char *const *)value)));
        break;
    case KIND_BYTES:
        snprintf(out, VALUE_SIZE, "%.*s", BYTES_ARG(*(const struct bytes *)value));
        break;
    case KIND_TLS:
        snprintf(out, VALUE_SIZE, "%s",
                 *(const void *const *)value != NULL ? "enabled" : "disabled");
        break;
    }
    return out;
}

/* Who says nothing may be somebody else only when there are no users any more. */
static bool no_auth_user_allowed(const struct auth_options *before,
                                 const struct auth_options *after)
{
    return bytes_equal(before->no_auth_user, after->no_auth_user) ||
           (after->no_auth_user.size == 0 && after->users_count == 0);
}

static bool routes_equal(const struct cluster_options *a, const struct cluster_options *b)
{
    for (size_t i = 0; i < a->routes_count && i < b->routes_count; i++) {
        if (strcmp(a->routes[i].url, b->routes[i].url) != 0)
            return false;
    }
    return a->routes_count == b->routes_count && a->configured == b->configured;
}

/* The other nodes know this one as it was when it greeted them. */
static bool cluster_allowed(const struct options *before, const struct options *after,
                            char reason[RELOAD_REASON_SIZE])
{
    const char *what = NULL;

    if (!routes_equal(&before->cluster, &after->cluster))
        what = "cluster routes";
    else if (before->cluster.configured &&
             !bytes_equal(text_of(before->client_advertise), text_of(after->client_advertise)))
        what = "client_advertise in a cluster";
    if (what != NULL)
        snprintf(reason, RELOAD_REASON_SIZE, "config reload not supported for %s", what);
    return what == NULL;
}

/* What is stored may have more room, never less. */
static bool room_allowed(int64_t before, int64_t after)
{
    return after == before || after < 0 || (before >= 0 && after > before);
}

/* Where accounts are found stays; what is found there changes by itself. */
static bool resolver_allowed(const struct resolver_options *before,
                             const struct resolver_options *after, char reason[RELOAD_REASON_SIZE])
{
    bool more = resolver_has_more(before) || resolver_has_more(after);

    if ((!more || before->kind == after->kind) &&
        bytes_equal(text_of(before->directory), text_of(after->directory)) &&
        bytes_equal(text_of(before->host), text_of(after->host)) &&
        bytes_equal(text_of(before->path), text_of(after->path)) && before->port == after->port &&
        before->secure == after->secure)
        return true;
    snprintf(reason, RELOAD_REASON_SIZE,
             "config reload does not support moving to or from an account resolver");
    return false;
}

static bool refuse(char reason[RELOAD_REASON_SIZE], const char *name, const char *before,
                   const char *after)
{
    snprintf(reason, RELOAD_REASON_SIZE, "config reload not supported for %s: old=%s, new=%s", name,
             before, after);
    return false;
}

static bool refuse_number(char reason[RELOAD_REASON_SIZE], const char *name, int64_t before,
                          int64_t after)
{
    char old[32], new[32];

    snprintf(old, sizeof(old), "%lld", (long long)before);
    snprintf(new, sizeof(new), "%lld", (long long)after);
    return refuse(reason, name, old, new);
}

bool reload_allowed(const struct options *before, const struct options *after,
                    char reason[RELOAD_REASON_SIZE])
{
    const struct jetstream_options *old = &before->jetstream_options;
    const struct jetstream_options *new = &after->jetstream_options;
    char left[VALUE_SIZE], right[VALUE_SIZE];

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct field *field = &fields[i];
        const void *a = at(before, field), *b = at(after, field);

        if (field->fixed != NULL && !equal(field, a, b))
            return refuse(reason, field->fixed, word(field, a, left), word(field, b, right));
    }
    if (!cluster_allowed(before, after, reason) ||
        !resolver_allowed(&before->auth.resolver, &after->auth.resolver, reason))
        return false;
    if (before->leaf.digest != after->leaf.digest) {
        snprintf(reason, RELOAD_REASON_SIZE, "config reload not supported for leafnodes");
        return false;
    }
    if (!no_auth_user_allowed(&before->auth, &after->auth)) {
        snprintf(left, sizeof(left), "%.*s", BYTES_ARG(before->auth.no_auth_user));
        snprintf(right, sizeof(right), "%.*s", BYTES_ARG(after->auth.no_auth_user));
        return refuse(reason, "NoAuthUser", left, right);
    }
    if (!room_allowed(old->memory_max, new->memory_max))
        return refuse_number(reason, "JetStreamMaxMemory", old->memory_max, new->memory_max);
    if (!room_allowed(old->store_max, new->store_max))
        return refuse_number(reason, "JetStreamMaxStore", old->store_max, new->store_max);
    return true;
}

/* What was secret stays so. */
static bool is_secret(const struct field *field)
{
    return field->kind == KIND_BYTES;
}

void reload_log(const struct options *before, const struct options *after,
                const struct logger *logger)
{
    char value[VALUE_SIZE];

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct field *field = &fields[i];
        const void *new = at(after, field);

        if (field->said == NULL || equal(field, at(before, field), new))
            continue;
        if (is_secret(field))
            logger_info(logger, "Reloaded: %s", field->said);
        else
            logger_info(logger, "Reloaded: %s = %s", field->said, word(field, new, value));
    }
    logger_info(logger, "Reloaded: authorization users");
    logger_info(logger, "Reloaded: accounts");
}

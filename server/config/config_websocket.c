/*
 * websocket (reference config.md 4.4): the port where clients speak over WebSockets.
 */
#include "server/config/blocks.h"
#include "server/websocket/upgrade.h"

static void read_listen(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct websocket_options *options = to;

    config_listen(reader, value, options->host, &options->host_place, &options->port);
}

static void read_host(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct websocket_options *options = to;

    config_host(reader, value, options->host, &options->host_place);
}

static void read_tls(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct websocket_options *options = to;

    options->tls = config_tls(reader, value, CONFIG_TLS_CLIENTS);
}

static void read_origins(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct websocket_options *options = to;
    size_t count;
    struct websocket_origin *origins =
        config_array(reader, value, sizeof(struct websocket_origin), &count);
    const struct config_value *e;
    struct bytes text;

    options->origins = origins;
    options->origins_count = 0;
    for (e = config_elements(value); e != NULL; e = config_element_next(value, e)) {
        if (!config_bytes(reader, e, &text))
            continue;
        if (!upgrade_read_origin(text, &origins[options->origins_count]))
            config_error(reader, e, "unable to parse allowed origin: \"%.*s\"", BYTES_ARG(text));
        else
            origins[options->origins_count++].text = text;
    }
}

static void read_timeout(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct websocket_options *options = to;

    config_timeout(reader, value, "websocket", &options->handshake_timeout_ns);
}

/* Those that the answer has anyway. */
static bool header_reserved(struct bytes name)
{
    static const char *const reserved[] = {"host", "content-length", "connection", "upgrade",
                                           "nats-no-masking"};

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (bytes_equal_nocase(name, bytes_of_text(reserved[i])))
            return true;
    }
    return name.size >= 14 && bytes_equal_nocase(bytes_take(name, 14), BYTES("sec-websocket-"));
}

static bool header_clean(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < ' ' || text.at[i] == 0x7f)
            return false;
    }
    return text.size > 0;
}

static void read_headers(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct websocket_options *options = to;
    struct websocket_header *headers;
    size_t count = 0;

    if (!config_is(reader, value, CONFIG_MAP))
        return;
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        count++;
    headers = config_take(reader, (count + 1) * sizeof(*headers));
    options->headers = headers;
    options->headers_count = 0;
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct websocket_header *header = &headers[options->headers_count];

        header->name = e->key;
        if (!config_bytes(reader, e, &header->value))
            continue;
        if (header_reserved(e->key))
            config_error(reader, e, "websocket: invalid header %.*s not allowed", CONFIG_KEY(e));
        else if (!header_clean(e->key) || !header_clean(header->value))
            config_error(reader, e, "websocket: header %.*s has a character that is not allowed",
                         CONFIG_KEY(e));
        else
            options->headers_count++;
    }
}

/* ---- who may come in ------------------------------------------------------------------------ */

static void read_auth_timeout(struct config_reader *reader, const struct config_value *value,
                              void *to)
{
    struct auth_door *door = to;

    config_timeout(reader, value, "websocket authorization", &door->timeout_ns);
}

static const struct config_option options_of_authorization[] = {
    CONFIG_FIELD("user username", CONFIG_AS_BYTES, struct auth_door, user),
    CONFIG_FIELD("pass password", CONFIG_AS_BYTES, struct auth_door, password),
    CONFIG_FIELD("token", CONFIG_AS_BYTES, struct auth_door, token),
    CONFIG_READ("timeout", read_auth_timeout),
};

static const struct config_block authorization = CONFIG_BLOCK(options_of_authorization);

static void read_authorization(struct config_reader *reader, const struct config_value *value,
                               void *to)
{
    struct websocket_options *options = to;

    (void)config_read_block(reader, value, &authorization, &options->door);
}

static bool no_auth_user_known(const struct auth_options *auth, struct bytes name)
{
    for (size_t i = 0; i < auth->users_count; i++) {
        const struct user_options *user = &auth->users[i];

        if (bytes_equal(user->nkey.size > 0 ? user->nkey : user->name, name))
            return true;
    }
    return false;
}

static void check_no_auth_user(struct config_reader *reader, const struct auth_options *auth,
                               struct bytes name)
{
    if (auth->users_count == 0)
        config_error(reader, NULL,
                     "no_auth_user: \"%.*s\" present, but users/nkeys are not defined",
                     BYTES_ARG(name));
    else if (!no_auth_user_known(auth, name))
        config_error(reader, NULL,
                     "no_auth_user: \"%.*s\" not present as user or nkey in authorization block or "
                     "account configuration",
                     BYTES_ARG(name));
}

void config_websocket_check(struct config_reader *reader, const struct options *options)
{
    const struct websocket_options *websocket = &options->websocket;
    const struct auth_door *door = &websocket->door;

    if (websocket->port == 0)
        return;
    if (door->user.size > 0 && options->auth.users_count > 0)
        config_error(reader, NULL,
                     "websocket authentication username not compatible with presence of "
                     "users/nkeys");
    if (door->token.size > 0 && options->auth.users_count > 0)
        config_error(reader, NULL,
                     "websocket authentication token not compatible with presence of users/nkeys");
    if (door->no_auth_user.size > 0)
        check_no_auth_user(reader, &options->auth, door->no_auth_user);
    if (websocket->jwt_cookie.size > 0 && options->auth.operators == NULL)
        config_error(reader, NULL,
                     "trusted operators or trusted keys configuration is required for JWT "
                     "authentication via cookie \"%.*s\"",
                     BYTES_ARG(websocket->jwt_cookie));
}

/* ---- the block ------------------------------------------------------------------------------ */

#define WEBSOCKET(names, kind, field)                                                              \
    CONFIG_FIELD(names, CONFIG_AS_##kind, struct websocket_options, field)

static const struct config_option options_of_websocket[] = {
    CONFIG_READ("listen", read_listen),
    CONFIG_READ("host net", read_host),
    WEBSOCKET("port", INT, port),
    WEBSOCKET("advertise", TEXT, advertise),
    WEBSOCKET("no_tls", BOOL, no_tls),
    CONFIG_READ("tls", read_tls),
    WEBSOCKET("same_origin", BOOL, same_origin),
    CONFIG_READ("allowed_origins allowed_origin allow_origins allow_origin origins origin",
                read_origins),
    CONFIG_READ("handshake_timeout", read_timeout),
    WEBSOCKET("compression compress", BOOL, compression),
    CONFIG_READ("authorization authentication", read_authorization),
    WEBSOCKET("jwt_cookie", BYTES, jwt_cookie),
    WEBSOCKET("user_cookie", BYTES, user_cookie),
    WEBSOCKET("pass_cookie", BYTES, password_cookie),
    WEBSOCKET("token_cookie", BYTES, token_cookie),
    WEBSOCKET("no_auth_user", BYTES, door.no_auth_user),
    CONFIG_READ("headers", read_headers),
    WEBSOCKET("ping_interval", DURATION, ping_interval_ns),
};

static const struct config_block websocket = CONFIG_BLOCK(options_of_websocket);

/* The options are copied: what auth points at must not be in them. */
static const struct auth_door *keep(struct config_reader *reader, const struct auth_door *door)
{
    struct auth_door *kept = config_take(reader, sizeof(*kept));

    *kept = *door;
    return kept;
}

void config_websocket(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;
    const struct auth_door *door;

    if (!config_read_block(reader, value, &websocket, &options->websocket))
        return;
    if (options->websocket.port != 0 && options->websocket.tls == NULL &&
        !options->websocket.no_tls)
        config_error(reader, value, "websocket requires TLS configuration");
    door = &options->websocket.door;
    if (door->user.size + door->token.size + door->no_auth_user.size > 0)
        options->auth.websocket = keep(reader, door);
}

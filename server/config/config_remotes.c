/* leafnodes.remotes (reference config.md 4.3): servers that this one dials as their leaf. */
#include "base/percent.h"
#include "base/subject.h"
#include "server/auth/jwt_file.h"
#include "server/auth/nkey.h"
#include "server/cluster/route_url.h"
#include "server/config/blocks.h"
#include "server/config/parser.h"

#define PROXY_PORT_USUAL  80
#define PROXY_SECRETS_MAX 384u

/* ---- where ---------------------------------------------------------------------------------- */

static const char *keep(struct config_reader *reader, struct bytes b)
{
    char *copy = config_take(reader, b.size + 1);

    memcpy(copy, b.at, b.size);
    return copy;
}

/* What a URL means by that. A view of the configuration's memory. */
static bool decode(struct config_reader *reader, struct bytes written, struct bytes *to)
{
    char *text = config_take(reader, written.size + 1);

    if (!percent_decode(text, written.size + 1, written))
        return false;
    *to = bytes_of_text(text);
    return true;
}

/* "nats-leaf://" is what this is called, by many "leaf://"; else as routes. */
static bool read_scheme(struct bytes *text, struct leaf_url *url)
{
    url->tls = bytes_starts(*text, BYTES("tls://"));
    if (bytes_starts(*text, BYTES("nats-leaf://")))
        *text = bytes_skip(*text, 12);
    else if (bytes_starts(*text, BYTES("leaf://")))
        *text = bytes_skip(*text, 7);
    return bytes_find(*text, '?') == text->size;
}

static bool has_blanks(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
            return true;
    return false;
}

/* "ws://host:port/a/": the request is for /a/leafnode. Leaves what is read like others. */
static bool read_websocket(struct config_reader *reader, struct bytes *text, struct leaf_url *url)
{
    static const struct bytes end = BYTES("/leafnode");
    struct bytes path;
    char *kept;
    size_t at;

    url->tls = bytes_starts(*text, BYTES("wss://"));
    *text = bytes_skip(*text, url->tls ? 6 : 5);
    at = bytes_find(*text, '/');
    path = bytes_skip(*text, at);
    *text = bytes_take(*text, at);
    while (path.size > 0 && path.at[path.size - 1] == '/')
        path.size--;
    if (has_blanks(path) || bytes_find(path, '#') < path.size)
        return false;
    kept = config_take(reader, path.size + end.size + 1);
    memcpy(kept, path.at, path.size);
    memcpy(kept + path.size, end.at, end.size);
    url->path = kept;
    url->websocket = true;
    return true;
}

static bool is_websocket(struct bytes text)
{
    return bytes_starts(text, BYTES("ws://")) || bytes_starts(text, BYTES("wss://"));
}

/* Up to where it is read as a route's is. */
static bool read_beginning(struct config_reader *reader, struct bytes *text, struct leaf_url *url)
{
    if (!is_websocket(*text))
        return read_scheme(text, url);
    return bytes_find(*text, '?') == text->size && read_websocket(reader, text, url);
}

static bool read_url(struct config_reader *reader, const struct config_value *value,
                     struct leaf_url *to)
{
    struct bytes text = value->text;
    struct route_url url;

    if (!config_is(reader, value, CONFIG_STRING))
        return false;
    if (!read_beginning(reader, &text, to) || !route_url_read(text, &url) || url.host.size == 0 ||
        url.port < 0 || !decode(reader, url.user, &to->user) ||
        !decode(reader, url.password, &to->password)) {
        config_error(reader, value, "error parsing leafnode url"); /* a password may be in it */
        return false;
    }
    to->host = keep(reader, url.host);
    to->port = url.port != 0 ? url.port : LEAF_PORT_USUAL;
    return true;
}

static bool url_known(const struct leaf_remote *remote, const struct leaf_url *url)
{
    for (size_t i = 0; i < remote->urls_count; i++)
        if (remote->urls[i].port == url->port && strcmp(remote->urls[i].host, url->host) == 0)
            return true;
    return false;
}

static void read_urls(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_remote *remote = to;
    size_t count;

    remote->urls = config_array(reader, value, sizeof(struct leaf_url), &count);
    remote->urls_count = 0;
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        struct leaf_url url = {0};

        if (!read_url(reader, e, &url))
            continue;
        if (url_known(remote, &url))
            config_warn(reader, e, BYTES("urls"), "Duplicate leafnode entry detected");
        else
            remote->urls[remote->urls_count++] = url;
    }
}

/* ---- as whom -------------------------------------------------------------------------------- */

/* The line of a credentials file that is a seed. */
static struct bytes find_seed(struct bytes text)
{
    uint8_t seed[NKEY_SIZE];

    while (text.size > 0) {
        size_t end = bytes_find(text, '\n');
        struct bytes line = bytes_trim(bytes_take(text, end));

        if (nkey_seed_read(line, NKEY_USER, seed)) {
            explicit_bzero(seed, sizeof(seed));
            return line;
        }
        text = bytes_skip(text, end < text.size ? end + 1 : end);
    }
    return bytes_of(NULL, 0);
}

static void read_credentials(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    const struct config_source *source = reader->source;
    struct leaf_remote *remote = to;
    char reason[128] = "";
    struct bytes text;
    const char *path;

    if (!config_text(reader, value, &path))
        return;
    if (remote->seed.size > 0) {
        config_error(reader, value, "Remote leafnode can not have both creds and nkey defined");
    } else if (!source->read(source->context, path, reader->arena, &text, reason)) {
        config_error(reader, value, "LeafNode Remote Credentials file: open %s: %s", path, reason);
    } else {
        remote->jwt = jwt_file_token(text);
        remote->seed = find_seed(text);
        if (remote->seed.size == 0 || !bytes_starts(remote->jwt, BYTES("eyJ")))
            config_error(reader, value, "LeafNode Remote Credentials file \"%s\" malformed", path);
    }
}

static void read_seed(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_remote *remote = to;
    uint8_t seed[NKEY_SIZE];
    struct bytes text;

    if (!config_bytes(reader, value, &text))
        return;
    if (remote->jwt.size > 0)
        config_error(reader, value, "Remote leafnode can not have both creds and nkey defined");
    else if (!nkey_seed_read(text, NKEY_USER, seed))
        config_error(reader, value, "Remote leafnode nkey is not a valid seed"); /* it is secret */
    else
        remote->seed = text;
    explicit_bzero(seed, sizeof(seed));
}

/* ---- what passes ---------------------------------------------------------------------------- */

static void read_subjects(struct config_reader *reader, const struct config_value *value,
                          struct bytes **list, size_t *count)
{
    size_t most;
    struct bytes *at = config_array(reader, value, sizeof(struct bytes), &most);

    *list = at;
    *count = 0;
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        if (!config_bytes(reader, e, &at[*count]))
            continue;
        if (!subject_valid_strict(at[*count]))
            config_error(reader, e, "subject \"%.*s\" is not a valid subject",
                         BYTES_ARG(at[*count]));
        else
            ++*count;
    }
}

static void read_deny_imports(struct config_reader *reader, const struct config_value *value,
                              void *to)
{
    struct leaf_remote *remote = to;

    read_subjects(reader, value, &remote->deny_imports, &remote->deny_imports_count);
}

static void read_deny_exports(struct config_reader *reader, const struct config_value *value,
                              void *to)
{
    struct leaf_remote *remote = to;

    read_subjects(reader, value, &remote->deny_exports, &remote->deny_exports_count);
}

/* ---- a remote ------------------------------------------------------------------------------- */

static void read_tls(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_remote *remote = to;

    remote->tls = config_tls(reader, value, CONFIG_TLS_REMOTES);
}

static void read_migrate(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    if (value->type != CONFIG_BOOL || value->boolean)
        config_error(reader, value, "\"%.*s\" is not supported yet", CONFIG_KEY(value));
}

/* ---- through whom --------------------------------------------------------------------------- */

static void read_proxy_url(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_proxy *proxy = to;
    struct bytes text, scheme;
    struct route_url url;

    if (!config_bytes(reader, value, &text) || text.size == 0)
        return;
    scheme = bytes_take(text, bytes_find(text, ':'));
    if (bytes_equal(scheme, BYTES("https"))) {
        config_error(reader, value, "a proxy that is spoken to over TLS is not supported yet");
    } else if (!bytes_starts(text, BYTES("http://"))) {
        config_error(reader, value, "proxy URL scheme must be http or https, got: %.*s",
                     BYTES_ARG(scheme));
    } else if (!route_url_read(bytes_skip(text, 7), &url) || url.host.size == 0 || url.port < 0) {
        config_error(reader, value, "invalid proxy URL"); /* a password may be in it */
    } else if (url.user.size > 0) {
        config_error(reader, value, "a proxy's user is said by \"username\" and \"password\"");
    } else {
        proxy->host = keep(reader, url.host);
        proxy->port = url.port != 0 ? url.port : PROXY_PORT_USUAL;
    }
}

static const struct config_option options_of_proxy[] = {
    CONFIG_READ("url", read_proxy_url),
    CONFIG_FIELD("username", CONFIG_AS_BYTES, struct leaf_proxy, user),
    CONFIG_FIELD("password", CONFIG_AS_BYTES, struct leaf_proxy, password),
    CONFIG_FIELD("timeout", CONFIG_AS_DURATION, struct leaf_proxy, timeout_ns),
};

static const struct config_block proxy_block = CONFIG_BLOCK(options_of_proxy);

static void read_proxy(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_proxy *proxy = &((struct leaf_remote *)to)->proxy;

    if (!config_read_block(reader, value, &proxy_block, proxy))
        return;
    if ((proxy->user.size > 0) != (proxy->password.size > 0))
        config_error(reader, value,
                     "proxy username and password must both be specified or both be empty");
    if (proxy->user.size + proxy->password.size > PROXY_SECRETS_MAX)
        config_error(reader, value, "proxy username and password are too long");
    if (proxy->timeout_ns < 0)
        config_error(reader, value, "proxy timeout must be >= 0");
    if (proxy->timeout_ns == 0)
        proxy->timeout_ns = LEAF_PROXY_NS;
}

#define REMOTE(names, kind, field) CONFIG_FIELD(names, CONFIG_AS_##kind, struct leaf_remote, field)

static const struct config_option options_of_remote[] = {
    CONFIG_READ("url urls", read_urls),
    REMOTE("account local", BYTES, account),
    CONFIG_READ("credentials creds", read_credentials),
    CONFIG_READ("nkey seed", read_seed),
    CONFIG_READ("tls", read_tls),
    REMOTE("hub", BOOL, hub),
    CONFIG_READ("deny_imports deny_import", read_deny_imports),
    CONFIG_READ("deny_exports deny_export", read_deny_exports),
    REMOTE("no_randomize dont_randomize", BOOL, no_randomize),
    REMOTE("isolate_leafnode_interest isolate", BOOL, isolate),
    REMOTE("request_isolation", BOOL, request_isolation),
    CONFIG_READ("compression", config_leaf_compression),
    REMOTE("first_info_timeout", DURATION, info_timeout_ns),
    REMOTE("dial_timeout", DURATION, dial_timeout_ns),
    REMOTE("disabled", BOOL, disabled),
    REMOTE("ignore_discovered_servers", BOOL, ignore_discovered),
    CONFIG_READ("jetstream_cluster_migrate js_cluster_migrate", read_migrate),
    REMOTE("ws_compression ws_compress websocket_compress websocket_compression", BOOL,
           compress_websocket),
    REMOTE("ws_no_masking websocket_no_masking", BOOL, no_masking),
    CONFIG_READ("proxy", read_proxy),
};

static const struct config_block remote_block = CONFIG_BLOCK(options_of_remote);

static bool is_same(const struct leaf_remote *a, const struct leaf_remote *b)
{
    if (!bytes_equal(a->account, b->account) || a->urls_count != b->urls_count ||
        !bytes_equal(a->seed, b->seed))
        return false;
    for (size_t i = 0; i < a->urls_count; i++)
        if (!url_known(b, &a->urls[i]) || !bytes_equal(a->urls[i].user, b->urls[i].user))
            return false;
    return true;
}

static void check_remote(struct config_reader *reader, const struct config_value *value,
                         const struct leaf_options *options, const struct leaf_remote *remote)
{
    for (size_t i = 0; i < options->remotes_count; i++)
        if (is_same(&options->remotes[i], remote))
            config_error(reader, value, "duplicate remote");
    for (size_t i = 1; i < remote->urls_count; i++)
        if (remote->urls[i].websocket != remote->urls[0].websocket) {
            config_error(reader, value,
                         "remote leaf node configuration cannot have a mix of websocket and "
                         "non-websocket urls");
            break;
        }
    if (remote->tls != NULL && remote->tls->map)
        config_error(reader, value, "\"verify_and_map\" is of who is dialled");
}

void config_leaf_remotes(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;
    size_t count;

    if (!config_is(reader, value, CONFIG_ARRAY))
        return;
    options->remotes = config_array(reader, value, sizeof(struct leaf_remote), &count);
    options->remotes_count = 0;
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct leaf_remote *remote = &options->remotes[options->remotes_count];

        remote->place = &e->place;
        if (!config_read_block(reader, e, &remote_block, remote))
            continue;
        check_remote(reader, e, options, remote);
        if (remote->urls_count > 0)
            options->remotes_count++; /* one without leads nowhere, as in the reference */
        if (options->remotes_count > LEAF_REMOTES_MAX)
            config_error(reader, e, "more than %u remotes", LEAF_REMOTES_MAX);
    }
}

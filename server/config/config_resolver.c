/* resolver: where the accounts are that operators have signed for (reference core.md 3.7.2). */
#include "server/auth/jwt.h"
#include "server/auth/nkey.h"
#include "server/cluster/route_url.h"
#include "server/config/blocks.h"

#define INTERVAL_NS INT64_C(60000000000)
#define TIMEOUT_NS  INT64_C(1900000000)
#define CACHE_LIMIT 1000

/* What the block says, to be judged when all of it is read. */
struct block {
    struct resolver_options *options;
    struct bytes type;
    const struct config_value *ttl;
    const struct config_value *interval;
    const struct config_value *hard;
};

static bool is_memory(struct bytes word)
{
    return bytes_equal_nocase(word, BYTES("MEMORY")) || bytes_equal_nocase(word, BYTES("MEM"));
}

static void read_type(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)config_bytes(reader, value, &((struct block *)to)->type);
}

static void read_directory(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)config_text(reader, value, &((struct block *)to)->options->directory);
}

static void read_delete(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)config_bool(reader, value, &((struct block *)to)->options->delete_allowed);
}

static void read_hard(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct block *block = to;

    block->hard = value;
    (void)config_bool(reader, value, &block->options->delete_hard);
}

static void read_limit(struct config_reader *reader, const struct config_value *value, void *to)
{
    int64_t *limit = &((struct block *)to)->options->limit;

    if (config_int64_in(reader, value, INT64_MIN, INT64_MAX, limit) && *limit < 0)
        *limit = 0;
}

static void read_interval(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct block *block = to;

    block->interval = value;
    (void)config_duration_text(reader, value, &block->options->interval_ns);
}

static void read_timeout(struct config_reader *reader, const struct config_value *value, void *to)
{
    int64_t *timeout_ns = &((struct block *)to)->options->timeout_ns;

    if (config_duration_text(reader, value, timeout_ns) && *timeout_ns <= 0)
        config_error(reader, value, "Fetch timeout %.*s is too smal", BYTES_ARG(value->text));
}

static void read_ttl(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct block *block = to;

    block->ttl = value;
    if (config_duration_text(reader, value, &block->options->ttl_ns) && block->options->ttl_ns < 0)
        config_error(reader, value, "ttl: below 0: %.*s", BYTES_ARG(value->text));
}

static const struct config_option options_of_resolver[] = {
    CONFIG_READ("type", read_type),           CONFIG_READ("dir", read_directory),
    CONFIG_READ("allow_delete", read_delete), CONFIG_READ("hard_delete", read_hard),
    CONFIG_READ("limit", read_limit),         CONFIG_READ("interval", read_interval),
    CONFIG_READ("timeout", read_timeout),     CONFIG_READ("ttl", read_ttl),
};

static const struct config_block resolver_block = CONFIG_BLOCK(options_of_resolver);

static void judge_directory(struct config_reader *reader, const struct config_value *value,
                            const struct resolver_options *options)
{
    if (options->directory == NULL || options->directory[0] == 0)
        config_error(reader, value, "dir has no value and needs to point to a directory");
}

static void judge_full(struct config_reader *reader, const struct config_value *value,
                       const struct block *block)
{
    struct resolver_options *options = block->options;

    options->kind = RESOLVER_FULL;
    judge_directory(reader, value, options);
    if (options->interval_ns <= 0)
        options->interval_ns = INTERVAL_NS;
    if (options->ttl_ns != 0)
        config_error(reader, block->ttl, "FULL does not accept ttl");
    if (block->hard != NULL && !options->delete_allowed)
        config_error(reader, block->hard, "hard_delete has no effect without delete");
}

/* Whoever may delete is heard, as there. */
static void judge_cache(struct config_reader *reader, const struct config_value *value,
                        const struct block *block)
{
    struct resolver_options *options = block->options;

    options->kind = RESOLVER_CACHE;
    judge_directory(reader, value, options);
    if (block->interval != NULL && options->interval_ns != 0)
        config_error(reader, block->interval, "CACHE does not accept sync");
    if (options->delete_allowed)
        config_error(reader, value, "CACHE does not accept allow_delete");
    if (block->hard != NULL)
        config_error(reader, block->hard, "CACHE does not accept hard_delete");
    options->delete_allowed = options->delete_hard = true;
    if (options->limit == 0)
        options->limit = CACHE_LIMIT;
}

#define WRONG_RESOLVER                                                                             \
    "error parsing account resolver, should be MEM, URL(\"url\") or a map containing dir and "     \
    "type FULL or CACHE"

static void judge(struct config_reader *reader, const struct config_value *value,
                  const struct block *block)
{
    if (is_memory(block->type))
        block->options->kind = RESOLVER_MEMORY;
    else if (bytes_equal_nocase(block->type, BYTES("FULL")))
        judge_full(reader, value, block);
    else if (bytes_equal_nocase(block->type, BYTES("CACHE")))
        judge_cache(reader, value, block);
    else
        config_error(reader, value, WRONG_RESOLVER);
}

/* ---- URL("http://host/jwt/v1/accounts/") ---------------------------------------------------- */

static bool is_url(struct bytes text)
{
    return text.size > 4 && bytes_equal_nocase(bytes_take(text, 4), BYTES("URL("));
}

static struct bytes unquoted(struct bytes text)
{
    bool quoted = text.size >= 2 && (text.at[0] == '"' || text.at[0] == '\'') &&
                  text.at[text.size - 1] == text.at[0];

    return quoted ? bytes_of(text.at + 1, text.size - 2) : text;
}

static const char *keep(struct config_reader *reader, struct bytes b, const char *suffix)
{
    char *copy = config_take(reader, b.size + strlen(suffix) + 1);

    memcpy(copy, b.at, b.size);
    memcpy(copy + b.size, suffix, strlen(suffix));
    return copy;
}

/* It becomes a part of a request's first line. */
static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
            return false;
    return true;
}

static void read_url(struct config_reader *reader, const struct config_value *value,
                     struct resolver_options *options)
{
    struct bytes text = bytes_trim(bytes_skip(value->text, 4)), address;
    uint16_t port;
    size_t slash;

    if (text.size == 0 || text.at[text.size - 1] != ')') {
        config_error(reader, value, "resolver: URL(...) has no end");
        return;
    }
    text = unquoted(bytes_trim(bytes_take(text, text.size - 1)));
    options->secure = bytes_starts(text, BYTES("https://"));
    if (!options->secure && !bytes_starts(text, BYTES("http://"))) {
        config_error(reader, value, "resolver: the url is neither http:// nor https://");
        return;
    }
    text = bytes_skip(text, options->secure ? 8 : 7);
    slash = bytes_find(text, '/');
    address = bytes_take(text, slash);
    text = bytes_skip(text, slash);
    if (bytes_find(address, '@') < address.size) {
        config_error(reader, value, "resolver: a user in the url is not supported yet");
        return;
    }
    port = options->secure ? 443 : 80;
    address = address_split(address, &port);
    if (address.size == 0 || !is_printable(address) || !is_printable(text) || port == 0 ||
        bytes_find(text, '?') < text.size || bytes_find(text, '#') < text.size) {
        config_error(reader, value, "error parsing account resolver url");
        return;
    }
    options->kind = RESOLVER_URL;
    options->host = keep(reader, address, "");
    options->port = port;
    options->path = keep(reader, text, text.size == 0 || text.at[text.size - 1] != '/' ? "/" : "");
}

void config_resolver(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct resolver_options *options = &((struct options *)to)->auth.resolver;
    struct block block = {.options = options};

    *options = (struct resolver_options){
        .place = &value->place, .interval_ns = INTERVAL_NS, .timeout_ns = TIMEOUT_NS};
    if (value->type == CONFIG_MAP) {
        if (config_read_block(reader, value, &resolver_block, &block))
            judge(reader, value, &block);
        return;
    }
    if (value->type == CONFIG_STRING && is_memory(value->text))
        options->kind = RESOLVER_MEMORY;
    else if (value->type == CONFIG_STRING && is_url(value->text))
        read_url(reader, value, options);
    else
        config_error(reader, value, WRONG_RESOLVER);
}

void config_resolver_tls(struct config_reader *reader, const struct config_value *value, void *to)
{
    ((struct options *)to)->auth.resolver_tls = config_tls(reader, value, CONFIG_TLS_REMOTES);
}

/* Accounts come with requests in the system account. */
void config_resolver_check(struct config_reader *reader, const struct auth_options *auth)
{
    const struct config_value at = {.place = *auth->resolver.place};
    uint8_t key[NKEY_SIZE];
    struct jwt jwt;

    if (auth->system_account.size == 0)
        config_error(reader, &at,
                     "using nats based account resolver - the system account needs to be "
                     "specified in configuration or the operator jwt");
    else if (!nkey_read(auth->system_account, NKEY_ACCOUNT, key))
        config_error(reader, &at, "the system account needs to be a public key of an account");
    for (const struct config_value *e = auth->preload != NULL ? auth->preload->child : NULL;
         e != NULL; e = e->next) {
        if (config_is(reader, e, CONFIG_STRING) &&
            (!jwt_read(reader->arena, e->text, &jwt) || jwt.kind != JWT_ACCOUNT ||
             !bytes_equal(jwt.subject, e->key)))
            config_error(reader, e, "invalid account JWT");
    }
}

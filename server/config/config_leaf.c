/*
 * leafnodes (reference config.md 4.3): the port where leaf nodes come in, who they may be, and the
 * servers that this one dials itself (config_remotes.c).
 */
#include "server/auth/nkey.h"
#include "server/config/blocks.h"
#include "server/leaf/leaf_hello.h"

static void read_listen(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;

    config_listen(reader, value, options->host, &options->host_place, &options->port);
}

static void read_host(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;

    config_host(reader, value, options->host, &options->host_place);
}

static void read_tls(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;

    options->tls = config_tls(reader, value, CONFIG_TLS_CLIENTS);
    if (options->tls != NULL && options->tls->map)
        config_error(reader, value, "\"verify_and_map\" of leaf nodes is not supported yet");
    if (options->tls != NULL && options->tls->fallback_ns > 0)
        config_error(reader, value,
                     "\"handshake_first\" of leaf nodes is on or off here: one that waits for who "
                     "begins is not supported yet");
}

static bool is_off(const struct config_value *value)
{
    static const char *const off[] = {"off",    "disabled",      "false",
                                      "accept", "not_supported", "not supported"};

    if (value->type == CONFIG_BOOL)
        return !value->boolean;
    for (size_t i = 0; value->type == CONFIG_STRING && i < sizeof(off) / sizeof(off[0]); i++)
        if (bytes_equal_nocase(value->text, bytes_of_text(off[i])))
            return true;
    return false;
}

/* Both sides agree on none when one has none, so whoever asks for it is served. */
void config_leaf_compression(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    (void)to;
    if (value->type != CONFIG_BOOL && value->type != CONFIG_STRING && value->type != CONFIG_MAP)
        config_error(reader, value, "Expected compression to be a bool, string or map, got %s",
                     config_type_text(value->type));
    else if (!is_off(value))
        config_notice(reader, value,
                      "\"compression\" is accepted and has no effect: connections of leaf nodes "
                      "are not compressed");
}

static void read_version(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;
    uint32_t parts[3];

    if (!config_bytes(reader, value, &options->version_min))
        return;
    if (!leaf_version_read(options->version_min, parts))
        config_error(reader, value, "invalid leafnode's minimum version: \"%.*s\"",
                     BYTES_ARG(options->version_min));
    else if (!leaf_version_at_least(options->version_min, BYTES("2.8.0")))
        config_error(reader, value, "the minimum version should be at least 2.8.0");
}

/* ---- who may be one ------------------------------------------------------------------------- */

static void read_timeout(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;

    config_timeout(reader, value, "leafnode authorization", &options->auth_timeout_ns);
}

static void read_nkey(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;
    uint8_t key[NKEY_SIZE];

    if (config_bytes(reader, value, &options->nkey) && !nkey_read(options->nkey, NKEY_USER, key))
        config_error(reader, value, "Not a valid public nkey for leafnode authorization");
}

static const struct config_option options_of_user[] = {
    CONFIG_FIELD("user username", CONFIG_AS_BYTES, struct leaf_user, name),
    CONFIG_FIELD("pass password", CONFIG_AS_BYTES, struct leaf_user, password),
    CONFIG_FIELD("account", CONFIG_AS_BYTES, struct leaf_user, account),
    CONFIG_REFUSED_IF("proxy_required"),
};

static const struct config_block user_block = CONFIG_BLOCK(options_of_user);

static void read_users(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = to;

    if (!config_is(reader, value, CONFIG_ARRAY))
        return;
    options->users = config_array(reader, value, sizeof(struct leaf_user), &options->users_count);
    options->users_count = 0;
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct leaf_user *user = &options->users[options->users_count];

        if (!config_read_block(reader, e, &user_block, user))
            continue;
        if (user->name.size == 0)
            config_error(reader, e, "User entry requires a user");
        else
            options->users_count++;
    }
}

static const struct config_option options_of_authorization[] = {
    CONFIG_FIELD("user username", CONFIG_AS_BYTES, struct leaf_options, user),
    CONFIG_FIELD("pass password", CONFIG_AS_BYTES, struct leaf_options, password),
    CONFIG_READ("nkey", read_nkey),
    CONFIG_READ("timeout", read_timeout),
    CONFIG_READ("users", read_users),
    CONFIG_FIELD("account", CONFIG_AS_BYTES, struct leaf_options, account),
    CONFIG_REFUSED_IF("proxy_required"),
};

static const struct config_block authorization = CONFIG_BLOCK(options_of_authorization);

static void read_authorization(struct config_reader *reader, const struct config_value *value,
                               void *to)
{
    struct leaf_options *options = to;

    if (!config_read_block(reader, value, &authorization, options))
        return;
    if (options->users_count > 0 && (options->user.size > 0 || options->nkey.size > 0))
        config_error(reader, value, "can not have a single user/pass and a users array");
    if (options->nkey.size > 0 && options->user.size > 0)
        config_error(reader, value, "can not have both a user/pass and an nkey");
}

/* ---- the whole ------------------------------------------------------------------------------ */

#define LEAF(names, kind, field) CONFIG_FIELD(names, CONFIG_AS_##kind, struct leaf_options, field)

static const struct config_option options_of_leafnodes[] = {
    CONFIG_READ("listen", read_listen),
    CONFIG_READ("host net", read_host),
    LEAF("port", INT, port),
    CONFIG_READ("remotes", config_leaf_remotes),
    CONFIG_READ("authorization", read_authorization),
    CONFIG_READ("tls", read_tls),
    LEAF("advertise leafnode_advertise", TEXT, advertise),
    LEAF("no_advertise", BOOL, no_advertise),
    CONFIG_READ("min_version minimum_version", read_version),
    CONFIG_READ("compression", config_leaf_compression),
    LEAF("isolate_leafnode_interest isolate", BOOL, isolate),
    LEAF("reconnect reconnect_delay reconnect_interval", DURATION, reconnect_ns),
    LEAF("dial_timeout", DURATION, dial_timeout_ns),
    LEAF("write_deadline", DURATION, write_deadline_ns),
    CONFIG_READ("write_timeout", config_write_timeout),
};

static const struct config_block leafnodes = CONFIG_BLOCK(options_of_leafnodes);

/* What a reload compares: all that the block says. */
static uint64_t digest(const struct config_value *value, uint64_t seed)
{
    uint64_t hash = bytes_hash(value->key, seed + value->type);

    hash = bytes_hash(value->text, hash);
    hash = bytes_hash(bytes_of(&value->integer, sizeof(value->integer)), hash + value->boolean);
    hash = bytes_hash(bytes_of(&value->number, sizeof(value->number)), hash);
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        hash = digest(e, hash);
    return hash;
}

void config_leafnodes(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct leaf_options *options = &((struct options *)to)->leaf;

    options->reconnect_ns = LEAF_RECONNECT_NS;
    options->dial_timeout_ns = LEAF_DIAL_NS;
    if (!config_read_block(reader, value, &leafnodes, options))
        return;
    options->digest = digest(value, 0);
    if (options->reconnect_ns < 0)
        config_error(reader, value, "leafnodes: \"reconnect\" cannot be negative");
    if (options->reconnect_ns == 0) /* or it would dial without a pause */
        options->reconnect_ns = LEAF_RECONNECT_NS;
}

/* ---- with the rest of the file -------------------------------------------------------------- */

static bool account_known(const struct auth_options *auth, struct bytes name)
{
    uint8_t key[NKEY_SIZE];

    if (name.size == 0 || bytes_equal(name, BYTES("$G")) || bytes_equal(name, BYTES("$SYS")))
        return true;
    for (size_t i = 0; i < auth->accounts_count; i++)
        if (bytes_equal(auth->accounts[i]->name, name))
            return true;
    return auth->operators != NULL && resolver_has_more(&auth->resolver) && /* it may come */
           nkey_read(name, NKEY_ACCOUNT, key);
}

static void check_account(struct config_reader *reader, const struct options *options,
                          struct bytes name, const char *where)
{
    if (!account_known(&options->auth, name))
        config_error(reader, NULL, "cannot find local account \"%.*s\" specified in leafnode %s",
                     BYTES_ARG(name), where);
}

void config_leafnodes_check(struct config_reader *reader, const struct options *options)
{
    const struct leaf_options *leaf = &options->leaf;

    check_account(reader, options, leaf->account, "authorization");
    for (size_t i = 0; i < leaf->users_count; i++)
        check_account(reader, options, leaf->users[i].account, "authorization");
    for (size_t i = 0; i < leaf->remotes_count; i++)
        check_account(reader, options, leaf->remotes[i].account, "remote");
    if (options->auth.operators != NULL &&
        leaf->user.size + leaf->nkey.size + leaf->users_count > 0)
        config_error(reader, NULL,
                     "operator mode does not allow specifying users in leafnode config");
    for (size_t i = 0; options->auth.operators != NULL && i < leaf->remotes_count; i++)
        if (leaf->remotes[i].account.size == 0)
            config_error(reader, NULL,
                         "operator mode requires account nkeys in remotes. Please add an "
                         "`account` key to each remote in your `leafnodes` section, to assign it "
                         "to an account. Each account value should be a 56 character public key, "
                         "starting with the letter 'A'");
}

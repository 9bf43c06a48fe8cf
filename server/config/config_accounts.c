/* accounts (reference config.md 3.3). */
#include <string.h>

#include "server/auth/nkey.h"
#include "server/config/blocks.h"

#define NO_LIMIT INT64_C(-1)

/* An account in the making. */
struct account_block {
    struct account_options *account;
    struct auth_options *auth;
};

/* ---- JetStream ------------------------------------------------------------------------------ */

static void read_limit(struct config_reader *reader, const struct config_value *value, int64_t *to)
{
    if (value->type == CONFIG_INTEGER)
        *to = value->integer < 0 ? NO_LIMIT : value->integer;
    else
        config_error(reader, value, "Expected a parseable size for \"%.*s\", got %s",
                     CONFIG_KEY(value), config_type_text(value->type));
}

#define LIMIT(field)                                                                               \
    static void read_##field(struct config_reader *reader, const struct config_value *value,       \
                             void *to)                                                             \
    {                                                                                              \
        struct account_jetstream_options *options = to;                                            \
                                                                                                   \
        read_limit(reader, value, &options->limits.field);                                         \
    }

LIMIT(memory_max)
LIMIT(store_max)
LIMIT(streams_max)
LIMIT(consumers_max)
LIMIT(ack_pending_max)
LIMIT(memory_stream_bytes_max)
LIMIT(store_stream_bytes_max)

static void read_traffic(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    if (value->type != CONFIG_STRING || (!bytes_equal_nocase(value->text, BYTES("system")) &&
                                         !bytes_equal_nocase(value->text, BYTES("owner"))))
        config_error(reader, value,
                     "Expected 'system' or 'owner' string value for \"cluster_traffic\"");
    else if (bytes_equal_nocase(value->text, BYTES("owner")))
        config_notice(reader, value,
                      "\"cluster_traffic\" is accepted and has no effect: what is replicated has "
                      "links of its own");
}

static const struct config_option options_of_jetstream[] = {
    CONFIG_READ("max_memory max_mem mem memory", read_memory_max),
    CONFIG_READ("max_store max_file max_disk store disk", read_store_max),
    CONFIG_READ("max_streams streams", read_streams_max),
    CONFIG_READ("max_consumers consumers", read_consumers_max),
    CONFIG_READ("max_ack_pending", read_ack_pending_max),
    CONFIG_FIELD("max_bytes_required max_stream_bytes max_bytes", CONFIG_AS_BOOL,
                 struct account_jetstream_options, limits.bytes_required),
    CONFIG_READ("mem_max_stream_bytes memory_max_stream_bytes", read_memory_stream_bytes_max),
    CONFIG_READ("disk_max_stream_bytes store_max_stream_bytes", read_store_stream_bytes_max),
    CONFIG_READ("cluster_traffic", read_traffic),
};

static const struct config_block jetstream = CONFIG_BLOCK(options_of_jetstream);

static void read_jetstream(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_jetstream_options *options = &((struct account_block *)to)->account->jetstream;

    if (value->type != CONFIG_MAP) {
        (void)config_jetstream_word(reader, value, &options->enabled);
        return;
    }
    options->enabled = true;
    (void)config_read_block(reader, value, &jetstream, options);
}

/* ---- the rest of an account ----------------------------------------------------------------- */

static void read_users(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    config_users(reader, value, block->account, block->auth);
}

static void read_defaults(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    block->account->default_permissions = config_permissions(reader, value);
}

static const struct config_option options_of_limits[] = {
    CONFIG_FIELD("max_connections max_conn", CONFIG_AS_INT64, struct account_options,
                 max_connections),
    CONFIG_FIELD("max_subscriptions max_subs", CONFIG_AS_INT64, struct account_options,
                 max_subscriptions),
    CONFIG_FIELD("max_payload max_pay", CONFIG_AS_INT64, struct account_options, max_payload),
    CONFIG_FIELD("max_leafnodes max_leafs", CONFIG_AS_INT64, struct account_options, max_leaves),
};

static const struct config_block limits = {options_of_limits,
                                           sizeof(options_of_limits) / sizeof(options_of_limits[0]),
                                           "Unknown field \"%.*s\" parsing account limits"};

static void read_limits(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    if (value->type == CONFIG_MAP)
        (void)config_read_block(reader, value, &limits, block->account);
    else
        config_error(reader, value, "Expected account limits to be a map/struct, got %s",
                     config_type_text(value->type));
}

static void read_exports(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    config_exports(reader, value, &block->account->exports);
}

static void read_imports(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    config_imports(reader, value, &block->account->imports);
}

static void read_mappings(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    config_mappings(reader, value, &block->account->mappings);
}

static void read_trace(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_block *block = to;

    config_message_trace(reader, value, block->account);
}

/* Who the account is where an operator signs for it. Nobody asks an account of a file for it, there
 * as here: it is only checked. */
static void read_nkey(struct config_reader *reader, const struct config_value *value, void *to)
{
    uint8_t key[NKEY_SIZE];
    struct bytes text;

    (void)to;
    if (config_bytes(reader, value, &text) && !nkey_read(text, NKEY_ACCOUNT, key))
        config_error(reader, value, "Not a valid public nkey for an account: \"%.*s\"",
                     BYTES_ARG(text));
}

static const struct config_option options_of_account[] = {
    CONFIG_READ("users", read_users),
    CONFIG_READ("jetstream", read_jetstream),
    CONFIG_READ("default_permissions", read_defaults),
    CONFIG_READ("limits", read_limits),
    CONFIG_READ("exports", read_exports),
    CONFIG_READ("imports", read_imports),
    CONFIG_READ("mappings maps", read_mappings),
    CONFIG_READ("msg_trace trace_dest", read_trace),
    CONFIG_READ("nkey", read_nkey),
};

static const struct config_block account_block = CONFIG_BLOCK(options_of_account);

/* ---- all of them ---------------------------------------------------------------------------- */

static struct account_options *account_find(const struct auth_options *auth, struct bytes name)
{
    for (size_t i = 0; i < auth->accounts_count; i++) {
        if (bytes_equal(auth->accounts[i]->name, name))
            return auth->accounts[i];
    }
    return NULL;
}

static struct account_options *account_add(struct config_reader *reader,
                                           const struct config_value *at, struct bytes name,
                                           struct auth_options *auth)
{
    struct account_options *account;

    if (bytes_equal(name, BYTES("$G"))) {
        config_error(reader, at, "\"$G\" is a Reserved Account");
        return NULL;
    }
    if (name.size == 0 || name.size > ACCOUNT_NAME_MAX || bytes_find(name, 0) < name.size) {
        config_error(reader, at, "\"%.*s\" is no name of an account", BYTES_ARG(name));
        return NULL;
    }
    if (account_find(auth, name) != NULL) {
        config_error(reader, at, "Duplicate Account Entry: %.*s", BYTES_ARG(name));
        return NULL;
    }
    account = CONFIG_NEW(reader, struct account_options);
    *account = (struct account_options){
        .name = name,
        .jetstream.limits = {.memory_max = NO_LIMIT,
                             .store_max = NO_LIMIT,
                             .streams_max = NO_LIMIT,
                             .consumers_max = NO_LIMIT,
                             .ack_pending_max = NO_LIMIT,
                             .memory_stream_bytes_max = NO_LIMIT,
                             .store_stream_bytes_max = NO_LIMIT},
        .max_connections = NO_LIMIT,
        .max_subscriptions = NO_LIMIT,
        .max_payload = NO_LIMIT,
        .max_leaves = NO_LIMIT,
    };
    auth->accounts[auth->accounts_count++] = account;
    return account;
}

static void read_account(struct config_reader *reader, const struct config_value *value,
                         struct auth_options *auth)
{
    struct account_block block = {.auth = auth};

    if (value->used && value->type != CONFIG_MAP)
        return;
    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Expected map entries for accounts");
        return;
    }
    block.account = account_add(reader, value, value->key, auth);
    if (block.account != NULL)
        (void)config_read_block(reader, value, &account_block, &block);
}

void config_accounts(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct auth_options *auth = &((struct options *)to)->auth;
    size_t count = 0;

    if (value->type != CONFIG_MAP && value->type != CONFIG_ARRAY) {
        config_error(reader, value, "Expected map entries for accounts");
        return;
    }
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        count++;
    auth->accounts = config_take(reader, (count + 1) * sizeof(struct account_options *));
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        if (value->type == CONFIG_MAP)
            read_account(reader, e, auth);
        else if (config_is(reader, e, CONFIG_STRING))
            (void)account_add(reader, e, e->text, auth);
    }
    config_shares_check(reader, auth);
}

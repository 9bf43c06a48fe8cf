/* auth_callout (reference config.md 3.1): who else says who is let in. */
#include <string.h>

#include "server/auth/callout.h"
#include "server/auth/nkey.h"
#include "server/config/blocks.h"

static void read_issuer(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct callout_options *callout = to;
    uint8_t key[NKEY_SIZE];

    if (config_bytes(reader, value, &callout->issuer) &&
        !nkey_read(callout->issuer, NKEY_ACCOUNT, key))
        config_error(reader, value,
                     "Expected callout user to be a valid public account nkey, got \"%.*s\"",
                     BYTES_ARG(callout->issuer));
}

static void read_xkey(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct callout_options *callout = to;
    uint8_t key[NKEY_SIZE];

    if (config_bytes(reader, value, &callout->xkey) && !nkey_read(callout->xkey, NKEY_CURVE, key))
        config_error(reader, value, "Expected callout xkey to be a valid public xkey, got \"%.*s\"",
                     BYTES_ARG(callout->xkey));
}

static void read_names(struct config_reader *reader, const struct config_value *value,
                       const char *what, struct bytes **names, size_t *count)
{
    if (value->type != CONFIG_ARRAY) {
        config_error(reader, value, "Expected %s field to be an array, got %s", what,
                     config_type_text(value->type));
        return;
    }
    *names = config_array(reader, value, sizeof(struct bytes), count);
    *count = 0;
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        if (config_bytes(reader, e, &(*names)[*count]))
            (*count)++;
}

static void read_users(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct callout_options *callout = to;

    read_names(reader, value, "auth_users", &callout->users, &callout->users_count);
}

static void read_accounts(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct callout_options *callout = to;

    read_names(reader, value, "allowed accounts", &callout->accounts, &callout->accounts_count);
}

static const struct config_option options_of_callout[] = {
    CONFIG_READ("issuer", read_issuer),
    CONFIG_FIELD("account acc", CONFIG_AS_BYTES, struct callout_options, account),
    CONFIG_READ("auth_users users", read_users),
    CONFIG_READ("allowed_accounts", read_accounts),
    CONFIG_READ("xkey key", read_xkey),
};

static const struct config_block callout_block = {
    options_of_callout, sizeof(options_of_callout) / sizeof(options_of_callout[0]),
    "Unknown field \"%.*s\" parsing authorization callout"};

void config_callout(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct callout_options *callout = CONFIG_NEW(reader, struct callout_options);

    *callout = (struct callout_options){.place = &value->place};
    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Expected authorization callout to be a map/struct, got %s",
                     config_type_text(value->type));
        return;
    }
    if (!config_read_block(reader, value, &callout_block, callout))
        return;
    if (callout->account.size == 0)
        callout->account = BYTES("$G");
    if (callout->issuer.size == 0)
        config_error(reader, value, "Authorization callouts require an issuer to be specified");
    else if (callout->users_count == 0)
        config_error(reader, value,
                     "Authorization callouts require authorized users to be specified");
    else
        ((struct auth_options *)to)->callout = callout;
}

/* ---- what only the whole file shows --------------------------------------------------------- */

static const struct account_options *find(const struct auth_options *auth, struct bytes name)
{
    for (size_t i = 0; i < auth->accounts_count; i++) {
        if (bytes_equal(auth->accounts[i]->name, name))
            return auth->accounts[i];
    }
    return NULL;
}

static bool is_user(const struct auth_options *auth, struct bytes name)
{
    for (size_t i = 0; i < auth->users_count; i++) {
        const struct user_options *user = &auth->users[i];

        if (bytes_equal(user->nkey.size > 0 ? user->nkey : user->name, name))
            return true;
    }
    return false;
}

/* Nobody in the account where it is answered may ask in a server's place. */
static void deny_asking(struct config_reader *reader, const struct auth_options *auth,
                        struct user_options *user)
{
    const struct permission_options *before = user->permissions;
    struct permission_options *may = CONFIG_NEW(reader, struct permission_options);
    struct permission_list *deny = &may->publish_deny;
    struct permission_filter *all;

    if (before == NULL)
        before =
            user->account != NULL ? user->account->default_permissions : auth->default_permissions;
    *may = before != NULL ? *before : (struct permission_options){0};
    all = config_take(reader, (deny->count + 1) * sizeof(*all));
    if (deny->count > 0)
        memcpy(all, deny->at, deny->count * sizeof(*all));
    all[deny->count] = (struct permission_filter){.subject = BYTES(CALLOUT_SUBJECT)};
    *deny = (struct permission_list){all, deny->count + 1};
    user->permissions = may;
}

void config_callout_check(struct config_reader *reader, struct auth_options *auth)
{
    const struct callout_options *callout = auth->callout;
    const struct account_options *home;
    struct config_value at = {0};

    if (callout == NULL)
        return;
    at.place = *callout->place;
    home = find(auth, callout->account);
    if (auth->operators != NULL)
        config_error(reader, &at,
                     "operators do not allow authorization callouts to be configured directly");
    else if (home == NULL && !bytes_equal(callout->account, BYTES("$G")))
        config_error(reader, &at, "Authorization callout account \"%.*s\" not valid",
                     BYTES_ARG(callout->account));
    for (size_t i = 0; i < callout->accounts_count; i++)
        if (find(auth, callout->accounts[i]) == NULL)
            config_error(reader, &at,
                         "auth_callout allowed account \"%.*s\" not found in configured accounts",
                         BYTES_ARG(callout->accounts[i]));
    for (size_t i = 0; i < callout->users_count; i++)
        if (!is_user(auth, callout->users[i]))
            config_notice(reader, &at, "Authorization callout user \"%.*s\" not valid",
                          BYTES_ARG(callout->users[i]));
    for (size_t i = 0; i < auth->users_count; i++)
        if (auth->users[i].account == home)
            deny_asking(reader, auth, &auth->users[i]);
}

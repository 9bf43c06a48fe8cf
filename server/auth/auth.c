#include "server/auth/auth.h"

#include "base/heap.h"
#include "server/auth/base64.h"
#include "server/auth/dn.h"
#include "server/auth/nkey.h"
#include "server/auth/password.h"
#include "server/tls/ed25519.h"

/* ---- making --------------------------------------------------------------------------------- */

struct bytes auth_user_name(const struct auth_user *user)
{
    return user->options->nkey.size > 0 ? user->options->nkey : user->options->name;
}

static struct bytes user_key(const void *item)
{
    return auth_user_name(item);
}

/* Their own, else those of their account or of all. */
static const struct permission_options *permissions_of(const struct auth_options *options,
                                                       const struct user_options *user)
{
    if (user->permissions != NULL)
        return user->permissions;
    return user->account != NULL ? user->account->default_permissions
                                 : options->default_permissions;
}

static void user_init(struct auth *auth, struct auth_user *user, const struct user_options *options,
                      uint64_t seed)
{
    const struct permission_options *may = permissions_of(&auth->options, options);

    user->options = options;
    if (may != NULL) {
        user->permissions = HEAP_NEW(struct permissions);
        permissions_init(user->permissions, may, seed);
    }
    table_add(options->nkey.size > 0 ? &auth->nkeys : &auth->names, user);
}

/* Nobody but the operators of the server was given a password: all others need none. */
static bool system_account_only(const struct auth_options *options)
{
    return options->place == NULL && options->no_auth_user.size == 0 &&
           options->accounts_count == 1 &&
           bytes_equal(options->accounts[0]->name, options->system_account);
}

void auth_init(struct auth *auth, const struct auth_options *options, uint64_t seed)
{
    *auth = (struct auth){
        .options = *options,
        .users = heap_take(options->users_count * sizeof(struct auth_user)),
        .users_count = options->users_count,
        .seed = seed,
        .required = options->operators != NULL || options->callout != NULL ||
                    options->users_count > 0 || options->token.size > 0 || options->user.size > 0,
    };
    table_init(&auth->names, user_key, seed);
    table_init(&auth->nkeys, user_key, seed);
    for (size_t i = 0; i < options->users_count; i++)
        user_init(auth, &auth->users[i], &options->users[i], seed);
    if (options->no_auth_user.size > 0)
        auth->unnamed = auth_find(auth, options->no_auth_user);
    if (options->websocket != NULL && options->websocket->no_auth_user.size > 0)
        auth->unnamed_websocket = auth_find(auth, options->websocket->no_auth_user);
    auth->open = system_account_only(options);
}

void auth_deinit(struct auth *auth)
{
    for (size_t i = 0; i < auth->users_count; i++) {
        if (auth->users[i].permissions != NULL)
            permissions_deinit(auth->users[i].permissions);
        heap_give(auth->users[i].permissions);
    }
    table_deinit(&auth->names);
    table_deinit(&auth->nkeys);
    heap_give(auth->users);
}

const struct auth_user *auth_find(const struct auth *auth, struct bytes name)
{
    const struct auth_user *user = table_find(&auth->names, name);

    return user != NULL ? user : table_find(&auth->nkeys, name);
}

bool auth_wants_nonce(const struct auth *auth)
{
    return auth->nkeys.count > 0 || auth->options.operators != NULL;
}

static bool is_plain(struct bytes secret)
{
    return secret.size > 0 && !password_is_hash(secret);
}

bool auth_has_plain_passwords(const struct auth *auth)
{
    for (size_t i = 0; i < auth->users_count; i++) {
        if (is_plain(auth->users[i].options->password))
            return true;
    }
    return is_plain(auth->options.password);
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool type_allowed(const struct auth_user *user, enum connection_type type)
{
    unsigned types = user->options->connection_types;

    return types == 0 || (types & type) != 0;
}

static bool says_nothing(const struct auth_claim *claim)
{
    return claim->user.size == 0 && claim->password.size == 0 && claim->token.size == 0 &&
           claim->nkey.size == 0;
}

static enum auth_verdict ask_secret(struct bytes configured, struct bytes said,
                                    struct auth_proof *proof)
{
    if (password_is_hash(configured)) {
        *proof = (struct auth_proof){configured, said};
        return AUTH_PROVE;
    }
    return password_equal(configured, said) ? AUTH_ALLOWED : AUTH_REFUSED;
}

static enum auth_verdict ask_nkey(const struct auth *auth, const struct auth_claim *claim,
                                  const struct auth_user **user)
{
    uint8_t key[NKEY_SIZE], signature[ED25519_SIGNATURE_SIZE];

    *user = table_find(&auth->nkeys, claim->nkey);
    if (*user == NULL || !type_allowed(*user, claim->type) || claim->nonce.size == 0)
        return AUTH_REFUSED;
    if (!nkey_read(claim->nkey, NKEY_USER, key) ||
        !base64_read(claim->signature, signature, sizeof(signature)))
        return AUTH_REFUSED;
    return ed25519_verify(key, claim->nonce, signature) ? AUTH_ALLOWED : AUTH_REFUSED;
}

static enum auth_verdict ask_user(const struct auth *auth, const struct auth_claim *claim,
                                  const struct auth_user **user, struct auth_proof *proof)
{
    *user = table_find(&auth->names, claim->user);
    if (*user == NULL || !type_allowed(*user, claim->type))
        return AUTH_REFUSED;
    return ask_secret((*user)->options->password, claim->password, proof);
}

/* The first user that a name of the certificate is, or its subject in any order; what else the
 * client says does not count. */
static enum auth_verdict ask_certificate(const struct auth *auth, const struct auth_claim *claim,
                                         const struct auth_user **user)
{
    for (size_t i = 0; i < claim->names_count; i++) {
        *user = table_find(&auth->names, claim->names[i]);
        if (*user != NULL)
            return type_allowed(*user, claim->type) ? AUTH_ALLOWED : AUTH_REFUSED;
    }
    for (size_t i = 0; i < auth->users_count; i++) {
        *user = &auth->users[i];
        if (dn_equal((*user)->options->name, claim->subject))
            return type_allowed(*user, claim->type) ? AUTH_ALLOWED : AUTH_REFUSED;
    }
    return AUTH_REFUSED;
}

static bool is_among(const struct bytes *names, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(names[i], name))
            return true;
    }
    return false;
}

/* The rules of the door that it came by; NULL: it has none. */
static const struct auth_door *door_of(const struct auth *auth, enum connection_type type)
{
    return type == CONNECTION_WEBSOCKET ? auth->options.websocket : NULL;
}

bool auth_required(const struct auth *auth, enum connection_type type)
{
    return auth->required || door_of(auth, type) != NULL;
}

static enum auth_verdict ask_single(const struct auth_door *door, const struct auth_claim *claim,
                                    struct auth_proof *proof)
{
    if (door->token.size > 0)
        return ask_secret(door->token, claim->token, proof);
    if (door->user.size > 0 && bytes_equal(door->user, claim->user))
        return ask_secret(door->password, claim->password, proof);
    return AUTH_REFUSED;
}

/* Its account has somebody who says who its users are, and it is none of those who do. */
static bool delegates_signed(const struct auth_user *user)
{
    const struct callout_options *callout = user->options->account->claims->callout;

    return callout != NULL && !is_among(callout->users, callout->users_count, auth_user_name(user));
}

static enum auth_verdict ask_configured(const struct auth *auth, const struct auth_claim *claim,
                                        const struct auth_user **user, struct auth_proof *proof)
{
    const struct auth_options *options = &auth->options;
    const struct auth_door all = {
        .user = options->user, .password = options->password, .token = options->token};
    const struct auth_door *door = door_of(auth, claim->type);
    const struct auth_user *unnamed = door != NULL ? auth->unnamed_websocket : auth->unnamed;

    *user = NULL;
    if (!auth_required(auth, claim->type))
        return AUTH_ALLOWED;
    if (auth->options.operators != NULL) {
        *user = auth_ask_signed(auth, claim);
        if (*user == NULL)
            return auth_signed_unknown(auth, claim, proof->account) ? AUTH_UNKNOWN : AUTH_REFUSED;
        return delegates_signed(*user) ? AUTH_DELEGATED : AUTH_ALLOWED;
    }
    if (auth->names.count > 0 && claim->names != NULL)
        return ask_certificate(auth, claim, user);
    if (auth->open && door == NULL && says_nothing(claim))
        return AUTH_ALLOWED;
    if (unnamed != NULL && says_nothing(claim)) {
        *user = unnamed;
        return type_allowed(*user, claim->type) ? AUTH_ALLOWED : AUTH_REFUSED;
    }
    if (auth->nkeys.count > 0 && claim->nkey.size > 0)
        return ask_nkey(auth, claim, user);
    if (auth->names.count > 0 && claim->user.size > 0)
        return ask_user(auth, claim, user, proof);
    return ask_single(door != NULL ? door : &all, claim, proof);
}

/* ---- asking others -------------------------------------------------------------------------- */

/* What it calls itself, or is called where it says nothing. */
static struct bytes called(const struct auth_claim *claim, const struct auth_user *user)
{
    if (claim->nkey.size > 0)
        return claim->nkey;
    return claim->user.size > 0 || user == NULL ? claim->user : auth_user_name(user);
}

bool auth_delegates(const struct auth *auth, const struct auth_claim *claim,
                    const struct auth_user *user)
{
    const struct callout_options *callout = auth->options.callout;

    if (callout == NULL || is_among(callout->users, callout->users_count, called(claim, user)))
        return false;
    return user == NULL || user->options->account == NULL || callout->accounts_count == 0 ||
           is_among(callout->accounts, callout->accounts_count, user->options->account->name);
}

enum auth_verdict auth_ask(const struct auth *auth, const struct auth_claim *claim,
                           const struct auth_user **user, struct auth_proof *proof)
{
    enum auth_verdict verdict = ask_configured(auth, claim, user, proof);

    if (verdict == AUTH_REFUSED)
        *user = NULL;
    return auth_delegates(auth, claim, *user) ? AUTH_DELEGATED : verdict;
}

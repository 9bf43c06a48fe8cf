/* Users whom an account has signed for, and who prove that they are the ones meant. */
#include "base/heap.h"
#include "server/auth/auth.h"
#include "server/auth/base64.h"
#include "server/auth/callout.h"
#include "server/auth/jwt_members.h"
#include "server/auth/nkey.h"
#include "server/tls/ed25519.h"

#define SIGNED_MEMORY_MAX (4u << 20)

static struct bytes issuer_account(const struct jwt *jwt)
{
    const struct json *named = json_get(jwt->claims, BYTES("issuer_account"));

    return named != NULL && named->type == JSON_STRING && named->text.size > 0 ? named->text
                                                                               : jwt->issuer;
}

const struct account_options *auth_account(const struct auth *auth, struct bytes name)
{
    const struct account_finder *finder = &auth->options.finder;

    if (finder->find != NULL)
        return finder->find(finder->owner, name);
    for (size_t i = 0; i < auth->options.accounts_count; i++) {
        if (bytes_equal(auth->options.accounts[i]->name, name))
            return auth->options.accounts[i];
    }
    return NULL;
}

const struct callout_options *auth_callout(const struct auth *auth, struct bytes account)
{
    const struct account_options *options;

    if (account.size == 0)
        return auth->options.callout;
    options = auth_account(auth, account);
    return options != NULL && options->claims != NULL ? options->claims->callout : NULL;
}

/* It has the key that the claims are about. */
static bool proves_itself(const struct auth_claim *claim, struct bytes subject)
{
    uint8_t key[NKEY_SIZE], signature[ED25519_SIGNATURE_SIZE];

    return claim->nonce.size > 0 && nkey_read(subject, NKEY_USER, key) &&
           base64_read(claim->signature, signature, sizeof signature) &&
           ed25519_verify(key, claim->nonce, signature);
}

static bool account_allows(const struct account_options *account, const struct jwt *jwt,
                           const struct json **template, int64_t wall_s)
{
    const struct account_claims *claims = account->claims;

    return jwt_account_signs(account, jwt->issuer, template) &&
           (claims->expires_s == 0 || wall_s < claims->expires_s) &&
           !jwt_account_revokes(account, jwt);
}

void auth_signed_set_end(struct auth_signed *made, const struct jwt *jwt)
{
    int64_t account_s = made->options.account->claims->expires_s;

    made->expires_s = jwt->expires_s;
    if (account_s != 0 && (made->expires_s == 0 || account_s < made->expires_s)) {
        made->expires_s = account_s;
        made->account_expires = true;
    }
}

static bool make(const struct auth *auth, const struct auth_claim *claim, struct auth_signed *made)
{
    const struct account_options *account;
    const struct json *template;
    struct jwt jwt;

    made->token = arena_copy(&made->arena, claim->jwt);
    if (made->token.size != claim->jwt.size || !jwt_read(&made->arena, made->token, &jwt) ||
        jwt.kind != JWT_USER || !jwt_valid_at(&jwt, claim->wall_s))
        return false;
    account = auth_account(auth, issuer_account(&jwt));
    if (account == NULL || !account_allows(account, &jwt, &template, claim->wall_s))
        return false;
    if (template != NULL && !jwt_grant_empty(jwt.claims))
        return false;
    made->by_account = template != NULL;
    if (!jwt_grant_read(&made->arena, template != NULL ? template : jwt.claims, &made->grant))
        return false;
    if (made->grant.bearer && account->claims->bearer_refused)
        return false;
    made->options = (struct user_options){
        .nkey = jwt.subject,
        .account = account,
        .connection_types = made->grant.connection_types,
    };
    auth_signed_set_end(made, &jwt);
    if (account->claims->callout != NULL)
        callout_deny_asking(made, account->default_permissions);
    return made->grant.bearer || claim->proven || proves_itself(claim, jwt.subject);
}

static void set_permissions(struct auth_signed *made, uint64_t seed)
{
    const struct permission_options *may = made->grant.restricted
                                               ? &made->grant.permissions
                                               : made->options.account->default_permissions;

    made->user = (struct auth_user){.options = &made->options, .made = made};
    made->by_account = made->by_account || (may != NULL && !made->grant.restricted);
    if (may == NULL)
        return;
    permissions_init(&made->permissions, may, seed);
    made->user.permissions = &made->permissions;
}

const struct auth_user *auth_ask_signed(const struct auth *auth, const struct auth_claim *claim)
{
    struct auth_signed *made;
    unsigned types;

    if (claim->jwt.size == 0 || claim->jwt.size > JWT_SIZE_MAX)
        return NULL;
    made = HEAP_NEW(struct auth_signed);
    arena_init(&made->arena, claim->jwt.size * 2 + SIGNED_MEMORY_MAX);
    if (!make(auth, claim, made)) {
        arena_deinit(&made->arena);
        heap_give(made);
        return NULL;
    }
    set_permissions(made, auth->seed);
    types = made->options.connection_types;
    if (types != 0 && (types & claim->type) == 0) {
        auth_user_end(&made->user);
        return NULL;
    }
    return &made->user;
}

/* Who asks for it has the key that it shows the claims of, so that strangers' names are not looked
 * up for whoever has seen them. */
bool auth_signed_unknown(const struct auth *auth, const struct auth_claim *claim,
                         char account[static NKEY_TEXT_SIZE])
{
    const struct account_options *known;
    uint8_t key[NKEY_SIZE];
    struct arena arena;
    struct bytes name;
    struct jwt jwt;
    bool unknown = false;

    if (!auth->options.finder.more || claim->jwt.size == 0 || claim->jwt.size > JWT_SIZE_MAX)
        return false;
    arena_init(&arena, claim->jwt.size * 2 + SIGNED_MEMORY_MAX);
    if (jwt_read(&arena, claim->jwt, &jwt) && jwt.kind == JWT_USER &&
        jwt_valid_at(&jwt, claim->wall_s) &&
        (member_is_true(jwt.claims, BYTES("bearer_token")) || proves_itself(claim, jwt.subject))) {
        name = issuer_account(&jwt);
        known = auth_account(auth, name);
        unknown = nkey_read(name, NKEY_ACCOUNT, key) &&
                  (known == NULL ||
                   (known->claims->expires_s != 0 && claim->wall_s >= known->claims->expires_s));
        if (unknown)
            memcpy(account, name.at, NKEY_TEXT_SIZE);
    }
    arena_deinit(&arena);
    return unknown;
}

const char *auth_signed_words(const struct auth *auth, struct bytes token, int64_t wall_s)
{
    const struct account_options *account = NULL;
    const char *words = NULL;
    struct arena arena;
    struct jwt jwt;

    arena_init(&arena, token.size * 2 + SIGNED_MEMORY_MAX);
    if (jwt_read(&arena, token, &jwt) && jwt.kind == JWT_USER) {
        account = auth_account(auth, issuer_account(&jwt));
        if (account == NULL ||
            (account->claims->expires_s != 0 && wall_s >= account->claims->expires_s))
            words = "Account Authentication Expired";
        else if (jwt_account_revokes(account, &jwt))
            words = "User Authentication Revoked";
        else if (account->claims->bearer_refused &&
                 member_is_true(jwt.claims, BYTES("bearer_token")))
            words = "Authorization Violation";
    }
    arena_deinit(&arena);
    return words;
}

void auth_user_end(const struct auth_user *user)
{
    struct auth_signed *made = user != NULL ? user->made : NULL;

    if (made == NULL)
        return;
    if (made->user.permissions != NULL)
        permissions_deinit(&made->permissions);
    arena_deinit(&made->arena);
    heap_give(made);
}

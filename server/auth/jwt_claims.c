#include "server/auth/jwt_claims.h"

#include "base/limits.h"
#include "base/subject.h"
#include "server/auth/jwt_limits.h"
#include "server/auth/jwt_members.h"
#include "server/auth/jwt_shares.h"
#include "server/auth/nkey.h"

#define RESPONSES_NS INT64_C(120000000000)

/* ---- operators ------------------------------------------------------------------------------ */

bool jwt_operator_add(struct arena *arena, struct bytes key, struct operator_options *operators)
{
    uint8_t raw[NKEY_SIZE];

    if (operators->count == OPERATOR_KEYS_MAX || !nkey_read(key, NKEY_OPERATOR, raw))
        return false;
    operators->keys[operators->count++] = arena_copy(arena, key);
    return true;
}

bool jwt_operator_read(struct arena *arena, const struct jwt *jwt,
                       struct operator_options *operators, struct bytes *system_account)
{
    const struct json *keys = json_get(jwt->claims, BYTES("signing_keys"));
    struct bytes system = member_text(jwt->claims, BYTES("system_account"));
    bool strict = member_is_true(jwt->claims, BYTES("strict_signing_key_usage"));
    size_t first = operators->count;

    if (jwt->kind != JWT_OPERATOR || !member_is_list(keys, JSON_ARRAY))
        return false;
    if (!strict && !jwt_operator_add(arena, jwt->subject, operators))
        return false;
    if (strict && operators->strict_count == OPERATOR_KEYS_MAX)
        return false;
    if (strict)
        operators->strict_own[operators->strict_count++] = arena_copy(arena, jwt->subject);
    for (const struct json *key = keys != NULL ? keys->child : NULL; key != NULL; key = key->next) {
        if (key->type != JSON_STRING || !jwt_operator_add(arena, key->text, operators))
            return false;
    }
    for (size_t i = first; i < operators->count; i++)
        operators->strict[i] = strict;
    if (system.size > 0)
        *system_account = arena_copy(arena, system);
    return true;
}

bool jwt_operator_strict_own(const struct operator_options *operators, struct bytes issuer)
{
    for (size_t i = 0; i < operators->strict_count; i++) {
        if (bytes_equal(operators->strict_own[i], issuer))
            return true;
    }
    return false;
}

static bool is_strict(const struct operator_options *operators, struct bytes issuer)
{
    for (size_t i = 0; i < operators->count; i++) {
        if (operators->strict[i] && bytes_equal(operators->keys[i], issuer))
            return true;
    }
    return false;
}

bool jwt_operator_knows(const struct operator_options *operators, struct bytes issuer)
{
    for (size_t i = 0; i < operators->count; i++) {
        if (bytes_equal(operators->keys[i], issuer))
            return true;
    }
    return false;
}

/* ---- permissions ---------------------------------------------------------------------------- */

/* "subject" or, of subscriptions, "subject queue". */
static bool read_filter(struct bytes said, bool queues, struct permission_filter *filter)
{
    size_t blank = bytes_find(said, ' ');

    *filter = (struct permission_filter){.subject = said};
    if (queues && blank < said.size) {
        filter->subject = bytes_take(said, blank);
        filter->queue = bytes_skip(said, blank + 1);
        if (!subject_valid_strict(filter->queue))
            return false;
    }
    return subject_valid_strict(filter->subject) &&
           subject_token_count(filter->subject) <= SUBJECT_TOKENS_MAX;
}

static bool read_list(struct arena *arena, const struct json *list, bool queues,
                      struct permission_list *to)
{
    if (!member_is_list(list, JSON_ARRAY))
        return false;
    to->at = ARENA_ARRAY(arena, struct permission_filter, member_children(list) + 1);
    if (to->at == NULL)
        return false;
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        /* A template that is to be filled in is not built: it grants nothing. */
        if (e->type != JSON_STRING || bytes_find(e->text, '{') < e->text.size ||
            !read_filter(e->text, queues, &to->at[to->count]))
            return false;
        to->count++;
    }
    return true;
}

static bool read_permissions(struct arena *arena, const struct json *claims,
                             struct permission_options *may)
{
    const struct json *publish = json_get(claims, BYTES("pub"));
    const struct json *subscribe = json_get(claims, BYTES("sub"));
    const struct json *responses = json_get(claims, BYTES("resp"));

    *may = (struct permission_options){0};
    if (!member_is_list(publish, JSON_OBJECT) || !member_is_list(subscribe, JSON_OBJECT) ||
        !member_is_list(responses, JSON_OBJECT) ||
        !read_list(arena, json_get(publish, BYTES("allow")), false, &may->publish_allow) ||
        !read_list(arena, json_get(publish, BYTES("deny")), false, &may->publish_deny) ||
        !read_list(arena, json_get(subscribe, BYTES("allow")), true, &may->subscribe_allow) ||
        !read_list(arena, json_get(subscribe, BYTES("deny")), true, &may->subscribe_deny))
        return false;
    if (responses == NULL || responses->type == JSON_NULL)
        return true;
    may->responses = true;
    may->responses_max = member_number(responses, BYTES("max"), 0);
    may->responses_ns = member_number(responses, BYTES("ttl"), 0);
    if (may->responses_max == 0)
        may->responses_max = 1;
    if (may->responses_ns == 0)
        may->responses_ns = RESPONSES_NS;
    return true;
}

static bool says_anything(const struct permission_options *may)
{
    return may->responses || may->publish_allow.count > 0 || may->publish_deny.count > 0 ||
           may->subscribe_allow.count > 0 || may->subscribe_deny.count > 0;
}

/* ---- users ---------------------------------------------------------------------------------- */

static bool read_types(const struct json *list, unsigned *types)
{
    static const struct {
        struct bytes name;
        enum connection_type type;
    } known[] = {
        {BYTES("STANDARD"), CONNECTION_STANDARD},
        {BYTES("WEBSOCKET"), CONNECTION_WEBSOCKET},
        {BYTES("LEAFNODE"), CONNECTION_LEAFNODE},
        {BYTES("LEAFNODE_WS"), CONNECTION_LEAFNODE_WS},
        {BYTES("MQTT"), CONNECTION_MQTT},
        {BYTES("MQTT_WS"), CONNECTION_MQTT_WS},
        {BYTES("IN_PROCESS"), CONNECTION_IN_PROCESS},
    };

    *types = 0;
    if (!member_is_list(list, JSON_ARRAY))
        return false;
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        unsigned type = 0;

        for (size_t i = 0; i < sizeof known / sizeof known[0] && e->type == JSON_STRING; i++)
            if (bytes_equal_nocase(e->text, known[i].name))
                type = known[i].type;
        if (type == 0)
            return false;
        *types |= type;
    }
    return true;
}

bool jwt_grant_read(struct arena *arena, const struct json *claims, struct jwt_grant *grant)
{
    *grant = (struct jwt_grant){
        .bearer = member_is_true(claims, BYTES("bearer_token")),
        .payload_max = member_number(claims, BYTES("payload"), -1),
        .subs_max = member_number(claims, BYTES("subs"), -1),
    };
    /* Who may come only from there, at that time or through a proxy, comes not at all: it is not
     * built to look. */
    if (member_given(json_get(claims, BYTES("src"))) ||
        member_given(json_get(claims, BYTES("times"))) ||
        member_is_true(claims, BYTES("proxy_required")))
        return false;
    if (!read_types(json_get(claims, BYTES("allowed_connection_types")),
                    &grant->connection_types) ||
        !read_permissions(arena, claims, &grant->permissions))
        return false;
    grant->restricted = says_anything(&grant->permissions);
    return true;
}

bool jwt_grant_empty(const struct json *claims)
{
    const struct json *publish = json_get(claims, BYTES("pub"));
    const struct json *subscribe = json_get(claims, BYTES("sub"));

    return !member_given(json_get(publish, BYTES("allow"))) &&
           !member_given(json_get(publish, BYTES("deny"))) &&
           !member_given(json_get(subscribe, BYTES("allow"))) &&
           !member_given(json_get(subscribe, BYTES("deny"))) &&
           !member_given(json_get(claims, BYTES("resp"))) &&
           !member_given(json_get(claims, BYTES("bearer_token"))) &&
           !member_given(json_get(claims, BYTES("src"))) &&
           !member_given(json_get(claims, BYTES("times"))) &&
           !member_given(json_get(claims, BYTES("allowed_connection_types"))) &&
           member_number(claims, BYTES("subs"), 0) == 0 &&
           member_number(claims, BYTES("data"), 0) == 0 &&
           member_number(claims, BYTES("payload"), 0) == 0;
}

/* ---- accounts ------------------------------------------------------------------------------- */

static bool read_keys(struct arena *arena, const struct json *list, struct account_claims *claims)
{
    uint8_t raw[NKEY_SIZE];

    if (!member_is_list(list, JSON_ARRAY))
        return false;
    claims->keys = ARENA_ARRAY(arena, struct signing_key, member_children(list) + 1);
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        struct signing_key *key = &claims->keys[claims->keys_count++];

        key->key = e->type == JSON_STRING ? e->text : member_text(e, BYTES("key"));
        key->template = e->type == JSON_OBJECT ? json_get(e, BYTES("template")) : NULL;
        if (e->type == JSON_OBJECT &&
            (key->template == NULL ||
             !bytes_equal(member_text(e, BYTES("kind")), BYTES("user_scope"))))
            return false;
        if (!nkey_read(key->key, NKEY_ACCOUNT, raw))
            return false;
    }
    return true;
}

static bool read_revocations(struct arena *arena, const struct json *map,
                             struct account_claims *claims)
{
    return jwt_revocations_read(arena, map, &claims->revocations, &claims->revocations_count);
}

/* One whose destination is none is as if there were none. */
static void read_trace(const struct json *trace, struct account_options *account)
{
    struct bytes destination = member_text(trace, BYTES("dest"));

    if (!subject_literal(destination))
        return;
    account->trace_destination = destination;
    account->trace_percent = member_number(trace, BYTES("sampling"), 0);
}

/* Keys of that kind, or, where anybody is, "*" alone. */
static bool read_names(struct arena *arena, const struct json *list, enum nkey_kind kind,
                       struct bytes **names, size_t *count)
{
    size_t most = member_children(list);
    uint8_t raw[NKEY_SIZE];

    *names = ARENA_ARRAY(arena, struct bytes, most + 1);
    if (!member_is_list(list, JSON_ARRAY) || *names == NULL)
        return false;
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        bool any = kind == NKEY_ACCOUNT && most == 1 && e->type == JSON_STRING &&
                   bytes_equal(e->text, BYTES("*"));

        if (e->type != JSON_STRING || (!any && !nkey_read(e->text, kind, raw)))
            return false;
        (*names)[(*count)++] = e->text;
    }
    return true;
}

static bool read_callout(struct arena *arena, const struct json *authorization, struct bytes name,
                         struct account_claims *claims)
{
    struct callout_options *callout = ARENA_NEW(arena, struct callout_options);
    uint8_t raw[NKEY_SIZE];

    if (callout == NULL || !member_is_list(authorization, JSON_OBJECT))
        return false;
    *callout = (struct callout_options){
        .issuer = name, .account = name, .xkey = member_text(authorization, BYTES("xkey"))};
    if (!read_names(arena, json_get(authorization, BYTES("auth_users")), NKEY_USER, &callout->users,
                    &callout->users_count) ||
        !read_names(arena, json_get(authorization, BYTES("allowed_accounts")), NKEY_ACCOUNT,
                    &callout->accounts, &callout->accounts_count) ||
        (callout->xkey.size > 0 && !nkey_read(callout->xkey, NKEY_CURVE, raw)))
        return false;
    if (callout->users_count > 0)
        claims->callout = callout;
    return true;
}

struct account_options *jwt_account_read(struct arena *arena,
                                         const struct operator_options *operators,
                                         const struct jwt *jwt, const char **why)
{
    const struct json *limits = json_get(jwt->claims, BYTES("limits"));
    const struct json *defaults = json_get(jwt->claims, BYTES("default_permissions"));
    struct account_options *account = ARENA_NEW(arena, struct account_options);
    struct account_claims *claims = ARENA_NEW(arena, struct account_claims);
    struct permission_options *may = ARENA_NEW(arena, struct permission_options);

    *claims = (struct account_claims){
        .token = jwt->token,
        .text = jwt->text,
        .issuer = jwt->issuer,
        .name = jwt->name,
        .expires_s = jwt->expires_s,
        .own_refused = is_strict(operators, jwt->issuer),
        .bearer_refused = member_is_true(limits, BYTES("disallow_bearer")),
    };
    *account = (struct account_options){
        .name = jwt->subject,
        .claims = claims,
        .max_connections = member_number(limits, BYTES("conn"), -1),
        .max_subscriptions = member_number(limits, BYTES("subs"), -1),
        .max_payload = member_number(limits, BYTES("payload"), -1),
        .max_leaves = member_number(limits, BYTES("leaf"), -1),
    };
    read_trace(json_get(jwt->claims, BYTES("trace")), account);
    if (jwt->kind != JWT_ACCOUNT || !jwt_limits_read(arena, limits, &account->jetstream) ||
        !read_keys(arena, json_get(jwt->claims, BYTES("signing_keys")), claims) ||
        !read_revocations(arena, json_get(jwt->claims, BYTES("revocations")), claims) ||
        !read_permissions(arena, defaults, may) ||
        !read_callout(arena, json_get(jwt->claims, BYTES("authorization")), jwt->subject, claims)) {
        *why = "what it claims is";
        return NULL;
    }
    if (!jwt_shares_read(arena, jwt->claims, account, why))
        return NULL;
    if (says_anything(may))
        account->default_permissions = may;
    return account;
}

bool jwt_account_signs(const struct account_options *account, struct bytes issuer,
                       const struct json **template)
{
    const struct account_claims *claims = account->claims;

    *template = NULL;
    if (claims == NULL)
        return false;
    if (bytes_equal(issuer, account->name))
        return !claims->own_refused;
    for (size_t i = 0; i < claims->keys_count; i++) {
        if (bytes_equal(issuer, claims->keys[i].key)) {
            *template = claims->keys[i].template;
            return true;
        }
    }
    return false;
}

bool jwt_account_revokes(const struct account_options *account, const struct jwt *user)
{
    const struct account_claims *claims = account->claims;

    return jwt_revoked(claims->revocations, claims->revocations_count, user);
}

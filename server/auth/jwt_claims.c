#include "server/auth/jwt_claims.h"

#include "base/subject.h"
#include "server/auth/nkey.h"

#define RESPONSES_NS INT64_C(120000000000)

/* ---- members ----------------------------------------------------------------------------------
 */

static bool given(const struct json *member)
{
    return member != NULL && member->type != JSON_NULL && member->type != JSON_FALSE &&
           !((member->type == JSON_ARRAY || member->type == JSON_OBJECT) && member->child == NULL);
}

static int64_t number(const struct json *object, struct bytes key, int64_t otherwise)
{
    int64_t value;

    return json_i64(json_get(object, key), &value) ? value : otherwise;
}

static bool is_true(const struct json *object, struct bytes key)
{
    const struct json *member = json_get(object, key);

    return member != NULL && member->type == JSON_TRUE;
}

static struct bytes text(const struct json *object, struct bytes key)
{
    const struct json *member = json_get(object, key);

    return member != NULL && member->type == JSON_STRING ? member->text : bytes_of(NULL, 0);
}

static size_t children(const struct json *json)
{
    size_t count = 0;

    for (const struct json *child = json != NULL ? json->child : NULL; child != NULL;
         child = child->next)
        count++;
    return count;
}

static bool is_list(const struct json *json, enum json_type type)
{
    return json == NULL || json->type == JSON_NULL || json->type == type;
}

/* ---- operators --------------------------------------------------------------------------------
 */

static bool add_key(struct arena *arena, struct bytes key, struct operator_options *operators)
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
    struct bytes system = text(jwt->claims, BYTES("system_account"));

    if (jwt->kind != JWT_OPERATOR || !is_list(keys, JSON_ARRAY))
        return false;
    /* "strict": then its own key signs no accounts. */
    if (!is_true(jwt->claims, BYTES("strict_signing_key_usage")) &&
        !add_key(arena, jwt->subject, operators))
        return false;
    for (const struct json *key = keys != NULL ? keys->child : NULL; key != NULL; key = key->next) {
        if (key->type != JSON_STRING || !add_key(arena, key->text, operators))
            return false;
    }
    if (system.size > 0)
        *system_account = arena_copy(arena, system);
    return true;
}

bool jwt_operator_knows(const struct operator_options *operators, struct bytes issuer)
{
    for (size_t i = 0; i < operators->count; i++) {
        if (bytes_equal(operators->keys[i], issuer))
            return true;
    }
    return false;
}

/* ---- permissions ------------------------------------------------------------------------------
 */

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
    if (!is_list(list, JSON_ARRAY))
        return false;
    to->at = ARENA_ARRAY(arena, struct permission_filter, children(list) + 1);
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
    if (!is_list(publish, JSON_OBJECT) || !is_list(subscribe, JSON_OBJECT) ||
        !is_list(responses, JSON_OBJECT) ||
        !read_list(arena, json_get(publish, BYTES("allow")), false, &may->publish_allow) ||
        !read_list(arena, json_get(publish, BYTES("deny")), false, &may->publish_deny) ||
        !read_list(arena, json_get(subscribe, BYTES("allow")), true, &may->subscribe_allow) ||
        !read_list(arena, json_get(subscribe, BYTES("deny")), true, &may->subscribe_deny))
        return false;
    if (responses == NULL || responses->type == JSON_NULL)
        return true;
    may->responses = true;
    may->responses_max = number(responses, BYTES("max"), 0);
    may->responses_ns = number(responses, BYTES("ttl"), 0);
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

/* ---- users ------------------------------------------------------------------------------------
 */

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
    if (!is_list(list, JSON_ARRAY))
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
        .bearer = is_true(claims, BYTES("bearer_token")),
        .payload_max = number(claims, BYTES("payload"), -1),
        .subs_max = number(claims, BYTES("subs"), -1),
    };
    /* Who may come only from there, at that time or through a proxy, comes not at all: it is not
     * built to look. */
    if (given(json_get(claims, BYTES("src"))) || given(json_get(claims, BYTES("times"))) ||
        is_true(claims, BYTES("proxy_required")))
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

    return !given(json_get(publish, BYTES("allow"))) && !given(json_get(publish, BYTES("deny"))) &&
           !given(json_get(subscribe, BYTES("allow"))) &&
           !given(json_get(subscribe, BYTES("deny"))) && !given(json_get(claims, BYTES("resp"))) &&
           !given(json_get(claims, BYTES("bearer_token"))) &&
           !given(json_get(claims, BYTES("src"))) && !given(json_get(claims, BYTES("times"))) &&
           !given(json_get(claims, BYTES("allowed_connection_types"))) &&
           number(claims, BYTES("subs"), 0) == 0 && number(claims, BYTES("data"), 0) == 0 &&
           number(claims, BYTES("payload"), 0) == 0;
}

/* ---- accounts ---------------------------------------------------------------------------------
 */

static bool read_keys(struct arena *arena, const struct json *list, struct account_claims *claims)
{
    uint8_t raw[NKEY_SIZE];

    if (!is_list(list, JSON_ARRAY))
        return false;
    claims->keys = ARENA_ARRAY(arena, struct signing_key, children(list) + 1);
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        struct signing_key *key = &claims->keys[claims->keys_count++];

        key->key = e->type == JSON_STRING ? e->text : text(e, BYTES("key"));
        key->template = e->type == JSON_OBJECT ? json_get(e, BYTES("template")) : NULL;
        if (e->type == JSON_OBJECT &&
            (key->template == NULL || !bytes_equal(text(e, BYTES("kind")), BYTES("user_scope"))))
            return false;
        if (!nkey_read(key->key, NKEY_ACCOUNT, raw))
            return false;
    }
    return true;
}

static bool read_revocations(struct arena *arena, const struct json *map,
                             struct account_claims *claims)
{
    if (!is_list(map, JSON_OBJECT))
        return false;
    claims->revocations = ARENA_ARRAY(arena, struct revocation, children(map) + 1);
    for (const struct json *e = map != NULL ? map->child : NULL; e != NULL; e = e->next) {
        struct revocation *revocation = &claims->revocations[claims->revocations_count++];

        revocation->user = e->key;
        if (!json_i64(e, &revocation->until_s))
            return false;
    }
    return true;
}

/* Where no storage is granted there is no JetStream. */
static void read_jetstream(const struct json *limits, struct account_jetstream_options *options)
{
    options->memory_max = number(limits, BYTES("mem_storage"), 0);
    options->store_max = number(limits, BYTES("disk_storage"), 0);
    options->enabled = options->memory_max != 0 || options->store_max != 0;
    options->streams_max = number(limits, BYTES("streams"), -1);
    options->consumers_max = number(limits, BYTES("consumer"), -1);
    options->ack_pending_max = number(limits, BYTES("max_ack_pending"), -1);
    options->memory_stream_bytes_max = number(limits, BYTES("mem_max_stream_bytes"), -1);
    options->store_stream_bytes_max = number(limits, BYTES("disk_max_stream_bytes"), -1);
    options->bytes_required = is_true(limits, BYTES("max_bytes_required"));
    if (options->streams_max == 0)
        options->streams_max = -1;
    if (options->consumers_max == 0)
        options->consumers_max = -1;
    if (options->ack_pending_max == 0)
        options->ack_pending_max = -1;
    if (options->memory_stream_bytes_max == 0)
        options->memory_stream_bytes_max = -1;
    if (options->store_stream_bytes_max == 0)
        options->store_stream_bytes_max = -1;
}

static const char *not_built(const struct json *claims)
{
    static const struct bytes members[] = {BYTES("exports"), BYTES("imports"), BYTES("mappings"),
                                           BYTES("trace")};
    static const char *const words[] = {"exports are", "imports are", "mappings are", "trace is"};

    for (size_t i = 0; i < 4; i++) {
        if (given(json_get(claims, members[i])))
            return words[i];
    }
    if (given(json_get(json_get(claims, BYTES("authorization")), BYTES("auth_users"))))
        return "authorization is";
    if (given(json_get(json_get(claims, BYTES("limits")), BYTES("tiered_limits"))))
        return "tiered_limits are";
    return NULL;
}

struct account_options *jwt_account_read(struct arena *arena, const struct jwt *jwt,
                                         const char **why)
{
    const struct json *limits = json_get(jwt->claims, BYTES("limits"));
    const struct json *defaults = json_get(jwt->claims, BYTES("default_permissions"));
    struct account_options *account = ARENA_NEW(arena, struct account_options);
    struct account_claims *claims = ARENA_NEW(arena, struct account_claims);
    struct permission_options *may = ARENA_NEW(arena, struct permission_options);

    *why = not_built(jwt->claims);
    if (*why != NULL)
        return NULL;
    *claims = (struct account_claims){
        .expires_s = jwt->expires_s,
        .bearer_refused = is_true(limits, BYTES("disallow_bearer")),
    };
    *account = (struct account_options){
        .name = jwt->subject,
        .claims = claims,
        .max_connections = number(limits, BYTES("conn"), -1),
        .max_subscriptions = number(limits, BYTES("subs"), -1),
        .max_payload = number(limits, BYTES("payload"), -1),
    };
    read_jetstream(limits, &account->jetstream);
    if (jwt->kind != JWT_ACCOUNT ||
        !read_keys(arena, json_get(jwt->claims, BYTES("signing_keys")), claims) ||
        !read_revocations(arena, json_get(jwt->claims, BYTES("revocations")), claims) ||
        !read_permissions(arena, defaults, may)) {
        *why = "a claim is not what it has to be";
        return NULL;
    }
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
        return true;
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

    for (size_t i = 0; i < claims->revocations_count; i++) {
        const struct revocation *revocation = &claims->revocations[i];

        if ((bytes_equal(revocation->user, user->subject) ||
             bytes_equal(revocation->user, BYTES("*"))) &&
            user->issued_s <= revocation->until_s)
            return true;
    }
    return false;
}

#include "server/auth/jwt_shares.h"

#include "base/subject.h"
#include "server/auth/jwt_claims.h"
#include "server/auth/jwt_members.h"

#define THRESHOLD_NS INT64_C(120000000000)
#define WHOLE        INT64_C(100) /* percent */

/* ---- revocations ---------------------------------------------------------------------------- */

bool jwt_revocations_read(struct arena *arena, const struct json *map,
                          struct revocation **revocations, size_t *count)
{
    *count = 0;
    if (!member_is_list(map, JSON_OBJECT))
        return false;
    *revocations = ARENA_ARRAY(arena, struct revocation, member_children(map) + 1);
    if (*revocations == NULL)
        return false;
    for (const struct json *e = map != NULL ? map->child : NULL; e != NULL; e = e->next) {
        struct revocation *revocation = &(*revocations)[(*count)++];

        revocation->whom = e->key;
        if (!json_i64(e, &revocation->until_s))
            return false;
    }
    return true;
}

bool jwt_revoked(const struct revocation *revocations, size_t count, const struct jwt *whom)
{
    for (size_t i = 0; i < count; i++) {
        if ((bytes_equal(revocations[i].whom, whom->subject) ||
             bytes_equal(revocations[i].whom, BYTES("*"))) &&
            whom->issued_s <= revocations[i].until_s)
            return true;
    }
    return false;
}

/* ---- exports and imports -------------------------------------------------------------------- */

static bool valid(struct bytes subject)
{
    return subject.size > 0 && subject_valid_strict(subject);
}

static enum share_kind kind_of(const struct json *item)
{
    struct bytes type = member_text(item, BYTES("type"));

    if (bytes_equal_nocase(type, BYTES("stream")))
        return SHARE_STREAM;
    return bytes_equal_nocase(type, BYTES("service")) ? SHARE_SERVICE : SHARE_NONE;
}

static bool read_response(const struct json *item, struct export_options *export)
{
    struct bytes type = member_text(item, BYTES("response_type"));

    export->streamed =
        bytes_equal_nocase(type, BYTES("Stream")) || bytes_equal_nocase(type, BYTES("Chunked"));
    export->threshold_ns = member_number(item, BYTES("response_threshold"), 0);
    if (export->threshold_ns <= 0)
        export->threshold_ns = THRESHOLD_NS;
    return type.size == 0 || export->streamed || bytes_equal_nocase(type, BYTES("Singleton"));
}

static bool position_fits(const struct export_options *export)
{
    if (export->token_position == 0)
        return true;
    return export->token_position > 0 &&
           bytes_equal(subject_token(export->subject, (size_t) export->token_position - 1),
                       BYTES("*"));
}

/* Who may import what asks for activations is not known before those were looked at. */
static bool read_export(struct arena *arena, const struct json *item, struct export_options *export)
{
    struct export_claims *claims = ARENA_NEW(arena, struct export_claims);

    if (claims == NULL)
        return false;
    *claims = (struct export_claims){.activated = member_is_true(item, BYTES("token_req"))};
    *export = (struct export_options){
        .kind = kind_of(item),
        .subject = member_text(item, BYTES("subject")),
        .token_position = member_number(item, BYTES("account_token_position"), 0),
        .restricted = claims->activated,
        .traced = member_is_true(item, BYTES("allow_trace")),
        .claims = claims,
    };
    return export->kind != SHARE_NONE && valid(export->subject) && position_fits(export) &&
           read_response(item, export) &&
           jwt_revocations_read(arena, json_get(item, BYTES("revocations")), &claims->revocations,
                                &claims->revocations_count);
}

/* `to` is what `local_subject` came in the place of: of a stream a prefix; of a service it names
 * what is exported, and `subject` what it is here. */
static bool read_import(const struct json *item, struct import_options *import)
{
    struct bytes to = member_text(item, BYTES("to"));
    struct bytes local = member_text(item, BYTES("local_subject"));

    *import = (struct import_options){
        .kind = kind_of(item),
        .account = member_text(item, BYTES("account")),
        .subject = member_text(item, BYTES("subject")),
        .to = local,
        .traced = member_is_true(item, BYTES("allow_trace")),
        .share = member_is_true(item, BYTES("share")),
        .token = member_text(item, BYTES("token")),
    };
    if (local.size == 0 && import->kind == SHARE_STREAM)
        import->prefix = to;
    if (local.size == 0 && import->kind == SHARE_SERVICE && to.size > 0) {
        import->to = import->subject;
        import->subject = to;
    }
    return import->kind != SHARE_NONE && import->account.size > 0 && valid(import->subject);
}

static bool read_exports(struct arena *arena, const struct json *list, struct export_list *to,
                         const char **why)
{
    if (!member_is_list(list, JSON_ARRAY))
        return false;
    to->at = ARENA_ARRAY(arena, struct export_options, member_children(list) + 1);
    if (to->at == NULL)
        return false;
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        if (member_given(json_get(e, BYTES("service_latency")))) {
            *why = "service_latency of exports is";
            return false;
        }
        if (!read_export(arena, e, &to->at[to->count++]))
            return false;
    }
    return true;
}

static bool read_imports(struct arena *arena, const struct json *list, struct import_list *to)
{
    if (!member_is_list(list, JSON_ARRAY))
        return false;
    to->at = ARENA_ARRAY(arena, struct import_options, member_children(list) + 1);
    if (to->at == NULL)
        return false;
    for (const struct json *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
        if (!read_import(e, &to->at[to->count++]))
            return false;
    return true;
}

/* ---- mappings ------------------------------------------------------------------------------- */

static bool read_destination(const struct json *item, struct mapping_destination *destination)
{
    *destination = (struct mapping_destination){
        .subject = member_text(item, BYTES("subject")),
        .weight = member_number(item, BYTES("weight"), 0),
        .cluster = member_text(item, BYTES("cluster")),
    };
    if (destination->weight == 0)
        destination->weight = WHOLE;
    return destination->subject.size > 0 && destination->weight > 0 && destination->weight <= WHOLE;
}

static bool read_mappings(struct arena *arena, const struct json *map, struct mapping_list *to)
{
    if (!member_is_list(map, JSON_OBJECT))
        return false;
    to->at = ARENA_ARRAY(arena, struct mapping_options, member_children(map) + 1);
    if (to->at == NULL)
        return false;
    for (const struct json *e = map != NULL ? map->child : NULL; e != NULL; e = e->next) {
        struct mapping_options *mapping = &to->at[to->count++];

        if (!member_is_list(e, JSON_ARRAY) || !valid(e->key))
            return false;
        *mapping = (struct mapping_options){
            .source = e->key,
            .at = ARENA_ARRAY(arena, struct mapping_destination, member_children(e) + 1),
        };
        if (mapping->at == NULL)
            return false;
        for (const struct json *each = e->child; each != NULL; each = each->next)
            if (!read_destination(each, &mapping->at[mapping->count++]))
                return false;
    }
    return true;
}

bool jwt_shares_read(struct arena *arena, const struct json *claims,
                     struct account_options *account, const char **why)
{
    *why = "what it says of exports, imports or mappings is";
    if (!read_exports(arena, json_get(claims, BYTES("exports")), &account->exports, why) ||
        !read_imports(arena, json_get(claims, BYTES("imports")), &account->imports) ||
        !read_mappings(arena, json_get(claims, BYTES("mappings")), &account->mappings))
        return false;
    *why = NULL;
    return true;
}

/* ---- activations ---------------------------------------------------------------------------- */

/* Signed by the account itself, or by a key that it names, in its name. */
static bool signed_by(const struct jwt *activation, const struct account_options *from)
{
    struct bytes name = member_text(activation->claims, BYTES("issuer_account"));
    const struct json *template;

    if (name.size > 0 && !bytes_equal(name, from->name))
        return false;
    if (name.size == 0)
        return bytes_equal(activation->issuer, from->name);
    return jwt_account_signs(from, activation->issuer, &template);
}

/* One that ends is not taken: nobody is there who would end what it allowed. */
bool jwt_activates(struct arena *arena, const struct account_options *from,
                   const struct export_options *export, const struct import_options *import,
                   struct bytes importer)
{
    enum share_kind kind;
    struct jwt activation;
    struct bytes word;

    if (import->token.size == 0 || !jwt_read(arena, import->token, &activation) ||
        activation.kind != JWT_ACTIVATION || activation.expires_s != 0 || activation.starts_s != 0)
        return false;
    word = member_text(activation.claims, BYTES("kind"));
    kind = bytes_equal_nocase(word, BYTES("service")) ? SHARE_SERVICE : SHARE_STREAM;
    return bytes_equal(activation.subject, importer) && kind == export->kind &&
           signed_by(&activation, from) &&
           subject_covers(member_text(activation.claims, BYTES("subject")), import->subject) &&
           !jwt_revoked(export->claims->revocations, export->claims->revocations_count,
                        &activation);
}

#include "server/auth/jwt.h"

#include "server/auth/base64.h"
#include "server/auth/nkey.h"
#include "server/tls/ed25519.h"

struct parts {
    struct bytes header, claims, signature;
    struct bytes both; /* header and claims, with their dot */
};

static bool split(struct bytes token, struct parts *parts)
{
    size_t first = bytes_find(token, '.');
    struct bytes rest = bytes_skip(token, first < token.size ? first + 1 : first);
    size_t second = bytes_find(rest, '.');

    if (token.size > JWT_SIZE_MAX || second == rest.size)
        return false;
    parts->header = bytes_take(token, first);
    parts->claims = bytes_take(rest, second);
    parts->signature = bytes_skip(rest, second + 1);
    parts->both = bytes_take(token, first + 1 + second);
    return true;
}

static const struct json *decode(struct arena *arena, struct bytes text)
{
    size_t size = text.size / 4 * 3 + text.size % 4 * 3 / 4;
    uint8_t *memory = arena_take(arena, size + 1);
    struct json_error error;
    const struct json *json;

    if (memory == NULL || !base64_read(text, memory, size))
        return NULL;
    json = json_parse(arena, bytes_of(memory, size), &error);
    return json != NULL && json->type == JSON_OBJECT ? json : NULL;
}

static struct bytes text_of(const struct json *object, struct bytes key)
{
    const struct json *member = json_get(object, key);

    return member != NULL && member->type == JSON_STRING ? member->text : bytes_of(NULL, 0);
}

/* Absent is 0; false: it is there and no whole number. */
static bool seconds_of(const struct json *object, struct bytes key, int64_t *seconds)
{
    const struct json *member = json_get(object, key);

    *seconds = 0;
    return member == NULL || json_i64(member, seconds);
}

static enum jwt_kind kind_of(const struct json *claims)
{
    static const struct bytes names[] = {BYTES("operator"), BYTES("account"), BYTES("user"),
                                         BYTES("activation"), BYTES("authorization_response")};
    struct bytes type = text_of(json_get(claims, BYTES("nats")), BYTES("type"));

    if (type.size == 0)
        type = text_of(claims, BYTES("type")); /* the first version has it outside */
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (bytes_equal(type, names[i]))
            return (enum jwt_kind)i;
    }
    return JWT_GENERIC;
}

static bool version_known(const struct json *claims)
{
    const struct json *version = json_get(json_get(claims, BYTES("nats")), BYTES("version"));
    int64_t number = 0;

    return version == NULL || (json_i64(version, &number) && number <= 2);
}

/* What was signed: the first version leaves the header out. False: signed in no way we know. */
static bool signed_text(const struct json *header, const struct parts *parts, struct bytes *text)
{
    struct bytes algorithm = text_of(header, BYTES("alg"));

    if (!bytes_equal_nocase(text_of(header, BYTES("typ")), BYTES("jwt")))
        return false;
    if (bytes_equal(algorithm, BYTES("ed25519-nkey")))
        *text = parts->both;
    else if (bytes_equal(algorithm, BYTES("ed25519")))
        *text = parts->claims;
    else
        return false;
    return true;
}

/* Operators are signed by operators, and so are accounts; the other known kinds by accounts. */
static bool issuer_known(const struct jwt *jwt, uint8_t key[static NKEY_SIZE])
{
    switch (jwt->kind) {
    case JWT_OPERATOR:
    case JWT_ACCOUNT: return nkey_read(jwt->issuer, NKEY_OPERATOR, key);
    case JWT_USER:
    case JWT_ACTIVATION:
    case JWT_AUTHORIZATION: return nkey_read(jwt->issuer, NKEY_ACCOUNT, key);
    case JWT_GENERIC: break;
    }
    return nkey_read(jwt->issuer, NKEY_OPERATOR, key) ||
           nkey_read(jwt->issuer, NKEY_ACCOUNT, key) || nkey_read(jwt->issuer, NKEY_USER, key);
}

static bool verified(const struct jwt *jwt, struct bytes text, struct bytes signature_text)
{
    uint8_t key[NKEY_SIZE], signature[ED25519_SIGNATURE_SIZE];

    return issuer_known(jwt, key) && base64_read(signature_text, signature, sizeof signature) &&
           ed25519_verify(key, text, signature);
}

static bool subject_known(const struct jwt *jwt)
{
    static const enum nkey_kind kinds[] = {NKEY_OPERATOR, NKEY_ACCOUNT, NKEY_USER, NKEY_ACCOUNT,
                                           NKEY_USER};
    uint8_t key[NKEY_SIZE];

    return jwt->kind == JWT_GENERIC || nkey_read(jwt->subject, kinds[jwt->kind], key);
}

bool jwt_read(struct arena *arena, struct bytes token, struct jwt *jwt)
{
    struct parts parts;
    const struct json *header, *claims;
    struct bytes text;

    if (!split(token, &parts))
        return false;
    header = decode(arena, parts.header);
    claims = decode(arena, parts.claims);
    if (header == NULL || claims == NULL || !signed_text(header, &parts, &text))
        return false;
    *jwt = (struct jwt){
        .issuer = text_of(claims, BYTES("iss")),
        .subject = text_of(claims, BYTES("sub")),
        .name = text_of(claims, BYTES("name")),
        .audience = text_of(claims, BYTES("aud")),
        .claims = json_get(claims, BYTES("nats")),
        .token = token,
        .text = claims->text,
    };
    jwt->kind = kind_of(claims);
    return version_known(claims) && seconds_of(claims, BYTES("iat"), &jwt->issued_s) &&
           seconds_of(claims, BYTES("exp"), &jwt->expires_s) &&
           seconds_of(claims, BYTES("nbf"), &jwt->starts_s) && subject_known(jwt) &&
           verified(jwt, text, parts.signature);
}

bool jwt_valid_at(const struct jwt *jwt, int64_t wall_s)
{
    return (jwt->expires_s == 0 || wall_s < jwt->expires_s) && wall_s >= jwt->starts_s;
}

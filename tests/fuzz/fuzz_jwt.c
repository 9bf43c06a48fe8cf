/*
 * Any bytes: as a token they are refused, for nobody has signed them, and as claims they become
 * options or nothing. The first byte says which: a token, a user's claims, an account's, an
 * operator's.
 */
#include "server/auth/jwt_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_claims(struct arena *arena, struct jwt *jwt)
{
    struct operator_options operators = {0};
    struct bytes system = {0};
    struct account_options *account;
    const struct json *template;
    struct jwt_grant grant;
    const char *why = NULL;

    (void)jwt_grant_read(arena, jwt->claims, &grant);
    (void)jwt_grant_empty(jwt->claims);
    jwt->kind = JWT_OPERATOR;
    (void)jwt_operator_read(arena, jwt, &operators, &system);
    assert(operators.count <= OPERATOR_KEYS_MAX);
    jwt->kind = JWT_ACCOUNT;
    account = jwt_account_read(arena, &operators, jwt, &why);
    assert((account == NULL) == (why != NULL));
    if (account != NULL) {
        (void)jwt_account_signs(account, jwt->issuer, &template);
        (void)jwt_account_revokes(account, jwt);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_error error;
    struct arena arena;
    struct jwt jwt = {0};

    if (size == 0)
        return 0;
    arena_init(&arena, 64u << 20);
    if (data[0] == 't') {
        (void)jwt_read(&arena, bytes_of(data + 1, size - 1), &jwt);
    } else {
        jwt.claims = json_parse(&arena, bytes_of(data + 1, size - 1), &error);
        read_claims(&arena, &jwt);
    }
    arena_deinit(&arena);
    return 0;
}

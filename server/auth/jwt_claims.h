/*
 * jwt_claims: what the claims of accounts and users grant, as the options that a configuration file
 * would have made (auth_options.h). What is not built is no grant: it is refused by name.
 */
#ifndef SERVER_AUTH_JWT_CLAIMS_H
#define SERVER_AUTH_JWT_CLAIMS_H

#include "server/auth/auth_options.h"
#include "server/auth/jwt.h"

/* Keys of an operator: its own and those that it signs with, added to `operators`. */
bool jwt_operator_read(struct arena *arena, const struct jwt *jwt,
                       struct operator_options *operators, struct bytes *system_account);
/* One more; false: it is no public key of an operator, or there are too many. */
bool jwt_operator_add(struct arena *arena, struct bytes key, struct operator_options *operators);
bool jwt_operator_knows(const struct operator_options *operators, struct bytes issuer);
/* Is it the own key of one that signs with others only? */
bool jwt_operator_strict_own(const struct operator_options *operators, struct bytes issuer);

/* NULL: *why says, in a few words, what of it cannot be. Lives in the arena. */
struct account_options *jwt_account_read(struct arena *arena,
                                         const struct operator_options *operators,
                                         const struct jwt *jwt, const char **why);

/* What a user may, of its own claims or of a template of its account. */
struct jwt_grant {
    struct permission_options permissions;
    bool restricted; /* the permissions say something */
    bool bearer;     /* needs to sign no nonce */
    unsigned connection_types;
    int64_t payload_max; /* -1: no limit, as the next */
    int64_t subs_max;
};
bool jwt_grant_read(struct arena *arena, const struct json *claims, struct jwt_grant *grant);
/* Does it grant nothing by itself, so that a template may? */
bool jwt_grant_empty(const struct json *claims);
/* What a key of the account, its own or one that it signs with, may: false: it is none of them.
 * *template is NULL where users bring their permissions themselves. */
bool jwt_account_signs(const struct account_options *account, struct bytes issuer,
                       const struct json **template);
bool jwt_account_revokes(const struct account_options *account, const struct jwt *user);

#endif

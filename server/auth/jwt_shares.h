/*
 * jwt_shares: what the claims of accounts say of subjects (exports, imports, mappings), as the
 * options that a configuration file would have made (share_options.h); and activations, by which
 * one account allows another to import.
 */
#ifndef SERVER_AUTH_JWT_SHARES_H
#define SERVER_AUTH_JWT_SHARES_H

#include "server/auth/auth_options.h"
#include "server/auth/jwt.h"

/* Fills in the account's lists; their places are the caller's to fill in. False: *why says, in a
 * few words, what of them cannot be. Whether they fit together is not looked at. */
bool jwt_shares_read(struct arena *arena, const struct json *claims,
                     struct account_options *account, const char **why);

/* Has `from` allowed `importer` this import, by the token that the import shows? */
bool jwt_activates(struct arena *arena, const struct account_options *from,
                   const struct export_options *export, const struct import_options *import,
                   struct bytes importer);

bool jwt_revocations_read(struct arena *arena, const struct json *map,
                          struct revocation **revocations, size_t *count);
bool jwt_revoked(const struct revocation *revocations, size_t count, const struct jwt *whom);

#endif

/* crypto: the few things of OpenSSL that are no TLS: signing a server's nonce, digests. */
#ifndef CLI_CRYPTO_H
#define CLI_CRYPTO_H

#include "base/bytes.h"

#define CRYPTO_SEED_SIZE      32u
#define CRYPTO_SIGNATURE_SIZE 64u
#define CRYPTO_DIGEST_SIZE    32u

/* Signs with an Ed25519 key, and tells its public half. False: the library would not. */
bool crypto_sign(const uint8_t seed[static CRYPTO_SEED_SIZE], struct bytes text,
                 uint8_t signature[static CRYPTO_SIGNATURE_SIZE],
                 uint8_t key[static CRYPTO_SEED_SIZE]);

/* SHA-256 of what is added; ends with _finish or _drop. */
struct crypto_digest;
struct crypto_digest *crypto_digest_create(void);
void crypto_digest_add(struct crypto_digest *digest, struct bytes b);
void crypto_digest_finish(struct crypto_digest *digest, uint8_t out[static CRYPTO_DIGEST_SIZE]);
void crypto_digest_drop(struct crypto_digest *digest);

/* Overwrites a secret, which no compiler may leave out. */
void crypto_forget(void *at, size_t size);

#endif

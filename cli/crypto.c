#include "cli/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

bool crypto_sign(const uint8_t seed[static CRYPTO_SEED_SIZE], struct bytes text,
                 uint8_t signature[static CRYPTO_SIGNATURE_SIZE],
                 uint8_t key[static CRYPTO_SEED_SIZE])
{
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, CRYPTO_SEED_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t signature_size = CRYPTO_SIGNATURE_SIZE, key_size = CRYPTO_SEED_SIZE;
    bool done = pair != NULL && context != NULL &&
                EVP_PKEY_get_raw_public_key(pair, key, &key_size) == 1 &&
                EVP_DigestSignInit(context, NULL, NULL, NULL, pair) == 1 &&
                EVP_DigestSign(context, signature, &signature_size, text.at, text.size) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pair);
    return done;
}

/* The library's context under another name. */
static EVP_MD_CTX *context_of(struct crypto_digest *digest)
{
    return (EVP_MD_CTX *)digest;
}

struct crypto_digest *crypto_digest_create(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    assert(context != NULL);
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        assert(!"SHA-256 is always there");
    return (struct crypto_digest *)context;
}

void crypto_digest_add(struct crypto_digest *digest, struct bytes b)
{
    if (b.size > 0 && EVP_DigestUpdate(context_of(digest), b.at, b.size) != 1)
        assert(!"adding to a digest cannot fail");
}

void crypto_digest_finish(struct crypto_digest *digest, uint8_t out[static CRYPTO_DIGEST_SIZE])
{
    unsigned size = 0;

    if (EVP_DigestFinal_ex(context_of(digest), out, &size) != 1 || size != CRYPTO_DIGEST_SIZE)
        assert(!"ending a digest cannot fail");
    crypto_digest_drop(digest);
}

void crypto_digest_drop(struct crypto_digest *digest)
{
    EVP_MD_CTX_free(context_of(digest));
}

void crypto_forget(void *at, size_t size)
{
    OPENSSL_cleanse(at, size);
}

#include "server/tls/ed25519.h"

#include <openssl/evp.h>

bool ed25519_verify(const uint8_t key[static ED25519_KEY_SIZE], struct bytes text,
                    const uint8_t signature[static ED25519_SIGNATURE_SIZE])
{
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool verified =
        public != NULL && context != NULL &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
        EVP_DigestVerify(context, signature, ED25519_SIGNATURE_SIZE, text.at, text.size) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    return verified;
}

static EVP_PKEY *private_of(const uint8_t seed[static ED25519_KEY_SIZE])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_KEY_SIZE);
}

bool ed25519_public(const uint8_t seed[static ED25519_KEY_SIZE],
                    uint8_t key[static ED25519_KEY_SIZE])
{
    EVP_PKEY *private = private_of(seed);
    size_t size = ED25519_KEY_SIZE;
    bool good = private != NULL && EVP_PKEY_get_raw_public_key(private, key, &size) == 1;

    EVP_PKEY_free(private);
    return good;
}

bool ed25519_sign(const uint8_t seed[static ED25519_KEY_SIZE], struct bytes text,
                  uint8_t signature[static ED25519_SIGNATURE_SIZE])
{
    EVP_PKEY *private = private_of(seed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = ED25519_SIGNATURE_SIZE;
    bool good = private != NULL && context != NULL &&
                EVP_DigestSignInit(context, NULL, NULL, NULL, private) == 1 &&
                EVP_DigestSign(context, signature, &size, text.at, text.size) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(private);
    return good;
}

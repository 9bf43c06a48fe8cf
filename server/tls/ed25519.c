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

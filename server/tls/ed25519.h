/* ed25519: signatures, and the text they come in. */
#ifndef SERVER_TLS_ED25519_H
#define SERVER_TLS_ED25519_H

#include "base/bytes.h"

#define ED25519_KEY_SIZE       32u
#define ED25519_SIGNATURE_SIZE 64u

/* Did the owner of the key sign this text? */
bool ed25519_verify(const uint8_t key[static ED25519_KEY_SIZE], struct bytes text,
                    const uint8_t signature[static ED25519_SIGNATURE_SIZE]);

/* A key is 32 bytes that nobody else knows. False: the library could not. */
bool ed25519_public(const uint8_t seed[static ED25519_KEY_SIZE],
                    uint8_t key[static ED25519_KEY_SIZE]);
bool ed25519_sign(const uint8_t seed[static ED25519_KEY_SIZE], struct bytes text,
                  uint8_t signature[static ED25519_SIGNATURE_SIZE]);

#endif

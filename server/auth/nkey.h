/*
 * nkey: keys as text (reference core.md 3.3): base32 without padding of a prefix byte, a 32-byte
 * Ed25519 key and a CRC-16. The first letter tells what the key is for.
 */
#ifndef SERVER_AUTH_NKEY_H
#define SERVER_AUTH_NKEY_H

#include "base/bytes.h"

#define NKEY_SIZE      32u
#define NKEY_TEXT_SIZE 56u

enum nkey_kind {
    NKEY_ACCOUNT = 0x00,  /* A */
    NKEY_SERVER = 0x68,   /* N */
    NKEY_OPERATOR = 0x70, /* O */
    NKEY_USER = 0xa0,     /* U */
    NKEY_CURVE = 0xb8,    /* X */
};

/* Writes NKEY_TEXT_SIZE characters, no zero. */
void nkey_write(char out[static NKEY_TEXT_SIZE], enum nkey_kind kind,
                const uint8_t key[static NKEY_SIZE]);
/* False: no public key of that kind, or its checksum is wrong. */
bool nkey_read(struct bytes text, enum nkey_kind kind, uint8_t key[static NKEY_SIZE]);

#define NKEY_SEED_TEXT_SIZE 58u

/* False: no seed of a key of that kind, or its checksum is wrong. */
bool nkey_seed_read(struct bytes text, enum nkey_kind kind, uint8_t seed[static NKEY_SIZE]);
/* Of a key of whatever kind. */
bool nkey_seed_read_any(struct bytes text, enum nkey_kind *kind, uint8_t seed[static NKEY_SIZE]);

#endif

#include "server/tls/box.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define VERSION      "xkv1"
#define VERSION_SIZE 4u
#define PROOF_SIZE   16u
#define BLOCK_SIZE   64u

static_assert(BOX_EXTRA == VERSION_SIZE + BOX_NONCE_SIZE + PROOF_SIZE, "what is put in front");

/* ---- Salsa20 -------------------------------------------------------------------------------- */

static uint32_t load(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t turn(uint32_t value, unsigned by)
{
    return value << by | value >> (32 - by);
}

static void quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[b] ^= turn(x[a] + x[d], 7);
    x[c] ^= turn(x[b] + x[a], 9);
    x[d] ^= turn(x[c] + x[b], 13);
    x[a] ^= turn(x[d] + x[c], 18);
}

static void rounds(uint32_t x[16])
{
    for (unsigned i = 0; i < 10; i++) {
        quarter(x, 0, 4, 8, 12);
        quarter(x, 5, 9, 13, 1);
        quarter(x, 10, 14, 2, 6);
        quarter(x, 15, 3, 7, 11);
        quarter(x, 0, 1, 2, 3);
        quarter(x, 5, 6, 7, 4);
        quarter(x, 10, 11, 8, 9);
        quarter(x, 15, 12, 13, 14);
    }
}

/* The diagonal holds "expand 32-byte k", the key stands around the 16 bytes of input. */
static void fill(uint32_t x[16], const uint8_t key[static BOX_KEY_SIZE],
                 const uint8_t input[static 16])
{
    static const uint8_t sigma[16] = "expand 32-byte k";

    for (unsigned i = 0; i < 4; i++) {
        x[i * 5] = load(sigma + 4 * i);
        x[1 + i] = load(key + 4 * i);
        x[11 + i] = load(key + 16 + 4 * i);
        x[6 + i] = load(input + 4 * i);
    }
}

static void salsa(const uint8_t key[static BOX_KEY_SIZE], const uint8_t input[static 16],
                  uint8_t out[static BLOCK_SIZE])
{
    uint32_t before[16], x[16];

    fill(before, key, input);
    memcpy(x, before, sizeof(x));
    rounds(x);
    for (unsigned i = 0; i < 16; i++)
        store(out + 4 * i, x[i] + before[i]);
}

/* A key of a key and 16 bytes. */
static void salsa_key(const uint8_t key[static BOX_KEY_SIZE], const uint8_t input[static 16],
                      uint8_t out[static BOX_KEY_SIZE])
{
    uint32_t x[16];

    fill(x, key, input);
    rounds(x);
    for (unsigned i = 0; i < 4; i++) {
        store(out + 4 * i, x[i * 5]);
        store(out + 16 + 4 * i, x[6 + i]);
    }
}

/* ---- between two ---------------------------------------------------------------------------- */

static EVP_PKEY *private_of(const uint8_t key[static BOX_KEY_SIZE])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key, BOX_KEY_SIZE);
}

bool box_public(const uint8_t key[static BOX_KEY_SIZE], uint8_t public[static BOX_KEY_SIZE])
{
    EVP_PKEY *private = private_of(key);
    size_t size = BOX_KEY_SIZE;
    bool good = private != NULL && EVP_PKEY_get_raw_public_key(private, public, &size) == 1;

    EVP_PKEY_free(private);
    return good;
}

/* What both have in common; a point that has nothing in common with anybody is refused. */
static bool share(const uint8_t key[static BOX_KEY_SIZE], const uint8_t peer[static BOX_KEY_SIZE],
                  uint8_t shared[static BOX_KEY_SIZE])
{
    EVP_PKEY *private = private_of(key);
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, BOX_KEY_SIZE);
    EVP_PKEY_CTX *context = private != NULL ? EVP_PKEY_CTX_new(private, NULL) : NULL;
    size_t size = BOX_KEY_SIZE;
    bool good = context != NULL && public != NULL && EVP_PKEY_derive_init(context) == 1 &&
                EVP_PKEY_derive_set_peer(context, public) == 1 &&
                EVP_PKEY_derive(context, shared, &size) == 1;

    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(public);
    EVP_PKEY_free(private);
    return good;
}

/* The key of this nonce. */
static bool make_key(const uint8_t key[static BOX_KEY_SIZE],
                     const uint8_t peer[static BOX_KEY_SIZE],
                     const uint8_t nonce[static BOX_NONCE_SIZE], uint8_t made[static BOX_KEY_SIZE])
{
    static const uint8_t zeros[16];
    uint8_t shared[BOX_KEY_SIZE], both[BOX_KEY_SIZE];

    if (!share(key, peer, shared))
        return false;
    salsa_key(shared, zeros, both);
    salsa_key(both, nonce, made);
    OPENSSL_cleanse(shared, sizeof(shared));
    OPENSSL_cleanse(both, sizeof(both));
    return true;
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* The stream's first half block is the key of the proof; the text begins behind it. */
static void stream(const uint8_t key[static BOX_KEY_SIZE], const uint8_t nonce[static 8],
                   struct bytes text, uint8_t *out, uint8_t proof_key[static BOX_KEY_SIZE])
{
    uint8_t input[16] = {0}, block[BLOCK_SIZE];
    size_t at = 0, used = BOX_KEY_SIZE;

    memcpy(input, nonce, 8);
    for (uint64_t number = 0; number == 0 || at < text.size; number++) {
        store(input + 8, (uint32_t)number);
        store(input + 12, (uint32_t)(number >> 32));
        salsa(key, input, block);
        if (number == 0)
            memcpy(proof_key, block, BOX_KEY_SIZE);
        for (; used < BLOCK_SIZE && at < text.size; at++, used++)
            out[at] = text.at[at] ^ block[used];
        used = 0;
    }
    OPENSSL_cleanse(block, sizeof(block));
}

static bool prove(const uint8_t key[static BOX_KEY_SIZE], struct bytes b,
                  uint8_t proof[static PROOF_SIZE])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    size_t size = 0;
    bool good = context != NULL && EVP_MAC_init(context, key, BOX_KEY_SIZE, NULL) == 1 &&
                EVP_MAC_update(context, b.at, b.size) == 1 &&
                EVP_MAC_final(context, proof, &size, PROOF_SIZE) == 1;

    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good;
}

bool box_seal(const uint8_t key[static BOX_KEY_SIZE], const uint8_t peer[static BOX_KEY_SIZE],
              const uint8_t nonce[static BOX_NONCE_SIZE], struct bytes text, uint8_t *out)
{
    uint8_t made[BOX_KEY_SIZE], proof_key[BOX_KEY_SIZE];
    uint8_t *proof = out + VERSION_SIZE + BOX_NONCE_SIZE, *body = out + BOX_EXTRA;
    bool good;

    if (!make_key(key, peer, nonce, made))
        return false;
    memcpy(out, VERSION, VERSION_SIZE);
    memcpy(out + VERSION_SIZE, nonce, BOX_NONCE_SIZE);
    stream(made, nonce + 16, text, body, proof_key);
    good = prove(proof_key, bytes_of(body, text.size), proof);
    OPENSSL_cleanse(made, sizeof(made));
    OPENSSL_cleanse(proof_key, sizeof(proof_key));
    return good;
}

/* What was sealed is turned back before its proof is looked at, and is nothing without it. */
bool box_open(const uint8_t key[static BOX_KEY_SIZE], const uint8_t peer[static BOX_KEY_SIZE],
              struct bytes sealed, uint8_t *out)
{
    uint8_t made[BOX_KEY_SIZE], proof_key[BOX_KEY_SIZE], proof[PROOF_SIZE];
    const uint8_t *nonce = sealed.at + VERSION_SIZE;
    struct bytes body;
    bool good;

    if (sealed.size < BOX_EXTRA || memcmp(sealed.at, VERSION, VERSION_SIZE) != 0 ||
        !make_key(key, peer, nonce, made))
        return false;
    body = bytes_skip(sealed, BOX_EXTRA);
    stream(made, nonce + 16, body, out, proof_key);
    good = prove(proof_key, body, proof) &&
           CRYPTO_memcmp(proof, nonce + BOX_NONCE_SIZE, PROOF_SIZE) == 0;
    if (!good)
        OPENSSL_cleanse(out, body.size);
    OPENSSL_cleanse(made, sizeof(made));
    OPENSSL_cleanse(proof_key, sizeof(proof_key));
    return good;
}

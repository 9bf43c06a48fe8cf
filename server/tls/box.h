/*
 * box: what one owner of a curve key seals and only the owner of another can open: X25519, XSalsa20
 * and Poly1305, in the form that nkeys give it ("xkv1", 24 bytes of nonce, 16 of proof, the text).
 */
#ifndef SERVER_TLS_BOX_H
#define SERVER_TLS_BOX_H

#include "base/bytes.h"

#define BOX_KEY_SIZE   32u
#define BOX_NONCE_SIZE 24u
#define BOX_EXTRA      44u /* bytes that a sealed text is longer */

/* A key is 32 bytes that nobody else knows. False, here and below: the library could not. */
bool box_public(const uint8_t key[static BOX_KEY_SIZE], uint8_t public[static BOX_KEY_SIZE]);
/* text.size + BOX_EXTRA bytes. No nonce may come twice. */
bool box_seal(const uint8_t key[static BOX_KEY_SIZE], const uint8_t peer[static BOX_KEY_SIZE],
              const uint8_t nonce[static BOX_NONCE_SIZE], struct bytes text, uint8_t *out);
/* sealed.size - BOX_EXTRA bytes. False, too: that peer has not sealed it for us. */
bool box_open(const uint8_t key[static BOX_KEY_SIZE], const uint8_t peer[static BOX_KEY_SIZE],
              struct bytes sealed, uint8_t *out);

#endif

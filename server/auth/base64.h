/* base64: the texts that nonces and signatures come in. */
#ifndef SERVER_AUTH_BASE64_H
#define SERVER_AUTH_BASE64_H

#include "base/bytes.h"

/* The alphabet for URLs, without padding; writes (size * 4 + 2) / 3 characters and a zero. */
void base64_write_url(char *out, struct bytes b);
/* The usual alphabet, padded. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)
void base64_write(char *out,
                  struct bytes b); /* BASE64_SIZE(b.size) characters, the zero included */
/* Exactly `size` bytes, in either alphabet, padded or not. False: anything else. */
bool base64_read(struct bytes text, uint8_t *out, size_t size);

#endif

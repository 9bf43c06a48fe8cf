/* creds: who a file says that we are: a creds file (a JWT and its seed), or a file with a seed. */
#ifndef CLI_CREDS_H
#define CLI_CREDS_H

#include "base/arena.h"
#include "cli/crypto.h"

struct creds {
    struct bytes jwt; /* empty: the key alone */
    uint8_t seed[CRYPTO_SEED_SIZE];
};

/* Both read the file's text; false: it holds no such thing. The JWT is a view of `text`. */
bool creds_read(struct bytes text, struct creds *creds);
bool creds_read_seed(struct bytes text, struct creds *creds);

#endif

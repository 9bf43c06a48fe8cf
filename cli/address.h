/* address: the URL of a server: nats://user:password@host:port, tls://..., or host:port. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>

#include "base/bytes.h"

#define ADDRESS_PART_MAX 256u

struct address {
    bool tls;
    char host[ADDRESS_PART_MAX]; /* without the brackets of an IPv6 literal */
    char port[8];
    char user[ADDRESS_PART_MAX]; /* unescaped; empty: none */
    char password[ADDRESS_PART_MAX];
    bool has_password; /* a user without is a token */
};

/* NULL, or why not: what schemes there are, what part is too long. */
const char *address_read(struct bytes text, struct address *address);

#endif

/* url: the address of a server: nats://user:password@host:port, tls://..., or host:port. */
#ifndef CLI_URL_H
#define CLI_URL_H

#include <stdbool.h>

#include "base/bytes.h"

#define URL_PART_MAX 256u

struct url {
    bool tls;
    char host[URL_PART_MAX]; /* without the brackets of an IPv6 literal */
    char port[8];
    char user[URL_PART_MAX]; /* unescaped; empty: none */
    char password[URL_PART_MAX];
    bool has_password; /* a user without is a token */
};

/* NULL, or why not: what schemes there are, what part is too long. */
const char *url_read(struct bytes text, struct url *address);
/* The same of a proxy: socks5://user:password@host:port. */
const char *url_read_proxy(struct bytes text, struct url *address);

#endif

/* jetstream_ack: what the second version of ack subjects begins with. */
#include <stdio.h>

#include "base/limits.h"
#include "server/jetstream/jetstream_core.h"
#include "server/router/router.h"
#include "server/server.h"
#include "server/tls/digest.h"

#define HASH_SIZE 8u

static_assert(sizeof "$JS.ACK..." + DOMAIN_SIZE_MAX + HASH_SIZE <= JETSTREAM_ACK_PREFIX_MAX,
              "a domain of any size fits");

void jetstream_ack_prefix(struct jetstream *jetstream, const struct account *account,
                          char out[static JETSTREAM_ACK_PREFIX_MAX])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *domain = server_options(jetstream_server(jetstream))->jetstream_options.domain;
    uint8_t digest[DIGEST_SIZE];
    char hash[HASH_SIZE];

    digest_sha256(account_name(account), digest);
    for (size_t i = 0; i < HASH_SIZE; i++)
        hash[i] = digits[digest[i] % 62];
    snprintf(out, JETSTREAM_ACK_PREFIX_MAX, "$JS.ACK.%s.%.*s.", domain != NULL ? domain : "_",
             (int)HASH_SIZE, hash);
}

/* tls_options: what a tls block says (reference config.md 5). */
#ifndef SERVER_TLS_TLS_OPTIONS_H
#define SERVER_TLS_TLS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define TLS_TIMEOUT_NS  INT64_C(2000000000)
#define TLS_FALLBACK_NS INT64_C(50000000) /* of handshake_first: auto */

struct tls_pair {
    const char *certificate; /* files */
    const char *key;
};

struct config_place;

struct tls_options {
    const struct config_place *place; /* of the block, NULL: from the command line */
    struct tls_pair *pairs;
    size_t pairs_count;
    const char *ca_file;  /* NULL: none */
    bool verify;          /* a client must show a certificate */
    bool peers;           /* both sides of a connection are servers, and show one */
    bool insecure;        /* of peers: those we dial are not looked at */
    bool map;             /* and is the user that it names */
    bool handshake_first; /* before INFO */
    int64_t fallback_ns; /* handshake_first waits this long for a client that begins; 0: for ever */
    int64_t timeout_ns;  /* of a handshake */
    int version_min;     /* 12 or 13 */
    struct bytes *ciphers; /* IANA names; a zero follows each */
    size_t ciphers_count;
    struct bytes *curves;
    size_t curves_count;
    struct bytes *pins; /* hexadecimal SHA-256 of public keys, lower case */
    size_t pins_count;
    int64_t rate_max; /* handshakes a second; 0: any number */
};

/* tls_names.c: is there a suite, a curve of that name, whether or not this machine has it? */
bool tls_cipher_known(struct bytes name);
bool tls_cipher_insecure(struct bytes name);
bool tls_curve_known(struct bytes name);
/* What OpenSSL calls them; NULL: it has no such. */
const char *tls_cipher_openssl(struct bytes name);
const char *tls_curve_openssl(struct bytes name);

#endif

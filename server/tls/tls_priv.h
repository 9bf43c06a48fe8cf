/* What the files of server/tls/ share: the only header that knows OpenSSL. */
#ifndef SERVER_TLS_TLS_PRIV_H
#define SERVER_TLS_TLS_PRIV_H

#include <openssl/ssl.h>

#include "server/tls/tls.h"

/* The OpenSSL context that a connection begins with. */
SSL_CTX *tls_context_first(const struct tls_context *context);

/* Are servers that we dial not looked at? */
bool tls_context_insecure(const struct tls_context *context);

SSL *tls_ssl(const struct tls *tls);

/* The caller's to free; NULL: none was shown. */
X509 *tls_peer_certificate(const struct tls *tls);

#endif

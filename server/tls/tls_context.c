/* Certificates, keys and rules: what tls_options say, made ready for connections. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/heap.h"
#include "server/tls/tls_priv.h"

/* One OpenSSL context for each certificate: the client says by name which it wants. */
struct tls_context {
    _Atomic unsigned holders;
    SSL_CTX **each;
    size_t count;
    bool insecure;
};

bool tls_context_insecure(const struct tls_context *context)
{
    return context->insecure;
}

SSL_CTX *tls_context_first(const struct tls_context *context)
{
    return context->each[0];
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    context->holders++;
    return context;
}

void tls_context_give(struct tls_context *context)
{
    if (context == NULL || --context->holders > 0)
        return;
    for (size_t i = 0; i < context->count; i++)
        SSL_CTX_free(context->each[i]);
    heap_give(context->each);
    heap_give(context);
}

/* ---- saying why not ------------------------------------------------------------------------- */

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason != NULL ? reason : "unknown error";
}

/* A file that cannot be read is the usual reason, and then the better sentence. */
static bool readable(const char *path, const char *before, char reason[TLS_REASON_SIZE])
{
    if (access(path, R_OK) == 0)
        return true;
    snprintf(reason, TLS_REASON_SIZE, "%sopen %.180s: %s", before, path,
             errno == ENOENT ? "no such file or directory" : strerror(errno));
    return false;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static bool add_name(char *list, size_t size, size_t *used, const char *name)
{
    int wrote = snprintf(list + *used, size - *used, "%s%s", *used > 0 ? ":" : "", name);

    if (wrote < 0 || (size_t)wrote >= size - *used)
        return false;
    *used += (size_t)wrote;
    return true;
}

/* Suites of TLS 1.3 are not chosen from, as in the reference. */
static bool set_ciphers(SSL_CTX *ssl, const struct tls_options *options,
                        char reason[TLS_REASON_SIZE])
{
    static const char usual[] =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    char list[2048] = "";
    size_t used = 0;

    for (size_t i = 0; i < options->ciphers_count; i++) {
        const char *name = tls_cipher_openssl(options->ciphers[i]);

        if (name != NULL && !bytes_starts(bytes_of_text(name), BYTES("TLS_")) &&
            !add_name(list, sizeof(list), &used, name))
            break;
    }
    if (SSL_CTX_set_cipher_list(ssl, used > 0 ? list : usual) == 1)
        return true;
    snprintf(reason, TLS_REASON_SIZE, "cipher suites: %s", openssl_reason());
    return false;
}

static bool set_curves(SSL_CTX *ssl, const struct tls_options *options,
                       char reason[TLS_REASON_SIZE])
{
    char list[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < options->curves_count; i++) {
        const char *name = tls_curve_openssl(options->curves[i]);

        if (name != NULL && !add_name(list, sizeof(list), &used, name))
            break;
    }
    if (options->curves_count == 0)
        return true;
    if (used > 0 && SSL_CTX_set1_groups_list(ssl, list) == 1)
        return true;
    snprintf(reason, TLS_REASON_SIZE, "none of the preferred curves is supported");
    return false;
}

static bool set_authorities(SSL_CTX *ssl, const struct tls_options *options,
                            char reason[TLS_REASON_SIZE])
{
    if (options->verify)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (options->ca_file == NULL) {
        if (options->verify)
            (void)SSL_CTX_set_default_verify_paths(ssl); /* without them nobody is trusted */
        return true;
    }
    if (!readable(options->ca_file, "", reason))
        return false;
    if (SSL_CTX_load_verify_file(ssl, options->ca_file) != 1) {
        snprintf(reason, TLS_REASON_SIZE, "failed to parse root ca certificate");
        return false;
    }
    SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(options->ca_file));
    return true;
}

/* ---- certificates --------------------------------------------------------------------------- */

static bool set_pair(SSL_CTX *ssl, const struct tls_pair *pair, char reason[TLS_REASON_SIZE])
{
    static const char before[] = "error parsing X509 certificate/key pair: ";

    if (!readable(pair->certificate, before, reason) || !readable(pair->key, before, reason))
        return false;
    if (SSL_CTX_use_certificate_chain_file(ssl, pair->certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(ssl, pair->key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(ssl) == 1)
        return true;
    snprintf(reason, TLS_REASON_SIZE, "%s%s", before, openssl_reason());
    return false;
}

/* The certificate that was made for the name that the client asks for; else the first. */
static int choose(SSL *ssl, int *alert, void *argument)
{
    const struct tls_context *context = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (size_t i = 0; name != NULL && i < context->count; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(context->each[i]);

        if (certificate != NULL && X509_check_host(certificate, name, 0, 0, NULL) == 1) {
            (void)SSL_set_SSL_CTX(ssl, context->each[i]);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_one(const struct tls_options *options, const struct tls_pair *pair,
                         char reason[TLS_REASON_SIZE])
{
    SSL_CTX *ssl = SSL_CTX_new(options->peers ? TLS_method() : TLS_server_method());

    assert(ssl != NULL);
    (void)SSL_CTX_set_min_proto_version(ssl, options->version_min == 13 ? TLS1_3_VERSION
                                                                        : TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    /* An idle connection holds no buffers. What is shown is what cert_file has: whoever wants the
     * peer to see more of the chain puts it there; ca_file is for whom we trust. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    if (set_ciphers(ssl, options, reason) && set_curves(ssl, options, reason) &&
        (pair == NULL || set_pair(ssl, pair, reason)) && set_authorities(ssl, options, reason))
        return ssl;
    SSL_CTX_free(ssl);
    return NULL;
}

struct tls_context *tls_context_create(const struct tls_options *options,
                                       char reason[TLS_REASON_SIZE])
{
    struct tls_context *context = HEAP_NEW(struct tls_context);
    size_t count = options->pairs_count > 0 ? options->pairs_count : 1;

    context->holders = 1;
    context->insecure = options->peers && options->insecure;
    context->each = heap_take(count * sizeof(SSL_CTX *));
    while (context->count < count) {
        const struct tls_pair *pair =
            options->pairs_count > 0 ? &options->pairs[context->count] : NULL;
        SSL_CTX *ssl = make_one(options, pair, reason);

        ERR_clear_error();
        if (ssl == NULL) {
            tls_context_give(context);
            return NULL;
        }
        context->each[context->count++] = ssl;
    }
    (void)SSL_CTX_set_tlsext_servername_callback(context->each[0], choose);
    (void)SSL_CTX_set_tlsext_servername_arg(context->each[0], context);
    return context;
}

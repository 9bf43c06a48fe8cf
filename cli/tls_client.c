#include "cli/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_SIZE 16384u

struct tls_client {
    SSL_CTX *context;
    SSL *session;
    BIO *in;
    BIO *out;
};

/* ---- setting up ------------------------------------------------------------------------------ */

static bool say(char error[static TLS_ERROR_SIZE], const char *what, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    snprintf(error, TLS_ERROR_SIZE, "%s%s%s: %s", what, file != NULL ? " " : "",
             file != NULL ? file : "", reason != NULL ? reason : "unusable");
    ERR_clear_error();
    return false;
}

static bool load(SSL_CTX *context, const struct tls_files *files, char error[static TLS_ERROR_SIZE])
{
    if (files->ca != NULL ? SSL_CTX_load_verify_locations(context, files->ca, NULL) != 1
                          : SSL_CTX_set_default_verify_paths(context) != 1)
        return say(error, "cannot use the certificate authorities of", files->ca);
    if (files->cert != NULL && SSL_CTX_use_certificate_chain_file(context, files->cert) != 1)
        return say(error, "cannot use the certificate", files->cert);
    if (files->key != NULL &&
        SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1)
        return say(error, "cannot use the private key", files->key);
    return true;
}

static bool aim(SSL *session, const char *host)
{
    struct in6_addr address;
    X509_VERIFY_PARAM *param = SSL_get0_param(session);

    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    return SSL_set_tlsext_host_name(session, host) == 1 && SSL_set1_host(session, host) == 1;
}

struct tls_client *tls_client_create(const struct tls_files *files, const char *host,
                                     char error[static TLS_ERROR_SIZE])
{
    struct tls_client *tls = calloc(1, sizeof(*tls));

    assert(tls != NULL);
    tls->context = SSL_CTX_new(TLS_client_method());
    assert(tls->context != NULL);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    if (!load(tls->context, files, error)) {
        SSL_CTX_free(tls->context);
        free(tls);
        return NULL;
    }
    tls->session = SSL_new(tls->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    assert(tls->session != NULL && tls->in != NULL && tls->out != NULL);
    SSL_set_bio(tls->session, tls->in, tls->out);
    SSL_set_connect_state(tls->session);
    if (!aim(tls->session, host)) {
        say(error, "cannot check certificates for", host);
        tls_client_destroy(tls);
        return NULL;
    }
    return tls;
}

void tls_client_destroy(struct tls_client *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->session);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* ---- moving bytes ---------------------------------------------------------------------------- */

enum tls_step tls_client_shake(struct tls_client *tls, char error[static TLS_ERROR_SIZE])
{
    int done = SSL_do_handshake(tls->session);
    long verdict;

    if (done == 1)
        return TLS_READY;
    if (SSL_get_error(tls->session, done) == SSL_ERROR_WANT_READ)
        return TLS_MORE;
    verdict = SSL_get_verify_result(tls->session);
    if (verdict != X509_V_OK)
        snprintf(error, TLS_ERROR_SIZE, "the server's certificate is not trusted: %s",
                 X509_verify_cert_error_string(verdict));
    else
        say(error, "the TLS handshake failed", NULL);
    return TLS_BAD;
}

void tls_client_feed(struct tls_client *tls, struct bytes in)
{
    int written = in.size == 0 ? 0 : BIO_write(tls->in, in.at, (int)in.size);

    assert(written == (int)in.size);
}

enum tls_step tls_client_read(struct tls_client *tls, struct buf *plain)
{
    for (;;) {
        uint8_t *room = buf_reserve(plain, READ_SIZE);
        int got;

        if (room == NULL)
            return TLS_BAD;
        got = SSL_read(tls->session, room, READ_SIZE);
        if (got > 0) {
            buf_commit(plain, (size_t)got);
            continue;
        }
        return SSL_get_error(tls->session, got) == SSL_ERROR_WANT_READ ? TLS_READY : TLS_BAD;
    }
}

bool tls_client_write(struct tls_client *tls, struct bytes plain)
{
    while (plain.size > 0) {
        int size = plain.size < READ_SIZE ? (int)plain.size : (int)READ_SIZE;
        int written = SSL_write(tls->session, plain.at, size);

        if (written <= 0)
            return false;
        plain = bytes_skip(plain, (size_t)written);
    }
    return true;
}

void tls_client_take(struct tls_client *tls, struct buf *out)
{
    char *at;
    long size = BIO_get_mem_data(tls->out, &at);

    if (size <= 0)
        return;
    if (buf_add(out, bytes_of(at, (size_t)size)))
        (void)BIO_reset(tls->out);
}

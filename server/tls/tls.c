#include "server/tls/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/heap.h"
#include "server/tls/tls_priv.h"

#define REASON_SIZE 128u

struct tls {
    struct tls_context *context;
    SSL *ssl;
    BIO *in; /* both belong to ssl */
    BIO *out;
    enum tls_state state;
    char reason[REASON_SIZE];
};

static struct tls *create(struct tls_context *context)
{
    struct tls *tls = HEAP_NEW(struct tls);

    tls->context = tls_context_hold(context);
    tls->ssl = SSL_new(tls_context_first(context));
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    assert(tls->ssl != NULL && tls->in != NULL && tls->out != NULL);
    BIO_set_mem_eof_return(tls->in, -1); /* empty is not the end */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    return tls;
}

struct tls *tls_create(struct tls_context *context)
{
    struct tls *tls = create(context);

    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_destroy(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    tls_context_give(tls->context);
    heap_give(tls);
}

enum tls_state tls_state(const struct tls *tls)
{
    return tls->state;
}

const char *tls_reason(const struct tls *tls)
{
    return tls->reason;
}

/* What became of a call that did not do what it was to. */
static void look_at_error(struct tls *tls, int result)
{
    unsigned long code;

    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: break;
    case SSL_ERROR_ZERO_RETURN: tls->state = TLS_ENDED; break;
    default:
        code = ERR_peek_last_error();
        tls->state = TLS_FAILED;
        ERR_error_string_n(code, tls->reason, sizeof(tls->reason));
        if (ERR_reason_error_string(code) != NULL)
            strncpy(tls->reason, ERR_reason_error_string(code), sizeof(tls->reason) - 1);
        break;
    }
    ERR_clear_error();
}

static void handshake(struct tls *tls)
{
    int result = SSL_do_handshake(tls->ssl);

    if (result == 1)
        tls->state = TLS_OPEN;
    else
        look_at_error(tls, result);
}

struct tls *tls_create_dialling(struct tls_context *context, const char *host)
{
    struct tls *tls = create(context);

    SSL_set_connect_state(tls->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) != 1) {
        (void)SSL_set1_host(tls->ssl, host); /* fails for want of memory only */
        (void)SSL_set_tlsext_host_name(tls->ssl, host);
    }
    if (tls_context_insecure(context))
        SSL_set_verify(tls->ssl, SSL_VERIFY_NONE, NULL);
    handshake(tls);
    return tls;
}

void tls_feed(struct tls *tls, struct bytes b)
{
    int taken;

    assert(b.size <= INT32_MAX);
    if (b.size == 0)
        return;
    taken = BIO_write(tls->in, b.at, (int)b.size);
    assert(taken == (int)b.size); /* memory takes all */
}

size_t tls_read(struct tls *tls, uint8_t *at, size_t size)
{
    size_t got = 0;
    int result;

    if (tls->state == TLS_HANDSHAKE)
        handshake(tls);
    if (tls->state != TLS_OPEN)
        return 0;
    result = SSL_read_ex(tls->ssl, at, size, &got);
    if (result == 1)
        return got;
    look_at_error(tls, result);
    return 0;
}

void tls_write(struct tls *tls, struct bytes b)
{
    size_t written = 0;
    int result;

    assert(tls->state == TLS_OPEN || tls->state == TLS_ENDED);
    assert(b.size <= TLS_RECORD_MAX);
    if (b.size == 0)
        return;
    result = SSL_write_ex(tls->ssl, b.at, b.size, &written);
    if (result != 1)
        look_at_error(tls, result);
    else
        assert(written == b.size); /* to memory, whole records */
}

void tls_end(struct tls *tls)
{
    if (tls->state == TLS_OPEN || tls->state == TLS_ENDED)
        (void)SSL_shutdown(tls->ssl); /* nobody waits for the answer */
    ERR_clear_error();
}

bool tls_has_out(const struct tls *tls)
{
    return BIO_ctrl_pending(tls->out) > 0;
}

void tls_out(struct tls *tls, struct buf *out)
{
    size_t size = BIO_ctrl_pending(tls->out);
    uint8_t *at;
    int got;

    if (size == 0)
        return;
    at = buf_reserve(out, size);
    assert(at != NULL);
    got = BIO_read(tls->out, at, (int)size);
    assert(got == (int)size);
    buf_commit(out, size);
}

const char *tls_version(const struct tls *tls)
{
    const char *version = SSL_get_version(tls->ssl);

    return strncmp(version, "TLSv", 4) == 0 ? version + 4 : version;
}

const char *tls_cipher(const struct tls *tls)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    const char *name = cipher != NULL ? SSL_CIPHER_standard_name(cipher) : NULL;

    return name != NULL ? name : "";
}

SSL *tls_ssl(const struct tls *tls)
{
    return tls->ssl;
}

X509 *tls_peer_certificate(const struct tls *tls)
{
    return SSL_get1_peer_certificate(tls->ssl);
}

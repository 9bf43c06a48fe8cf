/* Who a certificate says its owner is. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "server/tls/digest.h"
#include "server/tls/tls_priv.h"

static void add_name(struct tls_peer *peer, struct arena *arena, struct bytes name)
{
    struct bytes copy;

    /* A zero within would let one name pass for another. */
    if (peer->names_count == TLS_NAMES_MAX || name.size == 0 || bytes_find(name, 0) < name.size)
        return;
    copy = arena_copy(arena, name);
    if (copy.at != NULL)
        peer->names[peer->names_count++] = copy;
}

static void add_names_of(struct tls_peer *peer, struct arena *arena,
                         const STACK_OF(GENERAL_NAME) * all, int type)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        const ASN1_IA5STRING *text = name->d.ia5; /* of all three types */

        if (name->type == type)
            add_name(peer, arena,
                     bytes_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)));
    }
}

/* "CN=x,OU=y", the last part first with XN_FLAG_DN_REV. */
static struct bytes subject(const X509 *certificate, unsigned long order, struct arena *arena)
{
    unsigned long flags = (XN_FLAG_RFC2253 & ~(unsigned long)XN_FLAG_DN_REV) | order;
    BIO *out = BIO_new(BIO_s_mem());
    struct bytes copy = {0};
    char *text;
    long size;

    assert(out != NULL);
    if (X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, flags) >= 0) {
        size = BIO_get_mem_data(out, &text);
        copy = arena_copy(arena, bytes_of(text, (size_t)size));
    }
    BIO_free(out);
    return copy;
}

bool tls_peer(const struct tls *tls, struct arena *arena, struct tls_peer *peer)
{
    X509 *certificate = tls_peer_certificate(tls);
    STACK_OF(GENERAL_NAME) * names;

    *peer = (struct tls_peer){0};
    if (certificate == NULL)
        return false;
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    if (names != NULL) {
        add_names_of(peer, arena, names, GEN_EMAIL);
        add_names_of(peer, arena, names, GEN_DNS);
        add_names_of(peer, arena, names, GEN_URI);
        GENERAL_NAMES_free(names);
    }
    peer->subject = subject(certificate, XN_FLAG_DN_REV, arena);
    add_name(peer, arena, peer->subject);
    add_name(peer, arena, subject(certificate, 0, arena));
    X509_free(certificate);
    return true;
}

bool tls_peer_pinned(const struct tls *tls, const struct tls_options *options)
{
    X509 *certificate;
    uint8_t digest[DIGEST_SIZE], *key = NULL;
    char hex[DIGEST_HEX_SIZE];
    bool pinned = false;
    int size;

    if (options->pins_count == 0)
        return true;
    certificate = tls_peer_certificate(tls);
    if (certificate == NULL)
        return false;
    size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
    if (size > 0) {
        digest_sha256(bytes_of(key, (size_t)size), digest);
        digest_hex(digest, hex);
        for (size_t i = 0; i < options->pins_count; i++)
            pinned = pinned || bytes_equal(options->pins[i], bytes_of_text(hex));
    }
    OPENSSL_free(key);
    X509_free(certificate);
    return pinned;
}

/* ---- what it showed ------------------------------------------------------------------------- */

static void write_pem(struct json_writer *w, X509 *certificate)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long size;

    assert(out != NULL);
    if (PEM_write_bio_X509(out, certificate) == 1) {
        size = BIO_get_mem_data(out, &text);
        json_string(w, bytes_of(text, (size_t)size));
    }
    BIO_free(out);
}

static void write_pems(struct json_writer *w, const STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        write_pem(w, sk_X509_value(chain, i));
}

void tls_peer_describe(const struct tls *tls, struct json_writer *w)
{
    const SSL *ssl = tls_ssl(tls);
    X509 *certificate = tls_peer_certificate(tls);
    const STACK_OF(X509) *verified = SSL_get0_verified_chain(ssl);

    if (certificate == NULL)
        return;
    if (verified != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
        SSL_get_verify_result(ssl) == X509_V_OK) {
        JSON_KEY(w, "verified_chains");
        json_array_begin(w);
        json_array_begin(w);
        write_pems(w, verified);
        json_array_end(w);
        json_array_end(w);
    } else {
        JSON_KEY(w, "certs");
        json_array_begin(w);
        write_pem(w, certificate);
        write_pems(w, SSL_get_peer_cert_chain(ssl)); /* of a client: without its own */
        json_array_end(w);
    }
    X509_free(certificate);
}

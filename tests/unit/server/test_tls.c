#include "server/tls/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "server/auth/dn.h"
#include "server/tls/digest.h"
#include "tests/unit/server/certificates.h"
#include "tests/unit/unit.h"

/* A client of OpenSSL and our end, and what is on its way between them. */
struct pair {
    struct tls *server;
    SSL_CTX *context;
    SSL *client;
    BIO *in, *out; /* of the client */
    size_t piece;  /* how much at a time */
};

static struct certificates all;
static char paths[8][128];

static struct tls_pair pair_of(const char *name, size_t place)
{
    char file[64];

    snprintf(file, sizeof(file), "%s.pem", name);
    certificates_path(&all, file, paths[place]);
    snprintf(file, sizeof(file), "%s-key.pem", name);
    certificates_path(&all, file, paths[place + 1]);
    return (struct tls_pair){paths[place], paths[place + 1]};
}

static struct tls_context *context_of(const struct tls_options *options)
{
    char reason[TLS_REASON_SIZE] = "";
    struct tls_context *context = tls_context_create(options, reason);

    ck_assert_msg(context != NULL, "%s", reason);
    return context;
}

static void pair_init(struct pair *pair, struct tls_context *context, size_t piece,
                      const struct tls_pair *certificate)
{
    *pair = (struct pair){.server = tls_create(context), .piece = piece};
    pair->context = SSL_CTX_new(TLS_client_method());
    if (certificate != NULL) {
        ck_assert_int_eq(
            SSL_CTX_use_certificate_chain_file(pair->context, certificate->certificate), 1);
        ck_assert_int_eq(
            SSL_CTX_use_PrivateKey_file(pair->context, certificate->key, SSL_FILETYPE_PEM), 1);
    }
    pair->client = SSL_new(pair->context);
    pair->in = BIO_new(BIO_s_mem());
    pair->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(pair->in, -1);
    SSL_set_bio(pair->client, pair->in, pair->out);
    SSL_set_connect_state(pair->client);
}

static void pair_deinit(struct pair *pair)
{
    tls_destroy(pair->server);
    SSL_free(pair->client);
    SSL_CTX_free(pair->context);
}

/* Bytes of the client to the server, in pieces; plain ones are added to `plain`. */
static bool to_server(struct pair *pair, struct buf *plain)
{
    uint8_t bytes[70000], read[TLS_RECORD_MAX];
    int size = BIO_read(pair->out, bytes, sizeof(bytes));

    for (int at = 0; at < size;) {
        size_t piece = (size_t)(size - at) < pair->piece ? (size_t)(size - at) : pair->piece;
        size_t got;

        tls_feed(pair->server, bytes_of(bytes + at, piece));
        at += (int)piece;
        while ((got = tls_read(pair->server, read, sizeof(read))) > 0)
            ck_assert(buf_add(plain, bytes_of(read, got)));
    }
    return size > 0;
}

static bool to_client(struct pair *pair)
{
    struct buf out;
    bool some;

    buf_init(&out, 1u << 20);
    tls_out(pair->server, &out);
    some = out.size > 0;
    if (some)
        ck_assert_int_eq(BIO_write(pair->in, out.at, (int)out.size), (int)out.size);
    buf_deinit(&out);
    return some;
}

/* Until nothing moves. True: both are open. */
static bool shake_hands(struct pair *pair)
{
    struct buf plain;
    bool moved = true;

    buf_init(&plain, 1000);
    while (moved) {
        (void)SSL_do_handshake(pair->client);
        ERR_clear_error();
        moved = to_server(pair, &plain);
        moved = to_client(pair) || moved;
    }
    buf_deinit(&plain);
    return tls_state(pair->server) == TLS_OPEN && SSL_is_init_finished(pair->client);
}

static bool shaken(const struct tls_options *options, const struct tls_pair *certificate,
                   int version)
{
    struct tls_context *context = context_of(options);
    struct pair pair;
    bool good;

    pair_init(&pair, context, SIZE_MAX, certificate);
    if (version != 0)
        SSL_set_max_proto_version(pair.client, version);
    good = shake_hands(&pair);
    pair_deinit(&pair);
    tls_context_give(context);
    return good;
}

static void check_echo(struct pair *pair, size_t size)
{
    uint8_t *data = malloc(size), *back = malloc(size);
    struct buf plain;
    size_t got = 0;

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    buf_init(&plain, size + 1);
    for (size_t at = 0; at < size; at += 60000) {
        size_t piece = size - at < 60000 ? size - at : 60000;

        ck_assert_int_eq(SSL_write(pair->client, data + at, (int)piece), (int)piece);
        while (to_server(pair, &plain))
            ;
    }
    ck_assert_uint_eq(plain.size, size);
    ck_assert_mem_eq(plain.at, data, size);
    for (size_t at = 0; at < size; at += TLS_RECORD_MAX) {
        size_t piece = size - at < TLS_RECORD_MAX ? size - at : TLS_RECORD_MAX;
        int read;

        tls_write(pair->server, bytes_of(data + at, piece));
        (void)to_client(pair);
        while ((read = SSL_read(pair->client, back + got, (int)(size - got))) > 0)
            got += (size_t)read;
    }
    ck_assert_uint_eq(got, size);
    ck_assert_mem_eq(back, data, size);
    buf_deinit(&plain);
    free(data);
    free(back);
}

START_TEST(what_one_side_says_the_other_hears_however_it_is_cut)
{
    static const size_t pieces[] = {1, 7, 1000, SIZE_MAX};
    struct tls_pair srv = pair_of("srv", 0);
    const struct tls_options options = {.pairs = &srv, .pairs_count = 1, .version_min = 12};

    for (size_t i = 0; i < UNIT_COUNT(pieces); i++) {
        struct tls_context *context = context_of(&options);
        struct pair pair;

        pair_init(&pair, context, pieces[i], NULL);
        tls_context_give(context); /* the connection holds it */
        ck_assert(shake_hands(&pair));
        ck_assert_str_eq(tls_version(pair.server), "1.3");
        check_echo(&pair, pieces[i] == 1 ? 20000 : 300000);
        pair_deinit(&pair);
    }
}
END_TEST

START_TEST(what_is_no_handshake_fails_and_says_why)
{
    struct tls_pair srv = pair_of("srv", 0);
    const struct tls_options options = {.pairs = &srv, .pairs_count = 1, .version_min = 12};
    struct tls_context *context = context_of(&options);
    struct tls *tls = tls_create(context);
    uint8_t plain[10];

    ck_assert_uint_eq(tls_read(tls, plain, sizeof(plain)), 0);
    ck_assert_int_eq(tls_state(tls), TLS_HANDSHAKE);
    tls_feed(tls, BYTES("CONNECT {\"verbose\":false}\r\n"));
    ck_assert_uint_eq(tls_read(tls, plain, sizeof(plain)), 0);
    ck_assert_int_eq(tls_state(tls), TLS_FAILED);
    ck_assert_str_ne(tls_reason(tls), "");
    tls_destroy(tls);
    tls_context_give(context);
}
END_TEST

START_TEST(the_end_is_said_and_heard)
{
    struct tls_pair srv = pair_of("srv", 0);
    const struct tls_options options = {.pairs = &srv, .pairs_count = 1, .version_min = 12};
    struct tls_context *context = context_of(&options);
    struct pair pair;
    struct buf plain;
    char byte;

    buf_init(&plain, 100);
    pair_init(&pair, context, SIZE_MAX, NULL);
    ck_assert(shake_hands(&pair));
    tls_end(pair.server);
    ck_assert(to_client(&pair));
    ck_assert_int_eq(SSL_read(pair.client, &byte, 1), 0);
    ck_assert_int_eq(SSL_get_error(pair.client, 0), SSL_ERROR_ZERO_RETURN);
    (void)SSL_shutdown(pair.client);
    (void)to_server(&pair, &plain);
    ck_assert_int_eq(tls_state(pair.server), TLS_ENDED);
    pair_deinit(&pair);
    tls_context_give(context);
    buf_deinit(&plain);
}
END_TEST

START_TEST(old_versions_are_refused)
{
    struct tls_pair srv = pair_of("srv", 0);
    const struct tls_options options = {.pairs = &srv, .pairs_count = 1, .version_min = 12};
    const struct tls_options newest = {.pairs = &srv, .pairs_count = 1, .version_min = 13};

    ck_assert(shaken(&options, NULL, TLS1_2_VERSION));
    ck_assert(!shaken(&options, NULL, TLS1_1_VERSION));
    ck_assert(!shaken(&newest, NULL, TLS1_2_VERSION));
    ck_assert(shaken(&newest, NULL, TLS1_3_VERSION));
}
END_TEST

START_TEST(ciphers_and_curves_are_those_that_were_chosen)
{
    struct tls_pair srv = pair_of("srv", 0);
    struct bytes cipher = BYTES("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    struct bytes curve = BYTES("CurveP384"), none = BYTES("X25519MLKEM768");
    struct tls_options options = {.pairs = &srv,
                                  .pairs_count = 1,
                                  .version_min = 12,
                                  .ciphers = &cipher,
                                  .ciphers_count = 1,
                                  .curves = &curve,
                                  .curves_count = 1};
    struct tls_context *context = context_of(&options);
    char reason[TLS_REASON_SIZE];
    struct pair pair;

    pair_init(&pair, context, SIZE_MAX, NULL);
    SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
    ck_assert(shake_hands(&pair));
    ck_assert_str_eq(tls_cipher(pair.server), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    ck_assert_int_eq(SSL_get_negotiated_group(pair.client), NID_secp384r1);
    pair_deinit(&pair);
    tls_context_give(context);
    options.curves = &none;
    ck_assert_ptr_null(tls_context_create(&options, reason));
}
END_TEST

START_TEST(a_client_shows_a_certificate_of_the_authority_when_it_must)
{
    struct tls_pair srv = pair_of("srv", 0), cli = pair_of("cli", 2), alone = pair_of("alone", 4);
    char ca[128];
    const struct tls_options options = {.pairs = &srv,
                                        .pairs_count = 1,
                                        .version_min = 12,
                                        .verify = true,
                                        .ca_file = certificates_path(&all, "ca.pem", ca)};

    ck_assert(shaken(&options, &cli, 0));
    ck_assert(shaken(&options, &cli, TLS1_2_VERSION));
    ck_assert(!shaken(&options, &alone, 0));
    ck_assert(!shaken(&options, NULL, 0));
    ck_assert(!shaken(&options, NULL, TLS1_2_VERSION));
}
END_TEST

static struct tls_context *open_with_client(struct pair *pair, const struct tls_options *options)
{
    struct tls_pair cli = pair_of("cli", 2);
    struct tls_context *context = context_of(options);

    pair_init(pair, context, SIZE_MAX, &cli);
    ck_assert(shake_hands(pair));
    return context;
}

START_TEST(a_certificate_says_who_its_owner_is)
{
    static const char *const names[] = {"derek@nats.io", "host.x", "spiffe://x/y",
                                        "CN=derek,OU=eng", "OU=eng,CN=derek"};
    struct tls_pair srv = pair_of("srv", 0);
    char ca[128];
    const struct tls_options options = {.pairs = &srv,
                                        .pairs_count = 1,
                                        .version_min = 12,
                                        .verify = true,
                                        .ca_file = certificates_path(&all, "ca.pem", ca)};
    struct tls_context *context;
    struct tls_peer peer;
    struct arena arena;
    struct pair pair;

    arena_init(&arena, 1u << 16);
    context = open_with_client(&pair, &options);
    ck_assert(tls_peer(pair.server, &arena, &peer));
    ck_assert_uint_eq(peer.names_count, UNIT_COUNT(names));
    for (size_t i = 0; i < UNIT_COUNT(names); i++)
        ck_assert_msg(bytes_equal(peer.names[i], bytes_of_text(names[i])), "%.*s",
                      BYTES_ARG(peer.names[i]));
    ck_assert(dn_equal(peer.subject, BYTES("OU=eng, CN=derek")));
    pair_deinit(&pair);
    tls_context_give(context);
    arena_deinit(&arena);
}
END_TEST

START_TEST(keys_may_be_pinned)
{
    struct tls_pair srv = pair_of("srv", 0);
    struct tls_options options = {
        .pairs = &srv, .pairs_count = 1, .version_min = 12, .verify = true};
    char ca[128], hex[DIGEST_HEX_SIZE], path[128];
    uint8_t digest[DIGEST_SIZE], *key = NULL;
    struct tls_context *context;
    struct bytes pins[2];
    struct pair pair;
    FILE *file;
    X509 *certificate;
    int size;

    options.ca_file = certificates_path(&all, "ca.pem", ca);
    file = fopen(certificates_path(&all, "cli.pem", path), "re");
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
    digest_sha256(bytes_of(key, (size_t)size), digest);
    digest_hex(digest, hex);
    OPENSSL_free(key);
    X509_free(certificate);

    context = open_with_client(&pair, &options);
    ck_assert(tls_peer_pinned(pair.server, &options));
    pins[0] = BYTES("0000000000000000000000000000000000000000000000000000000000000000");
    pins[1] = bytes_of_text(hex);
    options.pins = pins;
    options.pins_count = 1;
    ck_assert(!tls_peer_pinned(pair.server, &options));
    options.pins_count = 2;
    ck_assert(tls_peer_pinned(pair.server, &options));
    pair_deinit(&pair);
    tls_context_give(context);
}
END_TEST

START_TEST(the_certificate_is_the_one_of_the_name_that_is_asked_for)
{
    struct tls_pair pairs[] = {pair_of("srv", 0), pair_of("other", 2)};
    const struct tls_options options = {.pairs = pairs, .pairs_count = 2, .version_min = 12};
    static const char *const asked[] = {"localhost", "other.x", "nobody.x", NULL};
    static const char *const shown[] = {"localhost", "other.x", "localhost", "localhost"};
    struct tls_context *context = context_of(&options);

    for (size_t i = 0; i < UNIT_COUNT(asked); i++) {
        struct pair pair;
        X509 *certificate;

        pair_init(&pair, context, SIZE_MAX, NULL);
        if (asked[i] != NULL)
            SSL_set_tlsext_host_name(pair.client, asked[i]);
        ck_assert(shake_hands(&pair));
        certificate = SSL_get1_peer_certificate(pair.client);
        ck_assert_int_eq(X509_check_host(certificate, shown[i], 0, 0, NULL), 1);
        X509_free(certificate);
        pair_deinit(&pair);
    }
    tls_context_give(context);
}
END_TEST

START_TEST(files_that_are_not_there_or_do_not_fit_are_named)
{
    struct tls_pair none = {"/none.pem", "/none-key.pem"}, mixed = pair_of("srv", 0);
    struct tls_options options = {.pairs = &none, .pairs_count = 1, .version_min = 12};
    char reason[TLS_REASON_SIZE];

    ck_assert_ptr_null(tls_context_create(&options, reason));
    ck_assert_str_eq(reason, "error parsing X509 certificate/key pair: open /none.pem: no such "
                             "file or directory");
    mixed.key = pair_of("cli", 2).key;
    options.pairs = &mixed;
    ck_assert_ptr_null(tls_context_create(&options, reason));
    ck_assert_ptr_nonnull(strstr(reason, "error parsing X509 certificate/key pair: "));
    mixed = pair_of("srv", 0);
    options.ca_file = "/none.pem";
    ck_assert_ptr_null(tls_context_create(&options, reason));
    ck_assert_str_eq(reason, "open /none.pem: no such file or directory");
    options.ca_file = mixed.key;
    ck_assert_ptr_null(tls_context_create(&options, reason));
}
END_TEST

START_TEST(distinguished_names_are_equal_in_any_order)
{
    ck_assert(dn_equal(BYTES("CN=a,OU=b"), BYTES("OU=b, CN=a")));
    ck_assert(dn_equal(BYTES("CN=a\\,x,OU=b"), BYTES("OU=b,CN=a\\,x")));
    ck_assert(dn_equal(BYTES("CN=a"), BYTES("CN=a")));
    ck_assert(!dn_equal(BYTES("CN=a,OU=b"), BYTES("CN=a")));
    ck_assert(!dn_equal(BYTES("CN=a,OU=b"), BYTES("CN=a,OU=c")));
    ck_assert(!dn_equal(BYTES("a"), BYTES("a")));
    ck_assert(!dn_equal(BYTES(""), BYTES("")));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        what_one_side_says_the_other_hears_however_it_is_cut,
        what_is_no_handshake_fails_and_says_why,
        the_end_is_said_and_heard,
        old_versions_are_refused,
        ciphers_and_curves_are_those_that_were_chosen,
        a_client_shows_a_certificate_of_the_authority_when_it_must,
        a_certificate_says_who_its_owner_is,
        keys_may_be_pinned,
        the_certificate_is_the_one_of_the_name_that_is_asked_for,
        files_that_are_not_there_or_do_not_fit_are_named,
        distinguished_names_are_equal_in_any_order,
    };
    int result;

    certificates_init(&all);
    certificates_make(&all, "srv", "CN=localhost", "DNS:localhost,IP:127.0.0.1");
    certificates_make(&all, "other", "CN=other", "DNS:other.x");
    certificates_make(&all, "cli", "OU=eng/CN=derek",
                      "email:derek@nats.io,DNS:host.x,URI:spiffe://x/y");
    {
        struct certificates alone = all;

        alone.authority = NULL;
        alone.key = NULL;
        certificates_make(&alone, "alone", "CN=alone", NULL);
    }
    result = UNIT_RUN_PLAIN("tls", tests);
    certificates_deinit(&all);
    return result;
}

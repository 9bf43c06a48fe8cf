/*
 * tls: OpenSSL behind bytes. A connection's TLS takes what arrived and gives what is to be sent; it
 * knows no socket and no clock, so whoever owns it bounds how long a handshake may take.
 *
 * What it holds is bounded: input is taken record by record as it is fed, output is at most what
 * one call of tls_write or one step of a handshake makes, until it is taken out.
 */
#ifndef SERVER_TLS_TLS_H
#define SERVER_TLS_TLS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "server/tls/tls_options.h"

#define TLS_REASON_SIZE 256u
#define TLS_RECORD_MAX  16384u /* plain bytes of one record */
#define TLS_NAMES_MAX   64u    /* of a certificate that are looked at */

/* Certificates and rules, shared by connections and held by each that began with it. */
struct tls_context;
struct tls;

/* Reads the files. NULL: `reason` says why, in the reference's words where it has some. Blocking.
 */
struct tls_context *tls_context_create(const struct tls_options *options,
                                       char reason[TLS_REASON_SIZE]);
/* One holder more, one less; the last frees it. NULL is fine. */
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_give(struct tls_context *context);

/* The server's end of a connection. */
struct tls *tls_create(struct tls_context *context);
/* The other end, of a context of peers: what it says first is in tls_out. The peer has to show a
 * certificate for that host (a name or a numeric address), unless the options are insecure. */
struct tls *tls_create_dialling(struct tls_context *context, const char *host);
void tls_destroy(struct tls *tls); /* NULL is fine */

enum tls_state {
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_ENDED,  /* the peer said that it has said all */
    TLS_FAILED, /* nothing more can be sent or received but what tls_out holds: an alert */
};
enum tls_state tls_state(const struct tls *tls);
/* Once failed: a sentence. */
const char *tls_reason(const struct tls *tls);

/* What arrived. */
void tls_feed(struct tls *tls, struct bytes b);
/* Plain bytes that came in, at most `size`; 0: there are none (tls_state may tell why). Goes on
 * with the handshake, too. */
size_t tls_read(struct tls *tls, uint8_t *at, size_t size);
/* Adds what is to be sent of `b` to what tls_out holds; b.size <= TLS_RECORD_MAX. Only while open.
 */
void tls_write(struct tls *tls, struct bytes b);
/* Says that nothing more will come. */
void tls_end(struct tls *tls);
/* Moves what is to be sent to the end of `out`. */
void tls_out(struct tls *tls, struct buf *out);
bool tls_has_out(const struct tls *tls);

/* ---- who the peer is, once open ------------------------------------------------------------- */

struct tls_peer {
    struct bytes
        names[TLS_NAMES_MAX]; /* e-mail, DNS and URI names, then the subject in two orders */
    size_t names_count;
    struct bytes subject; /* "CN=x,OU=y" */
};

/* False: it showed no certificate. The names are in `arena`. */
bool tls_peer(const struct tls *tls, struct arena *arena, struct tls_peer *peer);
/* Does its key stand among the pins, if there are any? */
bool tls_peer_pinned(const struct tls *tls, const struct tls_options *options);

/* Members of an object: "verified_chains", the chain from what it showed to an authority, where
 * that was verified, else "certs", what it showed; each certificate as PEM. Nothing if it showed
 * none. */
void tls_peer_describe(const struct tls *tls, struct json_writer *w);

/* For monitoring: "1.3", "TLS_AES_128_GCM_SHA256". */
const char *tls_version(const struct tls *tls);
const char *tls_cipher(const struct tls *tls);

#endif

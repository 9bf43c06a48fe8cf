/*
 * What stands between a lane and its socket when nodes speak TLS: from the first byte on, and each
 * shows the other a certificate. Frames are queued plainly, and encrypted when they leave.
 *
 * The time that a handshake may take is that of the greeting: the lane's or the link's deadline.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/heap.h"
#include "server/cluster/cluster_priv.h"

#define HANDSHAKE_BYTE 0x16 /* the first of a peer that speaks TLS */

/* ---- names ---------------------------------------------------------------------------------- */

static bool is_numeric(const char *host)
{
    uint8_t address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Nodes that gossip tells of are addresses: they show the certificate of the names that routes
 * have (reference config.md 4.1). */
const char *lane_tls_name(const struct cluster *cluster, const char *host)
{
    const struct cluster_options *options = cluster->options;

    if (!is_numeric(host))
        return host;
    for (size_t i = 0; i < options->routes_count; i++)
        if (!is_numeric(options->routes[i].host))
            return options->routes[i].host;
    return host;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

void lane_tls_begin(struct lane *lane, const char *name)
{
    struct cluster *cluster = lane->cluster;

    if (cluster->tls_context == NULL)
        return;
    lane->tls = name != NULL ? tls_create_dialling(cluster->tls_context, name)
                             : tls_create(cluster->tls_context);
}

bool lane_is_tls(struct bytes b)
{
    return b.size > 0 && b.at[0] == HANDSHAKE_BYTE;
}

/* ---- what arrives --------------------------------------------------------------------------- */

static void failed(struct lane *lane, const char *what)
{
    char text[160];

    snprintf(text, sizeof(text), "TLS handshake error: %s", what);
    lane_bad(lane, text);
}

/* False: it has come to an end. */
static bool look_at_state(struct lane *lane, enum tls_state before)
{
    enum tls_state state = tls_state(lane->tls);

    if (before == TLS_HANDSHAKE && state == TLS_FAILED)
        failed(lane, tls_reason(lane->tls));
    else if (before == TLS_HANDSHAKE && state != TLS_HANDSHAKE &&
             !tls_peer_pinned(lane->tls, lane->cluster->tls))
        failed(lane, "certificate not pinned");
    else if (state == TLS_FAILED)
        lane_bad(lane, tls_reason(lane->tls));
    return lane->state == LANE_OPEN && state != TLS_FAILED;
}

void lane_tls_received(struct lane *lane, struct bytes b)
{
    uint8_t plain[TLS_RECORD_MAX];
    enum tls_state before;
    size_t size;

    if (!lane->dialled && !lane->spoke && !lane_is_tls(b)) {
        lane_bad(lane, "it speaks no TLS; a client, or a node without it?");
        return;
    }
    lane->spoke = true;
    tls_feed(lane->tls, b);
    do {
        before = tls_state(lane->tls);
        size = tls_read(lane->tls, plain, sizeof(plain));
        if (!look_at_state(lane, before))
            break;
        if (size > 0)
            lane_take(lane, bytes_of(plain, size));
    } while (size > 0 && lane->state == LANE_OPEN);
    lane_mark(lane); /* TLS may have something to say */
}

/* ---- what leaves ---------------------------------------------------------------------------- */

static bool may_encrypt(const struct lane *lane)
{
    enum tls_state state = tls_state(lane->tls);

    return state == TLS_OPEN || state == TLS_ENDED;
}

bool lane_tls_says(const struct lane *lane)
{
    return tls_has_out(lane->tls) || (lane->out.size > 0 && may_encrypt(lane));
}

void lane_tls_fill(struct lane *lane)
{
    struct bytes rest = buf_bytes(&lane->out);

    lane->flight = cluster_spare_take(lane->cluster);
    while (rest.size > 0 && may_encrypt(lane)) {
        struct bytes record =
            bytes_take(rest, rest.size < TLS_RECORD_MAX ? rest.size : TLS_RECORD_MAX);

        tls_write(lane->tls, record);
        rest = bytes_skip(rest, record.size);
    }
    if (rest.size == 0)
        cluster_spare_give(lane->cluster, &lane->out);
    tls_out(lane->tls, &lane->flight);
}

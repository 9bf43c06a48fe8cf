/* route_url: where routes lead, as text: "nats-route://user:password@host:6222". Pure. */
#ifndef SERVER_CLUSTER_ROUTE_URL_H
#define SERVER_CLUSTER_ROUTE_URL_H

#include "base/bytes.h"

struct route_url {
    struct bytes user, password; /* as written, see base/percent.h; user empty: none */
    struct bytes host;           /* without brackets; may be empty */
    int port;                    /* -1 as written; 0: none */
};

/* Schemes "nats-route", "nats", "tls" or none, also as "//host:6222". False: that is no such URL.
   Views of `text`. */
bool route_url_read(struct bytes text, struct route_url *url);

/* "host", "host:port", "[v6]:port"; the port stays as it was if there is none. */
struct bytes address_split(struct bytes text, uint16_t *port);

#endif

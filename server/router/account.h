/*
 * account: a namespace of subjects. The router owns accounts; what receives in one embeds a
 * `struct sub` and adds it to the account's list, with one of these kinds.
 */
#ifndef SERVER_ROUTER_ACCOUNT_H
#define SERVER_ROUTER_ACCOUNT_H

#include "server/router/sublist.h"

enum sub_kind {
    SUB_CLIENT, /* embedded in a struct client_sub */
    SUB_SINK,   /* embedded in a struct sink */
    SUB_REMOTE, /* embedded in a struct remote_sub: what another node has of it */
    SUB_REPLY,  /* of server/router/exchange.c: replies to what other accounts have asked */
    SUB_GUEST,  /* a struct sink that any node may send to */
    SUB_LEAF,   /* embedded in a struct leaf_sub: what a leaf of this server has of it */
    SUB_HUB,    /* the same of a server that this one is a leaf of */
};

/* Are other nodes told of it? */
static inline bool sub_kind_known(uint32_t kind)
{
    return kind == SUB_CLIENT || kind == SUB_REPLY || kind == SUB_GUEST || kind == SUB_LEAF;
}

struct mappings;
struct router;
struct shares;
struct account_family;
struct elsewhere_cache;
struct leaf_account;

struct traffic {
    uint64_t messages, bytes;
};

static inline void traffic_add(struct traffic *traffic, size_t size)
{
    traffic->messages++;
    traffic->bytes += size;
}

struct account {
    struct router *router;
    struct bytes name; /* owned by the router */
    struct sublist subs;
    struct account_family *family;     /* with those of the other shards; NULL: there are none */
    struct elsewhere_cache *elsewhere; /* what these have; NULL: the same */
    const struct account_options *options; /* NULL: as accounts are that nobody configured */
    struct mappings *mappings;             /* NULL: none */
    struct shares *shares;                 /* server/router/exchange.c's; NULL: none */
    struct leaf_account *leaves;           /* server/leaf/'s; NULL: none */
    size_t leaf_subs;                      /* of the kinds SUB_LEAF and SUB_HUB */
    bool system;
    size_t connections;      /* that authenticated for it */
    size_t leaf_connections; /* that are up; home's */
    struct traffic received; /* from its clients */
    struct traffic sent;     /* to them */
    uint64_t slow_consumers; /* of them, closed for it */
    uint64_t api_total;      /* requests to JetStream */
    uint64_t api_errors;     /* of them that were refused */
    int64_t updated_wall_ns; /* when it was made, or configured anew */
};

#endif

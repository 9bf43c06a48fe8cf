/*
 * share_options: what an account does with subjects, as it was configured (reference core.md 2.5,
 * 4): it maps what its clients publish, exports to other accounts and imports from them. Plain data
 * in the arena of a struct config.
 */
#ifndef SERVER_SHARE_OPTIONS_H
#define SERVER_SHARE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct config_place;

struct mapping_destination {
    struct bytes subject;
    int64_t weight;       /* percent */
    struct bytes cluster; /* only there; empty: where no other is meant */
};

struct mapping_options {
    struct bytes source;
    struct mapping_destination *at;
    size_t count;
};

struct mapping_list {
    struct mapping_options *at; /* the first that matches counts */
    size_t count;
};

enum share_kind {
    SHARE_NONE,
    SHARE_STREAM,  /* messages flow to whoever imports */
    SHARE_SERVICE, /* requests flow to whoever exports, replies back */
};

struct revocation {
    struct bytes whom; /* a key, or "*" */
    int64_t until_s;   /* what was issued until then counts no more */
};

/* What was signed of an export beside its options. */
struct export_claims {
    bool activated; /* who imports it shows that it was allowed to */
    struct revocation *revocations;
    size_t revocations_count;
};

struct export_options {
    const struct config_place *place;
    enum share_kind kind;
    struct bytes subject;
    bool restricted; /* only these accounts may import it */
    struct bytes *accounts;
    size_t accounts_count;
    bool streamed;          /* a request may have many replies */
    int64_t threshold_ns;   /* how long they are waited for */
    bool traced;            /* messages on their way to a service are traced there, too */
    int64_t token_position; /* of the token, from 1, that is the importer's name; 0: none */
    const struct export_claims *claims; /* NULL: it was configured, not signed */
};

struct import_options {
    const struct config_place *place;
    enum share_kind kind;
    struct bytes account;
    struct bytes subject; /* as it is exported */
    struct bytes prefix;  /* of a stream: what stands before it here */
    struct bytes to;      /* what it is here; empty: the same */
    bool traced;          /* of a stream: messages are traced here, too */
    bool share;           /* of a service: who asks is told in a header */
    struct bytes token;   /* signed by who exports; empty: none */
};

struct export_list {
    struct export_options *at;
    size_t count;
};

struct import_list {
    struct import_options *at;
    size_t count;
};

#endif

/*
 * auth_options: who may connect and what they may do, as it was configured (reference config.md 3).
 * Plain data in the arena of a struct config; server/auth/auth.h makes of it what a server asks.
 */
#ifndef SERVER_AUTH_AUTH_OPTIONS_H
#define SERVER_AUTH_AUTH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "server/share_options.h"

/* Subjects that are allowed or denied. */
struct permission_filter {
    struct bytes subject;
    struct bytes queue; /* of subscriptions; empty: whatever the queue */
};

struct permission_list {
    struct permission_filter *at;
    size_t count; /* 0: it says nothing */
};

struct permission_options {
    struct permission_list publish_allow;
    struct permission_list publish_deny;
    struct permission_list subscribe_allow;
    struct permission_list subscribe_deny;
    bool responses; /* may answer what it was asked, and publish nothing that is not allowed */
    int64_t responses_max; /* messages to one reply subject; -1: any number */
    int64_t responses_ns;  /* for how long; -1: for ever */
};

/* A bit each. */
enum connection_type {
    CONNECTION_STANDARD = 1,
    CONNECTION_WEBSOCKET = 2,
    CONNECTION_LEAFNODE = 4,
    CONNECTION_LEAFNODE_WS = 8,
    CONNECTION_MQTT = 16,
    CONNECTION_MQTT_WS = 32,
    CONNECTION_IN_PROCESS = 64,
};

#define ACCOUNT_NAME_MAX 255u

struct config_place;
struct config_value;

struct user_options {
    const struct config_place *place;
    struct bytes name;                            /* or nkey */
    struct bytes password;                        /* plain, or what bcrypt made of it */
    struct bytes nkey;                            /* public key in text */
    const struct permission_options *permissions; /* NULL: may do everything */
    unsigned connection_types;                    /* 0: any */
    const struct account_options *account;        /* NULL: the default account */
};

/* -1: no limit. */
struct jetstream_limits {
    int64_t memory_max;
    int64_t store_max;
    int64_t streams_max;
    int64_t consumers_max;
    int64_t ack_pending_max;
    int64_t memory_stream_bytes_max;
    int64_t store_stream_bytes_max;
    bool bytes_required;
};

/* The limits of what has so many replicas: "R1", "R3"; no other name is ever looked for. */
struct jetstream_tier {
    struct bytes name;
    struct jetstream_limits limits;
};

struct account_jetstream_options {
    bool enabled;
    struct jetstream_limits limits; /* while there are no tiers */
    struct jetstream_tier *tiers;   /* sorted by name */
    size_t tiers_count;
};

struct json;

/* A key that signs for an account. */
struct signing_key {
    struct bytes key;
    const struct json *template; /* what its users may; NULL: what each of them says */
};

/* What was signed of an account beside its options. */
struct account_claims {
    const struct callout_options *callout; /* who says who its users are; NULL: they do */
    struct bytes token;                    /* as it was signed */
    struct bytes text;                     /* what it says, as JSON */
    struct bytes issuer;                   /* a key as text */
    struct bytes name;                     /* that people know it by; empty: none */
    int64_t expires_s;                     /* 0: never */
    bool bearer_refused;
    bool own_refused; /* users are signed for by its other keys only */
    struct signing_key *keys;
    size_t keys_count;
    struct revocation *revocations;
    size_t revocations_count;
};

#define OPERATOR_KEYS_MAX 64u

struct operator_options {
    struct bytes keys[OPERATOR_KEYS_MAX]; /* that sign for them */
    size_t count;                         /* 0: there are none, users are configured */
    bool keys_only;                       /* and not what they say of themselves */
    bool strict[OPERATOR_KEYS_MAX]; /* of the key: accounts sign for users with other keys only */
    struct bytes strict_own[OPERATOR_KEYS_MAX]; /* operators' own keys, that sign for nobody */
    size_t strict_count;
};

struct account_options {
    struct bytes name;
    const struct account_claims *claims; /* NULL: it was configured, not signed */
    struct account_jetstream_options jetstream;
    const struct permission_options *default_permissions;
    int64_t max_connections; /* -1: no limit, as the next three */
    int64_t max_subscriptions;
    int64_t max_payload;
    int64_t max_leaves;
    struct bytes trace_destination; /* of messages with a sampled traceparent; empty: nowhere */
    int64_t trace_percent;          /* of them; 0: all */
    struct mapping_list mappings;
    struct export_list exports;
    struct import_list imports;
};

/* Who comes by a door of its own may have to be somebody else (reference config.md 4.4). */
struct auth_door {
    struct bytes user; /* the single one; empty: none */
    struct bytes password;
    struct bytes token;
    struct bytes no_auth_user;
    int64_t timeout_ns; /* for a CONNECT; 0: as for all */
};

/* Somebody who is connected already says who else is let in (reference core.md 3.8). */
struct callout_options {
    const struct config_place *place;
    struct bytes issuer;  /* a key as text: who signs for users */
    struct bytes account; /* where it is answered */
    struct bytes xkey;    /* a curve key as text: whom questions are sealed for; empty: nobody */
    struct bytes *users;  /* that nobody is asked about, names or keys */
    size_t users_count;
    struct bytes *accounts; /* whose configured users are asked about, too; none: of all */
    size_t accounts_count;
};

/* Accounts that may change while the server runs. NULL from `find`: there is none of that name. */
struct account_finder {
    const struct account_options *(*find)(const void *owner, struct bytes name);
    const void *owner;
    bool more; /* one that is not found may be after it was looked up elsewhere */
};

enum resolver_kind {
    RESOLVER_NONE,
    RESOLVER_MEMORY, /* what was preloaded, and nothing else */
    RESOLVER_FULL,   /* a directory with all of them */
    RESOLVER_URL,    /* a web server has them: each is looked up when it is needed */
    RESOLVER_CACHE,  /* other servers have them: the same, and a directory keeps some */
};

struct resolver_files;
struct tls_options;

/* Where the accounts are that operators have signed for (reference core.md 3.7.2). */
struct resolver_options {
    const struct config_place *place;
    enum resolver_kind kind;
    const char *directory;
    bool delete_allowed;
    bool delete_hard;                   /* the file goes; else it is renamed */
    int64_t limit;                      /* accounts; 0: any number, not of CACHE */
    int64_t ttl_ns;                     /* of CACHE: each is kept so long; 0: until it expires */
    int64_t interval_ns;                /* others are asked for what is new so often */
    int64_t timeout_ns;                 /* for their answers */
    const struct resolver_files *files; /* how the directory is reached; NULL: there is none */
    const char *host;                   /* of the URL, as the next three */
    uint16_t port;
    const char *path; /* ends with a slash */
    bool secure;
};

/* Is each account looked up when somebody needs it? */
static inline bool resolver_looks_up(const struct resolver_options *options)
{
    return options->kind == RESOLVER_URL || options->kind == RESOLVER_CACHE;
}

/* Do accounts come while the server runs? */
static inline bool resolver_has_more(const struct resolver_options *options)
{
    return options->kind == RESOLVER_FULL || resolver_looks_up(options);
}

struct auth_options {
    struct operator_options *operators;     /* NULL: users are configured, not signed */
    const struct config_value *preload;     /* what they have signed; NULL: nothing */
    struct resolver_options resolver;       /* and where it is found */
    const struct tls_options *resolver_tls; /* NULL: what is usual */
    struct account_finder finder;           /* of what is found there; .find NULL: of `accounts` */
    const struct config_place *place;       /* of the authorization block; NULL: there is none */
    struct bytes user;                      /* the single one; empty: none */
    struct bytes password;
    struct bytes token;
    int64_t timeout_ns;         /* for a CONNECT; 0: the default */
    struct user_options *users; /* of all accounts */
    size_t users_count;
    struct account_options **accounts; /* as configured, "$G" is not among them */
    size_t accounts_count;
    const struct permission_options *default_permissions;
    struct bytes no_auth_user;
    const struct callout_options *callout; /* NULL: what is configured counts */
    const struct auth_door *websocket;     /* what counts there instead; NULL: nothing */
    struct bytes system_account;           /* empty: "$SYS" */
    struct mapping_list mappings;          /* of the default account */
};

#endif

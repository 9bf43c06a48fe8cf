/*
 * auth: who may connect. Made from what was configured, asked at every CONNECT, replaced whole by a
 * reload. A core: a password that takes long to prove is handed back to be proven elsewhere.
 *
 * One question, asked in one order (reference core.md 3.1): a key, a user, the token, the single
 * user. Nobody is told which part of an answer was wrong.
 */
#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "base/table.h"
#include "server/auth/jwt_claims.h"
#include "server/auth/nkey.h"
#include "server/auth/permissions.h"

#define AUTH_NONCE_SIZE      11u
#define AUTH_NONCE_TEXT_SIZE 16u /* with its zero */

struct auth_user {
    const struct user_options *options;
    struct permissions *permissions; /* NULL: may do everything */
    struct auth_signed *made;        /* of what it said: it is its owner's; NULL: configured */
};

/* A user whom an account has signed for. */
struct auth_signed {
    struct auth_user user;
    struct user_options options;
    struct jwt_grant grant;
    struct permissions permissions;
    struct arena arena;
    struct bytes token;
    int64_t expires_s;    /* 0: never */
    bool account_expires; /* then it is the account that does */
    bool delegated;       /* somebody else has let it in (callout.h) */
    bool by_account;      /* what it may its account says, and not what it has shown */
    struct bytes
        home; /* of one that was delegated: by that account's claims; empty: as configured */
};

struct auth {
    struct auth_options options; /* a copy; what it points at is its owner's */
    struct auth_user *users;     /* as configured */
    size_t users_count;
    struct table names; /* of them */
    struct table nkeys;
    const struct auth_user *unnamed;           /* who says nothing is this one; NULL: nobody */
    const struct auth_user *unnamed_websocket; /* where the door has rules of its own */
    uint64_t seed;
    bool required;
    bool open; /* required of nobody but those who want more than the default account */
};

/* What a client says of itself. */
struct auth_claim {
    struct bytes user;
    struct bytes password;
    struct bytes token;
    struct bytes nkey;
    struct bytes signature;
    struct bytes jwt;
    int64_t wall_s;            /* now */
    bool proven;               /* it has signed a nonce before */
    struct bytes nonce;        /* what it was given to sign; empty: nothing */
    const struct bytes *names; /* of its certificate, when they count */
    size_t names_count;
    struct bytes subject; /* of the certificate: "CN=x,OU=y" */
    enum connection_type type;
};

enum auth_verdict {
    AUTH_ALLOWED, /* as `user`, NULL: nobody in particular */
    AUTH_REFUSED,
    AUTH_DELEGATED, /* somebody else is to say (callout.h) */
    AUTH_PROVE,     /* if `proof.said` proves `proof.hash`, as `user` */
    AUTH_UNKNOWN,   /* the account `proof.account` is to be looked up first */
};

struct auth_proof {
    struct bytes hash; /* lives as long as the auth */
    struct bytes said; /* of the claim */
    char account[NKEY_TEXT_SIZE];
};

/* What `options` point at outlives it. */
void auth_init(struct auth *auth, const struct auth_options *options, uint64_t seed);
void auth_deinit(struct auth *auth);

/* A user that was signed for is the caller's to end, also when somebody else is to say who it is.
 */
enum auth_verdict auth_ask(const struct auth *auth, const struct auth_claim *claim,
                           const struct auth_user **user, struct auth_proof *proof);

/* NULL: there is none of that name. */
const struct account_options *auth_account(const struct auth *auth, struct bytes name);
/* Whom to ask about users of the account of that name, whose claims say so; empty: what is
 * configured. NULL: nobody. */
const struct callout_options *auth_callout(const struct auth *auth, struct bytes account);

/* Is somebody else to say who that is, which would be `user` here (NULL: nobody in particular)? */
bool auth_delegates(const struct auth *auth, const struct auth_claim *claim,
                    const struct auth_user *user);

/* The same where users are signed for: NULL: refused. Who gets one ends it. */
const struct auth_user *auth_ask_signed(const struct auth *auth, const struct auth_claim *claim);
/* Of one that was refused: is it only that nobody here knows its account yet, or that what is known
 * of it has expired? */
bool auth_signed_unknown(const struct auth *auth, const struct auth_claim *claim,
                         char account[static NKEY_TEXT_SIZE]);
/* When what the user has shown counts no more, or its account. */
void auth_signed_set_end(struct auth_signed *made, const struct jwt *jwt);
/* What one that was let in and is refused now is told; NULL: nothing. */
const char *auth_signed_words(const struct auth *auth, struct bytes token, int64_t wall_s);
/* Nothing for a configured one, or NULL. */
void auth_user_end(const struct auth_user *user);
/* The user of that name or key, NULL if there is none. */
const struct auth_user *auth_find(const struct auth *auth, struct bytes name);
/* Must who comes so be somebody? */
bool auth_required(const struct auth *auth, enum connection_type type);
/* Do clients need a nonce to sign? */
bool auth_wants_nonce(const struct auth *auth);
/* Is anybody's password or token configured as it is said? */
bool auth_has_plain_passwords(const struct auth *auth);
/* Who a user is: a name or a key. */
struct bytes auth_user_name(const struct auth_user *user);

#endif

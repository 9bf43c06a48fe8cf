/*
 * jwt: signed claims as text (reference core.md 3.7): three parts in base64, of which the first
 * says how, the second what, and the third proves who said it. Who that is has a key of nkey.h.
 * Pure; the text is hostile, and its claims are of no use before the signature was verified.
 */
#ifndef SERVER_AUTH_JWT_H
#define SERVER_AUTH_JWT_H

#include "base/json.h"

#define JWT_SIZE_MAX (1u << 20)

enum jwt_kind {
    JWT_OPERATOR,
    JWT_ACCOUNT,
    JWT_USER,
    JWT_ACTIVATION,
    JWT_AUTHORIZATION,
    JWT_GENERIC, /* anything else that somebody says, of whomever */
};

struct jwt {
    enum jwt_kind kind;
    struct bytes issuer;  /* a key as text */
    struct bytes subject; /* whom it is about, the same */
    struct bytes name;
    struct bytes audience;
    int64_t issued_s;          /* by the wall clock, as the others; 0: it does not say */
    int64_t expires_s;         /* 0: never */
    int64_t starts_s;          /* 0: at once */
    const struct json *claims; /* what depends on the kind; NULL: nothing */
    struct bytes token;        /* all of it */
    struct bytes text;         /* what it says, as JSON */
};

/* Views of the token and of the arena. False: it is none, or not signed by its issuer. */
bool jwt_read(struct arena *arena, struct bytes token, struct jwt *jwt);
bool jwt_valid_at(const struct jwt *jwt, int64_t wall_s);

#endif

/* connect: what a client says about itself in CONNECT (reference core.md 1.5). */
#ifndef SERVER_CLIENTS_CONNECT_H
#define SERVER_CLIENTS_CONNECT_H

#include "base/arena.h"

struct connect {
    bool verbose;
    bool pedantic;
    bool echo;
    bool headers;
    bool no_responders;
    bool account_asked; /* "account" or "new_account": refused */
    int64_t protocol;
    struct bytes name; /* these are views of the text or of the arena */
    struct bytes lang;
    struct bytes version;
    struct bytes user;
    struct bytes pass;
    struct bytes auth_token;
    struct bytes nkey;
    struct bytes sig;
    struct bytes jwt;
};

/* What a client that has not said CONNECT is taken to have said. */
void connect_default(struct connect *connect);

/*
 * Reads the members that are there over what `connect` holds. Keys in any case, the last of two
 * wins, null changes nothing, unknown keys are ignored. False: no JSON object, or a member of the
 * wrong type; `connect` is then of no use.
 */
bool connect_read(struct arena *arena, struct bytes json, struct connect *connect);

#endif

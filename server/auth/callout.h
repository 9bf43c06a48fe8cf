/*
 * callout: who connects is let in by somebody else, who is connected already (reference core.md
 * 3.8): a server asks with what it knows of the client, signed by its own key, and what is answered
 * is signed by an account's: a user as in auth_signed.c, under a name that was made up for this one
 * question, so that no answer counts twice. Pure.
 */
#ifndef SERVER_AUTH_CALLOUT_H
#define SERVER_AUTH_CALLOUT_H

#include "base/buf.h"
#include "server/auth/auth.h"
#include "server/auth/nkey.h"
#include "server/tls/box.h"

#define CALLOUT_SUBJECT  "$SYS.REQ.USER.AUTH"
#define CALLOUT_WHY_SIZE 512u

/* Texts, but for those that are JSON. */
struct callout_question {
    struct bytes id; /* of the question */
    struct bytes issuer;
    struct bytes user; /* the name that the answer is to be about */
    struct bytes server_id, server_name, host, version, cluster;
    struct bytes server_xkey; /* that the answer may be sealed for; empty: it comes as it is */
    const struct bytes *tags;
    size_t tags_count;
    struct bytes client, connect; /* JSON: who it is, and what it has said */
    struct bytes tls;             /* JSON; empty: it is not encrypted */
    int64_t issued_s, expires_s;
};

/* The question, signed by the key that `server_id` is the public half of. False: `out` is full. */
bool callout_write(struct buf *out, const struct callout_question *question,
                   const uint8_t seed[static NKEY_SIZE]);

/* What only the owner of that curve key can open, and the other way round. False: it cannot be. */
bool callout_seal(struct buf *out, struct bytes question, struct bytes xkey,
                  const uint8_t seed[static NKEY_SIZE], const uint8_t nonce[static BOX_NONCE_SIZE]);
/* An answer may come as it is, too. False: it is sealed, and not by that one for us. */
bool callout_open(struct buf *out, struct bytes answer, struct bytes xkey,
                  const uint8_t seed[static NKEY_SIZE]);

/* What the answer to that question has to fit. */
struct callout_wanted {
    struct bytes home; /* the account whose claims say that it is asked; empty: as configured */
    bool sealed; /* the answer came so: whoever could do that may have signed it with any key */
    struct bytes user, server_id;
    struct bytes said; /* what the client calls itself: its name unless the answer has another */
    enum connection_type type;
    int64_t wall_s;
};

/* Nobody in the account where it is answered may ask in a server's place. Who is granted nothing of
 * its own keeps what that account grants. */
void callout_deny_asking(struct auth_signed *made, const struct permission_options *usual);
/* Who it is by that answer; who gets one ends it (auth_user_end). NULL: `why` is a sentence. */
const struct auth_user *callout_read(const struct auth *auth, struct bytes answer,
                                     const struct callout_wanted *wanted,
                                     char why[static CALLOUT_WHY_SIZE]);
/* The same user under the rules that hold now; NULL: it is none any more. */
const struct auth_user *callout_again(const struct auth *auth, const struct auth_signed *before,
                                      int64_t wall_s);

#endif

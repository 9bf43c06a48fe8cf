/*
 * callout_desk: asks who lets others in (server/auth/callout.h) for those who connect to one shard:
 * in the account where that one is, under a reply subject of the desk, and hears what is answered
 * there. Whoever asks waits as long as it likes; the first answer counts, and is read in a turn of
 * its own, when nothing is being published.
 */
#ifndef SERVER_CLIENTS_CALLOUT_DESK_H
#define SERVER_CLIENTS_CALLOUT_DESK_H

#include "base/io.h"
#include "base/logger.h"
#include "server/auth/callout.h"
#include "server/info.h"
#include "server/options.h"
#include "server/router/router.h"

#define CALLOUT_ASK_MAX    (8u << 20) /* bytes of a question, and of an answer */
#define CALLOUT_TOKEN_SIZE 22u        /* that nobody can guess */

struct callout_desk;

/* Borrowed, all for as long as the desk is. */
struct callout_desk_setup {
    struct io *io;
    struct logger *logger;
    struct router *router;
    const struct auth *auth;
    const struct info *info;
    const struct options *options;
    struct prng *prng;
};

/* One question, in the asker's own memory. */
struct callout_ask {
    struct callout_desk *desk;
    char token[CALLOUT_TOKEN_SIZE + 1];
    char user[NKEY_TEXT_SIZE + 1]; /* that the answer is to be about */
    bool answered;
    struct bytes answer; /* owned */
    struct timer timer;  /* there is an answer, or the patience is over */
    void (*over)(struct callout_ask *ask);
};

/* Who is to be let in. */
struct callout_about {
    struct bytes home; /* the account whose claims say that it is asked; empty: as configured */
    struct bytes said; /* what it calls itself */
    enum connection_type type;
};

/* What is told of it: JSON, as callout_question has it. */
struct callout_told {
    struct bytes client, connect, tls;
    int64_t patience_ns; /* the answer is of use so long */
};

struct callout_desk *callout_desk_create(const struct callout_desk_setup *setup);
/* NULL is fine. Nothing is asked any more. */
void callout_desk_destroy(struct callout_desk *desk);

/* Until callout_ask_end. `over` is called once, at that time at the latest; INT64_MAX: only when
 * there is an answer. */
void callout_ask_begin(struct callout_desk *desk, struct callout_ask *ask,
                       void (*over)(struct callout_ask *ask), int64_t until_ns);
/* An answer, if one still comes, is nobody's. */
void callout_ask_end(struct callout_ask *ask);

/* Where it is asked; NULL: nobody is to be asked about it. */
struct account *callout_ask_account(const struct callout_ask *ask,
                                    const struct callout_about *about);
/* Asks there; that nobody is there to answer is said in the log. */
void callout_ask_send(struct callout_ask *ask, struct account *account,
                      const struct callout_about *about, const struct callout_told *told);
/* Any other request whose reply comes to the same place; false: nobody takes it. */
bool callout_ask_other(struct callout_ask *ask, struct account *account, struct message *message);
/* Who it is by the answer; who gets one ends it (auth_user_end). NULL: the log says why. */
const struct auth_user *callout_ask_read(const struct callout_ask *ask,
                                         const struct callout_about *about);

#endif

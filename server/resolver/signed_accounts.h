/*
 * signed_accounts: the accounts that operators have signed for, where more of them may come and
 * those that are there may change: what counts of each now, and one number over all tokens by which
 * two servers see whether they have the same. A core: whoever has it keeps the tokens and tells the
 * server.
 *
 * A token becomes an account in two steps, so that what cannot be is said before anything is kept:
 * signed_account_read, then signed_accounts_take. Imports depend on other accounts, which may come
 * later: those that are not allowed yet are left out, and looked at again with every change
 * (signed_accounts_settle).
 *
 * What others were given of an account that has changed lives until signed_accounts_forget: they
 * are to take the new one before.
 */
#ifndef SERVER_RESOLVER_SIGNED_ACCOUNTS_H
#define SERVER_RESOLVER_SIGNED_ACCOUNTS_H

#include "base/table.h"
#include "server/auth/auth_options.h"
#include "server/auth/jwt.h"
#include "server/router/share_check.h"
#include "server/tls/digest.h"

#define SIGNED_ACCOUNT_WHY_SIZE 256u

struct signed_account {
    struct arena arena;
    struct account_options *options; /* the imports are those that count now */
    struct import_list claimed;      /* all of them */
    uint8_t hash[DIGEST_SIZE];       /* of the token */
    int64_t issued_s;
    bool changed; /* since the last signed_accounts_forget */
    bool unknown; /* nobody has signed for it: it stands in for the system's until somebody does */
    bool gone;    /* nobody may come any more */
    struct signed_account *retired; /* the next of those that are replaced */
};

struct signed_accounts {
    const struct operator_options *operators;
    struct table all;
    struct signed_account *retired;
    struct account_options **list; /* of all, as table.count; changes with each settle */
    size_t count;                  /* that somebody has signed for */
    uint8_t hash[DIGEST_SIZE];     /* of all tokens: the exclusive or of theirs */
};

/* Told of each import that does not count, when an account that is concerned has changed. */
typedef void signed_accounts_told_fn(void *owner, const struct account_options *account,
                                     const char *why);

void signed_accounts_init(struct signed_accounts *accounts,
                          const struct operator_options *operators, uint64_t seed);
void signed_accounts_deinit(struct signed_accounts *accounts);

/* NULL: it is no account that one of the operators has signed for, or claims what cannot be; `why`
 * says so. The caller's, until it is taken. */
struct signed_account *signed_account_read(const struct operator_options *operators,
                                           struct bytes token,
                                           char why[static SIGNED_ACCOUNT_WHY_SIZE]);
void signed_account_free(struct signed_account *account);
struct bytes signed_account_token(const struct signed_account *account);
struct bytes signed_account_name(const struct signed_account *account);
/* Is it newer than that other token of the same account? Of two of one second the same one on every
 * server. */
bool signed_account_newer(const struct signed_account *account, const struct signed_account *other);

/* In the place of what was known of that account; owned from here on. */
void signed_accounts_take(struct signed_accounts *accounts, struct signed_account *account);
/* Without claims, so that its own key may sign for users, until it is taken. Nothing if it is
 * there. */
void signed_accounts_stand_in(struct signed_accounts *accounts, struct bytes name);
/* Its users are let in no more; what is stored for it stays what it is. False: it is not there. */
bool signed_accounts_drop(struct signed_accounts *accounts, struct bytes name);
/* After what was taken and dropped: all imports and the list. */
void signed_accounts_settle(struct signed_accounts *accounts, signed_accounts_told_fn *told,
                            void *owner);
/* Nobody has what was replaced any more. */
void signed_accounts_forget(struct signed_accounts *accounts);

/* NULL: it is not there, or gone. */
const struct signed_account *signed_accounts_find(const struct signed_accounts *accounts,
                                                  struct bytes name);
/* All, those that are gone, too, in no order, as table_next. */
const struct signed_account *signed_accounts_next(const struct signed_accounts *accounts,
                                                  size_t *at);

#endif

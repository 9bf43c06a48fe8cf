/*
 * share_check: what of an account's imports only all accounts together show (reference core.md 4):
 * that the other one is there and lets it, and that nothing comes round to where it began. Pure.
 */
#ifndef SERVER_ROUTER_SHARE_CHECK_H
#define SERVER_ROUTER_SHARE_CHECK_H

#include "server/auth/auth_options.h"

#define SHARE_WHY_SIZE 640u

/* False: `why` is the reference's sentence about it. Those in front of it are taken to be allowed.
 */
bool share_import_allowed(const struct account_finder *accounts,
                          const struct account_options *account, size_t place,
                          char why[static SHARE_WHY_SIZE]);

#endif

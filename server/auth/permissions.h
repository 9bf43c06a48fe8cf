/*
 * permissions: what a user may publish and subscribe (reference core.md 3.4). Made once from what
 * was configured, asked often, changed never. What is denied stays denied whatever allows it.
 *
 * Filters without wildcards are found by one look-up; those with are tried one after the other, for
 * nobody writes many of them.
 */
#ifndef SERVER_AUTH_PERMISSIONS_H
#define SERVER_AUTH_PERMISSIONS_H

#include "base/table.h"
#include "server/auth/auth_options.h"

struct filter_entry;

/* Subjects, each with a queue or for all. */
struct filters {
    bool given;
    struct table literals; /* struct filter_entry by subject */
    struct filter_entry *wildcards;
    struct filter_entry *entries;
};

struct permissions {
    const struct permission_options *options;
    struct filters publish_allow;
    struct filters publish_deny;
    struct filters subscribe_allow;
    struct filters subscribe_deny;
};

/* `options` outlives it. */
void permissions_init(struct permissions *permissions, const struct permission_options *options,
                      uint64_t seed);
void permissions_deinit(struct permissions *permissions);

bool permissions_publish(const struct permissions *permissions, struct bytes subject);
/* `queue` may be empty. */
bool permissions_subscribe(const struct permissions *permissions, struct bytes subject,
                           struct bytes queue);
/* May a subscription that was allowed match what is denied? Then its messages are to be asked about
 * one by one. */
bool permissions_subscribe_leaks(const struct permissions *permissions, struct bytes subject);
bool permissions_deliver(const struct permissions *permissions, struct bytes subject);

#endif

/*
 * jwt_limits: what the claims of an account grant of JetStream: one set of limits, or one for each
 * number of replicas ("tiers"). Pure.
 */
#ifndef SERVER_AUTH_JWT_LIMITS_H
#define SERVER_AUTH_JWT_LIMITS_H

#include "base/arena.h"
#include "base/json.h"
#include "server/auth/auth_options.h"

/* `limits`: the member of that name; NULL: nothing is granted. Names are views into it. False: it
 * makes no sense. */
bool jwt_limits_read(struct arena *arena, const struct json *limits,
                     struct account_jetstream_options *options);

#endif

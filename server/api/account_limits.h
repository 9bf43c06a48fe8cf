/*
 * account_limits: what an account and the server allow of JetStream (reference streams 12.1, 12.2):
 * how many streams and consumers, how much of either storage. Pure: what is configured and what is
 * in use in, an error's number out.
 */
#ifndef SERVER_API_ACCOUNT_LIMITS_H
#define SERVER_API_ACCOUNT_LIMITS_H

#include "server/api/consumer_check.h"
#include "server/api/stream_check.h"
#include "server/auth/auth_options.h"
#include "server/jetstream_core.h"

/* The limits of an account, those that were not configured -1. */
struct account_jetstream_options account_limits(const struct account *account);

/* May there be this stream? `before`: what it was, NULL: it is new. `usage` is the account's, `all`
 * everybody's. */
uint16_t account_check_stream(const struct account_jetstream_options *limits,
                              const struct jetstream_options *server,
                              const struct account_usage *usage, const struct account_usage *all,
                              const struct stream_config *config,
                              const struct stream_config *before);

/* How many consumers a stream may have; 0: any number. */
int64_t account_consumers_max(const struct account_jetstream_options *limits,
                              const struct stream_config *config);

/* How many unacknowledged messages a consumer of the account may have, by its limit and the
 * server's; 0: any number. */
int64_t account_ack_pending_max(const struct account *account,
                                const struct jetstream_options *server);
/* A consumer that does not say gets no more than that. */
void account_ack_pending_default(int64_t most, const struct stream_config *stream,
                                 struct consumer_config *config);

#endif

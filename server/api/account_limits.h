/*
 * account_limits: what an account and the server allow of JetStream (reference streams 12.1, 12.2):
 * how many streams and consumers, how much of either storage. Pure: what is configured and what is
 * in use in, an error's number out.
 *
 * An account has one set of limits, where what is stored counts once for each replica, or tiers:
 * a set for each number of replicas, that counts what has so many, one replica of it.
 */
#ifndef SERVER_API_ACCOUNT_LIMITS_H
#define SERVER_API_ACCOUNT_LIMITS_H

#include "server/api/consumer_check.h"
#include "server/api/stream_check.h"
#include "server/auth/auth_options.h"
#include "server/jetstream/jetstream_core.h"

bool account_tiered(const struct account *account);
/* The limits for what has that many replicas, those that were not configured -1. NULL: there are
 * tiers, and none of them is for that. */
const struct jetstream_limits *account_limits(const struct account *account, int64_t replicas);
/* How many replicas that tier is for; 0: for nothing that can be. */
int64_t account_tier_replicas(struct bytes name);
/* Is there a limit that streams are counted against? */
bool account_counted(const struct account *account);
/* One of how much they store in files? */
bool account_stores_counted(const struct account *account);

struct account_demand {
    const struct stream_config *config;
    const struct stream_config *before;     /* what the stream was; NULL: it is new */
    const struct jetstream_limits *limits;  /* that count for it; NULL: none do */
    bool tiered;                            /* they are of a tier */
    const struct account_usage *others;     /* of the account, or its tier, without the stream */
    const struct jetstream_options *server; /* its limits, and what all accounts use of them */
    const struct account_usage *all;
};

/* May there be this stream? */
uint16_t account_check_stream(const struct account_demand *demand);

/* How many replicas a consumer has: the tier that it belongs to. */
int64_t account_consumer_replicas(const struct consumer_config *config,
                                  const struct stream_config *stream);
/* How many consumers a stream may have; 0: any number. */
int64_t account_consumers_max(const struct jetstream_limits *limits,
                              const struct stream_config *config);

/* How many unacknowledged messages a consumer may have, by the account's limit and the server's;
 * 0: any number. */
int64_t account_ack_pending_max(const struct jetstream_limits *limits,
                                const struct jetstream_options *server);
/* A consumer that does not say gets no more than that. */
void account_ack_pending_default(int64_t most, const struct stream_config *stream,
                                 struct consumer_config *config);

#endif

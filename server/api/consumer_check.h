/*
 * consumer_check: the rules of ConsumerConfig (reference consumers 2.2 to 2.6): defaults,
 * validation in the reference's order with its texts, and what an update may change. Pure: configs
 * in, verdict out.
 */
#ifndef SERVER_API_CONSUMER_CHECK_H
#define SERVER_API_CONSUMER_CHECK_H

#include "consumers/consumer_config.h"
#include "server/api/verdict.h"
#include "server/stream/stream_config.h"

/* Of consumers without durable name. */
#define CONSUMER_INACTIVE_DEFAULT_NS INT64_C(5000000000)
/* Each message costs a look at every filter: so many keep a hand-out well below a second. */
#define CONSUMER_FILTERS_MAX 8192u

#define CONSUMER_ACK_PENDING_DEFAULT 1000

/*
 * Puts defaults in place and checks the result. `config->name` holds the final name. Strings and
 * the metadata map may be replaced by ones in `arena`.
 */
void consumer_check(struct consumer_config *config, const struct stream_config *stream,
                    bool pedantic, struct arena *arena, struct verdict *verdict);

/* May `from` become `to`? `bound`: the present deliver subject has interest. Both are normalised.
 */
void consumer_check_update(const struct consumer_config *from, const struct consumer_config *to,
                           bool bound, struct verdict *verdict);

/* Puts the required API level among the metadata and takes out what only answers have. */
void consumer_check_level(struct consumer_config *config, struct arena *arena);

/* Name rules of priority groups. */
bool consumer_check_group(struct bytes name);

#endif

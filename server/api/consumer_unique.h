/* consumer_unique: what consumers of one work queue may be beside each other: each message is for
 * at most one of them (reference streams 5.2). */
#ifndef SERVER_API_CONSUMER_UNIQUE_H
#define SERVER_API_CONSUMER_UNIQUE_H

#include "consumers/consumer_config.h"

struct stream;

/* The error's number, or 0. `config` is of a new consumer, or of one that is there to be updated.
 */
uint16_t consumer_check_unique(const struct stream *stream, const struct consumer_config *config);
/* Is it one of the stream's own affairs, that no rule of work queues is for? */
bool consumer_is_internal(const struct consumer_config *config);

#endif

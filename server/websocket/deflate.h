/*
 * deflate: WebSocket messages that are compressed, each by itself: no context is taken over from
 * one to the next, in neither direction (RFC 7692). The one door of zlib. No I/O.
 */
#ifndef SERVER_WEBSOCKET_DEFLATE_H
#define SERVER_WEBSOCKET_DEFLATE_H

#include "base/buf.h"

struct deflater; /* of all connections of a shard */
struct inflater; /* of one message that arrives, which may take several frames */

typedef void inflated_fn(void *context, struct bytes payload);

struct deflater *deflater_create(void);
void deflater_destroy(struct deflater *deflater); /* NULL is fine */
/* Appends the message as it stands in its frames. */
void deflater_write(struct deflater *deflater, struct bytes message, struct buf *out);

/* A message of at most so many bytes. */
struct inflater *inflater_create(size_t message_max);
void inflater_destroy(struct inflater *inflater); /* NULL is fine */
/* Hands on, piece by piece, what `b` holds. False: it is too much, or was not compressed so. */
bool inflater_feed(struct inflater *inflater, struct bytes b, inflated_fn *payload, void *context);
/* The message is whole. The same. */
bool inflater_end(struct inflater *inflater, inflated_fn *payload, void *context);

#endif

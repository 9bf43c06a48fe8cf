/*
 * client_trace: a client's messages that ask to be traced (server/router/message_trace.h). Private
 * to server/clients/client*.c.
 */
#ifndef SERVER_CLIENTS_CLIENT_TRACE_H
#define SERVER_CLIENTS_CLIENT_TRACE_H

#include "server/clients/client_priv.h"
#include "server/router/message_trace.h"

/*
 * Sets message->trace if it is to be traced; whoever calls ends that. The headers may be changed:
 * they are in `headers` then, which the caller has initialised and deinits. False: the message goes
 * no further, and the client was told why if it did something wrong.
 */
bool client_trace_begin(struct client *client, struct message *message, size_t size,
                        struct buf *headers);
/* Of a message that is refused for its size: `body` is what has arrived of it. */
void client_trace_too_large(struct client *client, const struct proto_pub *pub, struct bytes body);

#endif

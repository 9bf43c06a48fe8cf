/*
 * What the files of the client core share. Private to server/client*.c: client.c holds a client's
 * states and output, client_commands.c what the commands do, client_input.c takes frames apart.
 */
#ifndef SERVER_CLIENT_PRIV_H
#define SERVER_CLIENT_PRIV_H

#include "server/client.h"
#include "server/proto.h"

/* client.c: each may find that there is no room, and then dooms the client. */
void client_out(struct client *client, struct bytes b);
/* -ERR 'before what after', where `what` is the peer's own text and may hold any byte. */
void client_out_error(struct client *client, struct bytes before, struct bytes what,
                      struct bytes after);
/* Whether it answers a CONNECT, else it is the first, or tells what has changed. */
void client_out_info(struct client *client, bool answer);

#define CLIENT_OUT_ERROR(client, text) client_out_error((client), BYTES(text), BYTES(""), BYTES(""))

/* client_commands.c */
void client_subscribe(struct client *client, const struct proto_sub *said);
void client_unsubscribe(struct client *client, const struct proto_unsub *said);
void client_publish(struct client *client, const struct proto_pub *pub, const uint8_t *body);
void client_connect(struct client *client, struct bytes args, int64_t now_ns);
void client_info(struct client *client, struct bytes args);
void client_erred(struct client *client, struct bytes args);
void client_pinged(struct client *client);
void client_ponged(struct client *client, int64_t now_ns);

#endif

/* trace: the protocol in the log, as -V asks for it. Callers look at clients->trace first. */
#ifndef SERVER_CLIENTS_TRACE_H
#define SERVER_CLIENTS_TRACE_H

#include "base/arena.h"
#include "base/bytes.h"

struct client;
struct proto_pub;

void trace_in(const struct client *client, const char *verb, struct bytes args);
void trace_publish(const struct client *client, const struct proto_pub *pub, const uint8_t *body);
/* CONNECT without what must not be in a log. */
void trace_connect(const struct client *client, struct arena *arena, struct bytes json);
void trace_out(const struct client *client, const char *word);
void trace_error(const struct client *client, struct bytes before, struct bytes what,
                 struct bytes after);
void trace_message(const struct client *client, struct bytes frame); /* MSG or HMSG, whole */
void trace_unsubscribed(const struct client *client, struct bytes sid);

#endif

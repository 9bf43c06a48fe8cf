/*
 * monitor: the HTTP side: GET /healthz and /varz on the monitoring port. One request per connection, bounded
 * in bytes and time; everything else is 404 or 400.
 */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

#include "base/buf.h"
#include "base/err.h"
#include "server/server.h"

struct monitor;

/* Listens on options.host:port (-1: any free one). *bound is the port. Errors as io_listen. */
enum err monitor_create(struct server *server, int port, struct monitor **monitor, uint16_t *bound);
/* Closes all; the io is turned or destroyed after. */
void monitor_destroy(struct monitor *monitor);

/* Pages: server.c fills them in. False: there is no such page. *status is 200 or what else is due. */
bool server_page(struct server *server, struct bytes path, struct buf *out, int *status);

#endif

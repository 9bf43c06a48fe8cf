/*
 * monitor: the monitoring pages: /healthz and /varz (reference monitoring.md), as JSON over http.h. Fields
 * that would be invented are left out.
 */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

#include "server/http.h"
#include "server/server.h"

/* Embedded in the server. */
struct monitor {
    struct http http;
    struct server *server;
    uint64_t healthz_count, varz_count;
};

void monitor_init(struct monitor *monitor, struct server *server);
void monitor_deinit(struct monitor *monitor);

#endif

/* monitor: what /varz and /healthz say about a server (reference monitoring.md 2.1, 2.10). */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

#include "server/http.h"

struct server;

struct monitor {
    struct server *server;
    struct http http;
    uint64_t varz_requests;
    uint64_t healthz_requests;
};

void monitor_init(struct monitor *monitor, struct server *server);
void monitor_deinit(struct monitor *monitor);

#endif

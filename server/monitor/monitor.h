/* monitor: what /varz, /routez and /healthz say about a server (reference monitoring.md 2.1, 2.3,
 * 2.10). */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

#include "server/http.h"

struct server;

struct monitor {
    struct server *server;
    struct http http;
    uint64_t varz_requests;
    uint64_t healthz_requests;
    uint64_t routez_requests;
    int64_t cpu_asked_ns; /* when the processor time was last read, and what it was */
    int64_t cpu_ns;
    double cpu_percent; /* between the last two readings that were far enough apart */
};

void monitor_init(struct monitor *monitor, struct server *server);
void monitor_deinit(struct monitor *monitor);

#endif

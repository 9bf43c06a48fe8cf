/*
 * monitor: what a server says of itself, over HTTP here and through the system account
 * (server/system/system.h): one document per endpoint, JSON as the reference has it, field by field
 * (reference monitoring.md).
 */
#ifndef SERVER_MONITOR_MONITOR_H
#define SERVER_MONITOR_MONITOR_H

#include "server/monitor/http.h"

#define MONITOR_ENDPOINTS_MAX 16u

struct ask;
struct json_writer;
struct server;

struct monitor {
    struct server *server;
    struct http http;
    uint64_t index_requests;
    uint64_t requests[MONITOR_ENDPOINTS_MAX]; /* over HTTP, by endpoint */
    unsigned health_status;                   /* of the /healthz that was written last */
    int64_t cpu_asked_ns; /* when the processor time was last read, and what it was */
    int64_t cpu_ns;
    double cpu_percent; /* between the last two readings that were far enough apart */
};

void monitor_init(struct monitor *monitor, struct server *server);
void monitor_deinit(struct monitor *monitor);

/* Right after a start: is what is said of all streams, or whether the server is well, to be asked
 * again in a later turn by who has asked since then? */
bool monitor_waits(struct monitor *monitor, int64_t since_ns);
/* The same of the document of that name, which may be of something else. */
bool monitor_document_waits(struct monitor *monitor, struct bytes name, int64_t since_ns);
/* Is it not known yet? Nothing is hurried by this. */
bool monitor_unknown(const struct monitor *monitor);
/* Why there is no answer when that has taken too long. */
#define MONITOR_UNKNOWN_SIZE 96u
void monitor_say_unknown(const struct monitor *monitor, char text[MONITOR_UNKNOWN_SIZE]);

/* The document of that name ("CONNZ") as one compact JSON object. False: there is none of that
 * name. When ask->status is not 200 after, nothing of what was written counts. */
bool monitor_document(struct monitor *monitor, struct bytes name, struct json_writer *w,
                      struct ask *ask);

#endif

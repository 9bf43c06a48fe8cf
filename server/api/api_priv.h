/* api_priv: struct api, for api.c and request.c. */
#ifndef SERVER_API_API_PRIV_H
#define SERVER_API_API_PRIV_H

#include "server/api/request.h"

#define API_KEEP (256u << 10) /* answer memory above this is returned */

struct api_sink;

struct api {
    struct jetstream *jetstream;
    struct api_sink *sinks; /* list */
    struct api_request *first, *last; /* queued */
    struct api_request *waiting;      /* run and not answered yet */
    size_t count;                     /* queued */
    struct buf out;
    struct json_writer writer;
};

void api_request_free(struct api_request *request);
/* "io.nats.jetstream.api.v1." + type */
void api_type(struct json_writer *writer, const char *type);
/* The audit advisory, if anybody listens. */
void api_audit(struct api_request *request, struct bytes response);

#endif

/*
 * api: the $JS.API request and answer layer: one table of endpoints, one table of errors, one
 * schema per JSON type. It owns no state of streams: it parses, checks, asks jetstream_core and the
 * streams, and encodes.
 */
#ifndef SERVER_API_API_H
#define SERVER_API_API_H

#include "server/jetstream/jetstream_core.h"

struct api;

struct api *api_create(struct jetstream *jetstream);
/* Requests that wait are dropped. What the disk still reads for keeps its memory: nobody is told.
 */
void api_destroy(struct api *api);

/* Serves "$JS.API.>" of the account from now on (the direct-get and MSG.NEXT subjects below it are
 * sinks of streams and consumers: the api ignores them). */
void api_serve(struct api *api, struct account *account);
bool api_serves(const struct api *api, const struct account *account);
void api_leave(struct api *api, struct account *account); /* not any more, if it did */
/* Works off what its sinks collected. Once per turn, before the streams work. */
void api_turn(struct api *api);
/* No request waits or is under way. */
bool api_idle(const struct api *api);
/* Has a request not begun yet? Then the next turn is to come at once. */
bool api_waits(const struct api *api);

/* The answer of a publish error: {"error":{...},"stream":"S","seq":0} as the reference prints it;
 * text NULL or empty: the constant description of `code`. */
void api_publish_error(struct buf *out, struct bytes stream, uint16_t err_code, const char *text);

struct json_writer;
/* "error":{...}; text NULL or empty: the constant description. */
void api_write_error(struct json_writer *writer, uint16_t err_code, const char *text);

/* The Nats-Required-Api-Level among the headers, if any, is one we have. */
bool api_level_is_met(struct bytes headers);

/* The row of server/api/errors.inc: HTTP-like code and constant description ("" if unknown). */
struct api_error {
    uint16_t err_code, code;
    const char *description;
};
const struct api_error *api_error(uint16_t err_code);

/* One stream as it stands in STREAM.LIST. */
void api_list_entry(struct api *api, struct account *account, struct stream *stream,
                    struct buf *out);
/* In a cluster: the request in `message` has brought about a change of a stream that is led here.
 */
struct catalogue_entry;
void api_changed(struct api *api, struct account *account, const struct message *message,
                 struct catalogue_entry *entry, enum catalogue_op_kind kind, bool created);

#endif

/* advisory: the JSON of events that JetStream publishes (reference streams 10, consumers 9). */
#ifndef SERVER_API_ADVISORY_H
#define SERVER_API_ADVISORY_H

#include "base/buf.h"
#include "consumers/consumer.h"

#define ADVISORY_SUBJECT_MAX 2048u
#define ADVISORY_BODY_MAX    8192u

struct client;
struct jetstream;
struct stream_lane;

/* Fills subject and body; false when they do not fit their buffers. `lane`: of who tells it;
 * home's, when that is no stream. */
bool advisory_of_consumer(struct stream_lane *lane, struct bytes account, struct bytes stream,
                          struct bytes consumer, const struct consumer_advice *advice,
                          struct buf *subject, struct buf *body);
/* action: "create", "delete" ("modify" for streams); consumer empty: of the stream. */
bool advisory_of_action(struct stream_lane *lane, struct bytes stream, struct bytes consumer,
                        const char *action, struct buf *subject, struct buf *body);

/* An atomic batch was dropped. */
bool advisory_of_batch(struct stream_lane *lane, struct bytes stream, struct bytes batch,
                       const char *reason, struct buf *subject, struct buf *body);

/* This server leads a stream or a consumer that others hold, too; or it did, and most of them are
 * gone. */
struct replica;
struct advisory_leader {
    const struct replica *replica;
    struct bytes stream, consumer; /* consumer empty: of the stream */
    bool elected;
};
bool advisory_of_leader(struct stream_lane *lane, const struct advisory_leader *told,
                        struct buf *subject, struct buf *body);
/* Does this server hear from most of those that hold it, itself among them? */
bool advisory_has_majority(const struct stream_lane *lane, const struct replica *replica);

/* That server was removed from the cluster; `id` as infos say it of a peer. */
bool advisory_of_server_removed(struct stream_lane *lane, struct bytes name, struct bytes id,
                                struct buf *subject, struct buf *body);

/* A consumer has been paused until then, or no longer is. */
bool advisory_of_pause(struct stream_lane *lane, struct bytes stream, struct bytes consumer,
                       bool paused, int64_t until_ns, struct buf *subject, struct buf *body);
/* The audit of one API request; the subject is "$JS.EVENT.ADVISORY.API". `client`: as
 * advisory_client wrote it. */
bool advisory_of_request(struct stream_lane *lane, struct bytes client, struct bytes subject,
                         struct bytes request, struct bytes response, struct buf *body);
/* ClientInfo of whoever asked (reference core 5.2), as JSON; NULL: the server itself. */
bool advisory_client(struct jetstream *jetstream, struct bytes account, const struct client *client,
                     struct buf *out);

#endif

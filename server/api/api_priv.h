/* api_priv: struct api, for api.c and request.c. */
#ifndef SERVER_API_API_PRIV_H
#define SERVER_API_API_PRIV_H

#include "base/map64.h"
#include "base/table.h"
#include "server/api/request.h"

struct api {
    struct jetstream *jetstream;
    struct table doors;               /* struct api_door, by the name of their account */
    struct api_request *first, *last; /* collected, not yet begun */
    size_t count, bytes;              /* of all requests there are */
    bool until_open;   /* all in the queue wait for streams that are opened: it is called */
    struct map64 held; /* by asker: the turn in which a request of its was last found to wait */
    uint64_t turn;
    bool overflowing;  /* it has been logged that requests are dropped */
    bool audited;      /* somebody listened to the audit at the last turn */
    size_t answered;   /* bytes, in this turn */
    struct buf answer; /* the one that is being written */
    struct json_writer writer;
};

/* A request is made in a sink and ends in exactly one of the answering calls, or when the api does.
 */
struct api_request *api_request_make(struct api *api, struct account *account,
                                     const struct message *message);
void api_request_free(struct api_request *request);
/* Notes who asked, for the audit; NULL: not known. */
void api_request_describe(struct api_request *request, const struct client *client);

/* place.c: in a cluster, the request is for another node: it is on its way there and gone here.
 * Else *group is the one whose leader answers. */
bool api_elsewhere(struct api_request *request, struct replica **group);

/* place.c: the stream that the request is about; empty: none, or more than that one. */
struct bytes api_stream_asked(const struct api_request *request);

/* stream_api.c: answers a create or update that the metadata leader has brought about. */
void api_answer_changed(struct api_request *request, struct catalogue_entry *entry,
                        enum catalogue_op_kind kind, bool created);

/* backup_api.c: the stream is there to be filled, and led here. */
void api_restore_begin(struct api_request *request, struct catalogue_entry *entry);

#endif

/* stored: a message as the API gives it (STREAM.MSG.GET, or a direct get). */
#ifndef CLI_STORED_H
#define CLI_STORED_H

#include "cli/api.h"

#define API_NO_MESSAGE 10037u

struct stored {
    struct msg msg; /* subject, header, payload */
    uint64_t sequence;
    struct bytes time; /* RFC 3339 */
};

/* Asks for one: `request` is JSON such as {"seq":1}. *found is false when there is none such. */
int stored_get(struct cli *cli, const char *stream, const char *request, struct stored *stored,
               bool *found);
/* "Item: ORDERS#1 received ... on Subject ...", headers and payload; or a line of JSON. */
void stored_show(struct cli *cli, const char *stream, const struct stored *stored);

#endif

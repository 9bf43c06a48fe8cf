/*
 * closed_clients: the last clients that were closed, for monitoring: as many as max_closed_clients
 * says, the oldest forgotten first. Of their subscriptions a few are kept.
 */
#ifndef SERVER_CLIENTS_CLOSED_CLIENTS_H
#define SERVER_CLIENTS_CLOSED_CLIENTS_H

#include "server/clients/client_row.h"

#define CLOSED_SUBS_MAX 32u /* of each that are kept */

struct closed_client {
    struct client_row row; /* what it views follows in the same piece of memory */
};

struct closed_clients {
    struct closed_client **ring;
    size_t capacity;
    size_t count;
    size_t next; /* place of the next one */
};

/* max <= 0: none is kept. */
void closed_clients_init(struct closed_clients *closed, int64_t max);
void closed_clients_deinit(struct closed_clients *closed);
/* `row` is of a client that still has its subscriptions. */
void closed_clients_add(struct closed_clients *closed, const struct client_row *row);
/* One of them alone; the caller's, by heap_give. */
struct closed_client *closed_client_record(const struct client_row *row);
/* The oldest is at 0. */
const struct client_row *closed_clients_at(const struct closed_clients *closed, size_t place);

#endif

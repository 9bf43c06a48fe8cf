/*
 * grants: to whom a client may answer: the reply subjects of messages it was sent, each for a
 * number of messages and a time. The oldest go first when there are too many.
 */
#ifndef SERVER_CLIENTS_GRANTS_H
#define SERVER_CLIENTS_GRANTS_H

#include "base/table.h"

#define GRANTS_MAX 16384u

struct grant;

struct grants {
    struct table by_subject;
    struct grant *oldest;
    struct grant *newest;
    int64_t messages_max; /* to one subject; -1: any number */
    int64_t time_max_ns;  /* -1: for ever */
};

void grants_init(struct grants *grants, int64_t messages_max, int64_t time_max_ns, uint64_t seed);
void grants_deinit(struct grants *grants);

/* Anew, if it was granted before. */
void grants_add(struct grants *grants, struct bytes subject, int64_t now_ns);
/* Uses up one message. */
bool grants_use(struct grants *grants, struct bytes subject, int64_t now_ns);

#endif

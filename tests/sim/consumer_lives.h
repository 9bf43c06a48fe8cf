/*
 * consumer_lives: consumers that are made and deleted, told from outside. Each name lives once:
 *
 *     C10  a consumer is there if its creation was answered and no deletion was, gone if that was;
 *          an update that was refused has changed nothing
 *
 * What got no answer may have happened or not, and nothing more is asked of that name.
 */
#ifndef TESTS_SIM_CONSUMER_LIVES_H
#define TESTS_SIM_CONSUMER_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define LIVES_MAX 48u

enum life { LIFE_CREATING, LIFE_THERE, LIFE_UPDATING, LIFE_DELETING, LIFE_GONE, LIFE_UNKNOWN };

struct lives {
    enum life at[LIVES_MAX];
    unsigned count;
    uint64_t created, deleted, refused; /* answered */
    char violation[200];                /* empty: none */
};

struct life_request {
    char subject[64], reply[24], payload[200];
};

/* The next request, about the name that was drawn; false: there is nothing to ask of it now. */
bool lives_next(struct lives *lives, uint64_t drawn, struct life_request *request);
/* An answer to request number `id` of lives_next: _R.n<id>. */
void lives_answered(struct lives *lives, unsigned id, struct bytes payload);
/* The connection has ended: what waits for an answer may have happened. */
void lives_lost(struct lives *lives);
/* The answer to CONSUMER.LIST when everything is quiet. */
void lives_listed(struct lives *lives, struct bytes payload);

#endif

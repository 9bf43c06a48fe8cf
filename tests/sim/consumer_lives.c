#include "tests/sim/consumer_lives.h"
#include "tests/sim/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

[[gnu::format(printf, 2, 3)]] static void violate(struct lives *lives, const char *format, ...)
{
    va_list arguments;

    if (lives->violation[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(lives->violation, sizeof lives->violation, format, arguments);
    va_end(arguments);
}

static void create(unsigned id, const char *policy, const char *action,
                   struct life_request *request)
{
    snprintf(request->subject, sizeof request->subject, "$JS.API.CONSUMER.CREATE.L.N%u", id);
    snprintf(request->payload, sizeof request->payload,
             "{\"stream_name\":\"L\",\"action\":\"%s\",\"config\":{\"durable_name\":\"N%u\","
             "\"ack_policy\":\"explicit\",\"deliver_policy\":\"%s\"}}",
             action, id, policy);
}

bool lives_next(struct lives *lives, uint64_t drawn, struct life_request *request)
{
    unsigned id = (unsigned)(drawn % LIVES_MAX);

    *request = (struct life_request){0};
    if (id >= lives->count) {
        id = lives->count;
        if (id == LIVES_MAX)
            return false;
        lives->count++;
        lives->at[id] = LIFE_CREATING;
        create(id, "all", "create", request);
    } else if (lives->at[id] != LIFE_THERE) {
        return false;
    } else if (drawn / LIVES_MAX % 2 == 0) {
        lives->at[id] = LIFE_UPDATING;
        create(id, "new", "update", request); /* where it begins cannot be changed */
    } else {
        lives->at[id] = LIFE_DELETING;
        snprintf(request->subject, sizeof request->subject, "$JS.API.CONSUMER.DELETE.L.N%u", id);
    }
    snprintf(request->reply, sizeof request->reply, "_R.n%u", id);
    return true;
}

void lives_answered(struct lives *lives, unsigned id, struct bytes payload)
{
    bool error = says(payload, "\"error\"") || payload.size == 0;
    bool definite = says(payload, "\"err_code\":10012") || says(payload, "cannot be updated");

    if (id >= lives->count)
        return;
    switch (lives->at[id]) {
    case LIFE_CREATING:
        lives->at[id] = error ? LIFE_UNKNOWN : LIFE_THERE;
        lives->created += !error;
        break;
    case LIFE_UPDATING:
        if (!error)
            violate(lives, "C10: where N%u begins was changed", id);
        lives->at[id] = LIFE_THERE; /* refused for whatever reason: it changed nothing */
        lives->refused += definite;
        break;
    case LIFE_DELETING:
        if (says(payload, "\"err_code\":10014"))
            violate(lives, "C10: N%u was there and cannot be found", id);
        lives->at[id] = error ? LIFE_UNKNOWN : LIFE_GONE;
        lives->deleted += !error;
        break;
    case LIFE_THERE:
    case LIFE_GONE:
    case LIFE_UNKNOWN: break;
    }
}

void lives_lost(struct lives *lives)
{
    for (unsigned id = 0; id < lives->count; id++) {
        if (lives->at[id] == LIFE_UPDATING)
            lives->at[id] = LIFE_THERE;
        else if (lives->at[id] == LIFE_CREATING || lives->at[id] == LIFE_DELETING)
            lives->at[id] = LIFE_UNKNOWN;
    }
}

void lives_listed(struct lives *lives, struct bytes payload)
{
    for (unsigned id = 0; id < lives->count; id++) {
        char name[24];

        snprintf(name, sizeof name, "\"name\":\"N%u\"", id);
        if (lives->at[id] == LIFE_THERE && !says(payload, name))
            violate(lives, "C10: N%u was made and is not there", id);
        if (lives->at[id] == LIFE_GONE && says(payload, name))
            violate(lives, "C10: N%u was deleted and is there", id);
    }
    if (says(payload, "\"deliver_policy\":\"new\""))
        violate(lives, "C10: an update that was refused has changed a consumer");
}

/*
 * ask: what somebody wants to know: the parameters of an endpoint, from the query of a URL or the
 * JSON body of a system request, which name some of them differently. A parameter that is not there
 * leaves what the caller has put in place; one that cannot be read refuses the whole question, in
 * the words of the reference.
 */
#ifndef SERVER_MONITOR_ASK_H
#define SERVER_MONITOR_ASK_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"

#define ASK_REASON_SIZE 512u

struct ask {
    struct bytes query;      /* of a URL, still escaped */
    const struct json *body; /* of a system request; NULL: it is a URL */
    struct arena *arena;     /* of what is unescaped */
    unsigned status;         /* 200, else `reason` says why not */
    char reason[ASK_REASON_SIZE];
    bool malformed;       /* a body that is not what it should be */
    bool silent;          /* a system request that this server does not answer */
    bool list_subs;       /* subscriptions are listed, asked for or not */
    struct bytes account; /* the only one that may be asked about; empty: any */
    char what[16];        /* "Connz": how the reference calls what a body is read into */
};

/* How a parameter is called in either; NULL: it is none there. */
struct ask_key {
    const char *query;
    const char *body;
};

void ask_of_query(struct ask *ask, struct bytes query, struct arena *arena);
void ask_of_body(struct ask *ask, const struct json *body, struct arena *arena);

void ask_bool(struct ask *ask, struct ask_key key, bool *to);
void ask_int(struct ask *ask, struct ask_key key, int64_t *to);
void ask_u64(struct ask *ask, struct ask_key key, uint64_t *to);
void ask_text(struct ask *ask, struct ask_key key, struct bytes *to);

/* subs=1, subs=detail. */
enum ask_subs { ASK_SUBS_NONE, ASK_SUBS_LIST, ASK_SUBS_DETAIL };
enum ask_subs ask_subs(struct ask *ask);

[[gnu::format(printf, 3, 4)]] void ask_refuse(struct ask *ask, unsigned status, const char *format,
                                              ...);

#endif

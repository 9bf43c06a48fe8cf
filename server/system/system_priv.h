/* What the files of the system account share. */
#ifndef SERVER_SYSTEM_SYSTEM_PRIV_H
#define SERVER_SYSTEM_SYSTEM_PRIV_H

#include "base/json.h"
#include "server/server_priv.h"
#include "server/system/system.h"

#define SYSTEM_SUBJECT_MAX 512u
#define SYSTEM_ANSWER_MAX  (64u << 20)

struct system_request {
    struct system_request *next;
    struct account *account; /* that it was asked in, and is answered in */
    struct bytes subject, reply, body;
    int64_t since_ns;   /* when it had come */
    struct bytes user;  /* of whoever asks, as JSON; empty: not asked for, or not here */
    bool forwarded;     /* by another server, which answers for itself */
    bool passed_on;     /* to another server */
    bool no_responders; /* whoever asks wants to know that nobody answers */
};

/* ---- system.c */
struct account *system_account(const struct server *server); /* NULL: there is none */
/* To another server, which answers for itself. */
void system_forward(struct system *system, uint64_t node, const struct system_request *request);
void system_publish(struct server *server, struct account *account, struct bytes subject,
                    struct bytes payload);

/* ---- describe.c: JSON objects */
/* Who says it, with the next number. */
void system_write_server(struct json_writer *w, struct system *system);
/* The same at a given time; from any shard. */
void system_write_server_at(struct json_writer *w, struct system *system, int64_t wall_ns);
void system_write_client(struct json_writer *w, const struct server *server,
                         const struct client_row *row, bool ended);
void system_write_stats(struct json_writer *w, struct server *server);
/* {"user":...}: of the one that asks. */
void system_write_user(struct json_writer *w, const struct client *client);

/* ---- requests.c: false: there is no answer yet, and it is to be asked again in a later turn. */
bool system_answer(struct system *system, const struct system_request *request);

/* ---- events.c */
void system_events_init(struct system *system);
void system_events_deinit(struct system *system);
/* $SYS.SERVER.<id>.STATSZ, whether or not anybody listens. */
void system_say_stats(struct system *system);

#endif

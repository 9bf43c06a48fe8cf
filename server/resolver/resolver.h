/*
 * resolver: the accounts of operators in a directory (`resolver { type: full }`, reference core.md
 * 3.7.2): read at the start, changed by requests in the system account while the server runs, and
 * kept the same on all members of a cluster.
 *
 * What is asked to be kept is judged first, written and synced by a worker, put in force with all
 * connections of the account, and answered then. An account's token is replaced by any that an
 * operator here has signed when somebody in the system account asks for it, and by a newer one when
 * another member has it. Members ask one of the others when a node comes up, and now and then, by
 * what hash of all tokens they have; the answer is all tokens, one a message, or nothing when they
 * are the same.
 *
 * Or a web server has them (`resolver: URL(...)`): then each is looked up when somebody comes who
 * needs it, or who imports from it, and is known from then on until it expires.
 */
#ifndef SERVER_RESOLVER_RESOLVER_H
#define SERVER_RESOLVER_RESOLVER_H

#include "base/bytes.h"

struct options;
struct resolver;
struct server;
struct system_request;

/* How many requests, and bytes of tokens, wait for the disk; more are refused. */
#define RESOLVER_CHANGES_MAX 1024u
#define RESOLVER_BYTES_MAX   (64u << 20)

/* Before the server's accounts are made: the options get those of the directory. Blocking. NULL:
 * it was logged why not. */
struct resolver *resolver_create(struct server *server);
void resolver_destroy(struct resolver *resolver);
/* When the server is a node, and listens in the system account. */
void resolver_start(struct resolver *resolver);

/* A reload, in two steps: what is in the directory now is what `options` have; and, when the server
 * has taken them, or has not after all, nobody has anything of before. Blocking. */
void resolver_reread(struct resolver *resolver, struct options *options);
void resolver_reread_done(struct resolver *resolver);

/* Subjects of these, each to be handed to resolver_asked. */
const char *const *resolver_subjects(const struct resolver *resolver, size_t *count);
/* Is it one that only one server answers? */
bool resolver_answers_alone(struct bytes subject);
bool resolver_takes(struct bytes subject);
void resolver_asked(struct resolver *resolver, const struct system_request *request);

#endif

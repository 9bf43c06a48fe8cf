/*
 * Where accounts are asked to be looked up (resolver_lookup.c), in the system account: under the id
 * of the server, so nobody else answers, and the account's name. The answer is empty: it is known
 * now, or cannot be had.
 */
#ifndef SERVER_RESOLVER_RESOLVER_SUBJECT_H
#define SERVER_RESOLVER_RESOLVER_SUBJECT_H

#define RESOLVER_SUBJECT      "$SYS._LOOKUP.%s."
#define RESOLVER_SUBJECT_SIZE 160u

#endif

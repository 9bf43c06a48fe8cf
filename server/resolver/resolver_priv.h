/* What the files of the resolver share. */
#ifndef SERVER_RESOLVER_RESOLVER_PRIV_H
#define SERVER_RESOLVER_RESOLVER_PRIV_H

#include "server/auth/nkey.h"
#include "server/resolver/fetch.h"
#include "server/resolver/resolver.h"
#include "server/resolver/resolver_files.h"
#include "server/resolver/signed_accounts.h"
#include "server/server_priv.h"
#include "server/system/system_priv.h"

/* One thing that is asked of the directory, on its way there. */
struct change {
    struct change *next;
    struct signed_account *account; /* to keep; NULL: `names` are to go, or it is in force */
    char name[NKEY_TEXT_SIZE];      /* of one that is */
    bool kept;
    bool adds;           /* it was not there when this was asked */
    struct bytes *names; /* owned, each */
    size_t names_count;
    size_t done;        /* of them */
    struct bytes reply; /* owned; empty: nobody waits for an answer */
    bool failed;
    char reason[RESOLVER_REASON_SIZE]; /* why the last one that failed did */
};

struct writes {
    struct io_work work;
    struct resolver *resolver;
    struct change *running; /* the worker's until it is done */
};

struct lookup;
struct pack;

/* Accounts that a web server is asked for. */
struct lookups {
    struct lookup *first, *last; /* in the order they came */
    size_t count, running;
    struct fetches fetches;
    struct fetch_site site;
    struct timer look;
    struct sink *door;
};

struct resolver {
    struct server *server;
    struct resolver_options options;
    struct resolver_dir *dir; /* NULL: nothing outlives this process */
    struct signed_accounts accounts;
    struct change *first, *last; /* that wait */
    size_t waiting, waiting_bytes;
    size_t adding; /* accounts on their way that are not there */
    struct writes writes;
    struct cluster_watcher watcher;
    struct timer sync;
    struct pack *packs, *packs_last; /* that are being answered, one after the other */
    size_t packs_count;
    struct timer pack;
    struct sink *inbox; /* of what others have */
    char inbox_subject[64];
    struct lookups lookups;
};

/* ---- resolver.c */
/* What was taken and dropped is in force, and nobody has anything of before. */
void resolver_settle(struct resolver *resolver);

/* ---- resolver_writes.c */
void resolver_writes_init(struct resolver *resolver);
/* Gives up what waits. */
void resolver_writes_deinit(struct resolver *resolver);
/* Takes over the account, or the names, and answers `reply` some time. False: too much waits; then
 * they are the caller's. */
bool resolver_keep(struct resolver *resolver, struct signed_account *account, struct bytes reply);
bool resolver_remove(struct resolver *resolver, struct bytes *names, size_t count,
                     struct bytes reply);
/* Is the account there, or on its way? */
bool resolver_expects(const struct resolver *resolver, struct bytes name);
/* Is what is known of that account, or about to be, as new as this one? */
bool resolver_has_newer(const struct resolver *resolver, const struct signed_account *account);
/* Is exactly this in force, and nothing of the account on its way? */
bool resolver_has(const struct resolver *resolver, const struct signed_account *account);

/* ---- resolver_answers.c */
/* As the reference words it: `account` empty: it names none. */
void resolver_answer(struct resolver *resolver, struct bytes reply, struct bytes account,
                     const char *message);
void resolver_refuse(struct resolver *resolver, struct bytes reply, struct bytes account,
                     const char *message, const char *why);
void resolver_send(struct resolver *resolver, struct bytes reply, struct bytes payload);
#define RESOLVER_HAS_STREAMS "the account has streams, JetStream cannot be taken from it"
bool resolver_keeps_streams(const struct resolver *resolver, const struct signed_account *account);
/* Why the account cannot be kept; NULL: it can. */
const char *resolver_objection(const struct resolver *resolver,
                               const struct signed_account *account);
/* Those that are not out of date, by their names; the caller's. */
const struct signed_account **resolver_sorted(const struct resolver *resolver, size_t *count);

/* ---- resolver_lookup.c */
/* False: `reason` says why not. */
bool resolver_lookups_init(struct resolver *resolver, char reason[static RESOLVER_REASON_SIZE]);
void resolver_lookups_deinit(struct resolver *resolver);
void resolver_lookups_start(struct resolver *resolver);

/* ---- resolver_sync.c */
void resolver_sync_start(struct resolver *resolver);
void resolver_sync_stop(struct resolver *resolver);
void resolver_pack(struct resolver *resolver, struct bytes reply, struct bytes hash);

#endif

/* What the files of the resolver share. */
#ifndef SERVER_RESOLVER_RESOLVER_PRIV_H
#define SERVER_RESOLVER_RESOLVER_PRIV_H

#include "server/auth/nkey.h"
#include "server/resolver/fetch.h"
#include "server/resolver/jwt_cache.h"
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
    size_t done;          /* of them */
    struct bytes reply;   /* owned; empty: nobody waits for an answer */
    bool in_force;        /* what counts stays as it is: only the directory changes */
    struct bytes stored;  /* owned: the token of `name`, to be written; it is in force already */
    struct bytes evicted; /* owned: whose file goes to make room for it; empty: nobody's */
    bool failed;
    char reason[RESOLVER_REASON_SIZE]; /* why the last one that failed did */
};

struct writes {
    struct io_work work;
    struct resolver *resolver;
    struct change *running; /* the worker's until it is done */
};

struct ask;
struct lookup;
struct pack;

/* Other servers that are asked for accounts. */
struct asks {
    struct resolver *resolver;
    struct ask *all;
    struct sink *inbox;
    char inbox_subject[64]; /* the account's name follows */
};

/* Accounts that are asked for although they are known. */
struct refresh {
    bool begun;
    char (*names)[NKEY_TEXT_SIZE]; /* owned */
    size_t count, at;
    struct timer timer;
};

/* What a directory keeps that has no room for all. */
struct cached {
    struct jwt_cache jwts;
    struct timer expiry;
    struct timer system; /* the system account is asked for until it is known */
    struct refresh refresh;
};

/* Accounts that a web server, or other servers, are asked for. */
struct lookups {
    struct lookup *first, *last; /* in the order they came */
    size_t count, running;
    struct fetches fetches;
    struct fetch_site site;
    struct asks asks;
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
    unsigned asked_caches;           /* since the last one with all of them */
    struct pack *packs, *packs_last; /* that are being answered, one after the other */
    size_t packs_count;
    struct timer pack;
    struct sink *inbox; /* of what others have */
    char inbox_subject[64];
    struct lookups lookups;
    struct cached cached;
};

static inline bool resolver_caches(const struct resolver *resolver)
{
    return resolver->options.kind == RESOLVER_CACHE;
}

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
/* Files of a cache: written, and removed, while what is in force stays so. The names are taken
 * over. False: too much waits; then they are the caller's. */
bool resolver_store(struct resolver *resolver, const struct signed_account *account);
bool resolver_unstore(struct resolver *resolver, struct bytes *names, size_t count);
/* Is the account there, or on its way? */
bool resolver_expects(const struct resolver *resolver, struct bytes name);
/* Is what is known of that account, or about to be, as new as this one? */
bool resolver_has_newer(const struct resolver *resolver, const struct signed_account *account);
/* Is exactly this in force, and nothing of the account on its way? */
bool resolver_has(const struct resolver *resolver, const struct signed_account *account);

/* ---- resolver_answers.c */
/* What is said of an update. */
struct resolver_words {
    const char *updated, *skipped, *resulted;
};
const struct resolver_words *resolver_words(const struct resolver *resolver);
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

/* ---- resolver_ask.c */
/* From then on others may answer; the system account is there. */
void resolver_asks_start(struct resolver *resolver);
void resolver_asks_stop(struct resolver *resolver);
/* `done` as of fetch_begin: the first answer with that account, or why there is none. */
void resolver_ask(struct resolver *resolver, struct bytes name, fetch_done_fn *done, void *owner);

/* ---- resolver_cache.c */
void resolver_cache_init(struct resolver *resolver);
void resolver_cache_deinit(struct resolver *resolver);
void resolver_cache_start(struct resolver *resolver);
/* It is in the directory, or about to be. */
void resolver_cache_note(struct resolver *resolver, const struct signed_account *account);
/* Whose file has to go; empty: nobody's. The caller's. */
struct bytes resolver_cache_evict(struct resolver *resolver);
/* Removes the files of those that there is no room for. */
void resolver_cache_trim(struct resolver *resolver);

/* ---- resolver_refresh.c */
void resolver_refresh_start(struct resolver *resolver);
void resolver_refresh_stop(struct resolver *resolver);

/* ---- resolver_lookup.c */
/* Wants the account to be looked up, unless it is known by then; or even if it is. */
void resolver_want(struct resolver *resolver, struct bytes name);
void resolver_want_afresh(struct resolver *resolver, struct bytes name);
/* Is it there, signed for, and not out of date? */
bool resolver_knows(const struct resolver *resolver, struct bytes name);
/* False: `reason` says why not. */
bool resolver_lookups_init(struct resolver *resolver, char reason[static RESOLVER_REASON_SIZE]);
void resolver_lookups_deinit(struct resolver *resolver);
void resolver_lookups_start(struct resolver *resolver);

/* ---- resolver_sync.c */
void resolver_sync_start(struct resolver *resolver);
void resolver_sync_stop(struct resolver *resolver);
void resolver_pack(struct resolver *resolver, struct bytes reply, struct bytes hash);
/* A cache has not all of them: who asks here is answered by others, and another server is told to
 * ask another. */
void resolver_pass_pack_on(struct resolver *resolver, const struct system_request *request);

#endif

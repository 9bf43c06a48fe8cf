/*
 * jetstream: streams, consumers and their API for one server: what server.c needs to know of them.
 */
#ifndef SERVER_JETSTREAM_JETSTREAM_H
#define SERVER_JETSTREAM_JETSTREAM_H

#include "base/err.h"
#include "server/server.h"

struct catalogue_entry;
struct jetstream;

struct jetstream_stats {
    uint64_t accounts, streams, consumers, messages, bytes; /* over all accounts */
    uint64_t api_total, api_errors;
};

/* Opens the store in options.store_dir, recovers the metadata group and listens for its streams
 * (jetstream_late.c opens them) and the API. On failure the reason was logged. Blocking: start-up.
 */
enum err jetstream_open(struct server *server, struct jetstream **jetstream);
/* Once per turn, before the clients' output is sent. */
void jetstream_turn(struct jetstream *jetstream);
/* Once per turn, last. */
void jetstream_flush(struct jetstream *jetstream);
/* The same for a further shard, on its thread: the streams that are there. */
void jetstream_shard_turn(struct jetstream *jetstream, unsigned shard);
void jetstream_shard_flush(struct jetstream *jetstream, unsigned shard);
/* Further shards, halted by whomever, are about to go on. */
void jetstream_going_on(struct jetstream *jetstream);
/* Of this node's disk, as its peers know it: the first eight bytes of the store's id. */
uint64_t jetstream_incarnation(const struct jetstream *jetstream);
/* How many files streams will take that are not open yet. Blocking, the first time. */
uint64_t jetstream_late_files(struct jetstream *jetstream);
/* Is every stream open, but for those that want for something (jetstream_trouble says so)? Then
 * what is said of all of them is right. If not, they are opened as fast as others can be served
 * beside: whoever waits asks again in a later turn. */
bool jetstream_known(struct jetstream *jetstream);
/* Of how many that is to wait for. */
size_t jetstream_late_count(const struct jetstream *jetstream);
/* The server ends soon: whoever waits for messages is told. False: nobody waited. */
bool jetstream_say_shutdown(struct jetstream *jetstream);
bool jetstream_idle(const struct jetstream *jetstream);
/* A shard was begun: it gets a lane, soon. */
void jetstream_shard_begun(struct jetstream *jetstream);
/* Was a stream made since this was asked last, for which another shard would be better? */
bool jetstream_wants_shard(struct jetstream *jetstream);
/* Accounts were added, or what was configured of them has changed. */
void jetstream_accounts_changed(struct jetstream *jetstream);
/* Are there streams of that account, so that it cannot be without JetStream? */
bool jetstream_has_streams(const struct jetstream *jetstream, const struct account *account);
void jetstream_close(struct jetstream *jetstream);
/* What the background check has looked at since the start. */
struct jetstream_scrubbed {
    uint64_t bytes, damaged, passes;
};
struct jetstream_scrubbed jetstream_scrubbed(const struct jetstream *jetstream);
void jetstream_stats(const struct jetstream *jetstream, struct jetstream_stats *stats);

/* Why the server is not to be relied on; without a stream it is the metadata, or something broken.
 */
struct jetstream_trouble {
    const char *why, *reason;     /* the second: why that is; NULL: no more is known */
    struct bytes account, stream; /* the catalogue's */
};

/*
 * True: something could not be opened, or, in a cluster, this node knows no leader, or has lost
 * entries, or is far behind, of the metadata or (not `meta_only`) of a stream that it has a replica
 * of: `out` says it. Who restarts servers one after the other waits for false.
 */
bool jetstream_trouble(struct jetstream *jetstream, bool meta_only, struct jetstream_trouble *out);
/* The streams that could not be opened, one after the other, from *at == NULL on; false: there is
 * no other. */
bool jetstream_offline_next(const struct jetstream *jetstream, const struct catalogue_entry **at,
                            struct jetstream_trouble *out);

#endif

/*
 * jetstream_files: where the system allows the process few descriptors (server_places.c), a stream
 * is opened only if its files leave room for what those that are open will need as they grow.
 */
#include "server/jetstream/jetstream_priv.h"
#include "storage/log.h"

#define GROWTH 16u /* files that come, and one for so many that there are */

bool jetstream_files_suffice(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct store *store = jetstream_lane(jetstream, entry)->store;
    uint64_t most = server_files_most(jetstream->server);
    uint64_t open = server_files_open(jetstream->server);
    uint64_t room = open < most ? most - open : 0, growth = GROWTH + open / GROWTH;

    if (room > most / 2 + growth || log_made_in_memory(store, entry->assigned.id))
        return true; /* mostly: nobody has to count */
    if (room >= growth && log_files_count(store, entry->assigned.id) <= room - growth)
        return true;
    if (!atomic_exchange(&jetstream->files_said, true))
        logger_warn(server_logger(jetstream->server),
                    "Streams may have %llu files open, and have %llu: the rest of the open files "
                    "that the system allows (ulimit -n, LimitNOFILE) is kept for clients",
                    (unsigned long long)most, (unsigned long long)open);
    return false;
}

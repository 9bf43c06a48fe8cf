/*
 * jetstream_beginning: what the log of a new stream begins with: who its members are, and on a
 * server that stands alone its config, which so costs no commit of its own. Members of a cluster
 * write the beginning each for itself, byte for byte the same, and perhaps in different versions:
 * there the leader logs the config.
 */
#include "raft/members.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/effect.h"
#include "storage/batch.h"

#define ROOM 4096u /* of what is around the JSON */

static bool has_config(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    return jetstream->cluster == NULL && entry->readable && !entry->assigned.restore &&
           entry->config.storage != STORAGE_MEMORY && entry->assigned.members.count == 1;
}

static void write_config(const struct catalogue_entry *entry, struct bytes bootstrap,
                         struct buf *out)
{
    const struct catalogue_assignment *assigned = &entry->assigned;
    struct effect effect = {.type = EFFECT_CONFIG,
                            .config = {.created_ns = assigned->created_ns,
                                       .version = entry->version,
                                       .json = assigned->json}};
    struct batch_content content = {.term = 1,
                                    .index = 2,
                                    .previous = batch_content_hash(bootstrap),
                                    .time_ns = assigned->created_ns,
                                    .record_count = 1};
    struct buf batch;

    memcpy(content.incarnation, assigned->incarnation, sizeof content.incarnation);
    buf_init(&batch, assigned->json.size + ROOM);
    if (batch_begin(&batch) && effect_write(&batch, &effect)) { /* else it is logged later */
        (void)batch_seal(&batch, &content);
        (void)buf_add(out, bytes_skip(buf_bytes(&batch), BATCH_ENVELOPE));
    }
    buf_deinit(&batch);
}

void jetstream_beginning(const struct jetstream *jetstream, const struct catalogue_entry *entry,
                         struct jetstream_beginning *out)
{
    const struct catalogue_assignment *assigned = &entry->assigned;

    buf_init(&out->members, ROOM);
    buf_init(&out->config, assigned->json.size + ROOM);
    members_bootstrap(&out->members, assigned->incarnation, assigned->created_ns,
                      &assigned->members);
    if (has_config(jetstream, entry))
        write_config(entry, buf_bytes(&out->members), &out->config);
}

void jetstream_beginning_deinit(struct jetstream_beginning *beginning)
{
    buf_deinit(&beginning->members);
    buf_deinit(&beginning->config);
}

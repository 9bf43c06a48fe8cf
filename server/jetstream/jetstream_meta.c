/*
 * jetstream_meta: state blocks of the metadata group: the catalogue, written down at a seal, and
 * read again at a start, or brought to what a leader's block says when this node was away for so
 * long that its entries are gone (docs/raft.md).
 */
#include "base/codec.h"
#include "base/heap.h"
#include "server/jetstream/jetstream_cluster.h"

#define SECTION_CATALOGUE (BLOCK_SECTION_FREE + 4)
#define SECTION_BEGINNING (BLOCK_SECTION_FREE + 5) /* of the log: new members begin with it */

void jetstream_meta_began(struct jetstream *jetstream, struct bytes content)
{
    buf_clear(&jetstream->beginning);
    (void)buf_add(&jetstream->beginning, content);
}

void jetstream_meta_capture(void *owner, struct bytes head)
{
    struct jetstream *jetstream = owner;
    struct buf body, local;
    size_t begin;

    buf_init(&body, SIZE_MAX);
    buf_init(&local, SIZE_MAX);
    (void)buf_add(&body, head);
    begin = body.size;
    (void)buf_reserve(&body, BLOCK_SECTION_HEAD);
    buf_commit(&body, BLOCK_SECTION_HEAD);
    catalogue_encode(&jetstream->catalogue, &body);
    replica_section(body.at + begin, SECTION_CATALOGUE, body.size - begin - BLOCK_SECTION_HEAD);
    replica_section(buf_reserve(&body, BLOCK_SECTION_HEAD), SECTION_BEGINNING,
                    jetstream->beginning.size);
    buf_commit(&body, BLOCK_SECTION_HEAD);
    (void)buf_add(&body, buf_bytes(&jetstream->beginning));
    replica_block(jetstream->meta, &body, &local);
}

/* Nothing of the catalogue is read from its log's files. */
void jetstream_meta_blocked(void *owner, enum err err)
{
    struct jetstream *jetstream = owner;
    struct log *log = replica_log(jetstream->meta);
    struct log_file_info info;

    if (err != OK) {
        logger_warn(server_logger(jetstream->server),
                    "Catalogue: a state block could not be written: %s", err_text(err));
        return;
    }
    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1) {
        if (info.droppable)
            (void)log_file_drop(log, info.ordinal); /* else after the next block */
    }
}

static bool sections_of(const struct replica_block *block, struct bytes *catalogue,
                        struct bytes *beginning)
{
    struct bytes body = block->body;
    uint32_t first, second;

    return replica_section_take(&body, &first, catalogue) && first == SECTION_CATALOGUE &&
           replica_section_take(&body, &second, beginning) && second == SECTION_BEGINNING &&
           body.size == 0;
}

enum err jetstream_meta_restore(void *owner, const struct replica_block *block)
{
    struct jetstream *jetstream = owner;
    struct bytes catalogue, beginning;
    enum err err;

    if (!sections_of(block, &catalogue, &beginning))
        return ERR_CORRUPT;
    jetstream_halt(jetstream); /* lanes read it plainly */
    err = catalogue_decode(&jetstream->catalogue, catalogue) == OK ? OK : ERR_CORRUPT;
    if (err == OK)
        jetstream_quotas_stale(jetstream);
    jetstream_go_on(jetstream);
    if (err != OK)
        return err;
    jetstream_meta_began(jetstream, beginning);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        entry->never_made = entry->never_made && jetstream->checked;
        if (jetstream->recovering)
            entry->touched = false; /* all of it is looked at when it is open */
    }
    return OK;
}

/* All that it says is in the body. */
enum err jetstream_meta_fill(void *owner, const struct replica_block *block)
{
    struct jetstream *jetstream = owner;
    struct bytes catalogue, beginning;
    struct buf local;

    if (!sections_of(block, &catalogue, &beginning) ||
        catalogue_check(&jetstream->catalogue, catalogue) != OK)
        return ERR_CORRUPT;
    buf_init(&local, SIZE_MAX);
    replica_take(jetstream->meta, &local);
    return OK;
}

/* What has changed meanwhile is carried out as if its records had come. The files of a stream that
 * is gone are not deleted on the ground of that: the next start sets them aside. */
void jetstream_meta_taken(void *owner)
{
    struct jetstream *jetstream = owner;
    struct catalogue_entry *entry = jetstream->catalogue.first, *next;

    logger_info(server_logger(jetstream->server), "Catalogue: taken from another replica");
    jetstream_halt(jetstream);
    for (; entry != NULL; entry = next) {
        bool touched = entry->touched, absent = entry->absent;

        next = entry->next;
        entry->touched = entry->absent = false;
        if (absent)
            jetstream_entry_gone(jetstream, entry);
        else if (touched)
            jetstream_entry_changed(jetstream, entry);
    }
    jetstream_go_on(jetstream);
    jetstream_awake(jetstream);
}

/* It is brought to what a block says, not made anew; and whoever asks is not answered: all is in
 * the body. */
void jetstream_meta_forget(void *owner)
{
    (void)owner;
}

void jetstream_meta_told(void *owner, struct bytes answer, uint64_t applied)
{
    (void)owner;
    (void)answer;
    (void)applied;
}

void jetstream_meta_asked(void *owner, struct raft_member by, uint64_t index, struct bytes question)
{
    (void)owner;
    (void)by;
    (void)index;
    (void)question;
}

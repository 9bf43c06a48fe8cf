#include "server/program/inspect_index.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/codec.h"
#include "base/heap.h"
#include "raft/replica.h"
#include "server/stream/effect.h"
#include "storage/index.h"
#include "storage/index_capture.h"

#define SECTION_MESSAGES (BLOCK_SECTION_FREE + 2) /* docs/formats.md, State block */
#define NAME_SIZE        12u                      /* of a file in the local part */
#define ERASING_FLAG     (1u << 31)               /* of their count: what is to be erased follows */
#define ERASING_SIZE     16u                      /* of one of those */
#define LOST_FLAG        (1u << 30)               /* behind that what is lost */
#define NAMED_FLAG       (1u << 29)               /* the places say numbers of subjects, too */
#define PROBLEMS_MAX     20u                      /* told one by one */

struct looking {
    const struct inspect_index *inspect;
    struct bytes names; /* ordinal and id of each file */
    struct buf file;
    uint64_t file_id; /* of what is in it; 0: nothing yet */
    bool there;
    uint64_t problems;
};

[[gnu::format(printf, 2, 3)]] static void problem(struct looking *looking, const char *format, ...)
{
    char text[256];
    va_list values;

    if (++looking->problems > PROBLEMS_MAX)
        return;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    looking->inspect->problem(looking->inspect->owner, text);
}

static bool find_id(const struct looking *looking, uint32_t ordinal, uint64_t *id)
{
    struct decoder in;

    for (decoder_init(&in, looking->names); in.rest.size > 0;) {
        uint32_t then = decode_u32(&in);

        *id = decode_u64(&in);
        if (then == ordinal)
            return true;
    }
    return false;
}

static bool load(struct looking *looking, uint64_t id)
{
    if (looking->file_id != id) {
        buf_clear(&looking->file);
        looking->file_id = id;
        looking->there = looking->inspect->file(looking->inspect->owner, id, &looking->file);
    }
    return looking->there;
}

/* NULL: it is what the block says. */
static const char *compare(struct bytes bytes, const struct index_entry *entry)
{
    struct record record;
    struct effect effect;

    if (record_read(bytes, &record) != OK || record.size != entry->record_size)
        return "is damaged";
    if (effect_read(&record, &effect) != OK || effect.type != EFFECT_MESSAGE)
        return "is not a message";
    if (effect.message.sequence != entry->sequence || effect.message.time_ns != entry->time_ns ||
        !bytes_equal(effect.message.subject, entry->subject))
        return "is another message";
    return NULL;
}

static void look_at(struct looking *looking, const struct index_entry *entry)
{
    uint64_t offset = entry->place & UINT32_MAX, id;
    const char *wrong;

    if (entry->place >> 32 == LOG_FILE_NONE) {
        problem(looking, "message %" PRIu64 " is lost", entry->sequence);
        return;
    }
    if (!find_id(looking, (uint32_t)(entry->place >> 32), &id)) {
        problem(looking, "message %" PRIu64 " stands in a file that it does not name",
                entry->sequence);
        return;
    }
    if (!load(looking, id) || offset + entry->record_size > looking->file.size) {
        problem(looking,
                "message %" PRIu64 " stands in file %016" PRIx64 ", which does not have it",
                entry->sequence, id);
        return;
    }
    wrong = compare(bytes_of(looking->file.at + offset, entry->record_size), entry);
    if (wrong != NULL)
        problem(looking, "message %" PRIu64 " (file %016" PRIx64 " at %" PRIu64 ") %s",
                entry->sequence, id, offset, wrong);
}

static bool keep_place(void *context, struct index_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static bool find_messages(struct bytes body, struct bytes *messages)
{
    struct bytes section;
    uint32_t type;

    while (body.size > 0 && replica_section_take(&body, &type, &section)) {
        if (type == SECTION_MESSAGES) {
            *messages = section;
            return true;
        }
    }
    return false;
}

static void look_at_all(struct looking *looking, struct bytes messages, struct bytes places,
                        bool named)
{
    struct index *index = index_create(1);
    struct index_entry entry = {0};

    if (index_restore(index, messages, places, named, keep_place, NULL) != OK)
        problem(looking, "its messages make no sense");
    else
        while (index_next(index, NULL, entry.sequence + 1, &entry))
            look_at(looking, &entry);
    index_destroy(index);
}

void inspect_index(const struct inspect_index *inspect, const struct block *block)
{
    struct looking looking = {.inspect = inspect};
    struct bytes messages;
    struct decoder in;
    uint32_t count;

    if (!find_messages(block->body, &messages))
        return;
    decoder_init(&in, block->local);
    count = decode_u32(&in);
    looking.names =
        decode_bytes(&in, (size_t)(count & ~(ERASING_FLAG | LOST_FLAG | NAMED_FLAG)) * NAME_SIZE);
    if ((count & ERASING_FLAG) != 0)
        (void)decode_bytes(&in, (size_t)decode_u32(&in) * ERASING_SIZE);
    if ((count & LOST_FLAG) != 0) {
        (void)decode_u64(&in);
        (void)decode_bytes(&in, (size_t)decode_u32(&in) * 8);
    }
    if (in.failed || (messages.size > 0 && in.rest.size == 0)) {
        problem(&looking, "its local part makes no sense");
        return;
    }
    buf_init(&looking.file, SIZE_MAX);
    look_at_all(&looking, messages, in.rest, (count & NAMED_FLAG) != 0);
    buf_deinit(&looking.file);
    if (looking.problems > PROBLEMS_MAX) {
        char text[64];

        snprintf(text, sizeof text, "and %" PRIu64 " more like these",
                 looking.problems - PROBLEMS_MAX);
        inspect->problem(inspect->owner, text);
    }
}

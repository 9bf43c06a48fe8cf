/*
 * stream_block_read: a stream's state out of a block, when its log is opened and when it has taken
 * another replica's. In steps: messages and consumers may be many.
 */
#include <limits.h>

#include "base/codec.h"
#include "base/heap.h"
#include "server/stream/block_form.h"
#include "server/stream/stream_priv.h"
#include "storage/index_capture.h"

#define PIECE_WORK    (384u << 10) /* what 1024 messages cost */
#define CONSUMER_WORK (32u << 10)
#define ITEM_WORK     128u /* an id of the duplicate window, an end, a schedule */
#define STATE_WORK    4096u

/* ---- what is lost --------------------------------------------------------------------------- */

static void take_lost(struct decoder *in, struct bytes *lost)
{
    struct decoder head = *in;
    uint32_t count;

    (void)decode_u64(&head);
    count = decode_u32(&head);
    *lost = decode_bytes(in, LOST_HEAD + (size_t)count * 8);
}

/* One that took a block while it runs has got all that it lacked. */
static void restore_lost(struct stream *stream, struct bytes bytes)
{
    struct index_entry entry;
    struct decoder in;
    uint64_t more;
    uint32_t count;

    decoder_init(&in, bytes);
    more = decode_u64(&in);
    count = decode_u32(&in);
    if (in.failed || stream->replica != NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sequence = decode_u64(&in);

        if (index_get(stream->state.index, sequence, &entry))
            (void)lost_add(&stream->state.lost, sequence, entry.stored_size);
    }
    stream->state.lost.bytes += more;
}

/* ---- its parts ------------------------------------------------------------------------------ */

/* Sections that a newer version adds may not be left out: nothing is known of what they say. */
struct block_sections stream_block_sections(struct bytes body)
{
    struct block_sections found = {0};
    struct bytes section;
    uint32_t type;

    found.whole = true;
    found.consumers = body;
    while (found.whole && body.size > 0) {
        found.whole = replica_section_take(&body, &type, &section);
        if (!found.whole)
            break;
        switch (type) {
        case SECTION_STATE: found.state = section; break;
        case SECTION_SHELL: found.shell = section; break;
        case SECTION_MESSAGES: found.messages = section; break;
        case SECTION_CONSUMER: break;
        default: found.whole = false; break;
        }
    }
    return found;
}

/* ---- places --------------------------------------------------------------------------------- */

/* Places as they were called when the block was written, and as they are now. */
struct placing {
    struct stream *stream;
    struct bytes files;
    const struct log_block *block;
    uint32_t ordinal, ordinal_now; /* of the last one looked up */
    bool known;
};

static bool look_up(struct placing *placing, uint32_t ordinal)
{
    struct decoder in;

    decoder_init(&in, placing->files);
    while (in.rest.size > 0) {
        uint32_t then = decode_u32(&in);
        uint64_t id = decode_u64(&in);

        if (then != ordinal)
            continue;
        placing->known = true;
        placing->ordinal = ordinal;
        placing->ordinal_now = log_block_ordinal(placing->block, id);
        return true;
    }
    return false;
}

static bool place(void *context, struct index_entry *entry)
{
    struct placing *placing = context;
    uint32_t ordinal = (uint32_t)(entry->place >> 32);

    if (ordinal != LOG_FILE_NONE) {
        if ((!placing->known || placing->ordinal != ordinal) && !look_up(placing, ordinal))
            return false;
        entry->place = (uint64_t)placing->ordinal_now << 32 | (entry->place & UINT32_MAX);
    }
    stream_block_stored(placing->stream, entry);
    return true;
}

/* Are the files called as they were when the list was made? False: or one is not in the list. */
static bool are_called_so(struct placing *placing, const struct stream_files *files, uint32_t first)
{
    for (uint32_t i = 0; i < files->count; i++) {
        if (files->at[i].messages > 0 &&
            (!look_up(placing, first + i) || placing->ordinal_now != first + i))
            return false;
    }
    return true;
}

/* What was filled is what the bytes say: to decode them again is one long turn. False: files are
 * called otherwise than when it was counted what lives in them. */
static bool adopt_filled(struct stream *stream, struct placing *placing)
{
    struct stream_filled *filled = &stream->blocks.filled;

    if (filled->index == NULL || !are_called_so(placing, &filled->places.segments, 0) ||
        !are_called_so(placing, &filled->places.keeps, LOG_KEEP_FIRST))
        return false;
    stream_state_index(&stream->state, filled->index);
    stream_places_deinit(&stream->blocks.places);
    stream->blocks.places = filled->places;
    *filled = (struct stream_filled){0};
    return true;
}

/* ---- in steps ------------------------------------------------------------------------------- */

/* Views into the block, which stays where it is until the last step. */
struct stream_reading {
    struct block_sections sections;
    struct placing placing;
    struct bytes erasing, lost;
    struct index_restoring *messages; /* NULL: all of them are there */
    bool begun;                       /* the state is */
    struct stream_state_decoding state;
    bool stated;            /* and all but the consumers */
    struct bytes consumers; /* those that are still to come */
};

static enum err begin_messages(struct stream *stream, struct stream_reading *reading,
                               struct bytes local)
{
    struct placing *placing = &reading->placing;
    struct bytes messages = reading->sections.messages;
    struct decoder in;
    uint32_t count;

    decoder_init(&in, local);
    count = decode_u32(&in);
    placing->files =
        decode_bytes(&in, (size_t)(count & ~(ERASING_FLAG | LOST_FLAG | NAMED_FLAG)) * FILE_SIZE);
    if ((count & ERASING_FLAG) != 0)
        reading->erasing = decode_bytes(&in, (size_t)decode_u32(&in) * STREAM_ERASE_SIZE);
    if ((count & LOST_FLAG) != 0)
        take_lost(&in, &reading->lost);
    if (in.failed || (messages.size > 0 && in.rest.size == 0))
        return ERR_CORRUPT;
    if (adopt_filled(stream, placing))
        return OK;
    stream_filled_drop(&stream->blocks.filled);
    reading->messages = index_restoring_begin(stream->state.index, messages, in.rest,
                                              (count & NAMED_FLAG) != 0, place, placing);
    return OK;
}

static enum err begin(struct stream *stream, const struct replica_block *block)
{
    struct stream_reading *reading = HEAP_NEW(struct stream_reading);

    stream->blocks.reading = reading;
    reading->sections = stream_block_sections(block->body);
    reading->placing = (struct placing){.stream = stream, .block = block->block};
    reading->consumers = reading->sections.consumers;
    if (!reading->sections.whole)
        return ERR_CORRUPT;
    return begin_messages(stream, reading, block->local);
}

void stream_reading_drop(struct stream *stream)
{
    struct stream_reading *reading = stream->blocks.reading;

    stream->blocks.reading = NULL;
    if (reading != NULL && reading->messages != NULL)
        index_restoring_end(reading->messages);
    heap_give(reading);
}

static bool spend(uint64_t *work, uint64_t spent)
{
    if (*work == 0)
        return false;
    *work -= spent < *work ? spent : *work;
    return true;
}

static enum err read_messages(struct stream_reading *reading, uint64_t *work)
{
    uint64_t pieces = *work / PIECE_WORK + 1;
    enum err err;

    if (!spend(work, pieces * PIECE_WORK))
        return ERR_AGAIN;
    err = index_restoring_step(reading->messages, pieces < UINT_MAX ? (unsigned)pieces : UINT_MAX);
    if (err != OK)
        return err;
    index_restoring_end(reading->messages);
    reading->messages = NULL;
    return OK;
}

static enum err begin_state(struct stream *stream, struct stream_reading *reading, uint64_t *work)
{
    if (!spend(work, STATE_WORK))
        return ERR_AGAIN;
    reading->begun = true;
    return stream_state_decode_begin(&stream->state, reading->sections.state, &reading->state);
}

/* What there may be many of. */
static enum err read_items(struct stream *stream, struct stream_reading *reading, uint64_t *work)
{
    uint64_t most = *work / ITEM_WORK + (*work % ITEM_WORK > 0), left = most;
    enum err err = stream_state_decode_part(&stream->state, &reading->state, &left);

    (void)spend(work, (most - left) * ITEM_WORK);
    return err;
}

static enum err read_state(struct stream *stream, struct stream_reading *reading, uint64_t *work)
{
    struct decoder shell;
    enum err err = reading->begun ? OK : begin_state(stream, reading, work);

    if (err == OK)
        err = read_items(stream, reading, work);
    if (err != OK)
        return err;
    stream->until_acked = stream->state.config.retention != RETENTION_LIMITS;
    stream->restoring = stream->state.restoring;
    decoder_init(&shell, reading->sections.shell);
    stream->number_logged = decode_u64(&shell);
    stream->number_next = stream->number_logged + 1;
    reading->stated = true;
    return shell.failed ? ERR_CORRUPT : OK;
}

static bool restore_consumer(struct stream *stream, struct bytes section)
{
    uint64_t number, name_size, json_size;
    struct bytes name, json;
    struct decoder in;
    int64_t created_ns;

    decoder_init(&in, section);
    number = decode_u64(&in);
    created_ns = (int64_t)decode_u64(&in);
    name_size = decode_u64(&in);
    json_size = decode_u64(&in);
    name = decode_bytes(&in, name_size);
    json = decode_bytes(&in, json_size);
    return !in.failed && stream_consumer_restore(stream, number, created_ns, name, json, in.rest);
}

static enum err read_consumers(struct stream *stream, struct stream_reading *reading,
                               uint64_t *work)
{
    struct bytes section, rest = reading->consumers;
    uint32_t type;

    while (replica_section_take(&rest, &type, &section)) {
        if (type == SECTION_CONSUMER) {
            if (!spend(work, CONSUMER_WORK + section.size))
                return ERR_AGAIN;
            if (!restore_consumer(stream, section))
                return ERR_CORRUPT;
        }
        reading->consumers = rest;
    }
    return OK;
}

static enum err restore(struct stream *stream, const struct replica_block *block)
{
    struct stream_reading *reading = stream->blocks.reading;
    uint64_t work = block->work;
    enum err err = OK;

    if (reading == NULL)
        err = begin(stream, block);
    reading = stream->blocks.reading;
    if (err == OK && reading->messages != NULL)
        err = read_messages(reading, &work);
    if (err == OK && !reading->stated)
        err = read_state(stream, reading, &work);
    if (err == OK)
        err = read_consumers(stream, reading, &work);
    if (err != OK)
        return err;
    stream_erase_restore(stream, reading->erasing, block->block);
    if (reading->lost.size > 0)
        restore_lost(stream, reading->lost);
    stream_reading_drop(stream);
    return OK;
}

enum err stream_block_restore(void *owner, const struct replica_block *block)
{
    struct stream *stream = owner;
    enum err err = restore(stream, block);

    if (err == OK || err == ERR_AGAIN)
        return err;
    stream_block_forget(stream);
    if (!stream_failed(stream))
        return err;
    /* The block is as good as it was. One that runs is closed, and opened from it. */
    return stream->replica != NULL ? OK : ERR_BUSY;
}

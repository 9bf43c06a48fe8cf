/*
 * stream_block: a stream's state blocks. Its state is taken down at a seal: consumers and what is
 * small at once, messages in steps that leave the loop free; then the replica writes it. Files in
 * which nothing lived at the block's index go when it is on the disk (docs/raft.md).
 */
#include <stdlib.h>

#include "base/codec.h"
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/block_form.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"
#include "storage/block.h"
#include "storage/index_capture.h"

#define ERASE_NS    INT64_C(2000000) /* looks again whether it is done */
#define LATE_NS     INT64_C(100000000)
#define PIECES_STEP 16u /* of the messages, in one go: about a millisecond */

/* ---- how many messages live in each file ---------------------------------------------------- */

static struct stream_file *file_of(struct stream_places *places, uint32_t ordinal)
{
    bool kept = ordinal >= LOG_KEEP_FIRST;
    struct stream_files *files = kept ? &places->keeps : &places->segments;
    uint32_t number = kept ? ordinal - LOG_KEEP_FIRST : ordinal;

    if (number >= files->count) {
        uint32_t count = number + 1 > 2 * files->count ? number + 1 : 2 * files->count;

        files->at = heap_resize(files->at, count * sizeof files->at[0]);
        for (uint32_t i = files->count; i < count; i++)
            files->at[i] = (struct stream_file){.lived = UINT64_MAX};
        files->count = count;
    }
    return &files->at[number];
}

struct stream_file *stream_block_file(struct stream *stream, uint32_t ordinal)
{
    return file_of(&stream->blocks.places, ordinal);
}

bool stream_block_file_there(const struct log *log, uint32_t ordinal)
{
    struct log_file_info info;

    return (ordinal < LOG_KEEP_FIRST ? log_file_next(log, ordinal, &info)
                                     : log_keep_next(log, ordinal, &info)) &&
           info.ordinal == ordinal;
}

void stream_places_add(struct stream_places *places, const struct index_entry *entry)
{
    struct stream_file *file;

    if (entry->place >> 32 == LOG_FILE_NONE) {
        places->missing++;
        return;
    }
    file = file_of(places, (uint32_t)(entry->place >> 32));
    file->messages++;
    file->bytes += entry->record_size;
}

void stream_places_deinit(struct stream_places *places)
{
    heap_give(places->segments.at);
    heap_give(places->keeps.at);
    *places = (struct stream_places){0};
}

void stream_block_stored(struct stream *stream, const struct index_entry *entry)
{
    stream_places_add(&stream->blocks.places, entry);
}

void stream_block_unplaced(struct stream *stream, const struct index_entry *entry)
{
    struct stream_file *file;

    if (entry->place >> 32 == LOG_FILE_NONE) {
        stream->blocks.places.missing--;
        return;
    }
    file = stream_block_file(stream, (uint32_t)(entry->place >> 32));
    assert(file->messages > 0);
    file->messages--;
    file->bytes -= entry->record_size;
}

void stream_block_removed(struct stream *stream, const struct index_entry *entry)
{
    stream_block_unplaced(stream, entry);
    stream_space_removed(stream, entry->record_size);
}

/* ---- taking down ---------------------------------------------------------------------------- */

/* The position of one without acks may run ahead of the log where it leads. */
static bool is_equal(const struct consumer_shell *shell)
{
    return consumer_config(shell->consumer)->ack_policy != ACK_NONE;
}

/* A section of what `write` adds. */
static void add_section(struct stream *stream, uint32_t type,
                        void (*write)(struct stream *stream, const void *what, struct buf *out),
                        const void *what)
{
    struct buf *out = &stream->blocks.body;
    size_t begin = out->size;

    (void)buf_reserve(out, BLOCK_SECTION_HEAD);
    buf_commit(out, BLOCK_SECTION_HEAD);
    write(stream, what, out);
    if (type == SECTION_CONSUMER && !is_equal(what))
        replica_section_own(out->at + begin, type, out->size - begin - BLOCK_SECTION_HEAD);
    else
        replica_section(out->at + begin, type, out->size - begin - BLOCK_SECTION_HEAD);
}

static void write_state(struct stream *stream, const void *what, struct buf *out)
{
    (void)what;
    stream_state_encode(&stream->state, out);
}

static void write_shell(struct stream *stream, const void *what, struct buf *out)
{
    (void)what;
    (void)encode_u64(buf_reserve(out, 8), stream->number_logged);
    buf_commit(out, 8);
}

static void write_consumer(struct stream *stream, const void *what, struct buf *out)
{
    const struct consumer_shell *shell = what;
    uint8_t *at = buf_reserve(out, CONSUMER_HEAD);
    struct json_writer writer;
    struct buf json;

    /* What was decoded is written as it was: the table is its own inverse. */
    buf_init(&json, CONSUMER_CONFIG_ARENA_MAX);
    json_writer_init(&writer, &json);
    schema_encode(&consumer_config_schema, consumer_config(shell->consumer), &writer);
    assert(!writer.failed);

    at = encode_u64(at, consumer_number(shell->consumer));
    at = encode_u64(at, (uint64_t)consumer_created(shell->consumer));
    at = encode_u64(at, shell_name(shell).size);
    (void)encode_u64(at, json.size);
    buf_commit(out, CONSUMER_HEAD);
    (void)buf_add(out, shell_name(shell));
    (void)buf_add(out, buf_bytes(&json));
    buf_deinit(&json);
    if ((stream->state.flaws & STREAM_FLAW_BLOCK_WITHOUT_CONSUMERS) == 0)
        (void)consumer_state_encode(shell->consumer, out);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = consumer_number((*(struct consumer_shell *const *)a)->consumer);
    uint64_t y = consumer_number((*(struct consumer_shell *const *)b)->consumer);

    return x < y ? -1 : x > y;
}

/* Those that are in the log, by their numbers. */
static void write_consumers(struct stream *stream)
{
    struct consumer_shell **all = heap_take(stream->consumers.count * sizeof *all), *shell;
    size_t count = 0;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        if (shell->logged)
            all[count++] = shell;
    }
    qsort(all, count, sizeof *all, compare_numbers);
    for (size_t i = 0; i < count; i++)
        add_section(stream, SECTION_CONSUMER, write_consumer, all[i]);
    heap_give(all);
}

/* What lives in each file that there is. */
void stream_block_noted(struct stream *stream)
{
    struct log *log = replica_log(stream->replica);
    struct log_file_info info;

    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1) {
        struct stream_file *file = stream_block_file(stream, info.ordinal);

        file->lived = file->messages;
    }
    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1) {
        struct stream_file *file = stream_block_file(stream, info.ordinal);

        file->lived = file->messages;
    }
}

/* The last section, which grows in steps. */
static void begin_messages(struct stream *stream)
{
    struct stream_blocks *blocks = &stream->blocks;

    blocks->messages_begin = blocks->body.size;
    (void)buf_reserve(&blocks->body, BLOCK_SECTION_HEAD);
    buf_commit(&blocks->body, BLOCK_SECTION_HEAD);
    blocks->spool = io_spool(stream_io(stream));
    blocks->rows = io_spool(stream_io(stream));
    blocks->capture = index_capture_begin(stream->state.index, &blocks->body);
    blocks->named = index_capture_name(blocks->capture);
}

void stream_block_capture(void *owner, struct bytes head)
{
    struct stream *stream = owner;
    struct stream_blocks *blocks = &stream->blocks;
    int64_t now_ns = io_now(stream_io(stream));
    bool late = (stream->state.flaws & STREAM_FLAW_BLOCK_LATE) != 0;

    assert(blocks->capture == NULL);
    buf_init(&blocks->body, SIZE_MAX);
    (void)buf_add(&blocks->body, head);
    add_section(stream, SECTION_STATE, write_state, NULL);
    add_section(stream, SECTION_SHELL, write_shell, NULL);
    write_consumers(stream);
    buf_deinit(&blocks->erasing);
    buf_init(&blocks->erasing, SIZE_MAX);
    stream_erase_encode(stream, &blocks->erasing);
    stream_repair_captured(stream);
    stream_block_noted(stream);
    if (!late)
        begin_messages(stream);
    timers_arm(io_timers(stream_io(stream)), &blocks->timer, late ? now_ns + LATE_NS : now_ns);
}

/* ---- handing over --------------------------------------------------------------------------- */

void stream_block_name(const struct log *log, uint32_t ordinal, struct buf *out)
{
    uint8_t *at = encode_u32(buf_reserve(out, FILE_SIZE), ordinal);

    (void)encode_u64(at, log_file_id(log, ordinal));
    buf_commit(out, FILE_SIZE);
}

void stream_block_names_end(uint32_t count, struct bytes erasing, struct bytes lost, bool named,
                            struct buf *local)
{
    assert(count < NAMED_FLAG);
    (void)encode_u32(local->at, count | (erasing.size > 0 ? ERASING_FLAG : 0) |
                                    (lost.size > 0 ? LOST_FLAG : 0) | (named ? NAMED_FLAG : 0));
    if (erasing.size > 0) {
        (void)encode_u32(buf_reserve(local, 4), (uint32_t)(erasing.size / STREAM_ERASE_SIZE));
        buf_commit(local, 4);
        (void)buf_add(local, erasing);
    }
    (void)buf_add(local, lost);
}

/* ---- what is lost --------------------------------------------------------------------------- */

/* Nothing, or a head and the sequences. It is of this disk, and as it is known now. */
static void encode_lost(const struct stream *stream, struct buf *out)
{
    const struct lost *lost = &stream->state.lost;
    uint64_t bytes = lost->bytes;
    struct index_entry entry;
    uint8_t *at;

    if (lost->bytes == 0 && lost->count == 0)
        return;
    at = buf_reserve(out, LOST_HEAD + lost->count * 8);
    for (size_t i = 0; i < lost->count; i++) {
        uint64_t known =
            index_get(stream->state.index, lost->at[i], &entry) ? entry.stored_size : 0;

        bytes -= known < bytes ? known : bytes;
        (void)encode_u64(at + LOST_HEAD + i * 8, lost->at[i]);
    }
    (void)encode_u32(encode_u64(at, bytes), (uint32_t)lost->count);
    buf_commit(out, LOST_HEAD + lost->count * 8);
}

static uint32_t write_names(const struct log *log, const struct stream_files *files, uint32_t first,
                            struct buf *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < files->count; i++) {
        if (files->at[i].lived == 0 || files->at[i].lived == UINT64_MAX)
            continue;
        stream_block_name(log, first + i, out);
        count++;
    }
    return count;
}

/* Where messages are, by the lasting names of the files. */
static void write_files(struct stream *stream, struct buf *local)
{
    struct log *log = replica_log(stream->replica);
    struct buf lost;
    uint32_t count;

    (void)buf_reserve(local, 4);
    buf_commit(local, 4);
    count = write_names(log, &stream->blocks.places.segments, 0, local);
    count += write_names(log, &stream->blocks.places.keeps, LOG_KEEP_FIRST, local);
    buf_init(&lost, SIZE_MAX);
    encode_lost(stream, &lost);
    stream_block_names_end(count, buf_bytes(&stream->blocks.erasing), buf_bytes(&lost),
                           stream->blocks.named, local);
    buf_deinit(&lost);
    buf_release(&stream->blocks.erasing);
}

/* This replica's own: the files, then the row of places. */
static struct spool *spool_local(struct stream *stream)
{
    struct spool *spool = io_spool(stream_io(stream));
    struct buf files;

    buf_init(&files, SIZE_MAX);
    write_files(stream, &files);
    spool_add(spool, buf_bytes(&files));
    buf_deinit(&files);
    spool_add(spool, spool_bytes(stream->blocks.rows));
    if (*spool_failed(stream->blocks.rows))
        *spool_failed(spool) = 1;
    return spool;
}

static void spools_drop(struct stream_blocks *blocks)
{
    spool_destroy(blocks->spool);
    spool_destroy(blocks->rows);
    blocks->spool = blocks->rows = NULL;
}

static void give_over(struct stream *stream)
{
    struct stream_blocks *blocks = &stream->blocks;
    struct spool *body = blocks->spool, *local = spool_local(stream);
    uint8_t head[BLOCK_SECTION_HEAD];

    replica_section(head, SECTION_MESSAGES,
                    spool_size(body) - blocks->messages_begin - BLOCK_SECTION_HEAD);
    spool_set(body, blocks->messages_begin, bytes_of(head, sizeof head));
    blocks->spool = NULL;
    spools_drop(blocks);
    buf_release(&blocks->body);
    index_capture_end(blocks->capture);
    blocks->capture = NULL;
    replica_block_spooled(stream->replica, body, local, blocks->named ? BLOCK_NAMED : 0);
    stream_move_apply(stream);
    stream_repair_apply(stream);
}

void stream_block_step(struct timer *timer)
{
    struct stream *stream = owner_of(timer, struct stream, blocks.timer);
    struct stream_blocks *blocks = &stream->blocks;
    bool more;

    if (blocks->capture == NULL)
        begin_messages(stream); /* only as a flaw */
    more = index_capture_step(blocks->capture, PIECES_STEP);
    if (stream_failed(stream))
        return; /* it ends with the stream */
    index_capture_spool(blocks->capture, blocks->spool, blocks->rows);
    if (more) {
        timers_arm(io_timers(stream_io(stream)), timer, io_now(stream_io(stream)));
    } else if (stream_erase_first(stream)) {
        stream_move_apply(stream); /* which the erasing waits for, and all places are taken down */
        timers_arm(io_timers(stream_io(stream)), timer, io_now(stream_io(stream)) + ERASE_NS);
    } else {
        give_over(stream);
    }
}

/* ---- afterwards ----------------------------------------------------------------------------- */

/* What lived at the block's index a start from it needs, even if it is gone now. What was moved a
 * start from the older block looks for where it was. */
static bool dead(struct stream *stream, uint32_t ordinal)
{
    struct stream_file *file = stream_block_file(stream, ordinal);

    if ((stream->state.flaws & STREAM_FLAW_DROP_LIVING) != 0)
        return true;
    if (file->lived != 0)
        return false;
    if (file->moved && (stream->state.flaws & STREAM_FLAW_MOVED_AT_ONCE) == 0) {
        file->moved = false;
        return false;
    }
    return true;
}

bool stream_block_file_held(const struct stream *stream, uint32_t ordinal)
{
    return delivery_holds(stream, ordinal) || stream_snapshot_holds(stream, ordinal);
}

static void drop_files(struct stream *stream)
{
    struct log *log = replica_log(stream->replica);
    struct log_file_info info;

    for (uint32_t i = 0; log_file_next(log, i, &info); i = info.ordinal + 1) {
        if (info.droppable && dead(stream, info.ordinal) &&
            !stream_block_file_held(stream, info.ordinal))
            (void)log_file_drop(log, info.ordinal); /* else after the next block */
    }
    for (uint32_t i = LOG_KEEP_FIRST; log_keep_next(log, i, &info); i = info.ordinal + 1) {
        if (dead(stream, info.ordinal) && !stream_block_file_held(stream, info.ordinal))
            (void)log_keep_drop(log, info.ordinal);
    }
    stream_moved_dropped(stream);
}

void stream_block_written(void *owner, enum err err)
{
    struct stream *stream = owner;

    if (stream_failed(stream))
        return;
    if (err == OK) {
        stream_repair_blocked(stream);
        drop_files(stream);
        if (stream->erasing.count > 0)
            stream_mark(stream); /* some of it may be below the floor now */
        stream_move_begin(stream);
        if (stream->state.config.compression != COMPRESSION_NONE)
            log_pack(replica_log(stream->replica));
    } else {
        logger_warn(server_logger(jetstream_server(stream->jetstream)),
                    "Stream '%.*s': a state block could not be written: %s",
                    BYTES_ARG(stream->name), err_text(err));
    }
}

void stream_filled_drop(struct stream_filled *filled)
{
    if (filled->index != NULL)
        index_destroy(filled->index);
    stream_places_deinit(&filled->places);
    *filled = (struct stream_filled){0};
}

void stream_block_close(struct stream *stream, bool deleted)
{
    struct stream_blocks *blocks = &stream->blocks;

    timers_cancel(io_timers(stream_io(stream)), &blocks->timer);
    timers_cancel(io_timers(stream_io(stream)), &blocks->space.timer);
    if (blocks->capture != NULL)
        index_capture_end(blocks->capture);
    blocks->capture = NULL;
    stream_reading_drop(stream);
    spools_drop(blocks);
    buf_deinit(&blocks->body);
    buf_deinit(&blocks->erasing);
    stream_move_close(stream, deleted);
    stream_moved_close(stream);
    stream_fill_close(stream, deleted);
    stream_repair_close(stream, deleted);
    stream_serve_close(stream, deleted);
    stream_filled_drop(&blocks->filled);
    lost_deinit(&blocks->found);
    lost_deinit(&blocks->lacking);
    stream_places_deinit(&blocks->places);
    heap_give(blocks->stale);
    *blocks = (struct stream_blocks){0};
}

/* ---- life ----------------------------------------------------------------------------------- */

void stream_block_forget(struct stream *stream)
{
    stream_consumers_close(stream);
    stream_repair_captured(stream); /* the state that comes leads elsewhere */
    stream_repair_blocked(stream);
    stream_block_close(stream, true);
    stream->number_logged = 0;
    stream->number_next = 1;
    stream->until_acked = false;
    stream_state_reset(&stream->state, prng_next(stream->lane->prng));
    stream_block_open(stream);
}

void stream_block_open(struct stream *stream)
{
    stream->blocks.timer.fire = stream_block_step;
    stream->blocks.move_timer.fire = stream_move_step;
    stream->blocks.fill_timer.fire = stream_fill_fired;
    stream->blocks.serve_timer.fire = stream_serve_fired;
    stream->blocks.repair_timer.fire = stream_repair_fired;
    stream->blocks.space.timer.fire = stream_space_look;
}

/* What has no file is lost, or has left the stream where the state was taken from: then the log
 * says so further on. */
static void note_missing(struct stream *stream)
{
    struct index_entry entry;

    for (uint64_t at = 1; index_next(stream->state.index, NULL, at, &entry);
         at = entry.sequence + 1) {
        if (entry.place >> 32 == LOG_FILE_NONE)
            (void)lost_add(&stream->state.lost, entry.sequence, entry.stored_size);
    }
}

void stream_block_recovered(struct stream *stream)
{
    stream_space_open(stream);
    if (stream->blocks.places.missing > 0)
        note_missing(stream);
    stream_repair_opened(stream);
    if (stream->blocks.places.missing > 0)
        logger_error(server_logger(jetstream_server(stream->jetstream)),
                     "Stream '%.*s': %llu messages stood in files that are not there; they cannot "
                     "be read, the rest is served",
                     BYTES_ARG(stream->name), (unsigned long long)stream->blocks.places.missing);
}

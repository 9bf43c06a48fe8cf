#include "server/backup/archive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_SIZE 255u
#define PLAIN_MAX     (MESSAGE_BLOCK_RECORD_MAX + 2 * S2_BLOCK_MAX)
#define USED_MAX      (1u << 20) /* then what is done with goes */
#define WORK_MAX      (4u << 20) /* then others have their turn */
#define FRAME_WORK    (4u << 10) /* of a frame beside its content */
#define BEHIND_MAX    (1u << 20) /* zeros behind the end */
#define SUM_MAX       64u
#define SUM_TEXT      17u /* hexadecimal, with its zero */
#define ERROR_MAX     4096u
#define BLOCK_MAX     (UINT64_C(1) << 40)

void archive_reader_init(struct archive_reader *reader, struct bytes stream)
{
    *reader = (struct archive_reader){.stream = stream};
    buf_init(&reader->in, ARCHIVE_INPUT_MAX);
    buf_init(&reader->plain, PLAIN_MAX);
    buf_init(&reader->name, NAME_MAX_SIZE);
    buf_init(&reader->config, ARCHIVE_CONFIG_MAX);
    buf_init(&reader->extra, ARCHIVE_CONFIG_MAX);
}

void archive_reader_deinit(struct archive_reader *reader)
{
    buf_deinit(&reader->in);
    buf_deinit(&reader->plain);
    buf_deinit(&reader->name);
    buf_deinit(&reader->config);
    buf_deinit(&reader->extra);
}

bool archive_feed(struct archive_reader *reader, struct bytes bytes)
{
    return reader->failed || buf_add(&reader->in, bytes);
}

[[gnu::format(printf, 2, 3)]] static bool bad(struct archive_reader *reader, const char *format,
                                              ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(reader->error, sizeof reader->error, format, values);
    va_end(values);
    reader->failed = true;
    return false;
}

/* ---- the plain bytes ------------------------------------------------------------------------- */

static struct bytes plain(const struct archive_reader *reader)
{
    return bytes_skip(buf_bytes(&reader->plain), reader->used);
}

static void use(struct archive_reader *reader, size_t size)
{
    reader->used += size;
}

/* What is done with goes now and then: moving the rest each time would cost more than reading. */
static void make_room(struct buf *buf, size_t *done)
{
    if (*done > USED_MAX || *done == buf->size) {
        buf_consume(buf, *done);
        *done = 0;
    }
}

static enum s2_result read_frame(struct archive_reader *reader)
{
    struct bytes in = bytes_skip(buf_bytes(&reader->in), reader->taken);
    size_t before = reader->plain.size;
    enum s2_result result = s2_read(&reader->s2, &in, &reader->plain);

    reader->taken = reader->in.size - in.size;
    if (result == S2_OK)
        reader->worked += FRAME_WORK + reader->plain.size - before;
    return result;
}

/* So many plain bytes are there. False: not yet, or never (failed). */
static bool need(struct archive_reader *reader, size_t size)
{
    enum s2_result result = S2_OK;

    make_room(&reader->plain, &reader->used);
    while (plain(reader).size < size && result == S2_OK && reader->worked < WORK_MAX)
        result = read_frame(reader);
    make_room(&reader->in, &reader->taken);
    if (result == S2_BAD)
        return bad(reader, "the archive is damaged: a frame is not as it was written");
    return plain(reader).size >= size;
}

/* ---- entries --------------------------------------------------------------------------------- */

bool archive_name(struct bytes name)
{
    if (name.size == 0 || name.size > NAME_MAX_SIZE)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] <= ' ' || name.at[i] == 0x7f || strchr(".*>/\\", name.at[i]) != NULL)
            return false;
    }
    return true;
}

/* msgs/<n>.blk */
static bool block_number(struct bytes name, uint32_t *number)
{
    uint64_t value;
    size_t head = sizeof "msgs/" - 1, tail = sizeof ".blk" - 1;

    if (!bytes_starts(name, BYTES("msgs/")) || name.size <= head + tail ||
        !bytes_equal(bytes_skip(name, name.size - tail), BYTES(".blk")) ||
        !bytes_read_u64(bytes_skip(bytes_take(name, name.size - tail), head), &value) ||
        value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    return true;
}

static void begin_consumer(struct archive_reader *reader, struct bytes name)
{
    if (bytes_equal(name, buf_bytes(&reader->name)))
        return;
    buf_clear(&reader->name);
    (void)buf_add(&reader->name, name);
    buf_clear(&reader->config);
    buf_clear(&reader->extra);
}

static enum archive_kind kind_of_file(struct bytes file, bool of_consumer)
{
    if (bytes_equal(file, BYTES("meta.inf")))
        return ARCHIVE_KIND_CONFIG;
    if (bytes_equal(file, BYTES("meta.sum")))
        return ARCHIVE_KIND_SUM;
    if (bytes_equal(file, BYTES("millrace.inf")))
        return ARCHIVE_KIND_EXTRA;
    if (of_consumer && bytes_equal(file, BYTES("o.dat")))
        return ARCHIVE_KIND_STATE;
    return ARCHIVE_KIND_NONE;
}

/* obs/<consumer>/<file> */
static enum archive_kind kind_of_consumer(struct archive_reader *reader, struct bytes name)
{
    struct bytes rest = bytes_skip(name, sizeof "obs/" - 1);
    size_t size = bytes_find(rest, '/');
    struct bytes consumer = bytes_take(rest, size);

    if (size == rest.size || !archive_name(consumer))
        return ARCHIVE_KIND_NONE;
    begin_consumer(reader, consumer);
    return kind_of_file(bytes_skip(rest, size + 1), true);
}

static enum archive_kind kind_of(struct archive_reader *reader, struct bytes name)
{
    uint32_t number;

    if (block_number(name, &number)) {
        message_block_key(reader->stream, number, reader->key);
        return ARCHIVE_KIND_BLOCK;
    }
    if (bytes_equal(name, BYTES("msgs/index.db")))
        return ARCHIVE_KIND_PASSED; /* all that it says the blocks say, too */
    if (bytes_equal(name, BYTES("errors.txt")))
        return ARCHIVE_KIND_ERROR;
    if (bytes_starts(name, BYTES("obs/")))
        return kind_of_consumer(reader, name);
    begin_consumer(reader, bytes_of(NULL, 0));
    return kind_of_file(name, false);
}

static uint64_t size_max(enum archive_kind kind)
{
    switch (kind) {
    case ARCHIVE_KIND_PAX: return (uint64_t)2 * TAR_NAME_MAX;
    case ARCHIVE_KIND_SUM: return SUM_MAX;
    case ARCHIVE_KIND_CONFIG:
    case ARCHIVE_KIND_EXTRA: return ARCHIVE_CONFIG_MAX;
    case ARCHIVE_KIND_STATE: return ARCHIVE_CONSUMER_MAX;
    case ARCHIVE_KIND_ERROR: return ERROR_MAX;
    default: return BLOCK_MAX;
    }
}

static bool begin_entry(struct archive_reader *reader, enum archive_kind kind)
{
    const struct tar_entry *entry = &reader->entry;

    if (kind == ARCHIVE_KIND_NONE)
        return bad(reader, "unexpected content: '%.100s'", entry->name);
    if (entry->size > size_max(kind))
        return bad(reader, "'%.100s' is too large", entry->name);
    if (!reader->configured && kind != ARCHIVE_KIND_PAX && kind != ARCHIVE_KIND_CONFIG &&
        kind != ARCHIVE_KIND_ERROR && kind != ARCHIVE_KIND_PASSED)
        return bad(reader, "the archive does not begin with the stream's config");
    if (kind != ARCHIVE_KIND_PAX)
        reader->pax = (struct tar_entry){0};
    reader->kind = kind;
    reader->left = entry->size;
    reader->padding = tar_padded(entry->size) - entry->size;
    return true;
}

/* False: not yet, or failed, or the archive has ended. */
static bool read_header(struct archive_reader *reader)
{
    enum tar_type type;

    if (!need(reader, TAR_BLOCK))
        return false;
    type = tar_read_header(plain(reader).at, &reader->pax, &reader->entry);
    use(reader, TAR_BLOCK);
    switch (type) {
    case TAR_END: reader->ended = true; return false;
    case TAR_PAX: return begin_entry(reader, ARCHIVE_KIND_PAX);
    case TAR_GLOBAL: return begin_entry(reader, ARCHIVE_KIND_PASSED);
    case TAR_FILE: return begin_entry(reader, kind_of(reader, bytes_of_text(reader->entry.name)));
    case TAR_BAD: break;
    }
    return bad(reader, "unexpected content: no regular file");
}

/* What is not looked at, and the padding behind an entry. False: not yet. */
static bool pass(struct archive_reader *reader, uint64_t *left)
{
    while (*left > 0) {
        size_t there;

        if (!need(reader, 1))
            return false;
        there = plain(reader).size;
        if (there > *left)
            there = (size_t)*left;
        use(reader, there);
        *left -= there;
    }
    return true;
}

/* ---- what they hold -------------------------------------------------------------------------- */

/* `of`: empty for the stream itself, else its consumer. */
static void sum_of_config(struct bytes stream, struct bytes of, struct bytes json,
                          char text[static SUM_TEXT])
{
    uint8_t key[HIGHWAY_KEY_SIZE];
    struct highway hash;
    char name[2 * NAME_MAX_SIZE + 2];
    int size = snprintf(name, sizeof name, "%.*s%s%.*s", BYTES_ARG(stream), of.size > 0 ? "/" : "",
                        BYTES_ARG(of));
    uint64_t sum;

    highway_key(bytes_of(name, (size_t)size), key);
    highway_init(&hash, key);
    highway_add(&hash, json);
    sum = highway_end(&hash);
    for (size_t i = 0; i < 8; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)(sum >> 8 * i & 0xff));
}

static bool check_sum(struct archive_reader *reader, struct bytes content)
{
    char text[SUM_TEXT];

    sum_of_config(reader->stream, buf_bytes(&reader->name), buf_bytes(&reader->config), text);
    return bytes_equal(bytes_trim(content), bytes_of_text(text)) ||
           bad(reader,
               "'%.100s' does not fit: the config before it is damaged, or another stream's",
               reader->entry.name);
}

static bool keep(struct archive_reader *reader, struct buf *to, struct bytes content)
{
    buf_clear(to);
    return buf_add(to, content) || bad(reader, "'%.100s' is too large", reader->entry.name);
}

/* An entry that is read whole. True: *item is something to tell. */
static bool read_content(struct archive_reader *reader, struct bytes content,
                         struct archive_item *item)
{
    bool of_stream = reader->name.size == 0;

    switch (reader->kind) {
    case ARCHIVE_KIND_PAX:
        if (!tar_read_pax(content, &reader->pax))
            (void)bad(reader, "a header of the archive makes no sense");
        return false;
    case ARCHIVE_KIND_CONFIG:
        reader->configured = reader->configured || of_stream;
        if (!keep(reader, &reader->config, content) || !of_stream)
            return false;
        item->type = ARCHIVE_STREAM;
        item->json = buf_bytes(&reader->config);
        return true;
    case ARCHIVE_KIND_SUM: (void)check_sum(reader, content); return false;
    case ARCHIVE_KIND_EXTRA:
        if (!keep(reader, &reader->extra, content) || !of_stream)
            return false;
        item->type = ARCHIVE_EXTRA;
        item->json = buf_bytes(&reader->extra);
        return true;
    case ARCHIVE_KIND_STATE:
        item->type = ARCHIVE_CONSUMER;
        item->name = buf_bytes(&reader->name);
        item->json = buf_bytes(&reader->config);
        item->extra = buf_bytes(&reader->extra);
        item->state = content;
        return true;
    case ARCHIVE_KIND_ERROR:
        (void)bad(reader, "the archive is not whole: %.*s",
                  (int)(content.size < 200 ? content.size : 200), (const char *)content.at);
        return false;
    default: return false;
    }
}

static bool read_record(struct archive_reader *reader, struct archive_item *item)
{
    struct bytes there;
    enum message_block_result result;
    size_t size = 4;

    if (!need(reader, reader->left < size ? (size_t)reader->left : size))
        return false;
    for (;;) {
        there = plain(reader);
        if (there.size > reader->left)
            there = bytes_take(there, (size_t)reader->left);
        result = message_block_read(there, reader->key, &item->record, &size);
        if (result != MESSAGE_BLOCK_MORE)
            break;
        if (size > reader->left)
            return bad(reader, "'%.100s' ends within a message", reader->entry.name);
        if (!need(reader, size))
            return false;
    }
    if (result == MESSAGE_BLOCK_BAD)
        return bad(reader, "'%.100s' is damaged or encrypted, or another stream's",
                   reader->entry.name);
    use(reader, size);
    reader->left -= size;
    if (item->record.sequence == 0)
        return false;
    item->type = item->record.deleted || item->record.empty ? ARCHIVE_DELETED : ARCHIVE_MESSAGE;
    if (item->type == ARCHIVE_DELETED)
        return true;
    if (item->record.sequence <= reader->sequence_last)
        return bad(reader, "the archive's messages are not in order");
    reader->sequence_last = item->record.sequence;
    return true;
}

/* An entry in pieces (messages) or whole. False: not yet, or nothing to tell; *stuck tells which.
 */
static bool read_entry(struct archive_reader *reader, struct archive_item *item, bool *stuck)
{
    struct bytes content;
    size_t size = (size_t)reader->left;
    uint64_t before = reader->left;

    if (reader->kind == ARCHIVE_KIND_PASSED) {
        *stuck = !pass(reader, &reader->left);
        return false;
    }
    if (reader->kind == ARCHIVE_KIND_BLOCK) {
        bool told = read_record(reader, item);

        *stuck = !told && reader->left == before;
        return told;
    }
    *stuck = !need(reader, size);
    if (*stuck)
        return false;
    content = bytes_take(plain(reader), size);
    use(reader, size);
    reader->left = 0;
    return read_content(reader, content, item);
}

/* True: there is something to tell. *stuck: not before more is fed. */
static bool step(struct archive_reader *reader, struct archive_item *item, bool *stuck)
{
    if (reader->kind == ARCHIVE_KIND_NONE)
        *stuck = !read_header(reader);
    else if (reader->left > 0)
        return read_entry(reader, item, stuck);
    else if (pass(reader, &reader->padding))
        reader->kind = ARCHIVE_KIND_NONE;
    else
        *stuck = true;
    return false;
}

void archive_next(struct archive_reader *reader, struct archive_item *item)
{
    bool stuck = false;

    *item = (struct archive_item){.type = ARCHIVE_MORE};
    while (!stuck && !reader->failed && !reader->ended) {
        if (step(reader, item, &stuck) && !reader->failed)
            return;
    }
    *item = (struct archive_item){.type = ARCHIVE_MORE};
    if (reader->failed)
        item->type = ARCHIVE_BAD;
    else if (reader->ended)
        item->type = ARCHIVE_END;
    else if (reader->worked >= WORK_MAX)
        item->type = ARCHIVE_PAUSE;
    reader->worked = 0;
}

static bool all_zeros(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.at[i] != 0)
            return false;
    return true;
}

bool archive_rest(struct archive_reader *reader, bool whole)
{
    enum s2_result result = S2_OK;
    bool clean = true;

    assert(reader->ended);
    while (clean && result == S2_OK) {
        struct bytes rest = plain(reader);

        reader->behind += rest.size;
        clean = reader->behind <= BEHIND_MAX && all_zeros(rest);
        use(reader, rest.size);
        make_room(&reader->plain, &reader->used);
        if (clean)
            result = read_frame(reader);
    }
    make_room(&reader->in, &reader->taken);
    if (clean && result == S2_MORE && (!whole || reader->in.size == reader->taken))
        return true;
    return bad(reader, "the archive is damaged: there is more behind its end");
}

/* ---- writing --------------------------------------------------------------------------------- */

bool archive_add_file(struct buf *out, struct bytes name, struct bytes content, int64_t time_ns)
{
    struct buf head;
    bool added;

    buf_init(&head, (size_t)4 * TAR_BLOCK + TAR_NAME_MAX);
    added = tar_add_header(&head, name, content.size, time_ns) && s2_add(out, buf_bytes(&head)) &&
            s2_add(out, content);
    buf_clear(&head);
    added = added && tar_add_padding(&head, content.size) && s2_add(out, buf_bytes(&head));
    buf_deinit(&head);
    return added;
}

bool archive_add_config(struct buf *out, struct bytes stream, struct bytes of, struct bytes json,
                        int64_t time_ns)
{
    char path[NAME_MAX_SIZE + 32], sum[SUM_TEXT];
    const char *before = of.size > 0 ? "obs/" : "", *behind = of.size > 0 ? "/" : "";

    sum_of_config(stream, of, json, sum);
    snprintf(path, sizeof path, "%s%.*s%smeta.inf", before, BYTES_ARG(of), behind);
    if (!archive_add_file(out, bytes_of_text(path), json, time_ns))
        return false;
    snprintf(path, sizeof path, "%s%.*s%smeta.sum", before, BYTES_ARG(of), behind);
    return archive_add_file(out, bytes_of_text(path), bytes_of_text(sum), time_ns);
}

bool archive_add_end(struct buf *out)
{
    struct buf end;
    bool added;

    buf_init(&end, (size_t)2 * TAR_BLOCK);
    added = tar_add_end(&end) && s2_add(out, buf_bytes(&end));
    buf_deinit(&end);
    return added;
}

#include "server/program/dump.h"

#include <stdio.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/text.h"
#include "consumers/consumer.h"
#include "server/jetstream/catalogue.h"
#include "server/stream/effect.h"

#define LINE_MAX_SIZE ((size_t)96 << 20)

/* Every line is made as one JSON object; for people its members are printed without the quotes of
 * their names. */
struct dumping {
    bool json;
    unsigned *problems;
    struct buf line;
    struct json_writer writer;
};

static void begin(struct dumping *d, const char *what)
{
    buf_clear(&d->line);
    json_writer_init(&d->writer, &d->line);
    json_object_begin(&d->writer);
    JSON_KEY(&d->writer, "what");
    json_string(&d->writer, bytes_of_text(what));
}

static void number(struct dumping *d, const char *key, uint64_t value)
{
    json_key(&d->writer, bytes_of_text(key));
    json_number_u64(&d->writer, value);
}

static void text(struct dumping *d, const char *key, struct bytes value)
{
    json_key(&d->writer, bytes_of_text(key));
    json_string(&d->writer, value);
}

static void hex(struct dumping *d, const char *key, const uint8_t *at, size_t size)
{
    char digits[65];

    for (size_t i = 0; i < size && i < 32; i++)
        snprintf(digits + 2 * i, 3, "%02x", at[i]);
    text(d, key, bytes_of(digits, 2 * size));
}

static void id(struct dumping *d, const char *key, uint64_t value)
{
    char digits[17];

    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)value);
    text(d, key, bytes_of(digits, 16));
}

static void time_of(struct dumping *d, const char *key, int64_t time_ns)
{
    char memory[TEXT_TIME_MAX];

    text(d, key, bytes_of(memory, text_time(memory, time_ns)));
}

/* What a terminal would take for an order is not printed as it is. */
static void print_text(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        putchar(value.at[i] < ' ' || value.at[i] == 0x7f ? '.' : value.at[i]);
}

/* {"what":"w","a":1,"b":"x"} becomes: w a=1 b="x" */
static void print_plain(const struct dumping *d)
{
    struct arena arena;
    struct json_error error;
    const struct json *json;

    arena_init(&arena, LINE_MAX_SIZE);
    json = json_parse(&arena, buf_bytes(&d->line), &error);
    for (json = json != NULL ? json->child : NULL; json != NULL; json = json->next) {
        const char *quote = json->type == JSON_STRING ? "\"" : "";

        if (bytes_equal(json->key, BYTES("what"))) {
            printf("%-9.*s", BYTES_ARG(json->text));
            continue;
        }
        printf(" %.*s=%s", BYTES_ARG(json->key), quote);
        print_text(json->text);
        printf("%s", quote);
    }
    printf("\n");
    arena_deinit(&arena);
}

static void end(struct dumping *d)
{
    json_object_end(&d->writer);
    if (d->writer.failed)
        return;
    if (d->json)
        printf("%.*s\n", BYTES_ARG(buf_bytes(&d->line)));
    else
        print_plain(d);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void on_problem(void *owner, const char *path, const char *what)
{
    struct dumping *d = owner;

    (*d->problems)++;
    begin(d, "DAMAGED");
    text(d, "path", bytes_of_text(path));
    text(d, "text", bytes_of_text(what));
    end(d);
}

static void on_note(void *owner, const char *path, const char *what)
{
    struct dumping *d = owner;

    begin(d, "note");
    text(d, "path", bytes_of_text(path));
    text(d, "text", bytes_of_text(what));
    end(d);
}

static void on_node(void *owner, const struct node *node)
{
    struct dumping *d = owner;

    begin(d, "node");
    hex(d, "store", node->store_id, sizeof node->store_id);
    number(d, "boot", node->boot);
    if (node->owner[0] != 0)
        text(d, "owner", bytes_of_text(node->owner));
    if (node->lanes > 0)
        number(d, "lanes", node->lanes);
    end(d);
}

static void on_journal(void *owner, const char *path, uint64_t offset,
                       const struct journal_record *record, bool needed)
{
    struct dumping *d = owner;
    struct bytes rest = record->entries;
    struct journal_entry entry;

    begin(d, "journal");
    text(d, "path", bytes_of_text(path));
    number(d, "at", offset);
    number(d, "size", record->size);
    id(d, "number", record->number);
    id(d, "clean", record->clean);
    JSON_KEY(&d->writer, "this_boot");
    json_bool(&d->writer, needed);
    end(d);
    for (uint32_t i = 0; i < record->entry_count && journal_entry_take(&rest, &entry); i++) {
        begin(d, entry.kind == JOURNAL_VOTE ? "  vote" : "  entry");
        id(d, "log", entry.log_id);
        if (entry.kind == JOURNAL_VOTE && entry.bytes.size >= 16) {
            struct decoder in;

            decoder_init(&in, entry.bytes);
            number(d, "term", decode_u64(&in));
            id(d, "for", decode_u64(&in));
        } else {
            id(d, "file", entry.file_id);
            number(d, "at", entry.offset);
            number(d, "size", entry.bytes.size);
        }
        end(d);
    }
}

static void on_segment(void *owner, const char *path, const struct segment_header *header)
{
    struct dumping *d = owner;

    begin(d, "segment");
    text(d, "path", bytes_of_text(path));
    id(d, "predecessor", header->predecessor);
    number(d, "last", header->last_index);
    number(d, "base", header->base);
    end(d);
}

static void on_batch(void *owner, const char *path, uint64_t position, uint64_t log_id,
                     const struct segment_batch *batch)
{
    struct dumping *d = owner;

    (void)path;
    begin(d, "batch");
    id(d, "log", log_id);
    number(d, "index", batch->view.index);
    number(d, "term", batch->view.term);
    time_of(d, "time", batch->view.time_ns);
    number(d, "at", position);
    number(d, "size", batch->size);
    number(d, "records", batch->view.record_count);
    hex(d, "hash", batch->view.hash.at, sizeof batch->view.hash.at);
    end(d);
}

static void on_block(void *owner, const char *path, const struct block *block)
{
    struct dumping *d = owner;

    begin(d, "block");
    text(d, "path", bytes_of_text(path));
    number(d, "index", block->index);
    number(d, "term", block->term);
    number(d, "files", block->file_count);
    number(d, "body", block->body.size);
    number(d, "local", block->local.size);
    end(d);
}

/* ---- records --------------------------------------------------------------------------------- */

static const char *const effect_names[] = {
    [EFFECT_TERM] = "term",
    [EFFECT_MESSAGE] = "message",
    [EFFECT_DELETE] = "delete",
    [EFFECT_PURGE] = "purge",
    [EFFECT_EXPIRE] = "expire",
    [EFFECT_CONFIG] = "config",
    [EFFECT_CONSUMER_CREATE] = "consumer",
    [EFFECT_CONSUMER_DELETE] = "consumer deleted",
    [EFFECT_SKIP] = "skip",
    [EFFECT_SOURCED] = "sourced",
    [EFFECT_SCHEDULE] = "schedule",
    [EFFECT_RESTORE] = "restore",
    [EFFECT_DELETE_MANY] = "delete many",
    [EFFECT_CONSUMER_STATE] = "consumer state",
    [CONSUMER_RECORD_HANDOUT] = "hand-out",
    [CONSUMER_RECORD_ACK] = "ack",
    [CONSUMER_RECORD_TERM] = "term of messages",
    [CONSUMER_RECORD_DELAY] = "delay",
    [CONSUMER_RECORD_EXHAUST] = "exhaust",
    [CONSUMER_RECORD_POSITION] = "position",
    [CONSUMER_RECORD_RESET] = "reset",
    [CONSUMER_RECORD_UNREAD] = "unread",
};

static void message_members(struct dumping *d, const struct effect *effect)
{
    number(d, "seq", effect->message.sequence);
    time_of(d, "time", effect->message.time_ns);
    text(d, "subject", effect->message.subject);
    number(d, "headers", effect->message.headers.size);
    number(d, "payload", effect->message.payload.size);
}

static void effect_members(struct dumping *d, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_MESSAGE: message_members(d, effect); break;
    case EFFECT_DELETE: number(d, "seq", effect->remove.sequence); break;
    case EFFECT_PURGE:
        text(d, "filter", effect->purge.filter);
        number(d, "below", effect->purge.below);
        number(d, "keep", effect->purge.keep);
        break;
    case EFFECT_EXPIRE: number(d, "last", effect->expire.last); break;
    case EFFECT_CONFIG:
    case EFFECT_RESTORE:
        number(d, "version", effect->config.version);
        text(d, "config", effect->config.json);
        break;
    case EFFECT_SKIP: number(d, "last", effect->skip.last); break;
    case EFFECT_SOURCED:
        number(d, "source", effect->sourced.source);
        number(d, "seq", effect->sourced.sequence);
        break;
    case EFFECT_CONSUMER_CREATE:
    case EFFECT_CONSUMER_DELETE:
    case EFFECT_CONSUMER_STATE:
        number(d, "number", effect->consumer.number);
        text(d, "name", effect->consumer.name);
        text(d, "config", effect->consumer.json);
        break;
    default: break;
    }
}

static void stream_record(struct dumping *d, const struct record *record)
{
    struct effect effect;

    if (record->type >= CONSUMER_RECORD_FIRST && record->type <= CONSUMER_RECORD_LAST) {
        if (record->body.size >= 14)
            number(d, "consumer", consumer_record_number(bytes_skip(record->body, 6)));
    } else if (!replica_record(record->type) && effect_read(record, &effect) == OK) {
        effect_members(d, &effect);
    }
}

static const char *const catalogue_names[] = {
    [CATALOGUE_ASSIGN] = "assign",   [CATALOGUE_UPDATED] = "update",
    [CATALOGUE_REMOVE] = "remove",   [CATALOGUE_GONE] = "gone",
    [CATALOGUE_MEMBERS] = "members", [CATALOGUE_EXPEL] = "server removed",
};

static void catalogue_record(struct dumping *d, const struct record *record)
{
    struct catalogue catalogue;
    struct catalogue_entry *entry = NULL;
    struct decoder in;

    decoder_init(&in, bytes_skip(record->body, record->body.size < 6 ? record->body.size : 6));
    id(d, record->type == CATALOGUE_EXPEL ? "node" : "stream", decode_u64(&in));
    if (record->type != CATALOGUE_ASSIGN)
        return;
    catalogue_init(&catalogue, 0);
    if (catalogue_apply(&catalogue, record, &entry) == OK) {
        text(d, "account", entry->assigned.account);
        text(d, "config", entry->assigned.json);
    }
    catalogue_deinit(&catalogue);
}

static const char *name_of(uint64_t log_id, uint8_t type)
{
    if (type == 254)
        return "seal";
    if (type == 255)
        return "members";
    if (type == EFFECT_TERM)
        return "term";
    if (log_id == CATALOGUE_LOG_ID)
        return type < sizeof catalogue_names / sizeof catalogue_names[0] ? catalogue_names[type]
                                                                         : NULL;
    return type < sizeof effect_names / sizeof effect_names[0] ? effect_names[type] : NULL;
}

static void on_record(void *owner, uint64_t log_id, const struct record *record)
{
    struct dumping *d = owner;
    const char *name = name_of(log_id, record->type);

    begin(d, "  record");
    text(d, "type", bytes_of_text(name != NULL ? name : "unknown"));
    number(d, "code", record->type);
    if (record->flags != 0)
        number(d, "flags", record->flags);
    number(d, "size", record->size);
    if (replica_record(record->type) || name == NULL)
        ;
    else if (log_id == CATALOGUE_LOG_ID)
        catalogue_record(d, record);
    else
        stream_record(d, record);
    end(d);
}

enum inspect_result dump(const char *dir, bool json, unsigned *problems)
{
    struct dumping d = {.json = json, .problems = problems};
    const struct inspector inspector = {
        .owner = &d,
        .problem = on_problem,
        .note = on_note,
        .node = on_node,
        .journal = on_journal,
        .segment = on_segment,
        .batch = on_batch,
        .record = on_record,
        .block = on_block,
    };
    enum inspect_result result;

    buf_init(&d.line, LINE_MAX_SIZE);
    result = inspect(dir, &inspector);
    buf_deinit(&d.line);
    return result;
}

#include "storage/journal_record.h"

#include "storage/hash.h"
#include "storage/le.h"

#define VERSION 1u

static const uint8_t file_magic[8] = {'M', 'R', 'j', 'r', 'n', 'l', '0', '1'};
static const uint8_t record_magic[8] = {'M', 'R', 'j', 'r', 'e', 'c', '0', '1'};

/* File header. */
enum {
    FILE_CHECKSUM = 0,
    FILE_MAGIC = 8,
    FILE_VERSION = 16,
    FILE_FEATURES = 20,
    FILE_STORE_ID = 24,
    FILE_NUMBER = 40,
};

/* Record head. */
enum {
    RECORD_CHECKSUM = 0,
    RECORD_MAGIC = 8,
    RECORD_SIZE = 16,
    RECORD_COUNT = 20,
    RECORD_STORE_ID = 24,
    RECORD_NUMBER = 40,
    RECORD_CLEAN = 48,
    RECORD_ZERO = 56,
};

/* Entry head. */
enum {
    ENTRY_LOG_ID = 0,
    ENTRY_FILE_ID = 8,
    ENTRY_OFFSET = 16,
    ENTRY_SIZE = 24,
    ENTRY_KIND = 28,
};

static uint64_t header_checksum(const uint8_t at[JOURNAL_HEADER])
{
    return hash_64(bytes_of(at + FILE_MAGIC, JOURNAL_HEADER - FILE_MAGIC));
}

void journal_header_write(uint8_t at[JOURNAL_HEADER], const uint8_t store_id[16], uint64_t file)
{
    memset(at, 0, JOURNAL_HEADER);
    memcpy(at + FILE_MAGIC, file_magic, sizeof file_magic);
    le_put_u32(at + FILE_VERSION, VERSION);
    le_put_u32(at + FILE_FEATURES, 0);
    memcpy(at + FILE_STORE_ID, store_id, 16);
    le_put_u64(at + FILE_NUMBER, file);
    le_put_u64(at + FILE_CHECKSUM, header_checksum(at));
}

enum err journal_header_read(const uint8_t at[JOURNAL_HEADER], const uint8_t store_id[16],
                             uint64_t file)
{
    if (at[0] == 0 && memcmp(at, at + 1, JOURNAL_HEADER - 1) == 0)
        return ERR_NOT_FOUND;
    if (le_u64(at + FILE_CHECKSUM) != header_checksum(at))
        return ERR_CORRUPT;
    if (memcmp(at + FILE_MAGIC, file_magic, sizeof file_magic) != 0)
        return ERR_CORRUPT;
    if (le_u32(at + FILE_VERSION) != VERSION || le_u32(at + FILE_FEATURES) != 0)
        return ERR_VERSION;
    if (memcmp(at + FILE_STORE_ID, store_id, 16) != 0 || le_u64(at + FILE_NUMBER) != file)
        return ERR_CORRUPT;
    return OK;
}

size_t journal_entry_size(size_t bytes_size)
{
    return JOURNAL_ENTRY_HEAD + ((bytes_size + 7) & ~(size_t)7);
}

size_t journal_record_size(size_t used)
{
    return (used + JOURNAL_BLOCK - 1) & ~(size_t)(JOURNAL_BLOCK - 1);
}

void journal_entry_write(uint8_t *at, const struct journal_entry *entry)
{
    size_t size = journal_entry_size(entry->bytes.size);

    le_put_u64(at + ENTRY_LOG_ID, entry->log_id);
    le_put_u64(at + ENTRY_FILE_ID, entry->file_id);
    le_put_u64(at + ENTRY_OFFSET, entry->offset);
    le_put_u32(at + ENTRY_SIZE, (uint32_t)entry->bytes.size);
    le_put_u32(at + ENTRY_KIND, entry->kind);
    memcpy(at + JOURNAL_ENTRY_HEAD, entry->bytes.at, entry->bytes.size);
    memset(at + JOURNAL_ENTRY_HEAD + entry->bytes.size, 0,
           size - JOURNAL_ENTRY_HEAD - entry->bytes.size);
}

void journal_record_seal(uint8_t *at, size_t used, const uint8_t store_id[16],
                         struct journal_record *record)
{
    size_t size = journal_record_size(used);

    assert(used > JOURNAL_RECORD_HEAD);
    assert(size <= JOURNAL_RECORD_MAX);

    memset(at + used, 0, size - used);
    record->size = (uint32_t)size;
    memcpy(at + RECORD_MAGIC, record_magic, sizeof record_magic);
    le_put_u32(at + RECORD_SIZE, record->size);
    le_put_u32(at + RECORD_COUNT, record->entry_count);
    memcpy(at + RECORD_STORE_ID, store_id, 16);
    le_put_u64(at + RECORD_NUMBER, record->number);
    le_put_u64(at + RECORD_CLEAN, record->clean);
    le_put_u64(at + RECORD_ZERO, 0);
    le_put_u64(at + RECORD_CHECKSUM, hash_64(bytes_of(at + RECORD_MAGIC, size - RECORD_MAGIC)));
}

enum err journal_record_read(struct bytes in, const uint8_t store_id[16],
                             struct journal_record *record)
{
    const uint8_t *at = in.at;

    if (in.size < JOURNAL_BLOCK)
        return ERR_CORRUPT;
    if (memcmp(at + RECORD_MAGIC, record_magic, sizeof record_magic) != 0)
        return ERR_CORRUPT;
    if (memcmp(at + RECORD_STORE_ID, store_id, 16) != 0)
        return ERR_CORRUPT;
    record->size = le_u32(at + RECORD_SIZE);
    if (record->size == 0 || record->size % JOURNAL_BLOCK != 0 || record->size > JOURNAL_RECORD_MAX)
        return ERR_CORRUPT;
    if (record->size > in.size)
        return ERR_AGAIN;
    if (le_u64(at + RECORD_CHECKSUM) !=
        hash_64(bytes_of(at + RECORD_MAGIC, record->size - RECORD_MAGIC)))
        return ERR_CORRUPT;

    record->entry_count = le_u32(at + RECORD_COUNT);
    record->number = le_u64(at + RECORD_NUMBER);
    record->clean = le_u64(at + RECORD_CLEAN);
    record->entries = bytes_of(at + JOURNAL_RECORD_HEAD, record->size - JOURNAL_RECORD_HEAD);
    return OK;
}

bool journal_entry_take(struct bytes *entries, struct journal_entry *entry)
{
    const uint8_t *at = entries->at;
    uint32_t size;

    if (entries->size < JOURNAL_ENTRY_HEAD)
        return false;
    size = le_u32(at + ENTRY_SIZE);
    if (journal_entry_size(size) > entries->size)
        return false;

    *entry = (struct journal_entry){
        .log_id = le_u64(at + ENTRY_LOG_ID),
        .file_id = le_u64(at + ENTRY_FILE_ID),
        .offset = le_u64(at + ENTRY_OFFSET),
        .kind = le_u32(at + ENTRY_KIND),
        .bytes = bytes_of(at + JOURNAL_ENTRY_HEAD, size),
    };
    *entries = bytes_skip(*entries, journal_entry_size(size));
    return true;
}

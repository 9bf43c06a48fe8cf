/*
 * journal_record: the bytes of the journal, without I/O (docs/formats.md, Journal). A record is
 * built in one aligned piece of memory: JOURNAL_RECORD_HEAD bytes are left free, entries follow,
 * journal_record_seal completes it.
 */
#ifndef STORAGE_JOURNAL_RECORD_H
#define STORAGE_JOURNAL_RECORD_H

#include "base/bytes.h"
#include "base/err.h"

#define JOURNAL_BLOCK       4096u /* header, records and their places are multiples */
#define JOURNAL_HEADER      JOURNAL_BLOCK
#define JOURNAL_RECORD_HEAD 64u
#define JOURNAL_ENTRY_HEAD  32u
#define JOURNAL_RECORD_MAX  (64u << 20) /* what a reader accepts */

#define JOURNAL_VOTE_SIZE 32u /* bytes of an entry that is a vote (storage/votes.c) */

enum journal_kind { JOURNAL_SEGMENT = 1, JOURNAL_VOTE = 2 };

/* Bytes that belong at `offset` of a file; a vote has neither. */
struct journal_entry {
    uint64_t log_id;
    uint64_t file_id;
    uint64_t offset;
    uint32_t kind;
    struct bytes bytes;
};

struct journal_record {
    uint32_t size; /* padded */
    uint32_t entry_count;
    uint64_t number;
    uint64_t clean;
    struct bytes entries; /* reading only */
};

void journal_header_write(uint8_t at[JOURNAL_HEADER], const uint8_t store_id[16], uint64_t file);
/* ERR_NOT_FOUND: zeros, its making was cut short. ERR_CORRUPT: damaged, or another store's.
 * ERR_VERSION: sound, and of a newer format. */
enum err journal_header_read(const uint8_t at[JOURNAL_HEADER], const uint8_t store_id[16],
                             uint64_t file);

/* Size of an entry in a record; of a record that is filled up to `used`. */
size_t journal_entry_size(size_t bytes_size);
size_t journal_record_size(size_t used);

/* Writes an entry (journal_entry_size bytes). */
void journal_entry_write(uint8_t *at, const struct journal_entry *entry);
/* Completes a record of `used` bytes, head included: padding (there is room), head, checksum.
 * entry_count, number and clean are the caller's. */
void journal_record_seal(uint8_t *at, size_t used, const uint8_t store_id[16],
                         struct journal_record *record);

/*
 * Reads the record at the start of `in`; views point into it.
 * ERR_AGAIN     it needs record->size bytes, more than `in` has.
 * ERR_CORRUPT   no sound record of this store.
 */
enum err journal_record_read(struct bytes in, const uint8_t store_id[16],
                             struct journal_record *record);
/* Takes the next entry off a sound record's entries; false: they are not well formed. */
bool journal_entry_take(struct bytes *entries, struct journal_entry *entry);

#endif

/*
 * message_block: the files msgs/<n>.blk of a backup: records of messages as nats-server 2.14 stores
 * them. Pure; what is read is hostile.
 *
 * A record, little endian: u32 its size, the high bit set if there are headers; u64 sequence; i64
 * time; u16 size of the subject; subject; with headers u32 their size and they; payload; u64
 * HighwayHash-64 of sequence, time, subject, headers and payload, its key made of the stream's name
 * and the block's number. Bit 63 of the sequence: its message is erased; bit 62: the message of
 * that sequence was deleted.
 */
#ifndef SERVER_BACKUP_MESSAGE_BLOCK_H
#define SERVER_BACKUP_MESSAGE_BLOCK_H

#include "base/buf.h"
#include "server/backup/highway.h"

#define MESSAGE_BLOCK_RECORD_MAX (80u << 20)

struct message_block_record {
    uint64_t sequence;
    int64_t time_ns;
    struct bytes subject, headers, payload;
    bool deleted; /* the message of that sequence was deleted; it may stand before */
    bool empty;   /* nothing stands at that sequence; at 0: it means nothing at all */
};

void message_block_key(struct bytes stream, uint32_t number, uint8_t key[static HIGHWAY_KEY_SIZE]);

/* False at the buffer's limit. */
bool message_block_add(struct buf *out, const uint8_t key[static HIGHWAY_KEY_SIZE],
                       const struct message_block_record *record);

enum message_block_result {
    MESSAGE_BLOCK_MORE, /* the record is not whole yet: *size is what it needs */
    MESSAGE_BLOCK_OK,   /* *size is what it takes; views into `in` */
    MESSAGE_BLOCK_BAD,
};
enum message_block_result message_block_read(struct bytes in,
                                             const uint8_t key[static HIGHWAY_KEY_SIZE],
                                             struct message_block_record *record, size_t *size);

#endif

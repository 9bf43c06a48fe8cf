#include "raft/wire.h"

#include "base/codec.h"
#include "raft/members.h"
#include "storage/batch.h"
#include "storage/hash.h"

enum { FLAG_GRANTED = 1, FLAG_TRANSFER = 2, FLAG_SLEEP = 4, FLAG_REMOVED = 8, FLAGS_ALL = 15 };

void wire_write(uint8_t at[WIRE_HEAD], uint64_t group, const struct raft_message *message,
                uint32_t entry_count, size_t entries_size)
{
    uint8_t *end = at;

    assert(entry_count <= message->entry_count && entries_size < WIRE_FRAME_MAX);
    end = encode_u64(end, group);
    *end++ = (uint8_t)message->type;
    *end++ =
        (uint8_t)((message->granted ? FLAG_GRANTED : 0) | (message->transfer ? FLAG_TRANSFER : 0) |
                  (message->sleep ? FLAG_SLEEP : 0) | (message->removed ? FLAG_REMOVED : 0));
    end = encode_u16(end, (uint16_t)entry_count);
    end = encode_u32(end, (uint32_t)entries_size);
    end = encode_u64(end, message->from.incarnation);
    end = encode_u64(end, message->to.incarnation);
    end = encode_u64(end, message->term);
    end = encode_u64(end, message->previous);
    end = encode_u64(end, message->previous_term);
    end = encode_u64(end, message->commit);
    end = encode_u64(end, message->last);
    end = encode_u64(end, message->last_term);
    end = encode_u64(end, message->probe);
    end = encode_u64(end, message->damaged);
    assert(end == at + WIRE_HEAD);
}

void wire_write_entry(uint8_t at[WIRE_ENTRY_HEAD], size_t content_size)
{
    (void)encode_u32(encode_u32(at, (uint32_t)content_size), 0);
}

static enum err take_entry(struct decoder *in, struct wire_message *out, uint32_t number)
{
    struct raft_entry *entry = &out->message.entries[number];
    struct batch_content content;
    uint32_t size = decode_u32(in);
    uint32_t zero = decode_u32(in);

    out->contents[number] = decode_bytes(in, size);
    if (in->failed || zero != 0 || batch_content_peek(out->contents[number], &content) != OK)
        return ERR_CORRUPT;
    *entry = (struct raft_entry){.index = content.index, .term = content.term};
    if (members_of(content.records, content.record_count, &out->configs[number]))
        entry->config = &out->configs[number];
    /* An append's entries follow each other. */
    return entry->index == out->message.previous + 1 + number ? OK : ERR_CORRUPT;
}

static void take_head(struct decoder *in, struct wire_message *out)
{
    struct raft_message *message = &out->message;

    message->from.incarnation = decode_u64(in);
    message->to.incarnation = decode_u64(in);
    message->term = decode_u64(in);
    message->previous = decode_u64(in);
    message->previous_term = decode_u64(in);
    message->commit = decode_u64(in);
    message->last = decode_u64(in);
    message->last_term = decode_u64(in);
    message->probe = decode_u64(in);
    message->damaged = decode_u64(in);
}

void wire_write_catch(uint8_t at[WIRE_HEAD], uint64_t group, enum wire_catch type,
                      const struct raft_message *message, struct bytes payload)
{
    struct raft_message head = *message;

    head.damaged = hash_64(payload);
    head.type = (enum raft_message_type)type;
    wire_write(at, group, &head, 0, payload.size);
}

static enum err take_catch(struct wire_message *out, uint8_t type, struct bytes payload)
{
    out->catch = (enum wire_catch)type;
    out->payload = payload;
    if (out->message.entry_count != 0 || hash_64(payload) != out->message.damaged)
        return ERR_CORRUPT;
    return OK;
}

static bool known(uint8_t type)
{
    return (type >= RAFT_PREVOTE && type <= RAFT_TRANSFER) ||
           (type >= WIRE_CATCH_FIRST && type <= WIRE_CATCH_LAST);
}

bool wire_peek(struct bytes frame, uint64_t *group, size_t *size)
{
    struct decoder in;

    decoder_init(&in, frame);
    *group = decode_u64(&in);
    (void)decode_bytes(&in, 4);
    *size = WIRE_HEAD + (size_t)decode_u32(&in);
    return !in.failed && *size <= frame.size;
}

enum err wire_take(struct bytes *frame, struct wire_message *out)
{
    struct decoder in, entries;
    struct bytes kind;
    uint32_t size;

    decoder_init(&in, *frame);
    out->group = decode_u64(&in);
    kind = decode_bytes(&in, 2);
    if (in.failed || !known(kind.at[0]) || kind.at[1] > FLAGS_ALL)
        return ERR_CORRUPT;
    out->catch = 0;
    memset(&out->message, 0, offsetof(struct raft_message, entries));
    out->message.type = (enum raft_message_type)kind.at[0];
    out->message.granted = (kind.at[1] & FLAG_GRANTED) != 0;
    out->message.transfer = (kind.at[1] & FLAG_TRANSFER) != 0;
    out->message.sleep = (kind.at[1] & FLAG_SLEEP) != 0;
    out->message.removed = (kind.at[1] & FLAG_REMOVED) != 0;
    out->message.entry_count = decode_u16(&in);
    size = decode_u32(&in);
    take_head(&in, out);
    decoder_init(&entries, decode_bytes(&in, size));
    if (in.failed || out->message.entry_count > RAFT_ENTRIES_MAX)
        return ERR_CORRUPT;
    *frame = in.rest;
    if (kind.at[0] >= WIRE_CATCH_FIRST)
        return take_catch(out, kind.at[0], entries.rest);
    for (uint32_t i = 0; i < out->message.entry_count; i++) {
        if (take_entry(&entries, out, i) != OK)
            return ERR_CORRUPT;
    }
    return entries.rest.size == 0 ? OK : ERR_CORRUPT;
}

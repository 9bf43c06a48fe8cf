#include "server/catalogue.h"

#include "base/codec.h"
#include "base/heap.h"

void catalogue_init(struct catalogue *catalogue)
{
    *catalogue = (struct catalogue){.id_next = CATALOGUE_STREAM_FIRST};
}

static void entry_free(struct catalogue_entry *entry)
{
    heap_give((void *)entry->account.at);
    heap_give((void *)entry->json.at);
    heap_give((void *)entry->offline.at);
    heap_give(entry);
}

void catalogue_deinit(struct catalogue *catalogue)
{
    struct catalogue_entry *entry = catalogue->first;

    while (entry != NULL) {
        struct catalogue_entry *next = entry->next;
        entry_free(entry);
        entry = next;
    }
}

struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, uint64_t id)
{
    struct catalogue_entry *entry = catalogue->first;

    while (entry != NULL && entry->id != id)
        entry = entry->next;
    return entry;
}

static enum err apply_assign(struct catalogue *catalogue, struct decoder *in)
{
    uint64_t id = decode_u64(in);
    int64_t created_ns = (int64_t)decode_u64(in);
    uint32_t account_size = decode_u32(in);
    uint32_t json_size = decode_u32(in);
    struct bytes account = decode_bytes(in, account_size);
    struct bytes json = decode_bytes(in, json_size);
    struct catalogue_entry *entry;

    if (in->failed || id < catalogue->id_next)
        return ERR_CORRUPT;
    entry = HEAP_NEW(struct catalogue_entry);
    entry->id = id;
    entry->version = 1;
    entry->created_ns = created_ns;
    entry->account = heap_copy(account);
    entry->json = heap_copy(json);
    if (catalogue->last != NULL)
        catalogue->last->next = entry;
    else
        catalogue->first = entry;
    catalogue->last = entry;
    catalogue->id_next = id + 1;
    return OK;
}

static enum err apply_update(struct catalogue *catalogue, struct decoder *in)
{
    uint64_t id = decode_u64(in);
    uint64_t version = decode_u64(in);
    uint32_t json_size = decode_u32(in);
    struct bytes json;
    struct catalogue_entry *entry;

    (void)decode_u32(in);
    json = decode_bytes(in, json_size);
    entry = catalogue_find(catalogue, id);
    if (in->failed || entry == NULL || entry->removed || version != entry->version + 1)
        return ERR_CORRUPT;
    heap_give((void *)entry->json.at);
    entry->json = heap_copy(json);
    entry->version = version;
    return OK;
}

static enum err apply_remove(struct catalogue *catalogue, struct decoder *in)
{
    struct catalogue_entry *entry = catalogue_find(catalogue, decode_u64(in));

    if (in->failed || entry == NULL || entry->removed)
        return ERR_CORRUPT;
    entry->removed = true;
    return OK;
}

static enum err apply_gone(struct catalogue *catalogue, struct decoder *in)
{
    struct catalogue_entry *gone = catalogue_find(catalogue, decode_u64(in));
    struct catalogue_entry *before = catalogue->first;

    if (in->failed || gone == NULL || !gone->removed)
        return ERR_CORRUPT;
    if (before == gone) {
        catalogue->first = gone->next;
        before = NULL;
    } else {
        while (before->next != gone)
            before = before->next;
        before->next = gone->next;
    }
    if (catalogue->last == gone)
        catalogue->last = before;
    entry_free(gone);
    return OK;
}

enum err catalogue_apply(struct catalogue *catalogue, const struct record *record)
{
    struct decoder in;

    decoder_init(&in, record->body);
    (void)decode_bytes(&in, 6);
    switch (record->type) {
    case CATALOGUE_ASSIGN: return apply_assign(catalogue, &in);
    case CATALOGUE_UPDATED: return apply_update(catalogue, &in);
    case CATALOGUE_REMOVE: return apply_remove(catalogue, &in);
    case CATALOGUE_GONE: return apply_gone(catalogue, &in);
    default: return ERR_CORRUPT;
    }
}

bool catalogue_write_assign(struct buf *out, uint64_t id, int64_t created_ns, struct bytes account,
                            struct bytes json)
{
    size_t size = 6 + 24 + account.size + json.size;
    uint8_t *at = record_begin(out, CATALOGUE_ASSIGN, 0, size);

    if (at == NULL)
        return false;
    at = encode_zeros(at, 6);
    at = encode_u64(at, id);
    at = encode_u64(at, (uint64_t)created_ns);
    at = encode_u32(at, (uint32_t)account.size);
    at = encode_u32(at, (uint32_t)json.size);
    at = encode_bytes(at, account);
    (void)encode_bytes(at, json);
    record_end(out, size);
    return true;
}

bool catalogue_write_update(struct buf *out, uint64_t id, uint64_t version, struct bytes json)
{
    size_t size = 6 + 24 + json.size;
    uint8_t *at = record_begin(out, CATALOGUE_UPDATED, 0, size);

    if (at == NULL)
        return false;
    at = encode_zeros(at, 6);
    at = encode_u64(at, id);
    at = encode_u64(at, version);
    at = encode_u32(at, (uint32_t)json.size);
    at = encode_u32(at, 0);
    (void)encode_bytes(at, json);
    record_end(out, size);
    return true;
}

static bool write_id(struct buf *out, uint8_t type, uint64_t id)
{
    uint8_t *at = record_begin(out, type, 0, 14);

    if (at == NULL)
        return false;
    at = encode_zeros(at, 6);
    (void)encode_u64(at, id);
    record_end(out, 14);
    return true;
}

bool catalogue_write_remove(struct buf *out, uint64_t id)
{
    return write_id(out, CATALOGUE_REMOVE, id);
}

bool catalogue_write_gone(struct buf *out, uint64_t id)
{
    return write_id(out, CATALOGUE_GONE, id);
}

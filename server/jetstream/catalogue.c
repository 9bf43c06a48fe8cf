#include "server/jetstream/catalogue.h"

#include "base/codec.h"
#include "base/heap.h"

#define ACCOUNT_MAX    1024u /* of an account's name in a key */
#define ASSIGN_RESTORE 1u    /* flag of an assignment */
#define MEMBER_SIZE    24u
#define CONFIG_ARENA   (1u << 20)

static struct bytes key_of(const void *item)
{
    return ((const struct catalogue_entry *)item)->key;
}

void catalogue_init(struct catalogue *catalogue, uint64_t seed)
{
    *catalogue = (struct catalogue){.id_next = CATALOGUE_STREAM_FIRST};
    map64_init(&catalogue->by_id, seed);
    table_init(&catalogue->by_name, key_of, seed);
}

static void entry_free(struct catalogue_entry *entry)
{
    heap_give((void *)entry->assigned.account.at);
    heap_give((void *)entry->assigned.json.at);
    heap_give((void *)entry->key.at);
    arena_deinit(&entry->arena);
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
    map64_deinit(&catalogue->by_id);
    table_deinit(&catalogue->by_name);
}

struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, uint64_t id)
{
    return map64_pointer(&catalogue->by_id, id);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* No subject token, so no name of a stream, has a space in it. */
static bool write_key(struct buf *out, struct bytes account, struct bytes name)
{
    return buf_add(out, account) && buf_add_byte(out, ' ') && buf_add(out, name);
}

struct catalogue_entry *catalogue_named(const struct catalogue *catalogue, struct bytes account,
                                        struct bytes name)
{
    uint8_t memory[ACCOUNT_MAX + 1024];
    struct buf key = {.at = memory, .capacity = sizeof memory, .limit = sizeof memory};

    return write_key(&key, account, name) ? table_find(&catalogue->by_name, buf_bytes(&key)) : NULL;
}

static void take_name(struct catalogue *catalogue, struct catalogue_entry *entry)
{
    struct buf key;

    if (!entry->readable ||
        catalogue_named(catalogue, entry->assigned.account, entry->config.name) != NULL)
        return;
    buf_init(&key, ACCOUNT_MAX + 1024);
    if (write_key(&key, entry->assigned.account, entry->config.name)) {
        entry->key = heap_copy(buf_bytes(&key));
        table_add(&catalogue->by_name, entry);
    }
    buf_deinit(&key);
}

void catalogue_hide(struct catalogue *catalogue, struct catalogue_entry *entry)
{
    if (entry->key.size == 0)
        return;
    (void)table_remove(&catalogue->by_name, entry->key);
    heap_give((void *)entry->key.at);
    entry->key = bytes_of(NULL, 0);
}

static void read_config(struct catalogue_entry *entry)
{
    arena_reset(&entry->arena);
    entry->config = (struct stream_config){0};
    entry->readable =
        stream_config_decode(entry->assigned.json, &entry->arena, &entry->config) == OK;
}

/* ---- applying ------------------------------------------------------------------------------- */

static void decode_members(struct decoder *in, uint32_t count, struct raft_config *members)
{
    members->count = count <= RAFT_MEMBERS_MAX ? count : 0;
    for (uint32_t i = 0; i < members->count; i++) {
        members->at[i].node = decode_u64(in);
        members->at[i].incarnation = decode_u64(in);
        members->at[i].learner = decode_u64(in) != 0;
    }
}

static void decode_assignment(struct decoder *in, struct catalogue_assignment *out)
{
    uint32_t account_size, json_size, members, flags;
    struct bytes incarnation;

    out->id = decode_u64(in);
    out->created_ns = (int64_t)decode_u64(in);
    incarnation = decode_bytes(in, sizeof out->incarnation);
    if (!in->failed)
        memcpy(out->incarnation, incarnation.at, incarnation.size);
    members = decode_u32(in);
    account_size = decode_u32(in);
    json_size = decode_u32(in);
    flags = decode_u32(in);
    out->restore = flags == ASSIGN_RESTORE;
    in->failed = in->failed || flags > ASSIGN_RESTORE;
    decode_members(in, members, &out->members);
    out->account = decode_bytes(in, account_size);
    out->json = decode_bytes(in, json_size);
}

static enum err apply_assign(struct catalogue *catalogue, struct decoder *in,
                             struct catalogue_entry **touched)
{
    struct catalogue_assignment assigned = {0};
    struct catalogue_entry *entry;

    decode_assignment(in, &assigned);
    if (in->failed || assigned.id < catalogue->id_next || assigned.members.count == 0)
        return ERR_CORRUPT;
    entry = HEAP_NEW(struct catalogue_entry);
    entry->assigned = assigned;
    entry->assigned.account = heap_copy(assigned.account);
    entry->assigned.json = heap_copy(assigned.json);
    entry->version = 1;
    entry->wished = assigned.members;
    arena_init(&entry->arena, CONFIG_ARENA);
    read_config(entry);
    take_name(catalogue, entry);
    if (catalogue->last != NULL)
        catalogue->last->next = entry;
    else
        catalogue->first = entry;
    catalogue->last = entry;
    catalogue->id_next = assigned.id + 1;
    map64_put(&catalogue->by_id, assigned.id)->pointer = entry;
    *touched = entry;
    return OK;
}

static enum err apply_update(struct catalogue *catalogue, struct decoder *in,
                             struct catalogue_entry **touched)
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
    heap_give((void *)entry->assigned.json.at);
    entry->assigned.json = heap_copy(json);
    entry->version = version;
    read_config(entry);
    *touched = entry;
    return OK;
}

static enum err apply_members(struct catalogue *catalogue, struct decoder *in,
                              struct catalogue_entry **touched)
{
    struct catalogue_entry *entry = catalogue_find(catalogue, decode_u64(in));
    struct raft_config members;
    uint32_t count = decode_u32(in);

    (void)decode_u32(in);
    decode_members(in, count, &members);
    if (in->failed || entry == NULL || entry->removed || members.count == 0)
        return ERR_CORRUPT;
    entry->wished = members;
    entry->moved = true;
    entry->settled = false;
    *touched = entry;
    return OK;
}

static enum err apply_remove(struct catalogue *catalogue, struct decoder *in,
                             struct catalogue_entry **touched)
{
    struct catalogue_entry *entry = catalogue_find(catalogue, decode_u64(in));

    if (in->failed || entry == NULL || entry->removed)
        return ERR_CORRUPT;
    entry->removed = true;
    catalogue_hide(catalogue, entry);
    *touched = entry;
    return OK;
}

void catalogue_drop(struct catalogue *catalogue, struct catalogue_entry *gone)
{
    struct catalogue_entry *before = catalogue->first;

    catalogue_hide(catalogue, gone);
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
    (void)map64_remove(&catalogue->by_id, gone->assigned.id, NULL);
    entry_free(gone);
}

static enum err apply_gone(struct catalogue *catalogue, struct decoder *in)
{
    struct catalogue_entry *gone = catalogue_find(catalogue, decode_u64(in));

    if (in->failed || gone == NULL || !gone->removed)
        return ERR_CORRUPT;
    catalogue_drop(catalogue, gone);
    return OK;
}

bool catalogue_is_expelled(const struct catalogue *catalogue, struct raft_member member)
{
    for (uint32_t i = 0; i < catalogue->expelled.count; i++) {
        if (members_equal(catalogue->expelled.at[i], member))
            return true;
    }
    return false;
}

static enum err apply_expel(struct catalogue *catalogue, struct decoder *in)
{
    struct catalogue_expelled *expelled = &catalogue->expelled;
    struct raft_config one;

    decode_members(in, 1, &one);
    if (in->failed || one.at[0].node == 0 || catalogue_is_expelled(catalogue, one.at[0]))
        return ERR_CORRUPT;
    if (expelled->count == CATALOGUE_EXPELLED_MAX)
        memmove(expelled->at, expelled->at + 1, --expelled->count * sizeof expelled->at[0]);
    one.at[0].learner = false;
    expelled->at[expelled->count++] = one.at[0];
    return OK;
}

enum err catalogue_apply(struct catalogue *catalogue, const struct record *record,
                         struct catalogue_entry **touched)
{
    struct catalogue_entry *ignored;
    struct decoder in;

    if (touched == NULL)
        touched = &ignored;
    *touched = NULL;
    decoder_init(&in, record->body);
    (void)decode_bytes(&in, 6);
    switch (record->type) {
    case CATALOGUE_ASSIGN: return apply_assign(catalogue, &in, touched);
    case CATALOGUE_UPDATED: return apply_update(catalogue, &in, touched);
    case CATALOGUE_REMOVE: return apply_remove(catalogue, &in, touched);
    case CATALOGUE_GONE: return apply_gone(catalogue, &in);
    case CATALOGUE_MEMBERS: return apply_members(catalogue, &in, touched);
    case CATALOGUE_EXPEL: return apply_expel(catalogue, &in);
    default: return ERR_CORRUPT;
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

static uint8_t *encode_members(uint8_t *at, const struct raft_config *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        at = encode_u64(at, members->at[i].node);
        at = encode_u64(at, members->at[i].incarnation);
        at = encode_u64(at, members->at[i].learner ? 1 : 0);
    }
    return at;
}

bool catalogue_write_assign(struct buf *out, const struct catalogue_assignment *assignment)
{
    const struct raft_config *members = &assignment->members;
    size_t size =
        6 + 48 + members->count * MEMBER_SIZE + assignment->account.size + assignment->json.size;
    uint8_t *at = record_begin(out, CATALOGUE_ASSIGN, 0, size);

    if (at == NULL)
        return false;
    at = encode_zeros(at, 6);
    at = encode_u64(at, assignment->id);
    at = encode_u64(at, (uint64_t)assignment->created_ns);
    at = encode_bytes(at, bytes_of(assignment->incarnation, sizeof assignment->incarnation));
    at = encode_u32(at, members->count);
    at = encode_u32(at, (uint32_t)assignment->account.size);
    at = encode_u32(at, (uint32_t)assignment->json.size);
    at = encode_u32(at, assignment->restore ? ASSIGN_RESTORE : 0);
    at = encode_members(at, members);
    at = encode_bytes(at, assignment->account);
    (void)encode_bytes(at, assignment->json);
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

bool catalogue_write_members(struct buf *out, uint64_t id, const struct raft_config *members)
{
    size_t size = 6 + 16 + members->count * MEMBER_SIZE;
    uint8_t *at = record_begin(out, CATALOGUE_MEMBERS, 0, size);

    if (at == NULL)
        return false;
    at = encode_zeros(at, 6);
    at = encode_u64(at, id);
    at = encode_u32(at, members->count);
    at = encode_u32(at, 0);
    (void)encode_members(at, members);
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

bool catalogue_write_expel(struct buf *out, struct raft_member member)
{
    const struct raft_config one = {.at = {member}, .count = 1};
    size_t size = 6 + MEMBER_SIZE;
    uint8_t *at = record_begin(out, CATALOGUE_EXPEL, 0, size);

    if (at == NULL)
        return false;
    at = encode_zeros(at, 6);
    (void)encode_members(at, &one);
    record_end(out, size);
    return true;
}

/* ---- in a state block ------------------------------------------------------------------------ */

#define BLOCK_VERSION 1u /* as long as nobody was removed, and no stream had other members */
#define BLOCK_MOVED   2u /* behind the head: who was removed; and of each stream whether it had */

#define ENTRY_REMOVED 1u /* flags of an entry */
#define ENTRY_MOVED   2u

/* The assignment with the newest config, and what has come since. */
static void encode_entry(const struct catalogue_entry *entry, struct buf *out)
{
    const struct raft_config *wished = &entry->wished;
    size_t size = 16 + wished->count * MEMBER_SIZE;
    uint8_t *at = buf_reserve(out, size);

    at = encode_u64(at, entry->version);
    at = encode_u32(at, (entry->removed ? ENTRY_REMOVED : 0) | (entry->moved ? ENTRY_MOVED : 0));
    at = encode_u32(at, wished->count);
    (void)encode_members(at, wished);
    buf_commit(out, size);
    (void)catalogue_write_assign(out, &entry->assigned); /* no limit */
}

static void encode_expelled(const struct catalogue_expelled *expelled, struct buf *out)
{
    size_t size = 8 + expelled->count * MEMBER_SIZE;
    uint8_t *at = buf_reserve(out, size);

    at = encode_u64(at, expelled->count);
    for (uint32_t i = 0; i < expelled->count; i++) {
        const struct raft_config one = {.at = {expelled->at[i]}, .count = 1};

        at = encode_members(at, &one);
    }
    buf_commit(out, size);
}

static bool has_moved(const struct catalogue *catalogue)
{
    bool moved = catalogue->expelled.count > 0;

    for (const struct catalogue_entry *entry = catalogue->first; entry != NULL && !moved;
         entry = entry->next)
        moved = entry->moved;
    return moved;
}

void catalogue_encode(const struct catalogue *catalogue, struct buf *out)
{
    bool moved = has_moved(catalogue);
    uint8_t *at = buf_reserve(out, 16);

    at = encode_u32(at, moved ? BLOCK_MOVED : BLOCK_VERSION);
    at = encode_u32(at, 0);
    (void)encode_u64(at, catalogue->id_next);
    buf_commit(out, 16);
    if (moved)
        encode_expelled(&catalogue->expelled, out);
    for (const struct catalogue_entry *entry = catalogue->first; entry != NULL; entry = entry->next)
        encode_entry(entry, out);
}

struct catalogued {
    uint64_t version;
    bool removed, moved;
    struct raft_config wished;
    struct record record; /* the assignment */
    struct catalogue_assignment assigned;
};

static bool same_members(const struct raft_config *a, const struct raft_config *b)
{
    bool same = a->count == b->count;

    for (uint32_t i = 0; same && i < a->count; i++)
        same = members_equal(a->at[i], b->at[i]) && a->at[i].learner == b->at[i].learner;
    return same;
}

static bool take_entry(struct decoder *in, struct catalogued *out)
{
    struct decoder body;
    uint32_t count, flags;

    *out = (struct catalogued){.version = decode_u64(in)};
    flags = decode_u32(in);
    out->removed = (flags & ENTRY_REMOVED) != 0;
    out->moved = (flags & ENTRY_MOVED) != 0;
    if (flags > (ENTRY_REMOVED | ENTRY_MOVED))
        return false;
    count = decode_u32(in);
    decode_members(in, count, &out->wished);
    if (in->failed || out->wished.count == 0 || record_read(in->rest, &out->record) != OK ||
        out->record.type != CATALOGUE_ASSIGN)
        return false;
    in->rest = bytes_skip(in->rest, out->record.size);
    decoder_init(&body, out->record.body);
    (void)decode_bytes(&body, 6);
    decode_assignment(&body, &out->assigned);
    /* What version 1 does not say, but shows. */
    out->moved = out->moved || !same_members(&out->wished, &out->assigned.members);
    return !body.failed && out->assigned.members.count > 0;
}

static bool decode_expelled(struct decoder *in, struct catalogue_expelled *expelled)
{
    uint64_t count = decode_u64(in);

    if (in->failed || count > CATALOGUE_EXPELLED_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct raft_config one;

        decode_members(in, 1, &one);
        expelled->at[i] = one.at[0];
    }
    expelled->count = (uint32_t)count;
    return !in->failed;
}

struct block_head {
    uint64_t id_next;
    struct catalogue_expelled expelled;
};

static bool begin_decode(struct decoder *in, struct bytes bytes, struct block_head *head)
{
    uint32_t version, zero;

    decoder_init(in, bytes);
    version = decode_u32(in);
    zero = decode_u32(in);
    *head = (struct block_head){.id_next = decode_u64(in)};
    if (in->failed || zero != 0)
        return false;
    return version == BLOCK_VERSION ||
           (version == BLOCK_MOVED && decode_expelled(in, &head->expelled));
}

enum err catalogue_check(const struct catalogue *catalogue, struct bytes bytes)
{
    struct catalogued item;
    struct decoder in;
    struct block_head head;
    uint64_t last = 0;

    if (!begin_decode(&in, bytes, &head) || head.id_next < catalogue->id_next)
        return ERR_CORRUPT;
    while (in.rest.size > 0) {
        const struct catalogue_entry *entry;

        if (!take_entry(&in, &item) || item.assigned.id <= last || item.assigned.id >= head.id_next)
            return ERR_CORRUPT;
        last = item.assigned.id;
        entry = catalogue_find(catalogue, last);
        if (entry == NULL ? last < catalogue->id_next : entry->version > item.version)
            return ERR_CORRUPT; /* the block is older than what is known here */
    }
    return OK;
}

static void merge_known(struct catalogue *catalogue, struct catalogue_entry *entry,
                        const struct catalogued *item)
{
    if (entry->version != item->version) {
        heap_give((void *)entry->assigned.json.at);
        entry->assigned.json = heap_copy(item->assigned.json);
        entry->version = item->version;
        read_config(entry);
        entry->touched = true;
    }
    if (!same_members(&entry->wished, &item->wished)) {
        entry->wished = item->wished;
        entry->settled = false;
        entry->touched = true;
    }
    entry->moved = item->moved;
    if (item->removed && !entry->removed) {
        entry->removed = true;
        catalogue_hide(catalogue, entry);
        entry->touched = true;
    }
}

static void merge_new(struct catalogue *catalogue, const struct catalogued *item)
{
    struct catalogue_entry *entry;
    enum err err = catalogue_apply(catalogue, &item->record, &entry);

    assert(err == OK); /* it was checked */
    entry->version = item->version;
    entry->wished = item->wished;
    entry->moved = item->moved;
    entry->removed = item->removed;
    entry->touched = true;
    entry->never_made = true; /* unless an earlier life may have known it */
    if (entry->removed)
        catalogue_hide(catalogue, entry);
}

enum err catalogue_decode(struct catalogue *catalogue, struct bytes bytes)
{
    enum err err = catalogue_check(catalogue, bytes);
    struct catalogued item;
    struct block_head head;
    struct decoder in;

    if (err != OK)
        return err;
    for (struct catalogue_entry *entry = catalogue->first; entry != NULL; entry = entry->next)
        entry->absent = true;
    (void)begin_decode(&in, bytes, &head);
    while (in.rest.size > 0 && take_entry(&in, &item)) {
        struct catalogue_entry *entry = catalogue_find(catalogue, item.assigned.id);

        if (entry == NULL)
            continue;
        entry->absent = false;
        merge_known(catalogue, entry, &item);
    }
    for (struct catalogue_entry *entry = catalogue->first; entry != NULL; entry = entry->next) {
        if (!entry->absent)
            continue;
        entry->touched = true;
        catalogue_hide(catalogue, entry); /* its name may be another one's now */
    }
    (void)begin_decode(&in, bytes, &head);
    while (in.rest.size > 0 && take_entry(&in, &item)) {
        if (catalogue_find(catalogue, item.assigned.id) == NULL)
            merge_new(catalogue, &item);
    }
    catalogue->id_next = head.id_next;
    catalogue->expelled = head.expelled;
    return OK;
}

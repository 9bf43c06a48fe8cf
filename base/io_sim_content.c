#include "base/heap.h"
#include "base/io_sim_disk.h"

/* ---- a growing array of bytes that reads as zeros ------------------------------------------- */

static uint64_t round_up(uint64_t size)
{
    return (size + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
}

static void content_reserve(struct sim_content *content, uint64_t size)
{
    uint64_t capacity = content->capacity == 0 ? 4096 : content->capacity;
    uint8_t *at;

    if (size <= content->capacity)
        return;
    while (capacity < size)
        capacity *= 2;
    at = heap_take(capacity); /* zeros, and untouched where nothing is written */
    if (content->size > 0)
        memcpy(at, content->at, content->size);
    heap_give(content->at);
    content->at = at;
    content->capacity = capacity;
}

static void content_set_size(struct sim_content *content, uint64_t size)
{
    content_reserve(content, round_up(size));
    if (size < content->size)
        memset(content->at + size, 0, content->size - size);
    content->size = size;
}

/* Whole sectors only; what lies beyond the size is not kept. */
static void content_set_sector(struct sim_content *content, uint64_t sector, const uint8_t *data)
{
    uint64_t offset = sector * SIM_SECTOR;
    uint64_t room = content->size > offset ? content->size - offset : 0;

    if (room > 0)
        memcpy(content->at + offset, data, room < SIM_SECTOR ? room : SIM_SECTOR);
}

void sim_inode_release_content(struct sim_inode *inode)
{
    inode->disk->used -= round_up(inode->cache.size);
    heap_give(inode->cache.at);
    heap_give(inode->platter.at);
    heap_give(inode->changes);
    heap_give(inode->unreadable);
}

/* ---- changes -------------------------------------------------------------------------------- */

static struct sim_change *change_add(struct sim_inode *inode, bool is_size, uint64_t at)
{
    struct sim_change *change;

    if (inode->changes_count == inode->changes_capacity) {
        inode->changes_capacity = inode->changes_capacity == 0 ? 16 : inode->changes_capacity * 2;
        inode->changes = heap_resize(inode->changes, inode->changes_capacity * sizeof(*change));
    }
    change = &inode->changes[inode->changes_count++];
    change->number = inode->number_next++;
    change->is_size = is_size;
    change->at = at;
    return change;
}

static void change_add_sector(struct sim_inode *inode, uint64_t sector)
{
    struct sim_change *change = change_add(inode, false, sector);

    memcpy(change->data, inode->cache.at + sector * SIM_SECTOR, SIM_SECTOR);
}

static void change_apply(struct sim_inode *inode, const struct sim_change *change)
{
    if (change->is_size)
        content_set_size(&inode->platter, change->at);
    else
        content_set_sector(&inode->platter, change->at, change->data);
}

static size_t changes_below(const struct sim_inode *inode, uint64_t mark)
{
    size_t count = 0;

    while (count < inode->changes_count && inode->changes[count].number < mark)
        count++;
    return count;
}

static void changes_drop(struct sim_inode *inode, size_t count)
{
    if (count == 0)
        return;
    inode->changes_count -= count;
    memmove(inode->changes, inode->changes + count, inode->changes_count * sizeof(*inode->changes));
}

/* Of the first `count` changes any sectors survive, and any first few of the sizes. */
static void changes_survive(struct sim_inode *inode, size_t count, struct prng *prng)
{
    uint32_t chance = sim_survival(prng);
    bool sizes_survive = true;

    for (size_t i = 0; i < count; i++) {
        const struct sim_change *change = &inode->changes[i];
        bool survives = prng_chance(prng, chance, 8);

        if (change->is_size)
            survives = sizes_survive = sizes_survive && survives;
        if (survives)
            change_apply(inode, change);
    }
    changes_drop(inode, count);
}

static bool sector_is_changed(const struct sim_inode *inode, uint64_t sector)
{
    for (size_t i = 0; i < inode->changes_count; i++)
        if (!inode->changes[i].is_size && inode->changes[i].at == sector)
            return true;
    return false;
}

/* ---- reading -------------------------------------------------------------------------------- */

size_t sim_content_read(const struct sim_inode *inode, uint64_t offset, void *at, size_t size)
{
    uint64_t room = inode->cache.size > offset ? inode->cache.size - offset : 0;

    if (size > room)
        size = room;
    if (size > 0)
        memcpy(at, inode->cache.at + offset, size);
    return size;
}

uint64_t sim_content_find(const struct sim_inode *inode, uint64_t offset)
{
    static const uint8_t zeros[SIM_SECTOR];

    while (offset < inode->cache.size) {
        uint64_t next = (offset / SIM_SECTOR + 1) * SIM_SECTOR;
        uint64_t end = next < inode->cache.size ? next : inode->cache.size;

        if (memcmp(inode->cache.at + offset, zeros, end - offset) != 0 ||
            !sim_content_readable(inode, offset, end - offset))
            return offset;
        offset = end;
    }
    return offset;
}

void sim_content_evict(struct sim_inode *inode, uint64_t offset, uint64_t size)
{
    static const uint8_t zeros[SIM_SECTOR];
    uint64_t end = offset + size < inode->cache.size ? offset + size : inode->cache.size;

    for (uint64_t sector = offset / SIM_SECTOR; sector * SIM_SECTOR < end; sector++) {
        const uint8_t *data = zeros;

        if (sector_is_changed(inode, sector))
            continue;
        if (sector * SIM_SECTOR < inode->platter.size)
            data = inode->platter.at + sector * SIM_SECTOR;
        content_set_sector(&inode->cache, sector, data);
    }
}

bool sim_content_readable(const struct sim_inode *inode, uint64_t offset, uint64_t size)
{
    for (size_t i = 0; i < inode->unreadable_count; i++) {
        uint64_t at = inode->unreadable[i] * SIM_SECTOR;

        if (at < offset + size && offset < at + SIM_SECTOR)
            return false;
    }
    return true;
}

/* ---- writing -------------------------------------------------------------------------------- */

static enum err grow(struct sim_inode *inode, uint64_t size)
{
    struct sim_disk *disk = inode->disk;
    uint64_t more;

    if (size <= inode->cache.size)
        return OK;
    more = round_up(size) - round_up(inode->cache.size);
    if (disk->used > disk->total || more > disk->total - disk->used)
        return ERR_NO_SPACE;
    disk->used += more;
    content_set_size(&inode->cache, size);
    change_add(inode, true, size);
    return OK;
}

/* A written sector can be read again. */
static void make_readable(struct sim_inode *inode, uint64_t sector)
{
    for (size_t i = 0; i < inode->unreadable_count; i++)
        if (inode->unreadable[i] == sector)
            inode->unreadable[i--] = inode->unreadable[--inode->unreadable_count];
}

/* The part of b, which lies at `offset`, that falls into the sector goes into the cache. */
static void cache_sector(struct sim_inode *inode, uint64_t sector, uint64_t offset, struct bytes b)
{
    uint64_t from = sector * SIM_SECTOR, to = from + SIM_SECTOR;

    if (from < offset)
        from = offset;
    if (to > offset + b.size)
        to = offset + b.size;
    memcpy(inode->cache.at + from, b.at + (from - offset), to - from);
    make_readable(inode, sector);
}

static uint64_t sector_end(uint64_t offset, struct bytes b)
{
    return (offset + b.size + SIM_SECTOR - 1) / SIM_SECTOR;
}

enum err sim_content_write(struct sim_inode *inode, uint64_t offset, struct bytes b)
{
    enum err err = grow(inode, offset + b.size);

    if (err != OK)
        return err;
    for (uint64_t s = offset / SIM_SECTOR; s < sector_end(offset, b); s++) {
        cache_sector(inode, s, offset, b);
        change_add_sector(inode, s);
    }
    return OK;
}

/* The sector and the size that reaches it are on the platter; older changes of it must not return.
 */
static void through_sector(struct sim_inode *inode, uint64_t sector)
{
    size_t used = 0;

    for (size_t i = 0; i < inode->changes_count; i++)
        if (inode->changes[i].is_size || inode->changes[i].at != sector)
            inode->changes[used++] = inode->changes[i];
    inode->changes_count = used;
    content_set_sector(&inode->platter, sector, inode->cache.at + sector * SIM_SECTOR);
}

/* Sizes are synced with the data that needs them; they are journalled in order, so all of them are.
 */
static void sync_sizes(struct sim_inode *inode)
{
    size_t used = 0;

    for (size_t i = 0; i < inode->changes_count; i++) {
        if (inode->changes[i].is_size)
            change_apply(inode, &inode->changes[i]);
        else
            inode->changes[used++] = inode->changes[i];
    }
    inode->changes_count = used;
}

enum err sim_content_write_through(struct sim_inode *inode, uint64_t offset, struct bytes b)
{
    enum err err = grow(inode, offset + b.size);

    if (err != OK)
        return err;
    sync_sizes(inode);
    for (uint64_t s = offset / SIM_SECTOR; s < sector_end(offset, b); s++) {
        cache_sector(inode, s, offset, b);
        through_sector(inode, s);
    }
    return OK;
}

void sim_content_write_torn(struct sim_inode *inode, uint64_t offset, struct bytes b, bool through,
                            struct prng *prng)
{
    uint32_t chance = sim_survival(prng);

    if (grow(inode, offset + b.size) != OK)
        return;
    for (uint64_t s = offset / SIM_SECTOR; s < sector_end(offset, b); s++) {
        if (!prng_chance(prng, chance, 8))
            continue;
        cache_sector(inode, s, offset, b);
        change_add_sector(inode, s);
        if (through && s * SIM_SECTOR < inode->platter.size)
            through_sector(inode, s);
    }
}

/* Changes of what is cut off end here: they must not return when the file grows again. */
static void changes_cut(struct sim_inode *inode, uint64_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < inode->changes_count; i++) {
        struct sim_change *change = &inode->changes[i];
        uint64_t from = change->at * SIM_SECTOR;

        if (!change->is_size && from >= size)
            continue;
        if (!change->is_size && size - from < SIM_SECTOR)
            memset(change->data + (size - from), 0, SIM_SECTOR - (size - from));
        inode->changes[used++] = *change;
    }
    inode->changes_count = used;
}

static void shrink(struct sim_inode *inode, uint64_t size)
{
    inode->disk->used -= round_up(inode->cache.size) - round_up(size);
    content_set_size(&inode->cache, size);
    changes_cut(inode, size);
    change_add(inode, true, size);
}

enum err sim_content_resize(struct sim_inode *inode, uint64_t size)
{
    if (size >= inode->cache.size)
        return grow(inode, size);
    shrink(inode, size);
    return OK;
}

/* ---- syncing and losing --------------------------------------------------------------------- */

uint64_t sim_content_mark(const struct sim_inode *inode)
{
    return inode->number_next;
}

void sim_content_sync(struct sim_inode *inode, uint64_t mark)
{
    size_t count = changes_below(inode, mark);

    for (size_t i = 0; i < count; i++)
        change_apply(inode, &inode->changes[i]);
    changes_drop(inode, count);
}

void sim_content_sync_failed(struct sim_inode *inode, uint64_t mark, struct prng *prng)
{
    size_t count = changes_below(inode, mark), used = 0;
    uint32_t chance = sim_survival(prng);

    for (size_t i = 0; i < inode->changes_count; i++) {
        struct sim_change *change = &inode->changes[i];

        if (i < count && !change->is_size) {
            if (!prng_chance(prng, chance, 8))
                continue; /* clean in the cache, and lost */
            if (change->at * SIM_SECTOR < inode->platter.size) {
                change_apply(inode, change);
                continue;
            }
        }
        inode->changes[used++] = *change;
    }
    inode->changes_count = used;
}

void sim_content_power_cut(struct sim_inode *inode, struct prng *prng)
{
    struct sim_disk *disk = inode->disk;

    changes_survive(inode, inode->changes_count, prng);
    disk->used -= round_up(inode->cache.size);
    content_set_size(&inode->cache, inode->platter.size);
    if (inode->cache.size > 0)
        memcpy(inode->cache.at, inode->platter.at, inode->cache.size);
    disk->used += round_up(inode->cache.size);
}

bool sim_content_flip(struct sim_inode *inode, uint64_t offset, unsigned bit)
{
    if (offset >= inode->platter.size)
        return false;
    inode->platter.at[offset] ^= (uint8_t)(1u << (bit & 7));
    if (offset < inode->cache.size && !sector_is_changed(inode, offset / SIM_SECTOR))
        inode->cache.at[offset] ^= (uint8_t)(1u << (bit & 7));
    return true;
}

bool sim_content_make_unreadable(struct sim_inode *inode, uint64_t offset)
{
    if (offset >= inode->platter.size)
        return false;
    inode->unreadable =
        heap_resize(inode->unreadable, (inode->unreadable_count + 1) * sizeof(uint64_t));
    inode->unreadable[inode->unreadable_count++] = offset / SIM_SECTOR;
    return true;
}

#include "base/heap.h"
#include "base/io_sim_disk.h"

/* ---- inodes --------------------------------------------------------------------------------- */

static struct sim_inode *inode_create(struct sim_disk *disk, bool directory)
{
    struct sim_inode *inode = HEAP_NEW(struct sim_inode);

    inode->disk = disk;
    inode->directory = directory;
    inode->next = disk->inodes;
    if (disk->inodes != NULL)
        disk->inodes->previous = inode;
    disk->inodes = inode;
    return inode;
}

void sim_inode_take(struct sim_inode *inode)
{
    inode->references++;
}

static void entries_clear(struct sim_entries *entries)
{
    struct sim_entries old = *entries;

    *entries = (struct sim_entries){0};
    for (size_t i = 0; i < old.count; i++) {
        heap_give(old.at[i].name);
        old.at[i].inode->links--;
        sim_inode_give(old.at[i].inode);
    }
    heap_give(old.at);
}

void sim_inode_give(struct sim_inode *inode)
{
    assert(inode->references > 0);
    if (--inode->references > 0)
        return;

    entries_clear(&inode->seen);
    entries_clear(&inode->kept);
    sim_inode_release_content(inode);
    if (inode->next != NULL)
        inode->next->previous = inode->previous;
    if (inode->previous != NULL)
        inode->previous->next = inode->next;
    else
        inode->disk->inodes = inode->next;
    heap_give(inode);
}

/* ---- the entries of one directory ----------------------------------------------------------- */

/* Where the name is, or would be. */
static size_t entries_place(const struct sim_entries *entries, const char *name, bool *found)
{
    size_t low = 0, high = entries->count;

    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(entries->at[middle].name, name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct sim_inode *entries_find(const struct sim_entries *entries, const char *name)
{
    bool found;
    size_t place = entries_place(entries, name, &found);

    return found ? entries->at[place].inode : NULL;
}

static void entries_insert(struct sim_entries *entries, size_t place, const char *name,
                           struct sim_inode *inode)
{
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity == 0 ? 8 : entries->capacity * 2;
        entries->at = heap_resize(entries->at, entries->capacity * sizeof(*entries->at));
    }
    memmove(entries->at + place + 1, entries->at + place,
            (entries->count - place) * sizeof(*entries->at));
    entries->at[place] = (struct sim_entry){heap_text(bytes_of_text(name)), inode};
    entries->count++;
}

static void entries_remove(struct sim_entries *entries, size_t place)
{
    heap_give(entries->at[place].name);
    entries->count--;
    memmove(entries->at + place, entries->at + place + 1,
            (entries->count - place) * sizeof(*entries->at));
}

/* NULL removes the name. */
static void entries_set(struct sim_entries *entries, const char *name, struct sim_inode *inode)
{
    struct sim_inode *old = NULL;
    bool found;
    size_t place = entries_place(entries, name, &found);

    if (inode != NULL) {
        sim_inode_take(inode);
        inode->links++;
    }
    if (found)
        old = entries->at[place].inode;
    if (found && inode != NULL)
        entries->at[place].inode = inode;
    else if (found)
        entries_remove(entries, place);
    else if (inode != NULL)
        entries_insert(entries, place, name, inode);
    if (old != NULL) {
        old->links--;
        sim_inode_give(old);
    }
}

static void entries_copy(struct sim_entries *to, const struct sim_entries *from)
{
    struct sim_entries old = *to;

    *to = (struct sim_entries){0};
    for (size_t i = 0; i < from->count; i++)
        entries_set(to, from->at[i].name, from->at[i].inode);
    entries_clear(&old);
}

/* ---- paths ---------------------------------------------------------------------------------- */

static struct sim_inode *find_child(struct sim_inode *directory, struct bytes name, bool kept)
{
    char text[SIM_NAME_MAX + 1];

    if (!directory->directory || name.size > SIM_NAME_MAX)
        return NULL;
    if (name.size == 0 || bytes_equal(name, BYTES(".")))
        return directory;
    memcpy(text, name.at, name.size);
    text[name.size] = 0;
    return entries_find(kept ? &directory->kept : &directory->seen, text);
}

static struct sim_inode *find(struct sim_disk *disk, struct bytes path, bool kept)
{
    struct sim_inode *inode = disk->root;

    while (inode != NULL && path.size > 0) {
        size_t size = bytes_find(path, '/');

        inode = find_child(inode, bytes_take(path, size), kept);
        path = bytes_skip(path, size < path.size ? size + 1 : size);
    }
    return inode;
}

struct sim_inode *sim_tree_find(struct sim_disk *disk, const char *path)
{
    return find(disk, bytes_of_text(path), false);
}

struct sim_inode *sim_tree_find_kept(struct sim_disk *disk, const char *path)
{
    return find(disk, bytes_of_text(path), true);
}

/* Splits off the last name; the directory before it must exist. */
static enum err find_parent(struct sim_disk *disk, const char *path, struct sim_inode **parent,
                            const char **name)
{
    const char *slash = strrchr(path, '/');

    *name = slash != NULL ? slash + 1 : path;
    *parent = find(disk, bytes_of(path, slash != NULL ? (size_t)(slash - path) : 0), false);
    if (*parent == NULL || !(*parent)->directory)
        return ERR_NOT_FOUND;
    if (strlen(*name) > SIM_NAME_MAX || **name == 0 || strcmp(*name, ".") == 0)
        return ERR_INVALID;
    return OK;
}

/* ---- moves ---------------------------------------------------------------------------------- */

static struct sim_move *move_new(struct sim_disk *disk)
{
    if (disk->moves_count == disk->moves_capacity) {
        disk->moves_capacity = disk->moves_capacity == 0 ? 16 : disk->moves_capacity * 2;
        disk->moves = heap_resize(disk->moves, disk->moves_capacity * sizeof(*disk->moves));
    }
    disk->moves[disk->moves_count] = (struct sim_move){0};
    return &disk->moves[disk->moves_count++];
}

/* Changes the entry as seen, and notes it down for the platter. */
static void move_entry(struct sim_move *move, struct sim_inode *directory, const char *name,
                       struct sim_inode *inode)
{
    struct sim_move_entry *entry = &move->entries[move->count++];

    sim_inode_take(directory);
    if (inode != NULL)
        sim_inode_take(inode);
    *entry = (struct sim_move_entry){directory, heap_text(bytes_of_text(name)), inode};
    entries_set(&directory->seen, name, inode);
}

static void move_release(struct sim_move *move)
{
    for (size_t i = 0; i < move->count; i++) {
        heap_give(move->entries[i].name);
        if (move->entries[i].inode != NULL)
            sim_inode_give(move->entries[i].inode);
        sim_inode_give(move->entries[i].directory);
    }
}

static void move_apply(const struct sim_move *move)
{
    for (size_t i = 0; i < move->count; i++)
        entries_set(&move->entries[i].directory->kept, move->entries[i].name,
                    move->entries[i].inode);
}

static bool moves_meet(const struct sim_move *a, const struct sim_move *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (a->entries[i].directory == b->entries[j].directory &&
                strcmp(a->entries[i].name, b->entries[j].name) == 0)
                return true;
    return false;
}

static bool move_touches(const struct sim_move *move, const struct sim_inode *directory)
{
    for (size_t i = 0; i < move->count; i++)
        if (move->entries[i].directory == directory)
            return true;
    return false;
}

/* ---- calls ---------------------------------------------------------------------------------- */

enum err sim_tree_create(struct sim_disk *disk, const char *path, bool directory)
{
    struct sim_inode *parent;
    const char *name;
    enum err err;

    if (sim_tree_find(disk, path) != NULL)
        return ERR_EXISTS;
    err = find_parent(disk, path, &parent, &name);
    if (err == OK)
        move_entry(move_new(disk), parent, name, inode_create(disk, directory));
    return err;
}

static bool lies_within(struct sim_inode *directory, const struct sim_inode *inode)
{
    if (directory == inode)
        return true;
    for (size_t i = 0; i < directory->seen.count; i++)
        if (lies_within(directory->seen.at[i].inode, inode))
            return true;
    return false;
}

static enum err rename_allowed(struct sim_inode *inode, struct sim_inode *target,
                               const struct sim_inode *to)
{
    if (inode->directory && lies_within(inode, to))
        return ERR_INVALID;
    if (target == NULL)
        return OK;
    if (inode->directory != target->directory)
        return ERR_IO;                            /* EISDIR, ENOTDIR */
    return target->seen.count == 0 ? OK : ERR_IO; /* ENOTEMPTY */
}

enum err sim_tree_rename(struct sim_disk *disk, const char *from, const char *to)
{
    struct sim_inode *from_parent, *to_parent, *inode;
    const char *from_name, *to_name;
    struct sim_move *move;
    enum err err;

    err = find_parent(disk, from, &from_parent, &from_name);
    if (err == OK)
        err = find_parent(disk, to, &to_parent, &to_name);
    if (err != OK)
        return err;
    inode = entries_find(&from_parent->seen, from_name);
    if (inode == NULL)
        return ERR_NOT_FOUND;
    if (inode == entries_find(&to_parent->seen, to_name))
        return OK;
    err = rename_allowed(inode, entries_find(&to_parent->seen, to_name), to_parent);
    if (err != OK)
        return err;

    sim_inode_take(inode);
    move = move_new(disk);
    move_entry(move, from_parent, from_name, NULL);
    move_entry(move, to_parent, to_name, inode);
    sim_inode_give(inode);
    return OK;
}

enum err sim_tree_unlink(struct sim_disk *disk, const char *path, bool directory)
{
    struct sim_inode *parent, *inode;
    const char *name;
    enum err err;

    err = find_parent(disk, path, &parent, &name);
    if (err != OK)
        return err;
    inode = entries_find(&parent->seen, name);
    if (inode == NULL)
        return ERR_NOT_FOUND;
    if (inode->directory != directory)
        return ERR_IO; /* EISDIR, ENOTDIR */
    if (inode->seen.count > 0)
        return ERR_EXISTS; /* ENOTEMPTY */
    move_entry(move_new(disk), parent, name, NULL);
    return OK;
}

/* ---- syncing and losing --------------------------------------------------------------------- */

/* Applies the chosen moves in their order, and forgets all (`keep_rest` false) or the chosen. */
static void moves_apply_chosen(struct sim_disk *disk, bool keep_rest)
{
    size_t count = disk->moves_count, used = 0;

    for (size_t i = 0; i < count; i++) {
        struct sim_move *move = &disk->moves[i];

        if (move->chosen)
            move_apply(move);
        if (move->chosen || !keep_rest)
            move_release(move);
        else
            disk->moves[used++] = *move;
    }
    disk->moves_count = used;
}

/* A later move of an entry includes the earlier ones of it. */
static void choose_with_earlier(struct sim_disk *disk, size_t last)
{
    for (size_t i = last + 1; i-- > 0;) {
        struct sim_move *move = &disk->moves[i];

        for (size_t later = i + 1; later <= last && !move->chosen; later++)
            move->chosen = disk->moves[later].chosen && moves_meet(move, &disk->moves[later]);
    }
}

/* No path leads to its directories, now or after a power cut. */
static bool move_is_void(const struct sim_move *move)
{
    for (size_t i = 0; i < move->count; i++)
        if (move->entries[i].directory->links > 0 ||
            move->entries[i].directory == move->entries[i].directory->disk->root)
            return false;
    return true;
}

/* Without this, each removed directory would leave its last moves behind. */
static void moves_drop_void(struct sim_disk *disk)
{
    size_t before;

    do {
        before = disk->moves_count;
        disk->moves_count = 0;
        for (size_t i = 0; i < before; i++) {
            struct sim_move move = disk->moves[i];

            if (move_is_void(&move))
                move_release(&move);
            else
                disk->moves[disk->moves_count++] = move;
        }
    } while (disk->moves_count <
             before); /* a directory freed may have been the last path to another */
}

void sim_tree_sync(struct sim_inode *directory)
{
    struct sim_disk *disk = directory->disk;

    for (size_t i = 0; i < disk->moves_count; i++)
        disk->moves[i].chosen = move_touches(&disk->moves[i], directory);
    if (disk->moves_count > 0)
        choose_with_earlier(disk, disk->moves_count - 1);
    moves_apply_chosen(disk, true);
    moves_drop_void(disk);
}

static bool earlier_was_lost(const struct sim_disk *disk, size_t move)
{
    for (size_t i = 0; i < move; i++)
        if (!disk->moves[i].chosen && moves_meet(&disk->moves[i], &disk->moves[move]))
            return true;
    return false;
}

/* From here on what is seen is what is on the platter. */
static void restore(struct sim_inode *directory)
{
    entries_copy(&directory->seen, &directory->kept);
    for (size_t i = 0; i < directory->seen.count; i++)
        if (directory->seen.at[i].inode->directory)
            restore(directory->seen.at[i].inode);
}

void sim_tree_power_cut(struct sim_disk *disk, struct prng *prng)
{
    uint32_t chance = sim_survival(prng);

    for (size_t i = 0; i < disk->moves_count; i++)
        disk->moves[i].chosen = prng_chance(prng, chance, 8) && !earlier_was_lost(disk, i);
    moves_apply_chosen(disk, false);
    restore(disk->root);
}

/* ---- the disk ------------------------------------------------------------------------------- */

void sim_disk_init(struct sim_disk *disk, uint64_t total)
{
    *disk = (struct sim_disk){.total = total};
    disk->root = inode_create(disk, true);
    sim_inode_take(disk->root);
}

void sim_disk_deinit(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->moves_count; i++)
        move_release(&disk->moves[i]);
    heap_give(disk->moves);
    sim_inode_give(disk->root);
    assert(disk->inodes == NULL);
}

/* Newest first: an order that does not depend on where memory lies. */
void sim_disk_power_cut(struct sim_disk *disk, struct prng *prng)
{
    sim_tree_power_cut(disk, prng);
    for (struct sim_inode *inode = disk->inodes; inode != NULL; inode = inode->next)
        if (!inode->directory)
            sim_content_power_cut(inode, prng);
}

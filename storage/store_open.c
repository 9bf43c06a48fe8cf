/* Opening a store; store.c has its life. */
#include <stdio.h>

#include "base/heap.h"
#include "storage/flaws.h"
#include "storage/redo.h"
#include "storage/removal.h"
#include "storage/store.h"

#define SEGMENT_SIZE_DEFAULT      (64u << 20)
#define JOURNAL_FILE_SIZE_DEFAULT (16u << 20)
#define JOURNAL_BATCH_MAX_DEFAULT (128u << 10)
#define AHEAD_MIN_DEFAULT         (512u << 10)

static enum err explain(struct store_error *error, enum err err, const char *dir, const char *what)
{
    if (err != OK)
        snprintf(error->text, sizeof error->text, "%s: %s: %s", dir, what, err_text(err));
    return err;
}

static enum err set_options(struct store *store, const struct store_options *options)
{
    struct store_options *o = &store->options;

    *o = *options;
    if (o->segment_size == 0)
        o->segment_size = SEGMENT_SIZE_DEFAULT;
    if (o->journal_file_size == 0)
        o->journal_file_size = JOURNAL_FILE_SIZE_DEFAULT;
    if (o->journal_batch_max == 0)
        o->journal_batch_max = JOURNAL_BATCH_MAX_DEFAULT;
    if (o->ahead_min == 0)
        o->ahead_min = AHEAD_MIN_DEFAULT;

    if (o->segment_size < 4 * SEGMENT_HEADER || o->segment_size > UINT32_MAX)
        return ERR_INVALID; /* a log_place has 32 bits for the offset */
    if (o->journal_file_size < 4 * JOURNAL_BLOCK || o->journal_file_size % JOURNAL_BLOCK != 0)
        return ERR_INVALID;
    return OK;
}

static struct path parent_of(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    struct path parent = {"."};

    if (slash != NULL && slash != dir) {
        memcpy(parent.text, dir, (size_t)(slash - dir));
        parent.text[slash - dir] = 0;
    }
    return parent;
}

#define DIRECTORIES 3u

/* They are synced even if they were there: a crash may have come between a name and its sync, and
 * from now on things are relied on by their names. The directory's own name becomes durable in the
 * one above it. */
enum err store_make_directories(struct store *store)
{
    static const char *const names[DIRECTORIES] = {"journal", "logs", "quarantine"};
    struct path made[DIRECTORIES], parent = parent_of(store->dir);
    struct io_syncing items[DIRECTORIES + 2];
    size_t count = DIRECTORIES + (strcmp(store->dir, ".") != 0 ? 2 : 1);
    enum err err = OK;

    for (unsigned i = 0; err == OK && i < DIRECTORIES; i++) {
        made[i] = path_in(store->dir, names[i]);
        items[i] = (struct io_syncing){.path = made[i].text};
        err = io_mkdir(store->io, made[i].text);
    }
    items[DIRECTORIES] = (struct io_syncing){.path = store->dir};
    items[DIRECTORIES + 1] = (struct io_syncing){.path = parent.text};
    if (err != OK)
        return err;
    io_sync_all(store->io, items, count);
    return io_syncing_result(items, count);
}

static void note_any(void *context, const char *name, bool directory)
{
    (void)name;
    (void)directory;
    *(bool *)context = true;
}

static enum err has_logs(struct store *store, bool *any)
{
    enum err err = io_list(store->io, path_in(store->dir, "logs").text, note_any, any);

    return err == ERR_NOT_FOUND ? OK : err;
}

/* Two members whose directories were swapped would each have the other's votes and entries. */
static enum err own(struct store *store, const char *owner, struct store_error *error)
{
    char *name = store->node.owner;

    if (owner == NULL || strcmp(name, owner) == 0)
        return OK;
    if (name[0] != 0) {
        snprintf(error->text, sizeof error->text,
                 "%s: it is the data directory of the server '%s' of a cluster, and this one is "
                 "'%s': start it under that name, or give it a directory of its own",
                 store->dir, name, owner);
        return ERR_INVALID;
    }
    snprintf(name, NODE_OWNER, "%s", owner);
    return OK;
}

/* A lane's is its home's with its number in it, so that a directory in the wrong place is noticed.
 */
static void name_lane(const struct store *home, unsigned number, uint8_t id[16])
{
    memcpy(id, home->node.store_id, 16);
    id[15] ^= (uint8_t)number;
}

/* Who this replica is. A directory with logs and without a node file is not a new one. */
static enum err load_node(struct store *store, struct store_error *error)
{
    const struct store *home = store->options.home;
    bool any = false;
    uint8_t id[16];
    enum err err = node_load(store->io, store->dir, &store->node);

    if (home != NULL)
        name_lane(home, store->options.lane, id);
    if (err == ERR_VERSION)
        return explain(error, err, store->dir,
                       "node file is of a newer server, nothing was changed");
    if (err == ERR_CORRUPT)
        return explain(error, err, store->dir, "node file");
    if (err == OK && home != NULL && memcmp(store->node.store_id, id, sizeof id) != 0)
        return explain(error, ERR_CORRUPT, store->dir, "it is another directory's, or lane's");
    if (err != ERR_NOT_FOUND)
        return explain(error, err, store->dir, "cannot read the node file");

    err = has_logs(store, &any);
    if (err != OK)
        return explain(error, err, store->dir, "cannot list the logs");
    if (any)
        return explain(error, ERR_CORRUPT, store->dir, "there are logs, and no node file");
    if (home != NULL)
        memcpy(store->node.store_id, id, sizeof id);
    else
        io_random(store->io, store->node.store_id, sizeof store->node.store_id);
    return OK;
}

/* What recovery has done with is filled anew when no newest vote is in it; what is unsound is then
 * of no further use. */
static enum err take_journal_file(struct store *store, const struct redo *redo, unsigned number)
{
    const struct redo_file *file = &redo->files[number];
    struct path path = path_journal(store->dir, file->number);
    struct io_file *opened;
    enum err err;

    if (!file->sound)
        return votes_in(&store->votes, number) ? OK : io_unlink(store->io, path.text);
    err = io_open(store->io, path.text, IO_READ | IO_WRITE | IO_DIRECT, &opened);
    if (err == OK)
        votes_place(&store->votes, number,
                    journal_add_file(store->journal, opened, file->number, file->size));
    return err;
}

static enum err open_journal(struct store *store, const struct redo *redo)
{
    struct journal_options options = {
        .dir = store->dir,
        .store_id = store->node.store_id,
        .boot = store->node.boot,
        .file_size = store->options.journal_file_size,
        .reserve = &store->reserve,
        .flaws = store->options.flaws,
        .report = store->options.report,
        .report_context = store->options.report_context,
    };
    enum err err = OK;

    store->journal = journal_create(store->io, &options);
    store->votes.journal = store->journal;
    for (unsigned i = 0; err == OK && i < redo->file_count; i++)
        err = take_journal_file(store, redo, i);
    return err;
}

static void found_vote(void *context, uint64_t log_id, struct bytes bytes,
                       const struct redo_record *record)
{
    struct store *store = context;
    struct store_vote vote;

    vote_read(bytes.at, &vote);
    votes_found(&store->votes, log_id, &vote, record);
}

/* A vote that was found is answered from: it must not be in memory only. */
static enum err settle_votes(struct store *store, struct redo *redo)
{
    size_t count;
    struct redo_record *records = votes_records(&store->votes, &count);
    enum err err = store_flaw(store, FLAW_TRUST_VOTES) ? OK : redo_settle(redo, records, count);

    heap_give(records);
    return err;
}

static enum err replay(struct store *store, struct redo *redo, struct store_error *error)
{
    enum err err;

    redo->flaws = store->options.flaws;
    redo->boot = store->node.boot;
    redo->vote = found_vote;
    redo->vote_context = store;
    err = redo_run(redo);
    if (err == OK)
        err = settle_votes(store, redo);
    if (err != OK)
        return explain(error, err, store->dir, "cannot replay the journal");
    if (redo->damaged > 0)
        store_report(store,
                     "%s: %llu journal records are damaged: batches that only they held are lost",
                     store->dir, (unsigned long long)redo->damaged);
    return OK;
}

/*
 * The journal is replayed before this start is counted: so the count says that no record of an
 * earlier boot is needed. A torn record must stay one: what a later write leaves around it, torn
 * too, could make it whole again.
 */
static enum err begin_boot(struct store *store, struct redo *redo, struct store_error *error)
{
    enum err err = replay(store, redo, error);

    if (err != OK)
        return err;
    store->node.boot++;
    if (store->options.home != NULL && store->node.boot < store->options.home->node.boot)
        store->node.boot = store->options.home->node.boot; /* a log's files rise wherever it is */
    err = node_save(store->io, store->dir, &store->node);
    if (err != OK)
        return explain(error, err, store->dir, "cannot write the node file");
    return explain(error, open_journal(store, redo), store->dir, "cannot open the journal");
}

static bool has_log(void *context, uint64_t log_id, const struct store_vote *vote)
{
    return vote->damaged == STORE_DAMAGED_ALL || vote->damaged == STORE_DAMAGED_ANEW ||
           table_find(context, bytes_of(&log_id, sizeof log_id)) != NULL;
}

static void note_log(void *context, uint64_t log_id)
{
    uint64_t *id = HEAP_NEW(uint64_t);

    *id = log_id;
    table_add(context, id);
}

static struct bytes id_key(const void *item)
{
    return bytes_of(item, sizeof(uint64_t));
}

/* The votes of logs that were removed go. */
static enum err select_votes(struct store *store)
{
    struct table ids;
    uint64_t *id;
    enum err err;

    table_init(&ids, id_key, 0);
    err = store_list(store, note_log, &ids);
    if (err == OK)
        votes_select(&store->votes, has_log, &ids);
    for (size_t at = 0; (id = table_next(&ids, &at)) != NULL;)
        heap_give(id);
    table_deinit(&ids);
    return err;
}

/* Nothing is changed before everything has been found to be of a known format. */
static enum err open_in(struct store *store, struct store_error *error)
{
    struct redo redo;
    enum err err = io_mkdir(store->io, store->dir);

    if (err == OK)
        err = io_lock(store->io, path_in(store->dir, "lock").text);
    if (err == ERR_BUSY)
        return explain(error, err, store->dir, "another server holds the data directory");
    if (err != OK)
        return explain(error, err, store->dir, "cannot open the data directory");

    err = load_node(store, error);
    if (err == OK)
        err = own(store, store->options.owner, error);
    if (err != OK)
        return err;
    err = store_make_directories(store);
    if (err != OK)
        return explain(error, err, store->dir, "cannot make the directories");
    err = redo_begin(&redo, store->io, store->dir, store->node.store_id);
    if (err != OK)
        return explain(error, err, store->dir, "journal");

    reserve_ease(store->io, store->dir);
    err = begin_boot(store, &redo, error);
    redo_end(&redo);
    if (err == OK)
        err = explain(error, removals_complete(store), store->dir, "cannot complete a removal");
    if (err == OK)
        err = explain(error, select_votes(store), store->dir, "cannot list the logs");
    return err;
}

/* ---- lanes ---------------------------------------------------------------------------------- */

/* The directory that all are in. */
static enum err make_lanes(const struct store *home, struct io *io)
{
    enum err err = io_mkdir(io, path_in(home->dir, "lanes").text);

    return err == OK ? io_sync_dir(io, home->dir) : err;
}

static void ignore(void *context, const char *name, bool directory)
{
    (void)context;
    (void)name;
    (void)directory;
}

enum err store_lane(const struct store *home, struct io *io, unsigned number, struct store **store,
                    struct store_error *error)
{
    struct path dir = path_lane(home->dir, number);
    struct store_options options = home->options;
    enum err err;

    assert(number > 0);
    assert(number <= STORE_LANES_MAX);
    options.home = home;
    options.lane = number;
    error->text[0] = 0;
    if (number <= home->node.lanes) {
        err = io_list(io, dir.text, ignore, NULL);
        if (err != OK)
            return explain(error, err == ERR_NOT_FOUND ? ERR_CORRUPT : err, dir.text,
                           "a lane of the store is not there, and so are its streams; if it is "
                           "lost for good, make an empty directory in its place");
    }
    err = make_lanes(home, io);
    if (err != OK)
        return explain(error, err, home->dir, "cannot make the directory of lanes");
    return store_open(io, dir.text, &options, store, error);
}

unsigned store_lanes_of(struct io *io, const char *dir)
{
    struct node node;

    return node_load(io, dir, &node) == OK ? node.lanes : 0;
}

unsigned store_lanes(const struct store *home)
{
    return home->node.lanes;
}

enum err store_lanes_set(struct store *home, unsigned count)
{
    uint32_t before = home->node.lanes;
    enum err err;

    assert(count >= before);
    if (count == before)
        return OK;
    home->node.lanes = count;
    err = node_save(home->io, home->dir, &home->node);
    if (err != OK)
        home->node.lanes = before;
    return err;
}

/* ---- opening -------------------------------------------------------------------------------- */

static struct bytes log_key(const void *item)
{
    const struct log *log = item;

    return bytes_of(&log->id, sizeof log->id);
}

enum err store_open(struct io *io, const char *dir, const struct store_options *options,
                    struct store **store, struct store_error *error)
{
    struct store *opened;
    enum err err;

    error->text[0] = 0;
    if (dir[0] == 0 || strlen(dir) >= PATH_DIR_MAX)
        return explain(error, ERR_INVALID, dir, "the data directory's path is empty or too long");

    opened = HEAP_NEW(struct store);
    opened->io = io;
    memory_init(opened);
    gentle_init(opened);
    strcpy(opened->dir, dir);
    table_init(&opened->logs, log_key, 0);
    votes_init(&opened->votes, options->flaws);
    err = explain(error, set_options(opened, options), dir, "options");
    if (err == OK)
        err = open_in(opened, error);
    if (err != OK) {
        if (opened->journal != NULL)
            journal_destroy(opened->journal);
        opened->journal = NULL;
        store_forget(opened);
        return err;
    }
    reserve_open(&opened->reserve, io, opened->dir, options->reserve, store_space_changed,
                 store_space_given);
    *store = opened;
    return OK;
}

#include "server/program/inspect.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "server/program/inspect_priv.h"
#include "storage/paths.h"

/* ---- telling --------------------------------------------------------------------------------- */

void inspect_problem(const struct inspect_walk *walk, const char *path, const char *format, ...)
{
    char text[256];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (walk->tell->problem != NULL)
        walk->tell->problem(walk->tell->owner, path, text);
}

void inspect_note(const struct inspect_walk *walk, const char *path, const char *text)
{
    if (walk->tell->note != NULL)
        walk->tell->note(walk->tell->owner, path, text);
}

void inspect_newer(struct inspect_walk *walk, const char *path)
{
    inspect_problem(walk, path, "is of a later format than this version knows");
    walk->newer = true;
}

bool inspect_read_below(const struct inspect_walk *walk, const char *path, struct buf *out)
{
    char whole[4096];

    snprintf(whole, sizeof whole, "%s/%s", walk->dir, path);
    if (inspect_read_file(whole, out))
        return true;
    inspect_problem(walk, path, "can not be read");
    return false;
}

void inspect_list_below(const struct inspect_walk *walk, const char *path,
                        struct inspect_names *names)
{
    char whole[4096];

    snprintf(whole, sizeof whole, "%s/%s", walk->dir, path);
    inspect_list(whole, names);
}

/* ---- node, journal --------------------------------------------------------------------------- */

static enum err load_node(struct inspect_walk *walk)
{
    struct buf bytes;
    enum err err = ERR_CORRUPT;

    buf_init(&bytes, SIZE_MAX);
    if (inspect_read_below(walk, "node", &bytes) && bytes.size == NODE_SIZE)
        err = node_read(bytes.at, &walk->node);
    buf_deinit(&bytes);
    return err;
}

static bool read_node(struct inspect_walk *walk)
{
    const struct inspector *tell = walk->tell;
    enum err err = load_node(walk);

    if (err == ERR_CORRUPT) {
        inspect_problem(walk, "node", "is damaged");
        if (tell->bad_node != NULL && tell->bad_node(tell->owner))
            err = load_node(walk);
    }
    if (err == ERR_VERSION)
        inspect_newer(walk, "node");
    else if (err == OK && tell->node != NULL)
        tell->node(tell->owner, &walk->node);
    return err == OK;
}

/* Of this boot, in this file: what is between two sound records was one, too. */
static void walk_journal_file(struct inspect_walk *walk, const char *path, struct bytes file)
{
    struct journal_record record;
    uint64_t position = JOURNAL_HEADER, last = 0, bad = 0;

    while (position + JOURNAL_BLOCK <= file.size) {
        bool sound = journal_record_read(bytes_skip(file, (size_t)position), walk->node.store_id,
                                         &record) == OK;
        bool needed = sound && record.number >> 32 == walk->node.boot;

        if (!sound) {
            bad = bad == 0 && file.at[position + 8] != 0 ? position : bad;
            position += JOURNAL_BLOCK;
            continue;
        }
        if (needed && last != 0 && record.number != last + 1 && record.number > last && bad != 0)
            inspect_problem(walk, path, "records %llu to %llu are damaged (at %llu)",
                            (unsigned long long)last + 1, (unsigned long long)record.number - 1,
                            (unsigned long long)bad);
        if (walk->tell->journal != NULL)
            walk->tell->journal(walk->tell->owner, path, position, &record, needed);
        if (needed) {
            redos_add(&walk->redos, &record);
            last = record.number;
        }
        bad = 0;
        position += record.size;
    }
    if (bad != 0 && last != 0)
        inspect_note(walk, path, "ends with a record that is torn, or older");
}

static void walk_journal(struct inspect_walk *walk)
{
    struct inspect_names names;
    char path[512];

    inspect_list_below(walk, "journal", &names);
    walk->journals = heap_take((names.count + 1) * sizeof *walk->journals);
    for (size_t i = 0; i < names.count; i++) {
        struct buf *bytes = &walk->journals[walk->journal_count++];
        uint64_t number;
        enum err err;

        snprintf(path, sizeof path, "journal/%s", names.at[i]);
        buf_init(bytes, SIZE_MAX);
        if (!path_read_journal(names.at[i], &number)) {
            inspect_note(walk, path, "is no file of a store");
            continue;
        }
        if (!inspect_read_below(walk, path, bytes) || bytes->size < JOURNAL_HEADER)
            continue;
        err = journal_header_read(bytes->at, walk->node.store_id, number);
        if (err == ERR_VERSION)
            inspect_newer(walk, path);
        else if (err == ERR_CORRUPT)
            inspect_problem(walk, path, "its header is damaged");
        if (err != ERR_VERSION)
            walk_journal_file(walk, path, buf_bytes(bytes));
    }
    inspect_names_free(&names);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void walk_logs(struct inspect_walk *walk)
{
    struct inspect_names names;
    char path[400];
    uint64_t id;

    inspect_list_below(walk, "logs", &names);
    for (size_t i = 0; i < names.count && !walk->newer; i++) {
        snprintf(path, sizeof path, "logs/%s", names.at[i]);
        if (path_read_log(names.at[i], &id))
            inspect_log(walk, names.at[i], id);
        else
            inspect_note(walk, path,
                         path_read_log_gone(names.at[i], &id)
                             ? "its removal was cut short; the next start completes it"
                             : "is no log of a store");
    }
    inspect_names_free(&names);
    inspect_list_below(walk, "quarantine", &names);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "quarantine/%s", names.at[i]);
        inspect_note(walk, path, "was set aside: no committed record explains it");
    }
    inspect_names_free(&names);
}

static void free_walk(struct inspect_walk *walk)
{
    for (size_t i = 0; i < walk->journal_count; i++)
        buf_deinit(&walk->journals[i]);
    heap_give(walk->journals);
    redos_free(&walk->redos);
}

enum inspect_result inspect_store(const char *dir, const struct inspector *inspector,
                                  unsigned *lanes)
{
    struct inspect_walk walk = {.tell = inspector, .dir = dir};
    int held = inspect_lock(dir);

    *lanes = 0;
    if (held == INSPECT_TAKEN)
        return INSPECT_LOCKED;
    if (held == INSPECT_FREE)
        return INSPECT_NO_STORE;
    if (read_node(&walk))
        walk_journal(&walk);
    if (!walk.newer)
        walk_logs(&walk);
    if (walk.io != NULL)
        io_destroy(walk.io);
    inspect_unlock(held);
    *lanes = walk.node.lanes;
    free_walk(&walk);
    return walk.newer ? INSPECT_NEWER : INSPECT_DONE;
}

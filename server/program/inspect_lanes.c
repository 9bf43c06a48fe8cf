/* A data directory and the lanes below it (docs/formats.md), one after the other. */
#include <stdio.h>

#include "server/program/inspect.h"
#include "server/program/inspect_file.h"
#include "storage/paths.h"

/* Who looks at a lane is told paths below the whole directory. */
struct view {
    const struct inspector *to;
    unsigned lane;
    char path[400];
};

static const char *below(void *owner, const char *path)
{
    struct view *view = owner;

    snprintf(view->path, sizeof view->path, "lanes/%u/%.360s", view->lane, path);
    return view->path;
}

static const struct inspector *to(void *owner)
{
    return ((struct view *)owner)->to;
}

static void on_problem(void *owner, const char *path, const char *text)
{
    to(owner)->problem(to(owner)->owner, below(owner, path), text);
}

static void on_note(void *owner, const char *path, const char *text)
{
    to(owner)->note(to(owner)->owner, below(owner, path), text);
}

static void on_node(void *owner, const struct node *node)
{
    to(owner)->node(to(owner)->owner, node);
}

static void on_journal(void *owner, const char *path, uint64_t offset,
                       const struct journal_record *record, bool needed)
{
    to(owner)->journal(to(owner)->owner, below(owner, path), offset, record, needed);
}

static void on_segment(void *owner, const char *path, const struct segment_header *header)
{
    to(owner)->segment(to(owner)->owner, below(owner, path), header);
}

static void on_batch(void *owner, const char *path, uint64_t position, uint64_t log_id,
                     const struct segment_batch *batch)
{
    to(owner)->batch(to(owner)->owner, below(owner, path), position, log_id, batch);
}

static void on_record(void *owner, uint64_t log_id, const struct record *record)
{
    to(owner)->record(to(owner)->owner, log_id, record);
}

static void on_block(void *owner, const char *path, const struct block *block)
{
    to(owner)->block(to(owner)->owner, below(owner, path), block);
}

static void on_bad_block(void *owner, const char *path, uint64_t log_id, bool replaceable)
{
    to(owner)->bad_block(to(owner)->owner, below(owner, path), log_id, replaceable);
}

static void on_stray(void *owner, const char *path, uint64_t log_id)
{
    to(owner)->stray(to(owner)->owner, below(owner, path), log_id);
}

/* A lane's node file is not made anew: it says who its home is. */
static struct inspector view_of(struct view *view)
{
    const struct inspector *all = view->to;

    return (struct inspector){
        .owner = view,
        .problem = all->problem != NULL ? on_problem : NULL,
        .note = all->note != NULL ? on_note : NULL,
        .node = all->node != NULL ? on_node : NULL,
        .journal = all->journal != NULL ? on_journal : NULL,
        .segment = all->segment != NULL ? on_segment : NULL,
        .batch = all->batch != NULL ? on_batch : NULL,
        .record = all->record != NULL ? on_record : NULL,
        .block = all->block != NULL ? on_block : NULL,
        .bad_block = all->bad_block != NULL ? on_bad_block : NULL,
        .stray = all->stray != NULL ? on_stray : NULL,
    };
}

static enum inspect_result inspect_lane(const char *dir, unsigned lane,
                                        const struct inspector *inspector)
{
    struct view view = {.to = inspector, .lane = lane};
    const struct inspector tell = view_of(&view);
    char whole[4096];
    unsigned further;
    enum inspect_result result;

    snprintf(whole, sizeof whole, "%.4000s/lanes/%u", dir, lane);
    result = inspect_store(whole, &tell, &further);
    if (result != INSPECT_NO_STORE)
        return result;
    if (inspector->problem != NULL)
        inspector->problem(inspector->owner, below(&view, ""),
                           "a lane of the store is not there, and so are its streams");
    return INSPECT_DONE;
}

/* Also those that a node file that cannot be read does not name. */
static unsigned count_lanes(const char *dir)
{
    struct inspect_names names;
    char path[4096];
    unsigned count = 0, number;

    snprintf(path, sizeof path, "%.4000s/lanes", dir);
    inspect_list(path, &names);
    for (size_t i = 0; i < names.count; i++) {
        if (path_read_lane(names.at[i], &number) && number <= NODE_LANES_MAX && number > count)
            count = number;
    }
    inspect_names_free(&names);
    return count;
}

enum inspect_result inspect(const char *dir, const struct inspector *inspector)
{
    unsigned count, there = count_lanes(dir);
    enum inspect_result result = inspect_store(dir, inspector, &count);

    if (there > count)
        count = there;
    for (unsigned i = 1; result == INSPECT_DONE && i <= count; i++)
        result = inspect_lane(dir, i, inspector);
    return result;
}

/*
 * A consistent cut, without a word to the server: first every log is opened as it is at some
 * instant, and the latest log time that stands in any of them is the moment of the backup. Then
 * each log is copied up to that moment.
 *
 * - What was acknowledged before the backup began is in it: its batch stood in its file.
 * - If something is in it, so is all that it follows from: the server's logs have one clock that
 *   never falls. What came before has no later time, and stood in its file before the moment was
 *   known.
 * - The newest state block of each log that was opened is of a batch that was there; so it is not
 *   above the cut, and what the server removed by later ones is open all the same.
 */
#include "server/program/backup_take.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/heap.h"
#include "server/program/backup_log.h"
#include "server/program/backup_source.h"
#include "server/program/backup_walk.h"

#define TRIES 8 /* while streams come and go */

/* So many files are open as the log has, all at once. */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A later one does no harm: batches that do not count have a time, too. */
static int64_t latest_time(const struct source *source, const struct source_log *log)
{
    const struct backup_limit limit = {UINT64_MAX, INT64_MAX};
    uint64_t below = UINT64_MAX;
    int64_t time_ns = INT64_MIN;
    struct buf bytes;

    buf_init(&bytes, SIZE_MAX);
    while (time_ns == INT64_MIN) {
        const struct source_file *newest = NULL;
        struct backup_walk walk = {0};
        struct segment_header header;

        for (size_t i = 0; i < log->count; i++) {
            const struct source_file *file = &log->files[i];

            if (file->kind <= BACKUP_PACKED && file->id < below &&
                (newest == NULL || file->id > newest->id))
                newest = file;
        }
        if (newest == NULL)
            break;
        below = newest->id;
        if (source_read_segment(source, log, newest, &header, &bytes) == OK) {
            backup_walk(&walk, buf_bytes(&bytes), &header, limit);
            time_ns = walk.time_ns;
        }
    }
    buf_deinit(&bytes);
    return time_ns;
}

static int64_t moment(const struct source *source)
{
    int64_t time_ns = INT64_MIN;

    for (size_t i = 0; i < source->count; i++) {
        int64_t latest = latest_time(source, &source->logs[i]);

        time_ns = latest > time_ns ? latest : time_ns;
    }
    return time_ns;
}

static int64_t wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void begin_manifest(const struct source *source, const struct depot *depot,
                           struct backup_manifest *manifest)
{
    manifest->number = depot->number;
    memcpy(manifest->store_id, source->node.store_id, 16);
    memcpy(manifest->lineage, source->lineage, 16);
    manifest->boot = source->boot;
    manifest->made_ns = wall_clock();
    manifest->live = source->live;
}

static int compare_logs(const void *a, const void *b)
{
    uint64_t one = ((const struct source_log *)a)->id, other = ((const struct source_log *)b)->id;

    return one < other ? -1 : one > other;
}

/* The newest backup that can be read, if it is of the same directory in the same life; an empty one
 * else: then everything is copied. */
static bool find_prior(const struct depot *depot, const struct source *source,
                       struct backup_manifest *prior)
{
    size_t at = depot->count;

    backup_manifest_init(prior);
    while (at > 0 && !depot_manifest(depot, depot->numbers[at - 1], prior)) {
        backup_manifest_free(prior);
        backup_manifest_init(prior);
        at--;
    }
    if (at == 0)
        return true;
    if (memcmp(prior->store_id, source->node.store_id, 16) != 0) {
        backup_manifest_free(prior);
        snprintf(depot->error, depot->error_size,
                 "%s has backups of another server's data: each needs a directory of its own",
                 depot->dir);
        return false;
    }
    if (memcmp(prior->lineage, source->lineage, 16) != 0) {
        backup_manifest_free(prior);
        backup_manifest_init(prior);
    }
    return true;
}

static enum source_result copy_all(struct source *source, struct depot *depot,
                                   struct backup_manifest *manifest, struct backup_told *told)
{
    struct backup_manifest prior;
    struct backup_log copy = {
        .source = source, .depot = depot, .prior = &prior, .manifest = manifest, .told = told};
    enum source_result result = source_look(source);

    if (result == SOURCE_DONE)
        manifest->time_ns = moment(source);
    if (result == SOURCE_DONE && source->live)
        result = source_look(source);
    copy.time_ns = source->live ? manifest->time_ns : INT64_MAX;
    if (result == SOURCE_DONE && !find_prior(depot, source, &prior))
        result = SOURCE_REFUSED;
    if (result != SOURCE_DONE)
        return result;
    qsort(source->logs, source->count, sizeof *source->logs, compare_logs);
    for (size_t i = 0; result == SOURCE_DONE && i < source->count; i++)
        result = backup_log(&copy, &source->logs[i]);
    backup_manifest_free(&prior);
    if (result == SOURCE_DONE && source_restarted(source))
        result = SOURCE_AGAIN;
    return result;
}

static enum source_result try_once(struct depot *depot, const char *dir,
                                   struct backup_manifest *manifest, struct backup_told *told)
{
    struct source source;
    enum source_result result = source_open(&source, dir, depot->error, depot->error_size);

    if (result != SOURCE_DONE)
        return result;
    *told = (struct backup_told){0};
    if (!depot_begin(depot)) {
        source_close(&source);
        return SOURCE_REFUSED;
    }
    begin_manifest(&source, depot, manifest);
    result = copy_all(&source, depot, manifest, told);
    backup_manifest_sort(manifest);
    if (result == SOURCE_DONE && !depot_commit(depot, manifest))
        result = SOURCE_REFUSED;
    depot_abandon(depot);
    source_close(&source);
    return result;
}

enum backup_result backup_take(struct depot *depot, const char *dir,
                               struct backup_manifest *manifest, struct backup_told *told)
{
    enum source_result result = SOURCE_AGAIN;

    allow_files();
    backup_manifest_init(manifest);
    for (int i = 0; result == SOURCE_AGAIN && i < TRIES; i++) {
        backup_manifest_free(manifest);
        backup_manifest_init(manifest);
        result = try_once(depot, dir, manifest, told);
    }
    if (result == SOURCE_AGAIN)
        snprintf(depot->error, depot->error_size,
                 "%s changes too fast: streams were removed, or the server started, at each try",
                 dir);
    if (result != SOURCE_DONE)
        return BACKUP_REFUSED;
    return backup_manifest_whole(manifest) ? BACKUP_WHOLE : BACKUP_DAMAGED;
}

#include "server/program/backup_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"
#include "server/program/backup_lineage.h"
#include "server/program/inspect_file.h"
#include "storage/pack.h"
#include "storage/paths.h"

#define LOOKS_MAX  200 /* at a directory that changes */
#define LOOK_AGAIN ((struct timespec){.tv_nsec = 5000000})
#define PIECE      ((size_t)1 << 20)

[[gnu::format(printf, 2, 3)]] static enum source_result refuse(const struct source *source,
                                                               const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(source->error, source->error_size, format, values);
    va_end(values);
    return SOURCE_REFUSED;
}

/* In home, lane 0, or a further lane. */
static void path_below(const struct source *source, unsigned lane, const char *name,
                       char out[4096 + 300])
{
    if (lane == 0)
        snprintf(out, 4096 + 300, "%s/%.280s", source->dir, name);
    else
        snprintf(out, 4096 + 300, "%s/lanes/%u/%.270s", source->dir, lane, name);
}

/* ---- files ---------------------------------------------------------------------------------- */

bool source_read_head(const struct source_file *file, uint8_t *at, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(file->fd, at + done, size - done, (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

bool source_read(const struct source_file *file, struct buf *out)
{
    buf_clear(out);
    for (;;) {
        uint8_t *at = buf_reserve(out, PIECE);
        ssize_t got = at != NULL ? pread(file->fd, at, PIECE, (off_t)out->size) : -1;

        if (got < 0 && at != NULL && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        buf_commit(out, (size_t)got);
    }
}

static enum err read_packed(const struct source_file *file, struct buf *out)
{
    struct pack_head head;
    struct buf packed;
    enum err err;

    buf_init(&packed, SIZE_MAX);
    buf_clear(out);
    err = source_read(file, &packed) ? pack_expand(buf_bytes(&packed), &head, out) : ERR_IO;
    if (err == OK && head.kind != PACK_SEGMENT)
        err = ERR_CORRUPT;
    buf_deinit(&packed);
    return err;
}

enum err source_read_segment(const struct source *source, const struct source_log *log,
                             const struct source_file *file, struct segment_header *header,
                             struct buf *out)
{
    enum err err;

    *header = (struct segment_header){0};
    if (file->kind == BACKUP_PACKED) {
        err = read_packed(file, out);
        if (err != OK)
            return err;
    } else if (!source_read(file, out)) {
        return ERR_IO;
    } else {
        redos_apply(&source->redos, log->id, file->id, out);
    }
    if (out->size < SEGMENT_HEADER)
        return file->kind == BACKUP_PACKED ? ERR_CORRUPT : ERR_NOT_FOUND;
    err = segment_header_read(out->at, header);
    if (err == OK && (header->log_id != log->id || header->file_id != file->id))
        err = ERR_CORRUPT;
    return err;
}

/* ---- node and journal ----------------------------------------------------------------------- */

static enum err read_node(const struct source *source, unsigned lane, struct node *node)
{
    char path[4096 + 300];
    struct buf bytes;
    enum err err = ERR_NOT_FOUND;

    path_below(source, lane, "node", path);
    buf_init(&bytes, SIZE_MAX);
    if (inspect_read_file(path, &bytes))
        err = bytes.size == NODE_SIZE ? node_read(bytes.at, node) : ERR_CORRUPT;
    buf_deinit(&bytes);
    return err;
}

/* The records of this boot: those of earlier ones are void. A record that is being written, or is
 * damaged, is passed over; what only it has is missed when the segment is walked. */
static void read_records(struct source *source, const struct node *node, struct bytes file)
{
    struct journal_record record;
    size_t position = JOURNAL_HEADER;

    while (position + JOURNAL_BLOCK <= file.size) {
        if (journal_record_read(bytes_skip(file, position), node->store_id, &record) != OK) {
            position += JOURNAL_BLOCK;
            continue;
        }
        if (record.number >> 32 == node->boot)
            redos_add(&source->redos, &record);
        position += record.size;
    }
}

static enum source_result read_journal_file(struct source *source, unsigned lane,
                                            const struct node *node, const char *name)
{
    struct buf *bytes = &source->journals[source->journal_count++];
    char below[300], path[4096 + 300];
    uint64_t number;

    buf_init(bytes, SIZE_MAX);
    snprintf(below, sizeof below, "journal/%s", name);
    path_below(source, lane, below, path);
    if (!path_read_journal(name, &number) || !inspect_read_file(path, bytes) ||
        bytes->size < JOURNAL_HEADER)
        return SOURCE_DONE;
    if (journal_header_read(bytes->at, node->store_id, number) == ERR_VERSION)
        return refuse(source, "%s is of a later format than this version knows", path);
    read_records(source, node, buf_bytes(bytes));
    return SOURCE_DONE;
}

static enum source_result read_journal(struct source *source, unsigned lane,
                                       const struct node *node)
{
    struct inspect_names names;
    char path[4096 + 300];
    enum source_result result = SOURCE_DONE;

    path_below(source, lane, "journal", path);
    inspect_list(path, &names);
    source->journals = heap_resize(source->journals, (source->journal_count + names.count + 1) *
                                                         sizeof *source->journals);
    for (size_t i = 0; result == SOURCE_DONE && i < names.count; i++)
        result = read_journal_file(source, lane, node, names.at[i]);
    inspect_names_free(&names);
    return result;
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum source_result open_lane(struct source *source, unsigned lane, struct node *node)
{
    enum err err = read_node(source, lane, node);
    char path[4096 + 300];

    path_below(source, lane, "node", path);
    if (err == ERR_VERSION)
        return refuse(source, "%s is of a later format than this version knows", path);
    if (err == ERR_CORRUPT)
        return refuse(source, "%s is damaged: nothing can be read by it", path);
    if (err != OK && lane > 0)
        return refuse(source, "%s is not there: a lane of the store is missing", path);
    if (err != OK)
        return refuse(source, "%s is no data directory of this server", source->dir);
    if (node->boot > source->boot)
        source->boot = node->boot;
    return read_journal(source, lane, node);
}

static enum source_result open_lanes(struct source *source)
{
    enum source_result result = open_lane(source, 0, &source->node);

    for (unsigned i = 1; result == SOURCE_DONE && i <= source->node.lanes; i++) {
        struct node node;

        result = open_lane(source, i, &node);
    }
    if (result == SOURCE_DONE && !backup_lineage_read(source->dir, source->lineage))
        return refuse(source, "%s/restored is damaged", source->dir);
    return result;
}

enum source_result source_open(struct source *source, const char *dir, char *error,
                               size_t error_size)
{
    enum source_result result;
    int held;

    *source = (struct source){.held = -1, .error = error, .error_size = error_size};
    snprintf(source->dir, sizeof source->dir, "%s", dir);
    held = inspect_lock(dir);
    if (held == INSPECT_FREE)
        return refuse(source, "%s is no data directory of this server", dir);
    source->live = held == INSPECT_TAKEN;
    source->held = source->live ? -1 : held;
    result = open_lanes(source);
    if (result != SOURCE_DONE)
        source_close(source);
    return result;
}

bool source_restarted(const struct source *source)
{
    struct node now;

    return source->live && (read_node(source, 0, &now) != OK || now.boot != source->node.boot ||
                            now.lanes != source->node.lanes);
}

static void close_log(struct source_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        close(log->files[i].fd);
    heap_give(log->files);
}

void source_close(struct source *source)
{
    for (size_t i = 0; i < source->count; i++)
        close_log(&source->logs[i]);
    heap_give(source->logs);
    for (size_t i = 0; i < source->journal_count; i++)
        buf_deinit(&source->journals[i]);
    heap_give(source->journals);
    redos_free(&source->redos);
    if (source->held >= 0)
        inspect_unlock(source->held);
    *source = (struct source){.held = -1};
}

/* ---- the logs ------------------------------------------------------------------------------- */

/* What its name says; a packed file may be either of two. False: nothing that a backup has. */
static bool read_name(const char *name, struct source_file *file)
{
    if (path_read_segment(name, &file->id))
        file->kind = BACKUP_SEGMENT;
    else if (path_read_pack(name, &file->id))
        file->kind = BACKUP_PACKED;
    else if (path_read_block(name, &file->id))
        file->kind = BACKUP_BLOCK;
    else if (path_read_keep(name, &file->id))
        file->kind = BACKUP_KEPT;
    else
        return false;
    return true;
}

/* One whose header is damaged may be told by the rest of it. */
static void look_into_pack(struct source_file *file)
{
    struct pack_head head = {.kind = PACK_SEGMENT};
    struct buf packed, out;

    buf_init(&packed, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    if (source_read(file, &packed))
        (void)pack_expand(buf_bytes(&packed), &head, &out);
    if (head.kind == PACK_KEEP)
        file->kind = BACKUP_KEPT;
    buf_deinit(&out);
    buf_deinit(&packed);
}

static void tell_pack(struct source_file *file)
{
    uint8_t head[PACK_HEADER];
    enum pack_kind kind;

    if (source_read_head(file, head, sizeof head) && pack_kind_of(head, &kind) == OK)
        file->kind = kind == PACK_KEEP ? BACKUP_KEPT : BACKUP_PACKED;
    else
        look_into_pack(file);
}

static void list_log(const struct source *source, const struct source_log *log,
                     struct inspect_names *names)
{
    char path[4096 + 300], name[300];
    size_t kept = 0;
    struct source_file file;

    snprintf(name, sizeof name, "logs/%016" PRIx64, log->id);
    path_below(source, log->lane, name, path);
    inspect_list(path, names);
    for (size_t i = 0; i < names->count; i++)
        if (read_name(names->at[i], &file))
            memmove(names->at[kept++], names->at[i], sizeof names->at[0]);
    names->count = kept;
}

static bool same_names(const struct inspect_names *a, const struct inspect_names *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    return a->count == b->count;
}

static enum source_result open_file(struct source *source, struct source_log *log, const char *name)
{
    struct source_file file = {.fd = -1};
    char path[4096 + 300];

    (void)read_name(name, &file);
    snprintf(file.name, sizeof file.name, "logs/%016" PRIx64 "/%.24s", log->id, name);
    path_below(source, log->lane, file.name, path);
    file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file.fd < 0)
        return errno == ENOENT ? SOURCE_AGAIN
                               : refuse(source, "%s can not be read: %s", path, strerror(errno));
    if (file.kind == BACKUP_PACKED)
        tell_pack(&file);
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 16 : 2 * log->capacity;
        log->files = heap_resize(log->files, log->capacity * sizeof *log->files);
    }
    log->files[log->count++] = file;
    return SOURCE_DONE;
}

/*
 * A directory that was listed with the same names twice had just these at some instant in between,
 * since no id is used again; and all of them were opened meanwhile.
 */
static enum source_result open_log_once(struct source *source, struct source_log *log)
{
    struct inspect_names before, after;
    enum source_result result = SOURCE_DONE;

    list_log(source, log, &before);
    for (size_t i = 0; result == SOURCE_DONE && i < before.count; i++)
        result = open_file(source, log, before.at[i]);
    list_log(source, log, &after);
    if (result == SOURCE_DONE && !same_names(&before, &after))
        result = SOURCE_AGAIN;
    inspect_names_free(&before);
    inspect_names_free(&after);
    return result;
}

static enum source_result open_log(struct source *source, unsigned lane, uint64_t id)
{
    struct source_log log = {.id = id, .lane = lane};
    enum source_result result = SOURCE_AGAIN;

    for (int i = 0; result == SOURCE_AGAIN && i < LOOKS_MAX; i++) {
        if (i > 0)
            nanosleep(&LOOK_AGAIN, NULL);
        close_log(&log);
        log = (struct source_log){.id = id, .lane = lane};
        result = open_log_once(source, &log);
    }
    if (result != SOURCE_DONE || log.count == 0) {
        close_log(&log);
        return result;
    }
    if (source->count == source->capacity) {
        source->capacity = source->capacity == 0 ? 64 : 2 * source->capacity;
        source->logs = heap_resize(source->logs, source->capacity * sizeof *source->logs);
    }
    source->logs[source->count++] = log;
    return SOURCE_DONE;
}

static bool is_segment(const struct source_file *file)
{
    return file->kind == BACKUP_SEGMENT || file->kind == BACKUP_PACKED;
}

static uint64_t newest_segment(const struct source_log *log)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < log->count; i++)
        if (is_segment(&log->files[i]) && log->files[i].id > newest)
            newest = log->files[i].id;
    return newest;
}

/*
 * The segments that were added: the newest of a log is never removed, and each names the one
 * before it, so nothing is missing in between if they hang together (backup_take.c sees to that).
 * A log whose newest segment is not there any more was removed.
 */
static enum source_result look_again(struct source *source, struct source_log *log)
{
    uint64_t newest = newest_segment(log);
    struct inspect_names names;
    struct source_file file;
    enum source_result result = SOURCE_DONE;
    bool there = false;

    list_log(source, log, &names);
    for (size_t i = 0; result == SOURCE_DONE && i < names.count; i++) {
        if (!read_name(names.at[i], &file) || !is_segment(&file) || file.id < newest)
            continue;
        there = true;
        if (file.id > newest)
            result = open_file(source, log, names.at[i]);
    }
    inspect_names_free(&names);
    return there || newest == 0 ? result : SOURCE_AGAIN;
}

static struct source_log *find_log(const struct source *source, uint64_t id)
{
    for (size_t i = 0; i < source->count; i++)
        if (source->logs[i].id == id)
            return &source->logs[i];
    return NULL;
}

static enum source_result look_in(struct source *source, unsigned lane)
{
    struct inspect_names names;
    char path[4096 + 300];
    enum source_result result = SOURCE_DONE;

    path_below(source, lane, "logs", path);
    inspect_list(path, &names);
    for (size_t i = 0; result == SOURCE_DONE && i < names.count; i++) {
        uint64_t id;

        if (path_read_log(names.at[i], &id) && find_log(source, id) == NULL)
            result = open_log(source, lane, id);
    }
    inspect_names_free(&names);
    return result;
}

enum source_result source_look(struct source *source)
{
    enum source_result result = SOURCE_DONE;
    size_t known = source->count;

    for (size_t i = 0; result == SOURCE_DONE && i < known; i++)
        result = look_again(source, &source->logs[i]);
    for (unsigned i = 0; result == SOURCE_DONE && i <= source->node.lanes; i++)
        result = look_in(source, i);
    return result;
}

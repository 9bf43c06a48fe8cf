#include "server/program/repair_node.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "server/program/backup_file.h"
#include "server/program/inspect_file.h"
#include "storage/journal_record.h"
#include "storage/paths.h"

#define STORE_ID_AT 24u /* of a journal file (docs/formats.md, Journal) */
#define PATH_SIZE   4096u

struct finding {
    const char *dir;
    struct node node;
    bool known, torn; /* torn: they differ */
};

static void note_boot(struct finding *finding, uint64_t number)
{
    if (number >> 32 > finding->node.boot)
        finding->node.boot = number >> 32;
}

static void note_records(struct finding *finding, struct bytes file)
{
    struct journal_record record;
    size_t position = JOURNAL_HEADER;

    while (position + JOURNAL_BLOCK <= file.size) {
        if (journal_record_read(bytes_skip(file, position), finding->node.store_id, &record) ==
            OK) {
            note_boot(finding, record.number);
            position += record.size;
        } else {
            position += JOURNAL_BLOCK;
        }
    }
}

/* Its header is right with the id that stands in it: so that is it. */
static void note_journal(struct finding *finding, const char *name)
{
    char path[PATH_SIZE];
    struct buf bytes;
    uint64_t number;

    snprintf(path, sizeof path, "%.3500s/journal/%s", finding->dir, name);
    buf_init(&bytes, SIZE_MAX);
    if (path_read_journal(name, &number) && inspect_read_file(path, &bytes) &&
        bytes.size >= JOURNAL_HEADER &&
        journal_header_read(bytes.at, bytes.at + STORE_ID_AT, number) == OK) {
        if (finding->known && memcmp(finding->node.store_id, bytes.at + STORE_ID_AT, 16) != 0)
            finding->torn = true;
        memcpy(finding->node.store_id, bytes.at + STORE_ID_AT, 16);
        finding->known = true;
        note_records(finding, buf_bytes(&bytes));
    }
    buf_deinit(&bytes);
}

static void note_files(struct finding *finding, const char *log)
{
    struct inspect_names names;
    char path[PATH_SIZE];
    uint64_t id;

    snprintf(path, sizeof path, "%.3500s/logs/%s", finding->dir, log);
    inspect_list(path, &names);
    for (size_t i = 0; i < names.count; i++)
        if (path_read_segment(names.at[i], &id) || path_read_pack(names.at[i], &id) ||
            path_read_keep(names.at[i], &id))
            note_boot(finding, id);
    inspect_names_free(&names);
}

static void note_lane(struct finding *finding, const char *name)
{
    unsigned number;

    if (path_read_lane(name, &number) && number <= NODE_LANES_MAX && number > finding->node.lanes)
        finding->node.lanes = number;
}

static void note_each(struct finding *finding, const char *below,
                      void (*note)(struct finding *finding, const char *name))
{
    struct inspect_names names;
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%.3500s/%s", finding->dir, below);
    inspect_list(path, &names);
    for (size_t i = 0; i < names.count; i++)
        note(finding, names.at[i]);
    inspect_names_free(&names);
}

bool repair_node_find(const char *dir, struct node *node)
{
    struct finding finding = {.dir = dir};

    note_each(&finding, "journal", note_journal);
    note_each(&finding, "logs", note_files);
    note_each(&finding, "lanes", note_lane);
    *node = finding.node;
    return finding.known && !finding.torn && node->boot > 0;
}

bool repair_node_write(const char *dir, const struct node *node)
{
    char path[PATH_SIZE], aside[PATH_SIZE], new[PATH_SIZE];
    uint8_t at[NODE_SIZE];

    snprintf(path, sizeof path, "%.3500s/node", dir);
    snprintf(new, sizeof new, "%.3500s/node.new", dir);
    snprintf(aside, sizeof aside, "%.3500s/quarantine", dir);
    if (mkdir(aside, 0700) != 0 && errno != EEXIST)
        return false;
    snprintf(aside, sizeof aside, "%.3500s/quarantine/node", dir);
    node_write(at, node);
    (void)unlink(new); /* left by a start that was cut short */
    if (!backup_file_write(dir, "node.new", bytes_of(at, sizeof at)))
        return false;
    if (access(aside, F_OK) != 0 && link(path, aside) != 0 && errno != ENOENT)
        return false;
    return rename(new, path) == 0 && backup_file_sync_directory(dir);
}

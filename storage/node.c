#include "storage/node.h"

#include "storage/file_head.h"
#include "storage/le.h"
#include "storage/paths.h"

#define FEATURE_LANES 1u

static const char magic[FILE_HEAD_MAGIC] = "MRnode01";

enum {
    AT_STORE_ID = 24,
    AT_BOOT = 40,
    AT_OWNER = 48,
    AT_LANES = 176,
};

void node_write(uint8_t at[NODE_SIZE], const struct node *node)
{
    file_head_begin(at, NODE_SIZE, magic, node->lanes > 0 ? FEATURE_LANES : 0);
    memcpy(at + AT_STORE_ID, node->store_id, 16);
    le_put_u64(at + AT_BOOT, node->boot);
    memcpy(at + AT_OWNER, node->owner, strnlen(node->owner, NODE_OWNER - 1));
    le_put_u32(at + AT_LANES, node->lanes);
    file_head_seal(at, NODE_SIZE);
}

enum err node_read(const uint8_t at[NODE_SIZE], struct node *node)
{
    uint32_t features, lanes = 0;
    enum err err = file_head_check(at, NODE_SIZE, magic, FEATURE_LANES, &features);

    if (err != OK)
        return err;
    if (features != 0)
        lanes = le_u32(at + AT_LANES);
    if (lanes > NODE_LANES_MAX)
        return ERR_VERSION;

    memcpy(node->store_id, at + AT_STORE_ID, 16);
    node->boot = le_u64(at + AT_BOOT);
    memcpy(node->owner, at + AT_OWNER, NODE_OWNER);
    node->owner[NODE_OWNER - 1] = 0;
    node->lanes = lanes;
    return OK;
}

enum err node_load(struct io *io, const char *dir, struct node *node)
{
    uint8_t at[NODE_SIZE];
    struct io_file *file;
    enum err err = io_open(io, path_in(dir, "node").text, IO_READ, &file);

    if (err != OK)
        return err;
    err = io_read_all(io, file, 0, at, sizeof at);
    io_close(io, file);
    return err != OK ? err : node_read(at, node);
}

static enum err save_as(struct io *io, const char *path, const struct node *node)
{
    uint8_t at[NODE_SIZE];
    struct io_file *file;
    enum err err;

    err = io_unlink(io, path); /* left by a start that was cut short */
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    err = io_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file);
    if (err != OK)
        return err;

    node_write(at, node);
    err = io_write_all(io, file, 0, bytes_of(at, sizeof at));
    if (err == OK)
        err = io_sync(io, file);
    io_close(io, file);
    return err;
}

enum err node_save(struct io *io, const char *dir, const struct node *node)
{
    struct path new = path_in(dir, "node.new");
    enum err err = save_as(io, new.text, node);

    if (err == OK)
        err = io_rename(io, new.text, path_in(dir, "node").text);
    if (err == OK)
        err = io_sync_dir(io, dir);
    return err;
}

/*
 * node: the file that says who this replica is and how often it started (docs/formats.md). It is
 * replaced, never changed in place. Blocking.
 */
#ifndef STORAGE_NODE_H
#define STORAGE_NODE_H

#include "base/io.h"

#define NODE_SIZE      4096u
#define NODE_OWNER     128u /* bytes of a name, its end included */
#define NODE_LANES_MAX 31u

struct node {
    uint8_t store_id[16];
    uint64_t boot;
    char owner[NODE_OWNER]; /* the member of a cluster whose directory it is; empty: of none yet */
    uint32_t lanes;         /* further ones, below lanes/ */
};

void node_write(uint8_t at[NODE_SIZE], const struct node *node);
/* ERR_CORRUPT, ERR_VERSION (sound, of a newer format). */
enum err node_read(const uint8_t at[NODE_SIZE], struct node *node);

/* ERR_NOT_FOUND: there is none. Others as node_read and the io's own. */
enum err node_load(struct io *io, const char *dir, struct node *node);
/* On disk when it returns OK; else the old one is still there, or the new one. */
enum err node_save(struct io *io, const char *dir, const struct node *node);

#endif

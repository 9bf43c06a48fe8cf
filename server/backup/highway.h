/* highway: the HighwayHash-64 by which nats-server guards what it stores, so that its backups can
 * be checked and ours be read there. Not for anything of our own. Pure. */
#ifndef SERVER_BACKUP_HIGHWAY_H
#define SERVER_BACKUP_HIGHWAY_H

#include "base/bytes.h"

#define HIGHWAY_KEY_SIZE 32u

struct highway {
    uint64_t v0[4], v1[4], mul0[4], mul1[4];
    uint8_t packet[32]; /* what has come since the last whole one */
    size_t size;
};

void highway_init(struct highway *hash, const uint8_t key[static HIGHWAY_KEY_SIZE]);
void highway_add(struct highway *hash, struct bytes bytes);
/* The same without the processor's help. */
void highway_add_plain(struct highway *hash, struct bytes bytes);
/* Ends it. */
uint64_t highway_end(struct highway *hash);

/* SHA-256 of a name: the key that nats-server derives from it. */
void highway_key(struct bytes name, uint8_t key[static HIGHWAY_KEY_SIZE]);

#endif

/*
 * repair_node: the node file made anew when it is damaged or gone (docs/formats.md, Data
 * directory). Who the store is stands in the header of every journal file; how often it started in
 * the numbers of the journal's records and the ids of its files: no later start has left anything.
 * Blocking.
 */
#ifndef SERVER_PROGRAM_REPAIR_NODE_H
#define SERVER_PROGRAM_REPAIR_NODE_H

#include "storage/node.h"

/* False: no journal file tells who the store is, or they differ. Changes nothing. */
bool repair_node_find(const char *dir, struct node *node);
/* On the disk when it returns true; what was there is in quarantine/. */
bool repair_node_write(const char *dir, const struct node *node);

#endif

/*
 * pending_order: the half of pending that keeps entries in the order of their deadlines and in the
 * redelivery queue (pending.h). This header is for pending.c only.
 */
#ifndef CONSUMERS_PENDING_ORDER_H
#define CONSUMERS_PENDING_ORDER_H

#include "consumers/pending.h"

/* The entry that was at `from` has been copied to `to`: whoever points at it follows. */
void pending_order_moved(struct pending *pending, uint32_t from, uint32_t to);

#endif

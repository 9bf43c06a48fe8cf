#ifndef SHIM
#define SHIM
#include "storage/log.h"
struct store_vote { uint64_t term, node, incarnation, damaged; };
struct store_vote_op { uint64_t log_id; struct store_vote vote; void (*done)(struct store_vote_op *op, enum err err); };
static inline void store_vote(struct store *store, struct store_vote_op *op){(void)store;op->done(op, OK);}
static inline bool store_vote_found(const struct store *store, uint64_t log_id, struct store_vote *vote){(void)store;(void)log_id;(void)vote;return false;}
#endif

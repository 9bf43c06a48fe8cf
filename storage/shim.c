#include "storage/store.h"
#include "storage/shim.h"
enum err log_batch_read_now(struct log *log, uint64_t index, struct buf *out){(void)log;(void)index;(void)out;return ERR_AGAIN;}
void log_batch_warm(struct log *log, struct io_op *op, uint64_t index){(void)log;(void)index;(void)op;}
void store_vote(struct store *store, struct store_vote_op *op){(void)store;op->done(op, OK);}
bool store_vote_found(const struct store *store, uint64_t log_id, struct store_vote *vote){(void)store;(void)log_id;(void)vote;return false;}

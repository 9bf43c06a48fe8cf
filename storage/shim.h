#ifndef SHIM
#define SHIM
#include "storage/log.h"
struct store_vote { uint64_t term, node, incarnation, damaged; };
struct store_vote_op { uint64_t log_id; struct store_vote vote; void (*done)(struct store_vote_op *op, enum err err); };
enum err log_batch_read_now(struct log *log, uint64_t index, struct buf *out);
void log_batch_warm(struct log *log, struct io_op *op, uint64_t index);
void store_vote(struct store *store, struct store_vote_op *op);
bool store_vote_found(const struct store *store, uint64_t log_id, struct store_vote *vote);
#define log_prepare(s,i,inc,b) ((void)(b), log_prepare(s,i,inc))
struct cluster; struct server; struct cluster *server_cluster(struct server *server);
struct router; struct account; struct message;
size_t router_publish_sinks(struct router *r, struct account *a, const struct message *m);
struct account *router_account(struct router *r, struct bytes n);
uint64_t cluster_node_id(struct bytes n);
#endif

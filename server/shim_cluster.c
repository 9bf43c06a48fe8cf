#include "server/jetstream_cluster_priv.h"
#include "storage/hash.h"
struct cluster *server_cluster(struct server *server){(void)server;return NULL;}
uint64_t cluster_node_id(struct bytes n){return bytes_hash(n,0);}
bool cluster_send(struct cluster *c, uint64_t n, uint8_t k, enum cluster_class cl, const struct bytes *p, size_t cnt){(void)c;(void)n;(void)k;(void)cl;(void)p;(void)cnt;return false;}
void cluster_subscribe(struct cluster *c, uint8_t k, cluster_handler_fn *h, void *o){(void)c;(void)k;(void)h;(void)o;}
void cluster_watch(struct cluster *c, struct cluster_watcher *w){(void)c;(void)w;}
const struct cluster_node *cluster_next(const struct cluster *c, size_t *at){(void)c;(void)at;return NULL;}
size_t cluster_routes(const struct cluster *c){(void)c;return 0;}
size_t cluster_routes_answered(const struct cluster *c){(void)c;return 0;}
struct transport cluster_transport(struct cluster *c){(void)c;return (struct transport){0};}
size_t router_publish_sinks(struct router *r, struct account *a, const struct message *m){(void)r;(void)a;(void)m;return 0;}
struct account *router_account(struct router *r, struct bytes n){(void)n;return router_account_default(r);}
struct bytes cluster_name(const struct cluster *c){(void)c;return BYTES("");}
const struct cluster_node *cluster_node(const struct cluster *c, uint64_t id){(void)c;(void)id;return NULL;}

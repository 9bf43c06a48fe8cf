/* What the files of monitoring share. */
#ifndef SERVER_MONITOR_MONITOR_PRIV_H
#define SERVER_MONITOR_MONITOR_PRIV_H

#include "base/json.h"
#include "server/monitor/ask.h"
#include "server/router/router.h"

struct monitor;
struct server;
struct sublist;
struct traffic;

/* members.c: one member each, as json_put_string and its like (base/json.h). */
void monitor_seconds(struct json_writer *w, struct bytes key, int64_t ns);
void monitor_uptime(struct json_writer *w, struct bytes key, int64_t ns);
/* As Go writes a duration, down to microseconds. */
void monitor_duration(struct json_writer *w, struct bytes key, int64_t ns);
void monitor_empty(struct json_writer *w, struct bytes key);
void monitor_traffic(struct json_writer *w, const struct traffic *traffic);

/* What documents begin with: "server_id" and "now". */
void monitor_head(struct json_writer *w, const struct server *server);

/* ---- the documents, each one JSON object: what is asked for stands in `ask`. When that was
 * refused, nothing is to be made of what was written. --------------------------------------- */

typedef void monitor_document_fn(struct json_writer *w, struct monitor *monitor, struct ask *ask);

monitor_document_fn monitor_varz;
monitor_document_fn monitor_connz;
monitor_document_fn monitor_routez;
monitor_document_fn monitor_gatewayz;
monitor_document_fn monitor_leafz;
monitor_document_fn monitor_subsz;
monitor_document_fn monitor_accountz;
monitor_document_fn monitor_accstatz;
monitor_document_fn monitor_jsz;
monitor_document_fn monitor_healthz; /* its status stands in `ask`, too, but it is no refusal */
monitor_document_fn monitor_ipqueuesz;
monitor_document_fn monitor_raftz;

/* ---- parts of them -------------------------------------------------------------------------- */

/* varz_config.c */
void monitor_varz_access(struct json_writer *w, const struct server *server);
void monitor_varz_limits(struct json_writer *w, const struct server *server);
void monitor_jetstream_config(struct json_writer *w, const struct server *server, bool with_place);
/* Those of the configuration that are said, as `limits`. */
void monitor_jetstream_limits(struct json_writer *w, const struct server *server);
void monitor_varz_tls(struct json_writer *w, const struct server *server);
void monitor_varz_config(struct json_writer *w, const struct server *server);
void monitor_varz_websocket(struct json_writer *w, const struct server *server);
void monitor_system_account(struct json_writer *w, const struct server *server);

/* routez.c: fine without a cluster. */
void monitor_connect_urls(struct json_writer *w, const struct server *server);
void monitor_varz_cluster(struct json_writer *w, const struct server *server);
void monitor_varz_routes(struct json_writer *w, const struct server *server);

/* varz.c */
void monitor_varz_process(struct json_writer *w, struct monitor *monitor);
/* `with_place`: where it stores is no secret. */
void monitor_varz_jetstream(struct json_writer *w, const struct server *server, bool with_place);

/* monitor.c: how often each document was asked for. */
void monitor_requests(struct json_writer *w, const struct monitor *monitor);

/* jsz.c: usage and requests; the metadata group, if this server is of a cluster. */
void monitor_jetstream_stats(struct json_writer *w, const struct server *server);
void monitor_jetstream_meta(struct json_writer *w, struct bytes key, const struct server *server);

/* The details of one account that has JetStream. */
void monitor_jsz_account(struct json_writer *w, const struct server *server, struct ask *ask,
                         struct account *account);

/* subsz.c: its numbers, of some lists. */
void monitor_sublist_stats(struct json_writer *w, const struct sublist *const *lists, size_t count);

/* accountz.c: one account without what it is a member of; its counters. */
void monitor_account(struct json_writer *w, struct server *server, struct account *account);
/* That people know it by: the name that was signed, else its own. */
struct bytes monitor_account_name(const struct account *account);
void monitor_account_stats(struct json_writer *w, struct server *server, struct account *account);

/* leafz.c: the part of /varz; how many leaves are up, of all accounts if that one is NULL. */
void monitor_varz_leaf(struct json_writer *w, const struct server *server);
int64_t monitor_leaves(const struct server *server, const struct account *account);

#endif

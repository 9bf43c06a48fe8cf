/* What the files of monitoring share. */
#ifndef SERVER_MONITOR_PRIV_H
#define SERVER_MONITOR_PRIV_H

#include "base/json.h"

struct server;

/* monitor.c: one member each. */
void monitor_text(struct json_writer *w, struct bytes key, const char *value);
void monitor_number(struct json_writer *w, struct bytes key, int64_t value);
void monitor_wall_time(struct json_writer *w, struct bytes key, int64_t unix_ns);
void monitor_uptime(struct json_writer *w, struct bytes key, int64_t ns);

/* monitor_config.c */
void monitor_varz_access(struct json_writer *w, const struct server *server);
void monitor_varz_limits(struct json_writer *w, const struct server *server);
void monitor_varz_jetstream_config(struct json_writer *w, const struct server *server);
void monitor_varz_tls(struct json_writer *w, const struct server *server);
void monitor_varz_config(struct json_writer *w, const struct server *server);

/* monitor_cluster.c: fine without a cluster. */
void monitor_connect_urls(struct json_writer *w, const struct server *server);
void monitor_varz_cluster(struct json_writer *w, const struct server *server);
void monitor_varz_routes(struct json_writer *w, const struct server *server);
/* The whole document. */
void monitor_routez(struct json_writer *w, const struct server *server, struct bytes query);

#endif

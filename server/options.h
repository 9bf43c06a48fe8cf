/*
 * options: what the command line decided; fixed for the life of a server. Filled by server/flags.c.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/cluster_options.h"

#define MILLRACE_VERSION      "0.1.0"  /* ours */
#define NATS_VERSION          "2.14.5" /* the protocol level we speak, as clients gate on it */
#define JETSTREAM_API_LEVEL   4

struct options {
    char host[64];       /* default 0.0.0.0 */
    int port;            /* default 4222; -1: any free */
    int http_port;       /* 0: none; -1: any free */
    char server_name[128]; /* empty: the server id */
    bool jetstream;
    char store_dir[1024]; /* default: <tmp>/nats/jetstream as the reference has it */
    bool debug;
    bool trace;
    char log_file[1024];
    char pid_file[1024];
    char ports_file_dir[1024];
    int64_t max_payload;
    int64_t max_pending;
    int64_t max_control_line;
    int64_t max_connections;
    int64_t ping_interval_ns;
    int ping_max;
    int64_t write_deadline_ns;
    const char *client_advertise; /* host or host:port; NULL: what is listened on */
    struct cluster_options cluster;
    struct {
        uint64_t store_flaws;  /* storage/flaws.h */
        uint64_t stream_flaws; /* server/stream/flaws.h */
        uint64_t raft_flaws, replica_flaws; /* raft/flaws.h, raft/replica_flaws.h */
        uint64_t jetstream_flaws;           /* server/jetstream_flaws.h */
        uint64_t cluster_flaws; /* server/cluster/flaws.h */
        uint32_t segment_size, journal_file_size, journal_batch_max; /* 0: the store's default */
    } sim; /* no flag sets these: the simulator does */
};

void options_default(struct options *options);

#endif

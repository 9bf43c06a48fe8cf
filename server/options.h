/*
 * options: what the command line and the configuration file decided; fixed for the life of a server
 * but for what a reload replaces. Filled by server/flags.c and server/config/.
 *
 * Texts and lists that are pointers belong to whoever made the options (a struct config's arena,
 * the command line) and live as long as a server uses them.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/host.h"
#include "server/auth/auth_options.h"
#include "server/cluster_options.h"
#include "server/leaf_options.h"
#include "server/tls/tls_options.h"
#include "server/websocket/websocket_options.h"

struct config_place;
struct tls_context;

#define MILLRACE_VERSION    "0.1.0"  /* ours */
#define NATS_VERSION        "2.14.5" /* the protocol level we speak, as clients gate on it */
#define JETSTREAM_API_LEVEL 4
#define SHARDS_MAX          32u
#define SHARDS_AUTO         INT64_MIN /* as many as there are cores, when they are needed */

struct text_list {
    struct bytes *at; /* a zero follows each */
    size_t count;
};

/* Sorted by nothing: as written. */
struct text_map {
    struct bytes *keys;
    struct bytes *values;
    size_t count;
};

/* Limits of one server's JetStream; -1: none was given. */
struct jetstream_options {
    int64_t memory_max;
    int64_t store_max;
    int64_t disk_reserve; /* bytes of the disk that publishes leave */
    int64_t scrub_rate;   /* bytes a second that the background check reads; 0: it does not */
    int64_t index_cache;  /* bytes of memory that the indexes of all streams may take */
    const char *domain;   /* NULL: none */
    const char *unique_tag;
    bool lenient;                 /* unknown fields of requests are ignored */
    int64_t ack_pending_max;      /* of any consumer */
    int64_t duplicate_window_max; /* ns */
    /* Of batches, 0: the default (server/stream/staging.h). */
    int64_t batches_max;        /* of one stream that have begun */
    int64_t batches_total_max;  /* of the server */
    int64_t batch_messages_max; /* of an atomic one */
    int64_t batch_timeout;      /* ns without a message */
};

struct options {
    char host[HOST_SIZE];                  /* default 0.0.0.0 */
    const struct config_place *host_place; /* NULL: the file does not say it */
    int port;                              /* default 4222; -1: any free */
    char http_host[HOST_SIZE];             /* empty: as host */
    const struct config_place *http_host_place;
    int http_port;                /* 0: none; -1: any free */
    int https_port;               /* the same, with TLS; not both */
    const char *http_base_path;   /* NULL: none */
    const char *client_advertise; /* host or host:port; NULL: what is listened on */
    char server_name[128];        /* empty: the server id */
    struct text_list server_tags;
    struct text_map server_metadata;
    bool jetstream;
    char store_dir[1024]; /* default: <tmp>/nats/jetstream as the reference has it */
    const struct config_place *store_dir_place; /* NULL: the file does not say it */
    struct jetstream_options jetstream_options;
    bool debug;
    bool trace;
    bool trace_verbose;      /* the system account, too */
    bool trace_headers;      /* of a message its headers only */
    int64_t traced_size_max; /* bytes of a payload that are traced; 0: all */
    bool log_time;
    bool log_time_utc;
    char log_file[1024];
    int64_t log_size_max;  /* a log file that grows beyond is put aside; 0: never */
    int64_t log_files_max; /* how many are kept, the current one included; 0: all */
    const char *io;        /* a name of base/io_real.h; NULL: whichever works */
    int64_t shards; /* threads with connections of clients, the first included; SHARDS_AUTO */
    const struct config_place *shards_place; /* NULL: from the command line */
    char pid_file[1024];
    char ports_file_dir[1024];
    int64_t max_payload;
    int64_t max_pending;
    int64_t max_control_line;
    int64_t max_connections;
    int64_t max_subscriptions;       /* of a connection; 0: no limit */
    int64_t max_subscription_tokens; /* of a subject; 0: no limit */
    int64_t max_closed_clients;      /* that monitoring remembers */
    int64_t ping_interval_ns;
    int64_t ping_max;
    int64_t write_deadline_ns;
    int64_t lame_duck_ns;
    int64_t lame_duck_grace_ns;
    bool no_header_support;
    bool no_fast_producer_stall; /* who is far behind does without what clients publish */
    bool no_system_account;
    struct auth_options auth;
    const struct tls_options *tls;   /* of the client port; NULL: none */
    struct tls_context *tls_context; /* made of them; NULL: none */
    bool allow_non_tls;
    struct cluster_options cluster;
    struct websocket_options websocket;
    struct leaf_options leaf;
    const char *config_file;   /* NULL: none */
    const char *config_digest; /* of what is in it */
    struct {
        uint64_t store_flaws;               /* storage/flaws.h */
        uint64_t stream_flaws;              /* server/stream/flaws.h */
        uint64_t consumer_flaws;            /* consumers/flaws.h */
        uint64_t raft_flaws, replica_flaws; /* raft/flaws.h, raft/replica_flaws.h */
        uint64_t jetstream_flaws;           /* server/jetstream/jetstream_flaws.h */
        uint64_t cluster_flaws;             /* server/cluster/flaws.h */
        /* 0: the store's default */
        uint32_t segment_size, journal_file_size, journal_batch_max, ahead_min;
        uint64_t block_bytes;  /* raft/groups.h; 0: its default */
        uint32_t wakes;        /* the same */
        int64_t space_look_ns; /* server/stream/stream_space.c; 0: its default */
        unsigned index_bits;   /* storage/index.h; 0: its default */
        uint64_t count_part;   /* server/stream/op_count.c; 0: its default */
        unsigned lanes;        /* server/jetstream/jetstream_lanes.c; 0: one */
        bool lanes_home;       /* all of them, however many shards there are */
        int64_t late_pause_ns; /* before a start opens what nobody asks for (jetstream_late.c) */
        uint64_t late_heavy;   /* the same; 0: its default */
        uint64_t late_work;    /* a step of those opened in several; 0: its default */
        uint64_t late_at_once; /* the same, in one step */
        size_t late_room;      /* server/stream/door.h; 0: its default */
    } sim;                     /* no flag sets these: the simulator does */
};

void options_default(struct options *options);
/* How long a connection may take to say who it is. */
int64_t options_auth_timeout_ns(const struct options *options, enum connection_type type);

#endif

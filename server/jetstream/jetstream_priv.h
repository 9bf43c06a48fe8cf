/* jetstream_priv: struct jetstream, for the files server/jetstream/jetstream*.c. */
#ifndef SERVER_JETSTREAM_JETSTREAM_PRIV_H
#define SERVER_JETSTREAM_JETSTREAM_PRIV_H

#include "base/map64.h"
#include "raft/replica.h"
#include "server/jetstream/catalogue.h"
#include "server/jetstream/jetstream_core.h"
#include "server/jetstream/jetstream_flaws.h"
#include "server/shards/shard_load.h"
#include "server/stream/door.h"
#include "server/stream/lane.h"
#include "server/stream/quota.h"
#include "server/stream/scrub.h"

struct api;
struct jetstream_cluster;
struct preparation;

/* How much is taken, by storage. */
struct quota_pair {
    struct quota_sum memory, store;
};

/* An account that JetStream is on for. */
struct space {
    struct account *account;
    uint64_t interest_generation;                /* when it was last looked at */
    struct quota_pair quotas[ACCOUNT_TIERS + 1]; /* by tiers; the first is of all, without them */
};

#define SCRUB_RATE_DEFAULT (4u << 20) /* bytes a second */

struct jetstream_scrub {
    struct jetstream *jetstream;
    struct timer timer;
    struct scrub *step; /* NULL: not begun, or ended */
    uint64_t rate;
    uint64_t id; /* of the stream that is looked at */
    struct stream *stream;
    struct lane_errand errand; /* a step */
    uint64_t looked;           /* at so many bytes, in the last one */
    bool at_end;               /* of the stream, after it */
    int64_t began_ns;
    uint64_t bytes, passes;
};

/* jetstream_grow.c: what is in each lane, for the next stream that is made. */
struct jetstream_places {
    struct shard_place at[STORE_LANES_MAX + 1];
    unsigned count; /* those that were counted; 0: none yet */
    int64_t counted_ns;
};

/* jetstream_late_lane.c: streams of a lane that this start has not opened yet; on its thread. */
struct late_list {
    struct late *first, *last;
};
struct late_lane {
    struct stream_lane *lane;
    struct late_list closed;  /* what somebody has asked for stands before the rest */
    struct late_list lacking; /* for want of descriptors, memory or space: offline */
    struct timer timer;       /* its only purpose is that the loop turns */
    struct {
        struct late *late;     /* that is opened over several turns; NULL: none is */
        struct stream *stream; /* not its entry's yet */
    } steps;
};

/* jetstream_late.c: those of all lanes, as far as home has heard. */
struct jetstream_late {
    struct late_lane lanes[STORE_LANES_MAX + 1];
    struct late *first;     /* of all */
    size_t closed, lacking; /* they change while lanes stand still, which read them plainly */
    _Atomic bool hurry;     /* somebody waits for all of them */
    _Atomic bool held;      /* something waits for what a limit counts (jetstream_admits_now) */
    int64_t begin_ns;       /* those that nobody has asked for are not opened before */
    struct door_room room;  /* of all doors */
    unsigned needed;        /* so many were opened in this turn because they were asked for */
    bool heard;             /* of one, since requests were looked at */
};

/* jetstream_directory.c */
struct jetstream_directory {
    struct jetstream *jetstream;
    struct timer timer;
    struct store_look look;
    struct lane_errand errand;
    unsigned lane; /* that is looked at: one after the other */
    bool gone;     /* something was, in this round */
    enum err err;  /* of the first that could not be made anew */
    bool looking;
    bool failed;       /* it is gone and cannot be made anew */
    unsigned failures; /* in a row */
};

/* One per server, on home's thread: what streams do not share on the path of their data, which is
 * in their lanes. */
struct jetstream {
    struct server *server;
    struct stream_lane *lanes[STORE_LANES_MAX + 1];
    unsigned lane_count;
    bool away;                    /* some are turned by other shards */
    bool still;                   /* those stand still to the end of this turn */
    _Atomic bool ends;            /* home waits for all of them to have nothing to do */
    struct map64 found;           /* the lanes of logs that no entry is known of, yet */
    struct stream_lane *home;     /* the first: it has the metadata group, too */
    struct log_time log_time;     /* of all of them */
    struct groups_options join;   /* of the groups of one that comes later */
    struct staging_share staging; /* the same */
    struct fast_share fast;
    struct jetstream_cluster *cluster; /* NULL: this server is alone */
    struct replica *meta;
    struct catalogue catalogue;
    bool lead;                 /* of the metadata group */
    uint64_t meta_found;       /* the last index of its log when that was opened, or whole again */
    bool meta_lacked;          /* it was not whole then */
    _Atomic bool meta_current; /* alone: all that is in it is known, when this turn began */
    bool checked;              /* every log here is in the catalogue, or was set aside */
    bool recovering;           /* what is applied now is looked at when all of it is */
    struct table spaces;       /* by account */
    struct {
        struct quota_pair server; /* of all */
        bool wanted;              /* there are limits */
        bool counted;             /* there were */
        bool stale;
    } quotas; /* jetstream_quotas.c */

    /* jetstream_catalogue.c */
    struct catalogue_op *op_first, *op_last; /* not begun */
    struct catalogue_op *op_current;         /* their intents were proposed, as one batch */
    uint64_t op_joined;                      /* how many are in it */
    uint64_t op_index;
    struct catalogue_op *op_waiting;   /* for a stream's log to have the effect */
    struct timer op_timer;             /* the nearest deadline of those */
    struct catalogue_op *op_spreading; /* done, for the other nodes to know of it */
    bool spread_new;                   /* some of them since the last turn */
    struct timer spread_timer;
    uint64_t *gone; /* ids whose files are removed, to be recorded */
    size_t gone_count, gone_capacity;
    size_t gone_proposed; /* of them, in the batch at gone_index */
    uint64_t gone_index;

    bool lost;                                /* some entries are: their removal is proposed */
    struct preparation *preparations;         /* logs to be made, that no worker has yet */
    struct preparation_job *preparation_jobs; /* those at work */
    struct anew *anew;                        /* whose records are under way */
    struct timer again;                       /* some could not be made: another try */
    size_t removals;                          /* of files, under way */
    struct buf beginning;                     /* of the metadata group's log */
    int64_t time_floor_ns;                    /* highest log time found at start */
    struct api *api;
    struct jetstream_scrub scrub;
    struct jetstream_late late;
    struct jetstream_places places;
    struct {
        struct lane_making *made; /* not counted yet */
        bool under_way;
        unsigned tried; /* shards up to this one have a lane, or do without */
        bool wanted;    /* a stream had to go where much is to do already */
    } growing;          /* jetstream_grow.c */
    struct jetstream_directory directory;
    const char *unhealthy;
    _Atomic bool files_said; /* that streams have as many open as they may */
    struct jetstream_stats stats;
};

/* ---- jetstream_lanes.c ---------------------------------------------------------------------- */

/* Home alone, without a store. */
void jetstream_lanes_init(struct jetstream *jetstream);
void jetstream_lanes_deinit(struct jetstream *jetstream);
/* Opens home's store, and those of the others that there are or that are wished for: as many as
 * there ever were. Blocking. */
enum err jetstream_lanes_open(struct jetstream *jetstream, const struct store_options *options,
                              struct store_error *error);
/* One more, whose store is there and counted: while all shards stand still. */
void jetstream_lanes_add(struct jetstream *jetstream, unsigned shard, struct store *store);
/* Their groups; this node is the same in all of them. */
void jetstream_lanes_join(struct jetstream *jetstream, struct groups_options options);
/* What their logs have to sync is put off, and done. */
void jetstream_lanes_settle_later(struct jetstream *jetstream);
void jetstream_lanes_settle(struct jetstream *jetstream);
/* While streams of other shards' lanes are used; nested. Nothing when home turns all. */
void jetstream_halt(struct jetstream *jetstream);
void jetstream_go_on(struct jetstream *jetstream);
/* Where the log of that stream is, or is to be made. */
struct stream_lane *jetstream_lane(struct jetstream *jetstream, struct catalogue_entry *entry);

/* Each that the shard has; home is 0. */
void jetstream_lanes_begin(struct jetstream *jetstream, unsigned shard);
void jetstream_lanes_turn(struct jetstream *jetstream, unsigned shard);
void jetstream_lanes_end(struct jetstream *jetstream, unsigned shard);
void jetstream_lanes_flush(struct jetstream *jetstream, unsigned shard);
/* Each of them. */
void jetstream_lanes_rest(struct jetstream *jetstream);
void jetstream_lanes_drop(struct jetstream *jetstream); /* errands: the server ends */
bool jetstream_lanes_idle(const struct jetstream *jetstream);
void jetstream_lanes_node(struct jetstream *jetstream, uint64_t node, bool up);
/* A frame may hold messages for several lanes. */
void jetstream_lanes_received(struct jetstream *jetstream, uint64_t node, struct bytes frame);
/* As groups_want, of whichever lane's. */
void jetstream_lanes_want(struct jetstream *jetstream, uint64_t group);
/* What further lanes are to hear of other nodes is theirs; what they send goes to the links. */
void jetstream_lanes_pass(struct jetstream *jetstream);
void jetstream_lanes_send(struct jetstream *jetstream);

/* Opens the metadata group's replica, whose log is there, and what its catalogue says. */
enum err jetstream_meta_open(struct jetstream *jetstream);

/* jetstream_told.c: has one told anything? */
bool jetstream_told_any(const struct jetstream *jetstream);
/* What lanes have told is done, while they stand still; false: none has told anything. */
bool jetstream_told_take(struct jetstream *jetstream);

/* jetstream_streams.c: what they tell of a stream, which is open. */
/* It leads: what an interrupted change left undone is done, and the other nodes are told. */
void jetstream_stream_leads(struct jetstream *jetstream, struct catalogue_entry *entry,
                            uint64_t term);
/* Does it lead here, and take what is for its leader? A stream of home's own shard is looked at;
 * of another what home has heard counts, at any time. */
bool jetstream_leads_here(const struct catalogue_entry *entry);
/* Is what is published for it taken by the stream here, if only to keep it for the next leader? */
bool jetstream_keeps_here(const struct catalogue_entry *entry);
/* It leads no more: what comes for it here goes to the next leader. */
void jetstream_stream_follows(struct jetstream *jetstream, struct catalogue_entry *entry);
/* Its leader, as its replica here knows it, has changed. */
void jetstream_stream_leader(struct jetstream *jetstream, struct catalogue_entry *entry,
                             uint64_t node, uint64_t term);
/* The replica here is no member of its group any more: it is closed, and its files go. */
void jetstream_stream_removed(struct jetstream *jetstream, struct catalogue_entry *entry);
/* The restore of a stream that is led here is over; with an error the stream is to be removed. */
void jetstream_stream_restored(struct jetstream *jetstream, struct catalogue_entry *entry,
                               struct bytes error);

/* jetstream_lives.c: the lane opens the stream, whose log is there; jetstream_stream_opened
 * follows. Until then the entry is `preparing`. */
void jetstream_stream_open(struct jetstream *jetstream, struct catalogue_entry *entry,
                           struct account *account);
/* jetstream_streams.c: it is open, or could not be. */
void jetstream_stream_opened(struct jetstream *jetstream, struct catalogue_entry *entry,
                             enum err err);
/* The lane closes it, whose entry has none any more; the same when it is removed, with its files,
 * if it has any. */
void jetstream_stream_close(struct jetstream *jetstream, struct catalogue_entry *entry);
void jetstream_stream_close_anew(struct jetstream *jetstream, struct catalogue_entry *entry);
/* Those whose index has failed: it is made again from the log. */
void jetstream_streams_reopen(struct jetstream *jetstream);
void jetstream_stream_remove(struct jetstream *jetstream, struct catalogue_entry *entry);

/* jetstream_scrub.c */
void jetstream_scrub_begin(struct jetstream *jetstream);
void jetstream_scrub_end(struct jetstream *jetstream);

/* jetstream_directory.c: looks now and then whether the store is still where it was. */
void jetstream_directory_begin(struct jetstream *jetstream);
void jetstream_directory_end(struct jetstream *jetstream);
/* A log could not be made for want of a directory. True: it was removed, and is looked for: try
 * again in a while. */
bool jetstream_directory_missing(struct jetstream *jetstream);

/* ---- jetstream_accounts.c ------------------------------------------------------------------- */

void jetstream_spaces_init(struct jetstream *jetstream);
void jetstream_spaces_deinit(struct jetstream *jetstream);
/* One for each account that JetStream is on for and that has none. */
void jetstream_spaces_make(struct jetstream *jetstream);
/* The API for every account. */
void jetstream_spaces_serve(struct jetstream *jetstream);
/* NULL: the account has no JetStream. */
struct space *jetstream_space(const struct jetstream *jetstream, const struct account *account);
/* Who listens has changed in some: push consumers start and stop with it. */
void jetstream_spaces_look(struct jetstream *jetstream);

/* jetstream_usage.c: the tier that the stream belongs to, by replicas; and it goes to that of its
 * replicas, if the account has such a one. */
int64_t jetstream_tier(const struct catalogue_entry *entry);
void jetstream_settle_tier(struct jetstream *jetstream, struct catalogue_entry *entry);
/* jetstream_quotas.c: which limits there are, or which streams count against which, has changed.
 * Only while no other thread turns lanes. */
void jetstream_quotas_configured(struct jetstream *jetstream);
void jetstream_quotas_stale(struct jetstream *jetstream);
void jetstream_quotas_count(struct jetstream *jetstream);
/* Consumers with one replica, whatever the stream has. */
uint64_t jetstream_lone_consumers(const struct stream *stream);

/* ---- jetstream_streams.c: catalogue entries and the replicas here --------------------------- */

/* At start, when the catalogue is known: opens what is here, or has it opened later. Blocking. */
void jetstream_entries_open(struct jetstream *jetstream);
/* Opens the replica here, if its log is here or is to be. Blocking. */
void jetstream_entry_open(struct jetstream *jetstream, struct catalogue_entry *entry);
/* What came of it where its lane has opened it. */
void jetstream_entry_opened(struct jetstream *jetstream, struct catalogue_entry *entry,
                            struct stream *stream, enum err err);
/* The log of one that is to be here and has none: on its lane's thread, blocking. */
enum err jetstream_entry_make_log(struct jetstream *jetstream, struct catalogue_entry *entry);
/* store_settle: that stream stays closed in this life. */
void jetstream_entry_unsettled(void *context, uint64_t id, enum err err);
/* A committed record has changed this entry: open, configure or remove. */
void jetstream_entry_changed(struct jetstream *jetstream, struct catalogue_entry *entry);
/* Its replica, which is open, gets what it is to be lent, if it is. */
void jetstream_entry_lend(struct catalogue_entry *entry);
/* Its group needs a vote from here: its log is made anew, wished here or not. */
void jetstream_entry_needed(struct jetstream *jetstream, struct catalogue_entry *entry);
/* The end of the catalogue is known: logs that should be here and are not are made. */
void jetstream_entries_make(struct jetstream *jetstream);
/* Replicas that are no members of their groups any more go. */
void jetstream_entries_leave(struct jetstream *jetstream);
void jetstream_entries_close(struct jetstream *jetstream);
void jetstream_entries_again(struct timer *timer);

/* jetstream_files.c: are there descriptors for its files? On its lane's thread. */
bool jetstream_files_suffice(struct jetstream *jetstream, struct catalogue_entry *entry);

/* jetstream_health.c: why one is offline. */
const char *jetstream_offline_text(enum err err);

/* It is in the catalogue no more, and will be freed. Its files stay. */
void jetstream_entry_gone(struct jetstream *jetstream, struct catalogue_entry *entry);

/* ---- jetstream_grow.c: lanes that are made while the server runs ---------------------------- */

/* What a shard has made is counted and linked; in home's turn, before anything else. */
void jetstream_grow_turn(struct jetstream *jetstream);
/* The server ends. */
void jetstream_grow_drop(struct jetstream *jetstream);
/* Of a server that stands alone. */
struct stream_lane *jetstream_lane_for_new(struct jetstream *jetstream);

/* ---- jetstream_late.c: streams that are opened after the start ------------------------------ */

void jetstream_late_init(struct jetstream *jetstream);
/* May streams be opened later? */
bool jetstream_late_may(const struct jetstream *jetstream);
void jetstream_late_add(struct jetstream *jetstream, struct catalogue_entry *entry);
/* Accounts may have JetStream now that had none when the server started: their streams are opened
 * as at a start. Of a member of a cluster they stay closed until the next one. */
void jetstream_late_admit(struct jetstream *jetstream);
/* At once, if it is not open yet, while its lane stands still; blocking, and not from inside a
 * publish. */
void jetstream_late_open(struct jetstream *jetstream, struct catalogue_entry *entry);
/* At once, too; and if that is not possible it will not be opened any more: it is removed. */
void jetstream_late_forget(struct jetstream *jetstream, struct catalogue_entry *entry);
/* Some of those of the shard's lanes, on its thread. */
void jetstream_late_turn(struct jetstream *jetstream, unsigned shard);
/* Did anybody ask for one that is not open? While lanes stand still. */
bool jetstream_late_waits(const struct jetstream *jetstream);
/* The server ends: they stay as they are. */
void jetstream_late_drop(struct jetstream *jetstream);

/* jetstream_late_lane.c: those of one lane, on its thread. */
void late_lane_init(struct late_lane *of, struct stream_lane *lane);
void late_lane_turn(struct late_lane *of);
bool late_lane_waits(const struct late_lane *of);
void late_lane_drop(struct late_lane *of);

/* ---- jetstream_prepare.c: new logs, on workers ---------------------------------------------- */

/* jetstream_beginning.c: what the log of an entry begins with: content of index 1, and of index 2
 * (or empty). */
struct jetstream_beginning {
    struct buf members, config;
};

void jetstream_beginning(const struct jetstream *jetstream, const struct catalogue_entry *entry,
                         struct jetstream_beginning *out);
void jetstream_beginning_deinit(struct jetstream_beginning *beginning);

/* Makes the log of that assignment; then jetstream_prepared. Takes what is in `beginning`. */
void jetstream_prepare(struct stream_lane *lane, const struct catalogue_assignment *assigned,
                       bool memory, struct jetstream_beginning *beginning);
/* Nobody is told of those that are under way. */
void jetstream_prepare_leave(struct jetstream *jetstream);
/* jetstream_anew.c: as jetstream_prepare, for a member of the group's beginning that may have given
 * its log up: first it is on the disk that the new one is none to decide by. */
void jetstream_prepare_anew(struct jetstream *jetstream, struct catalogue_entry *entry);
void jetstream_anew_free(struct jetstream *jetstream);
/* jetstream_streams.c: begins to make the log of an entry. */
void jetstream_begin_log(struct jetstream *jetstream, struct catalogue_entry *entry);
/* jetstream_streams.c: it is there (ERR_EXISTS: it was), or could not be made. */
void jetstream_prepared(struct jetstream *jetstream, uint64_t id, enum err err);

/* ---- jetstream_leave.c: servers that are removed from the cluster ---------------------------- */

/* The catalogue says so of one more. */
void jetstream_expelled(struct jetstream *jetstream);

/* ---- jetstream_meta.c: state blocks of the metadata group: events of its replica ------------ */

/* What index 1 of its log is. */
void jetstream_meta_began(struct jetstream *jetstream, struct bytes content);
void jetstream_meta_capture(void *owner, struct bytes head);
void jetstream_meta_blocked(void *owner, enum err err);
enum err jetstream_meta_restore(void *owner, const struct replica_block *block);
enum err jetstream_meta_fill(void *owner, const struct replica_block *block);
void jetstream_meta_forget(void *owner);
void jetstream_meta_taken(void *owner);
void jetstream_meta_told(void *owner, struct bytes answer, uint64_t applied);
void jetstream_meta_asked(void *owner, struct raft_member by, uint64_t index,
                          struct bytes question);

/* ---- jetstream_catalogue.c: changes of the catalogue ---------------------------------------- */

/* jetstream_joins.c: may that operation be proposed together with those, before they are applied?
 * Then what they do does not matter to it. */
bool jetstream_joins(const struct jetstream *jetstream, const struct catalogue_op *batch,
                     const struct catalogue_op *op);

void jetstream_catalogue_turn(struct jetstream *jetstream);
/* Nothing is under way, and something may be proposed: only where it leads. */
bool jetstream_catalogue_quiet(const struct jetstream *jetstream);
bool jetstream_catalogue_waits(const struct jetstream *jetstream);
/* Is anything under way, or to be proposed? */
bool jetstream_catalogue_busy(const struct jetstream *jetstream);
void jetstream_catalogue_applied(struct jetstream *jetstream, uint64_t index);
void jetstream_catalogue_refused(struct jetstream *jetstream, enum err err);
/* Leadership of the metadata group is gone, or the server ends: what waits is told so. */
void jetstream_catalogue_drop(struct jetstream *jetstream);
void jetstream_catalogue_free(struct jetstream *jetstream);
void jetstream_catalogue_op_due(struct timer *timer);

/* ---- jetstream_spread.c: what is answered is known everywhere ------------------------------- */

/* Takes over an operation that is done: its owner is told when all nodes that are up have applied
 * what the metadata group has committed until now, so that whoever hears the answer finds the
 * stream through any of them; or a little later, when some take their time. */
void jetstream_spread(struct jetstream *jetstream, struct catalogue_op *op);
void jetstream_spread_turn(struct jetstream *jetstream);
/* Whoever waits is told now. */
void jetstream_spread_drop(struct jetstream *jetstream);
void jetstream_spread_fired(struct timer *timer);

/* A stream's log has this version of its config, or its leader refused it with that error. */
void jetstream_configured(struct jetstream *jetstream, struct catalogue_entry *entry,
                          uint64_t version, uint16_t error, const char *text);
/* Somebody leads the stream. */
void jetstream_entry_led(struct jetstream *jetstream, struct catalogue_entry *entry);
/* The files of a removed stream are no more on this node. */
void jetstream_files_gone(struct jetstream *jetstream, uint64_t id);
/* They are gone everywhere: let the catalogue forget the stream. */
void jetstream_forget(struct jetstream *jetstream, uint64_t id);

/* jetstream_banner.c: into the log, where the data is and what may be stored. */
void jetstream_say_started(const struct jetstream *jetstream);

#endif

/*
 * jetstream_scrub: the background check of all streams here, one after the other, at the rate that
 * is configured. A pass that is over rests until an hour after its beginning; one that has found no
 * stream begins again soon.
 */
#include "base/owner.h"
#include "server/jetstream/jetstream_priv.h"

#define TICK_NS  INT64_C(100000000)
#define FIRST_NS INT64_C(2000000000) /* a server that starts has other things to do */
#define PASS_NS  INT64_C(3600000000000)

static void arm(struct jetstream_scrub *scrub, int64_t after_ns)
{
    struct io *io = server_io(scrub->jetstream->server);

    timers_arm(io_timers(io), &scrub->timer, io_now(io) + after_ns);
}

/* The next stream by its id; NULL: the pass is over. */
static struct catalogue_entry *next_entry(const struct jetstream_scrub *scrub, uint64_t from)
{
    struct catalogue_entry *found = NULL;

    for (struct catalogue_entry *entry = scrub->jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL && entry->assigned.id >= from &&
            (found == NULL || entry->assigned.id < found->assigned.id))
            found = entry;
    }
    return found;
}

/* What was looked at is paid for with time. */
static void stepped(void *of, struct stream *stream, const struct told *told)
{
    struct jetstream_scrub *scrub = of;
    uint64_t bytes = scrub->looked;
    bool end = scrub->at_end;
    int64_t pause_ns = (int64_t)((double)bytes / (double)scrub->rate * 1e9);

    (void)stream;
    (void)told;
    scrub->bytes += bytes;
    if (end) {
        scrub->id++;
        scrub->step->sequence = 1;
    }
    arm(scrub, pause_ns > TICK_NS / 100 ? pause_ns : TICK_NS / 100);
}

/* On the lane of the stream. */
static void step_done(void *owner, uint64_t bytes, bool end)
{
    struct jetstream_scrub *scrub = owner;

    scrub->looked = bytes;
    scrub->at_end = end;
    stream_lane_end_errand(scrub->errand.lane, scrub->id, stepped, scrub);
}

static void step(struct lane_errand *errand, bool drop)
{
    struct jetstream_scrub *scrub = owner_of(errand, struct jetstream_scrub, errand);

    if (!drop)
        scrub_step(scrub->step, scrub->stream);
}

static void fired(struct timer *timer)
{
    struct jetstream_scrub *scrub = owner_of(timer, struct jetstream_scrub, timer);
    struct catalogue_entry *entry = next_entry(scrub, scrub->id);
    int64_t now_ns = io_now(server_io(scrub->jetstream->server));

    if (entry == NULL && scrub->id == 0) { /* streams may come to be here any time now */
        scrub->began_ns = now_ns + FIRST_NS;
        arm(scrub, FIRST_NS);
        return;
    }
    if (entry == NULL) {
        int64_t rest_ns = scrub->began_ns + PASS_NS - now_ns;

        scrub->passes++;
        scrub->id = 0;
        scrub->began_ns = now_ns + (rest_ns > 0 ? rest_ns : 0);
        arm(scrub, rest_ns > 0 ? rest_ns : TICK_NS);
        return;
    }
    if (entry->assigned.id != scrub->id) {
        scrub->id = entry->assigned.id;
        scrub->step->sequence = 1;
    }
    scrub->stream = entry->stream; /* if it is closed, then behind this errand */
    scrub->errand.run = step;
    jetstream_halt(scrub->jetstream);
    stream_lane_send(stream_lane_of(entry->stream), &scrub->errand);
    jetstream_go_on(scrub->jetstream);
}

void jetstream_scrub_begin(struct jetstream *jetstream)
{
    struct jetstream_scrub *scrub = &jetstream->scrub;
    int64_t rate = server_options(jetstream->server)->jetstream_options.scrub_rate;

    scrub->jetstream = jetstream;
    scrub->timer.fire = fired;
    scrub->step = scrub_create(step_done, scrub);
    scrub->rate = rate < 0 ? SCRUB_RATE_DEFAULT : (uint64_t)rate;
    scrub->began_ns = io_now(server_io(jetstream->server)) + FIRST_NS;
    if (scrub->rate > 0)
        arm(scrub, FIRST_NS);
}

void jetstream_scrub_end(struct jetstream *jetstream)
{
    struct jetstream_scrub *scrub = &jetstream->scrub;

    timers_cancel(io_timers(server_io(jetstream->server)), &scrub->timer);
    if (scrub->step != NULL)
        scrub_destroy(scrub->step);
    scrub->step = NULL;
}

struct jetstream_scrubbed jetstream_scrubbed(const struct jetstream *jetstream)
{
    const struct jetstream_scrub *scrub = &jetstream->scrub;

    return (struct jetstream_scrubbed){scrub->bytes, scrub->step->damaged, scrub->passes};
}

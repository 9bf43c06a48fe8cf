/*
 * jetstream_prepare: the logs of new streams are made on workers, many of those that wait at a
 * time: they share their syncs.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/server.h"

#define JOBS_MAX 2u  /* as many as there are workers */
#define JOB_MAX  32u /* logs: the first one waits for the last one */

struct preparation {
    struct stream_lane *lane;
    struct log_preparing log;
    bool memory;
    struct jetstream_beginning beginning;
    struct preparation *next;
};

struct preparation_job {
    struct io_work work;
    struct jetstream *jetstream; /* NULL: closed meanwhile */
    struct store *store;
    struct preparation *first;
    struct preparation_job *next;
};

static void begin_jobs(struct jetstream *jetstream);

static void run(struct io_work *work, struct io *io)
{
    struct preparation_job *job = owner_of(work, struct preparation_job, work);
    struct log_preparing *logs[JOB_MAX];
    size_t count = 0;

    (void)io;
    for (struct preparation *at = job->first; at != NULL; at = at->next) {
        if (!at->memory) /* made when it is back: a worker has no part in that */
            logs[count++] = &at->log;
    }
    log_prepare_all(job->store, logs, count);
}

static void end(struct jetstream *jetstream, struct preparation *preparation)
{
    uint64_t id = preparation->log.id;
    enum err err = preparation->log.err;

    if (jetstream != NULL && preparation->memory)
        err = log_make_memory(preparation->lane->store, id, preparation->log.incarnation,
                              preparation->log.bootstrap);
    jetstream_beginning_deinit(&preparation->beginning);
    heap_give(preparation);
    if (jetstream != NULL)
        jetstream_prepared(jetstream, id, err);
}

static void end_all(struct jetstream *jetstream, struct preparation *list)
{
    while (list != NULL) {
        struct preparation *preparation = list;

        list = preparation->next;
        end(jetstream, preparation);
    }
}

static void done(struct io_work *work)
{
    struct preparation_job *job = owner_of(work, struct preparation_job, work);
    struct jetstream *jetstream = job->jetstream;
    struct preparation *list = job->first;

    if (jetstream != NULL) {
        struct preparation_job **at = &jetstream->preparation_jobs;

        while (*at != job)
            at = &(*at)->next;
        *at = job->next;
    }
    heap_give(job);
    if (jetstream != NULL)
        jetstream_halt(jetstream);
    end_all(jetstream, list);
    if (jetstream == NULL)
        return;
    jetstream_go_on(jetstream);
    begin_jobs(jetstream);
}

static unsigned jobs(const struct jetstream *jetstream)
{
    unsigned count = 0;

    for (const struct preparation_job *at = jetstream->preparation_jobs; at != NULL; at = at->next)
        count++;
    return count;
}

static void begin_job(struct jetstream *jetstream)
{
    struct preparation_job *job = HEAP_NEW(struct preparation_job);
    struct preparation **end = &jetstream->preparations;

    job->work = (struct io_work){.run = run, .done = done};
    job->jetstream = jetstream;
    job->store = jetstream->preparations->lane->store;
    job->first = jetstream->preparations;
    for (unsigned i = 0; i < JOB_MAX && *end != NULL && (*end)->lane == job->first->lane; i++)
        end = &(*end)->next;
    jetstream->preparations = *end;
    *end = NULL;
    job->next = jetstream->preparation_jobs;
    jetstream->preparation_jobs = job;
    io_work(server_io(jetstream->server), &job->work);
}

static void begin_jobs(struct jetstream *jetstream)
{
    while (jetstream->preparations != NULL && jobs(jetstream) < JOBS_MAX)
        begin_job(jetstream);
}

void jetstream_prepare(struct stream_lane *lane, const struct catalogue_assignment *assigned,
                       bool memory, struct jetstream_beginning *beginning)
{
    struct jetstream *jetstream = lane->jetstream;
    struct preparation *preparation = HEAP_NEW(struct preparation);
    struct preparation **last = &jetstream->preparations;

    preparation->lane = lane;
    preparation->memory = memory;
    preparation->beginning = *beginning;
    preparation->log.id = assigned->id;
    preparation->log.bootstrap = buf_bytes(&preparation->beginning.members);
    preparation->log.second = buf_bytes(&preparation->beginning.config);
    memcpy(preparation->log.incarnation, assigned->incarnation,
           sizeof preparation->log.incarnation);
    while (*last != NULL)
        last = &(*last)->next;
    *last = preparation;
    begin_jobs(jetstream);
}

void jetstream_prepare_leave(struct jetstream *jetstream)
{
    for (struct preparation_job *at = jetstream->preparation_jobs; at != NULL; at = at->next)
        at->jetstream = NULL;
    jetstream->preparation_jobs = NULL;
    end_all(NULL, jetstream->preparations);
    jetstream->preparations = NULL;
}

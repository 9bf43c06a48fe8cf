/* jetstream_catalogue: changes of the catalogue, one at a time: intent in the metadata group, then the
 * effect in the stream's log. */
#include <stdio.h>

#include "base/heap.h"
#include "server/jetstream_priv.h"

enum catalogue_step { STEP_INTENT, STEP_LOG, STEP_LEAD, STEP_CONFIG };

/* A log being made on a worker. */
struct preparation {
    struct io_work work;
    struct jetstream *jetstream; /* NULL: closed meanwhile */
    struct store *store;
    uint64_t id;
    uint8_t incarnation[16];
    enum err err;
};

/* Files being removed. */
struct removal {
    struct jetstream *jetstream;
    uint64_t id;
};

void jetstream_catalogue(struct jetstream *jetstream, struct catalogue_op *op)
{
    op->next = NULL;
    op->error = 0;
    op->error_text[0] = 0;
    op->created = false;
    op->step = STEP_INTENT;
    if (jetstream->op_last != NULL)
        jetstream->op_last->next = op;
    else
        jetstream->op_first = op;
    jetstream->op_last = op;
    jetstream_awake(jetstream);
}

static void finish(struct jetstream *jetstream, struct stream *stream)
{
    struct catalogue_op *op = jetstream->op_current;

    jetstream->op_current = NULL;
    jetstream->op_index = 0;
    jetstream_awake(jetstream);
    op->done(op, op->error == 0 ? stream : NULL);
}

static void fail(struct jetstream *jetstream, uint16_t error, enum err err)
{
    struct catalogue_op *op = jetstream->op_current;

    op->error = error;
    snprintf(op->error_text, sizeof op->error_text, "%s", err_text(err));
    finish(jetstream, NULL);
}

/* ---- the effect in the stream's log ------------------------------------------------------------------- */

static void configured(struct stream_op *stream_op, struct stream *stream)
{
    struct catalogue_op *op =
        (struct catalogue_op *)((uint8_t *)stream_op - offsetof(struct catalogue_op, stream_op));
    struct jetstream *jetstream = op->jetstream;

    op->error = stream_op->error;
    memcpy(op->error_text, stream_op->error_text, sizeof op->error_text);
    op->created = op->kind == CATALOGUE_CREATE && op->error == 0;
    finish(jetstream, stream);
}

static void configure(struct jetstream *jetstream, struct stream *stream, int64_t created_ns)
{
    struct catalogue_op *op = jetstream->op_current;

    op->step = STEP_CONFIG;
    op->stream_op = (struct stream_op){
        .kind = STREAM_OP_CONFIGURE,
        .json = op->json,
        .created_ns = created_ns,
        .done = configured,
    };
    stream_submit(stream, &op->stream_op);
}

/* The interrupted half of an earlier change: the stream's log says less than the catalogue. */
struct completion {
    struct stream_op op;
};

static void completed(struct stream_op *op, struct stream *stream)
{
    (void)stream; /* refused by the disk: the next start, or the next update, does it */
    heap_give((void *)op->json.at);
    heap_give((uint8_t *)op - offsetof(struct completion, op));
}

static bool differs(struct jetstream *jetstream, struct stream *stream, struct bytes json)
{
    struct stream_config intent = {0};
    bool equal;

    if (!stream_applied(stream)->configured)
        return true;
    if (stream_config_decode(json, &jetstream->arena, &intent) != OK)
        return false;
    equal = schema_equal(&stream_config_schema, &intent, stream_config(stream));
    return !equal;
}

void jetstream_stream_lead(struct jetstream *jetstream, struct stream *stream)
{
    struct catalogue_op *op = jetstream->op_current;
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, stream_id(stream));
    struct completion *completion;

    assert(entry != NULL); /* no stream is opened without one */
    if (op != NULL && op->step == STEP_LEAD && op->stream_id == stream_id(stream)) {
        configure(jetstream, stream, entry->created_ns);
        return;
    }
    if (!differs(jetstream, stream, entry->json))
        return;
    completion = HEAP_NEW(struct completion);
    completion->op = (struct stream_op){
        .kind = STREAM_OP_CONFIGURE,
        .json = heap_copy(entry->json),
        .created_ns = entry->created_ns,
        .done = completed,
    };
    stream_submit(stream, &completion->op);
}

/* ---- a new stream's log ---------------------------------------------------------------------------------- */

static void prepare_run(struct io_work *work, struct io *io)
{
    struct preparation *preparation = (struct preparation *)((uint8_t *)work - offsetof(struct preparation, work));

    (void)io;
    preparation->err = log_prepare(preparation->store, preparation->id, preparation->incarnation);
}

static void prepare_done(struct io_work *work)
{
    struct preparation *preparation = (struct preparation *)((uint8_t *)work - offsetof(struct preparation, work));
    struct jetstream *jetstream = preparation->jetstream;
    uint64_t id = preparation->id;
    enum err err = preparation->err;
    struct stream *stream;

    heap_give(preparation);
    if (jetstream == NULL)
        return;
    jetstream->preparation = NULL;
    if (err == OK) {
        jetstream->op_current->step = STEP_LEAD;
        stream = jetstream_stream_open(jetstream, jetstream->op_current->account, id,
                                       jetstream->op_current->name, &err);
        if (stream != NULL)
            return; /* goes on in jetstream_stream_lead */
    }
    /* The intent stands; what was half made is finished or reported at the next start. */
    fail(jetstream, 10049, err);
}

static void prepare(struct jetstream *jetstream, uint64_t id)
{
    struct preparation *preparation = HEAP_NEW(struct preparation);
    struct io *io = server_io(jetstream->server);

    preparation->work = (struct io_work){.run = prepare_run, .done = prepare_done};
    preparation->jetstream = jetstream;
    preparation->store = jetstream->store;
    preparation->id = id;
    io_random(io, preparation->incarnation, sizeof preparation->incarnation);
    jetstream->preparation = preparation;
    jetstream->op_current->step = STEP_LOG;
    io_work(io, &preparation->work);
}

/* ---- removal ---------------------------------------------------------------------------------------------- */

static void removed(void *context, enum err err)
{
    struct removal *removal = context;
    struct jetstream *jetstream = removal->jetstream;

    if (err != OK) { /* the committed removal is tried again at the next start */
        logger_warn(server_logger(jetstream->server), "Files of removed stream %llu are still there: %s",
                    (unsigned long long)removal->id, err_text(err));
    } else {
        if (jetstream->gone_count == jetstream->gone_capacity) {
            jetstream->gone_capacity = jetstream->gone_capacity == 0 ? 8 : jetstream->gone_capacity * 2;
            jetstream->gone = heap_resize(jetstream->gone, jetstream->gone_capacity * sizeof *jetstream->gone);
        }
        jetstream->gone[jetstream->gone_count++] = removal->id;
        jetstream_awake(jetstream);
    }
    jetstream->removals--;
    heap_give(removal);
}

void jetstream_remove_files(struct jetstream *jetstream, uint64_t id)
{
    struct removal *removal = HEAP_NEW(struct removal);

    removal->jetstream = jetstream;
    removal->id = id;
    jetstream->removals++;
    store_remove(jetstream->store, id, removed, removal);
}

/* ---- the intent ---------------------------------------------------------------------------------------------- */

static bool write_intent(struct jetstream *jetstream, struct catalogue_op *op)
{
    struct buf *out = replica_gather(jetstream->meta);
    struct stream *stream;
    struct catalogue_entry *entry;

    if (op->kind == CATALOGUE_CREATE) {
        op->stream_id = jetstream->catalogue.id_next;
        return catalogue_write_assign(out, op->stream_id, jetstream_log_now(jetstream),
                                      account_name(op->account), op->json);
    }
    stream = jetstream_stream(jetstream, op->account, op->name);
    assert(stream != NULL); /* `check` refuses what is not there */
    op->stream_id = stream_id(stream);
    if (op->kind == CATALOGUE_DELETE)
        return catalogue_write_remove(out, op->stream_id);
    entry = catalogue_find(&jetstream->catalogue, op->stream_id);
    return catalogue_write_update(out, op->stream_id, entry->version + 1, op->json);
}

/* A stream that could not be opened still is one: nothing may take its name. */
static bool is_offline(const struct jetstream *jetstream, const struct catalogue_op *op)
{
    for (const struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL; entry = entry->next) {
        if (entry->offline.size > 0 && !entry->removed && bytes_equal(entry->offline, op->name) &&
            bytes_equal(entry->account, account_name(op->account)))
            return true;
    }
    return false;
}

static void refuse_offline(struct jetstream *jetstream, struct catalogue_op *op)
{
    op->error = 10194;
    snprintf(op->error_text, sizeof op->error_text,
             "stream is offline: its log could not be opened when the server started");
    finish(jetstream, NULL);
}

static void start(struct jetstream *jetstream, struct catalogue_op *op)
{
    bool satisfied = false;

    op->jetstream = jetstream;
    jetstream->op_current = op;
    if (is_offline(jetstream, op)) {
        refuse_offline(jetstream, op);
        return;
    }
    op->error = op->check != NULL ? op->check(op, &satisfied) : 0;
    if (op->error != 0 || satisfied) {
        finish(jetstream, jetstream_stream(jetstream, op->account, op->name));
        return;
    }
    if (!write_intent(jetstream, op)) {
        fail(jetstream, 10049, ERR_FULL);
        return;
    }
    jetstream->op_index = replica_propose(jetstream->meta, jetstream_log_now(jetstream), 1);
}

static void propose_gone(struct jetstream *jetstream)
{
    struct buf *out = replica_gather(jetstream->meta);
    size_t count = 0;

    while (count < jetstream->gone_count && count < 1000 && catalogue_write_gone(out, jetstream->gone[count]))
        count++;
    jetstream->gone_proposed = count;
    jetstream->gone_index = replica_propose(jetstream->meta, jetstream_log_now(jetstream), (uint32_t)count);
}

static bool quiet(const struct jetstream *jetstream)
{
    return jetstream->lead && replica_ready(jetstream->meta) &&
           replica_applied(jetstream->meta) == replica_proposed(jetstream->meta);
}

void jetstream_catalogue_turn(struct jetstream *jetstream)
{
    while (jetstream->op_current == NULL && jetstream->op_first != NULL && quiet(jetstream)) {
        struct catalogue_op *op = jetstream->op_first;

        jetstream->op_first = op->next;
        if (jetstream->op_first == NULL)
            jetstream->op_last = NULL;
        start(jetstream, op);
    }
    if (jetstream->gone_count > 0 && jetstream->gone_index == 0 && quiet(jetstream))
        propose_gone(jetstream);
}

bool jetstream_catalogue_waits(const struct jetstream *jetstream)
{
    return jetstream->op_current == NULL && jetstream->op_first != NULL && quiet(jetstream);
}

static void gone_applied(struct jetstream *jetstream)
{
    jetstream->gone_count -= jetstream->gone_proposed;
    memmove(jetstream->gone, jetstream->gone + jetstream->gone_proposed,
            jetstream->gone_count * sizeof *jetstream->gone);
    jetstream->gone_index = 0;
    jetstream->gone_proposed = 0;
}

void jetstream_catalogue_applied(struct jetstream *jetstream, uint64_t index)
{
    struct catalogue_op *op = jetstream->op_current;
    struct stream *stream;

    if (jetstream->gone_index != 0 && jetstream->gone_index == index)
        gone_applied(jetstream);
    if (op == NULL || jetstream->op_index != index)
        return;
    jetstream->op_index = 0;
    stream = jetstream_stream(jetstream, op->account, op->name);
    switch (op->kind) {
    case CATALOGUE_CREATE: prepare(jetstream, op->stream_id); break;
    case CATALOGUE_UPDATE: configure(jetstream, stream, stream_applied(stream)->created_ns); break;
    case CATALOGUE_DELETE:
        jetstream_stream_close(jetstream, stream, true);
        jetstream_remove_files(jetstream, op->stream_id);
        finish(jetstream, NULL);
        break;
    }
    jetstream_awake(jetstream);
}

void jetstream_catalogue_refused(struct jetstream *jetstream, enum err err)
{
    if (jetstream->gone_index != 0) {
        jetstream->gone_index = 0;
        jetstream->gone_proposed = 0;
    }
    if (jetstream->op_current != NULL && jetstream->op_index != 0)
        fail(jetstream, 10049, err);
}

/* The server is closing: nobody is answered any more, but owners get their memory back. */
void jetstream_catalogue_drop(struct jetstream *jetstream)
{
    struct catalogue_op *op = jetstream->op_current;

    if (jetstream->preparation != NULL)
        jetstream->preparation->jetstream = NULL;
    if (op != NULL && op->step == STEP_CONFIG)
        op = NULL; /* its stream_op is dropped with the stream, which ends it */
    else
        jetstream->op_current = NULL;
    while (op != NULL || jetstream->op_first != NULL) {
        if (op == NULL) {
            op = jetstream->op_first;
            jetstream->op_first = op->next;
        }
        op->error = 10059;
        op->done(op, NULL);
        op = NULL;
    }
    jetstream->op_last = NULL;
    heap_give(jetstream->gone);
    jetstream->gone = NULL;
    jetstream->gone_count = jetstream->gone_capacity = 0;
}

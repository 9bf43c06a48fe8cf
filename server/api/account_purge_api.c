/* account_purge_api: ACCOUNT.PURGE (reference streams 1.9): all streams of an account go, with what
 * they hold, whether or not the account is still there. */
#include "server/api/advisory.h"
#include "server/api/api_priv.h"
#include "server/router/router.h"

/* The streams that there were when it was asked for. */
struct account_purge {
    struct bytes account;
    uint64_t *ids;
    size_t count, next;
};

static void answer(struct api_request *request)
{
    struct json_writer *writer = api_answer_begin(request);

    JSON_KEY(writer, "initiated");
    json_bool(writer, true);
    api_answer(request);
}

/* Who still has the account is told. */
static void tell(struct api_request *request, struct bytes stream)
{
    const struct account_purge *purge = request->parsed;
    struct jetstream *jetstream = api_jetstream(request);
    struct account *account =
        router_account(server_router(jetstream_server(jetstream)), purge->account);
    struct buf subject, body;

    if (account == NULL || stream.size == 0)
        return;
    buf_init(&subject, ADVISORY_SUBJECT_MAX);
    buf_init(&body, ADVISORY_BODY_MAX);
    if (advisory_of_action(jetstream_home(jetstream), stream, bytes_of(NULL, 0), "delete", &subject,
                           &body))
        jetstream_answer(jetstream, account, buf_bytes(&subject), bytes_of(NULL, 0),
                         buf_bytes(&body));
    buf_deinit(&subject);
    buf_deinit(&body);
}

static void purge_next(struct api_request *request);

/* Somebody else may have deleted it first. */
static uint16_t purge_check(struct catalogue_op *op, bool *satisfied)
{
    struct api_request *request = op->owner;
    const struct catalogue_entry *entry = jetstream_entry_of(api_jetstream(request), op->id);

    (void)satisfied;
    if (entry == NULL)
        return 10059;
    if (entry->readable)
        op->name = arena_copy(&request->arena, entry->config.name);
    return 0;
}

static void removed(struct catalogue_op *op, struct catalogue_entry *entry)
{
    struct api_request *request = op->owner;

    (void)entry;
    if (op->error != 0 && op->error != 10059) {
        api_refuse(request, op->error, op->error_text[0] != 0 ? op->error_text : NULL);
        return;
    }
    if (op->error == 0)
        tell(request, op->name);
    purge_next(request);
}

static void purge_next(struct api_request *request)
{
    struct account_purge *purge = request->parsed;

    if (purge->next == purge->count) {
        answer(request);
        return;
    }
    request->catalogue_op = (struct catalogue_op){
        .kind = CATALOGUE_DELETE,
        .id = purge->ids[purge->next++],
        .check = purge_check,
        .done = removed,
        .owner = request,
    };
    jetstream_catalogue(api_jetstream(request), &request->catalogue_op);
}

static bool is_path(struct bytes name)
{
    return bytes_find(name, '/') < name.size || bytes_find(name, '\\') < name.size;
}

/* The system account's alone: anybody else hears nothing, as from the reference. */
static void run_purge(struct api_request *request)
{
    struct account_purge *purge = ARENA_NEW(&request->arena, struct account_purge);
    struct server *server = jetstream_server(api_jetstream(request));

    if (!account_is_system(request->account)) {
        api_request_free(request);
        return;
    }
    *purge = (struct account_purge){.account = api_token(request, 2)};
    request->parsed = purge;
    if (is_path(purge->account)) {
        api_refuse(request, 10051, "account name can not contain path separators");
        return;
    }
    purge->ids =
        jetstream_entry_ids(api_jetstream(request), purge->account, &request->arena, &purge->count);
    if (purge->ids == NULL) {
        api_refuse(request, 10023, NULL);
        return;
    }
    logger_info(server_logger(server), "Purge request for account %.*s (streams: %zu)",
                BYTES_ARG(purge->account), purge->count);
    purge_next(request);
}

const struct api_endpoint api_account_purge_endpoints[] = {
    {"ACCOUNT.PURGE.*", "account_purge_response", run_purge, NULL},
    {NULL, NULL, NULL, NULL},
};

#include "tests/sim/worlds.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ULL(x) ((unsigned long long)(x))

[[gnu::format(printf, 2, 3)]] static void violate(struct worlds *worlds, const char *format, ...)
{
    va_list arguments;

    if (worlds->violation[0] != 0 || worlds->given_up)
        return; /* the first one tells most */
    va_start(arguments, format);
    vsnprintf(worlds->violation, sizeof worlds->violation, format, arguments);
    va_end(arguments);
}

/* ---- lists of worlds ------------------------------------------------------------------------- */

static void list_clear(struct worlds_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        spec_deinit(&list->at[i].spec);
    list->count = 0;
}

static void list_free(struct worlds_list *list)
{
    list_clear(list);
    free(list->at);
    *list = (struct worlds_list){0};
}

static bool world_equal(const struct world *a, const struct world *b)
{
    return a->operated == b->operated && a->removed == b->removed && spec_equal(&a->spec, &b->spec);
}

/* Takes the world over; of equal ones one is kept. */
static void list_take(struct worlds_list *list, struct world *world)
{
    for (size_t i = 0; i < list->count; i++) {
        if (world_equal(&list->at[i], world)) {
            spec_deinit(&world->spec);
            return;
        }
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->at = realloc(list->at, list->capacity * sizeof *list->at);
        assert(list->at != NULL);
    }
    list->at[list->count++] = *world;
}

static struct world world_copy(const struct world *from)
{
    struct world to = *from;

    spec_copy(&from->spec, &to.spec);
    return to;
}

static void list_add(struct worlds_list *list, const struct world *world)
{
    struct world copy = world_copy(world);

    list_take(list, &copy);
}

static void list_add_all(struct worlds_list *list, const struct worlds_list *more)
{
    for (size_t i = 0; i < more->count; i++)
        list_add(list, &more->at[i]);
}

static void list_drop(struct worlds_list *list, size_t place)
{
    spec_deinit(&list->at[place].spec);
    list->at[place] = list->at[--list->count];
}

/* In every world where the operation has not happened yet it may happen now. */
static void list_operate(struct worlds_list *list, const struct spec_op *op)
{
    size_t count = list->count;

    for (size_t i = 0; i < count; i++) {
        struct world world;

        if (list->at[i].operated)
            continue;
        world = world_copy(&list->at[i]);
        world.operated = true;
        world.removed = spec_operate(&world.spec, op);
        list_take(list, &world);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void worlds_init(struct worlds *worlds, const struct spec_config *config)
{
    struct world first = {0};

    *worlds = (struct worlds){0};
    spec_init(&first.spec, config);
    list_take(&worlds->possible, &first);
}

void worlds_deinit(struct worlds *worlds)
{
    list_free(&worlds->possible);
    list_free(&worlds->ghosts);
    free(worlds->waiting);
}

static void give_up_if_too_many(struct worlds *worlds)
{
    if (worlds->possible.count + worlds->ghosts.count <= WORLDS_MAX)
        return;
    list_clear(&worlds->possible);
    list_clear(&worlds->ghosts);
    worlds->given_up = true;
}

/* ---- publishes ------------------------------------------------------------------------------- */

static struct worlds_publish *waiting_at(const struct worlds *worlds, size_t i)
{
    return &worlds->waiting[worlds->waiting_head + i];
}

static size_t waiting(const struct worlds *worlds)
{
    return worlds->waiting_count - worlds->waiting_head;
}

void worlds_sent(struct worlds *worlds, const struct spec_publish *publish)
{
    assert(publish->id > worlds->sent_last);
    if (worlds->waiting_head == worlds->waiting_count)
        worlds->waiting_head = worlds->waiting_count = 0;
    if (worlds->waiting_count == worlds->waiting_capacity) {
        worlds->waiting_capacity =
            worlds->waiting_capacity == 0 ? 64 : worlds->waiting_capacity * 2;
        worlds->waiting =
            realloc(worlds->waiting, worlds->waiting_capacity * sizeof *worlds->waiting);
        assert(worlds->waiting != NULL);
    }
    worlds->waiting[worlds->waiting_count++] = (struct worlds_publish){.publish = *publish};
    worlds->sent_last = publish->id;
}

static bool text_matters(unsigned error)
{
    return error == 10070 || error == 10071 || error == 10077;
}

static bool answer_equal(const struct spec_answer *a, const struct spec_answer *b)
{
    if (a->outcome != b->outcome)
        return false;
    if (a->outcome != SPEC_REFUSED)
        return a->sequence == b->sequence;
    return a->error == b->error && (!text_matters(a->error) || strcmp(a->text, b->text) == 0);
}

static void describe(const struct spec_answer *answer, char out[static 128])
{
    static const char *const outcomes[] = {"stored as", "a duplicate of", "refused", "failed"};

    if (answer->outcome == SPEC_REFUSED)
        snprintf(out, 128, "refused with %u %s", answer->error, answer->text);
    else
        snprintf(out, 128, "%s %llu", outcomes[answer->outcome], ULL(answer->sequence));
}

/* The publish happens in every world; those where it would have been answered otherwise are not. */
static void happen(struct worlds *worlds, const struct worlds_publish *p)
{
    struct worlds_list *list = &worlds->possible;
    char expected[128] = "nothing", got[128];

    for (size_t i = 0; i < list->count;) {
        struct spec_answer answer = spec_publish(&list->at[i].spec, &p->publish);

        if (answer_equal(&answer, &p->answer)) {
            i++;
            continue;
        }
        describe(&answer, expected);
        list_drop(list, i);
    }
    describe(&p->answer, got);
    if (list->count == 0)
        violate(worlds, "publish %llu was %s; it had to be %s", ULL(p->publish.id), got, expected);
}

/* It did not happen, but it may be on the disk. */
static void fail(struct worlds *worlds, const struct spec_publish *publish)
{
    struct worlds_list more = {0};

    list_add_all(&more, worlds->ghosts.count > 0 ? &worlds->ghosts : &worlds->possible);
    for (size_t i = 0; i < more.count; i++)
        (void)spec_publish(&more.at[i].spec, publish);
    list_add_all(&worlds->ghosts, &more);
    list_free(&more);
}

static void close_operation(struct worlds *worlds)
{
    struct worlds_list *list = &worlds->possible;

    for (size_t i = 0; i < list->count;) {
        if (!list->at[i].operated)
            list_drop(list, i);
        else
            i++;
    }
    for (size_t i = 0; i < list->count; i++) {
        list->at[i].operated = false;
        list->at[i].removed = 0;
    }
    if (list->count == 0)
        violate(worlds, "no order of publishes and the last operation explains the answers");
    worlds->op_state = WORLDS_IDLE;
    if (worlds->op_stored)
        list_clear(&worlds->ghosts);
}

/* No publish that waits can come before an operation that was answered before it was sent. */
static void close_if_due(struct worlds *worlds)
{
    if (worlds->op_state != WORLDS_ANSWERED)
        return;
    if (waiting(worlds) == 0 || waiting_at(worlds, 0)->publish.id > worlds->op_last)
        close_operation(worlds);
}

/* Takes verdicts in order, as far as they are known. */
static void settle(struct worlds *worlds)
{
    while (waiting(worlds) > 0 && waiting_at(worlds, 0)->answered && !worlds->given_up) {
        struct worlds_publish *p = waiting_at(worlds, 0);

        if (p->answer.outcome == SPEC_FAILED) {
            fail(worlds, &p->publish);
        } else if (!p->skipped) {
            happen(worlds, p);
            if (p->answer.outcome == SPEC_STORED)
                list_clear(&worlds->ghosts);
        }
        worlds->waiting_head++;
        if (worlds->op_state != WORLDS_IDLE)
            list_operate(&worlds->possible, &worlds->op);
        close_if_due(worlds);
        give_up_if_too_many(worlds);
    }
}

void worlds_answered(struct worlds *worlds, uint64_t id, const struct spec_answer *answer,
                     bool looked)
{
    for (size_t i = 0; i < waiting(worlds); i++) {
        struct worlds_publish *p = waiting_at(worlds, i);

        if (p->publish.id == id) {
            p->answered = true;
            p->skipped = !looked;
            p->answer = *answer;
            settle(worlds);
            return;
        }
        if (!p->answered && looked)
            violate(worlds, "publish %llu was answered before publish %llu, which came first",
                    ULL(id), ULL(p->publish.id));
    }
    violate(worlds, "publish %llu was answered twice, or after a crash", ULL(id));
}

/* ---- operations ------------------------------------------------------------------------------ */

void worlds_op_sent(struct worlds *worlds, const struct spec_op *op)
{
    assert(worlds->op_state == WORLDS_IDLE);
    worlds->op = *op;
    worlds->op_state = WORLDS_ASKED;
    list_operate(&worlds->possible, op);
    give_up_if_too_many(worlds);
}

void worlds_op_answered(struct worlds *worlds, uint64_t removed)
{
    struct worlds_list *list = &worlds->possible;

    assert(worlds->op_state == WORLDS_ASKED);
    if (removed != UINT64_MAX) {
        /* Where it has not happened it may yet, with whatever the answer says. */
        for (size_t i = 0; i < list->count;) {
            if (list->at[i].operated && list->at[i].removed != removed)
                list_drop(list, i);
            else
                i++;
        }
    }
    worlds->op_state = WORLDS_ANSWERED;
    worlds->op_stored = worlds->op.kind != SPEC_DELETE || removed > 0; /* else it was refused */
    worlds->op_last = worlds->sent_last;
    close_if_due(worlds);
    if (list->count == 0)
        violate(worlds, "an operation says that it removed %llu messages", ULL(removed));
}

void worlds_op_failed(struct worlds *worlds)
{
    struct worlds_list *list = &worlds->possible;

    if (worlds->op.kind == SPEC_CONFIGURE)
        worlds->given_up = true; /* the wish may stand, and come true at any time */
    for (size_t i = 0; i < list->count;) {
        if (!list->at[i].operated) {
            i++;
            continue;
        }
        list->at[i].operated = false;
        list->at[i].removed = 0;
        list_add(&worlds->ghosts, &list->at[i]);
        list_drop(list, i);
    }
    worlds->op_state = WORLDS_IDLE;
    if (list->count == 0)
        violate(worlds, "an operation that failed has happened");
}

/* ---- crashes --------------------------------------------------------------------------------- */

void worlds_crashed(struct worlds *worlds)
{
    struct worlds_list now = worlds->possible, after = {0};
    bool pending = worlds->op_state == WORLDS_ASKED && worlds->op.kind == SPEC_CONFIGURE;

    worlds->possible = (struct worlds_list){0};
    list_add_all(&after, &now);
    for (size_t i = 0; i < waiting(worlds) && !worlds->given_up; i++) {
        const struct worlds_publish *p = waiting_at(worlds, i);

        if (p->skipped || p->answer.outcome == SPEC_FAILED)
            continue;
        for (size_t j = 0; j < now.count; j++)
            (void)spec_publish(&now.at[j].spec, &p->publish);
        if (worlds->op_state != WORLDS_IDLE)
            list_operate(&now, &worlds->op);
        list_add_all(&after, &now);
        worlds->given_up = after.count > WORLDS_MAX;
    }
    for (size_t i = 0; i < after.count; i++) {
        struct world *world = &after.at[i];

        if (worlds->op_state == WORLDS_ANSWERED && !world->operated)
            continue;
        world->operated = world->operated && pending;
        world->removed = world->operated ? world->removed : 0;
        list_add(&worlds->possible, world);
    }
    list_add_all(&worlds->possible, &worlds->ghosts);
    if (pending)
        list_operate(&worlds->possible, &worlds->op);
    list_free(&now);
    list_free(&after);
    list_clear(&worlds->ghosts);
    worlds->waiting_head = worlds->waiting_count = 0;
    worlds->op_state = pending ? WORLDS_ASKED : WORLDS_IDLE;
    if (worlds->possible.count == 0)
        violate(worlds, "no order of publishes and the last operation explains the answers");
    give_up_if_too_many(worlds);
}

/* ---- at rest --------------------------------------------------------------------------------- */

size_t worlds_unanswered(const struct worlds *worlds)
{
    return waiting(worlds);
}

bool worlds_at_rest(const struct worlds *worlds)
{
    return waiting(worlds) == 0 && worlds->op_state == WORLDS_IDLE;
}

void worlds_seen_info(struct worlds *worlds, const struct worlds_info *info)
{
    struct worlds_list *list = &worlds->possible;
    struct worlds_info expected = {0};

    assert(worlds_at_rest(worlds));
    for (size_t i = 0; i < list->count;) {
        const struct spec *spec = &list->at[i].spec;

        expected = (struct worlds_info){
            .messages = spec->count,
            .bytes = spec->bytes,
            .first = spec_first(spec),
            .last = spec->last,
        };
        if (memcmp(&expected, info, sizeof expected) == 0)
            i++;
        else
            list_drop(list, i);
    }
    if (list->count == 0)
        violate(worlds,
                "the stream says %llu messages, %llu bytes, first %llu, last %llu; it had to be "
                "%llu, %llu, %llu, %llu",
                ULL(info->messages), ULL(info->bytes), ULL(info->first), ULL(info->last),
                ULL(expected.messages), ULL(expected.bytes), ULL(expected.first),
                ULL(expected.last));
}

void worlds_seen_message(struct worlds *worlds, uint64_t sequence, bool there, const char *how)
{
    struct worlds_list *list = &worlds->possible;

    for (size_t i = 0; i < list->count;) {
        if ((spec_find(&list->at[i].spec, sequence) != NULL) == there)
            i++;
        else
            list_drop(list, i);
    }
    if (list->count == 0)
        violate(worlds, "sequence %llu is %s (%s)", ULL(sequence),
                there ? "there and must not be" : "not there and must be", how);
}

void worlds_seen_newest(struct worlds *worlds, uint8_t filter, uint64_t sequence)
{
    struct worlds_list *list = &worlds->possible;
    uint64_t newest = 0;

    for (size_t i = 0; i < list->count;) {
        newest = spec_newest(&list->at[i].spec, filter);
        if (newest == sequence)
            i++;
        else
            list_drop(list, i);
    }
    if (list->count == 0)
        violate(worlds, "the last message of subject %u is said to be %llu, not %llu", filter,
                ULL(sequence), ULL(newest));
}

void worlds_guess(const struct worlds *worlds, struct spec *spec)
{
    if (worlds->possible.count == 0) {
        spec_init(spec, &worlds->op.config);
        return;
    }
    spec_copy(&worlds->possible.at[0].spec, spec);
    for (size_t i = 0; i < waiting(worlds); i++)
        (void)spec_publish(spec, &waiting_at(worlds, i)->publish);
}

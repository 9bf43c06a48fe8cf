#include "tests/sim/log_model.h"

#include <inttypes.h>

#include "base/heap.h"
#include "storage/batch.h"
#include "storage/hash.h"

#define HASH_SEED 0x10c

void model_init(struct model_log *model, uint64_t id)
{
    *model = (struct model_log){.id = id};
}

void model_deinit(struct model_log *model)
{
    heap_give(model->batches);
    heap_give(model->kept);
    heap_give(model->sealed);
    heap_give(model->found);
}

static void push(size_t **at, size_t *count, size_t *capacity, size_t value)
{
    if (*count == *capacity) {
        *capacity = *capacity > 0 ? 2 * *capacity : 64;
        *at = heap_resize(*at, *capacity * sizeof **at);
    }
    (*at)[(*count)++] = value;
}

/* ---- a life --------------------------------------------------------------------------------- */

uint64_t model_last(const struct model_log *model)
{
    return model->kept_count + model->sealed_count;
}

/* The newest one, or MODEL_NONE: none, or lost. */
static size_t last_batch(const struct model_log *model)
{
    if (model->sealed_count > 0)
        return model->sealed[model->sealed_count - 1];
    return model->kept_count > 0 ? model->kept[model->kept_count - 1] : MODEL_NONE;
}

bool model_last_hash(const struct model_log *model, struct log_hash *hash)
{
    size_t last = last_batch(model);

    *hash = last != MODEL_NONE ? model->batches[last].content : (struct log_hash){};
    if (last == MODEL_NONE && model->skipped > 0 && model_last(model) == model->skipped) {
        *hash = model->skipped_hash;
        return true;
    }
    return last != MODEL_NONE || model_last(model) == 0;
}

void model_sealed(struct model_log *model, uint64_t index, struct bytes content)
{
    size_t previous = last_batch(model);

    if (index != model_last(model) + 1)
        model_broken("log %" PRIu64 ": sealed as %" PRIu64 " behind %" PRIu64, model->id, index,
                     model_last(model));
    if (model->count == model->capacity) {
        model->capacity = model->capacity > 0 ? 2 * model->capacity : 64;
        model->batches = heap_resize(model->batches, model->capacity * sizeof model->batches[0]);
    }
    push(&model->sealed, &model->sealed_count, &model->sealed_capacity, model->count);
    model->batches[model->count++] = (struct model_batch){
        .index = index,
        .hash = bytes_hash(bytes_skip(content, BATCH_CONTENT_HEAD), HASH_SEED),
        .content = hash_128(content),
        .previous = previous,
        .durable = model->kept_count,
        .committed = model->committed_here,
    };
}

/* The oldest that was sealed is durable. */
static void keep(struct model_log *model)
{
    push(&model->kept, &model->kept_count, &model->kept_capacity, model->sealed[0]);
    model->sealed_count--;
    memmove(model->sealed, model->sealed + 1, model->sealed_count * sizeof model->sealed[0]);
}

void model_made(struct model_log *model)
{
    keep(model);
}

void model_durable(struct model_log *model, const struct log_batch *batch)
{
    const struct model_batch *sealed;

    if (model->sealed_count == 0)
        model_broken("log %" PRIu64 ": %" PRIu64 " durable, nothing was sealed", model->id,
                     batch->index);
    sealed = &model->batches[model->sealed[0]];
    if (batch->index != sealed->index || bytes_hash(batch->records, HASH_SEED) != sealed->hash)
        model_broken("log %" PRIu64 ": what is durable as %" PRIu64 " is not what was sealed",
                     model->id, batch->index);
    keep(model);
}

void model_failed(struct model_log *model)
{
    if (model->sealed_count == 0)
        model_broken("log %" PRIu64 ": failed, nothing was sealed", model->id);
    model->sealed_count = 0;
}

void model_cut(struct model_log *model, uint64_t index)
{
    if (index < model->skipped) /* what comes there next is a batch of its own */
        model->skipped = 0;
    if (index < model->kept_count) {
        model->kept_count = index;
        model->sealed_count = 0;
    } else {
        model->sealed_count = index - model->kept_count;
    }
}

void model_committed(struct model_log *model, uint64_t index)
{
    model->committed = index;
    model->committed_here = index;
}

static struct model_block *find_block(struct model_log *model, uint64_t index)
{
    for (unsigned i = model->block_count; i > 0; i--)
        if (model->blocks[i - 1].index == index)
            return &model->blocks[i - 1];
    return NULL;
}

void model_block_begun(struct model_log *model, uint64_t index, struct bytes body)
{
    struct model_block *block = find_block(model, index);

    if (block == NULL && model->block_count == MODEL_BLOCKS_MAX) {
        memmove(model->blocks, model->blocks + 1, sizeof model->blocks - sizeof model->blocks[0]);
        model->block_count--;
    }
    if (block == NULL)
        block = &model->blocks[model->block_count++];
    *block = (struct model_block){.index = index, .hash = bytes_hash(body, HASH_SEED)};
}

void model_block_durable(struct model_log *model, uint64_t index)
{
    find_block(model, index)->durable = true;
}

bool model_block_damaged(struct model_log *model, uint64_t index)
{
    struct model_block *block = find_block(model, index);
    unsigned good = 0;

    for (unsigned i = 0; i < model->block_count; i++)
        good +=
            model->blocks[i].durable && !model->blocks[i].damaged && model->blocks[i].index < index;
    if (block == NULL || !block->durable || good == 0)
        return false;
    for (unsigned i = 0; i < model->block_count; i++)
        if (model->blocks[i].damaged)
            return false;
    block->damaged = true;
    return true;
}

void model_skip_begun(struct model_log *model, uint64_t index)
{
    model->skip_begun = index;
}

void model_skipped(struct model_log *model, uint64_t index, struct log_hash hash)
{
    while (model->kept_count < index)
        push(&model->kept, &model->kept_count, &model->kept_capacity, MODEL_NONE);
    model->skipped = index;
    model->skipped_hash = hash;
}

void model_dropped(struct model_log *model, uint64_t first, uint64_t last)
{
    for (uint64_t index = first; index <= last && index <= model->kept_count; index++)
        if (model->kept[index - 1] != MODEL_NONE)
            model->batches[model->kept[index - 1]].dropped = true;
}

struct store_vote model_vote(uint64_t term)
{
    return (struct store_vote){
        .term = term, .node = term * 7, .incarnation = term * 77, .damaged = term / 3};
}

void model_vote_found(struct model_log *model, const struct store_vote *vote)
{
    struct store_vote expected;

    if (vote == NULL && (model->vote_durable == 0 || model->journal_damaged))
        return;
    if (vote == NULL)
        model_broken("log %" PRIu64 ": the vote of term %" PRIu64 " is gone", model->id,
                     model->vote_durable);
    expected = model_vote(vote->term);
    if (memcmp(&expected, vote, sizeof expected) != 0 || vote->term > model->vote_begun)
        model_broken("log %" PRIu64 ": a vote of term %" PRIu64 " that nobody gave", model->id,
                     vote->term);
    if (vote->term < model->vote_durable && !model->journal_damaged)
        model_broken("log %" PRIu64 ": the vote of term %" PRIu64 " is found, %" PRIu64
                     " was durable",
                     model->id, vote->term, model->vote_durable);
    model->vote_durable = vote->term;
}

/* ---- recovery ------------------------------------------------------------------------------- */

/* `guess`: where it probably is. */
static size_t find(const struct model_log *model, uint64_t hash, size_t guess)
{
    if (guess < model->count && model->batches[guess].hash == hash)
        return guess;
    for (size_t i = model->count; i > 0; i--)
        if (model->batches[i - 1].hash == hash)
            return i - 1;
    return MODEL_NONE;
}

struct model_batch *model_find(struct model_log *model, struct bytes records)
{
    size_t number = find(model, bytes_hash(records, HASH_SEED), MODEL_NONE);

    return number == MODEL_NONE || model->batches[number].dead ? NULL : &model->batches[number];
}

void model_recovery_begin(struct model_log *model)
{
    model->found_count = 0;
    model->sealed_count = 0;
    model->lost_at_end = false;
    model->block_found = 0;
    model->unread_last = 0;
}

void model_recovered(struct model_log *model, const struct log_batch *batch)
{
    uint64_t index = model->found_count + 1;
    size_t before = index > 1 ? model->found[index - 2] : MODEL_NONE;
    size_t number = find(model, bytes_hash(batch->records, HASH_SEED), before + 1);
    const struct model_batch *b;

    if (batch->index != index)
        model_broken("log %" PRIu64 ": %" PRIu64 " handed out in the place of %" PRIu64, model->id,
                     batch->index, index);
    if (number == MODEL_NONE)
        model_broken("log %" PRIu64 ": %" PRIu64 " was never sealed", model->id, index);
    b = &model->batches[number];
    if (b->index != index)
        model_broken("log %" PRIu64 ": %" PRIu64 " was sealed as %" PRIu64, model->id, index,
                     b->index);
    /* Behind a damaged envelope what was whole behind a torn batch may be found again, as long as
     * nothing else is durable there. */
    if (b->dead && !model->header_damaged && !model->lost_at_end)
        model_broken("log %" PRIu64 ": %" PRIu64 " came back although it was gone", model->id,
                     index);

    if (before != MODEL_NONE && b->previous != MODEL_NONE && before != b->previous)
        model_broken("log %" PRIu64 ": %" PRIu64 " was sealed behind another batch", model->id,
                     index);
    push(&model->found, &model->found_count, &model->found_capacity, number);
}

void model_lost(struct model_log *model, uint64_t first, uint64_t last)
{
    if (first != model->found_count + 1 || last < first)
        model_broken("log %" PRIu64 ": %" PRIu64 "..%" PRIu64 " lost behind %zu", model->id, first,
                     last, model->found_count);
    model->lost_at_end = model->lost_at_end || last >= model->kept_count;
    for (uint64_t index = first; index <= last; index++)
        push(&model->found, &model->found_count, &model->found_capacity, MODEL_NONE);
}

void model_gone(struct model_log *model, uint64_t first, uint64_t last)
{
    if (first != model->found_count + 1 || last < first || last > model->block_found)
        model_broken("log %" PRIu64 ": %" PRIu64 "..%" PRIu64
                     " gone behind %zu, the block is %" PRIu64,
                     model->id, first, last, model->found_count, model->block_found);
    for (uint64_t index = first; index <= last; index++) {
        size_t kept = index <= model->kept_count ? model->kept[index - 1] : MODEL_NONE;

        if (kept != MODEL_NONE && !model->batches[kept].dropped)
            model_broken("log %" PRIu64 ": %" PRIu64 " is gone, its file was never removed",
                         model->id, index);
        push(&model->found, &model->found_count, &model->found_capacity, MODEL_NONE);
    }
}

void model_unread(struct model_log *model, uint64_t first, uint64_t last)
{
    if (first > model->found_count + 1) /* what is between was in files that are not there */
        model_gone(model, model->found_count + 1, first - 1);
    if (first != model->found_count + 1 || last < first || last > model->block_found ||
        last > model->kept_count)
        model_broken("log %" PRIu64 ": %" PRIu64 "..%" PRIu64
                     " unread behind %zu, the block is %" PRIu64,
                     model->id, first, last, model->found_count, model->block_found);
    for (uint64_t index = first; index <= last; index++)
        push(&model->found, &model->found_count, &model->found_capacity, model->kept[index - 1]);
    model->unread_last = last;
}

void model_block_recovered(struct model_log *model, const struct log_block *block)
{
    const struct model_block *known = find_block(model, block->index);

    if (known == NULL || known->hash != bytes_hash(block->body, HASH_SEED))
        model_broken("log %" PRIu64 ": nobody wrote this block of %" PRIu64, model->id,
                     block->index);
    model->block_found = block->index;
}

/* The newest good one was found; all that it does not say is there. */
static void check_block(const struct model_log *model)
{
    for (unsigned i = 0; i < model->block_count; i++) {
        const struct model_block *block = &model->blocks[i];

        if (block->durable && !block->damaged && block->index > model->block_found)
            model_broken("log %" PRIu64 ": the block of %" PRIu64 " is gone", model->id,
                         block->index);
    }
    for (uint64_t index = model->block_found + 1;
         index <= model->kept_count && index <= model->found_count; index++) {
        size_t kept = model->kept[index - 1];

        if (kept != MODEL_NONE && model->batches[kept].dropped &&
            model->found[index - 1] == MODEL_NONE)
            model_broken("log %" PRIu64 ": %" PRIu64 " was removed and is needed", model->id,
                         index);
    }
}

static bool any_damaged_at(const struct model_log *model, uint64_t index)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->batches[i].index == index && model->batches[i].damaged)
            return true;
    return false;
}

/* Behind a batch whose envelope is damaged nobody knows where the torn ones of the last write
 * begin: they may be reported with it. */
static bool may_be_lost(const struct model_log *model, uint64_t index)
{
    while (index > model->kept_count && model->found[index - 1] == MODEL_NONE) {
        if (any_damaged_at(model, index))
            return true;
        index--;
    }
    return index > 0 && any_damaged_at(model, index);
}

/* Whether the end of what was kept, from the first that is missing on, may be missing in silence:
 * that one was damaged so that it looks torn, and no later write says that it was durable. */
static bool may_be_cut(const struct model_log *model)
{
    uint64_t first = model->found_count + 1;
    size_t missing = model->kept[first - 1], last = model->kept[model->kept_count - 1];

    if (model->journal_damaged)
        return true;
    if (missing == MODEL_NONE || !model->batches[missing].damaged ||
        !model->batches[missing].may_look_torn)
        return false;
    return last == MODEL_NONE || model->batches[last].durable < first;
}

static void check_index(const struct model_log *model, uint64_t index)
{
    size_t kept = index <= model->kept_count ? model->kept[index - 1] : MODEL_NONE;
    bool missing = index > model->found_count;
    size_t found = missing ? MODEL_NONE : model->found[index - 1];

    if (missing) {
        if (kept != MODEL_NONE && !may_be_cut(model))
            model_broken("log %" PRIu64 ": %" PRIu64 " was durable and is gone", model->id, index);
        return;
    }
    if (found == MODEL_NONE && model->journal_damaged)
        return;
    if (found == MODEL_NONE && kept != MODEL_NONE && !model->batches[kept].damaged &&
        !model->batches[kept].dropped)
        model_broken("log %" PRIu64 ": %" PRIu64 " was durable and is reported lost", model->id,
                     index);
    if (found == MODEL_NONE && index > model->kept_count && !may_be_lost(model, index) &&
        !model->cut_in_sectors && index > model->skip_begun)
        model_broken("log %" PRIu64 ": %" PRIu64 " is reported lost, nothing was damaged",
                     model->id, index);
    if (found != MODEL_NONE && kept != MODEL_NONE && found != kept)
        model_broken("log %" PRIu64 ": %" PRIu64 " is another batch than the durable one",
                     model->id, index);
}

static void check_committed(const struct model_log *model, uint64_t committed)
{
    if (committed > model->committed)
        model_broken("log %" PRIu64 ": %" PRIu64 " is said to be committed, %" PRIu64 " was",
                     model->id, committed, model->committed);
    for (size_t i = model->unread_last; i < model->found_count; i++)
        if (model->found[i] != MODEL_NONE && model->batches[model->found[i]].committed > committed)
            model_broken("log %" PRIu64 ": %" PRIu64
                         " is said to be committed, batch %zu knew more",
                         model->id, committed, i + 1);
}

void model_recovery_end(struct model_log *model, uint64_t durable, uint64_t committed)
{
    size_t *before = model->kept;
    size_t capacity = model->kept_capacity;
    uint64_t last = model->found_count > model->kept_count ? model->found_count : model->kept_count;

    if (durable != model->found_count)
        model_broken("log %" PRIu64 ": it says %" PRIu64 ", it handed out %zu", model->id, durable,
                     model->found_count);
    for (uint64_t index = 1; index <= last; index++)
        check_index(model, index);
    check_committed(model, committed);
    check_block(model);
    model->committed_here = committed;

    for (unsigned i = 0; i < model->block_count; i++) /* what was handed out counts */
        model->blocks[i].durable =
            model->blocks[i].durable || model->blocks[i].index == model->block_found;
    model->kept = model->found;
    model->kept_count = model->found_count;
    model->kept_capacity = model->found_capacity;
    model->found = before;
    model->found_capacity = capacity;

    for (size_t i = 0; i < model->count; i++) {
        uint64_t index = model->batches[i].index;

        if (index > model->kept_count || model->kept[index - 1] == MODEL_NONE)
            model->batches[i].dead = index > model->kept_count;
        else
            model->batches[i].dead = model->kept[index - 1] != i;
    }
}

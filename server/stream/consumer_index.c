/*
 * consumer_index: which consumers of a stream a message is for. Each stands in an index of subjects
 * with its filters, so what a message costs depends on those who want it and not on how many there
 * are.
 *
 * A consumer whose filters have changed may still be owed messages of the old ones: from then on it
 * is told of all.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/stream/stream_priv.h"

static void add(struct consumer_shell *shell, struct consumer_place *place, struct bytes subject)
{
    place->shell = shell;
    sublist_add(&shell->stream->consumer_index, &place->sub, subject, bytes_of(NULL, 0));
}

static struct consumer_place *places(struct consumer_shell *shell)
{
    return shell->more_places != NULL ? shell->more_places : &shell->place;
}

void consumer_index_add(struct consumer_shell *shell)
{
    struct consumer_filter filter = consumer_filter(shell->consumer);

    assert(shell->place_count == 0);
    shell->place_count = shell->wide || filter.count == 0 ? 1 : (uint32_t)filter.count;
    if (shell->place_count > 1)
        shell->more_places = heap_take(shell->place_count * sizeof *shell->more_places);
    if (shell->wide || filter.count == 0)
        add(shell, &shell->place, BYTES(">"));
    else
        for (size_t i = 0; i < filter.count; i++)
            add(shell, &places(shell)[i], filter.subjects[i]);
}

void consumer_index_remove(struct consumer_shell *shell)
{
    for (size_t i = 0; i < shell->place_count; i++)
        sublist_remove(&shell->stream->consumer_index, &places(shell)[i].sub);
    heap_give(shell->more_places);
    shell->more_places = NULL;
    shell->place_count = 0;
}

bool consumer_index_walk(struct stream *stream, struct bytes subject, struct consumer_walk *walk)
{
    if (stream->consumers.count == 0)
        return false;
    *walk = (struct consumer_walk){
        .match = sublist_match(&stream->consumer_index, subject),
        .number = ++stream->consumer_walks,
    };
    return walk->match->plain_count > 0;
}

static struct consumer_shell *shell_at(const struct sub_set *set, uint32_t at)
{
    return owner_of(sub_set_subs(set)[at], struct consumer_place, sub)->shell;
}

/* Of thousands none is in the processor's cache: each is fetched a little before it is its turn. */
static void look_ahead(const struct sub_set *set, uint32_t at)
{
    if (at + 12 >= set->count)
        return;
    __builtin_prefetch(sub_set_subs(set)[at + 12]);
    __builtin_prefetch(
        &owner_of(sub_set_subs(set)[at + 12], struct consumer_shell, place.sub)->consumer);
    __builtin_prefetch(shell_at(set, at + 8)->lane, 1);
    __builtin_prefetch(shell_at(set, at + 8)->consumer, 1);
    __builtin_prefetch((const uint8_t *)shell_at(set, at + 8)->consumer + 64, 1);
    consumer_live_soon(shell_at(set, at + 4)->consumer);
}

/* One with several filters that match comes once. */
struct consumer_shell *consumer_index_next(struct consumer_walk *walk)
{
    while (walk->set < walk->match->plain_count) {
        const struct sub_set *set = walk->match->sets[walk->set];
        struct consumer_shell *shell;

        if (walk->at == set->count) {
            walk->set++;
            walk->at = 0;
            continue;
        }
        look_ahead(set, walk->at);
        shell = shell_at(set, walk->at++);
        if (shell->walked == walk->number)
            continue;
        shell->walked = walk->number;
        return shell;
    }
    return NULL;
}

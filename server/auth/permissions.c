#include "server/auth/permissions.h"

#include "base/heap.h"
#include "base/subject.h"

/* Of one subject without wildcards all filters hang together, so one look-up finds them. */
struct filter_entry {
    struct bytes subject;
    struct bytes queue; /* empty: whatever the queue */
    struct filter_entry *next;
};

/* What the filters that match a subject say. */
struct verdict {
    bool plain;      /* one without a queue matches */
    bool queues;     /* one with a queue does */
    bool this_queue; /* and it is the one asked about */
};

/* ---- filters -------------------------------------------------------------------------------- */

static struct bytes entry_key(const void *item)
{
    return ((const struct filter_entry *)item)->subject;
}

static void add_literal(struct filters *filters, struct filter_entry *entry)
{
    struct filter_entry *first = table_find(&filters->literals, entry->subject);

    if (first == NULL) {
        table_add(&filters->literals, entry);
        return;
    }
    entry->next = first->next;
    first->next = entry;
}

static void filters_init(struct filters *filters, const struct permission_list *list, uint64_t seed)
{
    struct filter_entry **tail = &filters->wildcards;

    *filters = (struct filters){.given = list->count > 0};
    table_init(&filters->literals, entry_key, seed);
    filters->entries = heap_take(list->count * sizeof(struct filter_entry));
    for (size_t i = 0; i < list->count; i++) {
        struct filter_entry *entry = &filters->entries[i];

        entry->subject = list->at[i].subject;
        entry->queue = list->at[i].queue;
        if (!subject_has_wildcard(entry->subject)) {
            add_literal(filters, entry);
            continue;
        }
        *tail = entry;
        tail = &entry->next;
    }
}

static void filters_deinit(struct filters *filters)
{
    table_deinit(&filters->literals);
    heap_give(filters->entries);
}

static void consider(struct verdict *verdict, const struct filter_entry *entry, struct bytes queue)
{
    if (entry->queue.size == 0) {
        verdict->plain = true;
        return;
    }
    verdict->queues = true;
    if (queue.size > 0 && subject_matches(entry->queue, queue))
        verdict->this_queue = true;
}

/* Wildcards of the subject that is asked about are ordinary characters: a pattern is covered by a
 * filter that matches its text. */
static struct verdict filters_ask(const struct filters *filters, struct bytes subject,
                                  struct bytes queue)
{
    struct verdict verdict = {0};

    for (const struct filter_entry *entry = table_find(&filters->literals, subject); entry != NULL;
         entry = entry->next)
        consider(&verdict, entry, queue);
    for (const struct filter_entry *entry = filters->wildcards; entry != NULL;
         entry = entry->next) {
        if (subject_matches(entry->subject, subject))
            consider(&verdict, entry, queue);
    }
    return verdict;
}

/* ---- permissions ---------------------------------------------------------------------------- */

void permissions_init(struct permissions *permissions, const struct permission_options *options,
                      uint64_t seed)
{
    permissions->options = options;
    filters_init(&permissions->publish_allow, &options->publish_allow, seed);
    filters_init(&permissions->publish_deny, &options->publish_deny, seed);
    filters_init(&permissions->subscribe_allow, &options->subscribe_allow, seed);
    filters_init(&permissions->subscribe_deny, &options->subscribe_deny, seed);
    if (options->responses)
        permissions->publish_allow.given = true;
}

void permissions_deinit(struct permissions *permissions)
{
    filters_deinit(&permissions->publish_allow);
    filters_deinit(&permissions->publish_deny);
    filters_deinit(&permissions->subscribe_allow);
    filters_deinit(&permissions->subscribe_deny);
}

bool permissions_publish(const struct permissions *permissions, struct bytes subject)
{
    const struct bytes none = {0};

    if (permissions->publish_allow.given &&
        !filters_ask(&permissions->publish_allow, subject, none).plain)
        return false;
    return !permissions->publish_deny.given ||
           !filters_ask(&permissions->publish_deny, subject, none).plain;
}

/* With filters that name queues beside one that does not, only those queues are meant. */
static bool subscribe_allowed(const struct filters *allow, struct bytes subject, struct bytes queue)
{
    struct verdict verdict;

    if (!allow->given)
        return true;
    verdict = filters_ask(allow, subject, queue);
    return queue.size > 0 && verdict.queues ? verdict.this_queue : verdict.plain;
}

bool permissions_subscribe(const struct permissions *permissions, struct bytes subject,
                           struct bytes queue)
{
    struct verdict denied;

    if (!subscribe_allowed(&permissions->subscribe_allow, subject, queue))
        return false;
    if (!permissions->subscribe_deny.given)
        return true;
    denied = filters_ask(&permissions->subscribe_deny, subject, queue);
    return !denied.plain && !denied.this_queue;
}

bool permissions_subscribe_leaks(const struct permissions *permissions, struct bytes subject)
{
    const struct permission_list *deny = &permissions->options->subscribe_deny;

    for (size_t i = 0; i < deny->count; i++) {
        if (deny->at[i].queue.size == 0 && subject_collide(deny->at[i].subject, subject))
            return true;
    }
    return false;
}

bool permissions_deliver(const struct permissions *permissions, struct bytes subject)
{
    return !filters_ask(&permissions->subscribe_deny, subject, (struct bytes){0}).plain;
}

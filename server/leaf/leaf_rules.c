#include "server/leaf/leaf_rules.h"

#include "base/heap.h"
#include "base/subject.h"

/* ---- lists ---------------------------------------------------------------------------------- */

static void list_add(struct bytes **list, size_t *count, struct bytes text)
{
    *list = heap_resize(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = heap_copy(text);
}

static void list_deinit(struct bytes *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        heap_give((void *)list[i].at);
    heap_give(list);
}

void leaf_filter_deinit(struct leaf_filter *filter)
{
    list_deinit(filter->allow, filter->allow_count);
    list_deinit(filter->deny, filter->deny_count);
    *filter = (struct leaf_filter){0};
}

void leaf_rules_deinit(struct leaf_rules *rules)
{
    leaf_filter_deinit(&rules->out);
    leaf_filter_deinit(&rules->in);
    heap_give((void *)rules->own.at);
    rules->own = bytes_of(NULL, 0);
}

void leaf_filter_allow(struct leaf_filter *filter, struct bytes subject)
{
    list_add(&filter->allow, &filter->allow_count, subject);
}

void leaf_filter_deny(struct leaf_filter *filter, struct bytes subject)
{
    list_add(&filter->deny, &filter->deny_count, subject);
}

void leaf_filter_take(struct leaf_filter *filter, const struct permission_list *allow,
                      const struct permission_list *deny)
{
    for (size_t i = 0; i < allow->count; i++)
        leaf_filter_allow(filter, allow->at[i].subject);
    for (size_t i = 0; i < deny->count; i++)
        leaf_filter_deny(filter, deny->at[i].subject);
}

bool leaf_filter_is_empty(const struct leaf_filter *filter)
{
    return filter->allow_count + filter->deny_count == 0;
}

/* ---- as text -------------------------------------------------------------------------------- */

static void write_list(struct json_writer *w, struct bytes key, const struct bytes *list,
                       size_t count)
{
    if (count == 0)
        return;
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, list[i]);
    json_array_end(w);
}

void leaf_filter_write(struct json_writer *w, const struct leaf_filter *filter)
{
    json_object_begin(w);
    write_list(w, BYTES("allow"), filter->allow, filter->allow_count);
    write_list(w, BYTES("deny"), filter->deny, filter->deny_count);
    json_object_end(w);
}

/* Of a subscription that was allowed in a queue only the subject counts. */
static bool read_list(const struct json *list, struct bytes **to, size_t *count)
{
    if (list == NULL || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY)
        return false;
    for (const struct json *e = list->child; e != NULL; e = e->next) {
        if (e->type != JSON_STRING)
            return false;
        list_add(to, count, bytes_take(e->text, bytes_find(e->text, ' ')));
    }
    return true;
}

bool leaf_filter_read(const struct json *object, struct leaf_filter *filter)
{
    if (object == NULL || object->type == JSON_NULL)
        return true;
    return object->type == JSON_OBJECT &&
           read_list(json_get_nocase(object, BYTES("allow")), &filter->allow,
                     &filter->allow_count) &&
           read_list(json_get_nocase(object, BYTES("deny")), &filter->deny, &filter->deny_count);
}

/* ---- what passes ---------------------------------------------------------------------------- */

static bool any_matches(const struct bytes *list, size_t count, struct bytes subject)
{
    for (size_t i = 0; i < count; i++)
        if (subject_matches(list[i], subject))
            return true;
    return false;
}

static bool any_covers(const struct bytes *list, size_t count, struct bytes pattern)
{
    for (size_t i = 0; i < count; i++)
        if (subject_covers(list[i], pattern))
            return true;
    return false;
}

/* Each side's own: see leaf_rules.h. */
static bool is_jetstream(const struct leaf_rules *rules, struct bytes subject)
{
    if (subject.size == 0 || subject.at[0] != '$')
        return false;
    if (bytes_starts(subject, BYTES("$JS.API.")) || bytes_starts(subject, BYTES("$KV.")) ||
        bytes_starts(subject, BYTES("$OBJ.")))
        return true;
    return rules->system &&
           (bytes_starts(subject, BYTES("$JSC.")) || bytes_starts(subject, BYTES("$NRG.")));
}

bool leaf_subject_free(struct bytes subject)
{
    return bytes_starts(subject, LEAF_LOOP_PREFIX) || bytes_starts(subject, BYTES("$GR.")) ||
           bytes_starts(subject, BYTES("_GR_."));
}

bool leaf_filter_passes(const struct leaf_filter *filter, struct bytes subject)
{
    if (filter->allow_count > 0 && !any_matches(filter->allow, filter->allow_count, subject))
        return false;
    return !any_matches(filter->deny, filter->deny_count, subject);
}

/* Of requests to services and of acks the way back is as free as the way there was. */
static bool is_answer(struct bytes subject)
{
    return bytes_starts(subject, BYTES("_R_.")) || bytes_starts(subject, BYTES("$JS.ACK."));
}

bool leaf_rules_send(const struct leaf_rules *rules, struct bytes subject)
{
    if (is_jetstream(rules, subject))
        return false;
    if (rules->own.size > 0 && bytes_starts(subject, rules->own))
        return false;
    return leaf_filter_passes(&rules->out, subject);
}

bool leaf_rules_tell(const struct leaf_rules *rules, struct bytes pattern)
{
    const struct leaf_filter *in = &rules->in;

    if (leaf_subject_free(pattern))
        return true;
    if (is_jetstream(rules, pattern))
        return false;
    if (in->allow_count > 0 && !any_covers(in->allow, in->allow_count, pattern))
        return false;
    return !any_covers(in->deny, in->deny_count, pattern);
}

bool leaf_rules_take(const struct leaf_rules *rules, bool hub, struct bytes subject)
{
    if (is_answer(subject))
        return true;
    if (hub && is_jetstream(rules, subject))
        return false;
    return leaf_filter_passes(&rules->in, subject);
}

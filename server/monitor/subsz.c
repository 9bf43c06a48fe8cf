/* /subsz: subscriptions and how they are found (reference monitoring.md 2.6). */
#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "server/clients/client.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"
#include "server/server_sums.h"

#define LIMIT_DEFAULT 1024

struct question {
    bool list;
    int64_t offset;
    int64_t limit;
    struct bytes account;
    struct bytes test; /* a literal subject that they are to match */
};

/* ---- the numbers ---------------------------------------------------------------------------- */

struct totals {
    uint64_t count, cached, removes, asked, missed;
    uint64_t fanout_most, fanout_sum;
};

static size_t match_receivers(const struct match *match)
{
    size_t receivers = match->group_count;

    for (uint32_t i = 0; i < match->plain_count; i++)
        receivers += match->sets[i]->count;
    return receivers;
}

static void add_list(struct totals *totals, const struct sublist *list)
{
    totals->count += list->count;
    totals->removes += list->removes;
    totals->asked += list->asked;
    totals->missed += list->matches - list->looks;
    for (size_t i = 0; i < list->cache_capacity; i++) {
        size_t fanout;

        if (list->cache[i].generation != list->generation)
            continue;
        fanout = match_receivers(&list->cache[i].match);
        totals->cached++;
        totals->fanout_sum += fanout;
        if (fanout > totals->fanout_most)
            totals->fanout_most = fanout;
    }
}

static void ratio(struct json_writer *w, struct bytes key, uint64_t part, uint64_t whole)
{
    json_key(w, key);
    json_number_double(w, whole > 0 ? (double)part / (double)whole : 0.0);
}

void monitor_sublist_stats(struct json_writer *w, const struct sublist *const *lists, size_t count)
{
    struct totals totals = {0};

    for (size_t i = 0; i < count; i++)
        add_list(&totals, lists[i]);
    json_put_u64(w, BYTES("num_subscriptions"), totals.count);
    json_put_u64(w, BYTES("num_cache"), totals.cached);
    json_put_u64(w, BYTES("num_inserts"), totals.count + totals.removes);
    json_put_u64(w, BYTES("num_removes"), totals.removes);
    json_put_u64(w, BYTES("num_matches"), totals.asked);
    ratio(w, BYTES("cache_hit_rate"), totals.asked - totals.missed, totals.asked);
    json_put_u64(w, BYTES("max_fanout"), totals.fanout_most);
    ratio(w, BYTES("avg_fanout"), totals.fanout_sum, totals.cached);
}

/* ---- the list ------------------------------------------------------------------------------- */

/* Walks subscriptions and writes those of the page. */
struct page {
    struct json_writer *w;
    const struct question *question;
    const struct account *account;
    uint64_t seen; /* that were asked for, on the page or not */
    bool begun;
};

static void write_client_sub(struct json_writer *w, const struct client_sub *sub)
{
    json_put_string(w, BYTES("sid"), client_sub_sid(sub));
    json_put_u64(w, BYTES("msgs"), sub->delivered);
    if (sub->max > 0)
        json_put_u64(w, BYTES("max"), sub->max);
    json_put_u64(w, BYTES("cid"), sub->client->id);
}

/* The server's own have neither a name nor a connection. */
static void write_own_sub(struct json_writer *w)
{
    json_put_text(w, BYTES("sid"), "");
    json_put_i64(w, BYTES("msgs"), 0);
    json_put_i64(w, BYTES("cid"), 0);
}

static void write_sub(struct page *page, const struct sub *sub)
{
    struct json_writer *w = page->w;

    json_object_begin(w);
    json_put_string(w, BYTES("account"), page->account->name);
    json_put_string(w, BYTES("account_tag"), page->account->name);
    json_put_string(w, BYTES("subject"), sub_subject(sub));
    json_put_given(w, BYTES("qgroup"), sub_queue(sub));
    if (sub->kind == SUB_CLIENT)
        write_client_sub(w, owner_of(sub, const struct client_sub, sub));
    else
        write_own_sub(w);
    json_object_end(w);
}

static void page_sub(struct page *page, const struct sub *sub)
{
    const struct question *question = page->question;
    uint64_t place = page->seen++;

    if (place < (uint64_t)question->offset ||
        place - (uint64_t)question->offset >= (uint64_t)question->limit)
        return;
    if (!page->begun) {
        json_key(page->w, BYTES("subscriptions_list"));
        json_array_begin(page->w);
    }
    page->begun = true;
    write_sub(page, sub);
}

static void page_part(struct page *page, const struct account *account)
{
    struct bytes test = page->question->test;
    const struct sub_set *set;

    page->account = account;
    for (struct sublist_walk at = {0}; (set = sublist_next(&account->subs, &at)) != NULL;) {
        if (set->kind == SUB_REMOTE || set->count == 0)
            continue;
        if (test.size > 0 && !subject_matches(sub_set_subject(set), test))
            continue;
        for (uint32_t i = 0; i < set->count; i++)
            page_sub(page, sub_set_subs(set)[i]);
    }
}

static void page_account(struct page *page, const struct account *account)
{
    const struct account *part;

    for (unsigned i = 0; (part = account_part(account, i)) != NULL; i++)
        page_part(page, part);
}

static bool is_listed(const struct question *question, const struct sub_set *set)
{
    return set->kind != SUB_REMOTE && set->count > 0 &&
           (question->test.size == 0 || subject_matches(sub_set_subject(set), question->test));
}

static uint64_t count_of(const struct question *question, const struct account *account)
{
    const struct account *part;
    const struct sub_set *set;
    uint64_t listed = 0;

    for (unsigned i = 0; (part = account_part(account, i)) != NULL; i++)
        for (struct sublist_walk at = {0}; (set = sublist_next(&part->subs, &at)) != NULL;)
            if (is_listed(question, set))
                listed += set->count;
    return listed;
}

/* The members of a page come after how many there are: these are counted first. */
static uint64_t count_listed(const struct question *question, const struct account *const *accounts,
                             size_t count)
{
    uint64_t listed = 0;

    for (size_t i = 0; i < count && question->list; i++)
        listed += count_of(question, accounts[i]);
    return listed;
}

/* ---- the document --------------------------------------------------------------------------- */

static void read_question(struct ask *ask, struct question *question)
{
    *question = (struct question){.limit = LIMIT_DEFAULT};
    ask_bool(ask, (struct ask_key){"subs", "subscriptions"}, &question->list);
    question->list |= ask->list_subs;
    ask_int(ask, (struct ask_key){"offset", "offset"}, &question->offset);
    ask_int(ask, (struct ask_key){"limit", "limit"}, &question->limit);
    ask_text(ask, (struct ask_key){"acc", "account"}, &question->account);
    ask_text(ask, (struct ask_key){"test", "test"}, &question->test);
    if (question->offset < 0)
        question->offset = 0;
    if (question->limit <= 0)
        question->limit = LIMIT_DEFAULT;
    if (question->test.size > 0 && !subject_literal(question->test))
        ask_refuse(ask, 400, "invalid test subject, must be valid publish subject: %.*s",
                   BYTES_ARG(question->test));
    if (question->test.size > 0)
        question->list = true;
}

static const struct account **chosen_accounts(const struct server *server,
                                              const struct question *question, size_t *count)
{
    const struct account **all, *account;
    size_t room = 0;

    for (size_t at = 0; router_account_next(server->router, &at) != NULL;)
        room++;
    all = heap_take(room * sizeof(*all));
    *count = 0;
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        if (question->account.size == 0 || bytes_equal(question->account, account->name))
            all[(*count)++] = account;
    }
    return all;
}

static const struct sublist **all_lists(const struct account **accounts, size_t count,
                                        size_t *lists_count)
{
    const struct sublist **lists = heap_take((count * SHARDS_MAX + 1) * sizeof(*lists));
    const struct account *part;

    *lists_count = 0;
    for (size_t i = 0; i < count; i++)
        for (unsigned n = 0; (part = account_part(accounts[i], n)) != NULL; n++)
            lists[(*lists_count)++] = &part->subs;
    return lists;
}

static void write_document(struct json_writer *w, const struct server *server,
                           const struct question *question, const struct account **accounts,
                           size_t count)
{
    struct page page = {.w = w, .question = question};
    const struct sublist **lists;
    size_t lists_count;

    lists = all_lists(accounts, count, &lists_count);
    json_object_begin(w);
    monitor_head(w, server);
    monitor_sublist_stats(w, lists, lists_count);
    json_put_u64(w, BYTES("total"), count_listed(question, accounts, count));
    json_put_i64(w, BYTES("offset"), question->offset);
    json_put_i64(w, BYTES("limit"), question->limit);
    for (size_t i = 0; i < count && question->list; i++)
        page_account(&page, accounts[i]);
    if (page.begun)
        json_array_end(w);
    json_object_end(w);
    heap_give(lists);
}

void monitor_subsz(struct json_writer *w, struct monitor *monitor, struct ask *ask)
{
    const struct server *server = monitor->server;
    const struct account **accounts;
    struct question question;
    size_t count;

    read_question(ask, &question);
    if (ask->status != 200)
        return;
    accounts = chosen_accounts(server, &question, &count);
    write_document(w, server, &question, accounts, count);
    heap_give(accounts);
}

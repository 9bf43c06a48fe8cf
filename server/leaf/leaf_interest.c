/*
 * What either side of a connection wants. What is told is absolute and found anew for each text
 * that changed: of the account's index, what others than this leaf and its cluster have of it.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/cluster/core_shards.h"
#include "server/leaf/leaf_priv.h"
#include "server/router/elsewhere.h"
#include "server/router/share.h"

/* What it was told of one text. */
struct leaf_told {
    uint32_t weight;
    size_t key_size;
    uint8_t key[];
};

struct leaf_change {
    size_t key_size;
    uint8_t key[];
};

/* ---- keys: the subject's size, subject, queue ----------------------------------------------- */

static struct bytes key_make(struct leaves *leaves, struct bytes subject, struct bytes queue)
{
    uint32_t size = (uint32_t)subject.size;

    buf_clear(&leaves->key);
    (void)buf_add(&leaves->key, bytes_of(&size, sizeof(size))); /* it has no limit */
    (void)buf_add(&leaves->key, subject);
    (void)buf_add(&leaves->key, queue);
    return buf_bytes(&leaves->key);
}

static struct leaf_interest key_texts(struct bytes key)
{
    struct leaf_interest interest = {0};
    uint32_t size;

    memcpy(&size, key.at, sizeof(size));
    key = bytes_skip(key, sizeof(size));
    interest.subject = bytes_take(key, size);
    interest.queue = bytes_skip(key, size);
    return interest;
}

static struct bytes heard_key(const void *item)
{
    const struct leaf_heard *heard = item;

    return bytes_of(heard->key, heard->key_size);
}

static struct bytes told_key(const void *item)
{
    const struct leaf_told *told = item;

    return bytes_of(told->key, told->key_size);
}

static struct bytes change_key(const void *item)
{
    const struct leaf_change *change = item;

    return bytes_of(change->key, change->key_size);
}

void leaf_interest_init(struct leaf *leaf)
{
    table_init(&leaf->heard, heard_key, leaf->leaves->seed);
    table_init(&leaf->told, told_key, leaf->leaves->seed);
}

/* ---- hearing -------------------------------------------------------------------------------- */

static void heard_end(struct leaf *leaf, struct leaf_heard *heard)
{
    leaf_sub_remove(leaf->account->account, &heard->sub);
    heap_give(heard);
}

static void heard_begin(struct leaf *leaf, struct bytes key, const struct leaf_interest *interest)
{
    struct leaf_heard *heard = heap_take(sizeof(*heard) + key.size);

    heard->sub.peer = &leaf->peer;
    heard->sub.weight = interest->weight;
    heard->key_size = key.size;
    memcpy(heard->key, key.at, key.size);
    table_add(&leaf->heard, heard);
    leaf_sub_add(leaf->account->account, &heard->sub, interest->subject, interest->queue);
}

void leaf_hear(struct leaf *leaf, const struct leaf_interest *interest)
{
    struct bytes key = key_make(leaf->leaves, interest->subject, interest->queue);
    struct leaf_heard *heard = table_find(&leaf->heard, key);

    if (heard != NULL && heard->sub.weight == interest->weight)
        return;
    if (heard != NULL) {
        table_remove(&leaf->heard, key);
        heard_end(leaf, heard);
        key =
            key_make(leaf->leaves, interest->subject, interest->queue); /* it was used by others */
    }
    if (interest->weight > 0)
        heard_begin(leaf, key, interest);
}

void leaf_unhear_all(struct leaf *leaf)
{
    struct leaf_heard *heard;

    for (size_t at = 0; (heard = table_next(&leaf->heard, &at)) != NULL;)
        heard_end(leaf, heard);
    table_deinit(&leaf->heard);
}

/* ---- counting ------------------------------------------------------------------------------- */

static void add(uint32_t sum[SUBLIST_KINDS], const uint32_t weights[SUBLIST_KINDS])
{
    for (uint32_t kind = 0; kind < SUBLIST_KINDS; kind++)
        sum[kind] += weights[kind];
}

static void weigh(const struct account *account, struct bytes subject, struct bytes queue,
                  uint32_t sum[SUBLIST_KINDS])
{
    const struct account_family *family = account->family;
    uint32_t weights[SUBLIST_KINDS];

    sublist_weights(&account->subs, subject, queue, sum);
    for (unsigned i = 1; family != NULL && i < family->count; i++) {
        sublist_look_weights(&family->members[i]->subs, subject, queue, weights);
        add(sum, weights);
    }
    if (queue.size > 0)
        return;
    /* The sinks of a node that serves this one are plain to whoever is no node. */
    sublist_weights(&account->subs, subject, CORE_SINKS_QUEUE, weights);
    sum[SUB_SINK] += weights[SUB_REMOTE];
}

static uint32_t heard_weight(const struct leaf *leaf, struct bytes key)
{
    const struct leaf_heard *heard = table_find(&leaf->heard, key);

    return heard != NULL ? heard->sub.weight : 0;
}

/* What the leaf itself, and others of its cluster, want of that. */
static uint32_t own_weight(const struct leaf *leaf, struct bytes key)
{
    uint32_t weight = 0;

    if (leaf->alone)
        return heard_weight(leaf, key);
    for (const struct leaf *other = leaf->leaves->all; other != NULL; other = other->next)
        if (other == leaf || leaf_is_mate(leaf, other))
            weight += heard_weight(other, key);
    return weight;
}

static bool is_offered(const struct leaf_account *account, struct bytes subject)
{
    for (size_t i = 0; i < account->offers_count; i++)
        if (bytes_equal(account->offers[i], subject))
            return true;
    return bytes_equal(subject, bytes_of_text(account->circle));
}

/* To a hub only what is of this server and its leaves; what shows circles goes everywhere. */
static uint32_t weight_for(const struct leaf *leaf, struct bytes key,
                           const struct leaf_interest *text, const uint32_t sum[SUBLIST_KINDS])
{
    bool all = !leaf->peer.hub || bytes_starts(text->subject, LEAF_LOOP_PREFIX);
    uint32_t weight = sum[SUB_CLIENT] + sum[SUB_SINK] + sum[SUB_REPLY] + sum[SUB_GUEST];
    uint32_t leaves = sum[SUB_LEAF] + (all ? sum[SUB_HUB] : 0);

    if (all)
        weight += sum[SUB_REMOTE];
    if (leaves > 0 && !leaf->isolated) {
        uint32_t own = leaf->peer.hub && !all ? 0 : own_weight(leaf, key);

        weight += leaves > own ? leaves - own : 0;
    }
    if (text->queue.size == 0 && is_offered(leaf->account, text->subject))
        weight++;
    if (text->queue.size == 0 && weight > 1)
        weight = 1;
    return weight < LEAF_WEIGHT_MAX ? weight : LEAF_WEIGHT_MAX;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void tell(struct leaf *leaf, struct bytes key, const struct leaf_interest *interest)
{
    struct leaf_told *told = table_find(&leaf->told, key);

    if ((told != NULL ? told->weight : 0) == interest->weight)
        return;
    if (interest->weight == 0) {
        table_remove(&leaf->told, key);
        heap_give(told);
    } else if (told == NULL) {
        told = heap_take(sizeof(*told) + key.size);
        told->key_size = key.size;
        memcpy(told->key, key.at, key.size);
        table_add(&leaf->told, told);
    }
    if (interest->weight > 0)
        told->weight = interest->weight;
    leaf_write_interest(&leaf->out, interest);
    leaf_mark(leaf);
}

/* `sum` is what there is of that text. */
static void tell_one(struct leaf *leaf, struct bytes key, const uint32_t sum[SUBLIST_KINDS])
{
    struct leaf_interest text = key_texts(key);

    if (leaf_rules_tell(&leaf->rules, text.subject))
        text.weight = weight_for(leaf, key, &text, sum);
    tell(leaf, key, &text);
}

static void look_and_tell(struct leaf *leaf, struct bytes subject, struct bytes queue)
{
    uint32_t sum[SUBLIST_KINDS];
    struct bytes key;

    if (bytes_equal(queue, CORE_SINKS_QUEUE))
        queue = bytes_of(NULL, 0);
    weigh(leaf->account->account, subject, queue, sum);
    key = key_make(leaf->leaves, subject, queue);
    tell_one(leaf, key, sum);
}

static void tell_of_shards(void *context, const struct interest *interest)
{
    look_and_tell(context, interest->subject, interest->queue);
}

void leaf_tell_all(struct leaf *leaf)
{
    const struct leaf_account *account = leaf->account;
    struct sublist_walk walk = {0};
    const struct sub_set *set;

    while ((set = sublist_next(&account->account->subs, &walk)) != NULL)
        look_and_tell(leaf, sub_set_subject(set), sub_set_queue(set));
    if (account->account->family != NULL)
        core_shards_walk(account->account, false, &leaf->leaves->scratch, tell_of_shards, leaf);
    for (size_t i = 0; i < account->offers_count; i++)
        look_and_tell(leaf, account->offers[i], BYTES(""));
    look_and_tell(leaf, bytes_of_text(account->circle), BYTES(""));
}

void leaf_untell_all(struct leaf *leaf)
{
    struct leaf_told *told;

    for (size_t at = 0; (told = table_next(&leaf->told, &at)) != NULL;)
        heap_give(told);
    table_deinit(&leaf->told);
}

/* ---- changes -------------------------------------------------------------------------------- */

static void change_note(struct leaves *leaves, struct leaf_account *account, struct bytes subject,
                        struct bytes queue)
{
    struct leaf_change *change;
    struct bytes key;

    if (bytes_equal(queue, CORE_SINKS_QUEUE))
        queue = bytes_of(NULL, 0);
    key = key_make(leaves, subject, queue);
    if (table_find(&account->changes, key) != NULL)
        return;
    change = heap_take(sizeof(*change) + key.size);
    change->key_size = key.size;
    memcpy(change->key, key.at, key.size);
    leaves->changed += account->changes.count == 0;
    table_add(&account->changes, change);
}

void leaf_interest_changed(void *owner, struct account *account, struct bytes subject,
                           struct bytes queue)
{
    if (account->leaves != NULL && account->leaves->up > 0)
        change_note(owner, account->leaves, subject, queue);
}

static void take_news(struct leaves *leaves, struct core_news *news)
{
    struct core_noted noted;
    struct bytes rest;

    core_news_take(news, &leaves->noted);
    rest = buf_bytes(&leaves->noted);
    while (core_noted_next(&rest, &noted))
        leaf_interest_changed(leaves, noted.account, noted.subject, noted.queue);
    buf_clear(&leaves->noted);
}

static void settle_change(struct leaves *leaves, struct leaf_account *account,
                          const struct leaf_change *change)
{
    struct bytes key = change_key(change);
    struct leaf_interest text = key_texts(key);
    uint32_t sum[SUBLIST_KINDS];

    weigh(account->account, text.subject, text.queue, sum);
    for (struct leaf *leaf = leaves->all; leaf != NULL; leaf = leaf->next)
        if (leaf->account == account && leaf->state == LEAF_UP)
            tell_one(leaf, key, sum);
}

static void settle_account(struct leaves *leaves, struct leaf_account *account)
{
    struct table changes = account->changes;
    struct leaf_change *change;

    if (changes.count == 0)
        return;
    table_init(&account->changes, change_key, leaves->seed);
    leaves->changed--;
    for (size_t at = 0; (change = table_next(&changes, &at)) != NULL;) {
        settle_change(leaves, account, change);
        heap_give(change);
    }
    table_deinit(&changes);
}

void leaf_interest_settle(struct leaves *leaves)
{
    for (unsigned i = 0; i < leaves->news_count; i++)
        take_news(leaves, leaves->news[i]);
    if (leaves->changed == 0)
        return;
    for (struct leaf_account *account = leaves->accounts; account != NULL; account = account->next)
        settle_account(leaves, account);
}

/* ---- accounts ------------------------------------------------------------------------------- */

/* Nobody else can guess it: whoever says it has it from us. */
static void name_circle(struct leaves *leaves, char circle[5 + LEAF_CIRCLE_SIZE + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[LEAF_CIRCLE_SIZE];

    io_random(leaves->setup.io, random, sizeof(random));
    memcpy(circle, "$LDS.", 5);
    for (size_t i = 0; i < LEAF_CIRCLE_SIZE; i++)
        circle[5 + i] = letters[random[i] % 32];
    circle[5 + LEAF_CIRCLE_SIZE] = 0;
}

struct leaf_account *leaf_account_of(struct leaves *leaves, struct account *account)
{
    struct leaf_account *made = account->leaves;

    if (made != NULL)
        return made;
    made = HEAP_NEW(struct leaf_account);
    made->account = account;
    made->next = leaves->accounts;
    leaves->accounts = made;
    account->leaves = made;
    name_circle(leaves, made->circle);
    table_init(&made->changes, change_key, leaves->seed);
    leaf_account_offers(leaves, made);
    return made;
}

static void drop_offers(struct leaf_account *account)
{
    for (size_t i = 0; i < account->offers_count; i++)
        heap_give((void *)account->offers[i].at);
    heap_give(account->offers);
    account->offers = NULL;
    account->offers_count = 0;
}

void leaf_account_free(struct leaf_account *account)
{
    struct leaf_change *change;

    for (size_t at = 0; (change = table_next(&account->changes, &at)) != NULL;)
        heap_give(change);
    table_deinit(&account->changes);
    drop_offers(account);
    account->account->leaves = NULL;
    heap_give(account);
}

static void offer(struct leaf_account *account, struct bytes before, struct bytes subject)
{
    struct buf text;

    if (subject.size == 0)
        return;
    buf_init(&text, SIZE_MAX / 2);
    (void)buf_add(&text, before);
    (void)buf_add(&text, subject);
    account->offers =
        heap_resize(account->offers, (account->offers_count + 1) * sizeof(*account->offers));
    account->offers[account->offers_count++] = heap_copy(buf_bytes(&text));
    buf_deinit(&text);
}

/* Requests that another account serves, and what another account takes of this one's messages. */
static void offer_shares(struct leaves *leaves, struct leaf_account *account)
{
    const struct account_options *options = account->account->options;
    struct account *other;

    for (size_t i = 0; options != NULL && i < options->imports.count; i++) {
        const struct import_options *import = &options->imports.at[i];

        if (import->kind != SHARE_SERVICE)
            continue;
        arena_reset(&leaves->making);
        offer(account, BYTES(""), share_local(import, &leaves->making));
    }
    for (size_t at = 0; (other = router_account_next(leaves->setup.router, &at)) != NULL;) {
        for (size_t i = 0; other->options != NULL && i < other->options->imports.count; i++) {
            const struct import_options *import = &other->options->imports.at[i];

            if (import->kind == SHARE_STREAM &&
                bytes_equal(import->account, account->account->name))
                offer(account, BYTES(""), import->subject);
        }
    }
}

static void offer_mappings(struct leaves *leaves, struct leaf_account *account)
{
    const struct account_options *options = account->account->options;
    const struct mapping_list *mappings = options != NULL ? &options->mappings : NULL;

    if (account->account == router_account_default(leaves->setup.router))
        mappings = &leaves->setup.options->auth.mappings;
    for (size_t i = 0; mappings != NULL && i < mappings->count; i++)
        offer(account, BYTES(""), mappings->at[i].source);
}

/* What others call this server's JetStream, when it has one and they may use it. */
static void offer_domain(struct leaves *leaves, struct leaf_account *account)
{
    static const char *const behind[] = {"INFO",   "STREAM.>", "CONSUMER.>", "DIRECT.>",
                                         "META.>", "SERVER.>", "ACCOUNT.>"};
    const char *domain = leaves->setup.clients->domain_api;

    if (domain[0] == 0 || !leaves->setup.info->jetstream || account->account->system)
        return;
    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++)
        offer(account, bytes_of_text(domain), bytes_of_text(behind[i]));
    offer(account, bytes_of_text(domain), BYTES("$KV.>"));
    offer(account, bytes_of_text(domain), BYTES("$OBJ.>"));
}

static void note_offers(struct leaves *leaves, struct leaf_account *account)
{
    for (size_t i = 0; account->up > 0 && i < account->offers_count; i++)
        change_note(leaves, account, account->offers[i], BYTES(""));
}

void leaf_account_offers(struct leaves *leaves, struct leaf_account *account)
{
    note_offers(leaves, account);
    drop_offers(account);
    offer_shares(leaves, account);
    offer_mappings(leaves, account);
    offer_domain(leaves, account);
    note_offers(leaves, account);
}

#include "server/router/share_check.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/subject.h"
#include "server/router/share.h"
#include "server/router/subject_transform.h"

#define LOCAL_ARENA_MAX (1u << 20)
#define SUBJECT_SHOWN   160

static const char *word(enum share_kind kind)
{
    return kind == SHARE_STREAM ? "stream" : "service";
}

static bool is_twice(const struct account_options *account, size_t place)
{
    const struct import_options *import = &account->imports.at[place];

    for (size_t i = 0; i < place && import->kind == SHARE_STREAM; i++) {
        const struct import_options *other = &account->imports.at[i];

        if (other->kind == import->kind && bytes_equal(other->account, import->account) &&
            bytes_equal(other->subject, import->subject) && bytes_equal(other->to, import->to) &&
            bytes_equal(other->prefix, import->prefix))
            return true;
    }
    return false;
}

/* A walk from an import's account along its imports: where requests under a subject go on to, or
 * where a stream's messages under it come from. */
struct walk {
    const struct account_finder *accounts;
    const struct account_options *home;
    enum share_kind kind;
    struct visit *visits; /* each is asked once, but again for another subject */
    size_t count, capacity;
};

struct visit {
    const struct account_options *account;
    struct bytes subject;
};

/* False: that was asked before. */
static bool visit(struct walk *walk, const struct account_options *account, struct bytes subject)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->visits[i].account == account && bytes_equal(walk->visits[i].subject, subject))
            return false;
    }
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? 8 : walk->capacity * 2;
        walk->visits = heap_resize(walk->visits, walk->capacity * sizeof(*walk->visits));
    }
    walk->visits[walk->count++] = (struct visit){account, subject};
    return true;
}

/* What of `subject` in the importing account is in the exporting one; empty: nothing. */
static struct bytes beyond(const struct import_options *import, struct bytes subject)
{
    struct bytes local, other = bytes_of(NULL, 0);
    struct arena arena;

    arena_init(&arena, LOCAL_ARENA_MAX);
    local = share_local(import, &arena);
    if (local.size > 0 && subject_collide(local, subject))
        other = bytes_equal(local, import->subject) && subject_covers(local, subject)
                    ? subject
                    : import->subject;
    arena_deinit(&arena);
    return other;
}

static bool comes_home(struct walk *walk, struct bytes subject, struct bytes name);

static bool goes_home(struct walk *walk, struct bytes subject, const struct import_options *import)
{
    struct bytes other = bytes_of(NULL, 0);

    if (import->kind == walk->kind)
        other = beyond(import, subject);
    return other.size > 0 && comes_home(walk, other, import->account);
}

static bool comes_home(struct walk *walk, struct bytes subject, struct bytes name)
{
    const struct account_options *account = walk->accounts->find(walk->accounts->owner, name);

    if (account == NULL)
        return false;
    if (account == walk->home)
        return true;
    if (!visit(walk, account, subject))
        return false;
    for (size_t i = 0; i < account->imports.count; i++) {
        if (goes_home(walk, subject, &account->imports.at[i]))
            return true;
    }
    return false;
}

/* Would what is imported come round to this account again? */
static bool forms_cycle(const struct account_finder *accounts,
                        const struct account_options *account, const struct import_options *import)
{
    struct walk walk = {.accounts = accounts, .home = account, .kind = import->kind};
    bool home = comes_home(&walk, import->subject, import->account);

    heap_give(walk.visits);
    return home;
}

bool share_import_allowed(const struct account_finder *accounts,
                          const struct account_options *account, size_t place,
                          char why[static SHARE_WHY_SIZE])
{
    const struct import_options *import = &account->imports.at[place];
    const struct account_options *from = accounts->find(accounts->owner, import->account);
    struct subject_transform_error error = {""};
    int shown = import->subject.size < SUBJECT_SHOWN ? (int)import->subject.size : SUBJECT_SHOWN;

    if (from == NULL) {
        snprintf(why, SHARE_WHY_SIZE, "\"%.*s\" account not defined for %s import",
                 BYTES_ARG(import->account), word(import->kind));
        return false;
    }
    if (share_export(from, import, account->name) == NULL)
        snprintf(error.text, sizeof(error.text), "%s import not authorized", word(import->kind));
    else if (is_twice(account, place))
        snprintf(error.text, sizeof(error.text), "stream import already exists");
    else if (import->prefix.size > 0 && subject_has_wildcard(import->prefix))
        snprintf(error.text, sizeof(error.text),
                 "stream import prefix can not contain wildcard tokens");
    else if (forms_cycle(accounts, account, import))
        snprintf(error.text, sizeof(error.text), "import forms a cycle");
    else if (share_import_valid(import, &error))
        return true;
    snprintf(why, SHARE_WHY_SIZE, "Error adding %s import \"%.*s\": %s", word(import->kind), shown,
             import->subject.at, error.text);
    return false;
}

#include "base/subject.h"

#include "base/eight.h"

/* A walk over tokens: `token` is the current one, `rest` what follows its dot. */
struct walk {
    struct bytes token;
    struct bytes rest;
    bool more; /* a dot followed: there is another token, perhaps an empty one */
};

static void walk_next(struct walk *walk)
{
    size_t size = bytes_find(walk->rest, '.');

    walk->token = bytes_take(walk->rest, size);
    walk->more = size < walk->rest.size;
    walk->rest = bytes_skip(walk->rest, walk->more ? size + 1 : size);
}

static void walk_begin(struct walk *walk, struct bytes subject)
{
    walk->rest = subject;
    walk_next(walk);
}

static bool token_is(struct bytes token, uint8_t wildcard)
{
    return token.size == 1 && token.at[0] == wildcard;
}

static bool token_is_wildcard(struct bytes token)
{
    return token_is(token, '*') || token_is(token, '>');
}

/* ---- at a glance ---------------------------------------------------------------------------- */

/* `first`: the highest bit of the first byte is set when a dot, or nothing, is before it. */
static uint64_t glance_word(struct subject_glance *seen, uint64_t word, uint64_t first)
{
    uint64_t dots = eight_equal(word, '.');

    seen->empty |= (dots & (dots << 8 | first)) != 0;
    seen->wild |= (eight_equal(word, '*') | eight_equal(word, '>')) != 0;
    return dots;
}

static struct subject_glance glance_short(struct bytes subject)
{
    struct subject_glance seen = {0};
    bool dot = true;

    for (size_t i = 0; i < subject.size; i++) {
        bool was_dot = dot;

        dot = subject.at[i] == '.';
        seen.empty |= dot & was_dot;
        seen.wild |= subject.at[i] == '*' || subject.at[i] == '>';
        seen.dots += dot;
    }
    seen.empty |= dot;
    return seen;
}

struct subject_glance subject_glance(struct bytes subject)
{
    struct subject_glance seen = {0};
    uint64_t first = 0x80, dots;
    size_t at = 0;

    if (subject.size < 8)
        return glance_short(subject);
    for (; subject.size - at >= 8; at += 8) {
        dots = glance_word(&seen, eight_load(subject.at + at), first);
        seen.dots += eight_count(dots);
        first = dots >> 56;
    }
    if (at < subject.size) { /* the last eight again, of which only these are new */
        dots = glance_word(&seen, eight_load(subject.at + subject.size - 8), 0);
        seen.dots += eight_count(dots >> 8 * (8 - (subject.size - at)));
    }
    seen.empty |= subject.at[subject.size - 1] == '.';
    return seen;
}

/* ---- tokens --------------------------------------------------------------------------------- */

bool subject_valid(struct bytes subject)
{
    struct subject_glance seen = subject_glance(subject);
    struct walk walk;

    if (seen.empty || !seen.wild)
        return !seen.empty;
    for (walk_begin(&walk, subject);; walk_next(&walk)) {
        if (walk.token.size == 0)
            return false;
        if (walk.more && token_is(walk.token, '>'))
            return false;
        if (!walk.more)
            return true;
    }
}

bool subject_valid_strict(struct bytes subject)
{
    for (size_t i = 0; i < subject.size; i++) {
        switch (subject.at[i]) {
        case ' ':
        case '\t':
        case '\n':
        case '\f':
        case '\r': return false;
        default: break;
        }
    }
    return subject_valid(subject);
}

bool subject_has_wildcard(struct bytes subject)
{
    struct walk walk;

    if (!subject_glance(subject).wild)
        return false;
    for (walk_begin(&walk, subject);; walk_next(&walk)) {
        if (token_is_wildcard(walk.token))
            return true;
        if (!walk.more)
            return false;
    }
}

bool subject_literal(struct bytes subject)
{
    return subject_valid_strict(subject) && !subject_has_wildcard(subject);
}

/* Are the current token and all that follow non-empty? */
static bool walk_tokens_hold(struct walk walk)
{
    while (walk.token.size > 0 && walk.more)
        walk_next(&walk);
    return walk.token.size > 0;
}

/* Whoever looks through all subjects for one filter mostly finds another byte before a wildcard. */
static bool differs_at_once(struct bytes filter, struct bytes subject)
{
    size_t least = filter.size < subject.size ? filter.size : subject.size;

    for (size_t i = 0; i < least; i++) {
        if (filter.at[i] == '*' || filter.at[i] == '>')
            return false;
        if (filter.at[i] != subject.at[i])
            return true;
    }
    return false;
}

bool subject_matches(struct bytes filter, struct bytes subject)
{
    struct walk f, s;

    if (differs_at_once(filter, subject))
        return false;
    walk_begin(&f, filter);
    walk_begin(&s, subject);
    for (;;) {
        if (s.token.size == 0)
            return false;
        if (!f.more && token_is(f.token, '>'))
            return walk_tokens_hold(s);
        if (!token_is(f.token, '*') && !bytes_equal(f.token, s.token))
            return false;
        if (!f.more || !s.more)
            return f.more == s.more;
        walk_next(&f);
        walk_next(&s);
    }
}

bool subject_collide(struct bytes a, struct bytes b)
{
    struct walk x, y;

    walk_begin(&x, a);
    walk_begin(&y, b);
    for (;;) {
        if (token_is(x.token, '>') || token_is(y.token, '>'))
            return true;
        if (!token_is(x.token, '*') && !token_is(y.token, '*') && !bytes_equal(x.token, y.token))
            return false;
        if (!x.more || !y.more)
            return x.more == y.more;
        walk_next(&x);
        walk_next(&y);
    }
}

bool subject_covers(struct bytes outer, struct bytes inner)
{
    struct walk o, i;

    walk_begin(&o, outer);
    walk_begin(&i, inner);
    for (;;) {
        if (token_is(o.token, '>'))
            return true;
        if (token_is(i.token, '>'))
            return false;
        if (!token_is(o.token, '*') && !bytes_equal(o.token, i.token))
            return false;
        if (!o.more || !i.more)
            return o.more == i.more;
        walk_next(&o);
        walk_next(&i);
    }
}

struct bytes subject_token(struct bytes subject, size_t n)
{
    struct walk walk;

    for (walk_begin(&walk, subject);; walk_next(&walk)) {
        if (n == 0)
            return walk.token.size > 0 ? walk.token : bytes_of(NULL, 0);
        if (!walk.more)
            return bytes_of(NULL, 0);
        n--;
    }
}

size_t subject_token_count(struct bytes subject)
{
    return subject.size > 0 ? subject_glance(subject).dots + 1 : 0;
}

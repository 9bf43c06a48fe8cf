#include "server/clients/proto.h"

#include "base/eight.h"

#define SIZE_DIGITS_MAX 9u
#define WORDS_MAX       4u

/* ---- verbs ---------------------------------------------------------------------------------- */

struct verb {
    char text[8]; /* lower case */
    uint8_t size;
    bool blank; /* must be followed by one */
    enum proto_verb verb;
};

static const struct verb verbs[] = {
    {"pub", 3, true, PROTO_PUB},          {"hpub", 4, true, PROTO_HPUB},
    {"sub", 3, true, PROTO_SUB},          {"unsub", 5, true, PROTO_UNSUB},
    {"ping", 4, false, PROTO_PING},       {"pong", 4, false, PROTO_PONG},
    {"connect", 7, false, PROTO_CONNECT}, {"+ok", 3, false, PROTO_OK},
    {"-err", 4, true, PROTO_ERR},         {"info", 4, false, PROTO_INFO},
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

/* How many bytes of the verb `in` begins with. */
static size_t verb_common(const struct verb *verb, struct bytes in)
{
    size_t size = 0;

    while (size < verb->size && size < in.size && lower(in.at[size]) == (uint8_t)verb->text[size])
        size++;
    return size;
}

/* What most other lines are than PUB, which who takes frames looks for first. */
static bool read_verb_usual(struct bytes in, enum proto_verb *verb, size_t *used)
{
    if (bytes_starts(in, BYTES("SUB ")))
        *verb = PROTO_SUB, *used = 4;
    else if (bytes_starts(in, BYTES("HPUB ")))
        *verb = PROTO_HPUB, *used = 5;
    else if (bytes_starts(in, BYTES("UNSUB ")))
        *verb = PROTO_UNSUB, *used = 6;
    else
        return false;
    return true;
}

enum parse proto_read_verb(struct bytes in, enum proto_verb *verb, size_t *used)
{
    if (read_verb_usual(in, verb, used))
        return PARSE_DONE;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        size_t size = verb_common(&verbs[i], in);
        bool whole = size == verbs[i].size;

        if (size == in.size && !(whole && !verbs[i].blank))
            return PARSE_MORE;
        if (!whole)
            continue;
        if (verbs[i].blank && !is_blank(in.at[size]))
            return PARSE_BAD;
        *verb = verbs[i].verb;
        *used = size + verbs[i].blank;
        return PARSE_DONE;
    }
    return PARSE_BAD;
}

/* ---- arguments ------------------------------------------------------------------------------ */

enum parse proto_read_args(struct bytes in, size_t limit, struct bytes *args, size_t *used)
{
    size_t begin = 0, line, end;

    while (begin < in.size && is_blank(in.at[begin]))
        begin++;
    line = begin + bytes_find(bytes_skip(in, begin), '\n');
    end = line;
    if (end > begin && in.at[end - 1] == '\r')
        end--;
    if (end - begin > limit)
        return PARSE_LONG;
    if (line == in.size)
        return PARSE_MORE;

    *args = bytes_of(in.at + begin, end - begin);
    *used = line + 1;
    return PARSE_DONE;
}

/*
 * Splits at blanks; returns how many words there are, of which the first WORDS_MAX + 1 are set. In
 * SUB and UNSUB a CR separates too, in a publish it is part of a word: the reference has it so.
 */
enum cr { CR_IN_WORDS, CR_SEPARATES };

static bool separates(uint8_t byte, enum cr cr)
{
    return is_blank(byte) || (cr == CR_SEPARATES && byte == '\r');
}

static size_t split(struct bytes args, enum cr cr, struct bytes words[WORDS_MAX + 1])
{
    size_t count = 0, at = 0;

    while (count <= WORDS_MAX) {
        size_t begin;

        while (at < args.size && separates(args.at[at], cr))
            at++;
        if (at == args.size)
            break;
        begin = at;
        while (at < args.size && !separates(args.at[at], cr))
            at++;
        words[count++] = bytes_of(args.at + begin, at - begin);
    }
    return count;
}

/* The first byte from `at` on that is no part of an ordinary word: a blank, or any control byte. */
static inline size_t word_end(struct bytes in, size_t at)
{
    for (; in.size - at >= 8; at += 8) {
        uint64_t ends = eight_above(eight_load(in.at + at), ' ') ^ EIGHT_HIGH;

        if (ends != 0)
            return at + eight_first(ends);
    }
    while (at < in.size && in.at[at] > ' ')
        at++;
    return at;
}

/*
 * The words of a line that has them with single spaces and ends in CR LF, as every client writes
 * it; nothing after the line is read. 0: it is another, odd or wrong or unfinished, or has more
 * than WORDS_MAX: left to the general reader, which takes this one as the same words.
 */
static size_t split_usual(struct bytes in, size_t limit, struct bytes words[WORDS_MAX + 1],
                          size_t *used)
{
    size_t begin = 0, end;

    for (size_t count = 1; count <= WORDS_MAX; count++, begin = end + 1) {
        end = word_end(in, begin);
        if (end == begin || in.size - end < 2)
            return 0;
        words[count - 1] = bytes_of(in.at + begin, end - begin);
        if (in.at[end] == ' ')
            continue;
        if (in.at[end] != '\r' || in.at[end + 1] != '\n' || end > limit)
            return 0;
        *used = end + 2;
        return count;
    }
    return 0;
}

/* The words of a line, at most WORDS_MAX + 1 of them. */
static inline enum parse split_line(struct bytes in, size_t limit, enum cr cr,
                                    struct bytes words[WORDS_MAX + 1], size_t *count, size_t *used)
{
    struct bytes args;
    enum parse parse;

    *count = split_usual(in, limit, words, used);
    if (*count > 0)
        return PARSE_DONE;
    parse = proto_read_args(in, limit, &args, used);
    if (parse == PARSE_DONE)
        *count = split(args, cr, words);
    return parse;
}

static bool read_size(struct bytes word, uint32_t *size)
{
    uint32_t value = 0;

    if (word.size == 0 || word.size > SIZE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(word.at[i] - '0');
    }
    *size = value;
    return true;
}

/* ---- PUB: the one that must be fast --------------------------------------------------------- */

/*
 * Reads digits and the line's end behind them. Where the next message begins depends on the size
 * alone: the digits are taken one by one, so that the processor guesses how many there are and
 * works on the next line before this one is read.
 */
static inline bool read_size_end(struct bytes in, size_t at, uint32_t *size, size_t *end)
{
    size_t begin = at;
    uint32_t value = 0, digit;

    for (; at < in.size && (digit = in.at[at] - (uint32_t)'0') <= 9; at++)
        value = value * 10 + digit;
    *size = value;
    *end = at;
    return at > begin && at - begin <= SIZE_DIGITS_MAX && in.size - at >= 2 && in.at[at] == '\r' &&
           in.at[at + 1] == '\n';
}

/*
 * "subject size\r\n" or "subject reply size\r\n" with single spaces, as every client writes it, in
 * one pass. Anything else, odd or wrong or unfinished, is left to the general reader.
 */
static bool read_pub_usual(struct bytes in, size_t limit, struct proto_pub *pub, size_t *used)
{
    size_t subject_end = word_end(in, 0), reply = subject_end + 1, reply_end = reply, end;

    if (subject_end == 0 || subject_end == in.size || in.at[subject_end] != ' ')
        return false;
    if (!read_size_end(in, reply, &pub->size, &end)) {
        reply_end = word_end(in, reply);
        if (reply_end == reply || reply_end == in.size || in.at[reply_end] != ' ' ||
            !read_size_end(in, reply_end + 1, &pub->size, &end))
            return false;
    }
    if (end > limit)
        return false;
    pub->subject = bytes_of(in.at, subject_end);
    pub->reply = bytes_of(in.at + reply, reply_end - reply);
    pub->header_size = 0;
    *used = end + 2;
    return true;
}

enum parse proto_read_pub(struct bytes in, size_t limit, struct proto_pub *pub, size_t *used)
{
    struct bytes args, words[WORDS_MAX + 1];
    struct proto_pub read;
    enum parse parse;
    size_t count;

    if (read_pub_usual(in, limit, pub, used))
        return PARSE_DONE;
    parse = proto_read_args(in, limit, &args, used);
    if (parse != PARSE_DONE)
        return parse;

    count = split(args, CR_IN_WORDS, words);
    if (count != 2 && count != 3)
        return PARSE_BAD;
    if (!read_size(words[count - 1], &read.size))
        return PARSE_BAD;
    read.subject = words[0];
    read.header_size = 0;
    read.reply = count == 3 ? words[1] : bytes_of(NULL, 0);
    *pub = read;
    return PARSE_DONE;
}

enum parse proto_read_hpub(struct bytes in, size_t limit, struct proto_pub *pub, size_t *used)
{
    struct bytes words[WORDS_MAX + 1];
    struct proto_pub read = {0};
    enum parse parse;
    size_t count;

    parse = split_line(in, limit, CR_IN_WORDS, words, &count, used);
    if (parse != PARSE_DONE)
        return parse;
    if (count != 3 && count != 4)
        return PARSE_BAD;
    if (!read_size(words[count - 2], &read.header_size) || !read_size(words[count - 1], &read.size))
        return PARSE_BAD;
    if (read.header_size > read.size)
        return PARSE_BAD;
    read.subject = words[0];
    read.reply = count == 4 ? words[1] : bytes_of(NULL, 0);
    *pub = read;
    return PARSE_DONE;
}

/* ---- SUB, UNSUB ----------------------------------------------------------------------------- */

enum parse proto_read_sub(struct bytes in, size_t limit, struct proto_sub *sub, size_t *used)
{
    struct bytes words[WORDS_MAX + 1];
    enum parse parse;
    size_t count;

    parse = split_line(in, limit, CR_SEPARATES, words, &count, used);
    if (parse != PARSE_DONE)
        return parse;
    if (count != 2 && count != 3)
        return PARSE_BAD;
    sub->subject = words[0];
    sub->queue = count == 3 ? words[1] : bytes_of(NULL, 0);
    sub->sid = words[count - 1];
    return PARSE_DONE;
}

enum parse proto_read_unsub(struct bytes in, size_t limit, struct proto_unsub *unsub, size_t *used)
{
    struct bytes words[WORDS_MAX + 1];
    enum parse parse;
    size_t count;

    parse = split_line(in, limit, CR_SEPARATES, words, &count, used);
    if (parse != PARSE_DONE)
        return parse;
    if (count != 1 && count != 2)
        return PARSE_BAD;
    unsub->sid = words[0];
    unsub->max = 0;
    if (count == 2 && !read_size(words[1], &unsub->max))
        unsub->max = 0;
    return PARSE_DONE;
}

/* ---- writing -------------------------------------------------------------------------------- */

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static size_t digits(uint32_t value)
{
    size_t count = 1;

    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

uint8_t *proto_write_u32(uint8_t *at, uint32_t value)
{
    uint8_t *end = at + digits(value), *to = end;

    for (; value >= 100; value /= 100)
        memcpy(to -= 2, pairs + 2 * (value % 100), 2);
    if (value >= 10)
        memcpy(to -= 2, pairs + 2 * value, 2);
    else
        *--to = (uint8_t)('0' + value);
    assert(to == at);
    return end;
}

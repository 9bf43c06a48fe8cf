#include "server/leaf/leaf_wire.h"

#include "base/limits.h"
#include "base/subject.h"

/* ---- lines ---------------------------------------------------------------------------------- */

struct verb {
    struct bytes text;
    enum leaf_verb verb;
    bool args;
};

static const struct verb verbs[] = {
    {BYTES("LMSG"), LEAF_VERB_MESSAGE, true}, {BYTES("HMSG"), LEAF_VERB_MESSAGE_HEADERS, true},
    {BYTES("LS+"), LEAF_VERB_SUB, true},      {BYTES("LS-"), LEAF_VERB_UNSUB, true},
    {BYTES("PING"), LEAF_VERB_PING, false},   {BYTES("PONG"), LEAF_VERB_PONG, false},
    {BYTES("INFO"), LEAF_VERB_INFO, true},    {BYTES("CONNECT"), LEAF_VERB_CONNECT, true},
    {BYTES("+OK"), LEAF_VERB_OK, false},      {BYTES("-ERR"), LEAF_VERB_ERR, true},
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct bytes least(struct bytes b, size_t size)
{
    return bytes_take(b, b.size < size ? b.size : size);
}

/* NULL: none; *perhaps: it could still become one. */
static const struct verb *verb_of(struct bytes in, bool *perhaps)
{
    *perhaps = false;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *verb = &verbs[i];
        size_t size = verb->text.size;

        if (in.size <= size) {
            *perhaps |= bytes_equal_nocase(in, bytes_take(verb->text, in.size));
            continue;
        }
        if (!bytes_equal_nocase(bytes_take(in, size), verb->text))
            continue;
        if (is_blank(in.at[size]) || (!verb->args && (in.at[size] == '\r' || in.at[size] == '\n')))
            return verb;
    }
    return NULL;
}

enum parse leaf_line_read(struct bytes in, size_t limit, struct leaf_line *line)
{
    const struct verb *verb;
    bool perhaps;
    size_t end;

    verb = verb_of(in, &perhaps);
    if (verb == NULL)
        return perhaps ? PARSE_MORE : PARSE_BAD;
    end = bytes_find(least(in, limit + 1), '\n');
    if (end > limit)
        return PARSE_LONG;
    if (end == in.size)
        return PARSE_MORE;
    line->verb = verb->verb;
    line->args = bytes_trim(bytes_skip(bytes_take(in, end), verb->text.size));
    line->size = end + 1;
    return PARSE_DONE;
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool word_next(struct bytes *rest, struct bytes *word)
{
    size_t from = 0, to;

    while (from < rest->size && is_blank(rest->at[from]))
        from++;
    to = from;
    while (to < rest->size && !is_blank(rest->at[to]))
        to++;
    *word = bytes_take(bytes_skip(*rest, from), to - from);
    *rest = bytes_skip(*rest, to);
    return word->size > 0;
}

/* The last word of `rest`, which it leaves. */
static bool word_last(struct bytes *rest, struct bytes *word)
{
    size_t from;

    *rest = bytes_trim(*rest);
    from = rest->size;
    while (from > 0 && !is_blank(rest->at[from - 1]))
        from--;
    *word = bytes_skip(*rest, from);
    *rest = bytes_trim(bytes_take(*rest, from));
    return word->size > 0;
}

static bool number(struct bytes text, uint32_t *value)
{
    uint64_t wide;

    if (text.size > PROTO_DIGITS_MAX || !bytes_read_u64(text, &wide) || wide > INT32_MAX)
        return false;
    *value = (uint32_t)wide;
    return true;
}

/* No byte of a line's structure may be in what is passed on. */
static bool is_clean(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] == 0x7f)
            return false;
    return text.size > 0;
}

bool leaf_queue_next(struct bytes *queues, struct bytes *queue)
{
    return word_next(queues, queue);
}

/* ---- interest ------------------------------------------------------------------------------- */

static bool subject_acceptable(struct bytes subject)
{
    struct subject_glance seen = subject_glance(subject);

    if (!is_clean(subject) || seen.empty || seen.dots >= SUBJECT_TOKENS_MAX)
        return false;
    return !seen.wild || subject_valid(subject);
}

static bool read_texts(struct bytes *rest, struct leaf_interest *interest)
{
    *interest = (struct leaf_interest){0};
    if (!word_next(rest, &interest->subject) || !subject_acceptable(interest->subject))
        return false;
    return !word_next(rest, &interest->queue) || is_clean(interest->queue);
}

bool leaf_sub_read(struct bytes args, struct leaf_interest *interest)
{
    struct bytes rest = args, weight, more;

    if (!read_texts(&rest, interest))
        return false;
    interest->weight = 1;
    if (interest->queue.size == 0)
        return true;
    if (!word_next(&rest, &weight) || !number(weight, &interest->weight) || word_next(&rest, &more))
        return false;
    return interest->weight > 0 && interest->weight <= LEAF_WEIGHT_MAX;
}

bool leaf_unsub_read(struct bytes args, struct leaf_interest *interest)
{
    struct bytes rest = args, more;

    return read_texts(&rest, interest) && !word_next(&rest, &more);
}

/* ---- messages ------------------------------------------------------------------------------- */

static bool fails(const char **why, const char *text)
{
    *why = text;
    return false;
}

static bool read_sizes(struct bytes *rest, bool headers, struct leaf_message *message,
                       const char **why)
{
    struct bytes word;

    if (!word_last(rest, &word) || !number(word, &message->size))
        return fails(why, "Bad or Missing Size");
    if (!headers)
        return true;
    if (!word_last(rest, &word) || !number(word, &message->header_size))
        return fails(why, "Bad or Missing Header Size");
    if (message->header_size > message->size)
        return fails(why, "Header Size larger then TotalSize");
    return true;
}

/* Two words or more behind the subject: the first says whether a reply follows. */
static bool read_queues(struct bytes indicator, struct bytes rest, struct leaf_message *message,
                        const char **why)
{
    if (indicator.size != 1 || (indicator.at[0] != '+' && indicator.at[0] != '|'))
        return fails(why, "Bad or Missing Reply Indicator");
    if (indicator.at[0] == '+' && !word_next(&rest, &message->reply))
        return fails(why, "Bad or Missing Reply Indicator");
    message->queues = bytes_trim(rest);
    return true;
}

bool leaf_message_read(struct bytes args, bool headers, struct leaf_message *message,
                       const char **why)
{
    struct bytes rest = args, word, probe;

    *message = (struct leaf_message){0};
    if (!read_sizes(&rest, headers, message, why))
        return false;
    if (!word_next(&rest, &message->subject))
        return fails(why, "Parse Error");
    if (!is_clean(message->subject))
        return fails(why, "Bad Subject");
    if (!word_next(&rest, &word))
        return true;
    probe = rest;
    if (word_next(&probe, &message->reply)) {
        message->reply = bytes_of(NULL, 0);
        if (!read_queues(word, rest, message, why))
            return false;
    } else {
        message->reply = word;
    }
    return message->reply.size == 0 || is_clean(message->reply) || fails(why, "Bad Reply");
}

#define ACK_DOTS 8u /* within "$JS.ACK.stream.consumer.1.1.1.1.1": names may have an '@' */

struct bytes leaf_reply_shown(struct bytes *reply)
{
    struct bytes whole = *reply;
    size_t dots = 0, at = 0;

    if (!bytes_starts(whole, BYTES("$JS.ACK.")))
        return bytes_of(NULL, 0);
    while (at < whole.size && (dots < ACK_DOTS || whole.at[at] != '@'))
        dots += whole.at[at++] == '.';
    if (at + 1 >= whole.size)
        return bytes_of(NULL, 0);
    *reply = bytes_take(whole, at);
    return bytes_skip(whole, at + 1);
}

/* ---- writing -------------------------------------------------------------------------------- */

void leaf_write_interest(struct buf *out, const struct leaf_interest *interest)
{
    if (interest->weight > 0)
        (void)BUF_ADD(out, "LS+ ");
    else
        (void)BUF_ADD(out, "LS- ");
    (void)buf_add(out, interest->subject);
    if (interest->queue.size > 0) {
        (void)buf_add_byte(out, ' ');
        (void)buf_add(out, interest->queue);
    }
    if (interest->queue.size > 0 && interest->weight > 0) {
        (void)buf_add_byte(out, ' ');
        (void)buf_add_u64(out, interest->weight);
    }
    (void)BUF_ADD(out, "\r\n");
}

static void add_word(struct buf *out, struct bytes word)
{
    (void)buf_add(out, word);
    (void)buf_add_byte(out, ' ');
}

void leaf_write_message(struct buf *out, struct bytes subject, struct bytes reply,
                        const struct bytes *queues, size_t queues_count, size_t header_size,
                        size_t size)
{
    add_word(out, header_size > 0 ? BYTES("HMSG") : BYTES("LMSG"));
    add_word(out, subject);
    if (queues_count > 0)
        add_word(out, reply.size > 0 ? BYTES("+") : BYTES("|"));
    if (reply.size > 0)
        add_word(out, reply);
    for (size_t i = 0; i < queues_count; i++)
        add_word(out, queues[i]);
    if (header_size > 0) {
        (void)buf_add_u64(out, header_size);
        (void)buf_add_byte(out, ' ');
    }
    (void)buf_add_u64(out, size);
    (void)BUF_ADD(out, "\r\n");
}

void leaf_write_error(struct buf *out, struct bytes text)
{
    (void)BUF_ADD(out, "-ERR '");
    (void)buf_add(out, text);
    (void)BUF_ADD(out, "'\r\n");
}

#include "bench/wire.h"

#include <assert.h>
#include <string.h>

#include "bench/names.h"

#define WORDS_MAX 6u

struct span span_of(const char *text)
{
    return (struct span){.at = text, .size = strlen(text)};
}

bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

bool span_starts(struct span s, const char *prefix)
{
    size_t size = strlen(prefix);

    return s.size >= size && memcmp(s.at, prefix, size) == 0;
}

bool span_contains(struct span s, const char *text)
{
    return s.size > 0 && memmem(s.at, s.size, text, strlen(text)) != NULL;
}

struct span span_skip(struct span s, size_t size)
{
    assert(size <= s.size);
    return (struct span){.at = s.at + size, .size = s.size - size};
}

bool span_u64(struct span s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.size == 0 || s.size > 19)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.at[i] - '0');
    }
    *out = value;
    return true;
}

bool json_u64(struct span json, const char *key, uint64_t *out)
{
    size_t key_size = strlen(key);
    const char *end = json.at + json.size;
    const char *at = json.size ? memmem(json.at, json.size, key, key_size) : NULL;
    const char *digits;

    if (!at || at == json.at || at[-1] != '"' || end - at < (ptrdiff_t)key_size + 3)
        return false;
    at += key_size;
    if (at[0] != '"' || at[1] != ':')
        return false;
    for (at += 2; at < end && *at == ' ';)
        at++;
    for (digits = at; at < end && *at >= '0' && *at <= '9';)
        at++;
    return span_u64((struct span){digits, (size_t)(at - digits)}, out);
}

char *put_text(char *at, const char *text)
{
    return put_span(at, span_of(text));
}

char *put_span(char *at, struct span s)
{
    if (s.size > 0)
        memcpy(at, s.at, s.size);
    return at + s.size;
}

char *put_u64(char *at, uint64_t value)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* Splits up to the line's end in the one pass that also finds it. */
static enum wire split_line(struct span in, struct span *line, struct span words[WORDS_MAX],
                            size_t *count)
{
    const char *end = in.at + in.size;
    const char *word = in.at;
    const char *at;

    *count = 0;
    for (at = in.at; at < end && *at != '\r'; at++) {
        if (*at != ' ')
            continue;
        if (at > word) {
            if (*count == WORDS_MAX)
                return WIRE_BAD;
            words[(*count)++] = (struct span){word, (size_t)(at - word)};
        }
        word = at + 1;
    }
    if (end - at < 2)
        return in.size > LINE_SIZE_MAX ? WIRE_BAD : WIRE_MORE;
    if (at[1] != '\n')
        return WIRE_BAD;
    if (at > word) {
        if (*count == WORDS_MAX)
            return WIRE_BAD;
        words[(*count)++] = (struct span){word, (size_t)(at - word)};
    }
    *line = (struct span){in.at, (size_t)(at - in.at)};
    return WIRE_DONE;
}

/* Lines whose rest is text, not words. */
static enum wire read_text_line(struct span in, enum wire_op op, struct frame *frame, size_t *used)
{
    const char *end = memchr(in.at, '\n', in.size);

    if (!end)
        return in.size > LINE_SIZE_MAX ? WIRE_BAD : WIRE_MORE;
    if (end == in.at || end[-1] != '\r')
        return WIRE_BAD;
    *frame = (struct frame){.op = op, .line = {in.at, (size_t)(end - 1 - in.at)}};
    *used = (size_t)(end + 1 - in.at);
    return WIRE_DONE;
}

/* The header (may be none) and the payload that follow a line of `line_size` bytes. */
static enum wire read_body(struct span in, size_t line_size, struct span header_word,
                           struct span total_word, struct frame *frame, size_t *used)
{
    uint64_t header = 0;
    uint64_t total;

    if (header_word.size > 0 && !span_u64(header_word, &header))
        return WIRE_BAD;
    if (!span_u64(total_word, &total))
        return WIRE_BAD;
    if (total > PAYLOAD_SIZE_MAX || header > total)
        return WIRE_BAD;
    if (in.size < line_size + total + 2)
        return WIRE_MORE;

    frame->header = (struct span){in.at + line_size, header};
    frame->payload = (struct span){in.at + line_size + header, total - header};
    *used = line_size + total + 2;
    if (in.at[*used - 2] != '\r' || in.at[*used - 1] != '\n')
        return WIRE_BAD;
    return WIRE_DONE;
}

/* MSG subject sid [reply] size, HMSG subject sid [reply] header-size size,
 * PUB subject [reply] size, HPUB subject [reply] header-size size. */
static enum wire read_message(struct span in, enum wire_op op, struct frame *frame, size_t *used)
{
    struct span words[WORDS_MAX] = {0};
    struct span none = {0};
    bool has_sid = op == WIRE_MSG || op == WIRE_HMSG;
    bool has_header = op == WIRE_HMSG || op == WIRE_HPUB;
    size_t count;
    size_t least = 3u + has_sid + has_header;
    enum wire wire = split_line(in, &frame->line, words, &count);

    if (wire != WIRE_DONE)
        return wire;
    if (count != least && count != least + 1)
        return WIRE_BAD;

    frame->op = op;
    frame->subject = words[1];
    frame->sid = has_sid ? words[2] : none;
    frame->reply = count > least ? words[2u + has_sid] : none;
    return read_body(in, frame->line.size + 2, has_header ? words[count - 2] : none,
                     words[count - 1], frame, used);
}

/* SUB subject [queue] sid, UNSUB sid [max]. */
static enum wire read_interest(struct span in, enum wire_op op, struct frame *frame, size_t *used)
{
    struct span words[WORDS_MAX] = {0};
    size_t count;
    enum wire wire;

    *frame = (struct frame){.op = op};
    wire = split_line(in, &frame->line, words, &count);
    if (wire != WIRE_DONE)
        return wire;
    if (op == WIRE_SUB) {
        if (count != 3 && count != 4)
            return WIRE_BAD;
        frame->subject = words[1];
        frame->sid = words[count - 1];
    } else {
        if (count != 2 && count != 3)
            return WIRE_BAD;
        frame->sid = words[1];
    }
    *used = frame->line.size + 2;
    return WIRE_DONE;
}

enum wire wire_read(struct span in, struct frame *frame, size_t *used)
{
    if (in.size < 4)
        return WIRE_MORE;
    switch (in.at[0]) {
    case 'M': return read_message(in, WIRE_MSG, frame, used);
    case 'H': return read_message(in, in.at[1] == 'M' ? WIRE_HMSG : WIRE_HPUB, frame, used);
    case 'P':
        if (in.at[1] == 'U')
            return read_message(in, WIRE_PUB, frame, used);
        return read_text_line(in, in.at[1] == 'I' ? WIRE_PING : WIRE_PONG, frame, used);
    case 'S': return read_interest(in, WIRE_SUB, frame, used);
    case 'U': return read_interest(in, WIRE_UNSUB, frame, used);
    case 'I': return read_text_line(in, WIRE_INFO, frame, used);
    case 'C': return read_text_line(in, WIRE_CONNECT, frame, used);
    case '+': return read_text_line(in, WIRE_OK, frame, used);
    case '-': return read_text_line(in, WIRE_ERR, frame, used);
    default: return WIRE_BAD;
    }
}

#include "server/config/lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

/* ---- bytes ---------------------------------------------------------------------------------- */

void lexer_init(struct lexer *lexer, struct arena *arena, const char *file, struct bytes text)
{
    *lexer = (struct lexer){.text = text, .arena = arena, .file = file, .line = 1};
}

bool lexer_fail(struct lexer *lexer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(lexer->error, sizeof(lexer->error), format, arguments);
    va_end(arguments);
    return false;
}

const char *lexer_show(int byte, char out[static 8])
{
    if (byte == LEXER_END)
        return "end of file";
    if (byte == '\n')
        return "\\n";
    snprintf(out, 8, byte >= ' ' && byte < 0x7f ? "%c" : "\\x%02x", byte);
    return out;
}

int lexer_peek(const struct lexer *lexer)
{
    return lexer->at < lexer->text.size ? lexer->text.at[lexer->at] : LEXER_END;
}

void lexer_advance(struct lexer *lexer)
{
    assert(lexer->at < lexer->text.size);
    if (lexer->text.at[lexer->at] == '\n') {
        lexer->line++;
        lexer->line_end = lexer->at;
    }
    lexer->at++;
}

struct config_place lexer_place(const struct lexer *lexer)
{
    return (struct config_place){lexer->file, lexer->line, (uint32_t)(lexer->at - lexer->line_end)};
}

bool lexer_is_blank(int byte)
{
    return byte == ' ' || byte == '\t';
}

bool lexer_is_line_end(int byte)
{
    return byte == '\n' || byte == '\r';
}

bool lexer_is_space(int byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool lexer_is_separator(int byte)
{
    return byte == '=' || byte == ':';
}

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

bool lexer_comment(struct lexer *lexer)
{
    struct bytes rest = bytes_skip(lexer->text, lexer->at);

    if (!bytes_starts(rest, BYTES("#")) && !bytes_starts(rest, BYTES("//")))
        return false;
    while (lexer_peek(lexer) != LEXER_END && !lexer_is_line_end(lexer_peek(lexer)))
        lexer_advance(lexer);
    return true;
}

static struct bytes since(const struct lexer *lexer, size_t begin)
{
    return bytes_of(lexer->text.at + begin, lexer->at - begin);
}

/* A copy with a zero behind it; the arena bounds what a configuration may take. */
static bool keep(struct lexer *lexer, struct bytes b, struct bytes *kept)
{
    *kept = arena_copy(lexer->arena, b);
    return kept->at != NULL || lexer_fail(lexer, "the configuration is too large");
}

/* ---- strings -------------------------------------------------------------------------------- */

static int hex_digit(int byte)
{
    if (is_digit(byte))
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool escaped_hex(struct lexer *lexer, uint8_t *byte)
{
    struct bytes rest = bytes_skip(lexer->text, lexer->at);
    int high = rest.size > 1 ? hex_digit(rest.at[0]) : -1;
    int low = rest.size > 1 ? hex_digit(rest.at[1]) : -1;

    if (high < 0 || low < 0)
        return lexer_fail(lexer, "Expected two hexadecimal digits after '\\x'");
    *byte = (uint8_t)(high << 4 | low);
    lexer_advance(lexer);
    lexer_advance(lexer);
    return true;
}

/* What a backslash, already taken, stands for with what follows it. */
static bool escaped(struct lexer *lexer, uint8_t *byte)
{
    int letter = lexer_peek(lexer);
    char shown[8];

    if (letter != LEXER_END)
        lexer_advance(lexer);
    switch (letter) {
    case 'x': return escaped_hex(lexer, byte);
    case 't': *byte = '\t'; return true;
    case 'n': *byte = '\n'; return true;
    case 'r': *byte = '\r'; return true;
    case '"':
    case '\\': *byte = (uint8_t)letter; return true;
    default:
        return lexer_fail(lexer,
                          "Invalid escape character '%s'. Only the following escape characters are "
                          "allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.",
                          lexer_show(letter, shown));
    }
}

static bool bare_ends(int byte)
{
    return byte == LEXER_END || byte == ';' || byte == ',' || byte == ']' || byte == '}' ||
           byte == '\'' || lexer_is_blank(byte) || lexer_is_line_end(byte);
}

static bool quoted_ends(int byte)
{
    return byte == LEXER_END || byte == '"';
}

/* Where a string that begins at `at` ends, as written: at what `ends` it, unless that is escaped.
 */
static size_t string_end(const struct lexer *lexer, bool (*ends)(int))
{
    size_t at = lexer->at;

    while (at < lexer->text.size && !ends(lexer->text.at[at]))
        at += 1 + (lexer->text.at[at] == '\\');
    return at < lexer->text.size ? at : lexer->text.size;
}

/* Takes a string up to what `ends` it; what was taken since `begin` belongs to it as it is. */
static bool string(struct lexer *lexer, size_t begin, bool (*ends)(int), struct bytes *text)
{
    size_t end = string_end(lexer, ends), size = lexer->at - begin;
    uint8_t *out = arena_take(lexer->arena, end - begin + 1);

    if (out == NULL)
        return lexer_fail(lexer, "the configuration is too large");
    memcpy(out, lexer->text.at + begin, size);
    while (lexer->at < end) {
        int byte = lexer_peek(lexer);

        lexer_advance(lexer);
        if (byte != '\\')
            out[size++] = (uint8_t)byte;
        else if (escaped(lexer, &out[size]))
            size++;
        else
            return false;
    }
    assert(size <= end - begin);
    *text = bytes_of(out, size);
    return true;
}

/* Behind the opening quote; no escapes between single ones. */
static bool single_quoted(struct lexer *lexer, struct bytes *text)
{
    size_t begin = lexer->at;

    while (lexer_peek(lexer) != '\'') {
        if (lexer_peek(lexer) == LEXER_END)
            return lexer_fail(lexer, "Unexpected EOF.");
        lexer_advance(lexer);
    }
    if (!keep(lexer, since(lexer, begin), text))
        return false;
    lexer_advance(lexer);
    return true;
}

static bool double_quoted(struct lexer *lexer, struct bytes *text)
{
    if (!string(lexer, lexer->at, quoted_ends, text))
        return false;
    if (lexer_peek(lexer) == LEXER_END)
        return lexer_fail(lexer, "Unexpected EOF.");
    lexer_advance(lexer);
    return true;
}

/* Behind the '(': up to a line that is ')' and nothing else. It and the first line end belong to
 * the value: the reference has it so. */
static bool block(struct lexer *lexer, struct bytes *text)
{
    struct bytes rest = bytes_skip(lexer->text, lexer->at);
    size_t begin = lexer->at, end = 0;

    while (end < rest.size) {
        bool alone = end > 0 && rest.at[end] == ')' && rest.at[end - 1] == '\n' &&
                     (end + 1 == rest.size || rest.at[end + 1] == '\n');

        end++;
        if (!alone)
            continue;
        while (lexer->at < begin + end)
            lexer_advance(lexer);
        return keep(lexer, since(lexer, begin), text);
    }
    while (lexer_peek(lexer) != LEXER_END)
        lexer_advance(lexer);
    return lexer_fail(lexer, "Unexpected EOF processing block.");
}

static bool is_word(struct bytes text, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_nocase(text, bytes_of_text(words[i])))
            return true;
    }
    return false;
}

/* A bare string that may be a boolean or a variable, if it has no escapes and no quote ends it. */
static bool bare(struct lexer *lexer, size_t begin, enum lexer_word *word,
                 struct config_value *value)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};
    struct bytes written;

    value->type = CONFIG_STRING;
    if (!string(lexer, begin, bare_ends, &value->text))
        return false;
    written = since(lexer, begin);
    if (lexer_peek(lexer) == '\'') {
        lexer_advance(lexer);
        return true;
    }
    if (bytes_find(written, '\\') < written.size)
        return true;
    value->boolean = is_word(written, yes, 3);
    if (value->boolean || is_word(written, no, 3))
        value->type = CONFIG_BOOL;
    /* What bcrypt makes begins like a variable; the reference knows its oldest prefix only. */
    if (!bytes_starts(written, BYTES("$")) || bytes_starts(written, BYTES("$2a$")))
        return true;
    *word = LEXER_VARIABLE;
    value->text = bytes_skip(value->text, 1);
    return true;
}

/* A number turned out to be the beginning of a string: what stands here belongs to it in any case.
 */
static bool string_after_all(struct lexer *lexer, size_t begin, enum lexer_word *word,
                             struct config_value *value)
{
    lexer_advance(lexer);
    return bare(lexer, begin, word, value);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void digits(struct lexer *lexer)
{
    while (is_digit(lexer_peek(lexer)))
        lexer_advance(lexer);
}

static bool integer_ends(int byte)
{
    return byte == LEXER_END || byte == '}' || byte == ';' || byte == ',' || lexer_is_blank(byte) ||
           lexer_is_line_end(byte);
}

static bool is_suffix(int byte)
{
    return byte != LEXER_END && byte != 0 && strchr("kKmMgGtTpPeE", byte) != NULL;
}

/* "k" is a thousand; "kb", "ki", "kib" are 1024; and so on. 0: no such suffix. */
static uint64_t suffix_factor(struct bytes suffix)
{
    static const char letters[] = "kmgtpe";
    uint64_t factor = 1, base = 1024;
    const char *letter;

    if (suffix.size == 0)
        return 1;
    letter = strchr(letters, suffix.at[0] | 0x20);
    if (letter == NULL)
        return 0;
    suffix = bytes_skip(suffix, 1);
    if (suffix.size == 0)
        base = 1000;
    else if (!bytes_equal_nocase(suffix, BYTES("b")) && !bytes_equal_nocase(suffix, BYTES("i")) &&
             !bytes_equal_nocase(suffix, BYTES("ib")))
        return 0;
    for (long power = letter - letters + 1; power > 0; power--)
        factor *= base;
    return factor;
}

/* Multiplication wraps, as in the reference: who writes 9223372036854775807k means nothing by it.
 */
static bool integer(struct lexer *lexer, size_t begin, struct config_value *value)
{
    struct bytes written = since(lexer, begin), number;
    bool negative = written.at[0] == '-';
    size_t size = negative;
    uint64_t factor, magnitude;

    while (size < written.size && is_digit(written.at[size]))
        size++;
    number = bytes_skip(bytes_take(written, size), negative);
    factor = suffix_factor(bytes_skip(written, size));
    if (factor == 0)
        return lexer_fail(lexer, "integer '%.*s' has an unknown suffix", BYTES_ARG(written));
    if (!bytes_read_u64(number, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return lexer_fail(lexer, "integer '%.*s' is out of the range", BYTES_ARG(written));
    value->type = CONFIG_INTEGER;
    value->integer = (int64_t)((negative ? -magnitude : magnitude) * factor);
    return true;
}

static bool suffixed(struct lexer *lexer, size_t begin, enum lexer_word *word,
                     struct config_value *value)
{
    int byte;

    lexer_advance(lexer);
    while ((byte = lexer_peek(lexer)) == 'b' || byte == 'B' || byte == 'i' || byte == 'I')
        lexer_advance(lexer);
    if (integer_ends(byte) || is_digit(byte))
        return integer(lexer, begin, value);
    return bare(lexer, begin, word, value);
}

/* Two points: an address, possibly with a port. */
static bool address(struct lexer *lexer, size_t begin, struct config_value *value)
{
    int byte = lexer_peek(lexer);

    while (is_digit(byte) || byte == '.' || byte == ':' || byte == '-') {
        lexer_advance(lexer);
        byte = lexer_peek(lexer);
    }
    value->type = CONFIG_STRING;
    return keep(lexer, since(lexer, begin), &value->text);
}

static bool fraction(struct lexer *lexer, size_t begin, struct config_value *value)
{
    struct bytes text;
    char shown[8];

    lexer_advance(lexer);
    if (!is_digit(lexer_peek(lexer)))
        return lexer_fail(lexer, "Floats must have a digit after the '.', but got '%s' instead.",
                          lexer_show(lexer_peek(lexer), shown));
    digits(lexer);
    if (lexer_peek(lexer) == '.')
        return address(lexer, begin, value);
    if (!keep(lexer, since(lexer, begin), &text))
        return false;
    value->type = CONFIG_FLOAT;
    value->number = strtod((const char *)text.at, NULL);
    return true;
}

/* "2006-01-02T15:04:05Z", and no other form of it; the year was taken. */
static bool date(struct lexer *lexer, size_t begin, struct config_value *value)
{
    static const char form[] = "-00-00T00:00:00Z";
    int64_t unix_ns;
    char shown[8];

    for (const char *want = form; *want != 0; want++) {
        int byte = lexer_peek(lexer);

        if (*want == '0' ? !is_digit(byte) : byte != *want)
            return lexer_fail(lexer, "Expected '%c' in ISO8601 datetime, but found '%s' instead.",
                              *want, lexer_show(byte, shown));
        lexer_advance(lexer);
    }
    value->type = CONFIG_DATE;
    if (!keep(lexer, since(lexer, begin), &value->text))
        return false;
    return text_read_time(value->text, &unix_ns) ||
           lexer_fail(lexer, "expected Zulu formatted DateTime, but got '%.*s'",
                      BYTES_ARG(value->text));
}

static bool negative(struct lexer *lexer, enum lexer_word *word, struct config_value *value)
{
    size_t begin = lexer->at;
    char shown[8];

    lexer_advance(lexer);
    if (!is_digit(lexer_peek(lexer)))
        return lexer_fail(lexer, "Expected a digit but got '%s'.",
                          lexer_show(lexer_peek(lexer), shown));
    digits(lexer);
    if (lexer_peek(lexer) == '.')
        return fraction(lexer, begin, value);
    if (is_suffix(lexer_peek(lexer)))
        return suffixed(lexer, begin, word, value);
    return integer(lexer, begin, value);
}

/* Begins with a digit: a number, a date, an address or just a string. */
static bool number(struct lexer *lexer, enum lexer_word *word, struct config_value *value)
{
    size_t begin = lexer->at;
    int byte;

    digits(lexer);
    byte = lexer_peek(lexer);
    if (integer_ends(byte))
        return integer(lexer, begin, value);
    if (byte == '.')
        return fraction(lexer, begin, value);
    if (is_suffix(byte))
        return suffixed(lexer, begin, word, value);
    if (byte != '-')
        return string_after_all(lexer, begin, word, value);
    if (lexer->at - begin != 4)
        return lexer_fail(lexer, "All ISO8601 dates must be in full Zulu form.");
    return date(lexer, begin, value);
}

/* ---- words ---------------------------------------------------------------------------------- */

bool lexer_value(struct lexer *lexer, enum lexer_word *word, struct config_value *value)
{
    int byte = lexer_peek(lexer);

    *word = LEXER_SCALAR;
    value->place = lexer_place(lexer);
    value->type = CONFIG_STRING;
    if (is_digit(byte))
        return number(lexer, word, value);
    switch (byte) {
    case '-': return negative(lexer, word, value);
    case '.': return lexer_fail(lexer, "Floats must start with a digit");
    case '[': *word = LEXER_ARRAY; break;
    case '{': *word = LEXER_MAP; break;
    case '\'': lexer_advance(lexer); return single_quoted(lexer, &value->text);
    case '"': lexer_advance(lexer); return double_quoted(lexer, &value->text);
    case '(': lexer_advance(lexer); return block(lexer, &value->text);
    case '\n':
    case '\r': return lexer_fail(lexer, "Expected value but found new line");
    default: return bare(lexer, lexer->at, word, value);
    }
    lexer_advance(lexer);
    return true;
}

/* Without escapes, whichever the quote. */
static bool quoted_key(struct lexer *lexer, struct bytes *key, struct config_place *place)
{
    int quote = lexer_peek(lexer);
    size_t begin;

    lexer_advance(lexer);
    begin = lexer->at;
    while (lexer_peek(lexer) != quote) {
        if (lexer_peek(lexer) == LEXER_END)
            return lexer_fail(lexer, "Unexpected EOF processing a quoted key.");
        lexer_advance(lexer);
    }
    *place = (struct config_place){lexer->file, lexer->line, (uint32_t)(begin - lexer->line_end)};
    if (begin < lexer->line_end) /* the key has a line end in it: the place is that of its end */
        place->column = 1;
    if (!keep(lexer, since(lexer, begin), key))
        return false;
    lexer_advance(lexer);
    return true;
}

bool lexer_key(struct lexer *lexer, struct bytes *key, struct config_place *place, bool *keyword)
{
    size_t begin = lexer->at;
    int byte = lexer_peek(lexer);
    struct bytes written;

    *keyword = false;
    *place = lexer_place(lexer);
    if (byte == '"' || byte == '\'')
        return quoted_key(lexer, key, place);
    if (lexer_is_separator(byte))
        return lexer_fail(lexer, "Unexpected key separator '%c'", byte);
    if (byte == '/')
        return lexer_fail(lexer, "a key cannot begin with '/'");
    while (byte != LEXER_END && !lexer_is_space(byte) && !lexer_is_separator(byte)) {
        lexer_advance(lexer);
        byte = lexer_peek(lexer);
    }
    written = since(lexer, begin);
    *keyword = lexer_is_space(byte) && bytes_equal_nocase(written, BYTES("include"));
    return keep(lexer, written, key);
}

bool lexer_include(struct lexer *lexer, struct bytes *path)
{
    size_t begin = lexer->at;
    int byte = lexer_peek(lexer);

    if (lexer_is_line_end(byte))
        return lexer_fail(lexer, "Expected include value but found new line");
    if (byte == LEXER_END)
        return lexer_fail(lexer, "Expected include value but found end of file");
    if (byte == '"' || byte == '\'') {
        lexer_advance(lexer);
        begin = lexer->at;
        while (lexer_peek(lexer) != byte) {
            if (lexer_peek(lexer) == LEXER_END)
                return lexer_fail(lexer, "Unexpected EOF in quoted include");
            lexer_advance(lexer);
        }
        if (!keep(lexer, since(lexer, begin), path))
            return false;
        lexer_advance(lexer);
        return true;
    }
    while (byte != LEXER_END && byte != ';' && byte != '}' && !lexer_is_blank(byte) &&
           !lexer_is_line_end(byte)) {
        lexer_advance(lexer);
        byte = lexer_peek(lexer);
    }
    return keep(lexer, since(lexer, begin), path);
}

#include "server/config/parser.h"

#include <stdio.h>

#include "server/config/lexer.h"

/* What the whole of a parse shares. */
struct parse {
    struct arena *arena;
    const struct config_source *source;
    char *error;
    unsigned files;
};

/* The maps around the place that is being read, from inside to outside. */
struct scope {
    struct config_value *map;
    const struct scope *outer;
};

/* One file, or one value of the environment. */
struct file {
    struct parse *parse;
    const struct file *includer;
    struct lexer lexer;
    const char *variable; /* of the environment; NULL: a file */
    unsigned depth;       /* of includes and variables */
    unsigned nesting;     /* of maps and arrays */
};

/* Where a value stands decides what may follow it. */
enum place { PLACE_TOP, PLACE_BLOCK, PLACE_MAP, PLACE_ARRAY };

static bool read_value(struct file *file, const struct scope *scope, struct config_value *value);
static struct config_value *parse_file(struct parse *parse, const struct file *includer,
                                       const char *path);

/* ---- saying what is wrong ------------------------------------------------------------------- */

/* A sentence of the lexer's is about a line. */
static bool fail_line(struct file *file)
{
    if (file->parse->error[0] == 0)
        snprintf(file->parse->error, CONFIG_ERROR_SIZE, "Parse error on line %u: '%s'",
                 file->lexer.line, file->lexer.error);
    return false;
}

#define FAIL_LINE(file, ...) ((void)lexer_fail(&(file)->lexer, __VA_ARGS__), fail_line(file))

#define FAIL(parse, ...)                                                                           \
    ((parse)->error[0] == 0 ? (void)snprintf((parse)->error, CONFIG_ERROR_SIZE, __VA_ARGS__)       \
                            : (void)0,                                                             \
     false)

static bool fail_unfinished(struct file *file)
{
    return FAIL(file->parse, "config is invalid (%s:%u:%u)", file->lexer.file, file->lexer.line,
                lexer_place(&file->lexer).column);
}

/* ---- maps ----------------------------------------------------------------------------------- */

const struct config_value *config_member(const struct config_value *map, struct bytes key)
{
    const struct config_value *member = map->child;

    while (member != NULL && !bytes_equal(member->key, key))
        member = member->next;
    return member;
}

const char *config_type_text(enum config_type type)
{
    switch (type) {
    case CONFIG_STRING: return "a string";
    case CONFIG_INTEGER: return "an integer";
    case CONFIG_FLOAT: return "a float";
    case CONFIG_BOOL: return "a boolean";
    case CONFIG_DATE: return "a date";
    case CONFIG_ARRAY: return "an array";
    case CONFIG_MAP: return "a map";
    }
    return "nothing";
}

static struct config_value *value_new(struct file *file)
{
    struct config_value *value = ARENA_NEW(file->parse->arena, struct config_value);

    if (value == NULL)
        (void)FAIL(file->parse, "the configuration is too large");
    else
        value->weight = 1;
    return value;
}

/* Where the next child of `value` hangs. Members replace one of their name. */
static void map_set(struct config_value *map, struct config_value *member)
{
    struct config_value **at = &map->child;

    while (*at != NULL && !bytes_equal((*at)->key, member->key))
        at = &(*at)->next;
    if (*at != NULL)
        *at = (*at)->next;
    while (*at != NULL)
        at = &(*at)->next;
    member->next = NULL;
    *at = member;
}

/* Counts what a finished map or array holds. */
static bool weigh(struct file *file, struct config_value *value)
{
    value->height = 1;
    for (const struct config_value *at = value->child; at != NULL; at = at->next) {
        value->weight += at->weight;
        if (at->height >= value->height)
            value->height = (uint8_t)(at->height + 1);
        if (value->weight > CONFIG_VALUES_MAX)
            return FAIL(file->parse, "the configuration is too large");
    }
    if (file->nesting + value->height > CONFIG_DEPTH_MAX)
        return FAIL_LINE(file, "maps and arrays are nested too deeply");
    return true;
}

/* ---- variables ------------------------------------------------------------------------------ */

static struct config_value *scope_find(const struct scope *scope, struct bytes name)
{
    for (; scope != NULL; scope = scope->outer) {
        struct config_value *member =
            scope->map != NULL ? (struct config_value *)config_member(scope->map, name) : NULL;

        if (member != NULL)
            return member;
    }
    return NULL;
}

static bool variable_in_use(const struct file *file, struct bytes name)
{
    for (; file != NULL; file = file->includer) {
        if (file->variable != NULL && bytes_equal(bytes_of_text(file->variable), name))
            return true;
    }
    return false;
}

/* What the environment says is text that is read as a value would be. */
static bool environment_value(struct file *file, struct bytes name, const char *text,
                              struct config_value *value)
{
    struct file inner = {
        .parse = file->parse,
        .includer = file,
        .variable = (const char *)name.at,
        .depth = file->depth + 1,
        .nesting = file->nesting,
    };
    struct config_place place = value->place;

    if (variable_in_use(file, name))
        return FAIL(file->parse, "variable reference cycle for '%.*s'", BYTES_ARG(name));
    if (inner.depth > CONFIG_INCLUDES_MAX)
        return FAIL(file->parse, "variables are nested too deeply at '%.*s'", BYTES_ARG(name));
    lexer_init(&inner.lexer, file->parse->arena, file->lexer.file, bytes_of_text(text));
    while (lexer_is_blank(lexer_peek(&inner.lexer)))
        lexer_advance(&inner.lexer);
    if (!read_value(&inner, NULL, value))
        return false;
    while (lexer_is_space(lexer_peek(&inner.lexer)))
        lexer_advance(&inner.lexer);
    if (lexer_peek(&inner.lexer) != LEXER_END)
        return FAIL(file->parse, "variable '%.*s' of the environment is more than one value",
                    BYTES_ARG(name));
    value->place = place;
    return true;
}

static bool variable(struct file *file, const struct scope *scope, struct config_value *value)
{
    const struct config_source *source = file->parse->source;
    struct bytes name = value->text;
    struct config_value *found = scope_find(scope, name);
    struct config_place place = value->place;
    const char *text = NULL;

    if (found != NULL) {
        found->used = true;
        *value = *found;
        value->used = false;
        value->place = place;
        if (file->nesting + value->height > CONFIG_DEPTH_MAX)
            return FAIL_LINE(file, "maps and arrays are nested too deeply");
        return true;
    }
    if (name.size > 0 && memchr(name.at, 0, name.size) == NULL)
        text = source->environment(source->context, (const char *)name.at);
    if (text == NULL)
        return FAIL(file->parse, "variable reference for '%.*s' on line %u can not be found",
                    BYTES_ARG(name), file->lexer.line);
    return environment_value(file, name, text, value);
}

/* ---- values --------------------------------------------------------------------------------- */

static void skip_blanks(struct lexer *lexer)
{
    while (lexer_is_blank(lexer_peek(lexer)))
        lexer_advance(lexer);
}

static void skip_spaces(struct lexer *lexer)
{
    while (lexer_is_space(lexer_peek(lexer)))
        lexer_advance(lexer);
}

/* Spaces and comments, in any order. */
static void skip_between(struct lexer *lexer)
{
    do
        skip_spaces(lexer);
    while (lexer_comment(lexer));
}

/* Behind a value: blanks and one comment, then what ends it, which is taken if it only does that.
 */
static bool end_of_value(struct file *file, enum place place)
{
    static const char *const wanted[] = {
        [PLACE_TOP] = "a top-level value to end with a new line, comment or EOF",
        [PLACE_BLOCK] = "a block-level value to end with a new line, comment or EOF",
        [PLACE_MAP] = "a map value terminator \",\" or a map terminator \"}\"",
        [PLACE_ARRAY] = "an array value terminator \",\" or an array terminator \"]\"",
    };
    struct lexer *lexer = &file->lexer;
    char shown[8];
    int byte;

    skip_blanks(lexer);
    (void)lexer_comment(lexer);
    byte = lexer_peek(lexer);
    if (byte == (place == PLACE_ARRAY ? ']' : '}'))
        return true; /* the caller's */
    if (byte == LEXER_END && place == PLACE_TOP)
        return true;
    if (lexer_is_line_end(byte) || byte == ',' || (byte == ';' && place != PLACE_ARRAY)) {
        lexer_advance(lexer);
        return true;
    }
    return FAIL_LINE(file, "Expected %s, but got '%s' instead.", wanted[place],
                     lexer_show(byte, shown));
}

static bool read_array(struct file *file, const struct scope *scope, struct config_value *array)
{
    struct lexer *lexer = &file->lexer;
    struct config_value **tail = &array->child;

    array->type = CONFIG_ARRAY;
    for (;;) {
        struct config_value *element;

        skip_between(lexer);
        if (lexer_peek(lexer) == ']')
            break;
        if (lexer_peek(lexer) == ',')
            return FAIL_LINE(file, "Unexpected array value terminator ','.");
        element = value_new(file);
        if (element == NULL || !read_value(file, scope, element) ||
            !end_of_value(file, PLACE_ARRAY))
            return false;
        *tail = element;
        tail = &element->next;
    }
    lexer_advance(lexer);
    return true;
}

static bool include(struct file *file, struct config_value *map)
{
    struct config_value *included, *member;
    struct bytes path;

    skip_blanks(&file->lexer);
    if (!lexer_include(&file->lexer, &path))
        return fail_line(file);
    included = parse_file(file->parse, file, (const char *)path.at);
    if (included == NULL)
        return false;
    while ((member = included->child) != NULL) {
        included->child = member->next;
        map_set(map, member);
    }
    return true;
}

/*
 * What stands between a key and its value: blanks, one separator, blanks. Line ends, too, but
 * behind the separator only within a map.
 */
static bool separator(struct file *file, enum place place)
{
    struct lexer *lexer = &file->lexer;

    skip_spaces(lexer);
    if (lexer_peek(lexer) == LEXER_END)
        return place == PLACE_MAP ? FAIL_LINE(file, "Unexpected EOF processing map key.")
                                  : fail_unfinished(file);
    if (lexer_is_separator(lexer_peek(lexer)))
        lexer_advance(lexer);
    if (place == PLACE_MAP)
        skip_spaces(lexer);
    else
        skip_blanks(lexer);
    if (place != PLACE_MAP)
        return true;
    if (lexer_peek(lexer) == ',')
        return FAIL_LINE(file, "Unexpected map value terminator \",\".");
    if (lexer_peek(lexer) == '}')
        return fail_unfinished(file); /* a key without a value */
    return true;
}

/* A key and its value, or an include, and what ends it. */
static bool read_member(struct file *file, const struct scope *outer, struct config_value *map,
                        enum place place)
{
    const struct scope scope = {map, outer};
    struct config_value *member = value_new(file);
    struct config_place at;
    struct bytes key;
    bool keyword;

    if (member == NULL)
        return false;
    if (!lexer_key(&file->lexer, &key, &at, &keyword))
        return fail_line(file);
    if (keyword) {
        /* "include" and then a separator is a key like any other. */
        skip_blanks(&file->lexer);
        if (!lexer_is_separator(lexer_peek(&file->lexer)))
            return include(file, map) && end_of_value(file, place);
    }
    if (!separator(file, place) || !read_value(file, &scope, member))
        return false;
    member->key = key;
    member->place = at;
    map_set(map, member);
    return end_of_value(file, place);
}

static bool read_map(struct file *file, const struct scope *outer, struct config_value *map)
{
    struct lexer *lexer = &file->lexer;

    map->type = CONFIG_MAP;
    for (;;) {
        skip_between(lexer);
        if (lexer_peek(lexer) == '}')
            break;
        if (lexer_peek(lexer) == LEXER_END)
            return FAIL_LINE(file, "Unexpected EOF processing map.");
        if (!read_member(file, outer, map, PLACE_MAP))
            return false;
    }
    lexer_advance(lexer);
    return true;
}

static bool read_value(struct file *file, const struct scope *scope, struct config_value *value)
{
    enum lexer_word word;
    bool read = false;

    if (!lexer_value(&file->lexer, &word, value))
        return fail_line(file);
    if (word == LEXER_SCALAR)
        return true;
    if (word == LEXER_VARIABLE)
        return variable(file, scope, value);
    if (file->nesting == CONFIG_DEPTH_MAX)
        return FAIL_LINE(file, "maps and arrays are nested too deeply");
    file->nesting++;
    read = word == LEXER_MAP ? read_map(file, scope, value) : read_array(file, scope, value);
    file->nesting--;
    return read && weigh(file, value);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* "{ ... }" around members of the document, which is how JSON comes; more of them may follow. */
static bool read_block(struct file *file, struct config_value *document)
{
    struct lexer *lexer = &file->lexer;
    char shown[8];

    if (file->nesting == CONFIG_DEPTH_MAX)
        return FAIL_LINE(file, "maps and arrays are nested too deeply");
    file->nesting++;
    lexer_advance(lexer);
    for (;;) {
        skip_between(lexer);
        if (lexer_peek(lexer) == '}')
            break;
        if (lexer_peek(lexer) == LEXER_END)
            return FAIL_LINE(file, "Unexpected EOF.");
        if (lexer_peek(lexer) != '{') {
            if (!read_member(file, NULL, document, PLACE_BLOCK))
                return false;
            continue;
        }
        if (!read_block(file, document))
            return false;
        skip_between(lexer);
        if (lexer_peek(lexer) != '}')
            return FAIL_LINE(file,
                             "Expected a block-level to end with a '}', but got '%s' instead.",
                             lexer_show(lexer_peek(lexer), shown));
    }
    lexer_advance(lexer);
    file->nesting--;
    return true;
}

static bool read_document(struct file *file, struct config_value *document)
{
    struct lexer *lexer = &file->lexer;

    document->type = CONFIG_MAP;
    for (;;) {
        skip_between(lexer);
        if (lexer_peek(lexer) == LEXER_END)
            return true;
        if (lexer_peek(lexer) == '{') {
            if (!read_block(file, document))
                return false;
            continue;
        }
        if (lexer_peek(lexer) == '}')
            return FAIL_LINE(file, "Unexpected '}': it closes nothing. A value with braces in it "
                                   "needs quotes");
        if (!read_member(file, NULL, document, PLACE_TOP))
            return false;
        if (lexer_peek(lexer) == '}') /* one that opened nothing is forgiven behind a value */
            lexer_advance(lexer);
    }
}

/* Paths are relative to the folder of the file that names them. */
static const char *path_of(struct parse *parse, const struct file *includer, const char *path)
{
    const char *slash = includer != NULL ? strrchr(includer->lexer.file, '/') : NULL;
    size_t folder = slash != NULL ? (size_t)(slash - includer->lexer.file) + 1 : 0;
    size_t size = strlen(path);
    char *joined;

    if (path[0] == '/')
        folder = 0;
    joined = arena_take(parse->arena, folder + size + 1);
    if (joined == NULL)
        return NULL;
    if (folder > 0)
        memcpy(joined, includer->lexer.file, folder);
    memcpy(joined + folder, path, size);
    return joined;
}

static bool being_read(const struct file *file, const char *path)
{
    for (; file != NULL; file = file->includer) {
        if (file->variable == NULL && strcmp(file->lexer.file, path) == 0)
            return true;
    }
    return false;
}

/* In the words of the reference: who could not be read is named by who asked for it. */
static bool fail_include(struct parse *parse, const struct file *includer, const char *path,
                         const char *reason)
{
    if (includer == NULL)
        return FAIL(parse, "%s", reason);
    return FAIL(parse, "error parsing include file '%s', %s", path, reason);
}

static struct config_value *parse_file(struct parse *parse, const struct file *includer,
                                       const char *path)
{
    const struct config_source *source = parse->source;
    const char *full = path_of(parse, includer, path);
    struct file file = {
        .parse = parse,
        .includer = includer,
        .depth = includer != NULL ? includer->depth + 1 : 0,
        .nesting = includer != NULL ? includer->nesting : 0,
    };
    char reason[128] = "", sentence[512];
    struct config_value *document;
    struct bytes content;
    bool readable;

    if (full == NULL) {
        (void)FAIL(parse, "the configuration is too large");
        return NULL;
    }
    if (being_read(includer, full) || file.depth > CONFIG_INCLUDES_MAX ||
        ++parse->files > CONFIG_FILES_MAX) {
        (void)fail_include(parse, includer, path, "files include each other without end");
        return NULL;
    }
    readable = source->read(source->context, full, parse->arena, &content, reason);
    if (!readable) {
        snprintf(sentence, sizeof(sentence), "open %.300s: %s", full, reason);
        (void)fail_include(parse, includer, path, sentence);
        return NULL;
    }
    lexer_init(&file.lexer, parse->arena, full, content);
    document = value_new(&file);
    if (document != NULL && read_document(&file, document) && weigh(&file, document))
        return document;
    if (includer != NULL) {
        snprintf(sentence, sizeof(sentence), "%s", parse->error);
        snprintf(parse->error, CONFIG_ERROR_SIZE, "error parsing include file '%.300s', %s", path,
                 sentence);
    }
    return NULL;
}

struct config_value *config_parse(struct arena *arena, const struct config_source *source,
                                  const char *path, char error[CONFIG_ERROR_SIZE])
{
    struct parse parse = {.arena = arena, .source = source, .error = error};

    error[0] = 0;
    return parse_file(&parse, NULL, path);
}

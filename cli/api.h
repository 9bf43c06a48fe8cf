/*
 * api: the JetStream API: one JSON request, one JSON answer, and its errors as exit codes.
 */
#ifndef CLI_API_H
#define CLI_API_H

#include "cli/cli.h"

/* Asks PREFIX.<subject>. EXIT_DONE and the answer, or it failed and said so. */
int api_call(struct cli *cli, const char *subject, struct bytes request,
             const struct json **answer);
/* The same with a request that is not JSON or may be empty, and the error left to the caller:
 * *code is the API's err_code, 0 when there is none; the result is EXIT_DONE then too. */
int api_try(struct cli *cli, const char *subject, struct bytes request, const struct json **answer,
            unsigned *code);

/* An answer of the API that came otherwise (an ack of a publish). EXIT_DONE, or said. */
int api_read(struct cli *cli, const struct msg *answer, const struct json **json);
/* Says what an answer with an "error" says; EXIT_DONE when there is none. */
int api_fail(struct cli *cli, const struct json *answer);

/* All pages of a list: subject, the member that holds the array ("streams"), members to send along
 * (JSON without braces, or ""). Items are appended to *items. */
struct api_items {
    const struct json **at;
    size_t count;
};
int api_list(struct cli *cli, const char *subject, const char *member, const char *extra,
             struct api_items *items);
/* Prints them as one JSON array: whole, or the string at `path` of each if it is not NULL.
 * EXIT_DONE. */
int api_say_items(struct cli *cli, const struct api_items *items, const char *path);

/* ---- members by path: "state.messages" ------------------------------------------------------- */

const struct json *api_get(const struct json *json, const char *path); /* NULL: not there */
const char *api_text(struct cli *cli, const struct json *json,
                     const char *path); /* "": not there */
struct bytes api_bytes(const struct json *json, const char *path);
uint64_t api_u64(const struct json *json, const char *path); /* 0: not there */
int64_t api_i64(const struct json *json, const char *path);
bool api_bool(const struct json *json, const char *path);
size_t api_count(const struct json *json, const char *path); /* of an array or object */
/* "a, b, c": the strings of an array. */
const char *api_join(struct cli *cli, const struct json *json, const char *path);

/* A name that can be a token of a subject. EXIT_DONE, or said. */
int api_name(struct cli *cli, const char *what, const char *name);

#endif

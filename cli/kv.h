/* kv: what the commands of key-value buckets share. */
#ifndef CLI_KV_H
#define CLI_KV_H

#include "cli/api.h"

/* Checks the names. EXIT_DONE, or said. `key` may be NULL. */
int kv_check(struct cli *cli, const char *bucket, const char *key, bool filter);
const char *kv_stream(struct cli *cli, const char *bucket);
const char *kv_key_subject(struct cli *cli, const char *bucket, const char *key);
/* The stream's info; a bucket that is not there is said as such. */
int kv_info(struct cli *cli, const char *bucket, const struct json **info);
int kv_show_status(struct cli *cli, const char *bucket);
/* The keys that are there; `filter` NULL: all. */
int kv_list_keys(struct cli *cli, const char *bucket, const char *filter);

#endif

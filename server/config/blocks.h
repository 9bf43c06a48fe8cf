/*
 * blocks: what the files of server/config/ read for each other. Each is one block of the file; the
 * functions of tables are config_read_fn.
 */
#ifndef SERVER_CONFIG_BLOCKS_H
#define SERVER_CONFIG_BLOCKS_H

#include "server/config/reader.h"
#include "server/options.h"

/* top.c */
extern const struct config_block config_top_block; /* fills a struct options */
/* What only all options together show, those of the command line included. */
void config_top_check(struct config_reader *reader, const struct options *options);

/* config_tls.c */
enum config_tls_role {
    CONFIG_TLS_CLIENTS,
    CONFIG_TLS_PEERS,   /* of a cluster: both sides show certificates */
    CONFIG_TLS_REMOTES, /* that are dialled: they show one */
};
/* NULL: something was wrong, and said. */
const struct tls_options *config_tls(struct config_reader *reader, const struct config_value *value,
                                     enum config_tls_role role);
/* What becomes of a connection that does not keep up: what we do, or it is refused; `to` is unused.
 */
void config_write_timeout(struct config_reader *reader, const struct config_value *value, void *to);
/* Seconds, or the text of a duration. */
void config_timeout(struct config_reader *reader, const struct config_value *value,
                    const char *block, int64_t *to);

/* config_auth.c: to struct options */
config_read_fn config_authorization;
/* A list of users of an account, added to those there are. NULL: the default account. */
void config_users(struct config_reader *reader, const struct config_value *value,
                  const struct account_options *account, struct auth_options *auth);
const struct permission_options *config_permissions(struct config_reader *reader,
                                                    const struct config_value *value);
/* What only the whole file shows: names twice, ways to authenticate that exclude each other. */
void config_auth_check(struct config_reader *reader, const struct auth_options *auth);
/* And with the command line. */
void config_no_auth_user_check(struct config_reader *reader, const struct auth_options *auth);

/* config_trace.c */
void config_message_trace(struct config_reader *reader, const struct config_value *value,
                          struct account_options *account);

/* config_operator.c: to struct options */
config_read_fn config_operator;
config_read_fn config_trusted_keys; /* of operators, instead */
config_read_fn config_resolver_preload;
/* config_resolver.c: the same */
config_read_fn config_resolver;
config_read_fn config_resolver_tls;
/* When the whole file is read: does what a directory of accounts needs stand in it? */
void config_resolver_check(struct config_reader *reader, const struct auth_options *auth);
/* When the whole file is read: makes the accounts of those that were signed. */
config_read_fn config_callout;
void config_callout_check(struct config_reader *reader, struct auth_options *auth);
void config_operator_finish(struct config_reader *reader, struct auth_options *auth);

/* config_mappings.c */
void config_mappings(struct config_reader *reader, const struct config_value *value,
                     struct mapping_list *list);
/* Does what it says fit together? */
void config_mapping_check(struct config_reader *reader, const struct config_value *at,
                          const struct mapping_options *mapping);
/* config_shares.c */
void config_exports(struct config_reader *reader, const struct config_value *value,
                    struct export_list *list);
void config_imports(struct config_reader *reader, const struct config_value *value,
                    struct import_list *list);
/* What only all accounts together show: may each import what it does? */
void config_shares_check(struct config_reader *reader, const struct auth_options *auth);

/* config_accounts.c, config_jetstream.c, config_cluster.c, config_leaf.c: to struct options */
config_read_fn config_accounts;
config_read_fn config_jetstream;
config_read_fn config_store_dir;
config_read_fn config_cluster;
config_read_fn config_leafnodes;
void config_leafnodes_check(struct config_reader *reader, const struct options *options);
/* config_leaf.c, config_remotes.c: to struct leaf_options */
config_read_fn config_leaf_compression;
config_read_fn config_leaf_remotes;
config_read_fn config_websocket;
void config_websocket_check(struct config_reader *reader, const struct options *options);

/* `jetstream` as a word or bool: on or off; a map is the caller's. False: neither, and said. */
bool config_jetstream_word(struct config_reader *reader, const struct config_value *value,
                           bool *on);

#endif

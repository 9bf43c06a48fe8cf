/*
 * leafnodes (reference config.md 4.3). Leaf nodes are not served: the port that the block asks for
 * is opened, so that what waits for it goes on, and every connection is told so and closed. To
 * connect to another server as its leaf is refused.
 */
#include "server/config/blocks.h"

static void read_listen(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct options *options = to;

    (void)config_listen(reader, value, options->leaf_host, sizeof(options->leaf_host),
                        &options->leaf_port);
}

/* None at all is what many a generated file says. */
static void read_remotes(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)to;
    if (config_is(reader, value, CONFIG_ARRAY) && value->child != NULL)
        config_error(reader, value, "\"remotes\" is not supported yet");
}

#define TURNED_AWAY "leaf nodes are turned away"

static const struct config_option options_of_leafnodes[] = {
    CONFIG_READ("listen", read_listen),
    CONFIG_FIELD("host net", CONFIG_AS_CHARS, struct options, leaf_host),
    CONFIG_FIELD("port", CONFIG_AS_INT, struct options, leaf_port),
    CONFIG_READ("remotes", read_remotes),
    CONFIG_NOTICED("authorization", TURNED_AWAY),
    CONFIG_NOTICED("tls", TURNED_AWAY),
    CONFIG_NOTICED("advertise leafnode_advertise", TURNED_AWAY),
    CONFIG_NOTICED("no_advertise", TURNED_AWAY),
    CONFIG_NOTICED("min_version minimum_version", TURNED_AWAY),
    CONFIG_NOTICED("compression", TURNED_AWAY),
    CONFIG_NOTICED("isolate_leafnode_interest isolate", TURNED_AWAY),
    CONFIG_NOTICED("reconnect reconnect_delay reconnect_interval", TURNED_AWAY),
    CONFIG_NOTICED("dial_timeout", TURNED_AWAY),
    CONFIG_NOTICED("write_deadline", TURNED_AWAY),
    CONFIG_NOTICED("write_timeout", TURNED_AWAY),
    CONFIG_NOTICED("no_tls", TURNED_AWAY),
};

static const struct config_block leafnodes = CONFIG_BLOCK(options_of_leafnodes);

void config_leafnodes(struct config_reader *reader, const struct config_value *value, void *to)
{
    (void)config_read_block(reader, value, &leafnodes, to);
}

#include "server/config/config.h"

#include <stdio.h>

#include "server/config/blocks.h"
#include "tests/text_source.h"
#include "tests/unit/unit.h"

#define NKEY        "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR"
#define ACCOUNT_KEY "ADFB2JXYTXOJEL6LNAXDREUGRX35BOLZI3B4PFFAC7IRPR3OA4QNKBN2"

static struct config config;

static bool load(const char *text)
{
    const struct config_source source = text_source(text);
    struct options usual;

    config_deinit(&config);
    options_default(&usual);
    config_init(&config, &usual);
    return config_load(&config, &source, "f");
}

static const struct options *options_of(const char *text)
{
    bool good = load(text);

    ck_assert_msg(good, "%s: %s%.*s", text, config.error,
                  BYTES_ARG(buf_bytes(&config.reader.errors)));
    return &config.options;
}

static bool says(const struct buf *buf, const char *text)
{
    return memmem(buf->at, buf->size, text, strlen(text)) != NULL;
}

struct row {
    const char *text, *says;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(!load(rows[i].text), "%s", rows[i].text);
        ck_assert_msg(says(&config.reader.errors, rows[i].says), "%s: %.*s", rows[i].text,
                      BYTES_ARG(buf_bytes(&config.reader.errors)));
    }
}

START_TEST(options_are_what_the_file_says)
{
    const struct options *o =
        options_of("listen: \"1.2.3.4:5\"\nserver_name: n\nserver_tags: [A, \"b:C\"]\n"
                   "server_metadata { k: v }\nclient_advertise: \"h:1\"\n"
                   "debug: true\ntrace_verbose: yes\nlogtime: off\nlogtime_utc: on\n"
                   "log_file: l\nlogfile_size_limit: 1KB\nlog_max_num: 3\nmax_traced_msg_len: 9\n"
                   "pidfile: p\nports_file_dir: d\nhttp: \"5.6.7.8:9\"\n"
                   "MAX_CONNECTIONS: 7\nmax_subs: 8\nmax_sub_tokens: 16\nmax_control_line: 2KB\n"
                   "max_payload: 2MB\nmax_pending: 4MB\nping_interval: \"1m30s\"\nping_max: 5\n"
                   "write_deadline: 3s\nlame_duck_duration: 40s\nlame_duck_grace_period: 4s\n"
                   "no_header_support: true\nno_fast_producer_stall: true\nstore_dir: s\n");

    ck_assert_str_eq(o->host, "1.2.3.4");
    ck_assert_int_eq(o->port, 5);
    ck_assert_str_eq(o->server_name, "n");
    ck_assert_uint_eq(o->server_tags.count, 2);
    ck_assert(bytes_equal(o->server_tags.at[0], BYTES("a")));
    ck_assert(bytes_equal(o->server_tags.at[1], BYTES("b:c")));
    ck_assert_uint_eq(o->server_metadata.count, 1);
    ck_assert_str_eq(o->client_advertise, "h:1");
    ck_assert(o->debug && o->trace && o->trace_verbose && !o->log_time && o->log_time_utc);
    ck_assert_str_eq(o->log_file, "l");
    ck_assert_int_eq(o->log_size_max, 1024);
    ck_assert_int_eq(o->log_files_max, 3);
    ck_assert_int_eq(o->traced_size_max, 9);
    ck_assert_str_eq(o->pid_file, "p");
    ck_assert_str_eq(o->ports_file_dir, "d");
    ck_assert_str_eq(o->http_host, "5.6.7.8");
    ck_assert_int_eq(o->http_port, 9);
    ck_assert_int_eq(o->max_connections, 7);
    ck_assert_int_eq(o->max_subscriptions, 8);
    ck_assert_int_eq(o->max_subscription_tokens, 16);
    ck_assert_int_eq(o->max_control_line, 2048);
    ck_assert_int_eq(o->max_payload, 2 << 20);
    ck_assert_int_eq(o->max_pending, 4 << 20);
    ck_assert_int_eq(o->ping_interval_ns, INT64_C(90000000000));
    ck_assert_int_eq(o->ping_max, 5);
    ck_assert_int_eq(o->write_deadline_ns, INT64_C(3000000000));
    ck_assert_int_eq(o->lame_duck_ns, INT64_C(40000000000));
    ck_assert_int_eq(o->lame_duck_grace_ns, INT64_C(4000000000));
    ck_assert(o->no_header_support);
    ck_assert(o->no_fast_producer_stall);
    ck_assert_str_eq(o->store_dir, "s");
}
END_TEST

START_TEST(jetstream_is_a_word_or_a_map)
{
    ck_assert(options_of("jetstream: enabled")->jetstream);
    ck_assert(options_of("jetstream: true")->jetstream);
    ck_assert(options_of("jetstream {}")->jetstream);
    ck_assert(!options_of("jetstream: disabled")->jetstream);
    ck_assert(!options_of("jetstream { enabled: false }")->jetstream);

    const struct options *o =
        options_of("jetstream { store_dir: /d, max_mem: 1GB, max_file: \"2K\","
                   " domain: hub, strict: false, sync: always,"
                   " limits { max_ack_pending: 9 } }");

    ck_assert_str_eq(o->store_dir, "/d");
    ck_assert_int_eq(o->jetstream_options.memory_max, 1 << 30);
    ck_assert_int_eq(o->jetstream_options.store_max, 2048);
    ck_assert_str_eq(o->jetstream_options.domain, "hub");
    ck_assert(o->jetstream_options.lenient);
    ck_assert_int_eq(o->jetstream_options.ack_pending_max, 9);
    ck_assert_int_eq(o->jetstream_options.index_cache, -1);
    o = options_of("jetstream { index_cache: 8MB }");
    ck_assert_int_eq(o->jetstream_options.index_cache, 8 << 20);
    ck_assert_int_eq(options_of("jetstream { index_cache: 0 }")->jetstream_options.index_cache, 0);
}
END_TEST

START_TEST(users_have_names_keys_and_permissions)
{
    const struct auth_options *auth =
        &options_of("P { publish: \"a.>\", subscribe: { allow: [b, \"c q\"], deny: \"b.x\" } }\n"
                    "authorization { timeout: 1.5, default_permissions: $P, users: [\n"
                    "  { user: u, password: p, permissions { pub: [], allow_responses: true } }\n"
                    "  { nkey: " NKEY ", allowed_connection_types: [standard, MQTT] } ] }\n"
                    "accounts { A: { users: [ { user: v, pass: w } ], jetstream: { max_file: 5 } },"
                    " B: { limits: { max_conn: 1, max_subs: 2, max_pay: 3 } } }\n"
                    "no_auth_user: v\nsystem_account: B\n")
             ->auth;
    const struct permission_options *p = auth->default_permissions;

    ck_assert_int_eq(auth->timeout_ns, 1500000000);
    ck_assert_uint_eq(p->publish_allow.count, 1);
    ck_assert_uint_eq(p->subscribe_allow.count, 2);
    ck_assert(bytes_equal(p->subscribe_allow.at[1].subject, BYTES("c")));
    ck_assert(bytes_equal(p->subscribe_allow.at[1].queue, BYTES("q")));
    ck_assert_uint_eq(p->subscribe_deny.count, 1);

    ck_assert_uint_eq(auth->users_count, 3);
    ck_assert(bytes_equal(auth->users[0].name, BYTES("u")));
    p = auth->users[0].permissions;
    ck_assert_uint_eq(p->publish_allow.count, 0);
    ck_assert(p->responses);
    ck_assert_int_eq(p->responses_max, 1);
    ck_assert_int_eq(p->responses_ns, INT64_C(120000000000));
    ck_assert(bytes_equal(auth->users[1].nkey, BYTES(NKEY)));
    ck_assert_uint_eq(auth->users[1].connection_types, CONNECTION_STANDARD | CONNECTION_MQTT);

    ck_assert_uint_eq(auth->accounts_count, 2);
    ck_assert_ptr_eq(auth->users[2].account, auth->accounts[0]);
    ck_assert(auth->accounts[0]->jetstream.enabled);
    ck_assert_int_eq(auth->accounts[0]->jetstream.limits.store_max, 5);
    ck_assert_int_eq(auth->accounts[0]->jetstream.limits.memory_max, -1);
    ck_assert_int_eq(auth->accounts[1]->max_connections, 1);
    ck_assert_int_eq(auth->accounts[1]->max_subscriptions, 2);
    ck_assert_int_eq(auth->accounts[1]->max_payload, 3);
    ck_assert(bytes_equal(auth->no_auth_user, BYTES("v")));
}
END_TEST

START_TEST(tls_blocks_are_read)
{
    const struct tls_options *tls =
        options_of(
            "tls { cert_file: c, key_file: k, ca_file: a, verify_and_map: true, timeout: 0.5,"
            " handshake_first: 300ms, min_version: \"1.3\", connection_rate_limit: 4,"
            " cipher_suites: [TLS_AES_128_GCM_SHA256], curve_preferences: [X25519] }")
            ->tls;

    ck_assert_str_eq(tls->pairs[0].certificate, "c");
    ck_assert_str_eq(tls->pairs[0].key, "k");
    ck_assert_str_eq(tls->ca_file, "a");
    ck_assert(tls->verify && tls->map && tls->handshake_first);
    ck_assert_int_eq(tls->fallback_ns, 300000000);
    ck_assert_int_eq(tls->timeout_ns, 500000000);
    ck_assert_int_eq(tls->version_min, 13);
    ck_assert_int_eq(tls->rate_max, 4);
    ck_assert_uint_eq(tls->ciphers_count, 1);
    ck_assert_int_eq(options_of("tls { handshake_first: auto }")->tls->fallback_ns,
                     TLS_FALLBACK_NS);
    ck_assert(!options_of("tls { handshake_first: \"off\" }")->tls->handshake_first);
}
END_TEST

START_TEST(a_cluster_block_is_read)
{
    const struct cluster_options *c =
        &options_of(
             "cluster { name: c, listen: \"h:1\", routes: [\"nats-route://u:p@r1:2\", "
             "\"nats://r2:3\"],"
             " authorization { user: x, password: y }, no_advertise: true, connect_retries: 3 }")
             ->cluster;

    ck_assert(c->configured);
    ck_assert_str_eq(c->name, "c");
    ck_assert_str_eq(c->host, "h");
    ck_assert_int_eq(c->port, 1);
    ck_assert_uint_eq(c->routes_count, 2);
    ck_assert_str_eq(c->routes[0].host, "r1");
    ck_assert_str_eq(c->routes[0].user, "u");
    ck_assert_str_eq(c->routes[1].host, "r2");
    ck_assert_int_eq(c->routes[1].port, 3);
    ck_assert_str_eq(c->user, "x");
    ck_assert_int_eq(c->connect_retries, 3);
    ck_assert(c->no_advertise);
}
END_TEST

START_TEST(a_cluster_block_without_a_port_only_names_a_cluster)
{
    const struct cluster_options *c = &options_of("cluster { name: c, pool_size: 3 }")->cluster;

    ck_assert(!c->configured);
    ck_assert_str_eq(c->name, "c");
    ck_assert(options_of("cluster { port: -1 }")->cluster.configured);
}
END_TEST

static void check_place(const struct config_place *place, uint32_t line, uint32_t column)
{
    ck_assert_ptr_nonnull(place);
    ck_assert_str_eq(place->file, "f");
    ck_assert_uint_eq(place->line, line);
    ck_assert_uint_eq(place->column, column);
}

START_TEST(hosts_are_names_of_255_bytes_at_most_whose_places_are_known)
{
    char text[512], name[HOST_SIZE + 1] = "";
    const struct options *o;

    memset(name, 'a', HOST_SIZE - 1);
    snprintf(text, sizeof(text), "\n  host: %s", name);
    o = options_of(text);
    ck_assert_str_eq(o->host, name);
    check_place(o->host_place, 2, 3);
    snprintf(text, sizeof(text), "http: \"%s:1\"", name);
    ck_assert_str_eq(options_of(text)->http_host, name);

    name[HOST_SIZE - 1] = 'a';
    snprintf(text, sizeof(text), "host: %s", name);
    ck_assert(!load(text));
    ck_assert(says(&config.reader.errors, "f:1:0: host: longer than 255 bytes"));
    snprintf(text, sizeof(text), "listen: \"%s:1\"", name);
    ck_assert(!load(text));
    ck_assert(says(&config.reader.errors, "f:1:0: could not parse address string"));

    o = options_of("listen: \"a:1\"\nhttp: \"b:2\"\ncluster { listen: \"c:3\" }\n"
                   "leafnodes { listen: \"d:4\" }\nwebsocket { listen: \"e:5\", no_tls: true }");
    check_place(o->host_place, 1, 0);
    check_place(o->http_host_place, 2, 1);
    check_place(o->cluster.host_place, 3, 11);
    check_place(o->leaf.host_place, 4, 13);
    check_place(o->websocket.host_place, 5, 13);
    ck_assert_ptr_null(options_of("port: 1")->host_place);
    ck_assert_ptr_null(options_of("listen: 1")->host_place);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_place_in_the_words_of_the_reference)
{
    static const struct row rows[] = {
        {"foo: bar", "f:1:0: unknown field \"foo\"\n"},
        {"port: 1\n  foo: bar", "f:2:3: unknown field \"foo\"\n"},
        {"listen: \"a b\"", "f:1:0: could not parse address string \"a b\"\n"},
        {"listen: \"a:x\"", "f:1:0: could not parse port \"x\"\n"},
        {"server_name: \"a b\"", "f:1:0: server name cannot contain spaces\n"},
        {"ping_interval: \"x\"", "error parsing ping_interval: time: invalid duration \"x\""},
        {"max_payload: 9GB", "max_payload value is too big"},
        {"max_sub_tokens: 300", "max_sub_tokens value is too big"},
        {"max_sub_tokens: 0", "max_sub_tokens value can not be negative"},
        {"write_timeout: foo", "write_timeout must be 'default', 'close' or 'retry'"},
        {"lame_duck_duration: 10s", "invalid lame_duck_duration of 10s, minimum is 30 seconds"},
        {"jetstream: 5", "Expected map, bool or string to define JetStream, got"},
        {"jetstream: maybe", "Expected 'enabled' or 'disabled' for string value, got 'maybe'"},
        {"jetstream { foo: 1 }", "f:1:12: unknown field \"foo\""},
        {"jetstream {\n index_cache: -1 }", "f:2:2: index_cache may not be negative"},
        {"jetstream { index_cache: lots }", "f:1:12: index_cache sizes"},
        {"jetstream { max_mem: \"1x\" }", "sizes defined as strings must end in K, M, G, T"},
        {"store_dir: a\njetstream { store_dir: b }", "f:2:13: Duplicate 'store_dir' configuration"},
        {"jetstream { domain: a.b }", "invalid domain name: may not contain ., * or >"},
        {"jetstream { domain: \"a\\nb\" }", "invalid domain name: may not contain ., * or >"},
        {"tls { foo: 1 }", "f:1:6: error parsing tls config, unknown field \"foo\""},
        {"tls { cert_file: a }", "f:1:0: missing 'key_file' in TLS configuration"},
        {"tls { key_file: a }", "f:1:0: missing 'cert_file' in TLS configuration"},
        {"tls { min_version: \"1.1\" }", "unsupported TLS version: TLS 1.1"},
        {"tls { cipher_suites: [a] }", "unrecognized cipher a"},
        {"tls { cipher_suites: [] }", "'cipher_suites' cannot be empty"},
        {"tls { cipher_suites: [TLS_RSA_WITH_RC4_128_SHA] }", "insecure cipher suites configured"},
        {"tls { curve_preferences: [a] }", "unrecognized curve preference a"},
        {"tls { pinned_certs: [a] }", "'pinned_certs' key a does not look like"},
        {"tls { handshake_first: x }", "field \"handshake_first\"'s value \"x\" is invalid"},
        {"tls { timeout: \"x\" }", "'timeout' time: invalid duration \"x\""},
        {"cluster { name: \"a b\" }", "cluster name cannot contain spaces"},
        {"cluster { authorization { token: x } }", "Cluster authorization does not support tokens"},
        {"cluster { authorization { users: [] } }",
         "Cluster authorization does not allow multiple users"},
        {"cluster { foo: 1 }", "f:1:10: unknown field \"foo\""},
        {"cluster { routes: [r] }", "f:1:19: error parsing route url"},
        {"cluster { tls {} }", "f:1:10: cluster tls: nodes have to show a certificate"},
        {"cluster []", "Expected map to define cluster"},
        {"authorization { foo: 1 }", "unknown field \"foo\""},
        {"authorization { user: a, password: b, token: c }",
         "f:1:0: Cannot have a user/pass and token"},
        {"authorization { token: c, users: [{user: a, password: b}] }",
         "Can not have a token and a users array"},
        {"authorization { user: a, users: [{user: c, password: d}] }",
         "Can not have a single user/pass and a users array"},
        {"authorization { users: [{password: a}] }", "f:1:24: User entry requires a user"},
        {"authorization { users: [{user: a}, {user: a}] }", "Duplicate user \"a\" detected"},
        {"authorization { users: [{nkey: abc}] }", "Not a valid public nkey for a user"},
        {"authorization { users: [{nkey: " NKEY ", user: a}] }",
         "Nkey users do not take usernames or passwords"},
        {"authorization { users: [{nkey: " NKEY "}, {nkey: " NKEY "}] }",
         "Duplicate nkey \"" NKEY "\" detected"},
        {"authorization { users: [{user: a, permissions: 5 }] }",
         "Expected permissions to be a map/struct"},
        {"authorization { users: [{user: a, permissions: {foo: 1 }}] }",
         "Unknown field \"foo\" parsing permissions"},
        {"authorization { users: [{user: a, permissions: {publish: {foo: 1 }}}] }",
         "Unknown field name \"foo\" parsing subject permissions, only 'allow' or 'deny' are "
         "permitted"},
        {"authorization { users: [{user: a, permissions: {publish: a..b}}] }",
         "subject \"a..b\" is not a valid subject"},
        {"authorization { users: [{user: a, permissions: {publish: \"a b\"}}] }",
         "subject \"a b\" is not a valid subject"},
        {"authorization { users: [{user: a, permissions: {subscribe: \"a b c\"}}] }",
         "subject \"a b c\" is not a valid subject"},
        {"authorization { users: [{user: a, permissions: {subscribe: \"a b..c\"}}] }",
         "queue \"b..c\" is not a valid queue"},
        {"authorization { users: [{user: a, allowed_connection_types: [foo]}] }",
         "invalid connection types"},
        {"accounts { \"$G\": {} }", "\"$G\" is a Reserved Account"},
        {"accounts [A, A]", "Duplicate Account Entry: A"},
        {"accounts { A: 5 }", "Expected map entries for accounts"},
        {"accounts { A: { foo: 1 } }", "unknown field \"foo\""},
        {"accounts { A: { limits: { foo: 1 } } }", "Unknown field \"foo\" parsing account limits"},
        {"accounts { A: { msg_trace: a.* } }", "Trace destination \"a.*\" is not valid"},
        {"accounts { A: { msg_trace: 5 } }",
         "Expected account message trace \"msg_trace\" to be a string or a map/struct, got"},
        {"accounts { A: { msg_trace: {dest: 5} } }", "Field \"dest\" should be a string, got"},
        {"accounts { A: { msg_trace: {dest: a, sampling: 101} } }",
         "sampling value 101 is invalid, needs to be [1..100]"},
        {"accounts { A: { msg_trace: {dest: a, sampling: \"5x%\"} } }",
         "f:1:37: Invalid trace destination sampling value \"5x%\""},
        {"accounts { A: { msg_trace: {foo: a} } }",
         "Unknown field \"foo\" parsing account message trace map/struct \"msg_trace\""},
        {"accounts { A: { exports: [{stream: x, allow_trace: true}] } }",
         "f:1:38: Detected allow_trace directive on non-service"},
        {"accounts { A: { nkey: abc } }", "Not a valid public nkey for an account: \"abc\""},
        {"accounts { A: { exports: [{stream: s}], imports: [{stream: {account: B, subject: s}}] }\n"
         "B: { exports: [{stream: s}], imports: [{stream: {account: A, subject: s}}] } }",
         "Error adding stream import \"s\": import forms a cycle"},
        {"accounts { A: { exports: [{stream: \"*\"}], imports: [{stream: {account: B, subject: "
         "s}}] }\n"
         "B: { exports: [{stream: s}],"
         " imports: [{stream: {account: A, subject: \"*\"}, to: \"$1\"}] } }",
         "Error adding stream import \"s\": import forms a cycle"},
        {"accounts { A: { exports: [{service: s}], imports: [{service: {account: B, subject: s}}] "
         "}\n"
         "B: { exports: [{service: s}], imports: [{service: {account: C, subject: s}}] }\n"
         "C: { exports: [{service: s}], imports: [{service: {account: A, subject: s}}] } }",
         "Error adding service import \"s\": import forms a cycle"},
        {"accounts { A: { exports: [{stream: b}, {stream: z}],"
         " imports: [{stream: {account: B, subject: z}, to: b},"
         " {stream: {account: B, subject: b}}] }\n"
         "B: { exports: [{stream: b}, {stream: z}],"
         " imports: [{stream: {account: C, subject: z}, to: b},"
         " {stream: {account: C, subject: b}}] }\n"
         "C: { exports: [{stream: b}, {stream: z}],"
         " imports: [{stream: {account: A, subject: z}, to: b},"
         " {stream: {account: A, subject: b}}] } }",
         "Error adding stream import \"b\": import forms a cycle"},
        {"accounts { A: { imports: [{service: {account: B, subject: z}, to: q},"
         " {service: {account: B, subject: q}}] }\n"
         "B: { exports: [{service: z}, {service: q}] } }",
         "Duplicate service import subject \"q\", previously used in import for account \"B\", "
         "subject \"z\""},
        {"accounts { A: { imports: [{service: {account: B, subject: x}, allow_trace: true}] } }",
         "f:1:62: Detected allow_trace directive on a non-stream"},
        {"accounts { A: {users: [{user: a}]}, B: {users: [{user: a}]} }",
         "Duplicate user \"a\" detected"},
    };

    check_rows(rows, UNIT_COUNT(rows));
}
END_TEST

START_TEST(a_domain_has_255_bytes_at_most)
{
    char text[400], name[257];

    memset(name, 'd', sizeof name);
    (void)snprintf(text, sizeof text, "jetstream { domain: %.255s }", name);
    ck_assert_uint_eq(strlen(options_of(text)->jetstream_options.domain), 255);
    (void)snprintf(text, sizeof text, "jetstream { domain: %.256s }", name);
    check_rows(&(struct row){text, "f:1:12: domain: longer than 255 bytes\n"}, 1);
}
END_TEST

START_TEST(an_account_says_where_it_is_told_of_traced_messages)
{
    static const struct {
        const char *text;
        int64_t percent;
    } rows[] = {
        {"accounts { A: { msg_trace: t.x } }", 0},
        {"accounts { A: { trace_dest: t.x } }", 0},
        {"accounts { A: { msg_trace: {dest: t.x} } }", 0},
        {"accounts { A: { msg_trace: {dest: t.x, sampling: 7} } }", 7},
        {"accounts { A: { msg_trace: {sampling: \"100%\", dest: t.x} } }", 100},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct options *o = options_of(rows[i].text);

        ck_assert(bytes_equal(o->auth.accounts[0]->trace_destination, BYTES("t.x")));
        ck_assert_int_eq(o->auth.accounts[0]->trace_percent, rows[i].percent);
    }
}
END_TEST

START_TEST(what_is_not_built_is_refused_by_name_and_place)
{
    static const char *const texts[] = {
        "resolver: URL(http://u:p@127.0.0.1/)",
        "gateway {}",
        "mqtt {}",
        "remote_syslog: x",
        "syslog: true",
        "proxy_protocol: true",
        "ocsp: true",
        "default_sentinel: x",
        "jetstream { key: x }",
        "leafnodes { remotes: [{url: \"h\", proxy { url: \"https://x\" }}] }",
        "leafnodes { remotes: [{url: \"h\", jetstream_cluster_migrate: true}] }",
        "leafnodes { tls { verify_and_map: true, cert_file: a, key_file: b } }",
        "leafnodes { write_timeout: retry }",
        "accounts { A: { exports: [{service: x, latency: y}] } }",
        "tls { ocsp_peer: true }",
        "write_timeout: retry",
    };

    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        ck_assert_msg(!load(texts[i]), "%s", texts[i]);
        ck_assert_msg(says(&config.reader.errors, "f:1:"), "%s", texts[i]);
        ck_assert_msg(says(&config.reader.errors, "is not supported yet"), "%s", texts[i]);
    }
    ck_assert(load("syslog: false\nproxy_protocol: no\nocsp: false\n"));
    ck_assert(load("accounts { A: { exports: [], imports: [] } }"));
    ck_assert(load("accounts { A: { nkey: " ACCOUNT_KEY " } }"));
    /* Round it goes, but under other subjects: a stream and one of another kind back, a service
     * with wildcards that is asked for one of them. */
    ck_assert(load("accounts { A: { exports: [{stream: s}, {service: t}],"
                   " imports: [{stream: {account: B, subject: s}, prefix: b}] }\n"
                   "B: { exports: [{stream: s}], imports: [{service: {account: A, subject: t}},"
                   " {stream: {account: A, subject: s}, prefix: a}] } }"));
    ck_assert(load("accounts { A: { exports: [{service: \"*\"}],"
                   " imports: [{service: {account: B, subject: help}}] }\n"
                   "B: { exports: [{service: help}],"
                   " imports: [{service: {account: C, subject: nohelp}}] }\n"
                   "C: { exports: [{service: \"*\"}],"
                   " imports: [{service: {account: A, subject: \"*\"}}] } }"));
}
END_TEST

START_TEST(a_resolver_that_caches_has_a_limit_and_a_time)
{
    static const struct {
        const char *text;
        int64_t limit, ttl_ns, timeout_ns;
    } rows[] = {
        {"type: CACHE, dir: x", 1000, 0, 1900000000},
        {"type: cache, dir: x, limit: 7, ttl: 1h, timeout: 5s", 7, 3600000000000, 5000000000},
        {"type: cache, dir: x, limit: -1, interval: 0s, allow_delete: false", 1000, 0, 1900000000},
    };
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"type: cache", "dir has no value"},
        {"type: cache, dir: \"\"", "dir has no value"},
        {"type: cache, dir: x, interval: 1s", "CACHE does not accept sync"},
        {"type: cache, dir: x, allow_delete: true", "CACHE does not accept allow_delete"},
        {"type: cache, dir: x, hard_delete: false", "CACHE does not accept hard_delete"},
        {"type: cache, dir: x, ttl: \"-1s\"", "ttl: below 0: -1s"},
        {"type: cache, dir: x, ttl: x", "ttl"},
        {"type: full, dir: x, ttl: 1s", "FULL does not accept ttl"},
    };
    char text[256];

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct resolver_options *to = &config.options.auth.resolver;

        snprintf(text, sizeof(text), "resolver { %s }\n", rows[i].text);
        (void)load(text); /* it has no effect without an operator */
        ck_assert_uint_eq(config.reader.error_count, 0);
        ck_assert_int_eq(to->limit, rows[i].limit);
        ck_assert_int_eq(to->ttl_ns, rows[i].ttl_ns);
        ck_assert_int_eq(to->timeout_ns, rows[i].timeout_ns);
    }
    for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
        snprintf(text, sizeof(text), "resolver { %s }\n", wrong[i].text);
        ck_assert_msg(!load(text), "%s", text);
        ck_assert_msg(says(&config.reader.errors, wrong[i].why), "%s", text);
    }
    ck_assert(load("resolver { type: full, dir: x, ttl: 0s, interval: 0s }"));
    ck_assert_int_eq(config.options.auth.resolver.interval_ns, 60000000000);
}
END_TEST

START_TEST(a_resolver_by_url_is_a_host_a_port_and_a_path)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool secure;
    } rows[] = {
        {"URL(http://127.0.0.1/)", "127.0.0.1", "/", 80, false},
        {"URL(\"https://a.example/jwt/v1/accounts/\")", "a.example", "/jwt/v1/accounts/", 443,
         true},
        {"\"url(http://h:9090/jwt)\"", "h", "/jwt/", 9090, false},
        {"\"URL(http://[::1]:9090)\"", "::1", "/", 9090, false},
    };
    static const char *const wrong[] = {
        "URL(ftp://h/)",        "URL(http://)",      "URL(http://h/", "URL(http://h/?a)",
        "\"URL(http://h/ x)\"", "URL(http://:9090)", "HTTP(x)"};

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct resolver_options *to = &config.options.auth.resolver;
        char text[200];

        snprintf(text, sizeof(text), "resolver: %s\n", rows[i].text);
        (void)load(text);
        ck_assert_msg(config.reader.error_count == 0, "%s", text);
        ck_assert_str_eq(to->host, rows[i].host);
        ck_assert_str_eq(to->path, rows[i].path);
        ck_assert_uint_eq(to->port, rows[i].port);
        ck_assert(to->secure == rows[i].secure);
    }
    for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
        char text[200];

        snprintf(text, sizeof(text), "resolver: %s\n", wrong[i]);
        ck_assert_msg(!load(text), "%s", text);
    }
    ck_assert(!load("resolver { type: ful, dir: x }"));
    ck_assert(says(&config.reader.errors, "should be MEM, URL(\"url\") or a map containing dir"));
}
END_TEST

START_TEST(what_is_accepted_without_effect_is_said)
{
    ck_assert(load("prof_port: 1\nleafnodes { port: 5, compression: s2_fast }"));
    ck_assert(says(&config.reader.notices, "f:1:0: \"prof_port\" is accepted and has no effect"));
    ck_assert(says(&config.reader.notices, "f:2:22: \"compression\""));
    ck_assert_int_eq(config.options.leaf.port, 5);
}
END_TEST

START_TEST(leaf_nodes_have_users_and_remotes)
{
    const struct options *o = options_of(
        "accounts { A { users: [{user: x, password: y}] } }\n"
        "leafnodes { listen: \"1.2.3.4:7000\", reconnect: \"3s\", isolate: true,\n"
        " authorization { users: [{user: u, password: p, account: A}], timeout: 5 }\n"
        " remotes: [{urls: [\"nats-leaf://u:p@h\", \"tls://[::1]:7000\"], account: A, hub: true,"
        " deny_imports: [a, \"b.>\"], deny_exports: c}, {url: \"leaf://w:s@h2:1\"}, {}] }");
    const struct leaf_remote *remote = &o->leaf.remotes[0];

    ck_assert_str_eq(o->leaf.host, "1.2.3.4");
    ck_assert_int_eq(o->leaf.port, 7000);
    ck_assert_int_eq(o->leaf.reconnect_ns, INT64_C(3000000000));
    ck_assert_int_eq(o->leaf.auth_timeout_ns, INT64_C(5000000000));
    ck_assert(o->leaf.isolate);
    ck_assert_uint_eq(o->leaf.users_count, 1);
    ck_assert(bytes_equal(o->leaf.users[0].account, BYTES("A")));
    ck_assert_uint_eq(o->leaf.remotes_count, 2);
    ck_assert_uint_eq(remote->urls_count, 2);
    ck_assert_str_eq(remote->urls[0].host, "h");
    ck_assert_int_eq(remote->urls[0].port, 7422);
    ck_assert(bytes_equal(remote->urls[0].user, BYTES("u")));
    ck_assert_str_eq(remote->urls[1].host, "::1");
    ck_assert(!remote->urls[0].tls && remote->urls[1].tls);
    ck_assert_str_eq(remote[1].urls[0].host, "h2");
    ck_assert(bytes_equal(remote[1].urls[0].user, BYTES("w")));
    ck_assert(remote->hub);
    ck_assert_uint_eq(remote->deny_imports_count, 2);
    ck_assert_uint_eq(remote->deny_exports_count, 1);
}
END_TEST

START_TEST(remotes_are_reached_over_websockets_and_through_proxies)
{
    const struct leaf_options *leaf =
        &options_of("leafnodes { remotes: [{urls: [\"wss://u:p@h/a/\", \"ws://g:1\"],\n"
                    "ws_compression: true, ws_no_masking: true,\n"
                    "proxy { url: \"http://[::1]:3128\", timeout: \"3s\" }}] }")
             ->leaf;

    ck_assert_str_eq(leaf->remotes[0].urls[0].path, "/a/leafnode");
    ck_assert_str_eq(leaf->remotes[0].urls[0].host, "h");
    ck_assert_int_eq(leaf->remotes[0].urls[0].port, 7422);
    ck_assert(leaf->remotes[0].urls[0].tls && leaf->remotes[0].urls[0].websocket);
    ck_assert_str_eq(leaf->remotes[0].urls[1].path, "/leafnode");
    ck_assert(!leaf->remotes[0].urls[1].tls);
    ck_assert(leaf->remotes[0].compress_websocket && leaf->remotes[0].no_masking);
    ck_assert_str_eq(leaf->remotes[0].proxy.host, "::1");
    ck_assert_int_eq(leaf->remotes[0].proxy.port, 3128);
    ck_assert_int_eq(leaf->remotes[0].proxy.timeout_ns, INT64_C(3000000000));
}
END_TEST

START_TEST(leaf_nodes_never_dial_without_a_pause)
{
    ck_assert_int_eq(options_of("leafnodes { reconnect: 0 }")->leaf.reconnect_ns,
                     LEAF_RECONNECT_NS);
}
END_TEST

START_TEST(leaf_nodes_that_cannot_be_are_refused_by_place)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"leafnodes { remotes: [{url: \"x://h\"}] }", "error parsing leafnode url"},
        {"leafnodes { remotes: [{url: \"leaf://nats-leaf://h\"}] }", "error parsing leafnode url"},
        {"leafnodes { remotes: [{url: \"ws://h/a b\"}] }", "error parsing leafnode url"},
        {"leafnodes { remotes: [{url: \"ws:///leafnode\"}] }", "error parsing leafnode url"},
        {"leafnodes { remotes: [{urls: [\"ws://h\", \"nats://h:1\"]}] }",
         "cannot have a mix of websocket and non-websocket urls"},
        {"leafnodes { remotes: [{url: \"ws://h\", proxy { url: \"ftp://x\" }}] }",
         "proxy URL scheme must be http or https, got: ftp"},
        {"leafnodes { remotes: [{url: \"ws://h\", proxy { url: \"http://\" }}] }",
         "invalid proxy URL"},
        {"leafnodes { remotes: [{url: \"ws://h\", proxy { url: \"http://x\", username: u }}] }",
         "proxy username and password must both be specified"},
        {"leafnodes { remotes: [{url: \"ws://h\", proxy { timeout: \"-1s\" }}] }",
         "proxy timeout must be >= 0"},
        {"leafnodes { remotes: [{url: \"h\", nkey: SUABC}] }",
         "Remote leafnode nkey is not a valid seed"},
        {"leafnodes { remotes: [{url: \"h:1\"}, {url: \"h:1\"}] }", "duplicate remote"},
        {"leafnodes { remotes: [{url: \"h\", deny_imports: \"a..b\"}] }", "is not a valid subject"},
        {"leafnodes { min_version: \"2.7.9\" }", "the minimum version should be at least 2.8.0"},
        {"leafnodes { min_version: x }", "invalid leafnode's minimum version"},
        {"leafnodes { authorization { nkey: x } }",
         "Not a valid public nkey for leafnode authorization"},
        {"leafnodes { authorization { user: a, users: [{user: b}] } }",
         "can not have a single user/pass and a users array"},
        {"leafnodes { no_such: 1 }", "no_such"},
        {"leafnodes { remotes: [{url: \"h\", no_such: 1}] }", "no_such"},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_msg(!load(rows[i].text), "%s", rows[i].text);
        ck_assert_msg(says(&config.reader.errors, rows[i].error), "%s", rows[i].text);
    }
}
END_TEST

START_TEST(integers_for_durations_are_taken_and_warned_about)
{
    ck_assert(load("ping_interval: 5"));
    ck_assert_int_eq(config.options.ping_interval_ns, INT64_C(5000000000));
    ck_assert(says(&config.reader.warnings,
                   "f:1:0: invalid use of field \"ping_interval\": ping_interval should be "
                   "converted to a duration\n"));
    ck_assert(load("authorization { timeout: 100 }"));
    ck_assert(says(&config.reader.warnings, "is high"));
    ck_assert(load("cluster { port: -1, routes: [\"nats://a:1\", \"nats://a:1\"] }"));
    ck_assert(says(&config.reader.warnings, "Duplicate route entry detected"));
}
END_TEST

START_TEST(all_errors_are_said_at_once)
{
    ck_assert(!load("foo: 1\nport: x\nbar: 2\n"));
    ck_assert(says(&config.reader.errors, "f:1:0: unknown field \"foo\""));
    ck_assert(says(&config.reader.errors, "f:2:1: port: expected an integer, got a string"));
    ck_assert(says(&config.reader.errors, "f:3:1: unknown field \"bar\""));
}
END_TEST

START_TEST(what_a_variable_names_need_not_be_known)
{
    ck_assert(load("X: 5\nport: $X"));
    ck_assert(!load("X: 5\nport: 6"));
}
END_TEST

START_TEST(what_only_all_options_show_is_checked_last)
{
    static const struct row rows[] = {
        {"max_payload: 8MB\nmax_pending: 1MB",
         "max_payload (8388608) cannot be higher than max_pending (1048576)"},
        {"lame_duck_duration: 30s\nlame_duck_grace_period: 30s",
         "lame duck grace period (30s) should be strictly lower than lame duck duration (30s)"},
        {"no_auth_user: x", "no_auth_user: \"x\" present, but users/nkeys are not defined"},
        {"no_auth_user: x\nauthorization { users: [{user: a}] }",
         "no_auth_user: \"x\" not present as user or nkey in authorization block or account "
         "configuration"},
        {"system_account: X", "error resolving system account: account missing"},
        {"leafnodes { remotes: [{url: \"h\", account: B}] }",
         "cannot find local account \"B\" specified in leafnode remote"},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        ck_assert_msg(load(rows[i].text), "%s", rows[i].text);
        ck_assert(!config_check(&config));
        ck_assert_msg(says(&config.reader.errors, rows[i].says), "%s: %.*s", rows[i].text,
                      BYTES_ARG(buf_bytes(&config.reader.errors)));
    }
}
END_TEST

START_TEST(the_digest_is_that_of_sorted_json)
{
    char digest[CONFIG_DIGEST_SIZE];
    struct buf json;

    ck_assert(load("port: 4222"));
    config_digest(&config, digest);
    ck_assert_str_eq(digest,
                     "sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e");
    buf_init(&json, 1000);
    (void)load("z: <\nb: [1, {c: 1.5}]\na: off");
    ck_assert(config_json(&config, &json));
    ck_assert(bytes_equal(buf_bytes(&json),
                          BYTES("{\"a\":false,\"b\":[1,{\"c\":1.5}],\"z\":\"\\u003c\"}\n")));
    buf_deinit(&json);
}
END_TEST

START_TEST(every_key_stands_once_in_its_table)
{
    for (size_t i = 0; i < config_top_block.count; i++) {
        const char *names = config_top_block.options[i].names;

        for (size_t size; *names != 0; names += size + (names[size] == ' ')) {
            size = strcspn(names, " ");
            ck_assert_ptr_eq(config_option_find(&config_top_block, bytes_of(names, size)),
                             &config_top_block.options[i]);
        }
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        options_are_what_the_file_says,
        jetstream_is_a_word_or_a_map,
        users_have_names_keys_and_permissions,
        tls_blocks_are_read,
        a_cluster_block_is_read,
        a_cluster_block_without_a_port_only_names_a_cluster,
        hosts_are_names_of_255_bytes_at_most_whose_places_are_known,
        what_is_wrong_is_said_with_its_place_in_the_words_of_the_reference,
        a_domain_has_255_bytes_at_most,
        an_account_says_where_it_is_told_of_traced_messages,
        what_is_not_built_is_refused_by_name_and_place,
        a_resolver_that_caches_has_a_limit_and_a_time,
        a_resolver_by_url_is_a_host_a_port_and_a_path,
        what_is_accepted_without_effect_is_said,
        leaf_nodes_have_users_and_remotes,
        remotes_are_reached_over_websockets_and_through_proxies,
        leaf_nodes_never_dial_without_a_pause,
        leaf_nodes_that_cannot_be_are_refused_by_place,
        integers_for_durations_are_taken_and_warned_about,
        all_errors_are_said_at_once,
        what_a_variable_names_need_not_be_known,
        what_only_all_options_show_is_checked_last,
        the_digest_is_that_of_sorted_json,
        every_key_stands_once_in_its_table,
    };

    return UNIT_RUN_PLAIN("config", tests);
}

#include "server/api/consumer_check.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/limits.h"
#include "base/subject.h"
#include "base/text.h"
#include "consumers/consumer.h"
#include "server/router/sublist.h"

#define SECOND              INT64_C(1000000000)
#define MILLISECOND         INT64_C(1000000)
#define ACK_WAIT_DEFAULT    (30 * SECOND)
#define MAX_WAITING_DEFAULT 512
#define ACK_PENDING_DEFAULT CONSUMER_ACK_PENDING_DEFAULT
#define PIN_TIMEOUT_DEFAULT (120 * SECOND)

/* ---- defaults ------------------------------------------------------------------------------- */

struct negative_rule {
    int64_t *value;
    const char *name;
};

/* Negative values mean "none"; pedantic requests must say so themselves. */
static bool raise_negatives(struct consumer_config *config, bool pedantic, struct verdict *verdict)
{
    struct negative_rule rules[] = {
        {&config->max_waiting, "max_waiting"},
        {&config->max_batch, "max_batch"},
        {&config->max_expires_ns, "max_expires"},
        {&config->max_bytes, "max_bytes"},
        {&config->idle_heartbeat_ns, "idle_heartbeat"},
        {&config->inactive_threshold_ns, "inactive_threshold"},
        {&config->priority_timeout_ns, "priority_timeout"},
    };

    if (pedantic && config->max_deliver < -1)
        return verdict_refuse(verdict, 10157, "pedantic mode: max_deliver must be set to -1");
    if (config->max_deliver == 0 || config->max_deliver < -1)
        config->max_deliver = -1;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (*rules[i].value >= 0)
            continue;
        if (pedantic)
            return verdict_refuse(verdict, 10157, "pedantic mode: %s must not be negative",
                                  rules[i].name);
        *rules[i].value = 0;
    }
    if (pedantic && config->max_ack_pending < -1)
        return verdict_refuse(verdict, 10157, "pedantic mode: max_ack_pending must be set to -1");
    if (config->max_ack_pending < -1)
        config->max_ack_pending = -1;
    return true;
}

void consumer_check_level(struct consumer_config *config, struct arena *arena)
{
    bool level_four = config->ack_policy == ACK_FLOW_CONTROL;
    bool level_one = config->pause_until_ns != TIME_UNSET ||
                     config->priority_policy != PRIORITY_NONE || config->priority_groups.count > 0;

    (void)schema_map_set(&config->metadata, arena, BYTES("_nats.ver"), bytes_of(NULL, 0));
    (void)schema_map_set(&config->metadata, arena, BYTES("_nats.level"), bytes_of(NULL, 0));
    (void)schema_map_set(&config->metadata, arena, BYTES("_nats.req.level"),
                         level_four  ? BYTES("4")
                         : level_one ? BYTES("1")
                                     : BYTES("0"));
}

static bool set_waits(struct consumer_config *config, bool pedantic, struct verdict *verdict)
{
    bool acks = config->ack_policy == ACK_EXPLICIT || config->ack_policy == ACK_ALL;

    for (size_t i = 0; i < config->backoff_ns.count; i++) {
        if (config->backoff_ns.at[i] < 0)
            return verdict_refuse_plain(verdict, 10184);
    }
    if (config->ack_wait_ns < 0)
        return verdict_refuse_plain(verdict, 10183);
    if (acks && config->ack_wait_ns == 0)
        config->ack_wait_ns = ACK_WAIT_DEFAULT;
    if (config->backoff_ns.count > 0) {
        if (pedantic && config->ack_wait_ns != config->backoff_ns.at[0])
            return verdict_refuse(verdict, 10157,
                                  "pedantic mode: first backoff value has to equal batch AckWait");
        config->ack_wait_ns = config->backoff_ns.at[0];
    }
    return true;
}

/* Limits of the stream are defaults of its consumers; pedantic requests must state them. */
static bool set_limits(struct consumer_config *config, const struct stream_consumer_limits *limits,
                       bool pedantic, struct verdict *verdict)
{
    if (config->max_ack_pending == 0 && limits->max_ack_pending > 0) {
        if (pedantic)
            return verdict_refuse(
                verdict, 10157,
                "pedantic mode: max_ack_pending must be set if it's configured in stream limits");
        config->max_ack_pending = limits->max_ack_pending;
    }
    if (config->inactive_threshold_ns == 0 && limits->inactive_threshold_ns > 0) {
        if (pedantic)
            return verdict_refuse(
                verdict, 10157,
                "pedantic mode: inactive_threshold must be set if it's configured in "
                "stream limits");
        config->inactive_threshold_ns = limits->inactive_threshold_ns;
    }
    return true;
}

static bool set_defaults(struct consumer_config *config, const struct stream_config *stream,
                         bool pedantic, struct verdict *verdict)
{
    if (config->deliver_policy == DELIVER_UNDEFINED)
        config->deliver_policy = DELIVER_ALL;
    if (!raise_negatives(config, pedantic, verdict) || !set_waits(config, pedantic, verdict) ||
        !set_limits(config, &stream->consumer_limits, pedantic, verdict))
        return false;
    if (config->ack_policy == ACK_FLOW_CONTROL && !pedantic) {
        config->flow_control = true;
        config->idle_heartbeat_ns = SECOND;
    }
    if (config->deliver_subject.size == 0 && config->max_waiting == 0)
        config->max_waiting = MAX_WAITING_DEFAULT;
    if (config->max_ack_pending == 0 && config->ack_policy != ACK_NONE)
        config->max_ack_pending = ACK_PENDING_DEFAULT;
    if (config->priority_policy == PRIORITY_PINNED && config->priority_timeout_ns == 0)
        config->priority_timeout_ns = PIN_TIMEOUT_DEFAULT;
    if (config->inactive_threshold_ns == 0 && config->durable_name.size == 0)
        config->inactive_threshold_ns = CONSUMER_INACTIVE_DEFAULT_NS;
    return true;
}

/* ---- validation, in the reference's order --------------------------------------------------- */

static bool check_names(const struct consumer_config *config, struct verdict *verdict)
{
    if (!verdict_name_clean(config->name))
        return verdict_refuse(verdict, 10052,
                              "consumer name can not contain '.', '*', '>', '\\', '/'");
    if (!verdict_name_clean(config->durable_name))
        return verdict_refuse(verdict, 10052,
                              "consumer durable name can not contain '.', '*', '>', '\\', '/'");
    return true;
}

static bool check_replicas(const struct consumer_config *config, const struct stream_config *stream,
                           struct verdict *verdict)
{
    if (config->num_replicas > stream->num_replicas)
        return verdict_refuse_plain(verdict, 10126);
    if (config->num_replicas < 0)
        return verdict_refuse_plain(verdict, 10133);
    if (stream->retention != RETENTION_LIMITS && config->num_replicas != 0 &&
        config->num_replicas != stream->num_replicas)
        return verdict_refuse_plain(verdict, 10134);
    return true;
}

static bool check_flow_policy(const struct consumer_config *config, struct verdict *verdict)
{
    if (config->ack_policy != ACK_FLOW_CONTROL)
        return true;
    if (config->deliver_subject.size == 0)
        return verdict_refuse_plain(verdict, 10218);
    if (!config->flow_control)
        return verdict_refuse_plain(verdict, 10219);
    if (config->idle_heartbeat_ns != SECOND)
        return verdict_refuse(verdict, 10052, "flow control ack policy heartbeat needs to be 1s");
    if (config->max_ack_pending <= 0)
        return verdict_refuse_plain(verdict, 10220);
    if (config->ack_wait_ns != 0 || config->backoff_ns.count > 0)
        return verdict_refuse_plain(verdict, 10221);
    return config->max_deliver > 0 ? verdict_refuse_plain(verdict, 10222) : true;
}

static bool forms_cycle(const struct consumer_config *config, const struct stream_config *stream)
{
    for (size_t i = 0; i < stream->subjects.count; i++) {
        if (subject_collide(stream->subjects.at[i], config->deliver_subject))
            return true;
    }
    return false;
}

static bool check_push(const struct consumer_config *config, const struct stream_config *stream,
                       struct verdict *verdict)
{
    if (!subject_valid_strict(config->deliver_subject) ||
        subject_token_count(config->deliver_subject) > SUBJECT_TOKENS_MAX)
        return verdict_refuse_plain(verdict, 10112);
    if (subject_has_wildcard(config->deliver_subject))
        return verdict_refuse_plain(verdict, 10079);
    if (forms_cycle(config, stream))
        return verdict_refuse_plain(verdict, 10081);
    if (config->max_waiting != 0)
        return verdict_refuse_plain(verdict, 10080);
    if (config->ack_policy == ACK_NONE && config->max_ack_pending > 0)
        return verdict_refuse_plain(verdict, 10082);
    if (config->idle_heartbeat_ns > 0 && config->idle_heartbeat_ns < 100 * MILLISECOND)
        return verdict_refuse_plain(verdict, 10083);
    return true;
}

static bool check_pull(const struct consumer_config *config, const struct stream_config *stream,
                       struct verdict *verdict)
{
    if (stream->retention == RETENTION_WORKQUEUE && config->ack_policy == ACK_NONE)
        return verdict_refuse_plain(verdict, 10084);
    if (config->rate_limit_bps > 0)
        return verdict_refuse_plain(verdict, 10086);
    if (config->idle_heartbeat_ns > 0)
        return verdict_refuse_plain(verdict, 10088);
    if (config->flow_control)
        return verdict_refuse_plain(verdict, 10089);
    if (config->max_expires_ns > 0 && config->max_expires_ns < MILLISECOND)
        return verdict_refuse_plain(verdict, 10115);
    return true;
}

static bool check_limits(const struct consumer_config *config, const struct stream_config *stream,
                         struct verdict *verdict)
{
    const struct stream_consumer_limits *limits = &stream->consumer_limits;
    char text[40];

    if (limits->max_ack_pending > 0 && config->max_ack_pending > limits->max_ack_pending)
        return verdict_refuse(verdict, 10121,
                              "consumer max ack pending exceeds system limit of %lld",
                              (long long)limits->max_ack_pending);
    if (limits->inactive_threshold_ns > 0 &&
        config->inactive_threshold_ns > limits->inactive_threshold_ns) {
        size_t size = text_duration(text, limits->inactive_threshold_ns);

        return verdict_refuse(verdict, 10153,
                              "consumer inactive threshold exceeds system limit of %.*s", (int)size,
                              text);
    }
    return true;
}

static bool check_direct(const struct consumer_config *config, struct verdict *verdict)
{
    if (!config->direct)
        return true;
    if (config->deliver_subject.size == 0)
        return verdict_refuse_plain(verdict, 10090);
    return config->durable_name.size > 0 ? verdict_refuse_plain(verdict, 10091) : true;
}

static bool filter_fits(struct bytes filter)
{
    return subject_valid_strict(filter) && subject_token_count(filter) <= SUBJECT_TOKENS_MAX;
}

/* Does one filter cover another? Each is looked up among all, its wildcards as ordinary tokens:
 * that finds whatever may cover it, and costs little however many there are. */
static bool filters_overlap(const struct schema_strings *filters)
{
    struct sub *subs = heap_take(filters->count * sizeof *subs);
    struct sublist list;
    bool overlap = false;

    memset(subs, 0, filters->count * sizeof *subs);
    sublist_init(&list, 0);
    for (size_t i = 0; i < filters->count; i++)
        sublist_add(&list, &subs[i], filters->at[i], bytes_of(NULL, 0));
    for (size_t i = 0; i < filters->count && !overlap; i++) {
        const struct match *match = sublist_match(&list, filters->at[i]);

        for (uint32_t n = 0; n < match->plain_count && !overlap; n++) {
            const struct sub_set *set = match->sets[n];

            overlap = set == subs[i].set ? set->count > 1
                                         : subject_covers(sub_set_subject(set), filters->at[i]);
        }
    }
    sublist_deinit(&list);
    heap_give(subs);
    return overlap;
}

static bool check_filters(const struct consumer_config *config, struct verdict *verdict)
{
    const struct schema_strings *filters = &config->filter_subjects;

    if (config->filter_subject.size > 0 && filters->count > 0)
        return verdict_refuse_plain(verdict, 10136);
    if (filters->count > CONSUMER_FILTERS_MAX)
        return verdict_refuse(
            verdict, 10012,
            "more than %u filter subjects are not supported by this version of Millrace",
            CONSUMER_FILTERS_MAX);
    if (config->filter_subject.size > 0 && !filter_fits(config->filter_subject))
        return verdict_refuse(verdict, 10052, "invalid subject");
    for (size_t i = 0; i < filters->count; i++) {
        if (filters->at[i].size == 0)
            return verdict_refuse_plain(verdict, 10139);
        if (!filter_fits(filters->at[i]))
            return verdict_refuse(verdict, 10052, "invalid subject");
    }
    return filters_overlap(filters) ? verdict_refuse_plain(verdict, 10138) : true;
}

static bool refuse_start(struct verdict *verdict, const char *policy, const char *option,
                         const char *what)
{
    return verdict_refuse(verdict, 10094,
                          "consumer delivery policy is deliver %s, but optional %s is %s", policy,
                          option, what);
}

static bool check_start(const struct consumer_config *config, struct verdict *verdict)
{
    static const char *const names[] = {
        [DELIVER_ALL] = "all",
        [DELIVER_LAST] = "last",
        [DELIVER_NEW] = "new",
        [DELIVER_BY_START_SEQUENCE] = "by start sequence",
        [DELIVER_BY_START_TIME] = "by start time",
        [DELIVER_LAST_PER_SUBJECT] = "last per subject",
    };
    const char *policy = names[config->deliver_policy];
    bool by_sequence = config->deliver_policy == DELIVER_BY_START_SEQUENCE;
    bool by_time = config->deliver_policy == DELIVER_BY_START_TIME;
    bool has_sequence = config->opt_start_seq > 0;
    bool has_time = config->opt_start_time_ns != TIME_UNSET;
    bool filtered = config->filter_subject.size > 0 || config->filter_subjects.count > 0;

    if (by_sequence && !has_sequence)
        return refuse_start(verdict, policy, "start sequence", "not set");
    if (by_time && !has_time)
        return refuse_start(verdict, policy, "start time", "not set");
    if (has_sequence && !by_sequence) /* the doubled word is the reference's */
        return refuse_start(verdict, policy, by_time ? "start start sequence" : "start sequence",
                            "also set");
    if (has_time && !by_time)
        return refuse_start(verdict, policy, "start time", "also set");
    if (config->deliver_policy == DELIVER_LAST_PER_SUBJECT && !filtered)
        return refuse_start(verdict, policy, "filter subject", "not set");
    return true;
}

/* As strconv.Atoi: an optional sign, digits, 64 bits. NULL: it is a number. */
static const char *not_a_number(struct bytes text)
{
    bool negative = text.size > 0 && text.at[0] == '-';
    uint64_t value;

    if (text.size > 0 && (negative || text.at[0] == '+'))
        text = bytes_skip(text, 1);
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return "invalid syntax";
    }
    if (text.size == 0)
        return "invalid syntax";
    return bytes_read_u64(text, &value) && value <= (uint64_t)INT64_MAX + negative
               ? NULL
               : "value out of range";
}

static bool check_sampling(const struct consumer_config *config, struct verdict *verdict)
{
    struct bytes text = config->sample_freq;
    const char *complaint;

    if (text.size > 0 && text.at[text.size - 1] == '%')
        text = bytes_take(text, text.size - 1);
    complaint = config->sample_freq.size == 0 ? NULL : not_a_number(text);
    if (complaint == NULL && (text.size == 0 || text.at[0] != '-'))
        return true;
    if (complaint == NULL) /* as the reference says that it must not be negative */
        return verdict_refuse(verdict, 10095,
                              "failed to parse consumer sampling configuration: <nil>");
    return verdict_refuse(
        verdict, 10095,
        "failed to parse consumer sampling configuration: strconv.Atoi: parsing \"%.*s\": %s",
        text.size < 40 ? (int)text.size : 40, (const char *)text.at, complaint);
}

bool consumer_check_group(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (!letter && !(c >= '0' && c <= '9') && (c == 0 || strchr("/_=-", c) == NULL))
            return false;
    }
    return name.size >= 1 && name.size <= 16;
}

static bool check_groups(const struct consumer_config *config, struct verdict *verdict)
{
    const struct schema_strings *groups = &config->priority_groups;

    if (config->priority_policy == PRIORITY_NONE) {
        if (groups->count > 0)
            return verdict_refuse_plain(verdict, 10196);
        return config->priority_timeout_ns > 0 ? verdict_refuse_plain(verdict, 10197) : true;
    }
    if (config->deliver_subject.size > 0)
        return verdict_refuse_plain(verdict, 10178);
    if (groups->count == 0)
        return verdict_refuse_plain(verdict, 10159);
    for (size_t i = 0; i < groups->count; i++) {
        if (groups->at[i].size == 0)
            return verdict_refuse_plain(verdict, 10161);
        if (!consumer_check_group(groups->at[i]))
            return verdict_refuse_plain(verdict, 10162);
    }
    return true;
}

static bool check_rest(const struct consumer_config *config, struct verdict *verdict)
{
    if (config->flow_control && config->idle_heartbeat_ns == 0)
        return verdict_refuse_plain(verdict, 10108);
    if (config->durable_name.size > 0 && !bytes_equal(config->durable_name, config->name))
        return verdict_refuse_plain(verdict, 10132);
    if (verdict_metadata_size(&config->metadata) > VERDICT_METADATA_MAX)
        return verdict_refuse(verdict, 10135, "consumer metadata exceeds maximum size of 128KB");
    return check_groups(config, verdict);
}

static bool check_sizes(const struct consumer_config *config, struct verdict *verdict)
{
    if (config->durable_name.size > NAME_SIZE_MAX)
        return verdict_refuse(verdict, 10102, "consumer name is too long, maximum allowed is %d",
                              (int)NAME_SIZE_MAX);
    if (config->name.size > NAME_SIZE_MAX)
        return verdict_refuse(verdict, 10012, "error creating store for consumer");
    return true;
}

static bool check_backoff_and_text(const struct consumer_config *config, struct verdict *verdict)
{
    if (config->max_deliver != -1 && (int64_t)config->backoff_ns.count > config->max_deliver)
        return verdict_refuse_plain(verdict, 10116);
    if (config->description.size > VERDICT_DESCRIPTION_MAX)
        return verdict_refuse(verdict, 10107,
                              "consumer description is too long, maximum allowed is %u",
                              VERDICT_DESCRIPTION_MAX);
    return true;
}

void consumer_check(struct consumer_config *config, const struct stream_config *stream,
                    bool pedantic, struct arena *arena, struct verdict *verdict)
{
    *verdict = (struct verdict){0};
    if (!set_defaults(config, stream, pedantic, verdict) || !check_names(config, verdict) ||
        !check_replicas(config, stream, verdict) || !check_flow_policy(config, verdict) ||
        !check_backoff_and_text(config, verdict))
        return;
    if (config->deliver_subject.size > 0 ? !check_push(config, stream, verdict)
                                         : !check_pull(config, stream, verdict))
        return;
    if (!check_limits(config, stream, verdict) || !check_direct(config, verdict) ||
        !check_filters(config, verdict) || !check_start(config, verdict) ||
        !check_sampling(config, verdict) || !check_rest(config, verdict) ||
        !check_sizes(config, verdict))
        return;
    consumer_check_level(config, arena);
}

/* ---- updates -------------------------------------------------------------------------------- */

void consumer_check_update(const struct consumer_config *from, const struct consumer_config *to,
                           bool bound, struct verdict *verdict)
{
    bool push = from->deliver_subject.size > 0;
    const char *text = NULL;

    *verdict = (struct verdict){0};
    if (from->deliver_policy != to->deliver_policy)
        text = "deliver policy can not be updated";
    else if (from->mem_storage != to->mem_storage)
        text = "storage type can not be updated";
    else if (from->direct != to->direct)
        text = "direct can not be updated";
    else if (from->opt_start_seq != to->opt_start_seq)
        text = "start sequence can not be updated";
    else if (from->opt_start_time_ns != to->opt_start_time_ns)
        text = "start time can not be updated";
    else if (from->ack_policy != to->ack_policy)
        text = "ack policy can not be updated";
    else if (from->replay_policy != to->replay_policy)
        text = "replay policy can not be updated";
    else if (from->idle_heartbeat_ns != to->idle_heartbeat_ns)
        text = "heart beats can not be updated";
    else if (from->flow_control != to->flow_control)
        text = "flow control can not be updated";
    else if (!push && to->deliver_subject.size > 0)
        text = "can not update pull consumer to push based";
    else if (push && to->deliver_subject.size == 0)
        text = "can not update push consumer to pull based";
    if (text != NULL) {
        (void)verdict_refuse(verdict, 10012, "%s", text);
        return;
    }
    if (push && !bytes_equal(from->deliver_subject, to->deliver_subject) && bound) {
        (void)verdict_refuse_plain(verdict, 10013);
        return;
    }
    if (from->max_waiting != to->max_waiting)
        (void)verdict_refuse(verdict, 10012, "max waiting can not be updated");
}

/* `msg_trace` of an account: where it is told of messages that a traceparent wants traced, and of
 * how many of them. */
#include "base/subject.h"
#include "server/config/blocks.h"

#define ALL 100

static void read_dest(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct account_options *account = to;

    if (value->type != CONFIG_STRING)
        config_error(reader, value, "Field \"%.*s\" should be a string, got %s", CONFIG_KEY(value),
                     config_type_text(value->type));
    else if (!subject_literal(value->text))
        config_error(reader, value, "Trace destination \"%.*s\" is not valid",
                     BYTES_ARG(value->text));
    else
        account->trace_destination = value->text;
}

static void take_sampling(struct config_reader *reader, const struct config_value *value,
                          struct account_options *account, int64_t percent)
{
    if (percent <= 0 || percent > ALL)
        config_error(reader, value,
                     "Trace destination sampling value %lld is invalid, needs to be [1..100]",
                     (long long)percent);
    else
        account->trace_percent = percent;
}

static void read_sampling(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct bytes digits = value->text;
    uint64_t percent;

    if (value->type == CONFIG_INTEGER) {
        take_sampling(reader, value, to, value->integer);
        return;
    }
    if (value->type != CONFIG_STRING) {
        config_error(reader, value,
                     "Trace destination sampling field \"%.*s\" should be an integer or a "
                     "percentage, got %s",
                     CONFIG_KEY(value), config_type_text(value->type));
        return;
    }
    if (digits.size > 0 && digits.at[digits.size - 1] == '%')
        digits.size--;
    if (!bytes_read_u64(digits, &percent) || percent > INT64_MAX)
        config_error(reader, value, "Invalid trace destination sampling value \"%.*s\"",
                     BYTES_ARG(value->text));
    else
        take_sampling(reader, value, to, (int64_t)percent);
}

static const struct config_option options_of_trace[] = {
    CONFIG_READ("dest", read_dest),
    CONFIG_READ("sampling", read_sampling),
};

static const struct config_block trace_block = {
    options_of_trace, sizeof(options_of_trace) / sizeof(options_of_trace[0]),
    "Unknown field \"%.*s\" parsing account message trace map/struct \"msg_trace\""};

void config_message_trace(struct config_reader *reader, const struct config_value *value,
                          struct account_options *account)
{
    if (value->type == CONFIG_STRING) {
        read_dest(reader, value, account);
        return;
    }
    if (value->type != CONFIG_MAP) {
        config_error(reader, value,
                     "Expected account message trace \"%.*s\" to be a string or a map/struct, "
                     "got %s",
                     CONFIG_KEY(value), config_type_text(value->type));
        return;
    }
    (void)config_read_block(reader, value, &trace_block, account);
    if (account->trace_percent > 0 && account->trace_destination.size == 0)
        account->trace_percent = 0;
}

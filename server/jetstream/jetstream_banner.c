#include "server/jetstream/jetstream_priv.h"

#include <stdio.h>

#define LIMIT_SIZE 40

static const char *limit_text(int64_t limit, char text[LIMIT_SIZE])
{
    static const char units[] = "KMGTPE";
    double size = (double)limit;
    size_t unit = 0;

    if (limit < 0)
        return "unlimited";
    if (limit < 1024) {
        snprintf(text, LIMIT_SIZE, "%lld B", (long long)limit);
        return text;
    }
    for (size /= 1024; size >= 1024; size /= 1024)
        unit++;
    snprintf(text, LIMIT_SIZE, "%.2f %cB", size, units[unit]);
    return text;
}

void jetstream_say_started(const struct jetstream *jetstream)
{
    const struct options *options = server_options(jetstream->server);
    const struct jetstream_options *of = &options->jetstream_options;
    struct logger *logger = server_logger(jetstream->server);
    char text[LIMIT_SIZE];

    logger_info(logger, "---------------- JETSTREAM ----------------");
    if (!of->lenient)
        logger_info(logger, "  Strict:          true");
    logger_info(logger, "  Max Memory:      %s", limit_text(of->memory_max, text));
    logger_info(logger, "  Max Storage:     %s", limit_text(of->store_max, text));
    logger_info(logger, "  Store Directory: \"%s/millrace\"", options->store_dir);
    if (of->domain != NULL)
        logger_info(logger, "  Domain:          %s", of->domain);
    logger_info(logger, "-------------------------------------------");
}

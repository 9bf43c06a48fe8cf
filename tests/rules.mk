# End-to-end and crash tests: the real server as a process, clients written by others.
#
#     make e2e                         libnats, the JavaScript clients, the nats command line, the protocol byte by byte
#     make crash SECONDS=180           kill, restart, check; SEED=n for one start, LEDGER=1 to record
#     make cluster-test SECONDS=180    the same with three and five nodes: kill, pause, cut, damage, check
#     make epoll SECONDS=30            a good part of both with the servers on epoll: MILLRACE_IO=epoll works for any layer
#     MILLRACE_BIN=PATH make e2e       the same against another server, which is then not built

MILLRACE_BIN ?= $(BUILD)/millrace
e2e_server    = $(filter $(BUILD)/millrace,$(MILLRACE_BIN))
e2e_env       = MILLRACE_BIN=$(abspath $(MILLRACE_BIN))

e2e_c_srcs    = $(wildcard tests/e2e/c/*.c)
e2e_c         = $(BUILD)/tests/e2e_c
e2e_modules   = tests/e2e/node/node_modules/.package-lock.json

$(e2e_c): $(e2e_c_srcs) tests/e2e/c/fixture.h | e2e-tools
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(e2e_c_srcs) $(LDFLAGS) -lnats -lpthread -o $@

$(e2e_modules): tests/e2e/node/package-lock.json | e2e-tools
	cd tests/e2e/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# The nats command line of its users, as pinned in go.mod. Without Go, the one on the PATH; else its tests are skipped.
e2e_cli       = $(BUILD)/tests/nats
$(e2e_cli): tests/e2e/cli/go.mod tests/e2e/cli/go.sum
	@mkdir -p $(@D)
	@cd tests/e2e/cli && if go version >/dev/null 2>&1; then \
	    CGO_ENABLED=0 go build -o $(abspath $@) github.com/nats-io/natscli/nats || echo "the nats command line does not build"; fi

# Key-value buckets with libnats, as one of the libraries that read what others wrote.
e2e_bucket    = $(BUILD)/tests/e2e_bucket
$(e2e_bucket): tests/e2e/buckets/bucket.c | e2e-tools
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $< $(LDFLAGS) -lnats -o $@

# nats.py; without it that library takes no part.
e2e_py        = $(BUILD)/tests/py/.made
$(e2e_py):
	@mkdir -p $(@D)
	@python3 -m venv $(@D) >/dev/null 2>&1 && $(@D)/bin/pip -q install nats-py==2.16.0 jsonschema==4.26.0 || echo "there is no nats.py"
	@touch $@

# The schemas of what JetStream says, out of a module of Go (Apache-2.0). Without Go they are not checked.
e2e_schemas   = $(BUILD)/tests/schemas/.made
$(e2e_schemas):
	@mkdir -p $(@D)
	@python3 tests/e2e/schemas/fetch.py $(@D) || echo "there are no schemas"
	@touch $@

.PHONY: e2e-tools
e2e-tools:
	@[ -e /usr/include/nats/nats.h ] && command -v npm >/dev/null || tools/setup.sh test

# Older runners have no flag for how many files run at once; the tests mostly wait.
e2e_node = cd tests/e2e/node && node --test --test-reporter=spec \
           $$(node --help | grep -q -e --test-concurrency && echo --test-concurrency=3) *.test.js

# Half and half: they mostly wait.
e2e_wire = 'wire-1=cd tests/e2e/wire && python3 -m unittest discover -p "test_[a-i]*.py"' \
           'wire-2=cd tests/e2e/wire && python3 -m unittest discover -p "test_[!a-i]*.py"'

# The core server's tests once more, its clients on two threads (docs/shards.md).
e2e_shards = 'shards=cd tests/e2e/wire && MILLRACE_SHARDS_TEST=2 python3 -m unittest test_transcripts test_auth test_tls \
             test_websocket test_reload test_process test_operator test_resolver test_resolver_cache test_monitoring test_system test_accounts test_tracing \
             test_cluster_plain_node test_cluster_tls'

# What streams do, with their lanes on two threads.
e2e_lanes = 'lanes=cd tests/e2e/wire && MILLRACE_SHARDS_TEST=2 python3 -m unittest test_consumers test_batches test_retention \
            test_origins test_origins_external test_erase test_data_backup_live test_tiers test_stream_errors test_stream_races \
            test_damage test_glance test_abuse test_account_purge test_compression test_delivered_to_counters test_watches \
            test_removed_directory test_repair test_leaf_jetstream test_own_messages test_offline test_late test_api_input test_congestion \
            test_cluster_jetstream test_cluster_features test_cluster_created'

# And some with shards that are begun one after the other, between which clients move all the time.
e2e_moves = 'moves=cd tests/e2e/wire && MILLRACE_SHARDS_TEST=auto python3 -m unittest test_transcripts test_auth test_tls \
            test_websocket test_accounts test_tracing test_leaf test_causes'

# A server of several shards under ThreadSanitizer: a report of any of its processes is a failure.
tsan_report = $(abspath $(BUILD)/tsan/report)
.PHONY: tsan-shards
tsan-shards:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan CC=clang OPT="-O1 -g -fno-omit-frame-pointer" \
	    SAN="-fsanitize=thread" $(BUILD)/tsan/millrace
	@rm -f $(tsan_report).*
	@TSAN_OPTIONS="log_path=$(tsan_report)" MILLRACE_BIN=$(abspath $(BUILD)/tsan/millrace) MILLRACE_SHARDS_TEST=3 \
	    python3 tests/count.py 'tsan-shards=cd tests/e2e/wire && \
	    python3 -m unittest test_shards test_accounts test_operator test_resolver test_tracing test_system && \
	    MILLRACE_SHARDS_TEST=auto python3 -m unittest test_accounts test_tls test_websocket && \
	    python3 -m unittest test_consumers test_batches test_glance test_tiers test_stream_races test_late test_lanes_grown && \
	    python3 ../../crash/lanes.py --seconds 25 --life 6 && \
	    python3 -m unittest test_cluster_jetstream test_cluster_features test_cluster_leave && \
	    python3 ../../crash/cluster.py --true-clocks --seconds 40 && \
	    ! cat $(tsan_report).* 2>/dev/null'

.PHONY: e2e
e2e: $(e2e_server) $(e2e_c) $(e2e_modules) $(e2e_cli) $(e2e_bucket) $(e2e_py) $(e2e_schemas)
	@$(e2e_env) python3 tests/count.py --minutes 14 --jobs 3 \
	    $(e2e_wire) \
	    $(e2e_shards) \
	    $(e2e_lanes) \
	    $(e2e_moves) \
	    'command=cd tests/e2e/command && python3 -m unittest' \
	    'c=$(e2e_c)' \
	    'cli=cd tests/e2e/cli && python3 -m unittest' \
	    'buckets=cd tests/e2e/buckets && python3 -m unittest' \
	    'examples=cd tests/e2e/examples && python3 -m unittest' \
	    'schemas=cd tests/e2e/schemas && python3 -m unittest' \
	    'node=$(e2e_node)'

# Wall time as a test wishes it (tests/crash/clocks.py).
e2e_clock     = $(BUILD)/tests/clock.so
$(e2e_clock): tests/crash/clock.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CSTD) $(WARN) -O2 -shared -fPIC $< -ldl -o $@

crash_seconds = $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),180)
crash_flags   = --seconds $(crash_seconds) $(if $(SEED),--seed $(SEED)) $(if $(LEDGER),--ledger)

# Asks us and a nats-server (NATS_SERVER=PATH) the same, in four parts, and writes what came of it into docs/compatibility.md.
.PHONY: differential
differential: $(e2e_server)
	@status=0; for part in 1 2 3 4; do \
	    $(e2e_env) python3 tests/e2e/differential/run.py --record --part $$part/4 $(if $(NATS_SERVER),--nats-server $(NATS_SERVER)) || status=1; \
	done; python3 tests/e2e/differential/report.py && exit $$status

.PHONY: crash
crash: $(e2e_server)
	@$(e2e_env) python3 tests/count.py --minutes $$(($(crash_seconds) / 60 + 5)) \
	    'self-test=python3 tests/crash/crash.py --self-test' \
	    'crash=python3 tests/crash/crash.py $(crash_flags)' \
	    'lanes=python3 tests/crash/lanes.py --seconds $$(($(crash_seconds) / 6)) $(if $(SEED),--seed $(SEED))' \
	    'crash-lanes=MILLRACE_SHARDS_TEST=3 python3 tests/crash/crash.py --seconds $$(($(crash_seconds) / 9))' \
	    'kv-self-test=python3 tests/crash/kv.py --self-test' \
	    'kv=python3 tests/crash/kv.py --seconds $$(($(crash_seconds) / 6)) $(if $(SEED),--seed $(SEED))'

# The servers on epoll, as where io_uring is forbidden: the whole protocol, JetStream with a client of others, kills under load.
epoll_seconds = $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),30)

.PHONY: epoll
epoll: $(e2e_server) $(e2e_c) $(e2e_modules)
	@MILLRACE_IO=epoll $(e2e_env) python3 tests/count.py --minutes $$(($(epoll_seconds) / 60 + 14)) --jobs 2 \
	    $(e2e_wire) \
	    'c=$(e2e_c)' \
	    'crash=python3 tests/crash/crash.py --seconds $(epoll_seconds)' \
	    'cluster=python3 tests/crash/cluster.py --seconds $(epoll_seconds)'

cluster_seconds = $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),180)
cluster_flags   = --seconds $(cluster_seconds) $(if $(SEED),--seed $(SEED)) $(if $(LEDGER),--ledger)

.PHONY: cluster-test
cluster-test: $(e2e_server) $(e2e_modules) $(e2e_clock)
	@$(e2e_env) python3 tests/count.py --minutes $$(($(cluster_seconds) / 60 + 8)) \
	    'self-test=python3 tests/crash/cluster.py --self-test' \
	    'scenarios=python3 tests/crash/cluster.py --scenario all $(if $(LEDGER),--ledger)' \
	    'cluster=python3 tests/crash/cluster.py $(cluster_flags)' \
	    'cluster-lanes=MILLRACE_SHARDS_TEST=3 python3 tests/crash/cluster.py --seconds $$(($(cluster_seconds) / 3))' \
	    'kv=python3 tests/crash/kv_cluster.py --seconds $$(($(cluster_seconds) / 6)) $(if $(SEED),--seed $(SEED))'

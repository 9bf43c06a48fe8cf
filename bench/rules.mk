# The benchmark: docs/benchmarks.md. Its programs link nothing of the server.

bench_load_srcs  = $(addprefix bench/,load.c client.c stream.c window.c load_core.c load_window.c \
                   load_consume.c load_mass.c load_start.c wire.c conn.c hist.c watch.c)
bench_floor_srcs = $(addprefix bench/,floor.c floor_core.c floor_stream.c floor_journal.c wire.c conn.c)
bench_programs   = $(BUILD)/bench/load $(BUILD)/bench/floor

# What the subject index costs by itself (docs/index.md).
$(BUILD)/tests/cost/index: $(BUILD)/obj/tests/cost/index.o $(BUILD)/lib/libstorage.a $(BUILD)/lib/libbase.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
.PHONY: bench-index
bench-index: $(BUILD)/tests/cost/index
	$< 10000000 1000000 $(BUILD)
	$< 10000000 1000000 $(BUILD) 8

# What a published message costs the program itself, without sockets (docs/benchmarks.md).
$(BUILD)/tests/cost/publish: $(BUILD)/obj/tests/cost/publish.o $(foreach l,$(LIBS),$(call lib,$(l)))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
.PHONY: bench-publish
bench-publish: $(BUILD)/tests/cost/publish
	$< 0 128
	$< 1 128
	$< 4 128
	$< 0 128 1000

$(BUILD)/bench/load: $(bench_load_srcs:%.c=$(BUILD)/obj/%.o)
$(BUILD)/bench/floor: $(bench_floor_srcs:%.c=$(BUILD)/obj/%.o)
$(bench_programs):
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ -o $@

.PHONY: bench-programs
bench-programs: $(bench_programs)

# BENCH_ARGS="--modes pub,jspubw --rounds 1", for instance.
.PHONY: bench
bench: $(BUILD)/millrace $(bench_programs)
	bench/run.py --build $(BUILD) $(BENCH_ARGS)

# Three nodes, one stream on all of them. BENCH_ARGS="--nats-server PATH --rounds 1", for instance.
.PHONY: bench-cluster
bench-cluster: $(BUILD)/millrace $(BUILD)/bench/load
	bench/cluster.py --build $(BUILD) $(BENCH_ARGS)

# What 1,000 streams cost that nobody uses; a node that missed 2 GiB; a leader that is killed.
.PHONY: bench-idle bench-missed bench-failover
bench-idle: $(BUILD)/millrace
	bench/idle_cluster.py --build $(BUILD) $(BENCH_ARGS)
bench-missed: $(BUILD)/millrace $(BUILD)/bench/load
	bench/missed.py --build $(BUILD) $(BENCH_ARGS)
bench-failover: $(BUILD)/millrace
	bench/failover.py --build $(BUILD) $(BENCH_ARGS)

# The load generator notices what is wrong, and works against each of the floor's modes.
.PHONY: bench-check
bench-check: $(bench_programs)
	BUILD=$(BUILD) bench/test_load.py
	bench/run.py --build $(BUILD) --servers floor --rounds 1 --seconds 0.2

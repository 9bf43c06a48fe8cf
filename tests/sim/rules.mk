# Simulations: tests/sim/sim_<what>.c -> build/sim/sim_<what>, with the files and archives named here.
sim_names = $(patsubst tests/sim/sim_%.c,%,$(wildcard tests/sim/sim_*.c))
sim_bins  = $(patsubst %,$(BUILD)/sim/sim_%,$(sim_names))

sim_with_log    = log_model hunt
sim_uses_log    = storage base
sim_with_images = hunt images
sim_uses_images = storage base
sim_with_starts = client hunt images life life_restore
sim_uses_starts = $(LIBS)
sim_with_flips  = client hunt life life_restore
sim_uses_flips  = $(LIBS)
sim_with_raft   = raft_world raft_node raft_disk raft_truth raft_weather hunt
sim_uses_raft   = raft base
sim_with_server = content limits client copies ending oracle spec worlds reader user hunt server_flaws
sim_uses_server = $(LIBS)
sim_with_batches = client ending hunt runner
sim_uses_batches = $(LIBS)
sim_with_cluster = base64 content limits client ending hunt report cluster_nodes cluster_truth cluster_faults cluster_history \
                   cluster_consumer cluster_setting cluster_user cluster_scripts cluster_stage cluster_gone cluster_erase cluster_left cluster_empty cluster_short cluster_swapped cluster_forged cluster_ranges cluster_move \
                   cluster_flaws
sim_uses_cluster = $(LIBS)
sim_with_consumers = client ending hunt runner report cluster_nodes fates consumer_model consumer_lives
sim_uses_consumers = $(LIBS)
sim_with_features = client ending hunt runner report cluster_nodes fates features_model
sim_uses_features = $(LIBS)
sim_with_removals = base64 client ending hunt runner report cluster_nodes fates removals_model
sim_uses_removals = $(LIBS)
sim_with_links  = client hunt
sim_uses_links  = $(LIBS)

define sim_rule
$(BUILD)/sim/sim_$(1): tests/sim/sim_$(1).c $(patsubst %,$(BUILD)/obj/tests/sim/%.o,$(sim_with_$(1))) $(foreach l,$(sim_uses_$(1)),$(call lib,$(l)))
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$$(CC) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP $$(filter %.c %.o %.a,$$^) $$(LDFLAGS) $$(LDLIBS) -lm -o $$@
endef
$(foreach s,$(sim_names),$(eval $(call sim_rule,$(s))))

# SEED=n re-runs one seed of the server's simulation with its story; with MINIMISE=1 that seed of one
# server and of a cluster is made as small as it goes while it fails the same way. SECONDS are shared by all simulations.
.PHONY: sim sim-flaws
sim: $(sim_bins)
ifdef SEED
ifdef MINIMISE
	@status=0; for s in server cluster; do echo "sim_$$s, seed $(SEED):"; \
	    $(BUILD)/sim/sim_$$s --seed $(SEED) --minimise || status=1; done; exit $$status
else
	@$(BUILD)/sim/sim_server --seed $(SEED)
endif
else
	@status=0; for s in $(sim_bins); do \
	    $$s --seconds $$(( $(or $(SECONDS),60) / $(words $(sim_names)) )) || status=1; done; \
	for s in $(sim_bins); do \
	    if $$s --no-such-argument >$(BUILD)/sim/usage 2>&1 || ! grep -q usage $(BUILD)/sim/usage; then \
	        echo "$$s takes any argument"; status=1; fi; done; exit $$status
endif

# Every seeded bug must be found, each within SECONDS.
sim-flaws: $(sim_bins)
	@status=0; for s in $(sim_bins); do $$s --flaws --seconds $(or $(SECONDS),60) || status=1; done; exit $$status

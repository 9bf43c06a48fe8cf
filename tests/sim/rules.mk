# Simulations: tests/sim/sim_<what>.c -> build/sim/sim_<what>; the other files of the folder are shared.

sim_names  = $(patsubst tests/sim/sim_%.c,%,$(wildcard tests/sim/sim_*.c))
sim_shared = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/sim/sim_%.c,$(wildcard tests/sim/*.c)))
sim_bins   = $(patsubst %,$(BUILD)/sim/sim_%,$(sim_names))

$(BUILD)/sim/sim_%: tests/sim/sim_%.c $(sim_shared) $(foreach l,$(LIBS),$(call lib,$(l)))
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $< $(sim_shared) $(foreach l,$(LIBS),$(call lib,$(l))) $(LDFLAGS) $(LDLIBS) -lm -o $@

# SEED=n re-runs one seed of the server's simulation with its story. SECONDS are shared by all simulations.
.PHONY: sim sim-flaws
sim: $(sim_bins)
ifdef SEED
	@$(BUILD)/sim/sim_server --seed $(SEED)
else
	@status=0; for s in $(sim_bins); do \
	    $$s --seconds $$(( $(or $(SECONDS),60) / $(words $(sim_names)) )) || status=1; done; exit $$status
endif

# Every seeded bug must be found, each within SECONDS.
sim-flaws: $(sim_bins)
	@status=0; for s in $(sim_bins); do $$s --flaws --seconds $(or $(SECONDS),60) || status=1; done; exit $$status

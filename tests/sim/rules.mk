# Simulations: tests/sim/sim_<what>.c -> build/sim/sim_<what>, with the helpers named here.
sim_helpers_sim_log = tests/sim/log_model.c
sim_uses_sim_log    = storage base

sims = $(patsubst tests/sim/%.c,%,$(wildcard tests/sim/sim_*.c))

define sim_rule
$(BUILD)/sim/$(1): tests/sim/$(1).c $(sim_helpers_$(1)) $(foreach l,$(sim_uses_$(1)),$(call lib,$(l)))
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP $$(filter %.c,$$^) $$(filter %.a,$$^) $$(LDFLAGS) $$(LDLIBS) -o $$@
endef
$(foreach s,$(sims),$(eval $(call sim_rule,$(s))))

.PHONY: sims
sims: $(addprefix $(BUILD)/sim/,$(sims))

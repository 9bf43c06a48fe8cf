# Fuzz targets: tests/fuzz/fuzz_<what>.c, libFuzzer with ASan and UBSan. A corpus may stand in
# tests/fuzz/corpus/<what>/; what a run finds is written to build/fuzz/ and belongs there as a file.

fuzz_names = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BUILD = build/fuzz
SECONDS   ?= 60

.PHONY: fuzz fuzz-smoke
fuzz:
	@$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC=clang \
	    OPT="-O1 -g -fno-omit-frame-pointer -DFUZZING" \
	    SAN="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all" \
	    $(patsubst %,$(FUZZ_BUILD)/bin/fuzz_%,$(fuzz_names))

# Each target gets its share of SECONDS.
fuzz-smoke: fuzz
	@python3 tests/fuzz/run.py $(FUZZ_BUILD) $(SECONDS) $(fuzz_names)

$(BUILD)/bin/fuzz_%: tests/fuzz/fuzz_%.c $(foreach l,$(LIBS),$(call lib,$(l)))
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $< $(foreach l,$(LIBS),$(call lib,$(l))) $(LDFLAGS) -fsanitize=fuzzer $(LDLIBS) -o $@

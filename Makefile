# Millrace. `make run` and `make test` are all a newcomer needs; docs/testing.md explains the rest.
#
# Every folder builds one archive; a unit test links its folder's archive and those the folder may
# use (see the "uses" lines), so a call that points up does not link.

BUILD   ?= build
CC       = gcc
CSTD     = -std=gnu2x
WARN     = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           -Wundef -Wvla -Wwrite-strings -Wno-missing-field-initializers
OPT     ?= -O2 -g -fno-omit-frame-pointer
# gcc's own choice clears every struct with "rep stos", which takes dozens of cycles to begin. It runs on any x86-64.
ifeq ($(shell uname -m),x86_64)
TUNE    ?= -mtune=skylake
endif
SAN     ?=
CPPFLAGS = -D_GNU_SOURCE -I.
CFLAGS   = $(CSTD) $(WARN) $(OPT) $(TUNE) $(SAN)
LDFLAGS  = $(SAN)
LDLIBS   = -luring -lxxhash -lwslay -lz -lzstd -lssl -lcrypto -lcrypt -lpthread -lm

# The command line and the views of buckets stand on the types of streams, which live in the server.
VIEWS    = cli kv objstore
LIBS     = server consumers raft storage base

# Which archives a folder's tests link, in link order.
uses_base      = base
uses_storage   = storage base
uses_raft      = raft storage base
uses_consumers = consumers base
uses_server    = server consumers raft storage base
uses_cli       = cli kv objstore server consumers raft storage base
uses_kv        = kv server consumers raft storage base
uses_objstore  = objstore server consumers raft storage base

# server/ has subfolders; each other folder is flat. main.c is the program, not the archive.
srcs_base      = $(wildcard base/*.c)
srcs_storage   = $(wildcard storage/*.c)
srcs_raft      = $(wildcard raft/*.c)
srcs_consumers = $(wildcard consumers/*.c)
srcs_cli       = $(wildcard cli/*.c)
srcs_kv        = $(wildcard kv/*.c)
srcs_objstore  = $(wildcard objstore/*.c)
srcs_server    = $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(srcs_$(1)))
lib  = $(BUILD)/lib/lib$(1).a

.PHONY: all
all: $(BUILD)/millrace

define archive
$(call lib,$(1)): $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $(call objs,$(1))
endef
$(foreach l,$(VIEWS) $(LIBS),$(eval $(call archive,$(l))))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/millrace: $(BUILD)/obj/server/main.o $(foreach l,$(VIEWS) $(LIBS),$(call lib,$(l)))
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

# Unit tests: tests/unit/<folder>/test_<module>.c -> build/tests/<folder>/test_<module>
unit_srcs = $(wildcard tests/unit/*/test_*.c)
unit_bins = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(unit_srcs))
define unit_rule
$(BUILD)/tests/$(1)/%: tests/unit/$(1)/%.c $(foreach l,$(uses_$(1)),$(call lib,$(l)))
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$$(CC) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP $$< $(foreach l,$(uses_$(1)),$(call lib,$(l))) $$(LDFLAGS) $$(LDLIBS) -lcheck -lsubunit -lm -lrt -o $$@
endef
$(foreach l,$(VIEWS) $(LIBS),$(eval $(call unit_rule,$(l))))

# ---- running ---------------------------------------------------------------------------------------

.PHONY: run setup setup-test
setup:
	@tools/setup.sh build
setup-test:
	@tools/setup.sh test

# On all cores, unless told otherwise: a newcomer waits for it.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

run: setup
	@$(MAKE) --no-print-directory $(JOBS) all
	$(BUILD)/millrace -a 127.0.0.1 -p 4222 -js -sd millrace-data

PREFIX ?= /usr/local
.PHONY: install
install: all
	install -D -m 755 $(BUILD)/millrace $(DESTDIR)$(PREFIX)/bin/millrace
	@mkdir -p $(BUILD)/share
	@for kind in bash zsh fish man; do $(BUILD)/millrace completion $$kind >$(BUILD)/share/$$kind || exit 1; done
	install -D -m 644 $(BUILD)/share/man $(DESTDIR)$(PREFIX)/share/man/man1/millrace.1
	install -D -m 644 $(BUILD)/share/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/millrace
	install -D -m 644 $(BUILD)/share/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_millrace
	install -D -m 644 $(BUILD)/share/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/millrace.fish

# A Debian package in $(BUILD)/deb, of what `make install` installs.
.PHONY: deb
deb: all
	@tools/deb.sh $(BUILD) $(BUILD)/deb

# ---- testing: docs/testing.md ------------------------------------------------------------------------

# Check gives each test two minutes; sanitizers and busy machines need more. No test is timed by it.
export CK_TIMEOUT_MULTIPLIER ?= 4

.PHONY: test unit asan tsan fmt fmt-check includes
test: setup-test
	@python3 tests/all.py

# With -j several at once; -O keeps together what each prints.
unit_runs = $(unit_bins:%=%.run)
.PHONY: $(unit_runs)
$(unit_runs): %.run: %
	@$<
unit: $(unit_runs)

includes:
	@python3 tools/include_check.py
	@python3 tools/status_table.py --check
	@python3 bench/plot.py --check
	@python3 tests/e2e/differential/report.py --check

# The unit tests, the simulations and the fuzz corpora under the sanitizers, with the other compiler.
asan:
	@$(MAKE) --no-print-directory BUILD=build/asan CC=clang OPT="-O1 -g -fno-omit-frame-pointer" \
	    SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" unit $(ASAN_MORE)
tsan:
	@$(MAKE) --no-print-directory BUILD=build/tsan CC=clang OPT="-O1 -g -fno-omit-frame-pointer" \
	    SAN="-fsanitize=thread" unit-threads

# What more than one thread runs through: workers, wake-ups, the log sink, mailboxes, shards, limits.
thread_bins = $(patsubst %,$(BUILD)/tests/base/test_%,waker io_uring io_epoll logger mailbox_threads) \
              $(BUILD)/tests/raft/test_relay \
              $(BUILD)/tests/server/test_shards_threads $(BUILD)/tests/server/test_quota $(BUILD)/tests/cli/test_hasher
.PHONY: unit-threads
unit-threads: $(thread_bins)
	@status=0; for t in $(thread_bins); do $$t || status=1; done; exit $$status


fmt:
	@git ls-files '*.c' '*.h' | xargs clang-format -i
fmt-check:
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include bench/rules.mk
-include tests/sim/rules.mk
-include tests/fuzz/rules.mk
-include tests/rules.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

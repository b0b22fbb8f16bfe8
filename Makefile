# SPDX-License-Identifier: GPL-2.0-only
#
# Everything is found by wildcard: a new src/<room>/x.c, bpf/<dir>/x.bpf.c, tests/unit/<room>/x.c or
# tests/fuzz/x.c needs no line here. Three builds of the user side live side by side:
#	build/obj	the program (gcc)
#	build/san	for the unit tests: gcc with ASan and UBSan
#	build/fuzzobj	for the fuzz targets: clang with ASan, UBSan and libFuzzer's counters

VERSION := 0.1.0

CC := gcc
CLANG := clang
PREFIX ?= /usr/local
# Debian keeps bpftool in sbin, which is not on everybody's path.
BPFTOOL := $(firstword $(wildcard $(addsuffix /bpftool,/usr/sbin /usr/local/sbin /usr/bin)) bpftool)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

B := build
INCLUDES := -Isrc -Iinclude -I$(B)/include
LIBS := -Wl,--as-needed -lbpf -ldw -lelf -lZydis -liberty -lz -ljansson -lm

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror
USER_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(INCLUDES) \
	-DPYBPFPROF_VERSION='"$(VERSION)"' -fno-omit-frame-pointer
# v3: atomic operations that return the old value, and 32-bit ones; Linux 5.12 has both.
# BPF_PROG() gives every program a context that few of them use.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 $(WARNINGS) -Wno-unused-parameter \
	-Ibpf -Ivmlinux -Iinclude -I/usr/include/$(MULTIARCH)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined

BPF_SRCS := $(sort $(wildcard bpf/*/*.bpf.c))
SRCS := $(sort $(wildcard src/*/*.c))
# What a test may call: all but main().
TESTABLE_SRCS := $(filter-out src/cli/main.c,$(SRCS))
# Only rooms that read what strangers wrote are fuzzed; these need neither libbpf nor the skeleton.
FUZZABLE_SRCS := $(filter-out src/cli/% src/agent/% src/capture/%,$(SRCS))
FAKE_SRCS := $(sort $(wildcard tests/fakes/*.c))
UNIT_ROOMS := $(sort $(patsubst tests/unit/%/,%,$(dir $(wildcard tests/unit/*/*.c))))
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/*.c))
HEADERS := $(sort $(wildcard src/*/*.h include/*/*.h bpf/*/*.h tests/*/*.h tests/*/*/*.h))

BPF_OBJS := $(BPF_SRCS:%.bpf.c=$(B)/%.bpf.o)
OBJS := $(SRCS:%.c=$(B)/obj/%.o)
SAN_OBJS := $(TESTABLE_SRCS:%.c=$(B)/san/%.o)
SAN_FAKES := $(FAKE_SRCS:%.c=$(B)/san/%.o)
FUZZ_OBJS := $(FUZZABLE_SRCS:%.c=$(B)/fuzzobj/%.o)
UNIT_TESTS := $(UNIT_ROOMS:%=$(B)/unit/%)
FUZZERS := $(FUZZ_SRCS:tests/fuzz/%.c=$(B)/fuzz/%)
SKELETON := $(B)/include/pybpfprof.skel.h
# What the flame graph's page is made of, as strings.
ASSETS := $(sort $(wildcard src/render/*.html src/render/*.css src/render/*.js))
ASSET_HEADER := $(B)/include/flamegraph_assets.h
C_FILES := $(BPF_SRCS) $(SRCS) $(FAKE_SRCS) $(FUZZ_SRCS) $(HEADERS) \
	$(sort $(wildcard tests/unit/*/*.c tests/live/targets/*.c))

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
.PHONY: all demo check check-unit check-fuzz check-live check-kernels lint lint-format \
	lint-layers lint-cppcheck lint-tidy lint-scripts format bench install deps test-pythons \
	unit-programs fuzz-programs clean help vmlinux force

all: pybpfprof ## build ./pybpfprof (the default)

# One short line per step; `make V=1` shows the commands.
ifeq ($(V),)
Q := @
say = @printf '  %-8s %s\n' $(1) $@
endif

# ---- the kernel side: every probe compiled, joined into one object, embedded as a skeleton ----

# A list of sources is rewritten only when it changed, so that a file that went away is noticed.
$(B)/%.list: force
	@mkdir -p $(@D)
	@echo '$($(notdir $*))' | cmp -s - $@ || echo '$($(notdir $*))' >$@

$(B)/%.bpf.o: %.bpf.c Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/pybpfprof.bpf.o: $(BPF_OBJS) $(B)/BPF_SRCS.list
	$(call say,BPFLINK)
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJS)

$(SKELETON): $(B)/pybpfprof.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name pybpfprof_bpf >$@

# ---- the user side ----

$(ASSET_HEADER): $(ASSETS) scripts/embed-asset $(B)/ASSETS.list
	@mkdir -p $(@D)
	$(call say,EMBED)
	$(Q)scripts/embed-asset $(ASSETS) >$@

# One object includes it, which must not be compiled before dependencies are known.
$(filter %/src/render/flamegraph.o,$(OBJS) $(SAN_OBJS) $(FUZZ_OBJS)): | $(ASSET_HEADER)

pybpfprof: $(OBJS) $(B)/SRCS.list
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(OBJS) -o $@ $(LIBS)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(USER_CFLAGS) -MMD -MP -c $< -o $@

# Only `capture` includes the skeleton, which must be there before dependencies are known.
$(filter $(B)/obj/src/capture/% $(B)/san/src/capture/%,$(OBJS) $(SAN_OBJS)): | $(SKELETON)

# ---- unit tests: one Criterion binary per room ----

# Tests also compile the walker's text out of bpf/, hence -Ibpf.
$(B)/san/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -O1 -g $(SANITIZE) $(USER_CFLAGS) -Ibpf -Itests -MMD -MP -c $< -o $@

# An archive gives a test only what it needs. `q`: members of the same name must all stay.
$(B)/san/testable.a: $(SAN_OBJS) $(SAN_FAKES) $(B)/TESTABLE_SRCS.list $(B)/FAKE_SRCS.list
	@rm -f $@
	$(Q)ar qcs $@ $(SAN_OBJS) $(SAN_FAKES)

define unit_test
$(B)/unit/$(1): $$(patsubst %.c,$(B)/san/%.o,$$(sort $$(wildcard tests/unit/$(1)/*.c))) \
		$(B)/san/testable.a
	@mkdir -p $$(@D)
	$$(call say,LINK)
	$$(Q)$$(CC) $$(SANITIZE) $$^ -o $$@ -lcriterion $$(LIBS)
endef
$(foreach room,$(UNIT_ROOMS),$(eval $(call unit_test,$(room))))

# ---- fuzz targets ----

$(B)/fuzzobj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CLANG)
	$(Q)$(CLANG) -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link $(USER_CFLAGS) -Ibpf -Itests \
		-MMD -MP -c $< -o $@

$(B)/fuzzobj/fuzzable.a: $(FUZZ_OBJS) $(B)/FUZZABLE_SRCS.list
	@rm -f $@
	$(Q)ar qcs $@ $(FUZZ_OBJS)

$(B)/fuzz/%: $(B)/fuzzobj/tests/fuzz/%.o $(B)/fuzzobj/fuzzable.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CLANG) $(SANITIZE) -fsanitize=fuzzer $^ -o $@ $(LIBS)

# ---- running ----

demo: all ## profile a bundled program and show what comes out (root)
	scripts/demo

unit-programs: $(if $(ROOM),$(B)/unit/$(ROOM),$(UNIT_TESTS))

fuzz-programs: $(FUZZERS)

check: all ## lint, unit tests, fuzz targets and live tests (root)
	+@tests/run-check lint unit fuzz live

check-unit: ## only the unit tests; ROOM=model for one of them
	+@tests/run-check unit

check-fuzz: ## only the fuzz targets; FUZZ_SECONDS=60 for longer
	+@tests/run-check fuzz

check-live: all ## only the live tests (root)
	+@tests/run-check live

check-kernels: all ## live tests on Debian's own kernels in QEMU (slow)
	scripts/check-kernels

bench: all ## measure what pybpfprof costs; writes docs/overhead*.md (root); BENCH=quick is short
	scripts/bench $(BENCH)

test-pythons: ## make the Debian roots with the Pythons that tests use (root)
	scripts/test-pythons

# ---- tidiness ----

lint: lint-format lint-layers lint-scripts lint-cppcheck lint-tidy ## format, static checks, layers

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

lint-layers: $(OBJS)
	scripts/check-layers $(B)/obj

# The object stands for its headers: a file is looked at again when what it is made of changed.
TIDY_STAMPS := $(SRCS:%.c=$(B)/tidy/%.ok)
lint-tidy: $(TIDY_STAMPS)

$(B)/tidy/%.ok: %.c $(B)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY)
	$(Q)clang-tidy --quiet $< -- $(USER_CFLAGS) 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

lint-cppcheck:
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability -Isrc -Iinclude \
		'-DLIBBPF_OPTS(type,name,...)=struct type name = { __VA_ARGS__ }' \
		-DPYBPFPROF_VERSION='"$(VERSION)"' src

lint-scripts:
	shellcheck $$(grep -rIlE '^#!/bin/(ba)?sh' scripts tests .ci)

format: ## let clang-format decide
	clang-format -i $(C_FILES)

# ---- the rest ----

install: all ## into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 pybpfprof $(DESTDIR)$(PREFIX)/bin/pybpfprof
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/pybpfprof $(wildcard README.md) LICENSE

deps: ## install the Debian packages for building and testing (root)
	scripts/setup deps

vmlinux: ## dump this kernel's types to vmlinux/vmlinux_full.h, to look things up in
	$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c >vmlinux/vmlinux_full.h

clean: ## remove what was built; the test Pythons stay
	rm -rf $(B) pybpfprof

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '\t' '{ printf "make %-14s %s\n", $$1, $$2 }'

-include $(shell find $(B) -name '*.d' 2>/dev/null)

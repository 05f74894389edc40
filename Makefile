# SPDX-License-Identifier: Apache-2.0
#
# One make for the whole tree (non-recursive). Everything that is built goes below $(BUILD); the
# sanitizer targets use a tree of their own (build/asan, ...). V=1 shows the commands.
#
# The code is layered (docs/architecture.md). Each layer is one archive, and a program or a test
# links its own layer and the ones below it: a call upwards does not link.

BUILD   ?= build
CC      ?= gcc
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

BINDIR     = $(PREFIX)/bin
LIBEXECDIR = $(PREFIX)/libexec/croft
DATADIR    = $(PREFIX)/share/croft
MANDIR     = $(PREFIX)/share/man

ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = @printf '  %-8s %s\n'
endif

# --- flags ----------------------------------------------------------------------------------------

PKGS_base  = libseccomp
PKGS_croft = yaml-0.1 libcurl libarchive libcrypto ext2fs com_err libmnl
PKGS_vmm   = jansson
PKGS_disk  = zlib libdeflate libzstd liburing
PKGS_all   = $(PKGS_base) $(PKGS_croft) $(PKGS_vmm) $(PKGS_disk)

OPT      ?= -O2 -g
WARNINGS  = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wimplicit-fallthrough -Wpointer-arith -Wwrite-strings -Wno-format-truncation \
            -Wno-unknown-warning-option
HARDEN    = -fstack-protector-strong -fPIE
CFLAGS   += -std=gnu11 $(OPT) $(WARNINGS) $(HARDEN) $(SAN)
CPPFLAGS += -I. -I$(BUILD)/gen -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCROFT_VERSION='"$(VERSION)"' \
            $(shell pkg-config --cflags $(PKGS_all) 2>/dev/null)
LDFLAGS  += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN)
ifeq ($(SAN),)
CPPFLAGS += $(if $(findstring -O0,$(OPT)),,-D_FORTIFY_SOURCE=2)
endif

pkg_libs = $(shell pkg-config --libs $(1) 2>/dev/null)

# --- layers: sources, what each links -----------------------------------------------------------------

LAYERS = base yaml disk inspect store cloudinit vmmclient vmm provision cli

SRC_base      = $(wildcard base/*.c)
SRC_yaml      = $(wildcard base/yaml/*.c)
SRC_disk      = $(wildcard images/disk/*.c)
SRC_inspect   = $(wildcard images/inspect/*.c)
SRC_store     = $(wildcard images/store/*.c images/store/*/*.c)
SRC_cloudinit = $(wildcard cloudinit/*.c)
SRC_vmmclient = vmm/config.c vmm/client.c
SRC_vmm       = $(filter-out $(SRC_vmmclient) vmm/main.c,$(wildcard vmm/*.c vmm/*/*.c))
SRC_provision = $(wildcard provision/*.c provision/*/*.c)
SRC_cli       = $(filter-out cli/main.c,$(wildcard cli/*.c))

# The layers below each, itself first: what a unit test or a fuzz target of the layer links.
DEPS_base      = base
DEPS_yaml      = yaml base
DEPS_disk      = disk base
DEPS_inspect   = inspect disk base
DEPS_store     = store yaml disk base
DEPS_cloudinit = cloudinit yaml base
DEPS_vmmclient = vmmclient base
DEPS_vmm       = vmm vmmclient disk base
DEPS_provision = provision cloudinit store inspect vmmclient yaml disk base
DEPS_cli       = cli $(DEPS_provision)

LIBS_base      = $(call pkg_libs,$(PKGS_base))
LIBS_yaml      = $(call pkg_libs,yaml-0.1 jansson) $(LIBS_base)
LIBS_disk      = $(call pkg_libs,$(PKGS_disk)) $(LIBS_base)
LIBS_inspect   = $(call pkg_libs,ext2fs com_err jansson libarchive) $(LIBS_disk)
LIBS_store     = $(call pkg_libs,libcurl libarchive libcrypto jansson yaml-0.1) $(LIBS_disk)
LIBS_cloudinit = $(call pkg_libs,yaml-0.1 zlib jansson libarchive) $(LIBS_base)
LIBS_vmmclient = $(call pkg_libs,jansson) $(LIBS_base)
LIBS_vmm       = $(call pkg_libs,$(PKGS_vmm)) $(LIBS_disk) -lpthread
LIBS_provision = $(call pkg_libs,$(PKGS_all)) -lpthread
LIBS_cli       = $(LIBS_provision)

archives = $(foreach l,$(1),$(BUILD)/lib/$(l).a)

PROGRAMS   = $(BUILD)/croft $(BUILD)/croft-vmm
MADE_PAGES = $(BUILD)/man/croft.1 $(BUILD)/man/croft-spec.5

.PHONY: all
all: $(PROGRAMS) $(MADE_PAGES)

define layer_rules
OBJ_$(1) = $$(patsubst %.c,$$(BUILD)/obj/%.o,$$(SRC_$(1)))
$$(BUILD)/lib/$(1).a: $$(OBJ_$(1))
	@mkdir -p $$(@D)
	$$(say) AR $$@
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$(l))))

$(BUILD)/croft: $(BUILD)/obj/cli/main.o $(call archives,$(DEPS_cli))
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_cli)

$(BUILD)/croft-vmm: $(BUILD)/obj/vmm/main.o $(call archives,$(DEPS_vmm))
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_vmm)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Changed flags rebuild; unchanged ones do not.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS)
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS_NOW" | cmp -s - $@ || printf '%s\n' "$$FLAGS_NOW" > $@
export FLAGS_NOW
.PHONY: force
force:

# --- generated ---------------------------------------------------------------------------------------

# ACPI source language to a C array named dsdt_aml_code.
$(BUILD)/gen/vmm/acpi/dsdt.h: vmm/acpi/dsdt.asl
	@mkdir -p $(@D)
	$(say) IASL $<
	$(Q)iasl -ve -tc -p $(@D)/dsdt $< > $(@D)/dsdt.log 2>&1 || { cat $(@D)/dsdt.log; exit 1; }
	$(Q)mv $(@D)/dsdt.hex $@
$(BUILD)/obj/vmm/acpi/tables.o: $(BUILD)/gen/vmm/acpi/dsdt.h

# The catalog is a part of the program (.incbin).
$(BUILD)/obj/images/store/catalog/catalog.o: templates/catalog.yaml

# Helpers over provision (tests/tools/*.c): specdoc prints the spec's manual page from its field table,
# speccheck is the spec without the rest of croft, for tests/spec.
$(BUILD)/tools/%: $(BUILD)/obj/tests/tools/%.o $(call archives,$(DEPS_provision))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_provision)
$(BUILD)/man/croft-spec.5: $(BUILD)/tools/specdoc
	@mkdir -p $(@D)
	$(say) GEN $@
	$(Q)$< > $@.tmp && mv $@.tmp $@

# The COMMANDS part of croft(1) comes from the command tables.
$(BUILD)/tools/clidoc: $(BUILD)/obj/tests/tools/clidoc.o $(call archives,$(DEPS_cli))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_cli)
$(BUILD)/man/croft.1: docs/man/croft.1.in $(BUILD)/tools/clidoc
	@mkdir -p $(@D)
	$(say) GEN $@
	$(Q)$(BUILD)/tools/clidoc options > $@.options && $(BUILD)/tools/clidoc > $@.commands
	$(Q)sed -e '/^@OPTIONS@$$/{r $@.options' -e 'd}' -e '/^@COMMANDS@$$/{r $@.commands' -e 'd}' $< > $@.tmp
	$(Q)mv $@.tmp $@ && rm $@.options $@.commands

# --- tests -------------------------------------------------------------------------------------------
# tests/unit/LAYER/test_*.c and tests/fuzz/LAYER/fuzz_*.c link LAYER and what is below it, tests/lib
# helpers come from tests/lib/LAYER/*.c.

UNIT_SRC  = $(wildcard tests/unit/*/test_*.c)
UNIT_BINS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
FUZZ_SRC  = $(wildcard tests/fuzz/*/fuzz_*.c)
FUZZ_BINS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))

define layer_test_rules
TESTLIB_$(1) = $$(patsubst %.c,$$(BUILD)/obj/%.o,$$(wildcard tests/lib/$(1)/*.c))
$$(BUILD)/unit/$(1)/%: $$(BUILD)/obj/tests/unit/$(1)/%.o $$(TESTLIB_$(1)) $$(call archives,$$(DEPS_$(1)))
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$< $$(TESTLIB_$(1)) -Wl,--start-group $$(filter %.a,$$^) \
		-Wl,--end-group $$(LIBS_$(1)) -lcmocka
$$(BUILD)/fuzz/$(1)/%: $$(BUILD)/obj/tests/fuzz/$(1)/%.o $$(TESTLIB_$(1)) $$(call archives,$$(DEPS_$(1)))
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) -fsanitize=fuzzer -o $$@ $$< $$(TESTLIB_$(1)) -Wl,--start-group \
		$$(filter %.a,$$^) -Wl,--end-group $$(LIBS_$(1))
endef
$(foreach l,$(LAYERS),$(eval $(call layer_test_rules,$(l))))
.SECONDARY:

# Everything that needs neither KVM, root nor network.
.PHONY: check unit
check: all unit-bins
	$(Q)tests/tools/run-tests --build $(BUILD) check $(TESTS)
unit: unit-bins
	$(Q)tests/tools/run-tests --build $(BUILD) unit $(TESTS)
.PHONY: unit-bins
unit-bins: $(UNIT_BINS) $(BUILD)/tools/vmmctl $(BUILD)/tools/speccheck $(patsubst tests/disk/%.c,$(BUILD)/disk/%,$(wildcard tests/disk/*.c)) \
	$(BUILD)/tools/mkseed $(BUILD)/tools/imgfetch

# Helpers of the disk comparisons (tests/disk/*.c), each a small program over images/disk.
$(BUILD)/disk/%: $(BUILD)/obj/tests/disk/%.o $(TESTLIB_disk) $(call archives,$(DEPS_disk))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(TESTLIB_disk) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LIBS_disk)

# The control socket's client, for the lab's tests.
$(BUILD)/tools/vmmctl: $(BUILD)/obj/tests/tools/vmmctl.o $(call archives,$(DEPS_vmmclient))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_vmmclient)

# Kernels as `croft up` boots them, for the benchmark.
$(BUILD)/tools/unpack: $(BUILD)/obj/tests/tools/unpack.o $(call archives,$(DEPS_inspect))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_inspect)

# Seeds without the rest of croft: golden files, outside judges, the benchmark.
$(BUILD)/tools/mkseed: $(BUILD)/obj/tests/tools/mkseed.o $(call archives,$(DEPS_cloudinit))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LIBS_cloudinit)

# Downloads without the cache: tests/store, the benchmark.
$(BUILD)/tools/imgfetch: $(BUILD)/obj/tests/tools/imgfetch.o $(call archives,$(DEPS_store))
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_store)

# Real guests on a real KVM, inside the lab (tests/lab).
.PHONY: check-lab
check-lab: all unit-bins
	$(Q)tests/tools/run-tests --build $(BUILD) lab $(TESTS)

.PHONY: test
test: deps
	$(Q)$(MAKE) all
	$(Q)$(MAKE) check
	$(Q)$(MAKE) check-lab

.PHONY: asan ubsan tsan sanitize
asan:
	$(Q)$(MAKE) BUILD=build/asan OPT="-O1 -g -fno-omit-frame-pointer" SAN="-fsanitize=address" check
ubsan:
	$(Q)$(MAKE) BUILD=build/ubsan OPT="-O1 -g" SAN="-fsanitize=undefined -fno-sanitize-recover=all" check
sanitize: # both in one tree: what .ci/run uses
	$(Q)$(MAKE) BUILD=build/sanitize OPT="-O1 -g -fno-omit-frame-pointer" \
		SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined" check
tsan:
	$(Q)$(MAKE) BUILD=build/tsan OPT="-O1 -g" SAN="-fsanitize=thread" check

# make fuzz T=qcow2 RUNS=1000000: one target with libFuzzer; `make fuzz-smoke` runs each for a moment.
RUNS ?= 1000000
FUZZ_TREE = BUILD=build/fuzzing CC=clang OPT="-O1 -g -fno-omit-frame-pointer" \
	SAN="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"
.PHONY: fuzz fuzz-smoke fuzz-bins
fuzz-bins: $(FUZZ_BINS)
fuzz:
	$(Q)$(MAKE) $(FUZZ_TREE) fuzz-bins
	$(Q)tests/tools/run-fuzz build/fuzzing $(RUNS) 0 $(T)
fuzz-smoke:
	$(Q)$(MAKE) $(FUZZ_TREE) fuzz-bins
	$(Q)tests/tools/run-fuzz build/fuzzing 20000 15 $(T)

.PHONY: bench
bench: all
	$(Q)tests/bench/run --build $(BUILD) $(T)

.PHONY: demo
demo: deps
	$(Q)$(MAKE) all
	$(Q)tests/lab/demo --build $(BUILD)

# --- upkeep ------------------------------------------------------------------------------------------

.PHONY: deps
deps:
	$(Q)tests/tools/deps

.PHONY: layers
layers:
	$(Q)tests/tools/layers

.PHONY: format tidy compile_commands.json
format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')
tidy: compile_commands.json
	$(Q)clang-tidy -quiet -p . $$(git ls-files 'base/*.c' 'cli/*.c' 'provision/*.c' 'images/*.c' 'vmm/*.c' 'cloudinit/*.c')
compile_commands.json:
	$(Q)tests/tools/compile-commands "$(CC) $(CPPFLAGS) $(CFLAGS)" \
		$(foreach l,$(LAYERS),$(SRC_$(l))) cli/main.c vmm/main.c $(UNIT_SRC) > $@

MAN_PAGES = $(wildcard docs/man/*.[0-9]) $(MADE_PAGES)
.PHONY: docs
docs: $(MADE_PAGES)
	$(Q)mandoc -T lint -W warning $(MAN_PAGES)

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)/templates \
		$(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8
	install -m 755 $(BUILD)/croft $(DESTDIR)$(BINDIR)/croft
	install -m 755 $(BUILD)/croft-vmm $(DESTDIR)$(LIBEXECDIR)/croft-vmm
	install -m 644 $(wildcard templates/*) $(DESTDIR)$(DATADIR)/templates
	for page in $(MAN_PAGES); do \
		install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/; done
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/croft
	rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)
	for page in $(notdir $(MAN_PAGES)); do \
		rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

.PHONY: clean
clean:
	rm -rf $(BUILD) compile_commands.json

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

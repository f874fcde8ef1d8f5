# flashduty-gateway. `make help` lists the targets.
#
# CC, CFLAGS, LDFLAGS, PKG_CONFIG are yours to set; V=1 shows the commands; NO_DEPS=1 installs
# nothing; WITH_POSTGRESQL=no leaves libpq out. VARIANT=asan|tsan builds the same program under a sanitizer into build/asan or build/tsan,
# VARIANT=clang with clang into build/clang.

VERSION := $(shell cat VERSION)
VARIANT ?= release
PKG_CONFIG ?= pkg-config
STRIP ?= strip
CFLAGS ?= -O2 -g
PACKAGES := fcgi libcjson libcurl libconfig libcrypto libpcre2-8 sqlite3

# make WITH_POSTGRESQL=no builds without libpq: a store is a file then.
WITH_POSTGRESQL ?= yes
ifeq ($(VARIANT),static)
  override WITH_POSTGRESQL := no
endif
ifeq ($(WITH_POSTGRESQL),yes)
  PACKAGES += libpq
  POSTGRESQL_CFLAGS := -DWITH_POSTGRESQL
  POSTGRESQL_DEPS := libpq-dev
else ifneq ($(WITH_POSTGRESQL),no)
  $(error WITH_POSTGRESQL is yes or no)
endif

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wformat=2 -Wvla -Wwrite-strings
# make WERROR=-Werror turns every warning into an error, as `make lint` and the tests do.
WERROR ?=
# What the compiler at hand knows of these (OpenSSF's guide for C), for the release.
try = $(if $(shell echo 'int main(void) { return 0; }' | \
	$(CC) -Werror -O2 $(1) -x c -o /dev/null - 2>/dev/null && echo yes),$(1))
HARDENING = $(foreach flag,-fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr -fno-delete-null-pointer-checks \
	-fno-strict-overflow -fno-strict-aliasing -fstrict-flex-arrays=3 -fPIE -Wbidi-chars=any \
	-Wtrampolines,$(call try,$(flag))) \
	-U_FORTIFY_SOURCE $(or $(call try,-D_FORTIFY_SOURCE=3),-D_FORTIFY_SOURCE=2)
HARDENING_LD = $(foreach flag,-pie -Wl$(comma)-z$(comma)relro -Wl$(comma)-z$(comma)now \
	-Wl$(comma)-z$(comma)noexecstack -Wl$(comma)-z$(comma)nodlopen \
	-Wl$(comma)-z$(comma)separate-code,$(call try,$(flag)))
comma := ,

ifeq ($(VARIANT),release)
  VARIANT_CFLAGS := $(HARDENING)
  VARIANT_LDFLAGS := $(HARDENING_LD)
  OUT := build/release
  CGI_BIN := cgi-bin
  CLI := build/flashduty-gateway
else ifeq ($(VARIANT),asan)
  VARIANT_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
  VARIANT_LDFLAGS := -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
  VARIANT_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=thread
  VARIANT_LDFLAGS := -fsanitize=thread
else ifeq ($(VARIANT),clang)
  override CC := clang
else ifeq ($(VARIANT),static)
  # For hosts of which nothing is known: programs that need nothing of them. The linker warns of
  # calls that would load libraries; they are in paths that are never taken.
  OUT := build/static$(TARGET:%=-%)
  ifdef TARGET
    override CC := $(TARGET)-gcc
    AR := $(TARGET)-ar
    STRIP := $(TARGET)-strip
  endif
  LIBRARIES := $(OUT)/libraries/lib/libcurl.a
  VARIANT_CFLAGS := -DSTATIC_BUILD -I$(OUT)/libraries/include $(HARDENING)
  VARIANT_LDFLAGS := $(filter-out -pie,$(HARDENING_LD)) -static-pie $(call try,-Wl$(comma)--no-warnings) \
	-Wl,--wrap=free,--wrap=realloc -L$(OUT)/libraries/lib
else ifeq ($(VARIANT),fuzz)
  override CC := clang
  VARIANT_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
  VARIANT_LDFLAGS := -fsanitize=address,undefined
else
  $(error VARIANT is release, asan, tsan, clang, static or fuzz)
endif
OUT ?= build/$(VARIANT)
CGI_BIN ?= $(OUT)/cgi-bin
CLI ?= $(OUT)/flashduty-gateway

# The tests set both clocks and speak to loopback; nothing else differs.
ALL_CFLAGS := -std=c17 -ffile-prefix-map=$(CURDIR)=. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(POSTGRESQL_CFLAGS) -Isrc -pthread $(WARNINGS) $(WERROR) \
	$(shell $(PKG_CONFIG) --cflags $(PACKAGES)) $(CFLAGS) $(VARIANT_CFLAGS)
ALL_LDFLAGS = -pthread -Wl,--as-needed -Wl,--export-dynamic-symbol=_gnutls_global_init_skip \
	$(VARIANT_LDFLAGS) $(LDFLAGS)
ALL_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lm
ifeq ($(VARIANT),static)
  ALL_LIBS := -lcurl -lcares -lssl -lcrypto -lsqlite3 -lconfig -lcjson -lfcgi -lpcre2-8 -lm
endif

# Debian's packages: to build, to run the demonstration, to test, to check.
BUILD_DEPS := gcc make pkg-config libc6-dev libfcgi-dev libcjson-dev libcurl4-openssl-dev \
	libconfig-dev libssl-dev libsqlite3-dev libpcre2-dev $(POSTGRESQL_DEPS)
HOSTING_DEPS := libc-ares-dev dpkg-dev zip ca-certificates
RUN_DEPS := lighttpd python3 openssl ca-certificates
DEB_DEPS := debhelper dpkg-dev fakeroot lintian libcmocka-dev openssl python3
FUZZ_DEPS := clang libclang-rt-14-dev libjansson-dev libre2-dev libstdc++-12-dev
# Of these the tests need the first line alone; a rival that is not there is left out of the bench.
BENCH_LOAD_DEPS := wrk nginx-light libnginx-mod-http-echo spawn-fcgi
BENCH_DEPS := $(BENCH_LOAD_DEPS) webhook jq curl gunicorn python3-flask python3-requests nodejs node-undici
TEST_DEPS := libcmocka-dev apache2 libapache2-mod-fcgid nginx-light spawn-fcgi fcgiwrap caddy \
	haproxy apache2-suexec-custom iproute2 mount mandoc zsh systemd curl strace prometheus \
	$(BENCH_LOAD_DEPS) $(FUZZ_DEPS) $(DEB_DEPS)
# npm comes with nodejs where that is not Debian's own.
BROWSER_DEPS := chromium fonts-wqy-microhei tidy lighttpd $(if $(shell command -v npm),,nodejs npm)
CLUSTER_DEPS := postgresql postgresql-client haproxy nginx-light spawn-fcgi libcmocka-dev
LINT_DEPS := clang clang-format clang-tidy cppcheck devscripts libcmocka-dev git python3
install-deps = $(if $(NO_DEPS),@:,@contrib/install-deps.sh $(1))

ROOMS := $(filter-out src/cli/% $(if $(POSTGRESQL_CFLAGS),,src/store/postgres%), \
	$(wildcard src/*.c src/*/*.c))
ROOM_OBJECTS := $(ROOMS:%.c=$(OUT)/%.o)
CLI_OBJECTS := $(patsubst %.c,$(OUT)/%.o,$(wildcard src/cli/*.c))
ENDPOINTS := $(patsubst cgi-bin/%.c,$(CGI_BIN)/%.fcgi,$(wildcard cgi-bin/*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/test_*.c))

FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/fuzzers/%,$(wildcard tests/fuzz/fuzz_*.c))
# make fuzz FUZZ="fuzz_ces fuzz_url" runs these alone.
FUZZ ?= $(notdir $(FUZZERS))
# FUZZ_RUNS=1000000 runs each so often, for as long as that takes.
FUZZ_SECONDS ?= $(if $(FUZZ_RUNS),0,60)
FUZZ_FOUND := build/fuzz/found
# What a fuzzer sees compared it tries as input: the machine's environment is nobody's corpus.
FUZZ_ENV := env -i PATH=/usr/bin:/bin

# How long make test-faults and make soak go on.
SECONDS ?= 600

Q := $(if $(V),,@)
JOBS := $(shell nproc 2>/dev/null || echo 2)

.PHONY: all help deps run-deps test-deps browser-deps cluster-deps lint-deps hosting-deps fuzz-deps bench-deps run \
	hosting pack test check test-browser test-cluster test-faults bench bench-growth bench-cluster soak tests-build lint fuzz \
	fuzz-build fuzz-merge clean man install uninstall dist deb deb-deps
.DELETE_ON_ERROR:
.SECONDARY:

all: $(ENDPOINTS) $(CLI)  ## build cgi-bin/*.fcgi and build/flashduty-gateway

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1|\2/p' Makefile contrib/install.mk | column -t -s '|'

# OpenSSL, curl and cJSON for the static build, which takes some minutes once.
$(LIBRARIES): contrib/hosting/static-libraries.sh
	@$(if $(Q),echo '  LIB  $(OUT)/libraries')
	$(Q)CC='$(CC)' AR='$(AR)' HOST='$(TARGET)' $< $(OUT)/libraries

$(OUT)/%.o: %.c VERSION Makefile | $(LIBRARIES)
	@mkdir -p $(@D)
	@$(if $(Q),echo '  CC   $@')
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter src/% cgi-bin/%,$<),-include src/base/banned.h) \
		-MMD -MP -c -o $@ $<

$(OUT)/libgateway.a: $(ROOM_OBJECTS)
	@$(if $(Q),echo '  AR   $@')
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(CGI_BIN)/%.fcgi: $(OUT)/cgi-bin/%.o $(OUT)/libgateway.a
	@mkdir -p $(@D)
	@$(if $(Q),echo '  LD   $@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(CLI): $(CLI_OBJECTS) $(OUT)/libgateway.a
	@mkdir -p $(@D)
	@$(if $(Q),echo '  LD   $@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(ENDPOINTS) $(CLI): $(LIBRARIES)

$(OUT)/fuzzers/%: $(OUT)/tests/fuzz/%.o $(OUT)/libgateway.a
	@mkdir -p $(@D)
	@$(if $(Q),echo '  LD   $@')
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS)

$(OUT)/tests/%: $(OUT)/tests/unit/%.o $(OUT)/libgateway.a
	@mkdir -p $(@D)
	@$(if $(Q),echo '  LD   $@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka)

deps:  ## install the Debian packages that building needs
	$(call install-deps,$(BUILD_DEPS))

run-deps:
	$(call install-deps,$(BUILD_DEPS) $(RUN_DEPS))

test-deps:
	$(call install-deps,$(BUILD_DEPS) $(HOSTING_DEPS) $(RUN_DEPS) $(TEST_DEPS))

cluster-deps:
	$(call install-deps,$(BUILD_DEPS) $(RUN_DEPS) $(CLUSTER_DEPS))

browser-deps:
	$(call install-deps,$(BUILD_DEPS) $(RUN_DEPS) $(BROWSER_DEPS))

lint-deps:
	$(call install-deps,$(BUILD_DEPS) $(LINT_DEPS))

bench-deps:
	$(call install-deps,$(BUILD_DEPS) $(RUN_DEPS) $(BENCH_DEPS))

fuzz-deps:
	$(call install-deps,$(BUILD_DEPS) $(FUZZ_DEPS))

run: run-deps  ## build, start behind lighttpd with a simulated Flashduty, send two sample alarms
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@python3 tests/run_demo.py

hosting-deps:
	$(call install-deps,$(BUILD_DEPS) $(HOSTING_DEPS))

hosting: hosting-deps  ## build a folder and a zip to upload to a shared host: static programs, .htaccess
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=static all
	@$(MAKE) --no-print-directory VARIANT=static pack

HOSTING := build/hosting$(TARGET:%=-%)
MACHINE = $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
pack:
	@rm -rf $(HOSTING)
	@mkdir -p $(HOSTING)/alerts
	@for program in $(ENDPOINTS) $(CLI); do \
		$(STRIP) -o $(HOSTING)/alerts/$${program##*/} $$program || exit 1; \
	done
	@install -m 644 apache-conf/htaccess $(HOSTING)/alerts/.htaccess
	@install -m 644 examples/gateway.conf $(HOSTING)/alerts/example.conf
	@install -m 644 contrib/hosting/index.html $(HOSTING)/alerts/index.html
	@cd $(HOSTING) && zip -q -X -r flashduty-gateway-$(VERSION)-$(MACHINE).zip alerts
	@ls $(HOSTING)/*.zip

# Without sources, as on a machine without a network, the static build goes untested.
test: test-deps  ## build with and without sanitizers, and statically, and run every test
	@for variant in release asan tsan; do \
		$(MAKE) --no-print-directory -j$(JOBS) VARIANT=$$variant WERROR=-Werror tests-build || exit 1; \
	done
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=fuzz WERROR=-Werror fuzz-build
	@$(MAKE) --no-print-directory VARIANT=static build/static/libraries/lib/libcurl.a || true
	@[ ! -e build/static/libraries/lib/libcurl.a ] || \
		$(MAKE) --no-print-directory NO_DEPS=1 WERROR=-Werror hosting
	@python3 tests/run.py

check: test  ## the same

test-browser: browser-deps  ## read and use the status page in Chromium; PICTURES=docs renews the README's pictures
	@$(MAKE) --no-print-directory -j$(JOBS) all build/browser/node_modules
	@PICTURES=$(abspath $(PICTURES)) python3 tests/run.py --browser --variant release --seconds 900

build/browser/node_modules: tests/browser/package.json tests/browser/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

test-cluster: cluster-deps  ## several nodes on PostgreSQL, and all that can fail; ROUNDS=1000 or OUTAGE=3600 (s): that alone, for longer
	@$(MAKE) --no-print-directory -j$(JOBS) WERROR=-Werror tests-build
	@$(if $(ROUNDS)$(OUTAGE), \
		python3 tests/cluster/long.py $(ROUNDS:%=--rounds %) $(OUTAGE:%=--outage %), \
		python3 tests/run.py --cluster --variant release --jobs 2 --seconds 450)

test-faults: test-deps  ## kill, fill and mislead the gateway for SECONDS (600), with 10,000 alerts, and say what came of it
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@python3 tests/faults/long.py --seconds $(SECONDS)

# The static build stands beside the others where its sources can be had.
bench: bench-deps hosting-deps  ## the gateway beside others, in about 20 minutes; QUICK=1: half a minute; COMPARE=FILE: with an earlier run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=static all || true
	@python3 tests/bench/bench.py $(if $(QUICK),--quick) $(if $(COMPARE),--compare $(COMPARE)) \
		$(if $(PUBLISH),--publish)

bench-growth: bench-deps  ## what a large outbox, large bodies and many integrations cost, in about 5 minutes
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@python3 tests/bench/growth.py $(if $(QUICK),--quick)

bench-cluster: bench-deps cluster-deps  ## one, two and three nodes on PostgreSQL, in about 5 minutes
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@python3 tests/bench/cluster.py $(if $(QUICK),--quick)

soak: bench-deps  ## half of what it can take for SECONDS (600; 1800 say more), while Flashduty fails now and then
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@python3 tests/bench/soak.py --seconds $(SECONDS)

tests-build: all $(UNIT_TESTS)

fuzz: fuzz-deps  ## fuzz each target for FUZZ_SECONDS (60) from its corpus; finds go to build/fuzz/found
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=fuzz fuzz-build
	@for target in $(FUZZ); do \
		name=$${target#fuzz_}; \
		echo "$$target"; \
		mkdir -p $(FUZZ_FOUND)/$$name; \
		$(FUZZ_ENV) build/fuzz/fuzzers/$$target -max_total_time=$(FUZZ_SECONDS) -runs=$(or $(FUZZ_RUNS),-1) \
			-max_len=4096 -timeout=5 -verbosity=0 -print_final_stats=1 \
			-dict=tests/fuzz/dictionaries/$$name.dict -artifact_prefix=$(FUZZ_FOUND)/$$target- \
			$(FUZZ_FOUND)/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

fuzz-merge:  ## add to the corpora the least of what `make fuzz` found that reaches more code
	@for target in $(FUZZ); do \
		name=$${target#fuzz_}; \
		$(FUZZ_ENV) build/fuzz/fuzzers/$$target -set_cover_merge=1 -use_counters=0 -max_len=4096 -verbosity=0 \
			tests/fuzz/corpus/$$name $(FUZZ_FOUND)/$$name || exit 1; \
	done

fuzz-build: $(FUZZERS)

# The second parser is these targets' alone.
$(OUT)/fuzzers/fuzz_json_differential $(OUT)/fuzzers/fuzz_event: ALL_LIBS += -ljansson

# RE2 itself, which is C++, is this target's alone.
$(OUT)/fuzzers/fuzz_routing: $(OUT)/tests/fuzz/re2_reference.o
$(OUT)/fuzzers/fuzz_routing: ALL_LIBS += -lre2 -lstdc++
$(OUT)/tests/fuzz/re2_reference.o: tests/fuzz/re2_reference.cc Makefile
	@mkdir -p $(@D)
	$(Q)clang++ -std=c++17 -O1 -g -Wall -Wextra $(WERROR) -c -o $@ $<

# Lets the test fail single allocations of the gateway's own code.
$(OUT)/tests/test_allocation: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup

lint: lint-deps  ## warnings of gcc and clang as errors, format, static checks, the house's rules
	@$(MAKE) --no-print-directory -j$(JOBS) WERROR=-Werror tests-build
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=clang WERROR=-Werror tests-build
	@tests/lint.sh

clean:  ## remove what was built
	rm -rf build cgi-bin/*.fcgi

include contrib/install.mk

-include $(wildcard $(OUT)/src/*.d $(OUT)/src/*/*.d $(OUT)/cgi-bin/*.d $(OUT)/tests/*/*.d)

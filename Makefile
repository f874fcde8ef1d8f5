# flashduty-gateway. `make help` lists the targets.
#
# CC, CFLAGS, LDFLAGS, PKG_CONFIG are yours to set. VARIANT=asan|tsan builds the same program under
# a sanitizer into build/asan or build/tsan; the tests build them by themselves.

VERSION := $(shell cat VERSION)
VARIANT ?= release
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
PACKAGES := fcgi libcjson libcurl libconfig libcrypto

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wformat=2 -Wvla -Wwrite-strings
# make WERROR=-Werror turns every warning into an error, as `make lint` and the tests do.
WERROR ?=
HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
HARDENING_LD := -pie -Wl,-z,relro,-z,now

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
else
  $(error VARIANT is release, asan, tsan or clang)
endif
OUT ?= build/$(VARIANT)
CGI_BIN ?= $(OUT)/cgi-bin
CLI ?= $(OUT)/flashduty-gateway

# The tests set both clocks and speak to loopback; nothing else differs.
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Isrc -pthread $(WARNINGS) $(WERROR) \
	$(shell $(PKG_CONFIG) --cflags $(PACKAGES)) $(CFLAGS) $(VARIANT_CFLAGS)
ALL_LDFLAGS = -pthread -Wl,--as-needed $(VARIANT_LDFLAGS) $(LDFLAGS)
ALL_LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES))

ROOMS := $(filter-out src/cli/%,$(wildcard src/*.c src/*/*.c))
ROOM_OBJECTS := $(ROOMS:%.c=$(OUT)/%.o)
CLI_OBJECTS := $(patsubst %.c,$(OUT)/%.o,$(wildcard src/cli/*.c))
ENDPOINTS := $(patsubst cgi-bin/%.c,$(CGI_BIN)/%.fcgi,$(wildcard cgi-bin/*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/test_*.c))

Q := $(if $(V),,@)

.PHONY: all help deps run test check tests-build unit lint fuzz clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(ENDPOINTS) $(CLI)  ## build cgi-bin/*.fcgi and build/flashduty-gateway

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

$(OUT)/%.o: %.c VERSION Makefile
	@mkdir -p $(@D)
	@$(if $(Q),echo '  CC   $@')
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

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

$(OUT)/tests/%: $(OUT)/tests/unit/%.o $(OUT)/libgateway.a
	@mkdir -p $(@D)
	@$(if $(Q),echo '  LD   $@')
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) $(shell $(PKG_CONFIG) --libs cmocka)

tests-build: all $(UNIT_TESTS)

clean:  ## remove what was built
	rm -rf build cgi-bin/*.fcgi

-include $(wildcard $(OUT)/src/*.d $(OUT)/src/*/*.d $(OUT)/cgi-bin/*.d $(OUT)/tests/unit/*.d)

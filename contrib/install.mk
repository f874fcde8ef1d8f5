# Installing, the release's tarball and the Debian package. Included by the Makefile.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
# Web servers are told this folder by the files below DOCDIR/examples.
CGIDIR ?= $(PREFIX)/lib/flashduty-gateway/cgi-bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/flashduty-gateway
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
INSTALL ?= install

ENDPOINT_NAMES := $(patsubst cgi-bin/%.c,%,$(wildcard cgi-bin/*.c))
FIRST_ENDPOINT := $(firstword $(ENDPOINT_NAMES))
MAN := $(OUT)/man
MAN_PAGES := $(MAN)/flashduty-gateway.1 $(MAN)/flashduty-gateway.conf.5 \
	$(ENDPOINT_NAMES:%=$(MAN)/%.fcgi.8)

man: $(MAN_PAGES)

# $(call fill,MARK,FILE): the line MARK of standard input replaced by a file.
fill = sed -e '/^@$(1)@$$/{' -e 'r $(2)' -e 'd' -e '}'

$(MAN)/flashduty-gateway.1: man/flashduty-gateway.1.in man/mdoc.awk man/commands.awk $(CLI)
	@mkdir -p $(@D)
	@$(if $(Q),echo '  MAN  $@')
	$(Q)for command in $$($(CLI) --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'); do \
		$(CLI) $$command --help || exit 1; \
	done | awk -f man/mdoc.awk -f man/commands.awk >$@.commands
	$(Q)$(call fill,COMMANDS,$@.commands) $< >$@

$(MAN)/flashduty-gateway.conf.5: man/flashduty-gateway.conf.5.in man/mdoc.awk man/markdown.awk \
		docs/configuration.md
	@mkdir -p $(@D)
	@$(if $(Q),echo '  MAN  $@')
	$(Q)awk -f man/mdoc.awk -f man/markdown.awk docs/configuration.md >$@.text
	$(Q)$(call fill,CONFIGURATION,$@.text) $< >$@

# One page for all endpoints; the others' names lead to it.
$(MAN)/$(FIRST_ENDPOINT).fcgi.8: man/endpoints.8.in
	@mkdir -p $(@D)
	@$(if $(Q),echo '  MAN  $@')
	$(Q)printf '.Nm %s.fcgi\n' $(ENDPOINT_NAMES) | sed '$$!s/$$/ ,/' >$@.names
	$(Q)$(call fill,NAMES,$@.names) $< >$@

$(MAN)/%.fcgi.8: $(MAN)/$(FIRST_ENDPOINT).fcgi.8
	$(Q)ln -sf $(FIRST_ENDPOINT).fcgi.8 $@

# ---- installing ----

# The files of servers and of systemd, told where the programs are.
SERVER_FILES := $(wildcard apache-conf/* contrib/lighttpd/* contrib/nginx/* contrib/caddy/* \
	contrib/haproxy/* contrib/prometheus/*)
EXAMPLE_FILES := $(shell find examples -type f)
EXAMPLES := $(SERVER_FILES:contrib/%=%) $(EXAMPLE_FILES:examples/%=%)
DOCUMENTS := README.md README.zh-CN.md CHANGELOG.md SECURITY.md $(shell find docs -type f)
UNITS := $(foreach name,$(ENDPOINT_NAMES),flashduty-gateway-$(name).socket \
	flashduty-gateway-$(name).service) flashduty-gateway-drain.service flashduty-gateway-drain.timer
located = sed -e '/is a checkout after `make`/d' -e 's|/opt/flashduty-gateway/cgi-bin|$(CGIDIR)|g' \
	-e 's|/opt/flashduty-gateway/contrib|$(DOCDIR)/examples|g' \
	-e 's|/opt/flashduty-gateway/apache-conf|$(DOCDIR)/examples/apache-conf|g' \
	-e 's|/opt/flashduty-gateway/build|$(BINDIR)|g' \
	-e 's|@CGIDIR@|$(CGIDIR)|g' -e 's|@BINDIR@|$(BINDIR)|g'
put = | $(INSTALL) -m 644 /dev/stdin
unit = $(call fill,SANDBOX,contrib/systemd/sandbox.conf)
INSTALLED := $(BINDIR)/flashduty-gateway $(ENDPOINT_NAMES:%=$(CGIDIR)/%.fcgi) \
	$(foreach page,$(notdir $(MAN_PAGES)),$(MANDIR)/man$(lastword $(subst ., ,$(page)))/$(page)) \
	$(BASHDIR)/flashduty-gateway $(ZSHDIR)/_flashduty-gateway $(UNITS:%=$(UNITDIR)/%) \
	$(SYSUSERSDIR)/flashduty-gateway.conf $(TMPFILESDIR)/flashduty-gateway.conf \
	$(DOCUMENTS:%=$(DOCDIR)/%) $(EXAMPLES:%=$(DOCDIR)/examples/%)

install: all man  ## install below PREFIX (/usr/local); DESTDIR stands before every path
	@$(INSTALL) -d $(sort $(dir $(INSTALLED:%=$(DESTDIR)%)))
	$(INSTALL) -m 755 $(CLI) $(DESTDIR)$(BINDIR)/flashduty-gateway
	$(INSTALL) -m 755 $(ENDPOINTS) $(DESTDIR)$(CGIDIR)
	@for page in $(notdir $(MAN_PAGES)); do \
		cp -P $(MAN)/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; \
	done
	$(INSTALL) -m 644 contrib/completion/flashduty-gateway.bash $(DESTDIR)$(BASHDIR)/flashduty-gateway
	$(INSTALL) -m 644 contrib/completion/_flashduty-gateway $(DESTDIR)$(ZSHDIR)
	@for name in $(ENDPOINT_NAMES); do \
		for kind in socket service; do \
			$(unit) contrib/systemd/endpoint.$$kind.in | sed "s|@ENDPOINT@|$$name|g" | $(located) \
				$(put) $(DESTDIR)$(UNITDIR)/flashduty-gateway-$$name.$$kind || exit 1; \
		done; \
	done
	@$(unit) contrib/systemd/drain.service.in | $(located) \
		$(put) $(DESTDIR)$(UNITDIR)/flashduty-gateway-drain.service
	$(INSTALL) -m 644 contrib/systemd/drain.timer $(DESTDIR)$(UNITDIR)/flashduty-gateway-drain.timer
	$(INSTALL) -m 644 contrib/systemd/sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/flashduty-gateway.conf
	$(INSTALL) -m 644 contrib/systemd/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/flashduty-gateway.conf
	@for file in $(DOCUMENTS); do \
		$(INSTALL) -m 644 $$file $(DESTDIR)$(DOCDIR)/$$file || exit 1; \
	done
	@for file in $(SERVER_FILES); do \
		$(located) $$file $(put) $(DESTDIR)$(DOCDIR)/examples/$${file#contrib/} || exit 1; \
	done
	@for file in $(EXAMPLE_FILES); do \
		$(INSTALL) -m 644 $$file $(DESTDIR)$(DOCDIR)/$$file || exit 1; \
	done
	@echo 'Configuration and store are in /etc/flashduty-gateway and /var/lib/flashduty-gateway,'
	@echo 'whatever PREFIX is.'

uninstall:  ## remove what install has installed; configuration and store stay
	rm -f $(INSTALLED:%=$(DESTDIR)%)
	@for folder in $(DESTDIR)$(DOCDIR) $(DESTDIR)$(dir $(CGIDIR)); do \
		[ ! -d $$folder ] || find $$folder -depth -type d -empty -delete || exit 1; \
	done

# ---- the release's tarball ----

NAME := flashduty-gateway-$(VERSION)
TARBALL := build/$(NAME).tar.gz
# A tarball that was unpacked makes the same one again.
SOURCE_FILES = $(if $(wildcard .git),git ls-files 2>/dev/null ||) find . -type f -printf '%P\n' | \
	grep -vE '^(build|\.git)/|^cgi-bin/.*\.fcgi$$|/__pycache__/|\.[od]$$'
SOURCE_DATE = $(or $(SOURCE_DATE_EPOCH),$(if $(wildcard .git),$(shell git log -1 --format=%ct \
	2>/dev/null)),$(shell date -r VERSION +%s))

dist:  ## make build/flashduty-gateway-VERSION.tar.gz, the same bytes each time
	@mkdir -p build
	@{ $(SOURCE_FILES); } | LC_ALL=C sort | tar --create --files-from=- --transform='s|^|$(NAME)/|' \
		--mtime=@$(SOURCE_DATE) --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX,a-s \
		--format=gnu | gzip -9n >$(TARBALL)
	@echo $(TARBALL)

# ---- the Debian package ----

# Built from the tarball, so that what git does not hold is not in it. Who hands the package on to
# others stands for it: MAINTAINER='Name <address>'. The one in the sources reads no mail.
deb: deb-deps dist  ## build the Debian package: build/flashduty-gateway_VERSION_ARCHITECTURE.deb
	@rm -rf build/deb && mkdir build/deb && tar -xf $(TARBALL) -C build/deb
	@[ -z '$(MAINTAINER)' ] || sed -i -e 's|^Maintainer: .*|Maintainer: $(MAINTAINER)|' \
		-e '1,/^ -- /s|^ -- .*>  | -- $(MAINTAINER)  |' \
		$(addprefix build/deb/$(NAME)/debian/,control changelog)
	cd build/deb/$(NAME) && dpkg-buildpackage --build=binary --no-sign
	@rm -f build/flashduty-gateway*.deb
	@cp build/deb/*.deb build/deb/*.changes build/deb/*.buildinfo build

deb-deps:
	$(call install-deps,$(BUILD_DEPS) $(DEB_DEPS))

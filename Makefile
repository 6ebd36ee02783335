# Trireme's build. `make help` lists the targets; `make demo` and `make test` are the two that matter.

GO       ?= go
PREFIX   ?= /usr
DESTDIR  ?=
BINDIR    = $(DESTDIR)$(PREFIX)/bin
SHAREDIR  = $(DESTDIR)$(PREFIX)/share
FUZZTIME ?= 30s
# What "trireme version" and the other end's log say; a tree without git has no name for its state.
VERSION  ?= $(shell git describe --always --dirty 2>/dev/null || echo devel)
SHELL     = /bin/bash
.SHELLFLAGS = -eu -o pipefail -c
.DEFAULT_GOAL = help

# What tests, demo and races need beside Go, as command:package. The provider is a file, not a command.
NEED = mariadbd:mariadb-server mariadb-install-db:mariadb-server galera_recovery:mariadb-server mariadb:mariadb-client \
       mariabackup:mariadb-backup rsync:rsync socat:socat stunnel4:stunnel4 ip:iproute2 ss:iproute2 tc:iproute2 tmux:tmux openssl:openssl gcc:gcc \
       mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs
PROVIDER = /usr/lib/galera/libgalera_smm.so

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.PHONY: build
build: ## build/trireme and its second name build/wsrep_sst_trireme
	@mkdir -p build
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o build/trireme ./cmd/trireme
	@ln -sf trireme build/wsrep_sst_trireme

.PHONY: man
man: build ## build/man and build/completion, made from the commands themselves
	@rm -rf build/man build/completion && mkdir -p build/completion
	build/trireme man build/man
	build/trireme completion bash >build/completion/trireme
	build/trireme completion zsh >build/completion/_trireme
	build/trireme completion fish >build/completion/trireme.fish

# The scripts that this program can stand in for. A distribution's own wsrep_sst_rsync_tunnel is never replaced: whoever asks for
# the name moves that file away first, as a package does with a diversion or an alternative.
OTHERS   = rsync_tunnel secure_rsync
METHODS ?=

.PHONY: install
install: build man ## install to $(DESTDIR)$(PREFIX): programs, manual pages and completion; METHODS="rsync_tunnel secure_rsync" adds those names
	@for m in $(METHODS); do \
	  case " $(OTHERS) " in *" $$m "*) ;; *) echo "install: METHODS=$$m: known are $(OTHERS)" >&2; exit 1 ;; esac; \
	  f=$(BINDIR)/wsrep_sst_$$m; \
	  if [ -e "$$f" ] || [ -L "$$f" ]; then \
	    [ "$$(readlink "$$f")" = trireme ] || { echo "install: $$f belongs to somebody else and is left alone; move it away first" >&2; exit 1; }; \
	  fi; \
	done
	install -D -m 0755 build/trireme $(BINDIR)/trireme
	for m in trireme $(METHODS); do ln -sf trireme $(BINDIR)/wsrep_sst_$$m; done
	install -D -m 0644 -t $(SHAREDIR)/man/man1 build/man/*.1
	install -D -m 0644 build/completion/trireme $(SHAREDIR)/bash-completion/completions/trireme
	install -D -m 0644 build/completion/_trireme $(SHAREDIR)/zsh/site-functions/_trireme
	install -D -m 0644 build/completion/trireme.fish $(SHAREDIR)/fish/vendor_completions.d/trireme.fish

.PHONY: uninstall
uninstall: ## remove what install put there, and nothing that only has its name
	rm -f $(BINDIR)/trireme $(SHAREDIR)/man/man1/trireme.1 $(SHAREDIR)/man/man1/trireme-*.1 \
	  $(SHAREDIR)/bash-completion/completions/trireme $(SHAREDIR)/zsh/site-functions/_trireme $(SHAREDIR)/fish/vendor_completions.d/trireme.fish
	for m in trireme $(OTHERS); do \
	  f=$(BINDIR)/wsrep_sst_$$m; [ "$$(readlink "$$f")" != trireme ] || rm -f "$$f"; \
	done

# Packages must not bring up a server of the system. Where no policy-rc.d forbids it already, one does for the time of the install.
.PHONY: deps
deps: ## install what tests and demo need (root), or name it
	@export PATH="$$PATH:/usr/sbin:/sbin"; missing=; \
	for n in $(NEED); do \
	  command -v "$${n%%:*}" >/dev/null || case " $$missing " in *" $${n#*:} "*) ;; *) missing="$$missing $${n#*:}" ;; esac; \
	done; \
	[ -e $(PROVIDER) ] || missing="$$missing galera-4"; \
	case " $$missing " in *" gcc "*) missing="$$missing libc6-dev" ;; esac; \
	if [ -z "$$missing" ]; then echo "deps: nothing is missing"; exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "deps: missing packages:$$missing (install them as root)" >&2; exit 1; fi; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
	  trap 'rm -f $$policy' EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 0755 $$policy; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	apt-get update -q </dev/null && apt-get install -q -y --no-install-recommends $$missing </dev/null

.PHONY: demo
demo: deps build ## a real cluster: node 2 joins through trireme over mutual TLS, twice, with numbers
	$(GO) build -trimpath -o build/demo ./bench/demo
	@build/demo -bin build/trireme

.PHONY: test
test: deps build lint race ## everything that a change must pass
	@# The integration tests wait more than they work: for nodes that come, go and time out.
	@$(MAKE) --no-print-directory -j2 -Otarget fuzz-short integration

.PHONY: lint
lint: ## go vet, gofmt and staticcheck, integration tests included
	$(GO) vet ./...
	$(GO) vet -tags integration ./...
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then echo "gofmt: not formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) tool staticcheck -tags integration ./...

# A program under the race detector sleeps for a second at its end, for the sake of goroutines that nobody waits for; there are none
# here. What go vet finds is a matter of lint. The packages that take longest go first, or one of them would run alone in the end.
.PHONY: race
race: ## unit tests under the race detector, in random order
	GORACE=atexit_sleep_ms=0 CGO_ENABLED=1 $(GO) test -race -vet=off -shuffle=on -timeout 20m ./proto ./cmd/trireme ./...
	@# What skips or does less there.
	tests=$$(awk '/^func Test/ { sub(/\(.*/, "", $$2); name = $$2 } /$(SMALLER)/ && name { print name } /^}/ { name = "" }' proto/*_test.go wire/*_test.go | sort -u | paste -sd'|'); \
	$(GO) test -vet=off -shuffle=on -run "^($$tests)\$$" ./proto ./wire
SMALLER = heavy\(t\)|modelSeeds|modelSteps

# By count, not by time, and without what earlier runs have found: the cost is the same on every machine. The fuzz engine takes one
# target at a time; a package is built once for all of its own.
FUZZ = mkdir -p build; \
	for dir in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  $(GO) test -vet=off -c -fuzz . -o build/fuzz.test "$$dir"; \
	  targets=$$(build/fuzz.test -test.list '^Fuzz'); [ -n "$$targets" ]; \
	  for target in $$targets; do \
	    echo "fuzz $$dir $$target"; \
	    (cd "$$dir" && $(CURDIR)/build/fuzz.test -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(1) -test.fuzzcachedir "$(CURDIR)/$(2)/$$dir") \
	      >build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }; \
	  done; \
	done

.PHONY: fuzz-short
fuzz-short: ## every fuzz target, 200 executions each
	@# Beside the integration tests it takes what they leave.
	@renice -n 10 -p $$$$ >/dev/null 2>&1 || true; rm -rf build/fuzz-short; $(call FUZZ,200x,build/fuzz-short)

.PHONY: fuzz
fuzz: ## every fuzz target for $(FUZZTIME); what it finds interesting stays in build/fuzz
	@$(call FUZZ,$(FUZZTIME),build/fuzz)

# The tests of these files alone: those beside them run in race already.
ON_SERVERS = find cmd bench -name '*_integration_test.go'

.PHONY: integration
integration: build ## real servers: clusters on loopback addresses, nothing of the system's own
	tests=$$($(ON_SERVERS) | xargs sed -n 's/^func \(Test[A-Za-z0-9_]*\)(t .*/\1/p' | paste -sd'|'); \
	$(GO) test -vet=off -tags integration -timeout 25m -run "^($$tests)\$$" $$($(ON_SERVERS) -printf './%h\n' | sort -u)

# In pieces: SOAK=1-10, then SOAK=11-20, and so on.
SOAK ?= 50
.PHONY: soak
soak: build ## joins under load and kills at random moments, $(SOAK) times each, on real servers; figures at the end
	SOAK=$(SOAK) $(GO) test -count=1 -v -tags integration -timeout 0 -run 'TestJoinDuringLoad|TestJoinOnCloningFileSystems|TestDonorHoldsStill|TestJoinerKilledAnywhere|TestFasterThanTheLink|TestLockRefusedByServer' ./cmd/trireme

RACE ?= -methods trireme,rsync -rounds 5 -mb 1600
.PHONY: race-rsync
race-rsync: deps build ## our encrypted join against stock rsync in plain text, by turns, five of each, with writers on the donor
	$(GO) build -trimpath -o build/lockrace ./bench/lockrace
	@build/lockrace -bin build/trireme $(RACE)

.PHONY: race-lock
race-lock: ## the same against every method that can be had: rsync plain, through stunnel and socat, mariabackup
	@$(MAKE) --no-print-directory race-rsync RACE="-methods all -rounds 5 -mb 1600"

# Who races with much data: WHO=all, or some of what build/lockrace -help lists. IMAGEDIR holds an image of 22 GB.
WHO ?= trireme
IMAGEDIR ?= /tmp
.PHONY: race-lock-8g
race-lock-8g: ## the lock with 8 GB, half of it one table under random updates (needs 22 GB, on /dev/shm if there); WHO=all races everybody, LOAD=-innodb loads no Aria and MyISAM
	@$(MAKE) --no-print-directory race-rsync RACE="-methods $(WHO) -rounds 3 -mb 8192 -hot $(LOAD)"

.PHONY: race-lock-xfs
race-lock-xfs: ## the same with both datadirs on an XFS image with reflink, a file of 22 GB in $(IMAGEDIR) while it runs (root)
	@$(MAKE) --no-print-directory race-rsync RACE="-methods $(WHO) -rounds 3 -mb 8192 -hot -image xfs -dir $(IMAGEDIR) $(LOAD)"

LINKRACE ?=
.PHONY: race-link
race-link: deps build ## whole transfers on thin, lossy and breaking links and on loopback, compressed and not, by turns (root)
	$(GO) build -trimpath -o build/linkrace ./bench/linkrace
	@build/linkrace -bin build/trireme $(LINKRACE)

BENCH ?= --scene all
.PHONY: bench
bench: deps build ## whole transfers against cp, rsync, tar and rclone; table, build/bench.json and the page build/bench.html
	build/trireme bench $(BENCH) --results build/bench.json --html build/bench.html

.PHONY: bench-gate
bench-gate: build ## fails when processor time against a ceiling, system calls, bytes on the wire or memory have grown
	build/trireme bench $(GATE) --gate bench/gate.json

.PHONY: bench-gate-write
bench-gate-write: build ## take today's figures as those that bench-gate compares with
	build/trireme bench $(GATE) --gate-write bench/gate.json

GATE = --scene full,touched,changed-1,files --contestant trireme,trireme-plain --size 400MiB --files 10000 --rounds 5

.PHONY: bench-profile
bench-profile: ## processor profiles of both ends of $(BENCH) in build/profile
	@rm -rf build/profile && mkdir -p build/profile
	CGO_ENABLED=0 $(GO) build -tags profile -o build/trireme-profile ./cmd/trireme
	TRIREME_PROFILE=$(CURDIR)/build/profile build/trireme-profile bench --no-ceilings --contestant trireme --rounds 1 $(BENCH)

.PHONY: microbench
microbench: ## the benchmarks beside the code: every stage of the path of a block
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: clean
clean: ## remove what was built
	rm -rf build

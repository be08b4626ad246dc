# Build, run, test, install. One configuration for all: release.
.DEFAULT_GOAL := build
.PHONY: setup build run lint test fuzz prove tsan bench docs install uninstall clean help
.SUFFIXES:

PREFIX ?= /usr/local
DESTDIR ?=

PROGRAMS := msg_router bcs test_throughput test_latency
# Built and tested, not installed.
EXAMPLES := example_chat example_gather
HEADERS := $(wildcard Sources/Contract/CBusABI/include/*.h)
BUILT := .build/release

bindir = $(DESTDIR)$(PREFIX)/bin
includedir = $(DESTDIR)$(PREFIX)/include/bcs
sharedir = $(DESTDIR)$(PREFIX)/share
bash_completion = $(sharedir)/bash-completion/completions/bcs
zsh_completion = $(sharedir)/zsh/site-functions/_bcs
fish_completion = $(sharedir)/fish/vendor_completions.d/bcs.fish

# $(call link,FOLDER): programs appear in bin/ as links to what was built.
define link
@mkdir -p bin
@for p in $(PROGRAMS) $(EXAMPLES); do ln -sfn "../$(1)/$$p" "bin/$$p"; done
endef

setup: ## install what is missing (once; needs root or sudo only then)
	@Scripts/setup.sh

build: setup ## build the programs into bin/ (the default)
	swift build -c release
	$(call link,$(BUILT))

run: build ## build and show the bus at work: router, commands, who reads what
	bin/bcs up --demo

lint: setup ## check the format of all Swift files
	swift format lint --strict --parallel --recursive Sources Tests Fuzz

test: setup lint ## check the format, build all, run every test
	@Scripts/promtool.sh .build/tools >/dev/null
	swift build -c release --build-tests
	# Again: in a fresh checkout the first build was seen to make a runner without any test.
	swift build -c release --build-tests
	$(call link,$(BUILT))
	@Scripts/test.sh

fuzz: setup ## search for bytes that break what must hold (SECONDS=n: n seconds a target)
	@Scripts/fuzz.sh $(if $(SECONDS),--seconds $(SECONDS))

prove: tsan ## exhaust the models and find their defects; look for races; check rebuilding
	@Tests/Model/run.sh
	@Scripts/rebuild-check.sh

tsan: build ## ThreadSanitizer over data path and client; a seeded race has to be found
	@Scripts/races.sh

bench: build ## measure, beside the machine's own floor
	bin/bcs bench

docs: build ## make the documentation of the Swift library; a warning is an error
	@Scripts/docs.sh

install: ## install programs, C headers and completions under PREFIX (after make build)
	@test -x bin/bcs || { echo "nothing built yet: run 'make build' first" >&2; exit 1; }
	install -d "$(bindir)" "$(includedir)"
	install -m 0755 $(addprefix bin/,$(PROGRAMS)) "$(bindir)"
	install -m 0644 $(HEADERS) "$(includedir)"
	@$(call completion,bash,$(bash_completion))
	@$(call completion,zsh,$(zsh_completion))
	@$(call completion,fish,$(fish_completion))

# $(call completion,SHELL,FILE): what bcs prints, if it prints a completion for the shell.
define completion
text=$$(bin/bcs --generate-completion-script $(1) </dev/null 2>/dev/null) || text=; \
case "$$text" in \
  *bcs*) install -d "$(dir $(2))" && printf '%s\n' "$$text" > "$(2)" && \
    chmod 0644 "$(2)" && echo "$(2)" ;; \
  *) echo "no completion for $(1): bcs prints none" ;; \
esac
endef

uninstall: ## remove what install put under PREFIX
	rm -f $(addprefix "$(bindir)"/,$(PROGRAMS))
	rm -f $(addprefix "$(includedir)"/,$(notdir $(HEADERS)))
	rm -f "$(bash_completion)" "$(zsh_completion)" "$(fish_completion)"
	-rmdir "$(includedir)" 2>/dev/null

clean: ## remove all that was built
	rm -rf .build bin .build-optimised .build-tsan .build-fuzz

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | \
	  while IFS='|' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

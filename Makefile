# Needs a Rust toolchain; everything else is installed when it is missing.

.PHONY: help run test test-faults lint bench

# Where Homebrew lives, for shells that have not been told.
export PATH := $(PATH):/opt/homebrew/bin:/usr/local/bin

help:
	@echo 'make run     start the server (config/default.toml lists the settings)'
	@echo 'make test    all tests, then generated requests against the API description'
	@echo 'make test-faults  clicks answered against clicks counted, each fault 20 times (AYRENE_FAULT_RUNS)'
	@echo 'make lint    formatting, clippy, licences and sources of dependencies'
	@echo 'make bench   all benchmarks, or BENCH=redirect|clicks|create|login|social|startup with options in ARGS'

run:
	@scripts/need cc redis
	cargo run --release --locked

test:
	@scripts/need cc redis python chromium axe
	@scripts/venv
	cargo test --locked
	cargo build --locked
	scripts/contract-test "$${CARGO_TARGET_DIR:-target}/debug/ayrene"

test-faults:
	@scripts/need cc redis
	AYRENE_FAULT_RUNS=$${AYRENE_FAULT_RUNS:-20} AYRENE_FAULT_OUTAGE_SECS=$${AYRENE_FAULT_OUTAGE_SECS:-60} \
		cargo test --locked --test faults -- counting:: clicks::

lint:
	@scripts/need cc
	scripts/lint

BENCHES = redirect clicks create login social startup

# Two cores for servers and load alike, see BENCHMARKS.md; one bench after the other, each with its report in target/bench.
bench:
	@scripts/need cc redis
	@scripts/need wrk || echo 'Going on with a load generator of our own'
	cargo bench --locked $(if $(BENCH),--bench $(BENCH),$(addprefix --bench ,$(BENCHES))) -- $(ARGS)

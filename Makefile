# The one door to building and testing. Every line can also be typed by hand.
#
# `make demo` and `make test` share one dev build, with fail points compiled in; they act only where the variable FAILPOINTS asks for
# them. A release never has them.

SHELL    := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO    ?= cargo
FEATURES := --features weir/failpoints
TARGET   := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help demo test test-long lint services services-down bench bench-full release
help:
	@echo "make demo        build, load a made-up shop, leave the hub running for psql"
	@echo "make test        all tests, against real servers that are started and stopped here"
	@echo "make test-long   the crash tests with 200 kills, that of replays with 1,000"
	@echo "make lint        format and clippy"
	@echo "make services    start the test servers and print how to reach them (make services-down stops them)"
	@echo "make release     the binary to run for real: $(TARGET)/release/weir"
	@echo "make bench       quick measurements beside other tools, one table (make bench-full: the long ones)"

demo:
	@test -x $(TARGET)/debug/weir || echo "The first build takes about ten minutes on two cores. Later ones take seconds."
	$(CARGO) build --locked $(FEATURES) --bin weir
	$(TARGET)/debug/weir demo

lint:
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets $(FEATURES) -- -D warnings

test: lint
	$(CARGO) build --locked --workspace --all-targets $(FEATURES)
	tests/services/run $(CARGO) test --locked --workspace $(FEATURES)

# Rare moments want many kills.
test-long:
	$(CARGO) build --locked --workspace --all-targets $(FEATURES)
	WEIR_CRASH_KILLS=200 tests/services/run $(CARGO) test --locked $(FEATURES) --test it -- --nocapture crash::exactly_once crash::the_checker
	WEIR_CRASH_KILLS=1000 tests/services/run $(CARGO) test --locked $(FEATURES) --test it -- --nocapture crash::replay

services:
	@tests/services/up
	@echo "In a shell: source $$(tests/services/up --where)/env"

services-down:
	@tests/services/down

release:
	$(CARGO) build --locked --release --bin weir

bench: release
	benches/run --size 100MB --weir $(TARGET)/release/weir

bench-full: release
	benches/run --size 1GB --growth --weir $(TARGET)/release/weir

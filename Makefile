# The commands of this project; `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test bench lint fmt

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: ## fresh machine to running system; ONCE=1 ends after the flow
	@tests/tools/install build
	@tests/tools/step "building the gateway and the sandbox" cargo build --locked -p kyc-gateway -p kyc-sandbox
	@ONCE="$(ONCE)" target/debug/kyc-demo

test: ## fresh machine to all tests passed
	@tests/tools/install build servers
	@tests/tools/step "formatting" cargo fmt --all --check
	@tests/tools/step "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
	@tests/tools/step "building" cargo build --locked --workspace --bins
	@tests/tools/step "tests" cargo test --locked --workspace
	@if command -v cargo-deny >/dev/null; then tests/tools/step "dependencies" cargo deny check; fi

bench: ## ratios against peers, side by side
	@tests/tools/install build peers
	@tests/tools/step "building" cargo build --locked --release -p kyc-gateway -p kyc-bench
	@cargo bench --locked -p kyc-gateway-tests
	@target/release/kyc-bench $(ROUNDS) $(SECONDS_EACH)

lint: ## formatting and clippy
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

fmt: ## format everything
	@cargo fmt --all

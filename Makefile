# The commands of this project; `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# What `make release` builds.
RELEASE := target/reproducible/release/kyc-gateway
.PHONY: help demo test fresh-test house docs crash-test outcomes week abuse alerts-test differential fuzz release image deb host-test sbom profile bench bench-quick lint fmt

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: ## fresh machine to running system; ONCE=1 ends after the flow; WITH=observability adds Prometheus
	@tests/tools/install build $(WITH)
	@tests/tools/step "building the gateway and the sandbox" tests/tools/quietly target/demo-build.log \
		cargo build --locked -p kyc-gateway -p kyc-sandbox
	@ONCE="$(ONCE)" target/debug/kyc-demo $(if $(WITH),--with $(WITH))

test: ## fresh machine to all tests passed
	@tests/tools/install build servers checks deploy
	@tests/tools/step "formatting" cargo fmt --all --check
	@tests/tools/step "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
	@tests/tools/step "documentation of the code" env RUSTDOCFLAGS="-D warnings" \
		cargo doc --locked --workspace --no-deps --document-private-items
	@tests/tools/step "building" cargo build --locked --workspace --bins
	@tests/tools/step "tests and doc tests, for half an hour at most" timeout --kill-after=10 1800 cargo test --locked --workspace
	@tests/tools/step "dependencies" tests/tools/dependencies

fresh-test: ## `make demo` and `make test` on a fresh Debian with git, make and Rust, with times and sizes; STEPS="root demo" for some
	@tests/tools/install build hosts
	@tests/tools/fresh $(STEPS)

house: ## crates by floor, lines, imports, circles, and target/house.svg; ROOM=proxy for one from inside
	@cargo run --locked --quiet -p kyc-house -- $(ROOM)

docs: ## builds the documentation as a book, in target/book, and checks its links
	@tests/tools/install build docs
	@tests/tools/step "links and generated pages" cargo test --locked --quiet --workspace --test documents
	@PATH=$$PWD/.tools/cargo/bin:$$PATH tests/tools/step "building the book" mdbook build docs

crash-test: ## kills the gateway and its database under load, backs it up, rolls log files; SEED=2 for other moments
	@tests/tools/install build servers
	@tests/tools/step "building the chaos tests" cargo build --locked --profile load -p kyc-chaos
	@target/load/kyc-chaos crash --seed $(or $(SEED),1)
	@target/load/kyc-chaos crash --seed $(or $(SEED),1) --gateways 3 --rate 2000 --faults 60
	@target/load/kyc-chaos backups --gateway target/load/failing-gateway
	@target/load/kyc-chaos logs --gateway target/load/failing-gateway

outcomes: ## 10,000 checks by the official client, missing notifications, killed gateways: no check without an outcome; SEED=2
	@tests/tools/install build servers
	@tests/tools/step "building the chaos tests" cargo build --locked --profile load -p kyc-chaos
	@target/load/kyc-chaos outcomes --seed $(or $(SEED),1)
	@target/load/kyc-chaos outcomes --seed $(or $(SEED),1) --gateways 3

week: ## a week of faults in twenty minutes: portals, keys, clock, disk, restarts; SEED=2 for others
	@tests/tools/install build servers
	@tests/tools/step "building the chaos tests" cargo build --locked --profile load -p kyc-chaos
	@target/load/kyc-chaos week --gateway target/load/failing-gateway --seed $(or $(SEED),1)

abuse: ## thousands of slow callers, uploads beside calls, a million requests beside failures, testssl.sh
	@tests/tools/install build abusers
	@tests/tools/step "building" cargo build --locked --profile load -p kyc-chaos -p kyc-gateway
	@tests/tools/step "TLS" tests/tools/tls target/load/kyc-gateway
	@target/load/kyc-chaos abuse --gateway target/load/kyc-gateway
	@target/load/kyc-chaos uploads --gateway target/load/kyc-gateway
	@target/load/kyc-chaos pressure --gateway target/load/kyc-gateway
	@target/load/kyc-chaos soak --gateway target/load/kyc-gateway

alerts-test: ## makes a fault for each alert; a real Prometheus must fire that alert and no other; FAULT=portal for some
	@tests/tools/install build servers
	@tests/tools/step "building" cargo build --locked --workspace --bins
	@tests/tools/step "faults" cargo test --locked --workspace --test e2e -- --ignored --nocapture each_alert_fires

differential: ## the same exchanges through the gateway, nginx and HAProxy; UPDATE_GOLDEN=1 writes the page
	@tests/tools/install build servers
	@tests/tools/step "building" cargo build --locked -p kyc-gateway -p kyc-differential
	@target/debug/kyc-differential
	@tests/tools/step "the page" cargo test --locked --quiet --workspace --test documents exchanges

fuzz: ## each fuzz target for 150 s; SECONDS_EACH=30 for another time
	@tests/tools/install build fuzzers
	@tests/tools/step "fuzzing" tests/tools/fuzz $(or $(SECONDS_EACH),150)

release: ## all files of a release in dist, signed with MINISIGN_KEY, RUNBOOK_URL in the alerts; TWICE=1 builds elsewhere too, and compares
	@tests/tools/install build images sbom signatures
	@tests/tools/step "building" tests/tools/release $(TWICE)
	@tests/tools/step "files of the release" tests/tools/dist $(RELEASE) dist

image: ## the OCI image of what `make release` built, in target/image, checked with the demo's flow
	@tests/tools/install build images
	@deploy/image/build $(RELEASE) target/image
	@tests/tools/step "building the demo" cargo build --locked -p kyc-sandbox
	@tests/tools/step "checking the image" tests/tools/image $(RELEASE)

deb: ## the Debian package of what `make release` built, in target/deb, checked by lintian
	@tests/tools/install images
	@deploy/debian/build $(RELEASE) target/deb

host-test: ## the package of what `make release` built, on a fresh Debian with systemd; LATER=FILE upgrades to that program
	@tests/tools/install build images hosts
	@tests/tools/step "building the sandbox" cargo build --locked -p kyc-sandbox
	@tests/tools/host $(RELEASE) $(LATER)

profile: ## renews the profile of the bench's load that `make release` builds with
	@tests/tools/install build servers peers profile
	@tests/tools/profile

sbom: ## what is linked, as CycloneDX, in target/sbom
	@tests/tools/install build sbom
	@tests/tools/sbom

bench: ## ratios against peers, side by side; times of stored notifications; ROUNDS=3 SECONDS_EACH=3 for shorter ones
	@tests/tools/install build servers peers
	@tests/tools/step "building the gateway" tests/tools/release
	@tests/tools/step "building the bench" cargo build --locked --release -p kyc-bench
	@tests/tools/step "building the load" cargo build --locked --profile load -p kyc-load
	@cargo bench --locked -p kyc-gateway-tests
	@target/release/kyc-bench --gateway $(RELEASE) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS_EACH),--seconds $(SECONDS_EACH))
	@target/load/kyc-load rates --gateway $(RELEASE)
	@target/load/kyc-load bulk --gateway $(RELEASE)
	@target/load/kyc-load isolation --gateway $(RELEASE)
	@target/load/kyc-load exports --gateway $(RELEASE)

bench-quick: ## what a change does to CPU and latency of calls: this tree against the last commit, in alternation
	@tests/tools/install build peers
	@tests/tools/bench-quick $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS_EACH),--seconds $(SECONDS_EACH))

lint: ## formatting and clippy
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

fmt: ## format everything
	@cargo fmt --all

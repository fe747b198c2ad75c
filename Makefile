# The two commands of README are `make demo` and `make test`; `make help` lists the rest.
# System packages are installed when missing (Debian; needs root). Nothing else is touched.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
# The corpus and rule sets that every developer has; tests that need it say so when it is absent.
export TAPIR_SHARED ?= $(abspath ../shared)

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# What the binary is built with. `make test` takes `dev`, with which its other tests are built anyhow: nothing is compiled twice.
PROFILE ?= release
RELEASE := $(TARGET_DIR)/$(PROFILE:dev=debug)/tapir
# All programs, from the libraries that `unit` has built: of the whole workspace, and with an example, which brings the features of what only tests use.
AS_UNIT := --workspace --bins --example elastic
# Python packages of tests, made on demand.
VENV := $(TARGET_DIR)/venv
FUZZ_SECONDS ?= 600

# The pages need Node; without it the binary is built all the same, and says so where the page would be.
UI_SOURCES := $(shell find ui -type d \( -name node_modules -o -name dist -o -name generated -o -name tests -o -name dev \) -prune -o -type f -print)
UI_DIST := $(shell node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && echo ui/dist/index.html)
ifeq ($(UI_DIST),)
$(info no Node 20.19 or newer: the binary is built without the Alerts page)
endif

.PHONY: help
help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: tools-demo $(RELEASE) ## A monitored workload is attacked; the alerts appear, here and on a page
	@demo/run.sh $(RELEASE)

# Cheap things first; every step says how long it took. What needs Node or Go says so, and is left out, where there is none.
TEST_STEPS := check unit ui-test-if-node conformance-if-there go-ahead-if-go e2e api-test formats-test-if-node dashboards-test image-test \
  browser-test-if-node opensearch-test kafka-test sources-test-if-go envtest-if-go cluster-test-if-go chart-test-if-go kubectl-test-if-go \
  operator-test-if-go kubernetes-test-if-go nodes-test-if-go workflow-test-if-go fuzz-smoke

.PHONY: test
test: tools-test ## Everything that must hold before a commit lands
	@times=""; for step in $(TEST_STEPS); do \
	  name=$${step%-if-*}; echo "== $$name"; begin=$$SECONDS; \
	  $(MAKE) --no-print-directory $$step PROFILE=dev || { echo "make test: $$name failed" >&2; exit 1; }; \
	  times="$${times:+$$times, }$$name $$((SECONDS - begin)) s"; \
	done; echo "make test: all passed ($$times)"

%-if-node:
	@$(if $(UI_DIST),$(MAKE) --no-print-directory $*,echo "skipped $*: no Node 20.19 or newer")

# An older Go than go.mod asks for fetches that one itself, from 1.21 on.
%-if-go:
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory $*; \
	else echo "skipped $*: no Go, with which the programs of a real Kubernetes API and a registry are built (https://go.dev/dl/)"; fi

# What Go builds takes some seven minutes of two cores from nothing, and the steps up to those that need it leave them idle half of the
# time. At the lowest priority; who needs it waits for its lock. Both end by themselves.
.PHONY: go-ahead
go-ahead: tools-cluster
	@mkdir -p $(TARGET_DIR); nice -n 19 sh -c 'tests/envtest/build.sh; tests/registry/build.sh' >$(TARGET_DIR)/go-ahead.log 2>&1 </dev/null & \
	echo "Go builds in the background: $(TARGET_DIR)/go-ahead.log"

.PHONY: check
check: tools-check ## Formatting, lints, dependency policy, tidiness
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) deny --workspace check --hide-inclusion-graph licenses bans sources
	$(CARGO) run -q --locked -p xtask -- tidy

.PHONY: advisories
advisories: tools-check ## Known vulnerabilities of dependencies (needs github.com)
	$(CARGO) deny --workspace check --hide-inclusion-graph advisories

.PHONY: unit
unit: ## Unit, property and snapshot tests
	$(CARGO) test --workspace --locked

.PHONY: conformance
conformance: ## The corpus of ../shared against the engine (table, regressions)
	$(CARGO) build --locked $(AS_UNIT)
	$(TARGET_DIR)/debug/tapir-conformance

.PHONY: conformance-if-there
conformance-if-there:
	@if [ -d "$(TAPIR_SHARED)/conformance" ]; then $(MAKE) --no-print-directory conformance; \
	else echo "skipped: no conformance corpus in $(TAPIR_SHARED)"; fi

.PHONY: e2e
e2e: tools-demo $(RELEASE) ## The demonstration as a test: real veth, real server, real attack
	DEMO_ONCE=1 demo/run.sh $(RELEASE)
	tests/cli.sh $(RELEASE)
	tests/agent.sh $(RELEASE)

.PHONY: fuzz-smoke
fuzz-smoke: ## Every fuzz target for a moment, on stable
	fuzz/run.sh smoke

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZ_SECONDS, coverage-guided
	fuzz/run.sh $(FUZZ_SECONDS)

.PHONY: bench
bench: tools-bench $(RELEASE) ## Tapir and, when installed, Suricata side by side
	bench/run.sh $(RELEASE)

.PHONY: bench-alerts
bench-alerts: tools-bench $(RELEASE) ## Alerts: ingest, search, preview, the page, from the packet to the page
	bench/alerts.sh $(RELEASE)

.PHONY: bench-cluster
bench-cluster: tools-cluster tools-demo $(RELEASE) ## In a cluster: from interface or resource to the first packet, memory, start, many pods
	$(CARGO) build --workspace --locked --bin tapir-cluster
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl kube-controller-manager) bench/cluster.sh $(RELEASE) $(TARGET_DIR)/debug/tapir-cluster

.PHONY: soak
soak: tools-bench $(RELEASE) ## Ten million packets: resident memory stays flat
	bench/soak.sh $(RELEASE)

.PHONY: opensearch
opensearch: tools-opensearch ## A real OpenSearch on loopback, its URL printed; Ctrl-D ends it
	@tests/opensearch/run.sh

.PHONY: opensearch-test
opensearch-test: tools-opensearch $(RELEASE) ## Sinks, the store and what they rely on, against a real OpenSearch
	tests/opensearch/run.sh tests/opensearch/smoke.sh
	$(CARGO) build --workspace --locked --example elastic
	tests/opensearch/run.sh $(CARGO) test --workspace --locked --features tapir-store/opensearch-tests --test opensearch
	ELASTIC=$(TARGET_DIR)/debug/examples/elastic CARGO=$(CARGO) TAPIR=$(RELEASE) tests/opensearch/run.sh tests/dashboards/opensearch.sh
	tests/opensearch/run.sh tests/opensearch/manager.sh $(RELEASE)

.PHONY: opensearch-smoke
opensearch-smoke: tools-opensearch ## What an event sink and its readers need, asked of a real OpenSearch
	@tests/opensearch/run.sh tests/opensearch/smoke.sh

.PHONY: kafka
kafka: tools-opensearch ## A real Kafka broker on loopback, its addresses printed; Ctrl-D ends it
	@tests/kafka/run.sh

.PHONY: kafka-test
kafka-test: tools-opensearch ## The Kafka sink against a real broker, read back by Kafka's own consumer
	tests/kafka/run.sh $(CARGO) test --workspace --locked --test kafka

.PHONY: sources-test
sources-test: tools-demo tools-cluster $(RELEASE) ## Rules from a real registry and a web server with TLS, pinned by digest
	registry=$$(tests/registry/build.sh) && tests/sources.sh $(RELEASE) "$$registry"

.PHONY: envtest
envtest: tools-cluster ## The programs of a Kubernetes API and helm, built from Go modules, once, kept in ~/.cache
	@folders=$$(tests/envtest/build.sh); echo "TAPIR_ENVTEST=$$folders"

.PHONY: cluster
cluster: tools-cluster ## A real Kubernetes API on loopback, its KUBECONFIG printed; Ctrl-D ends it
	@TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl kube-controller-manager); export TAPIR_ENVTEST; \
	$(CARGO) run -q --locked -p tapir-cluster -- --controllers

.PHONY: cluster-test
cluster-test: tools-cluster ## Sign-in by the cluster, its resources, and the cluster of tests itself, against a real Kubernetes API
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl kube-controller-manager); export TAPIR_ENVTEST; \
	$(CARGO) test --workspace --locked --test cluster --test controllers

.PHONY: kubernetes-test
kubernetes-test: tools-cluster tools-demo $(RELEASE) ## The agent in a cluster: a real Kubernetes API, real pods' interfaces, kubectl
	$(CARGO) build --workspace --locked --bin tapir-cluster
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl) tests/kubernetes.sh $(RELEASE) $(TARGET_DIR)/debug/tapir-cluster

.PHONY: nodes-test
nodes-test: tools-cluster tools-demo $(RELEASE) ## Two nodes and an API server that breaks: names across nodes, outages, cut connections, killed agents
	$(CARGO) build --workspace --locked --bin tapir-cluster
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl) tests/nodes.sh $(RELEASE) $(TARGET_DIR)/debug/tapir-cluster

.PHONY: workflow-test
workflow-test: tools-cluster tools-demo tools-opensearch $(RELEASE) ## The tutorial's five steps: operator, agent and manager as their objects say, kubectl, OpenSearch
	$(CARGO) build --workspace --locked --bin tapir-cluster
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl kube-controller-manager) tests/workflow.sh $(RELEASE) $(TARGET_DIR)/debug/tapir-cluster

.PHONY: operator-test
operator-test: tools-cluster $(RELEASE) ## The operator in a cluster: a real Kubernetes API with its controllers, kubectl
	$(CARGO) build --workspace --locked --bin tapir-cluster
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl kube-controller-manager) tests/operator.sh $(RELEASE) $(TARGET_DIR)/debug/tapir-cluster

.PHONY: chart-test
chart-test: tools-cluster $(RELEASE) ## The Helm chart, linted and rendered by a real helm, against `tapir install --print`
	folders=$$(tests/envtest/build.sh helm); helm=$$(IFS=:; for folder in $$folders; do [ -x "$$folder/helm" ] && echo "$$folder/helm"; done | head -n 1); \
	tests/chart.sh $(RELEASE) "$$helm"

.PHONY: kubectl-test
kubectl-test: tools-cluster $(RELEASE) ## `kubectl tapir` against a real Kubernetes API and a manager
	$(CARGO) build --workspace --locked --bin tapir-cluster
	TAPIR_ENVTEST=$$(tests/envtest/build.sh kube-apiserver kubectl) tests/kubectl.sh $(RELEASE) $(TARGET_DIR)/debug/tapir-cluster

.PHONY: image
image: tools-image $(RELEASE) ## An OCI image layout in target/image, without a container engine
	deploy/image/build.py $(RELEASE) $(TARGET_DIR)/image

.PHONY: image-test
image-test: tools-image $(RELEASE) ## The image: twice the same, whole, and its program runs as on a node
	tests/image.sh $(RELEASE)

.PHONY: dashboards-test
dashboards-test: $(VENV)/made $(RELEASE) ## The Grafana dashboard against a manager scraped by a real Prometheus
	tests/dashboards/grafana.sh $(RELEASE) $(VENV)/bin/python

.PHONY: formats-test
formats-test: $(VENV)/made $(TARGET_DIR)/formats/made $(RELEASE) ## OCSF, ECS, EVE and CEF against what others say of them
	tests/formats/run.sh $(RELEASE) $(VENV)/bin/python $(TARGET_DIR)/formats

.PHONY: api-test
api-test: $(VENV)/made $(RELEASE) ## A running manager against docs/openapi.json, with calls made from it
	tests/api/schemathesis.sh $(RELEASE) $(VENV)/bin/python

.PHONY: docs
docs: ## API documentation, man pages, reference pages
	$(CARGO) doc --workspace --no-deps --locked
	$(CARGO) run -q --locked -p xtask -- reference
	$(CARGO) run -q --locked -p tapir -- man target/man

.PHONY: release
release: $(RELEASE) ## The binary as shipped

.PHONY: $(RELEASE)
$(RELEASE): $(UI_DIST)
	$(CARGO) build --profile $(PROFILE) --locked $(if $(filter dev,$(PROFILE)),$(AS_UNIT),-p tapir --bin tapir) $(if $(UI_DIST),--features tapir/ui)

.PHONY: ui
ui: $(UI_DIST) ## The pages, built for the binary
	@$(if $(UI_DIST),true,echo "Node 20.19 or newer is needed for the pages; found: $$(node --version 2>/dev/null || echo none)" >&2; exit 1)

ui/dist/index.html: $(UI_SOURCES)
	cd ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run -s build

.PHONY: ui-test
ui-test: ui ## Types, lint and unit tests of the pages
	cd ui && npm run -s check && npm run -s lint && npm run -s test

# Python packages of tests.
$(VENV)/made: tests/requirements.txt
	$(call apt,python3-venv)
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Elastic's types of ECS and a compiler for them.
$(TARGET_DIR)/formats/made: tests/formats/package.json tests/formats/package-lock.json
	mkdir -p $(@D) && cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: browser-test
browser-test: tools-browser ui $(RELEASE) ## The pages in a real browser, against the real binary
	ui/tests/browser/run.sh $(RELEASE)

# --- what is missing is installed -------------------------------------------------------------

# No service is started: the demonstration runs its own nginx, nobody wants one on port 80.
define apt
	@missing=""; for package in $(1); do [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; \
	  policy=/usr/sbin/policy-rc.d; \
	  if [ ! -e $$policy ] && printf '#!/bin/sh\nexit 101\n' 2>/dev/null >$$policy; then chmod +x $$policy; trap "rm -f $$policy" EXIT; fi; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get -qq update >/dev/null && apt-get -qq install -y --no-install-recommends $$missing >/dev/null || exit 1; \
	  case "$$missing" in *nginx*) systemctl --quiet disable nginx >/dev/null 2>&1 || true;; esac; \
	fi
endef

.PHONY: tools-demo tools-test tools-check tools-bench tools-browser tools-opensearch tools-cluster tools-image
tools-demo:
	$(call apt,gcc libc6-dev iproute2 nginx-light curl ethtool)
tools-test: tools-demo tools-check tools-opensearch tools-cluster tools-image $(if $(UI_DIST),tools-browser)
	$(call apt,g++ python3-venv)
tools-bench: tools-demo
	$(call apt,python3 tcpdump)
# Not asked for where CHROMIUM names another browser.
tools-browser:
	$(if $(CHROMIUM),,$(call apt,chromium))
tools-opensearch:
	$(call apt,openjdk-17-jdk-headless maven curl jq)
# Go is not: Debian's is too old, and build.sh says what is needed.
tools-cluster:
	$(call apt,etcd-server util-linux jq openssl curl python3-yaml)
tools-image:
	$(call apt,binutils ca-certificates python3 iproute2 libcap2-bin util-linux)
tools-check:
	$(call apt,gcc libc6-dev)
	@$(CARGO) deny --version >/dev/null 2>&1 || \
	  { echo "installing cargo-deny (two minutes)"; $(CARGO) install --quiet --locked --profile dev cargo-deny@0.20.2; }

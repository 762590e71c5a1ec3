# Telltale. `make demo` shows it, `make test` proves it; CONTRIBUTING.md tells the rest.
.DEFAULT_GOAL := build
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# One flavour for build, tests and linters, so that a cold cache is filled once.
export GOEXPERIMENT ?= simd
export GOFLAGS := -buildvcs=false

VERSION ?= $(shell git describe --tags --dirty 2>/dev/null || echo 0.1.0-dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

GOLANGCI_VERSION := v2.15.0
GOLANGCI := build/tools/golangci-lint
TAGS     := accept,browser
SEEDS    ?= # of simulate-faults, default 10000; of farm-proof, default 3
EXECS    ?= 1e7
CUTS     ?= 200
KILLS    ?= # of test-crash, default 12
READINGS ?= # of test-crash, default 500 a kill, at least 18000
SETS     ?= # of test-data, a regular expression; empty: all
TESTFLAGS ?=
IMAGE    ?= build/image/telltale.tar
BASE     ?= # image to build on: OCI layout, docker archive or reference; empty: libraries of this machine
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
SOURCES  = $(shell git ls-files -co --exclude-standard '*.go')

.PHONY: build onnxruntime demo test unit portable vet format arch check generated lint fmt tools \
	accept test-integration test-protocols test-data test-crash test-power test-sap simulate-faults farm-proof fuzz train-data shipped shipped-models test-exports web rootfs image test-install test-deploy bench bench-features bench-models clean help

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

build: onnxruntime ## bin/telltale and the ONNX Runtime library beside it
	go build -ldflags '$(LDFLAGS)' -o bin/telltale ./cmd/telltale

onnxruntime:
	@deploy/onnxruntime/fetch bin

demo: build ## a simulated wind farm on http://127.0.0.1:8080; options in DEMO_ARGS
	bin/telltale demo $(DEMO_ARGS)

test: format vet unit ## unit and architecture tests with the race detector, quick linters

unit: onnxruntime portable
	go test -race -shuffle=on -skip '^TestAccept' $(TESTFLAGS) ./...

portable: # the passes without vectors, as a plain go build has them; what is too long for the race detector
	GOEXPERIMENT= go test $(TESTFLAGS) ./dsp ./features ./pipeline ./models/...
	GOEXPERIMENT= GOARCH=arm64 CGO_ENABLED=0 go vet ./dsp ./features

vet:
	go vet -race ./...

format:
	@bad=$$(gofmt -l $(SOURCES) </dev/null); if [ -n "$$bad" ]; then echo "not formatted (run make fmt):"; echo "$$bad"; exit 1; fi

arch: ## the import table alone
	go test -count=1 ./internal/arch

check: test generated test-deploy ## before each commit: test, linters when built, generated code up to date, what is in deploy
	@if [ -x $(GOLANGCI) ]; then $(GOLANGCI) run --build-tags $(TAGS) ./... && $(GOLANGCI) fmt --diff >/dev/null || { echo "make fmt mends the format"; exit 1; }; \
	else echo "skipped: golangci-lint is not built (make lint builds it once)"; fi

generated: onnxruntime ## what is written by programs is what they write: docs/features.md, the page's bundle
	@out=$$(go test -count=1 -run '^TestFeaturesPage' ./cmd/telltale 2>&1) || { echo "$$out"; exit 1; }
	@if command -v npm >/dev/null; then cd web && { [ -d node_modules ] || npm ci --silent --no-audit --no-fund; } && cd bundle && go run . -check; \
	else echo "skipped: no npm, the page's bundle is not compared with its source"; fi

fmt: tools ## format everything
	$(GOLANGCI) fmt

lint: tools ## golangci-lint over the whole tree; builds it on the first call
	$(GOLANGCI) run --allow-parallel-runners --timeout 10m --build-tags $(TAGS) ./...

tools: $(GOLANGCI)
$(GOLANGCI):
	GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

test-integration: build ## the program as its users run it, the page in a browser (pictures in build/shots), the stand-in of TELLTALE_SAP_SANDBOX
	.ci/browser
	.ci/sap
	.ci/servers
	$(MAKE) --no-print-directory accept

test-protocols: onnxruntime ## ten minutes of each field protocol at real speed, its server killed and the network broken meanwhile
	TELLTALE_PROTOCOL_SECONDS=600 .ci/protocols

accept: onnxruntime ## the program run by its command line, killed, fed with bad input
	@if [ -d build/sap-sandbox/node_modules ]; then export TELLTALE_SAP_SANDBOX=$(CURDIR)/build/sap-sandbox; fi; \
	go test -count=1 -timeout 20m -tags accept $(TESTFLAGS) -run '^TestAccept' -skip '^TestAcceptData$$|^TestAcceptModelFigures' ./cmd/telltale

test-sap: ## the SAP adapter against the stand-in named by TELLTALE_SAP_SANDBOX
	.ci/sap

test-data: build ## acceptance on the folder of dataset folders named by TELLTALE_DATA
	@if [ -z "$${TELLTALE_DATA:-}" ] || [ ! -d "$$TELLTALE_DATA" ]; then echo "skipped: no data at $${TELLTALE_DATA:-TELLTALE_DATA (not set)}"; \
	else export TELLTALE_DATA="$$(cd "$$TELLTALE_DATA" && pwd)"; \
	go test -count=1 -timeout 10m $(TESTFLAGS) -run 'Data|Folder' ./dataset ./physics; \
	go test -count=1 -timeout 30m -tags accept $(TESTFLAGS) -run '^TestAcceptData$$/$(SETS)' ./cmd/telltale; \
	go test -count=1 -timeout 10m -tags accept -v -run '^TestAcceptModelFigures' ./cmd/telltale; \
	go test -count=1 -timeout 10m -v -run 'Virkler' ./physics; \
	go test -count=1 -timeout 10m -v -run '^TestLearnedCracks' ./cmd/telltale; \
	go test -count=1 -timeout 10m -tags accept -v -run '^TestAcceptFigures' ./cmd/telltale; fi

test-crash: onnxruntime ## kills, full disks and restarts; KILLS of processes on Apache Kafka and PostgreSQL: docs/crash-tests.md
	go test -race -count=1 $(TESTFLAGS) -run 'Kill|Crash|DiskFull|Torn|Restart' ./pipeline ./store/... ./workorders/... ./ingest/...
	TELLTALE_KILLS=$(or $(strip $(KILLS)),12) TELLTALE_READINGS=$(strip $(READINGS)) .ci/crash

test-power: ## CUTS losses of power of the embedded store, the spool and the journal (needs root and /dev/fuse): docs/faults.md
	TELLTALE_CUTS=$(CUTS) go test -count=1 -timeout 0 -v $(TESTFLAGS) -run '^TestPowerLoss' ./store/sqlite ./ingest/spool

fuzz: ## EXECS damaged messages through each decoder: no panic, no hang, no memory beyond 64 times the input
	TELLTALE_EXECS=$(EXECS) go test -count=1 -timeout 0 -v $(TESTFLAGS) -run '^TestMutations$$' ./ingest/...

simulate-faults: ## SEEDS runs of the flow and the forwarder in a world that goes wrong: docs/fault-simulation.md
	go test -count=1 -timeout 0 -v -run '^TestSimulation$$' ./internal/simtest -seeds $(or $(strip $(SEEDS)),10000)

farm-proof: build ## SEEDS farms over a year: what is found, missed and wrongly raised, with intervals; goes on where it stopped
	bin/telltale farm-proof --out build/faults --seeds $(or $(strip $(SEEDS)),3)

train-data: ## train what the real data sets need into build/models (TELLTALE_DATA)
	models/train/train-data

shipped-models: build ## remake the shipped models from healthy simulated turbines
	models/train/shipped

shipped: build ## remake the demo's baselines from healthy simulated turbines
	bin/telltale simulate --out build/shipped/farm --healthy --turbines 12 --seed 1 --start 2025-11-17T00:00:00Z \
	  --for 1080h --learning 1008h --wave-every 6h --force
	bin/telltale backtest build/shipped/farm --out build/shipped/run --force
	gzip -9nc build/shipped/run/baselines.json > cmd/telltale/shipped/baselines.json.gz

web: ## the page's bundle from its source (needs npm)
	cd web && npm ci --no-audit --no-fund && npm run --silent types && cd bundle && go run .

rootfs: onnxruntime # what the image holds
	@mkdir -p build/image/bin
	go build -trimpath -tags netgo,osusergo -ldflags '-s -w $(LDFLAGS)' -o build/image/bin/telltale ./cmd/telltale
	@cp bin/libonnxruntime.so build/image/bin/
	deploy/image/rootfs build/image/bin build/image/rootfs

image: rootfs ## container image without a container engine: IMAGE (build/image/telltale.tar), on BASE
	@GOWORK=off SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) go -C deploy/image run . -rootfs $(CURDIR)/build/image/rootfs \
	  -out $(abspath $(IMAGE)) -base '$(strip $(BASE))' -version '$(VERSION)' -commit '$(COMMIT)'

test-install: ## the image: made twice, compared, run; the unit in a systemd of its own (needs root)
	.ci/image
	.ci/unit

test-deploy: onnxruntime ## chart, compose file, unit, alerts and dashboard, by a module of their own
	@cd deploy/chart/test && if why=$$(GOWORK=off go list -deps -test . 2>&1 >/dev/null); then GOWORK=off go test -count=1 $(TESTFLAGS) .; \
	else echo "skipped: the modules that try deploy cannot be had: $$(tail -1 <<<"$$why")"; fi

bench: onnxruntime ## every benchmark of the tree
	go test -run '^$$' -bench . -benchmem ./...

bench-features: build ## the feature stage beside C with FFTW, numpy and gonum; options in BENCH_ARGS
	features/bench/run $(BENCH_ARGS)

bench-models: onnxruntime ## scoring beside ONNX Runtime's own Python package; options by environment: models/bench/run
	models/bench/run

test-exports: ## export by scikit-learn now (TOOLS="sklearn keras torch" for all) and try what comes out
	models/train/exports/run

clean: ## everything that make made, except the training environment
	rm -rf bin build/tools build/shots build/shipped build/faults build/ci build/image build/sap-sandbox

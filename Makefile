PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROUNDS ?= 3
WORKERS ?= 3
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo run test lint format bench properties field soak lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## A virtual environment with locked dependencies and `nonevent` in it

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "nonevent needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "no venv module: install your system's python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## A shop with faults on a real Kafka of its own, and nonevent beside it
	$(BIN)/nonevent demo $(ARGS)

run: install ## The daemon, as ./nonevent.yaml says
	$(BIN)/nonevent run $(ARGS)

test: install browser faketime kafka ## Every test, on real brokers and in a real browser; WORKERS=n side by side
	$(BIN)/pytest -m "not field and not soak" -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: browser
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| command -v google-chrome >/dev/null || sh tests/install-packages.sh chromium

.PHONY: kafka
kafka: install
	@$(BIN)/python -m demo.quick_start || echo "each broker takes its time to start"

.PHONY: faketime
faketime:
	@ls /usr/lib*/faketime/libfaketimeMT.so.1 /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null \
		| grep -q . || sh tests/install-packages.sh faketime

properties: install ## Every property, EXAMPLES=n times as many examples as in `make test` (40)
	EXAMPLES=$(or $(EXAMPLES),40) $(BIN)/pytest -n $(WORKERS) --timeout 0 -m "not field and not soak" \
		$$(grep -rl "import examples" tests --include="*.py") $(ARGS)

lint: install ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## ruff's formatting and its safe corrections
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: alertmanager
alertmanager: install
	@command -v alertmanager >/dev/null || sh tests/install-alertmanager.sh $(VENV)/alertmanager

.PHONY: prometheus
prometheus: install
	@command -v prometheus >/dev/null && command -v promtool >/dev/null \
		|| sh tests/install-prometheus.sh $(VENV)/prometheus

bench: install ## The figures: see docs/benchmarks.md
	$(BIN)/python bench/pipeline.py $(ARGS)

field: install browser faketime kafka alertmanager prometheus ## Each bus scenario ROUNDS times, and the long ones; tests/field-results.jsonl
	ROUNDS=$(ROUNDS) $(BIN)/pytest -m field $(ARGS)

soak: install faketime kafka ## A thousand kills (KILLS=n; ROUND=n goes on with the n-th fifty); hours; adds to tests/field-results.jsonl
	$(BIN)/pytest -m soak -s $(ARGS)

lock: install ## Resolve the dependencies anew
	$(BIN)/uv pip compile --quiet pyproject.toml --extra demo --group dev --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header -o requirements.lock

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What users type. `make help` lists it. Every target takes ARGS="…" for the program that it runs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET_DIR ?= $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET_DIR)/debug
ARGS ?=
FOR ?=
INPUT ?= data/online-retail-dataset.csv

export BROKER_BIN := $(BIN)/broker

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | \
		awk -F'\t' '{ printf "  make %-18s %s\n", $$1, $$2 }'
	@echo
	@echo '  Programs take flags by ARGS="…", as in: make run-streaming ARGS="--window 1m"'
	@echo '  KAFKA_BROKERS and DATABASE_URL choose another broker and database.'

# All programs at once: built one by one, shared dependencies would be compiled again for each.
.PHONY: build
build: tools ## Build all programs
	@$(CARGO) build --workspace

# OpenSSL's own configuration is a perl program; without perl's modules it fails after minutes, in words that do not help.
.PHONY: tools
tools:
	@perl -MIPC::Cmd -MFindBin -e 1 2>/dev/null || \
		{ echo "make: perl with its standard modules is needed to build OpenSSL: install perl" >&2; exit 1; }

.PHONY: demo
demo: build ## Watch the whole pipeline at work (FOR=60s ends it by itself)
	@$(BIN)/demo $(if $(FOR),--for $(FOR)) $(ARGS)

.PHONY: run-producer
run-producer: build broker-up ## Send purchases
	@$(BIN)/purchase-producer $(ARGS)

.PHONY: run-streaming
run-streaming: build broker-up ## Total purchases per window
	@$(BIN)/purchase-streaming $(ARGS)

.PHONY: run-bank-producer
run-bank-producer: build broker-up ## Send bank customers and their changes
	@$(BIN)/bank-producer $(ARGS)

.PHONY: run-bank-consumer
run-bank-consumer: build broker-up ## Keep the bank's customers and the averages of their balances
	@$(BIN)/bank-consumer $(ARGS)

.PHONY: run-etl
run-etl: build ## Customers per month and a report from invoices (INPUT=a file, folder or pattern)
	@$(BIN)/retail-etl run $(INPUT) $(ARGS)

.PHONY: broker
broker: build broker-up ## Start the embedded broker in the background, if none listens

.PHONY: broker-up
broker-up: build
	@scripts/broker.sh up

.PHONY: stop
stop: ## Stop the broker that a target started
	@scripts/broker.sh down

.PHONY: test
# The end-to-end tests run the programs, so these are built first.
test: build ## Run all tests that need no server
	@$(CARGO) test --workspace $(ARGS)

# Not in the project: see ../shared/data/README.md.
REAL_DATA := ../shared/data/online-retail-dataset.csv.zst

.PHONY: test-data
test-data: build ## Run the tests on the real invoices, if ../shared/data is there
	@if [ ! -e $(REAL_DATA) ]; then echo "$(REAL_DATA) is not there: nothing to test"; else \
		$(CARGO) test --workspace --lib --test retail_etl -- --ignored real_data $(ARGS); fi

.PHONY: test-real
test-real: build ## Run the tests on a real Kafka and PostgreSQL, started for them (ARGS="a name")
	@CARGO="$(CARGO)" scripts/test-real.sh $(ARGS)

MINUTES ?= 20

.PHONY: soak
soak: build ## Run everything on real servers for MINUTES=20, with kills, and check all of it
	@$(CARGO) build --workspace --example soak
	@ARUS_TEST_SEED=$${ARUS_TEST_SEED:-$$(date +%s)} scripts/real-servers.sh $(BIN)/examples/soak $(MINUTES)

.PHONY: test-airflow
test-airflow: build ## Run the DAG in a real Airflow from PyPI (some minutes the first time)
	@RETAIL_ETL=$(BIN)/retail-etl scripts/test-airflow.sh

.PHONY: check-compose
check-compose: ## Read docker-compose.yml and the Dockerfile with Docker's own parsers (needs Go)
	@scripts/check-compose.sh

.PHONY: test-compose
test-compose: ## Bring docker-compose.yml up, kill its containers and check the tables (needs Docker)
	@scripts/test-compose.sh $(ARGS)

.PHONY: lint
lint: ## Check format and lints
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: bench
bench: build ## Measure windows, the job end to end, and tables
	@$(CARGO) build --workspace --example count --example updates
	@$(BIN)/bench $(ARGS)
	@$(BIN)/examples/updates

.PHONY: bench-etl
bench-etl: build ## Measure the batch job beside Polars and DuckDB from PyPI (ROUNDS, COPIES, PYSPARK=1)
	@RETAIL_ETL_BIN=$(BIN)/retail-etl python3 scripts/bench-etl/bench.py

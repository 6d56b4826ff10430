# make demo   train a recognizer on a dataset drawn by code, and print its table
# make test   run the tests
# make lint   run ruff and mypy
# make docs   build the documentation and the leaderboards as web pages in docs/_build/html
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
    --budget small --backbone efficientnet-lite0 --set method.epochs=5 --set method.batch=8
RUN := $(BIN)/elrbench run $(PLAN) --cache $(DEMO)/cache --publish --folder $(BOARD)

.PHONY: demo test lint docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	@echo 'This demo trains a recognizer of 12 actions on 480 clips drawn by code, and tests it on 240 others.'
	@echo 'It sees 12x16 pixels per frame, starts from ImageNet weights, and trains for 5 epochs.'
	@echo 'The demo takes about 3 minutes on two idle cores, and seconds when it is repeated.'
	@echo 'It downloads nothing and writes only to $(DEMO).'
	rm -rf $(BOARD) $(DEMO)/supervised
	mkdir -p $(BOARD)
	$(RUN) --method supervised --out $(DEMO)/supervised
	@$(BIN)/elrbench leaderboard --folder $(BOARD) >$(DEMO)/tables.txt
	@$(BIN)/elrbench site --folder $(BOARD) --out $(DEMO)/site >>$(DEMO)/tables.txt
	@printf '\nA guess is right in 8.3 %% of the clips (1 of 12 classes).\n'
	@printf 'Run (weights, log, record, predictions): %s\nRecord and tables: %s\nOpen in a browser: %s\n' \
	    '$(DEMO)/supervised' '$(BOARD)' '$(DEMO)/site/index.html'

# One process per core, one thread each: on small networks, more threads cost more than they gain. A test that fails is run
# once more, because tests that start several processes depend on the load of the machine. The summary lists both results.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --reruns 1 -rfER

lint: $(VENV)/linters
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	$(BIN)/elrbench site --out docs/_build/html/leaderboards
	@printf '\nOpen in a browser: docs/_build/html/index.html\n'

clean:
	rm -rf $(VENV) build dist *.egg-info elrbench-runs/demo docs/_build

# Entry points and extras in setup.cfg take effect only when the package is installed again.
$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@echo 'Building $(VENV): takes a few minutes if packages are not in pip'\''s cache.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pretrained,flow,report,yardsticks,export,hf,hub,slurm,ray,tensorboard,docs,test]'
	@touch $@

$(VENV)/linters: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lint]'
	@touch $@

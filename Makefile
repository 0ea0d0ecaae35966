# Python 3.11+ and make are all that is needed; everything else is set up in .venv.
PYTHON ?= python3
VENV := .venv
# Which moments `make chaos` kills at; the same seed, the same moments.
SEED ?= 1
# How many cases of junk `make fuzz` feeds each parser, and how many parsers it feeds at a time.
CASES ?= 100000
JOBS ?= 2
# What `make chaos` runs on where that is not files: "--database postgresql --queue redis --archive s3"
PARTS ?=
# An interpreter that has pyxxl, for `make bench` to measure it beside the executor.
PYXXL_PYTHON ?=
BIN := $(VENV)/bin
# What asks a real server of ours: databases, queue, object store, coordination.
SERVICES := postgresql or mariadb or redis or s3 or zookeeper
# What needs no server, no browser and little patience.
QUICK := not browser and not faults and not processes
SOURCES := portal executor migrations tests benchmarks docs wsgi.py

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-slow test-services chaos fuzz check fix bench messages screenshots wheelhouse

help: ## 显示本帮助 Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## 准备 .venv Set up .venv (done by itself when needed)

run: $(VENV)/.ready ## 启动全部并迁移演示数据，继续服务 Start everything, migrate the demo tenant, keep serving
	@$(BIN)/imgmig demo --keep

demo: $(VENV)/.ready ## 演示一次真实迁移并核对 Perform and verify a real migration; last line is JSON
	@$(BIN)/imgmig demo

test: $(VENV)/.ready ## 运行不需要服务器的测试 Run the tests that need no server
	@$(BIN)/pytest -n 2 --dist loadfile -m "$(QUICK)"

test-slow: $(VENV)/.browser ## 故障、进程与浏览器测试 The tests of faults, processes and browser (Chromium)
	@$(BIN)/pytest -n 2 --dist loadfile -m "not ($(QUICK))"

test-services: $(VENV)/.services ## 在真实数据库、队列、S3、ZooKeeper 上测试 Tests against the real servers this machine has
	@$(BIN)/python -m tests.servers $(BIN)/pytest -n 2 --dist loadfile -m "($(SERVICES)) and ($(QUICK))"

chaos: $(if $(PARTS),$(VENV)/.services,$(VENV)/.ready) ## 在 200 个时刻强杀进程再核对，SEED=7 换一组 Kill processes at 200 seeded moments, then verify; SEED=7
	@$(if $(PARTS),$(BIN)/python -m tests.servers) $(BIN)/python -m tests.chaos.run --seed $(SEED) $(PARTS)

fuzz: $(VENV)/.ready ## 给每个解析器喂 100000 个坏输入，CASES=2000 少些 Feed every parser 100,000 cases of junk; CASES=2000 for fewer
	@$(BIN)/python -m tests.fuzz.run --cases $(CASES) --seed $(SEED) --jobs $(JOBS)

check: $(VENV)/.dev ## 格式、规范、类型、依赖方向、测试 Format, lint, types, import contracts, tests
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg
	@$(MAKE) --no-print-directory test

fix: $(VENV)/.dev ## 自动修正格式 Format and mend what can be mended
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(VENV)/.ready ## 测取文件、封存、页面与执行器 Measure fetching, the sealed trail, pages and the executor
	@$(BIN)/python benchmarks/fetch_clients.py
	@$(BIN)/python benchmarks/audit_trail.py
	@$(BIN)/python benchmarks/portal.py --documents 100000
	@$(BIN)/python -m benchmarks.executor $(if $(PYXXL_PYTHON),--pyxxl-python $(PYXXL_PYTHON))

$(VENV)/.venv-made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "需要 Python 3.11 或更新 Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "无法创建虚拟环境 cannot make a virtual environment; on Debian: apt install python3-venv"; exit 2; }
	@touch $@

$(VENV)/.ready: $(VENV)/.venv-made setup.cfg pyproject.toml
	@echo "准备环境 setting up $(VENV) …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

messages: $(VENV)/.ready ## 收集并编译界面文字 Collect and compile the texts of the pages
	@$(BIN)/pybabel -q extract -F portal/translations/babel.cfg -k _l -k gettext -k ngettext:1,2 \
		--omit-header --sort-by-file --no-location -o portal/translations/messages.pot portal
	@$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete -N -i portal/translations/messages.pot -d portal/translations -l en
	@$(BIN)/pybabel -q compile -d portal/translations

# What a host without internet installs from; made where Python and processor are the same.
# async-timeout: redis wants it with Python up to 3.11.2, such as Debian 12 has.
wheelhouse: $(VENV)/.venv-made ## 生成离线安装目录 dist/wheelhouse All wheels for a host without internet
	@rm -rf build dist/wheelhouse && mkdir -p dist/wheelhouse
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --wheel-dir dist/wheelhouse . 'async-timeout>=4.0.3'
	@cp -r deploy docs/zh CHANGELOG.md dist/wheelhouse/
	@cd dist/wheelhouse && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS
	@echo "dist/wheelhouse: $$(ls dist/wheelhouse/*.whl | wc -l) wheels, $$(du -sh dist/wheelhouse | cut -f1)"

screenshots: $(VENV)/.browser ## 重拍文档中的截图 Take the pictures of the documents again (Chromium)
	@$(BIN)/python docs/take_screenshots.py

$(VENV)/.services: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[services]'
	@touch $@

$(VENV)/.browser: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	@touch $@

$(VENV)/.dev: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

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
# How long `make soak` works, and on what where that is not files: "--database postgresql"
HOURS ?= 2
SOAK ?=
# An interpreter that has pyxxl, for `make bench` to measure it beside the executor.
PYXXL_PYTHON ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# What asks a real server of ours: databases, queue, object store, coordination.
SERVICES := postgresql or mariadb or redis or s3 or zookeeper
# What needs no server, no browser and little patience.
QUICK := not browser and not faults and not processes
SOURCES := portal executor migrations tests benchmarks docs supply wsgi.py
# What every deployment installs, and what its wheel is built by: pinned, hashed, wheels only.
LOCK := deploy/requirements.lock
BUILD_LOCK := deploy/build.lock
LOCKING := --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --only-binary :all: \
	--emit-build-options --custom-compile-command 'make lock' --upgrade --quiet

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-slow test-services chaos soak fuzz check fix bench messages screenshots \
	wheelhouse lock licences sbom audit

help: ## 显示本帮助 Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## 准备 .venv Set up .venv (done by itself when needed)

run: $(VENV)/.ready ## 启动全部并迁移演示数据，继续服务 Start everything, migrate the demo tenant, keep serving
	@$(BIN)/imgmig demo --keep

demo: $(VENV)/.ready ## 演示一次真实迁移并核对 Perform and verify a real migration; last line is JSON
	@$(BIN)/imgmig demo

# Kept, whatever the environment says: else each process that a test starts compiles the product anew.
test test-slow test-services: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.ready ## 运行不需要服务器的测试 Run the tests that need no server
	@$(BIN)/pytest -n 2 --dist loadfile -m "$(QUICK)"

test-slow: $(VENV)/.browser ## 故障、进程与浏览器测试 The tests of faults, processes and browser (Chromium)
	@$(BIN)/pytest -n 2 --dist loadfile -m "not ($(QUICK))"

test-services: $(VENV)/.services ## 在真实数据库、队列、S3、ZooKeeper 上测试 Tests against the real servers this machine has
	@$(BIN)/python -m tests.servers $(BIN)/pytest -n 2 --dist loadfile -m "($(SERVICES)) and ($(QUICK))"

chaos: $(if $(PARTS),$(VENV)/.services,$(VENV)/.ready) ## 在 200 个时刻强杀进程再核对，SEED=7 换一组 Kill processes at 200 seeded moments, then verify; SEED=7
	@$(if $(PARTS),$(BIN)/python -m tests.servers) $(BIN)/python -m tests.chaos.run --seed $(SEED) $(PARTS)

soak: $(if $(SOAK),$(VENV)/.services,$(VENV)/.ready) ## 连续运行 2 小时，内存、描述符、线程、临时文件、表不增长；HOURS=0.1 缩短 Works for 2 hours, and nothing grows; HOURS=0.1
	@$(if $(SOAK),$(BIN)/python -m tests.servers) $(BIN)/python -m tests.soak.run --hours $(HOURS) $(SOAK)

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
# All that the lock names, also for other patch versions of this Python, as Debian 12 has an early one.
wheelhouse: $(VENV)/.venv-made $(VENV)/every.lock ## 生成离线安装目录 dist/wheelhouse All wheels for a host without internet
	@rm -rf build dist/wheelhouse && mkdir -p dist/wheelhouse
	@$(PIP) install --require-hashes --requirement $(BUILD_LOCK)
	@$(PIP) download --require-hashes --requirement $(VENV)/every.lock --dest dist/wheelhouse
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist/wheelhouse .
	@$(BIN)/python -B -m supply.sbom dist/wheelhouse/sbom.cdx.json
	@cp -r deploy docs/zh docs/licences.md SECURITY.md CHANGELOG.md dist/wheelhouse/
	@cd dist/wheelhouse && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS
	@echo "dist/wheelhouse: $$(ls dist/wheelhouse/*.whl | wc -l) wheels, $$(du -sh dist/wheelhouse | cut -f1)"

# The lock with every "only where" taken off: one line for each package on any Python.
$(VENV)/every.lock: $(VENV)/.venv-made $(LOCK)
	@sed 's/ ; [^\\]*//' $(LOCK) >$@

lock: $(VENV)/.supply ## 更新锁定的依赖与许可证 Renew what deployments install, its hashes and licences
	@$(BIN)/python -m supply.wanted runtime | $(BIN)/uv pip compile - $(LOCKING) --output-file $(LOCK) >/dev/null
	@$(BIN)/python -m supply.wanted build | $(BIN)/uv pip compile - $(LOCKING) --output-file $(BUILD_LOCK) >/dev/null
	@for python in 3.11 3.12 3.13; do for cpu in x86_64 aarch64; do \
		$(BIN)/uv pip compile $(LOCK) --no-header --only-binary :all: --quiet \
			--python-version $$python --python-platform $$cpu-manylinux_2_28 >/dev/null || exit 1; done; done
	@$(MAKE) --no-print-directory licences
	@git --no-pager diff --stat -- deploy docs/licences.md 2>/dev/null || true

licences: $(VENV)/every.lock ## 列出许可证 docs/licences.md List the licences; refuses GPL, AGPL and unknown ones
	@rm -rf $(VENV)/locked
	@$(PIP) install --no-deps --require-hashes --target $(VENV)/locked --requirement $(VENV)/every.lock
	@$(BIN)/python -m supply.licences $(VENV)/locked

sbom: $(VENV)/.venv-made ## 生成物料清单 dist/sbom.cdx.json Software bill of materials (CycloneDX)
	@mkdir -p dist
	@$(BIN)/python -m supply.sbom dist/sbom.cdx.json
	@echo dist/sbom.cdx.json

audit: $(VENV)/.supply ## 查已知漏洞（须联网） Known vulnerabilities of what is locked (asks PyPI); see SECURITY.md
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement $(LOCK)

screenshots: $(VENV)/.browser ## 重拍文档中的截图 Take the pictures of the documents again (Chromium)
	@$(BIN)/python docs/take_screenshots.py

$(VENV)/.services: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[services]'
	@touch $@

$(VENV)/.supply: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[supply]'
	@touch $@

$(VENV)/.browser: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	@touch $@

$(VENV)/.dev: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

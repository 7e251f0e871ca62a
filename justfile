# Everything one does with a checkout. Each recipe makes the environment itself when it must.

set shell := ["bash", "-euo", "pipefail", "-c"]

bin := ".venv/bin"

# List the recipes.
default:
    @just --list --unsorted

# A whole trading day against the simulator on embedded servers, with a summary at the end.
demo *ARGS: environment
    {{bin}}/kst demo {{ARGS}}

# Derive every decision of a run again and compare it with the log, byte for byte.
verify *ARGS: environment
    {{bin}}/kst verify {{ARGS}}

# The same as verify, under the name of what it does: the day is replayed.
alias replay := verify

# Throw the read models away and fold them from the log again.
rebuild *ARGS: environment
    {{bin}}/kst rebuild {{ARGS}}

# How a run is doing, or how it ended.
status *ARGS: environment
    {{bin}}/kst status {{ARGS}}

# The tests that belong to every change.
test *ARGS: environment
    {{bin}}/python -m pytest {{ARGS}}

# The tests that take minutes: a whole day under faults.
test-slow *ARGS: environment
    {{bin}}/python -m pytest -m slow {{ARGS}}

# Third-party KIS clients, installed unmodified in environments of their own, on the simulator.
conformance *ARGS: environment client-environments
    {{bin}}/python -m tests.conformance {{ARGS}}

# An hour of market in three minutes under cuts, stalls, throttling and lost notices.
storm: environment
    {{bin}}/python -m pytest -m "" -k hour tests/chaos/test_storm.py

# Every state of the order protocol with two routers, crashes and lost messages; needs spin and gcc.
model *ARGS: environment
    {{bin}}/python -m tests.model {{ARGS}}

# The ten invariants, the tests that prove each of them, and how they end now.
invariants *ARGS: environment
    {{bin}}/python -m tests.invariants {{ARGS}}

# Drills: processes die at random and at every marked step, the books are compared after each time.
chaos *ARGS: environment
    {{bin}}/python -m tests.chaos {{ARGS}}

# Figures for the claims of speed, as ratios within one run.
bench: environment
    for file in tests/bench/bench_*.py; do {{bin}}/python -m "tests.bench.$(basename "$file" .py)"; done

# Backtests of other engines and ours on the same data, one table; --quick for a look.
bench-backtest *ARGS: environment peer-environments
    {{bin}}/python -m tests.bench.backtest {{ARGS}}

# Coverage-guided fuzzing of every parser, in an environment of its own; findings stay in .cache/fuzz.
fuzz SECONDS="300": environment
    mkdir -p .cache/fuzz
    PYTHONPATH=".:$({{bin}}/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
        uv run --quiet --no-project --python {{bin}}/python --with atheris python -m tests.fuzz \
        .cache/fuzz -artifact_prefix=.cache/fuzz/ -max_total_time={{SECONDS}} -max_len=4096 \
        -print_final_stats=1

# Everything a change must pass, lint beside the tests; the last line is that of the tests.
check *ARGS: environment
    #!/usr/bin/env bash
    set -uo pipefail
    mkdir -p .cache
    # Two processes, spread as tests/spreading.py says; lint yields to tests that keep time. A worker
    # that dies is a failure: another one would only die of the same test.
    nice just lint > .cache/lint.txt 2>&1 &
    linting=$!
    tested=0 linted=0
    just test -n 2 --max-worker-restart 0 --cov --cov-report=term:skip-covered {{ARGS}} || tested=$?
    wait $linting || linted=$?
    if [ $linted -ne 0 ]; then cat .cache/lint.txt; fi
    exit $((tested != 0 ? tested : linted))

# Format, lint, types, the order of rooms, purity of the deciders.
lint: environment
    {{bin}}/ruff format --check .
    {{bin}}/ruff check .
    {{bin}}/mypy
    {{bin}}/lint-imports
    {{bin}}/python -m deploy.purity

# Write code in the house format.
format: environment
    {{bin}}/ruff format .
    {{bin}}/ruff check --fix .

# Resolve the dependencies anew.
lock:
    uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
        pyproject.toml --extra data --extra archive --extra research --extra cluster \
        --group dev -o requirements.lock
    uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
        pyproject.toml --extra rl -o requirements-rl.lock
    for file in tests/conformance/requirements-*.in tests/bench/backtest/requirements-*.in; do \
        uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
            "$file" -o "${file%.in}.txt"; \
    done

# Make .venv hold exactly what the lock says; does nothing when it does already.
[private]
environment:
    #!/usr/bin/env bash
    set -euo pipefail
    wanted=$(sha256sum requirements.lock pyproject.toml | sha256sum)
    if [ "$(cat .venv/lock-in-force 2>/dev/null)" = "$wanted" ]; then exit 0; fi
    echo "setting up .venv (once per change of requirements.lock)" >&2
    [ -x {{bin}}/python ] || uv venv --quiet .venv
    uv pip sync --quiet --python {{bin}}/python --require-hashes requirements.lock
    uv pip install --quiet --python {{bin}}/python --no-deps --editable .
    echo "$wanted" > .venv/lock-in-force

# Make one environment per client under .conformance; does nothing for those that hold already.
[private]
client-environments:
    #!/usr/bin/env bash
    set -euo pipefail
    for file in tests/conformance/requirements-*.txt; do
        name=$(basename "$file" .txt)
        place=.conformance/${name#requirements-}
        wanted=$(sha256sum "$file")
        if [ "$(cat "$place/requirements-in-force" 2>/dev/null)" = "$wanted" ]; then continue; fi
        echo "setting up $place" >&2
        uv venv --quiet --clear --python 3.11 "$place"
        uv pip sync --quiet --python "$place/bin/python" --require-hashes "$file"
        echo "$wanted" > "$place/requirements-in-force"
    done

# Make one environment per engine under .bench; does nothing for those that hold already.
[private]
peer-environments:
    #!/usr/bin/env bash
    set -euo pipefail
    for file in tests/bench/backtest/requirements-*.txt; do
        name=$(basename "$file" .txt)
        place=.bench/${name#requirements-}
        wanted=$(sha256sum "$file")
        if [ "$(cat "$place/requirements-in-force" 2>/dev/null)" = "$wanted" ]; then continue; fi
        echo "setting up $place" >&2
        uv venv --quiet --clear --python 3.11 "$place"
        uv pip sync --quiet --python "$place/bin/python" --require-hashes "$file"
        echo "$wanted" > "$place/requirements-in-force"
    done

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

# Figures for the claims of speed, as ratios within one run.
bench: environment
    for file in tests/bench/bench_*.py; do {{bin}}/python -m "tests.bench.$(basename "$file" .py)"; done

# Everything a change must pass; the last line is that of the tests.
check: lint
    just test --cov --cov-report=term:skip-covered

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
        pyproject.toml --extra data --group dev -o requirements.lock
    uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
        pyproject.toml --extra rl -o requirements-rl.lock

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

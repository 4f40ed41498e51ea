#!/usr/bin/env bash
# A new user's path, each step timed: clone, install, a model and a loss of one's own, a search among three of each
# that is killed half-way and gone on with, the best two compared.
#
#     bash benchmarks/new_user.sh FOLDER        # that does not exist yet; prints seconds, leaves all that it made
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
[ $# = 1 ] || { echo "usage: bash benchmarks/new_user.sh FOLDER" >&2; exit 2; }
[ ! -e "$1" ] || { echo "$1 exists: give a folder that does not" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

step() {
    local name=$1 begun=$SECONDS
    shift
    if ! "$@" >"$name.log" 2>&1; then
        echo "$name failed: $PWD/$name.log" >&2
        exit 1
    fi
    echo "$name: $((SECONDS - begun)) s"
}

step clone git clone --quiet "$repository" PhaseLearn
install() { python3 -m venv .venv && . .venv/bin/activate && pip install -q -e './PhaseLearn[sweep]'; }
step install install
. .venv/bin/activate

cp -r PhaseLearn/examples/own_model my_phasing
cd my_phasing
step own_package pip install -q -e '.[test]'
step own_contracts pytest -q
step own_training phaselearn train model=mine loss=mine run=outputs/first

search=(phaselearn train -m sweep=optuna model=mine,mlp,cnn loss=mine,mse,l1
    experiment=quick_look hydra.sweeper.n_trials=6
    hydra.sweep.dir=outputs/search)
half_of_it() {
    setsid "${search[@]}" &
    local leader=$!
    until [ "$(ls outputs/search/*/results.csv 2>/dev/null | wc -l)" -ge 3 ]; do
        kill -0 $leader || return 1
        sleep 0.5
    done
    kill -KILL -- -$leader
}
step search_until_killed half_of_it
step search_gone_on "${search[@]}"
best_two() {
    python - <<'PYTHON'
import csv
from pathlib import Path

network = {run.parent: next(csv.DictReader(run.open())) for run in Path("outputs/search").glob("*/results.csv")}
print(*sorted(network, key=lambda run: -float(network[run]["median_cc"]))[:2], sep=",")
PYTHON
}
best=$(best_two)
step compare phaselearn runs "compare=[$best]"
cat compare.log

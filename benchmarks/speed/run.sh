#!/usr/bin/env bash
# Speed beside RecTools, and minutes to the published record's quality. One command, about 35 minutes on two idle cores:
#   CROSSAISLE_DATA=... bash benchmarks/speed/run.sh
# To try it out:  ROUNDS=1 BUDGET=5 EPOCHS=2 QUALITY_EPOCHS=1 OUT=build/speed/trial bash benchmarks/speed/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
PY=${PYTHON:-.venv/bin/python}                       # our environment
SPEED_ENV=${SPEED_ENV:-build/speed-rectools}         # RecTools' environment, made once
WORK=${WORK:-build/speed}                            # tables and vectors
OUT=${OUT:-benchmarks/results/speed}
ROUNDS=${ROUNDS:-3}
BUDGET=${BUDGET:-60}                                 # timed seconds of each RecTools run
EPOCHS=${EPOCHS:-4}                                  # epochs of each of our runs, of which the first is the warm-up
CONTROL_EPOCHS=${CONTROL_EPOCHS:-2}                  # the same, of the slower controls
QUALITY_EPOCHS=${QUALITY_EPOCHS:-}                   # empty: as the preset says
ARMS=${ARMS:-ours-ids rectools-sasrec ours-id-text rectools-unisrec ours-all quality}
CONTROLS=${CONTROLS-ours-ids-float32 ours-id-text-float32 ours-ids-float32-750 ours-id-text-float32-750 rectools-sasrec-bf16}
TORCH=2.13.0
# the same for every run: two threads, asleep while they wait, and no GPU
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} CUDA_VISIBLE_DEVICES=

# torch first and alone; PIP_ARGS="--index-url https://.../cpu" where the default index offers a CUDA build (as in the Makefile)
if [ ! -f "$SPEED_ENV/.ready" ]; then
    "${PYTHON_BASE:-python3}" -m venv "$SPEED_ENV"
    "$SPEED_ENV/bin/python" -m pip install --disable-pip-version-check --quiet ${PIP_ARGS:-} "torch==$TORCH"
    "$SPEED_ENV/bin/python" -W ignore -c 'import sys, torch; sys.exit(torch.version.cuda and f"torch {torch.__version__} is a CUDA build, expected a CPU build as on our side; remove the environment and set PIP_ARGS")'
    "$SPEED_ENV/bin/python" -m pip install --disable-pip-version-check --quiet "torch==$TORCH" -r benchmarks/speed/requirements-rectools.txt
    "$SPEED_ENV/bin/python" -W ignore -c 'from rectools.fast_transformers import UniSRecModel'
    touch "$SPEED_ENV/.ready"
fi
[ -f "$WORK/tables/beauty/interactions.parquet" ] || "$PY" benchmarks/prepare_amazon6.py "$WORK/tables/beauty" Beauty
"$PY" benchmarks/speed/prepare.py "$WORK/tables/beauty" "$WORK/data"
for arm in $ARMS $CONTROLS; do rm -f "$OUT"/round-*/"$arm.json"; done # other arms' results stay: one arm can be repeated alone
mkdir -p "$OUT"
cp "$WORK/data/data.json" "$OUT/data.json"

run() { # ARM ROUND
    local to="$OUT/round-$2/$1.json"
    case $1 in
        ours-*-float32*) "$PY" benchmarks/speed/train_ours.py "${1#ours-}" "$WORK/tables/beauty" --out "$to" --epochs "$CONTROL_EPOCHS" ;;
        ours-*) "$PY" benchmarks/speed/train_ours.py "${1#ours-}" "$WORK/tables/beauty" --out "$to" --epochs "$EPOCHS" ;;
        rectools-*) env -u PYTHONPATH "$SPEED_ENV/bin/python" -W ignore benchmarks/speed/train_rectools.py "${1#rectools-}" "$WORK/data" --out "$to" --seconds "$BUDGET" 2>"$WORK/rectools.log" || { cat "$WORK/rectools.log"; return 1; } ;;
        quality) "$PY" benchmarks/speed/quality.py "$WORK/tables/beauty" --out "$to" --seed $(($2 - 1)) ${QUALITY_EPOCHS:+--epochs "$QUALITY_EPOCHS"} ;;
    esac
}
for round in $(seq "$ROUNDS"); do
    echo "== round $round of $ROUNDS, load $(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)"
    for arm in $ARMS $CONTROLS; do run "$arm" "$round"; done
done
"$PY" benchmarks/speed/summary.py "$OUT"

#!/usr/bin/env bash
# Every benchmark of benchmarks/README.md, one after the other; each is one command. About an hour and a half on two idle cores.
#   CROSSAISLE_DATA=... bash benchmarks/run.sh [NAME ...]      (default: all)
set -euo pipefail
cd "$(dirname "$0")/.."
PY=${PYTHON:-.venv/bin/python}
TABLES=${TABLES:-benchmarks/tables}
OUT=benchmarks/results
BASELINES=popularity,item-knn,user-knn,ease,ials,text-knn,transition-graph

prepare() { # NAME CATEGORY... [--dated]
    [ -f "$TABLES/$1/interactions.parquet" ] || "$PY" benchmarks/prepare_amazon6.py "$TABLES/$1" "${@:2}"
}
trial() { # RESULT DATA PROTOCOL MODELS [option ...]
    echo "== $1"
    "$PY" -m crossaisle evaluate --interactions "$TABLES/$2/interactions.parquet" --items "$TABLES/$2/items.parquet" \
        --protocol "$3" --preset balanced --models "$4" --out "$OUT/$1" "${@:5}"
    "$PY" benchmarks/keep.py "$OUT/$1"
}

beauty() { prepare beauty Beauty; trial beauty beauty leave-one-out "$BASELINES,sasrec,crossaisle" --seeds 3; }
beauty_controls() { prepare beauty Beauty; trial beauty-controls beauty leave-one-out crossaisle-ids,crossaisle-words,crossaisle-text,crossaisle-shuffled-text,crossaisle; }
beauty_refit() { prepare beauty Beauty; trial beauty-refit beauty leave-one-out "$BASELINES,crossaisle" --refit; }
beauty_dated() { prepare beauty-dated Beauty --dated; trial beauty-dated-file-order beauty-dated leave-one-out popularity,transition-graph,sasrec,crossaisle; }
beauty_shuffled() { prepare beauty-dated Beauty --dated; trial beauty-dated-ties-shuffled beauty-dated leave-one-out popularity,transition-graph,sasrec,crossaisle --shuffle-ties; }
toys() { prepare toys Toys_and_Games; trial toys toys leave-one-out "popularity,ease,transition-graph,sasrec,crossaisle"; }
sports() { prepare sports Sports_and_Outdoors; trial sports sports leave-one-out "popularity,ease,transition-graph,sasrec,crossaisle"; }
# ids alone with the settings that Sports' validation prefers: the plain SASRec of "sports" is too strongly decayed there
sports_ids() { prepare sports Sports_and_Outdoors; trial sports-ids sports leave-one-out crossaisle-ids --set train.id_weight_decay=0.1 --set train.learning_rate=0.004 --set train.epochs=10 --set model.id_dropout=0; }
food_kitchen() { prepare food-kitchen Grocery_and_Gourmet_Food Home_and_Kitchen; trial food-kitchen-time food-kitchen time-split "$BASELINES,sasrec,crossaisle"; }
# of 6,000 users of two aisles or more the 5-core: an aisle's items need events to be learned from; small steps, since there are few events
transfer() {
    prepare amazon6-6000 all --apart --users 6000
    echo "== transfer"
    "$PY" -m crossaisle evaluate --interactions "$TABLES/amazon6-6000/interactions.parquet" --items "$TABLES/amazon6-6000/items.parquet" \
        --transfer --shuffle-ties --preset quick --set data.core=5 --set train.tokens_per_step=1024 --out "$OUT/transfer" "$@"
}
chinese() { echo "== chinese"; "$PY" benchmarks/chinese_similar.py; }
kill_nine() { echo "== kill -9"; "$PY" benchmarks/kill_nine.py --out "$OUT/kill_nine.json"; }
speed() { echo "== speed"; bash benchmarks/speed/run.sh; } # only when named: it needs an idle machine
scale() { echo "== scale"; "$PY" benchmarks/scale.py read; "$PY" benchmarks/scale.py epoch; "$PY" benchmarks/scale.py table; }

for name in ${@:-beauty beauty_controls beauty_refit beauty_dated beauty_shuffled toys sports sports_ids food_kitchen transfer chinese kill_nine scale}; do "$name"; done

#!/usr/bin/env bash
# Every benchmark of benchmarks/README.md, one after the other; each is one command. Several hours on two idle cores.
#   CROSSAISLE_DATA=... bash benchmarks/run.sh [NAME ...]      (default: all)
# What switches, attack, asking, labels and ratings have written is gone on with, not done again: to repeat them, move their results away.
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
        --protocol "$3" --preset "${PRESET:-balanced}" --models "$4" --out "$OUT/$1" "${@:5}"
    "$PY" benchmarks/keep.py "$OUT/$1"
}

beauty() { prepare beauty Beauty; trial beauty beauty leave-one-out "$BASELINES,sasrec,crossaisle-network,crossaisle" --seeds 3; }
beauty_controls() { prepare beauty Beauty; trial beauty-controls beauty leave-one-out crossaisle-ids,crossaisle-words,crossaisle-text,crossaisle-shuffled-text,crossaisle; }
beauty_refit() { prepare beauty Beauty; trial beauty-refit beauty leave-one-out "$BASELINES,crossaisle-network,crossaisle" --refit; }
beauty_dated() { prepare beauty-dated Beauty --dated; trial beauty-dated-file-order beauty-dated leave-one-out popularity,transition-graph,sasrec,crossaisle-network,crossaisle; }
beauty_shuffled() { prepare beauty-dated Beauty --dated; trial beauty-dated-ties-shuffled beauty-dated leave-one-out popularity,transition-graph,sasrec,crossaisle-network,crossaisle --shuffle-ties; }
# preset best: the blend with iALS
beauty_best() { prepare beauty Beauty; PRESET=best trial beauty-best beauty leave-one-out popularity,ease,transition-graph,crossaisle-network,crossaisle; }
beauty_refit_best() { prepare beauty Beauty; PRESET=best trial beauty-refit-best beauty leave-one-out ease,transition-graph,crossaisle --refit; }
toys_best() { prepare toys Toys_and_Games; PRESET=best trial toys-best toys leave-one-out transition-graph,crossaisle; }
sports_best() { prepare sports Sports_and_Outdoors; PRESET=best trial sports-best sports leave-one-out transition-graph,crossaisle-without-counts,crossaisle; }
blind() { # the blend's weights blind to counts: in data cut to five events an item, a low count says that the rest was held back
    prepare beauty Beauty; prepare toys Toys_and_Games
    PRESET=best trial beauty-best-blind beauty leave-one-out crossaisle-without-counts; PRESET=best trial toys-best-blind toys leave-one-out crossaisle-without-counts
}
toys() { prepare toys Toys_and_Games; trial toys toys leave-one-out popularity,ease,transition-graph,sasrec,crossaisle-network,crossaisle; }
sports() { prepare sports Sports_and_Outdoors; trial sports sports leave-one-out popularity,ease,transition-graph,sasrec,crossaisle-network,crossaisle; }
COLD=popularity,word-popularity,text-knn,word-knn,crossaisle-network,crossaisle-without-counts,crossaisle
beauty_cold() { prepare beauty Beauty; trial beauty-cold beauty cold-item "$COLD"; }
toys_cold() { prepare toys Toys_and_Games; trial toys-cold toys cold-item "$COLD"; }
cold_aisle() { # an aisle that nobody has bought from; the items table in an order by chance, because its own order tells
    prepare three-shuffled Toys_and_Games Sports_and_Outdoors Beauty --apart --shuffle-items
    PRESET=quick trial cold-aisle three-shuffled cold-aisle "$COLD" --aisle Toys_and_Games
    PRESET=quick trial cold-aisle-beauty three-shuffled cold-aisle word-popularity,text-knn,crossaisle --aisle Beauty
    PRESET=quick trial cold-aisle-sports three-shuffled cold-aisle word-popularity,text-knn,crossaisle --aisle Sports_and_Outdoors
}
# across aisles: six aisles, a hidden one of 2,276 people
hidden_aisle() { prepare six all --apart; trial hidden-aisle six hidden-aisle popularity,item-knn,user-knn,ials,crossaisle --refit; }
# the factored objective with small aisles weighed up; only when named
hidden_factored() { prepare six all --apart; trial hidden-aisle-factored six hidden-aisle popularity,ials,crossaisle --refit --set train.objective=factored --set train.aisle_balance=.5; }
hidden_controls() { prepare six all --apart; trial hidden-aisle-controls six hidden-aisle crossaisle,crossaisle-ids,crossaisle-text-words,crossaisle-without-ridge,crossaisle-shuffled-aisles --set train.epochs=1; }
first_visit() { prepare food-kitchen Grocery_and_Gourmet_Food Home_and_Kitchen; trial first-visit-food-kitchen food-kitchen first-visit popularity-aisle,user-knn,ials,graph-popularity,crossaisle; }
# the demo's own trial on the packaged supermarket data
first_visit_supermarket() {
    echo "== first-visit-supermarket"
    "$PY" -m crossaisle demo --out "$TABLES/demo"
    rm -rf "$OUT/first-visit-supermarket" && cp -r "$TABLES/demo/first-visit" "$OUT/first-visit-supermarket"
    "$PY" benchmarks/keep.py "$OUT/first-visit-supermarket"
}
# the protocol of papers on Food-Kitchen: mixed sequences, 999 sampled negatives of the target's own domain
abxi() {
    [ -f "$TABLES/abxi/interactions.parquet" ] || "$PY" benchmarks/prepare_food_kitchen.py "$TABLES/abxi"
    trial food-kitchen-sampled abxi leave-one-out popularity-aisle,ials,crossaisle --sampled-negatives 999 --seeds 3
}
graph() { echo "== graph"; "$PY" benchmarks/graph.py; }
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
# items that are seen; the data are not shipped here
ikea() {
    echo "== ikea"; "$PY" benchmarks/ikea.py "$OUT/ikea/results.json"; "$PY" benchmarks/ikea.py "$OUT/ikea/gate.json" --set model.fusion=gate
    "$PY" benchmarks/ikea.py "$OUT/ikea/pairs.json" --splits 8 --arms "type,text,both,shuffled photos" --without-missing --set model.fusion=gate --set model.modality_dropout=.3
}
luma() { echo "== luma"; "$PY" benchmarks/luma.py "$OUT/luma/results.json"; }
video() { echo "== video"; "$PY" benchmarks/video.py "$OUT/video/results.json"; }
photos() { echo "== photos"; "$PY" benchmarks/photos.py "$OUT/photos/results.json"; }
# domain pretraining: hours on two cores, so only when named; fast judges first, networks by --models
pretrain_hidden_aisle() { prepare six all --apart; echo "== pretrain-hidden-aisle"; "$PY" benchmarks/pretrain_hidden_aisle.py "$TABLES/six" "$OUT/pretrain-hidden-aisle/all.json" --work "$TABLES/pretrained" "$@"; }
# new items and known ones with the reader tuned on pairs bought together: 5 minutes of tuning an arm
pretrain_cold() {
    prepare beauty Beauty
    echo "== pretrain-cold"
    "$PY" benchmarks/pretrain_labels.py "$TABLES/beauty" "$OUT/pretrain-cold/beauty.json" --protocol cold-item --shares 1 --questions 30000 \
        --models crossaisle-text,crossaisle-ids-text,crossaisle --work "$TABLES/pretrained" --set pretrain.objectives=pairs \
        --set pretrain.epochs=1 --set pretrain.max_tokens=32 --set pretrain.form=last-n --set pretrain.layers=2 "$@"
}
pretrain_labels() {
    prepare beauty Beauty; prepare three Toys_and_Games Sports_and_Outdoors Beauty --apart
    echo "== pretrain-labels"
    "$PY" benchmarks/pretrain_labels.py "$TABLES/beauty" "$OUT/pretrain-labels/beauty.json" --work "$TABLES/pretrained" "$@"
    "$PY" benchmarks/pretrain_labels.py "$TABLES/three" "$OUT/pretrain-labels/new-aisle.json" --protocol cold-aisle --aisle Toys_and_Games --shares 1 --work "$TABLES/pretrained" "$@"
}
chinese() { echo "== chinese"; "$PY" benchmarks/chinese_similar.py; "$PY" benchmarks/chinese_tuned.py "$OUT/chinese_tuned.json"; }
# the language model trained inside the recommender: hours; TUNE="--users 2000 --epochs 3" makes it small
# what is kept in results/tune-cost was run in parts: --arms, --users and --epochs of each stand in its file
tune_cost() { for shop in beauty toys; do
    if [ $shop = beauty ]; then prepare beauty Beauty; else prepare toys Toys_and_Games; fi
    echo "== tune-cost $shop"; "$PY" benchmarks/tune_cost.py "$TABLES/$shop" "$OUT/tune-cost/$shop.json" ${TUNE:-}
done; }
wish() { echo "== wish"; for data in beauty chinese; do "$PY" benchmarks/wish.py "$data"; done; }
writer() { echo "== writer"; for data in beauty chinese; do "$PY" benchmarks/writer.py "$data" --writer smollm2; done; }
# a new aisle on a frozen trunk, of 8,000 people; by hand --users 1000 --epochs 3 makes it small
adapter() {
    prepare three Toys_and_Games Sports_and_Outdoors Beauty --apart
    echo "== adapter"; "$PY" benchmarks/adapter.py "$TABLES/three" "$OUT/adapter/toys.json" --users 8000 "$@"
}
kill_nine() { echo "== kill -9"; "$PY" benchmarks/kill_nine.py --out "$OUT/kill_nine.json"; }
rerank() { prepare beauty Beauty; echo "== rerank"; "$PY" benchmarks/rerank.py "$TABLES/beauty" "$OUT/rerank/rerank.json"; }
# models under attack, trained against it and plainly, until more plain training brings no more (the 2,000 items of most events: the
# language model reads every noise anew); made-up people, with and without the defence; the detector by itself; only when named
attack() {
    prepare beauty Beauty; prepare toys Toys_and_Games
    echo "== attack"
    local small=(--seeds 2 --items 2000 --set train.tokens_per_step=512 --set attack.questions=6000)
    local few=(--set attack.vectors=.05,.1,.2 --set attack.typos=.1,.2 --set attack.homoglyphs=.1 --set attack.words= --set attack.cut=)
    "$PY" benchmarks/attack.py "$TABLES/beauty" "$OUT/attack/beauty.json" --arms plain,longer,noise,fgm,typos "${small[@]}" "${few[@]}" \
        --set train.epochs=16 --set train.char_noise_sets=1 "$@"
    # three more seeds of what settles whether clean accuracy is kept
    "$PY" benchmarks/attack.py "$TABLES/beauty" "$OUT/attack/beauty-typos.json" --arms plain,typos,longer --first 3 --seeds 3 "${small[@]:2}" \
        --set attack.kinds=texts --set attack.typos=.1 --set attack.homoglyphs= --set attack.words= --set attack.cut= --set train.epochs=16 --set train.char_noise_sets=1 "$@"
    # the whole catalogue: where 2,000 items are left, the detector's threshold misses most (results/attack/beauty-shilling-2000.json)
    "$PY" benchmarks/attack.py "$TABLES/beauty" "$OUT/attack/beauty-shilling.json" --arms off,downweight --first 3 --seeds 1 --set attack.shares=.01 "$@"
    for shop in beauty toys; do "$PY" benchmarks/attack.py "$TABLES/$shop" "$OUT/attack/$shop-detection.json" --arms detection --first 3 --seeds 1 "$@"; done
}
encode_speed() { echo "== encode speed"; "$PY" benchmarks/encode_speed.py --out "$OUT/encode_speed"; } # only when named: it needs an idle machine
speed() { echo "== speed"; bash benchmarks/speed/run.sh; } # only when named: it needs an idle machine
# each switch of training alone, 3 seeds, with controls of equal compute, on some of the people; hours, so only when named
# (few people want small steps; shops of one aisle have nothing to set aisles apart; the blend's parts do not join the network that is asked alone)
switches() {
    prepare beauty Beauty; prepare toys Toys_and_Games; prepare amazon6-4000 all --apart --users 4000
    echo "== switches"
    local arms=plain,longer,dropout,noise,fgm,fgm-text,pgd,vat,views,item,ips,popularity,typos
    "$PY" benchmarks/switches.py "$TABLES/beauty" "$OUT/switches/beauty.json" --arms $arms --users 8000 --set train.tokens_per_step=1024 "$@"
    "$PY" benchmarks/switches.py "$TABLES/toys" "$OUT/switches/toys.json" --arms ${arms%,typos} --users 4000 --set train.tokens_per_step=1024 "$@"
    # what helped on validation, where plain training is longer: the preset balanced
    "$PY" benchmarks/switches.py "$TABLES/beauty" "$OUT/switches/beauty-balanced.json" --preset balanced --arms plain,longer,noise,fgm,fgm-text --users 8000 --set train.tokens_per_step=1024 "$@"
    # 3,000 people of two aisles or more, by ids and words: text adds nothing beside ids there (hidden_controls), and is slow to read
    "$PY" benchmarks/switches.py "$TABLES/amazon6-4000" "$OUT/switches/hidden-aisle.json" --protocol hidden-aisle --models crossaisle --users 3000 \
        --arms plain,longer,noise,fgm,views,item,aisles,popularity,factored --set model.senses=id,words --set blend.parts=markov,word-knn "$@"
}
# asking played through on 5,000 people: 3 seeds x 14 arms and budgets, a training of the small network each; only when named
asking() { prepare beauty Beauty; echo "== asking"; "$PY" benchmarks/ask.py "$TABLES/beauty" "$OUT/ask/beauty.json" --users 5000 "$@"; }
ratings() { echo "== ratings"; "$PY" benchmarks/ratings.py "$OUT/ratings/ratings.json" "$@"; } # only when named
labels() { prepare beauty Beauty; echo "== labels"; "$PY" benchmarks/labels.py "$TABLES/beauty" "$OUT/labels/beauty.json" "$@"; } # only when named
# sixty minutes of search, killed (-9) after 18 and after 38 of them, resumed each time; its default and its winner are asked the unseen test; only when named
tune() {
    prepare beauty Beauty
    echo "== tune"
    local search=("$PY" -m crossaisle tune --interactions "$TABLES/beauty/interactions.parquet" --items "$TABLES/beauty/items.parquet" --preset quick --trials 1000 --out "$OUT/tune/beauty" --json)
    timeout -s KILL 18m "${search[@]}" --minutes 60 || true
    timeout -s KILL 20m "${search[@]}" --minutes 42 --resume || true
    "${search[@]}" --minutes 22 --resume
}
reviews() { echo "== reviews"; "$PY" benchmarks/reviews.py "$OUT/reviews/reviews.json"; }
scale() { echo "== scale"; "$PY" benchmarks/scale.py read; "$PY" benchmarks/scale.py epoch; "$PY" benchmarks/scale.py table; }

# estimates from biased exposures, 1,000 draws: a minute
debias() { prepare beauty Beauty; echo "== debias"; "$PY" benchmarks/debias.py "$TABLES/beauty" "$OUT/debias/simulation.json"; }
# learning from feedback in service: a time split event by event; replayed policies, exploring and planted faults where the truth is known
prequential() {
    [ -f "$TABLES/abxi/interactions.parquet" ] || "$PY" benchmarks/prepare_food_kitchen.py "$TABLES/abxi"
    [ -f "$TABLES/supermarket/interactions.parquet" ] || "$PY" -m crossaisle import retail --out "$TABLES/supermarket"
    echo "== prequential"
    "$PY" benchmarks/prequential.py "$TABLES/supermarket" "$OUT/prequential/supermarket.json" --people 700 --questions 8000
    "$PY" benchmarks/prequential.py "$TABLES/abxi" "$OUT/prequential/food-kitchen.json" --data food-kitchen --weeks 104 --look new --questions 5000
    "$PY" benchmarks/repeats.py "$TABLES/supermarket" "$OUT/prequential/repeats.json"
}
# the service under load: 100,000 items (six aisles, 12,191 of them copies), 121,664 people; wrk and an idle machine are needed, and half an hour
service() {
    prepare six all --apart
    echo "== service"
    "$PY" benchmarks/service/shop.py "$TABLES/six" "$TABLES/six100k" 100000
    [ -d "$TABLES/six100k.model" ] || "$PY" -m crossaisle fit --interactions "$TABLES/six100k/interactions.parquet" --items "$TABLES/six100k/items.parquet" \
        --preset quick --set train.epochs=1 --set train.refit=false --set blend.questions=1000 --out "$TABLES/six100k.model"
    "$PY" benchmarks/service/run.py "$TABLES/six100k.model" --out "$OUT/service" --what closed,fresh,paced,overload,intake,items,soak --rates 300,500,1000 --serve "--workers 2" "$@"
    "$PY" benchmarks/service/run.py "$TABLES/six100k.model" --out "$OUT/service" --what fuzz,schema --examples 60 "$@"
}
# a smaller shop of many aisles, the demo's own model: with the ridge written out and without
service_demo() {
    [ -d "$TABLES/demo/model" ] || "$PY" -m crossaisle demo --out "$TABLES/demo"
    echo "== service-demo"
    local mb
    for mb in 0 512; do
        "$PY" benchmarks/service/run.py "$TABLES/demo/model" --out "$OUT/service/demo-table-$mb" --what fresh --seconds 15 --rates 20,100,200 --settle 20 --serve "--workers 2 --set live.table_mb=$mb" "$@"
    done
}
# a million vectors, one thread; an idle machine is needed, and ten minutes
million() {
    prepare beauty Beauty
    echo "== million"
    [ -d "$TABLES/million.model" ] || "$PY" -m crossaisle fit --interactions "$TABLES/beauty/interactions.parquet" --items "$TABLES/beauty/items.parquet" \
        --preset quick --set train.epochs=2 --set model.senses=id,words --out "$TABLES/million.model"
    OMP_NUM_THREADS=1 "$PY" benchmarks/service/search.py "$TABLES/million.model" --calls 1000 --out "$OUT/service/search.json" "$@"
}
refit() {
    [ -f "$TABLES/abxi/interactions.parquet" ] || "$PY" benchmarks/prepare_food_kitchen.py "$TABLES/abxi"
    echo "== refit"
    "$PY" benchmarks/refit.py --out "$OUT/refit/supermarket-4-weeks.json" --weeks 4 --recipes 1:0.3:1 --set blend.questions=2000 --set refit.people=1000 "$@"
    "$PY" benchmarks/refit_weekly.py "$TABLES/abxi" "$OUT/refit/food-kitchen-weekly-earlier.json" --earlier --stretch 8 --weeks 104 --arms "warm;warm, always;elsewhere"
    "$PY" benchmarks/refit_weekly.py "$TABLES/abxi" "$OUT/refit/food-kitchen-weekly-earlier-placebos.json" --earlier --stretch 8 --weeks 104 --arms "old;old, always;shuffled, always;elsewhere, always"
    "$PY" benchmarks/refit_weekly.py "$TABLES/abxi" "$OUT/refit/food-kitchen-weekly.json" --stretch 8 --weeks 104 --arms "warm;warm, always;shuffled;elsewhere;anew"
}
replay() { echo "== replay"; "$PY" benchmarks/replay.py "$OUT/replay/simulation.json"; }
explore() { echo "== explore"; "$PY" benchmarks/explore.py "$OUT/explore/simulation.json" --seeds 16; }
newcomer() { [ -d "$TABLES/demo/model" ] || "$PY" -m crossaisle demo --out "$TABLES/demo"; echo "== newcomer"; "$PY" benchmarks/newcomer.py "$TABLES/demo/model" "$OUT/newcomer/demo.json"; }
abnormal() { echo "== abnormal"; "$PY" benchmarks/abnormal.py "$OUT/abnormal/planted.json" --draws 50; }
# training against popularity, natural questions and evenly asked ones beside each other, when to stop chosen by even ones; only when named
debias_beauty() {
    prepare beauty Beauty
    local arm settings
    PRESET=quick trial debias-beauty-natural beauty leave-one-out popularity,crossaisle-network # stopped by natural questions
    for arm in none ips popularity popularity-auto afterwards; do
        case $arm in
            none) settings=(--set train.debias=none) ;;
            ips) settings=(--set train.debias=ips) ;;
            popularity) settings=(--set train.debias=popularity) ;;
            popularity-auto) settings=(--set train.debias=popularity --set train.debias_serve=auto) ;;
            afterwards) settings=(--set train.debias=popularity --set train.debias_gamma=0 --set train.debias_serve=auto) ;; # the control
        esac
        PRESET=quick trial "debias-beauty-$arm-intervened" beauty leave-one-out popularity,crossaisle-network --intervened "${settings[@]}"
    done
}

for name in ${@:-beauty beauty_controls beauty_refit beauty_best beauty_refit_best toys_best sports_best beauty_dated beauty_shuffled beauty_cold toys toys_cold cold_aisle sports sports_ids food_kitchen hidden_aisle hidden_controls first_visit first_visit_supermarket abxi graph transfer ikea luma video photos chinese kill_nine reviews rerank scale debias adapter prequential replay explore newcomer abnormal}; do "$name"; done

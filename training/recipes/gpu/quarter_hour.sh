#!/usr/bin/env bash
# A checkpoint goes on learning on one data-centre GPU for a set time: phantoms are drawn on the other cores while the U-Net and
# the decoder learn side by side from what is there; then the U-Net gets a student for pictures in eight evaluations.
#   training/recipes/gpu/quarter_hour.sh SECONDS OUT [FOLDER...]     # further folders of pictures to learn from
# runs/isic2017 must be there. Results: OUT/checkpoint (the student), OUT/teacher, OUT/logs. Run it again with more SECONDS to go on.
# Set from outside: START, the checkpoint to go on from (generation/embedded, or what `script2skin train widen` made of it);
# COUNT, SEED and VARIETY of the phantoms; RECIPES, their folder; WAIT_FOR, a file that says that the U-Net of START is there, for
# where it comes last: what it needs is compiled meanwhile; DECODER=no, the decoder stays as it is and the U-Net has the GPU to
# itself; WEAK=yes, further phantoms of what came out worst so far; UNTIL, the share of the time at which the U-Net ends.
#
# Seen on an H200 with 16 slow cores: with the decoder beside it (600 s, VARIETY=0.3, START widened to 32 latent channels) 12 steps of
# 512 a second after 191 s, 2,729 of them; 7.5 student steps of 384 a second; 51 phantoms a second. Alone (720 s, VARIETY=0.4,
# WEAK=yes) 11.2 steps of 512 a second from 138 s on, 3,961 of them; 652 student steps in 89 s; 29,000 phantoms in 540 s. Not
# compiled, a step took 94 ms with 512 and 102 ms with 1,024 pictures, all of it spent on telling the GPU what to do (48 % of the
# time it had nothing to do), so the batches of the recipes are now three times as large, which nobody has tried yet.
set -u
seconds=$1 out=$2
shift 2
begun=$(date +%s)
cores=$(nproc --all) # without --all it would answer OMP_NUM_THREADS
start=${START:-generation/embedded}
mkdir -p runs "$out/logs"
recipes=runs/recipes
mkdir -p $recipes
cp "${RECIPES:-training/recipes/gpu}"/*.yaml $recipes
sed -i "s|generation/embedded|$start|" $recipes/continue_*.yaml
for folder in "$@"; do sed -i "s|^data:\$|data:\n  - {path: $folder}|" $recipes/continue_{unet,guidance,autoencoder,sharpen}.yaml; done
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
s2s() { python3 -c "import script2skin; script2skin.main()" "$@"; }
train() { # part, recipe, share of the time at which it ends
  local minutes
  minutes=$(python3 - "$begun" "$seconds" "$3" "$1" <<'PY'
import json, sys, time
from pathlib import Path
begun, seconds, share = map(float, sys.argv[1:4])
manifests = sorted(Path("runs", sys.argv[4], "checkpoints").glob("[0-9]*/manifest.json"))
before = json.loads(manifests[-1].read_text())["seconds"] if manifests else 0  # a recipe's minutes count from its first step
print(max(0.05, (before + begun + seconds * share - time.time() - 12) / 60))
PY
  )
  echo "$(($(date +%s) - begun)) s: $1 for $minutes min"
  OMP_NUM_THREADS=$((cores > 8 ? 6 : 2)) s2s train "$1" "$recipes/$2.yaml" --minutes "$minutes" >>"$out/logs/$1.log" 2>&1 || echo "$1 ended with $?"
}
listed() { cat runs/phantoms/metadata.jsonl 2>/dev/null | wc -l; }

groups=()
phantoms() { # folder, seed, processes, further options; what learns goes first
  setsid nice -n 19 python3 -c "import script2skin; script2skin.main()" data phantoms --out "runs/$1" --count "${COUNT:-60000}" \
    --seed "$2" --variety "${VARIETY:-0.5}" --workers "$3" "${@:4}" >"$out/logs/$1.log" 2>&1 &
  groups+=($!)
}
drawn() { for group in "${groups[@]}"; do kill -TERM -- "-$group" 2>/dev/null; done; }
trap drawn EXIT
seed=${SEED:-71} free=$((cores > 4 ? cores - 2 : 1))
if [ "${WEAK:-no}" = yes ]; then
  phantoms phantoms "$seed" $((free > 5 ? free - 4 : 1)) --typical 3
  phantoms weak $((seed + 1)) 2 --typical 3 --rash 'pityriasis rosea' --rash warts --rash acne --rash chickenpox --rash rosacea \
    --rash 'contact dermatitis' --rash 'seborrheic dermatitis' --rash shingles --rash scabies
  phantoms limbs $((seed + 2)) 2 --area arm --area leg --area elbow --area 'back of the knee' --area buttock --area forearm
  sed -i 's|^  - {path: runs/phantoms}|&\n  - {path: runs/weak}\n  - {path: runs/limbs}|' $recipes/continue_{unet,guidance,autoencoder,sharpen}.yaml
else
  phantoms phantoms "$seed" "$free" --typical 3
fi
drawing=${groups[0]}
# What is compiled is kept, and found again by who needs it next.
once() { # part, further changes to its recipe: two steps of it
  sed "s|^run: .*|run: runs/warm/$1|; s|{minutes: [0-9.]*,|{minutes: 1, max_steps: 2,|; s|^grows: .*|grows: false|; /^show:/,\$d; s|^latents: .*|latents: runs/warm/latents_$1|; /path: runs.\(phantoms\|weak\|limbs\)/d; $2" \
    $recipes/continue_$1.yaml >$recipes/warm_$1.yaml
  s2s train "$1" $recipes/warm_$1.yaml >"$out/logs/warm_$1.log" 2>&1
}
teacher=$start encoded=
if [ -n "${WAIT_FOR:-}" ]; then
  encoded="s|^latents: .*|latents: runs/latents|" # what is encoded is there for the run itself; nobody else writes meanwhile
  once unet "/^start:/d; $encoded"
  teacher=runs/warm/unet
fi
once guidance "s|^teacher: .*|teacher: $teacher|; /^student:/d; /^since:/d; $encoded" &
warm=$!
few() { for name in phantoms weak limbs; do [ -e "$out/logs/$name.log" ] && [ "$(wc -l 2>/dev/null <runs/$name/metadata.jsonl || echo 0)" -lt 150 ] && return; done; false; }
while [ "$(listed)" -lt 512 ] || few; do
  kill -0 "$drawing" 2>/dev/null || { tail -n 3 "$out/logs/phantoms.log"; exit 1; }
  sleep 1
done
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
(
  [ "${DECODER:-yes}" = no ] && exit
  until [ "$(listed)" -ge 2000 ] || ! kill -0 "$drawing" 2>/dev/null; do sleep 1; done
  train autoencoder continue_autoencoder 0.6
  train sharpen continue_sharpen 0.93
) &
decoder=$!
[ -n "${WAIT_FOR:-}" ] && until [ -e "$WAIT_FOR" ]; do sleep 1; done
train unet continue_unet "${UNTIL:-0.72}"
drawn
kill $warm 2>/dev/null
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
put_together() { # folder in OUT, changes to the recipe
  sed "s|^out: .*|out: runs/$1|; $2" $recipes/continue_assemble.yaml >"$recipes/assemble_$1.yaml"
  s2s train assemble "$recipes/assemble_$1.yaml" >>"$out/logs/assemble.log" 2>&1 && rm -rf "${out:?}/$1" && cp -r "runs/$1" "$out/$1"
}
# There at once, for whoever has to leave early; its decoder has yet to meet the critic.
as_taught="s|^unet: .*|unet: runs/unet|; s|^steps: .*|steps: 16|; /guidance_most/d" newest=runs/autoencoder stays=
[ "${DECODER:-yes}" = no ] && newest=$start stays="s|^autoencoder: .*|autoencoder: $start|"
put_together teacher "$as_taught; s|^autoencoder: .*|autoencoder: $newest|"
train guidance continue_guidance 0.94
wait $decoder
put_together teacher "$as_taught; $stays"
put_together checkpoint "$stays"
for part in autoencoder sharpen unet guidance; do
  [ -d "runs/$part" ] || continue
  mkdir -p "$out/logs/$part"
  cp runs/$part/{metrics.jsonl,recipe.json,starts.jsonl} "$out/logs/$part/"
  cp "$(ls runs/$part/validation/*.png | tail -1)" "$out/logs/$part/" 2>/dev/null
done
echo "$(($(date +%s) - begun)) s: done"

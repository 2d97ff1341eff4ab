#!/usr/bin/env bash
# A checkpoint goes on learning on one data-centre GPU for a set time: phantoms are drawn on the other cores while the U-Net and
# the decoder learn side by side from what is there; then the U-Net gets a student for pictures in eight evaluations.
#   training/recipes/gpu/quarter_hour.sh SECONDS OUT [FOLDER...]     # further folders of pictures to learn from
# runs/isic2017 must be there. Results: OUT/checkpoint (the student), OUT/teacher, OUT/logs. Run it again with more SECONDS to go on.
# Set from outside: START, the checkpoint to go on from (generation/embedded, or what `script2skin train widen` made of it);
# COUNT, SEED and VARIETY of the phantoms; RECIPES, their folder; WAIT_FOR, a file that says that the U-Net of START is there, for
# where it comes last: what it needs is compiled meanwhile.
#
# Seen on an H200 with 16 cores (600 s, VARIETY=0.3, START widened to 32 latent channels): compiling took until 191 s, then 12 steps
# of 512 a second beside the decoder: 2,729 of them, 1.4 million pictures; 11.5 decoder steps of 96 crops a second; 51 phantoms a
# second, 23,500 in all; 7.5 student steps of 384 a second. What came of it is in the model card.
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
  s2s train "$1" "$recipes/$2.yaml" --minutes "$minutes" >>"$out/logs/$1.log" 2>&1 || echo "$1 ended with $?"
}
listed() { cat runs/phantoms/metadata.jsonl 2>/dev/null | wc -l; }

setsid python3 -c "import script2skin; script2skin.main()" data phantoms --out runs/phantoms --count "${COUNT:-60000}" \
  --seed "${SEED:-71}" --variety "${VARIETY:-0.5}" --typical 3 --workers $((cores > 4 ? cores - 3 : 1)) >"$out/logs/phantoms.log" 2>&1 &
drawing=$!
trap 'kill -TERM -- -$drawing 2>/dev/null' EXIT
until [ "$(listed)" -ge 512 ]; do
  kill -0 $drawing 2>/dev/null || { tail -n 3 "$out/logs/phantoms.log"; exit 1; }
  sleep 1
done
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
(
  until [ "$(listed)" -ge 2000 ] || ! kill -0 $drawing 2>/dev/null; do sleep 1; done
  train autoencoder continue_autoencoder 0.6
  train sharpen continue_sharpen 0.93
) &
decoder=$!
# What is compiled is kept, and found again by who needs it next.
once() { # part, further changes to its recipe: two steps of it
  sed "s|^run: .*|run: runs/warm/$1|; s|{minutes: [0-9.]*,|{minutes: 1, max_steps: 2,|; s|^grows: .*|grows: false|; /^show:/,\$d; s|^latents: .*|latents: runs/warm/latents_$1|; /path: runs.phantoms/d; $2" \
    $recipes/continue_$1.yaml >$recipes/warm_$1.yaml
  s2s train "$1" $recipes/warm_$1.yaml >"$out/logs/warm_$1.log" 2>&1
}
teacher=$start
if [ -n "${WAIT_FOR:-}" ]; then
  once unet "/^start:/d"
  teacher=runs/warm/unet
fi
once guidance "s|^teacher: .*|teacher: $teacher|" &
warm=$!
[ -n "${WAIT_FOR:-}" ] && until [ -e "$WAIT_FOR" ]; do sleep 1; done
train unet continue_unet 0.72
kill -TERM -- -$drawing 2>/dev/null
kill $warm 2>/dev/null
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
put_together() { # folder in OUT, changes to the recipe
  sed "s|^out: .*|out: runs/$1|; $2" $recipes/continue_assemble.yaml >"$recipes/assemble_$1.yaml"
  s2s train assemble "$recipes/assemble_$1.yaml" >>"$out/logs/assemble.log" 2>&1 && rm -rf "${out:?}/$1" && cp -r "runs/$1" "$out/$1"
}
# There at once, for whoever has to leave early; its decoder has yet to meet the critic.
as_taught="s|^unet: .*|unet: runs/unet|; s|^steps: .*|steps: 16|; /guidance_most/d"
put_together teacher "$as_taught; s|^autoencoder: .*|autoencoder: runs/autoencoder|"
train guidance continue_guidance 0.94
wait $decoder
put_together teacher "$as_taught"
put_together checkpoint ""
for part in autoencoder sharpen unet guidance; do
  mkdir -p "$out/logs/$part"
  cp runs/$part/{metrics.jsonl,recipe.json,starts.jsonl} "$out/logs/$part/"
  cp "$(ls runs/$part/validation/*.png | tail -1)" "$out/logs/$part/" 2>/dev/null
done
echo "$(($(date +%s) - begun)) s: done"

#!/usr/bin/env bash
# The embedded checkpoint goes on learning on one data-centre GPU for a set time: phantoms are drawn on the other cores while the
# U-Net and the decoder learn side by side from what is there; then the U-Net gets a student for pictures in eight evaluations.
#   training/recipes/gpu/quarter_hour.sh SECONDS OUT [FOLDER...]     # further folders of pictures to learn from
# runs/isic2017 must be there. Results: OUT/checkpoint (the student), OUT/teacher, OUT/logs. COUNT, SEED, VARIETY and RECIPES may be set outside. Run it again with more SECONDS to go on.
#
# Seen on an H100 with 16 cores (gpu/unet.yaml, gpu/autoencoder.yaml, gpu/guidance.yaml; phantoms of all 20 conditions with variety
# 0.5): 12.5 steps of 384 a second beside the decoder (14 steps of 96 crops), 50 phantoms a second on 13 cores, 7 student steps of
# 256 a second. Compiling took 130 s while phantoms were drawn at nice 5: they now yield altogether. What came of it: a decoder of 32
# channels at 37.2 dB, 32.1 dB inside lesions (before the critic; 36.1 and 31.6 after), after 4.4 minutes; a student whose pictures
# in 8 evaluations are its teacher's in 50 guided steps but for details (guidance_missed 0.24 after 655 steps); and a U-Net from
# nothing that after 2,656 steps (1.0 million pictures, held-out loss 0.446) drew all conditions, but rougher than the embedded one
# draws nine: faces, hands and fine structure fell apart. A U-Net from nothing needs several times as many; so this goes on from it.
set -u
seconds=$1 out=$2
shift 2
begun=$(date +%s)
cores=$(nproc --all) # without --all it would answer OMP_NUM_THREADS
mkdir -p runs "$out/logs"
recipes=runs/recipes
mkdir -p $recipes
cp "${RECIPES:-training/recipes/gpu}"/*.yaml $recipes
for folder in "$@"; do sed -i "s|^data:\$|data:\n  - {path: $folder}|" $recipes/continue_{unet,guidance,sharpen}.yaml; done
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
(sleep $((seconds / 3)); train sharpen continue_sharpen 0.93) &
decoder=$!
# The student is compiled while the U-Net learns, on pictures whose latents are there.
(
  until ls runs/unet/checkpoints/*/manifest.json >/dev/null 2>&1; do sleep 5; done
  sed "s|^run: .*|run: runs/warm|; s|{minutes: [0-9.]*,|{minutes: 1, max_steps: 2,|; /path: runs.phantoms}/d; /^show:/,\$d" \
    $recipes/continue_guidance.yaml >$recipes/warm.yaml
  s2s train guidance $recipes/warm.yaml >"$out/logs/warm.log" 2>&1
  rm -rf runs/warm
) &
warm=$!
train unet continue_unet 0.7
kill -TERM -- -$drawing 2>/dev/null
kill $warm 2>/dev/null
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
train guidance continue_guidance 0.93
wait $decoder
s2s train assemble $recipes/continue_assemble.yaml >"$out/logs/assemble.log" 2>&1 && rm -rf "$out/checkpoint" && cp -r runs/checkpoint "$out/checkpoint"
sed "s|^unet: .*|unet: runs/unet|; s|^out: .*|out: runs/teacher|; s|^sampler: .*|sampler: ddpm|; s|^steps: .*|steps: 20|; /guidance_most/d" \
  $recipes/continue_assemble.yaml >$recipes/teacher.yaml
s2s train assemble $recipes/teacher.yaml >>"$out/logs/assemble.log" 2>&1 && rm -rf "$out/teacher" && cp -r runs/teacher "$out/teacher"
for part in sharpen unet guidance; do
  mkdir -p "$out/logs/$part"
  cp runs/$part/{metrics.jsonl,recipe.json,starts.jsonl} "$out/logs/$part/"
  cp "$(ls runs/$part/validation/*.png | tail -1)" "$out/logs/$part/" 2>/dev/null
done
echo "$(($(date +%s) - begun)) s: done"

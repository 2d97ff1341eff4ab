#!/usr/bin/env bash
# Everything but the text tower on one data-centre GPU in a set time: phantoms are drawn on the other cores while the decoder
# and the U-Net learn side by side from what is there; then a student for pictures in eight evaluations, and the critic.
#   training/recipes/gpu/quarter_hour.sh SECONDS OUT [FOLDER...]     # further folders of pictures to learn from
# runs/clip (script2skin train clip) and runs/isic2017 must be there. Results: OUT/checkpoint and OUT/teacher (diffusers layout),
# logs in OUT/logs. COUNT, SEED, VARIETY and RECIPES may be set outside.
set -u
seconds=$1 out=$2
shift 2
begun=$(date +%s)
mkdir -p runs "$out/logs"
recipes=runs/recipes
mkdir -p $recipes
cp "${RECIPES:-training/recipes/gpu}"/*.yaml $recipes
for folder in "$@"; do sed -i "s|^data:\$|data:\n  - {path: $folder}|" $recipes/{autoencoder,unet,guidance,sharpen}.yaml; done
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
s2s() { python3 -c "import script2skin; script2skin.main()" "$@"; }
train() { # part, share of the time at which it ends
  local kind=$1 until=$2 minutes
  shift 2
  minutes=$(python3 -c "import time; print(max(0.05, ($begun + $seconds * $until - time.time() - 12) / 60))")
  echo "$(($(date +%s) - begun)) s: $kind for $minutes min"
  s2s train "$kind" "$@" --minutes "$minutes" >>"$out/logs/$kind.log" 2>&1 || echo "$kind ended with $?"
}
listed() { cat runs/phantoms/metadata.jsonl 2>/dev/null | wc -l; }

setsid python3 -c "import script2skin; script2skin.main()" data phantoms --out runs/phantoms --count "${COUNT:-60000}" \
  --seed "${SEED:-51}" --variety "${VARIETY:-0.5}" --typical 3 --workers $((cores = $(nproc), cores > 4 ? cores - 3 : 1)) \
  >"$out/logs/phantoms.log" 2>&1 &
drawing=$!
first=$recipes/first.yaml
grep -v "path: runs/phantoms}" $recipes/autoencoder.yaml >$first
[ $# -gt 0 ] && train autoencoder 0.07 $first # its first checkpoint is what the U-Net waits for
until [ "$(listed)" -ge "${FIRST:-512}" ]; do sleep 1; done
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
(train autoencoder 0.55 $recipes/autoencoder.yaml; train sharpen 0.93 $recipes/sharpen.yaml) &
decoder=$!
until ls runs/autoencoder/checkpoints/*/manifest.json >/dev/null 2>&1; do sleep 1; done
# The student is compiled while the U-Net learns, on pictures whose latents are there.
(
  sleep $((seconds * 36 / 100))
  sed "s|^run: .*|run: runs/warm|; s|{minutes: [0-9.]*,|{minutes: 1, max_steps: 2,|; /path: runs.phantoms}/d; /^show:/,\$d" \
    $recipes/guidance.yaml >$recipes/warm.yaml
  s2s train guidance $recipes/warm.yaml >"$out/logs/warm.log" 2>&1
  rm -rf runs/warm
) &
train unet 0.66 $recipes/unet.yaml
kill -TERM -- -$drawing 2>/dev/null
echo "$(($(date +%s) - begun)) s: $(listed) phantoms"
train guidance 0.93 $recipes/guidance.yaml
wait $decoder
s2s train assemble $recipes/assemble.yaml >"$out/logs/assemble.log" 2>&1 && cp -r runs/checkpoint "$out/checkpoint"
sed "s|^unet: .*|unet: runs/unet|; s|^out: .*|out: runs/teacher|; s|^sampler: .*|sampler: ddpm|; s|^steps: .*|steps: 20|; /guidance_most/d" \
  $recipes/assemble.yaml >$recipes/teacher.yaml
s2s train assemble $recipes/teacher.yaml >>"$out/logs/assemble.log" 2>&1 && cp -r runs/teacher "$out/teacher"
for part in autoencoder sharpen unet guidance; do
  mkdir -p "$out/logs/$part"
  cp runs/$part/{metrics.jsonl,recipe.json,starts.jsonl} "$(ls runs/$part/validation/*.png | tail -1)" "$out/logs/$part/"
done
echo "$(($(date +%s) - begun)) s: done"

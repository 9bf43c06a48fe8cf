#!/usr/bin/env bash
# Installs what building (and with "test" testing) needs on Debian, and nothing that is there already.
# Called by make; safe to call again.
set -euo pipefail

build=(gcc make pkg-config liburing-dev libxxhash-dev libssl-dev libwslay-dev zlib1g-dev libzstd-dev)
test=(check libsubunit-dev openssl clang libclang-rt-14-dev llvm clang-format nodejs npm python3 libnats-dev dpkg-dev)

want=("${build[@]}")
[ "${1:-build}" = test ] && want+=("${test[@]}")

# A tool that is on PATH counts, however it came there.
have() {
    case $1 in
    nodejs) command -v node >/dev/null ;;
    npm | python3 | openssl | gcc | make | clang | clang-format) command -v "$1" >/dev/null ;;
    *) dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' ;;
    esac
}

missing=()
for package in "${want[@]}"; do
    have "$package" || missing+=("$package")
done
# Tests that open a page in a browser, or complete words in these shells, say when they did not.
wanted=()
if [ "${1:-build}" = test ]; then
    for program in chromium zsh fish; do command -v "$program" >/dev/null || wanted+=("$program"); done
fi

[ ${#missing[@]} -eq 0 ] && [ ${#wanted[@]} -eq 0 ] && exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "Installing: ${missing[*]} ${wanted[*]}"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
[ ${#missing[@]} -eq 0 ] || $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
for package in "${wanted[@]}"; do
    $sudo apt-get install -y -qq --no-install-recommends "$package" || true
done

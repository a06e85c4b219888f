#!/usr/bin/env bash
# Install Apptainer and what its builds need on Debian, and let root use it where the machine withholds capabilities.
#
# Debian releases carry no Apptainer; its unstable suite does. The package comes from there by itself: the suite
# never becomes a source of this machine. Where the C library is too old for it, the binaries get that suite's own
# libraries, in a folder of their own; the system's stay as they are. Run as root; a second run changes nothing.
#
#   apptainer.sh          install and configure
#   apptainer.sh --check  say in one line what is missing; exit 0 if nothing is
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin

readonly PRIVATE=/opt/apptainer/lib
readonly LOADER=ld-linux-x86-64.so.2
readonly LIBRARIES=(libc6 libseccomp2 libsqlite3-0 zlib1g libgcc-s1)
readonly BINARIES=(usr/bin/apptainer usr/lib/x86_64-linux-gnu/apptainer/bin/starter)
# command -> Debian package
readonly HELPERS=(mksquashfs:squashfs-tools squashfuse_ll:squashfuse fuse-overlayfs:fuse-overlayfs
  fusermount3:fuse3 newuidmap:uidmap debootstrap:debootstrap)

fail() { echo "apptainer.sh: $*" >&2; exit 1; }

works() { apptainer --version >/dev/null 2>&1; }

missing() { # names of missing programs' packages, on one line
  local pair list=()
  works || list+=(apptainer)
  for pair in "${HELPERS[@]}"; do command -v "${pair%%:*}" >/dev/null || list+=("${pair##*:}"); done
  echo "${list[*]}"
}

debian_install() { # packages, or files of packages; refreshes apt's lists once if need be
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
  apt-get update -qq >/dev/null
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

archive() { # the archive that apt uses here
  local found
  found=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE 's/^(URIs:|deb)[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+\/debian)\/?([[:space:]].*)?$/\3/p' | head -n 1)
  [ -n "$found" ] || fail "apt names no Debian archive: install Apptainer by hand"
  echo "$found"
}

unstable() { # apt-get with a state of its own, below the folder $1
  local state=$1 key
  shift
  key=$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null | head -n 1)
  [ -n "$key" ] || fail "Debian's keys are missing: apt-get install debian-archive-keyring"
  mkdir -p "$state"/{lists/partial,cache/archives/partial,empty}
  echo "deb [signed-by=$key] $(archive) sid main" >"$state/sources.list"
  apt-get -qq -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts="$state/empty" \
    -o Dir::Etc::preferencesparts="$state/empty" -o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

install_apptainer() {
  local scratch needed package binary
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf -- '$scratch'" EXIT
  unstable "$scratch/apt" update
  (cd "$scratch" && unstable "$scratch/apt" download apptainer)
  needed=$(dpkg-deb -f "$scratch"/apptainer_*.deb Depends | sed -nE 's/.*libc6 \(>= ([^)]*)\).*/\1/p')
  if dpkg --compare-versions "$(dpkg-query -W -f '${Version}' libc6)" ge "${needed:-0}"; then
    debian_install "$scratch"/apptainer_*.deb
    return
  fi
  debian_install patchelf
  (cd "$scratch" && unstable "$scratch/apt" download "${LIBRARIES[@]}")
  mkdir -p "$scratch/program" "$scratch/libraries" "$PRIVATE"
  dpkg-deb -x "$scratch"/apptainer_*.deb "$scratch/program"
  for package in "${LIBRARIES[@]}"; do dpkg-deb -x "$scratch/${package}"_*.deb "$scratch/libraries"; done
  find "$scratch/libraries" -path '*/x86_64-linux-gnu/*' ! -path '*/gconv/*' \
    \( -name 'lib*.so*' -o -name "$LOADER" \) -exec cp -a -t "$PRIVATE" {} +
  [ -e "$PRIVATE/$LOADER" ] || find "$scratch/libraries" -name "$LOADER" -exec cp -L {} "$PRIVATE/" \; -quit
  for binary in "${BINARIES[@]}"; do
    patchelf --force-rpath --set-rpath "$PRIVATE" --set-interpreter "$PRIVATE/$LOADER" "$scratch/program/$binary"
  done
  cp -a --no-clobber "$scratch/program/etc/." /etc/
  cp -a --remove-destination "$scratch/program/usr/bin" "$scratch/program/usr/lib" /usr/
  mkdir -p /var/lib/apptainer/mnt/session
}

grant_what_there_is() { # root in a container asks for every capability and fails if one is withheld: list those there are
  local names=(CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE)
  local bounding number here=()
  bounding=$((16#$(awk '/^CapBnd:/ {print $2}' /proc/self/status)))
  for number in "${!names[@]}"; do
    if (((bounding >> number) & 1)); then here+=("\"CAP_${names[number]}\""); fi
  done
  [ ${#here[@]} -lt ${#names[@]} ] || return 0
  local list
  list=$(IFS=,; echo "${here[*]}")
  printf '{"users": {"root": [%s]}}\n' "$list" >/etc/apptainer/capability.json
  sed -i 's/^root default capabilities = .*/root default capabilities = file/' /etc/apptainer/apptainer.conf
}

if [ "${1:-}" = --check ]; then
  lacking=$(missing)
  [ -z "$lacking" ] || { echo "missing: $lacking; on Debian, as root: containers/apptainer.sh"; exit 1; }
  exit 0
fi
[ "$(id -u)" = 0 ] || fail "must run as root (or ask your administrator for Apptainer 1.4 and: $(missing))"
command -v apt-get >/dev/null || fail "not Debian: install Apptainer 1.4 and debootstrap with this system's package manager"
works || install_apptainer
for pair in "${HELPERS[@]}"; do command -v "${pair%%:*}" >/dev/null || debian_install "${pair##*:}"; done
# Ordinary users mount images through FUSE; builds in a user namespace need subordinate ids, root's too.
[ ! -c /dev/fuse ] || chmod 666 /dev/fuse
for file in /etc/subuid /etc/subgid; do
  touch "$file"
  grep -q '^root:' "$file" || echo 'root:1000000:65536' >>"$file"
done
grant_what_there_is
command -v singularity >/dev/null || ln -s apptainer /usr/bin/singularity # the name that older tools call
apptainer --version

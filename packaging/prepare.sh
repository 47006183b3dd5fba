# packaging/prepare.sh - sourced by run and check: installs what is missing and builds.
#
# Needs no arguments and changes nothing when all is there, so a second run is quick.

# Bold where a terminal understands it, plain in a log.
say() {
    if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then printf '\033[1m%s\033[0m\n' "$*" >&2
    else printf '%s\n' "$*" >&2
    fi
}
fail() { printf 'staffetta: %s\n' "$*" >&2; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# The packages of these sections of debian-packages.txt that are not installed, on one line. Some bring others with them: a
# nodejs from elsewhere, for one, is nodejs and npm.
missing_packages() {
    local sections=" $* " section="" line missing="" provided
    provided=" $(dpkg-query -W -f '${db:Status-Abbrev} ${Provides}\n' 2>/dev/null | sed -n 's/^ii *//p' | sed 's/([^)]*)//g' | tr ',\n' '  ') "
    while read -r line; do
        case $line in
        ''|'#'*) ;;
        '['*']') section=${line#[}; section=${section%]} ;;
        *) case $sections in
           *" $section "*)
               dpkg-query -W -f '${db:Status-Abbrev}' "$line" 2>/dev/null | grep -q '^ii' ||
                   [[ $provided == *" $line "* ]] || missing+=" $line" ;;
           esac ;;
        esac
    done < packaging/debian-packages.txt
    echo "${missing# }"
}

# What tests need of servers they start themselves: packages that bring a service are kept from starting it (policy-rc.d).
no_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    [ ! -e "$policy" ] || { "$@"; return; }
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
    "$@" || status=$?
    as_root rm -f "$policy"
    return $status
}

apt_install() {
    # Not exported: sudo hands on no environment. A list of packages that is missing or old is fetched and it is tried once more.
    local install="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
    # shellcheck disable=SC2086
    as_root $install "$@" || { as_root apt-get update && as_root $install "$@"; }
}

install_packages() {
    command -v apt-get >/dev/null || { say "No apt-get here: packaging/debian-packages.txt has what is needed."; return; }
    local missing log
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        fail "packages are missing, and there is no sudo to install them with. As root: apt-get update && apt-get install --no-install-recommends $missing"
    say "Installing: $missing"
    log=$(mktemp) || fail "no room for a file in ${TMPDIR:-/tmp}"
    # shellcheck disable=SC2086
    no_services apt_install $missing >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install what is missing (its own words are above). Needed: $missing"
    }
    rm -f "$log"
}

# What stands in the way of a build into this folder, said before a compiler says it worse.
assert_buildable() {
    local place=$1 free
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    [ -w "$place" ] || fail "$(readlink -f "$place") cannot be written by $(id -un): build as its owner ($(stat -c %U "$place")), or in a copy of your own"
    free=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print $4 }')
    [ -e "$1/build.ninja" ] || [ "${free:-0}" -ge $2 ] ||
        fail "only $((free / 1024)) MB free in $(readlink -f "$place"): a build takes $(($2 / 1024)) MB"
}

# build_preset PRESET FOLDER [TARGET...]: configures when needed and builds, quiet unless it fails. A folder that
# was configured in another place (the checkout was moved or copied) is configured anew.
build_preset() {
    local preset=$1 folder=$2 kilobytes=150000 log
    shift 2
    [ "$preset" != asan ] || kilobytes=300000
    assert_buildable "$folder" $kilobytes
    log=$(mktemp) || fail "no room for a file in ${TMPDIR:-/tmp}"
    {
        { [ -f "$folder/build.ninja" ] && grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$folder/CMakeCache.txt"; } ||
            cmake --fresh --preset "$preset"
    } >"$log" 2>&1 && cmake --build --preset "$preset" ${1:+--target "$@"} >>"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        rm -f "$log"
        fail "the build failed (preset $preset); $(df -Ph "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }') free in $folder"
    }
    rm -f "$log"
}

# packaging/prepare.sh - sourced by run and check: installs what is missing and builds.
#
# Needs no arguments and changes nothing when all is there, so a second run is quick.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf 'staffetta: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "packages are missing and there is no sudo. As root: apt-get install $MISSING"
    fi
}

# The packages of these sections of debian-packages.txt that are not installed.
missing_packages() {
    local sections=" $* " section="" line
    while read -r line; do
        case $line in
        ''|'#'*) ;;
        '['*']') section=${line#[}; section=${section%]} ;;
        *) case $sections in
           *" $section "*) dpkg-query -W -f '${db:Status-Abbrev}' "$line" 2>/dev/null | grep -q '^ii' || echo "$line" ;;
           esac ;;
        esac
    done < packaging/debian-packages.txt
}

install_packages() {
    command -v apt-get >/dev/null || { say "No apt-get here: see packaging/debian-packages.txt for what is needed."; return; }
    MISSING=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$MISSING" ] || return 0
    say "Installing: $MISSING"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    as_root apt-get install -y --no-install-recommends $MISSING >/tmp/staffetta-apt.$$ 2>&1 ||
        { as_root apt-get update >>/tmp/staffetta-apt.$$ 2>&1 &&
          as_root apt-get install -y --no-install-recommends $MISSING >>/tmp/staffetta-apt.$$ 2>&1; } ||
        { tail -n 20 /tmp/staffetta-apt.$$ >&2; fail "apt-get could not install: $MISSING"; }
    rm -f /tmp/staffetta-apt.$$
}

# build_preset PRESET FOLDER: configures when needed and builds, quiet unless it fails.
build_preset() {
    local log
    log=$(mktemp)
    { [ -f "$2/build.ninja" ] || cmake --preset "$1"; } >"$log" 2>&1 && cmake --build --preset "$1" >>"$log" 2>&1 ||
        { tail -n 40 "$log" >&2; rm -f "$log"; fail "the build failed (preset $1)"; }
    rm -f "$log"
}

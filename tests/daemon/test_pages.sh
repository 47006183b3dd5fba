#!/usr/bin/env bash
# tests/daemon/test_pages.sh BIN PAGES - completions have the syntax of their shells, manual pages are clean, and the
# example is a configuration that the daemon takes.
set -u
bin=$1 pages=$2 failed=0
here=$(cd "$(dirname "$0")/../../packaging/man" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() {   # check WHAT COMMAND...
    local what=$1
    shift
    if ! "$@" >"$work/out" 2>&1; then
        echo "failed: $what"
        cat "$work/out"
        failed=1
    fi
}

for program in staffetta staffettad; do
    for shell in bash zsh fish; do
        if [ $program = staffetta ]; then "$bin/staffetta" completion $shell; else "$bin/staffettad" --completion $shell; fi >"$work/$program.$shell" ||
            { echo "failed: $program makes no completion for $shell"; failed=1; }
        if command -v $shell >/dev/null; then
            check "$program completion has $shell syntax" $shell -n "$work/$program.$shell"
        fi
    done
done

# It completes, too: verbs, options of a verb, and words.
complete_line() {
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _staffetta; echo "${COMPREPLY[@]}"' _ "$work/staffetta.bash" "$@"
}
check "verbs complete" test "$(complete_line staffetta doc)" = doctor
check "options complete" test "$(complete_line staffetta send --li)" = --life
check "words complete" test "$(complete_line staffetta completion z)" = zsh

check "the example is a configuration" sh -c "'$bin/staffettad' --example-config >'$work/example' && '$bin/staffettad' --config '$work/example' --check-config"
sed 's/^#\([a-z-]* = [^A-Z]*\)$/\1/' "$work/example" >"$work/uncommented"
check "its defaults are values" "$bin/staffettad" --config "$work/uncommented" --check-config

if command -v mandoc >/dev/null; then
    for page in "$here/staffetta.1" "$here/staffettad.8" "$pages/staffetta.conf.5"; do
        check "$(basename "$page") is clean" mandoc -Tlint -Wwarning "$page"
    done
fi
# Two of these on one line stand in each other, which is clean for the formatter and wrong for the reader.
check "no manual page nests quotations or options" sh -c "! grep -nE '^[.].*(Qq .*Qq|Op .*Op) ' '$here/staffetta.1' '$here/staffettad.8' '$pages/staffetta.conf.5'"
[ $failed = 0 ] && echo "pages: passed"
exit $failed

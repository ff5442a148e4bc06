# Sourced by the other scripts: installs what a fresh machine lacks, and says so, one line each.
# shellcheck shell=bash

# need_command COMMAND PACKAGE: the command is there afterwards, from Debian's package if need be.
need_command() {
    PATH=$PATH:/usr/sbin:/sbin
    command -v "$1" >/dev/null && return 0
    echo "installing $2 (for $1)" >&2
    as_root apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 || {
        refresh_package_lists
        as_root apt-get install -y -qq --no-install-recommends "$2" >/dev/null
    }
    command -v "$1" >/dev/null && return 0
    echo "cannot install $2: $1 is still missing" >&2
    exit 1
}

# Lists go stale, and a fresh machine has none: asked for once, when something was not found.
refresh_package_lists() {
    [ -n "${package_lists_fresh:-}" ] && return 0
    echo "refreshing the package lists" >&2
    as_root apt-get update -qq >/dev/null
    package_lists_fresh=yes
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

need_musl_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ] && return 0
    echo "adding the Rust target $1" >&2
    rustup target add "$1"
}

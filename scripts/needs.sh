# Sourced by the other scripts: gets what a fresh machine lacks, and says so, one line each.
#
# Programs that only build or boot something are installed. What the labs run (Debian's kernel,
# Debian's keepalived, tools for the virtual machine) is unpacked into a cache and never installed:
# no service of the machine is started or changed.
# shellcheck shell=bash

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/keepalived-lab

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

# build_test NAME [CARGO OPTION...]: builds an integration test and prints the path of its program.
build_test() {
    local name=$1
    shift
    cargo test --locked --test "$name" --no-run --message-format=json "$@" |
        sed -n "s/.*\"name\":\"$name\".*\"executable\":\"\([^\"]*\)\".*/\1/p"
}

# unpack_packages DIRECTORY PACKAGE...: all or nothing, so that an interrupted run is repeated.
# Callers test the result, which turns errexit off in here; hence the explicit chain.
unpack_packages() {
    local into=$1 work
    shift
    mkdir -p "$CACHE" && work=$(mktemp -d "$CACHE/unpack.XXXXXX") &&
        mkdir "$work/debs" "$work/root" &&
        (cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root "$@" >/dev/null 2>&1) &&
        find "$work/debs" -name '*.deb' -exec dpkg-deb -x {} "$work/root" \; &&
        mv "$work/root" "$into" &&
        rm -r "$work"
}

# The command that runs Debian's keepalived from the cache.
debian_keepalived() {
    local command=$CACHE/keepalived.debian
    printf '#!/bin/sh\nexec %s %s "$@"\n' \
        "$(unpacked_loader "$TOOLS_ROOT")" "$TOOLS_ROOT/usr/sbin/keepalived" >"$command"
    chmod 755 "$command"
    echo "$command"
}

# The kernel with IPVS for the virtual machine; sets KERNEL_ROOT. One in the cache stays in use.
need_kernel() {
    mkdir -p "$CACHE"
    KERNEL_ROOT=$(find "$CACHE" -maxdepth 1 -name "linux-image-*-cloud-amd64" | tail -1)
    [ -n "$KERNEL_ROOT" ] && return 0
    unpack_kernel && return 0
    refresh_package_lists
    unpack_kernel && return 0
    echo "cannot fetch Debian's linux-image-cloud-amd64" >&2
    exit 1
}

# The plain name is a package without content that depends on the present version.
unpack_kernel() {
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        awk '$1 == "Depends:" && $2 ~ /^linux-image-.*-cloud-amd64$/ { print $2; exit }')
    [ -n "$package" ] || return 1
    echo "unpacking $package to $CACHE" >&2
    KERNEL_ROOT=$CACHE/$package
    unpack_packages "$KERNEL_ROOT" "$package"
}

# Debian's keepalived and the tools of the virtual machine, with their libraries; sets TOOLS_ROOT.
need_tools() {
    # A list that has changed has a place of its own: another tree may be using the old one.
    TOOLS_ROOT=$CACHE/tools-$(echo "$TOOLS" | cksum | cut -d' ' -f1)
    [ -d "$TOOLS_ROOT" ] && return 0
    unpack_tools && return 0
    refresh_package_lists
    unpack_tools && return 0
    echo "cannot fetch Debian's keepalived and the tools of the virtual machine" >&2
    exit 1
}

TOOLS="keepalived ipvsadm iproute2 curl bash tcpdump nftables busybox-static"

unpack_tools() {
    # shellcheck disable=SC2086  # A list of words, here and below.
    unpack_with_libraries "$TOOLS_ROOT" $TOOLS
}

# Debian's servers that checks are tried on, with their libraries; sets SERVERS_ROOT.
need_servers() {
    SERVERS_ROOT=$CACHE/servers
    [ -d "$SERVERS_ROOT" ] && return 0
    unpack_with_libraries "$SERVERS_ROOT" nginx exim4-daemon-light nsd && return 0
    refresh_package_lists
    unpack_with_libraries "$SERVERS_ROOT" nginx exim4-daemon-light nsd && return 0
    echo "cannot fetch Debian's nginx, exim4-daemon-light and nsd" >&2
    exit 1
}

# unpack_with_libraries DIRECTORY PACKAGE...
unpack_with_libraries() {
    local into=$1 libraries
    shift
    libraries=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances "$@" 2>/dev/null |
        grep -E '^(lib|zlib)' | grep -vE ':|perl|^libelogind' | sort -u)
    [ -n "$libraries" ] || return 1
    echo "unpacking Debian's $* to $CACHE" >&2
    # shellcheck disable=SC2086
    unpack_packages "$into" "$@" $libraries
}

# The command that runs one of the servers from the cache: its name and its arguments follow.
debian_server() {
    local command=$CACHE/server.debian
    # shellcheck disable=SC2016  # For the shell that runs it.
    printf '#!/bin/sh\nprogram=$1\nshift\nexec %s %s/usr/sbin/"$program" "$@"\n' \
        "$(unpacked_loader "$SERVERS_ROOT")" "$SERVERS_ROOT" >"$command"
    chmod 755 "$command"
    echo "$command"
}

# unpacked_loader [ROOT]: the words that start a program of this root, else of TOOLS_ROOT, on this
# machine, with its own loader and libraries, whatever the machine's are.
unpacked_loader() {
    local root=${1:-$TOOLS_ROOT}
    echo "$root/lib64/ld-linux-x86-64.so.2 --library-path" \
        "$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu"
}

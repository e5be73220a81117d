#!/bin/sh
# A throw-away PostgreSQL for tests, on the loopback address and a free port.
#   scripts/postgres.sh up DIR     makes a cluster in DIR, starts it, prints its URL (again: prints the URL)
#   scripts/postgres.sh crash DIR  ends it in the middle of whatever it does, and starts it again
#   scripts/postgres.sh down DIR   stops it and removes DIR
# User arus needs no password. User "ana" has the one in DIR/password, and user "client" the
# certificate DIR/tls/client.pem (scripts/certificates.sh); both must come over TLS.
# Needs openssl and PostgreSQL's server programs; as root on Debian or Ubuntu, an absent package is
# installed.
set -eu

fail() { echo "postgres.sh: $1" >&2; exit 1; }

# The folder of initdb and pg_ctl: the newest of Debian's, or the one on PATH.
find_programs() {
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -V -r); do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then echo "$folder"; return; fi
    done
    program=$(command -v pg_ctl) && dirname "$(readlink -f "$program")"
}

install_programs() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        fail "PostgreSQL's initdb and pg_ctl are not installed: install the package postgresql"
    { apt-get install -y postgresql || { apt-get update && apt-get install -y postgresql; }; } \
        >/dev/null 2>&1 </dev/null || fail "apt-get could not install the package postgresql: run it by hand"
}

# The server refuses to run as root, so root lends it to the package's own user.
as_owner() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

free_port() {
    command -v python3 >/dev/null || { echo $((20000 + $$ % 20000)); return; }
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# TLS, and who must use it.
secure() {
    openssl rand -hex 12 >"$dir/password" || fail "openssl makes the certificates and is not installed"
    "$here/certificates.sh" "$dir/tls"
    # The server takes a key that is its own and nobody else's to read.
    for name in server expired; do
        cp "$dir/tls/$name.key" "$dir/data/$name.key"
        chmod 600 "$dir/data/$name.key"
        if [ "$(id -u)" = 0 ]; then chown postgres "$dir/data/$name.key"; fi
    done
    cat >>"$dir/data/postgresql.conf" <<END
ssl = on
ssl_cert_file = '$dir/tls/server.pem'
ssl_key_file = 'server.key'
ssl_ca_file = '$dir/tls/ca.pem'
END
    cat - "$dir/data/pg_hba.conf" >"$dir/hba" <<END
hostssl all ana all scram-sha-256
hostssl all client all cert
host all ana,client all reject
END
    cat "$dir/hba" >"$dir/data/pg_hba.conf"
    rm "$dir/hba"
    chmod 600 "$dir/password"
}

# The two users, by the server itself in single-user mode: it does not listen yet.
make_users() {
    { echo "CREATE ROLE ana LOGIN SUPERUSER PASSWORD '$(cat "$dir/password")';" &&
        echo 'CREATE ROLE client LOGIN SUPERUSER;'; } |
        as_owner "$programs/postgres" --single -D "$dir/data" postgres >"$dir/users.log" 2>&1 ||
        fail "the users could not be made: see $dir/users.log"
}

launch() {
    as_owner "$programs/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start \
        -o "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p $1" >/dev/null 2>&1
}

up() {
    if [ -f "$dir/url" ] && as_owner "$programs/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
        cat "$dir/url"; return
    fi
    [ ! -e "$dir/data" ] || fail "$dir holds a cluster that does not run: run \"$0 down $dir\" first"
    mkdir -p "$dir"
    if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; fi
    cd "$dir"
    as_owner "$programs/initdb" -D "$dir/data" -U arus --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
        >"$dir/initdb.log" 2>&1 || fail "initdb failed: $(tail -n 3 "$dir/initdb.log")"
    secure
    make_users
    # Somebody may take the port between asking and listening: another is tried then.
    for attempt in 1 2 3 4 5; do
        port=$(free_port)
        if launch "$port"; then
            echo "postgres://arus@127.0.0.1:$port/postgres" >"$dir/url"
            cat "$dir/url"
            return
        fi
    done
    fail "the server did not start after $attempt attempts: see $dir/server.log"
}

crash() {
    [ -f "$dir/url" ] || fail "there is no cluster in $dir"
    cd "$dir"
    as_owner "$programs/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null ||
        fail "the server in $dir did not stop: see $dir/server.log"
    port=$(sed 's|.*:\([0-9]*\)/.*|\1|' "$dir/url")
    launch "$port" || fail "the server did not start again: see $dir/server.log"
}

down() {
    [ -e "$dir/data" ] || fail "there is no cluster in $dir"
    cd "$dir"
    # pg_ctl stops the one process whose id stands in the cluster's own pid file.
    if as_owner "$programs/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
        as_owner "$programs/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null ||
            fail "the server in $dir did not stop: see $dir/server.log"
    fi
    cd /
    rm -rf "$dir/data" "$dir/tls" "$dir/url" "$dir/password" "$dir/initdb.log" "$dir/users.log" \
        "$dir/server.log"
    rmdir "$dir" 2>/dev/null || true
}

[ $# = 2 ] || fail "usage: $0 up|crash|down DIR"
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
here=$(cd "$(dirname "$0")" && pwd)
programs=$(find_programs) || { install_programs; programs=$(find_programs); } ||
    fail "initdb and pg_ctl are not where PostgreSQL's packages put them"
case $1 in
    up) up ;;
    crash) crash ;;
    down) down ;;
    *) fail "usage: $0 up|crash|down DIR" ;;
esac

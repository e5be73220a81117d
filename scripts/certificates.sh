#!/usr/bin/env bash
# Makes the certificates of the servers that the tests start, on the spot; nothing of it is kept.
#
#   scripts/certificates.sh DIR [PASSWORD]
#
# In DIR, all PEM:
#   ca.pem            whom the clients trust
#   other-ca.pem      somebody else, who has signed none of these
#   server.pem .key   of a server at 127.0.0.1 (and by no other name, not even localhost)
#   expired.pem .key  the same, but its time is over
#   elsewhere.pem .key of a server at another address
#   client.pem .key   of the client "arus"; client-encrypted.key is the same key under PASSWORD
#
# Needs openssl 1.1.1 or newer.
set -euo pipefail

fail() {
    echo "certificates.sh: $*" >&2
    exit 1
}

[ $# = 1 ] || [ $# = 2 ] || fail "usage: $0 DIR [PASSWORD]"
command -v openssl >/dev/null || fail "openssl makes the certificates and is not installed"
mkdir -p "$1"
cd "$1"

run() {
    "$@" >openssl.log 2>&1 || fail "$* failed: $(tail -n 3 openssl.log)"
}

# A key in PKCS#8, as Java reads it.
key() {
    run openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}

authority() {
    key "$1"
    run openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 2 -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}

# NAME, subject alternative names, and the first and last moment (of openssl ca, which can look back).
signed() {
    key "$1"
    run openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$2" >"$1.ext"
    run openssl ca -batch -notext -config ca.conf -in "$1.csr" -extfile "$1.ext" -out "$1.pem" \
        -startdate "$3" -enddate "$4"
}

cat >ca.conf <<END
[ca]
default_ca = ours
[ours]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
END
: >index.txt
echo 1000 >serial

authority ca
authority other-ca
year=$(date -u +%Y)
from=$((year - 1))0101000000Z
until=$((year + 1))1231000000Z
signed server IP:127.0.0.1 "$from" "$until"
signed elsewhere DNS:kafka.example "$from" "$until"
signed client DNS:arus "$from" "$until"
signed expired IP:127.0.0.1 $((year - 3))0101000000Z $((year - 2))0101000000Z
run openssl pkcs8 -topk8 -in client.key -passout "pass:${2:-password}" -out client-encrypted.key
# Only what the tests use stays.
rm -f ./*.csr ./*.ext ./*.log ./index.txt* ./serial* ./1*.pem ./ca.conf ./other-ca.key
chmod 600 ./*.key

#!/usr/bin/env bash
# Makes what docker-compose.yml needs in a folder that does not exist yet: an
# authority of our own, certificates for server, database and store, the
# certificate that the server signs in to the database with, and the store's
# credentials. Usage: certificates.sh FOLDER HOST
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 FOLDER HOST" >&2; exit 2; }
folder=$1 host=$2
[ ! -e "$folder" ] || { echo "$folder is there already; nothing was changed" >&2; exit 1; }
umask 077
mkdir -p "$folder"/{authority,teikyo,db,store}
days=825

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=teikyo compose authority" \
	-keyout "$folder/authority/ca.key" -out "$folder/authority/ca.crt" 2>/dev/null

# certificate PATH NAME USE: a key and a certificate for NAME.
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA "$folder/authority/ca.crt" -CAkey "$folder/authority/ca.key" -CAcreateserial -days $days -out "$1.crt" \
		-extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=%s\nkeyUsage=digitalSignature\n' "$2" "$3") 2>/dev/null
	rm "$1.csr"
}
certificate "$folder/teikyo/teikyo" "$host" serverAuth
certificate "$folder/teikyo/db-client" teikyo clientAuth # the name of the database's role
certificate "$folder/db/db" db serverAuth
certificate "$folder/store/store" store serverAuth
for part in teikyo db store; do cp "$folder/authority/ca.crt" "$folder/$part/"; done

# The database lets in the server's certificate over the network, and its own
# machine for the first start; the password is never used.
openssl rand -hex 32 >"$folder/db/password"
cat >"$folder/db/pg_hba.conf" <<'HBA'
local   all     teikyo                      trust
hostssl teikyo  teikyo  0.0.0.0/0           cert
hostssl teikyo  teikyo  ::/0                cert
HBA

access=teikyo secret=$(openssl rand -hex 24)
printf 'ROOT_ACCESS_KEY_ID=%s\nROOT_SECRET_ACCESS_KEY=%s\n' "$access" "$secret" >"$folder/store/environment"
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$access" "$secret" >"$folder/teikyo/s3-credentials"

# Each container reads its own part: the server as 65532, PostgreSQL as 999.
if [ "$(id -u)" -eq 0 ]; then
	chown -R 65532:65532 "$folder/teikyo"
	chown -R 999:999 "$folder/db"
else
	echo "now, as root: chown -R 65532:65532 $folder/teikyo && chown -R 999:999 $folder/db" >&2
fi
echo "made $folder; keep $folder/authority elsewhere"

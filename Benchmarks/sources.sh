# sources.sh: the rows of bench.sh about where the accounts are; bench.sh sources it. Rempart alone.

# What the rows need beside the usual: both servers, and their drivers for unixODBC.
readonly server_packages=(mariadb-server-core mariadb-client-core odbc-mariadb postgresql-15 odbc-postgresql)
readonly postgresql=/usr/lib/postgresql/15/bin
# The Asterisk that tells accounts, in its private root.
readonly root=${REMPART_CACHE:-$HOME/.cache/rempart}/asterisk-22
readonly asterisk_modules=(res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd pbx_config
    res_pjproject res_pjsip res_pjsip_session res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_user
    res_pjsip_outbound_registration chan_pjsip res_http_websocket res_websocket_client res_stasis res_ari
    res_ari_model res_ari_asterisk)

make_root() { REMPART_CACHE=${root%/*} scripts/roots.sh 22 >&2; }

# The accounts as lines of names and secrets.
list_accounts() { sqlite3 -separator $'\t' "$folder/accounts.sqlite3" "select name, secret from sippeers"; }

# Has the namespace of the edge see a DSN of its own: ip(8) lays what is in /etc/netns over /etc.
write_data_source() {
    if [ ! -e /etc/odbc.ini ]; then
        touch /etc/odbc.ini
        laid_under=/etc/odbc.ini
    fi
    mkdir -p "/etc/netns/$tag-edge"
    printf '[bench]\n%s\n' "$1" >"/etc/netns/$tag-edge/odbc.ini"
    accounts_url=odbc://bench
}

await_server() {
    local i
    for ((i = 0; i < 300; i++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    die "the database server does not answer: $(tail -n 20 "$folder/server.log")"
}

as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }

in_mariadb() { mariadb --no-defaults -uroot "--socket=$folder/server/socket" --local-infile=1 "$@"; }

in_postgresql() { as_postgres "$postgresql/psql" -q -h "$folder/server" -v ON_ERROR_STOP=1 "$@"; }

use_sqlite() { accounts_url=; }

use_files() {
    mkdir -p "$folder/etc"
    list_accounts | awk -F'\t' '{printf "[%s]\ntype=friend\nhost=dynamic\nsecret=%s\n", $1, $2}' >"$folder/etc/sip.conf"
    chmod -R a+rX "$folder/etc"
    accounts_url=asterisk://$folder/etc
}

start_mariadb() {
    mkdir "$folder/server"
    chown nobody "$folder/server"
    mariadb-install-db --no-defaults --user=nobody "--datadir=$folder/server" \
        --auth-root-authentication-method=normal --skip-test-db >"$folder/server.log" 2>&1
    start edge server.log mariadbd --no-defaults --user=nobody "--datadir=$folder/server" \
        "--socket=$folder/server/socket" --skip-networking --local-infile=1
    server=$last
    await_server in_mariadb -e "SELECT 1"
    list_accounts >"$folder/accounts.tsv"
}

use_mariadb() {
    start_mariadb
    in_mariadb <<SQL
CREATE DATABASE asterisk;
USE asterisk;
CREATE TABLE sippeers (name VARCHAR(40) PRIMARY KEY, type VARCHAR(10) DEFAULT 'friend',
    host VARCHAR(40) DEFAULT 'dynamic', secret VARCHAR(80));
LOAD DATA LOCAL INFILE '$folder/accounts.tsv' INTO TABLE sippeers (name, secret);
CREATE USER rempart@localhost;
GRANT SELECT ON asterisk.* TO rempart@localhost;
SQL
    write_data_source "Driver = MariaDB Unicode
SOCKET = $folder/server/socket
DATABASE = asterisk
UID = rempart"
}

use_postgresql() {
    mkdir "$folder/server"
    chown postgres "$folder/server"
    as_postgres "$postgresql/initdb" -D "$folder/server/data" -A trust --no-sync -E UTF8 --locale=C.UTF-8 \
        >"$folder/server.log"
    start edge server.log setpriv --reuid=postgres --regid=postgres --clear-groups "$postgresql/postgres" \
        -D "$folder/server/data" -k "$folder/server" -c listen_addresses=
    server=$last
    await_server in_postgresql -d postgres -c "SELECT 1"
    in_postgresql -d postgres -c "CREATE DATABASE asterisk"
    in_postgresql -d asterisk -c "CREATE TABLE sippeers (name varchar(40) PRIMARY KEY, type varchar(10) DEFAULT 'friend',
        host varchar(40) DEFAULT 'dynamic', secret varchar(80))"
    list_accounts | in_postgresql -d asterisk -c "COPY sippeers (name, secret) FROM STDIN"
    in_postgresql -d asterisk -c "CREATE ROLE rempart LOGIN; GRANT SELECT ON sippeers TO rempart"
    write_data_source "Driver = PostgreSQL Unicode
Servername = $folder/server
Database = asterisk
Username = rempart"
}

# FreePBX's tables, of which an extension has a row and some of its forty keywords, those that are read among them.
use_freepbx() {
    start_mariadb
    in_mariadb <<SQL
CREATE DATABASE asterisk;
USE asterisk;
CREATE TABLE devices (id VARCHAR(20) NOT NULL DEFAULT '', tech VARCHAR(10) NOT NULL DEFAULT '',
    dial VARCHAR(255) NOT NULL DEFAULT '', devicetype VARCHAR(5) NOT NULL DEFAULT '', user VARCHAR(50),
    description VARCHAR(50), emergency_cid VARCHAR(100), hint_override VARCHAR(100), KEY id (id), KEY tech (tech));
CREATE TABLE emergencydevices LIKE devices;
CREATE TABLE sip (id VARCHAR(20) NOT NULL DEFAULT '-1', keyword VARCHAR(30) NOT NULL DEFAULT '',
    data VARCHAR(8100) NOT NULL, flags INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, keyword));
CREATE TEMPORARY TABLE accounts (name VARCHAR(20) PRIMARY KEY, secret VARCHAR(80));
LOAD DATA LOCAL INFILE '$folder/accounts.tsv' INTO TABLE accounts (name, secret);
INSERT INTO devices (id, tech, dial, devicetype, user, description)
    SELECT name, 'pjsip', CONCAT('PJSIP/', name), 'fixed', name, 'phone' FROM accounts;
INSERT INTO sip (id, keyword, data) SELECT name, 'account', name FROM accounts;
INSERT INTO sip (id, keyword, data) SELECT name, 'secret', secret FROM accounts;
INSERT INTO sip (id, keyword, data) SELECT name, k.keyword, k.data FROM accounts JOIN (
    SELECT 'sipdriver' keyword, 'chan_pjsip' data UNION SELECT 'max_contacts', '1' UNION SELECT 'context', 'phones'
    UNION SELECT 'deny', '0.0.0.0/0.0.0.0' UNION SELECT 'permit', '0.0.0.0/0.0.0.0' UNION SELECT 'host', 'dynamic'
    UNION SELECT 'type', 'friend' UNION SELECT 'allow', 'ulaw' UNION SELECT 'disallow', 'all'
    UNION SELECT 'dtmfmode', 'rfc4733' UNION SELECT 'maximum_expiration', '7200' UNION SELECT 'qualifyfreq', '60') k;
CREATE USER freepbxuser@localhost IDENTIFIED BY 'secret';
GRANT ALL ON asterisk.* TO freepbxuser@localhost;
SQL
    mkdir -p "$folder/etc"
    cat >"$folder/etc/freepbx.conf" <<PHP
<?php
\$amp_conf['AMPDBUSER'] = 'freepbxuser';
\$amp_conf['AMPDBPASS'] = 'secret';
\$amp_conf['AMPDBHOST'] = 'localhost';
\$amp_conf['AMPDBSOCK'] = '$folder/server/socket';
\$amp_conf['AMPDBNAME'] = 'asterisk';
\$amp_conf['AMPDBENGINE'] = 'mysql';
PHP
    chmod -R a+rX "$folder/etc"
    accounts_url=freepbx://$folder/etc/freepbx.conf accounts_schema=pjsip
}

write_asterisk() {
    local etc=$1 modules=$2 name
    cat >"$etc/asterisk.conf" <<CONF
[directories]
astetcdir => $etc
astmoddir => $modules
astdbdir => $etc
astrundir => $etc
astlogdir => $etc
astspooldir => $etc
CONF
    printf '[modules]\nautoload=no\n' >"$etc/modules.conf"
    for name in "${asterisk_modules[@]}"; do echo "load=$name.so" >>"$etc/modules.conf"; done
    printf '[general]\n[logfiles]\nmessages => notice,warning,error\n' >"$etc/logger.conf"
    printf '[general]\nenabled=yes\nbindaddr=198.19.0.10\nbindport=8088\n' >"$etc/http.conf"
    printf '[general]\nenabled=yes\n[rempart]\ntype=user\nread_only=yes\npassword=secret\n' >"$etc/ari.conf"
    # It only tells accounts: registrations go where those of the other rows go.
    cat >"$etc/pjsip.conf" <<CONF
[udp]
type=transport
protocol=udp
bind=127.0.0.1:5070
[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw
[proof](!)
type=auth
[place](!)
type=aor
max_contacts=1
CONF
    # Those that the row asks for.
    list_accounts | awk -F'\t' -v most=$((1000 + count)) 'NR <= most {
        printf "[%s](phone)\nauth=%s\naors=%s\n[%s](proof)\nusername=%s\npassword=%s\n[%s](place)\n",
            $1, $1, $1, $1, $1, $2, $1}' >>"$etc/pjsip.conf"
}

# What Asterisk's own command line answers.
in_asterisk() {
    nsenter --mount --target="$server" chroot "$root" /usr/sbin/asterisk -C "$folder/etc/asterisk.conf" -rx "$*"
}

is_booted() { in_asterisk core waitfullybooted | grep -q "fully booted"; }

use_ari() {
    local modules
    modules=$(cd "$root" && find usr/lib -name res_ari.so -printf '%h')
    mkdir -p "$folder/etc"
    write_asterisk "$folder/etc" "/$modules"
    # shellcheck disable=SC2016  # for the shell of the namespace, whose mounts end with it
    start pbx server.log sh -c 'mount --bind /proc "$1/proc" && mount --bind /dev "$1/dev" && mount -t tmpfs bench "$1/tmp" \
        && mkdir -p "$1$2" && mount --bind "$2" "$1$2" && exec chroot "$1" /usr/sbin/asterisk -C "$2/etc/asterisk.conf" -f' \
        sh "$root" "$folder"
    server=$last
    await_server is_booted
    echo secret >"$folder/etc/secret"
    chmod 600 "$folder/etc/secret"
    accounts_url=ari://198.19.0.10:8088 accounts_schema=pjsip
    accounts_login="  user: rempart
  secret-file: $folder/etc/secret"
}

end_server() {
    [ -z "${server:-}" ] || kill -KILL -- "-$server" 2>/dev/null || true
    [ -z "${server:-}" ] || wait "$server" 2>/dev/null || true
    server='' accounts_url='' accounts_schema='' accounts_login=''
    rm -rf "$folder/server" "$folder/etc"
}

# The CPU time of the server that has the accounts; none where they are in files.
server_time() {
    # shellcheck disable=SC2046  # a list of numbers
    if [ -n "$server" ]; then cpu_time $(family "$server"); else echo 0; fi
}

# How many ask at once for accounts that nobody knows: a look-up that waits behind too many others comes after the 200 ms
# that sip-router has for it.
readonly cold=window=16

# One registration of each account, and what accounts-reader, directory and the accounts' server need for it. Further
# words are for the generator.
measure_look_ups() {
    local edge=$1 what=$2 count=$3 pids before after server_before
    mapfile -t pids < <(component accounts-reader && component directory)
    before=$(cpu_time "${pids[@]}") server_before=$(server_time)
    # Those before have registered already (begin).
    measure "$edge" "register-$what" register $outside first=1000 accounts="$count" units="$count" "${@:4}"
    after=$(cpu_time "${pids[@]}")
    fact "$what: accounts-reader and directory, us a registration" "$edge" \
        "$(awk "BEGIN {print ($after - $before) / $count}")"
    [ -z "$server" ] || fact "$what: its server, us a registration" "$edge" \
        "$(awk "BEGIN {print ($(server_time) - $server_before) / $count}")"
}

# 20,000 accounts that nobody has asked for, then the same again.
row_sources() {
    local kind count server=''
    count=$(scaled 20000)
    # Of chan_sip, and of PJSIP the last two.
    for kind in ${SOURCES:-sqlite files mariadb postgresql freepbx ari}; do
        use_$kind
        begin "$1" $cold
        measure_look_ups "$1" "$kind-cold" "$count" $cold
        measure_look_ups "$1" "$kind-known" "$count"
        stop_edge
        end_server
    done
    # The loop over the rows ends an edge.
    start_rempart
}

# How many statements MariaDB has carried out so far.
statements() { in_mariadb -N -e "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'" | cut -f2; }

row_strangers() {
    local seconds=10 server='' storm edge before after defence
    # The kernel would stop a storm of so few addresses before it costs anything.
    defence='allow: [198.18.1.0/26]
  packets: 0
  failures: 1000
  window: 1s'
    use_mariadb
    begin "$1"
    edge=$last
    measure "$1" "(known)" register $outside first=10000 accounts=2000 units=2000
    # So that what is known of them has to be asked for again.
    sleep $old_after
    before=$(statements)
    measure "$1" register-old-alone register $outside first=10000 accounts=1000 units=1000 rate=100
    after=$(statements)
    fact "statements a registration of an account that is old" "$1" \
        "$(awk "BEGIN {print ($after - $before) / 1000}")"
    before=$after
    start clients storm.log "$bin/loadgen" client stranger $outside 198.18.1.101:5060 \
        sources=100 window=20000 accounts=1000000 units=$((10000 * seconds)) rate=10000 \
        agent="$phone"
    storm=$last last=$edge
    measure "$1" register-old-in-a-storm register $outside first=11000 accounts=$((100 * seconds)) \
        units=$((100 * seconds)) rate=100
    wait "$storm" || cat "$folder/storm.log" >&2
    after=$(statements)
    fact "strangers: asked a second" "$1" "$(awk '/^[0-9]/ {print $1 / $2}' "$folder/storm.log")"
    fact "strangers: failures" "$1" "$(awk '/^[0-9]/ {print $5}' "$folder/storm.log")"
    # Each of the phones has cost one too.
    fact "strangers: statements a second in MariaDB" "$1" "$(((after - before) / seconds))"
    stop_edge
    end_server
    start_rempart
}

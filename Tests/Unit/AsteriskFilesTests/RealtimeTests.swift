import AsteriskFiles
import Testing

@Suite("extconfig.conf")
struct RealtimeTests {
    private func map(_ lines: String) throws -> AsteriskConfiguration {
        try configuration(["extconfig.conf": "[settings]\n" + lines])
    }

    private static let forms: [(line: String, written: String)] = [
        ("ps_auths => odbc,asterisk", "ps_auths odbc asterisk ps_auths 1"),
        ("ps_auths => odbc,asterisk,auths", "ps_auths odbc asterisk auths 1"),
        ("ps_auths => odbc,asterisk,auths,2", "ps_auths odbc asterisk auths 2"),
        ("ps_auths => odbc,asterisk,auths,0", "ps_auths odbc asterisk auths 1"),
        ("ps_auths => odbc,asterisk,auths, 3x", "ps_auths odbc asterisk auths 3"),
        ("ps_auths => odbc,asterisk,,2", "ps_auths odbc asterisk  2"),
        ("ps_auths => mysql,\"a,b\",auths", "ps_auths mysql a,b auths 1"),
        ("ps_auths => mysql, \"a\" junk,auths,2", "ps_auths mysql a auths 2"),
        ("sipfriends => sqlite3,db", "sippeers sqlite3 db sipfriends 1"),
    ]

    @Test("the forms of a line", arguments: forms.indices)
    func form(index: Int) throws {
        let (line, expected) = Self.forms[index]
        let mapping = try #require(try map(line).realtime.mappings.first)
        let parts = [mapping.family, mapping.engine, mapping.database, mapping.table].map(text)
        #expect((parts + ["\(mapping.priority)"]).joined(separator: " ") == expected)
    }

    @Test("a line without a comma is a finding", arguments: ["ps_auths => odbc", "ps_auths="])
    func noForm(line: String) throws {
        let read = try map(line)
        #expect(read.realtime.mappings.isEmpty)
        #expect(read.findings.map(\.place.description) == ["/ast/extconfig.conf:2"])
    }

    @Test("of two lines with one priority the later one counts, and priorities go on from 1")
    func priorities() throws {
        let read = try map(
            """
            sippeers => odbc,first
            SipPeers => odbc,second
            sippeers => odbc,third,t,2
            sippeers => odbc,fifth,t,4
            """)
        let found = read.realtime.mappings(of: "SIPPEERS".utf8)
        #expect(found.map { text($0.database) } == ["second", "third"])
    }

    @Test("a file that a database has is not read, and a finding says so")
    func fileInDatabase() throws {
        let read = try configuration([
            "extconfig.conf": "[settings]\npjsip.conf => odbc,asterisk,ast_config\n",
            "pjsip.conf": "[a]\ntype=endpoint\n",
        ])
        #expect(read.pjsip.endpoints.isEmpty)
        #expect(read.findings.first?.kind == .missing)
        #expect(
            read.findings.first?.description.contains("reads pjsip.conf from a database") == true)
    }

    @Test("a folder that asterisk.conf does not name is a finding")
    func otherFolder() throws {
        let named = try configuration(["asterisk.conf": "[directories]\nastetcdir => /opt/etc\n"])
        #expect(named.findings.first?.sentence.contains("asterisk:///opt/etc") == true)
        let same = try configuration(["asterisk.conf": "[directories]\nastetcdir => /ast/\n"])
        #expect(same.findings.isEmpty)
        // Asterisk's own sample marks the section as a template.
        let sample = try configuration(["asterisk.conf": "[directories](!)\nastetcdir => /opt\n"])
        #expect(sample.findings.isEmpty)
    }
}

@Suite("where Realtime's databases are")
struct DatabasesTests {
    private let mappings = """
        [settings]
        a => odbc,asterisk
        b => MySQL,main
        c => pgsql,ignored
        d => sqlite3,lite
        """

    @Test("of the drivers that extconfig.conf names")
    func drivers() throws {
        let read = try configuration([
            "extconfig.conf": mappings,
            "res_odbc.conf": """
            [ENV]
            ODBCINI => /etc/odbc.ini
            [asterisk]
            enabled => yes
            dsn => wrong
            dsn => asterisk-dsn
            username => user
            password => p;w
            [off]
            enabled => no
            dsn => x
            [nodsn]
            """,
            "res_config_mysql.conf":
                "[main]\ndbhost=h\ndbname=n\ndbuser=u\ndbpass=p\ndbport=3306\ndbsock=/s\n",
            "res_pgsql.conf":
                "[general]\nhostname=h\ndbhost=old\nport=5432\ndbname=n\nuser=u\npassword=p\nsocket=/tmp\n",
            "res_config_sqlite3.conf":
                "[general]\n[lite]\ndbfile => /var/lib/asterisk/rt.sqlite3\n",
        ])
        let odbc = try #require(read.databases.odbc.first)
        #expect(read.databases.odbc.count == 1)
        #expect(text(odbc.name) == "asterisk")
        #expect(text(odbc.dataSource) == "asterisk-dsn")
        #expect(text(odbc.user) == "user")
        #expect(text(odbc.password) == "p")
        let mysql = try #require(read.databases.mysql.first)
        let login = [
            mysql.host, mysql.port, mysql.socket, mysql.database, mysql.user, mysql.password,
        ]
        #expect(login.map(text) == ["h", "3306", "/s", "n", "u", "p"])
        let pgsql = try #require(read.databases.pgsql)
        let other = [
            pgsql.host, pgsql.port, pgsql.socket, pgsql.database, pgsql.user, pgsql.password,
        ]
        #expect(other.map(text) == ["h", "5432", "/tmp", "n", "u", "p"])
        #expect(read.databases.sqlite.map { text($0.path) } == ["/var/lib/asterisk/rt.sqlite3"])
    }

    @Test("of older names of pgsql's variables")
    func oldNames() throws {
        let read = try configuration([
            "extconfig.conf": mappings,
            "res_pgsql.conf": "[general]\ndbhost=h\ndbport=1\ndbuser=u\ndbpass=p\ndbsock=/s\n",
        ])
        let pgsql = try #require(read.databases.pgsql)
        #expect(
            [pgsql.host, pgsql.port, pgsql.user, pgsql.password].map(text) == ["h", "1", "u", "p"])
    }

    @Test("the file of a driver that no line names is not read")
    func unread() throws {
        let read = try configuration(["res_odbc.conf": "[broken\n"])
        #expect(read.databases.odbc.isEmpty)
    }
}

internal import AsteriskFiles
internal import Glibc
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

/// A file with one account and its secret.
private func pjsip(_ name: String, _ secret: String) -> String {
    """
    [\(name)]
    type=endpoint
    auth=\(name)
    aors=\(name)
    [\(name)]
    type=auth
    username=\(name)
    password=\(secret)
    [\(name)]
    type=aor
    max_contacts=1

    """
}

@Suite("Asterisk's own files as a source")
struct AsteriskSourceTests {
    @Test("a change counts once it has stood for a second")
    func change() throws {
        let ground = try AsteriskGround(["pjsip.conf": pjsip("1", "old")])
        #expect(
            ground.source.drainEvents()
                == [.source(.up(layout: "pjsip", source: ground.url)), .changed])
        ground.second()
        #expect(ground.source.drainEvents() == [])
        try ground.write("pjsip.conf", pjsip("1", "new"))
        ground.second()
        #expect(try ground.accepts("1", "1", "old"))
        try ground.write("sip.conf", "[general]\n")
        ground.second()
        // Another file has changed meanwhile.
        #expect(try ground.accepts("1", "1", "old"))
        ground.second()
        #expect(try ground.accepts("1", "1", "new"))
        #expect(ground.source.drainEvents() == [.changed])
    }

    @Test("a broken file keeps serving what was read before, and is told with its line")
    func broken() throws {
        let ground = try AsteriskGround(["pjsip.conf": pjsip("1", "old")])
        _ = ground.source.drainEvents()
        try ground.write("pjsip.conf", pjsip("1", "new") + "[2\n")
        ground.second()
        // It may be being written.
        #expect(ground.troubles == [])
        ground.second()
        #expect(
            ground.troubles == [
                "FOLDER/pjsip.conf:12: the section's name does not end with ]. The accounts that were"
                    + " read before serve until then"
            ])
        #expect(ground.source.drainEvents() == [])
        #expect(try ground.accepts("1", "1", "old"))
        for _ in 0..<12 { ground.second() }
        #expect(ground.troubles.count == 1)
        try ground.write("pjsip.conf", pjsip("1", "new"))
        ground.second()
        ground.second()
        #expect(ground.troubles == [])
        #expect(try ground.accepts("1", "1", "new"))
    }

    @Test("an included file that is broken keeps serving what was read before, too")
    func brokenInclusion() throws {
        let ground = try AsteriskGround([
            "pjsip.conf": "#include phones.conf\n", "phones.conf": pjsip("1", "old"),
        ])
        try ground.write("phones.conf", "[broken\n" + pjsip("1", "new"))
        ground.second()
        ground.second()
        #expect(ground.troubles.count == 1)
        #expect(ground.troubles.first?.hasPrefix("FOLDER/phones.conf:1: ") == true)
        #expect(try ground.accepts("1", "1", "old"))
        try ground.write("phones.conf", pjsip("1", "new"))
        ground.second()
        ground.second()
        #expect(ground.troubles == [])
        #expect(try ground.accepts("1", "1", "new"))
    }

    @Test("from the start, of an included file that is broken counts what Asterisk has of it")
    func brokenInclusionAtFirst() throws {
        let ground = try AsteriskGround([
            "pjsip.conf": "#include phones.conf\n",
            "phones.conf": pjsip("1", "old") + "[broken\n" + pjsip("2", "old"),
        ])
        #expect(ground.troubles.count == 1)
        #expect(try ground.accepts("1", "1", "old"))
        #expect(ground.names() == ["1"])
        // It was not whole before: what changes besides counts.
        try ground.write("phones.conf", pjsip("1", "new") + "[broken\n")
        ground.second()
        ground.second()
        #expect(try ground.accepts("1", "1", "new"))
    }

    @Test("what is broken from the start is no source, until it is mended")
    func brokenAtFirst() throws {
        let ground = try AsteriskGround(["pjsip.conf": "[1\n"])
        let why = "\(ground.path)/pjsip.conf:1: the section's name does not end with ]"
        #expect(ground.source.state == .down(why: why, source: ground.url))
        #expect(ground.read("1") == .unavailable && ground.names() == nil)
        #expect(ground.troubles == [])
        try ground.write("pjsip.conf", pjsip("1", "new"))
        ground.second()
        #expect(try ground.accepts("1", "1", "new"))
        #expect(
            ground.source.drainEvents()
                == [.source(.up(layout: "pjsip", source: ground.url)), .changed])
    }

    @Test("a folder that is not there is told, and read once it is")
    func missing() throws {
        let ground = try AsteriskGround([:])
        let folder = "\(ground.path)/later"
        let source = AsteriskSource(ground.settings, folder: folder)
        source.tick(ground.now)
        guard case .down(let why, _)? = source.state else {
            Issue.record("expected it to be down")
            return
        }
        #expect(why.hasPrefix("there is no folder \(folder): "))
        // The path is a string of ours, which lives through the call.
        #expect(unsafe mkdir(folder, 0o755) == 0)
        source.tick(ground.now + .seconds(1))
        guard case .up? = source.state else {
            Issue.record("expected it to be up")
            return
        }
    }

    @Test("a folder without a phone is told, and what its lines leave out")
    func conditions() throws {
        let ground = try AsteriskGround([
            "pjsip.conf": """
            #exec /usr/bin/wazo-confgen
            #include /etc/hostname
            #tryinclude link.conf
            """
        ])
        #expect(
            ground.troubles.map { String($0.prefix(20)) }
                == [
                    "FOLDER/pjsip.conf:1:", "FOLDER/pjsip.conf:2:",
                    "the source has no ac",
                ])
        #expect(ground.troubles[1].contains("/etc/hostname leads out of FOLDER"))
        // A link that leads out of the folder is no file of it.
        // The paths are strings of ours, which live through the call.
        #expect(unsafe symlink("/etc/hostname", "\(ground.path)/link.conf") == 0)
        ground.second()
        ground.second()
        #expect(ground.troubles.contains { $0.contains("FOLDER/link.conf leads out of FOLDER") })
    }

    @Test("accounts of both drivers are refused until accounts.schema chooses")
    func both() throws {
        let files = [
            "pjsip.conf": pjsip("1", "pjsip"),
            "sip.conf": "[1]\ntype=friend\nhost=dynamic\nsecret=sip\n",
        ]
        let ground = try AsteriskGround(files)
        guard case .down(let why, _)? = ground.source.state else {
            Issue.record("expected it to be down")
            return
        }
        #expect(why.contains("set accounts.schema"))
        #expect(try AsteriskGround(files, [.schema(.pjsip)]).accepts("1", "1", "pjsip"))
        #expect(try AsteriskGround(files, [.schema(.chanSip)]).accepts("1", "1", "sip"))
    }
}

@Suite("Realtime of Asterisk's own files")
struct FileRealtimeTests {
    private static let files = [
        "sorcery.conf": """
        [res_pjsip]
        endpoint=realtime,ps_endpoints
        endpoint=config,pjsip.conf,criteria=type=endpoint
        auth=realtime,ps_auths
        auth=config,pjsip.conf,criteria=type=auth
        aor=realtime,ps_aors
        aor=config,pjsip.conf,criteria=type=aor
        """,
        "extconfig.conf": """
        [settings]
        ps_endpoints => sqlite3,asterisk,my_endpoints
        ps_auths => sqlite3,asterisk
        ps_aors => sqlite3,asterisk
        """,
        "res_config_sqlite3.conf": "[asterisk]\ndbfile => FOLDER/rt.sqlite3\n",
        "pjsip.conf": pjsip("1", "file"),
    ]

    @Test("where Realtime lives in SQLite, the accounts are read there, and those of the files too")
    func sqlite() throws {
        let ground = try AsteriskGround([:])
        let sql = Tables.pjsip.replacing("ps_endpoints", with: "my_endpoints")
        try ground.folder.database("rt.sqlite3", sql)
        for (name, text) in Self.files { try ground.write(name, text) }
        ground.second()
        ground.second()
        #expect(ground.source.state == .up(layout: "pjsip", source: ground.url))
        #expect(try ground.accepts("1", "1", "file"))
        #expect(try ground.accepts("2001", "phone", "two"))
        #expect(ground.read("2001").source == "my_endpoints")
        #expect(ground.read("nobody").why == .noRow)
        #expect(ground.names(limit: 2) == ["1", "2001"])
        #expect(ground.names(after: "2001", limit: 1) == ["2002"])
        let steps = TraceSteps()
        _ = ground.read("2001", steps)
        #expect(
            steps.all.map(\.what) == [
                "my_endpoints id=2001", "ps_auths id=2001", "ps_aors id=2001",
            ])
        // A row changes.
        _ = ground.source.drainEvents()
        try ground.folder.database("rt.sqlite3", "UPDATE ps_auths SET password = 'zwei'")
        ground.second()
        #expect(ground.source.drainEvents() == [.changed])
        #expect(try ground.accepts("2001", "phone", "zwei"))
        #expect(ground.troubles == [])
    }

    /// The files, with files before Realtime in sorcery.conf.
    private static var filesFirst: [String: String] {
        var files = files
        let lines = (files["sorcery.conf"] ?? "").split(separator: "\n")
        files["sorcery.conf"] = [0, 2, 1, 4, 3, 6, 5].map { lines[$0] }.joined(separator: "\n")
        return files
    }

    @Test("where Realtime comes first, no file says anything while the database is away")
    func awayAndFirst() throws {
        let ground = try AsteriskGround(Self.files)
        guard case .down = ground.source.state else {
            Issue.record("expected it to be down")
            return
        }
        #expect(ground.read("1") == .unavailable)
    }

    @Test("files that have no account any more, or lead nowhere, end no account")
    func loss() throws {
        let ground = try AsteriskGround([:])
        let sql = Tables.pjsip.replacing("ps_endpoints", with: "my_endpoints")
        try ground.folder.database("rt.sqlite3", sql)
        for (name, text) in Self.filesFirst { try ground.write(name, text) }
        for _ in 0..<2 { ground.second() }
        for (name, text) in [("pjsip.conf", ""), ("res_config_sqlite3.conf", "[other]\n")] {
            try ground.write(name, text)
            for _ in 0..<4 { ground.second() }
            #expect(try ground.accepts("1", "1", "file"))
            #expect(try ground.accepts("2001", "phone", "two"))
            #expect(ground.troubles.contains { $0.contains("read before serve") })
            try ground.write(name, Self.files[name] ?? "")
            for _ in 0..<3 { ground.second() }
            #expect(ground.troubles == [])
        }
    }

    @Test("a database that is away takes no file's account along, where files come first")
    func away() throws {
        let ground = try AsteriskGround(Self.filesFirst)
        #expect(ground.source.state == .up(layout: "pjsip", source: ground.url))
        #expect(ground.troubles.count == 1 && ground.troubles[0].contains("FOLDER/rt.sqlite3"))
        #expect(try ground.accepts("1", "1", "file"))
        #expect(ground.read("2001") == .unavailable)
        #expect(ground.names() == ["1"])
    }

    @Test("a database that is away is all that there is where no file has an account")
    func awayAlone() throws {
        var files = Self.files
        files["pjsip.conf"] = ""
        let ground = try AsteriskGround(files)
        guard case .down(let why, let source)? = ground.source.state else {
            Issue.record("expected it to be down")
            return
        }
        #expect(why.contains("rt.sqlite3") && source == ground.url)
    }

    @Test("sorcery.conf says which one counts where a file and the database have a name")
    func order() throws {
        for isRealtimeFirst in [true, false] {
            let ground = try AsteriskGround([:])
            let sql = Tables.pjsip.replacing("ps_endpoints", with: "my_endpoints")
            try ground.folder.database("rt.sqlite3", sql)
            let files = isRealtimeFirst ? Self.files : Self.filesFirst
            for (name, text) in files { try ground.write(name, text) }
            try ground.write("pjsip.conf", pjsip("2001", "file"))
            ground.second()
            ground.second()
            #expect(try ground.accepts("2001", "phone", "two") == isRealtimeFirst)
            #expect(try ground.accepts("2001", "2001", "file") == !isRealtimeFirst)
            let registration = "\n[2001]\ntype=registration\nserver_uri=sip:192.0.2.9\n"
            let phones = pjsip("2001", "file") + "\n" + pjsip("2010", "file")
            try ground.write("pjsip.conf", phones + registration)
            for _ in 0..<3 { ground.second() }
            #expect(ground.read("2001").why == .trunk)
        }
    }

    @Test("a row of the database has the lists of acl.conf and the realm of the files")
    func shared() throws {
        let ground = try AsteriskGround([:])
        try ground.folder.database("rt.sqlite3", Tables.chanSip)
        try ground.folder.database(
            "rt.sqlite3",
            """
            ALTER TABLE sippeers ADD COLUMN acl TEXT;
            UPDATE sippeers SET acl = 'my office' WHERE name = '1001';
            """)
        try ground.write("extconfig.conf", "[settings]\nsippeers => sqlite3,asterisk\n")
        try ground.write("res_config_sqlite3.conf", "[asterisk]\ndbfile => FOLDER/rt.sqlite3\n")
        try ground.write("acl.conf", "[my office]\npermit=192.0.2.0/24\n")
        ground.second()
        ground.second()
        let account = try ground.account("1001")
        #expect(account.access.rules.map(\.permits) == [true])
        // Another state of the list is read with the file's next one.
        try ground.write("acl.conf", "[office]\npermit=192.0.2.0/24\n")
        ground.second()
        ground.second()
        #expect(ground.read("1001").why == .unreadableAccessList)
    }

    @Test("what Asterisk asks beside the first database is told")
    func further() throws {
        var files = Self.files
        files["extconfig.conf", default: ""] += "\nps_auths => sqlite3,other,ps_auths,2\n"
        let ground = try AsteriskGround(files)
        #expect(
            ground.troubles.contains {
                $0.contains("extconfig.conf:5: ") && $0.contains("first priority")
            })
    }

    @Test("a driver that cannot be read is told with its line, and the files serve")
    func ldap() throws {
        let ground = try AsteriskGround(Self.files(mappedTo: "ldap,a"))
        #expect(ground.troubles.count == 1)
        #expect(ground.troubles[0].hasPrefix("FOLDER/extconfig.conf:2: "))
        #expect(ground.troubles[0].contains("by its driver ldap"))
        #expect(try ground.accepts("1", "1", "file"))
    }

    private static func files(mappedTo database: String) -> [String: String] {
        let families = ["ps_endpoints", "ps_auths", "ps_aors"]
        var files = filesFirst
        files["extconfig.conf"] =
            (["[settings]"] + families.map { "\($0) => \(database)" }).joined(separator: "\n")
        return files
    }

    private func place(_ database: String, _ file: String, _ text: String) throws -> RealtimePlace {
        var files = Self.files(mappedTo: database)
        files[file] = text
        let ground = try AsteriskGround(files)
        return try AsteriskConfiguration(folder: ground.folder.path, drivers: [.pjsip])
            .realtimePlace(of: .pjsip)
    }

    @Test("a class of res_odbc.conf is reached by its DSN and its login")
    func odbc() throws {
        let text = "[a]\nenabled=yes\ndsn=exchange\nusername=u\npassword=p;q\n"
        guard
            case .server(let login, let names) = try place(
                "odbc,a", "res_odbc.conf", text.replacing(";", with: "\\;"))
        else {
            Issue.record("expected a server")
            return
        }
        #expect(names[.endpoints] == "ps_endpoints")
        #expect(login.name.hasSuffix("/res_odbc.conf:1"))
        let string = try login.connectionString(with: ["X=1"])
        #expect(string.text == "DSN=exchange;UID=u;X=1;PWD={p;q};")
        var settings = AccountSettings([.user("reader")])
        #expect(
            try settings.withOwnLogin(login).connectionString(with: []).text
                == "DSN=exchange;UID=reader;")
        settings.secretFile = "/etc/rempart/accounts.secret"
        #expect(throws: AccountTablesError.self) {
            try settings.withOwnLogin(login).connectionString(with: [])
        }
    }

    @Test("MySQL and PostgreSQL are reached as Asterisk's own drivers reach them")
    func ownDrivers() throws {
        let mysql =
            "[a]\ndbhost=10.0.0.9\ndbport=3307\ndbname=pbx\ndbuser=u\ndbpass=p\n[b]\ndbuser=u\n"
        func string(_ database: String, _ file: String, _ text: String) throws -> String? {
            guard case .server(let login, _) = try place(database, file, text) else { return nil }
            return try login.connectionString(with: []).text
        }
        #expect(
            try string("mysql,a/w", "res_config_mysql.conf", mysql)
                == "DRIVER={MariaDB Unicode};SERVER=10.0.0.9;PORT=3307;DATABASE=pbx;UID=u;PWD={p};")
        #expect(
            try string("mysql,b", "res_config_mysql.conf", mysql)
                == "DRIVER={MariaDB Unicode};SOCKET=/run/mysqld/mysqld.sock;DATABASE=asterisk;UID=u;PWD={asterisk};"
        )
        #expect(try string("mysql,c", "res_config_mysql.conf", mysql) == nil)
        let pgsql = "[general]\nhostname=db\nport=5433\ndbname=pbx\nuser=u\npassword=p\n"
        #expect(
            try string("pgsql,ignored", "res_pgsql.conf", pgsql)
                == "DRIVER={PostgreSQL Unicode};Servername=db;Port=5433;Database=pbx;UID=u;PWD={p};"
        )
        #expect(
            try string("pgsql,ignored", "res_pgsql.conf", "[general]\n")
                == "DRIVER={PostgreSQL Unicode};Servername=/tmp;Port=5432;Database=asterisk;UID=asterisk;PWD={asterisk};"
        )
        #expect(throws: AccountTablesError.self) {
            try string("pgsql,x", "res_pgsql.conf", "[general]\ndbname=a\\;UID=root\n")
        }
    }

    @Test("a server beside the files tells of no changes, and needs the network")
    func server() throws {
        var files = Self.files(mappedTo: "odbc,a")
        files["res_odbc.conf"] = "[a]\ndsn=rempart-none\n"
        let ground = try AsteriskGround(files)
        #expect(Reach(ground.settings).connects)
        #expect(
            ground.source.state == .up(layout: "pjsip", source: ground.url, tellsOfChanges: false))
        let why = ground.troubles.joined()
        #expect(why.contains("/res_odbc.conf:1") && why.contains("/etc/odbc.ini"))
        #expect(try ground.accepts("1", "1", "file"))
        #expect(ground.read("2001") == .unavailable)
    }

    @Test("files that cannot be read say nothing of where Realtime is")
    func unknownReach() throws {
        var files = Self.files(mappedTo: "odbc,a")
        files["res_odbc.conf"] = "[a]\ndsn=rempart-none\n"
        let ground = try AsteriskGround(files)
        let before = Reach(ground.settings)
        try ground.write("extconfig.conf", "[settings\n")
        #expect(!Reach(ground.settings).isNews(beside: before))
        // Another folder in its place cannot be read either, and is one to begin anew for.
        let other = try AsteriskGround(["extconfig.conf": "[settings\n"])
        #expect(Reach(other.settings).isNews(beside: before))
        try ground.write("extconfig.conf", "")
        #expect(Reach(ground.settings).isNews(beside: before))
    }

    @Test("chan_sip's peers are read where sippeers is")
    func chanSip() throws {
        let ground = try AsteriskGround([:])
        try ground.folder.database("rt.sqlite3", Tables.chanSip)
        try ground.write("extconfig.conf", "[settings]\nsippeers => sqlite3,asterisk\n")
        try ground.write("res_config_sqlite3.conf", "[asterisk]\ndbfile => FOLDER/rt.sqlite3\n")
        ground.second()
        ground.second()
        #expect(ground.source.state == .up(layout: "chan_sip", source: ground.url))
        #expect(try ground.accepts("1001", "1001", "one"))
    }

    @Test("the folder of Realtime's file is in reach too, and another one is another reach")
    func reach() throws {
        let ground = try AsteriskGround(["pjsip.conf": pjsip("1", "file")])
        let before = Reach(ground.settings)
        #expect(before.paths.count == 1)
        try ground.write("pjsip.conf", pjsip("1", "other"))
        #expect(Reach(ground.settings) == before)
        for (name, text) in Self.files {
            try ground.write(name, text.replacing("FOLDER/rt", with: "/var/rt"))
        }
        let after = Reach(ground.settings)
        #expect(after.paths.count == 2 && after != before)
    }
}

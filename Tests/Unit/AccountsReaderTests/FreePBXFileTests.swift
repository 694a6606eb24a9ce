internal import Glibc
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import accounts_reader

@Suite("FreePBXFile")
struct FreePBXFileTests {
    private static let own = """
        <?php
        $amp_conf['AMPDBUSER'] = 'freepbxuser';
        $amp_conf['AMPDBPASS'] = 's3cr3t';
        $amp_conf['AMPDBHOST'] = 'localhost';
        $amp_conf['AMPDBNAME'] = 'asterisk';
        $amp_conf['AMPDBENGINE'] = 'mysql';
        $amp_conf['datasource'] = ''; //for sqlite3

        require_once('/var/www/html/admin/bootstrap.php');
        ?>

        """

    private func value(_ text: String, _ key: FreePBXFile.Key = .password) -> FreePBXFile.Value? {
        FreePBXFile(Array(text.utf8)).values[key]
    }

    private func login(
        _ text: String, _ settings: [AccountsReaderSetting] = [], driver: String = "MariaDB Unicode"
    ) -> ServerLogin {
        let settings = AccountSettings([.source("freepbx:///etc/freepbx.conf")] + settings)
        return FreePBXFile(Array(text.utf8)).login(settings, "/etc/freepbx.conf", driver: driver)
    }

    private func string(_ login: ServerLogin) throws -> String {
        String(decoding: try login.connectionString(with: []), as: UTF8.self)
    }

    @Test("FreePBX's own file leads to its database by the socket, and says nothing of the rest")
    func ownFile() throws {
        #expect(
            try string(login(Self.own))
                == "DRIVER={MariaDB Unicode};SOCKET=/run/mysqld/mysqld.sock;DATABASE=asterisk;UID=freepbxuser;"
                + "PWD={s3cr3t};")
        #expect(login(Self.own).placeOfLogin == "/etc/freepbx.conf")
    }

    @Test(
        "a text is what PHP makes of it, and the last one counts",
        arguments: [
            ("$amp_conf['AMPDBPASS'] = 'a';", "a"),
            ("$amp_conf[\"AMPDBPASS\"]=\"a\";", "a"),
            ("$amp_conf [ 'AMPDBPASS' ] /* so */ = // and so\n 'a' # too\n ;", "a"),
            ("$amp_conf['AMPDBPASS'] = 'a'; $amp_conf['AMPDBPASS'] = 'b';", "b"),
            ("$amp_conf['AMPDBPASS'] = 'a'; // $amp_conf['AMPDBPASS'] = 'b';", "a"),
            ("$amp_conf['AMPDBPASS'] = 'a'; # $amp_conf['AMPDBPASS'] = 'b';\n", "a"),
            ("$amp_conf['AMPDBPASS'] = 'a'; /* $amp_conf['AMPDBPASS'] = 'b'; */", "a"),
            ("$x = '$amp_conf[\"AMPDBPASS\"] = 1;'; $amp_conf['AMPDBPASS'] = 'a';", "a"),
            ("$amp_conf['AMPDBPASS'] = 'a'; ?> $amp_conf['AMPDBPASS'] = 'b';", "a"),
            ("// ?> <?php $amp_conf['AMPDBPASS'] = 'b';", "b"),
            ("$amp_conf['AMPDBPASS'] = 'a\\'b\\\\c\\d\"$e';", "a'b\\c\\d\"$e"),
            ("$amp_conf['AMPDBPASS'] = \"a\\\"b\\\\c\\d'\\$e$1\";", "a\"b\\c\\d'$e$1"),
            ("$amp_conf['AMPDBPASS'] = '//a#b/*c*/;?>';", "//a#b/*c*/;?>"),
            ("$amp_conf['AMPDBPASS'] = '';", ""),
            ("$amp_conf['AMPDBPASS'] = 12;", "12"),
            ("$amp_conf['AMPDBPASS'] = 'a'; if ($amp_conf['AMPDBPASS'] == 'b') {}", "a"),
            ("$amp_conf['AMPDBPASS'] = 'a'; f(['x' => $amp_conf['AMPDBPASS']]);", "a"),
            ("$amp_conf['AMPDBPASS'] = 'a'; $amp_conf2['AMPDBPASS'] = 'b';", "a"),
            ("$amp_conf = []; $amp_conf['AMPDBPASS'] = 'a'", "a"),
        ])
    func texts(_ php: String, _ expected: String) {
        #expect(value("<?php\n\(php)") == .text(Array(expected.utf8)))
    }

    @Test(
        "what PHP would have to compute is no value, and neither is what ends nowhere",
        arguments: [
            "$amp_conf['AMPDBPASS'] = getenv('X');", "$amp_conf['AMPDBPASS'] = 'a' . 'b';",
            "$amp_conf['AMPDBPASS'] = \"a$b\";", "$amp_conf['AMPDBPASS'] = \"a{$b}\";",
            "$amp_conf['AMPDBPASS'] = \"a\\n\";", "$amp_conf['AMPDBPASS'] = `cat /etc/x`;",
            "$amp_conf['AMPDBPASS'] = 'a", "$amp_conf['AMPDBPASS'] =",
            "$amp_conf['AMPDBPASS'] = 'a'; $amp_conf['AMPDBPASS'] .= 'b';",
        ])
    func computed(_ php: String) {
        #expect(value("<?php\n\(php)") == .computed(line: 2))
        let told = login("<?php\n\(php)").fault ?? ""
        #expect(told.hasPrefix("/etc/freepbx.conf:2: AMPDBPASS is no plain text in quotes"))
        #expect(told.contains("accounts.secret-file"))
        // Who has a login of his own needs it not.
        #expect(login("<?php\n\(php)", [.user("rempart")]).fault == nil)
    }

    @Test(
        "an array that is assigned as a whole has nothing of before; a heredoc ends the reading, and is told"
    )
    func arrays() {
        #expect(value("<?php $amp_conf['AMPDBPASS'] = 'a'; $amp_conf = f();") == nil)
        #expect(login("<?php\n$x = <<<E\n").fault?.hasPrefix("/etc/freepbx.conf:2: ") == true)
    }

    @Test("amportal.conf has lines of NAME=VALUE")
    func amportal() throws {
        let text =
            "# AMPDBUSER=no\n AMPDBUSER=old\r\nAMPDBUSER=asteriskuser\r\nAMPDBPASS=a=b'c\"\n"
            + "AMPDBHOST=10.0.0.20\nAMPDBPORT=3307\nAMPDBNAME=pbx\nMYAMPDBHOST=x\nAMPDBENGINE\n"
        #expect(
            try string(login(text))
                == "DRIVER={MariaDB Unicode};SERVER=10.0.0.20;PORT=3307;DATABASE=pbx;UID=asteriskuser;PWD={a=b'c\"};"
        )
    }

    @Test(
        "the settings' own login wins, and a file with the server's address alone is enough for it")
    func ownLogin() throws {
        #expect(
            try string(login(Self.own, [.user("rempart")]))
                == "DRIVER={MariaDB Unicode};SOCKET=/run/mysqld/mysqld.sock;DATABASE=asterisk;UID=rempart;"
        )
        #expect(
            try string(login("AMPDBHOST=10.0.0.20\n", [.user("rempart")]))
                == "DRIVER={MariaDB Unicode};SERVER=10.0.0.20;DATABASE=asterisk;UID=rempart;")
    }

    @Test(
        "what is no way to a database is told with the file and the key",
        arguments: [
            ("", "AMPDBUSER"), ("AMPDBUSER=a\nAMPDBENGINE=sqlite3", "AMPDBENGINE"),
            ("AMPDBUSER=a\nAMPDBHOST=b\nAMPDBPORT=0", "AMPDBPORT"),
            ("AMPDBUSER=a\nAMPDBHOST=b\nAMPDBPORT=65536", "AMPDBPORT"),
            ("AMPDBUSER=a;DRIVER=x", ";"), ("AMPDBUSER=a\nAMPDBSOCK=/a;b", ";"),
            ("AMPDBUSER=a\nAMPDBPASS=a}b", "password of /etc/freepbx.conf"),
        ])
    func faults(_ text: String, _ word: String) {
        let error = #expect(throws: AccountTablesError.self) { try string(login(text)) }
        #expect(error?.description.contains("/freepbx.conf") == true)
        #expect(error?.description.contains(word) == true)
    }

    @Test("the driver is what odbcinst.ini calls it")
    func drivers() {
        func name(_ text: String) -> String { ServerLogin.mariaDBDriver(in: Array(text.utf8)) }
        let guide =
            "[MySQL]\nDescription = ODBC\nDriver = /usr/lib/odbc/libmaodbc.so\nFileUsage = 1\n"
        #expect(name("") == "MariaDB Unicode")
        #expect(name(guide) == "MySQL")
        #expect(name(guide + "[MariaDB Unicode]\nDriver=libmaodbc.so\n") == "MariaDB Unicode")
        #expect(name("[a;b]\nDriver=libmaodbc.so\n[c]\nDriver = x/libmaodbc.so\n") == "c")
        #expect(name("[PostgreSQL]\nDriver=psqlodbcw.so\n") == "MariaDB Unicode")
    }

    @Test("no bytes stop the reader, and no value is longer than what it was read from")
    func fuzz() {
        let pieces = [
            "<?php", "?>", "$amp_conf", "['AMPDBPASS']", "[", "]", "'", "\"", "`", "\\", "=", ";",
            "a",
            "//", "#", "/*", "*/", "\n", " ", "<<<", "$", "{", ".", "1", "\u{0}", "\u{E9}",
        ]
        var random: UInt64 = 17
        func next(_ limit: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % limit
        }
        var texts = 0
        for _ in 0..<30_000 {
            let text = (0..<next(24)).map { _ in pieces[next(pieces.count)] }.joined()
            for head in ["", "<?php $amp_conf['AMPDBPASS'] = "] {
                guard case .text(let bytes)? = value(head + text) else { continue }
                texts += 1
                #expect(bytes.count <= text.utf8.count, "\(head)\(text)")
            }
        }
        #expect(texts > 100)
        let long = "<?php $amp_conf['AMPDBPASS'] = '" + String(repeating: "x", count: 60_000)
        #expect(value(long) == .computed(line: 1))
    }
}

@Suite("FreePBXSource")
struct FreePBXSourceTests {
    private let folder: TemporaryFolder
    private var path: String { "\(folder.path)/freepbx.conf" }

    init() throws { folder = try TemporaryFolder() }

    private func why(_ source: FreePBXSource) -> String {
        if case .down(let why, _)? = source.state { why } else { "" }
    }

    @Test("a file that is not there, is none, or is too long is told, and is read when it is right")
    func file() throws {
        let settings = AccountSettings([.source("freepbx://\(path)")])
        let source = FreePBXSource(settings, path: path)
        #expect(source.state == nil)
        source.tick(.seconds(0))
        #expect(why(source).hasPrefix("there is no \(path)"))
        #expect(
            source.drainEvents() == [.source(.down(why: why(source), source: settings.url))])
        try folder.write("freepbx.conf", Array(repeating: 0x20, count: 70_000))
        source.tick(.seconds(1))
        #expect(why(source).contains("is longer than 65536 bytes"))
        try folder.write("freepbx.conf", Array("AMPDBENGINE=sqlite3\n".utf8))
        source.tick(.seconds(2))
        #expect(why(source).contains("AMPDBENGINE is not mysql"))
        // Nobody listens there.
        try folder.write(
            "freepbx.conf", Array("AMPDBUSER=a\nAMPDBSOCK=\(folder.path)/nobody\n".utf8))
        source.tick(.seconds(3))
        #expect(why(source).contains("freepbx://\(path)"))
        #expect(!source.drainEvents().isEmpty)
        #expect(source.unread.isEmpty)
        let query = AccountQuery(name: "100", realm: "asterisk")
        #expect(source.lookUp([query], within: nil, now: .seconds(3), steps: nil) == [.unavailable])
        let folder = FreePBXSource(
            AccountSettings([.source("freepbx:///etc")]), path: "/etc")
        folder.tick(.seconds(0))
        #expect(why(folder).contains("/etc is no file"))
    }

    @Test("accounts-reader reaches the file alone, and the server")
    func reach() throws {
        try folder.write("freepbx.conf", Array("AMPDBUSER=a\n".utf8))
        let settings = AccountSettings([.source("freepbx://\(path)")])
        let reach = Reach(settings)
        #expect(reach.connects)
        #expect(reach == Reach(settings))
        #expect(settings.makeSource() is FreePBXSource)
        try folder.write("other", Array("AMPDBUSER=b\n".utf8))
        // Both are strings of ours, which live through the call.
        #expect(unsafe rename("\(folder.path)/other", path) == 0)
        #expect(reach != Reach(settings))
    }
}

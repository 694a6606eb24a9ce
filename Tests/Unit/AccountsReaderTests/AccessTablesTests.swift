internal import Messages
internal import SQLite
internal import Sys
internal import TemporaryFolder
internal import TestDatabase
internal import Testing

@testable internal import accounts_reader

@Suite("AccessTables")
struct AccessTablesTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Asterisk's own order of columns: permit before deny in chan_sip's table, deny before permit in PJSIP's.
    enum Layout: String, CaseIterable, Sendable {
        case chanSip, pjsip

        func table(_ values: String) -> String {
            switch self {
            case .chanSip:
                """
                CREATE TABLE sippeers (name, type, host, secret, permit, deny, contactpermit,
                    contactdeny, acl);
                INSERT INTO sippeers VALUES ('1001', 'friend', 'dynamic', 'x', \(values));
                """
            case .pjsip:
                """
                CREATE TABLE ps_endpoints (id, aors, auth, deny, permit, contact_deny,
                    contact_permit, acl);
                CREATE TABLE ps_auths (id, auth_type, username, password);
                CREATE TABLE ps_aors (id, max_contacts);
                INSERT INTO ps_endpoints VALUES ('1001', '1001', '1001', \(values));
                INSERT INTO ps_auths VALUES ('1001', 'userpass', '1001', 'x');
                INSERT INTO ps_aors VALUES ('1001', 1);
                """
            }
        }
    }

    private static let named = """
        CREATE TABLE acls (name, rule_order INTEGER, sense, rule);
        INSERT INTO acls VALUES ('office', 2, 'permit', '192.0.2.0/24'),
            ('office', 1, 'deny', '0.0.0.0/0.0.0.0'), ('day', 1, 'deny', '192.0.2.7'),
            ('broken', 1, 'permit', 'somewhere');
        """

    private func access(
        _ sql: String, _ order: AccessOrder = .asAsterisk, own: [String] = []
    ) throws -> AccessList {
        let path = try folder.database("accounts.sqlite", sql)
        let database = SQLiteRealtime(
            try SQLiteDatabase(path: path, .reading, busyTimeout: 0))
        let rules = AccessRules(order: order, own: own.compactMap { IPAddress($0) })
        let tables = try AccountTables.find(.automatic, rules, in: database)
        let read = try tables.lookUp(
            LookUp(account: "1001", realm: "r", ownRealm: "r", domains: []))
        guard case .found(let account) = read.answer else { throw Missing() }
        return account.access
    }

    private struct Missing: Error {}

    private func admits(
        _ list: AccessList, _ ip: String, _ target: AccessTarget = .source
    ) throws -> Bool {
        let bytes = list.bytes
        return AccessList.admits(bytes.span, target, try #require(IPAddress(ip)))
    }

    @Test("rows without lists let everybody in, and cost nothing", arguments: Layout.allCases)
    func empty(_ layout: Layout) throws {
        #expect(try access(layout.table("NULL, '', NULL, '', ''")) == AccessList())
    }

    @Test("tables without such columns let everybody in")
    func noColumns() throws {
        #expect(try access(Tables.chanSip) == AccessList())
    }

    @Test(
        "in chan_sip's own order a deny of everybody shuts out whom the row permits, as in Asterisk"
    )
    func trap() throws {
        let sql = Layout.chanSip.table("'192.0.2.0/24', '0.0.0.0/0', NULL, NULL, NULL")
        let list = try access(sql)
        #expect(try !admits(list, "192.0.2.7"))
        let other = try access("SELECT 1", .denyThenPermit)
        #expect(try admits(other, "192.0.2.7") && !admits(other, "198.51.100.7"))
        #expect(try access("SELECT 1", .ignore) == AccessList())
    }

    @Test("in PJSIP's own order deny comes first")
    func pjsip() throws {
        let list = try access(
            Layout.pjsip.table("'0.0.0.0/0.0.0.0', '192.0.2.0/255.255.255.0', NULL, NULL, NULL"))
        #expect(try admits(list, "192.0.2.7") && !admits(list, "198.51.100.7"))
        #expect(try admits(list, "2001:db8::1"), "a rule of IPv4 says nothing of IPv6")
    }

    @Test("Contacts have columns of their own, named either way")
    func contacts() throws {
        let pjsip = try access(
            Layout.pjsip.table("NULL, NULL, '0.0.0.0/0', '192.168.0.0/16', NULL"))
        #expect(try admits(pjsip, "10.0.0.1") && !admits(pjsip, "10.0.0.1", .contact))
        #expect(try admits(pjsip, "192.168.1.1", .contact))
        let sql =
            "DROP TABLE ps_endpoints; " + Layout.chanSip.table("NULL, NULL, '', '10.0.0.0/8', ''")
        let chanSip = try access(sql)
        #expect(try !admits(chanSip, "10.0.0.1", .contact))
    }

    @Test(
        "several rules stand between semicolons, as Realtime writes them too, and commas",
        arguments: [
            "0.0.0.0/0;::/0", "0.0.0.0/0^3B::/0", " ::/0 , 0.0.0.0/0", "0.0.0.0/0^3b[::]/0;",
        ])
    func several(_ text: String) throws {
        let list = try access(Layout.pjsip.table("'\(text)', '192.0.2.7', NULL, NULL, NULL"))
        #expect(try !admits(list, "198.51.100.7") && !admits(list, "2001:db8::1"))
        #expect(try admits(list, "192.0.2.7"))
    }

    @Test("a mark of exclamation turns a rule round")
    func turned() throws {
        let list = try access(
            Layout.pjsip.table("'0.0.0.0/0,!192.0.2.0/24', NULL, NULL, NULL, NULL"))
        #expect(try admits(list, "192.0.2.7") && !admits(list, "198.51.100.7"))
    }

    @Test(
        "both notations of a mask are one network",
        arguments: [
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"), ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"), ("192.0.2.7/255.255.255.255", "192.0.2.7/32"),
            ("0.0.0.0/0.0.0.0", "0.0.0.0/0"), ("10.0.0.0/255.254.0.0", "10.0.0.0/15"),
            ("2001:db8::/ffff:ffff::", "2001:db8::/32"), ("[2001:db8::]/32", "2001:db8::/32"),
            ("::/::", "::/0"), ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::/ffff:ffff:ffff:ffff:8000::", "2001:db8::/65"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ])
    func masks(_ text: String, _ network: String) {
        #expect(AccessTables.network(text[...]) == Network(network), "\(text)")
    }

    @Test(
        "what is no network lets nobody in",
        arguments: [
            "10.0.0.0/33", "10.0.0.0/255.0.255.0", "10.0.0.0/", "/8", "10.0.0/8", "office.example",
            "10.0.0.0/8/8", "fe80::1%eth0", "::ffff:192.0.2.0/24", "2001:db8::/129", "!",
            "2001:db8::/ffff:0:ffff::",
        ])
    func unreadable(_ text: String) throws {
        #expect(AccessTables.network(text[...]) == nil)
        for layout in Layout.allCases {
            let other = layout == .pjsip ? "DROP TABLE sippeers;" : ""
            let list = try access(other + layout.table("NULL, '\(text)', NULL, NULL, NULL"))
            #expect(list == .nobody)
        }
    }

    @Test("more rules than are held let nobody in")
    func many() throws {
        func rules(_ count: Int) -> String {
            (1...count).map { "10.0.\($0).0/24" }.joined(separator: ";")
        }
        let most = try access(
            Layout.pjsip.table("'\(rules(AccessList.most))', NULL, NULL, NULL, NULL"))
        #expect(try admits(most, "192.0.2.1") && !admits(most, "10.0.24.9"))
        let more = "UPDATE ps_endpoints SET deny = '\(rules(AccessList.most + 1))'"
        #expect(try access(more) == .nobody)
    }

    @Test("a named list is one more that has to let an address pass")
    func named() throws {
        let list = try access(
            Self.named + Layout.pjsip.table("NULL, NULL, NULL, NULL, 'office, day'"))
        #expect(try admits(list, "192.0.2.8"))
        #expect(try !admits(list, "192.0.2.7") && !admits(list, "198.51.100.7"))
    }

    @Test(
        "a named list that is not in the database, or cannot be read, lets nobody in",
        arguments: ["absent", "office,absent", "broken"])
    func missing(_ name: String) throws {
        #expect(
            try access(Self.named + Layout.pjsip.table("NULL, NULL, NULL, NULL, '\(name)'"))
                == .nobody)
        #expect(try access("DROP TABLE acls") == .nobody)
    }

    @Test(
        "rules that name the edge are for Asterisk: alone they bind no phone, beside others they are left out"
    )
    func own() throws {
        let alone = Layout.pjsip.table("'0.0.0.0/0', '10.0.0.1', NULL, NULL, NULL")
        #expect(try access(alone, own: ["10.0.0.1"]) == AccessList())
        let list = try access(
            "UPDATE ps_endpoints SET permit = '10.0.0.1/32;192.0.2.0/24'", own: ["10.0.0.1"])
        #expect(try admits(list, "192.0.2.7") && !admits(list, "198.51.100.7"))
        #expect(try !admits(list, "10.0.0.1"))
        let elsewhere = try access("UPDATE ps_endpoints SET permit = '10.0.0.1'", own: ["10.0.0.2"])
        #expect(try !admits(elsewhere, "192.0.2.7"))
    }

    @Test("a column that is added while the database is open is read from then on")
    func added() throws {
        let path = try folder.database("accounts.sqlite", Tables.chanSip)
        let database = AccountDatabase(AccountSettings([.source("sqlite://\(path)")]))
        database.tick(.seconds(1))
        _ = database.drainEvents()
        try folder.database(
            "accounts.sqlite",
            "ALTER TABLE sippeers ADD COLUMN deny; UPDATE sippeers SET deny = 'nonsense'")
        database.tick(.seconds(2))
        #expect(database.drainEvents().contains(.changed))
        let read = database.lookUp(account: "1001", realm: "r", now: .seconds(2))
        guard case .found(let account) = read.answer else { throw Missing() }
        #expect(account.access == .nobody)
        // Said once, with what to do.
        _ = database.lookUp(account: "1001", realm: "r", now: .seconds(2))
        #expect(database.drainEvents() == [.nobody("1001")])
    }
}

internal import Messages
internal import Sys
internal import Testing

@testable internal import accounts_reader

/// FreePBX's tables as they are in memory.
private final class Rows: RealtimeDatabase {
    var tables: [String: (columns: [String], rows: [[String]])] = [:]
    /// Each statement's table and key, as it was carried out.
    var asked: [String] = []

    init() {
        for table in ["devices", "emergencydevices"] {
            tables[table] = (["id", "tech", "dial", "user"], [])
        }
        tables["sip"] = (["id", "keyword", "data", "flags"], [])
    }

    /// Adds a device, with what is said of it beside its account and driver.
    func add(
        _ id: String, tech: String = "pjsip", in table: String = "devices",
        _ values: KeyValuePairs<String, String>
    ) {
        tables[table]?.rows.append([id, tech, "\(tech.uppercased())/\(id)", id])
        add(values: ["account": id], of: id)
        add(values: values, of: id)
    }

    func add(values: KeyValuePairs<String, String>, of id: String) {
        for (keyword, data) in values { tables["sip"]?.rows.append([id, keyword, data, "2"]) }
    }

    func columns(of table: String) -> [RealtimeColumn] {
        (tables[table]?.columns ?? []).map { RealtimeColumn(name: $0, isText: true) }
    }

    func refusedColumns(of table: String, among names: [String]) -> [String] { [] }

    func prepare(_ selection: RealtimeSelection) throws(RealtimeError) -> any RealtimeStatement {
        guard tables[selection.table]?.columns.contains(selection.key) == true else {
            throw .missing(table: selection.table, column: selection.key)
        }
        return Found(rows: self, selection: selection)
    }

    func prepare(query: String) throws(RealtimeError) -> any RealtimeQuery {
        throw .query("is asked of no table")
    }

    func hasRows(_ table: String) -> Bool { tables[table]?.rows.isEmpty == false }

    func names(
        in column: RealtimeColumn, of table: String, after name: String, limit: Int
    ) -> [String] { [] }

    private final class Found: RealtimeStatement {
        let rows: Rows
        let selection: RealtimeSelection

        init(rows: Rows, selection: RealtimeSelection) {
            self.rows = rows
            self.selection = selection
        }

        func forEach(_ key: String, _ body: (RealtimeRow) -> Bool) {
            rows.asked.append("\(selection.table).\(selection.key)")
            let (columns, all) = rows.tables[selection.table] ?? ([], [])
            func value(_ row: [String], _ column: String?) -> [UInt8] {
                column.flatMap(columns.firstIndex).map { Array(row[$0].utf8) } ?? []
            }
            for row in all where value(row, selection.key) == Array(key.utf8) {
                let values = selection.columns.map { value(row, $0) }
                guard body(RealtimeRow(values: values)) else { return }
            }
        }
    }
}

@Suite("FreePBXTables")
struct FreePBXTablesTests {
    private let rows = Rows()

    private func tables(
        _ schema: AccountSchema = .automatic, _ order: AccessOrder = .asAsterisk
    ) throws -> FreePBXTables {
        try FreePBXTables(schema, AccessRules(order: order), in: rows)
    }

    private func read(
        _ name: String, _ tables: FreePBXTables? = nil, realm: String = "asterisk",
        _ steps: TraceSteps? = nil
    ) throws -> ReadAccount {
        let tables = try tables ?? self.tables()
        return try tables.lookUp(
            LookUp(
                account: name, realm: realm, ownRealm: "asterisk", domains: ["sip.example"],
                steps: steps))
    }

    private func found(_ name: String, _ tables: FreePBXTables? = nil) throws -> Account? {
        if case .found(let account) = try read(name, tables).answer { account } else { nil }
    }

    private func why(_ name: String, _ tables: FreePBXTables? = nil) throws -> AccountAbsence? {
        try read(name, tables).why
    }

    private func md5(_ user: String, _ secret: String) -> [UInt8] {
        HA1.md5(user: user, realm: "asterisk", secret: Array(secret.utf8))
    }

    // MARK: PJSIP

    @Test("a PJSIP extension is an account, which phones register under its own name")
    func extensions() throws {
        rows.add("100", ["secret": "a b", "sipdriver": "chan_pjsip", "max_contacts": "3"])
        let account = try #require(try found("100"))
        #expect(account.ha1MD5 == md5("100", "a b"))
        #expect(account.authUser == "100" && account.aor == "100" && account.mayRegister)
        #expect(account.access == AccessList([]))
        #expect(try tables().schema == .pjsip)
        // Issabel says nothing of the driver, and newer versions have devices of two tables.
        rows.add("101", ["secret": "s"])
        rows.add("102", in: "emergencydevices", ["secret": "e", "sipdriver": "chan_pjsip"])
        #expect(try found("101")?.ha1MD5 == md5("101", "s"))
        #expect(try found("102")?.ha1MD5 == md5("102", "e"))
        rows.tables["emergencydevices"] = nil
        #expect(try found("101") != nil)
        #expect(try found("102") == nil)
    }

    @Test(
        "a secret is what Asterisk reads of the line that FreePBX writes",
        arguments: [
            ("a;b", "a"), (" lead", "lead"), ("trail ", "trail"), (#"a\;b"#, "a;b"), (">a", "a"),
            ("a=b", "a=b"), ("a#b", "a#b"), (#"a\b"#, #"a\b"#), ("é", "é"),
        ])
    func writtenSecret(_ kept: String, _ read: String) throws {
        rows.add("100", ["secret": kept])
        rows.add("101", ["secret": ";a"])
        #expect(try found("100")?.ha1MD5 == md5("100", read))
        #expect(try why("101") == .noSecret)
    }

    @Test("the digest's user is username where it is said, and a hash wins over the secret")
    func users() throws {
        rows.add("100", ["secret": "s", "username": "other"])
        let ha1 = md5("101", "new")
        let hex = ha1.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
        rows.add("101", ["secret": "old", "md5_cred": hex])
        rows.add("102", ["secret": "old", "md5_cred": "x"])
        rows.add("103", ["secret": "s", "username": ""])
        #expect(try found("100")?.authUser == "other")
        #expect(try found("100")?.ha1MD5 == md5("other", "s"))
        #expect(try found("101")?.ha1MD5 == ha1)
        #expect(try read("101", realm: "other").why == .realmBound)
        #expect(try why("102") == .brokenHash)
        #expect(try why("103") == .noSecret)
    }

    @Test("without a secret FreePBX writes no auth, and nobody is let in here")
    func noSecret() throws {
        rows.add("100", ["secret": ""])
        rows.add("101", [:])
        rows.add("102", ["secret": "", "md5_cred": "0123456789abcdef0123456789abcdef"])
        for name in ["100", "101", "102"] { #expect(try why(name) == .noSecret) }
    }

    @Test("trunks, templates, leftovers and devices of other drivers are no accounts")
    func others() throws {
        for id in ["tr-peer-1", "tr-user-1", "-1", "left", "pjsip-2"] {
            rows.add(values: ["account": id, "secret": "s", "sipdriver": "chan_pjsip"], of: id)
        }
        rows.add("100", ["secret": "s", "sipdriver": "chan_sip"])
        rows.add("101", tech: "iax2", ["secret": "s"])
        rows.add("tr-peer-2", ["secret": "s"])
        rows.tables["devices"]?.rows.append(["102", "pjsip", "", ""])
        rows.add(values: ["account": "x102", "secret": "s"], of: "102")
        for name in [
            "tr-peer-1", "tr-user-1", "-1", "left", "pjsip-2", "100", "101", "102", "x102",
        ] {
            #expect(try why(name) == .noRow, "\(name)")
        }
        #expect(try why("tr-peer-2") == .trunk)
        #expect(try read("left").source == "devices (tech pjsip)")
    }

    @Test("names are compared byte by byte, and a keyword with two rows makes no account")
    func names() throws {
        rows.add("anna", ["secret": "s"])
        rows.add("bert", ["secret": "s", "secret": "t"])
        for name in ["Anna", "anna ", "anna\0", "anna@sip.example", ""] {
            #expect(try why(name) == .noRow)
        }
        #expect(try why("bert") == .severalRows)
    }

    @Test("an unknown name costs the same statements as a known one")
    func statements() throws {
        rows.add("100", ["secret": "s"])
        let tables = try tables()
        func asked(_ name: String) throws -> [String] {
            rows.asked = []
            _ = try read(name, tables)
            return rows.asked
        }
        #expect(try asked("100") == ["devices.id", "emergencydevices.id", "sip.id"])
        for name in ["200", "tr-peer-1", ""] { #expect(try asked(name) == asked("100")) }
    }

    @Test(
        "how many phones register is what FreePBX writes",
        arguments: [
            ("", 1), ("0", 1), ("1", 1), ("2", 2), ("x", 1), ("100", 100), ("101", 100),
            ("99999999999999999999", 100), ("-5", 1),
        ])
    func contacts(_ text: String, _ expected: Int) {
        let device = FreePBXDevice(
            id: "1", tech: "pjsip", values: ["max_contacts": Array(text.utf8)])
        #expect(device.contacts == expected)
        #expect(FreePBXDevice(id: "1", tech: "pjsip", values: [:]).contacts == 1)
    }

    // MARK: chan_sip

    private static let all = "0.0.0.0/0.0.0.0"

    @Test("a chan_sip extension has its lists, deny before permit, split at &; PJSIP's has none")
    func lists() throws {
        let lists: KeyValuePairs = [
            "secret": "s", "type": "friend", "host": "dynamic",
            "permit": "10.0.0.0/255.0.0.0&192.0.2.1/255.255.255.255", "deny": Self.all,
        ]
        rows.add("100", tech: "sip", lists)
        rows.add("101", tech: "sip", ["secret": "s", "type": "friend", "host": "dynamic"])
        rows.add("102", tech: "sip", ["secret": "s", "type": "peer", "host": "192.0.2.9"])
        rows.add(
            "103", tech: "sip",
            ["secret": "s", "type": "friend", "host": "dynamic", "permit": "pbx.example"])
        let account = try #require(try found("100"))
        #expect(try tables().schema == .chanSip)
        #expect(account.access.rules.map(\.permits) == [false, true, true])
        #expect(account.access.rules.map { "\($0.network)" }.last?.hasPrefix("192.0.2.1") == true)
        #expect(account.ha1MD5 == md5("100", "s") && account.mayRegister)
        #expect(try found("101")?.access == AccessList([]))
        #expect(try found("102")?.mayRegister == false)
        #expect(try why("103") == .unreadableAccessList)
        #expect(try found("100", tables(.automatic, .ignore))?.access == AccessList([]))
        rows.add("200", lists)
        #expect(try found("200", tables(.pjsip))?.access == AccessList([]))
    }

    @Test("where both drivers have devices the settings choose, and the other's are no accounts")
    func drivers() throws {
        rows.add("100", ["secret": "s"])
        rows.add("101", tech: "sip", ["secret": "s", "type": "friend", "host": "dynamic"])
        let error = #expect(throws: AccountTablesError.self) { try tables() }
        #expect(error?.description.contains("accounts.schema") == true)
        for (schema, own, other) in [
            (AccountSchema.pjsip, "100", "101"), (.chanSip, "101", "100"),
        ] {
            let tables = try tables(schema)
            #expect(try found(own, tables) != nil)
            #expect(try why(other, tables) == .noRow)
            #expect(try tables.names(after: "", limit: 9, in: rows) == [own])
        }
    }

    // MARK: Lists and layouts

    @Test("the accounts of both tables are listed in the order of their bytes, page by page")
    func listed() throws {
        #expect(try tables().emptyTable(in: rows) == "devices")
        for id in ["20", "100", "B", "a", String(repeating: "x", count: 65)] {
            rows.add(id, ["secret": "s"])
        }
        rows.add("15", in: "emergencydevices", ["secret": "s"])
        rows.add("tr-peer-3", ["secret": "s"])
        rows.add("30", tech: "iax2", ["secret": "s"])
        let tables = try tables()
        #expect(try tables.names(after: "", limit: 3, in: rows) == ["100", "15", "20"])
        #expect(try tables.names(after: "20", limit: 3, in: rows) == ["B", "a"])
        #expect(try tables.emptyTable(in: rows) == nil)
    }

    @Test("a table that is not there, or that the login may not read, is told")
    func layouts() {
        rows.tables["sip"] = nil
        let error = #expect(throws: AccountTablesError.self) { try tables() }
        #expect(error?.description.contains("the table sip") == true)
        rows.tables["devices"] = (["id"], [])
        let other = #expect(throws: AccountTablesError.self) { try tables() }
        #expect(other?.description.contains("tech of the table devices") == true)
    }

    private static let view = [
        "id", "tech", "account", "username", "secret", "md5_cred", "sipdriver", "max_contacts",
    ]

    @Test("the view is read in place of the tables, and has to tell what would let in less")
    func views() throws {
        rows.add("100", ["secret": "of the tables"])
        rows.tables[FreePBXTables.view] = (
            Self.view,
            [
                ["100", "pjsip", "100", "", "of the view", "", "", ""],
                ["101", "pjsip", "101", "other", "s", "", "chan_pjsip", "2"],
                ["102", "sip", "102", "", "s", "", "chan_sip", ""],
            ]
        )
        let tables = try tables(.pjsip)
        #expect(try found("100", tables)?.ha1MD5 == md5("100", "of the view"))
        #expect(try found("101", tables)?.authUser == "other")
        #expect(try why("102", tables) == .noRow)
        rows.asked = []
        #expect(try why("103", tables) == .noRow)
        #expect(rows.asked == ["rempart_accounts.id"])
        #expect(try tables.names(after: "", limit: 9, in: rows) == ["100", "101"])
        // Without its lists a chan_sip extension would be good everywhere.
        let error = #expect(throws: AccountTablesError.self) { try self.tables(.chanSip) }
        #expect(error?.description.contains("lacks deny, permit, type, host") == true)
        rows.tables[FreePBXTables.view]?.columns[5] = "x"
        let other = #expect(throws: AccountTablesError.self) { try self.tables(.pjsip) }
        #expect(other?.description.contains("lacks md5_cred") == true)
    }

    @Test("a trace tells each statement and what matters, and never a secret")
    func traces() throws {
        rows.add("100", ["secret": "hidden", "max_contacts": "3"])
        rows.add("101", ["secret": "hidden", "sipdriver": "chan_sip"])
        func told(_ name: String) throws -> String {
            let steps = TraceSteps()
            _ = try read(name, nil, steps)
            return steps.all.map { "\($0.what) \($0.remark)" }.joined(separator: "\n")
        }
        let good = try told("100")
        #expect(good.contains("devices id=100 tech=pjsip") && good.contains("max_contacts=3"))
        #expect(try told("101").contains("sipdriver=chan_sip"))
        for name in ["100", "101"] { #expect(try !told(name).contains("hidden")) }
    }
}

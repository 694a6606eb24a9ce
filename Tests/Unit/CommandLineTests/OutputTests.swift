import Messages
import Settings
import Sys
import Testing

@testable import rempart

@Suite struct JSONTests {
    @Test("JSON keeps the order of members and escapes what must be escaped")
    func text() {
        let value = JSON.object([
            .init("b", .string("\"\\\n\t\u{1B}\u{7F}é\u{202E}")),
            .init("a", .array([.number(-1), .bool(true), .bool(false)])),
            .init("c", .object([])),
        ])
        #expect(
            value.text
                == #"{"b":"\"\\\n\t\u001b\u007fé\u202e","a":[-1,true,false],"c":{}}"#)
    }
}

@Suite struct TableTests {
    @Test("columns are aligned, empty cells are dashes, and no line ends with spaces")
    func aligned() {
        var table = Table("NAME", "STATE")
        table.add("a-long-name", "")
        table.add("b", "up")
        #expect(table.text == "NAME         STATE\na-long-name  -\nb            up")
    }

    @Test("a cell cannot move the cursor")
    func safe() {
        var table = Table("USER AGENT")
        table.add("phone\u{1B}[2J")
        #expect(table.text == "USER AGENT\nphone\\u{1B}[2J")
    }
}

@Suite struct StatusReportTests {
    private let rows: [ControlReply] = [
        .component(.router, pid: 123, .ready, restarts: 2, "Serving"),
        .component(.banner, pid: 0, .ready, restarts: 0, ""), .done,
    ]

    @Test("status has the fixed JSON shape")
    func json() throws {
        let server = try #require(SocketAddress("198.19.0.10:5060"))
        var report = StatusReport(rows)
        report.add([.asterisk(server, .up)])
        let row = TrunkRow(name: "telco", server: server, state: .unknown, calls: 2)
        report.add([.trunk(row)])
        report.add([.kernelBans(true, ""), .finding(name: "warning", value: "Look!")])
        let components =
            #"[{"name":"sip-router","pid":123,"state":"ready","restarts":2,"status":"Serving"},"#
            + #"{"name":"banner","pid":0,"state":"ready","restarts":0,"status":""}]"#
        #expect(
            report.json.text == #"{"state":"ready","version":"\#(productVersion)","components":"#
                + components
                + #","kernelBans":true,"asterisk":[{"address":"198.19.0.10:5060","state":"up"}],"#
                + #""trunks":[{"trunk":"telco","server":"198.19.0.10:5060","state":"unknown","calls":2}],"#
                + #""certificates":[],"barred":[],"warnings":["Look!"],"health":"good","conditions":[]}"#
        )
        #expect(report.text.hasPrefix("Rempart \(productVersion): ready\n\nWarning: Look!\n"))
        #expect(report.text.contains("TRUNK  SERVER            STATE    CALLS"))
    }

    @Test(
        "the state is ready only when every component is",
        arguments: [
            (ComponentState.starting, "starting"), (.stopping, "stopping"), (.waiting, "waiting"),
            (.ready, "ready"),
        ])
    func state(of component: ComponentState, name: String) {
        let more = ControlReply.component(.directory, pid: 1, component, restarts: 0, "")
        let report = StatusReport(rows + [more])
        #expect(report.text.hasPrefix("Rempart \(productVersion): \(name)\n"))
    }

    @Test("what is worst stands first, then the rest, in text and JSON alike")
    func conditions() {
        let database = ControlReply.condition(.directory, Condition(.accounts, "no database"))
        let address = ControlReply.condition(.supervisor, Condition(.address, "no address"))
        let degraded = StatusReport(rows + [database, address])
        #expect(degraded.summary == "degraded: no database (and 1 more)")
        #expect(
            degraded.text.hasPrefix(
                "Rempart \(productVersion): degraded: no database (and 1 more)\n\nAlso: no address\n"
            ))
        #expect(
            degraded.json.text.hasSuffix(
                #""health":"degraded","conditions":["#
                    + #"{"kind":"accounts","component":"directory","text":"no database"},"#
                    + #"{"kind":"address","component":"supervisor","text":"no address"}]}"#))
        let gone = ControlReply.condition(.router, Condition(.noSIP, "no phone is served"))
        let outage = StatusReport(rows + [gone, database])
        #expect(outage.summary == "no SIP: no phone is served (and 1 more)")
        #expect(
            [StatusReport(rows), degraded, outage].map(\.health.exitCode) == [0, 1, 2])
    }

    @Test("a daemon without components is not ready")
    func none() {
        #expect(StatusReport([]).text.hasPrefix("Rempart \(productVersion): starting\n"))
    }

    @Test("the text says who enforces the bans, and what could not be found out")
    func bans() {
        var report = StatusReport(rows)
        report.add([.kernelBans(false, "not root")])
        #expect(report.text.contains("by sip-router, not by the kernel (not root)"))
        report.gaps = ["banner is not running, try again"]
        #expect(report.text.contains("Not known: banner is not running, try again"))
    }
}

@Suite struct RowTests {
    @Test("phones have the fixed JSON shape, and a table for people")
    func phones() throws {
        let row = PhoneRow(
            account: "1001", transport: .udp,
            address: try #require(SocketAddress("198.18.1.1:5060")),
            contact: "sip:1001@198.18.1.1", expires: .seconds(3599), userAgent: "")
        #expect(
            Phones.json([row]).text
                == #"[{"account":"1001","transport":"udp","address":"198.18.1.1:5060","#
                + #""contact":"sip:1001@198.18.1.1","expires":3599,"userAgent":"","reachable":true}]"#
        )
        #expect(Phones.text([row]).contains("yes        59m 59s"))
        var gone = row
        gone.isReachable = false
        #expect(Phones.text([gone]).contains("no         59m 59s"))
        #expect(Phones.text([]) == "No phone is registered.")
    }

    @Test("bans have the fixed JSON shape, and a table told from now")
    func bans() throws {
        let row = BanRow(
            source: try #require(Network("198.18.1.9")), reason: "wrong-password",
            evidence: "5 wrong passwords for 1001", profile: "phones", since: .seconds(1000),
            until: .seconds(1300), firstSeen: .seconds(990), lastSeen: .seconds(999), count: 5,
            level: 2)
        #expect(
            try listed([row], json: true)
                == #"[{"address":"198.18.1.9","reason":"wrong-password","#
                + #""evidence":"5 wrong passwords for 1001","profile":"phones","since":1000,"#
                + #""until":1300,"firstSeen":990,"lastSeen":999,"count":5,"level":2}]"# + "\n")
        let table = try listed([row])
        #expect(table.contains("1m ago"))
        #expect(table.hasSuffix("4m       5 wrong passwords for 1001\n"))
        #expect(try listed([]) == "No address is banned.\n")
        #expect(try listed([], json: true) == "[]\n")
    }

    @Test("what an administrator wrote as a reason can neither move a cursor nor break the JSON")
    func hostileReason() throws {
        var row = BanRow(
            source: try #require(Network("2001:db8:1::/48")), reason: "a\"b\\\u{1B}[2J é",
            since: .seconds(1), until: .seconds(2), firstSeen: .seconds(1), lastSeen: .seconds(1),
            count: 0)
        #expect(try listed([row], json: true).contains(##""a\"b\\\u001b[2J é""##))
        #expect(try listed([row]).contains(##"2001:db8:1::/48  a"b\\u{1B}[2J é  "##))
        row.reason = ""
        #expect(try listed([row]).contains("2001:db8:1::/48  -  "))
    }

    private func listed(_ rows: [BanRow], json: Bool = false) throws -> String {
        var list = BanList(json: json, now: .seconds(1060))
        for row in rows {
            let frame = ControlReply.ban(row).encoded()
            list.add(try PackedBan(frame.span))
        }
        var bytes: [UInt8] = []
        list.rest { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("calls have the fixed JSON shape, and a table told from now")
    func calls() throws {
        let row = CallRow(
            account: "1001", direction: .made, peer: "+33123456789", isAnswered: true,
            isAbroad: true, since: .seconds(1000),
            asterisk: try #require(SocketAddress("198.19.0.10:5060")),
            phone: try #require(SocketAddress("198.18.1.1:5060")), callID: "a@b")
        #expect(
            Calls.json([row]).text
                == #"[{"account":"1001","direction":"out","peer":"+33123456789","answered":true,"#
                + #""abroad":true,"since":1000,"asterisk":"198.19.0.10:5060","#
                + #""phone":"198.18.1.1:5060","callID":"a@b"}]"#)
        #expect(Calls.text([row], now: .seconds(1060)).contains("+33123456789 (abroad)"))
        #expect(Calls.text([], now: .seconds(0)) == "No call is under way.")
    }

    @Test("status names the accounts that may not call, and how to release them")
    func barred() {
        let rows: [ControlReply] = [
            .standing(
                AccountStanding(
                    account: "1001", countries: "FR", barredSince: .seconds(5),
                    reason: "number-never", evidence: "5 refused calls")),
            .standing(AccountStanding(account: "1002", countries: "FRRO", heldUntil: .seconds(9))),
        ]
        let report = StatusReport(rows)
        #expect(report.text.contains("1001     anybody       number-never  5 refused calls"))
        #expect(report.text.contains("1002     abroad        new-country"))
        #expect(report.text.contains("`rempart release ACCOUNT`"))
        #expect(
            report.json.text.contains(
                #""barred":[{"account":"1001","barred":true,"reason":"number-never","#
                    + #""evidence":"5 refused calls","since":5,"heldUntil":0,"countries":"FR"}"#))
    }

    @Test("an explanation is an object of its findings, and lines told from now")
    func why() {
        let rows = [("verdict", "banned"), ("first seen", "940"), ("ends", "1060")]
        #expect(
            Why.json(rows).text == #"{"verdict":"banned","first seen":940,"ends":1060}"#)
        #expect(
            Why.text(rows, now: .seconds(1000))
                == "verdict     banned\nfirst seen  1m ago\nends        in 1m")
    }

    @Test("why tells what banner knows, and how sip-router answers the address")
    func answers() throws {
        let address = try #require(IPAddress("192.0.2.66"))
        let rows = try Why.rows(of: address) { request in
            switch request {
            case .why(address): [.finding(name: "verdict", value: "passes")]
            case .explain("192.0.2.66"):
                [
                    .finding(name: "profile", value: "default"),
                    .finding(name: ControlReply.unusualAnswers, value: "3 in short form"),
                ]
            default: []
            }
        }
        #expect(rows.map(\.name) == ["verdict", "answers by UDP"])
        #expect(Why.text(rows, now: .seconds(1)).contains("answers by UDP  3 in short form"))
    }

    @Test("why tells what banner knows while sip-router is away, and fails when banner is")
    func away() throws {
        let address = try #require(IPAddress("192.0.2.66"))
        let rows = try Why.rows(of: address) { request in
            guard case .why = request else { throw ControlError.silent }
            return [.finding(name: "verdict", value: "passes")]
        }
        #expect(rows.map(\.value) == ["passes"])
        #expect(throws: ControlError.silent) {
            try Why.rows(of: address) { _ in throw ControlError.silent }
        }
    }

    @Test("the documentation names every key with its range and default")
    func settings() {
        for key in Schema.keys {
            #expect(ShowSettings.text.contains("\(key.path)  ("))
            #expect(ShowSettings.json.text.contains(#""key":"\#(key.path)""#))
        }
    }
}

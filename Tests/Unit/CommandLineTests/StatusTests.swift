import Messages
import Sys
import Testing

@testable import rempart

@Suite struct StatusTests {
    private let rows: [ControlReply] = [
        .component(.router, pid: 123, .ready, restarts: 2, "Serving"),
        .component(.banner, pid: 0, .ready, restarts: 0, ""), .done,
    ]

    @Test("status has the fixed JSON shape")
    func json() throws {
        let server = try #require(SocketAddress("198.19.0.10:5060"))
        var report = StatusReport(rows)
        var asterisk = AsteriskRow(
            address: server, state: .up, since: .seconds(1000), roundTrip: 1449, registered: 811,
            accounts: 812)
        report.add([.asterisk(asterisk)])
        asterisk.state = .passedOver
        asterisk.roundTrip = nil
        report.add([.asterisk(asterisk)])
        let row = TrunkRow(name: "telco", server: server, state: .unknown, calls: 2)
        report.add([.trunk(row)])
        report.add([.kernelBans(true, ""), .finding(name: "warning", value: "Look!")])
        let components =
            #"[{"name":"sip-router","pid":123,"state":"ready","restarts":2,"status":"Serving"},"#
            + #"{"name":"banner","pid":0,"state":"ready","restarts":0,"status":""}]"#
        #expect(
            report.json.text == #"{"state":"ready","version":"\#(productVersion)","components":"#
                + components
                + #","kernelBans":true,"asterisk":[{"address":"198.19.0.10:5060","state":"up","#
                + #""since":1000,"roundTripMicroseconds":1449,"registered":811,"accounts":812},"#
                + #"{"address":"198.19.0.10:5060","state":"passed-over","since":1000,"#
                + #""registered":811,"accounts":812}],"#
                + #""trunks":[{"trunk":"telco","server":"198.19.0.10:5060","state":"unknown","calls":2}],"#
                + #""certificates":[],"barred":[],"warnings":["Look!"],"health":"good","conditions":[]}"#
        )
        #expect(report.text.hasPrefix("Rempart \(productVersion): ready\n\nWarning: Look!\n"))
        #expect(report.text.contains("TRUNK  SERVER            STATE    CALLS"))
    }

    @Test("Asterisks are told with their state, since when, the round trip, and who is registered")
    func asterisks() throws {
        let server = try #require(SocketAddress("198.19.0.10:5060"))
        var row = AsteriskRow(
            address: server, state: .up, since: .seconds(1000), roundTrip: 1449, registered: 811,
            accounts: 812)
        var lines = AsteriskRow.text([row], now: .seconds(4900)).split(separator: "\n")
        #expect(
            lines == [
                "ASTERISK          STATE  SINCE      ROUND TRIP  REGISTERED",
                "198.19.0.10:5060  up     1h 5m ago  1.4 ms      811 of 812",
            ])
        let words: [(AsteriskRow.State, String)] = [
            (.unknown, "not heard yet"), (.down, "down"), (.passedOver, "passed over"),
            (.overloaded, "overloaded"),
        ]
        for (state, word) in words {
            row.state = state
            row.roundTrip = nil
            lines = AsteriskRow.text([row], now: .seconds(1007)).split(separator: "\n")
            #expect(lines[1].contains("  \(word)  ") && lines[1].contains("  7s ago  -  "))
        }
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

    @Test("what is told above the components is not said again in their lines")
    func onceOnly() {
        let why =
            "/var/lib/asterisk/realtime.sqlite3 cannot be opened (Permission denied): as root: `x`"
        let consequence = "only accounts that are known (5) can authenticate"
        let report = StatusReport([
            .component(
                .supervisor, pid: 1, .ready, restarts: 0,
                "Serving 1 domain, degraded: \(consequence): \(why)"),
            .component(.accountsReader, pid: 2, .ready, restarts: 0, "reads nothing: \(why)"),
            .component(
                .directory, pid: 3, .ready, restarts: 0, "no source of accounts: \(why); 5 known"),
            .condition(.directory, Condition(.accounts, "\(consequence): \(why)")),
        ])
        let text = report.text
        #expect(text.ranges(of: why).count == 1 && text.ranges(of: consequence).count == 1)
        for line in [
            "Serving 1 domain, degraded: see above", "reads nothing: see above",
            "no source of accounts: see above; 5 known",
        ] { #expect(text.contains(line), "\(text)") }
        // A program has no above.
        #expect(report.json.text.ranges(of: why).count == 4)
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
}

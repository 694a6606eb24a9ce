import ArgumentParser
import Checkout
import Foundation
import Messages
import Settings
import Sys
import Testing

@testable import rempart

/// What the built command line, or another program, did with its arguments.
struct Outcome {
    let status: Int32
    let output: [UInt8]
    let complaints: String

    /// Where the binary is: beside this test's own.
    static var binary: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("rempart")
    }

    /// Runs a program; the built command line when none is named.
    init(_ arguments: [String], input: String = "", program: String? = nil) throws {
        let process = Process()
        process.executableURL = program.map { URL(fileURLWithPath: $0) } ?? Self.binary
        process.arguments = arguments
        let (standardInput, standardOutput, standardError) = (Pipe(), Pipe(), Pipe())
        process.standardInput = standardInput
        process.standardOutput = standardOutput
        process.standardError = standardError
        try process.run()
        // Both outputs of these runs fit a pipe, hence the order of reading does not matter.
        standardInput.fileHandleForWriting.write(Data(input.utf8))
        standardInput.fileHandleForWriting.closeFile()
        output = Array(standardOutput.fileHandleForReading.readDataToEndOfFile())
        let complaints = standardError.fileHandleForReading.readDataToEndOfFile()
        self.complaints = String(decoding: complaints, as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
    }

    /// The text on standard output.
    var text: String { String(decoding: output, as: UTF8.self) }

    /// The frames on standard output.
    func frames() throws -> [Setting] {
        var rest = output[...]
        var settings: [Setting] = []
        while let high = rest.popFirst(), let low = rest.popFirst() {
            let length = Int(high) << 8 | Int(low)
            let frame = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
            settings.append(try Setting(decoding: frame.span))
        }
        return settings
    }
}

private let good = """
    domains: [sip.example.com]
    outside: [udp://203.0.113.5:5060]
    inside: [udp://10.0.0.1:5060]
    asterisk: {servers: [10.0.0.10]}
    accounts: {database: sqlite:///absent/realtime.sqlite3}

    """

@Suite struct CommandLineTests {
    /// Calls the body with the path of a file of this text.
    private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        let path = "/tmp/rempart-test-\(Random.word).yaml"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("check of a right file says what it sets, warns of absent files, and exits 0")
    func checkGood() throws {
        try withFile(good) { path in
            let outcome = try Outcome(["check", "--settings", path])
            #expect(outcome.status == 0)
            let summary = "1 domain, 1 outside endpoint, 1 inside endpoint, 1 Asterisk"
            #expect(
                String(decoding: outcome.output, as: UTF8.self) == "\(path): good: \(summary)\n")
            #expect(outcome.complaints.contains("there is no /absent/realtime.sqlite3"))
        }
    }

    @Test("check of a wrong file shows every fault with line, column and caret, and exits 1")
    func checkWrong() throws {
        try withFile(good.replacing("inside:", with: "insde:") + "colour: red\n") { path in
            let outcome = try Outcome(["check", "--settings", path])
            #expect(outcome.status == 1)
            #expect(outcome.output.isEmpty)
            #expect(
                outcome.complaints == """
                    \(path):3:1: error: unknown key `insde`; did you mean `inside`?
                        insde: [udp://10.0.0.1:5060]
                        ^
                    \(path):6:1: error: unknown key `colour`; the keys here are domains, outside, \
                    local-networks, inside, asterisk, accounts, tls, trunks, calls, defence, \
                    limits, profiles, registration
                        colour: red
                        ^
                    rempart: \(path): 2 errors

                    """)
        }
    }

    @Test("the settings that are shipped and those of the README are right")
    func shipped() throws {
        let example = try Checkout.bytes(of: "etc/rempart.yaml")
        #expect(SettingsFile(example).diagnostics == [])
        let blocks = try Checkout.text(of: "README.md").components(separatedBy: "```")
        let block = try #require(blocks.first { $0.hasPrefix("yaml\n") })
        #expect(SettingsFile(Array(block.dropFirst("yaml\n".count).utf8)).diagnostics == [])
    }

    @Test("the Debian package has the product's version")
    func packageVersion() throws {
        let changelog = try Checkout.text(of: "debian/changelog")
        #expect(changelog.hasPrefix("rempart (\(productVersion)) "))
    }

    @Test(
        "check warns of outside addresses that the Internet does not reach, and says what to do",
        arguments: [
            ("udp://192.168.3.4", ["not an address of this machine", "behind NAT add ` as `"]),
            ("udp://127.0.0.1", ["a loopback address, which no other network reaches"]),
            ("udp://169.254.1.2", ["not an address of this machine", "a link-local address"]),
            ("udp://127.0.0.1 as 203.0.113.5", ["a loopback address"]),
            ("udp://192.168.3.4 as 203.0.113.5", ["not an address of this machine"]),
            ("udp://203.0.113.5", ["not an address of this machine"]),
            (
                "udp://203.0.113.5 as 203.0.113.5:5060",
                ["not an address of this machine", "names the address itself: leave it out"]
            ),
            ("udp://203.0.113.5 as 203.0.113.5:5070", ["not an address of this machine"]),
            ("udp://203.0.113.5 as 10.9.9.9", ["not an address", "10.9.9.9 is a private address"]),
            ("udp://203.0.113.5 as 100.64.0.9", ["not an address", "100.64.0.9 is a private"]),
            ("udp://203.0.113.5 as 169.254.1.2", ["not an address", "a link-local address"]),
            ("udp://203.0.113.5 as 127.0.0.2", ["not an address", "127.0.0.2 is a loopback"]),
            (
                "\"udp://[2001:db8::5] as [fd00::5]\", udp://127.0.0.1",
                ["not an address", "fd00::5 is a private", "a loopback address"]
            ),
        ])
    func outsideAddresses(_ outside: String, _ expected: [String]) throws {
        let text = good.replacing("udp://203.0.113.5:5060", with: outside)
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        let told = Surroundings().diagnostics(of: file).map(\.message)
            .filter { $0.hasPrefix("`outside`: ") }
        #expect(told.count == expected.count, "\(told)")
        for part in expected { #expect(told.contains { $0.contains(part) }, "\(part) in \(told)") }
    }

    @Test(
        "an accounts' file that is left to accounts-reader is not looked at, but told when it is hidden"
    )
    func liveFile() {
        // The second one is a folder, which a look would tell.
        for (path, told) in [
            ("/absent/a.sqlite", 0), ("/usr/lib", 0), ("/home/absent/a.sqlite", 1),
        ] {
            let text = good.replacing("/absent/realtime.sqlite3", with: path)
            let warnings = Surroundings(looksAtAccounts: false).diagnostics(
                of: SettingsFile(Array(text.utf8)))
            #expect(warnings.count { $0.message.contains(path) } == told)
        }
    }

    @Test("check warns of a file with a password that the service will not use")
    func secretFile() throws {
        // The service sees nothing below /tmp.
        let path = "/dev/shm/rempart-secret-\(Random.word)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("secret\n".utf8).write(to: URL(fileURLWithPath: path))
        let source = "odbc://pbx, user: rempart, secret-file: \(path)"
        let text = good.replacing(
            "database: sqlite:///absent/realtime.sqlite3", with: "source: \(source)")
        func warnings() -> [String] {
            let file = SettingsFile(Array(text.utf8))
            #expect(file.diagnostics == [])
            return Surroundings().diagnostics(of: file).map(\.message).filter { $0.contains(path) }
        }
        var changed = unsafe chmod(path, 0o644)
        #expect(changed == 0 && warnings().contains { $0.contains("'chmod 600 \(path)'") })
        changed = unsafe chmod(path, 0o600)
        #expect(changed == 0 && warnings() == [])
    }

    @Test(
        "check warns of a wildcard address behind which the Internet finds nothing",
        arguments: [
            ("udp://0.0.0.0:5099", ["127.0.0.1", "10.1.2.3", "2001:db8::5"], true),
            ("udp://0.0.0.0:5099", ["127.0.0.1", "10.1.2.3", "198.51.100.7"], false),
            ("udp://0.0.0.0:5099 as 203.0.113.5", ["127.0.0.1", "10.1.2.3"], false),
            ("\"udp://[::]:5099\"", ["::1", "fe80::1", "fd00::5", "198.51.100.7"], true),
            ("\"udp://[::]:5099\"", ["::1", "fe80::1", "fd00::5", "2001:db8::5"], false),
        ])
    func everywhere(_ outside: String, _ machine: [String], isWarned: Bool) throws {
        let text = good.replacing("udp://203.0.113.5:5060", with: outside)
        let file = SettingsFile(Array(text.utf8))
        #expect(file.diagnostics == [])
        let told = Surroundings(machine: machine.compactMap { IPAddress($0) }).diagnostics(of: file)
            .map(\.message)
        let isTold = told.contains { $0.contains("addresses of this machine are private") }
        #expect(isTold == isWarned, "\(told)")
    }

    @Test(
        "check warns of a source that is no file, and of a table in another database, with line and remedy",
        arguments: [
            ("sqlite:///dev/zero", "/dev/zero is no regular file: name Asterisk's SQLite file"),
            ("sqlite:///etc", "/etc is no regular file"),
            ("asterisk:///etc/passwd", "/etc/passwd is a file: name the folder"),
            ("asterisk:///absent", "there is no /absent"),
            ("freepbx:///absent", "there is no /absent"),
            ("freepbx:///etc", "/etc is no regular file: name FreePBX's own"),
        ])
    func source(_ url: String, _ expected: String) throws {
        let more = "tables: {sippeers: main.sip_buddies}"
        let text = good.replacing("sqlite:///absent/realtime.sqlite3", with: "\(url), \(more)")
        try withFile(text) { path in
            let outcome = try Outcome(["check", "--settings", path])
            #expect(outcome.status == 0)
            let lines = outcome.complaints.split(separator: "\n").filter { $0.contains("warning:") }
            let told = lines.map { $0.dropFirst(path.count) }
            #expect(told.contains { $0.hasPrefix(":5:") && $0.contains(expected) }, "\(told)")
            #expect(
                told.contains {
                    $0.hasPrefix(":5:")
                        && $0.contains("main is its database, write sip_buddies alone")
                }, "\(told)")
        }
    }

    @Test("check of a file that is not there names it, and exits 1")
    func checkAbsent() throws {
        let outcome = try Outcome(["check", "--settings", "/absent.yaml"])
        #expect(outcome.status == 1)
        #expect(outcome.complaints == "rempart: open /absent.yaml: No such file or directory\n")
    }

    @Test("settings --frames turns standard input into the frames of its settings")
    func frames() throws {
        let outcome = try Outcome(["settings", "--frames", "--name", "f.yaml"], input: good)
        #expect(outcome.status == 0)
        #expect(try outcome.frames() == SettingsFile(Array(good.utf8)).settings)
        #expect(outcome.complaints == "")
    }

    @Test("settings --frames of a wrong text writes no frame, complains under the name, exits 1")
    func noFrames() throws {
        let outcome = try Outcome(["settings", "--frames", "--name", "f.yaml"], input: "a: b\n")
        #expect(outcome.status == 1)
        #expect(outcome.output.isEmpty)
        #expect(outcome.complaints.hasPrefix("f.yaml:1:1: error: unknown key `a`"))
    }

    @Test("without a daemon, every command that needs one says how to start it, and exits 1")
    func notRunning() throws {
        let commands = [
            ["status"], ["status", "--json"], ["phones"], ["accounts"], ["accounts", "1001"],
            ["bans"], ["ban", "192.0.2.1"],
            ["unban", "all"], ["restart", "banner"], ["reload"],
        ]
        for command in commands {
            let outcome = try Outcome(command + ["--runtime", "/tmp/rempart-test-none"])
            #expect(outcome.status == 1)
            #expect(outcome.output.isEmpty)
            #expect(outcome.complaints.contains("systemctl start rempart"))
        }
    }

    @Test(
        "arguments that cannot be meant are refused before anything is asked",
        arguments: [
            ["ban", "192.0.2.256"], ["ban", "192.0.2.1", "--for", "5"],
            ["ban", "192.0.2.1", "--for", "366d"], ["unban", "everything"],
            ["restart", "sip-ruter"], ["restart", "supervisor"], ["stat"], ["accounts", ""],
            ["accounts", String(repeating: "1", count: 65)],
        ])
    func arguments(arguments: [String]) {
        #expect(throws: (any Error).self) { try Rempart.parseAsRoot(arguments) }
    }

    @Test("a component that is misspelt is answered with the right name")
    func component() throws {
        let outcome = try Outcome(["restart", "sip-ruter"])
        #expect(outcome.status == 64)
        #expect(outcome.complaints.contains("did you mean `sip-router`?"))
    }
}

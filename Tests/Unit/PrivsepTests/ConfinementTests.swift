import Foundation
import Messages
import ServiceHarness
import Testing

@testable import Privsep

/// What the kernel says of a child that has confined itself.
@Suite("Confinement")
struct ConfinementTests {
    /// The fields of /proc/PID/status.
    private func status(_ pid: Int32) throws -> [String: String] {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let pairs = text.split(separator: "\n").map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    @Test(
        "a child that serves has no capability but its own, a filter, and can gain nothing",
        arguments: Role.children)
    func confined(_ role: Role) throws {
        let child = try ChildProcess("supervised-child", named: role.name)
        child.end.send(.hello(role))
        child.end.send(.begin)
        #expect(try child.end.hears(.ready))
        let status = try status(child.pid)
        #expect(status["NoNewPrivs"] == "1")
        // SECCOMP_MODE_FILTER (linux/seccomp.h).
        #expect(status["Seccomp"] == "2")
        let allowed: UInt64 = role == .banner ? 1 << 12 : 0
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let has = try #require(UInt64(status[set] ?? "", radix: 16))
            #expect(has & ~allowed == 0, "\(set) \(String(has, radix: 16))")
        }
        #expect(status["Name"] == String(role.name.prefix(15)))
    }
}
